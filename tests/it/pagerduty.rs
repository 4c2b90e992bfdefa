//! PagerDuty's Events API v2, as its senders speak and understand it.

use serde_json::{Value, json};

use crate::http::Response;
use crate::log;
use crate::server::{MINUTE, Server};

const KEY: &str = "HUSHpagerduty0000000000000000001";

fn server(more: &str) -> Server {
    Server::with(&format!(
        "[[integrations]]\nname = 'pd'\nsource = 'pagerduty'\nrouting_keys = ['{KEY}']\n\
         default_service = 'web'\n{more}"
    ))
}

/// An event, with these members besides or instead; `null` takes one away.
fn event(action: &str, members: Value) -> Value {
    let mut event = json!({ "routing_key": KEY, "event_action": action, "dedup_key": "srv/disk" });
    if action == "trigger" {
        event["payload"] = json!({ "summary": "Disk is full (HUSH)", "source": "srv", "severity": "error" });
    }
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event
}

#[track_caller]
fn enqueue(server: &Server, event: &Value) -> Response {
    server.post_to("/v2/enqueue", event)
}

#[track_caller]
fn accepted(server: &Server, action: &str, members: Value) -> String {
    let response = enqueue(server, &event(action, members));
    assert_eq!(response.status, 202, "{}", response.text);
    let body = response.json();
    assert_eq!((&body["status"], &body["message"]), (&"success".into(), &"Event processed".into()));
    body["dedup_key"].as_str().unwrap().to_owned()
}

fn errors(response: &Response) -> Vec<String> {
    let body = response.json();
    assert_eq!((response.status, &body["message"]), (400, &"Event object is invalid".into()));
    assert_eq!(body["status"], "invalid event");
    body["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_is_triggered_repeated_acknowledged_resolved_and_then_another_one() {
    let server = server("");
    let first = |field: &str| server.show("INC-2026-001")[field].clone();
    assert_eq!(accepted(&server, "trigger", json!({})), "srv/disk");
    assert_eq!((first("status"), first("severity")), ("new".into(), "SEV2".into()));
    accepted(&server, "trigger", json!({}));
    accepted(&server, "acknowledge", json!({}));
    assert_eq!((first("status"), first("occurrences")), ("investigating".into(), 3.into()));
    accepted(&server, "trigger", json!({}));
    assert_eq!(first("status"), "investigating", "what is acknowledged stays so");
    // Some send a payload with all of them. PagerDuty does not look at it, however wrong it is.
    accepted(&server, "resolve", json!({ "payload": { "summary": "", "severity": "fine" } }));
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["status"], &incident["title"]),
        (&"resolved".into(), &"Disk is full (HUSH)".into())
    );
    assert_eq!((&incident["integration"], &incident["service_ids"]), (&"pd".into(), &json!(["SER-00001"])));
    accepted(&server, "acknowledge", json!({}));
    accepted(&server, "resolve", json!({}));
    assert_eq!((first("status"), first("occurrences")), ("resolved".into(), 5.into()));
    accepted(&server, "trigger", json!({}));
    assert_eq!(server.list(""), [2, 1]);
    assert!(log::lines_with(KEY).is_empty());
    assert!(!log::lines_with("/v2/enqueue").is_empty());
}

#[test]
fn what_nobody_triggered_is_neither_acknowledged_nor_resolved_whatever_the_rules() {
    for rules in ["", "after_resolve = 'reopen'\non_unknown_resolve = 'create'"] {
        let server = server(rules);
        accepted(&server, "acknowledge", json!({}));
        accepted(&server, "resolve", json!({}));
        assert_eq!(server.list(""), [0; 0]);
        accepted(&server, "trigger", json!({}));
        accepted(&server, "resolve", json!({}));
        accepted(&server, "acknowledge", json!({}));
        assert_eq!(server.show("INC-2026-001")["status"], "resolved");
    }
}

#[test]
fn a_trigger_without_a_key_is_given_one_that_resolves_it() {
    let server = server("");
    let keys = [json!({ "dedup_key": null }), json!({ "dedup_key": "" })]
        .map(|members| accepted(&server, "trigger", members));
    assert!(keys.iter().all(|key| key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit())));
    assert_ne!(keys[0], keys[1]);
    accepted(&server, "resolve", json!({ "dedup_key": keys[0] }));
    assert_eq!(server.list("status=resolved"), [1]);
}

#[test]
fn everything_that_it_says_is_kept() {
    let server = server("");
    let summary = "é".repeat(1024);
    accepted(
        &server,
        "trigger",
        json!({
            "payload": {
                "summary": summary, "source": "srv", "severity": "critical", "component": "sda1", "group": "",
                "class": "disk", "timestamp": "2015-07-17T08:42:58.315+0000",
                "custom_details": { "load": 0.750, "source": "ignored", "nested": { "a": [1] }, "none": null },
            },
            "links": [{ "href": "" }, { "href": "https://e.x/1", "text": "One" }, { "href": "https://e.x/2" }],
            "images": [{ "src": "https://e.x/i.png", "href": "", "alt": "" }],
            "client": "Monitor", "client_url": "https://e.x/client",
        }),
    );
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["severity"], &incident["source_url"]), (&"SEV1".into(), &"https://e.x/1".into()));
    assert_eq!(incident["title"].as_str().unwrap().chars().count(), 200);
    assert_eq!(incident["description"], summary);
    let expected = json!({
        "source": "srv", "component": "sda1", "class": "disk", "timestamp": "2015-07-17T08:42:58.315+0000",
        "client": "Monitor", "client_url": "https://e.x/client",
        "links": [{ "href": "" }, { "href": "https://e.x/1", "text": "One" }, { "href": "https://e.x/2" }],
        "images": [{ "src": "https://e.x/i.png", "href": "", "alt": "" }],
        "load": 0.75, "custom_details.source": "ignored", "nested": { "a": [1] },
    });
    assert_eq!(incident["metadata"], expected);
    accepted(&server, "trigger", json!({ "dedup_key": "b", "client_url": "https://e.x/client" }));
    assert_eq!(server.show("INC-2026-002")["source_url"], "https://e.x/client");
    assert_eq!(server.show("INC-2026-002")["description"], Value::Null);
}

