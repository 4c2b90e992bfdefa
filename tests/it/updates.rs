//! What a POST to a held key changes, and what it leaves alone.

use serde_json::{Value, json};

use crate::server::{MINUTE, NOW, Server};

const LATER: &str = "2026-11-23T08:01:00.123Z";

#[test]
fn a_field_that_is_present_overwrites_and_an_absent_one_stays() {
    for (field, first, second) in [
        ("title", json!("One (HUSH)"), json!("Two (HUSH)")),
        ("description", json!("one"), json!("two")),
        ("severity", json!("SEV1"), json!("SEV3")),
        ("source_url", json!("https://a.example/1"), json!("https://a.example/2")),
    ] {
        let server = Server::new();
        server.alert(json!({ "dedup_key": "k", field: first }));
        server.advance(MINUTE);
        let data = server.alert(json!({ "dedup_key": "k", field: second }));
        assert_eq!((&data["outcome"], &data["warnings"]), (&json!("updated"), &json!([])), "{field}");
        let incident = server.show("INC-2026-001");
        assert_eq!(incident[field], second);
        assert_eq!(
            (incident["created_at"].as_str(), incident["updated_at"].as_str()),
            (Some(NOW), Some(LATER))
        );
        let entry = &incident["timeline"][0];
        assert_eq!(
            (entry["kind"].as_str(), entry["actor"].as_str()),
            (Some("updated"), Some("integration:prod"))
        );
        assert_eq!(entry["changes"], json!([{ "field": field, "from": first, "to": second }]));
        assert_eq!((entry["at"].as_str(), entry["message"].as_str()), (Some(LATER), None));

        // The title is required, so it cannot be absent.
        let absent = if field == "title" { json!({ "title": second }) } else { json!({ field: null }) };
        for mut members in [absent, json!({ "title": incident["title"] })] {
            members["dedup_key"] = "k".into();
            assert_eq!(server.alert(members)["outcome"], "repeated", "{field}");
            assert_eq!(server.show("INC-2026-001")[field], second);
        }
    }
}

#[test]
fn what_was_not_there_before_comes_from_null() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k", "description": "d", "source_url": "http://a/" }));
    let changes = json!([
        { "field": "description", "from": null, "to": "d" },
        { "field": "source_url", "from": null, "to": "http://a/" },
    ]);
    assert_eq!(server.show("INC-2026-001")["timeline"][0]["changes"], changes);
}

#[test]
fn several_changes_of_one_post_are_one_entry() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let all = json!({
        "dedup_key": "k", "title": "Other (HUSH)", "description": "d", "severity": "SEV0", "status": "investigating",
        "source_url": "http://a/", "service_id": "SER-00002", "metadata": { "m": 1 },
    });
    assert_eq!(server.alert(all)["outcome"], "updated");
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["timeline_total"], 2);
    let changes = incident["timeline"][0]["changes"].as_array().unwrap();
    let mut fields: Vec<_> = changes.iter().map(|change| change["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    let expected = ["description", "metadata.m", "service_id", "severity", "source_url", "status", "title"];
    assert_eq!(fields, expected);
}

#[test]
fn the_status_of_an_open_incident_never_moves_backwards() {
    for (now, sent, then) in [
        ("new", "new", "new"),
        ("new", "investigating", "investigating"),
        ("new", "resolved", "resolved"),
        ("investigating", "new", "investigating"),
        ("investigating", "investigating", "investigating"),
        ("investigating", "resolved", "resolved"),
        ("fixing", "new", "fixing"),
        ("fixing", "investigating", "fixing"),
        ("fixing", "resolved", "resolved"),
        ("monitoring", "new", "monitoring"),
        ("monitoring", "investigating", "monitoring"),
        ("monitoring", "resolved", "resolved"),
    ] {
        let server = Server::new();
        server.alert(json!({ "dedup_key": "k" }));
        if now != "new" {
            server.set_status("INC-2026-001", now);
        }
        let data = server.alert(json!({ "dedup_key": "k", "status": sent }));
        let outcome = match then {
            "resolved" => "resolved",
            _ if then == now => "repeated",
            _ => "updated",
        };
        let came_to = (data["outcome"].as_str(), data["status"].as_str());
        assert_eq!(came_to, (Some(outcome), Some(then)), "{sent} on {now}");
        let incident = server.show("INC-2026-001");
        assert_eq!(incident["status"], then);
        if then != now {
            let change = json!([{ "field": "status", "from": now, "to": then }]);
            assert_eq!(incident["timeline"][0]["changes"], change);
        }
    }
}

#[test]
fn resolving_says_when_and_by_whom() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    server.advance(MINUTE);
    let data = server.alert(json!({ "dedup_key": "k", "status": "resolved", "severity": "SEV0" }));
    assert_eq!((&data["outcome"], &data["severity"]), (&json!("resolved"), &json!("SEV0")));
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["resolved_at"], LATER);
    assert_eq!(incident["resolved_by"], "integration:prod");
    assert_eq!(incident["timeline"][0]["kind"], "resolved");
    // A resolve of what is resolved may still bring news, but it was resolved when it was.
    server.advance(MINUTE);
    let data = server.alert(json!({ "dedup_key": "k", "status": "resolved", "severity": "SEV1" }));
    assert_eq!(data["outcome"], "updated");
    assert_eq!(server.show("INC-2026-001")["resolved_at"], LATER);

    server.alert(json!({ "dedup_key": "born resolved", "status": "resolved" }));
    let born = server.show("INC-2026-002");
    assert_eq!(
        (&born["resolved_at"], &born["resolved_by"]),
        (&born["created_at"], &json!("integration:prod"))
    );
}

