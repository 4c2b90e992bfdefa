//! Deliveries as lines for a person: a table, or one with all that was sent. Pure: it prints nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cli::cells::wrap;
use crate::cli::columns::Columns;
use crate::cli::incidents::time;

/// A delivery, as far as people are shown it; one that is asked for by its id has what was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Delivery {
    pub id: u64,
    integration: String,
    at: String,
    request_id: String,
    route: String,
    topic: Option<String>,
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

const COLUMNS: Columns<6> = Columns {
    heads: ["ID", "TIME", "INTEGRATION", "STATUS", "BYTES", "RESULT"],
    numbers: &[0, 4],
    give_way: &[4, 1, 2, 3],
    last: 24,
};

/// The lines of the table in a window; without one (a pipe) nothing is cut.
pub fn table(deliveries: &[Delivery], window: Option<usize>) -> Vec<String> {
    let cells = |one: &Delivery| {
        [
            one.id.to_string(),
            time(&one.at),
            one.integration.clone(),
            one.status.to_string(),
            one.size_bytes.to_string(),
            result(one),
        ]
    };
    COLUMNS.lines(deliveries.iter().map(cells), window)
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
    // What is no alert is accepted too.
    let outcomes = if outcomes.is_empty() { "accepted".into() } else { outcomes };
    format!("{again}{outcomes} {}", numbers.join(" "))
}

/// One delivery with what was sent.
pub fn shown(delivery: &Delivery, window: Option<usize>) -> Vec<String> {
    let mut lines = vec![format!("{} of {}, {}", delivery.id, delivery.integration, time(&delivery.at))];
    lines.push(format!("{} {}", delivery.status, result(delivery)));
    let path = delivery.route.replace("{topic}", delivery.topic.as_deref().unwrap_or_default());
    lines.push(format!("{path}, {}", delivery.request_id));
    let cut = if delivery.body_cut { ", not all of them kept" } else { "" };
    lines.push(format!("{} bytes{cut}", delivery.size_bytes));
    lines.extend(delivery.query.iter().map(|query| format!("?{query}")));
    lines.extend(delivery.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.push(String::new());
    lines.extend(delivery.body.lines().map(ToOwned::to_owned));
    lines.iter().flat_map(|line| wrap(line, window)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::cells::width;

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
