//! People are told of what happens, by receivers that work and by those that do not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::receiver::{Behaviour, OK, Receiver};
use crate::server::{DAY, HOUR, MINUTE, NOW, NOW_MS, SECOND, Server};

/// A channel to that receiver, and a route to it; more options of the route may follow.
fn to(receiver: &Receiver) -> String {
    format!("{}{}", channel("hook", receiver), route("hook"))
}

fn channel(name: &str, receiver: &Receiver) -> String {
    format!("[[channels]]\nname = '{name}'\nkind = 'webhook'\nwith = {{ url = '{}' }}\n", receiver.url())
}

fn route(channel: &str) -> String {
    format!("[[routes]]\nchannels = ['{channel}']\ndigest = '0s'\n")
}

/// What a message of the preset `webhook` says: its type, and its title.
#[track_caller]
fn told(receiver: &Receiver) -> (String, String) {
    let body = receiver.next().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&body["type"]), text(&body["data"]["title"]))
}

fn pair(kind: &str, title: &str) -> (String, String) {
    (kind.to_owned(), title.to_owned())
}

#[test]
fn what_happens_to_an_incident_is_told_in_order() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    let data = server.alert(json!({ "dedup_key": "k", "severity": "SEV3", "metadata": { "host": "a" } }));
    let request = receiver.next();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("firebell/"));
    let body = request.json();
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("incident.created"), &json!(NOW)));
    assert_eq!(body["data"]["url"], "https://bell.example.net/incidents/INC-2026-001");
    assert_eq!(body["data"]["late"], Value::Null);
    let mut incident = body["data"]["incidents"][0].clone();
    assert_eq!(incident["reason"], "created");
    incident.as_object_mut().unwrap().remove("reason");
    let mut shown = server.show("INC-2026-001");
    for of_the_timeline in ["timeline", "timeline_total"] {
        shown.as_object_mut().unwrap().remove(of_the_timeline);
    }
    assert_eq!(incident, shown, "it is the incident of the API");

    let number = data["incident_number"].as_str().unwrap();
    server.alert(json!({ "dedup_key": "k", "severity": "SEV4" }));
    server.alert(json!({ "dedup_key": "k", "severity": "SEV1" }));
    assert_eq!(told(&receiver), pair("incident.raised", "[SEV1, raised] Disk is full (HUSH)"));
    server.alert(json!({ "dedup_key": "k" }));
    server.set_status(number, "resolved");
    assert_eq!(told(&receiver), pair("incident.resolved", "[resolved] Disk is full (HUSH)"));
    server.alert(json!({ "dedup_key": "k" }));
    assert_eq!(told(&receiver), pair("incident.reopened", "[SEV1, re-opened] Disk is full (HUSH)"));
    server.acknowledge(number);
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    assert_eq!(told(&receiver), pair("incident.resolved", "[resolved] Disk is full (HUSH)"));
    server.set_status(number, "closed");
    server.alert(json!({ "dedup_key": "k", "status": "resolved", "title": "Over when it came" }));
    server.alert(json!({ "dedup_key": "k2", "title": "The last" }));
    assert_eq!(
        told(&receiver),
        pair("incident.created", "[SEV2] The last"),
        "the one before was over when it came"
    );
}

#[test]
fn what_people_do_is_told_too() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    let body = json!({ "title": "By hand", "service_ids": ["SER-00001", "SER-00002"], "severity": "SEV4" });
    server.post_to("/api/v1/incidents", body).data();
    assert_eq!(told(&receiver), pair("incident.created", "[SEV4] By hand"));
    let edit = |body: Value| {
        let body = body.to_string();
        server.send("PATCH", "/api/v1/incidents/INC-2026-001", &[], body.as_bytes()).data()
    };
    edit(json!({ "title": "Edited" }));
    edit(json!({ "severity": "SEV0" }));
    assert_eq!(told(&receiver), pair("incident.raised", "[SEV0, raised] Edited"));
    server.set_status("INC-2026-001", "closed");
    assert_eq!(told(&receiver), pair("incident.resolved", "[resolved] Edited"), "it was open until then");
}

#[test]
fn a_dry_run_and_a_refusal_tell_nobody() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    server.post_to("/webhooks/HUSH-prod-key-0001?dry_run=1", crate::server::alert(json!({}))).data();
    assert_eq!(server.post(json!({ "title": "" })).status, 400);
    server.alert(json!({ "title": "Real" }));
    assert_eq!(told(&receiver).1, "[SEV2] Real");
    nothing_comes(&server, &receiver);
}

