//! Same key, same incident: every row of the table, under every rule that an integration may set.

use serde_json::{Value, json};

use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK, alert, sequence};

/// A POST (key, status), and the outcome, the incident (0: none) and its status that it must come to.
type Step = (&'static str, &'static str, &'static str, u32, &'static str);

fn walk(options: &str, steps: &[Step]) {
    let server = Server::with(options);
    for (position, (key, status, outcome, number, now)) in steps.iter().enumerate() {
        let key = if key.is_empty() { Value::Null } else { (*key).into() };
        let data = server.alert(json!({ "dedup_key": key, "status": status }));
        let came_to = (data["outcome"].as_str(), sequence(&data["incident_number"]), data["status"].as_str());
        let expected = (Some(*outcome), *number, Some(*now).filter(|now| !now.is_empty()));
        assert_eq!(came_to, expected, "{options} step {position}");
        if *number > 0 {
            assert_eq!(server.show(data["incident_number"].as_str().unwrap())["status"], *now);
        }
    }
}

#[test]
fn without_a_key_every_post_is_an_incident() {
    walk(
        "",
        &[
            ("", "new", "created", 1, "new"),
            ("", "new", "created", 2, "new"),
            ("", "investigating", "created", 3, "investigating"),
            ("", "resolved", "created", 4, "resolved"),
            ("", "resolved", "created", 5, "resolved"),
        ],
    );
    walk("on_unknown_resolve = 'ignore'", &[("", "resolved", "created", 1, "resolved")]);
}

#[test]
fn a_key_is_held_until_closed_and_re_opened_by_default() {
    walk(
        "",
        &[
            ("k", "new", "created", 1, "new"),
            ("k", "new", "repeated", 1, "new"),
            ("k", "investigating", "updated", 1, "investigating"),
            ("k", "new", "repeated", 1, "investigating"),
            ("k", "resolved", "resolved", 1, "resolved"),
            ("k", "resolved", "repeated", 1, "resolved"),
            ("k", "new", "reopened", 1, "new"),
            ("k", "resolved", "resolved", 1, "resolved"),
            ("k", "investigating", "reopened", 1, "investigating"),
            // A resolve that nobody waited for is an incident like any other POST.
            ("u", "resolved", "created", 2, "resolved"),
            ("u", "resolved", "repeated", 2, "resolved"),
            ("u", "investigating", "reopened", 2, "investigating"),
        ],
    );
}

#[test]
fn under_after_resolve_new_a_resolved_incident_holds_no_key() {
    walk(
        "after_resolve = 'new'",
        &[
            ("k", "new", "created", 1, "new"),
            ("k", "new", "repeated", 1, "new"),
            ("k", "resolved", "resolved", 1, "resolved"),
            ("k", "investigating", "created", 2, "investigating"),
            ("k", "resolved", "resolved", 2, "resolved"),
            ("k", "resolved", "created", 3, "resolved"),
            ("k", "resolved", "created", 4, "resolved"),
            ("k", "new", "created", 5, "new"),
        ],
    );
}

#[test]
fn under_on_unknown_resolve_ignore_a_resolve_for_nobody_does_nothing() {
    walk(
        "on_unknown_resolve = 'ignore'",
        &[
            ("k", "resolved", "ignored", 0, ""),
            ("k", "new", "created", 1, "new"),
            ("k", "resolved", "resolved", 1, "resolved"),
            ("k", "resolved", "repeated", 1, "resolved"),
            ("k", "new", "reopened", 1, "new"),
            ("u", "resolved", "ignored", 0, ""),
        ],
    );
    walk(
        "on_unknown_resolve = 'ignore'\nafter_resolve = 'new'",
        &[
            ("k", "new", "created", 1, "new"),
            ("k", "resolved", "resolved", 1, "resolved"),
            ("k", "resolved", "ignored", 0, ""),
            ("k", "new", "created", 2, "new"),
        ],
    );
}

#[test]
fn keys_are_compared_exactly() {
    let server = Server::new();
    for (position, key) in ["k", "K", "k ", " k", "ke\u{301}", "k\u{e9}", "k%"].iter().enumerate() {
        let data = server.alert(json!({ "dedup_key": key }));
        assert_eq!(sequence(&data["incident_number"]) as usize, position + 1, "{key:?}");
        assert_eq!(data["dedup_key"], *key);
    }
}

#[test]
fn closing_ends_an_identity_from_open_as_from_resolved() {
    let server = Server::new();
    for (number, path) in [(1, &["closed"][..]), (2, &["resolved", "closed"]), (3, &["fixing", "closed"])] {
        let data = server.alert(json!({ "dedup_key": "k" }));
        assert_eq!((data["outcome"].as_str(), sequence(&data["incident_number"])), (Some("created"), number));
        for status in path {
            server.set_status(data["incident_number"].as_str().unwrap(), status);
        }
    }
    assert_eq!(server.alert(json!({ "dedup_key": "k", "status": "resolved" }))["outcome"], "created");
}

