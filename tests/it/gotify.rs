//! A Gotify server, as far as those who send messages can tell.

use std::process::Command;

use serde_json::{Value, json};

use crate::http::Response;
use crate::log;
use crate::server::Server;

const KEY: &str = "HUSH-gotify-key-001";

fn server(more: &str) -> Server {
    Server::with(&format!(
        "[[integrations]]\nname = 'phone'\nsource = 'gotify'\nrouting_keys = ['{KEY}']\n\
         default_service = 'web'\n{more}"
    ))
}

#[track_caller]
fn send(server: &Server, body: Value) -> Response {
    let headers = [("X-Gotify-Key", KEY), ("Content-Type", "application/json; charset=utf-8")];
    server.send("POST", "/message", &headers, body.to_string().as_bytes())
}

fn refusal(response: &Response) -> (u16, String) {
    let body = response.json();
    assert_eq!(body["errorCode"], response.status);
    (response.status, body["errorDescription"].as_str().unwrap().to_owned())
}

#[test]
fn a_message_is_an_incident_until_one_says_that_it_is_over() {
    let server = server("");
    let message = json!({ "title": "Disk full", "message": "98 % (HUSH)", "priority": 8 });
    let sent = send(&server, message.clone());
    assert_eq!(
        sent.text,
        "{\"id\":1,\"appid\":1,\"message\":\"98 % (HUSH)\",\"title\":\"Disk full\",\"priority\":8,\"date\":\"2026-11-23T08:00:00.123Z\"}"
    );
    assert_eq!(send(&server, message).status, 200);
    let over = send(&server, json!({ "title": "[Resolved] Disk full", "message": "40 %", "priority": 1 }));
    assert_eq!((over.status, &over.json()["id"]), (200, &1.into()));
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["status"], &incident["title"]), (&"resolved".into(), &"Disk full".into()));
    assert_eq!((&incident["severity"], &incident["description"]), (&"SEV1".into(), &"40 %".into()));
    assert_eq!((&incident["occurrences"], &incident["dedup_key"]), (&3.into(), &"Disk full".into()));
    let unknown = send(&server, json!({ "message": "OK: Backup" }));
    assert_eq!((unknown.status, &unknown.json()["id"]), (200, &0.into()));
    assert_eq!(server.list(""), [1]);
    assert!(log::lines_with(KEY).is_empty());
}

#[test]
fn without_dedup_every_message_is_an_incident() {
    let server = server("dedup = 'none'");
    for _ in 0..2 {
        send(&server, json!({ "message": "Backup failed" }));
    }
    assert_eq!(server.list(""), [2, 1]);
    assert_eq!(server.show("INC-2026-001")["title"], "Backup failed");
    assert_eq!(server.show("INC-2026-001")["description"], Value::Null);
}

#[test]
fn what_says_that_it_is_over_can_be_chosen() {
    let server = server("resolve_prefixes = ['Entwarnung:']");
    send(&server, json!({ "message": "OK: that was it" }));
    send(&server, json!({ "message": "entwarnung: OK: that was it" }));
    assert_eq!(server.show("INC-2026-001")["status"], "resolved");
}

#[test]
fn priorities_and_extras() {
    let server = server("");
    let priorities =
        [(11, "SEV0"), (10, "SEV0"), (9, "SEV1"), (8, "SEV1"), (7, "SEV2"), (4, "SEV2"), (3, "SEV3")];
    for (priority, severity) in priorities.into_iter().chain([(1, "SEV3"), (0, "SEV4"), (-1, "SEV4")]) {
        let id =
            send(&server, json!({ "message": format!("m{priority}"), "priority": priority })).json()["id"]
                .clone();
        assert_eq!(server.show(&format!("INC-2026-{:03}", id.as_i64().unwrap()))["severity"], severity);
    }
    let extras = json!({
        "firebell::service": "db",
        "client::notification": { "click": { "url": "https://e.x/1" } },
        "client::display": { "contentType": "text/markdown" },
    });
    let sent =
        send(&server, json!({ "MESSAGE": "m", "extras": extras, "appid": 0, "id": 0, "date": "0001" }));
    assert_eq!((&sent.json()["extras"], &sent.json()["priority"]), (&extras, &0.into()));
    let incident = server.show("INC-2026-011");
    assert_eq!(
        (&incident["service_ids"], &incident["source_url"]),
        (&json!(["SER-00002"]), &"https://e.x/1".into())
    );
    assert_eq!(
        (&incident["severity"], &incident["metadata"]["client::display"]["contentType"]),
        (&"SEV2".into(), &"text/markdown".into())
    );
    assert_eq!(incident["metadata"].as_object().unwrap().len(), 2);
}

