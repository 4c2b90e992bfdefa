//! What people change in an incident, and what they say to it.

use rusqlite::params;

use super::job::Done;
use super::lifecycle::{Current, current_tx, incident_tx, written_tx};
use super::outbox;
use super::read;
use super::search;
use super::tx::{Failure, NewEntry, Tx};
use crate::error::{Details, Error, Kind};
use crate::json::quoted;
use crate::model::{Change, EntryKind, Number, Reason, Severity, Status};

/// A person changes an incident. What is `None` stays as it is.
#[derive(Debug)]
pub struct Edit {
    /// Which incident.
    pub number: Number,
    /// What it is.
    pub title: Option<String>,
    /// More of that, or nothing.
    pub description: Option<Option<String>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Who sees to it, or nobody.
    pub assigned_to: Option<Option<String>>,
    /// Who changes it.
    pub caller: String,
}

/// A person says something.
#[derive(Debug)]
pub struct Comment {
    /// To which incident.
    pub number: Number,
    /// What.
    pub text: String,
    /// Who.
    pub caller: String,
}

/// What a person may set so that alerts leave it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settable {
    Title,
    Description,
    Severity,
}

impl Settable {
    /// Its bit in `incident.kept`.
    pub const fn bit(self) -> i64 {
        1 << self as i64
    }

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Description => "description",
            Self::Severity => "severity",
        }
    }
}

/// Changes an incident; alerts leave alone what is set here, even if it was so before.
pub fn edit_tx(tx: &mut Tx<'_>, edit: &Edit) -> Result<Done, Failure> {
    let number = edit.number;
    let current = current_tx(tx, number)?;
    if current.status == Status::Closed {
        let message = format!("{number} is closed; it takes only comments");
        return Err(Error::new(Kind::InvalidTransition, message).with(Details::Allowed(Vec::new())).into());
    }
    let mut now = incident_tx(tx, number)?;
    let severity_was = now.severity;
    let mut kept = current.kept;
    let mut changes = Vec::new();
    let mut change = |field: &str, from: String, to: String| {
        if from != to {
            changes.push(Change { field: field.into(), from, to });
        }
    };
    let optional = |text: &Option<String>| text.as_deref().map_or_else(|| "null".into(), quoted);
    if let Some(title) = &edit.title {
        kept |= Settable::Title.bit();
        change("title", quoted(&now.title), quoted(title));
        now.title.clone_from(title);
    }
    if let Some(description) = &edit.description {
        kept |= Settable::Description.bit();
        change("description", optional(&now.description), optional(description));
        now.description.clone_from(description);
    }
    if let Some(severity) = edit.severity {
        kept |= Settable::Severity.bit();
        change("severity", quoted(now.severity.as_str()), quoted(severity.as_str()));
        now.severity = severity;
    }
    if let Some(assigned_to) = &edit.assigned_to {
        change("assigned_to", optional(&now.assigned_to), optional(assigned_to));
        now.assigned_to.clone_from(assigned_to);
    }
    if changes.is_empty() {
        let sql = "UPDATE incident SET kept = ?2 WHERE id = ?1";
        tx.connection.prepare_cached(sql)?.execute([number.to_row_id(), kept])?;
        return written_tx(tx, number);
    }
    let only_assigned = changes.iter().all(|change| change.field == "assigned_to");
    let kind = if only_assigned { EntryKind::Assigned } else { EntryKind::Updated };
    let entry = NewEntry { kind, actor: Some(&edit.caller), message: None, changes: &changes };
    append_tx(tx, number, &current, &entry)?;
    let sql = "UPDATE incident SET title = ?2, description = ?3, severity = ?4, assigned_to = ?5, kept = ?6
               WHERE id = ?1";
    tx.connection.prepare_cached(sql)?.execute(params![
        number.to_row_id(),
        now.title,
        now.description,
        now.severity.to_stored(),
        now.assigned_to,
        kept
    ])?;
    if changes.iter().any(|change| matches!(change.field.as_str(), "title" | "description")) {
        search::changed_tx(tx, number.to_row_id())?;
    }
    let incident = incident_tx(tx, number)?;
    if incident.severity < severity_was && incident.status.is_open() {
        outbox::owe_of_tx(tx, &incident, Reason::Raised)?;
    }
    Ok(Done::Incident(Box::new(incident)))
}

/// Adds what a person says to the timeline.
pub fn comment_tx(tx: &mut Tx<'_>, comment: &Comment) -> Result<Done, Failure> {
    let current = current_tx(tx, comment.number)?;
    let (actor, message) = (Some(comment.caller.as_str()), Some(comment.text.as_str()));
    let entry = NewEntry { kind: EntryKind::Comment, actor, message, changes: &[] };
    append_tx(tx, comment.number, &current, &entry)?;
    let (entries, _) = read::timeline(tx.connection, comment.number, 0, 1)?;
    let entry = entries.into_iter().next().ok_or_else(|| Error::internal("the comment is not there"))?;
    Ok(Done::Entry(entry))
}

fn append_tx(
    tx: &mut Tx<'_>,
    number: Number,
    current: &Current,
    entry: &NewEntry<'_>,
) -> rusqlite::Result<()> {
    let id = number.to_row_id();
    let (entries, _) = tx.append(id, current.entries, entry)?;
    let sql = "UPDATE incident SET updated_at = ?2, entries = ?3, repeat_event = NULL WHERE id = ?1";
    tx.connection.prepare_cached(sql)?.execute([id, tx.now_ms, entries])?;
    Ok(())
}
