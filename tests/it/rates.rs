//! Requests a minute.

use serde_json::json;

use crate::server::{MINUTE, SECOND, Server, WEBHOOK, alert};

#[test]
fn an_integration_beyond_its_rate_is_told_when_to_come_back_and_recovers() {
    let server = Server::with("rate_per_minute = 6");
    for _ in 0..6 {
        assert_eq!(server.post(alert(json!({}))).status, 201);
    }
    for (wait_ms, retry_after) in [(0, "10"), (1, "10"), (8_999, "1"), (999, "1")] {
        server.advance(wait_ms);
        let response = server.post(alert(json!({})));
        assert_eq!((response.status, response.code().as_str()), (429, "rate_limited"));
        assert_eq!(response.header("retry-after"), Some(retry_after), "after {wait_ms} ms more");
    }
    server.advance(1);
    assert_eq!(server.post(alert(json!({}))).status, 201, "one is due every ten seconds");
    assert_eq!(server.post(alert(json!({}))).status, 429);
    server.advance(MINUTE);
    let passed = (0..10).filter(|_| server.post(alert(json!({}))).status == 201).count();
    assert_eq!(passed, 6);
    // A number was used for what was stored only.
    assert_eq!(server.list("").len(), 13);
}

#[test]
fn a_refused_request_counts_if_its_key_is_known_and_all_keys_of_an_integration_count_together() {
    let other = "
[[integrations]]
name = 'other'
source = 'custom'
routing_keys = ['HUSH-other-key-001', 'HUSH-other-key-002']
rate_per_minute = 3
";
    let server = Server::with(other);
    let other =
        |key: u32, body: &str| server.post_to(&format!("/webhooks/HUSH-other-key-00{key}"), body).status;
    assert_eq!(server.post_to("/webhooks/HUSH-other-key-003", "{").status, 404);
    let statuses = [other(1, "{"), other(2, "{}"), other(1, &alert(json!({})).to_string()), other(2, "{")];
    assert_eq!(statuses, [400, 400, 201, 429]);
    // Everybody else goes on.
    assert!((0..10).all(|_| server.post_to(WEBHOOK, alert(json!({}))).status == 201));
    server.advance(20 * SECOND);
    assert_eq!([other(2, "{"), other(1, "{")], [400, 429]);
}

#[test]
fn a_token_has_a_rate_of_its_own() {
    let tokens = "
[[tokens]]
name = 'slow'
token = 'HUSH-slow-token-01'
scopes = ['incidents:read']
rate_per_minute = 2
[[tokens]]
name = 'fast'
token = 'HUSH-fast-token-01'
scopes = ['incidents:read']
";
    let server = Server::with(tokens);
    let get = |token: &str| {
        let authorization = format!("Bearer HUSH-{token}-token-01");
        server.send("GET", "/api/v1/incidents", &[("Authorization", &authorization)], b"")
    };
    assert_eq!([get("slow").status, get("slow").status], [200, 200]);
    let refused = get("slow");
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", Some("30")));
    assert_eq!(get("fast").status, 200);
    server.advance(30 * SECOND);
    assert_eq!(get("slow").status, 200);
}

#[test]
fn a_clock_that_goes_back_locks_nobody_out_for_longer_than_a_minute() {
    let server = Server::with("rate_per_minute = 1");
    assert_eq!(server.post(alert(json!({}))).status, 201);
    server.advance(-1000 * MINUTE);
    let response = server.post(alert(json!({})));
    assert_eq!((response.status, response.header("retry-after")), (429, Some("60")));
    server.advance(MINUTE);
    assert_eq!(server.post(alert(json!({}))).status, 201);
}
