//! People are told of what happens, by receivers that work and by those that do not.

mod ends;
mod failures;
mod held;
mod reminders;

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::receiver::{Behaviour, OK, Receiver};
use crate::server::{HOUR, MINUTE, NOW, Server};

/// A channel to that receiver, and a route to it; more options of the route may follow.
pub fn to(receiver: &Receiver) -> String {
    format!("{}{}", channel("hook", receiver), route("hook"))
}

pub fn channel(name: &str, receiver: &Receiver) -> String {
    format!("[[channels]]\nname = '{name}'\nkind = 'webhook'\nwith = {{ url = '{}' }}\n", receiver.url())
}

pub fn route(channel: &str) -> String {
    format!("[[routes]]\nchannels = ['{channel}']\ndigest = '0s'\n")
}

/// What a message of the preset `webhook` says: its type, and its title.
#[track_caller]
pub fn told(receiver: &Receiver) -> (String, String) {
    let body = receiver.next().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&body["type"]), text(&body["data"]["title"]))
}

pub fn pair(kind: &str, title: &str) -> (String, String) {
    (kind.to_owned(), title.to_owned())
}

/// Makes an incident less severe, so that no route to the pager leads there any more.
fn lessen(server: &Server, number: &str) {
    let edit = json!({ "severity": "SEV3" }).to_string();
    server.send("PATCH", &format!("/api/v1/incidents/{number}"), &[], edit.as_bytes()).data();
}

fn pager(receiver: &Receiver, more: &str) -> String {
    let route = format!("[[routes]]\nchannels = ['hook']\nseverities = ['SEV1']\ndigest = '0s'\n{more}\n");
    format!("{}{route}", channel("hook", receiver))
}

#[test]
fn an_end_that_was_told_as_a_beginning_is_told_again() {
    let receiver = Receiver::new();
    let server = Server::with(&pager(&receiver, "on = ['created', 'resolved']"));
    let alert = |status: &str| {
        server.alert(json!({ "dedup_key": "k", "severity": "SEV1", "title": "It", "status": status }));
    };
    alert("new");
    assert_eq!(told(&receiver).1, "[SEV1] It");
    wait_for(&server, "id = 1 AND standing = 1");
    receiver.then([Behaviour::Answer(500, "", "")]);
    alert("resolved");
    receiver.next();
    wait_for(&server, "id = 2 AND attempts = 1");
    alert("new");
    server.advance(MINUTE);
    assert_eq!(told(&receiver), pair("incident.resolved", "[SEV1] It"), "it is open by now");
    wait_for(&server, "id = 2 AND standing = 1");
    lessen(&server, "INC-2026-001");
    server.set_status("INC-2026-001", "resolved");
    assert_eq!(told(&receiver), pair("incident.resolved", "[resolved] It"));
}

#[test]
fn who_was_only_reminded_is_told_of_the_end_too() {
    let receiver = Receiver::new();
    let server = Server::with(&pager(&receiver, "on = ['resolved']\nunacknowledged_after = '15m'"));
    server.alert(json!({ "severity": "SEV1", "title": "It" }));
    server.advance(15 * MINUTE);
    assert_eq!(told(&receiver).1, "[SEV1, not acknowledged] It");
    wait_for(&server, "reason = 4 AND standing = 1");
    lessen(&server, "INC-2026-001");
    server.set_status("INC-2026-001", "resolved");
    assert_eq!(told(&receiver).1, "[resolved] It");
}

#[test]
fn what_ends_while_its_beginning_is_told_is_told_of_then() {
    static RESOLVED: Barrier = Barrier::new(2);
    let receiver = Receiver::with([Behaviour::After(&RESOLVED, 200)]);
    let server = Server::with(&format!("{}[notify]\nowed = 1\n", pager(&receiver, "")));
    server.alert(json!({ "severity": "SEV1", "title": "It" }));
    assert_eq!(told(&receiver).1, "[SEV1] It");
    lessen(&server, "INC-2026-001");
    server.set_status("INC-2026-001", "resolved");
    RESOLVED.wait();
    assert_eq!(told(&receiver).1, "[resolved] It");
}

