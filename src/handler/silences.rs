//! The API for silences: for whom nobody is told for a while, and why.

use std::collections::BTreeMap;

use http::request::Parts;
use serde::Serialize;

use super::incidents::check_nothing_is_said;
use super::query::Query;
use super::views::OffsetPageView;
use super::webhook::check_encoding;
use super::{Admitted, Handler, Live, list_query};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Error, FieldError, Kind, nearest};
use crate::json::{self, Json};
use crate::model::{Fields, Severity, TextRule, Wanted};
use crate::registry::{HEARTBEATS, Registry, ServiceProblem};
use crate::reply::Answer;
use crate::routing::{About, Silence, SilenceState};
use crate::store::{NewSilence, SilenceChange, SilenceQuery};

const COMMENT: TextRule = TextRule { trim: true, min: 1, max: 500 };
const TEXT: TextRule = TextRule { trim: true, min: 1, max: 200 };

/// Values that one condition may have, and keys of metadata.
const MOST_VALUES: usize = 50;
const MOST_KEYS: usize = 10;

/// Characters of a key and of a value of metadata.
const KEY_CHARS: usize = 64;
const VALUE_CHARS: usize = 1024;

/// How long a silence may be, and how far ahead it may begin: a year, of which some have a day more.
const YEAR_MINUTES: i64 = 366 * 24 * 60;
const MINUTE_MS: i64 = 60_000;

/// The newest incidents that a silence is shown with.
const INCIDENTS: usize = 100;

#[derive(Serialize)]
struct SilenceView<'a> {
    id: i64,
    state: &'static str,
    #[serde(flatten)]
    about: &'a About,
    all: bool,
    starts_at: String,
    ends_at: String,
    comment: &'a str,
    author: &'a str,
    created_at: String,
    ended_at: Option<String>,
    ended_by: Option<&'a str>,
    incidents: i64,
}

impl<'a> SilenceView<'a> {
    fn new(silence: &'a Silence, now_ms: i64) -> Self {
        Self {
            id: silence.id,
            state: silence.state(now_ms).as_str(),
            about: &silence.about,
            all: silence.about.is_everything(),
            starts_at: rfc3339(silence.starts_at),
            ends_at: rfc3339(silence.ends_at),
            comment: &silence.comment,
            author: &silence.author,
            created_at: rfc3339(silence.created_at),
            ended_at: silence.ended_at.map(rfc3339),
            ended_by: silence.ended_by.as_deref(),
            incidents: silence.incidents,
        }
    }
}

/// A silence with what it silenced.
#[derive(Serialize)]
struct DetailView<'a> {
    #[serde(flatten)]
    silence: SilenceView<'a>,
    incident_numbers: Vec<String>,
}

impl Handler {
    /// `GET /api/v1/silences`: newest first.
    pub(super) async fn list_silences(&self, head: &Parts) -> Result<Answer, Error> {
        let parameters = Query::of(head);
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&parameters, &mut errors);
        let known = SilenceState::ALL.map(SilenceState::as_str);
        let state = |name: &str| SilenceState::ALL.into_iter().find(|state| state.as_str() == name);
        let states = parameters.names("state", &known, state, &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let (silences, total) = self.store.silences(SilenceQuery { states, offset, limit }).await?;
        let now_ms = self.now_ms();
        let items = silences.iter().map(|silence| SilenceView::new(silence, now_ms)).collect();
        Answer::ok(&OffsetPageView::new(items, usize::try_from(total).unwrap_or(0), offset))
    }

    /// `GET /api/v1/silences/{silence_id}`
    pub(super) async fn show_silence(&self, admitted: &Admitted) -> Result<Answer, Error> {
        let (silence, numbers) = self.store.silence(id(admitted)?, INCIDENTS).await?;
        let silence = SilenceView::new(&silence, self.now_ms());
        let incident_numbers = numbers.iter().map(ToString::to_string).collect();
        Answer::ok(&DetailView { silence, incident_numbers })
    }

    /// `POST /api/v1/silences`
    pub(super) async fn create_silence(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let author = admitted.caller()?.identity.clone();
        let silence =
            self.add_silence(&admitted.live, author, Fields::new(json::parse_object(body)?)).await?;
        Ok(Answer { status: 201, ..Answer::ok(&SilenceView::new(&silence, self.now_ms()))? })
    }

