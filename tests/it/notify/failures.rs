//! Receivers that do not take what they are told, and what becomes of it.

use std::collections::BTreeSet;

use serde_json::json;

use super::reminders::a_reminder_of_both_fails;
use super::{channel, nothing_comes, route, to, told, wait_for, wait_for_attempts};
use crate::receiver::{Behaviour, OK, Receiver};
use crate::server::{DAY, HOUR, MINUTE, NOW_MS, SECOND, Server};

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
fn a_receiver_that_asks_for_decades_is_asked_again_in_time_and_given_up() {
    let late = "Retry-After: Thu, 31 Dec 2099 23:59:59 GMT\r\n";
    let receiver = Receiver::with(std::iter::repeat_n(Behaviour::Answer(429, late, ""), 8));
    let server = Server::with(&to(&receiver));
    server.alert(json!({ "title": "It" }));
    for attempt in 1..8 {
        receiver.next();
        wait_for_attempts(&server, attempt);
        wait_for(&server, &format!("try_at <= {} + {DAY}", server.now_ms()));
        server.advance(DAY);
    }
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 2");
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
    let refused = |count| std::iter::repeat_n(Behaviour::Answer(500, "", ""), count);
    let receiver = Receiver::with(refused(9).chain([OK]).chain(refused(7)));
    let server = Server::with(&to(&receiver));
    for index in 1..=8 {
        server.alert(json!({ "title": format!("Poison {index}") }));
        receiver.next();
        wait_for(&server, &format!("id = {index} AND attempts = 1"));
    }
    server.alert(json!({ "title": "Real", "severity": "SEV0" }));
    server.advance(MINUTE);
    receiver.next();
    assert_eq!(told(&receiver).1, "[SEV0] Real", "it waits for one of them, which may hang, and not for all");
    for _ in 2..=8 {
        receiver.next();
    }
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
fn the_overview_says_by_whom_people_are_not_told() {
    let receiver = Receiver::with([Behaviour::Answer(422, "", "no")]);
    let server = Server::with(&to(&receiver));
    let overview = || server.send("GET", "/overview", &[("Accept", "text/html")], b"").text;
    assert!(!overview().contains("does not get through"), "{}", overview());
    server.alert(json!({ "title": "Refused" }));
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 2");
    let trouble =
        "<bdi>hook</bdi> gave up 1 notification in the last day. <code>firebell outbox --channel hook</code>";
    assert!(overview().contains(trouble), "{}", overview());
    server.advance(DAY);
    receiver.then(std::iter::repeat_n(Behaviour::Answer(503, "", ""), 2));
    server.alert(json!({ "title": "Fails" }));
    receiver.next();
    wait_for(&server, "id = 2 AND attempts = 1");
    assert!(!overview().contains("does not get through"), "it is a moment late: {}", overview());
    server.advance(2 * MINUTE);
    receiver.next();
    wait_for(&server, "id = 2 AND attempts = 2");
    let trouble = "<bdi>hook</bdi> does not get through: 1 notification waits, the first for 2 min. <code>";
    assert!(overview().contains(trouble), "{}", overview());
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
fn one_that_is_refused_for_good_takes_no_other_with_it() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    server.alert(json!({ "title": "First", "dedup_key": "first", "severity": "SEV0" }));
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 1");
    server.alert(json!({ "title": "Poison", "severity": "SEV1" }));
    for index in 0..25 {
        server.alert(json!({ "title": format!("Node {index}"), "severity": "SEV3" }));
    }
    server.alert(json!({ "title": "First", "dedup_key": "first", "status": "resolved" }));
    let refused = Behaviour::Answer(422, "", "too long");
    receiver.then([refused.clone(), OK, refused]);
    server.advance(5 * MINUTE);
    assert_eq!(receiver.next().json()["data"]["count"], 26);
    assert_eq!(told(&receiver).1, "[resolved] First", "it was not in it");
    wait_for(&server, "id = 2 AND attempts = 1");
    nothing_comes(&server, &receiver);
    server.advance(MINUTE);
    assert_eq!(told(&receiver).1, "[SEV1] Poison");
    for index in 0..19 {
        assert_eq!(told(&receiver).1, format!("[SEV3] Node {index}"), "it was named with it");
    }
    assert_eq!(told(&receiver).1, "6 incidents: 6 SEV3", "of which nobody knows anything bad");
    wait_for(&server, "id = 2 AND standing = 2");
    nothing_comes(&server, &receiver);
}

#[test]
fn where_nobody_is_any_more_a_summary_is_told_once() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    for title in ["First", "One", "Two"] {
        server.alert(json!({ "title": title }));
    }
    receiver.next();
    wait_for(&server, "id = 1 AND standing = 1");
    receiver.then([Behaviour::Answer(410, "", "")]);
    server.advance(5 * MINUTE);
    receiver.next();
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 2) = 2");
    nothing_comes(&server, &receiver);
}

#[test]
fn a_message_keeps_its_id_when_the_first_of_it_is_struck_off_and_forgotten() {
    let receiver = Receiver::new();
    let digest = to(&receiver).replace("digest = '0s'", "digest = '60s'\nunacknowledged_after = '15m'");
    let server = Server::with(&format!("{digest}[notify]\nkeep = 1\n"));
    for title in ["One", "Two"] {
        server.advance(SECOND);
        server.alert(json!({ "title": title }));
    }
    receiver.next();
    server.advance(MINUTE);
    receiver.next();
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 2");
    let first = a_reminder_of_both_fails(&receiver, &server);
    server.acknowledge("INC-2026-001");
    server.advance(SECOND);
    server.alert(json!({ "title": "Three" }));
    receiver.next();
    wait_for(&server, "(SELECT count(*) FROM outbox WHERE standing = 1) = 3");
    server.upkeep();
    server.advance(MINUTE);
    assert_eq!(receiver.next().header("webhook-id"), first.header("webhook-id"));
}

#[test]
fn a_clock_that_is_put_back_lets_no_channel_rest() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}unacknowledged_after = '15m'\n", to(&receiver)));
    server.advance(30 * DAY);
    server.alert(json!({ "title": "It" }));
    receiver.next();
    wait_for(&server, "reason = 0 AND standing = 1");
    receiver.then([Behaviour::Answer(429, "Retry-After: 3600\r\n", "")]);
    server.advance(15 * MINUTE);
    receiver.next();
    wait_for(&server, "reason = 4 AND attempts = 1");
    server.acknowledge("INC-2026-001");
    server.advance(-30 * DAY);
    server.alert(json!({ "title": "New" }));
    assert_eq!(told(&receiver).1, "[SEV2] New");
}

#[test]
fn what_ran_out_of_time_while_nothing_ran_is_tried_more_than_once() {
    let receiver = Receiver::with(std::iter::repeat_n(Behaviour::Answer(503, "", ""), 9));
    let config = to(&receiver);
    let full = format!("{}{}{}{config}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    let mut server = Server::with(&config);
    server.alert(json!({ "title": "It" }));
    for attempt in 1..8 {
        receiver.next();
        wait_for_attempts(&server, attempt);
        server.advance(10 * MINUTE);
    }
    receiver.next();
    wait_for_attempts(&server, 8);
    server.stop();
    server.advance(2 * DAY);
    server.restart(&full);
    receiver.next();
    wait_for(&server, "id = 1 AND attempts = 9 AND standing = 0");
    server.advance(10 * MINUTE);
    assert_eq!(told(&receiver).1, "[SEV2] It");
}
