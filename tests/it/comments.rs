//! `…/events`: what people say, and the whole timeline by pages.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{MINUTE, NOW, Server, field_codes};

const FIRST: &str = "INC-2026-001";
const EVENTS: &str = "/api/v1/incidents/INC-2026-001/events";

#[track_caller]
fn comment(server: &Server, comment: impl Into<Value>) -> Response {
    server.post_to(EVENTS, json!({ "comment": comment.into() }))
}

#[test]
fn a_comment_is_answered_with_its_entry_and_changes_nothing_else() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let before = server.show(FIRST);
    server.advance(MINUTE);
    let response = comment(&server, "  Looking at it,\n \"now\" \\ 👍 ");
    assert_eq!(response.status, 201);
    let mut entry = response.data();
    let mut after = server.show(FIRST);
    assert_eq!(after["timeline"][0], entry, "the answer is the entry as it reads back");
    assert!(entry.as_object_mut().unwrap().remove("id").unwrap().is_i64());
    let later = "2026-11-23T08:01:00.123Z";
    let expected = json!({
        "at": later, "kind": "comment", "actor": "local", "message": "Looking at it,\n \"now\" \\ 👍", "changes": [],
        "count": 1, "last_at": later,
    });
    assert_eq!(entry, expected);
    assert_eq!((after["timeline_total"].take(), after["updated_at"].take()), (json!(2), json!(later)));
    for (field, value) in after.as_object().unwrap() {
        if !["timeline", "timeline_total", "updated_at"].contains(&field.as_str()) {
            assert_eq!(*value, before[field], "{field}");
        }
    }
    assert_eq!((&after["last_seen_at"], &after["occurrences"]), (&json!(NOW), &json!(1)));
}

#[test]
fn a_comment_has_1_to_10000_characters() {
    let server = Server::new();
    server.alert(json!({}));
    for length in [1, 9999, 10_000] {
        let text = "é".repeat(length);
        assert_eq!(comment(&server, format!(" {text}\n")).data()["message"], text);
    }
    for (value, code) in [
        (json!("é".repeat(10_001)), "too_long"),
        (json!(""), "empty"),
        (json!(" \n"), "empty"),
        (json!(null), "required"),
        (json!(5), "wrong_type"),
    ] {
        assert_eq!(field_codes(&comment(&server, value)), format!("comment:{code}"));
    }
    assert_eq!(field_codes(&server.post_to(EVENTS, "{}")), "comment:required");
    assert_eq!(server.post_to(EVENTS, "").code(), "invalid_json");
    assert_eq!(server.show(FIRST)["timeline_total"], 4);
    for number in ["INC-2026-002", "INC-1"] {
        let path = format!("/api/v1/incidents/{number}/events");
        assert_eq!(server.post_to(&path, json!({ "comment": "c" })).status, 404);
        assert_eq!(server.get(&path).status, 404);
    }
}

#[test]
fn an_incident_in_any_status_takes_comments() {
    let server = Server::new();
    server.alert(json!({}));
    for status in ["investigating", "fixing", "monitoring", "resolved", "closed"] {
        server.set_status(FIRST, status);
        assert_eq!(comment(&server, status).status, 201);
        let shown = server.show(FIRST);
        assert_eq!((&shown["status"], &shown["timeline"][0]["message"]), (&json!(status), &json!(status)));
    }
}

#[test]
fn a_comment_ends_a_run_of_repeats() {
    let server = Server::new();
    for commented in [false, false, true, false] {
        server.alert(json!({ "dedup_key": "k" }));
        if commented {
            comment(&server, "again?").data();
        }
    }
    let shown = server.show(FIRST);
    let kinds: Vec<_> = shown["timeline"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["repeated", "comment", "repeated", "created"]);
}

#[test]
fn the_whole_timeline_is_read_by_pages() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    for n in 0..130 {
        comment(&server, format!("{n}")).data();
    }
    // The newest entry is a run that its own row does not know yet.
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k" }));
    let page = |query: &str| server.get(&format!("{EVENTS}?{query}")).data();
    let all: Vec<Value> = ["limit=100", "limit=100&offset=100"]
        .iter()
        .flat_map(|query| page(query)["items"].as_array().unwrap().clone())
        .collect();
    assert_eq!(all.len(), 132);
    assert_eq!(server.show(FIRST)["timeline"].as_array().unwrap()[..], all[..100]);
    assert_eq!((&all[0]["kind"], &all[0]["count"]), (&json!("repeated"), &json!(2)));
    assert_eq!((&all[1]["message"], &all[130]["message"]), (&json!("129"), &json!("0")));
    assert_eq!(all[131]["kind"], "created");
    assert!(all.is_sorted_by(|newer, older| newer["id"].as_i64() > older["id"].as_i64()));
    for (query, from, to) in [
        ("", 0, 20),
        ("?", 0, 20),
        ("limit=1", 0, 1),
        ("limit=7&offset=5", 5, 12),
        ("limit=100&offset=32", 32, 132),
        ("limit=100&offset=33", 33, 132),
        ("offset=131&colour=red", 131, 132),
        ("offset=132", 132, 132),
        ("offset=10000", 132, 132),
    ] {
        let page = page(query);
        assert_eq!(page["items"].as_array().unwrap()[..], all[from..to], "{query}");
        let more = to < 132;
        let next = if more { json!(to) } else { Value::Null };
        let told = json!([page["total"], page["has_more"], page["next_offset"]]);
        assert_eq!(told, json!([132, more, next]), "{query}");
    }
    for (query, expected) in [
        ("limit=0", "limit:out_of_range"),
        ("limit=101", "limit:out_of_range"),
        ("offset=-1&limit=x", "offset:out_of_range limit:out_of_range"),
        ("offset=10001", "offset:out_of_range"),
    ] {
        assert_eq!(field_codes(&server.get(&format!("{EVENTS}?{query}"))), expected);
    }
}

#[test]
fn a_full_timeline_stays_within_its_bound_whoever_adds_to_it() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let mut connection = crate::http::Connection::open(server.addr()).unwrap();
    for n in 0..1010 {
        let body = json!({ "comment": format!("{n}") }).to_string();
        assert_eq!(connection.try_send("POST", EVENTS, &[], body.as_bytes()).unwrap().status, 201);
    }
    let shown = server.show(FIRST);
    let total = shown["timeline_total"].as_u64().unwrap();
    assert!((900..=1000).contains(&total), "{total}");
    assert_eq!(shown["timeline"][0]["message"], "1009");
    let last = server.get(&format!("{EVENTS}?offset={}", total - 1)).data();
    assert_eq!((&last["items"][0]["kind"], &last["has_more"]), (&json!("created"), &json!(false)));
}