    /// Makes the silence that a request's fields describe.
    pub(super) async fn add_silence(
        &self,
        live: &Live,
        author: String,
        mut fields: Fields<'_>,
    ) -> Result<Silence, Error> {
        let now_ms = self.now_ms();
        let about = read_about(&mut fields, &live.config.registry);
        let starts_at = read_time(&mut fields, "starts_at").unwrap_or(now_ms);
        if starts_at > now_ms + YEAR_MINUTES * MINUTE_MS {
            fields.error("starts_at", "out_of_range", "is more than a year ahead");
        }
        let ends_at = read_end(&mut fields, starts_at, now_ms);
        let comment = fields.required_text("comment", COMMENT);
        // One that is ignored may be the condition that was to make it a narrow one.
        fields.refuse_unknown();
        fields.finish()?;
        let (Some(ends_at), Some(comment)) = (ends_at, comment) else {
            return Err(Error::internal("no end or comment and no error says so"));
        };
        let new = NewSilence { about, starts_at, ends_at, comment, author };
        self.store.change_silence(SilenceChange::Add(new)).await
    }

    /// `PATCH /api/v1/silences/{silence_id}`
    pub(super) async fn change_silence(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let (id, now_ms) = (id(admitted)?, self.now_ms());
        let mut fields = Fields::new(json::parse_object(body)?);
        let (silence, _) = self.store.silence(id, 0).await?;
        let ends_at = read_time(&mut fields, "ends_at");
        check_end(&mut fields, ends_at, silence.starts_at, now_ms);
        let comment = fields.replacing_text("comment", COMMENT, false).flatten();
        fields.refuse_unknown();
        if ends_at.is_none() && comment.is_none() && fields.errors.is_empty() {
            fields.error("body", "required", "changes nothing; send ends_at, comment or both");
        }
        fields.finish()?;
        let silence = self.store.change_silence(SilenceChange::Change { id, ends_at, comment }).await?;
        Answer::ok(&SilenceView::new(&silence, now_ms))
    }

    /// `POST /api/v1/silences/{silence_id}/end`
    pub(super) async fn end_silence(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_nothing_is_said(head, body)?;
        let caller = admitted.caller()?.identity.clone();
        let silence = self.store.change_silence(SilenceChange::End { id: id(admitted)?, caller }).await?;
        Answer::ok(&SilenceView::new(&silence, self.now_ms()))
    }
}

/// The id in the path.
fn id(admitted: &Admitted) -> Result<i64, Error> {
    read_id(admitted.parameters.first().map_or("", String::as_str))
}

/// The id of a silence.
pub(super) fn read_id(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        Error::new(Kind::NotFound, format!("{shown:?} is no silence's id; they are numbers"))
    })
}

/// Which incidents. At least one condition, lest everything be silenced by a slip.
fn read_about(fields: &mut Fields<'_>, registry: &Registry) -> About {
    let about = About {
        services: read_list(fields, "services", |reference| service(registry, reference)),
        severities: read_list(fields, "severities", severity),
        integrations: read_list(fields, "integrations", |name| integration(registry, name)),
        metadata: read_metadata(fields),
        text: read_words(fields),
    };
    let all = match fields.optional("all") {
        None => false,
        Some(Json::Bool(all)) => all,
        Some(other) => {
            fields.wrong_type("all", "a boolean", &other);
            false
        }
    };
    match (about.is_everything(), all) {
        (true, false) if fields.errors.is_empty() => {
            let message = "has no condition; send services, severities, integrations, metadata or text, or \
                           \"all\": true to silence everything";
            fields.error("body", "required", message);
        }
        (false, true) => {
            fields.error("all", "invalid", "says everything, and conditions say less; send one of them")
        }
        _ => {}
    }
    about
}

fn read_list<T: PartialEq>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl Fn(&str) -> Result<T, FieldError>,
) -> Vec<T> {
    let mut list = Vec::new();
    let Some(value) = fields.optional(name) else { return list };
    let Json::Array(items) = value else {
        fields.wrong_type(name, "an array", &value);
        return list;
    };
    if items.len() > MOST_VALUES {
        fields.error(name, "too_many", format!("has {} values; the limit is {MOST_VALUES}", items.len()));
        return list;
    }
    for (index, item) in items.iter().enumerate() {
        let field = format!("{name}.{index}");
        match item {
            Json::String(text) => match read(text.trim()) {
                Ok(value) if list.contains(&value) => {}
                Ok(value) => list.push(value),
                Err(problem) => fields.errors.push(FieldError { field, ..problem }),
            },
            other => fields.wrong_type(field, "a string", other),
        }
    }
    list
}

/// The id of a service; an inactive one may still have incidents.
fn service(registry: &Registry, reference: &str) -> Result<String, FieldError> {
    match registry.service(reference) {
        Err(ServiceProblem::Unknown(_)) => registry.find_service(reference).map(|service| service.id.clone()),
        _ => Ok(registry.service_id(reference).to_owned()),
    }
}

