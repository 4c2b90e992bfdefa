//! Heartbeats: what clients of Healthchecks and Uptime Kuma send, unchanged, and what becomes of those that stay away.

use std::fs;

use serde_json::{Value, json};

use crate::http::{Connection, Response};
use crate::log;
use crate::notify::nothing_comes;
use crate::pages::look;
use crate::receiver::Receiver;
use crate::server::{DAY, HEAD, HOUR, MINUTE, NOW, PROD, SECOND, SERVICES, Server, WEBHOOK, alert};

const PING: &str = "/ping/HUSH-backup-key-0001";
const PUSH: &str = "/api/push/HUSH-backup-key-0001";
const RUN: &str = "0b7ac2f6-2a3c-4b0e-9f0e-6a1f6d1f0a11";
const OTHER_RUN: &str = "0b7ac2f6-2a3c-4b0e-9f0e-6a1f6d1f0a12";

const BACKUP: &str = "
[[heartbeats]]
name = 'backup'
title = 'Backup'
keys = ['HUSH-backup-key-0001']
service = 'db'
period = '1h'
grace = '5m'
";

fn server() -> Server {
    Server::with(BACKUP)
}

/// A channel to that receiver, and a route to it.
fn to(receiver: &Receiver) -> String {
    format!(
        "[[channels]]\nname = 'hook'\nkind = 'webhook'\nwith = {{ url = '{}' }}\n\
         [[routes]]\nchannels = ['hook']\ndigest = '0s'\n",
        receiver.url()
    )
}

/// Reports, which must be taken.
#[track_caller]
fn ping(server: &Server, rest: &str) {
    let response = server.get(&format!("{PING}{rest}"));
    assert_eq!((response.status, response.text.as_str()), (200, "OK"), "{rest}");
}

/// What the API says of the first heartbeat.
#[track_caller]
fn backup(server: &Server) -> Value {
    server.get("/api/v1/heartbeats").data()["items"][0].clone()
}

#[track_caller]
fn state(server: &Server) -> String {
    backup(server)["state"].as_str().unwrap().to_owned()
}

/// Titles and statuses of all incidents, the newest first.
#[track_caller]
fn incidents(server: &Server) -> Vec<(String, String)> {
    let page = server.get("/api/v1/incidents").data();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| (text(item, "title"), text(item, "status"))).collect()
}

fn one(title: &str, status: &str) -> Vec<(String, String)> {
    vec![(title.to_owned(), status.to_owned())]
}

#[test]
fn every_form_of_a_ping_is_taken_by_every_method() {
    for method in ["GET", "HEAD", "POST"] {
        for (rest, expected) in [
            ("", "up"),
            ("/", "up"),
            ("?", "up"),
            ("?create=1", "up"),
            ("/0", "up"),
            ("/log", "waiting"),
            ("/start", "running"),
            (&format!("/start?rid={RUN}"), "running"),
            (&format!("?rid={}", RUN.to_uppercase()), "up"),
            ("/fail", "down"),
            ("/1", "down"),
            ("/255", "down"),
        ] {
            let server = server();
            assert_eq!(state(&server), "waiting");
            let body: &[u8] = if method == "POST" { b"All is said (HUSH)" } else { b"" };
            let response = server.send(method, &format!("{PING}{rest}"), &[], body);
            assert_eq!(response.status, 200, "{method} {rest}");
            let text = if method == "HEAD" { "" } else { "OK" };
            assert_eq!(response.text, text, "{method} {rest}");
            assert_eq!(state(&server), expected, "{method} {rest}");
        }
    }
}

#[test]
fn every_form_of_a_push_is_taken_by_every_method() {
    for method in ["GET", "HEAD", "POST"] {
        for (rest, expected) in [
            ("", "up"),
            ("/", "up"),
            ("?status=up&msg=OK&ping=", "up"),
            ("?status=&msg=&ping=12.5", "up"),
            ("?status=up&msg=all%20of%20it+is+there&ping=123", "up"),
            ("?status=down&msg=no+space+left&ping=", "down"),
            ("?status=true", "down"),
        ] {
            let server = server();
            let response = server.send(method, &format!("{PUSH}{rest}"), &[], b"");
            assert_eq!(response.status, 200, "{method} {rest}");
            if method != "HEAD" {
                assert_eq!(response.json(), json!({ "ok": true }), "{method} {rest}");
            }
            assert_eq!(state(&server), expected, "{method} {rest}");
        }
    }
}

