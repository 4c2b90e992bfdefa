//! Metadata: kept exactly, merged key by key, never a reason to refuse an update.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::{Server, alert, codes, field_codes};

/// `metadata` of an incident as text: a JSON library would round its numbers.
fn metadata_text(server: &Server, number: &str) -> String {
    let mut connection = Connection::open(server.addr()).unwrap();
    let request = format!("GET /api/v1/incidents/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.write(request.as_bytes()).unwrap();
    let text = connection.read_text().unwrap();
    let from = text.find("\"metadata\":").unwrap() + "\"metadata\":".len();
    let to = text.find(",\"occurrences\"").unwrap();
    text[from..to].to_owned()
}

fn post_metadata(server: &Server, metadata: &str) -> Value {
    let body = format!(
        r#"{{"title":"Disk is full (HUSH)","service_id":"SER-00001","dedup_key":"k","metadata":{metadata}}}"#
    );
    server.post(body).data()
}

#[test]
fn numbers_read_back_as_they_were_sent() {
    let server = Server::new();
    let sent = r#"{"a":1.10,"b":1e400,"c":12345678901234567890123,"d":-0,"e":[1E+2,0.10],"f":{"g":-0.0e-0}}"#;
    post_metadata(&server, sent);
    assert_eq!(metadata_text(&server, "INC-2026-001"), sent);
    // Another spelling of the same number is another text.
    assert_eq!(post_metadata(&server, r#"{"a":1.10}"#)["outcome"], "repeated");
    assert_eq!(post_metadata(&server, r#"{"a":1.1,"h":10.0}"#)["outcome"], "updated");
    let after = sent.replace(r#""a":1.10"#, r#""a":1.1"#).replace("}}", r#"},"h":10.0}"#);
    assert_eq!(metadata_text(&server, "INC-2026-001"), after);
}

#[test]
fn white_space_goes_and_the_order_stays() {
    let server = Server::new();
    post_metadata(&server, " { \"z\" : [ 1 , { \"y\" : \"a b\" } ] ,\n\"a\" : null , \"b\" : { } } ");
    assert_eq!(metadata_text(&server, "INC-2026-001"), r#"{"z":[1,{"y":"a b"}],"b":{}}"#);
}

#[test]
fn a_value_may_have_a_kibibyte_in_compact_form_and_a_key_64_characters() {
    let server = Server::new();
    let text = |bytes: usize| json!("v".repeat(bytes - 2));
    let spaced = format!("[{}1]", " ".repeat(5000));
    for (metadata, expected) in [
        (json!({ "k": text(1023) }), ""),
        (json!({ "k": text(1024) }), ""),
        (json!({ "k": text(1025) }), "metadata.k:too_long"),
        // Bytes of UTF-8, not characters.
        (json!({ "k": "é".repeat(511) }), ""),
        (json!({ "k": "é".repeat(512) }), "metadata.k:too_long"),
        (json!({ "k": { "deep": text(1016) } }), "metadata.k:too_long"),
        (json!({ "é".repeat(63): 1 }), ""),
        (json!({ "é".repeat(64): 1 }), ""),
    ] {
        let response = server.post(alert(json!({ "metadata": metadata })));
        if expected.is_empty() {
            assert_eq!(response.status, 201, "{}", response.text);
        } else {
            assert_eq!(field_codes(&response), expected);
        }
    }
    assert_eq!(post_metadata(&server, &format!("{{\"k\":{spaced}}}"))["outcome"], "created");
    let long = server.post(alert(json!({ "metadata": { "é".repeat(65): 1 } })));
    assert_eq!(field_codes(&long), format!("metadata.{}:too_long", "é".repeat(64)));
}

#[test]
fn an_update_merges_key_by_key_and_null_removes() {
    let server = Server::new();
    for (sent, outcome, stored) in [
        (r#"{"a":1,"gone":null}"#, "created", r#"{"a":1}"#),
        (r#"{"b":[1]}"#, "updated", r#"{"a":1,"b":[1]}"#),
        (r#"{"a":1,"b":[1]}"#, "repeated", r#"{"a":1,"b":[1]}"#),
        (r#"{"b":{"c":2}}"#, "updated", r#"{"a":1,"b":{"c":2}}"#),
        (r#"{}"#, "repeated", r#"{"a":1,"b":{"c":2}}"#),
        (r#"null"#, "repeated", r#"{"a":1,"b":{"c":2}}"#),
        (r#"{"a":null,"unknown":null}"#, "updated", r#"{"b":{"c":2}}"#),
        (r#"{"a":null}"#, "repeated", r#"{"b":{"c":2}}"#),
        (r#"{"b":null,"a":3}"#, "updated", r#"{"a":3}"#),
    ] {
        assert_eq!(post_metadata(&server, sent)["outcome"], outcome, "{sent}");
        assert_eq!(metadata_text(&server, "INC-2026-001"), stored, "after {sent}");
    }
    let newest = &server.show("INC-2026-001")["timeline"][0];
    let changes = json!([
        { "field": "metadata.b", "from": { "c": 2 }, "to": null },
        { "field": "metadata.a", "from": null, "to": 3 },
    ]);
    assert_eq!(newest["changes"], changes);
}

#[test]
fn beyond_ten_keys_stored_ones_that_the_post_does_not_name_are_dropped_with_a_warning() {
    let server = Server::new();
    let keys = |range: std::ops::Range<usize>| {
        Value::Object(range.map(|key| (format!("k{key:02}"), json!(key))).collect()).to_string()
    };
    post_metadata(&server, &keys(0..10));
    // k09 is named, so it stays; four are new, so four of the others go.
    let data = post_metadata(&server, &keys(9..14));
    assert_eq!(data["outcome"], "updated");
    let dropped = ["k00", "k01", "k02", "k03"].map(|key| format!("metadata.{key}:metadata_dropped"));
    assert_eq!(codes(&data["warnings"]), dropped.join(" "));
    assert_eq!(server.show("INC-2026-001")["metadata"].to_string(), keys(4..14));
    // A removal makes room first.
    let data = post_metadata(&server, r#"{"k04":null,"new":1}"#);
    assert_eq!(data["warnings"], json!([]));
    // Ten others replace all ten.
    let data = post_metadata(&server, &keys(20..30));
    assert_eq!(data["warnings"].as_array().unwrap().len(), 10);
    assert_eq!(server.show("INC-2026-001")["metadata"].to_string(), keys(20..30));
}
