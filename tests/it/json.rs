//! What is not the JSON that the contract asks for is refused with its place, and leaves nothing.

use serde_json::{Value, json};

use crate::server::{Server, WEBHOOK};

#[track_caller]
fn refused(server: &Server, body: &[u8], line: u64, column: u64, message: &str) {
    let response = server.send("POST", WEBHOOK, &[], body);
    let shown = String::from_utf8_lossy(body);
    assert_eq!((response.status, response.code().as_str()), (400, "invalid_json"), "{shown}");
    let error = &response.json()["error"];
    assert_eq!(error["details"], json!({ "line": line, "column": column }), "{shown}: {error}");
    assert!(error["message"].as_str().unwrap().contains(message), "{shown}: {error}");
}

#[test]
fn what_is_not_json_is_refused_with_line_and_column() {
    let server = Server::new();
    let cases: [(&[u8], u64, u64, &str); 14] = [
        (b"", 1, 1, "not JSON: EOF"),
        (b" \n ", 2, 1, "not JSON: EOF"),
        (b"hello", 1, 1, "not JSON"),
        (b"{\"title\":\"t\",}", 1, 14, "not JSON"),
        (b"{\"title\":\n  't'}", 2, 3, "not JSON"),
        (b"{\"title\":\"t\"} {}", 1, 15, "not JSON: trailing"),
        (b"{\"title\":\"t", 1, 11, "not JSON: EOF"),
        (b"{\"title\":\"a\nb\"}", 1, 11, "not JSON: control character"),
        (b"{\"title\":01}", 1, 11, "not JSON: invalid number"),
        (b"{\"title\":NaN}", 1, 10, "not JSON"),
        (b"{\"title\":\"\xff\"}", 1, 11, "not UTF-8"),
        (b"{\"title\":\"\\ud83d\"}", 1, 10, "surrogate"),
        (b"{\"title\":\"\\x\"}", 1, 12, "not JSON: invalid escape"),
        (b"title=t&service_id=SER-00001", 1, 2, "not JSON"),
    ];
    for (body, line, column, message) in cases {
        refused(&server, body, line, column, message);
    }
    let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(128), "]".repeat(128));
    let response = server.post(deep);
    assert_eq!(response.code(), "invalid_json");
    assert!(response.text.contains("nested deeper than 128 levels"), "{}", response.text);
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    let server = Server::new();
    for (body, what) in [
        ("[]", "an array"),
        ("null", "null"),
        ("1", "a number"),
        ("\"x\"", "a string"),
        ("true", "a boolean"),
    ] {
        refused(&server, body.as_bytes(), 1, 1, &format!("the body is {what}; an object is expected"));
    }
}

#[test]
fn a_duplicate_member_is_refused_at_any_depth() {
    let server = Server::new();
    let base = r#"{"title":"t","service_id":"SER-00001","#;
    for (rest, column, member) in [
        (r#""title":"u"}"#, 39, "title"),
        (r#""\u0074itle":"u"}"#, 39, "title"),
        (r#""strange":1,"strange":1}"#, 51, "strange"),
        (r#""metadata":{"a":1,"b":2,"a":3}}"#, 63, "a"),
        (r#""metadata":{"a":[{"x":{"y":1,"y":2}}]}}"#, 68, "y"),
        (r#""strange":[{"y":1,"y":2}]}"#, 57, "y"),
    ] {
        let message = format!("the member \"{member}\" is there twice");
        refused(&server, format!("{base}{rest}").as_bytes(), 1, column, &message);
    }
    refused(&server, b"{\n\"a\": 1,\n  \"a\": 2}", 3, 3, "twice");
    assert_eq!(server.list(""), [0; 0]);
}

#[test]
fn the_character_u0000_is_refused_wherever_it_stands() {
    let server = Server::new();
    for member in [
        r#""description":"a\u0000b""#,
        r#""dedup_key":"\u0000""#,
        r#""metadata":{"k\u0000":1}"#,
        r#""metadata":{"k":["\u0000"]}"#,
        r#""strange":{"deep":[{"\u0000":1}]}"#,
        r#""\u0000":1"#,
    ] {
        let response = server.post(format!(r#"{{"title":"t","service_id":"SER-00001",{member}}}"#));
        assert_eq!(response.code(), "invalid_json", "{member}");
        assert!(response.text.contains("U+0000 is not allowed"), "{}", response.text);
    }
    // What only looks like it is not.
    let data = server.post(r#"{"title":"a\\u0000b","service_id":"SER-00001"}"#).data();
    assert_eq!(server.show(data["incident_number"].as_str().unwrap())["title"], "a\\u0000b");
}

#[test]
fn a_body_cut_off_anywhere_is_refused_and_leaves_nothing() {
    let server = Server::new();
    let whole = r#"{"title":"té","service_id":"SER-00001","metadata":{"a":[1.5,"\u00e9",null]}}"#;
    for end in 0..whole.len() {
        let response = server.send("POST", WEBHOOK, &[], &whole.as_bytes()[..end]);
        assert_eq!(response.code(), "invalid_json", "{end}");
    }
    assert_eq!(server.list(""), [0; 0]);
    assert_eq!(server.post(whole).data()["outcome"], Value::from("created"));
}
