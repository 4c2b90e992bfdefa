//! Who may use the API.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{Server, WEBHOOK, alert};

const TOKENS: &str = "
[[tokens]]
name = 'reader'
token = 'HUSH-reader-token-1'
scopes = ['incidents:read']
[[tokens]]
name = 'writer'
email = 'ada@example.org'
token = 'HUSH-writer-token-1'
scopes = ['incidents:write']
[[tokens]]
name = 'all'
token = 'HUSH-all-token-0001'
scopes = ['incidents:read', 'incidents:write', 'services:read']
";

fn send(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Response {
    let authorization = format!("Bearer HUSH-{token}");
    server.send(method, path, &[("Authorization", &authorization)], body.as_bytes())
}

const READER: &str = "reader-token-1";
const WRITER: &str = "writer-token-1";
const ALL: &str = "all-token-0001";

#[test]
fn a_token_may_do_what_its_scopes_say() {
    let server = Server::with(TOKENS);
    server.alert(json!({}));
    let one = "/api/v1/incidents/INC-2026-001";
    let (status, acknowledge) = (format!("{one}/status"), format!("{one}/acknowledge"));
    for (method, path, body, reader, writer) in [
        ("GET", "/api/v1/auth/verify", "", 200, 200),
        ("GET", "/api/v1/incidents", "", 200, 403),
        ("GET", one, "", 200, 403),
        ("POST", &acknowledge, "{}", 403, 200),
        ("POST", &status, r#"{"status":"fixing"}"#, 403, 200),
    ] {
        for (token, expected) in [(READER, reader), (WRITER, writer)] {
            let response = send(&server, token, method, path, body);
            assert_eq!(response.status, expected, "{token} {method} {path}");
            if expected == 403 {
                assert_eq!(response.code(), "forbidden");
                let scope = if token == READER { "incidents:write" } else { "incidents:read" };
                assert!(response.json()["error"]["message"].as_str().unwrap().contains(scope));
            }
        }
    }
    assert_eq!(send(&server, ALL, "GET", one, "").data()["status"], "fixing");
}

#[test]
fn without_a_token_that_is_known_nobody_gets_in() {
    let server = Server::with(TOKENS);
    for authorization in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer HUSH-reader-token-2"),
        Some("Bearer hush-reader-token-1"),
        Some("Bearer HUSH-reader-token-1x"),
        Some("Bearer HUSH-prod-key-0001"),
        Some("Basic HUSH-reader-token-1"),
        Some("HUSH-reader-token-1"),
    ] {
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        for (method, path) in [
            ("GET", "/api/v1/auth/verify"),
            ("GET", "/api/v1/incidents"),
            ("GET", "/api/v1/incidents/INC-2026-001"),
            ("POST", "/api/v1/incidents/INC-2026-001/status"),
            ("POST", "/api/v1/incidents/INC-2026-001/acknowledge"),
        ] {
            let response = server.send(method, path, &headers, b"");
            assert_eq!(
                (response.status, response.code().as_str()),
                (401, "unauthenticated"),
                "{authorization:?} {path}"
            );
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        }
    }
    // The scheme's letters do not matter; the others' do.
    for scheme in ["bearer", "BEARER"] {
        let authorization = format!("{scheme} HUSH-reader-token-1");
        let headers = [("Authorization", authorization.as_str())];
        assert_eq!(server.send("GET", "/api/v1/incidents", &headers, b"").status, 200);
    }
    // Webhooks have their routing keys, health has no need.
    assert_eq!(server.post_to(WEBHOOK, alert(json!({}))).status, 201);
    assert_eq!([server.get("/healthz").status, server.get("/readyz").status], [200, 200]);
}

#[test]
fn verify_tells_what_a_token_is_good_for() {
    let server = Server::with(&format!("{TOKENS}[defaults]\norganization = 'Bell Labs'"));
    for (token, scopes) in [
        (READER, json!(["incidents:read"])),
        (WRITER, json!(["incidents:write"])),
        (ALL, json!(["incidents:read", "incidents:write", "services:read"])),
    ] {
        let expected = json!({ "valid": true, "scopes": scopes, "organization_name": "Bell Labs" });
        assert_eq!(send(&server, token, "GET", "/api/v1/auth/verify", "").data(), expected);
    }
    let open = Server::new().get("/api/v1/auth/verify").data();
    assert_eq!(open["scopes"], json!(["incidents:read", "incidents:write", "services:read"]));
    assert_eq!(open["organization_name"], "Home");
}

#[test]
fn a_caller_is_named_by_email_else_by_the_tokens_name_else_local() {
    let named = |server: &Server, token: Option<&str>| -> Value {
        let number = server.alert(json!({}))["incident_number"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/incidents/{number}");
        let post = |rest: &str, body: &str| {
            let path = format!("{path}/{rest}");
            match token {
                Some(token) => send(server, token, "POST", &path, body).data(),
                None => server.post_to(&path, body).data(),
            }
        };
        let acknowledged = post("acknowledge", "{}");
        let resolved = post("status", r#"{"status":"resolved"}"#);
        let detail = match token {
            Some(_) => send(server, ALL, "GET", &path, "").data(),
            None => server.show(&number),
        };
        let name = acknowledged["acknowledged_by"].clone();
        for other in [
            &acknowledged["assigned_to"],
            &resolved["resolved_by"],
            &detail["timeline"][0]["actor"],
            &detail["timeline"][1]["actor"],
        ] {
            assert_eq!(*other, name);
        }
        name
    };
    let server = Server::with(TOKENS);
    assert_eq!(named(&server, Some(WRITER)), "ada@example.org");
    assert_eq!(named(&server, Some(ALL)), "all");
    assert_eq!(named(&Server::new(), None), "local");
}

#[test]
fn anonymous_access_allows_its_scopes_and_nothing_else() {
    let server = Server::with(&format!("{TOKENS}[access]\nanonymous = ['incidents:read']"));
    server.alert(json!({}));
    let acknowledge = "/api/v1/incidents/INC-2026-001/acknowledge";
    assert_eq!(server.list(""), [1]);
    assert_eq!(server.show("INC-2026-001")["status"], "new");
    assert_eq!(server.get("/api/v1/auth/verify").data()["scopes"], json!(["incidents:read"]));
    assert_eq!(server.post_to(acknowledge, "{}").code(), "unauthenticated");
    // A token counts for what it is: a wrong one is wrong, one with less has less.
    assert_eq!(send(&server, "nobody", "GET", "/api/v1/incidents", "").code(), "unauthenticated");
    assert_eq!(send(&server, WRITER, "GET", "/api/v1/incidents", "").code(), "forbidden");
    assert_eq!(send(&server, WRITER, "POST", acknowledge, "{}").status, 200);
}

#[test]
fn where_there_are_no_tokens_one_that_is_sent_anyway_does_no_harm() {
    let server = Server::new();
    assert_eq!(send(&server, READER, "GET", "/api/v1/incidents", "").status, 200);
}

#[test]
fn on_a_network_without_tokens_only_what_anonymous_names_is_open_whatever_the_host() {
    let config = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD)
        .replace("127.0.0.1:0", "0.0.0.0:0");
    let server = Server::start(&format!("{config}[access]\nanonymous = ['incidents:read']"));
    server.alert(json!({}));
    let headers = [("Host", "10.1.2.3"), ("Origin", "https://dash.example")];
    assert_eq!(server.send("GET", "/api/v1/incidents", &headers, b"").status, 200);
    let path = "/api/v1/incidents/INC-2026-001/acknowledge";
    assert_eq!(server.send("POST", path, &headers, b"{}").code(), "unauthenticated");
}
