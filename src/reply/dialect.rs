//! Refusals in the words of those whose senders expect them: status and body. What a product has a text or a code of
//! its own for is said in that; everything else in ours, in its form.

use http::StatusCode;
use serde_json::json;

use crate::error::{Details, Error, FieldError, Kind};
use crate::json::quoted;

/// What is wrong with fields, if that is what a refusal is about.
fn fields(error: &Error) -> &[FieldError] {
    match &error.details {
        Details::Fields(fields) => fields,
        _ => &[],
    }
}

/// PagerDuty's Events API v2. Its texts, the misspelt one included, are those that it answers.
pub(super) fn pagerduty(error: &Error) -> (u16, String) {
    let status = match error.kind {
        // It has no 404: a key is a field like the others.
        Kind::UnknownRoutingKey => 400,
        // Its senders try again after either.
        Kind::Overloaded => 429,
        kind => kind.status(),
    };
    let (status_text, message) = match error.kind {
        Kind::InvalidJson => ("Unrecognized object", "Event object format is unrecognized"),
        Kind::Validation | Kind::UnknownRoutingKey => ("invalid event", "Event object is invalid"),
        kind => (kind.code(), error.message.as_str()),
    };
    let errors: Vec<String> = match error.kind {
        Kind::InvalidJson => vec!["JSON parse error".into(), error.message.clone()],
        Kind::UnknownRoutingKey => vec!["Invalid routing key".into(), error.message.clone()],
        Kind::Validation => fields(error).iter().map(pagerduty_sentence).collect(),
        _ => vec![error.message.clone()],
    };
    let errors = serde_json::Value::from(errors);
    // In the order of the alphabet, as PagerDuty sends them.
    let body =
        format!("{{\"errors\":{errors},\"message\":{},\"status\":{}}}", quoted(message), quoted(status_text));
    (status, body)
}

/// An error without a field is a sentence of its own.
fn pagerduty_sentence(error: &FieldError) -> String {
    match error.field.as_str() {
        "" => error.message.clone(),
        field => format!("'{field}' {}", error.message),
    }
}

/// Where ntfy explains its codes.
const NTFY_DOCS: &str = "https://ntfy.sh/docs/publish/";

/// ntfy's codes begin with the status. For the fields of a message it has one each; it names the first thing that is
/// wrong.
pub(super) fn ntfy(error: &Error) -> (u16, String) {
    let http = error.kind.status();
    let (code, text, section) = match (error.kind, fields(error).first()) {
        (Kind::Validation, Some(field)) => ntfy_field(field),
        (Kind::InvalidJson, _) => {
            let text = format!("invalid request: request body must be valid JSON: {}", error.message);
            (40024, text, None)
        }
        (Kind::NotFound, _) => (40401, "page not found".into(), None),
        (Kind::PayloadTooLarge, _) => (41303, error.message.clone(), None),
        _ => (http * 100 + 1, error.message.clone(), None),
    };
    let link = section.map_or_else(String::new, |section| format!(",\"link\":\"{NTFY_DOCS}#{section}\""));
    (http, format!("{{\"code\":{code},\"http\":{http},\"error\":{}{link}}}\n", quoted(&text)))
}

fn ntfy_field(error: &FieldError) -> (u16, String, Option<&'static str>) {
    let (code, text, section) = match error.field.as_str() {
        "priority" => (40007, "invalid priority parameter", Some("message-priority")),
        "topic" => (40009, "invalid request: topic invalid", None),
        "message" => (40011, "invalid request: message must be UTF-8 encoded", None),
        "attach" => (40013, "invalid request: attachment URL is invalid", Some("attachments")),
        "filename" => (40014, "invalid request: attachments not allowed", Some("attachments")),
        "icon" => (40021, "invalid request: icon URL is invalid", Some("icons")),
        "sequence_id" => {
            (40049, "invalid request: sequence ID invalid", Some("updating-deleting-notifications"))
        }
        field => return (40000, format!("invalid request: {field} {}", error.message), None),
    };
    (code, text.into(), section)
}

/// Gotify's: the name of the status, the status, and a description.
pub(super) fn gotify(error: &Error) -> (u16, String) {
    let status = match error.kind {
        // Its key is a token.
        Kind::UnknownRoutingKey => 401,
        kind => kind.status(),
    };
    let description = match error.kind {
        Kind::UnknownRoutingKey => {
            "you need to provide a valid access token or user credentials to access this api".into()
        }
        Kind::NotFound => "page not found".into(),
        Kind::Validation => {
            let sentence = |one: &FieldError| format!("Field '{}' {}", one.field, one.message);
            fields(error).iter().map(sentence).collect::<Vec<_>>().join("; ")
        }
        _ => error.message.clone(),
    };
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let body = json!({ "error": name, "errorCode": status, "errorDescription": description });
    (status, body.to_string())
}

/// Healthchecks': a few words in plain text.
pub(super) fn healthchecks(error: &Error) -> (u16, String) {
    let text = match (error.kind, fields(error)) {
        (Kind::UnknownRoutingKey | Kind::NotFound, _) => "not found",
        (Kind::Validation, [FieldError { field, .. }]) if field == "rid" => "invalid uuid format",
        (Kind::Validation, _) => "invalid url format",
        _ => &error.message,
    };
    (error.kind.status(), text.to_owned())
}

/// Uptime Kuma's push API: whether it went well, and why not.
pub(super) fn uptime_kuma(error: &Error) -> (u16, String) {
    let text = match error.kind {
        Kind::UnknownRoutingKey | Kind::NotFound => "Monitor not found or not active.",
        _ => &error.message,
    };
    (error.kind.status(), json!({ "ok": false, "msg": text }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statuses of a kind in each dialect.
    fn statuses(kind: Kind) -> [u16; 5] {
        let error = Error::new(kind, "is as it is");
        [pagerduty, ntfy, gotify, healthchecks, uptime_kuma].map(|say| say(&error).0)
    }

    #[test]
    fn a_dialect_has_a_status_of_its_own_where_its_senders_expect_one() {
        assert_eq!(statuses(Kind::UnknownRoutingKey), [400, 404, 401, 404, 404]);
        assert_eq!(statuses(Kind::Overloaded), [429, 503, 503, 503, 503]);
        assert_eq!(statuses(Kind::StorageUnavailable), [503; 5]);
        assert_eq!(statuses(Kind::Internal), [500; 5]);
    }

    #[test]
    fn what_a_product_has_no_words_for_is_said_in_ours() {
        let error = Error::new(Kind::ShuttingDown, "\"stopping\"");
        let expected = r#"{"errors":["\"stopping\""],"message":"\"stopping\"","status":"shutting_down"}"#;
        assert_eq!(pagerduty(&error).1, expected);
        assert_eq!(ntfy(&error).1, "{\"code\":50301,\"http\":503,\"error\":\"\\\"stopping\\\"\"}\n");
        let expected = r#"{"error":"Service Unavailable","errorCode":503,"errorDescription":"\"stopping\""}"#;
        assert_eq!(gotify(&error).1, expected);
        assert_eq!(healthchecks(&error).1, "\"stopping\"");
        assert_eq!(uptime_kuma(&error).1, r#"{"msg":"\"stopping\"","ok":false}"#);
    }
}
