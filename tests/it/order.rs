//! The order of checks: of a request's several faults, the first of the contract's list is the one that is told.
//! Route, method, key, rate, length, body, signature, content encoding, JSON, fields, store.

use std::net::Shutdown;

use serde_json::json;

use crate::http::Connection;
use crate::server::{Server, WEBHOOK, alert};

const TOO_LARGE: usize = 2001;

fn server() -> Server {
    Server::with(
        "signing_secrets = ['HUSH-signing-secret-1']
[[integrations]]
name = 'exhausted'
source = 'custom'
routing_keys = ['HUSH-exhausted-key-1']
signing_secrets = ['HUSH-signing-secret-1']
rate_per_minute = 1
[[integrations]]
name = 'unsigned'
source = 'custom'
routing_keys = ['HUSH-unsigned-key-1']
[limits]
custom_body_bytes = 2000
api_body_bytes = 1024
body_timeout = '10ms'
",
    )
}

const EXHAUSTED: &str = "/webhooks/HUSH-exhausted-key-1";
const UNSIGNED: &str = "/webhooks/HUSH-unsigned-key-1";

#[test]
fn of_several_faults_the_first_in_the_order_of_checks_is_told() {
    let server = server();
    assert_eq!(server.post_to(EXHAUSTED, "{}").code(), "missing_signature", "the one request of this minute");
    let used = [("Idempotency-Key", "used")];
    let good = alert(json!({})).to_string();
    assert_eq!(server.send("POST", UNSIGNED, &used, good.as_bytes()).status, 201);

    let gzip = ("Content-Encoding", "gzip");
    let large = "x".repeat(TOO_LARGE);
    let unknown_service = alert(json!({ "service_id": "mail" })).to_string();
    for (rule, method, path, headers, body, expected) in [
        ("route before method", "BREW", "/webhook/nobody", &[][..], "{", "not_found"),
        ("route before length", "POST", "/nowhere", &[], &large, "not_found"),
        ("method before key", "GET", "/webhooks/nobody-has-this-key", &[], "", "method_not_allowed"),
        ("method before rate", "PUT", EXHAUSTED, &[], "{", "method_not_allowed"),
        ("method before length", "PUT", WEBHOOK, &[], &large, "method_not_allowed"),
        ("key before length", "POST", "/webhooks/nobody-has-this-key", &[], &large, "unknown_routing_key"),
        ("key before encoding", "POST", "/webhooks/nobody-has-this-key", &[gzip], "{", "unknown_routing_key"),
        ("rate before length", "POST", EXHAUSTED, &[], &large, "rate_limited"),
        ("rate before signature", "POST", EXHAUSTED, &[gzip], "{", "rate_limited"),
        ("length before signature", "POST", WEBHOOK, &[], &large, "payload_too_large"),
        ("length before encoding", "POST", UNSIGNED, &[gzip], &large, "payload_too_large"),
        ("length before JSON", "POST", UNSIGNED, &[], &large, "payload_too_large"),
        ("signature before encoding", "POST", WEBHOOK, &[gzip], &good, "missing_signature"),
        ("signature before JSON", "POST", WEBHOOK, &[], "{", "missing_signature"),
        ("signature before fields", "POST", WEBHOOK, &[], "{}", "missing_signature"),
        ("encoding before JSON", "POST", UNSIGNED, &[gzip], "{", "unsupported_encoding"),
        ("encoding before fields", "POST", UNSIGNED, &[gzip], "{}", "unsupported_encoding"),
        ("JSON before fields", "POST", UNSIGNED, &[], r#"{"title":"","title":""}"#, "invalid_json"),
        ("JSON before store", "POST", UNSIGNED, &used, "{", "invalid_json"),
        ("fields before store", "POST", UNSIGNED, &used, "{}", "validation_error"),
        ("store", "POST", UNSIGNED, &used, &unknown_service, "idempotency_conflict"),
    ] {
        let response = server.send(method, path, headers, body.as_bytes());
        assert_eq!(response.code(), expected, "{rule}");
    }
    assert_eq!(server.list(""), [1]);
}

#[test]
fn of_an_api_request_likewise() {
    let tokens = "
[[tokens]]
name = 'reader'
token = 'HUSH-reader-token-1'
scopes = ['incidents:read']
rate_per_minute = 2
[[tokens]]
name = 'writer'
token = 'HUSH-writer-token-1'
scopes = ['incidents:write']
[limits]
api_body_bytes = 1024
";
    let server = Server::with(tokens);
    let reader = ("Authorization", "Bearer HUSH-reader-token-1");
    let writer = ("Authorization", "Bearer HUSH-writer-token-1");
    let gzip = ("Content-Encoding", "gzip");
    let large = "x".repeat(TOO_LARGE);
    let status = "/api/v1/incidents/INC-2026-001/status";
    for (rule, method, path, headers, body, expected) in [
        ("route before method and token", "BREW", "/api/v1/incident", &[][..], "", "not_found"),
        ("method before token", "DELETE", "/api/v1/incidents", &[], "", "method_not_allowed"),
        ("token before length", "POST", status, &[], &large, "unauthenticated"),
        ("token before query", "GET", "/api/v1/incidents?limit=0", &[], "", "unauthenticated"),
        ("scope before length", "POST", status, &[reader], &large, "forbidden"),
        ("length before encoding", "POST", status, &[writer, gzip], &large, "payload_too_large"),
        ("encoding before JSON", "POST", status, &[writer, gzip], "{", "unsupported_encoding"),
        ("JSON before fields", "POST", status, &[writer], r#"{"status":1,"status":2}"#, "invalid_json"),
        ("fields before store", "POST", status, &[writer], "{}", "validation_error"),
        ("store", "POST", status, &[writer], r#"{"status":"closed"}"#, "not_found"),
        ("a first read", "GET", "/api/v1/incidents?limit=0", &[reader], "", "validation_error"),
        ("and a second", "GET", "/api/v1/incidents?limit=0", &[reader], "", "validation_error"),
        ("rate before query", "GET", "/api/v1/incidents?limit=0", &[reader], "", "rate_limited"),
    ] {
        let response = server.send(method, path, headers, body.as_bytes());
        assert_eq!(response.code(), expected, "{rule}");
    }
}

/// Sends a head that promises `length` bytes, then `body` and no more; the answer's code.
fn cut_short(server: &Server, path: &str, headers: &str, length: usize, body: &str, end: bool) -> String {
    let mut connection = Connection::open(server.addr()).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    connection.write(head.as_bytes()).unwrap();
    if end {
        connection.socket().shutdown(Shutdown::Write).unwrap();
    }
    let mut response = connection.read(false).unwrap();
    if response.status == 100 {
        response = connection.read(false).unwrap();
    }
    response.code()
}

#[test]
fn a_body_that_does_not_come_is_refused_after_its_length_and_before_its_signature() {
    let server = server();
    // It ends early.
    for (path, length, expected) in [
        (WEBHOOK, TOO_LARGE, "payload_too_large"),
        (WEBHOOK, 100, "invalid_json"),
        (UNSIGNED, 100, "invalid_json"),
        ("/webhooks/nobody-has-this-key", 100, "unknown_routing_key"),
    ] {
        assert_eq!(cut_short(&server, path, "", length, "{\"title\":", true), expected, "{path} {length}");
    }
    // It waits for "100 Continue" and then says nothing.
    let expect = "Expect: 100-continue\r\nContent-Encoding: gzip\r\n";
    for (path, length, expected) in [
        (WEBHOOK, TOO_LARGE, "payload_too_large"),
        (WEBHOOK, 100, "request_timeout"),
        ("/webhooks/nobody-has-this-key", 100, "unknown_routing_key"),
    ] {
        assert_eq!(cut_short(&server, path, expect, length, "", false), expected, "{path} {length}");
    }
    assert_eq!(server.list(""), [0; 0]);
}
