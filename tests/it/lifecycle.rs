//! What people do to an incident: the status machine, acknowledging, re-opening.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{MINUTE, NOW, Server, alert, codes, field_codes, sequence};

const STATUSES: [&str; 6] = ["new", "investigating", "fixing", "monitoring", "resolved", "closed"];

/// Where an incident may go from each status.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("new", &["investigating", "fixing", "monitoring", "resolved", "closed"]),
    ("investigating", &["fixing", "monitoring", "resolved", "closed"]),
    ("fixing", &["investigating", "monitoring", "resolved", "closed"]),
    ("monitoring", &["investigating", "fixing", "resolved", "closed"]),
    ("resolved", &["investigating", "closed"]),
    ("closed", &[]),
];

#[track_caller]
fn set(server: &Server, number: &str, body: impl ToString) -> Response {
    server.post_to(&format!("/api/v1/incidents/{number}/status"), body)
}

/// A new incident in that status; its number.
fn incident_in(server: &Server, status: &str) -> String {
    let number = server.alert(json!({}))["incident_number"].as_str().unwrap().to_owned();
    if status != "new" {
        server.set_status(&number, status);
    }
    number
}

#[test]
fn every_transition_is_as_the_status_machine_says() {
    let server = Server::new();
    for (from, allowed) in ALLOWED {
        for to in STATUSES {
            let number = incident_in(&server, from);
            let before = server.show(&number);
            server.advance(MINUTE);
            let response = set(&server, &number, json!({ "status": to }));
            let after = server.show(&number);
            if !allowed.contains(&to) {
                assert_eq!(
                    (response.status, response.code().as_str()),
                    (409, "invalid_transition"),
                    "{from} → {to}"
                );
                assert_eq!(
                    response.json()["error"]["details"],
                    json!({ "allowed": allowed }),
                    "{from} → {to}"
                );
                assert_eq!(after, before);
                continue;
            }
            let kind = match to {
                "resolved" | "closed" => to,
                _ if from == "resolved" => "reopened",
                _ => "status_changed",
            };
            let entry = &after["timeline"][0];
            assert_eq!(
                (entry["kind"].as_str(), entry["actor"].as_str()),
                (Some(kind), Some("local")),
                "{from} → {to}"
            );
            assert_eq!(entry["changes"], json!([{ "field": "status", "from": from, "to": to }]));
            assert_eq!(after["updated_at"], entry["at"]);
            assert_eq!(after["last_seen_at"], before["last_seen_at"], "nobody saw it again");
            assert_eq!(after["occurrences"], 1);
            // The answer is the incident without its timeline.
            let mut shown = after.clone();
            shown.as_object_mut().unwrap().retain(|field, _| !field.starts_with("timeline"));
            assert_eq!(response.data(), shown, "{from} → {to}");
        }
    }
}

#[test]
fn resolving_closing_and_re_opening_stamp_and_clear() {
    let server = Server::new();
    let number = incident_in(&server, "new");
    let acknowledged = server.acknowledge(&number);
    server.advance(MINUTE);
    let resolved = server.set_status(&number, "resolved");
    assert_eq!(
        (&resolved["resolved_at"], &resolved["resolved_by"]),
        (&json!("2026-11-23T08:01:00.123Z"), &json!("local"))
    );
    assert_eq!(resolved["acknowledged_at"], NOW);
    let reopened = server.set_status(&number, "investigating");
    for field in ["resolved_at", "resolved_by", "acknowledged_at", "acknowledged_by"] {
        assert_eq!(reopened[field], Value::Null, "{field}");
    }
    assert_eq!(reopened["assigned_to"], acknowledged["assigned_to"]);
    server.set_status(&number, "resolved");
    server.advance(MINUTE);
    let closed = server.set_status(&number, "closed");
    assert_eq!(
        (&closed["resolved_at"], &closed["closed_at"]),
        (&json!("2026-11-23T08:01:00.123Z"), &json!("2026-11-23T08:02:00.123Z"))
    );
    // Closed without ever having been resolved.
    let closed = server.set_status(&incident_in(&server, "fixing"), "closed");
    assert_eq!((closed["closed_at"].is_string(), &closed["resolved_at"]), (true, &Value::Null));
}

