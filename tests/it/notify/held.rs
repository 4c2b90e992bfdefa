//! What people are not told at once: a digest, quiet hours, and what there is no room for.

use std::collections::BTreeSet;

use serde_json::json;

use super::{nothing_comes, pair, to, told, wait_for};
use crate::receiver::{Behaviour, OK, Receiver};
use crate::server::{HOUR, MINUTE, SECOND, Server};

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
    assert_eq!(body["data"]["count"], 28, "each of them once");
    assert_eq!(body["data"]["title"], "28 incidents: 20 SEV3, 8 more");
    assert_eq!(body["data"]["incidents"].as_array().unwrap().len(), 20);
    let text = body["data"]["text"].as_str().unwrap();
    assert!(text.starts_with("INC-2026-002 SEV3 Node 1\nINC-2026-003 SEV3 Node 2\n"), "{text}");
    assert!(text.ends_with("\nand 8 more"), "{text}");
    assert_eq!(
        told(&receiver),
        pair("incident.resolved", "[resolved] Disk is full (HUSH)"),
        "not among more"
    );
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
fn an_entry_that_was_told_by_itself_turns_green_also_in_a_digest() {
    let receiver = Receiver::new();
    let server = format!("http://{}", receiver.addr);
    let config = format!(
        "[[channels]]\nname = 'phone'\nkind = 'ntfy'\nwith = {{ server = '{server}', topic = 'nobody-guesses' }}\n\
         [[routes]]\nchannels = ['phone']\ndigest = '5m'\n"
    );
    let server = Server::with(&config);
    let entry = || {
        let body = receiver.next().json();
        (body["sequence_id"].clone(), body["title"].as_str().unwrap().to_owned())
    };
    let mut entries = Vec::new();
    for key in ["a", "b"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
        entries.push(entry().0);
        for other in 2..=3 {
            server.alert(json!({ "title": "With others", "dedup_key": format!("{key}{other}") }));
        }
        server.advance(5 * MINUTE);
        entry();
    }
    server.alert(json!({ "title": "Opens a digest", "severity": "SEV0" }));
    entry();
    for key in ["a", "a2", "b", "b2"] {
        server.alert(json!({ "title": key, "dedup_key": key, "status": "resolved" }));
    }
    server.advance(5 * MINUTE);
    let told: Vec<_> = (0..3).map(|_| entry()).collect();
    assert_eq!(told[0], (entries[0].clone(), "[resolved] a".into()));
    assert_eq!(told[1], (entries[1].clone(), "[resolved] b".into()));
    assert_eq!(told[2].1, "2 incidents: 2 resolved");
    // What comes back is shown where it was.
    server.alert(json!({ "title": "Opens a digest", "severity": "SEV0", "dedup_key": "z" }));
    entry();
    for key in ["a", "a2", "b2"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
    }
    server.advance(5 * MINUTE);
    assert_eq!(entry(), (entries[0].clone(), "[SEV2, re-opened] a".into()));
    assert_eq!(entry().1, "2 incidents: 2 SEV2");
    nothing_comes(&server, &receiver);
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
    let said: Vec<_> = (0..4).map(|_| told(&receiver)).collect();
    let ends: BTreeSet<_> = said.iter().map(|one| &*one.1).collect();
    let expected = ["[resolved] a", "[resolved] b", "[resolved] c", "2 incidents"];
    assert_eq!(ends, BTreeSet::from(expected), "{said:?}");
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
fn what_comes_back_is_shown_where_its_end_was_also_in_a_digest() {
    let receiver = Receiver::new();
    let config = format!(
        "[[channels]]\nname = 'phone'\nkind = 'ntfy'\nwith = {{ server = 'http://{}', topic = 'nobody-guesses' }}\n\
         [[routes]]\nchannels = ['phone']\ndigest = '5m'\n",
        receiver.addr
    );
    let server = Server::with(&config);
    let entry = || {
        let body = receiver.next().json();
        (body["sequence_id"].clone(), body["title"].as_str().unwrap().to_owned())
    };
    server.alert(json!({ "title": "Opens a digest" }));
    entry();
    for key in ["a", "b"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
    }
    server.advance(5 * MINUTE);
    assert_eq!(entry().1, "2 incidents: 2 SEV2");
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 3");
    server.alert(json!({ "title": "a", "dedup_key": "a", "status": "resolved" }));
    let (key, title) = entry();
    assert_eq!(title, "[resolved] a");
    server.alert(json!({ "title": "Opens another digest", "severity": "SEV0" }));
    entry();
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 5");
    for key in ["a", "c", "d"] {
        server.alert(json!({ "title": key, "dedup_key": key }));
    }
    server.advance(5 * MINUTE);
    assert_eq!(entry(), (key, "[SEV2, re-opened] a".into()));
    assert_eq!(entry().1, "2 incidents: 2 SEV2");
    wait_for(&server, "NOT EXISTS (SELECT 1 FROM outbox WHERE standing = 0)");
    let known = || {
        let sql = "SELECT count(*) FROM told WHERE incident = 20260000000002";
        server.file().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    server.set_status("INC-2026-002", "resolved");
    entry();
    wait_for(&server, "NOT EXISTS (SELECT 1 FROM outbox WHERE standing = 0)");
    assert_eq!(known(), 1, "it is shown, and may come back");
    server.set_status("INC-2026-002", "closed");
    assert_eq!(known(), 0);
}

#[test]
fn what_there_is_no_room_for_is_one_number_however_long_nobody_takes_it() {
    let receiver = Receiver::with([Behaviour::Answer(429, "Retry-After: 3600\r\n", "")]);
    let config = format!("{}[notify]\nowed = 2\n", to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    let server = Server::with(&config);
    server.alert(json!({ "title": "First" }));
    receiver.next();
    wait_for(&server, "id = 1 AND attempts = 1");
    for index in 0..18 {
        server.alert(json!({ "title": format!("{index}") }));
        if index % 3 == 2 {
            server.advance(5 * MINUTE);
        }
    }
    wait_for(&server, "incident IS NULL AND count = 18");
    server.advance(HOUR / 2);
    assert_eq!(told(&receiver).1, "[SEV2] First");
    assert_eq!(told(&receiver).1, "18 incidents");
}

#[test]
fn what_there_is_no_room_for_is_a_summary_also_of_one() {
    let receiver = Receiver::with([Behaviour::Answer(500, "", "")]);
    let server = Server::with(&format!("{}[notify]\nowed = 1\n", to(&receiver)));
    server.alert(json!({ "title": "It" }));
    receiver.next();
    wait_for(&server, "id = 1 AND attempts = 1");
    server.alert(json!({ "title": "No room" }));
    server.advance(MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2] It");
    assert_eq!(told(&receiver), pair("incidents.summary", "1 incident"));
}

#[test]
fn nor_does_what_there_was_no_room_for_before_it_was_quiet() {
    let receiver = Receiver::with([Behaviour::Answer(500, "", "")]);
    // It is 09:00 in Berlin.
    let quiet = "quiet_hours = '09:01-10:00'\ntime_zone = 'Europe/Berlin'\nbreaks_through = ['SEV0']\n";
    let server = Server::with(&format!("{}{quiet}[notify]\nowed = 1\n", to(&receiver)));
    server.alert(json!({ "title": "It" }));
    receiver.next();
    wait_for(&server, "id = 1 AND attempts = 1");
    server.alert(json!({ "title": "No room" }));
    server.advance(MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2] It", "what was tried once goes out as it was");
    nothing_comes(&server, &receiver);
    server.advance(59 * MINUTE);
    assert_eq!(told(&receiver).1, "1 incident");
}
