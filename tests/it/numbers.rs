//! Incident numbers: one after the other, whatever fails in between and whatever the clock does.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::{DAY, HEAD, HOUR, PROD, SERVICES, Server, WEBHOOK, alert};

/// `2026-12-31T23:59:59.999Z`
const LAST_MS_OF_2026: i64 = 1_798_761_599_999;

fn at(now_ms: i64) -> Server {
    Server::start_at(now_ms, &format!("{HEAD}{SERVICES}{PROD}"))
}

fn next(server: &Server) -> Value {
    server.alert(json!({}))["incident_number"].clone()
}

#[test]
fn a_number_has_at_least_three_digits() {
    let server = Server::new();
    let mut connection = Connection::open(server.addr()).unwrap();
    let body = alert(json!({})).to_string();
    for number in 1..=1001 {
        let response = connection.try_send("POST", WEBHOOK, &[], body.as_bytes()).unwrap();
        assert_eq!(response.data()["incident_number"], format!("INC-2026-{number:03}"));
    }
    assert_eq!(server.show("INC-2026-1000")["incident_number"], "INC-2026-1000");
    assert_eq!(server.list("limit=3"), [1001, 1000, 999], "newest first, not by their letters");
}

#[test]
fn the_year_is_that_of_utc_and_each_begins_at_1() {
    let server = at(LAST_MS_OF_2026);
    assert_eq!([next(&server), next(&server)], ["INC-2026-001", "INC-2026-002"]);
    server.advance(1);
    assert_eq!([next(&server), next(&server)], ["INC-2027-001", "INC-2027-002"]);
    // An incident of last year keeps its number.
    server.alert(json!({ "dedup_key": "k" }));
    server.advance(400 * DAY);
    assert_eq!(server.alert(json!({ "dedup_key": "k" }))["incident_number"], "INC-2027-003");
    assert_eq!(next(&server), "INC-2028-001");
}

#[test]
fn a_clock_that_goes_back_over_the_year_neither_repeats_a_number_nor_goes_back() {
    let mut server = at(LAST_MS_OF_2026 + 1);
    assert_eq!(next(&server), "INC-2027-001");
    server.advance(-HOUR);
    assert_eq!(next(&server), "INC-2027-002");
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    server.advance(-400 * DAY);
    assert_eq!([next(&server), next(&server)], ["INC-2027-003", "INC-2027-004"]);
    server.advance(401 * DAY);
    assert_eq!(next(&server), "INC-2027-005");
    let order: Vec<_> = server.get("/api/v1/incidents").data()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["incident_number"].clone())
        .collect();
    assert_eq!(order, [5, 4, 3, 2, 1].map(|n| format!("INC-2027-{n:03}")));
}

#[test]
fn a_clock_that_was_never_set_does_not_make_numbers_of_1970() {
    let server = at(0);
    assert_eq!(next(&server), "INC-2026-001");
    server.advance(LAST_MS_OF_2026);
    assert_eq!(next(&server), "INC-2026-002");
    server.advance(1);
    assert_eq!(next(&server), "INC-2027-001");
}

#[test]
fn what_is_refused_ignored_replayed_updated_or_only_tried_uses_no_number() {
    let mut server = Server::with("on_unknown_resolve = 'ignore'");
    let once = [("Idempotency-Key", "once")];
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    assert_eq!(
        server.send("POST", WEBHOOK, &once, body.as_bytes()).data()["incident_number"],
        "INC-2026-001"
    );
    for n in 2..6 {
        assert_eq!(server.post("{").status, 400);
        assert_eq!(server.post(alert(json!({ "title": "" }))).status, 400);
        assert_eq!(server.post(alert(json!({ "service_id": "mail", "dedup_key": "new" }))).status, 400);
        assert_eq!(
            server.post(alert(json!({ "dedup_key": "x", "status": "resolved" }))).data()["outcome"],
            "ignored"
        );
        assert_eq!(server.send("POST", WEBHOOK, &once, body.as_bytes()).status, 201);
        assert_eq!(server.send("POST", WEBHOOK, &once, b"{}").status, 400);
        assert_eq!(server.alert(json!({ "dedup_key": "k" }))["outcome"], "repeated");
        let dry = server.post_to(&format!("{WEBHOOK}?dry_run=1"), alert(json!({})));
        assert_eq!(dry.data()["incident_number"], Value::Null);
        server.restart(&format!("{HEAD}{SERVICES}{PROD}on_unknown_resolve = 'ignore'"));
        assert_eq!(next(&server), format!("INC-2026-{n:03}"));
    }
}