#[test]
fn routes_decide_who_is_told_of_what() {
    let (db, all, env) = (Receiver::new(), Receiver::new(), Receiver::new());
    let config = format!(
        "{}{}{}
         [[routes]]
         channels = ['env']
         metadata = {{ env = 'prod' }}
         digest = '0s'
         continue = true
         [[routes]]
         channels = ['db']
         services = ['db']
         severities = ['SEV0', 'SEV1']
         on = ['created']
         digest = '0s'
         [[routes]]
         channels = ['all']
         integrations = ['prod']
         text = 'disk'
         digest = '0s'",
        channel("db", &db),
        channel("all", &all),
        channel("env", &env)
    );
    let server = Server::with(&config);
    let db_alert = json!({ "service_id": "db", "severity": "SEV1", "title": "Disk 1", "dedup_key": "1",
                           "metadata": { "env": "prod" } });
    server.alert(db_alert.clone());
    assert_eq!((told(&env).1, told(&db).1), ("[SEV1] Disk 1".into(), "[SEV1] Disk 1".into()));
    server.alert(json!({ "service_id": "db", "severity": "SEV1", "dedup_key": "1", "status": "resolved" }));
    assert_eq!(told(&env).0, "incident.resolved", "but not the route behind it");
    server.alert(json!({ "service_id": "db", "severity": "SEV2", "title": "Disk 2" }));
    server.alert(json!({ "service_id": "db", "severity": "SEV2", "title": "Memory" }));
    server.alert(json!({ "service_id": "web", "severity": "SEV1", "title": "Disk 3" }));
    assert_eq!((told(&all).1, told(&all).1), ("[SEV2] Disk 2".into(), "[SEV1] Disk 3".into()));
    for receiver in [&db, &all, &env] {
        nothing_comes(&server, receiver);
    }
}

#[test]
fn a_storm_is_one_message_and_a_digest() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    for index in 0..30 {
        let severity = if index == 7 { "SEV0" } else { "SEV3" };
        server.alert(json!({ "title": format!("Node {index}"), "dedup_key": format!("{index}"), "severity": severity }));
    }
    assert_eq!(told(&receiver), pair("incident.created", "[SEV3] Node 0"));
    assert_eq!(told(&receiver), pair("incident.created", "[SEV0] Node 7"), "which is worse than it");
    server.alert(json!({ "dedup_key": "3", "status": "resolved" }));
    server.alert(json!({ "dedup_key": "7", "status": "resolved" }));
    server.advance(5 * MINUTE - SECOND);
    nothing_comes(&server, &receiver);
    server.advance(SECOND);
    let body = receiver.next().json();
    assert_eq!(body["type"], "incidents.summary");
    assert_eq!(body["data"]["count"], 29, "each of them once");
    assert_eq!(body["data"]["title"], "29 incidents: 20 SEV3, 9 more");
    assert_eq!(body["data"]["incidents"].as_array().unwrap().len(), 20);
    let text = body["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("INC-2026-002 SEV3 Node 1\nINC-2026-003 SEV3 Node 2\n"), "{text}");
    assert!(text.ends_with("\nand 9 more"), "{text}");
    server.alert(json!({ "title": "After it", "dedup_key": "after" }));
    assert_eq!(told(&receiver).1, "[SEV2] After it");
}

#[test]
fn the_worst_comes_first_in_a_digest() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    for (title, severity) in [("First", "SEV1"), ("Small", "SEV4"), ("Large", "SEV1")] {
        server.alert(json!({ "title": title, "severity": severity }));
    }
    assert_eq!(told(&receiver).1, "[SEV1] First");
    server.advance(5 * MINUTE);
    let body = receiver.next().json();
    assert_eq!(body["data"]["text"], "INC-2026-003 SEV1 Large\nINC-2026-002 SEV4 Small");
}

#[test]
fn reminders_take_no_room_of_what_has_just_happened() {
    let receiver = Receiver::new();
    let config = format!("{}unacknowledged_after = '15m'\n[notify]\nowed = 3\n", to(&receiver));
    let server = Server::with(&config);
    for index in 1..=5 {
        server.alert(json!({ "title": format!("{index}") }));
        assert_eq!(told(&receiver).1, format!("[SEV2] {index}"), "not merely counted");
        wait_for(
            &server,
            &format!("incident = {} AND reason = 0 AND standing = 1", 20_260_000_000_000_i64 + index),
        );
    }
    server.advance(15 * MINUTE);
    assert_eq!(told(&receiver).1, "3 incidents not acknowledged: 3 SEV2", "there was room for three");
}

