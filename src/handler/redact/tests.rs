use super::*;
use crate::model::{KeptRequest, Severity};
use crate::registry::{Scope, Token};

fn registry() -> Registry {
    let token = |name: &str| {
        let scopes = vec![Scope::IncidentsRead];
        Token { name: name.into(), email: None, scopes, rate_per_minute: 0 }
    };
    let tokens =
        [("ops", "t0ken/with+signs=="), ("cli", "routing-key-000001"), ("two", "another-key-000002")];
    let tokens = tokens.map(|(name, secret)| (token(name), secret.to_owned()));
    Registry::new(vec![], vec![], tokens.into(), Severity::Sev2)
}

fn cleaned(text: &str) -> String {
    clean(text, &registry()).unwrap().into_owned()
}

#[test]
fn secrets_of_the_configuration_are_found_in_every_spelling() {
    for text in [
        r#"{"a":"key:\nrouting-key-000001"}"#,
        r#"{"a":"\u003crouting-key-000001\u003e"}"#,
        r#"{"a":"\u0072outing-key-000001"}"#,
        r#"{"a":"\ud83drouting-key-000001"}"#,
        r#"{"a":"\q\u0072outing-key-000001"}"#,
        r#"{"a":"t0ken\/with+signs=="}"#,
        r#"{"a":"https%3A%2F%2Fh%2Fwebhooks%2Frouting-key-000001"}"#,
        "a%2Frouting-key-000001=1",
        "payload=1&x=%22routing-key-000001%22",
        "https://h/webhooks/routing-key-000001?x=1",
        "key=routing-key-000001",
        "routing-key-000001:another-key-000002",
        "http://h/routing-key-000001/another-key-000002",
        "routing-key-000001=another-key-000002",
        r#"{"a":"{\"b\":\"routing-key-000001\"}"}"#,
        "<a>&#x72;outing-key-000001</a>",
        "t0ken/with+signs==",
        "a \"t0ken/with+signs==\" b",
        "x,t0ken/with+signs==\n",
    ] {
        let told = cleaned(text);
        let leaked = ["routing", "outing-key", "another", "signs"].iter().find(|part| told.contains(**part));
        assert_eq!(leaked, None, "{text}: {told}");
    }
    assert_eq!(cleaned("t0ken/with+signs="), "t0ken/with+signs=");
}

