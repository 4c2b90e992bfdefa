//! `firebell deliveries`: what senders have sent, what came of it, and sending it again.

mod table;

use std::path::Path;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{Client, Data, OffsetPage, Target, read};
use super::trouble::Trouble;
use super::{Cli, Outcome, send, text};
use crate::registry::Scope;
use table::{Delivery, shown, table};

#[derive(Debug, Args)]
pub struct Deliveries {
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

/// Which deliveries.
#[derive(Debug, Default, PartialEq, Args)]
struct List {
    /// Of this integration; without it, of all
    integration: Option<String>,
    /// Only those that were refused
    #[arg(long)]
    refused: bool,
    /// How many at most, up to 100 [default: 20]
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: Option<u8>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show one with what was sent
    Show {
        /// Whose it is
        integration: String,
        /// Its id
        id: u64,
    },
    /// Send one again, as if it came now
    Replay {
        /// Whose it is
        integration: String,
        /// Its id
        id: u64,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub fn run(config: Option<&Path>, deliveries: &Deliveries) -> Outcome {
    let Deliveries { action, list, json, target } = deliveries;
    if action.is_some() && *list != List::default() {
        let message = "--refused and --limit are for lists: firebell deliveries --refused\n";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let scope = match action {
        Some(Action::Replay { .. }) => Scope::IncidentsWrite,
        _ => Scope::IncidentsRead,
    };
    let (client, _) = Client::new(config, target, Some(scope))?;
    let say = |data: &Data, report: &dyn Fn(&Data) -> Outcome| {
        if *json {
            text::say(data.json());
            return Ok(());
        }
        report(data)
    };
    match action {
        None => print(&fetch(&client, list)?, list, *json),
        Some(Action::Show { integration, id }) => {
            say(&client.get(&path(integration, &format!("/{id}")))?, &|data| {
                shown(&data.read()?, text::width()).iter().for_each(|line| text::say(line));
                Ok(())
            })
        }
        Some(Action::Replay { integration, id, dry_run }) => {
            let query = if *dry_run { "?dry_run=1" } else { "" };
            say(&client.post(&path(integration, &format!("/{id}/replay{query}")), "", &[])?, &report)
        }
    }
}

fn path(integration: &str, rest: &str) -> String {
    let integration = utf8_percent_encode(integration, NON_ALPHANUMERIC);
    format!("/api/v1/integrations/{integration}/deliveries{rest}")
}

/// The last ones of an integration, or of all together.
fn fetch(client: &Client, list: &List) -> Result<OffsetPage, Trouble> {
    let limit = list.limit.unwrap_or(20);
    let refused = if list.refused { "&refused=1" } else { "" };
    let of = |name: &str| client.get(&path(name, &format!("?limit={limit}{refused}")))?.read::<OffsetPage>();
    if let Some(name) = &list.integration {
        return of(name);
    }
    let mut all = OffsetPage::default();
    for name in names(client)? {
        let page = of(&name)?;
        all.total += page.total;
        all.items.extend(page.items);
    }
    // Their ids are in the order in which they came, whosever they are.
    let id = |item: &RawValue| read::<Delivery>(item).map_or(0, |delivery| delivery.id);
    all.items.sort_by_cached_key(|item| std::cmp::Reverse(id(item)));
    all.items.truncate(usize::from(limit));
    all.has_more = all.total > all.items.len() as u64;
    Ok(all)
}

fn names(client: &Client) -> Result<Vec<String>, Trouble> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let mut names = Vec::new();
    loop {
        let path = format!("/api/v1/integrations?limit=100&offset={}", names.len());
        let page: OffsetPage = client.get(&path)?.read()?;
        for item in &page.items {
            names.push(read::<Named>(item)?.name);
        }
        if !page.has_more || page.items.is_empty() {
            return Ok(names);
        }
    }
}

fn print(page: &OffsetPage, list: &List, json: bool) -> Outcome {
    if json {
        text::say(&serde_json::to_string(page)?);
        return Ok(());
    }
    if page.items.is_empty() {
        text::say(if list.refused { "nothing was refused" } else { "nothing was delivered yet" });
        return Ok(());
    }
    let deliveries = page.read()?;
    for line in table(&deliveries, text::width()) {
        text::say(&line);
    }
    page.say_what_is_left();
    Ok(())
}

/// What came of sending it again.
fn report(data: &Data) -> Outcome {
    let mut data: Value = data.read()?;
    let dry_run = data["dry_run"].clone();
    match data["alerts"].as_array_mut() {
        None => send::report(&data),
        Some(alerts) => {
            for alert in alerts {
                alert["dry_run"] = dry_run.clone();
                send::report(alert);
            }
            if data["ignored"] != 0 {
                text::say(&format!("{} part(s) of it are no alerts", data["ignored"]));
            }
        }
    }
    Ok(())
}
