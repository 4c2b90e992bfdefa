//! Mappings of a user's own: every field, lists, conditions, and what an expression cannot do.

use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{HEAD, SERVICES, Server, WEBHOOK, field_codes};

/// With a mapping of these lines, or of a preset, and whatever comes before it in the integration.
fn start(source: &str, options: &str, mapping: &str) -> Server {
    Server::start(&format!(
        "{HEAD}{SERVICES}[[integrations]]\nname = 'prod'\nsource = '{source}'\nrouting_keys = ['HUSH-prod-key-0001']\n\
         default_service = 'SER-00001'\n{options}\n[integrations.mapping]\n{mapping}\n"
    ))
}

fn post(server: &Server, body: &Value) -> Response {
    server.send("POST", WEBHOOK, &[], body.to_string().as_bytes())
}

/// The one alert's result.
#[track_caller]
fn one(response: &Response) -> Value {
    let data = response.data();
    let alerts = data["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1, "{data}");
    alerts[0].clone()
}

const EVERYTHING: &str = r#"
for_each = "payload.list"
ignore_when = "item.skip"
resolved_when = "item.over"
status = "'investigating' if item.seen"
title = "item.what ~ ' on ' ~ item.where"
description = "item.more or payload.more"
service_id = "item.team"
severity = "item.level"
source_url = "payload.base ~ item.path if item.path else none"
dedup_key = "item.where ~ '/' ~ item.what"
metadata = "{'where': item.where, 'by': headers.user_agent, 'zone': query.zone, 'load': item.load, 'none': item.none}"
[integrations.mapping.severity_map]
Red = "SEV0"
7 = "SEV3"
"#;

#[test]
fn every_field_is_an_expression_over_item_payload_headers_and_query() {
    let server = start("mapping", "", EVERYTHING);
    let body = json!({
        "base": "https://e.x/", "more": "of all",
        "list": [
            { "what": "Heat", "where": "a", "team": "db", "level": "RED", "path": "1", "load": [1, 2.5, 1e30, true], "seen": 1 },
            { "what": "Heat", "where": "b", "more": "of this", "level": 7 },
            { "what": "Heat", "where": "c", "skip": true },
            { "what": "Heat", "where": "d", "level": "sev4", "over": true },
        ],
    });
    let path = format!("{WEBHOOK}?zone=north&zone=south");
    let response = server.send("POST", &path, &[("User-Agent", "tester")], body.to_string().as_bytes());
    assert_eq!(response.status, 201);
    let data = response.data();
    assert_eq!(data["ignored"], 1);
    let outcomes: Vec<_> =
        data["alerts"].as_array().unwrap().iter().map(|alert| alert["outcome"].clone()).collect();
    // Nobody holds the key of what is over.
    assert_eq!(outcomes, ["created", "created", "ignored"]);
    let first = server.show("INC-2026-001");
    assert_eq!((&first["title"], &first["description"]), (&"Heat on a".into(), &"of all".into()));
    assert_eq!((&first["severity"], &first["status"]), (&"SEV0".into(), &"investigating".into()));
    assert_eq!(
        (&first["service_ids"], &first["source_url"]),
        (&json!(["SER-00002"]), &"https://e.x/1".into())
    );
    assert_eq!(first["dedup_key"], "a/Heat");
    let metadata = json!({ "where": "a", "by": "tester", "zone": "south", "load": [1, 2.5, 1e30, true] });
    assert_eq!(first["metadata"], metadata);
    let second = server.show("INC-2026-002");
    assert_eq!((&second["severity"], &second["description"]), (&"SEV3".into(), &"of this".into()));
    assert_eq!(second["service_ids"], json!(["SER-00001"]));

    let again = json!({ "list": [{ "what": "Heat", "where": "b", "over": 1 }] });
    let resolved = one(&post(&server, &again));
    assert_eq!(
        (&resolved["outcome"], &resolved["incident_number"]),
        (&"resolved".into(), &"INC-2026-002".into())
    );
    // The body that said nothing of them leaves them as they were.
    let second = server.show("INC-2026-002");
    assert_eq!((&second["severity"], &second["description"]), (&"SEV3".into(), &"of this".into()));
}

#[test]
fn what_is_over_needs_no_title_and_leaves_the_rest_as_it_was() {
    let server = start(
        "mapping",
        "on_unknown_resolve = 'create'",
        "title = \"payload.t\"\ndescription = \"payload.d\"\nseverity = \"payload.v\"\ndedup_key = \"payload.k\"\n\
         resolved_when = \"payload.over\"\nmetadata = \"{'d': payload.d}\"\n",
    );
    let over = json!({ "k": "a", "over": true, "d": "fine", "v": "SEV4" });
    let untitled = one(&post(&server, &over));
    assert_eq!((&untitled["outcome"], &untitled["incident_number"]), (&"ignored".into(), &Value::Null));
    one(&post(&server, &json!({ "k": "a", "t": "Down", "d": "broken", "v": "SEV1" })));
    let resolved = one(&post(&server, &over));
    assert_eq!((&resolved["outcome"], &resolved["severity"]), (&"resolved".into(), &"SEV1".into()));
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["title"], &incident["description"]), (&"Down".into(), &"broken".into()));
    assert_eq!(incident["metadata"], json!({ "d": "broken" }));
    assert_eq!(one(&post(&server, &over))["outcome"], "ignored");
}

