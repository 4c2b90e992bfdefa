//! Web pages from elsewhere: a server that is open to this machine is not open to every page that its browser shows.

use serde_json::json;

use crate::server::{HEAD, SERVICES, Server, WEBHOOK, alert};

const PLACEHOLDER: &str = "/webhooks/YOUR_ROUTING_KEY";

/// The shipped key beside one of one's own.
fn server() -> Server {
    Server::with("[[integrations]]\nname = 'local'\nsource = 'custom'\nrouting_keys = ['YOUR_ROUTING_KEY']\n")
}

#[test]
fn the_placeholder_key_takes_no_web_page_from_elsewhere_and_a_key_of_ones_own_takes_all() {
    let server = server();
    let body = alert(json!({})).to_string();
    for (header, value, accepted) in [
        ("User-Agent", "curl", true),
        ("Origin", "http://localhost", true),
        ("Origin", "http://localhost:3000", true),
        ("Origin", "http://127.0.0.1:8080", true),
        ("Origin", "http://[::1]:8080", true),
        ("Origin", "https://bell.example.net", true),
        ("Origin", "https://BELL.example.net:444", true),
        ("Origin", "https://evil.example", false),
        ("Origin", "https://bell.example.net.evil.example", false),
        ("Origin", "https://localhost.evil.example", false),
        ("Origin", "https://evil.example/localhost", false),
        ("Origin", "http://localhost@evil.example", false),
        ("Origin", "null", false),
        ("Origin", "", false),
        ("Sec-Fetch-Site", "none", true),
        ("Sec-Fetch-Site", "same-origin", true),
        ("Sec-Fetch-Site", "same-site", true),
        ("Sec-Fetch-Site", "cross-site", false),
    ] {
        for path in [PLACEHOLDER, "/api/webhooks/YOUR_ROUTING_KEY"] {
            let response = server.send("POST", path, &[(header, value)], body.as_bytes());
            if accepted {
                assert_eq!(response.status, 201, "{header}: {value}");
            } else {
                assert_eq!(
                    (response.status, response.code().as_str()),
                    (403, "forbidden_host"),
                    "{header}: {value}"
                );
            }
        }
        assert_eq!(server.send("POST", WEBHOOK, &[(header, value)], body.as_bytes()).status, 201);
    }
}

#[test]
fn webhooks_are_taken_under_any_host() {
    let server = server();
    let body = alert(json!({})).to_string();
    for path in [WEBHOOK, PLACEHOLDER] {
        let response = server.send("POST", path, &[("Host", "alerts.internal:9999")], body.as_bytes());
        assert_eq!(response.status, 201);
    }
}

#[test]
fn without_tokens_the_api_answers_to_its_own_names_only() {
    let server = Server::new();
    let paths = ["/api/v1/incidents", "/api/v1/auth/verify", "/api/v1/incidents/INC-2026-001"];
    server.alert(json!({}));
    for (host, accepted) in [
        ("localhost", true),
        ("LOCALHOST:8080", true),
        ("127.0.0.1", true),
        ("127.0.0.1:1", true),
        ("127.8.8.8", true),
        ("[::1]:8080", true),
        ("bell.example.net", true),
        ("Bell.Example.Net:8443", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("bell.example.net.evil.example", false),
        ("192.168.1.10:8080", false),
        ("0.0.0.0", false),
        ("", false),
    ] {
        for path in paths {
            let response = server.send("GET", path, &[("Host", host)], b"");
            if accepted {
                assert_eq!(response.status, 200, "{host} {path}: {}", response.text);
            } else {
                assert_eq!(
                    (response.status, response.code().as_str()),
                    (403, "forbidden_host"),
                    "{host} {path}"
                );
            }
        }
    }
}

#[test]
fn without_tokens_the_api_takes_no_origin_but_its_own() {
    let server = Server::new();
    server.alert(json!({}));
    for (origin, accepted) in [
        ("http://localhost:5173", true),
        ("http://127.0.0.1", true),
        ("https://bell.example.net", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        for (method, path, body) in [
            ("GET", "/api/v1/incidents", ""),
            ("POST", "/api/v1/incidents/INC-2026-001/status", r#"{"status":"new"}"#),
        ] {
            let response = server.send(method, path, &[("Origin", origin)], body.as_bytes());
            assert_eq!(response.status != 403, accepted, "{origin} {path}: {}", response.text);
        }
    }
    assert_eq!(server.show("INC-2026-001")["status"], "new");
}

#[test]
fn with_tokens_host_and_origin_do_not_matter() {
    let token = "
[[tokens]]
name = 'all'
token = 'HUSH-all-token-0001'
scopes = ['incidents:read']
";
    let server = Server::start(&format!("{HEAD}{SERVICES}{token}"));
    let headers = [
        ("Authorization", "Bearer HUSH-all-token-0001"),
        ("Host", "evil.example"),
        ("Origin", "https://evil.example"),
    ];
    assert_eq!(server.send("GET", "/api/v1/incidents", &headers, b"").status, 200);
}

#[test]
fn health_is_told_to_anybody() {
    let server = Server::new();
    for path in ["/healthz", "/readyz"] {
        let headers = [("Host", "10.0.0.1"), ("Origin", "https://evil.example")];
        assert_eq!(server.send("GET", path, &headers, b"").status, 200);
    }
}
