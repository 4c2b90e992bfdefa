//! What was sent once, sent again.

use serde_json::{Value, json};

use crate::deliveries::{list, replay, show, statuses};
use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK, alert, codes, field_codes};

const MAIL: &str = "[[services]]\nid = 'SER-00003'\nname = 'Mail'\n";

#[test]
fn a_body_refused_for_an_unknown_service_outlives_a_restart_and_goes_in_once_the_service_is_there() {
    let mut server = Server::new();
    let body = alert(json!({ "service_id": "SER-00003", "dedup_key": "k", "severity": "SEV1" }));
    assert_eq!(field_codes(&server.post(&body)), "service_id:unknown_service");
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    let refused = list(&server, "refused=1").remove(0);
    assert_eq!(show(&server, &refused["id"])["body"], body.to_string());
    assert_eq!(field_codes(&replay(&server, &refused["id"], "")), "service_id:unknown_service");

    server.reload(&format!("{HEAD}{SERVICES}{MAIL}{PROD}"));
    let dry = replay(&server, &refused["id"], "?dry_run=1");
    assert_eq!(
        (dry.status, &dry.data()["dry_run"], &dry.data()["outcome"]),
        (200, &json!(true), &json!("created"))
    );
    assert_eq!(server.list(""), [0; 0]);
    let again = replay(&server, &refused["id"], "");
    let data = again.data();
    assert_eq!((again.status, &data["outcome"], &data["severity"]), (201, &json!("created"), &json!("SEV1")));
    assert_eq!(server.show("INC-2026-001")["integration"], "prod");
    // Once more, it is the same incident: the request is what it was.
    assert_eq!(replay(&server, &refused["id"], "").data()["outcome"], "repeated");
    assert_eq!(server.show("INC-2026-001")["occurrences"], 2);

    let items = list(&server, "");
    let told: Vec<_> = items.iter().map(|one| (&one["status"], &one["replays"])).collect();
    let (none, first) = (Value::Null, refused["id"].clone());
    let expected =
        [(&json!(200), &first), (&json!(201), &first), (&json!(400), &first), (&json!(400), &none)];
    assert_eq!(told, expected, "a dry run leaves no trace");
    assert_eq!(
        (&items[1]["incident_numbers"], &items[1]["outcomes"]),
        (&json!(["INC-2026-001"]), &json!({ "created": 1 }))
    );
    assert_eq!(items[1]["request_id"], again.json()["meta"]["request_id"]);
    // What was sent again can be sent again, too.
    assert_eq!(replay(&server, &items[1]["id"], "").data()["outcome"], "repeated");
    assert_eq!(list(&server, "")[0]["replays"], items[1]["id"]);
}

#[test]
fn a_key_that_made_a_retry_safe_makes_sending_again_safe() {
    let server = Server::new();
    let send = || {
        server.send("POST", WEBHOOK, &[("Idempotency-Key", "once")], alert(json!({})).to_string().as_bytes())
    };
    assert_eq!(send().status, 201);
    let again = replay(&server, &list(&server, "")[0]["id"], "");
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(server.list(""), [1]);
}

#[test]
fn what_stands_in_headers_in_other_letters_is_sent_again_as_it_was() {
    let server = Server::new();
    let send = || {
        let key = [("Idempotency-Key", "schlüssel")];
        server.send("POST", WEBHOOK, &key, alert(json!({})).to_string().as_bytes())
    };
    assert_eq!(send().status, 201);
    let again = replay(&server, &list(&server, "")[0]["id"], "");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(server.list(""), [1]);
}

#[test]
fn what_is_no_text_is_not_sent_again_and_what_lost_a_secret_does_not_stand_in_its_senders_way() {
    let server = Server::new();
    let latin = b"{\"title\":\"St\xf6rung\",\"service_id\":\"SER-00001\"}";
    assert_eq!(server.send("POST", WEBHOOK, &[], latin).code(), "invalid_json");
    let refused = replay(&server, &list(&server, "")[0]["id"], "");
    assert_eq!((refused.status, refused.code().as_str()), (409, "cannot_replay"));

    let body = alert(json!({ "service_id": "SER-00003", "metadata": { "token": "x" } })).to_string();
    let send = || server.send("POST", WEBHOOK, &[("Idempotency-Key", "k")], body.as_bytes());
    assert_eq!(send().status, 400);
    let id = list(&server, "")[0]["id"].clone();
    server.reload(&format!("{HEAD}{SERVICES}{MAIL}{PROD}"));
    assert_eq!(list(&server, "")[0]["redacted"], true);
    assert_eq!(replay(&server, &id, "").status, 201);
    assert_eq!(server.show("INC-2026-001")["metadata"]["token"], "[redacted]");
    assert_eq!(send().status, 201, "another body than the one that was sent again, and no conflict");
}

