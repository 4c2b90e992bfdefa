//! What people make and change: `POST /incidents`, `PATCH`, comments, services.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK, alert, codes, field_codes};

#[track_caller]
fn patch(server: &Server, number: &str, body: Value) -> Response {
    server.send("PATCH", &format!("/api/v1/incidents/{number}"), &[], body.to_string().as_bytes())
}

#[track_caller]
fn create(server: &Server, body: Value) -> Response {
    server.post_to("/api/v1/incidents", body)
}

fn text(length: usize) -> String {
    "é".repeat(length)
}

#[test]
fn each_field_is_edited_within_its_limits() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let number = "INC-2026-001";
    for (field, value, stored) in [
        ("title", json!(text(200)), json!(text(200))),
        ("title", json!("  x "), json!("x")),
        ("description", json!(text(10_000)), json!(text(10_000))),
        ("description", Value::Null, Value::Null),
        ("severity", json!("sev0"), json!("SEV0")),
        ("assigned_to", json!(text(254)), json!(text(254))),
        ("assigned_to", Value::Null, Value::Null),
    ] {
        let data = patch(&server, number, json!({ field: value })).data();
        assert_eq!(data[field], stored, "{field}");
        assert_eq!(server.show(number)[field], stored);
    }
    for (body, wrong) in [
        (json!({}), "body:required"),
        (json!({ "titel": "x" }), "body:required"),
        (json!({ "title": null }), "title:required"),
        (json!({ "title": "x", "severity": null }), "severity:required"),
        (json!({ "severity": "" }), "severity:required"),
        (json!({ "title": " ", "severity": "high" }), "title:empty severity:not_in_list"),
        (json!({ "title": text(201), "description": text(10_001) }), "title:too_long description:too_long"),
        (json!({ "assigned_to": "", "description": 1 }), "description:wrong_type assigned_to:empty"),
        (json!({ "assigned_to": text(255) }), "assigned_to:too_long"),
    ] {
        assert_eq!(field_codes(&patch(&server, number, body)), wrong);
    }
    server.set_status(number, "closed");
    let refused = patch(&server, number, json!({ "title": "y" }));
    assert_eq!((refused.status, refused.code().as_str()), (409, "invalid_transition"));
    assert_eq!(patch(&server, "INC-2026-002", json!({ "title": "y" })).status, 404);
}

#[test]
fn an_edit_is_one_entry_and_no_change_is_none() {
    let server = Server::new();
    server.alert(json!({ "title": "a" }));
    let number = "INC-2026-001";
    patch(&server, number, json!({ "title": "b", "assigned_to": "ann" })).data();
    patch(&server, number, json!({ "assigned_to": "bob" })).data();
    patch(&server, number, json!({ "title": "b" })).data();
    let timeline = server.show(number)["timeline"].clone();
    let told: Vec<_> = timeline
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].clone(), one["changes"].clone()))
        .collect();
    let change = |field: &str, from: Value, to: Value| json!({ "field": field, "from": from, "to": to });
    assert_eq!(
        told,
        [
            (json!("assigned"), json!([change("assigned_to", json!("ann"), json!("bob"))])),
            (
                json!("updated"),
                json!([
                    change("title", json!("a"), json!("b")),
                    change("assigned_to", Value::Null, json!("ann"))
                ])
            ),
            (json!("created"), json!([])),
        ]
    );
}

