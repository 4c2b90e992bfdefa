//! What people do to an incident: move its status, acknowledge it.

use rusqlite::{OptionalExtension, Row, params};

use super::job::Done;
use super::outbox;
use super::read;
use super::tx::{Failure, NewEntry, Tx};
use crate::error::{Details, Error, Kind};
use crate::json::quoted;
use crate::model::{Change, EntryKind, Incident, Number, Reason, Status};

/// A person moves an incident.
#[derive(Debug)]
pub struct SetStatus {
    /// Which incident.
    pub number: Number,
    /// Where to.
    pub to: Status,
    /// What the person says to it.
    pub comment: Option<String>,
    /// Who.
    pub caller: String,
    /// Integrations whose incidents give up their key when they are resolved.
    pub new_after_resolve: Vec<String>,
}

/// A person takes an incident.
#[derive(Debug)]
pub struct Acknowledge {
    /// Which incident.
    pub number: Number,
    /// Who.
    pub caller: String,
}

/// An incident, as far as what people do to it concerns.
pub struct Current {
    pub status: Status,
    pub entries: i64,
    /// What a person set, in bits.
    pub kept: i64,
    holds_key: bool,
    integration: Option<i64>,
    dedup_key: Option<String>,
    acknowledged_by: Option<String>,
    assigned_to: Option<String>,
}

impl Current {
    fn reopened_by(&self, to: Status) -> bool {
        self.status == Status::Resolved && to.is_open()
    }
}

/// Moves an incident along the status machine.
pub fn set_status_tx(tx: &mut Tx<'_>, change: &SetStatus) -> Result<Done, Failure> {
    let id = change.number.to_row_id();
    let current = current_tx(tx, change.number)?;
    if !current.status.may_become(change.to) {
        return Err(invalid_transition(change, current.status).into());
    }
    if current.reopened_by(change.to) && !current.holds_key {
        check_key_is_free_tx(tx, &current)?;
    }
    move_tx(tx, id, &current, change)?;
    let incident = incident_tx(tx, change.number)?;
    let reason = match change.to {
        Status::Resolved | Status::Closed if current.status.is_open() => Some(Reason::Resolved),
        to if current.reopened_by(to) => Some(Reason::Reopened),
        _ => None,
    };
    if let Some(reason) = reason {
        outbox::owe_of_tx(tx, &incident, reason)?;
    }
    outbox::forget_closed_tx(tx, id)?;
    Ok(Done::Incident(Box::new(incident)))
}

/// Stamps time and caller; assigns the caller if nobody is; lifts `new` to `investigating`.
pub fn acknowledge_tx(tx: &mut Tx<'_>, acknowledge: &Acknowledge) -> Result<Done, Failure> {
    let Acknowledge { number, caller } = acknowledge;
    let current = current_tx(tx, *number)?;
    if !current.status.is_open() {
        let message =
            format!("{number} is {}; only an open incident can be acknowledged", current.status.as_str());
        return Err(Error::new(Kind::InvalidTransition, message).with(allowed_from(current.status)).into());
    }
    if let Some(by) = &current.acknowledged_by {
        let message = format!("{number} was already acknowledged by {by}");
        return Err(Error::new(Kind::AlreadyAcknowledged, message).into());
    }
    let mut changes = Vec::new();
    let status = if current.status == Status::New {
        changes.push(status_change(Status::New, Status::Investigating));
        Status::Investigating
    } else {
        current.status
    };
    if current.assigned_to.is_none() {
        changes.push(Change { field: "assigned_to".into(), from: "null".into(), to: quoted(caller) });
    }
    let entry =
        NewEntry { kind: EntryKind::Acknowledged, actor: Some(caller), message: None, changes: &changes };
    let (entries, _) = tx.append(number.to_row_id(), current.entries, &entry)?;
    let sql = "UPDATE incident SET status = ?2, acknowledged_at = ?3, acknowledged_by = ?4,
                   assigned_to = coalesce(assigned_to, ?4), updated_at = ?3, entries = ?5, repeat_event = NULL
               WHERE id = ?1";
    tx.connection.prepare_cached(sql)?.execute(params![
        number.to_row_id(),
        status.to_stored(),
        tx.now_ms,
        caller,
        entries
    ])?;
    outbox::remind_no_more_tx(tx, number.to_row_id())?;
    written_tx(tx, *number)
}

/// Closes an incident that has been resolved for long enough.
pub fn close_tx(tx: &mut Tx<'_>, number: Number) -> Result<(), Failure> {
    let current = current_tx(tx, number)?;
    let (to, caller) = (Status::Closed, "system".into());
    let change = SetStatus { number, to, comment: None, caller, new_after_resolve: Vec::new() };
    move_tx(tx, number.to_row_id(), &current, &change)?;
    Ok(outbox::forget_closed_tx(tx, number.to_row_id())?)
}

/// The answer for a number that no incident has.
pub fn not_found(number: Number) -> Error {
    Error::new(Kind::NotFound, format!("there is no incident {number}"))
}