#[test]
fn those_that_cannot_be_written_delay_no_other() {
    let receiver = Receiver::new();
    let config = format!(
        "[[channels]]\nname = 'custom'\nkind = 'custom'\n[channels.request]\nmethod = 'POST'\nurl = '{}'\nbody = '{}'\n{}",
        receiver.url(),
        r#"{{ title|later(1) if "Poison" in title else title }}"#,
        route("custom")
    );
    let server = Server::with(&config);
    for index in 1..=10 {
        server.alert(json!({ "title": format!("Poison {index}"), "dedup_key": format!("{index}") }));
        wait_for(&server, &format!("id = {index} AND attempts = 1 AND message IS NULL"));
    }
    server.alert(json!({ "title": "Other" }));
    assert_eq!(receiver.next().body, "[SEV2] Other");
    let answer =
        server.get("/api/v1/notifications?incident=INC-2026-001").data()["items"][0]["answer"].clone();
    assert!(answer.as_str().unwrap().starts_with("not sent: "), "{answer}");
    // Mended, each is told.
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    server.reload(&format!("{head}{}", config.replace("title|later(1)", "title")));
    server.advance(10 * MINUTE);
    let told: BTreeSet<_> = (1..=10).map(|_| receiver.next().body).collect();
    assert_eq!(told, (1..=10).map(|index| format!("[SEV2] Poison {index}")).collect());
}

#[test]
fn a_clock_that_ran_ahead_leaves_nothing_behind() {
    let receiver = Receiver::with([Behaviour::Reset]);
    let server = Server::with(&to(&receiver));
    server.advance(30 * DAY);
    server.alert(json!({ "title": "It" }));
    receiver.next();
    wait_for_attempts(&server, 1);
    server.advance(-30 * DAY);
    wait_for(&server, &format!("id = 1 AND try_at < {NOW_MS} + {MINUTE}"));
    nothing_comes(&server, &receiver);
    server.advance(MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2] It");
}

