//! Deduplication: what an alert does to the incidents of its integration.
//!
//! | the alert's key | the alert | what happens |
//! |---|---|---|
//! | none | any | creates (a `resolved` one already resolved) |
//! | held by nobody | not resolved | creates |
//! | held by nobody | resolved | `on_unknown_resolve`: creates it resolved, or is ignored |
//! | held, open | not resolved | updates; the status only ever moves forward |
//! | held, open | resolved | resolves |
//! | held, resolved | not resolved | re-opens (under `after_resolve = "new"` a resolved incident holds nothing) |
//! | held, resolved | resolved | updates or repeats |
//!
//! An alert without a title only moves the status of an open incident, and is ignored where the table says otherwise.

use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};

use super::edit::Settable;
use super::idempotency::{self, IdempotencyKey};
use super::job::Done;
use super::outbox;
use super::search;
use super::tx::{Failure, NewEntry, Tx};
use crate::error::{Error, FieldError};
use crate::json::quoted;
use crate::model::{
    Alert, Change, EntryKind, Number, Outcome, Reason, Report, Severity, Status, Warning, metadata,
};
use crate::registry::{AfterResolve, Integration, OnUnknownResolve, Service};
use crate::routing::Subject;

/// The alerts of one body, which are stored together or not at all.
#[derive(Debug)]
pub struct Ingest {
    /// Who sent them; the scope of their dedup keys.
    pub integration: Arc<Integration>,
    /// Each with what it needs from the configuration.
    pub alerts: Vec<Placed>,
    /// The most metadata keys that an incident may have.
    pub metadata_keys: usize,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Roll back instead of committing.
    pub dry_run: bool,
}

/// An alert, and where the configuration puts it.
#[derive(Debug)]
pub struct Placed {
    /// The alert.
    pub alert: Alert,
    /// Its service and, should it create an incident without stating a severity, that of the chain. Otherwise what is
    /// wrong with the service, which refuses a creation and only a creation.
    pub place: Result<(Arc<Service>, Severity), FieldError>,
    /// What the sender should know; the writer may add to it.
    pub warnings: Vec<Warning>,
}

/// The incident that holds an alert's key, as far as an update concerns it.
struct Holder {
    id: i64,
    service: i64,
    status: Status,
    severity: Severity,
    occurrences: i64,
    entries: i64,
    repeat_event: Option<i64>,
    seen_minute: i64,
    kept: i64,
    title: String,
    description: Option<String>,
    source_url: Option<String>,
    metadata: String,
}

/// Stores the alerts of one body.
pub fn ingest_tx(tx: &mut Tx<'_>, body: &Ingest, kept_keys: u32) -> Result<Done, Failure> {
    let integration = tx.integration(&body.integration.name)?;
    let scope = || idempotency::scope_of(integration);
    if let Some(key) = &body.idempotency
        && let Some(reports) = idempotency::find_tx::<Vec<Report>>(tx, &scope(), key)?
    {
        return Ok(Done::Ingested { reports, replayed: true });
    }
    let mut reports = Vec::with_capacity(body.alerts.len());
    for placed in &body.alerts {
        reports.push(alert_tx(tx, body, integration, placed)?);
    }
    if let Some(key) = &body.idempotency {
        idempotency::keep_tx(tx, &scope(), key, &reports, kept_keys)?;
    }
    if body.dry_run {
        for report in reports.iter_mut().filter(|report| report.outcome == Outcome::Created) {
            report.incident_number = None;
        }
    }
    Ok(Done::Ingested { reports, replayed: false })
}

fn alert_tx(tx: &mut Tx<'_>, body: &Ingest, integration: i64, placed: &Placed) -> Result<Report, Failure> {
    let alert = &placed.alert;
    let Some(key) = &alert.dedup_key else {
        return create_tx(tx, body, integration, placed);
    };
    let mut holder = find_holder_tx(tx, integration, key)?;
    if let Some(Holder { id, status: Status::Resolved, .. }) = holder
        && body.integration.after_resolve == AfterResolve::New
    {
        // It was resolved while the configuration still said "reopen".
        tx.set_holds_key(id, false)?;
        holder = None;
    }
    match holder {
        Some(Holder { status: Status::Resolved, .. }) if alert.title.is_none() => Ok(ignored(placed)),
        Some(holder) => update_tx(tx, body, placed, holder),
        None if alert.status == Status::Resolved
            && body.integration.on_unknown_resolve == OnUnknownResolve::Ignore =>
        {
            Ok(ignored(placed))
        }
        None => create_tx(tx, body, integration, placed),
    }
}

