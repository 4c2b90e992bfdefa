//! What must hold of the file after any history.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::server;

/// Queries that must find nothing.
const NOTHING: [(&str, &str); 11] = [
    (
        "a year's numbers are 1, 2, 3… up to its counter",
        "SELECT year, last, count(incident.id), min(incident.id % 10000000000), max(incident.id % 10000000000)
         FROM counter LEFT JOIN incident ON incident.id / 10000000000 = year GROUP BY year
         HAVING count(incident.id) <> last OR min(incident.id % 10000000000) <> 1
             OR max(incident.id % 10000000000) <> last",
    ),
    (
        "every number is of a year that was counted",
        "SELECT id FROM incident WHERE id / 10000000000 NOT IN (SELECT year FROM counter)",
    ),
    (
        "at most one incident holds a key",
        "SELECT integration, dedup_key, count(*) FROM incident WHERE holds_key GROUP BY 1, 2 HAVING count(*) > 1",
    ),
    (
        "an open incident with a key holds it, a closed one does not",
        "SELECT id FROM incident
         WHERE holds_key <> (dedup_key IS NOT NULL) AND status < 4 OR holds_key AND status = 5",
    ),
    (
        "resolved_*, closed_at and the status agree",
        "SELECT id FROM incident
         WHERE (status = 4 AND resolved_at IS NULL) OR (status < 4 AND resolved_at IS NOT NULL)
             OR (resolved_at IS NULL) <> (resolved_by IS NULL) OR (closed_at IS NULL) <> (status <> 5)",
    ),
    (
        "acknowledged_at and acknowledged_by come together",
        "SELECT id FROM incident WHERE (acknowledged_at IS NULL) <> (acknowledged_by IS NULL)",
    ),
    (
        "`entries` counts the timeline, which has at most 1,000",
        "SELECT id, entries FROM incident
         WHERE entries <> (SELECT count(*) FROM event WHERE incident = incident.id) OR entries > 1000",
    ),
    (
        "every POST is counted once in the timeline of an incident that only its integration touched",
        "SELECT id, occurrences FROM incident
         WHERE occurrences <> (SELECT sum(iif(event.id IS repeat_event, repeats, count)) FROM event WHERE incident = incident.id)
             AND NOT EXISTS (SELECT 1 FROM event WHERE incident = incident.id AND actor IS NOT NULL)",
    ),
    (
        "what is not closed is indexed by the minute it was last seen in",
        "SELECT id FROM incident WHERE status < 5 AND seen_minute <> last_seen_at / 60000",
    ),
    (
        "the order of recording is that of time, but for where the clock went back",
        "SELECT id FROM (SELECT id, created_at < lag(created_at) OVER (ORDER BY id) AS back FROM incident)
         WHERE back <> EXISTS (SELECT 1 FROM clock_step WHERE incident = id)",
    ),
    (
        "`repeat_event` is the newest entry, and a repeat",
        "SELECT incident.id FROM incident LEFT JOIN event ON event.id = repeat_event
         WHERE repeat_event IS NOT NULL AND (kind IS NOT 2
             OR repeat_event <> (SELECT max(id) FROM event WHERE incident = incident.id))",
    ),
];

const STATUSES: [&str; 6] = ["new", "investigating", "fixing", "monitoring", "resolved", "closed"];

/// Opens the file of a stopped server and checks all of it.
#[track_caller]
pub fn check(path: &Path, idempotency_keys: u32) {
    let file = server::open(path);
    let integrity: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    assert_eq!(rows(&file, "PRAGMA foreign_key_check"), Vec::<String>::new());
    for (rule, query) in NOTHING {
        assert_eq!(rows(&file, query), Vec::<String>::new(), "broken: {rule}");
    }
    let kept: u32 = file.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0)).unwrap();
    assert!(kept <= idempotency_keys, "{kept} idempotency keys are kept; the limit is {idempotency_keys}");
    check_history(&file);
}

#[derive(serde::Deserialize)]
struct Change {
    field: String,
    from: Box<RawValue>,
    to: Box<RawValue>,
}

/// The timeline tells how each incident came to be as it is: every change starts from where the last one of its field
/// ended, and the last ones are what the incident now says.
fn check_history(file: &Connection) {
    // As text: `1.10` is not `1.1`, and no float can hold `1e400`.
    let mut told: HashMap<(i64, String), String> = HashMap::new();
    let sql = "SELECT incident, changes FROM event WHERE changes IS NOT NULL ORDER BY incident, id";
    let mut statement = file.prepare(sql).unwrap();
    let mut events = statement.query([]).unwrap();
    while let Some(event) = events.next().unwrap() {
        let incident: i64 = event.get(0).unwrap();
        let changes: String = event.get(1).unwrap();
        for Change { field, from, to } in serde_json::from_str::<Vec<Change>>(&changes).unwrap() {
            assert_ne!(from.get(), to.get(), "{incident}: {field} does not change");
            let before = told.insert((incident, field.clone()), to.get().to_owned());
            assert!(
                before.is_none_or(|before| before == from.get()),
                "{incident}: a gap before {field} {from}"
            );
        }
    }
    let sql = "SELECT incident.id, title, status, severity, description, source_url, assigned_to, key
               FROM incident JOIN service ON service.id = incident.service";
    let mut statement = file.prepare(sql).unwrap();
    let mut incidents = statement.query([]).unwrap();
    while let Some(incident) = incidents.next().unwrap() {
        let id: i64 = incident.get(0).unwrap();
        let status: u32 = incident.get(2).unwrap();
        let severity: i64 = incident.get(3).unwrap();
        let text = |index: usize| Value::from(incident.get::<_, Option<String>>(index).unwrap());
        for (field, now) in [
            ("title", text(1)),
            ("status", STATUSES[status as usize].into()),
            ("severity", format!("SEV{severity}").into()),
            ("description", text(4)),
            ("source_url", text(5)),
            ("assigned_to", text(6)),
            ("service_id", text(7)),
        ] {
            let last = told.get(&(id, field.to_owned()));
            let now = now.to_string();
            assert!(
                last.is_none_or(|last| *last == now),
                "{id}: {field} is {now}, the timeline says {last:?}"
            );
        }
    }
}

fn rows(file: &Connection, sql: &str) -> Vec<String> {
    let mut statement = file.prepare(sql).unwrap();
    let columns = statement.column_count();
    let shown = |row: &rusqlite::Row<'_>| {
        let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
        Ok(values.collect::<Vec<_>>().join(" "))
    };
    statement.query_map([], shown).unwrap().map(Result::unwrap).collect()
}
