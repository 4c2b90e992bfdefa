//! What is kept of requests is without secrets: those of the configuration, and whatever is called like one, also where
//! they are escaped, in JSON within a string, or in a URL. Off the way of alerts: it reads every byte.
//!
//! What is no secret stays byte for byte as it was sent.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::json::quoted;
use crate::model::Delivery;
use crate::registry::Registry;

const REDACTED: &str = "[redacted]";

/// What names of secrets end with, in lower case and without `_` and `-`.
const SECRET_NAMES: [&str; 20] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "signature",
    "sig",
    "apikey",
    "routingkey",
    "accesskey",
    "privatekey",
    "secretkey",
    "signingkey",
    "gotifykey",
];

/// Lengths of words that may be secrets of the configuration, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Encodings within encodings that are looked into: a form with JSON with JSON in a string is three.
const MOST_DEPTH: usize = 6;

/// Takes the secrets out of a delivery.
pub fn redact(delivery: &mut Delivery, registry: &Registry) {
    let redactor = Redactor { registry };
    let clean = |text: &str| redactor.clean(text, 0).into_owned();
    let request = &mut delivery.request;
    let body = String::from_utf8_lossy(&request.body);
    // What is no text is not there as it came, and would not be refused again as it was.
    request.cut |= matches!(body, Cow::Owned(_));
    let cleaned = clean(&body);
    let body_changed = cleaned != body;
    // An idempotency key is bound to the body that it came with; on another it would stand in its sender's way.
    let goes = |name: &str| is_secret_header(name) || (body_changed && name == "idempotency-key");
    let headers = request.headers().filter(|(name, _)| !goes(name));
    request.headers = headers.map(|(name, value)| format!("{name}: {}\n", clean(value))).collect();
    request.topic = request.topic.as_deref().map(clean);
    request.query = request.query.as_deref().map(clean);
    request.body = cleaned.into_bytes();
    delivery.request_id = clean(&delivery.request_id);
    if let Some((_, text)) = &mut delivery.error {
        *text = clean(text);
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace(['_', '-'], "");
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

fn is_secret_header(name: &str) -> bool {
    is_secret_name(name) || name.contains("signature")
}

struct Redactor<'r> {
    registry: &'r Registry,
}

impl Redactor<'_> {
    /// `text` without secrets. What stands between quotes is looked at as what it means; the rest as it is. Neither JSON
    /// nor anything else has to be whole.
    fn clean<'t>(&self, text: &'t str, depth: usize) -> Cow<'t, str> {
        if depth > MOST_DEPTH {
            return REDACTED.into();
        }
        let text = self.without_signing_secrets(text);
        let mut out = String::with_capacity(text.len());
        let mut rest = &*text;
        while let Some(quote) = rest.find('"') {
            let (before, from) = rest.split_at(quote);
            let (literal, after) = from.split_at(string_end(from));
            out.push_str(&self.outside(before, depth));
            out.push_str(&self.literal(literal, depth));
            rest = after;
            if !is_secret_name(literal.trim_matches('"')) {
                continue;
            }
            let Some(value) = after.trim_start().strip_prefix(':').map(str::trim_start) else { continue };
            if gives_nothing_away(value) {
                continue;
            }
            let (colon, value) = after.split_at(after.len() - value.len());
            out.extend([colon, "\"", REDACTED, "\""]);
            rest = value.split_at(value_end(value)).1;
        }
        out.push_str(&self.outside(rest, depth));
        if out == *text { text } else { out.into() }
    }

    /// A string with its quotes; it may lack the second.
    fn literal<'t>(&self, literal: &'t str, depth: usize) -> Cow<'t, str> {
        let decoded = serde_json::from_str::<String>(literal);
        let inner = match &decoded {
            Ok(text) => text.as_str(),
            Err(_) => literal.trim_matches('"'),
        };
        match self.clean(inner, depth + 1) {
            cleaned if cleaned == inner => literal.into(),
            cleaned => quoted(&cleaned).into(),
        }
    }

    /// Text without quotes: parameters that are called like a secret, and the configuration's secrets among its words.
    fn outside(&self, text: &str, depth: usize) -> String {
        let is_part =
            |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '\\' | ',' | '<' | '>' | '&' | '?' | ';');
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_part) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
            out.push_str(before);
            out.push_str(&self.word(word, depth));
            rest = after;
        }
        out + rest
    }

    /// A word, or a parameter of a form or a URL.
    fn word<'t>(&self, word: &'t str, depth: usize) -> Cow<'t, str> {
        if self.is_secret(word) {
            return REDACTED.into();
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (&word[..=name.len()], value),
            None => ("", word),
        };
        let parameter = name.trim_end_matches('=');
        if !parameter.is_empty() && !value.is_empty() && is_secret_name(&unescaped(parameter)) {
            return format!("{name}{REDACTED}").into();
        }
        if value.contains('%') {
            let meant = unescaped(value);
            // A lone percent sign stands for itself.
            let cleaned = if meant == value { Cow::Borrowed(value) } else { self.clean(&meant, depth + 1) };
            if cleaned != meant {
                return (name.to_owned()
                    + &form_urlencoded::byte_serialize(cleaned.as_bytes()).collect::<String>())
                    .into();
            }
        }
        let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let secret = |part: &&str| self.is_secret(part);
        match word.split(|c| !in_key(c)).chain([value]).find(secret) {
            Some(part) => word.replace(part, REDACTED).into(),
            None => word.into(),
        }
    }

    fn is_secret(&self, word: &str) -> bool {
        SECRET_BYTES.contains(&word.len()) && self.registry.is_secret(word)
    }

    /// Signing secrets are known as they are, and may hold anything.
    fn without_signing_secrets<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        let integrations = self.registry.integrations().iter();
        for secret in integrations.flat_map(|one| &one.protection.signing_secrets) {
            if !secret.is_empty() && text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REDACTED).into();
            }
        }
        text
    }
}

