//! JSON, read strictly and kept exactly.
//!
//! `serde_json` decides what is JSON. On top of that: no duplicate member at any depth, no U+0000, no lone surrogate,
//! at most [`MAX_DEPTH`] levels; and numbers keep the text that they were sent as, which no `f64` would.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memchr2;
use serde::de::IgnoredAny;

use crate::error::{Details, Error, Kind};

/// Levels of arrays and objects in one body; the recursion below is as deep.
pub const MAX_DEPTH: usize = 128;

/// A JSON value that borrows from the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was sent.
    Number(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, its members in the order sent, no name twice.
    Object(Vec<Member<'a>>),
}

/// A member of an object.
pub type Member<'a> = (Cow<'a, str>, Json<'a>);

impl Json<'_> {
    /// The type, with its article, to be read in a sentence.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The value without insignificant white space, numbers as they were sent.
    #[must_use]
    pub fn to_compact(&self) -> String {
        let mut out = String::new();
        self.write_compact(&mut out);
        out
    }

    fn write_compact(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => push_quoted(out, text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_compact(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    push_quoted(out, name);
                    out.push(':');
                    value.write_compact(out);
                }
                out.push('}');
            }
        }
    }
}

/// `text` as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

/// Appends `text` as a JSON string. Nearly all text needs no escape; what does is `serde_json`'s business.
pub fn push_quoted(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
        return;
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// Reads a body that must be a JSON object.
///
/// # Errors
/// `invalid_json` with the line and the column of what is wrong.
pub fn parse_object(body: &[u8]) -> Result<Vec<Member<'_>>, Error> {
    match parse(body)? {
        Json::Object(members) => Ok(members),
        other => Err(invalid(format!("the body is {}; an object is expected", other.type_name()), 1, 1)),
    }
}

/// Reads a body.
///
/// # Errors
/// `invalid_json` with the line and the column of what is wrong.
pub fn parse(body: &[u8]) -> Result<Json<'_>, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid_at("the body is not UTF-8", body, error.valid_up_to()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        // serde_json appends the position to its message; ours stands in the details too.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        invalid(format!("the body is not JSON: {message}"), error.line(), error.column().max(1))
    })?;
    let mut walk = Walk { text, at: 0 };
    walk.value(0).map_err(|problem| invalid_at(&problem, body, walk.at))
}

fn invalid(message: impl Into<String>, line: usize, column: usize) -> Error {
    let message = format!("{} (line {line}, column {column})", message.into());
    Error::new(Kind::InvalidJson, message).with(Details::Position { line, column })
}