#[test]
fn a_body_is_taken_whole_or_not_at_all_and_all_that_is_wrong_is_named() {
    let server = start(
        "mapping",
        "",
        "for_each = \"payload.list\"\ntitle = \"item.title\"\nstatus = \"item.status\"\nmetadata = \"item.metadata\"\n\
         description = \"item.a - item.b if item.a\"\n",
    );
    let body = json!({ "list": [
        { "title": "good" }, { "status": "gone" }, { "title": "x", "metadata": [1] }, { "title": "y", "a": "1", "b": 2 },
    ] });
    let refused = post(&server, &body);
    assert_eq!(
        field_codes(&refused),
        "alerts[1].status:not_in_list alerts[2].metadata:wrong_type alerts[3].description:invalid"
    );
    assert!(refused.text.contains("could not be evaluated: invalid operation"), "{}", refused.text);
    let untitled = post(&server, &json!({ "list": [{ "title": " " }, {}] }));
    assert_eq!(field_codes(&untitled), "alerts[0].title:required alerts[1].title:required");
    assert_eq!(field_codes(&post(&server, &json!({ "list": { "a": 1 } }))), "for_each:wrong_type");
    assert_eq!(field_codes(&post(&server, &json!([]))), "for_each:wrong_type");
    assert_eq!(post(&server, &json!({ "list": [] })).data(), json!({ "alerts": [], "ignored": 0 }));
    for (body, code) in
        [("", "invalid_json"), ("{\"list\": [{]}", "invalid_json"), ("{\"a\":1,\"a\":2}", "invalid_json")]
    {
        assert_eq!(server.send("POST", WEBHOOK, &[], body.as_bytes()).code(), code, "{body}");
    }
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 0);
}

#[test]
fn what_expressions_may_cost_is_bounded() {
    let server = start(
        "mapping",
        "",
        "for_each = \"payload.list or [payload]\"\ntitle = \"payload.words|map('upper')|join(' ') if payload.words else 'x' * \
         (payload.times or 1)\"\ndedup_key = \"item.key\"\n",
    );
    let words: Vec<_> = (0..30_000).map(|n| n.to_string()).collect();
    let slow = post(&server, &json!({ "words": words }));
    assert_eq!(field_codes(&slow), "alerts[0].title:invalid");
    assert!(slow.text.contains("takes more than 20000 steps"), "{}", slow.text);
    let huge = post(&server, &json!({ "times": 99_000_000 }));
    assert_eq!(field_codes(&huge), "alerts[0].title:invalid");
    // What fits into the steps and not into a title is shortened.
    let long = one(&post(&server, &json!({ "times": 100_000 })));
    assert_eq!(
        (&long["warnings"][0]["code"], &long["warnings"][1]["code"]),
        (&"no_key".into(), &"shortened".into())
    );

    let many = |count: usize| json!({ "list": (0..count).map(|n| json!({ "key": n })).collect::<Vec<_>>() });
    assert_eq!(field_codes(&post(&server, &many(10_001))), "for_each:too_many");
    let all = post(&server, &many(10_000)).data();
    assert_eq!(all["alerts"].as_array().unwrap().len(), 10_000);
    assert_eq!(server.show("INC-2026-10001")["dedup_key"], "9999");

    // Four MiB for a list, and not a byte more.
    let padded = |length: usize| format!("{{\"list\":[]}}{}", " ".repeat(length - 11));
    assert_eq!(server.send("POST", WEBHOOK, &[], padded(4 << 20).as_bytes()).status, 201);
    assert_eq!(server.send("POST", WEBHOOK, &[], padded((4 << 20) + 1).as_bytes()).status, 413);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(server.send("POST", WEBHOOK, &[], deep.as_bytes()).code(), "invalid_json");
}

