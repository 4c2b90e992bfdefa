//! What a message says, before a channel's template gives it its form.

use minijinja::Value;
use minijinja::value::{Serde, merge_maps};
use serde::Serialize;
use url::{Host, Url};

use crate::clock::{duration, rfc3339, utc_minute};
use crate::handler::IncidentView;
use crate::json;
use crate::model::{
    ActLink, Incident, LinkAction, LinkKey, Message, MessageId, Number, Part, Reason, ServiceName, Severity,
    Status,
};
use crate::source::from_json;

/// How late a message may be without saying so.
const ON_TIME_MS: i64 = 60_000;

/// Characters of a description in a message.
const DESCRIPTION: usize = 600;

/// Who sends, and where its links lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Whose incidents these are.
    pub organization: String,
    /// What links begin with.
    pub public_url: String,
    /// What those that act are signed with, and for how long they do.
    pub links: Option<(LinkKey, i64)>,
}

/// What templates may name; see [`crate::channel::NAMES`].
#[derive(Serialize)]
struct Context<'a> {
    message: MessageContext,
    reason: &'static str,
    title: String,
    text: String,
    severity: Severity,
    is_resolved: bool,
    url: String,
    late: Option<String>,
    incident: Option<&'a Value>,
    incidents: &'a [Value],
    count: usize,
    more: usize,
    actions: Vec<LinkContext>,
    organization: &'a str,
    key: String,
}

#[derive(Serialize)]
struct MessageContext {
    id: String,
    at: String,
    attempt: i64,
}

/// Something that can be done by opening a link.
#[derive(Serialize)]
struct LinkContext {
    name: &'static str,
    label: &'static str,
    url: String,
}

impl Sender {
    /// What can be done about an incident by links that are sent by `channel`.
    fn actions(&self, incident: &Incident, channel: &str, now_ms: i64) -> Vec<LinkContext> {
        let Some((key, valid_ms)) = &self.links else { return Vec::new() };
        let is_open = incident.status.is_open();
        let may = |action: &LinkAction| match action {
            LinkAction::Acknowledge => is_open && incident.acknowledged_at.is_none(),
            LinkAction::Resolve => is_open,
        };
        let expires_s = now_ms.saturating_add(*valid_ms) / 1000;
        let actions = LinkAction::ALL.into_iter().filter(may);
        let link = |action: LinkAction| {
            let link = ActLink { number: incident.number, action, expires_s, channel: channel.to_owned() };
            let url = format!("{}/act/{}", self.public_url, link.sign(key));
            LinkContext { name: action.as_str(), label: action.label(), url }
        };
        actions.map(link).collect()
    }

    /// What all mails about one incident answer to, and no others.
    #[must_use]
    pub fn thread_of(&self, message: &Message) -> String {
        // A summary is a thread by itself, and no mail answers to itself.
        single(message).map_or_else(|| format!("summary_{}", message.id), |_| key_of(message))
    }

    /// Where its links lead to, as mail names hosts.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        Url::parse(&self.public_url).ok()?.host().map(|host| host.to_owned())
    }

    /// What templates may name; `channel` is the name of the one that it goes out by.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn context(&self, message: &Message, channel: &str, now_ms: i64) -> Result<Value, String> {
        let incidents =
            message.parts.iter().map(|part| self.incident(part)).collect::<Result<Vec<_>, _>>()?;
        let late_ms = now_ms - message.due_at;
        let late = (late_ms > ON_TIME_MS).then(|| duration(late_ms));
        let more = message.incidents.saturating_sub(message.parts.len());
        let worst = |parts: &mut dyn Iterator<Item = &Part>| parts.map(|part| part.incident.severity).min();
        let open = || message.parts.iter().filter(|part| part.incident.status.is_open());
        let severity = worst(&mut open()).or_else(|| worst(&mut message.parts.iter()));
        let single = single(message);
        let (title, mut text) = match single {
            Some(part) => (title_of(part), text_of(part)),
            None => (summary_title(message, more), summary_text(message, more)),
        };
        if !message.silences.is_empty() {
            text.push_str(&format!("\nThis follows a silence: {}", message.silences.join(" · ")));
        }
        if let Some(late) = &late {
            text.push_str(&format!("\nThis comes {late} late."));
        }
        let context = Context {
            message: MessageContext {
                id: message.id.to_string(),
                at: rfc3339(message.id.at),
                attempt: message.attempts + 1,
            },
            reason: single.map_or("summary", |part| part.reason.as_str()),
            title,
            text,
            severity: severity.unwrap_or(Severity::Sev2),
            is_resolved: more == 0 && open().next().is_none(),
            url: single.map_or_else(
                || format!("{}/", self.public_url),
                |part| format!("{}/incidents/{}", self.public_url, part.incident.number),
            ),
            late,
            incident: incidents.first().filter(|_| single.is_some()),
            incidents: &incidents,
            count: message.incidents,
            more,
            actions: single.map_or_else(Vec::new, |part| self.actions(&part.incident, channel, now_ms)),
            organization: &self.organization,
            key: key_of(message),
        };
        Ok(Value::from(Serde(context)))
    }

    /// An incident as the API shows it, and why it is told.
    fn incident(&self, part: &Part) -> Result<Value, String> {
        let view = IncidentView::new(&part.incident, &self.public_url).map_err(|error| error.to_string())?;
        // The view has it as it was stored: text, to everybody but serde_json.
        let metadata = json::parse(part.incident.metadata.as_bytes()).map_err(|error| error.to_string())?;
        let ours = [("metadata", from_json(&metadata)), ("reason", Value::from(part.reason.as_str()))];
        Ok(merge_maps([Value::from(Serde(view)), Value::from_pairs(ours)]))
    }
}

