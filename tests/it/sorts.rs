//! `GET /api/v1/incidents`: the orders, and walks through them.

use serde_json::{Value, json};

use crate::document;
use crate::filters::{in_order, town};
use crate::http::Connection;
use crate::server::{MINUTE, SECOND, Server, alert, field_codes, sequence};

const SORTS: [&str; 4] = ["-created_at", "created_at", "severity", "-last_seen_at"];

fn page(connection: &mut Connection, query: &str) -> Value {
    let path = format!("/api/v1/incidents?{query}");
    let response = connection.try_send("GET", &path, &[], b"").unwrap();
    document::check("GET", &path, &response);
    response.data()
}

fn numbers(page: &Value) -> Vec<u32> {
    page["items"].as_array().unwrap().iter().map(|item| sequence(&item["incident_number"])).collect()
}

/// Every page of a list; each must tell the same total.
fn walk(connection: &mut Connection, query: &str, by_cursor: bool, total: usize) -> Vec<Vec<u32>> {
    let (mut pages, mut next) = (Vec::new(), String::new());
    loop {
        let page = page(connection, &format!("{query}{next}"));
        assert_eq!((&page["total"], &page["total_exact"]), (&json!(total), &json!(true)), "{query}{next}");
        pages.push(numbers(&page));
        if page["has_more"] == false {
            let nowhere = (&page["next_offset"], &page["next_cursor"]);
            assert_eq!(nowhere, (&Value::Null, &Value::Null), "{query}{next}");
            return pages;
        }
        next = match by_cursor {
            true => format!("&cursor={}", page["next_cursor"].as_str().unwrap()),
            false => format!("&offset={}", page["next_offset"]),
        };
    }
}

#[test]
fn a_walk_in_any_order_in_pages_of_any_size_sees_each_incident_once_and_in_order() {
    let (server, incidents) = town();
    let mut connection = Connection::open(server.addr()).unwrap();
    for sort in SORTS {
        let expected = in_order(incidents.iter(), sort);
        for limit in (1..=expected.len() + 1).filter(|limit| *limit < 5 || *limit + 4 > expected.len()) {
            for by_cursor in [true, false] {
                let query = format!("sort={sort}&limit={limit}");
                let pages = walk(&mut connection, &query, by_cursor, expected.len());
                assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit), "{query}: {pages:?}");
                assert_eq!(pages.concat(), expected, "{query} by cursor: {by_cursor}");
            }
        }
    }
}

#[test]
fn a_walk_through_what_filters_let_through_does_too() {
    let (server, incidents) = town();
    let mut connection = Connection::open(server.addr()).unwrap();
    type LetsThrough = fn(&Value) -> bool;
    let filters: [(&str, LetsThrough); 7] = [
        ("severity=SEV1&severity=SEV4", |one| matches!(one["severity"].as_str(), Some("SEV1" | "SEV4"))),
        ("status=new&status=resolved", |one| matches!(one["status"].as_str(), Some("new" | "resolved"))),
        ("service_id=db", |one| one["service_ids"].as_array().unwrap().contains(&json!("SER-00002"))),
        ("assigned_to=ada@example.org", |one| one["assigned_to"] == "ada@example.org"),
        ("resolved_after=2026-11-23T08:05:00Z", |one| {
            one["resolved_at"].as_str() >= Some("2026-11-23T08:05")
        }),
        ("search=disk", |one| {
            format!("{}{}", one["title"], one["description"]).to_lowercase().contains("disk")
        }),
        ("integration=prod&search=pool", |one| {
            one["integration"] == "prod" && one["title"].as_str().unwrap().contains("Pool")
        }),
    ];
    for (filter, lets_through) in filters {
        for sort in SORTS {
            let expected = in_order(incidents.iter().filter(|one| lets_through(one)), sort);
            assert!(expected.len() > 2, "{filter} by {sort} finds next to nothing");
            for (limit, by_cursor) in
                [(1, true), (2, true), (3, false), (expected.len() - 1, true), (expected.len(), true)]
            {
                let query = format!("{filter}&sort={sort}&limit={limit}");
                let pages = walk(&mut connection, &query, by_cursor, expected.len());
                assert_eq!(pages.concat(), expected, "{query} by cursor: {by_cursor}");
            }
        }
    }
}

#[test]
fn what_is_equal_in_an_order_comes_newest_first() {
    let server = Server::new();
    for severity in ["SEV2", "SEV0", "SEV2", "SEV0", "SEV4"] {
        server.alert(json!({ "severity": severity }));
    }
    assert_eq!(server.list("sort=severity"), [4, 2, 3, 1, 5]);
    assert_eq!(server.list("sort=-last_seen_at"), [5, 4, 3, 2, 1]);
    assert_eq!(server.list("sort=-created_at"), [5, 4, 3, 2, 1]);
    assert_eq!(server.list("sort=created_at"), [1, 2, 3, 4, 5]);
}

