//! `firebell heartbeats`: the jobs that report, and how each is.

use std::path::Path;

use clap::Args;
use serde::Deserialize;

use super::client::{Client, OffsetPage, Target};
use super::columns::Columns;
use super::incidents::time;
use super::trouble::Trouble;
use super::{Outcome, text};
use crate::clock::compact_duration;
use crate::registry::Scope;

#[derive(Debug, Args)]
pub struct Heartbeats {
    /// Print the answer's data as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// A heartbeat, as far as people are shown it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Heartbeat {
    name: String,
    service: String,
    state: String,
    period_s: i64,
    last_ping_at: Option<String>,
    due_at: Option<String>,
}

const COLUMNS: Columns<6> = Columns {
    heads: ["NAME", "STATE", "SERVICE", "EVERY", "LAST PING", "DUE"],
    numbers: &[],
    give_way: &[2, 3, 4],
    last: 20,
};

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
    for line in table(&list.read()?, text::width()) {
        text::say(&line);
    }
    Ok(())
}

/// All pages, put together.
fn fetch(client: &Client) -> Result<OffsetPage, Trouble> {
    let mut all = OffsetPage::default();
    loop {
        let path = format!("/api/v1/heartbeats?limit=100&offset={}", all.items.len());
        let page: OffsetPage = client.get(&path)?.read()?;
        let last = !page.has_more || page.items.is_empty();
        all.items.extend(page.items);
        all.total = page.total;
        if last {
            return Ok(all);
        }
    }
}

/// The lines of the table.
fn table(heartbeats: &[Heartbeat], window: Option<usize>) -> Vec<String> {
    let moment = |at: &Option<String>| at.as_deref().map_or_else(|| "-".into(), time);
    let cells = |one: &Heartbeat| {
        let every = compact_duration(one.period_s * 1000);
        let (last, due) = (moment(&one.last_ping_at), moment(&one.due_at));
        [one.name.clone(), one.state.clone(), one.service.clone(), every, last, due]
    };
    COLUMNS.lines(heartbeats.iter().map(cells), window)
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
        assert_eq!(table(&rows, Some(50))[1], "backup  up       2026-11-24 08:05:00Z");
    }
}
