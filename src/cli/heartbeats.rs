//! `firebell heartbeats`: the jobs that report, and how each is.

use std::path::Path;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cells::{clean, fit, pad, width};
use super::client::{Client, Target, read};
use super::incidents::time;
use super::trouble::Trouble;
use super::{Outcome, text};
use crate::registry::Scope;

#[derive(Debug, Args)]
pub struct Heartbeats {
    /// Print the answer's data as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// All pages of the list, put together.
#[derive(Debug, Default, Deserialize, Serialize)]
struct List {
    items: Vec<Box<RawValue>>,
    total: u64,
    has_more: bool,
    next_offset: Option<u64>,
}

/// A heartbeat, as far as people are shown it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Heartbeat {
    name: String,
    service: String,
    state: String,
    period_s: u64,
    last_ping_at: Option<String>,
    due_at: Option<String>,
}

/// The heads of the columns.
const HEADS: [&str; 6] = ["NAME", "STATE", "SERVICE", "EVERY", "LAST PING", "DUE"];

pub fn run(config: Option<&Path>, heartbeats: &Heartbeats) -> Outcome {
    let (client, _) = Client::new(config, &heartbeats.target, Some(Scope::ServicesRead))?;
    let list = fetch(&client)?;
    if heartbeats.json {
        text::say(&serde_json::to_string(&list)?);
        return Ok(());
    }
    if list.items.is_empty() {
        text::say("there are no [[heartbeats]] in the configuration");
        return Ok(());
    }
    let rows = list.items.iter().map(|item| read(item)).collect::<Result<Vec<_>, _>>()?;
    table(&rows, text::width()).iter().for_each(|line| text::say(line));
    Ok(())
}

fn fetch(client: &Client) -> Result<List, Trouble> {
    let mut all = List::default();
    loop {
        let page: List =
            client.get(&format!("/api/v1/heartbeats?limit=100&offset={}", all.items.len()))?.read()?;
        let last = !page.has_more || page.items.is_empty();
        all.items.extend(page.items);
        all.total = page.total;
        if last {
            return Ok(all);
        }
    }
}

/// The lines of the table in a window; without one (a pipe) nothing is cut.
fn table(heartbeats: &[Heartbeat], window: Option<usize>) -> Vec<String> {
    let moment = |at: &Option<String>| at.as_deref().map_or_else(|| "-".into(), time);
    let cells = |one: &Heartbeat| {
        let every = every(one.period_s);
        let (last, due) = (moment(&one.last_ping_at), moment(&one.due_at));
        [one.name.clone(), one.state.clone(), one.service.clone(), every, last, due].map(|cell| clean(&cell))
    };
    let rows: Vec<_> =
        std::iter::once(HEADS.map(str::to_owned)).chain(heartbeats.iter().map(cells)).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let line = |row: &[String; 6]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| pad(cell, width, false));
        let line = padded.collect::<Vec<_>>().join("  ");
        window.map_or_else(|| line.trim_end().to_owned(), |window| fit(&line, window))
    };
    rows.iter().map(line).collect()
}

/// A period in its largest whole unit.
fn every(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let whole = units.into_iter().find(|(_, of)| seconds.is_multiple_of(*of) && seconds > 0);
    whole.map_or_else(|| "-".into(), |(unit, of)| format!("{}{unit}", seconds / of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_for_a_pipe_and_for_a_window() {
        let one = |name: &str, state: &str, period_s, last: Option<&str>| Heartbeat {
            name: name.into(),
            state: state.into(),
            service: "SER-00001".into(),
            period_s,
            last_ping_at: last.map(str::to_owned),
            due_at: last.map(|_| "2026-11-24T08:05:00.123Z".into()),
        };
        let rows = [
            one("backup", "up", 86_400, Some("2026-11-23T08:00:00.123Z")),
            one("c\x1b", "waiting", 90, None),
        ];
        let lines = [
            "NAME    STATE    SERVICE    EVERY  LAST PING             DUE",
            "backup  up       SER-00001  1d     2026-11-23 08:00:00Z  2026-11-24 08:05:00Z",
            "c       waiting  SER-00001  90s    -                     -",
        ];
        assert_eq!(table(&rows, None), lines);
        assert_eq!(table(&rows, Some(12))[1], "backup  up…");
    }
}