#[test]
fn what_a_channel_cannot_hold_is_counted() {
    let receiver = Receiver::new();
    let config = format!("{}[notify]\nowed = 5\n", to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    let mut server = Server::with(&config);
    let full = format!("{}{}{}{config}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    server.alert(json!({ "title": "Node 0" }));
    assert_eq!(told(&receiver).1, "[SEV2] Node 0");
    wait_for(&server, "id = 1 AND standing = 1");
    for index in 1..20 {
        server.alert(json!({ "title": format!("Node {index}") }));
        if index == 12 {
            server.restart(&full);
        }
    }
    assert_eq!(told(&receiver).1, "[SEV2] Node 13", "there is room for what is told at once");
    server.advance(5 * MINUTE);
    assert_eq!(receiver.next().json()["data"]["count"], 18);
    nothing_comes(&server, &receiver);
}

#[test]
fn a_receiver_that_fails_in_every_way_is_tried_again_with_the_same_id() {
    let failures = [
        Behaviour::Answer(500, "", "oops"),
        Behaviour::Answer(401, "", ""),
        Behaviour::Answer(301, "Location: https://elsewhere.example/\r\n", ""),
        Behaviour::Reset,
        Behaviour::Babble,
        Behaviour::Stall,
        Behaviour::HalfAnAnswer,
    ];
    let count = failures.len();
    let receiver = Receiver::with(failures);
    let server = Server::with(&format!("{}[notify]\ntimeout = '200ms'\n", to(&receiver)));
    server.alert(json!({ "title": "It" }));
    let id = receiver.next().header("webhook-id").unwrap().to_owned();
    assert!(id.starts_with("msg_"));
    for attempt in 1..=count {
        wait_for_attempts(&server, attempt);
        server.advance(10 * MINUTE);
        let again = receiver.next();
        assert_eq!(again.header("webhook-id"), Some(id.as_str()), "attempt {attempt}");
    }
    wait_for(&server, "standing = 1");
    server.alert(json!({ "title": "Next" }));
    assert_eq!(told(&receiver).1, "[SEV2] Next");
}

/// Waits until the outbox has it that so many attempts were made for its first notification.
fn wait_for_attempts(server: &Server, attempts: usize) {
    wait_for(server, &format!("id = 1 AND attempts = {attempts}"));
}

/// Waits until the outbox has a notification of which that is true.
pub fn wait_for(server: &Server, condition: &str) {
    let file = server.file();
    let sql = format!("SELECT EXISTS (SELECT 1 FROM outbox WHERE {condition})");
    let begun = std::time::Instant::now();
    while !file.query_row(&sql, [], |row| row.get::<_, bool>(0)).unwrap() {
        assert!(begun.elapsed().as_secs() < 20, "{condition} did not come to be");
        std::thread::yield_now();
    }
}

/// That nobody is told anything now. A message leaves before it is written what came of it: where nothing is due, nothing
/// is on its way.
#[track_caller]
pub fn nothing_comes(server: &Server, receiver: &Receiver) {
    let due = format!("standing = 0 AND try_at <= {}", server.now_ms());
    wait_for(server, &format!("id > 0 AND NOT EXISTS (SELECT 1 FROM outbox WHERE {due})"));
    receiver.is_silent();
}

#[test]
fn retry_after_is_honoured() {
    let receiver = Receiver::with([Behaviour::Answer(429, "Retry-After: 3600\r\n", "slow down")]);
    let server = Server::with(&to(&receiver));
    server.alert(json!({ "title": "It" }));
    receiver.next();
    wait_for(&server, &format!("id = 1 AND attempts = 1 AND try_at = {NOW_MS} + {HOUR}"));
    server.advance(HOUR - SECOND);
    nothing_comes(&server, &receiver);
    server.advance(SECOND);
    assert_eq!(told(&receiver).1, "[SEV2] It");
}

#[test]
fn what_is_refused_for_good_is_given_up_at_once_and_what_fails_after_a_day() {
    let receiver = Receiver::with([Behaviour::Answer(422, "", "no such field")]);
    let server = Server::with(&to(&receiver));
    server.alert(json!({ "title": "Refused" }));
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 2 AND answer = '422 Unprocessable Entity: no such field'");
    receiver.then(std::iter::repeat_n(Behaviour::Answer(503, "", ""), 8));
    server.alert(json!({ "title": "Fails" }));
    for attempt in 1..8 {
        receiver.next();
        wait_for(&server, &format!("id = 2 AND attempts = {attempt} AND standing = 0"));
        server.advance(DAY);
    }
    receiver.next();
    wait_for(&server, "id = 2 AND standing = 2 AND answer LIKE '503%; given up after 8 attempts'");
}

#[test]
fn what_is_told_together_is_tried_for_as_long_as_the_last_of_it() {
    let busy = Behaviour::Answer(429, "Retry-After: 300\r\n", "");
    let receiver = Receiver::with(std::iter::repeat_n(busy, 9));
    let server =
        Server::with(&format!("{}[notify]\ngive_up_after = '1h'\nstale_after = '1s'\n", to(&receiver)));
    server.alert(json!({ "title": "Busy" }));
    receiver.next();
    wait_for_attempts(&server, 1);
    server.alert(json!({ "title": "Early" }));
    for attempt in 2..=9 {
        server.advance(7 * MINUTE);
        receiver.next();
        wait_for_attempts(&server, attempt);
    }
    server.alert(json!({ "title": "Late" }));
    receiver.then([OK].into_iter().chain(std::iter::repeat_n(Behaviour::Answer(503, "", ""), 9)));
    server.advance(7 * MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2] Busy");
    for attempt in 1..=8 {
        assert_eq!(receiver.next().json()["data"]["count"], 2);
        wait_for(&server, &format!("id = 3 AND attempts = {attempt} AND standing = 0"));
        server.advance(6 * MINUTE);
    }
    receiver.next();
    wait_for(&server, "id = 3 AND attempts = 9");
    server.advance(HOUR);
    receiver.next();
    wait_for(&server, "id = 2 AND standing = 1");
}

#[test]
fn a_receiver_that_wants_to_be_left_alone_is() {
    let receiver = Receiver::with([Behaviour::Answer(429, "Retry-After: 120\r\n", "")]);
    let server = Server::with(&to(&receiver));
    server.alert(json!({ "title": "One" }));
    receiver.next();
    wait_for_attempts(&server, 1);
    server.alert(json!({ "title": "Two" }));
    server.advance(2 * MINUTE - SECOND);
    server.alert(json!({ "title": "Three" }));
    assert_eq!(receiver.all().len(), 0);
    server.advance(SECOND);
    assert_eq!(
        ["One", "Two", "Three"].map(|_| told(&receiver).1),
        ["[SEV2] One", "[SEV2] Two", "[SEV2] Three"]
    );
}

#[test]
fn many_that_are_never_taken_delay_others_for_a_minute_only() {
    let receiver = Receiver::with(std::iter::repeat_n(Behaviour::Answer(500, "", ""), 16));
    let server = Server::with(&to(&receiver));
    for index in 1..=8 {
        server.alert(json!({ "title": format!("Poison {index}") }));
        receiver.next();
        wait_for(&server, &format!("id = {index} AND attempts = 1"));
    }
    server.alert(json!({ "title": "Real", "severity": "SEV0" }));
    server.advance(MINUTE);
    for _ in 1..=8 {
        receiver.next();
    }
    assert_eq!(told(&receiver).1, "[SEV0] Real");
    wait_for(&server, "id = 9 AND standing = 1");
    server.advance(1);
    server.alert(json!({ "title": "Another" }));
    assert_eq!(told(&receiver).1, "[SEV2] Another", "it takes what is no poison");
}

#[test]
fn one_that_is_never_taken_delays_no_other_but_those_of_its_incident() {
    let receiver = Receiver::with([Behaviour::Answer(500, "", "")]);
    let server = Server::with(&to(&receiver));
    server.alert(json!({ "title": "Poison", "dedup_key": "p" }));
    receiver.next();
    wait_for_attempts(&server, 1);
    server.alert(json!({ "dedup_key": "p", "status": "resolved" }));
    server.alert(json!({ "title": "Other" }));
    assert_eq!(told(&receiver).1, "[SEV2] Other");
    server.advance(MINUTE);
    assert_eq!(told(&receiver).0, "incident.created", "nor was its end told before its beginning");
    assert_eq!(told(&receiver).0, "incident.resolved");
}

#[test]
fn a_dead_channel_delays_neither_another_nor_ingest() {
    let (dead, alive) = (Receiver::with(std::iter::repeat_n(Behaviour::Stall, 100)), Receiver::new());
    let config = format!(
        "{}{}[[routes]]\nchannels = ['dead', 'alive']\ndigest = '0s'\n[notify]\ntimeout = '5s'\n[limits]\nshutdown_timeout = '10ms'\n",
        channel("dead", &dead),
        channel("alive", &alive)
    );
    let server = Server::with(&config);
    for index in 0..10 {
        server.alert(json!({ "title": format!("{index}") }));
        assert_eq!(told(&alive).1, format!("[SEV2] {index}"));
    }
    dead.next();
}

#[test]
fn after_a_long_outage_there_is_one_summary_that_says_how_late_it_is() {
    let receiver = Receiver::with(std::iter::repeat_n(Behaviour::Reset, 8));
    let server = Server::with(&to(&receiver));
    for index in 0..50 {
        server.alert(json!({ "title": format!("Node {index}") }));
        if index < 8 {
            receiver.next();
            wait_for(&server, &format!("id = {} AND attempts = 1", index + 1));
        }
    }
    server.advance(3 * HOUR);
    let mut counts = Vec::new();
    while counts.iter().sum::<u64>() < 50 {
        let body = receiver.next().json();
        counts.push(body["data"]["count"].as_u64().unwrap());
        assert_eq!(body["data"]["late"], "3 h");
        assert!(body["data"]["text"].as_str().unwrap().ends_with("This comes 3 h late."), "{body}");
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 1, 42]);
}

#[test]
fn what_is_owed_outlives_a_restart() {
    let receiver = Receiver::with([Behaviour::Reset]);
    let config = to(&receiver);
    let full = format!("{}{}{}{config}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let mut server = Server::with(&config);
    server.alert(json!({ "title": "It" }));
    let id = receiver.next().header("webhook-id").unwrap().to_owned();
    wait_for_attempts(&server, 1);
    server.restart(&full);
    server.advance(MINUTE);
    let again = receiver.next();
    assert_eq!(again.header("webhook-id"), Some(id.as_str()));
    assert_eq!(again.json()["data"]["title"], "[SEV2] It");
}

#[test]
fn who_has_not_acknowledged_is_reminded_until_somebody_has() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    for (title, key) in [("Open", "a"), ("Resolved", "b"), ("Taken", "c")] {
        server.alert(json!({ "title": title, "dedup_key": key }));
        assert_eq!(told(&receiver).1, format!("[SEV2] {title}"));
    }
    server.acknowledge("INC-2026-003");
    server.alert(json!({ "dedup_key": "b", "status": "resolved" }));
    assert_eq!(told(&receiver).0, "incident.resolved");
    for round in 1..=3 {
        server.advance(15 * MINUTE - SECOND);
        nothing_comes(&server, &receiver);
        server.advance(SECOND);
        assert_eq!(told(&receiver), pair("incident.unacknowledged", "[SEV2, not acknowledged] Open"));
        // At the full quarters of an hour from now on, with those of other incidents.
        let next = (NOW_MS + (round + 1) * 15 * MINUTE) / (15 * MINUTE) * (15 * MINUTE);
        wait_for(&server, &format!("standing = 0 AND reason = 4 AND try_at = {next}"));
    }
    server.acknowledge("INC-2026-001");
    server.advance(HOUR);
    wait_for(&server, "standing = 3 AND incident = 20260000000001");
    nothing_comes(&server, &receiver);
}

#[test]
fn who_was_told_that_it_began_is_told_that_it_ended() {
    let (pager, mail) = (Receiver::new(), Receiver::new());
    let config = format!(
        "{}{}[[routes]]\nchannels = ['pager']\nseverities = ['SEV0']\ndigest = '0s'\n{}",
        channel("pager", &pager),
        channel("mail", &mail),
        route("mail")
    );
    let server = Server::with(&config);
    server.alert(json!({ "dedup_key": "a", "severity": "SEV0" }));
    assert_eq!(told(&pager).0, "incident.created");
    let edit = json!({ "severity": "SEV3" }).to_string();
    server.send("PATCH", "/api/v1/incidents/INC-2026-001", &[], edit.as_bytes()).data();
    server.set_status("INC-2026-001", "resolved");
    assert_eq!((told(&pager).0, told(&mail).0), ("incident.resolved".into(), "incident.resolved".into()));
    server.alert(json!({ "dedup_key": "b", "severity": "SEV2" }));
    assert_eq!(told(&mail).0, "incident.created");
    server.alert(json!({ "dedup_key": "b", "severity": "SEV0" }));
    assert_eq!(told(&pager).0, "incident.raised");
    server.set_status("INC-2026-002", "resolved");
    assert_eq!((told(&pager).0, told(&mail).0), ("incident.resolved".into(), "incident.resolved".into()));
    nothing_comes(&server, &pager);
    nothing_comes(&server, &mail);
}

#[test]
fn the_end_of_what_was_told_finds_room() {
    let receiver = Receiver::with([OK, Behaviour::Answer(503, "Retry-After: 60\r\n", "")]);
    let server = Server::with(&format!("{}[notify]\nowed = 2\n", to(&receiver)));
    for key in ["a", "b", "c", "d", "e"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
        if key < "c" {
            receiver.next();
            wait_for(&server, if key == "a" { "id = 1 AND standing = 1" } else { "id = 2 AND attempts = 1" });
        }
    }
    for key in ["a", "b", "c", "d", "e"] {
        server.alert(json!({ "dedup_key": key, "status": "resolved", "title": key }));
    }
    server.advance(MINUTE);
    let said: Vec<_> = (0..6).map(|_| told(&receiver)).collect();
    let ends: BTreeSet<_> = said.iter().map(|one| &*one.1).collect();
    let expected = ["[resolved] a", "[resolved] b", "[resolved] c", "2 incidents"];
    assert_eq!(ends, BTreeSet::from(expected), "{said:?}");
}

#[test]
fn what_ends_or_is_acknowledged_needs_no_reminder_any_more() {
    let receiver = Receiver::new();
    let config = format!("{}unacknowledged_after = '1d'\n[notify]\nowed = 3\n", to(&receiver));
    let server = Server::with(&config);
    for index in 1..=6 {
        server.alert(json!({ "title": format!("{index}"), "dedup_key": format!("{index}") }));
        receiver.next();
        if index % 2 == 0 {
            server.acknowledge(&format!("INC-2026-{index:03}"));
        } else {
            server.alert(json!({ "dedup_key": format!("{index}"), "status": "resolved" }));
            receiver.next();
        }
    }
    server.alert(json!({ "title": "Real" }));
    receiver.next();
    server.advance(DAY);
    assert_eq!(told(&receiver).1, "[SEV2, not acknowledged] Real");
}

#[test]
fn a_reminder_that_failed_is_not_sent_again_once_somebody_sees_to_it() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    for title in ["One", "Two"] {
        server.alert(json!({ "title": title }));
        receiver.next();
    }
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 2");
    receiver.then([Behaviour::Answer(500, "", "")]);
    server.advance(15 * MINUTE);
    let first = receiver.next();
    assert_eq!(first.json()["data"]["count"], 2);
    wait_for(&server, "reason = 4 AND attempts = 1");
    server.acknowledge("INC-2026-001");
    server.advance(MINUTE);
    let again = receiver.next();
    assert_eq!(again.json()["data"]["title"], "[SEV2, not acknowledged] Two");
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
}