#[test]
fn re_opening_clears_resolution_and_acknowledgement_and_keeps_number_assignment_and_severity() {
    for status in ["new", "investigating"] {
        let server = Server::new();
        server.alert(json!({ "dedup_key": "k", "severity": "SEV0", "description": "d" }));
        server.acknowledge("INC-2026-001");
        server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
        let before = server.show("INC-2026-001");
        for field in ["resolved_at", "resolved_by", "acknowledged_at", "acknowledged_by", "assigned_to"] {
            assert!(before[field].is_string(), "{field}: {before}");
        }
        server.advance(MINUTE);
        let data = server.alert(json!({ "dedup_key": "k", "status": status }));
        let came_to = (data["outcome"].as_str(), data["status"].as_str(), data["severity"].as_str());
        assert_eq!(came_to, (Some("reopened"), Some(status), Some("SEV0")));
        let after = server.show("INC-2026-001");
        for field in ["resolved_at", "resolved_by", "acknowledged_at", "acknowledged_by", "closed_at"] {
            assert_eq!(after[field], Value::Null, "{field}");
        }
        for field in ["assigned_to", "description", "created_at", "title", "service_ids"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        let entry = &after["timeline"][0];
        assert_eq!((entry["kind"].as_str(), entry["at"].as_str()), (Some("reopened"), Some(LATER)));
        assert_eq!(entry["changes"], json!([{ "field": "status", "from": "resolved", "to": status }]));
        // Open again, it can be acknowledged again.
        assert_eq!(server.acknowledge("INC-2026-001")["acknowledged_at"], LATER);
    }
}

#[test]
fn every_post_counts_and_is_seen_but_only_a_change_is_an_update() {
    let server = Server::new();
    for (minute, members, occurrences) in
        [(0, json!({}), 1), (1, json!({}), 2), (2, json!({ "severity": "SEV0" }), 3), (3, json!({}), 4)]
    {
        let mut members = members;
        members["dedup_key"] = "k".into();
        assert_eq!(server.alert(members)["occurrences"], occurrences);
        let incident = server.show("INC-2026-001");
        assert_eq!(incident["occurrences"], occurrences);
        assert_eq!(incident["created_at"], NOW);
        assert_eq!(incident["last_seen_at"], format!("2026-11-23T08:0{minute}:00.123Z"));
        let updated = if minute < 2 { 0 } else { 2 };
        assert_eq!(incident["updated_at"], format!("2026-11-23T08:0{updated}:00.123Z"));
        server.advance(MINUTE);
    }
}

#[test]
fn a_refused_post_changes_nothing_of_the_incident_that_holds_the_key() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let before = server.show("INC-2026-001");
    server.advance(MINUTE);
    let response = server.post(json!({ "title": "", "service_id": "SER-00001", "dedup_key": "k" }));
    assert_eq!(response.status, 400);
    assert_eq!(server.show("INC-2026-001"), before);
}
