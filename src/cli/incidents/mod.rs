//! `firebell incidents`: what is on fire, and doing something about it, for a person at a terminal.

mod act;
mod data;
mod detail;
mod list;
mod table;
mod watch;

use std::path::Path;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand};

use super::client::{Client, OffsetPage, Target};
use super::{Cli, Outcome, text};
use crate::model::Number;
use crate::registry::Scope;

pub use data::{Incident, Page, time};
use list::List;

#[derive(Debug, Args)]
pub struct Incidents {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print the answer's data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    list: List,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a process makes one")]
enum Action {
    /// List incidents, newest first; what `incidents` alone does
    List(List),
    /// Show one with its timeline, and who was told of it
    Show {
        /// INC-2026-001
        #[arg(value_parser = act::number)]
        number: Number,
    },
    /// Acknowledge: you have seen it and take it
    Ack {
        /// INC-2026-001, or several
        #[arg(required = true, value_name = "NUMBER", value_parser = act::number)]
        numbers: Vec<Number>,
    },
    /// Resolve: it is over
    Resolve {
        /// INC-2026-001, or several
        #[arg(required = true, value_name = "NUMBER", value_parser = act::number)]
        numbers: Vec<Number>,
        /// What there is to say about it
        #[arg(long, allow_hyphen_values = true)]
        comment: Option<String>,
    },
    /// Move to another status: reopen, close, …
    Status {
        /// INC-2026-001, or several
        #[arg(required = true, value_name = "NUMBER", value_parser = act::number)]
        numbers: Vec<Number>,
        /// investigating, fixing, monitoring, resolved or closed
        #[arg(value_parser = act::status)]
        status: String,
        /// What there is to say about it
        #[arg(long, allow_hyphen_values = true)]
        comment: Option<String>,
    },
    /// Add a comment to the timeline
    Comment {
        /// INC-2026-001
        #[arg(value_parser = act::number)]
        number: Number,
        /// The comment; - reads standard input
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Hand it to somebody
    Assign {
        /// INC-2026-001
        #[arg(value_parser = act::number)]
        number: Number,
        /// Whom to, as they are called here: an e-mail address or a token's name
        #[arg(required_unless_present = "nobody")]
        who: Option<String>,
        /// Take it from whoever has it
        #[arg(long, conflicts_with = "who")]
        nobody: bool,
    },
    /// Change title, description or severity
    Edit(act::Edit),
    /// Create one by hand
    Create(act::Create),
}

impl Action {
    const fn scope(&self) -> Scope {
        match self {
            Self::List(_) | Self::Show { .. } => Scope::IncidentsRead,
            _ => Scope::IncidentsWrite,
        }
    }
}

pub fn run(config: Option<&Path>, incidents: &Incidents) -> Outcome {
    let Incidents { action, list, json, target } = incidents;
    let json = *json;
    if action.is_some() && *list != List::default() {
        let message = "options of `list` stand behind it: firebell incidents list --open\n";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let scope = action.as_ref().map_or(Scope::IncidentsRead, Action::scope);
    let (client, config) = Client::new(config, target, Some(scope))?;
    match action {
        None => list_or_watch(&client, config.as_ref(), list, json),
        Some(Action::List(list)) => list_or_watch(&client, config.as_ref(), list, json),
        Some(Action::Show { number }) => show(&client, *number, json),
        Some(Action::Ack { numbers }) => act::acknowledge(&client, numbers, json),
        Some(Action::Resolve { numbers, comment }) => {
            act::set_status(&client, numbers, "resolved", comment.as_deref(), json)
        }
        Some(Action::Status { numbers, status, comment }) => {
            act::set_status(&client, numbers, status, comment.as_deref(), json)
        }
        Some(Action::Comment { number, text }) => act::comment(&client, *number, text, json),
        Some(Action::Assign { number, who, .. }) => act::assign(&client, *number, who.as_deref(), json),
        Some(Action::Edit(edit)) => act::edit(&client, edit, json),
        Some(Action::Create(create)) => act::create(&client, create, json),
    }
}

fn list_or_watch(
    client: &Client,
    config: Option<&crate::config::Config>,
    list: &List,
    json: bool,
) -> Outcome {
    if !list.watch {
        return list::run(client, list, json);
    }
    let id_of = |given: &str| match config {
        Some(config) => config.registry.service_id(given).to_owned(),
        None => given.to_owned(),
    };
    watch::run(client, list, list.filters.with_service_ids(id_of), json)
}

fn show(client: &Client, number: Number, json: bool) -> Outcome {
    let data = client.get(&act::path(number, ""))?;
    if json {
        text::say(data.json());
        return Ok(());
    }
    let mut lines = detail::lines(&data.read()?, text::width(), text::colours());
    // An older server knows nothing of these, and a token may not allow them: what there is of the incident is shown.
    let told = client.get(&format!("/api/v1/notifications?incident={number}&limit=100"));
    if let Ok(page) = told.and_then(|data| data.read::<OffsetPage>())
        && let Ok(notifications) = page.read()
    {
        lines.extend(detail::told_lines(&notifications, page.total, text::width()));
    }
    for line in lines {
        text::say(&line);
    }
    Ok(())
}
