//! Incidents and timelines as the API shows them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::rfc3339;
use crate::error::Error;
use crate::model::{Entry, EntryKind, Incident, ServiceName, Severity, Status};

/// An incident. The fields are those of the contract, in its order.
#[derive(Serialize)]
pub struct IncidentView<'a> {
    incident_number: String,
    title: &'a str,
    description: Option<&'a str>,
    severity: Severity,
    status: Status,
    service_ids: Vec<&'a str>,
    services: &'a [ServiceName],
    integration: Option<&'a str>,
    source_url: Option<&'a str>,
    dedup_key: Option<&'a str>,
    metadata: Box<RawValue>,
    occurrences: i64,
    assigned_to: Option<&'a str>,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<&'a str>,
    resolved_at: Option<String>,
    resolved_by: Option<&'a str>,
    created_at: String,
    updated_at: String,
    last_seen_at: String,
    closed_at: Option<String>,
    silenced_until: Option<String>,
    url: String,
}

impl<'a> IncidentView<'a> {
    /// The view of an incident; `public_url` is what links begin with.
    pub fn new(incident: &'a Incident, public_url: &str) -> Result<Self, Error> {
        Ok(Self {
            incident_number: incident.number.to_string(),
            title: &incident.title,
            description: incident.description.as_deref(),
            severity: incident.severity,
            status: incident.status,
            service_ids: incident.services.iter().map(|service| service.service_key.as_str()).collect(),
            services: &incident.services,
            integration: incident.integration.as_deref(),
            source_url: incident.source_url.as_deref(),
            dedup_key: incident.dedup_key.as_deref(),
            metadata: RawValue::from_string(incident.metadata.clone()).map_err(Error::internal)?,
            occurrences: incident.occurrences,
            assigned_to: incident.assigned_to.as_deref(),
            acknowledged_at: incident.acknowledged_at.map(rfc3339),
            acknowledged_by: incident.acknowledged_by.as_deref(),
            resolved_at: incident.resolved_at.map(rfc3339),
            resolved_by: incident.resolved_by.as_deref(),
            created_at: rfc3339(incident.created_at),
            updated_at: rfc3339(incident.updated_at),
            last_seen_at: rfc3339(incident.last_seen_at),
            closed_at: incident.closed_at.map(rfc3339),
            silenced_until: incident.silenced_until.map(rfc3339),
            url: format!("{public_url}/incidents/{}", incident.number),
        })
    }
}

/// A timeline entry.
#[derive(Serialize)]
pub struct EntryView<'a> {
    id: i64,
    at: String,
    kind: EntryKind,
    actor: &'a str,
    message: Option<&'a str>,
    changes: Box<RawValue>,
    count: i64,
    last_at: String,
}

impl<'a> EntryView<'a> {
    /// The view of an entry.
    pub fn new(entry: &'a Entry) -> Result<Self, Error> {
        Ok(Self {
            id: entry.id,
            at: rfc3339(entry.at),
            kind: entry.kind,
            actor: &entry.actor,
            message: entry.message.as_deref(),
            changes: RawValue::from_string(entry.changes.clone()).map_err(Error::internal)?,
            count: entry.count,
            last_at: rfc3339(entry.last_at),
        })
    }
}

/// An incident with its timeline.
#[derive(Serialize)]
pub struct DetailView<'a> {
    /// The incident's own fields stand beside the timeline.
    #[serde(flatten)]
    pub incident: IncidentView<'a>,
    /// The newest entries, newest first.
    pub timeline: Vec<EntryView<'a>>,
    /// How many there are in all.
    pub timeline_total: i64,
}

/// A page of incidents.
#[derive(Serialize)]
pub struct PageView<'a> {
    /// The incidents.
    pub items: Vec<IncidentView<'a>>,
    /// How many match in all.
    pub total: usize,
    /// Whether `total` is exact, or a lower bound.
    pub total_exact: bool,
    /// Whether there is a further page.
    pub has_more: bool,
    /// `offset` of the next page, where it can be reached by one.
    pub next_offset: Option<usize>,
    /// `cursor` of the next page.
    pub next_cursor: Option<String>,
}

/// A page of a list that is paged by offset alone.
#[derive(Serialize)]
pub struct OffsetPageView<T> {
    items: Vec<T>,
    total: usize,
    has_more: bool,
    next_offset: Option<usize>,
}

impl<T> OffsetPageView<T> {
    /// The page of `items` behind the first `offset` of `total`.
    pub fn new(items: Vec<T>, total: usize, offset: usize) -> Self {
        let next = offset + items.len();
        let has_more = next < total;
        Self { items, total, has_more, next_offset: has_more.then_some(next) }
    }
}