/// The incident as it now is.
pub fn written_tx(tx: &Tx<'_>, number: Number) -> Result<Done, Failure> {
    Ok(Done::Incident(Box::new(incident_tx(tx, number)?)))
}

/// The same, for who needs to look at it.
pub fn incident_tx(tx: &Tx<'_>, number: Number) -> Result<Incident, Failure> {
    read::incident(tx.connection, number)?.ok_or_else(|| not_found(number).into())
}

/// The incident as it is, if it is there.
pub fn current_tx(tx: &Tx<'_>, number: Number) -> Result<Current, Failure> {
    let sql = "SELECT status, entries, kept, holds_key, integration, dedup_key, acknowledged_by, assigned_to
               FROM incident WHERE id = ?1";
    let current = |row: &Row<'_>| {
        Ok(Current {
            status: row.get(0)?,
            entries: row.get(1)?,
            kept: row.get(2)?,
            holds_key: row.get(3)?,
            integration: row.get(4)?,
            dedup_key: row.get(5)?,
            acknowledged_by: row.get(6)?,
            assigned_to: row.get(7)?,
        })
    };
    let found = tx.connection.prepare_cached(sql)?.query_row([number.to_row_id()], current).optional()?;
    found.ok_or_else(|| not_found(number).into())
}

/// A re-opened incident takes its key back, unless another one has it by now.
fn check_key_is_free_tx(tx: &Tx<'_>, current: &Current) -> Result<(), Failure> {
    let sql = "SELECT id FROM incident WHERE integration = ?1 AND dedup_key = ?2 AND holds_key = 1";
    let by_key = params![current.integration, current.dedup_key];
    let holder = tx.connection.prepare_cached(sql)?.query_row(by_key, |row| row.get(0)).optional()?;
    match holder.map(|id| Number::from_row_id(id).to_string()) {
        None => Ok(()),
        Some(holder) => {
            let message = format!("{holder} holds the same dedup_key by now; close that one first");
            Err(Error::new(Kind::InvalidTransition, message).with(Details::Holder(holder)).into())
        }
    }
}

fn move_tx(tx: &mut Tx<'_>, id: i64, current: &Current, change: &SetStatus) -> rusqlite::Result<()> {
    let kind = match change.to {
        Status::Resolved => EntryKind::Resolved,
        Status::Closed => EntryKind::Closed,
        to if current.reopened_by(to) => EntryKind::Reopened,
        _ => EntryKind::StatusChanged,
    };
    let changes = [status_change(current.status, change.to)];
    let message = change.comment.as_deref();
    let entry = NewEntry { kind, actor: Some(&change.caller), message, changes: &changes };
    let (entries, _) = tx.append(id, current.entries, &entry)?;
    let sql =
        "UPDATE incident SET status = ?2, updated_at = ?3, entries = ?4, repeat_event = NULL WHERE id = ?1";
    tx.connection.prepare_cached(sql)?.execute([id, change.to.to_stored(), tx.now_ms, entries])?;
    match kind {
        EntryKind::Resolved => {
            tx.stamp_resolved(id, &change.caller)?;
            if current.holds_key && gives_up_key_tx(tx, current, &change.new_after_resolve)? {
                tx.set_holds_key(id, false)?;
            }
            Ok(())
        }
        EntryKind::Closed => {
            let sql = "UPDATE incident SET closed_at = ?2 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([id, tx.now_ms])?;
            tx.set_holds_key(id, false)
        }
        EntryKind::Reopened => {
            tx.clear_stamps(id)?;
            tx.set_holds_key(id, current.dedup_key.is_some())
        }
        _ => Ok(()),
    }
}

/// Whether the incident's integration is one of those.
fn gives_up_key_tx(tx: &Tx<'_>, current: &Current, integrations: &[String]) -> rusqlite::Result<bool> {
    let sql = "SELECT name FROM integration WHERE id = ?1";
    let name =
        tx.connection.prepare_cached(sql)?.query_row([current.integration], |row| row.get(0)).optional()?;
    Ok(name.is_some_and(|name: String| integrations.contains(&name)))
}

fn status_change(from: Status, to: Status) -> Change {
    Change { field: "status".into(), from: quoted(from.as_str()), to: quoted(to.as_str()) }
}

fn allowed_from(status: Status) -> Details {
    Details::Allowed(status.allowed().into_iter().map(Status::as_str).collect())
}

fn invalid_transition(change: &SetStatus, from: Status) -> Error {
    let SetStatus { number, to, .. } = change;
    let message = match from.allowed().as_slice() {
        [] => format!("{number} is {from}; a closed incident stays closed"),
        _ if from == *to => format!("{number} is {from} already"),
        allowed => {
            let allowed: Vec<_> = allowed.iter().map(|status| status.as_str()).collect();
            format!("{number} is {from} and cannot become {to}; it can become {}", allowed.join(", "))
        }
    };
    Error::new(Kind::InvalidTransition, message).with(allowed_from(from))
}