#[test]
fn severities_have_their_places() {
    let server = server("");
    for (at, (name, severity)) in
        [("critical", "SEV1"), ("error", "SEV2"), ("warning", "SEV3"), ("info", "SEV4")].iter().enumerate()
    {
        let payload = json!({ "summary": "s", "source": "s", "severity": name });
        accepted(&server, "trigger", json!({ "dedup_key": null, "payload": payload }));
        assert_eq!(server.show(&format!("INC-2026-00{}", at + 1))["severity"], *severity);
    }
}

#[test]
fn all_that_is_wrong_is_said_in_pagerdutys_words() {
    let server = server("");
    let severities = "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')";
    let payload = json!({ "summary": "x".repeat(1025), "source": " ", "severity": "CRITICAL" });
    let refused = enqueue(&server, &event("trigger", json!({ "payload": payload })));
    let expected = [
        "'summary' is too long (maiximum is 1024 characters)",
        "'payload.source' is missing or blank",
        severities,
    ];
    assert_eq!(errors(&refused), expected);
    let length = "Length of 'routing_key' is incorrect (should be 32 characters)";
    let refused = enqueue(&server, &event("trigger", json!({ "routing_key": "HUSH-1", "payload": {} })));
    let expected = [
        length,
        "'routing_key' cannot contain non-alphanumeric characters.",
        "'payload.summary' is missing or blank",
        "'payload.source' is missing or blank",
        "'payload.severity' is missing or blank",
    ];
    assert_eq!(errors(&refused), expected);
    assert_eq!(
        errors(&enqueue(&server, &json!({}))),
        ["'routing_key' is missing or blank", "'event_action' is missing or blank"]
    );
    let refused = |members| errors(&enqueue(&server, &event("resolve", members))).join("; ");
    assert_eq!(refused(json!({ "dedup_key": null })), "'dedup_key' is missing or blank");
    assert_eq!(refused(json!({ "dedup_key": 1 })), "'dedup_key' is invalid (must be a string)");
    assert!(refused(json!({ "event_action": "Trigger" })).starts_with("'event_action' is invalid"));
    assert_eq!(
        errors(&enqueue(&server, &event("trigger", json!({ "payload": 1 })))),
        ["'payload' is missing or blank"]
    );
    // Keys that nobody has, and one of another kind of sender.
    for key in ["HUSHpagerduty0000000000000000002", "HUSHcustom0000000000000000000001"] {
        let refused = enqueue(&server, &event("trigger", json!({ "routing_key": key })));
        assert_eq!(errors(&refused)[0], "Invalid routing key");
    }
    let broken = server.post_to("/v2/enqueue", "{\"routing_key\":");
    assert_eq!(
        (broken.status, &broken.json()["message"]),
        (400, &"Event object format is unrecognized".into())
    );
    assert_eq!(broken.json()["errors"][0], "JSON parse error");
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn what_no_event_gets_to_is_refused_in_its_form() {
    let server = server("rate_per_minute = 2\n[limits]\npagerduty_body_bytes = 2048");
    let large = event("trigger", json!({ "payload": { "summary": "x".repeat(2048) } }));
    assert_eq!(enqueue(&server, &large).status, 413);
    assert_eq!(server.get("/v2/enqueue").status, 405);
    assert_eq!(server.post_to("/v2/nothing", "{}").status, 404);
    let gzip = [("Content-Encoding", "gzip")];
    let body = event("trigger", json!({})).to_string();
    assert_eq!(server.send("POST", "/v2/enqueue", &gzip, body.as_bytes()).status, 415);
    accepted(&server, "trigger", json!({}));
    assert_eq!(enqueue(&server, &event("trigger", json!({}))).status, 429);
    server.advance(MINUTE);
    accepted(&server, "trigger", json!({}));
    // Its key is for its own path.
    let elsewhere = server.post_to(&format!("/webhooks/{KEY}"), "{}");
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "unknown_routing_key"));
    assert!(elsewhere.text.contains("/v2/enqueue"), "{}", elsewhere.text);
}

#[test]
fn a_change_is_taken_note_of_and_is_no_incident() {
    let server = server("");
    let change = |payload: Value| {
        server.post_to("/v2/change/enqueue", json!({ "routing_key": KEY, "payload": payload }))
    };
    let answer = change(json!({ "summary": "Deployed 1.2.3", "timestamp": "2026-11-25T03:38:22.123456Z" }));
    assert_eq!((answer.status, &answer.json()["message"]), (202, &"Change event processed".into()));
    assert_eq!(errors(&change(json!({}))), ["'payload.summary' is missing or blank"]);
    assert_eq!(server.list(""), [0; 0]);
}