#[test]
fn the_order_of_recording_holds_whatever_the_clock_did() {
    let server = Server::new();
    for _ in 0..3 {
        server.alert(json!({}));
        server.advance(-MINUTE);
    }
    assert_eq!(server.list(""), [3, 2, 1]);
    assert_eq!(server.list("sort=created_at"), [1, 2, 3]);
    assert_eq!(server.list("sort=-last_seen_at"), [1, 2, 3], "but not of being seen");
}

#[test]
fn what_was_seen_last_comes_first_and_what_is_closed_does_not_come() {
    let server = Server::new();
    for key in ["a", "b", "c", "d"] {
        server.alert(json!({ "dedup_key": key }));
        server.advance(SECOND);
    }
    let order = || server.list("sort=-last_seen_at");
    assert_eq!(order(), [4, 3, 2, 1]);
    // A repeat within the minute, one a minute later, and a resolve.
    server.alert(json!({ "dedup_key": "b" }));
    assert_eq!(order(), [2, 4, 3, 1]);
    server.advance(MINUTE);
    server.alert(json!({ "dedup_key": "a" }));
    assert_eq!(order(), [1, 2, 4, 3]);
    server.advance(1);
    server.alert(json!({ "dedup_key": "c", "status": "resolved" }));
    assert_eq!(order(), [3, 1, 2, 4]);
    // What people do is not being seen.
    server.advance(MINUTE);
    server.set_status("INC-2026-004", "fixing");
    assert_eq!(order(), [3, 1, 2, 4]);
    server.set_status("INC-2026-001", "closed");
    assert_eq!(order(), [3, 2, 4]);
    assert_eq!(server.get("/api/v1/incidents?sort=-last_seen_at").data()["total"], 3);
    for query in ["status=closed", "status=new&status=closed"] {
        let response = server.get(&format!("/api/v1/incidents?sort=-last_seen_at&{query}"));
        assert_eq!(field_codes(&response), "sort:invalid", "{query}");
    }
}

#[test]
fn what_moves_ahead_during_a_walk_hides_nothing_behind() {
    let server = Server::new();
    for key in ["a", "b", "c", "d", "e"] {
        server.alert(json!({ "dedup_key": key, "severity": "SEV3" }));
        server.advance(SECOND);
    }
    let first = server.get("/api/v1/incidents?sort=-last_seen_at&limit=2").data();
    assert_eq!(numbers(&first), [5, 4]);
    server.alert(json!({ "dedup_key": "a" }));
    server.alert(json!({}));
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(server.list(&format!("sort=-last_seen_at&cursor={cursor}")), [3, 2]);

    let first = server.get("/api/v1/incidents?sort=severity&limit=2").data();
    assert_eq!(numbers(&first), [6, 5]);
    server.alert(json!({ "severity": "SEV0" }));
    server.set_status("INC-2026-003", "closed");
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(server.list(&format!("sort=severity&cursor={cursor}")), [4, 3, 2, 1]);
}

#[test]
fn a_cursor_leads_on_in_its_own_order_only() {
    let server = Server::new();
    for _ in 0..3 {
        server.alert(json!({}));
    }
    for sort in SORTS {
        let first = server.get(&format!("/api/v1/incidents?limit=1&sort={sort}")).data();
        let cursor = first["next_cursor"].as_str().unwrap();
        for other in SORTS {
            let response = server.get(&format!("/api/v1/incidents?limit=1&sort={other}&cursor={cursor}"));
            if sort == other {
                assert_eq!(numbers(&response.data()), [2]);
            } else {
                assert_eq!(field_codes(&response), "cursor:invalid", "{sort} {other}");
            }
        }
    }
    let first = server.get("/api/v1/incidents?limit=1&search=Disk").data();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(server.list(&format!("limit=1&search=DISK&cursor={cursor}")), [2], "the same search");
    let response = server.get(&format!("/api/v1/incidents?limit=1&search=dis&cursor={cursor}"));
    assert_eq!(field_codes(&response), "cursor:invalid");
}

#[test]
fn offsets_reach_ten_thousand_and_beyond_the_end_there_is_nothing() {
    let server = Server::new();
    let mut connection = Connection::open(server.addr()).unwrap();
    for _ in 0..5 {
        let body = alert(json!({})).to_string();
        connection.try_send("POST", crate::server::WEBHOOK, &[], body.as_bytes()).unwrap();
    }
    for sort in SORTS {
        for (offset, expected) in [(0, 3), (2, 3), (3, 2), (4, 1), (5, 0), (10_000, 0)] {
            let page = page(&mut connection, &format!("sort={sort}&limit=3&offset={offset}"));
            let items = page["items"].as_array().unwrap().len();
            assert_eq!((items, &page["total"]), (expected, &json!(5)), "{sort} {offset}");
            let next = if offset + 3 < 5 { json!(offset + 3) } else { Value::Null };
            assert_eq!(
                (&page["next_offset"], &page["has_more"]),
                (&next, &json!(!next.is_null())),
                "{sort} {offset}"
            );
        }
    }
}
