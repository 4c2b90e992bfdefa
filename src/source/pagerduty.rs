//! PagerDuty's Events API v2: triggers, acknowledgements and resolves, one a body, the routing key in it.
//!
//! The words of the errors, the misspelt one included, are those that PagerDuty's own service answers, as far as they
//! are known; the others follow their pattern.

use super::{Parsed, Received};
use crate::error::{Error, FieldError};
use crate::hex;
use crate::json::{self, Json, Member, quoted};
use crate::model::{NativeAlert, Services, Severity, Status, is_web_url};
use crate::reply::Answer;

/// Characters of a routing key; senders check this themselves.
const ROUTING_KEY_CHARS: usize = 32;

/// Characters of a summary.
const SUMMARY_CHARS: usize = 1024;

/// Characters of a summary that a title holds; of a longer one the whole text is the description.
const TITLE_CHARS: usize = 200;

/// Whether PagerDuty's senders take `key` for a routing key.
#[must_use]
pub fn is_routing_key(key: &str) -> bool {
    key.len() == ROUTING_KEY_CHARS && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The routing key in the body of an event, or of a change event.
///
/// # Errors
/// `invalid_json`; everything that is wrong with the event, if its key could be nobody's.
pub fn routing_key(body: &[u8], is_change: bool) -> Result<String, Error> {
    let members = json::parse_object(body)?;
    let mut errors = Vec::new();
    let key = text(&members, "routing_key", "routing_key", &mut errors);
    if let Some(key) = key {
        if is_routing_key(key) {
            return Ok(key.to_owned());
        }
        if key.chars().count() != ROUTING_KEY_CHARS {
            let sentence = "Length of 'routing_key' is incorrect (should be 32 characters)";
            errors.push(FieldError::new("", "invalid", sentence));
        }
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message = "cannot contain non-alphanumeric characters.";
            errors.push(FieldError::new("routing_key", "invalid", message));
        }
    }
    check(&members, is_change, &mut errors);
    Err(Error::fields(errors))
}

/// Checks a change event. It is no alert: it tells what was done, not what is wrong.
///
/// # Errors
/// `invalid_json`, or `validation_error` with everything that is wrong.
pub fn check_change(body: &[u8]) -> Result<(), Error> {
    let mut errors = Vec::new();
    check(&json::parse_object(body)?, true, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Error::fields(errors)) }
}

/// The answer to a change event.
#[must_use]
pub fn change_answer() -> Answer {
    accepted(r#"{"status":"success","message":"Change event processed"}"#.into(), false)
}

pub(super) fn answer(received: &Received) -> Result<Answer, Error> {
    let [report] = received.reports.as_slice() else {
        return Err(Error::internal("PagerDuty's events are one a body"));
    };
    let key = quoted(report.dedup_key.as_deref().unwrap_or_default());
    let body = format!(r#"{{"status":"success","message":"Event processed","dedup_key":{key}}}"#);
    Ok(accepted(body, received.replayed))
}

fn accepted(body: String, replayed: bool) -> Answer {
    Answer { status: 202, data: body, content_type: Some("application/json"), replayed }
}

pub(super) fn parse(body: &[u8], services: &Services<'_>) -> Result<Parsed, Error> {
    let members = json::parse_object(body)?;
    let mut errors = Vec::new();
    check(&members, false, &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(errors));
    }
    let dedup_key = match find(&members, "dedup_key") {
        Some(Json::String(key)) if !key.trim().is_empty() => key.to_string(),
        _ => fresh_key()?,
    };
    let status = match string(&members, "event_action") {
        Some("acknowledge") => Status::Investigating,
        Some("resolve") => Status::Resolved,
        _ => Status::New,
    };
    // Some senders repeat the payload when they resolve. PagerDuty looks at it when it is triggered only.
    let alert = match find(&members, "payload") {
        Some(Json::Object(payload)) if status == Status::New => triggered(&members, payload),
        _ => NativeAlert { status_only: true, ..NativeAlert::default() },
    };
    let alert = NativeAlert { status: Some(status), dedup_key: Some(dedup_key), ..alert };
    let alert = alert.fit(services).map_err(Error::fields)?;
    Ok(Parsed { alerts: vec![alert], ..Parsed::default() })
}

/// A key for an event that brings none: it is an incident of its own, whose sender may still resolve it.
fn fresh_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(hex::encode(&bytes))
}

