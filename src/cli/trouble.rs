//! Why a request came to nothing, and what to do next.

use std::fmt;

use serde_json::Value;

use super::cells::clean;

/// Why there is no answer to work with.
#[derive(Debug)]
pub enum Trouble {
    /// The connection failed, or broke before the answer was complete: the server may have done it or not.
    Unreachable(String),
    /// The server said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, and what to do about it.
        text: String,
    },
    /// Whoever answered is no Firebell, or not one that this command knows.
    Strange(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(text) | Self::Refused { text, .. } | Self::Strange(text)) = self;
        f.write_str(text)
    }
}

/// A refusal, for a person: the message, each field that is wrong, and the next step where the message has none.
pub fn explain(status: u16, error: &Value, retry_after: Option<&str>) -> String {
    let text = |value: &Value| clean(value.as_str().unwrap_or_default());
    let code = text(&error["code"]);
    let mut lines = vec![format!("{} ({code})", text(&error["message"]))];
    let fields = error["details"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    if fields.len() > 1 {
        lines.extend(
            fields.iter().map(|field| format!("  {} {}", text(&field["field"]), text(&field["message"]))),
        );
    }
    lines.extend(next_step(status, &code, retry_after).map(|step| format!("  {step}")));
    lines.join("\n")
}

fn next_step(status: u16, code: &str, retry_after: Option<&str>) -> Option<String> {
    let step = match (status, code) {
        (_, "unauthenticated") => {
            "give a token with --token or FIREBELL_TOKEN; they are the [[tokens]] of the server's configuration"
        }
        (_, "forbidden") => {
            "add the scope to that token in the [[tokens]] of the server's configuration, or give another with \
             --token or FIREBELL_TOKEN"
        }
        (_, "not_found") => {
            "`firebell incidents` and `firebell deliveries` list what there is; is --url the right server, and as new as this command?"
        }
        (405, _) => "the server may be older than this command: `firebell --version` there says",
        (409, "already_acknowledged") => "`firebell incidents assign` hands it to somebody else",
        (429 | 503, _) => {
            let seconds = retry_after.unwrap_or("a few");
            return Some(format!("try again in {} s", clean(seconds)));
        }
        _ => return None,
    };
    Some(step.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::explain;

    #[test]
    fn a_refusal_says_what_to_do_next() {
        let error = json!({ "code": "forbidden", "message": "token \"a\" lacks the scope incidents:write" });
        let told = explain(403, &error, None);
        assert!(told.starts_with("token \"a\" lacks the scope incidents:write (forbidden)\n  add the scope"));
        let busy = explain(503, &json!({ "code": "overloaded", "message": "is busy" }), Some("1"));
        assert_eq!(busy, "is busy (overloaded)\n  try again in 1 s");
        let hostile = explain(400, &json!({ "code": "x", "message": "\u{1b}[31mred\u{202e}" }), None);
        assert_eq!(hostile, " [31mred (x)");
    }

    #[test]
    fn several_fields_are_named_one_a_line() {
        let fields = json!([{ "field": "a", "message": "is odd" }, { "field": "b", "message": "is even" }]);
        let error =
            json!({ "code": "c", "message": "2 fields are invalid", "details": { "fields": fields } });
        assert_eq!(explain(400, &error, None), "2 fields are invalid (c)\n  a is odd\n  b is even");
    }
}
