//! Reminders of what nobody has acknowledged.

use std::sync::Barrier;

use serde_json::json;

use super::{channel, nothing_comes, pair, to, told, wait_for};
use crate::receiver::{Behaviour, Receiver, Request};
use crate::server::{DAY, HOUR, MINUTE, NOW_MS, SECOND, Server};

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

/// Two incidents that nobody acknowledges.
fn two_are_told() -> (Receiver, Server) {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    for title in ["One", "Two"] {
        server.alert(json!({ "title": title }));
        receiver.next();
    }
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 2");
    (receiver, server)
}

/// The one message that reminds of the two incidents, once it has failed.
pub fn a_reminder_of_both_fails(receiver: &Receiver, server: &Server) -> Request {
    receiver.then([Behaviour::Answer(500, "", "")]);
    server.advance(15 * MINUTE);
    let first = receiver.next();
    assert_eq!(first.json()["data"]["count"], 2);
    wait_for(server, "reason = 4 AND attempts = 1");
    first
}

#[test]
fn a_reminder_that_failed_is_not_sent_again_once_somebody_sees_to_it() {
    let (receiver, server) = two_are_told();
    let first = a_reminder_of_both_fails(&receiver, &server);
    server.acknowledge("INC-2026-001");
    server.advance(MINUTE);
    let again = receiver.next();
    assert_eq!(again.json()["data"]["title"], "[SEV2, not acknowledged] Two");
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
}

#[test]
fn a_reminder_that_failed_and_waits_its_turn_is_struck_off_too() {
    static ACKNOWLEDGED: Barrier = Barrier::new(2);
    let (receiver, server) = two_are_told();
    a_reminder_of_both_fails(&receiver, &server);
    receiver.then([Behaviour::After(&ACKNOWLEDGED, 200)]);
    server.alert(json!({ "title": "Slow" }));
    assert_eq!(told(&receiver).1, "[SEV2] Slow");
    server.advance(MINUTE);
    server.acknowledge("INC-2026-001");
    ACKNOWLEDGED.wait();
    assert_eq!(told(&receiver).1, "[SEV2, not acknowledged] Two");
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
fn one_route_may_remind_of_what_another_tells() {
    for reminding_first in [true, false] {
        let receiver = Receiver::new();
        let reminds =
            "[[routes]]\nchannels = ['hook']\non = []\nunacknowledged_after = '15m'\ncontinue = true\n";
        let tells = "[[routes]]\nchannels = ['hook']\ndigest = '0s'\ncontinue = true\n";
        let routes = if reminding_first { [reminds, tells] } else { [tells, reminds] };
        let server = Server::with(&format!("{}{}", channel("hook", &receiver), routes.concat()));
        server.alert(json!({ "title": "It", "dedup_key": "k" }));
        assert_eq!(told(&receiver).1, "[SEV2] It");
        server.alert(json!({ "title": "It", "dedup_key": "k", "severity": "SEV1" }));
        assert_eq!(told(&receiver).1, "[SEV1, raised] It");
        for reminder in 1..=2 {
            server.advance(16 * MINUTE);
            assert_eq!(told(&receiver).1, "[SEV1, not acknowledged] It");
            wait_for(
                &server,
                &format!("(SELECT count(*) FROM outbox WHERE standing = 1 AND reason = 4) = {reminder}"),
            );
        }
        nothing_comes(&server, &receiver);
    }
}

#[test]
fn a_reminder_under_way_has_one_successor_whatever_happens_meanwhile() {
    static RAISED: Barrier = Barrier::new(2);
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    server.alert(json!({ "title": "It", "dedup_key": "k" }));
    receiver.next();
    wait_for(&server, "reason = 0 AND standing = 1");
    receiver.then([Behaviour::After(&RAISED, 200)]);
    server.advance(15 * MINUTE);
    assert_eq!(told(&receiver).0, "incident.unacknowledged");
    server.alert(json!({ "title": "It", "dedup_key": "k", "severity": "SEV1" }));
    RAISED.wait();
    assert_eq!(told(&receiver).0, "incident.raised");
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 3");
    let sql = "SELECT count(*) FROM outbox WHERE standing = 0 AND reason = 4";
    assert_eq!(server.file().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}