fn triggered(event: &[Member<'_>], payload: &[Member<'_>]) -> NativeAlert {
    let summary = string(payload, "summary").unwrap_or_default().trim();
    let severity = match string(payload, "severity") {
        Some("critical") => Severity::Sev1,
        Some("error") => Severity::Sev2,
        Some("warning") => Severity::Sev3,
        _ => Severity::Sev4,
    };
    let mut metadata = Vec::new();
    for name in ["source", "component", "group", "class", "timestamp"] {
        push(&mut metadata, name, find(payload, name));
    }
    push(&mut metadata, "client", find(event, "client"));
    push(&mut metadata, "client_url", find(event, "client_url"));
    push(&mut metadata, "links", find(event, "links"));
    push(&mut metadata, "images", find(event, "images"));
    match find(payload, "custom_details") {
        Some(Json::Object(details)) => {
            for (name, value) in details {
                // Where the event calls something of its own the same, both stay.
                let taken = metadata.iter().any(|(known, _)| known == name.as_ref());
                let name = if taken { format!("custom_details.{name}") } else { name.to_string() };
                push(&mut metadata, &name, Some(value));
            }
        }
        other => push(&mut metadata, "custom_details", other),
    }
    NativeAlert {
        title: Some(summary.to_owned()),
        description: (summary.chars().count() > TITLE_CHARS).then(|| summary.to_owned()),
        severity: Some(severity),
        source_url: first_link(event),
        metadata,
        ..NativeAlert::default()
    }
}

/// Where to look: the first of the links that leads somewhere, else what led the client there.
fn first_link(event: &[Member<'_>]) -> Option<String> {
    let links = match find(event, "links") {
        Some(Json::Array(links)) => links.as_slice(),
        _ => &[],
    };
    let href = |link: &Json<'_>| match link {
        Json::Object(link) => string(link, "href").map(|href| href.trim().to_owned()),
        _ => None,
    };
    let links = links.iter().filter_map(href);
    links.chain(string(event, "client_url").map(str::to_owned)).find(|href| is_web_url(href))
}

/// Adds what says something.
fn push(metadata: &mut Vec<(String, String)>, name: &str, value: Option<&Json<'_>>) {
    let Some(value) = value else { return };
    let says_nothing = match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    };
    if !says_nothing {
        metadata.push((name.to_owned(), value.to_compact()));
    }
}

/// Everything that is wrong with an event, save its routing key.
fn check(members: &[Member<'_>], is_change: bool, errors: &mut Vec<FieldError>) {
    let mut is_trigger = false;
    if !is_change {
        match text(members, "event_action", "event_action", errors) {
            Some("trigger") => {
                is_trigger = true;
                if !matches!(find(members, "dedup_key"), None | Some(Json::Null | Json::String(_))) {
                    errors.push(FieldError::new("dedup_key", "wrong_type", "is invalid (must be a string)"));
                }
            }
            Some("acknowledge" | "resolve") => _ = text(members, "dedup_key", "dedup_key", errors),
            Some(_) => {
                let message =
                    "is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')";
                errors.push(FieldError::new("event_action", "not_in_list", message));
            }
            None => {}
        }
    }
    if !is_change && !is_trigger {
        return;
    }
    let Some(Json::Object(payload)) = find(members, "payload") else {
        return errors.push(FieldError::new("payload", "required", "is missing or blank"));
    };
    if text(payload, "summary", "payload.summary", errors)
        .is_some_and(|text| text.trim().chars().count() > SUMMARY_CHARS)
    {
        let message = "is too long (maiximum is 1024 characters)";
        errors.push(FieldError::new("summary", "too_long", message));
    }
    if is_change {
        return;
    }
    text(payload, "source", "payload.source", errors);
    let severity = text(payload, "severity", "payload.severity", errors);
    if severity.is_some_and(|name| !matches!(name, "critical" | "warning" | "error" | "info")) {
        let message = "is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')";
        errors.push(FieldError::new("payload.severity", "not_in_list", message));
    }
}

/// A text that must be there. `path` is what it is called in an error.
fn text<'a>(
    members: &'a [Member<'_>],
    name: &str,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<&'a str> {
    let (code, message) = match find(members, name) {
        Some(Json::String(text)) if !text.trim().is_empty() => return Some(text),
        None | Some(Json::Null | Json::String(_)) => ("required", "is missing or blank"),
        Some(_) => ("wrong_type", "is invalid (must be a string)"),
    };
    errors.push(FieldError::new(path, code, message));
    None
}

fn string<'a>(members: &'a [Member<'_>], name: &str) -> Option<&'a str> {
    match find(members, name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    }
}

fn find<'m, 'b>(members: &'m [Member<'b>], name: &str) -> Option<&'m Json<'b>> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}