#[test]
fn what_a_person_set_stays_until_the_incident_is_re_opened() {
    for by_api in [false, true] {
        let server = Server::new();
        let number = "INC-2026-001";
        let post = |members: Value| {
            let mut all = json!({ "dedup_key": "k", "title": "t", "description": "d", "severity": "SEV3" });
            all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            server.alert(all)
        };
        post(json!({}));
        patch(&server, number, json!({ "title": "mine", "severity": "SEV0" })).data();
        let data = post(json!({ "description": "other" }));
        assert_eq!(
            (codes(&data["warnings"]).as_str(), &data["outcome"]),
            ("title:kept severity:kept", &json!("updated"))
        );
        let now = server.show(number);
        assert_eq!([&now["title"], &now["severity"], &now["description"]], ["mine", "SEV0", "other"]);
        // To say the same is no reason to warn.
        let same = post(json!({ "title": "mine", "severity": "SEV0", "description": "other" }));
        assert_eq!((codes(&same["warnings"]).as_str(), &same["outcome"]), ("", &json!("repeated")));
        server.set_status(number, "resolved");
        if by_api {
            server.set_status(number, "investigating");
        }
        assert_eq!(codes(&post(json!({}))["warnings"]), "");
        let now = server.show(number);
        assert_eq!([&now["title"], &now["severity"]], ["t", "SEV3"], "by_api: {by_api}");
    }
}

#[test]
fn comments_go_to_the_timeline_of_closed_incidents_too() {
    let server = Server::new();
    server.alert(json!({}));
    server.set_status("INC-2026-001", "closed");
    let comment =
        |text: Value| server.post_to("/api/v1/incidents/INC-2026-001/events", json!({ "comment": text }));
    let answer = comment(json!(text(10_000)));
    assert_eq!(answer.status, 201);
    let entry = answer.data();
    assert_eq!([&entry["kind"], &entry["actor"]], ["comment", "local"]);
    assert_eq!(server.show("INC-2026-001")["timeline"][0], entry);
    for (value, wrong) in [
        (json!(text(10_001)), "comment:too_long"),
        (json!(" "), "comment:empty"),
        (Value::Null, "comment:required"),
        (json!(1), "comment:wrong_type"),
    ] {
        assert_eq!(field_codes(&comment(value)), wrong);
    }
    assert_eq!(
        server.post_to("/api/v1/incidents/INC-2026-002/events", json!({ "comment": "x" })).status,
        404
    );
}

#[test]
fn a_whole_timeline_is_read_by_pages() {
    let server = Server::new();
    server.alert(json!({}));
    for n in 0..120 {
        server.post_to("/api/v1/incidents/INC-2026-001/events", json!({ "comment": n.to_string() })).data();
    }
    let (mut messages, mut offset) = (Vec::new(), json!(0));
    while let Some(next) = offset.as_u64() {
        let path = format!("/api/v1/incidents/INC-2026-001/events?limit=50&offset={next}");
        let page = server.get(&path).data();
        assert_eq!(page["total"], 121);
        messages.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["message"].clone()));
        offset = page["next_offset"].clone();
    }
    let expected = (0..120).rev().map(|n| json!(n.to_string())).chain([Value::Null]);
    assert_eq!(messages, expected.collect::<Vec<_>>());
    let shown = server.show("INC-2026-001");
    assert_eq!((shown["timeline"].as_array().unwrap().len(), &shown["timeline_total"]), (100, &json!(121)));
}

#[test]
fn an_incident_made_by_hand_may_be_about_several_services() {
    let severities = "[[services]]\nid = 'SER-00003'\nname = 'Mail'\ndefault_severity = 'SEV1'\n";
    let server = Server::start(&format!("{HEAD}{SERVICES}{severities}{PROD}"));
    let answer = create(&server, json!({ "title": "t", "service_ids": ["db", "SER-00003", "SER-00002"] }));
    assert_eq!(answer.status, 201);
    let data = answer.data();
    assert_eq!(data["service_ids"], json!(["SER-00002", "SER-00003"]));
    assert_eq!([&data["severity"], &data["status"]], ["SEV1", "new"]);
    assert_eq!([&data["integration"], &data["dedup_key"]], [&Value::Null, &Value::Null]);
    for query in ["service_id=db", "service_id=SER-00003", "service_id=db&service_id=SER-00003"] {
        assert_eq!(server.list(query), [1], "{query}");
    }
    assert_eq!(server.list("service_id=web"), Vec::<u32>::new());
    assert_eq!(create(&server, json!({ "title": "t", "service_ids": ["web"] })).data()["severity"], "SEV2");
    for (body, wrong) in [
        (json!({}), "title:required service_ids:required"),
        (json!({ "title": "t", "service_ids": [] }), "service_ids:empty"),
        (json!({ "title": "t", "service_ids": vec!["web"; 51] }), "service_ids:too_many"),
        (json!({ "title": "t", "service_ids": "web" }), "service_ids:wrong_type"),
        (
            json!({ "title": text(201), "service_ids": ["web", "nope", "old", 1], "description": text(10_001) }),
            "title:too_long service_ids.1:unknown_service service_ids.2:inactive_service service_ids.3:wrong_type \
             description:too_long",
        ),
    ] {
        assert_eq!(field_codes(&create(&server, body)), wrong);
    }
}