fn ignored(placed: &Placed) -> Report {
    Report {
        outcome: Outcome::Ignored,
        incident_number: None,
        status: None,
        severity: None,
        service_id: None,
        dedup_key: placed.alert.dedup_key.clone(),
        occurrences: 0,
        warnings: placed.warnings.clone(),
    }
}

fn find_holder_tx(tx: &Tx<'_>, integration: i64, key: &str) -> rusqlite::Result<Option<Holder>> {
    let sql = "SELECT id, service, status, severity, occurrences, entries, repeat_event,
                      seen_minute, kept, title, description, source_url, metadata
               FROM incident WHERE integration = ?1 AND dedup_key = ?2 AND holds_key = 1";
    let holder = |row: &Row<'_>| {
        Ok(Holder {
            id: row.get(0)?,
            service: row.get(1)?,
            status: row.get(2)?,
            severity: row.get(3)?,
            occurrences: row.get(4)?,
            entries: row.get(5)?,
            repeat_event: row.get(6)?,
            seen_minute: row.get(7)?,
            kept: row.get(8)?,
            title: row.get(9)?,
            description: row.get(10)?,
            source_url: row.get(11)?,
            metadata: row.get(12)?,
        })
    };
    tx.connection.prepare_cached(sql)?.query_row(params![integration, key], holder).optional()
}

fn create_tx(tx: &mut Tx<'_>, body: &Ingest, integration: i64, placed: &Placed) -> Result<Report, Failure> {
    let alert = &placed.alert;
    let Some(title) = &alert.title else { return Ok(ignored(placed)) };
    // First of all, since a refusal must not have written anything.
    let (service, default_severity) = match &placed.place {
        Ok((service, severity)) => (service, *severity),
        Err(problem) => return Err(Error::fields(vec![problem.clone()]).into()),
    };
    let service_row = tx.service(&service.id, &service.name)?;
    let severity = alert.severity.unwrap_or(default_severity);
    let resolved = alert.status == Status::Resolved;
    let holds_key =
        alert.dedup_key.is_some() && !(resolved && body.integration.after_resolve == AfterResolve::New);
    let number = tx.next_number()?;
    let metadata = metadata::of_new(&alert.metadata);
    let sql = "INSERT INTO incident (id, integration, service, status, severity, holds_key, occurrences, entries,
                   created_at, updated_at, last_seen_at, seen_minute, resolved_at, title, dedup_key, description,
                   source_url, metadata, resolved_by)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1, ?7, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    tx.connection.prepare_cached(sql)?.execute(params![
        number.to_row_id(),
        integration,
        service_row,
        alert.status.to_stored(),
        severity.to_stored(),
        holds_key,
        tx.now_ms,
        minute_of(tx.now_ms),
        resolved.then_some(tx.now_ms),
        title,
        alert.dedup_key,
        alert.description,
        alert.source_url,
        metadata,
        resolved.then(|| actor_name(&body.integration)),
    ])?;
    let entry = NewEntry { kind: EntryKind::Created, actor: None, message: None, changes: &[] };
    tx.append(number.to_row_id(), 0, &entry)?;
    // What is over when it becomes known disturbs nobody.
    if !resolved {
        let subject = Subject {
            severity,
            services: &[&service.id],
            integration: Some(&body.integration.name),
            title,
            description: alert.description.as_deref(),
            metadata: &metadata,
        };
        outbox::owe_tx(tx, number.to_row_id(), &subject, Reason::Created)?;
    }
    Ok(Report {
        outcome: Outcome::Created,
        incident_number: Some(number.to_string()),
        status: Some(alert.status),
        severity: Some(severity),
        service_id: Some(service.id.clone()),
        dedup_key: alert.dedup_key.clone(),
        occurrences: 1,
        warnings: placed.warnings.clone(),
    })
}

/// How an integration is named where a person could stand.
fn actor_name(integration: &Integration) -> String {
    format!("integration:{}", integration.name)
}