#[test]
fn there_is_one_reminder_of_an_incident_whatever_becomes_of_it() {
    let receiver = Receiver::new();
    let config = format!(
        "{}[[routes]]\nchannels = ['hook']\nseverities = ['SEV0']\non = []\ndigest = '0s'\nunacknowledged_after = '15m'\n",
        channel("hook", &receiver)
    );
    let server = Server::with(&config);
    server.alert(json!({ "title": "It", "dedup_key": "k", "severity": "SEV3" }));
    let owed = || {
        let sql = "SELECT count(*) FROM outbox WHERE standing = 0 AND reason = 4";
        server.file().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(owed(), 0);
    server.alert(json!({ "dedup_key": "k", "severity": "SEV0", "title": "It" }));
    assert_eq!(owed(), 1, "it has become something to remind of");
    for _ in 0..3 {
        server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
        server.alert(json!({ "dedup_key": "k", "title": "It" }));
    }
    assert_eq!(owed(), 1);
    receiver.then([Behaviour::Answer(400, "", "no reminders, please")]);
    for round in 1..=2 {
        server.advance(15 * MINUTE);
        assert_eq!(told(&receiver).1, "[SEV0, not acknowledged] It", "also after it was refused once");
        let next = format!("try_at > {NOW_MS} + {}", round * 15 * MINUTE);
        wait_for(&server, &format!("standing = 0 AND reason = 4 AND {next}"));
    }
}

#[test]
fn reminders_of_many_come_together() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    for (title, after) in [("One", 0), ("Two", 4 * MINUTE), ("Three", 3 * MINUTE)] {
        server.advance(after);
        server.alert(json!({ "title": title }));
        assert_eq!(told(&receiver).1, format!("[SEV2] {title}"));
    }
    for (at, (title, after)) in [("One", 8), ("Two", 4), ("Three", 3)].into_iter().enumerate() {
        server.advance(after * MINUTE);
        assert_eq!(
            told(&receiver).1,
            format!("[SEV2, not acknowledged] {title}"),
            "after a quarter of an hour"
        );
        let done = at + 1;
        wait_for(
            &server,
            &format!("(SELECT count(*) FROM outbox WHERE standing = 1 AND reason = 4) = {done}"),
        );
    }
    server.advance(8 * MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2, not acknowledged] One", "again after another one");
    server.advance(8 * MINUTE);
    assert_eq!(told(&receiver), pair("incidents.summary", "2 incidents not acknowledged: 2 SEV2"));
    nothing_comes(&server, &receiver);
}

