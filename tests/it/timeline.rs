//! The timeline: newest first, repeats in one entry, bounded.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::{HEAD, PROD, SECOND, SERVICES, Server, WEBHOOK, alert};

fn kinds(incident: &Value) -> String {
    let entry = |entry: &Value| format!("{}×{}", entry["kind"].as_str().unwrap(), entry["count"]);
    incident["timeline"].as_array().unwrap().iter().map(entry).collect::<Vec<_>>().join(" ")
}

#[test]
fn consecutive_repeats_are_one_entry_with_count_and_first_and_last_time() {
    let mut server = Server::new();
    for (severity, expected) in [
        ("SEV1", "created×1"),
        ("SEV1", "repeated×1 created×1"),
        ("SEV1", "repeated×2 created×1"),
        ("SEV1", "repeated×3 created×1"),
        ("SEV0", "updated×1 repeated×3 created×1"),
        ("SEV0", "repeated×1 updated×1 repeated×3 created×1"),
        ("SEV0", "repeated×2 updated×1 repeated×3 created×1"),
    ] {
        server.alert(json!({ "dedup_key": "k", "severity": severity }));
        assert_eq!(kinds(&server.show("INC-2026-001")), expected);
        server.advance(SECOND);
    }
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["timeline_total"], 4);
    let first_run = &incident["timeline"][2];
    assert_eq!(first_run["at"], "2026-11-23T08:00:01.123Z");
    assert_eq!(first_run["last_at"], "2026-11-23T08:00:03.123Z");
    assert_eq!(first_run["changes"], json!([]));
    assert_eq!(incident["timeline"][1]["last_at"], incident["timeline"][1]["at"]);

    // A run goes on after a restart; what a person does ends it.
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    let post = || server.alert(json!({ "dedup_key": "k", "severity": "SEV0" }));
    post();
    server.acknowledge("INC-2026-001");
    post();
    let expected = "repeated×1 acknowledged×1 repeated×3 updated×1 repeated×3 created×1";
    assert_eq!(kinds(&server.show("INC-2026-001")), expected);
}

#[test]
fn an_entry_has_the_contracts_fields_and_ids_that_grow() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "other" }));
    server.alert(json!({ "dedup_key": "k", "severity": "SEV0" }));
    let incident = server.show("INC-2026-001");
    let timeline = incident["timeline"].as_array().unwrap();
    assert!(timeline[0]["id"].as_i64().unwrap() > timeline[1]["id"].as_i64().unwrap());
    let mut oldest = timeline[1].clone();
    assert!(oldest.as_object_mut().unwrap().remove("id").unwrap().is_i64());
    let expected = json!({
        "at": "2026-11-23T08:00:00.123Z", "kind": "created", "actor": "integration:prod", "message": null,
        "changes": [], "count": 1, "last_at": "2026-11-23T08:00:00.123Z",
    });
    assert_eq!(oldest, expected);
}

#[test]
fn an_incident_shows_its_newest_hundred_entries_and_how_many_there_are() {
    let server = Server::new();
    for title in 0..130 {
        server.alert(json!({ "dedup_key": "k", "title": format!("{title}") }));
    }
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (incident["timeline"].as_array().unwrap().len(), &incident["timeline_total"]),
        (100, &json!(130))
    );
    for (position, entry) in incident["timeline"].as_array().unwrap().iter().enumerate() {
        assert_eq!(entry["changes"][0]["to"], format!("{}", 129 - position));
    }
}

/// Posts over one connection and returns the last answer's `data`.
fn post_all(server: &Server, bodies: impl Iterator<Item = Value>) -> Value {
    let mut connection = Connection::open(server.addr()).unwrap();
    let mut last = Value::Null;
    for body in bodies {
        last = connection.try_send("POST", WEBHOOK, &[], body.to_string().as_bytes()).unwrap().data();
    }
    last
}

/// What the file keeps of the only incident's timeline: entries, the events that they stand for, and how many of them
/// are of its creation.
fn kept(server: &Server) -> (i64, i64, i64) {
    let sql = "SELECT count(*), sum(count), sum(kind = 0) FROM event";
    server.file().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

#[test]
fn beyond_a_thousand_entries_the_oldest_merge_and_none_is_uncounted() {
    let server = Server::new();
    // The first 50 titles come three times each: two entries. Then every POST is an entry.
    let title = |n: i64| if n < 150 { n / 3 } else { n };
    let body = |n: i64| alert(json!({ "dedup_key": "k", "title": format!("{}", title(n)) }));
    post_all(&server, (0..1050).map(body));
    assert_eq!(kept(&server), (1000, 1050, 1), "a thousand fit as they are");
    for n in 1050..1053 {
        let data = post_all(&server, [body(n)].into_iter());
        assert_eq!((&data["outcome"], &data["occurrences"]), (&json!("updated"), &json!(n + 1)));
        let (entries, events, created) = kept(&server);
        assert!(entries <= 1000, "{entries}");
        assert_eq!((events, created), (n + 1, 1));
        assert_eq!(server.show("INC-2026-001")["timeline_total"], entries);
    }
    let shown = server.show("INC-2026-001");
    assert_eq!((&shown["title"], &shown["timeline"][0]["count"]), (&json!("1052"), &json!(1)));
}

#[test]
fn an_incident_that_flaps_keeps_to_the_bound_too() {
    let server = Server::new();
    let statuses = ["new", "resolved"];
    post_all(&server, (0..1050).map(|n| alert(json!({ "dedup_key": "k", "status": statuses[n % 2] }))));
    let (entries, events, created) = kept(&server);
    assert!(entries <= 1000, "{entries}");
    assert_eq!((events, created), (1050, 1));
    assert_eq!(server.show("INC-2026-001")["occurrences"], 1050);
}
