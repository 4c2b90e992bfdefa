//! `POST /api/v1/incidents`: incidents that people make.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{DAY, HEAD, NOW, PROD, SERVICES, Server, alert, field_codes};

const INCIDENTS: &str = "/api/v1/incidents";

/// A valid incident, with these members besides or instead.
fn incident(members: Value) -> Value {
    let mut incident = json!({ "title": "Door is stuck (HUSH)", "service_ids": ["SER-00001"] });
    incident.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    incident
}

#[track_caller]
fn create(server: &Server, members: Value) -> Response {
    server.post_to(INCIDENTS, incident(members))
}

#[test]
fn it_is_answered_with_the_whole_incident_which_reads_back() {
    let server = Server::new();
    let response = create(
        &server,
        json!({ "service_ids": ["db", "SER-00001"], "description": " d\n", "severity": "sev1" }),
    );
    assert_eq!(response.status, 201);
    let expected = json!({
        "incident_number": "INC-2026-001", "title": "Door is stuck (HUSH)", "description": " d\n", "severity": "SEV1",
        "status": "new", "service_ids": ["SER-00002", "SER-00001"],
        "services": [{ "service_key": "SER-00002", "name": "Database" }, { "service_key": "SER-00001", "name": "Website" }],
        "integration": null, "source_url": null, "dedup_key": null, "metadata": {}, "occurrences": 1,
        "assigned_to": null, "acknowledged_at": null, "acknowledged_by": null, "resolved_at": null,
        "resolved_by": null, "created_at": NOW, "updated_at": NOW, "last_seen_at": NOW, "closed_at": null,
        "silenced_until": null, "url": "https://bell.example.net/incidents/INC-2026-001",
    });
    assert_eq!(response.data(), expected);
    let mut shown = server.show("INC-2026-001");
    let timeline = shown.as_object_mut().unwrap().remove("timeline").unwrap();
    assert_eq!(shown.as_object_mut().unwrap().remove("timeline_total").unwrap(), 1);
    assert_eq!(shown, expected);
    assert_eq!((&timeline[0]["kind"], &timeline[0]["actor"]), (&json!("created"), &json!("local")));
    assert_eq!(server.get(INCIDENTS).data()["items"], json!([expected]));
    // One order of numbers for what people and what alerts make.
    assert_eq!(server.alert(json!({}))["incident_number"], "INC-2026-002");
    assert_eq!(create(&server, json!({})).data()["incident_number"], "INC-2026-003");
}

#[test]
fn every_field_is_held_to_its_limits() {
    let server = Server::new();
    let text = |length: usize| Value::from("é".repeat(length));
    for (members, expected) in [
        (json!({ "title": text(1) }), ""),
        (json!({ "title": text(200) }), ""),
        (json!({ "title": format!("  {}\n", "é".repeat(200)) }), ""),
        (json!({ "title": text(201) }), "title:too_long"),
        (json!({ "title": " \t" }), "title:empty"),
        (json!({ "title": null }), "title:required"),
        (json!({ "title": 1 }), "title:wrong_type"),
        (json!({ "description": text(10_000) }), ""),
        (json!({ "description": text(10_001) }), "description:too_long"),
        (json!({ "description": null }), ""),
        (json!({ "description": "" }), ""),
        (json!({ "description": [] }), "description:wrong_type"),
        (json!({ "severity": "Sev4" }), ""),
        (json!({ "severity": null }), ""),
        (json!({ "severity": "SEV5" }), "severity:not_in_list"),
        (json!({ "severity": 1 }), "severity:wrong_type"),
        (json!({ "service_ids": null }), "service_ids:required"),
        (json!({ "service_ids": [] }), "service_ids:empty"),
        (json!({ "service_ids": "SER-00001" }), "service_ids:wrong_type"),
        (json!({ "service_ids": vec!["web"; 50] }), ""),
        (json!({ "service_ids": vec!["web"; 51] }), "service_ids:too_many"),
        (json!({ "colour": "red" }), ""),
    ] {
        let response = create(&server, members.clone());
        match expected {
            "" => assert_eq!(response.status, 201, "{members} {}", response.text),
            codes => assert_eq!(field_codes(&response), codes, "{members}"),
        }
    }
    // The longest text in its longest spelling: twelve bytes a character.
    let escaped = "\\ud83d\\ude00".repeat(10_000);
    let body = format!("{{\"title\":\"t\",\"service_ids\":[\"SER-00001\"],\"description\":\"{escaped}\"}}");
    assert_eq!(server.post_to(INCIDENTS, body).data()["description"], "😀".repeat(10_000));
    assert_eq!(field_codes(&server.post_to(INCIDENTS, "{}")), "title:required service_ids:required");
    for body in ["", "[]", "{\"title\":\"a\",\"title\":\"b\"}", "{\"title\":\"\\u0000\"}"] {
        assert_eq!(server.post_to(INCIDENTS, body).code(), "invalid_json", "{body}");
    }
}

