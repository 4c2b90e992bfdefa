//! The fields of the custom webhook: their limits, what absence means, what is stored.

use serde_json::{Value, json};

use crate::server::{NOW, Server, WEBHOOK, alert, codes, field_codes};

/// `SEV1` and the like, of any length.
fn text(length: usize) -> Value {
    "é".repeat(length).into()
}

fn url(length: usize) -> Value {
    format!("https://e.x/{}", "a".repeat(length - 12)).into()
}

fn object(keys: usize) -> Value {
    Value::Object((0..keys).map(|key| (format!("k{key}"), key.into())).collect())
}

#[test]
fn a_field_is_accepted_up_to_its_limit_and_refused_by_name_beyond() {
    let server = Server::new();
    let mut accepted = 0;
    for (field, value, expected) in [
        ("title", text(1), ""),
        ("title", text(199), ""),
        ("title", text(200), ""),
        ("title", format!(" \t{}\n", "é".repeat(200)).into(), ""),
        ("title", text(201), "title:too_long"),
        ("title", text(0), "title:empty"),
        ("title", " \n".into(), "title:empty"),
        ("title", Value::Null, "title:required"),
        ("title", json!(7), "title:wrong_type"),
        ("service_id", text(51), "service_id:too_long"),
        ("service_id", text(0), "service_id:empty"),
        ("service_id", Value::Null, "service_id:required"),
        ("service_id", json!(["SER-00001"]), "service_id:wrong_type"),
        ("description", text(1999), ""),
        ("description", text(2000), ""),
        ("description", text(2001), "description:too_long"),
        ("description", json!({}), "description:wrong_type"),
        ("severity", "SEV0".into(), ""),
        ("severity", "sev4".into(), ""),
        ("severity", "SEV5".into(), "severity:not_in_list"),
        ("severity", "critical".into(), "severity:not_in_list"),
        ("severity", json!(1), "severity:wrong_type"),
        ("status", "new".into(), ""),
        ("status", "investigating".into(), ""),
        ("status", "resolved".into(), ""),
        ("status", "fixing".into(), "status:not_in_list"),
        ("status", "monitoring".into(), "status:not_in_list"),
        ("status", "closed".into(), "status:not_in_list"),
        ("status", "Resolved".into(), "status:not_in_list"),
        ("source_url", url(2047), ""),
        ("source_url", url(2048), ""),
        ("source_url", url(2049), "source_url:too_long"),
        ("source_url", "http://a".into(), ""),
        ("source_url", "/d/x".into(), "source_url:invalid"),
        ("source_url", "ftp://a/b".into(), "source_url:invalid"),
        ("source_url", "javascript:alert(1)".into(), "source_url:invalid"),
        ("dedup_key", text(1), ""),
        ("dedup_key", text(254), ""),
        ("dedup_key", text(255), ""),
        ("dedup_key", text(256), "dedup_key:too_long"),
        ("dedup_key", text(0), "dedup_key:empty"),
        ("dedup_key", json!(1), "dedup_key:wrong_type"),
        ("metadata", object(0), ""),
        ("metadata", object(9), ""),
        ("metadata", object(10), ""),
        ("metadata", object(11), "metadata:too_many"),
        ("metadata", json!([1]), "metadata:wrong_type"),
        ("metadata", json!("text"), "metadata:wrong_type"),
    ] {
        let response = server.post(alert(json!({ field: value })));
        if expected.is_empty() {
            assert_eq!(response.status, 201, "{field}: {}", response.text);
            assert_eq!(response.data()["warnings"], json!([]), "{field}");
            accepted += 1;
        } else {
            assert_eq!(field_codes(&response), expected, "{value}");
        }
    }
    // A refusal leaves nothing.
    assert_eq!(server.list("limit=100").len(), accepted);
}

#[test]
fn an_optional_field_that_is_null_or_empty_counts_as_absent_and_an_empty_one_is_warned_of() {
    let server = Server::new();
    let absent = json!({ "description": null, "source_url": null, "severity": "SEV2", "status": "new", "metadata": {} });
    for field in ["description", "severity", "status", "source_url", "metadata"] {
        for (value, warnings) in [(Value::Null, String::new()), ("".into(), format!("{field}:empty_field"))] {
            let data = server.alert(json!({ field: value }));
            assert_eq!(codes(&data["warnings"]), warnings, "{value}");
            let incident = server.show(data["incident_number"].as_str().unwrap());
            assert_eq!(incident[field], absent[field]);
        }
    }
    let data = server.alert(json!({ "dedup_key": null }));
    assert_eq!((&data["dedup_key"], &data["warnings"]), (&Value::Null, &json!([])));
}

