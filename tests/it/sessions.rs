//! Logging in to the pages.

use rusqlite::Connection as Sqlite;
use serde_json::json;

use crate::http::Response;
use crate::pages::{encoded, look, show_key};
use crate::server::{DAY, HEAD, MINUTE, NOW_MS, PROD, SERVICES, Server};
use crate::stream::Watcher;

const TOKENS: &str = "
[[tokens]]
name = 'ops'
email = 'ops@example.org'
token = 'HUSH-ops-token-0001'
scopes = ['incidents:read', 'incidents:write', 'services:read']
[[tokens]]
name = 'wall'
token = 'HUSH-wall-token-001'
scopes = ['incidents:read']
";

fn config(more: &str) -> String {
    format!("{HEAD}{SERVICES}{PROD}{more}")
}

fn log_in(server: &Server, token: &str) -> Response {
    let form = encoded(&[("token", token)]);
    server.send("POST", "/login?next=/integrations", &[("Accept", "text/html")], form.as_bytes())
}

/// The cookie of somebody who has logged in.
fn cookie(server: &Server, token: &str) -> String {
    let response = log_in(server, token);
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("/integrations")),
        "{}",
        response.text
    );
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

fn look_with(server: &Server, path: &str, cookie: &str) -> Response {
    server.send("GET", path, &[("Accept", "text/html"), ("Cookie", cookie)], b"")
}

fn submit_with(server: &Server, path: &str, form: &[(&str, &str)], cookie: &str) -> Response {
    server.send("POST", path, &[("Accept", "text/html"), ("Cookie", cookie)], encoded(form).as_bytes())
}

#[track_caller]
fn has_to_log_in(response: &Response) {
    assert_eq!(response.status, 303, "{}", response.text);
    assert!(response.header("location").unwrap().starts_with("/login"), "{response:?}");
}

#[test]
fn a_session_outlives_a_restart_and_ends_with_its_time_its_token_and_a_logout() {
    let mut server = Server::start(&config(TOKENS));
    let cookie = cookie(&server, "HUSH-ops-token-0001");
    assert_eq!(look_with(&server, "/", &cookie).status, 200);
    server.restart(&config(TOKENS));
    assert_eq!(look_with(&server, "/", &cookie).status, 200);
    assert!(look_with(&server, "/", &cookie).text.contains("ops@example.org"));
    // Another token of the same name is another token.
    server.reload(&config(&TOKENS.replace("HUSH-ops-token-0001", "HUSH-ops-token-0002")));
    has_to_log_in(&look_with(&server, "/", &cookie));
    server.reload(&config(TOKENS));
    assert_eq!(look_with(&server, "/", &cookie).status, 200);
    let out = submit_with(&server, "/logout", &[], &cookie);
    assert_eq!(out.header("location"), Some("/login"));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    has_to_log_in(&look_with(&server, "/", &cookie));
    server.restart(&config(TOKENS));
    has_to_log_in(&look_with(&server, "/", &cookie));

    let cookie = self::cookie(&server, "HUSH-ops-token-0001");
    server.advance(30 * DAY - 1);
    assert_eq!(look_with(&server, "/", &cookie).status, 200);
    server.advance(1);
    has_to_log_in(&look_with(&server, "/", &cookie));
}

#[test]
fn who_watches_is_told_no_more_once_the_session_has_ended() {
    let heartbeat = "[limits]\nstream_heartbeat = '1s'\n";
    let server = Server::start(&config(&format!("{TOKENS}{heartbeat}[access]\nsession = '1h'\n")));
    let log_in = |token| {
        let cookie = log_in(&server, token);
        cookie.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    let watch = |cookie: &str| Watcher::try_open(&server, "/stream", &[("Cookie", cookie)]).unwrap();
    let (leaving, staying) = (log_in("HUSH-ops-token-0001"), log_in("HUSH-wall-token-001"));
    let mut left = watch(&leaving);
    server.alert(json!({}));
    assert_eq!(left.next().unwrap().short(), "created 1");
    assert_eq!(submit_with(&server, "/logout", &[], &leaving).status, 303);
    assert!(left.next().is_none());
    has_to_log_in(&look_with(&server, "/stream", &leaving));
    let mut stayed = watch(&staying);
    server.advance(60 * MINUTE - 1);
    server.alert(json!({}));
    assert_eq!(stayed.next().unwrap().short(), "created 2");
    server.advance(1);
    server.alert(json!({ "title": "secret" }));
    assert!(stayed.next().is_none());
}

#[test]
fn sessions_are_bounded_in_memory_as_in_the_store() {
    let mut server = Server::start(&config(TOKENS));
    let oldest = cookie(&server, "HUSH-ops-token-0001");
    server.stop();
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 999)
        INSERT INTO session SELECT randomblob(32), randomblob(32), ?1 + n, ?1 + 86400000 FROM n";
    assert_eq!(Sqlite::open(server.path()).unwrap().execute(many, [NOW_MS]).unwrap(), 999);
    server.restart(&config(TOKENS));
    assert_eq!(look_with(&server, "/", &oldest).status, 200);
    server.advance(1);
    let next = cookie(&server, "HUSH-ops-token-0001");
    for _ in 0..2 {
        has_to_log_in(&look_with(&server, "/", &oldest));
        assert_eq!(look_with(&server, "/", &next).status, 200);
        server.restart(&config(TOKENS));
    }
}