#[test]
fn a_text_loses_the_white_space_around_it_where_it_is_a_title() {
    let server = Server::new();
    let made = create(&server, json!({ "title": "  Door \n", "description": "" })).data();
    assert_eq!((&made["title"], &made["description"]), (&json!("Door"), &Value::Null));
}

#[test]
fn all_errors_come_at_once_and_nothing_is_made() {
    let server = Server::new();
    let body = json!({
        "title": "", "description": 1, "severity": "bad",
        "service_ids": ["SER-00001", "SER-0002", "old", 7, "web", "mail-relay"],
    });
    let response = server.post_to(INCIDENTS, body);
    let expected = "title:empty service_ids.1:unknown_service service_ids.2:inactive_service service_ids.3:wrong_type \
                    service_ids.5:unknown_service description:wrong_type severity:not_in_list";
    assert_eq!(field_codes(&response), expected);
    let error = &response.json()["error"];
    assert_eq!(error["message"], "7 fields are invalid");
    assert!(error["details"]["fields"][1]["message"].as_str().unwrap().contains("did you mean SER-00002?"));
    assert_eq!(server.list(""), [0; 0]);
    assert_eq!(create(&server, json!({})).data()["incident_number"], "INC-2026-001", "no number is lost");
}

#[test]
fn a_service_is_named_by_id_or_alias_and_once() {
    let server = Server::new();
    let services = |ids: Value| create(&server, json!({ "service_ids": ids })).data()["service_ids"].clone();
    assert_eq!(services(json!(["web"])), json!(["SER-00001"]));
    assert_eq!(
        services(json!([" db ", "SER-00001", "SER-00002", "web", "db"])),
        json!(["SER-00002", "SER-00001"])
    );
}

#[test]
fn the_severity_that_is_not_stated_is_the_worst_of_the_services() {
    let service = |id: &str, severity: &str| {
        let severity =
            if severity.is_empty() { String::new() } else { format!("default_severity = '{severity}'\n") };
        format!("[[services]]\nid = '{id}'\nname = '{id}'\n{severity}")
    };
    let services = [service("none", ""), service("bad", "SEV1"), service("mild", "SEV4")].concat();
    for (defaults, ids, expected) in [
        ("", json!(["none"]), "SEV2"),
        ("", json!(["mild"]), "SEV4"),
        ("", json!(["mild", "none"]), "SEV2"),
        ("", json!(["mild", "bad", "none"]), "SEV1"),
        ("SEV3", json!(["none"]), "SEV3"),
        ("SEV3", json!(["none", "mild"]), "SEV3"),
        ("SEV0", json!(["bad", "none"]), "SEV0"),
        ("SEV0", json!(["bad", "mild"]), "SEV1"),
    ] {
        // The integration's is for alerts.
        let defaults =
            if defaults.is_empty() { String::new() } else { format!("[defaults]\nseverity = '{defaults}'") };
        let server = Server::start(&format!("{HEAD}{services}{PROD}default_severity = 'SEV0'\n{defaults}"));
        assert_eq!(
            create(&server, json!({ "service_ids": ids })).data()["severity"],
            expected,
            "{ids} {defaults}"
        );
        assert_eq!(
            create(&server, json!({ "service_ids": ids, "severity": "SEV3" })).data()["severity"],
            "SEV3"
        );
    }
}