/// What a message is about that is about one incident.
fn single(message: &Message) -> Option<&Part> {
    match message.parts.as_slice() {
        [part] if message.incidents <= 1 => Some(part),
        _ => None,
    }
}

/// What is the same for all messages about one incident, and for no others: neither those of another Firebell nor those of
/// a store that was made anew. 255 characters at PagerDuty, 64 of A-Z, a-z, 0-9, `-` and `_` at ntfy.
fn key_of(message: &Message) -> String {
    match single(message) {
        Some(Part { incident, .. }) => format!("{}-{:x}", incident.number, incident.created_at),
        None => message.id.to_string(),
    }
}

fn title_of(part: &Part) -> String {
    let Part { incident, reason } = part;
    let severity = incident.severity;
    // What it is now counts: by the time that this is told it may be over.
    match (incident.status, reason) {
        (Status::Resolved | Status::Closed, _) => format!("[resolved] {}", incident.title),
        (_, Reason::Raised) => format!("[{severity}, raised] {}", incident.title),
        (_, Reason::Reopened) => format!("[{severity}, re-opened] {}", incident.title),
        (_, Reason::Unacknowledged) => format!("[{severity}, not acknowledged] {}", incident.title),
        _ => format!("[{severity}] {}", incident.title),
    }
}

fn text_of(part: &Part) -> String {
    let incident = &part.incident;
    let services: Vec<_> = incident.services.iter().map(|service| service.name.as_str()).collect();
    let mut text = format!(
        "{} · {} · {} since {}",
        services.join(", "),
        incident.number,
        incident.status,
        since(incident)
    );
    if incident.occurrences > 1 {
        text.push_str(&format!(" · seen {} times", incident.occurrences));
    }
    if let Some(description) = &incident.description {
        text.push('\n');
        text.extend(description.chars().take(DESCRIPTION));
        if description.chars().nth(DESCRIPTION).is_some() {
            text.push('…');
        }
    }
    text
}

/// When it came to be as it is: `2026-11-25 10:00 UTC`.
fn since(incident: &Incident) -> String {
    let at = incident.closed_at.or(incident.resolved_at).unwrap_or(incident.created_at);
    utc_minute(at)
}

fn summary_title(message: &Message, more: usize) -> String {
    if message.parts.is_empty() {
        let incidents = if more == 1 { "incident" } else { "incidents" };
        return format!("{more} {incidents}");
    }
    let resolved = message.parts.iter().filter(|part| !part.incident.status.is_open()).count();
    let mut counts: Vec<String> = Severity::ALL
        .into_iter()
        .filter_map(|severity| {
            let of = |part: &&Part| part.incident.status.is_open() && part.incident.severity == severity;
            let count = message.parts.iter().filter(of).count();
            (count > 0).then(|| format!("{count} {severity}"))
        })
        .collect();
    if resolved > 0 {
        counts.push(format!("{resolved} resolved"));
    }
    if more > 0 {
        counts.push(format!("{more} more"));
    }
    let reminds = message.parts.iter().all(|part| part.reason == Reason::Unacknowledged);
    let what = if reminds { " not acknowledged" } else { "" };
    format!("{} incidents{what}: {}", message.incidents, counts.join(", "))
}

fn summary_text(message: &Message, more: usize) -> String {
    let line = |part: &Part| {
        let incident = &part.incident;
        let state = if incident.status.is_open() { incident.severity.as_str() } else { "resolved" };
        format!("{} {state} {}", incident.number, incident.title)
    };
    let mut lines: Vec<String> = message.parts.iter().map(line).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

/// A message to try a channel with. No incident has its number, so that it takes no other's place at the receiver.
#[must_use]
pub fn sample(now_ms: i64) -> Message {
    let incident = Incident {
        number: Number { year: crate::clock::utc_year(now_ms), sequence: 0 },
        title: "This is a test of Firebell's notifications".into(),
        description: Some("If you can read this, the channel works.".into()),
        severity: Severity::Sev3,
        status: Status::New,
        services: vec![ServiceName { service_key: "TEST".into(), name: "Test".into() }],
        integration: None,
        source_url: None,
        dedup_key: None,
        metadata: "{}".into(),
        occurrences: 1,
        assigned_to: None,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        resolved_by: None,
        created_at: now_ms,
        updated_at: now_ms,
        last_seen_at: now_ms,
        closed_at: None,
        silenced_until: None,
    };
    let parts = vec![Part { incident, reason: Reason::Created }];
    let id = MessageId { first: 0, at: now_ms };
    let (silences, due_at) = (Vec::new(), now_ms);
    Message { id, due_at, last_due_at: due_at, silences, attempts: 0, tried_at: None, parts, incidents: 1 }
}