#[test]
fn quiet_hours_hold_all_but_what_breaks_through() {
    let receiver = Receiver::new();
    // It is 09:00 in Berlin.
    let config = format!(
        "{}quiet_hours = '08:30-10:00'\ntime_zone = 'Europe/Berlin'\nbreaks_through = ['SEV0']\n",
        to(&receiver)
    );
    let server = Server::with(&config);
    server.alert(json!({ "title": "Small", "dedup_key": "s" }));
    server.alert(json!({ "title": "Over by then", "dedup_key": "o" }));
    server.alert(json!({ "title": "Large", "severity": "SEV0" }));
    assert_eq!(told(&receiver).1, "[SEV0] Large");
    server.alert(json!({ "dedup_key": "o", "status": "resolved" }));
    server.advance(HOUR - SECOND);
    nothing_comes(&server, &receiver);
    server.advance(SECOND);
    assert_eq!(told(&receiver), pair("incidents.summary", "2 incidents: 1 SEV2, 1 resolved"));
    server.alert(json!({ "title": "By day" }));
    assert_eq!(told(&receiver).1, "[SEV2] By day");
}

#[test]
fn neither_a_digest_nor_what_there_is_no_room_for_breaks_the_quiet() {
    let receiver = Receiver::new();
    // It is 09:00 in Berlin.
    let quiet = "quiet_hours = '09:02-10:00'\ntime_zone = 'Europe/Berlin'\nbreaks_through = ['SEV0']\n";
    let config =
        format!("{}{quiet}[notify]\nowed = 4\n", to(&receiver).replace("digest = '0s'", "digest = '3m'"));
    let server = Server::with(&config);
    server.alert(json!({ "title": "First" }));
    assert_eq!(told(&receiver).1, "[SEV2] First");
    server.alert(json!({ "title": "Its digest would end in the quiet" }));
    server.advance(3 * MINUTE);
    for index in 0..10 {
        server.alert(json!({ "title": format!("{index}"), "severity": "SEV4" }));
    }
    server.advance(2 * MINUTE);
    nothing_comes(&server, &receiver);
    server.alert(json!({ "title": "Loud", "severity": "SEV0" }));
    assert_eq!(told(&receiver).1, "[SEV0] Loud");
    server.advance(55 * MINUTE);
    assert_eq!(receiver.next().json()["data"]["count"], 11);
    nothing_comes(&server, &receiver);
}