const TOKENS: &str = "
[[tokens]]
name = 'ada'
email = 'ada@example.org'
token = 'HUSH-ada-token-0001'
scopes = ['incidents:read', 'incidents:write']
[[tokens]]
name = 'bob'
token = 'HUSH-bob-token-0001'
scopes = ['incidents:read', 'incidents:write']
";

#[track_caller]
fn retry(server: &Server, who: &str, key: &str, body: &Value) -> Response {
    let authorization = format!("Bearer HUSH-{who}-token-0001");
    let headers = [("Authorization", authorization.as_str()), ("Idempotency-Key", key)];
    server.send("POST", INCIDENTS, &headers, body.to_string().as_bytes())
}

#[test]
fn a_retry_with_its_idempotency_key_is_answered_with_the_incident_as_it_was_made() {
    let mut server = Server::with(TOKENS);
    let body = incident(json!({ "service_ids": ["web", "db"] }));
    let first = retry(&server, "ada", "x", &body);
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None));
    let patch = br#"{"title":"Other (HUSH)","assigned_to":"bob"}"#;
    let headers = [("Authorization", "Bearer HUSH-bob-token-0001")];
    server.send("PATCH", "/api/v1/incidents/INC-2026-001", &headers, patch).data();
    for restarted in [false, true] {
        if restarted {
            server.restart(&format!("{HEAD}{SERVICES}{PROD}{TOKENS}"));
        }
        let again = retry(&server, "ada", " x ", &body);
        assert_eq!((again.status, again.data()), (201, first.data()));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    let conflict = retry(&server, "ada", "x", &incident(json!({})));
    assert_eq!((conflict.status, conflict.code().as_str()), (409, "idempotency_conflict"));
    // A key is its token's, and not one of a webhook with the same name.
    assert_eq!(retry(&server, "bob", "x", &body).data()["incident_number"], "INC-2026-002");
    let headers = [("Idempotency-Key", "x")];
    let posted =
        server.send("POST", crate::server::WEBHOOK, &headers, alert(json!({})).to_string().as_bytes());
    assert_eq!(posted.data()["incident_number"], "INC-2026-003");
    // What was refused is not remembered.
    let refused = retry(&server, "ada", "y", &incident(json!({ "service_ids": ["nobody"] })));
    assert_eq!(refused.status, 400);
    assert_eq!(retry(&server, "ada", "y", &incident(json!({}))).status, 201);
    server.advance(DAY);
    assert_eq!(retry(&server, "ada", "x", &body).data()["incident_number"], "INC-2026-005");
    assert_eq!(field_codes(&retry(&server, "ada", &"é".repeat(256), &body)), "Idempotency-Key:too_long");
    assert_eq!(field_codes(&retry(&server, "ada", " ", &body)), "Idempotency-Key:empty");
}

#[test]
fn it_lives_as_any_other_incident_but_no_alert_comes_to_it() {
    let server = Server::new();
    create(&server, json!({ "service_ids": ["web", "db"] }));
    assert_eq!(server.acknowledge("INC-2026-001")["status"], "investigating");
    for status in ["resolved", "investigating", "resolved", "closed"] {
        let incident = server.set_status("INC-2026-001", status);
        assert_eq!(
            (&incident["status"], &incident["service_ids"]),
            (&json!(status), &json!(["SER-00001", "SER-00002"]))
        );
    }
    let kinds: Vec<_> = server.show("INC-2026-001")["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"].clone())
        .collect();
    assert_eq!(kinds, ["closed", "resolved", "reopened", "resolved", "acknowledged", "created"]);
    assert_eq!(server.list("service_id=db&status=closed"), [1]);
}

#[test]
fn history_keeps_the_names_of_services_that_the_configuration_forgets() {
    let mut server = Server::new();
    create(&server, json!({ "service_ids": ["web", "db"] }));
    let others = SERVICES.replace("SER-00002", "SER-00003").replace("Website", "Home page");
    server.restart(&format!("{HEAD}{others}{PROD}"));
    let expected = json!([
        { "service_key": "SER-00001", "name": "Home page" }, { "service_key": "SER-00002", "name": "Database" },
    ]);
    assert_eq!(server.show("INC-2026-001")["services"], expected);
}