#[test]
fn acknowledging_stamps_assigns_and_lifts_new() {
    let server = Server::new();
    for (from, then) in [
        ("new", "investigating"),
        ("investigating", "investigating"),
        ("fixing", "fixing"),
        ("monitoring", "monitoring"),
    ] {
        let number = incident_in(&server, from);
        let data = server.acknowledge(&number);
        assert_eq!((&data["status"], &data["assigned_to"]), (&json!(then), &json!("local")), "{from}");
        assert_eq!((&data["acknowledged_at"], &data["acknowledged_by"]), (&json!(NOW), &json!("local")));
        assert_eq!(data.get("timeline"), None);
        let entry = &server.show(&number)["timeline"][0];
        let fields: Vec<_> = entry["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["field"].as_str().unwrap())
            .collect();
        let expected: &[&str] = if from == "new" { &["status", "assigned_to"] } else { &["assigned_to"] };
        assert_eq!((entry["kind"].as_str(), &*fields), (Some("acknowledged"), expected));

        let again = server.post_to(&format!("/api/v1/incidents/{number}/acknowledge"), "{}");
        assert_eq!((again.status, again.code().as_str()), (409, "already_acknowledged"));
    }
    for status in ["resolved", "closed"] {
        for acknowledged in [false, true] {
            let number = incident_in(&server, "new");
            if acknowledged {
                server.acknowledge(&number);
            }
            server.set_status(&number, status);
            let refused = server.post_to(&format!("/api/v1/incidents/{number}/acknowledge"), "{}");
            assert_eq!((refused.status, refused.code().as_str()), (409, "invalid_transition"));
        }
    }
}

#[test]
fn acknowledging_leaves_an_assignment_alone() {
    let token = |name: &str| {
        format!(
            "[[tokens]]\nname = '{name}'\ntoken = 'HUSH-{name}-token-001'\nscopes = ['incidents:read', 'incidents:write']\n"
        )
    };
    let server = Server::with(&format!("{}{}", token("ada"), token("bob")));
    server.alert(json!({ "dedup_key": "k" }));
    let acknowledge = |name: &str| {
        let authorization = format!("Bearer HUSH-{name}-token-001");
        let path = "/api/v1/incidents/INC-2026-001/acknowledge";
        server.send("POST", path, &[("Authorization", &authorization)], b"{}").data()
    };
    acknowledge("ada");
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    server.alert(json!({ "dedup_key": "k" }));
    let data = acknowledge("bob");
    assert_eq!((&data["acknowledged_by"], &data["assigned_to"]), (&json!("bob"), &json!("ada")));
}

#[test]
fn an_acknowledgement_needs_no_body_but_takes_only_json_for_one() {
    let server = Server::new();
    for (body, status) in
        [("", 200), ("{}", 200), ("{\"note\":1}", 200), ("[]", 400), ("{", 400), ("null", 400)]
    {
        let path = format!("/api/v1/incidents/{}/acknowledge", incident_in(&server, "new"));
        assert_eq!(server.post_to(&path, body).status, status, "{body}");
    }
}

#[test]
fn a_person_who_resolves_lets_go_of_the_key_as_an_alert_does() {
    for rule in ["new", "reopen"] {
        let server = Server::with(&format!("after_resolve = '{rule}'"));
        server.alert(json!({ "dedup_key": "k" }));
        server.set_status("INC-2026-001", "closed");
        server.alert(json!({ "dedup_key": "k" }));
        server.set_status("INC-2026-002", "resolved");
        let holds: bool = server
            .file()
            .query_row("SELECT holds_key FROM incident WHERE id = 20260000000002", [], |row| row.get(0))
            .unwrap();
        assert_eq!(holds, rule == "reopen");
        let outcome = server.alert(json!({ "dedup_key": "k" }))["outcome"].clone();
        assert_eq!(outcome, if rule == "new" { "created" } else { "reopened" });
    }
}

#[test]
fn re_opening_takes_the_key_back_or_names_who_has_it_now() {
    let server = Server::with("after_resolve = 'new'");
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    // Nobody has it: it is its own again.
    server.set_status("INC-2026-001", "investigating");
    assert_eq!(sequence(&server.alert(json!({ "dedup_key": "k" }))["incident_number"]), 1);
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    // Somebody has it.
    server.alert(json!({ "dedup_key": "k" }));
    let before = server.show("INC-2026-001");
    let refused = set(&server, "INC-2026-001", json!({ "status": "investigating" }));
    assert_eq!((refused.status, refused.code().as_str()), (409, "invalid_transition"));
    assert_eq!(refused.json()["error"]["details"], json!({ "holder": "INC-2026-002" }));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("INC-2026-002"));
    assert_eq!(server.show("INC-2026-001"), before);
    // And lets go of it.
    server.set_status("INC-2026-002", "closed");
    server.set_status("INC-2026-001", "investigating");
    assert_eq!(sequence(&server.alert(json!({ "dedup_key": "k" }))["incident_number"]), 1);
    // What never had a key needs none.
    let number =
        server.alert(json!({ "status": "resolved" }))["incident_number"].as_str().unwrap().to_owned();
    server.set_status(&number, "investigating");
}