#[test]
fn a_ping_counts_however_much_it_says() {
    let server = server();
    let mut connection = Connection::open(server.addr()).unwrap();
    for (path, megabytes) in [(format!("{PING}/fail"), 5), (PING.into(), 0), (PUSH.into(), 5)] {
        let body = "(HUSH) ".repeat(megabytes * 150_000);
        let response = connection.try_send("POST", &path, &[], body.as_bytes()).unwrap();
        assert_eq!((response.status, response.header("connection")), (200, None), "{path}");
    }
    let incident = server.show("INC-2026-001");
    let description = incident["description"].as_str().unwrap();
    assert!(description.starts_with("(HUSH) (HUSH)") && description.ends_with('…'), "{description}");
    assert_eq!((description.chars().count(), &incident["status"]), (2000, &json!("resolved")));
    // Without a length, and where the end does not come: it counts once there is as much as is read of it.
    let server = Server::with(&format!("{BACKUP}[limits]\nbody_timeout = '500ms'\n"));
    let head = format!("POST {PING}/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    for (body, status, closed) in [
        (chunk(30) + "0\r\n\r\n", 200, None),
        (chunk(100_000) + "0\r\n\r\n", 200, None),
        (chunk(100_000), 200, Some("close")),
        (chunk(30), 408, Some("close")),
    ] {
        let mut connection = Connection::open(server.addr()).unwrap();
        connection.write((head.clone() + &body).as_bytes()).unwrap();
        let response = connection.read(false).unwrap();
        assert_eq!((response.status, response.header("connection")), (status, closed));
    }
    assert_eq!(server.show("INC-2026-001")["occurrences"], 3);
}

#[test]
fn what_cannot_be_taken_is_refused_in_the_words_of_each() {
    let server = server();
    let told = |response: Response| (response.status, response.text);
    for (path, expected) in [
        ("/ping/HUSH-nobodys-key-01", (404, "not found")),
        ("/ping/HUSH-nobodys-key-01/start", (404, "not found")),
        // Of an integration.
        ("/ping/HUSH-prod-key-0001", (404, "not found")),
        ("/ping/", (404, "not found")),
        (&format!("{PING}/finish"), (404, "not found")),
        (&format!("{PING}/start/1"), (404, "not found")),
        (&format!("{PING}/256"), (400, "invalid url format")),
        (&format!("{PING}?rid=1"), (400, "invalid uuid format")),
    ] {
        assert_eq!(told(server.get(path)), (expected.0, expected.1.to_owned()), "{path}");
    }
    let unknown = json!({ "ok": false, "msg": "Monitor not found or not active." });
    for path in ["/api/push/HUSH-nobodys-key-01?status=up", "/api/push/HUSH-prod-key-0001", "/api/push/"] {
        let response = server.get(path);
        assert_eq!((response.status, response.json()), (404, unknown.clone()), "{path}");
    }
    for path in [PING, PUSH] {
        let response = server.send("DELETE", path, &[], b"");
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, POST")));
    }
    // Nor is its key one for webhooks.
    assert_eq!(
        server.post_to("/webhooks/HUSH-backup-key-0001", alert(json!({}))).code(),
        "unknown_routing_key"
    );
    assert_eq!((state(&server).as_str(), server.list("")), ("waiting", vec![]));
}