#[test]
fn whoever_has_not_logged_in_sees_nothing_and_is_led_back_afterwards() {
    let server = Server::start(&config(TOKENS));
    server.alert(json!({ "title": "secret plan" }));
    for path in ["/", "/incidents/INC-2026-001?a=b&c", "/integrations", "/services", "/stream"] {
        let response = look(&server, path);
        has_to_log_in(&response);
        assert!(!response.text.contains("secret"), "{response:?}");
    }
    let asked = look(&server, "/incidents/INC-2026-001?a=b&c");
    assert_eq!(asked.header("location"), Some("/login?next=%2Fincidents%2FINC-2026-001%3Fa%3Db%26c"));
    // Who has to log in again before a form is taken comes back to the page that it is on.
    let late = submit_with(&server, "/incidents/INC-2026-001", &[("do", "resolve")], "");
    assert_eq!(late.header("location"), Some("/login?next=%2Fincidents%2FINC-2026-001"));
    for bad in ["", "HUSH-no-token-00001", "HUSH-prod-key-0001"] {
        let response = log_in(&server, bad);
        assert_eq!((response.status, response.header("set-cookie")), (401, None));
        assert!(
            response.text.contains("none of the tokens") && !response.text.contains("HUSH"),
            "{}",
            response.text
        );
    }
    for forged in ["firebell_session=", "firebell_session=00", "other=1; firebell_session=zz", "=", ";"] {
        has_to_log_in(&look_with(&server, "/", forged));
    }
    // A cookie is for pages: the API wants its token.
    let cookie = cookie(&server, "HUSH-ops-token-0001");
    assert_eq!(
        server.send("GET", "/api/v1/incidents", &[("Cookie", &cookie)], b"").code(),
        "unauthenticated"
    );
    // A link from elsewhere comes without the cookie; a page of ours sends the browser on, and it brings it.
    let elsewhere = [("Accept", "text/html"), ("Sec-Fetch-Site", "cross-site")];
    let bounced = server.send("GET", "/incidents/INC-2026-001", &elsewhere, b"");
    assert_eq!(bounced.status, 200);
    assert!(
        bounced.text.contains("content=\"0; url=&#x2f;incidents&#x2f;INC-2026-001\""),
        "{}",
        bounced.text
    );
    assert!(!bounced.text.contains("secret"));
    let page = look_with(&server, "/incidents/INC-2026-001", &cookie);
    assert!(page.text.contains("secret plan"));
    let out = [("Accept", "text/html"), ("Cookie", &cookie), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(server.send("POST", "/logout", &out, b"").status, 403);
}

#[test]
fn who_may_only_read_has_no_buttons_and_can_press_none() {
    let server = Server::start(&config(TOKENS));
    server.alert(json!({}));
    let (reader, writer) = (cookie(&server, "HUSH-wall-token-001"), cookie(&server, "HUSH-ops-token-0001"));
    for path in ["/", "/incidents/INC-2026-001", "/integrations/prod", "/integrations/prod/deliveries/1"] {
        let buttons = |cookie| look_with(&server, path, cookie).text.matches("<form method=\"post\"").count();
        assert_eq!(buttons(&reader), 1, "{path}: only to log out");
        assert!(buttons(&writer) > 1 || path == "/", "{path}");
    }
    for (path, action) in [
        ("/", "resolve"),
        ("/incidents/INC-2026-001", "acknowledge"),
        ("/integrations/prod", "show"),
        ("/integrations/prod", "test"),
        ("/integrations/prod/deliveries/1", ""),
    ] {
        let form = [("do", action), ("number", "INC-2026-001")];
        let response = submit_with(&server, path, &form, &reader);
        assert_eq!(response.status, 403, "{path} {action}");
        assert!(!response.text.contains("HUSH"));
    }
    assert_eq!(look_with(&server, "/services", &reader).status, 403);
    let shown = show_key(&server, "/integrations/prod", &[("Cookie", &writer)]);
    assert!(shown.text.contains("HUSH-prod-key-0001"), "{}", shown.text);
    let acknowledged = submit_with(&server, "/incidents/INC-2026-001", &[("do", "acknowledge")], &writer);
    assert_eq!(acknowledged.status, 303);
    assert!(look_with(&server, "/incidents/INC-2026-001", &reader).text.contains("ops@example.org"));
}

#[test]
fn what_anybody_may_read_needs_no_login_and_offers_one() {
    let server = Server::start(&config(&format!("{TOKENS}[access]\nanonymous = ['incidents:read']\n")));
    server.alert(json!({}));
    let page = look(&server, "/");
    assert!(
        page.status == 200 && page.text.contains("href=\"/login\"") && !page.text.contains("Resolve chosen")
    );
    assert_eq!(look(&server, "/services").status, 403);
    // On this machine's own address only: no name that somebody else makes lead here.
    let foreign = server.send("GET", "/", &[("Accept", "text/html"), ("Host", "evil.example")], b"");
    assert_eq!(foreign.status, 403);
    let foreign = server.send("GET", "/api/v1/incidents", &[("Host", "evil.example")], b"");
    assert_eq!(foreign.code(), "forbidden_host");
}
