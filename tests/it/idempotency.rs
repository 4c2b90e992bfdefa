//! `Idempotency-Key`: a retry gets the first result again, and counts for nothing.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{DAY, HEAD, HOUR, PROD, SERVICES, Server, WEBHOOK, alert, field_codes};

#[track_caller]
fn post(server: &Server, key: &str, members: Value) -> Response {
    post_to(server, WEBHOOK, key, members)
}

#[track_caller]
fn post_to(server: &Server, path: &str, key: &str, members: Value) -> Response {
    server.send("POST", path, &[("Idempotency-Key", key)], alert(members).to_string().as_bytes())
}

#[track_caller]
fn assert_replayed(response: &Response, first: &Response) {
    assert_eq!(response.header("idempotent-replayed"), Some("true"), "{response:?}");
    assert_eq!((response.status, response.data()), (first.status, first.data()));
}

#[track_caller]
fn assert_done_now(response: &Response) {
    assert!(response.status < 300 && response.header("idempotent-replayed").is_none(), "{response:?}");
}

#[test]
fn the_same_key_and_body_is_answered_again_and_not_counted_again() {
    let server = Server::with("on_unknown_resolve = 'ignore'");
    let k = |mut members: Value| {
        members["dedup_key"] = "k".into();
        members
    };
    for (key, members, outcome) in [
        ("1", k(json!({ "status": "resolved" })), "ignored"),
        ("2", k(json!({ "strange": 1 })), "created"),
        ("3", k(json!({})), "repeated"),
        ("4", k(json!({ "severity": "SEV0" })), "updated"),
        ("5", k(json!({ "status": "resolved" })), "resolved"),
        ("6", k(json!({})), "reopened"),
        ("7", json!({}), "created"),
    ] {
        let first = post(&server, key, members.clone());
        assert_done_now(&first);
        assert_eq!(first.data()["outcome"], outcome);
        let before = server.list("").len();
        for _ in 0..2 {
            assert_replayed(&post(&server, key, members.clone()), &first);
        }
        assert_eq!(server.list("").len(), before);
    }
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["occurrences"], &incident["timeline_total"]), (&json!(5), &json!(5)));
    // Each of them again, in another order, long after the incident has moved on.
    assert_eq!(post(&server, "2", k(json!({ "strange": 1 }))).data()["status"], "new");
}

#[test]
fn the_same_key_with_another_body_is_a_conflict() {
    let server = Server::new();
    assert_done_now(&post(&server, "once", json!({ "dedup_key": "k" })));
    let response = post(&server, "once", json!({ "dedup_key": "k", "severity": "SEV0" }));
    assert_eq!((response.status, response.code().as_str()), (409, "idempotency_conflict"));
    // The body is its bytes: white space is another body.
    let spaced = format!(" {}", alert(json!({ "dedup_key": "k" })));
    let response = server.send("POST", WEBHOOK, &[("Idempotency-Key", "once")], spaced.as_bytes());
    assert_eq!(response.code(), "idempotency_conflict");
    assert_eq!(server.show("INC-2026-001")["occurrences"], 1);
    assert_done_now(&post(&server, "twice", json!({ "dedup_key": "k" })));
    assert_done_now(&post(&server, "ONCE", json!({ "dedup_key": "k" })));
}

#[test]
fn only_a_success_is_recorded() {
    let server = Server::with("[limits]\ncustom_body_bytes = 1024");
    let key = [("Idempotency-Key", "once")];
    for (body, code) in [
        ("{".to_owned(), "invalid_json"),
        ("{}".into(), "validation_error"),
        (alert(json!({ "service_id": "mail" })).to_string(), "validation_error"),
        (" ".repeat(1025), "payload_too_large"),
    ] {
        assert_eq!(server.send("POST", WEBHOOK, &key, body.as_bytes()).code(), code);
        assert_eq!(server.send("POST", WEBHOOK, &key, body.as_bytes()).code(), code);
    }
    assert_done_now(&post(&server, "once", json!({})));
}

#[test]
fn a_key_is_good_for_24_hours() {
    let server = Server::new();
    let first = post(&server, "once", json!({ "dedup_key": "k" }));
    server.advance(DAY - 1);
    server.upkeep();
    assert_replayed(&post(&server, "once", json!({ "dedup_key": "k" })), &first);
    assert_eq!(post(&server, "once", json!({})).code(), "idempotency_conflict");
    server.advance(1);
    // By the clock, whether or not anything has tidied up since.
    assert_done_now(&post(&server, "once", json!({ "dedup_key": "other" })));
    assert_eq!(post(&server, "once", json!({ "dedup_key": "k" })).code(), "idempotency_conflict");
}