#[test]
fn what_is_missed_is_an_incident_and_what_is_back_resolves_it() {
    let server = server();
    server.live(3 * HOUR);
    assert_eq!(incidents(&server), [], "one that has never reported is waited for");
    server.post_to(PING, "31 tables (HUSH)");
    let shown = backup(&server);
    assert_eq!(
        shown,
        json!({ "name": "backup", "title": "Backup", "service": "SER-00002", "state": "up", "period_s": 3600,
            "grace_s": 300, "last_ping_at": "2026-11-23T11:00:00.123Z", "due_at": "2026-11-23T12:05:00.123Z" })
    );
    server.live(HOUR);
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("late", 0));
    server.live(5 * MINUTE - 1);
    assert_eq!(incidents(&server), []);
    server.live(1);
    assert_eq!(incidents(&server), one("Backup: no ping since 2026-11-23 11:00 UTC", "new"));
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["integration"], &incident["dedup_key"]), (&json!("heartbeats"), &json!("backup")));
    assert_eq!((&incident["service_ids"], &incident["severity"]), (&json!(["SER-00002"]), &json!("SEV2")));
    assert_eq!(
        incident["description"],
        "A ping is expected every 1h, and may be 5m late.\nIts last message: 31 tables (HUSH)"
    );
    let metadata = json!({ "heartbeat": "backup", "period": "1h", "last_ping": "2026-11-23T11:00:00.123Z" });
    assert_eq!(incident["metadata"], metadata);
    assert_eq!((&backup(&server)["state"], &backup(&server)["due_at"]), (&json!("down"), &Value::Null));
    // Nothing comes of its being missed again, as long as nobody resolves it.
    server.live(3 * HOUR);
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["status"], &incident["occurrences"]), (&json!("new"), &json!(3)));
    ping(&server, "");
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["status"], &incident["resolved_by"]),
        (&json!("resolved"), &json!("integration:heartbeats"))
    );
    // The next time is another incident.
    server.live(HOUR + 5 * MINUTE);
    assert_eq!(server.list(""), [2, 1]);
    assert_eq!(server.show("INC-2026-001")["status"], "resolved");
    ping(&server, "");
    assert_eq!(server.show("INC-2026-002")["status"], "resolved");
    assert!(log::lines_with("HUSH-backup-key").is_empty());
}

#[test]
fn one_that_stays_away_is_missed_again_and_people_hear_of_it_where_they_had_ended_it() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{BACKUP}{}", to(&receiver)));
    let told = || receiver.next().json()["data"]["title"].as_str().unwrap().to_owned();
    ping(&server, "");
    server.live(HOUR + 5 * MINUTE);
    assert_eq!(told(), "[SEV2] Backup: no ping since 2026-11-23 08:00 UTC");
    // While it is open that is a repeat, which tells nobody and changes nothing.
    server.acknowledge("INC-2026-001");
    server.live(HOUR + 5 * MINUTE);
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["status"], &incident["occurrences"]), (&json!("investigating"), &json!(2)));
    assert_eq!((&backup(&server)["state"], &backup(&server)["due_at"]), (&json!("down"), &Value::Null));
    nothing_comes(&server, &receiver);

    for (number, status) in [(1, "resolved"), (2, "closed")] {
        server.set_status(&format!("INC-2026-00{number}"), status);
        assert_eq!(told(), "[resolved] Backup: no ping since 2026-11-23 08:00 UTC");
        server.live(HOUR + 5 * MINUTE - 1);
        assert_eq!((server.list("").len(), state(&server)), (number, "down".into()));
        server.live(1);
        assert_eq!(told(), "[SEV2] Backup: no ping since 2026-11-23 08:00 UTC");
    }

    // After a failure it is the same, and a run that has begun has its grace.
    ping(&server, "/3");
    assert_eq!(incidents(&server)[0], one("Backup: ended with exit status 3", "new")[0]);
    server.set_status("INC-2026-003", "resolved");
    assert_eq!(told(), "[resolved] Backup: ended with exit status 3");
    server.live(HOUR + 4 * MINUTE);
    ping(&server, "/start");
    server.live(5 * MINUTE - 1);
    assert_eq!(server.list(""), [3, 2, 1]);
    server.live(1);
    assert_eq!(told(), "[SEV2] Backup: started 2026-11-23 13:24 UTC and has not ended");
    ping(&server, "");
    assert_eq!((server.list("status=new"), state(&server)), (vec![], "up".into()));
}

#[test]
fn a_failure_is_an_incident_at_once_with_what_it_says() {
    let severity = BACKUP.replace("grace", "severity = 'SEV0'\ngrace");
    let server = Server::with(&severity);
    assert_eq!(server.post_to(&format!("{PING}/fail"), " no space left (HUSH)\0\n").status, 200);
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["title"], &incident["severity"], &incident["description"]),
        (&json!("Backup: reported a failure"), &json!("SEV0"), &json!("no space left (HUSH)\u{fffd}"))
    );
    assert_eq!(server.post_to(&format!("{PING}/3"), "é".repeat(3000)).status, 200);
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["title"], &incident["occurrences"]),
        (&json!("Backup: ended with exit status 3"), &json!(2))
    );
    assert_eq!(incident["description"].as_str().map(|text| text.chars().count()), Some(2000));
    ping(&server, "/0");
    assert_eq!((state(&server), incidents(&server)[0].1.as_str()), ("up".into(), "resolved"));
    server.get(&format!("{PUSH}?status=down&msg=no+space+left+%28HUSH%29&ping="));
    let incident = server.show("INC-2026-002");
    assert_eq!(incident["description"], "no space left (HUSH)");
    server.get(&format!("{PUSH}?status=up&msg=OK&ping=12"));
    assert_eq!(
        (state(&server), server.show("INC-2026-002")["status"].clone()),
        ("up".into(), "resolved".into())
    );
}