#[test]
fn what_did_not_prove_who_sent_it_is_not_sent_again() {
    let server = Server::with("bearer_tokens = ['HUSH-bearer-0000001']");
    assert_eq!(server.post(alert(json!({}))).code(), "unauthenticated");
    let config = format!("{HEAD}{SERVICES}{PROD}");
    server.reload(&format!("{config}signing_secrets = ['HUSH-signing-secret-1']"));
    assert_eq!(server.post(alert(json!({}))).code(), "missing_signature");
    let signed = [("X-Firebell-Timestamp", "1795420800"), ("X-Firebell-Signature", "sha256=00")];
    let response = server.send("POST", WEBHOOK, &signed, alert(json!({})).to_string().as_bytes());
    assert_eq!(response.code(), "invalid_signature");
    // Not even when nothing need be proven any more.
    server.reload(&config);
    let items = list(&server, "");
    assert_eq!(items.len(), 3);
    for item in &items {
        let refused = replay(&server, &item["id"], "");
        assert_eq!((refused.status, refused.code().as_str()), (409, "cannot_replay"), "{item}");
        let code = item["error"]["code"].as_str().unwrap();
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(code), "{}", refused.text);
    }
    assert_eq!((server.list(""), list(&server, "").len()), (vec![], 3));

    // What was signed once need not be signed again.
    server.alert(json!({ "dedup_key": "k" }));
    server.reload(&format!("{config}signing_secrets = ['HUSH-signing-secret-1']"));
    assert_eq!(replay(&server, &list(&server, "")[0]["id"], "").data()["outcome"], "repeated");
}

#[test]
fn what_is_not_there_is_not_found_and_the_answer_says_what_to_do() {
    let server = Server::with(
        "[[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-0001']",
    );
    server.alert(json!({}));
    list(&server, "");
    for (path, told) in [
        ("prodd/deliveries", "did you mean prod?"),
        ("prodd/deliveries/1", "did you mean prod?"),
        ("nothing/deliveries", "`GET /api/v1/integrations` lists them"),
        ("prod/deliveries/2", "`GET /api/v1/integrations/prod/deliveries` lists them"),
        ("prod/deliveries/x", "prod has no delivery \"x\""),
        ("other/deliveries/1", "other has no delivery \"1\""),
    ] {
        let mut responses = vec![server.get(&format!("/api/v1/integrations/{path}"))];
        if path.ends_with(|c: char| c.is_ascii_digit()) {
            responses.push(server.post_to(&format!("/api/v1/integrations/{path}/replay"), ""));
        }
        for response in responses {
            assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{path}");
            assert!(response.text.replace("\\\"", "\"").contains(told), "{}", response.text);
        }
    }
    assert_eq!(field_codes(&replay(&server, &json!(1), "?dry_run=maybe")), "dry_run:not_in_list");
    assert_eq!(statuses(&server), [201]);
}