#[test]
fn who_was_told_is_known_longer_than_what_was_told() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}[notify]\nkeep = 1\n", pager(&receiver, "")));
    for title in ["One", "Two", "Three"] {
        server.alert(json!({ "severity": "SEV1", "title": title }));
        assert_eq!(told(&receiver).1, format!("[SEV1] {title}"));
        wait_for(&server, "NOT EXISTS (SELECT 1 FROM outbox WHERE standing = 0)");
    }
    server.upkeep();
    lessen(&server, "INC-2026-001");
    server.set_status("INC-2026-001", "resolved");
    assert_eq!(told(&receiver).1, "[resolved] One");
}

#[test]
fn a_reload_opens_no_new_digest_and_asks_a_receiver_that_wanted_to_rest() {
    let receiver = Receiver::new();
    let config = to(&receiver).replace("digest = '0s'", "digest = '5m'");
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let server = Server::with(&config);
    server.alert(json!({ "title": "First" }));
    assert_eq!(told(&receiver).1, "[SEV2] First");
    wait_for(&server, "id = 1 AND standing = 1");
    server.alert(json!({ "title": "Held" }));
    server.reload(&format!("{head}{config}"));
    server.alert(json!({ "title": "Held too" }));
    nothing_comes(&server, &receiver);
    receiver.then([Behaviour::Answer(429, "Retry-After: 600\r\n", "")]);
    server.advance(5 * MINUTE);
    assert_eq!(told(&receiver).1, "2 incidents: 2 SEV2");
    wait_for(&server, "id = 2 AND attempts = 1");
    server.alert(json!({ "title": "Waits" }));
    server.reload(&format!("{head}{config}"));
    assert_eq!(told(&receiver).1, "[SEV2] Waits", "its address may be another one");
}

#[test]
fn ends_that_a_summary_has_no_room_for_are_told_after_it() {
    let receiver = Receiver::new();
    let server =
        Server::with(&pager(&receiver, "").replace("severities = ['SEV1']\ndigest = '0s'", "digest = '0s'"));
    let alert = |key: &str, status: &str, severity: &str| {
        let alert = json!({ "title": key, "dedup_key": key, "status": status, "severity": severity });
        server.alert(alert)["incident_number"].as_str().unwrap().to_owned()
    };
    let known: Vec<_> = (10..30).map(|index| alert(&format!("E{index}"), "new", "SEV2")).collect();
    for _ in &known {
        receiver.next();
    }
    wait_for(&server, "id = 20 AND standing = 1");
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let digest = channel("hook", &receiver) + "[[routes]]\nchannels = ['hook']\ndigest = '5m'\n";
    server.reload(&format!("{head}{digest}"));
    alert("Opens the window", "new", "SEV0");
    receiver.next();
    wait_for(&server, "id = 21 AND standing = 1");
    for index in 10..30 {
        alert(&format!("E{index}"), "resolved", "SEV2");
    }
    for index in 0..5 {
        alert(&format!("U{index}"), "new", "SEV4");
        alert(&format!("U{index}"), "resolved", "SEV4");
    }
    receiver.then([Behaviour::Answer(500, "", "")]);
    server.advance(5 * MINUTE);
    assert_eq!(receiver.next().json()["data"]["count"], 25);
    wait_for(&server, "standing = 0 AND attempts = 1");
    for index in 0..5 {
        alert(&format!("U{index}"), "new", "SEV4");
    }
    server.advance(MINUTE);
    let named = |body: Value| {
        let incidents = body["data"]["incidents"].as_array().unwrap().clone();
        incidents
            .into_iter()
            .map(|one| (one["incident_number"].clone(), one["status"].clone()))
            .collect::<Vec<_>>()
    };
    let mut over = Vec::new();
    while over.len() < 20 {
        let incidents = named(receiver.next().json());
        over.extend(
            incidents
                .into_iter()
                .filter(|(number, status)| status == "resolved" && known.iter().any(|one| number == one)),
        );
        server.advance(5 * MINUTE);
    }
}

/// Waits until the outbox has it that so many attempts were made for its first notification.
pub fn wait_for_attempts(server: &Server, attempts: usize) {
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
    let hook = json!({ "name": "hook", "kind": "webhook", "owed": 1, "oldest_due_at": NOW,
                       "given_up_last_day": 0 });
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