const TWO_KEYS: &str = "
[[integrations]]
name = 'other'
source = 'custom'
routing_keys = ['HUSH-other-key-001', 'HUSH-other-key-002']
";

#[test]
fn a_key_belongs_to_its_integration_and_all_of_its_routing_keys() {
    let server = Server::with(TWO_KEYS);
    let body = alert(json!({ "dedup_key": "k" }));
    for (key, outcome, number) in [
        ("HUSH-prod-key-0001", "created", 1),
        ("HUSH-other-key-001", "created", 2),
        ("HUSH-other-key-002", "repeated", 2),
        ("HUSH-prod-key-0001", "repeated", 1),
    ] {
        let data = server.post_to(&format!("/webhooks/{key}"), &body).data();
        assert_eq!((data["outcome"].as_str(), sequence(&data["incident_number"])), (Some(outcome), number));
    }
    assert_eq!(server.show("INC-2026-002")["integration"], "other");
}

#[test]
fn rotating_a_routing_key_changes_nothing_but_the_key() {
    let mut server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let both = "routing_keys = ['HUSH-prod-key-0001', 'HUSH-prod-key-0002']";
    server.restart(&format!("{HEAD}{SERVICES}{PROD}").replace("routing_keys = ['HUSH-prod-key-0001']", both));
    let rotated = "/webhooks/HUSH-prod-key-0002";
    for path in [WEBHOOK, rotated] {
        assert_eq!(server.post_to(path, alert(json!({ "dedup_key": "k" }))).data()["outcome"], "repeated");
    }
    server.restart(&format!("{HEAD}{SERVICES}{PROD}").replace("key-0001", "key-0002"));
    assert_eq!(server.post(alert(json!({ "dedup_key": "k" }))).code(), "unknown_routing_key");
    assert_eq!(server.post_to(rotated, alert(json!({ "dedup_key": "k" }))).data()["occurrences"], 4);
}

#[test]
fn a_renamed_integration_keeps_its_incidents_by_formerly_and_only_by_it() {
    let mut server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let named = |name: &str| format!("{HEAD}{SERVICES}{PROD}").replace("'prod'", &format!("'{name}'"));
    for (config, outcome, number) in [
        (named("production") + "formerly = ['prod']", "repeated", 1),
        (named("production"), "repeated", 1),
        (named("live") + "formerly = ['prod', 'production']", "repeated", 1),
        // Without a word about its former name it is another integration.
        (named("prod"), "created", 2),
        // Which by now has incidents of its own: two scopes cannot become one.
        (named("prod") + "formerly = ['live']", "repeated", 2),
    ] {
        server.restart(&config);
        let data = server.alert(json!({ "dedup_key": "k" }));
        let came_to = (data["outcome"].as_str(), sequence(&data["incident_number"]));
        assert_eq!(came_to, (Some(outcome), number), "{config}");
    }
    assert_eq!(server.show("INC-2026-001")["integration"], "live");
    assert_eq!(server.show("INC-2026-001")["timeline"][0]["actor"], "integration:live");
}

#[test]
fn a_changed_after_resolve_holds_for_what_was_resolved_before_it() {
    let mut server = Server::new();
    let config = |rule: &str| format!("{HEAD}{SERVICES}{PROD}after_resolve = '{rule}'");
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    server.restart(&config("new"));
    let data = server.alert(json!({ "dedup_key": "k" }));
    assert_eq!((data["outcome"].as_str(), sequence(&data["incident_number"])), (Some("created"), 2));
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    // What let go of its key does not get it back by itself.
    server.restart(&config("reopen"));
    let data = server.alert(json!({ "dedup_key": "k" }));
    assert_eq!((data["outcome"].as_str(), sequence(&data["incident_number"])), (Some("created"), 3));
}

#[test]
fn a_person_who_resolves_leaves_the_key_to_the_rule_of_the_integration() {
    for (rule, outcome, number) in [("reopen", "reopened", 1), ("new", "created", 2)] {
        let server = Server::with(&format!("after_resolve = '{rule}'"));
        server.alert(json!({ "dedup_key": "k" }));
        server.set_status("INC-2026-001", "resolved");
        let data = server.alert(json!({ "dedup_key": "k" }));
        let came_to = (data["outcome"].as_str(), sequence(&data["incident_number"]));
        assert_eq!(came_to, (Some(outcome), number));
    }
}
