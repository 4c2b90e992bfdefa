//! Messages to a Gotify server. An application is an integration, its token a routing key.

use http::header::CONTENT_TYPE;

use super::form;
use super::message::MessageRules;
use super::{Parsed, Received, Request};
use crate::clock::rfc3339;
use crate::error::{Error, FieldError};
use crate::json::{self, Json, Member, quoted};
use crate::model::{Number, Services, Severity};
use crate::reply::Answer;

/// A message, before it is an alert.
#[derive(Default)]
struct Message<'a> {
    message: String,
    title: String,
    priority: Option<i64>,
    extras: Vec<Member<'a>>,
    errors: Vec<FieldError>,
}

pub(super) fn parse(
    rules: &MessageRules,
    request: &Request<'_>,
    services: &Services<'_>,
) -> Result<Parsed, Error> {
    let mut message = read(request)?;
    if message.message.trim().is_empty() && !message.errors.iter().any(|error| error.field == "message") {
        message.errors.push(FieldError::new("message", "required", "is required"));
    }
    if !message.errors.is_empty() {
        return Err(Error::fields(message.errors));
    }
    let severity = message.priority.map(|priority| match priority {
        10.. => Severity::Sev0,
        8.. => Severity::Sev1,
        4.. => Severity::Sev2,
        1.. => Severity::Sev3,
        _ => Severity::Sev4,
    });
    let mut alert = rules.alert(Some(&message.title), &message.message, &[], severity);
    let click = at(&message.extras, &["client::notification", "click", "url"]);
    alert.source_url = click.map(str::to_owned);
    alert.service = at(&message.extras, &["firebell::service"]).map(|service| service.trim().to_owned());
    let ours = |name: &str| name.starts_with("firebell::");
    let others = message.extras.iter().filter(|(name, value)| !ours(name) && *value != Json::Null);
    alert.metadata = others.map(|(name, value)| (name.to_string(), value.to_compact())).collect();
    let title = match message.title.trim() {
        "" => alert.title.clone().unwrap_or_default(),
        _ => message.title,
    };
    let mut echo = format!(
        "\"message\":{},\"title\":{},\"priority\":{}",
        quoted(&message.message),
        quoted(&title),
        message.priority.unwrap_or(0)
    );
    if !message.extras.is_empty() {
        echo.push_str(&format!(",\"extras\":{}", Json::Object(message.extras).to_compact()));
    }
    Ok(Parsed { alerts: vec![alert.fit(services).map_err(Error::fields)?], ignored: 0, echo })
}

/// A message that was not stored, because it resolves nothing, has the id 0.
pub(super) fn answer(received: &Received) -> Answer {
    let number = received.reports.first().and_then(|report| report.incident_number.as_deref());
    let id = number.and_then(Number::parse).map_or(0, |number| number.sequence);
    let (echo, date) = (&received.echo, rfc3339(received.now_ms));
    let body = format!("{{\"id\":{id},\"appid\":1,{echo},\"date\":\"{date}\"}}");
    Answer { replayed: received.replayed, ..Answer::raw("application/json", body) }
}

fn read<'a>(request: &Request<'a>) -> Result<Message<'a>, Error> {
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(of_json(json::parse_object(request.body)?)),
        "multipart/form-data" => match form::multipart(content_type, request.body) {
            Some(fields) => Ok(of_form(fields)),
            None => {
                Err(Error::fields(vec![FieldError::new("body", "invalid", "is no complete multipart form")]))
            }
        },
        _ => {
            let mut fields = form::urlencoded(request.body);
            fields.extend(form::urlencoded(request.query.unwrap_or_default().as_bytes()));
            Ok(of_form(fields))
        }
    }
}

/// Gotify does not mind the case of a member's name.
fn of_json(members: Vec<Member<'_>>) -> Message<'_> {
    let mut message = Message::default();
    for (name, value) in members {
        let expected = match (name.to_ascii_lowercase().as_str(), value) {
            (_, Json::Null) => continue,
            ("message", Json::String(text)) => {
                message.message = text.into_owned();
                continue;
            }
            ("title", Json::String(text)) => {
                message.title = text.into_owned();
                continue;
            }
            ("extras", Json::Object(extras)) => {
                message.extras = extras;
                continue;
            }
            ("priority", Json::Number(number)) if number.parse::<i64>().is_ok() => {
                message.priority = number.parse().ok();
                continue;
            }
            ("message" | "title", _) => "must be a string",
            ("extras", _) => "must be an object",
            ("priority", _) => "must be a whole number",
            _ => continue,
        };
        message.errors.push(FieldError::new(name.to_ascii_lowercase(), "wrong_type", expected));
    }
    message
}

/// The first of each name counts.
fn of_form<'a>(fields: Vec<(String, String)>) -> Message<'a> {
    let first =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut message = Message {
        message: first("message").unwrap_or_default().to_owned(),
        title: first("title").unwrap_or_default().to_owned(),
        ..Message::default()
    };
    match first("priority").map(str::parse::<i64>) {
        Some(Ok(priority)) => message.priority = Some(priority),
        Some(Err(_)) if first("priority") != Some("") => {
            message.errors.push(FieldError::new("priority", "wrong_type", "must be a whole number"));
        }
        Some(Err(_)) => message.priority = Some(0),
        None => {}
    }
    message
}

/// The text at a path into objects.
fn at<'m>(members: &'m [Member<'_>], path: &[&str]) -> Option<&'m str> {
    let (name, rest) = path.split_first()?;
    match members.iter().find(|(known, _)| known == name).map(|(_, value)| value)? {
        Json::Object(inner) => at(inner, rest),
        Json::String(text) if rest.is_empty() => Some(text),
        _ => None,
    }
}