/// What percent signs, and pluses beside them, stand for.
fn unescaped(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// `null`, `true` and `false`.
fn gives_nothing_away(value: &str) -> bool {
    ["null", "true", "false"].iter().any(|word| {
        let behind = value.strip_prefix(word);
        behind.is_some_and(|behind| {
            !behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'))
        })
    })
}

/// Where the string that `text` begins with ends, or `text`.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the value that `text` begins with ends, or `text`.
fn value_end(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at += string_end(text.split_at(at).1),
            b',' | b'}' | b']' if depth == 0 => return at,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' => (at, depth) = (at + 1, depth - 1),
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeptRequest, Severity};
    use crate::registry::{Scope, Token};

    fn registry() -> Registry {
        let token = |name: &str| {
            let scopes = vec![Scope::IncidentsRead];
            Token { name: name.into(), email: None, scopes, rate_per_minute: 0 }
        };
        let tokens = [("ops", "t0ken/with+signs=="), ("cli", "routing-key-000001")];
        let tokens = tokens.map(|(name, secret)| (token(name), secret.to_owned()));
        Registry::new(vec![], vec![], tokens.into(), Severity::Sev2)
    }

    fn clean(text: &str) -> String {
        let registry = registry();
        Redactor { registry: &registry }.clean(text, 0).into_owned()
    }

    #[test]
    fn secrets_are_found_in_every_spelling() {
        for text in [
            r#"{"a":"key:\nrouting-key-000001"}"#,
            r#"{"a":"\u003crouting-key-000001\u003e"}"#,
            r#"{"a":"t0ken\/with+signs=="}"#,
            r#"{"a":"https%3A%2F%2Fh%2Fwebhooks%2Frouting-key-000001"}"#,
            "payload=1&x=%22routing-key-000001%22",
            "https://h/webhooks/routing-key-000001?x=1",
            "key=routing-key-000001",
            r#"{"a":"{\"b\":\"routing-key-000001\"}"}"#,
        ] {
            let told = clean(text);
            assert!(!told.contains("routing-key") && !told.contains("signs"), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_called_like_a_secret_is_found_in_what_holds_it() {
        for (given, expected) in [
            (r#"{"M":"{\"password\":\"hunter2\"}"}"#, r#"{"M":"{\"password\":\"[redacted]\"}"}"#),
            (r#"{"u":"http://x/?a=1&Token=abcdef"}"#, r#"{"u":"http://x/?a=1&Token=[redacted]"}"#),
            (
                "payload=%7B%22token%22%3A%22h%22%7D&b=1",
                "payload=%7B%22token%22%3A%22%5Bredacted%5D%22%7D&b=1",
            ),
            (r#"{"password": tops3cret}"#, r#"{"password": "[redacted]"}"#),
            ("auth=QmFzaWMg&b=%41", "auth=[redacted]&b=%41"),
        ] {
            assert_eq!(clean(given), expected);
        }
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        for text in [
            "Login at 10% & more, 100 %25 & \"rest\" of the text = that",
            r#"{"a": "\u00e9 \/ %41 + x=y&z", "tokens": 3, "b":"a\\"}"#,
            "a=1&b=%7B%22x%22%7D&c=a+b",
            "it's 5 o'clock; path\\to\\x, <b>é</b>",
        ] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean("bad token=xyz & rest"), "bad token=[redacted] & rest");
    }

    #[test]
    fn what_is_no_text_counts_as_cut_and_a_key_goes_with_the_body_it_was_bound_to() {
        let redacted = |body: &[u8]| {
            let mut delivery = Delivery::default();
            delivery.request.body = body.to_vec();
            delivery.request.headers = "idempotency-key: k\n".into();
            redact(&mut delivery, &registry());
            (delivery.request.cut, delivery.request.headers)
        };
        assert!(redacted(b"{\"t\":\"St\xf6rung\"}").0);
        assert_eq!(redacted(b"{\"a\":1}"), (false, "idempotency-key: k\n".into()));
        assert_eq!(redacted(b"{\"token\":\"x\"}"), (false, String::new()));
    }

    #[test]
    fn members_that_are_called_like_secrets_lose_their_values_whatever_they_are() {
        for (given, expected) in [
            (r#"{"token":"a\"b,}","b":1}"#, r#"{"token":"[redacted]","b":1}"#),
            (r#"{"API-Key" : 12, "b" :"token"}"#, r#"{"API-Key" : "[redacted]", "b" :"token"}"#),
            (
                r#"{"a":{"clientSecret":{"x":["}",{}]}},"c":2}"#,
                r#"{"a":{"clientSecret":"[redacted]"},"c":2}"#,
            ),
            (r#"[{"routing_key":7}]"#, r#"[{"routing_key":"[redacted]"}]"#),
            (r#"{"password":null,"tokens":3}"#, r#"{"password":null,"tokens":3}"#),
            (r#"{"password":"cut o"#, r#"{"password":"[redacted]""#),
            (r#"no JSON, "token": "x" é"#, r#"no JSON, "token": "[redacted]" é"#),
            (r#"{"secret":"#, r#"{"secret":"[redacted]""#),
            ("", ""),
        ] {
            let registry = registry();
            assert_eq!(Redactor { registry: &registry }.clean(given, 0), expected);
        }
    }

    #[test]
    fn tokens_of_the_configuration_are_found_wherever_they_stand() {
        for text in ["t0ken/with+signs==", "a \"t0ken/with+signs==\" b", "x,t0ken/with+signs==\n"] {
            let told = clean(text);
            assert!(told.contains(REDACTED) && !told.contains("signs"), "{told}");
        }
        assert_eq!(clean("t0ken/with+signs="), "t0ken/with+signs=");
    }

    #[test]
    fn headers_and_parameters_that_prove_who_sends_are_left_out() {
        let mut delivery = Delivery {
            request: KeptRequest {
                query: Some("topic=a%20b&token=x&Api_Key=y&k=t0ken%2Fwith%2Bsigns%3D%3D".into()),
                headers:
                    "authorization: Basic eA==\nx-hub-signature-256: 00\nx-gotify-key: k\nx-event: push: 1\n"
                        .into(),
                body: b"a=1&password=2".to_vec(),
                ..KeptRequest::default()
            },
            ..Delivery::default()
        };
        redact(&mut delivery, &registry());
        let KeptRequest { query, headers, body, .. } = delivery.request;
        assert_eq!(
            query.as_deref(),
            Some("topic=a%20b&token=[redacted]&Api_Key=[redacted]&k=%5Bredacted%5D")
        );
        assert_eq!(
            (headers.as_str(), body.as_slice()),
            ("x-event: push: 1\n", &b"a=1&password=[redacted]"[..])
        );
        for text in ["[ {\"a\":\"&tokens=1\"}", "no form: at all&", "{"] {
            let mut other = Delivery::default();
            other.request.body = text.into();
            redact(&mut other, &registry());
            assert_eq!(String::from_utf8(other.request.body).unwrap(), text);
        }
    }
}
