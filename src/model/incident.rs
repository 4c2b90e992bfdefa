//! An incident and its timeline, as they read back.

use serde::{Deserialize, Serialize};

use super::{Number, Severity, Status, Warning};

/// Timeline entries that one incident keeps; beyond it, the oldest merge.
pub const TIMELINE_ENTRIES: i64 = 1000;

/// An incident. Times are milliseconds since the epoch. It is kept with an idempotency key, hence (de)serializable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Incident {
    pub number: Number,
    pub title: String,
    pub description: Option<String>,
    pub severity: Severity,
    pub status: Status,
    pub services: Vec<ServiceName>,
    pub integration: Option<String>,
    pub source_url: Option<String>,
    pub dedup_key: Option<String>,
    /// A JSON object, compact.
    pub metadata: String,
    pub occurrences: i64,
    pub assigned_to: Option<String>,
    pub acknowledged_at: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub resolved_at: Option<i64>,
    pub resolved_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub last_seen_at: i64,
    pub closed_at: Option<i64>,
    /// While an active silence is about it: until when. It is no part of what is stored.
    #[serde(skip)]
    pub silenced_until: Option<i64>,
}

/// A service as an incident names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceName {
    /// Its id: `SER-00001`.
    pub service_key: String,
    /// Its last known name.
    pub name: String,
}

/// What a timeline entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum EntryKind {
    Created,
    Updated,
    Repeated,
    Reopened,
    StatusChanged,
    Acknowledged,
    Assigned,
    Comment,
    Resolved,
    Closed,
}

impl EntryKind {
    const ALL: [Self; 10] = [
        Self::Created,
        Self::Updated,
        Self::Repeated,
        Self::Reopened,
        Self::StatusChanged,
        Self::Acknowledged,
        Self::Assigned,
        Self::Comment,
        Self::Resolved,
        Self::Closed,
    ];

    /// The number that the store keeps: 0 for `created`.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self as i64
    }

    /// The kind that the store kept as `stored`.
    #[must_use]
    pub fn from_stored(stored: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_stored() == stored)
    }
}

/// An entry of an incident's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique in the store; later entries have greater ones.
    pub id: i64,
    /// When, or when the first of several.
    pub at: i64,
    /// What happened.
    pub kind: EntryKind,
    /// Who: a caller, `integration:NAME` or `system`.
    pub actor: String,
    /// What a person said.
    pub message: Option<String>,
    /// A JSON array of [`Change`].
    pub changes: String,
    /// How many events it stands for.
    pub count: i64,
    /// When the last of them was.
    pub last_at: i64,
}

/// A field that changed; values are JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The field's name, with a path into metadata.
    pub field: String,
    /// The value before, as JSON.
    pub from: String,
    /// The value after, as JSON.
    pub to: String,
}

/// What became of an alert: the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum Outcome {
    Created,
    Reopened,
    Resolved,
    Updated,
    Repeated,
    Ignored,
}

impl Outcome {
    /// Every outcome, in the order in which they apply.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Reopened, Self::Resolved, Self::Updated, Self::Repeated, Self::Ignored];

    /// The name that clients read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
            Self::Updated => "updated",
            Self::Repeated => "repeated",
            Self::Ignored => "ignored",
        }
    }
}

/// What became of an alert, and of which incident. It is kept with an idempotency key, hence (de)serializable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct Report {
    pub outcome: Outcome,
    /// `None` where nothing has a number: ignored, or a dry run that would create.
    pub incident_number: Option<String>,
    pub status: Option<Status>,
    pub severity: Option<Severity>,
    pub service_id: Option<String>,
    pub dedup_key: Option<String>,
    pub occurrences: i64,
    pub warnings: Vec<Warning>,
}