#[test]
fn a_body_that_takes_too_long_or_would_say_too_much_is_bounded_as_a_whole() {
    let costly = "payload.a|map('string')|map('upper')|map('lower')|list|length";
    let fields =
        ["title", "description", "dedup_key", "source_url"].map(|field| format!("{field} = \"{costly}\"\n"));
    let server = start("mapping", "", &format!("for_each = \"payload.list\"\n{}", fields.concat()));
    let body = json!({ "a": (0..600).collect::<Vec<_>>(), "list": vec![json!({}); 10_000] });
    let refused = post(&server, &body);
    assert_eq!(field_codes(&refused), "for_each:too_many");
    assert!(refused.text.contains("longer than 1 s for one body"), "{}", refused.text);

    let server = start(
        "mapping",
        "",
        "for_each = \"payload.list\"\ntitle = \"'t'\"\ndedup_key = \"item\"\nseverity = \"'blue'\"\n",
    );
    let answer = post(&server, &json!({ "list": (0..500).collect::<Vec<_>>() })).data();
    let warnings: Vec<_> = answer["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["warnings"].as_array().unwrap().len())
        .collect();
    assert_eq!((warnings.iter().sum::<usize>(), warnings[0], warnings[499]), (100, 1, 0));
}

#[test]
fn null_is_nothing_and_a_key_is_whole_or_none() {
    let server = start(
        "mapping",
        "",
        "title = \"payload.a ~ ' is down'\"\ndedup_key = \"key('x', payload.a, payload.b)\"\nmetadata = \"payload\"\n",
    );
    let post = |body: &str| one(&server.send("POST", WEBHOOK, &[], body.as_bytes()));
    let whole = post(r#"{"a": "web", "b": 7}"#);
    assert_eq!(whole["dedup_key"], "x/web/7");
    for body in [r#"{"a": "web", "b": null}"#, r#"{"a": "web"}"#, r#"{"a": "web", "b": ""}"#] {
        let result = post(body);
        assert_eq!((&result["dedup_key"], &result["outcome"]), (&Value::Null, &"created".into()), "{body}");
        assert_eq!(result["warnings"][0]["code"], "no_key");
    }
    assert_eq!(server.show(post(r#"{"a": null}"#)["incident_number"].as_str().unwrap())["title"], "is down");
    // Two ids that no number of ours holds are two.
    let long = |end: char| {
        post(&format!(r#"{{"a": "web", "b": 123456789012345678901234567890123456789012345678{end}}}"#))
    };
    let (first, second) = (long('1'), long('2'));
    assert_ne!(first["incident_number"], second["incident_number"]);
    assert_eq!(long('1')["incident_number"], first["incident_number"]);
    let large = post(r#"{"a": "x", "b": 1, "c": 1e999}"#);
    assert_eq!(server.show(large["incident_number"].as_str().unwrap())["metadata"]["c"], "1e999");
}

#[test]
fn a_number_at_the_edge_is_no_bug() {
    let server = start("mapping", "", "title = \"payload.s[payload.a:payload.b:payload.c] or 't'\"\n");
    let body = json!({ "s": "abc", "a": i64::MIN, "b": i64::MAX, "c": i64::MIN });
    let response = post(&server, &body);
    assert!(matches!(response.status, 201 | 400), "{response:?}");
}

#[test]
fn without_a_list_the_body_is_one_alert_of_256_kibibytes() {
    let server = start("mapping", "", "title = \"payload.title\"\nmetadata = \"payload\"\n");
    let body = |length: usize| format!("{{\"title\":\"t\"}}{}", " ".repeat(length - 13));
    assert_eq!(server.send("POST", WEBHOOK, &[], body(256 * 1024).as_bytes()).status, 201);
    assert_eq!(server.send("POST", WEBHOOK, &[], body(256 * 1024 + 1).as_bytes()).status, 413);
    // Expressions never see what proves who sends.
    let server = start(
        "mapping",
        "",
        "title = \"headers.authorization or headers.cookie or headers.x_thing or 'none'\"\n",
    );
    let headers = [("Authorization", "Bearer HUSH"), ("Cookie", "HUSH"), ("X-Thing", "seen")];
    let seen = one(&server.send("POST", WEBHOOK, &headers, b"1"));
    assert_eq!(server.show(seen["incident_number"].as_str().unwrap())["title"], "seen");
}

#[test]
fn what_does_not_fit_is_shortened_and_a_service_that_is_none_is_replaced() {
    let server = start(
        "mapping",
        "",
        "title = \"payload.t\"\nservice_id = \"payload.s\"\nsource_url = \"payload.u\"\nseverity = \"payload.v\"\n",
    );
    let body = json!({ "t": "é".repeat(300), "s": "old", "u": "ftp://e.x", "v": "blue" });
    let result = one(&post(&server, &body));
    assert_eq!((&result["outcome"], &result["service_id"]), (&"created".into(), &"SER-00001".into()));
    let warnings: Vec<_> =
        result["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].clone()).collect();
    assert_eq!(warnings, ["unknown_severity", "inactive_service", "shortened", "invalid"]);
    let incident = server.show("INC-2026-001");
    assert_eq!(incident["title"].as_str().unwrap().chars().count(), 200);
    assert_eq!((&incident["severity"], &incident["source_url"]), (&"SEV2".into(), &Value::Null));
}

#[test]
fn a_dry_run_and_an_idempotency_key_work_as_everywhere() {
    let server = start("mapping", "", "for_each = \"payload\"\ntitle = \"item\"\n");
    let dry = server.send("POST", &format!("{WEBHOOK}?dry_run=1"), &[], b"[\"a\", \"b\"]").data();
    assert_eq!((&dry["dry_run"], &dry["alerts"][1]["outcome"]), (&true.into(), &"created".into()));
    assert_eq!(dry["alerts"][1]["incident_number"], Value::Null);
    let keyed = || server.send("POST", WEBHOOK, &[("Idempotency-Key", "k")], b"[\"a\", \"b\"]");
    let (first, second) = (keyed(), keyed());
    assert_eq!((first.status, first.data()), (second.status, second.data()));
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 2);
}

#[test]
fn a_preset_may_be_told_otherwise() {
    let server = start(
        "alertmanager",
        "after_resolve = 'new'\non_unknown_resolve = 'create'",
        "dedup_key = \"item.labels.alertname\"\n[integrations.mapping.severity_map]\nwarning = \"SEV4\"\nnotice = \"SEV3\"",
    );
    let alert = |name: &str, severity: &str, status: &str| json!({ "status": status, "fingerprint": "0", "labels": { "alertname": name, "severity": severity } });
    let body = json!({ "alerts": [
        alert("a", "warning", "firing"), alert("b", "notice", "firing"), alert("c", "critical", "resolved"),
    ] });
    let data = post(&server, &body).data();
    let told = |n: usize, name: &str| data["alerts"][n][name].as_str().unwrap().to_owned();
    assert_eq!([told(0, "severity"), told(1, "severity"), told(2, "severity")], ["SEV4", "SEV3", "SEV0"]);
    assert_eq!([told(0, "dedup_key"), told(2, "status")], ["a", "resolved"]);
}

#[test]
fn too_many_requests_are_503_as_their_senders_do_not_retry_429() {
    let server = start("mapping", "rate_per_minute = 2", "title = \"'t'\"\n");
    assert_eq!((post(&server, &json!(1)).status, post(&server, &json!(1)).status), (201, 201));
    let refused = post(&server, &json!(1));
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(refused.header("retry-after"), Some("30"));
}

#[test]
fn basic_authentication_and_bearers_protect_an_integration() {
    let options = "basic_auth = ['prom:HUSH-password']\nbearer_tokens = ['HUSH-bearer-0123456789']\nsigning_secrets = \
                   ['HUSH-signing-secret']\nsignature = 'github'";
    let server = start("mapping", options, "title = \"'t'\"\n");
    let basic = "Basic cHJvbTpIVVNILXBhc3N3b3Jk";
    // HMAC-SHA256 of `1` by OpenSSL.
    let signature =
        ("X-Hub-Signature-256", "sha256=1c1dcf50d1b9e2c6a9d4d18f14dd3bbd9d9e3a0d7a6c1b6a8d1f1c5c0a5f8f3e");
    let send = |headers: &[(&str, &str)]| server.send("POST", WEBHOOK, headers, b"1");
    let none = send(&[signature]);
    assert_eq!((none.status, none.code().as_str()), (401, "unauthenticated"));
    assert_eq!(none.header("www-authenticate"), Some("Basic realm=\"Firebell\", charset=\"UTF-8\""));
    for wrong in ["Basic cHJvbTpwYXNzd29yZA==", "Bearer HUSH-bearer-012345678", "HUSH-bearer-0123456789", ""]
    {
        assert_eq!(send(&[("Authorization", wrong)]).code(), "unauthenticated", "{wrong}");
    }
    for right in [basic, "Bearer HUSH-bearer-0123456789"] {
        assert_eq!(send(&[("Authorization", right)]).code(), "missing_signature", "{right}");
        assert_eq!(send(&[("Authorization", right), signature]).code(), "invalid_signature", "{right}");
    }
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 0);
    let server = start("mapping", "basic_auth = ['prom:HUSH-password']", "title = \"'t'\"\n");
    assert_eq!(server.send("POST", WEBHOOK, &[("Authorization", basic)], b"1").status, 201);
}
