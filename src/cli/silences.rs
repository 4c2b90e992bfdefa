//! `firebell silences`: for whom nobody is told for a while; making one, and ending it.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, Data, OffsetPage, Target};
use super::columns::Columns;
use super::incidents::time;
use super::trouble::Trouble;
use super::{Outcome, pair, text};
use crate::registry::Scope;

#[derive(Debug, Args)]
pub struct Silences {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only those in this state, which may be repeated; without it those that are not over come first
    #[arg(long, value_enum)]
    state: Vec<State>,
    /// How many at most, up to 100
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Print the answer's data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one: of the incidents that are like that nobody is told until it ends
    Add(Box<Add>),
    /// End one now; what it held back is told
    End {
        /// Its id
        id: u64,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Incidents of this service, by id or alias; several for any of them
    #[arg(long, short)]
    service: Vec<String>,
    /// Of this severity: SEV0 (worst) to SEV4; several for any of them
    #[arg(long)]
    severity: Vec<String>,
    /// Of this integration; several for any of them
    #[arg(long)]
    integration: Vec<String>,
    /// With this metadata; several for all of them
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// With these words in title or description
    #[arg(long, allow_hyphen_values = true)]
    text: Option<String>,
    /// Every incident
    #[arg(long)]
    all: bool,
    /// When it begins, as in 2026-11-23T22:00:00Z; without it now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When it ends
    #[arg(long, value_name = "TIME", required_unless_present = "minutes", conflicts_with = "minutes")]
    until: Option<String>,
    /// How long it is: 45m, 2h, 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = minutes)]
    minutes: Option<u64>,
    /// Why; people read it while it lasts, and in the summary that follows it
    #[arg(long, allow_hyphen_values = true)]
    comment: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// In force
    Active,
    /// Yet to begin
    Pending,
    /// Ended
    Over,
}

/// A silence, as far as people are shown it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Silence {
    id: u64,
    state: String,
    services: Vec<String>,
    severities: Vec<String>,
    integrations: Vec<String>,
    metadata: Map<String, Value>,
    text: Option<String>,
    all: bool,
    starts_at: String,
    ends_at: String,
    comment: String,
    author: String,
    ended_at: Option<String>,
    incidents: u64,
}

const COLUMNS: Columns<8> = Columns {
    heads: ["ID", "STATE", "FROM", "UNTIL", "ABOUT", "INCIDENTS", "AUTHOR", "COMMENT"],
    numbers: &[0, 5],
    give_way: &[2, 6, 5, 4],
    last: 20,
};

pub fn run(config: Option<&Path>, silences: &Silences) -> Outcome {
    let scope = if silences.action.is_some() { Scope::IncidentsWrite } else { Scope::IncidentsRead };
    let (client, _) = Client::new(config, &silences.target, Some(scope))?;
    match &silences.action {
        None => list(&client, silences),
        Some(Action::Add(new)) => {
            report(&client.post("/api/v1/silences", &body(new).to_string(), &[])?, silences.json)
        }
        Some(Action::End { id }) => {
            report(&client.post(&format!("/api/v1/silences/{id}/end"), "{}", &[])?, silences.json)
        }
    }
}

