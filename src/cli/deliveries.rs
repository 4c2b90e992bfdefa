//! `firebell deliveries`: what senders have sent, what came of it, and sending it again.

use std::collections::BTreeMap;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::cells::{clean, fit, pad, width, wrap};
use super::client::{Client, Data, Target, read};
use super::incidents::time;
use super::trouble::Trouble;
use super::{Cli, Outcome, send, text};
use crate::registry::Scope;

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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delivery {
    id: u64,
    integration: String,
    at: String,
    request_id: String,
    status: u16,
    error: Option<Refusal>,
    outcomes: BTreeMap<String, u64>,
    incident_numbers: Vec<String>,
    replays: Option<u64>,
    size_bytes: u64,
    body_cut: bool,
    query: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
}

/// A page of a list, or several put together.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    total: u64,
    has_more: bool,
    next_offset: Option<u64>,
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
fn fetch(client: &Client, list: &List) -> Result<Page, Trouble> {
    let limit = list.limit.unwrap_or(20);
    let refused = if list.refused { "&refused=1" } else { "" };
    let of = |name: &str| client.get(&path(name, &format!("?limit={limit}{refused}")))?.read::<Page>();
    if let Some(name) = &list.integration {
        return of(name);
    }
    let mut all = Page::default();
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
        let page: Page = client.get(&path)?.read()?;
        for item in &page.items {
            names.push(read::<Named>(item)?.name);
        }
        if !page.has_more || page.items.is_empty() {
            return Ok(names);
        }
    }
}

fn print(page: &Page, list: &List, json: bool) -> Outcome {
    if json {
        text::say(&serde_json::to_string(page)?);
        return Ok(());
    }
    if page.items.is_empty() {
        text::say(if list.refused { "nothing was refused" } else { "nothing was delivered yet" });
        return Ok(());
    }
    let deliveries = page.items.iter().map(|item| read(item)).collect::<Result<Vec<_>, _>>()?;
    for line in table(&deliveries, text::width()) {
        text::say(&line);
    }
    if page.has_more {
        text::complain(&format!("{} of {} shown; --limit shows more", deliveries.len(), page.total));
    }
    Ok(())
}

/// The heads of the columns; the last one has what is left.
const HEADS: [&str; 6] = ["ID", "TIME", "INTEGRATION", "STATUS", "BYTES", "RESULT"];
/// Columns that give way in a narrow window, one after the other, and how many cells the result is worth.
const GIVE_WAY: [usize; 4] = [4, 1, 2, 3];
const RESULT_CELLS: usize = 24;

/// The lines of the table in a window; without one (a pipe) nothing is cut.
fn table(deliveries: &[Delivery], window: Option<usize>) -> Vec<String> {
    let cells = |one: &Delivery| {
        [
            one.id.to_string(),
            time(&one.at),
            one.integration.clone(),
            one.status.to_string(),
            one.size_bytes.to_string(),
            result(one),
        ]
        .map(|cell| clean(&cell))
    };
    let rows: Vec<_> =
        std::iter::once(HEADS.map(str::to_owned)).chain(deliveries.iter().map(cells)).collect();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let mut columns: Vec<_> = (0..5).map(|column| (column, widest(column))).collect();
    let taken = |columns: &[(usize, usize)]| columns.iter().map(|(_, width)| width + 2).sum::<usize>();
    let mut give_way = GIVE_WAY.iter();
    while let Some(column) = window
        .filter(|window| window.saturating_sub(taken(&columns)) < RESULT_CELLS.min(widest(5)))
        .and_then(|_| give_way.next())
    {
        columns.retain(|(shown, _)| shown != column);
    }
    let room = window.map(|window| window.saturating_sub(taken(&columns)));
    let line = |row: &[String; 6]| {
        let cells =
            columns.iter().map(|(column, width)| pad(&row[*column], *width, matches!(column, 0 | 4)) + "  ");
        let line =
            cells.collect::<String>() + &room.map_or_else(|| row[5].clone(), |room| fit(&row[5], room));
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What came of it, in a line.
fn result(delivery: &Delivery) -> String {
    let again = delivery.replays.map(|id| format!("{id} again: ")).unwrap_or_default();
    if let Some(Refusal { code, message }) = &delivery.error {
        return format!("{again}{code}: {message}");
    }
    let outcome =
        |(name, count): (&String, &u64)| if *count == 1 { name.clone() } else { format!("{count} {name}") };
    let outcomes = delivery.outcomes.iter().map(outcome).collect::<Vec<_>>().join(", ");
    let mut numbers = delivery.incident_numbers.clone();
    numbers.dedup();
    format!("{again}{outcomes} {}", numbers.join(" "))
}

/// One delivery with what was sent.
fn shown(delivery: &Delivery, window: Option<usize>) -> Vec<String> {
    let mut lines = vec![format!("{} of {}, {}", delivery.id, delivery.integration, time(&delivery.at))];
    lines.push(format!("{} {}", delivery.status, result(delivery)));
    lines.push(format!("request {}", delivery.request_id));
    let cut = if delivery.body_cut { ", not all of them kept" } else { "" };
    lines.push(format!("{} bytes{cut}", delivery.size_bytes));
    lines.extend(delivery.query.iter().map(|query| format!("?{query}")));
    lines.extend(delivery.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.extend(delivery.body.lines().map(ToOwned::to_owned));
    lines.iter().flat_map(|line| wrap(line, window)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn deliveries() -> [Delivery; 2] {
        let refused = Delivery {
            id: 9,
            integration: "local".into(),
            at: "2026-11-23T08:00:00.123Z".into(),
            status: 400,
            size_bytes: 51,
            error: Some(Refusal { code: "invalid_json".into(), message: "the body\x1b is not JSON".into() }),
            ..Delivery::default()
        };
        let again = Delivery {
            id: 10,
            integration: "prometheus".into(),
            at: "2026-11-23T08:05:00.123Z".into(),
            status: 201,
            size_bytes: 1234,
            outcomes: [("created".to_owned(), 1), ("repeated".to_owned(), 2)].into(),
            incident_numbers: ["INC-2026-001", "INC-2026-002", "INC-2026-002"].map(Into::into).into(),
            replays: Some(9),
            ..Delivery::default()
        };
        [again, refused]
    }

    #[test]
    fn a_pipe_gets_all_of_everything() {
        assert_eq!(
            table(&deliveries(), None),
            [
                "ID  TIME                  INTEGRATION  STATUS  BYTES  RESULT",
                "10  2026-11-23 08:05:00Z  prometheus   201      1234  9 again: created, 2 repeated INC-2026-001 INC-2026-002",
                " 9  2026-11-23 08:00:00Z  local        400        51  invalid_json: the body  is not JSON",
            ]
        );
    }

    #[test]
    fn columns_give_way_to_the_result_and_no_line_is_wider_than_its_window() {
        for window in 8..120 {
            for line in
                table(&deliveries(), Some(window)).iter().chain(&shown(&deliveries()[1], Some(window)))
            {
                assert!(width(line) <= window.max(6), "{window}: {line}");
                assert!(!line.contains('\x1b'), "{line:?}");
            }
        }
        let head = |window| table(&deliveries(), Some(window)).remove(0);
        assert_eq!(head(80), "ID  TIME                  INTEGRATION  STATUS  BYTES  RESULT");
        assert_eq!(head(72), "ID  TIME                  INTEGRATION  STATUS  RESULT");
        assert_eq!(head(50), "ID  INTEGRATION  STATUS  RESULT");
        assert_eq!(head(30), "ID  RESULT");
    }
}