#[test]
fn expired_keys_are_forgotten() {
    let server = Server::new();
    let kept = || {
        server.file().query_row("SELECT count(*) FROM idempotency", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    post(&server, "early", json!({}));
    server.advance(12 * HOUR);
    server.upkeep();
    post(&server, "late", json!({}));
    server.advance(12 * HOUR);
    server.upkeep();
    assert_eq!(kept(), 1);
    server.advance(12 * HOUR);
    server.upkeep();
    assert_eq!(kept(), 0);
}

#[test]
fn only_so_many_keys_are_kept_and_the_oldest_make_room() {
    let mut server = Server::with("[limits]\nidempotency_keys = 3");
    for key in ["a", "b", "c", "d"] {
        server.advance(1);
        assert_done_now(&post(&server, key, json!({})));
    }
    for key in ["b", "c", "d"] {
        assert_eq!(post(&server, key, json!({})).header("idempotent-replayed"), Some("true"), "{key}");
    }
    server.advance(1);
    assert_done_now(&post(&server, "a", json!({})));
    // The same bound, counted anew.
    server.restart(&format!("{HEAD}{SERVICES}{PROD}[limits]\nidempotency_keys = 2"));
    server.advance(1);
    assert_done_now(&post(&server, "e", json!({})));
    for key in ["a", "e"] {
        assert_eq!(post(&server, key, json!({})).header("idempotent-replayed"), Some("true"), "{key}");
    }
    assert_done_now(&post(&server, "c", json!({})));
}

#[test]
fn a_key_that_is_used_again_after_it_expired_takes_one_place_not_two() {
    let server = Server::with("[limits]\nidempotency_keys = 2");
    let first = json!({ "title": "first" });
    assert_done_now(&post(&server, "a", first.clone()));
    server.advance(DAY);
    // Nothing has tidied up: the expired row is still there.
    assert_done_now(&post(&server, "a", first.clone()));
    server.advance(1);
    assert_done_now(&post(&server, "b", json!({})));
    assert_eq!(post(&server, "a", first).header("idempotent-replayed"), Some("true"));
}

#[test]
fn a_key_survives_a_restart() {
    let mut server = Server::new();
    let first = post(&server, "once", json!({ "dedup_key": "k", "strange": 1 }));
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    assert_replayed(&post(&server, "once", json!({ "dedup_key": "k", "strange": 1 })), &first);
    assert_eq!(server.show("INC-2026-001")["occurrences"], 1);
}

#[test]
fn a_key_belongs_to_its_integration() {
    let other = "
[[integrations]]
name = 'other'
source = 'custom'
routing_keys = ['HUSH-other-key-001', 'HUSH-other-key-002']
";
    let server = Server::with(other);
    let first = post(&server, "once", json!({}));
    let second = post_to(&server, "/webhooks/HUSH-other-key-001", "once", json!({ "title": "other" }));
    assert_done_now(&second);
    assert_replayed(&post(&server, "once", json!({})), &first);
    // All of an integration's routing keys are the same sender, and so are both paths.
    for path in ["/webhooks/HUSH-other-key-002", "/api/webhooks/HUSH-other-key-001"] {
        assert_replayed(&post_to(&server, path, "once", json!({ "title": "other" })), &second);
    }
}

#[test]
fn a_key_has_up_to_255_characters_and_is_not_empty() {
    let server = Server::new();
    for (key, expected) in [
        ("k".to_owned(), ""),
        ("é".repeat(255), ""),
        ("k".repeat(255), ""),
        ("k".repeat(256), "Idempotency-Key:too_long"),
        ("é".repeat(256), "Idempotency-Key:too_long"),
        (String::new(), "Idempotency-Key:empty"),
        ("  ".into(), "Idempotency-Key:empty"),
    ] {
        let response = post(&server, &key, json!({}));
        if expected.is_empty() {
            assert_done_now(&response);
        } else {
            assert_eq!(field_codes(&response), expected);
        }
    }
}

#[test]
fn keys_of_an_integration_that_became_another_are_nobodys() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let ignoring = |name: &str| {
        format!("{HEAD}{SERVICES}{PROD}on_unknown_resolve = 'ignore'\n")
            .replace("'prod'", &format!("'{name}'"))
    };
    server.reload(&ignoring("production"));
    let resolved = json!({ "dedup_key": "other", "status": "resolved" });
    assert_eq!(post(&server, "K", resolved).data()["outcome"], "ignored");
    // The row that answered this is gone with the next two lines of configuration, and its id is another's.
    let other =
        "[[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-002']\n";
    server.reload(&format!("{}formerly = ['prod']\n{other}", ignoring("production")));
    assert_done_now(&post_to(&server, "/webhooks/HUSH-other-key-002", "K", json!({})));
}
