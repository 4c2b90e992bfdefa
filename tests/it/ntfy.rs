//! An ntfy server, as far as those who publish can tell.

use std::process::Command;

use serde_json::{Value, json};

use crate::http::Response;
use crate::log;
use crate::server::Server;

const KEY: &str = "HUSH-ntfy-key-0001";
const WEB: &str = "/ntfy/HUSH-ntfy-key-0001/web";
const ROOT: &str = "/ntfy/HUSH-ntfy-key-0001";

fn server(more: &str) -> Server {
    Server::with(&format!(
        "[[integrations]]\nname = 'push'\nsource = 'ntfy'\nrouting_keys = ['{KEY}']\n\
         default_service = 'db'\n{more}"
    ))
}

#[track_caller]
fn publish(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let response = server.send("POST", path, headers, body.as_bytes());
    assert_eq!(response.status, 200, "{}", response.text);
    assert!(response.text.ends_with("}\n"));
    response.json()
}

#[track_caller]
fn refused(response: &Response) -> (u16, u64) {
    let body = response.json();
    assert_eq!(body["http"], response.status);
    (response.status, body["code"].as_u64().unwrap())
}

#[test]
fn a_message_is_an_incident_until_one_says_that_it_is_over() {
    let server = server("");
    let headers = [("Title", "Disk full"), ("Priority", "high"), ("Tags", "warning,cd")];
    let published = publish(&server, WEB, &headers, "98 % (HUSH)");
    let expected = json!({
        "id": "INC-2026-001", "time": 1_795_420_800, "expires": 1_795_464_000, "event": "message", "topic": "web",
        "title": "Disk full", "message": "98 % (HUSH)", "priority": 4, "tags": ["warning", "cd"],
    });
    assert_eq!(published, expected);
    publish(&server, WEB, &headers, "98 % (HUSH)");
    let show = || server.show("INC-2026-001");
    let incident = show();
    assert_eq!((&incident["severity"], &incident["service_ids"]), (&"SEV1".into(), &json!(["SER-00001"])));
    assert_eq!((&incident["dedup_key"], &incident["occurrences"]), (&"web/Disk full".into(), &2.into()));
    assert_eq!(incident["metadata"], json!({ "topic": "web", "tags": ["warning", "cd"] }));
    // Another topic's is another one, whose service nobody knows.
    publish(&server, "/ntfy/HUSH-ntfy-key-0001/other", &headers, "98 %");
    assert_eq!(server.show("INC-2026-002")["service_ids"], json!(["SER-00002"]));
    publish(&server, WEB, &[("Title", "RESOLVED: Disk full"), ("p", "1")], "40 %");
    assert_eq!((&show()["status"], &show()["severity"]), (&"resolved".into(), &"SEV1".into()));
    publish(&server, WEB, &headers, "99 %");
    assert_eq!(show()["status"], "new", "it is open again");
    publish(&server, WEB, &[("Title", "Disk full"), ("Tags", "white_check_mark")], "");
    assert_eq!(show()["status"], "resolved");
    assert_eq!(publish(&server, WEB, &[], "ok: Backup")["id"], "none");
    assert_eq!(server.list(""), [2, 1]);
    assert!(log::lines_with(KEY).is_empty());
}

#[test]
fn a_sequence_is_one_incident_and_without_dedup_nothing_else_is() {
    let server = server("dedup = 'none'");
    publish(&server, WEB, &[("X-Sequence-ID", "job-1")], "Backup began");
    let published = publish(
        &server,
        &format!("{ROOT}/"),
        &[],
        r#"{"topic":"web","sequence_id":"job-1","message":"ok: done"}"#,
    );
    assert_eq!((&published["id"], &published["sequence_id"]), (&"INC-2026-001".into(), &"job-1".into()));
    assert_eq!(server.show("INC-2026-001")["status"], "resolved");
    publish(&server, WEB, &[], "Backup failed");
    publish(&server, WEB, &[], "Backup failed");
    assert_eq!(server.list(""), [3, 2, 1]);
    let path = format!("{WEB}/job-1");
    let again = publish(&server, &path, &[("X-Sequence-ID", "not-this-one")], "Backup began");
    assert_eq!((&again["id"], &again["sequence_id"]), (&"INC-2026-001".into(), &"job-1".into()));
    assert_eq!(server.show("INC-2026-001")["status"], "new", "it is open again");
}