#[test]
fn what_is_called_like_a_secret_is_found_in_what_holds_it() {
    for (given, expected) in [
        (r#"{"M":"{\"password\":\"hunter2\"}"}"#, r#"{"M":"{\"password\":\"[redacted]\"}"}"#),
        (r#"{"M":"{\"password\": 12}"}"#, r#"{"M":"{\"password\": \"[redacted]\"}"}"#),
        (r#"{"u":"http://x/?a=1&Token=abcdef"}"#, r#"{"u":"http://x/?a=1&Token=[redacted]"}"#),
        ("payload=%7B%22token%22%3A%22h%22%7D&b=1", "payload=%7B%22token%22%3A%22[redacted]%22%7D&b=1"),
        (r#"{"password": tops3cret}"#, r#"{"password": "[redacted]"}"#),
        (r#"{"pass\u0077ord":"hunter2"}"#, r#"{"pass\u0077ord":"[redacted]"}"#),
        ("auth=QmFzaWMg&b=%41", "auth=[redacted]&b=%41"),
        ("password=abc;hunter2&x=1", "password=[redacted]&x=1"),
        ("password=p<hunter2'x y", "password=[redacted] y"),
        (r#"{"m":"password=\"hunter2\" x"}"#, r#"{"m":"password=\"[redacted]\" x"}"#),
        ("password='hunter2 x' y", "password='[redacted]' y"),
        ("url=https://h/cb#access_token=hunter2 x", "url=https://h/cb#access_token=[redacted] x"),
        ("level=error/password=hunter2", "level=error/password=[redacted]"),
        ("password: hunter2, else", "password: [redacted], else"),
        ("Authorization: Bearer hunter2 x", "Authorization: [redacted]"),
        (r#"{"a":"token\u003d\é","b":1}"#, r#"{"a":"token\u003d\[redacted]","b":1}"#),
        ("{'password': 'hunter2'}", "{'password': '[redacted]'}"),
        ("<password>hunter2</password>", "<password>[redacted]</password>"),
        ("at https://user:hunter2@h/p", "at https://user:[redacted]@h/p"),
        (r#"it is 5" wide {"password":"hunter2"}"#, r#"it is 5" wide {"password":"[redacted]"}"#),
        ("bad token=xyz & rest", "bad token=[redacted] & rest"),
        (r#"{"token":"a\"b,}","b":1}"#, r#"{"token":"[redacted]","b":1}"#),
        (r#"{"API-Key" : 12, "b" :"token"}"#, r#"{"API-Key" : "[redacted]", "b" :"token"}"#),
        (r#"{"a":{"clientSecret":{"x":["}",{}]}},"c":2}"#, r#"{"a":{"clientSecret":"[redacted]"},"c":2}"#),
        (r#"[{"routing_key":7}]"#, r#"[{"routing_key":"[redacted]"}]"#),
        (r#"{"password":"cut o"#, r#"{"password":"[redacted]"#),
        (
            "user[password]=hunter2&password[]=h&password1=x",
            "user[password]=[redacted]&password[]=[redacted]&password1=[redacted]",
        ),
        ("Authorization: Bearer   hunter2\nx", "Authorization: [redacted]\nx"),
        ("Cookie: a=b; session=hunter2", "Cookie: [redacted]"),
        ("&lt;password&gt;hunter2&lt;/password&gt;", "&lt;password&gt;[redacted]&lt;/password&gt;"),
        ("<a><ns:token>x</ns:token> <b>y</b></a>", "<a><ns:token>[redacted]</ns:token> <b>y</b></a>"),
        ("secret=\nx=hello&token=y", "secret=\nx=hello&token=[redacted]"),
        (r#"no JSON, "token": "x" é"#, r#"no JSON, "token": "[redacted]" é"#),
    ] {
        assert_eq!(cleaned(given), expected);
        assert_eq!(cleaned(expected), expected, "once is enough");
    }
}

#[test]
fn what_holds_no_secret_stays_as_it_is() {
    for text in [
        "",
        "Login at 10% & more, 100 %25 & \"rest\" of the text = that",
        r#"{"a": "\u00e9 \/ %41 + x=y&z", "tokens": 3, "b":"a\\"}"#,
        "{\"description\":\"line 1\nsaid \\\"a\\\" \\\"b\\\" \\\"c\\\" and \\\"d\\\" the end\",\"n\":1}",
        r#"{"a":"\ud83d \q \"x\" \"y\" \\\\\\"}"#,
        "a=1&b=%7B%22x%22%7D&c=a+b",
        "it's 5 o'clock; path\\to\\x, <b>é</b>",
        r#"{"password":null,"tokens":3,"secret":"","token":true}"#,
        "the token, and what a signature is",
        r#"{"secret":"#,
        "mail me@example.org at http://h:80/@x",
        r#"{"message":"rate of bad auth > 5","m":"token->next is null","service_id":"x"}"#,
        r#"{"m":"bad token:","service_id":"mail","n":1}"#,
        r#"{"m":"auth: ","service_id":"mail","n":1}"#,
        "see http://h:80,me@x.org and [http://h:8080](mailto:me@x.org)",
        "image: registry/auth:v1, svc OAuth: enabled, DESIG=1, {'password': None}, {\"secrets\":[]}",
    ] {
        assert_eq!(cleaned(text), text);
    }
}

fn redacted(body: &[u8], headers: &str, body_bytes: usize) -> KeptRequest {
    let mut delivery = Delivery::default();
    (delivery.request.body, delivery.request.headers) = (body.to_vec(), headers.into());
    redact(&mut delivery, &registry(), body_bytes);
    delivery.request
}

#[test]
fn what_is_no_text_counts_as_cut_and_a_key_goes_with_the_body_it_was_bound_to() {
    let kept = |body: &[u8]| {
        let KeptRequest { cut, redacted, headers, .. } = redacted(body, "idempotency-key: k\n", 100);
        (cut, redacted, headers)
    };
    assert!(kept(b"{\"t\":\"St\xf6rung\"}").0);
    assert_eq!(kept(b"{\"a\":1}"), (false, false, "idempotency-key: k\n".into()));
    assert_eq!(kept(b"{\"token\":\"x\"}"), (false, true, String::new()));
}

#[test]
fn a_body_does_not_outgrow_its_bound_whatever_is_in_it() {
    let escapes = format!(r#"{{"a":"\q{}{}{}"}}"#, "\\\"".repeat(5), "\\\\".repeat(32_000), "\\\"".repeat(4));
    for body in ["token=x&".repeat(8000), "(".repeat(60_000) + "%22token%22:%22x%22", escapes] {
        let kept = redacted(body.as_bytes(), "", 65_536);
        assert!(kept.body.len() <= 65_536, "{}", kept.body.len());
        assert!(!kept.cut || kept.redacted);
    }
    // None of these takes longer than it is long.
    for text in ["=", "/", "token>", "auth:", "password:", "\"token\":{", "%25", "://", "&#37;"] {
        redacted(text.repeat(65_536 / text.len()).as_bytes(), "", 65_536);
    }
    let mut deep = r#""token":"hunter2""#.to_owned();
    for _ in 0..30 {
        deep = deep.replace('%', "%25").replace('"', "%22");
    }
    let kept = redacted(deep.as_bytes(), "", 65_536);
    assert_eq!((kept.body.len(), kept.cut), (0, true), "nobody can tell what is in it");
}

#[test]
fn headers_and_parameters_that_prove_who_sends_are_left_out() {
    let mut delivery = Delivery {
        request: KeptRequest {
            query: Some("topic=a%20b&token=x&Api_Key=y&k=t0ken%2Fwith%2Bsigns%3D%3D".into()),
            headers: "authorization: Basic eA==\nx-hub-signature-256: 00\nx-gotify-key: k\nx-auth-key: h\n\
                      x-webhook-key: h\nx-event: push: 1\nx-title: =?UTF-8?B?cm91dGluZy1rZXktMDAwMDAx?=\n"
                .into(),
            body: b"a=1&password=2".to_vec(),
            ..KeptRequest::default()
        },
        ..Delivery::default()
    };
    redact(&mut delivery, &registry(), 1000);
    let KeptRequest { query, headers, body, .. } = delivery.request;
    assert_eq!(query.as_deref(), Some("topic=a%20b&token=[redacted]&Api_Key=[redacted]&k=[redacted]"));
    assert_eq!(headers, "x-event: push: 1\nx-title: [redacted]\n");
    assert_eq!(body, b"a=1&password=[redacted]");
}
