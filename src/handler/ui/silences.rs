//! Silences: those in force, those to come, those that are over; and the forms that make and end them.

use std::borrow::Cow;

use minijinja::{Value, context};
use serde::Serialize;

use super::super::Handler;
use super::super::query::Query;
use super::super::silences::read_id;
use super::range::settled;
use super::template::value;
use super::time::duration;
use super::{Visit, see_other, sentences};
use crate::clock::{rfc3339, utc_minute};
use crate::error::{Details, Error, FieldError, Kind};
use crate::json::{Json, Member};
use crate::model::{Fields, Severity};
use crate::registry::{HEARTBEATS, Scope};
use crate::reply::Page;
use crate::routing::{Silence, SilenceState};
use crate::store::{SilenceChange, SilenceQuery};

/// Silences of each state on the page.
const SHOWN: usize = 100;
/// The same of those that are over.
const SHOWN_OVER: usize = 20;

/// How long one may be that is made without saying when it ends: minutes, and how they are called.
const LENGTHS: [(&str, &str); 6] = [
    ("30", "30 minutes"),
    ("60", "1 hour"),
    ("120", "2 hours"),
    ("480", "8 hours"),
    ("1440", "1 day"),
    ("10080", "7 days"),
];

/// The length that the form begins with.
const LENGTH: &str = "60";

/// A silence as a person reads it.
#[derive(Serialize)]
pub(super) struct SilenceRow {
    id: i64,
    state: &'static str,
    about: Vec<String>,
    from: String,
    until: String,
    /// How long it is still, or is to be.
    lasts: Option<String>,
    comment: String,
    author: String,
    ended_by: Option<String>,
    incidents: i64,
}

impl SilenceRow {
    pub(super) fn new(silence: Silence, now_ms: i64) -> Self {
        let state = silence.state(now_ms);
        let lasts = match state {
            SilenceState::Active => Some(silence.ends_at - now_ms),
            SilenceState::Pending => Some(silence.ends_at - silence.starts_at),
            SilenceState::Over => None,
        };
        Self {
            id: silence.id,
            state: state.as_str(),
            about: conditions(&silence),
            from: utc_minute(silence.starts_at),
            until: utc_minute(silence.ended_at.unwrap_or(silence.ends_at)),
            lasts: lasts.map(duration),
            comment: silence.comment,
            author: silence.author,
            ended_by: silence.ended_by,
            incidents: silence.incidents,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == SilenceState::Over.as_str()
    }
}

/// What it is about, a condition each.
fn conditions(silence: &Silence) -> Vec<String> {
    let about = &silence.about;
    if about.is_everything() {
        return vec!["everything".into()];
    }
    let severities: Vec<_> = about.severities.iter().map(|severity| severity.as_str().to_owned()).collect();
    let lists =
        [("service", &about.services), ("severity", &severities), ("integration", &about.integrations)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let mut conditions: Vec<_> = lists.map(|(name, list)| format!("{name} {}", list.join(" or "))).collect();
    conditions.extend(about.metadata.iter().map(|(key, value)| format!("{key} = {value}")));
    conditions.extend(about.text.iter().map(|text| format!("text {text}")));
    conditions
}

/// What the form sends, as the API would be sent it.
fn fields<'a>(visit: &'a Visit<'_>) -> Fields<'a> {
    let form = &visit.form;
    let mut members: Vec<Member<'a>> = Vec::new();
    for (field, name) in
        [("service", "services"), ("severity", "severities"), ("integration", "integrations")]
    {
        let chosen = form.all(field).filter(|text| !text.is_empty());
        let chosen: Vec<_> = chosen.map(|text| Json::String(text.into())).collect();
        if !chosen.is_empty() {
            members.push((name.into(), Json::Array(chosen)));
        }
    }
    let lines = form.get("metadata").lines().map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &'a str| {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        (Cow::from(key.trim()), Json::String(value.trim().into()))
    };
    let strange: Vec<_> = lines.clone().filter(|line| !line.contains('=')).collect();
    let metadata: Vec<Member<'a>> = lines.map(pair).collect();
    if !metadata.is_empty() {
        members.push(("metadata".into(), Json::Object(metadata)));
    }
    for name in ["text", "comment"] {
        members.push((name.into(), Json::String(form.get(name).into())));
    }
    for name in ["starts_at", "ends_at"] {
        // A field of a date and a time says no zone; what is typed there is UTC.
        let typed = form.get(name);
        members.push((name.into(), Json::String(settled(typed).map_or(typed.into(), Cow::from))));
    }
    if form.get("ends_at").is_empty() {
        members.push(("minutes".into(), Json::Number(form.get("minutes"))));
    }
    if !form.get("all").is_empty() {
        members.push(("all".into(), Json::Bool(true)));
    }
    let mut fields = Fields::new(members);
    for line in strange {
        fields.error("metadata", "invalid", format!("has a line without =: {line}"));
    }
    fields
}

/// What the form holds: what was typed if it was refused, else what the URL asks for.
fn form(visit: &Visit<'_>, is_refused: bool, now_ms: i64) -> Value {
    let asked = Query::of(visit.head);
    let get = |name: &str| match is_refused {
        true => visit.form.get(name).to_owned(),
        false => asked.last(name).map(Cow::into_owned).unwrap_or_default(),
    };
    let registry = &visit.live.config.registry;
    let chosen = |name: &str, value: &str| get(name) == value;
    let choice = |name: &str, value: &str, shown: &str| {
        context! { value, name => shown, on => chosen(name, value) }
    };
    let services: Vec<_> =
        registry.services().iter().map(|one| choice("service", &one.id, &one.name)).collect();
    let severities = Severity::ALL.map(|one| choice("severity", one.as_str(), one.as_str()));
    let names = registry.integrations().iter().map(|one| one.name.as_str()).chain([HEARTBEATS]);
    let integrations: Vec<_> = names.map(|name| choice("integration", name, name)).collect();
    let minutes = Some(get("minutes")).filter(|minutes| !minutes.is_empty()).unwrap_or(LENGTH.into());
    let lengths = LENGTHS.map(|(value, name)| context! { value, name, on => value == minutes });
    context! {
        services,
        severities => severities.to_vec(),
        integrations,
        lengths => lengths.to_vec(),
        metadata => get("metadata"),
        text => get("text"),
        all => !get("all").is_empty(),
        starts_at => get("starts_at"),
        ends_at => get("ends_at"),
        comment => get("comment"),
        now => rfc3339(now_ms)[..16].replace('T', " "),
    }
}

/// The API's fields, what they are called in the form, and what the form shows as that.
const FIELDS: [(&str, &str, &str); 10] = [
    ("services", "service", "Service"),
    ("severities", "severity", "Severity"),
    ("integrations", "integration", "Integration"),
    ("metadata", "metadata", "Metadata"),
    ("text", "text", "Words in title or description"),
    ("all", "all", "Every incident"),
    ("starts_at", "starts_at", "From"),
    ("ends_at", "ends_at", "Until"),
    ("minutes", "minutes", "How long"),
    ("comment", "comment", "Why"),
];

fn wrong(problem: Option<&Error>) -> &[FieldError] {
    match problem.map(|problem| &problem.details) {
        Some(Details::Fields(wrong)) => wrong,
        _ => &[],
    }
}

/// Which field of the API's it is, without what is behind its name.
fn top(one: &FieldError) -> &str {
    one.field.split('.').next().unwrap_or_default()
}

/// The fields of the form that are wrong, by the names that they have there.
fn invalid(problem: Option<&Error>) -> Vec<&'static str> {
    let is_wrong = |name: &str| wrong(problem).iter().any(|one| top(one) == name);
    FIELDS.into_iter().filter(|(name, ..)| is_wrong(name)).map(|(_, field, _)| field).collect()
}