#[test]
fn parameters_have_all_their_names_and_headers_come_first() {
    let server = server("");
    let long = "/ntfy/HUSH-ntfy-key-0001/web?title=query&ta=a&ta=b&click=https://e.x/q&priority=low";
    for (path, headers, title, priority) in [
        (WEB, &[("t", "short"), ("p", "5")][..], json!("short"), json!(5)),
        (WEB, &[("X-Title", "long"), ("Title", "short"), ("X-Priority", "MAX")], json!("long"), json!(5)),
        (long, &[], json!("query"), json!(2)),
        (long, &[("ti", "none"), ("prio", "default")], json!("query"), json!(3)),
        (WEB, &[("Title", "=?UTF-8?B?8J+HqfCfh6o=?="), ("Priority", "u=1, i")], json!("🇩🇪"), Value::Null),
        (WEB, &[("Title", "Äpfel")], json!("Äpfel"), Value::Null),
    ] {
        let published = publish(&server, path, headers, "text");
        assert_eq!((&published["title"], &published["priority"]), (&title, &priority), "{path} {headers:?}");
    }
    for (path, body, message) in [
        (WEB, " \n", "triggered"),
        ("/ntfy/HUSH-ntfy-key-0001/web?message=a%5Cnb%00", "", "a\nb\u{fffd}"),
        ("/ntfy/HUSH-ntfy-key-0001/web?m=query", " body\n", "body"),
    ] {
        assert_eq!(publish(&server, path, &[], body)["message"], message);
    }
    let put =
        server.send("PUT", WEB, &[("Icon", "https://e.x/i"), ("In", "30min"), ("a", "http://e.x/f")], b"put");
    assert_eq!(put.json()["attachment"], json!({ "name": "f", "url": "http://e.x/f" }));
    let number = put.json()["id"].as_str().unwrap().to_owned();
    let metadata =
        json!({ "topic": "web", "icon": "https://e.x/i", "delay": "30min", "attach": "http://e.x/f" });
    assert_eq!(server.show(&number)["metadata"], metadata);
    let query = server.show("INC-2026-003");
    assert_eq!((&query["source_url"], &query["severity"]), (&"https://e.x/q".into(), &"SEV2".into()));
    // Without a priority, and of JSON with 0 for none, the chain of defaults decides.
    publish(&server, ROOT, &[("X-Tags", "header")], r#"{"Topic":"db","priority":0,"message":"none"}"#);
    let newest = server.get("/api/v1/incidents?limit=1").data()["items"][0].clone();
    assert_eq!((&newest["severity"], &newest["metadata"]["tags"]), (&"SEV2".into(), &json!(["header"])));
}

#[test]
fn a_url_alone_publishes_when_it_is_got_but_not_when_it_is_looked_at() {
    let server = server("");
    for (path, number) in [
        ("publish?message=Webhook+triggered&priority=high&tags=warning,skull", 1),
        ("send?m=Doors+open&t=Doors", 2),
        ("trigger", 3),
    ] {
        let path = format!("{WEB}/{path}");
        assert_eq!(server.send("HEAD", &path, &[], b"").status, 405);
        let response = server.get(&path);
        assert_eq!(response.json()["id"], format!("INC-2026-{number:03}"), "{}", response.text);
    }
    let webhook = server.show("INC-2026-001");
    assert_eq!((&webhook["title"], &webhook["severity"]), (&"Webhook triggered".into(), &"SEV1".into()));
    assert_eq!(server.show("INC-2026-003")["title"], "triggered");
    assert_eq!(server.list(""), [3, 2, 1]);
    assert!(log::lines_with(KEY).is_empty());
}

#[test]
fn what_is_wrong_has_ntfys_codes() {
    let server = server("[limits]\ncustom_body_bytes = 1024");
    for (path, headers, body, expected) in [
        (WEB, &[("p", "9")][..], "m", (400, 40007)),
        (WEB, &[("Attach", "ftp://e.x/f")], "m", (400, 40013)),
        (WEB, &[("Filename", "flower.jpg")], "m", (400, 40014)),
        (WEB, &[("Icon", "i.png")], "m", (400, 40021)),
        (WEB, &[("X-Sequence-ID", "a b")], "m", (400, 40049)),
        (WEB, &[("Template", "grafana")], "{}", (400, 40000)),
        (ROOT, &[], "{", (400, 40024)),
        (ROOT, &[], r#"{"topic":"web","priority":"5"}"#, (400, 40024)),
        (ROOT, &[], r#"{"topic":"web","priority":9}"#, (400, 40007)),
        (ROOT, &[], r#"{"message":"m"}"#, (400, 40009)),
        ("/ntfy/HUSH-ntfy-key-0001/not,one", &[], "m", (404, 40401)),
        ("/ntfy/HUSH-ntfy-key-0001/web/not,one", &[], "m", (404, 40401)),
        ("/ntfy/HUSH-ntfy-key-0001/web/job-1/clear", &[], "m", (404, 40401)),
        ("/ntfy/HUSH-nobodys-key-01/web", &[], "m", (404, 40401)),
        ("/ntfy/HUSH-prod-key-0001/web", &[], "m", (404, 40401)),
        (WEB, &[("Content-Encoding", "aes128gcm")], "m", (415, 41501)),
        (WEB, &[], &"m".repeat(1025), (413, 41303)),
    ] {
        let response = server.send("POST", path, headers, body.as_bytes());
        assert_eq!(refused(&response), expected, "{path} {headers:?} {body}");
    }
    assert_eq!(refused(&server.send("POST", WEB, &[], b"\xff")), (400, 40011));
    assert_eq!(refused(&server.get(WEB)), (405, 40501));
    let priority = server.send("POST", WEB, &[("p", "9")], b"m");
    assert_eq!(
        priority.text,
        "{\"code\":40007,\"http\":400,\"error\":\"invalid priority parameter\",\"link\":\"https://ntfy.sh/docs/publish/#message-priority\"}\n"
    );
    assert_eq!(server.list(""), [0; 0]);
}

/// From ntfy's manual; only the host is ours, with a prefix behind it.
const CURL: [&str; 10] = [
    r#"curl -d "Backup successful 😀" ntfy.sh/mytopic"#,
    r#"curl \
  -H "Title: Unauthorized access detected" \
  -H "Priority: urgent" \
  -H "Tags: warning,skull" \
  -d "Remote access to phils-laptop detected. Act right away." \
  ntfy.sh/phil_alerts"#,
    r#"curl -H "t: Dogs are better than cats" -d "Oh my ..." ntfy.sh/controversial"#,
    r#"curl -H "Priority: low" -d "Low priority message" ntfy.sh/phil_alerts"#,
    r#"curl -H p:4 -d "A high priority message" ntfy.sh/phil_alerts"#,
    r#"curl -H "X-Tags: warning,mailsrv13,daily-backup" -d "Backup of mailsrv13 failed" ntfy.sh/backups"#,
    r#"curl -H "In: 30min" -d "It's 30 minutes later now" ntfy.sh/reminder"#,
    r#"curl -d "You've Got Mail" "ntfy.sh/alerts?email=phil@example.com""#,
    r#"curl ntfy.sh \
  -d '{
    "topic": "mytopic",
    "message": "Disk space is low at 5.1 GB",
    "title": "Low disk space alert",
    "tags": ["warning","cd"],
    "priority": 4,
    "attach": "https://filesrv.lan/space.jpg",
    "filename": "diskspace.jpg",
    "click": "https://homecamera.lan/xasds1h2xsSsa/",
    "actions": [{ "action": "view", "label": "Admin panel", "url": "https://filesrv.lan/admin" }]
  }'"#,
    r#"curl \
  -H "Click: https://home.nest.com/" \
  -H "Attach: https://nest.com/view/yAxkasd.jpg" \
  -H "Actions: http, Open door, https://api.nest.com/open/yAxkasd, clear=true" \
  -H "Email: phil@example.com" \
  -d "There's someone at the door. 🐶

Please check if it's a good boy or a hooman.
Doggies have been known to ring the doorbell." \
  ntfy.sh/mydoorbell"#,
];

#[test]
fn the_manuals_own_lines_work() {
    let server = server("");
    let base = format!("{}{ROOT}", server.addr());
    for (at, line) in CURL.iter().enumerate() {
        let line = line.replace("ntfy.sh", &base);
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        let sent: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(sent["id"], format!("INC-2026-{:03}", at + 1), "{sent}");
    }
    assert_eq!(server.show("INC-2026-001")["title"], "Backup successful 😀");
    assert_eq!(server.show("INC-2026-002")["severity"], "SEV0");
    assert_eq!(server.show("INC-2026-004")["severity"], "SEV3");
    assert_eq!(server.show("INC-2026-009")["source_url"], "https://homecamera.lan/xasds1h2xsSsa/");
    let door = server.show("INC-2026-010");
    assert_eq!(door["title"], "There's someone at the door. 🐶");
    assert!(door["description"].as_str().unwrap().ends_with("ring the doorbell."), "{door}");
}
