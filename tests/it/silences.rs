//! For a while nobody is told, and then all of it at once.

use serde_json::{Value, json};

use crate::http::Response;
use crate::notify::{nothing_comes, wait_for};
use crate::receiver::{Behaviour, Receiver, Request};
use crate::server::{HEAD, HOUR, MINUTE, NOW, PROD, SECOND, SERVICES, Server};

pub const SILENCES: &str = "/api/v1/silences";

fn to(receiver: &Receiver) -> String {
    format!(
        "[[channels]]\nname = 'hook'\nkind = 'webhook'\nwith = {{ url = '{}' }}\n\
         [[routes]]\nchannels = ['hook']\ndigest = '0s'\n",
        receiver.url()
    )
}

/// What a message says: its type, its title and its text.
fn said(request: &Request) -> (String, String, String) {
    let body = request.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&body["type"]), text(&body["data"]["title"]), text(&body["data"]["text"]))
}

#[track_caller]
fn title(receiver: &Receiver) -> String {
    said(&receiver.next()).1
}

/// A silence of an hour with these members besides or instead.
#[track_caller]
pub fn silence(server: &Server, members: Value) -> Value {
    let mut body = json!({ "minutes": 60, "comment": "Moving the racks" });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let response = server.post_to(SILENCES, body);
    assert_eq!(response.status, 201, "{}", response.text);
    response.data()
}

#[track_caller]
pub fn end(server: &Server, id: i64) -> Response {
    server.post_to(&format!("{SILENCES}/{id}/end"), json!({}))
}

#[track_caller]
pub fn patch(server: &Server, id: i64, body: Value) -> Response {
    server.send("PATCH", &format!("{SILENCES}/{id}"), &[], body.to_string().as_bytes())
}

pub fn states(server: &Server, query: &str) -> Vec<(i64, String)> {
    let items = server.get(&format!("{SILENCES}?{query}")).data()["items"].clone();
    let one = |item: &Value| (item["id"].as_i64().unwrap(), item["state"].as_str().unwrap().to_owned());
    items.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn each_condition_silences_what_meets_it_and_nothing_else() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    let alerts = [
        (json!({ "services": ["web"] }), json!({ "service_id": "web" }), json!({ "service_id": "db" })),
        (
            json!({ "severities": ["SEV3", "sev4"] }),
            json!({ "severity": "SEV4" }),
            json!({ "severity": "SEV1" }),
        ),
        (
            json!({ "metadata": { "env": "dev", "port": 80 } }),
            json!({ "metadata": { "env": "dev", "port": 80, "x": 1 } }),
            json!({ "metadata": { "env": "dev" } }),
        ),
        (
            json!({ "text": "DÏSK fu" }),
            json!({ "title": "The disk is full" }),
            json!({ "title": "Disk is slow" }),
        ),
        (
            json!({ "services": ["SER-00001"], "severities": ["SEV2"] }),
            json!({ "severity": "SEV2" }),
            json!({ "severity": "SEV2", "service_id": "SER-00002" }),
        ),
    ];
    for (at, (condition, silenced, told)) in alerts.into_iter().enumerate() {
        let made = silence(&server, condition);
        let silenced = server.alert(silenced)["incident_number"].as_str().unwrap().to_owned();
        let told = server.alert(told)["incident_number"].as_str().unwrap().to_owned();
        let number = |request: Request| request.json()["data"]["incidents"][0]["incident_number"].clone();
        assert_eq!(number(receiver.next()), told, "condition {at}");
        nothing_comes(&server, &receiver);
        assert_eq!(server.show(&silenced)["silenced_until"], "2026-11-23T09:00:00.123Z", "condition {at}");
        assert_eq!(server.show(&told)["silenced_until"], Value::Null);
        end(&server, made["id"].as_i64().unwrap()).data();
        let follows = receiver.next();
        assert!(said(&follows).2.ends_with("\nThis follows a silence: Moving the racks"), "{follows:?}");
        assert_eq!(number(follows), silenced);
        assert_eq!(server.show(&silenced)["silenced_until"], Value::Null);
    }
    let of_prod = silence(&server, json!({ "integrations": ["prod"] }))["id"].as_i64().unwrap();
    server.alert(json!({ "title": "Of prod" }));
    server.post_to("/api/v1/incidents", json!({ "title": "By hand", "service_ids": ["web"] })).data();
    assert_eq!(title(&receiver), "[SEV2] By hand");
    end(&server, of_prod).data();
    assert_eq!(title(&receiver), "[SEV2] Of prod");
    silence(&server, json!({ "all": true }));
    server.alert(json!({ "title": "Anything" }));
    server.advance(HOUR - SECOND);
    nothing_comes(&server, &receiver);
    server.advance(SECOND);
    assert_eq!(title(&receiver), "[SEV2] Anything");
}