fn update_tx(tx: &mut Tx<'_>, body: &Ingest, placed: &Placed, mut holder: Holder) -> Result<Report, Failure> {
    let mut warnings = placed.warnings.clone();
    let (was, severity_was) = (holder.status, holder.severity);
    let changes = apply_tx(tx, body, placed, &mut holder, &mut warnings)?;
    holder.occurrences += 1;
    let outcome = match (was, holder.status) {
        (Status::Resolved, now) if now != Status::Resolved => Outcome::Reopened,
        (before, Status::Resolved) if before != Status::Resolved => Outcome::Resolved,
        _ if changes.is_empty() => Outcome::Repeated,
        _ => Outcome::Updated,
    };
    if outcome == Outcome::Repeated {
        repeat_tx(tx, &holder)?;
    } else {
        let kind = match outcome {
            Outcome::Reopened => EntryKind::Reopened,
            Outcome::Resolved => EntryKind::Resolved,
            _ if was != holder.status => EntryKind::StatusChanged,
            _ => EntryKind::Updated,
        };
        let entry = NewEntry { kind, actor: None, message: None, changes: &changes };
        (holder.entries, _) = tx.append(holder.id, holder.entries, &entry)?;
        write_tx(tx, &holder)?;
        turn_tx(tx, body, holder.id, outcome)?;
    }
    let service_id = tx.service_key(holder.service)?;
    let reason = match outcome {
        Outcome::Reopened => Some(Reason::Reopened),
        Outcome::Resolved => Some(Reason::Resolved),
        _ if holder.severity < severity_was && holder.status.is_open() => Some(Reason::Raised),
        _ => None,
    };
    if let Some(reason) = reason {
        let subject = Subject {
            severity: holder.severity,
            services: &[&service_id],
            integration: Some(&body.integration.name),
            title: &holder.title,
            description: holder.description.as_deref(),
            metadata: &holder.metadata,
        };
        outbox::owe_tx(tx, holder.id, &subject, reason)?;
    }
    Ok(Report {
        outcome,
        incident_number: Some(Number::from_row_id(holder.id).to_string()),
        status: Some(holder.status),
        severity: Some(holder.severity),
        service_id: Some(service_id),
        dedup_key: placed.alert.dedup_key.clone(),
        occurrences: holder.occurrences,
        warnings,
    })
}

/// Takes into `holder` what the alert says and returns what that changed.
fn apply_tx(
    tx: &mut Tx<'_>,
    body: &Ingest,
    placed: &Placed,
    holder: &mut Holder,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Change>, Failure> {
    let alert = &placed.alert;
    let mut changes = Vec::new();
    let mut change = |field: &str, from: String, to: String| {
        changes.push(Change { field: field.into(), from, to });
    };
    let optional = |text: &Option<String>| text.as_deref().map_or_else(|| "null".into(), quoted);

    let status = next_status(holder.status, alert.status);
    if status != holder.status {
        if holder.status == Status::Resolved {
            holder.kept = 0;
        }
        change("status", quoted(holder.status.as_str()), quoted(status.as_str()));
        holder.status = status;
    }
    let Some(title) = &alert.title else { return Ok(changes) };
    let kept = holder.kept;
    let mut may_set = |field: Settable| {
        let free = kept & field.bit() == 0;
        if !free {
            warnings.push(Warning::new(field.name(), "kept", "was set by a person and stays as it is"));
        }
        free
    };
    let mut text_changed = false;
    if *title != holder.title && may_set(Settable::Title) {
        change("title", quoted(&holder.title), quoted(title));
        holder.title.clone_from(title);
        text_changed = true;
    }
    if alert.description.is_some()
        && alert.description != holder.description
        && may_set(Settable::Description)
    {
        change("description", optional(&holder.description), optional(&alert.description));
        holder.description.clone_from(&alert.description);
        text_changed = true;
    }
    if let Some(severity) = alert.severity.filter(|severity| *severity != holder.severity)
        && may_set(Settable::Severity)
    {
        change("severity", quoted(holder.severity.as_str()), quoted(severity.as_str()));
        holder.severity = severity;
    }
    if text_changed {
        search::changed_tx(tx, holder.id)?;
    }
    match &placed.place {
        Ok((service, _)) => {
            let row = tx.service(&service.id, &service.name)?;
            if row != holder.service {
                change("service_id", quoted(&tx.service_key(holder.service)?), quoted(&service.id));
                holder.service = row;
            }
        }
        Err(problem) => {
            let message = format!("{}; the incident stays with its service", problem.message);
            warnings.push(Warning::new(&problem.field, problem.code, message));
        }
    }
    if alert.source_url.is_some() && alert.source_url != holder.source_url {
        change("source_url", optional(&holder.source_url), optional(&alert.source_url));
        holder.source_url.clone_from(&alert.source_url);
    }
    if let Some(merged) = metadata::merge(&holder.metadata, &alert.metadata, body.metadata_keys) {
        holder.metadata = merged.metadata;
        changes.extend(merged.changes);
        warnings.extend(merged.dropped.into_iter().map(|key| {
            let message = format!(
                "was dropped: an incident keeps {} keys, and this alert brought newer ones",
                body.metadata_keys
            );
            Warning::new(format!("metadata.{key}"), "metadata_dropped", message)
        }));
    }
    Ok(changes)
}

/// Where an alert moves an incident: never backwards while it is open.
fn next_status(now: Status, alert: Status) -> Status {
    match (now, alert) {
        (_, Status::Resolved) => Status::Resolved,
        (Status::Resolved, reopened) => reopened,
        (Status::New, Status::Investigating) => Status::Investigating,
        (now, _) => now,
    }
}

/// The unit of the index over what is not closed.
pub const MINUTE_MS: i64 = 60_000;

/// The minute that a time is in.
pub fn minute_of(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS)
}

