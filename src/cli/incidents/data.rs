//! What the API answers, as far as people are shown it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An incident; one that is asked for by its number has its timeline too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Incident {
    pub incident_number: String,
    pub title: String,
    pub description: Option<String>,
    pub severity: String,
    pub status: String,
    pub service_ids: Vec<String>,
    pub services: Vec<Service>,
    pub integration: Option<String>,
    pub source_url: Option<String>,
    pub dedup_key: Option<String>,
    /// Values as they were sent: what JSON can say of numbers is more than a machine can count to.
    pub metadata: BTreeMap<String, Box<RawValue>>,
    pub occurrences: i64,
    pub assigned_to: Option<String>,
    pub acknowledged_at: Option<String>,
    pub acknowledged_by: Option<String>,
    pub resolved_at: Option<String>,
    pub resolved_by: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub last_seen_at: String,
    pub closed_at: Option<String>,
    pub timeline: Vec<Entry>,
    pub timeline_total: i64,
}

/// A service that an incident is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Service {
    pub service_key: String,
    pub name: String,
}

/// An entry of a timeline.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Entry {
    pub at: String,
    pub kind: String,
    pub actor: String,
    pub message: Option<String>,
    pub changes: Vec<Change>,
    pub count: i64,
    pub last_at: String,
}

/// What an entry changed.
#[derive(Debug, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Change {
    pub field: String,
    pub from: Box<RawValue>,
    pub to: Box<RawValue>,
}

/// A page of a list, or several put together: written again, it is what the API would have answered.
#[derive(Debug, Deserialize, Serialize)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Page {
    pub items: Vec<Box<RawValue>>,
    pub total: u64,
    pub total_exact: bool,
    pub has_more: bool,
    pub next_offset: Option<u64>,
    pub next_cursor: Option<String>,
}

/// `2026-11-23T08:00:00.123Z` as `2026-11-23 08:00:00Z`: to the second, and still saying that it is UTC.
pub fn time(rfc3339: &str) -> String {
    format!("{}Z", rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " "))
}