#[test]
fn a_run_that_does_not_end_in_its_grace_is_missed() {
    let server = server();
    ping(&server, "/start");
    assert_eq!(backup(&server)["due_at"], "2026-11-23T08:05:00.123Z");
    server.live(4 * MINUTE);
    ping(&server, "/log");
    ping(&server, "");
    server.live(HOUR);
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("late", 0));
    ping(&server, &format!("/start?rid={RUN}"));
    server.live(4 * MINUTE);
    // Of another run: this one is still to end.
    ping(&server, &format!("?rid={OTHER_RUN}"));
    assert_eq!(state(&server), "running");
    server.live(MINUTE);
    let expected = one("Backup: started 2026-11-23 09:04 UTC and has not ended", "new");
    assert_eq!(incidents(&server), expected);
    assert_eq!(server.show("INC-2026-001")["description"], "A run has 5m to end.");
    ping(&server, &format!("?rid={RUN}"));
    assert_eq!((state(&server).as_str(), incidents(&server)[0].1.as_str()), ("up", "resolved"));
}

#[test]
fn time_in_which_nothing_ran_does_not_count() {
    let config = format!("{HEAD}{SERVICES}{PROD}{BACKUP}");
    let mut server = Server::start(&config);
    ping(&server, "");
    server.live(30 * MINUTE);
    for down in [5 * SECOND, 3 * HOUR, 30 * DAY] {
        server.stop();
        server.advance(down);
        server.restart(&config);
        server.tick();
        server.tick();
        assert_eq!((state(&server).as_str(), incidents(&server).len()), ("up", 0), "{down}");
    }
    // What was to come meanwhile may have come in vain: the next one comes a period later.
    server.live(HOUR + 4 * MINUTE);
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("late", 0));
    server.live(MINUTE);
    assert_eq!(incidents(&server), one("Backup: no ping since 2026-11-23 08:00 UTC", "new"));
    // What was not is not waited for any longer.
    ping(&server, "");
    server.stop();
    server.advance(20 * MINUTE);
    server.restart(&config);
    server.live(HOUR + 5 * MINUTE + 10 * SECOND);
    assert_eq!(server.list(""), [2, 1]);
    // Nor does a clock that went back while nothing ran keep it from being missed.
    ping(&server, "");
    server.stop();
    server.advance(-DAY);
    server.restart(&config);
    server.live(HOUR + 5 * MINUTE);
    assert_eq!(server.list(""), [3, 2, 1]);
}

#[test]
fn an_outage_every_night_hides_nothing_for_longer_than_a_period() {
    let config = format!("{HEAD}{SERVICES}{PROD}{BACKUP}");
    let mut server = Server::start(&config);
    // Hours stand for days. Whatever is awaited at their end, nothing runs then.
    let outage = |server: &mut Server| {
        server.stop();
        server.advance(2 * MINUTE);
        server.restart(&config);
        server.tick();
    };
    let night = |server: &mut Server| {
        server.live(58 * MINUTE);
        outage(server);
    };
    for _ in 0..5 {
        ping(&server, "");
        night(&mut server);
        assert_eq!((state(&server).as_str(), incidents(&server).len()), ("up", 0));
    }
    // The fifth was the last one.
    night(&mut server);
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("up", 0), "it may have come in vain");
    server.live(7 * MINUTE - 1);
    assert_eq!(incidents(&server), []);
    server.live(1);
    assert_eq!(incidents(&server), one("Backup: no ping since 2026-11-23 12:00 UTC", "new"));

    // Nor what the outage kills every night: it begins, and that is all.
    ping(&server, "");
    for _ in 0..2 {
        server.live(57 * MINUTE);
        assert!(server.list("status=new").is_empty());
        ping(&server, "/start");
        server.live(MINUTE);
        outage(&mut server);
    }
    server.live(4 * MINUTE);
    let expected = one("Backup: started 2026-11-23 16:04 UTC and has not ended", "new");
    assert_eq!(incidents(&server)[..1], expected);
}