/// What is wrong, as who has the form before them reads it.
fn problems(problem: &Error) -> Vec<String> {
    let sentence = |one: &FieldError| match (one.field.as_str(), one.code) {
        ("body", "required") => "Say which incidents it is about, or tick Every incident.".into(),
        ("all", _) => "Every incident: leave it, or all the conditions, out.".into(),
        _ => match FIELDS.into_iter().find(|(name, ..)| *name == top(one)) {
            Some((.., label)) => format!("{label}: {}", one.message),
            None => format!("This {}", one.message),
        },
    };
    match wrong(Some(problem)) {
        [] => sentences(problem),
        wrong => wrong.iter().map(sentence).collect(),
    }
}

impl Handler {
    /// `GET /silences`; `problem` is that of what was to be done.
    pub(super) async fn silences_page(
        &self,
        visit: &Visit<'_>,
        problem: Option<Error>,
    ) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let now_ms = self.now_ms();
        let mut lists = Vec::new();
        for (state, title, limit) in [
            (SilenceState::Active, "In force", SHOWN),
            (SilenceState::Pending, "To come", SHOWN),
            (SilenceState::Over, "Over", SHOWN_OVER),
        ] {
            let query = SilenceQuery { states: vec![state], offset: 0, limit };
            let (silences, total) = self.store.silences(query).await?;
            let more = usize::try_from(total).unwrap_or(0).saturating_sub(silences.len());
            let rows: Vec<_> = silences.into_iter().map(|silence| SilenceRow::new(silence, now_ms)).collect();
            lists.push(context! { state => state.as_str(), title, more, rows => value(rows) });
        }
        let adding = problem.is_some() && visit.form.get("do") == "add";
        let status = problem.as_ref().map_or(200, |problem| problem.kind.status());
        let content = context! {
            lists,
            adding,
            problems => problem.as_ref().map_or_else(Vec::new, problems),
            invalid => invalid(problem.as_ref()),
            form => form(visit, adding, now_ms),
        };
        Ok(Page { status, ..self.framed(visit, "silences.html", "Silences", content).await? })
    }

    /// `POST /silences`
    pub(super) async fn act_on_silences(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsWrite)?;
        let caller = visit.caller.identity.clone();
        let done = match visit.form.get("do") {
            "add" => self.add_silence(visit.live, caller, fields(visit)).await.map(|_| ()),
            "end" => {
                let id = read_id(visit.form.get("id"))?;
                self.store.change_silence(SilenceChange::End { id, caller }).await.map(|_| ())
            }
            _ => Err(Error::new(Kind::Validation, "this form has no button of that name")),
        };
        match done {
            Ok(()) => Ok(see_other("/silences")),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::Internal) => Err(error),
            Err(error) => self.silences_page(visit, Some(error)).await,
        }
    }
}
