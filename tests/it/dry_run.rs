//! `?dry_run=1`: the outcome that a POST would have, and no trace.

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::server::{Server, WEBHOOK, alert, codes, field_codes};

const DRY: &str = "/webhooks/HUSH-prod-key-0001?dry_run=1";

/// All that the file holds, as text.
fn everything(server: &Server) -> String {
    let file = server.file();
    let mut all = String::new();
    for table in ["incident", "event", "counter", "idempotency", "delivery"] {
        let mut statement = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> =
                (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect();
            all += &format!("{table}: {}\n", values.join(" "));
        }
    }
    all
}

#[test]
fn it_tells_every_outcome_as_it_would_be_and_leaves_no_trace() {
    let server = Server::with("on_unknown_resolve = 'ignore'");
    server.alert(json!({ "dedup_key": "open", "severity": "SEV1", "metadata": { "a": 1 } }));
    server.alert(json!({ "dedup_key": "resolved" }));
    server.alert(json!({ "dedup_key": "resolved", "status": "resolved" }));
    let before = everything(&server);
    for (key, members, outcome, number, status, occurrences) in [
        ("none", json!({}), "created", Value::Null, "new", 1),
        ("open", json!({}), "repeated", "INC-2026-001".into(), "new", 2),
        ("open", json!({ "severity": "SEV0" }), "updated", "INC-2026-001".into(), "new", 2),
        ("open", json!({ "metadata": { "b": 2 } }), "updated", "INC-2026-001".into(), "new", 2),
        ("open", json!({ "status": "resolved" }), "resolved", "INC-2026-001".into(), "resolved", 2),
        ("resolved", json!({}), "reopened", "INC-2026-002".into(), "new", 3),
    ] {
        let mut members = members;
        members["dedup_key"] = key.into();
        let response = server.post_to(DRY, alert(members));
        assert_eq!(response.status, 200);
        let data = response.data();
        assert_eq!((&data["dry_run"], &data["outcome"]), (&json!(true), &json!(outcome)));
        assert_eq!((&data["incident_number"], &data["status"]), (&number, &json!(status)), "{outcome}");
        assert_eq!((&data["occurrences"], data["url"].is_null()), (&json!(occurrences), number.is_null()));
        assert_eq!(everything(&server), before, "{outcome}");
    }
    let ignored = server.post_to(DRY, alert(json!({ "dedup_key": "none", "status": "resolved" }))).data();
    assert_eq!((&ignored["outcome"], &ignored["dry_run"]), (&json!("ignored"), &json!(true)));
    assert_eq!(everything(&server), before);
    // The next number is the next.
    assert_eq!(server.alert(json!({}))["incident_number"], "INC-2026-003");
}

#[test]
fn it_refuses_and_warns_as_the_real_thing_would() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let refused = server.post_to(DRY, alert(json!({ "title": "", "service_id": "SER-0001" })));
    assert_eq!(field_codes(&refused), "title:empty service_id:unknown_service");
    assert_eq!(
        field_codes(&server.post_to(DRY, alert(json!({ "service_id": "old" })))),
        "service_id:inactive_service"
    );
    assert_eq!(server.post_to(DRY, "{").code(), "invalid_json");
    assert_eq!(server.post_to("/webhooks/nobody-has-this?dry_run=1", "{").code(), "unknown_routing_key");
    let data =
        server.post_to(DRY, alert(json!({ "dedup_key": "k", "service_id": "old", "colour": 1 }))).data();
    assert_eq!(codes(&data["warnings"]), "colour:unknown_field service_id:inactive_service");
    assert_eq!(server.alert(json!({}))["incident_number"], "INC-2026-002");
}

#[test]
fn the_parameter_is_1_or_0_and_nothing_else() {
    let server = Server::new();
    for (query, dry) in
        [("dry_run=1", true), ("dry_run=true", true), ("dry_run=0", false), ("dry_run=false", false)]
    {
        let response = server.post_to(&format!("{WEBHOOK}?{query}"), alert(json!({})));
        assert_eq!(
            (response.status, response.data().get("dry_run").is_some()),
            (if dry { 200 } else { 201 }, dry)
        );
    }
    for value in ["", "yes", "2", "TRUE"] {
        let response = server.post_to(&format!("{WEBHOOK}?dry_run={value}"), alert(json!({})));
        assert_eq!(field_codes(&response), "dry_run:not_in_list", "{value}");
    }
    let both = server.post_to(&format!("{WEBHOOK}?dry_run=1&dry_run=0"), alert(json!({})));
    assert_eq!(field_codes(&both), "dry_run:not_in_list");
    assert_eq!(server.list(""), [2, 1]);
}

#[test]
fn an_idempotency_key_is_not_used_up_by_it() {
    let server = Server::new();
    let send = |path: &str, title: &str| {
        let body = alert(json!({ "title": title })).to_string();
        server.send("POST", path, &[("Idempotency-Key", "once")], body.as_bytes())
    };
    assert_eq!(send(DRY, "dry").data()["outcome"], "created");
    let real = send(WEBHOOK, "real");
    assert_eq!((real.status, real.header("idempotent-replayed")), (201, None));
    // Now it is used; what the real thing would do is to answer again, or to refuse.
    assert_eq!(send(DRY, "real").header("idempotent-replayed"), Some("true"));
    assert_eq!(send(DRY, "dry").code(), "idempotency_conflict");
}

#[test]
fn dry_and_real_posts_at_once_do_not_meet() {
    let server = Server::new();
    let start = Barrier::new(16);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (server, start) = (&server, &start);
            scope.spawn(move || {
                start.wait();
                for post in 0..10 {
                    // Half of them new keys, half of them one that everybody posts.
                    let key = if post % 2 == 0 { format!("{thread}-{post}") } else { "shared".into() };
                    let path = if thread % 2 == 0 { DRY } else { WEBHOOK };
                    let body = alert(json!({ "dedup_key": key, "title": format!("{thread} {post}") }));
                    let data = server.post_to(path, body).data();
                    assert_eq!(data["dry_run"] == true, path == DRY);
                }
            });
        }
    });
    // 8 real threads: 5 keys of their own each, and the shared one, which 40 real POSTs met.
    let numbers = server.list("limit=100");
    assert_eq!(numbers, (1..=41).rev().collect::<Vec<_>>());
    let page = server.get("/api/v1/incidents?dedup_key=shared").data();
    assert_eq!(page["items"][0]["occurrences"], 40);
}