#[test]
fn from_then_on_until_then_and_one_summary_after_it() {
    let receiver = Receiver::new();
    let config = format!("{}unacknowledged_after = '15m'\n", to(&receiver));
    let server = Server::with(&config);
    server.alert(json!({ "title": "Before it was made", "dedup_key": "b" }));
    assert_eq!(title(&receiver), "[SEV2] Before it was made");
    let made = silence(
        &server,
        json!({ "services": ["web"], "starts_at": "2026-11-23T08:10:00.123Z", "minutes": 50, "comment": "Racks" }),
    );
    assert_eq!(
        (&made["state"], &made["ends_at"], &made["author"], &made["created_at"]),
        (&json!("pending"), &json!("2026-11-23T09:00:00.123Z"), &json!("local"), &json!(NOW))
    );
    server.alert(json!({ "title": "Before it began" }));
    assert_eq!(title(&receiver), "[SEV2] Before it began");
    server.acknowledge("INC-2026-002");
    server.advance(10 * MINUTE);
    assert_eq!(states(&server, "state=active"), [(1, "active".to_owned())]);
    // Its reminder would come in the middle.
    assert_eq!(server.show("INC-2026-001")["silenced_until"], "2026-11-23T09:00:00.123Z");
    for (name, key) in [("Silenced", "s"), ("Over by then", "o"), ("Taken", "t")] {
        server.alert(json!({ "title": name, "dedup_key": key, "severity": "SEV1" }));
    }
    server.alert(json!({ "dedup_key": "o", "status": "resolved" }));
    server.acknowledge("INC-2026-005");
    server.advance(50 * MINUTE - SECOND);
    server.alert(json!({ "title": "Of another service", "service_id": "db" }));
    assert_eq!(title(&receiver), "[SEV2] Of another service", "and no reminder before it");
    nothing_comes(&server, &receiver);
    // The clock has leapt over its time: it is held only once it was looked at.
    crate::notify::wait_for(&server, "incident = 20260000000001 AND reason = 4 AND held = 3");
    server.advance(SECOND);
    let (kind, title, text) = said(&receiver.next());
    assert_eq!(
        (kind.as_str(), title.as_str()),
        ("incidents.summary", "4 incidents: 2 SEV1, 1 SEV2, 1 resolved"),
        "the reminder of the first is in it"
    );
    assert!(text.starts_with("INC-2026-003 SEV1 Silenced\n"), "{text}");
    assert!(text.ends_with("\nThis follows a silence: Racks"), "{text}");
    assert_eq!(states(&server, "state=over"), [(1, "over".to_owned())]);
    server.alert(json!({ "title": "After it", "dedup_key": "after" }));
    assert_eq!(said(&receiver.next()).1, "[SEV2] After it");
    nothing_comes(&server, &receiver);
}

#[test]
fn what_is_silenced_is_recorded_and_shown_without_any_route_too() {
    let server = Server::new();
    let made = silence(&server, json!({ "services": ["web"], "metadata": { "env": "dev" } }));
    for (field, value) in [
        ("services", json!(["SER-00001"])),
        ("metadata", json!({ "env": "dev" })),
        ("severities", json!([])),
        ("text", Value::Null),
        ("all", json!(false)),
        ("starts_at", json!(NOW)),
        ("ended_at", Value::Null),
        ("incidents", json!(0)),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let answer = server.alert(json!({ "dedup_key": "k", "metadata": { "env": "dev" } }));
    assert_eq!(answer["outcome"], "created");
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    server.alert(json!({ "title": "Another", "metadata": { "env": "prod" } }));
    let shown = server.get(&format!("{SILENCES}/1")).data();
    assert_eq!((&shown["incidents"], &shown["incident_numbers"]), (&json!(1), &json!(["INC-2026-001"])));
    let list = server.get("/api/v1/incidents").data()["items"].clone();
    assert_eq!((&list[0]["silenced_until"], &list[1]["silenced_until"]), (&Value::Null, &made["ends_at"]));
    let exported = server.get("/api/v1/export?format=ndjson").text;
    assert_eq!(exported.matches("\"silenced_until\":\"2026-11-23T09:00:00.123Z\"").count(), 1, "{exported}");
    let page = |path: &str| server.send("GET", path, &[("Accept", "text/html")], b"").text;
    let by = "silenced until 2026-11-23 09:00 UTC by <bdi>local</bdi>: <bdi>Moving the racks</bdi>";
    assert!(page("/incidents/INC-2026-001").contains(by));
    assert!(!page("/incidents/INC-2026-002").contains("silenced until"));
    assert_eq!(page("/?status=all").matches("silenced until 2026-11-23 09:00 UTC").count(), 1);
    server.advance(HOUR);
    let after = page("/incidents/INC-2026-001");
    assert!(!after.contains(by) && after.contains("<dt>Silenced</dt>"), "{after}");
    assert_eq!(server.show("INC-2026-001")["silenced_until"], Value::Null);
    assert_eq!(server.get(&format!("{SILENCES}/1")).data()["incidents"], 1);
}

#[test]
fn a_held_notification_says_so() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    silence(&server, json!({ "all": true }));
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k", "severity": "SEV0" }));
    let list = server.get("/api/v1/notifications").data();
    let one = &list["items"][0];
    assert_eq!(
        (&list["total"], &one["held"], &one["due_at"], &one["reason"]),
        (&json!(1), &json!("silence"), &json!("2026-11-23T09:00:00.123Z"), &json!("raised")),
        "one for an incident"
    );
    let page = server.send("GET", "/incidents/INC-2026-001", &[("Accept", "text/html")], b"").text;
    assert!(page.contains("held by a silence"), "{page}");
}

