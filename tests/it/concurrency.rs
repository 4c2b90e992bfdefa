//! Many senders at once.

use std::collections::BTreeSet;
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::server::{HEAD, PROD, SERVICES, Server, alert, sequence};

/// What `act` returns on so many threads that begin at the same moment.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (start, act) = (&Barrier::new(threads), &act);
    std::thread::scope(|scope| {
        let run = |thread| {
            scope.spawn(move || {
                start.wait();
                act(thread)
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// What 64 POSTs at the same moment are answered.
fn post_all(server: &Server, body: impl Fn(usize) -> Value + Sync) -> Vec<Value> {
    at_once(64, |thread| server.post(body(thread)).data())
}

fn count(answers: &[Value], outcome: &str) -> usize {
    answers.iter().filter(|answer| answer["outcome"] == outcome).count()
}

#[test]
fn the_same_new_key_from_64_at_once_makes_exactly_one_incident() {
    let server = Server::new();
    let answers = post_all(&server, |_| alert(json!({ "dedup_key": "k" })));
    assert_eq!((count(&answers, "created"), count(&answers, "repeated")), (1, 63));
    let occurrences: BTreeSet<_> =
        answers.iter().map(|answer| answer["occurrences"].as_i64().unwrap()).collect();
    assert_eq!(occurrences, (1..=64).collect(), "each was counted once, and told so");
    assert_eq!(server.list(""), [1]);
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["occurrences"], 64);
    assert_eq!(incident["timeline"][0]["count"], 63);
}

#[test]
fn different_keys_from_64_at_once_make_64_incidents_with_numbers_without_a_gap() {
    let server = Server::new();
    let answers = post_all(&server, |thread| match thread % 2 {
        0 => alert(json!({})),
        _ => alert(json!({ "dedup_key": format!("{thread}") })),
    });
    let numbers: BTreeSet<_> = answers.iter().map(|answer| sequence(&answer["incident_number"])).collect();
    assert_eq!(numbers, (1..=64).collect());
}

#[test]
fn a_refused_one_costs_the_others_that_were_written_with_it_nothing() {
    // Under "new", a refused creation has already taken the key from its last holder: it is the one case in which what
    // was written with it must be written again without it.
    let mut server = Server::new();
    for key in 0..16 {
        server.alert(json!({ "dedup_key": format!("{key}"), "status": "resolved" }));
    }
    server.restart(&format!("{HEAD}{SERVICES}{PROD}after_resolve = 'new'"));
    let statuses = at_once(64, |thread| {
        let (service, key) = match thread % 4 {
            0 => ("mail", (thread / 4).to_string()),
            _ => ("web", format!("new {thread}")),
        };
        server.post(alert(json!({ "dedup_key": key, "service_id": service }))).status
    });
    for (thread, status) in statuses.into_iter().enumerate() {
        assert_eq!(status, if thread % 4 == 0 { 400 } else { 201 }, "{thread}");
    }
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 16 + 48);
    // Nor has what was refused taken anything from anybody.
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    for key in 0..16 {
        assert_eq!(server.alert(json!({ "dedup_key": format!("{key}") }))["outcome"], "reopened", "{key}");
    }
}

#[test]
fn alerts_and_resolves_of_few_keys_at_once_never_leave_two_holders() {
    for rule in ["reopen", "new"] {
        let server = Server::with(&format!("after_resolve = '{rule}'"));
        for _ in 0..4 {
            let answers = post_all(&server, |thread| {
                let status = if thread % 3 == 0 { "resolved" } else { "new" };
                alert(json!({ "dedup_key": format!("{}", thread % 2), "status": status }))
            });
            assert!(answers.iter().all(|answer| answer["incident_number"].is_string()));
        }
        let open: i64 = server
            .file()
            .query_row("SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM incident WHERE status < 4 GROUP BY dedup_key)", [], |row| row.get(0))
            .unwrap();
        assert!(open <= 1, "{open} open incidents with one key");
        let posts: i64 =
            server.file().query_row("SELECT sum(occurrences) FROM incident", [], |row| row.get(0)).unwrap();
        assert_eq!(posts, 256);
        if rule == "reopen" {
            assert_eq!(server.list(""), [2, 1]);
        }
    }
}

#[test]
fn people_and_senders_at_once_lose_nothing_of_each_other() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let statuses = at_once(32, |thread| match thread % 2 {
        0 => server.post(alert(json!({ "dedup_key": "k", "title": format!("{thread}") }))).status,
        _ => server.post_to("/api/v1/incidents/INC-2026-001/acknowledge", "{}").status,
    });
    let acknowledged = statuses.iter().skip(1).step_by(2).filter(|status| **status == 200).count();
    assert_eq!(acknowledged, 1, "the others were told who did it");
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["occurrences"], &incident["acknowledged_by"]), (&json!(17), &json!("local")));
}