/// A POST that changed nothing joins the run of repeats, which writes the incident's row alone, or begins one.
fn repeat_tx(tx: &mut Tx<'_>, holder: &Holder) -> rusqlite::Result<()> {
    let Holder { id, occurrences, .. } = holder;
    let minute = minute_of(tx.now_ms);
    if let Some(event) = holder.repeat_event {
        let sql =
            "UPDATE incident SET occurrences = ?2, last_seen_at = ?3, repeats = repeats + 1 WHERE id = ?1";
        tx.connection.prepare_cached(sql)?.execute(params![id, occurrences, tx.now_ms])?;
        if minute != holder.seen_minute {
            let sql = "UPDATE incident SET seen_minute = ?2 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([*id, minute])?;
        }
        tx.note(event, *id, EntryKind::Repeated);
        return Ok(());
    }
    let entry = NewEntry { kind: EntryKind::Repeated, actor: None, message: None, changes: &[] };
    let (entries, event) = tx.append(*id, holder.entries, &entry)?;
    let sql = "UPDATE incident SET occurrences = ?2, last_seen_at = ?3, seen_minute = ?4, entries = ?5,
                   repeat_event = ?6, repeats = 1 WHERE id = ?1";
    let values = params![id, occurrences, tx.now_ms, minute, entries, event];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn write_tx(tx: &Tx<'_>, holder: &Holder) -> rusqlite::Result<()> {
    let sql = "UPDATE incident SET service = ?2, status = ?3, severity = ?4, occurrences = ?5, entries = ?6,
                   repeat_event = NULL, updated_at = ?7, last_seen_at = ?7, title = ?8, description = ?9,
                   source_url = ?10, metadata = ?11, seen_minute = ?12, kept = ?13
               WHERE id = ?1";
    tx.connection.prepare_cached(sql)?.execute(params![
        holder.id,
        holder.service,
        holder.status.to_stored(),
        holder.severity.to_stored(),
        holder.occurrences,
        holder.entries,
        tx.now_ms,
        holder.title,
        holder.description,
        holder.source_url,
        holder.metadata,
        minute_of(tx.now_ms),
        holder.kept,
    ])?;
    Ok(())
}

/// What resolving and re-opening do beyond the status.
fn turn_tx(tx: &Tx<'_>, body: &Ingest, id: i64, outcome: Outcome) -> rusqlite::Result<()> {
    match outcome {
        Outcome::Resolved => {
            tx.stamp_resolved(id, &actor_name(&body.integration))?;
            tx.set_holds_key(id, body.integration.after_resolve == AfterResolve::Reopen)
        }
        Outcome::Reopened => tx.clear_stamps(id),
        _ => Ok(()),
    }
}
