//! What is kept of requests is without secrets: those of the configuration wherever they stand, and whatever is called
//! like one. Off the way of alerts: it reads every byte.

use std::borrow::Cow;

use crate::model::Delivery;
use crate::registry::Registry;

const REDACTED: &str = "[redacted]";

/// What names of secrets end with, in lower case and without `_` and `-`.
const SECRET_NAMES: [&str; 13] = [
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "cookie",
    "apikey",
    "routingkey",
    "accesskey",
    "privatekey",
    "secretkey",
    "signingkey",
    "gotifykey",
];

/// Lengths of words that may be secrets of the configuration, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=1024;

/// Takes the secrets out of a delivery.
pub fn redact(delivery: &mut Delivery, registry: &Registry) {
    let known = |text: &str| without_known(text, registry);
    let request = &mut delivery.request;
    let headers = request.headers().filter(|(name, _)| !is_secret_header(name));
    request.headers = headers.map(|(name, value)| format!("{name}: {}\n", known(value))).collect();
    request.topic = request.topic.as_deref().map(known);
    request.query = request.query.as_deref().map(|query| without_parameters(query, &known));
    let body = String::from_utf8_lossy(&request.body);
    // Not by the type that it claims: `curl -d` calls everything a form.
    let form = !body.trim_start().starts_with(['{', '['])
        && form_urlencoded::parse(body.as_bytes()).any(|(name, _)| is_secret_name(&name));
    let body = if form { without_parameters(&body, &known) } else { without_members(&known(&body)) };
    request.body = body.into_bytes();
    delivery.request_id = known(&delivery.request_id);
    if let Some((_, text)) = &mut delivery.error {
        *text = known(text);
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace(['_', '-'], "");
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

fn is_secret_header(name: &str) -> bool {
    is_secret_name(name) || name.contains("signature")
}

/// `text` without routing keys, tokens and signing secrets of the configuration.
fn without_known(text: &str, registry: &Registry) -> String {
    let mut text = Cow::Borrowed(text);
    let secrets = registry.integrations().iter().flat_map(|one| &one.protection.signing_secrets);
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), REDACTED).into();
        }
    }
    // Keys are known as hashes only, so words are compared: in what may stand in a key, and in what may in a token.
    let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let in_token = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | ',' | '<' | '>' | '&');
    let text = without_words(&text, in_key, registry);
    without_words(&text, in_token, registry)
}

fn without_words(text: &str, is_part: impl Fn(char) -> bool, registry: &Registry) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(&is_part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out.push_str(before);
        let secret = SECRET_BYTES.contains(&word.len()) && registry.is_secret(word);
        out.push_str(if secret { REDACTED } else { word });
        rest = after;
    }
    out + rest
}

/// A query, or a form, without parameters that are called like a secret.
fn without_parameters(query: &str, known: &impl Fn(&str) -> String) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !is_secret_name(name)) {
        out.append_pair(&known(&name), &known(&value));
    }
    out.finish()
}

/// JSON with the values of members that are called like a secret replaced. It need not be JSON all through: what is
/// none is kept too, and what was cut.
fn without_members(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (before, from) = rest.split_at(quote);
        let (string, after) = from.split_at(string_end(from));
        out.push_str(before);
        out.push_str(string);
        rest = after;
        let Some(value) = after.trim_start().strip_prefix(':') else { continue };
        let value = value.trim_start();
        // `null`, `true` and `false` give nothing away.
        if !is_secret_name(string.trim_matches('"')) || value.starts_with(['n', 't', 'f']) {
            continue;
        }
        let (colon, value) = after.split_at(after.len() - value.len());
        out.push_str(colon);
        out.push('"');
        out.push_str(REDACTED);
        out.push('"');
        rest = value.split_at(value_end(value)).1;
    }
    out + rest
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
        let token =
            Token { name: "ops".into(), email: None, scopes: vec![Scope::IncidentsRead], rate_per_minute: 0 };
        Registry::new(vec![], vec![], vec![(token, "t0ken/with+signs==".into())], Severity::Sev2)
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
            assert_eq!(without_members(given), expected);
        }
    }

    #[test]
    fn tokens_of_the_configuration_are_found_wherever_they_stand() {
        for text in ["t0ken/with+signs==", "a \"t0ken/with+signs==\" b", "x,t0ken/with+signs==\n"] {
            let told = without_known(text, &registry());
            assert!(told.contains(REDACTED) && !told.contains("signs"), "{told}");
        }
        assert_eq!(without_known("t0ken/with+signs=", &registry()), "t0ken/with+signs=");
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
        assert_eq!(query.as_deref(), Some("topic=a+b&k=%5Bredacted%5D"));
        assert_eq!((headers.as_str(), body.as_slice()), ("x-event: push: 1\n", &b"a=1"[..]));
        for text in ["[ {\"a\":\"&token=1\"}", "no form: at all&", "{"] {
            let mut other = Delivery::default();
            other.request.body = text.into();
            redact(&mut other, &registry());
            assert_eq!(String::from_utf8(other.request.body).unwrap(), text);
        }
    }
}