#[test]
fn one_that_is_ended_early_tells_at_once_and_is_ended_once() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    silence(&server, json!({ "services": ["web"] }));
    for index in 0..3 {
        server.alert(json!({ "title": format!("Node {index}") }));
    }
    server.advance(10 * MINUTE);
    nothing_comes(&server, &receiver);
    let ended = end(&server, 1).data();
    assert_eq!(
        (&ended["state"], &ended["ended_at"], &ended["ended_by"]),
        (&json!("over"), &json!("2026-11-23T08:10:00.123Z"), &json!("local"))
    );
    let body = receiver.next().json();
    assert_eq!((&body["data"]["count"], &body["data"]["late"]), (&json!(3), &Value::Null));
    for refused in [end(&server, 1), patch(&server, 1, json!({ "comment": "x" }))] {
        assert_eq!((refused.status, refused.code().as_str()), (409, "invalid_transition"));
    }
    for missing in
        [end(&server, 2), patch(&server, 2, json!({ "comment": "x" })), server.get("/api/v1/silences/x")]
    {
        assert_eq!(missing.code(), "not_found");
    }
    server.alert(json!({ "title": "After it" }));
    assert_eq!(title(&receiver), "[SEV2] After it");
    silence(&server, json!({ "all": true, "starts_at": "2026-11-23T12:00:00Z" }));
    assert_eq!(end(&server, 2).data()["state"], "over", "before it began");
    server.advance(4 * HOUR);
    server.alert(json!({ "title": "In its time" }));
    assert_eq!(title(&receiver), "[SEV2] In its time");
}

#[test]
fn what_is_held_moves_with_the_end() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    silence(&server, json!({ "services": ["web"] }));
    server.alert(json!({ "title": "Held" }));
    let changed =
        patch(&server, 1, json!({ "ends_at": "2026-11-23T11:00:00.123Z", "comment": "It takes longer" }));
    assert_eq!(changed.data()["comment"], "It takes longer");
    server.advance(3 * HOUR - SECOND);
    nothing_comes(&server, &receiver);
    assert_eq!(server.show("INC-2026-001")["silenced_until"], "2026-11-23T11:00:00.123Z");
    server.alert(json!({ "title": "Held too" }));
    patch(&server, 1, json!({ "ends_at": "2026-11-23T12:00:00.123Z" })).data();
    patch(&server, 1, json!({ "ends_at": "2026-11-23T11:30:00.123Z" })).data();
    server.advance(30 * MINUTE);
    nothing_comes(&server, &receiver);
    server.advance(SECOND);
    let (_, title, text) = said(&receiver.next());
    assert_eq!(title, "2 incidents: 2 SEV2");
    assert!(text.ends_with("This follows a silence: It takes longer"), "{text}");
}

#[test]
fn where_several_overlap_the_last_one_holds() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver));
    silence(&server, json!({ "services": ["web"], "minutes": 10, "comment": "Short" }));
    silence(&server, json!({ "text": "disk", "minutes": 20, "comment": "Long" }));
    server.alert(json!({ "title": "Disk is full" }));
    server.alert(json!({ "title": "Memory is full" }));
    assert_eq!(server.show("INC-2026-001")["silenced_until"], "2026-11-23T08:20:00.123Z");
    end(&server, 1).data();
    assert_eq!(title(&receiver), "[SEV2] Memory is full", "the other one holds the disk");
    server.advance(5 * MINUTE);
    // Made later, and only seen when the first is over.
    silence(&server, json!({ "services": ["web"], "minutes": 30, "comment": "Longer" }));
    server.advance(15 * MINUTE);
    server.alert(json!({ "title": "Of another", "service_id": "db" }));
    assert_eq!(title(&receiver), "[SEV2] Of another");
    nothing_comes(&server, &receiver);
    wait_for(&server, "silence = 3");
    let held = server.get("/api/v1/notifications?incident=INC-2026-001").data()["items"][0].clone();
    assert_eq!((&held["held"], &held["due_at"]), (&json!("silence"), &json!("2026-11-23T08:35:00.123Z")));
    server.advance(15 * MINUTE);
    assert_eq!(title(&receiver), "[SEV2] Disk is full");
    assert_eq!(server.get("/api/v1/silences/3").data()["incident_numbers"], json!(["INC-2026-001"]));
}