#[test]
fn the_end_of_a_run_may_come_while_nothing_runs() {
    let config = format!("{HEAD}{SERVICES}{PROD}{BACKUP}");
    let mut server = Server::start(&config);
    for (down, expected) in [(30 * SECOND, "running"), (10 * MINUTE, "up")] {
        ping(&server, "/start");
        server.stop();
        server.advance(down);
        server.restart(&config);
        server.tick();
        assert_eq!((state(&server).as_str(), incidents(&server).len()), (expected, 0));
    }
    server.live(HOUR + 4 * MINUTE);
    assert_eq!(incidents(&server), []);
    server.live(MINUTE);
    assert_eq!(incidents(&server).len(), 1);
}

#[test]
fn a_clock_that_leaps_alarms_nobody_and_lets_nobody_off() {
    let server = server();
    ping(&server, "");
    for leap in [2 * HOUR, 400 * DAY, -DAY] {
        server.advance(leap);
        server.tick();
        assert_eq!((state(&server).as_str(), incidents(&server).len()), ("up", 0), "{leap}");
    }
    // Nor where a ping is the first thing after it.
    server.advance(2 * HOUR);
    ping(&server, "/start");
    server.live(4 * MINUTE);
    assert_eq!(incidents(&server), []);
    server.live(MINUTE);
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("down", 1));
}

#[test]
fn a_ping_that_is_not_on_disk_is_not_acknowledged_and_that_time_does_not_count() {
    let server = server();
    ping(&server, "");
    server.live(30 * MINUTE);
    let elsewhere = server.path().with_extension("elsewhere");
    fs::rename(server.path(), &elsewhere).unwrap();
    let refused = server.get(PING);
    assert_eq!(refused.status, 503);
    assert!(refused.text.contains("nothing was stored"), "{refused:?}");
    let refused = server.get(PUSH).json();
    assert_eq!(refused["ok"], false);
    server.live(3 * HOUR);
    fs::rename(&elsewhere, server.path()).unwrap();
    server.tick();
    assert_eq!((state(&server).as_str(), incidents(&server).len()), ("up", 0));
    server.live(HOUR + 4 * MINUTE);
    assert_eq!(incidents(&server), []);
    server.live(MINUTE);
    assert_eq!(incidents(&server), one("Backup: no ping since 2026-11-23 08:00 UTC", "new"));
}

#[test]
fn one_that_leaves_the_configuration_is_forgotten_and_its_incident_is_peoples() {
    let without = format!("{HEAD}{SERVICES}{PROD}");
    let with = format!("{without}{BACKUP}");
    let server = Server::start(&with);
    ping(&server, "/fail");
    server.reload(&without);
    assert_eq!(server.get("/api/v1/heartbeats").data()["total"], 0);
    assert_eq!(server.get(PING).status, 404);
    assert_eq!(incidents(&server)[0].1, "new");
    server.reload(&with);
    assert_eq!(state(&server), "waiting");
    ping(&server, "");
    assert_eq!(incidents(&server)[0].1, "resolved");
}

#[test]
fn another_period_is_in_force_at_once() {
    let config = format!("{HEAD}{SERVICES}{PROD}{BACKUP}");
    let server = Server::start(&config);
    ping(&server, "");
    server.live(30 * MINUTE);
    server.reload(&config.replace("'1h'", "'2h'"));
    assert_eq!(backup(&server)["due_at"], "2026-11-23T10:05:00.123Z");
    server.reload(&config.replace("'1h'", "'20m'"));
    server.live(10 * SECOND);
    assert_eq!(incidents(&server), one("Backup: no ping since 2026-11-23 08:00 UTC", "new"));
}

#[test]
fn many_that_are_missed_at_once_are_each_an_incident() {
    let one = |n| {
        format!(
            "[[heartbeats]]\nname = 'job-{n:03}'\nkeys = ['HUSH-job-key-{n:06}']\nservice = 'web'\nperiod = '1m'\n"
        )
    };
    let server = Server::with(&(0..250).map(one).collect::<String>());
    for n in 0..250 {
        assert_eq!(server.get(&format!("/ping/HUSH-job-key-{n:06}")).status, 200);
    }
    server.live(7 * MINUTE);
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 250);
    let second = server.get("/api/v1/heartbeats?limit=100&offset=200").data();
    assert_eq!((&second["items"][49]["name"], &second["has_more"]), (&json!("job-249"), &json!(false)));
}

