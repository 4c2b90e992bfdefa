//! Silences are made, changed and ended by who may, in their bounds: through the API and on the page.

use serde_json::{Value, json};

use crate::http::{Connection, Response};
use crate::server::{DAY, HOUR, MINUTE, SECOND, Server, field_codes};
use crate::silences::{SILENCES, end, patch, silence, states};

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let server = Server::new();
    let post = |body: Value| server.post_to(SILENCES, body);
    for (body, wrong) in [
        (json!({}), "body:required ends_at:required comment:required"),
        (
            json!({ "services": ["wbe", 5], "severities": ["SEV9"], "integrations": ["prd"], "metadata": [],
                    "text": "!?", "all": 1, "minutes": 0, "starts_at": "soon", "comment": "" }),
            "services.0:unknown_service services.1:wrong_type severities.0:not_in_list integrations.0:not_in_list \
             metadata:wrong_type text:invalid all:wrong_type starts_at:invalid minutes:out_of_range comment:empty",
        ),
        (json!({ "all": true, "text": "x", "minutes": 5, "comment": "c" }), "all:invalid"),
        (
            json!({ "text": "x", "minutes": 5, "ends_at": "2026-11-23T09:00:00Z", "comment": "c" }),
            "minutes:invalid",
        ),
        (json!({ "text": "x", "minutes": "5", "comment": "c" }), "minutes:wrong_type"),
        (json!({ "text": "x", "minutes": 527_041, "comment": "c" }), "minutes:out_of_range"),
        (json!({ "text": "x", "ends_at": "2027-11-25T08:00:00Z", "comment": "c" }), "ends_at:out_of_range"),
        (json!({ "text": "x", "ends_at": "2026-11-23T07:00:00Z", "comment": "c" }), "ends_at:out_of_range"),
        (
            json!({ "text": "x", "starts_at": "2026-11-23T07:00:00Z", "ends_at": "2026-11-23T08:00:00Z", "comment": "c" }),
            "ends_at:out_of_range",
        ),
        (
            json!({ "text": "x", "starts_at": "2028-11-23T07:00:00Z", "minutes": 5, "comment": "c" }),
            "starts_at:out_of_range",
        ),
    ] {
        assert_eq!(field_codes(&post(body.clone())), wrong, "{body}");
    }
    let near = post(json!({ "services": ["SER-0001"], "minutes": 5, "comment": "c" })).text;
    assert!(near.contains("did you mean SER-00001?"), "{near}");
    let near = post(json!({ "integrations": ["prd"], "minutes": 5, "comment": "c" })).text;
    assert!(near.contains("did you mean prod?"), "{near}");
    // Ignored, it would leave a silence of all that has the word.
    let wide = post(json!({ "severity": "SEV4", "text": "disk", "minutes": 5, "comment": "c" }));
    assert_eq!(field_codes(&wide), "severity:unknown_field");
    assert!(wide.text.contains("is not a known field; did you mean severities?"), "{}", wide.text);
    assert_eq!(states(&server, ""), []);
    silence(&server, json!({ "services": ["old", "SER-00009"] }));
    for (body, wrong) in [
        (json!({}), "body:required"),
        (json!({ "ends_at": "2026-11-23T07:00:00Z" }), "ends_at:out_of_range"),
        (json!({ "coment": "d" }), "coment:unknown_field"),
        (
            json!({ "ends_at": "2029-11-23T07:00:00Z", "comment": null }),
            "ends_at:out_of_range comment:required",
        ),
    ] {
        assert_eq!(field_codes(&patch(&server, 1, body)), wrong);
    }
    for wrong in ["state=gone", "limit=0"] {
        assert_eq!(server.get(&format!("{SILENCES}?{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn a_list_has_pages_and_states_and_forgets_what_is_long_over() {
    let server = Server::with("[notify]\nmax_age = '2d'\n");
    for minutes in [10, 20, 30] {
        silence(&server, json!({ "text": "x", "minutes": minutes }));
    }
    silence(&server, json!({ "text": "x", "starts_at": "2026-11-24T08:00:00Z", "minutes": 4000 }));
    server.alert(json!({ "title": "x" }));
    server.advance(15 * MINUTE);
    let pair = |id, state: &str| (id, state.to_owned());
    assert_eq!(states(&server, "state=active"), [pair(3, "active"), pair(2, "active")]);
    assert_eq!(states(&server, "state=pending"), [pair(4, "pending")]);
    assert_eq!(states(&server, "state=over"), [pair(1, "over")]);
    assert_eq!(states(&server, "limit=2&offset=1"), [pair(3, "active"), pair(2, "active")]);
    for _ in 0..4 {
        server.advance(12 * HOUR);
        server.upkeep();
    }
    assert_eq!(states(&server, ""), [pair(4, "active"), pair(3, "over"), pair(2, "over")]);
    for _ in 0..6 {
        server.advance(DAY - SECOND);
        server.upkeep();
    }
    assert_eq!(states(&server, ""), []);
    assert_eq!(server.show("INC-2026-001")["incident_number"], "INC-2026-001");
    assert_eq!(silence(&server, json!({ "text": "x" }))["id"], 5, "no id is given out again");
}

#[test]
fn silences_that_are_not_over_are_bounded() {
    let server = Server::new();
    let body = json!({ "text": "x", "minutes": 5, "comment": "c" }).to_string();
    let mut connection = Connection::open(server.addr()).unwrap();
    for _ in 0..1000 {
        assert_eq!(connection.try_send("POST", SILENCES, &[], body.as_bytes()).unwrap().status, 201);
    }
    assert_eq!(field_codes(&server.post_to(SILENCES, &body)), "body:too_many");
    server.alert(json!({ "title": "x" }));
    end(&server, 7).data();
    assert_eq!(server.post_to(SILENCES, &body).status, 201);
    server.advance(10 * MINUTE);
    assert_eq!(server.post_to(SILENCES, &body).status, 201);
}

const TOKENS: &str = "
[[tokens]]
name = 'reader'
token = 'HUSH-reader-token-1'
scopes = ['incidents:read', 'services:read']
[[tokens]]
name = 'ada'
email = 'ada@example.org'
token = 'HUSH-writer-token-1'
scopes = ['incidents:read', 'incidents:write', 'services:read']
";

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn with(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Response {
    let authorization = format!("Bearer HUSH-{token}-token-1");
    let headers = [("Authorization", authorization.as_str()), ("Accept", "text/html"), FORM];
    server.send(method, path, &headers, body.as_bytes())
}

#[test]
fn who_may_only_read_makes_changes_and_ends_none() {
    let server = Server::with(TOKENS);
    let body = json!({ "text": "x", "minutes": 5, "comment": "c" }).to_string();
    let one = format!("{SILENCES}/1");
    let ended = format!("{one}/end");
    for (method, path, body, reader, writer) in [
        ("POST", SILENCES, body.as_str(), 403, 201),
        ("GET", SILENCES, "", 200, 200),
        ("GET", &one, "", 200, 200),
        ("PATCH", &one, r#"{"comment":"d"}"#, 403, 200),
        ("POST", &ended, "{}", 403, 200),
    ] {
        assert_eq!(with(&server, "reader", method, path, body).status, reader, "{method} {path}");
        assert_eq!(with(&server, "writer", method, path, body).status, writer, "{method} {path}");
        assert_eq!(server.send(method, path, &[], body.as_bytes()).status, 401, "{method} {path}");
    }
    let shown = with(&server, "reader", "GET", &one, "").data();
    assert_eq!(
        (&shown["author"], &shown["ended_by"]),
        (&json!("ada@example.org"), &json!("ada@example.org"))
    );
}

/// The cookie of somebody who has logged in.
fn cookie(server: &Server, token: &str) -> String {
    let form = format!("token=HUSH-{token}-token-1");
    let answer = server.send("POST", "/login", &[("Accept", "text/html"), FORM], form.as_bytes());
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn the_page_makes_shows_and_ends_silences() {
    let server = Server::with(TOKENS);
    server.alert(json!({}));
    let cookies = [cookie(&server, "reader"), cookie(&server, "writer")];
    let with = |token: &str, method: &str, path: &str, body: &str| {
        let headers =
            [("Cookie", cookies[usize::from(token == "writer")].as_str()), ("Accept", "text/html"), FORM];
        server.send(method, path, &headers, body.as_bytes())
    };
    let page = |token: &str, path: &str| with(token, "GET", path, "").text;
    let incident = page("writer", "/incidents/INC-2026-001");
    assert!(incident.contains("href=\"/silences?service=SER-00001#new\""), "{incident}");
    let prefilled = page("writer", "/silences?service=SER-00001");
    assert!(prefilled.contains("<option value=\"SER-00001\" selected>Website</option>"), "{prefilled}");
    assert!(prefilled.contains("Nothing is silenced."), "{prefilled}");
    let refused = with(
        "writer",
        "POST",
        "/silences",
        "do=add&service=&metadata=env%3Dprod%0D%0Ahost&text=%21&minutes=30&comment=%3Cb%3E",
    );
    assert_eq!(refused.status, 400);
    for shown in [
        "<p>Words in title or description: must have a word to look for</p>",
        "name=\"text\" value=\"!\" maxlength=\"200\" autocomplete=\"off\" aria-invalid=\"true\"",
        "<p>Metadata: has a line without =: host</p>",
        "env=prod\nhost</textarea>",
        "value=\"&lt;b&gt;\"",
        "<option value=\"30\" selected>30 minutes</option>",
    ] {
        assert!(refused.text.contains(shown), "{shown} in {}", refused.text);
    }
    for (body, shown) in [
        ("minutes=30&comment=c", "<p>Say which incidents it is about, or tick Every incident.</p>"),
        (
            "all=1&text=disk&minutes=30&comment=c",
            "<p>Every incident: leave it, or all the conditions, out.</p>",
        ),
        ("all=1&ends_at=2026-11-22T08:00&comment=c", "<p>Until: must be later than the start</p>"),
    ] {
        let refused = with("writer", "POST", "/silences", &format!("do=add&{body}"));
        assert_eq!(refused.status, 400);
        assert!(refused.text.contains(shown), "{shown} in {}", refused.text);
    }
    let add = |body: &str| {
        let answer = with("writer", "POST", "/silences", &format!("do=add&{body}"));
        assert_eq!((answer.status, answer.header("location")), (303, Some("/silences")), "{}", answer.text);
    };
    add(
        "service=SER-00001&severity=SEV2&integration=prod&metadata=env%3Dprod&text=disk&minutes=30&comment=Racks",
    );
    add("all=1&starts_at=2026-11-23T10:00&ends_at=2026-11-23T12:30&comment=Power");
    let shown = page("reader", "/silences");
    for part in [
        "<bdi>service SER-00001</bdi> · <bdi>severity SEV2</bdi> · <bdi>integration prod</bdi> · <bdi>env = prod</bdi> · <bdi>text disk</bdi>",
        "from 2026-11-23 08:00 UTC until 2026-11-23 08:30 UTC, 30 min from now",
        "<bdi>everything</bdi>",
        "from 2026-11-23 10:00 UTC until 2026-11-23 12:30 UTC, 2 h 30 min",
        "#1 by <bdi>ada@example.org</bdi>",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("<form method=\"post\" action=\"/silences\""), "who only reads sees no buttons");
    assert!(!page("reader", "/incidents/INC-2026-001").contains("#new"));
    assert_eq!(with("reader", "POST", "/silences", "do=end&id=1").status, 403);
    assert!(page("writer", "/silences").contains(">End silence 1</button>"));
    assert_eq!(with("writer", "POST", "/silences", "do=end&id=1").status, 303);
    let again = with("writer", "POST", "/silences", "do=end&id=1");
    assert_eq!(again.status, 409);
    assert!(again.text.contains("silence 1 is over"), "{}", again.text);
    assert!(again.text.contains("when <bdi>ada@example.org</bdi> ended it"), "{}", again.text);
    assert_eq!(server.send("GET", "/silences", &[("Accept", "text/html")], b"").status, 303, "to log in");
    let elsewhere = [("Cookie", cookies[1].as_str()), FORM, ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(server.send("POST", "/silences", &elsewhere, b"do=end&id=2").status, 403);
}