#[test]
fn an_idempotency_key_makes_one_incident_of_two_requests() {
    let server = Server::new();
    let body = json!({ "title": "t", "service_ids": ["web"] }).to_string();
    let send = |key: &str, body: &str| {
        server.send("POST", "/api/v1/incidents", &[("Idempotency-Key", key)], body.as_bytes())
    };
    let first = send("K", &body);
    server.set_status("INC-2026-001", "fixing");
    let again = send("K", &body);
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    // The first result, not what has become of it.
    assert_eq!(again.data(), first.data());
    assert_eq!(send("K", &body.replace("\"t\"", "\"u\"")).code(), "idempotency_conflict");
    // A webhook's keys are others.
    let post =
        server.send("POST", WEBHOOK, &[("Idempotency-Key", "K")], alert(json!({})).to_string().as_bytes());
    assert_eq!(post.status, 201);
    assert_eq!(server.list(""), [2, 1]);
}

#[test]
fn services_are_those_of_the_configuration() {
    let server = Server::new();
    let keys = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/api/v1/services?{query}")).data();
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["service_key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(""), ["SER-00001", "SER-00002", "SER-00009"]);
    assert_eq!(keys("limit=1&offset=1"), ["SER-00002"]);
    assert_eq!(keys("search=data"), ["SER-00002"]);
    assert_eq!(keys("search=nothing"), Vec::<String>::new());
    let service = server.get("/api/v1/services/old").data();
    let expected = json!({
        "service_key": "SER-00009", "name": "Museum", "description": "", "is_active": false,
        "default_severity": null,
    });
    assert_eq!(service, expected);
    assert_eq!(server.get("/api/v1/services/nope").code(), "not_found");
}

#[test]
fn each_request_needs_its_scope() {
    let token = |name: &str, scope: &str| {
        format!("[[tokens]]\nname = '{name}'\ntoken = 'HUSH-{name}-0123456789'\nscopes = ['{scope}']\n")
    };
    let tokens = [
        token("reader", "incidents:read"),
        token("writer", "incidents:write"),
        token("clerk", "services:read"),
    ];
    let server = Server::start(&format!("{HEAD}{SERVICES}{PROD}{}", tokens.concat()));
    server.alert(json!({}));
    for (method, path, allowed) in [
        ("POST", "/api/v1/incidents", "writer"),
        ("PATCH", "/api/v1/incidents/INC-2026-001", "writer"),
        ("POST", "/api/v1/incidents/INC-2026-001/events", "writer"),
        ("GET", "/api/v1/incidents/INC-2026-001/events", "reader"),
        ("GET", "/api/v1/services", "clerk"),
        ("GET", "/api/v1/services/web", "clerk"),
    ] {
        assert_eq!(server.send(method, path, &[], b"{}").code(), "unauthenticated", "{method} {path}");
        for name in ["reader", "writer", "clerk"] {
            let bearer = format!("Bearer HUSH-{name}-0123456789");
            let answer = server.send(method, path, &[("Authorization", &bearer)], b"{}");
            assert_eq!(answer.status == 403, name != allowed, "{method} {path} {name}: {}", answer.text);
        }
    }
}