fn severity(name: &str) -> Result<Severity, FieldError> {
    let names = Severity::ALL.map(Severity::as_str).join(", ");
    Severity::parse(name).ok_or_else(|| FieldError::new("", "not_in_list", format!("must be one of {names}")))
}

fn integration(registry: &Registry, name: &str) -> Result<String, FieldError> {
    let known = || registry.integrations().iter().map(|one| one.name.as_str()).chain([HEARTBEATS]);
    if known().any(|one| one == name) {
        return Ok(name.to_owned());
    }
    let hint = nearest(name, known()).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    let message = format!("is {name:?}, which is no integration in the configuration{hint}");
    Err(FieldError::new("", "not_in_list", message))
}

fn read_metadata(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    let Some(value) = fields.optional("metadata") else { return metadata };
    let Json::Object(members) = value else {
        fields.wrong_type("metadata", "an object", &value);
        return metadata;
    };
    if members.len() > MOST_KEYS {
        fields.error("metadata", "too_many", format!("has {} keys; the limit is {MOST_KEYS}", members.len()));
    }
    for (key, value) in members.into_iter().take(MOST_KEYS) {
        let value = match value {
            Json::String(text) => text.into_owned(),
            other => other.to_compact(),
        };
        let (key_chars, value_chars) = (key.chars().count(), value.chars().count());
        let field = || format!("metadata.{}", key.chars().take(KEY_CHARS).collect::<String>());
        if !(1..=KEY_CHARS).contains(&key_chars) {
            fields.error(
                field(),
                "too_long",
                format!("has a key of {key_chars} characters; 1–{KEY_CHARS} are expected"),
            );
        } else if value_chars > VALUE_CHARS {
            fields.error(
                field(),
                "too_long",
                format!("is {value_chars} characters; the limit is {VALUE_CHARS}"),
            );
        } else {
            metadata.insert(key.into_owned(), value);
        }
    }
    metadata
}

fn read_words(fields: &mut Fields<'_>) -> Option<String> {
    let text = fields.optional_text("text", TEXT)?;
    let wanted = Wanted::read(&text);
    if wanted.is_empty() || wanted.unknown {
        fields.error("text", "invalid", "must have a word to look for");
    }
    Some(text)
}

fn read_time(fields: &mut Fields<'_>, name: &'static str) -> Option<i64> {
    let value = fields.optional(name)?;
    let Json::String(text) = value else {
        fields.wrong_type(name, "a string", &value);
        return None;
    };
    let time = parse_rfc3339(&text);
    if time.is_none() {
        fields.error(name, "invalid", "must be a time as in RFC 3339, such as 2026-11-23T08:00:00Z");
    }
    time
}

/// When it ends: said as a time, or as minutes from its beginning.
fn read_end(fields: &mut Fields<'_>, starts_at: i64, now_ms: i64) -> Option<i64> {
    let wrong = fields.errors.len();
    let ends_at = read_time(fields, "ends_at");
    let minutes = match fields.optional("minutes") {
        None => None,
        Some(Json::Number(text)) => {
            let minutes = text.parse().ok().filter(|minutes| (1..=YEAR_MINUTES).contains(minutes));
            if minutes.is_none() {
                let message = format!("must be a whole number from 1 to {YEAR_MINUTES}");
                fields.error("minutes", "out_of_range", message);
            }
            minutes
        }
        Some(other) => {
            fields.wrong_type("minutes", "a number", &other);
            None
        }
    };
    let end = match (ends_at, minutes) {
        (Some(_), Some(_)) => {
            fields.error("minutes", "invalid", "says when it ends, and so does ends_at; send one of them");
            return None;
        }
        (None, None) => {
            if fields.errors.len() == wrong {
                fields.error("ends_at", "required", "is required, or minutes instead");
            }
            return None;
        }
        (Some(at), None) => at,
        // From now on where it has begun already: nobody counts from a time that is past.
        (None, Some(minutes)) => starts_at.max(now_ms) + minutes * MINUTE_MS,
    };
    check_end(fields, Some(end), starts_at, now_ms);
    Some(end)
}

fn check_end(fields: &mut Fields<'_>, ends_at: Option<i64>, starts_at: i64, now_ms: i64) {
    let Some(ends_at) = ends_at else { return };
    if ends_at <= starts_at {
        fields.error("ends_at", "out_of_range", "must be later than the start");
    } else if ends_at <= now_ms {
        fields.error(
            "ends_at",
            "out_of_range",
            "must be in the future; a silence can be ended at once instead",
        );
    } else if ends_at - starts_at.max(now_ms) > YEAR_MINUTES * MINUTE_MS {
        fields.error("ends_at", "out_of_range", "must be within a year of the start");
    }
}