#[test]
fn a_comment_goes_with_a_change_of_status_and_has_up_to_500_characters() {
    let server = Server::new();
    for (comment, kept) in [
        (json!("Rolled back."), json!("Rolled back.")),
        (json!("é".repeat(500)), json!("é".repeat(500))),
        (json!("  "), Value::Null),
        (json!(""), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let number = incident_in(&server, "new");
        set(&server, &number, json!({ "status": "fixing", "comment": comment })).data();
        assert_eq!(server.show(&number)["timeline"][0]["message"], kept);
    }
    let number = incident_in(&server, "new");
    let refused = set(&server, &number, json!({ "status": "fixing", "comment": "é".repeat(501) }));
    assert_eq!(field_codes(&refused), "comment:too_long");
}

#[test]
fn a_bad_request_for_a_status_is_told_all_that_is_wrong() {
    let server = Server::new();
    let number = incident_in(&server, "new");
    for (body, expected) in [
        (json!({}), "status:required"),
        (json!({ "status": null }), "status:required"),
        (json!({ "status": "" }), "status:required"),
        (json!({ "status": 1 }), "status:wrong_type"),
        (json!({ "status": "Fixing" }), "status:not_in_list"),
        (json!({ "status": "done", "comment": 1 }), "status:not_in_list comment:wrong_type"),
        (json!({ "comment": "x".repeat(501) }), "status:required comment:too_long"),
    ] {
        let response = set(&server, &number, &body);
        assert_eq!(field_codes(&response), expected, "{body}");
    }
    let near = set(&server, &number, json!({ "status": "investigate" })).json();
    let message = near["error"]["details"]["fields"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("did you mean investigating?"), "{message}");
    assert_eq!(set(&server, &number, "[]").code(), "invalid_json");
    assert_eq!(set(&server, &number, r#"{"status":"new","status":"new"}"#).code(), "invalid_json");
    assert_eq!(server.show(&number)["timeline_total"], 1);
}

#[test]
fn a_number_that_no_incident_has_is_not_found_however_it_is_written() {
    let server = Server::new();
    server.alert(json!({}));
    for number in [
        "INC-2026-002",
        "INC-2025-001",
        "INC-2026-0001",
        "INC-2026-1",
        "inc-2026-001",
        "1",
        "INC-2026-001%20",
        "%00",
    ] {
        let one = format!("/api/v1/incidents/{number}");
        for response in [
            server.get(&one),
            server.post_to(&format!("{one}/status"), r#"{"status":"closed"}"#),
            server.post_to(&format!("{one}/acknowledge"), "{}"),
        ] {
            assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{number}");
        }
    }
    assert_eq!(
        server.post(alert(json!({ "colour": 1 }))).data()["warnings"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(codes(&json!([])), "");
}
