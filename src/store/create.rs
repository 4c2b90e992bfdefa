//! What people make through the API: incidents that no alert made.

use rusqlite::params;

use super::idempotency::{self, IdempotencyKey};
use super::ingest::minute_of;
use super::job::Done;
use super::outbox;
use super::read;
use super::tx::{Failure, NewEntry, Tx};
use crate::error::Error;
use crate::model::{EntryKind, Incident, Reason, ServiceName, Severity, Status, metadata};

/// A person makes an incident.
#[derive(Debug)]
pub struct Create {
    /// What it is.
    pub title: String,
    /// More of that.
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: at least one, none twice.
    pub services: Vec<ServiceName>,
    /// Who.
    pub caller: String,
    /// The name of the caller's token: within it, idempotency keys differ.
    pub token: String,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
}

/// Makes the incident, or finds the one that an earlier request with the same key made, as it was then.
pub fn create_tx(tx: &mut Tx<'_>, create: &Create, kept_keys: u32) -> Result<Done, Failure> {
    let scope = || format!("token:{}", create.token);
    if let Some(key) = &create.idempotency
        && let Some(incident) = idempotency::find_tx::<Incident>(tx, &scope(), key)?
    {
        return Ok(Done::Created { incident: Box::new(incident), replayed: true });
    }
    let mut rows = Vec::with_capacity(create.services.len());
    for service in &create.services {
        rows.push(tx.service(&service.service_key, &service.name)?);
    }
    let number = tx.next_number()?;
    let id = number.to_row_id();
    let sql =
        "INSERT INTO incident (id, service, status, severity, holds_key, occurrences, entries, created_at,
                   updated_at, last_seen_at, seen_minute, title, description, metadata)
               VALUES (?1, ?2, ?3, ?4, 0, 1, 1, ?5, ?5, ?5, ?6, ?7, ?8, ?9)";
    tx.connection.prepare_cached(sql)?.execute(params![
        id,
        rows.first(),
        Status::New.to_stored(),
        create.severity.to_stored(),
        tx.now_ms,
        minute_of(tx.now_ms),
        create.title,
        create.description,
        metadata::of_new(&[]),
    ])?;
    let further = "INSERT INTO further_service (incident, position, service) VALUES (?1, ?2, ?3)";
    for (position, row) in rows.iter().enumerate().skip(1) {
        tx.connection.prepare_cached(further)?.execute(params![id, position as i64, row])?;
    }
    let actor = Some(create.caller.as_str());
    tx.append(id, 0, &NewEntry { kind: EntryKind::Created, actor, message: None, changes: &[] })?;
    let incident =
        read::incident(tx.connection, number)?.ok_or_else(|| Error::internal("it is not there"))?;
    outbox::owe_of_tx(tx, &incident, Reason::Created)?;
    if let Some(key) = &create.idempotency {
        idempotency::keep_tx(tx, &scope(), key, &incident, kept_keys)?;
    }
    Ok(Done::Created { incident: Box::new(incident), replayed: false })
}