#[test]
fn another_configuration_takes_over_what_is_owed() {
    let (first, second) = (Receiver::with([Behaviour::Reset]), Receiver::new());
    let server = Server::with(&to(&first));
    server.alert(json!({ "title": "It" }));
    first.next();
    wait_for_attempts(&server, 1);
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    server.reload(&format!("{head}{}", to(&second)));
    server.advance(MINUTE);
    assert_eq!(told(&second).1, "[SEV2] It", "the channel's new address");
    server.reload(&head);
    server.alert(json!({ "title": "Nobody is told" }));
    server.reload(&format!("{head}{}", to(&first)));
    first.then([OK]);
    server.alert(json!({ "title": "Told" }));
    assert_eq!(told(&first).1, "[SEV2] Told");
    nothing_comes(&server, &second);
}

#[test]
fn the_api_the_page_and_the_metrics_say_who_was_told_what() {
    let receiver = Receiver::with([Behaviour::Answer(503, "", "busy")]);
    let server = Server::with(&to(&receiver));
    let list = |query: &str| server.get(&format!("/api/v1/notifications?{query}")).data();
    assert_eq!(list("")["total"], 0);
    server.alert(json!({ "title": "It", "dedup_key": "k" }));
    let id = receiver.next().header("webhook-id").unwrap().to_owned();
    wait_for_attempts(&server, 1);
    let owed = list("state=owed")["items"][0].clone();
    for (field, value) in [
        ("message_id", json!(id)),
        ("channel", json!("hook")),
        ("incident_number", json!("INC-2026-001")),
        ("reason", json!("created")),
        ("at", json!(NOW)),
        ("due_at", json!(NOW)),
        ("held", Value::Null),
        ("attempts", json!(1)),
        ("tried_at", json!(NOW)),
        ("answer", json!("503 Service Unavailable: busy")),
    ] {
        assert_eq!(owed[field], value, "{field}");
    }
    assert!(owed["next_try_at"].as_str().unwrap() > NOW);
    let channels = server.get("/api/v1/channels").data();
    let hook = json!({ "name": "hook", "kind": "webhook", "owed": 1, "oldest_due_at": NOW });
    assert_eq!(channels["items"], json!([hook]));
    server.advance(MINUTE);
    receiver.next();
    wait_for(&server, "standing = 1");
    let metrics = server.get("/metrics").text;
    for line in [
        "firebell_notification_attempts_total{channel=\"hook\",result=\"failed\"} 1",
        "firebell_notification_attempts_total{channel=\"hook\",result=\"taken\"} 1",
        "firebell_notifications_owed{channel=\"hook\"} 0",
        "firebell_notifications_oldest_due_age_seconds{channel=\"hook\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let told = list("incident=INC-2026-001&channel=hook&state=told");
    assert_eq!((&told["total"], &told["items"][0]["answer"]), (&json!(1), &json!("200 OK")));
    assert_eq!(told["items"][0]["next_try_at"], Value::Null);
    assert_eq!(list("incident=INC-2026-002")["total"], 0);
    assert_eq!(
        (&list("state=owed")["total"], &list("state=owed&state=told")["total"]),
        (&json!(0), &json!(1))
    );
    for wrong in ["state=gone", "incident=1", "limit=0"] {
        assert_eq!(server.get(&format!("/api/v1/notifications?{wrong}")).status, 400, "{wrong}");
    }
    let page = server.send("GET", "/incidents/INC-2026-001", &[("Accept", "text/html")], b"").text;
    assert!(
        page.contains(
            "hook was told that it was created <span class=\"detail\">· <bdi>200 OK, 2 attempts</bdi>"
        ),
        "{page}"
    );
}

#[test]
fn what_is_done_with_is_forgotten_in_its_bounds() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}[notify]\nkeep = 3\nmax_age = '1h'\n", to(&receiver)));
    for index in 0..5 {
        server.alert(json!({ "title": format!("{index}") }));
        receiver.next();
        wait_for(&server, &format!("id = {} AND standing = 1", index + 1));
    }
    let ids = || {
        let items = server.get("/api/v1/notifications").data()["items"].clone();
        items.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    server.upkeep();
    assert_eq!(ids(), [5, 4, 3]);
    server.advance(HOUR);
    server.upkeep();
    assert_eq!(ids(), [0; 0]);
}
