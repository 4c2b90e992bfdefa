//! What every answer has, and requests that lead nowhere.

use rusqlite::Connection as Sqlite;
use serde_json::json;

use crate::http::Connection;
use crate::server::{Server, WEBHOOK, alert};

#[test]
fn a_callers_request_id_is_kept_if_it_is_128_printable_characters_or_less() {
    let server = Server::new();
    let (most, more) = ("x".repeat(128), "x".repeat(129));
    for (method, path, body) in [("GET", "/healthz", ""), ("POST", WEBHOOK, "{"), ("GET", "/nowhere", "")] {
        for (id, kept) in [
            ("abc-123", true),
            ("a b~!\"", true),
            (&most, true),
            (&more, false),
            ("é", false),
            ("a\tb", false),
            ("", false),
        ] {
            let response = server.send(method, path, &[("X-Request-Id", id)], body.as_bytes());
            let given = response.header("x-request-id").unwrap();
            assert_eq!(given == id, kept, "{id}: {given}");
            assert!(kept || given.starts_with("req_"), "{given}");
        }
    }
    let ours = [server.get("/healthz"), server.get("/healthz")]
        .map(|r| r.header("x-request-id").unwrap().to_owned());
    assert_ne!(ours[0], ours[1]);
}

#[test]
fn head_answers_as_get_does_but_for_the_body() {
    let server = Server::new();
    server.alert(json!({}));
    for path in [
        "/healthz",
        "/readyz",
        "/api/v1/auth/verify",
        "/api/v1/incidents",
        "/api/v1/incidents/INC-2026-001",
        "/api/v1/incidents/INC-2026-002",
        "/api/v1/incidents?limit=0",
        "/nowhere",
    ] {
        let get = server.get(path);
        let mut connection = Connection::open(server.addr()).unwrap();
        let head = connection.try_send("HEAD", path, &[], b"").unwrap();
        assert_eq!(head.status, get.status, "{path}");
        for header in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(header), get.header(header), "{path} {header}");
            assert!(head.header(header).is_some(), "{path} {header}");
        }
        // Nothing of a body is left on the connection.
        assert_eq!(connection.try_send("GET", "/healthz", &[], b"").unwrap().status, 200);
    }
}

#[test]
fn a_path_that_leads_nowhere_is_404_and_a_wrong_method_is_405_with_the_right_ones() {
    let server = Server::new();
    for (method, path, expected) in [
        ("GET", "/nowhere", "404"),
        ("GET", "/webhooks", "404"),
        ("POST", "/webhooks/", "404"),
        ("POST", "/webhooks/a/b", "404"),
        ("POST", "/Webhooks/a", "404"),
        ("POST", "/api/v1/webhooks/a", "404"),
        ("GET", "/api/v1", "404"),
        ("GET", "/api/v1/incidents/", "404"),
        ("GET", "/api/v1/incidents/INC-2026-001/", "404"),
        ("GET", "/api/v2/incidents", "404"),
        ("GET", "/healthz/", "404"),
        ("GET", WEBHOOK, "POST"),
        ("HEAD", WEBHOOK, "POST"),
        ("PUT", "/webhooks/nobody", "POST"),
        ("OPTIONS", "/api/webhooks/nobody", "POST"),
        ("DELETE", "/api/v1/incidents", "GET, HEAD, POST"),
        ("PUT", "/api/v1/incidents/INC-2026-001", "GET, HEAD, PATCH"),
        ("GET", "/api/v1/incidents/INC-2026-001/status", "POST"),
        ("DELETE", "/api/v1/incidents/INC-2026-001/acknowledge", "POST"),
        ("POST", "/api/v1/auth/verify", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("PATCH", "/readyz", "GET, HEAD"),
    ] {
        let response = server.send(method, path, &[], b"");
        if expected == "404" {
            assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{method} {path}");
            continue;
        }
        assert_eq!((response.status, response.header("allow")), (405, Some(expected)), "{method} {path}");
        if method != "HEAD" {
            assert_eq!(response.code(), "method_not_allowed");
            let allowed: Vec<_> = expected.split(", ").collect();
            assert_eq!(response.json()["error"]["details"], json!({ "allowed": allowed }));
        }
    }
}

#[test]
fn a_connection_stays_open_after_whatever_was_refused() {
    let server = Server::with("[limits]\ncustom_body_bytes = 1024");
    let mut connection = Connection::open(server.addr()).unwrap();
    let (good, large) = (alert(json!({})).to_string(), " ".repeat(100_000));
    for (path, body, status) in [
        (WEBHOOK, good.as_str(), 201),
        (WEBHOOK, "{", 400),
        (WEBHOOK, large.as_str(), 413),
        ("/webhooks/nobody", large.as_str(), 404),
        ("/nowhere", "x", 404),
        (WEBHOOK, good.as_str(), 201),
    ] {
        let response = connection.try_send("POST", path, &[], body.as_bytes()).unwrap();
        assert_eq!(response.status, status, "{path}");
    }
}

#[test]
fn requests_that_were_sent_at_once_are_answered_in_order() {
    let server = Server::new();
    let mut connection = Connection::open(server.addr()).unwrap();
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    let one =
        format!("POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    connection.write(one.repeat(5).as_bytes()).unwrap();
    for occurrences in 1..=5 {
        assert_eq!(connection.read(false).unwrap().data()["occurrences"], occurrences);
    }
}

fn beats(file: &Sqlite) -> i64 {
    file.query_row("SELECT beats FROM pulse", [], |row| row.get(0)).unwrap()
}

#[test]
fn readiness_is_proved_by_a_write_of_the_last_five_seconds() {
    let server = Server::new();
    let data = server.get("/healthz").data();
    assert_eq!((&data["status"], &data["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(server.get("/readyz").data()["status"], "ready");
    let file = server.file();
    assert_eq!(beats(&file), 1);
    // Within five seconds the last write is proof enough; beyond, another is made.
    for (by_ms, writes) in [(5_000, 1), (1, 2), (4_000, 2), (1_001, 3), (-20_000, 4)] {
        server.advance(by_ms);
        assert_eq!(server.get("/readyz").status, 200);
        assert_eq!(beats(&file), writes, "{by_ms}");
    }
    // An alert that was stored is as good a proof.
    server.advance(60_000);
    server.alert(json!({}));
    server.get("/readyz");
    assert_eq!(beats(&file), 4);
}

#[test]
fn a_file_that_cannot_be_written_is_a_503_that_a_retry_makes_good() {
    let server = Server::with("[limits]\nstore_timeout = '500ms'");
    server.alert(json!({ "dedup_key": "k" }));
    let other = Sqlite::open(server.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.advance(60_000);
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    let post = || server.send("POST", WEBHOOK, &[("Idempotency-Key", "once")], body.as_bytes());
    let (refused, ready) = std::thread::scope(|scope| {
        let ready = scope.spawn(|| server.get("/readyz"));
        (post(), ready.join().unwrap())
    });
    for response in [refused, ready] {
        assert_eq!((response.status, response.code().as_str()), (503, "storage_unavailable"));
    }
    assert_eq!(server.list(""), [1], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    // Whether or not the first was stored after all: it counts once.
    let retried = (0..10).map(|_| post()).find(|response| response.status != 503).unwrap();
    assert_eq!((retried.status, &retried.data()["occurrences"]), (200, &json!(2)));
    assert_eq!(server.show("INC-2026-001")["occurrences"], 2);
}
