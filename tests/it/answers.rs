//! The answer to a webhook, member for member, for every outcome.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{NOW, Server, WEBHOOK, alert};

/// The answer without the request id, which differs every time.
fn without_id(response: &Response) -> Value {
    let mut body = response.json();
    let id = body["meta"].as_object_mut().unwrap().remove("request_id").unwrap();
    assert!(id.as_str().unwrap().starts_with("req_"), "{id}");
    body
}

#[test]
fn every_outcome_answers_as_the_contract_says() {
    let server = Server::with("on_unknown_resolve = 'ignore'");
    for (members, status, outcome, now, severity, occurrences) in [
        (json!({ "severity": "SEV1", "service_id": "db" }), 201, "created", "new", "SEV1", 1),
        (json!({ "severity": "SEV1", "service_id": "db" }), 200, "repeated", "new", "SEV1", 2),
        (json!({ "service_id": "SER-00002", "severity": "SEV0" }), 200, "updated", "new", "SEV0", 3),
        (json!({ "service_id": "db", "status": "resolved" }), 200, "resolved", "resolved", "SEV0", 4),
        (
            json!({ "service_id": "db", "status": "investigating" }),
            200,
            "reopened",
            "investigating",
            "SEV0",
            5,
        ),
    ] {
        let mut members = members;
        members["dedup_key"] = "db-pool-prod-001".into();
        let response = server.post(alert(members));
        assert_eq!(response.status, status, "{outcome}");
        let expected = json!({
            "success": true,
            "data": {
                "outcome": outcome, "incident_number": "INC-2026-001", "status": now, "severity": severity,
                "service_id": "SER-00002", "dedup_key": "db-pool-prod-001", "occurrences": occurrences,
                "url": "https://bell.example.net/incidents/INC-2026-001", "warnings": [],
            },
            "meta": { "timestamp": NOW },
        });
        assert_eq!(without_id(&response), expected);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("idempotent-replayed"), None);
    }
}

#[test]
fn what_is_ignored_has_no_incident_to_tell_of() {
    let server = Server::with("on_unknown_resolve = 'ignore'");
    let response = server.post(alert(json!({ "dedup_key": "k", "status": "resolved", "colour": 1 })));
    assert_eq!(response.status, 200);
    let data = response.data();
    for field in ["incident_number", "status", "severity", "service_id", "url"] {
        assert_eq!(data.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(
        (&data["outcome"], &data["dedup_key"], &data["occurrences"]),
        (&json!("ignored"), &json!("k"), &json!(0))
    );
    assert_eq!(data["warnings"][0]["field"], "colour");
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn an_incident_without_a_key_answers_with_null_for_it() {
    let server = Server::new();
    let response = server.post(alert(json!({ "status": "resolved" })));
    assert_eq!(response.status, 201);
    let data = response.data();
    let shown = (data.get("dedup_key"), data["outcome"].as_str(), data["status"].as_str());
    assert_eq!(shown, (Some(&Value::Null), Some("created"), Some("resolved")));
    assert_eq!(data.get("dry_run"), None);
}

#[test]
fn links_begin_with_the_address_that_is_listened_on_unless_public_url_says_otherwise() {
    let config = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let server = Server::start(&config.replace("public_url", "#"));
    let expected = format!("http://{}/incidents/INC-2026-001", server.addr());
    assert_eq!(server.alert(json!({}))["url"], expected.as_str());
    assert_eq!(server.show("INC-2026-001")["url"], expected.as_str());
}

#[test]
fn a_wrong_key_is_answered_alike_whatever_is_wrong_with_it() {
    let server = Server::new();
    let long = "k".repeat(5000);
    let answers = ["x", "HUSH-prod-key-0002", "hush-prod-key-0001", "HUSH-prod-key-0001%20", "..", &long]
        .map(|key| {
            let response = server.post_to(&format!("/webhooks/{key}"), alert(json!({})));
            assert_eq!((response.status, response.code().as_str()), (404, "unknown_routing_key"), "{key}");
            without_id(&response)
        });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn a_body_may_have_as_many_bytes_as_the_limit_and_a_larger_one_is_told_the_limit() {
    let server = Server::with("[limits]\ncustom_body_bytes = 2000");
    let body = alert(json!({})).to_string();
    let padded = |bytes: usize| body.clone() + &" ".repeat(bytes - body.len());
    assert_eq!(server.post(padded(2000)).status, 201);
    let response = server.post(padded(2001));
    assert_eq!((response.status, response.code().as_str()), (413, "payload_too_large"));
    assert_eq!(response.json()["error"]["details"], json!({ "limit_bytes": 2000 }));
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("2000"));

    let by_default = Server::new();
    assert_eq!(by_default.post(padded(256 * 1024)).status, 201);
    assert_eq!(by_default.post(padded(256 * 1024 + 1)).status, 413);
}

#[test]
fn a_body_without_a_length_is_held_to_the_limit_as_well() {
    let server = Server::with("[limits]\ncustom_body_bytes = 2000");
    let body = alert(json!({})).to_string();
    for (padding, status) in [(100, 201), (5000, 413)] {
        let mut connection = crate::http::Connection::open(server.addr()).unwrap();
        let head =
            format!("POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        let padding = " ".repeat(padding);
        let chunks = format!("{:x}\r\n{body}\r\n{:x}\r\n{padding}\r\n0\r\n\r\n", body.len(), padding.len());
        connection.write((head + &chunks).as_bytes()).unwrap();
        assert_eq!(connection.read(false).unwrap().status, status);
    }
}

#[test]
fn only_identity_is_a_content_encoding() {
    let server = Server::new();
    let body = alert(json!({})).to_string();
    for (encoding, status) in
        [("identity", 201), ("Identity", 201), ("gzip", 415), ("br", 415), ("identity, gzip", 415)]
    {
        let response = server.send("POST", WEBHOOK, &[("Content-Encoding", encoding)], body.as_bytes());
        assert_eq!(response.status, status, "{encoding}");
        if status == 415 {
            assert_eq!(response.code(), "unsupported_encoding");
        }
    }
}