#[test]
fn the_token_may_be_in_three_places_and_comes_before_the_body() {
    let server = server("");
    let ask = |path: &str, headers: &[(&str, &str)]| refusal(&server.send("POST", path, headers, b""));
    let bearer = format!("bearer {KEY}");
    let asked = format!("/message?token={KEY}");
    for (path, headers) in [
        (asked.as_str(), &[("X-Gotify-Key", "wrong")][..]),
        ("/message?token=", &[("X-Gotify-Key", KEY), ("Authorization", "Bearer wrong")]),
        ("/message", &[("Authorization", bearer.as_str())]),
    ] {
        assert_eq!(ask(path, headers), (400, "Field 'message' is required".into()), "{path}");
    }
    for (path, headers) in [
        ("/message?token=wrong", &[("X-Gotify-Key", KEY)][..]),
        ("/message", &[]),
        ("/message", &[("Authorization", KEY)]),
        ("/message?token=HUSH-prod-key-0001", &[]),
    ] {
        assert_eq!(ask(path, headers).0, 401, "{path}");
    }
}

#[test]
fn every_kind_of_body_is_read_as_gotify_does() {
    let server = server("");
    let key = ("X-Gotify-Key", KEY);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let multipart = ("Content-Type", "multipart/form-data; boundary=xx");
    let parts = "--xx\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nin parts\r\n--xx--\r\n";
    for (path, headers, body, message) in [
        ("/message", &[key, form][..], "message=a+form&priority=5", "a form"),
        ("/message?message=the+query", &[key], "", "the query"),
        (
            "/message?message=the+query",
            &[key, ("Content-Type", "text/plain")],
            "message=the%20body",
            "the body",
        ),
        ("/message", &[key, multipart], parts, "in parts"),
        ("/message", &[key, form], "message=a%00b", "a\u{fffd}b"),
    ] {
        let sent = server.send("POST", path, headers, body.as_bytes());
        assert_eq!((sent.status, &sent.json()["message"]), (200, &message.into()), "{}", sent.text);
    }
    for (headers, body, problem) in [
        (&[key, form][..], "message=a&priority=abc", "Field 'priority' must be a whole number"),
        (&[key, multipart], "message=a", "Field 'body' is no complete multipart form"),
        (&[key, form], "title=a", "Field 'message' is required"),
    ] {
        let refused = server.send("POST", "/message", headers, body.as_bytes());
        assert_eq!(refusal(&refused), (400, problem.into()));
    }
    assert_eq!(
        refusal(&send(&server, json!({ "message": 1, "priority": "5", "extras": [] }))).1,
        "Field 'extras' must be an object; Field 'message' must be a string; Field 'priority' must be a whole number"
    );
    let broken = server.send("POST", "/message", &[key, ("Content-Type", "application/json")], b"{");
    assert_eq!(refusal(&broken).0, 400);
}

#[test]
fn probes_and_wrong_ways_are_answered_like_gotifys() {
    let server = server("rate_per_minute = 1\n[limits]\ncustom_body_bytes = 1024");
    assert_eq!(server.get("/health").json(), json!({ "health": "green", "database": "green" }));
    assert_eq!(server.get("/version").json()["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(refusal(&server.post_to("/message/", "")), (404, "page not found".into()));
    assert_eq!(server.get("/message").status, 405);
    assert_eq!(send(&server, json!({ "message": "x".repeat(1024) })).status, 413);
    assert_eq!(send(&server, json!({ "message": "x" })).status, 503, "its senders do not know 429");
}

/// From Gotify's manual; only the host and the token are ours.
const CURL: [&str; 3] = [
    r#"curl "https://push.example.de/message" -H "X-Gotify-Key: <apptoken>" -F "title=my title" -F "message=my message" -F "priority=5""#,
    r#"curl "https://push.example.de/message?token=<apptoken>" -F "title=my title" -F "message=my message" -F "priority=5""#,
    r#"TITLE="my title" MESSAGE="my message" PRIORITY=5 TOKEN="<apptoken>" URL="https://push.example.de/message"; curl -s -S --data '{"message": "'"${MESSAGE}"'", "title": "'"${TITLE}"'", "priority":'"${PRIORITY}"', "extras": {"client::display": {"contentType": "text/markdown"}}}' -H 'Content-Type: application/json' -H "X-Gotify-Key: $TOKEN" "$URL""#,
];

#[test]
fn the_manuals_own_lines_work() {
    let server = server("");
    for line in CURL {
        let host = format!("http://{}", server.addr());
        let line = line.replace("https://push.example.de", &host).replace("<apptoken>", KEY);
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        let sent: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(
            (&sent["id"], &sent["title"], &sent["message"]),
            (&1.into(), &"my title".into(), &"my message".into())
        );
    }
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["occurrences"], &incident["severity"]), (&3.into(), &"SEV2".into()));
}