fn body(new: &Add) -> Value {
    let metadata: Map<_, _> = new.metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut body = json!({
        "services": new.service,
        "severities": new.severity,
        "integrations": new.integration,
        "metadata": metadata,
        "text": new.text,
        "comment": new.comment,
    });
    if new.all {
        body["all"] = json!(true);
    }
    for (name, value) in [("starts_at", &new.from), ("ends_at", &new.until)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if let Some(minutes) = new.minutes {
        body["minutes"] = json!(minutes);
    }
    body
}

fn list(client: &Client, silences: &Silences) -> Outcome {
    let limit = usize::from(silences.limit);
    let page = match silences.state.as_slice() {
        [] => those_not_over_first(client, limit)?,
        states => page(client, states, limit)?,
    };
    if silences.json {
        text::say(&serde_json::to_string(&page)?);
        return Ok(());
    }
    if page.items.is_empty() {
        text::say(if silences.state.is_empty() { "there are no silences" } else { "no silence matches" });
        return Ok(());
    }
    let list = page.read::<Silence>()?;
    for line in COLUMNS.lines(list.iter().map(cells), text::width()) {
        text::say(&line);
    }
    page.say_what_is_left();
    Ok(())
}

/// What is over only fills up what the others leave.
fn those_not_over_first(client: &Client, limit: usize) -> Result<OffsetPage, Trouble> {
    let mut all = page(client, &[State::Active, State::Pending], limit)?;
    let left = limit.saturating_sub(all.items.len());
    // How many there are is said in any case.
    let over = page(client, &[State::Over], left.max(1))?;
    all.items.extend(over.items.into_iter().take(left));
    all.total += over.total;
    all.has_more = all.total > all.items.len() as u64;
    // No offset leads on in two lists.
    all.next_offset = None;
    Ok(all)
}

fn page(client: &Client, states: &[State], limit: usize) -> Result<OffsetPage, Trouble> {
    let states = states.iter().filter_map(ValueEnum::to_possible_value);
    let states: String = states.map(|state| format!("&state={}", state.get_name())).collect();
    client.get(&format!("/api/v1/silences?limit={limit}{states}"))?.read()
}

fn report(data: &Data, json: bool) -> Outcome {
    if json {
        text::say(data.json());
        return Ok(());
    }
    let silence: Silence = data.read()?;
    let about = about(&silence);
    let line = match (silence.state.as_str(), &silence.ended_at) {
        ("over", ended_at) => {
            let at = ended_at.as_ref().unwrap_or(&silence.ends_at);
            format!("silence {} ended {}; it was about {about}", silence.id, time(at))
        }
        (_, _) => {
            let (from, until) = (time(&silence.starts_at), time(&silence.ends_at));
            format!("silence {} from {from} until {until}: {about}", silence.id)
        }
    };
    text::say(&super::cells::clean(&line));
    Ok(())
}

fn cells(silence: &Silence) -> [String; 8] {
    let until = silence.ended_at.as_ref().unwrap_or(&silence.ends_at);
    [
        silence.id.to_string(),
        silence.state.clone(),
        time(&silence.starts_at),
        time(until),
        about(silence),
        silence.incidents.to_string(),
        silence.author.clone(),
        silence.comment.clone(),
    ]
}

/// What it is about, in a line.
fn about(silence: &Silence) -> String {
    if silence.all {
        return "everything".into();
    }
    let lists = [&silence.services, &silence.severities, &silence.integrations];
    let mut parts: Vec<_> =
        lists.into_iter().filter(|list| !list.is_empty()).map(|list| list.join("|")).collect();
    let value = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    parts.extend(silence.metadata.iter().map(|(key, of)| format!("{key}={}", value(of))));
    parts.extend(silence.text.iter().map(|text| format!("{text:?}")));
    parts.join(" ")
}

fn minutes(text: &str) -> Result<u64, String> {
    let minutes = || {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let of = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(of).filter(|minutes| *minutes > 0)
    };
    minutes().ok_or_else(|| "a duration is a whole number of m, h or d, such as 2h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_pairs_are_read() {
        assert_eq!(["45m", "2h", "7d"].map(|text| minutes(text).ok()), [Some(45), Some(120), Some(10_080)]);
        for text in ["", "2", "h", "2w", "0m", "-1h", "1.5h"] {
            assert!(minutes(text).is_err(), "{text}");
        }
        assert_eq!(pair("env=a=b"), Ok(("env".into(), "a=b".into())));
        assert!(pair("env").is_err() && pair("=x").is_err());
    }

    #[test]
    fn a_silence_is_a_line() {
        let silence = Silence {
            id: 3,
            state: "active".into(),
            services: vec!["SER-00001".into(), "SER-00002".into()],
            metadata: json!({ "env": "prod" }).as_object().cloned().unwrap_or_default(),
            text: Some("disk".into()),
            starts_at: "2026-11-23T08:00:00.123Z".into(),
            ends_at: "2026-11-23T10:00:00.123Z".into(),
            comment: "Moving the racks".into(),
            author: "ada".into(),
            incidents: 4,
            ..Silence::default()
        };
        assert_eq!(
            COLUMNS.lines([cells(&silence)].into_iter(), None)[1],
            " 3  active  2026-11-23 08:00:00Z  2026-11-23 10:00:00Z  SER-00001|SER-00002 env=prod \"disk\"          4  ada     Moving the racks"
        );
        assert_eq!(about(&Silence { all: true, ..silence }), "everything");
    }
}