#[test]
fn all_that_was_sent_reads_back() {
    let server = Server::new();
    let sent = json!({
        "title": "  Database connection pool exhaustion (HUSH)\n",
        "service_id": "SER-00002",
        "description": " \"quoted\" \\ 𝄞\n\u{7f}\u{202e} kept as it is ",
        "severity": "sEv1",
        "status": "investigating",
        "source_url": " https://user@grafana.example.com:3000/d/db?x=1&y=ü#z ",
        "dedup_key": " db-pool-prod-001 ",
        "metadata": { "environment": "production", "é\"\n": [1, { "deep": [null, true] }] },
    });
    let response = server.post(&sent);
    assert_eq!((response.status, &response.data()["warnings"]), (201, &json!([])));
    let mut incident = server.show("INC-2026-001");
    assert_eq!(incident["timeline"].as_array().unwrap().len(), 1);
    incident.as_object_mut().unwrap().retain(|field, _| !field.starts_with("timeline"));
    let expected = json!({
        "incident_number": "INC-2026-001",
        "title": "Database connection pool exhaustion (HUSH)",
        "description": sent["description"],
        "severity": "SEV1",
        "status": "investigating",
        "service_ids": ["SER-00002"],
        "services": [{ "service_key": "SER-00002", "name": "Database" }],
        "integration": "prod",
        "source_url": "https://user@grafana.example.com:3000/d/db?x=1&y=ü#z",
        "dedup_key": " db-pool-prod-001 ",
        "metadata": sent["metadata"],
        "occurrences": 1,
        "assigned_to": null,
        "acknowledged_at": null,
        "acknowledged_by": null,
        "resolved_at": null,
        "resolved_by": null,
        "created_at": NOW,
        "updated_at": NOW,
        "last_seen_at": NOW,
        "closed_at": null,
        "silenced_until": null,
        "url": "https://bell.example.net/incidents/INC-2026-001",
    });
    assert_eq!(incident, expected);
}

#[test]
fn all_errors_of_a_body_come_at_once_the_services_too() {
    let server = Server::new();
    let body = json!({
        "title": "x".repeat(201),
        "service_id": "SER-0002",
        "description": 1,
        "severity": "SEV7",
        "status": "closed",
        "source_url": "nowhere",
        "dedup_key": "",
        "metadata": { "": 1, "k".repeat(65): 2, "large": "x".repeat(1024) },
        "colour": "red",
    });
    let response = server.post(body);
    let long_key = "k".repeat(64);
    let mut found: Vec<_> = field_codes(&response).split(' ').map(ToOwned::to_owned).collect();
    let mut expected = vec![
        "title:too_long".to_owned(),
        "description:wrong_type".into(),
        "severity:not_in_list".into(),
        "status:not_in_list".into(),
        "source_url:invalid".into(),
        "dedup_key:empty".into(),
        "metadata:empty".into(),
        format!("metadata.{long_key}:too_long"),
        "metadata.large:too_long".into(),
        "service_id:unknown_service".into(),
    ];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(response.json()["error"]["message"], "10 fields are invalid");

    assert_eq!(field_codes(&server.post("{}")), "title:required service_id:required");
    let one = server.post(alert(json!({ "title": "x".repeat(214) }))).json();
    let fields =
        json!([{ "field": "title", "code": "too_long", "message": "is 214 characters; the limit is 200" }]);
    assert_eq!(one["error"]["details"]["fields"], fields);
}

#[test]
fn an_unknown_member_is_ignored_and_named_with_the_nearest_that_is_known() {
    let server = Server::new();
    for (member, near) in [
        ("sevrity", "; did you mean severity?"),
        ("serviceId", "; did you mean service_id?"),
        ("Title", "; did you mean title?"),
        ("dedupKey", "; did you mean dedup_key?"),
        ("colour", ""),
        ("", ""),
    ] {
        let data = server.alert(json!({ member: { "any": "thing" } }));
        let message = format!("is not a known field and was ignored{near}");
        let warning = json!([{ "field": member, "code": "unknown_field", "message": message }]);
        assert_eq!(data["warnings"], warning);
        let incident =
            server.get(&format!("/api/v1/incidents/{}", data["incident_number"].as_str().unwrap()));
        assert!(!incident.text.contains("\"any\""));
    }
    let mut many = alert(json!({}));
    many.as_object_mut().unwrap().extend((0..500).map(|n| (format!("x{n}"), Value::Null)));
    let warnings = server.post(many).data()["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 21, "bounded, and the last one counts the rest");
    assert!(warnings[20]["message"].as_str().unwrap().contains("480 more"), "{}", warnings[20]);
}

#[test]
fn the_content_type_does_not_matter_and_both_paths_are_the_same_webhook() {
    let server = Server::new();
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    let types = ["application/json", "text/plain; charset=latin1", "application/x-www-form-urlencoded", "?"];
    for content_type in types {
        let headers = [("Content-Type", content_type)];
        assert!(server.send("POST", WEBHOOK, &headers, body.as_bytes()).status < 300, "{content_type}");
    }
    let same = format!("/api{WEBHOOK}?whatever=1");
    assert_eq!(server.send("POST", &same, &[], body.as_bytes()).data()["occurrences"], 5);
    assert_eq!(server.post_to(&format!("{WEBHOOK}?"), &body).data()["occurrences"], 6);
    assert_eq!(server.post_to(&WEBHOOK.replace("HUSH", "%48USH"), &body).data()["occurrences"], 7);
}
