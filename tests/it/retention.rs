//! `[retention] close_resolved_after`: what has been resolved for long enough is closed, if the clock can be believed.

use serde_json::{Value, json};

use crate::server::{DAY, HEAD, HOUR, MINUTE, PROD, SERVICES, Server};

fn after(time: &str) -> Server {
    Server::with(&format!("[retention]\nclose_resolved_after = '{time}'"))
}

fn status(server: &Server, number: &str) -> Value {
    server.show(number)["status"].clone()
}

#[test]
fn an_incident_that_has_been_resolved_for_long_enough_is_closed_and_no_other() {
    let server = after("6h");
    for (key, resolved) in [("open", false), ("resolved", true), ("re-opened", true)] {
        server.alert(json!({ "dedup_key": key }));
        if resolved {
            server.alert(json!({ "dedup_key": key, "status": "resolved" }));
        }
    }
    server.advance(HOUR);
    server.alert(json!({ "dedup_key": "re-opened" }));
    server.alert(json!({ "dedup_key": "later", "status": "resolved" }));
    // A resolve of what is resolved already does not make it wait longer.
    server.alert(json!({ "dedup_key": "resolved", "status": "resolved" }));

    server.advance(5 * HOUR - 1);
    server.upkeep();
    assert_eq!(server.list("status=closed"), [0; 0]);
    server.advance(1);
    server.upkeep();
    assert_eq!(server.list("status=closed"), [2]);
    let closed = server.show("INC-2026-002");
    assert_eq!(closed["closed_at"], "2026-11-23T14:00:00.123Z");
    assert_eq!(
        (&closed["resolved_by"], closed["resolved_at"].is_string()),
        (&json!("integration:prod"), true)
    );
    let entry = &closed["timeline"][0];
    assert_eq!((&entry["kind"], &entry["actor"]), (&json!("closed"), &json!("system")));
    assert_eq!(entry["changes"], json!([{ "field": "status", "from": "resolved", "to": "closed" }]));

    // The key is free, and re-opening comes too late.
    let data = server.alert(json!({ "dedup_key": "resolved" }));
    assert_eq!((&data["outcome"], &data["incident_number"]), (&json!("created"), &json!("INC-2026-005")));
    let reopen =
        server.post_to("/api/v1/incidents/INC-2026-002/status", json!({ "status": "investigating" }));
    assert_eq!(reopen.code(), "invalid_transition");

    server.advance(HOUR);
    server.upkeep();
    assert_eq!(server.list("status=closed"), [4, 2]);
    server.advance(20 * HOUR);
    server.upkeep();
    assert_eq!(server.list("status=closed"), [4, 2], "what is open stays open");
}

#[test]
fn it_takes_seven_days_by_default() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    for _ in 0..7 {
        server.upkeep();
        assert_eq!(status(&server, "INC-2026-001"), "resolved");
        server.advance(DAY);
    }
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "closed");
}

#[test]
fn a_clock_that_leaps_by_more_than_a_day_closes_nothing_for_ten_minutes() {
    let server = after("6h");
    server.alert(json!({ "status": "resolved" }));
    server.upkeep();
    server.advance(DAY + 1);
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "resolved");
    server.advance(10 * MINUTE - 1);
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "resolved");
    server.advance(1);
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "closed");
}

#[test]
fn a_clock_that_leaps_and_comes_back_has_closed_nothing() {
    let server = after("6h");
    server.alert(json!({ "status": "resolved" }));
    server.upkeep();
    for leap in [400 * DAY, -400 * DAY] {
        server.advance(leap);
        server.upkeep();
        assert_eq!(status(&server, "INC-2026-001"), "resolved");
    }
    server.advance(HOUR);
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "resolved");
}

#[test]
fn a_leap_while_nothing_ran_is_noticed_at_the_next_start() {
    let mut server = after("6h");
    server.alert(json!({ "status": "resolved" }));
    server.upkeep();
    server.stop();
    server.advance(400 * DAY);
    server.restart(&format!("{HEAD}{SERVICES}{PROD}[retention]\nclose_resolved_after = '6h'"));
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "resolved");
    server.advance(10 * MINUTE);
    server.upkeep();
    assert_eq!(status(&server, "INC-2026-001"), "closed");
}

#[test]
fn as_many_as_are_due_are_closed() {
    let server = after("6h");
    let mut connection = crate::http::Connection::open(server.addr()).unwrap();
    for n in 0..450 {
        let body =
            crate::server::alert(json!({ "dedup_key": format!("{n}"), "status": "resolved" })).to_string();
        let response = connection.try_send("POST", crate::server::WEBHOOK, &[], body.as_bytes()).unwrap();
        assert_eq!(response.status, 201);
    }
    server.advance(6 * HOUR);
    server.upkeep();
    assert_eq!(server.get("/api/v1/incidents?status=closed").data()["total"], 450);
}
