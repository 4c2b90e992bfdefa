//! What a message says, before a channel's template gives it its form.

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use crate::clock::{duration, rfc3339};
use crate::handler::IncidentView;
use crate::model::{Held, Incident, Message, MessageId, Number, Part, Reason, ServiceName, Severity, Status};

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
    incident: Option<&'a IncidentContext<'a>>,
    incidents: &'a [IncidentContext<'a>],
    count: usize,
    more: usize,
    actions: Vec<Action>,
    organization: &'a str,
    key: String,
}

#[derive(Serialize)]
struct MessageContext {
    id: String,
    at: String,
    attempt: i64,
}

#[derive(Serialize)]
struct IncidentContext<'a> {
    #[serde(flatten)]
    view: IncidentView<'a>,
    reason: &'static str,
}

/// Something that can be done by opening a link.
#[derive(Serialize)]
struct Action {
    name: &'static str,
    label: &'static str,
    url: String,
}

impl Sender {
    /// What templates may name.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn context(&self, message: &Message, now_ms: i64) -> Result<Value, String> {
        let views = message.parts.iter().map(|part| {
            let view =
                IncidentView::new(&part.incident, &self.public_url).map_err(|error| error.to_string())?;
            Ok(IncidentContext { view, reason: part.reason.as_str() })
        });
        let incidents = views.collect::<Result<Vec<_>, String>>()?;
        let late_ms = now_ms - message.due_at;
        let late = (late_ms > ON_TIME_MS).then(|| duration(late_ms));
        let more = message.incidents.saturating_sub(message.parts.len());
        let worst = |parts: &mut dyn Iterator<Item = &Part>| parts.map(|part| part.incident.severity).min();
        let open = || message.parts.iter().filter(|part| part.incident.status.is_open());
        let severity = worst(&mut open()).or_else(|| worst(&mut message.parts.iter()));
        let single = match message.parts.as_slice() {
            [part] if more == 0 => Some(part),
            _ => None,
        };
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
            actions: Vec::new(),
            organization: &self.organization,
            key: single.map_or_else(
                || format!("firebell-summary-{}", message.id.first),
                |part| part.incident.number.to_string(),
            ),
        };
        Ok(Value::from(Serde(context)))
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
    let iso = rfc3339(at);
    format!("{} {} UTC", &iso[..10], &iso[11..16])
}

fn summary_title(message: &Message, more: usize) -> String {
    if message.parts.is_empty() {
        return format!("{more} incidents");
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
    format!("{} incidents: {}", message.incidents, counts.join(", "))
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

/// A message to try a channel with.
#[must_use]
pub fn sample(now_ms: i64) -> Message {
    let incident = Incident {
        number: Number { year: crate::clock::utc_year(now_ms), sequence: 1 },
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
    let silences = Vec::new();
    Message { id, due_at: now_ms, held: Held::No, silences, attempts: 0, parts, incidents: 1 }
}