#[test]
fn a_mapping_sees_the_same_headers_and_query_again() {
    let mapping = "
[[integrations]]
name = 'prod'
source = 'mapping'
routing_keys = ['HUSH-prod-key-0001']
default_service = 'web'
[integrations.mapping]
for_each = 'payload.list'
ignore_when = 'item == 0'
title = 'headers[\"X-Event\"] ~ query.stage ~ item'
dedup_key = 'item'
";
    let server = Server::start(&format!("{HEAD}{SERVICES}{mapping}"));
    let body = json!({ "list": [1, 2, 2, 0] }).to_string();
    let sent =
        server.send("POST", &format!("{WEBHOOK}?stage=b%20c"), &[("X-Event", "push")], body.as_bytes());
    assert_eq!(sent.status, 201, "{}", sent.text);
    let title = server.show("INC-2026-001")["title"].clone();
    assert_eq!(title, "pushb c1");
    let item = &list(&server, "")[0];
    assert_eq!(item["outcomes"], json!({ "created": 2, "repeated": 1, "ignored": 1 }));
    assert_eq!(item["incident_numbers"], json!(["INC-2026-001", "INC-2026-002", "INC-2026-002"]));
    let again = replay(&server, &item["id"], "").data();
    let outcomes: Vec<_> = again["alerts"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(
        (outcomes, &again["ignored"]),
        (vec![&json!("repeated"); 3], &json!(1)),
        "nothing differs: {again}"
    );
    assert_eq!(codes(&again["alerts"][0]["warnings"]), "");
}

#[test]
fn whatever_its_sender_speaks_it_is_sent_again_and_answered_in_ours() {
    let pagerduty = "HUSHpagerduty0000000000000000001";
    let server = Server::start(&format!(
        "{HEAD}{SERVICES}
         [[integrations]]\nname = 'pd'\nsource = 'pagerduty'\nrouting_keys = ['{pagerduty}']\ndefault_service = 'web'\n
         [[integrations]]\nname = 'push'\nsource = 'ntfy'\nrouting_keys = ['HUSH-ntfy-key-0001']\ndefault_service = 'web'\n
         [[integrations]]\nname = 'phone'\nsource = 'gotify'\nrouting_keys = ['HUSH-gotify-key-001']\ndefault_service = 'web'\n"
    ));
    let payload = json!({ "summary": "Disk is full (HUSH)", "source": "srv", "severity": "error" });
    let event =
        json!({ "routing_key": pagerduty, "event_action": "trigger", "dedup_key": "k", "payload": payload });
    let change = json!({ "routing_key": pagerduty, "payload": { "summary": "Deployed" } });
    let message = json!({ "title": "Down", "message": "It is (HUSH)" });
    for (path, body, name, route, outcome) in [
        ("/v2/enqueue", event.to_string(), "pd", "/v2/enqueue", "repeated"),
        (
            "/ntfy/HUSH-ntfy-key-0001/db",
            "It is down".into(),
            "push",
            "/ntfy/{routing_key}/{topic}",
            "repeated",
        ),
        ("/message?token=HUSH-gotify-key-001", message.to_string(), "phone", "/message", "repeated"),
        ("/v2/change/enqueue", change.to_string(), "pd", "/v2/change/enqueue", ""),
    ] {
        let sent = server.post_to(path, body);
        assert!(sent.status < 300, "{path} {}", sent.text);
        let deliveries = format!("/api/v1/integrations/{name}/deliveries");
        let item = server.get(&format!("{deliveries}?limit=1")).data()["items"][0].clone();
        assert_eq!((&item["route"], &item["status"]), (&json!(route), &json!(sent.status)));
        let shown = server.get(&format!("{deliveries}/{}", item["id"]));
        assert!(!shown.text.contains(pagerduty) && !shown.text.contains("HUSH-"), "{}", shown.text);
        let again = server.post_to(&format!("{deliveries}/{}/replay", item["id"]), "");
        if outcome.is_empty() {
            assert_eq!((again.code().as_str(), &item["can_replay"]), ("cannot_replay", &json!(false)));
            continue;
        }
        assert_eq!(again.data()["alerts"][0]["outcome"], outcome, "{path} {}", again.text);
    }
    assert_eq!(server.show("INC-2026-002")["service_ids"], json!(["SER-00002"]), "the topic is a service");
}

#[test]
fn what_was_refused_before_its_topic_mattered_goes_to_it_when_it_is_sent_again() {
    let server = Server::with(
        "[[integrations]]\nname = 'push'\nsource = 'ntfy'\nrouting_keys = ['HUSH-ntfy-key-0001']\ndefault_service = 'web'\n",
    );
    let refused = server.send("POST", "/ntfy/HUSH-ntfy-key-0001/db?dry_run=maybe", &[], b"disk full");
    assert_eq!(refused.status, 400);
    let items = server.get("/api/v1/integrations/push/deliveries").data()["items"].clone();
    let path = format!("/api/v1/integrations/push/deliveries/{}/replay", items[0]["id"]);
    assert_eq!(server.send("POST", &path, &[], b"").status, 201);
    assert_eq!(server.show("INC-2026-001")["service_ids"], json!(["SER-00002"]));
}