fn invalid_at(message: &str, body: &[u8], at: usize) -> Error {
    let before = &body[..at.min(body.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    invalid(message, line, before.len() - line_start + 1)
}

/// Walks text that is known to be JSON; `at` is where a problem was found.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    /// Skips white space and one separator, if one is there.
    fn skip(&mut self, separator: u8) {
        self.skip_space();
        if self.peek() == separator {
            self.at += 1;
            self.skip_space();
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.skip_space();
        match self.peek() {
            b'{' | b'[' if depth == MAX_DEPTH => Err(format!("nested deeper than {MAX_DEPTH} levels")),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(Json::String),
            _ => Ok(self.scalar()),
        }
    }

    fn scalar(&mut self) -> Json<'a> {
        let rest = &self.text[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']);
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => Json::Number(number),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, String> {
        let mut items = Vec::new();
        self.skip(b'[');
        while self.peek() != b']' {
            items.push(self.value(depth)?);
            self.skip(b',');
        }
        self.at += 1;
        Ok(Json::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, String> {
        // Most objects are small: comparing is cheaper than hashing. Large ones must not cost the square.
        const SMALL: usize = 16;
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
        self.skip(b'{');
        while self.peek() != b'}' {
            let name_at = self.at;
            let name = self.string()?;
            if members.len() == SMALL {
                seen.extend(members.iter().map(|(name, _)| name.clone()));
            }
            let twice = match members.len() < SMALL {
                true => members.iter().any(|(earlier, _)| *earlier == name),
                false => !seen.insert(name.clone()),
            };
            if twice {
                self.at = name_at;
                let shown: String = name.chars().take(64).collect();
                return Err(format!("the member {} is there twice", quoted(&shown)));
            }
            self.skip(b':');
            members.push((name, self.value(depth)?));
            self.skip(b',');
        }
        self.at += 1;
        Ok(Json::Object(members))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        let text = self.text;
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        while let Some(at) = memchr2(b'"', b'\\', &text.as_bytes()[end..]) {
            end += at;
            if text.as_bytes()[end] == b'"' {
                break;
            }
            escaped = true;
            end += 2;
        }
        let value = if escaped {
            let literal = &text[self.at..=end];
            Cow::Owned(serde_json::from_str::<String>(literal).map_err(|_| "a lone surrogate".to_owned())?)
        } else {
            Cow::Borrowed(&text[start..end])
        };
        // A bare U+0000 is no JSON to begin with; an escaped one is.
        if escaped && value.contains('\0') {
            return Err("U+0000 is not allowed in a string".to_owned());
        }
        self.at = end + 1;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(body: &str) -> String {
        parse(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn numbers_and_order_are_kept_and_space_is_not() {
        let body = br#" { "b" : [ 1.10 , 1e400 , -0 , 12345678901234567890123 ] , "a" : { "x" : null , "y" : true } } "#;
        let compact = r#"{"b":[1.10,1e400,-0,12345678901234567890123],"a":{"x":null,"y":true}}"#;
        assert_eq!(parse(body).unwrap().to_compact(), compact);
        assert_eq!(parse(br#"["",{},[],"\u00e9\n\"\\"]"#).unwrap().to_compact(), r#"["",{},[],"é\n\"\\"]"#);
    }

    #[test]
    fn what_is_refused_says_where() {
        assert_eq!(refused("{\"a\":1,\n  \"a\":2}"), "the member \"a\" is there twice (line 2, column 3)");
        assert_eq!(
            refused(r#"{"a":{"b":1,"\u0062":2}}"#),
            "the member \"b\" is there twice (line 1, column 13)"
        );
        assert_eq!(refused(r#"{"a":"x\u0000"}"#), "U+0000 is not allowed in a string (line 1, column 6)");
        assert_eq!(refused(r#"{"a":"\ud83d"}"#), "a lone surrogate (line 1, column 6)");
        assert_eq!(
            refused(r#"{"a":"\ud83d\ude00"#),
            "the body is not JSON: EOF while parsing a string (line 1, column 18)"
        );
        assert_eq!(refused(""), "the body is not JSON: EOF while parsing a value (line 1, column 1)");
        assert_eq!(refused("{} x"), "the body is not JSON: trailing characters (line 1, column 4)");
        let invalid_utf8 = parse(b"{\"a\":\"\xff\"}").unwrap_err().message;
        assert_eq!(invalid_utf8, "the body is not UTF-8 (line 1, column 7)");
        let array = parse_object(b"[1]").unwrap_err().message;
        assert_eq!(array, "the body is an array; an object is expected (line 1, column 1)");
    }

    #[test]
    fn depth_is_bounded_whatever_the_body() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(&nested(MAX_DEPTH + 1)).starts_with("nested deeper than 128 levels"));
        assert!(refused(&nested(100_000)).starts_with("nested deeper than 128 levels"));
        assert!(refused(&"[".repeat(100_000)).starts_with("the body is not JSON"));
    }

    #[test]
    fn duplicates_are_found_in_large_objects_too() {
        let members: Vec<String> = (0..2000).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(parse(format!("{{{}}}", members.join(",")).as_bytes()).is_ok());
        for twice in ["k0", "k15", "k16", "k17", "k1999"] {
            let body = format!("{{{},\"{twice}\":0}}", members.join(","));
            assert!(refused(&body).contains("is there twice"), "{twice}");
        }
    }

    fn arbitrary_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[^\u{0}]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-z\"\\\\é]{0,4}", inner, 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_writes(value in arbitrary_value(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(parse(text.as_bytes()).unwrap().to_compact(), serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn what_it_refuses_beyond_serde_json_has_a_reason_that_is_ours(
            value in arbitrary_value(), at: prop::sample::Index, byte in prop::sample::select(b"{}[],:\"\\u0d8a1e-. \n".to_vec()),
        ) {
            let mut body = serde_json::to_vec(&value).unwrap();
            let at = at.index(body.len());
            body[at] = byte;
            match (serde_json::from_slice::<IgnoredAny>(&body), parse(&body)) {
                (Ok(_), Ok(ours)) => {
                    let again = ours.to_compact();
                    prop_assert_eq!(parse(again.as_bytes()).unwrap().to_compact(), again);
                }
                (Ok(_), Err(error)) => {
                    let ours = ["is there twice", "U+0000", "a lone surrogate", "nested deeper", "not UTF-8"];
                    prop_assert!(ours.iter().any(|reason| error.message.contains(reason)), "{}", error.message);
                }
                (Err(_), ours) => prop_assert!(ours.is_err()),
            }
        }
    }
}