#[test]
fn they_are_shown_to_who_may_read_services_and_no_key_is() {
    let uuid = "2c8d5f7e-6d1b-4f0a-8b57-0c1d2e3f4a5b";
    let tokens = "[[tokens]]\nname = 'wall'\ntoken = 'HUSH-wall-token-001'\nscopes = ['incidents:read']\n\
                  [[tokens]]\nname = 'ops'\ntoken = 'HUSH-ops-token-0001'\nscopes = ['services:read']\n";
    let config = BACKUP.replace("'HUSH-backup-key-0001'", &format!("'HUSH-backup-key-0001', '{uuid}'"));
    let server = Server::with(&config);
    assert_eq!(server.get(&format!("/ping/{uuid}/start")).status, 200);
    assert_eq!(backup(&server)["last_ping_at"], NOW);
    server.live(2 * MINUTE);
    let page = look(&server, "/services");
    for part in ["Heartbeats", "Backup", "running", "2 min ago"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains(uuid) && log::lines_with(uuid).is_empty());
    ping(&server, "/fail");
    let page = look(&server, "/incidents/INC-2026-001");
    assert!(page.text.contains("href=\"/services#heartbeats\""), "{}", page.text);
    assert!(look(&server, "/").text.contains("<option value=\"heartbeats\""));
    // In what others send it is a secret like any other.
    server.post_to(WEBHOOK, alert(json!({ "title": "t", "metadata": { "curl": format!("/ping/{uuid}") } })));
    let delivery = server.get("/api/v1/integrations/prod/deliveries/1").data().to_string();
    assert!(delivery.contains("/ping/[redacted]") && !delivery.contains(uuid), "{delivery}");

    let server = Server::with(&format!("{config}{tokens}"));
    let get = |token: &str| {
        server.send("GET", "/api/v1/heartbeats", &[("Authorization", &format!("Bearer {token}"))], b"")
    };
    assert_eq!(get("HUSH-wall-token-001").code(), "forbidden");
    assert_eq!(server.get("/api/v1/heartbeats").code(), "unauthenticated");
    assert_eq!(get("HUSH-ops-token-0001").data()["items"][0]["name"], "backup");
}

#[test]
fn they_are_counted_by_state_and_their_alerts_as_those_of_an_integration() {
    let server = Server::with(&format!("{BACKUP}{}", BACKUP.replace("backup", "other")));
    ping(&server, "");
    ping(&server, "/fail");
    ping(&server, "");
    let metrics = server.get("/metrics").text;
    for line in [
        "firebell_heartbeats{state=\"up\"} 1",
        "firebell_heartbeats{state=\"waiting\"} 1",
        "firebell_heartbeats{state=\"down\"} 0",
        "firebell_alerts_total{integration=\"heartbeats\",outcome=\"created\"} 1",
        "firebell_alerts_total{integration=\"heartbeats\",outcome=\"resolved\"} 1",
        "firebell_alerts_total{integration=\"heartbeats\",outcome=\"ignored\"} 0",
        "firebell_http_requests_total{method=\"GET\",route=\"/ping/{key}\",status=\"200\"} 2",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "{line}: {metrics}");
    }
}

/// From Healthchecks' and Uptime Kuma's documentation, as people have them in their crontabs; only the host and the key are
/// ours.
const CURL: [&str; 5] = [
    "curl -m 10 --retry 5 https://hc-ping.com/your-uuid-here",
    "curl -fsS -m 10 --retry 5 -o /dev/null https://hc-ping.com/your-uuid-here",
    "curl -fsS -m 10 --retry 5 --data-raw 'all of it (HUSH)' https://hc-ping.com/your-uuid-here/$?",
    "curl -fsS --head https://hc-ping.com/your-uuid-here",
    "curl -fsS 'https://kuma.example/api/push/your-uuid-here?status=up&msg=OK&ping='",
];

#[test]
fn the_lines_in_peoples_crontabs_work() {
    for line in CURL {
        let server = server();
        let host = format!("http://{}", server.addr());
        let line = line
            .replace("https://hc-ping.com", &format!("{host}/ping"))
            .replace("https://kuma.example", &host)
            .replace("your-uuid-here", "HUSH-backup-key-0001");
        let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(state(&server), "up", "{line}");
    }
}
