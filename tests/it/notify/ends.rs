//! Whoever was told that an incident began is told of its end, whatever becomes of routes and of room.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{channel, nothing_comes, pager, pair, route, to, told, wait_for};
use crate::receiver::{Behaviour, Receiver};
use crate::server::{HOUR, MINUTE, Server};

/// How many incidents receivers are known to take for open, or to show.
fn known(server: &Server) -> i64 {
    server.file().query_row("SELECT count(*) FROM told", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_end_is_told_also_where_no_route_leads_to_the_channel_any_more() {
    let (receiver, other) = (Receiver::new(), Receiver::new());
    let server = Server::with(&to(&receiver));
    for key in ["a", "b"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
        assert_eq!(told(&receiver).1, format!("[SEV2] {key}"));
    }
    wait_for(&server, "id = 2 AND standing = 1");
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let hook = channel("hook", &receiver);
    server.reload(&format!("{head}{hook}{}{}", channel("other", &other), route("other")));
    server.alert(json!({ "title": "a", "dedup_key": "a", "status": "resolved" }));
    assert_eq!(told(&receiver).1, "[resolved] a");
    server.reload(&format!("{head}{hook}"));
    server.alert(json!({ "title": "b", "dedup_key": "b", "status": "resolved" }));
    assert_eq!(told(&receiver).1, "[resolved] b", "nor is there any other route");
}

#[test]
fn what_is_closed_is_known_no_longer_than_its_end_is_owed() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    for index in 1..=2 {
        server.alert(json!({ "title": "It" }));
        receiver.next();
        wait_for(&server, &format!("id = {index} AND standing = 1"));
    }
    receiver.then([Behaviour::Answer(422, "", ""), Behaviour::Answer(500, "", "")]);
    server.set_status("INC-2026-001", "resolved");
    wait_for(&server, "id = 3 AND standing = 2");
    assert_eq!(known(&server), 2, "it may come back");
    server.set_status("INC-2026-001", "closed");
    assert_eq!(known(&server), 1);
    server.set_status("INC-2026-002", "closed");
    wait_for(&server, "id = 4 AND attempts = 1");
    assert_eq!(known(&server), 1, "it is owed");
    receiver.then([Behaviour::Answer(422, "", "")]);
    server.advance(MINUTE);
    wait_for(&server, "id = 4 AND standing = 2");
    assert_eq!(known(&server), 0);
}

#[test]
fn what_is_closed_is_not_known_where_nobody_wants_to_know_of_ends() {
    let receiver = Receiver::new();
    let closes = "[retention]\nclose_resolved_after = '1h'\n";
    let server = Server::with(&format!("{}{closes}", pager(&receiver, "on = ['created']")));
    server.alert(json!({ "title": "It", "severity": "SEV1" }));
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 1");
    server.set_status("INC-2026-001", "resolved");
    assert_eq!(known(&server), 1);
    server.advance(HOUR);
    server.upkeep();
    assert_eq!(known(&server), 0);
}

#[test]
fn what_ends_while_news_of_it_is_refused_is_told_of_then() {
    static RESOLVED: Barrier = Barrier::new(2);
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}[notify]\nowed = 1\n", to(&receiver)));
    server.alert(json!({ "title": "It", "dedup_key": "k" }));
    assert_eq!(told(&receiver).1, "[SEV2] It");
    wait_for(&server, "id = 1 AND standing = 1");
    receiver.then([Behaviour::After(&RESOLVED, 422)]);
    server.alert(json!({ "title": "It", "dedup_key": "k", "severity": "SEV1" }));
    assert_eq!(told(&receiver).0, "incident.raised");
    server.set_status("INC-2026-001", "resolved");
    RESOLVED.wait();
    assert_eq!(told(&receiver).1, "[resolved] It");
}

#[test]
fn an_end_that_a_summary_does_not_name_is_told_after_it_though_there_is_no_room() {
    let receiver = Receiver::new();
    let digest = to(&receiver).replace("digest = '0s'", "digest = '5m'");
    let server = Server::with(&format!("{digest}[notify]\nowed = 1\n"));
    let alert = |key: &str, status: &str, severity: &str| {
        let alert = json!({ "title": key, "dedup_key": key, "status": status, "severity": severity });
        server.alert(alert)["incident_number"].clone()
    };
    let mut known = Vec::new();
    for index in 1..=20 {
        known.push(alert(&format!("E{index}"), "new", "SEV2"));
        assert_eq!(told(&receiver).1, format!("[SEV2] E{index}"));
        wait_for(&server, &format!("id = {index} AND standing = 1"));
        // The next one waits for no digest.
        server.advance(5 * MINUTE);
    }
    alert("Opens a digest", "new", "SEV0");
    receiver.next();
    wait_for(&server, "id = 21 AND standing = 1");
    // It takes the room that there is, and is the last of 21 as long as it is over.
    alert("U", "new", "SEV4");
    alert("U", "resolved", "SEV4");
    for index in 1..=20 {
        alert(&format!("E{index}"), "resolved", "SEV2");
    }
    let is_named = |body: &Value, number: &Value| {
        let incidents = body["data"]["incidents"].as_array().unwrap();
        incidents.iter().any(|one| one["incident_number"] == *number)
    };
    receiver.then([Behaviour::Answer(500, "", "")]);
    server.advance(5 * MINUTE);
    let first = receiver.next().json();
    assert_eq!(first["data"]["count"], 21);
    assert!(known.iter().all(|number| is_named(&first, number)), "{first}");
    wait_for(&server, "id = 22 AND attempts = 1");
    // Open again it is the first, and the last of the others has no place any more. That it came back is only counted.
    alert("U", "new", "SEV4");
    server.advance(MINUTE);
    let again = receiver.next().json();
    assert_eq!(again["data"]["count"], 21);
    assert!(is_named(&again, &known[18]) && !is_named(&again, &known[19]), "{again}");
    assert_eq!(
        receiver.next().json()["data"]["count"],
        1,
        "what there was no room for, which took all there is"
    );
    server.advance(5 * MINUTE);
    assert_eq!(told(&receiver), pair("incident.resolved", "[resolved] E20"));
    nothing_comes(&server, &receiver);
}