#[test]
fn what_was_owed_before_is_held_too_and_breaks_of_a_condition_are_told() {
    let receiver = Receiver::new();
    let server = Server::with(&to(&receiver).replace("digest = '0s'", "digest = '5m'"));
    server.alert(json!({ "title": "The first" }));
    assert_eq!(title(&receiver), "[SEV2] The first");
    server.alert(json!({ "title": "Waits", "dedup_key": "w", "severity": "SEV3" }));
    silence(&server, json!({ "severities": ["SEV3"] }));
    server.advance(5 * MINUTE);
    server.alert(json!({ "title": "The second" }));
    assert_eq!(title(&receiver), "[SEV2] The second");
    nothing_comes(&server, &receiver);
    server.advance(10 * MINUTE);
    server.alert(json!({ "title": "Waits", "dedup_key": "w", "severity": "SEV0" }));
    assert_eq!(title(&receiver), "[SEV0, raised] Waits", "the silence is not about that");
    server.advance(HOUR);
    server.alert(json!({ "title": "The last" }));
    assert_eq!(title(&receiver), "[SEV2] The last", "and it is told once");
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let receiver = Receiver::new();
    let full = format!("{HEAD}{SERVICES}{PROD}{}", to(&receiver));
    let mut server = Server::start(&full);
    silence(&server, json!({ "services": ["web"] }));
    server.alert(json!({ "title": "Before" }));
    server.restart(&full);
    server.alert(json!({ "title": "Behind" }));
    assert_eq!(server.show("INC-2026-002")["silenced_until"], "2026-11-23T09:00:00.123Z");
    server.reload(&full);
    server.alert(json!({ "title": "Last" }));
    server.advance(30 * MINUTE);
    nothing_comes(&server, &receiver);
    server.stop();
    server.advance(HOUR);
    server.restart(&full);
    assert_eq!(title(&receiver), "3 incidents: 3 SEV2");
    nothing_comes(&server, &receiver);
}

#[test]
fn a_silence_over_much_leaves_room_and_counts_what_there_is_none_for() {
    let receiver = Receiver::new();
    let server = Server::with(&format!("{}[notify]\nowed = 6\n", to(&receiver)));
    silence(&server, json!({ "services": ["web"] }));
    for index in 0..20 {
        server.alert(json!({ "title": format!("Node {index}"), "dedup_key": format!("{index}") }));
    }
    server.alert(json!({ "title": "By name", "service_id": "db" }));
    assert_eq!(title(&receiver), "[SEV2] By name");
    server.advance(30 * MINUTE);
    server.alert(json!({ "title": "By name too", "service_id": "db" }));
    assert_eq!(title(&receiver), "[SEV2] By name too", "and nothing is told meanwhile");
    server.advance(30 * MINUTE);
    let body = receiver.next().json();
    assert_eq!(body["data"]["count"], 20, "{body}");
    assert_eq!(server.get(&format!("{SILENCES}/1")).data()["incidents"], 20);
}

#[test]
fn quiet_hours_hold_what_a_silence_lets_go_in_them() {
    let receiver = Receiver::new();
    let config = format!("{}quiet_hours = '08:30-10:00'\nbreaks_through = ['SEV0']\n", to(&receiver));
    let server = Server::with(&config);
    silence(&server, json!({ "all": true }));
    server.alert(json!({ "title": "Small" }));
    server.alert(json!({ "title": "Large", "severity": "SEV0" }));
    server.advance(HOUR);
    assert_eq!(title(&receiver), "[SEV0] Large");
    nothing_comes(&server, &receiver);
    server.advance(HOUR - 1);
    let (_, title, text) = said(&receiver.next());
    assert_eq!(title, "[SEV2] Small");
    assert!(text.contains("This follows a silence: Moving the racks"), "{text}");
}

#[test]
fn a_receiver_that_fails_after_a_silence_is_tried_again_with_the_same_message() {
    let receiver = Receiver::with([Behaviour::Answer(500, "", "")]);
    let server = Server::with(&to(&receiver));
    silence(&server, json!({ "all": true }));
    server.alert(json!({ "title": "One" }));
    server.alert(json!({ "title": "Two" }));
    end(&server, 1).data();
    let first = receiver.next();
    wait_for(&server, "attempts = 1");
    server.advance(MINUTE);
    let again = receiver.next();
    assert_eq!(first.header("webhook-id"), again.header("webhook-id"));
    assert_eq!(said(&first).1, said(&again).1);
}
