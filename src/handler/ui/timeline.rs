//! A timeline as a person reads it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time::Moment;
use crate::model::{Entry, EntryKind, Notification, Reason, Standing};

/// A field that changed, with its values as they are read.
#[derive(Serialize)]
struct Step {
    field: String,
    from: String,
    to: String,
}

/// The same as it is stored.
#[derive(Deserialize)]
struct StoredStep {
    field: String,
    from: Value,
    to: Value,
}

impl From<StoredStep> for Step {
    fn from(StoredStep { field, from, to }: StoredStep) -> Self {
        Self { field: field.replace('_', " "), from: plain(&from), to: plain(&to) }
    }
}

/// A value without the marks of JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An entry.
#[derive(Serialize)]
pub struct Line {
    at: Moment,
    /// When the last of several was.
    until: Option<Moment>,
    kind: &'static str,
    /// Who did it; `None`: Firebell, by itself.
    actor: Option<String>,
    /// What happened, without who did it.
    what: String,
    changes: Vec<Step>,
    message: Option<String>,
}

impl Line {
    /// An entry as it is read at `now_ms`.
    pub fn new(entry: Entry, now_ms: i64) -> Self {
        let changes: Vec<StoredStep> = serde_json::from_str(&entry.changes).unwrap_or_default();
        let several = entry.count > 1;
        Self {
            at: Moment::new(entry.at, now_ms),
            until: several.then(|| Moment::new(entry.last_at, now_ms)),
            kind: "entry",
            what: what(entry.kind, entry.count),
            actor: Some(entry.actor.strip_prefix("integration:").unwrap_or(&entry.actor).to_owned()),
            changes: changes.into_iter().map(Step::from).collect(),
            message: entry.message,
        }
    }

    /// What somebody was told, or is owed, as it is read at `now_ms`.
    pub fn told(one: &Notification, now_ms: i64) -> Self {
        let (kind, what) = match one.standing {
            Standing::Told => ("told", format!("{} was told that it {}", one.channel, happened(one.reason))),
            Standing::Owed => {
                ("owed", format!("{} is yet to be told that it {}", one.channel, happened(one.reason)))
            }
            Standing::GivenUp => {
                ("given-up", format!("{} was not told that it {}", one.channel, happened(one.reason)))
            }
            Standing::Moot => ("moot", format!("{} needed no reminder", one.channel)),
        };
        let held = one.held.as_str().map(|held| format!("held by {}", held.replace('_', " ")));
        let attempts = (one.attempts > 1).then(|| format!("{} attempts", one.attempts));
        let detail: Vec<_> = [one.answer.clone(), attempts, held].into_iter().flatten().collect();
        Self {
            at: Moment::new(one.shown_at(), now_ms),
            until: None,
            kind,
            what,
            actor: None,
            changes: Vec::new(),
            message: (!detail.is_empty()).then(|| detail.join(", ")),
        }
    }
}

fn happened(reason: Reason) -> &'static str {
    match reason {
        Reason::Created => "was created",
        Reason::Raised => "became more severe",
        Reason::Reopened => "was re-opened",
        Reason::Resolved => "was resolved",
        Reason::Unacknowledged => "is not acknowledged",
    }
}

fn what(kind: EntryKind, count: i64) -> String {
    let verb = match kind {
        EntryKind::Created => "created",
        EntryKind::Updated => "updated",
        EntryKind::Repeated => "repeated",
        EntryKind::Reopened => "re-opened",
        EntryKind::StatusChanged => "status changed",
        EntryKind::Acknowledged => "acknowledged",
        EntryKind::Assigned => "assigned",
        EntryKind::Comment => "commented",
        EntryKind::Resolved => "resolved",
        EntryKind::Closed => "closed",
    };
    match count {
        1 => verb.into(),
        2 => format!("{verb} twice"),
        count => format!("{verb} {count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_words() {
        assert_eq!(what(EntryKind::Repeated, 43), "repeated 43 times");
        assert_eq!(what(EntryKind::Repeated, 2), "repeated twice");
        assert_eq!(what(EntryKind::StatusChanged, 1), "status changed");
    }
}
