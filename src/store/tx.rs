//! A write transaction: its frozen `now`, the numbers it gives out, the names it knows, and the two writes that every
//! job is made of: an incident's row and a timeline entry.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::heartbeat;
use super::idempotency;
use super::job::Done;
use super::outbox::{self, Outbox};
use super::silence;
use crate::clock::utc_year;
use crate::config::NotifyLimits;
use crate::error::Error;
use crate::json::quoted;
use crate::model::{Change, EntryKind, Heartbeat, Number, TIMELINE_ENTRIES, timeline};
use crate::routing::{Routing, Silences};

/// The year of this release: numbers never carry an earlier one, whatever the clock says.
const RELEASE_YEAR: i16 = 2026;

/// Entries that an incident's timeline is merged down to when it is full, so that it is not merged at every POST.
const ENTRIES_AFTER_MERGE: usize = 900;

/// Why a job was not done.
#[derive(Debug)]
pub enum Failure {
    /// By our rules; the text is for the caller.
    Refused(Error),
    /// By SQLite.
    Sqlite(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What the store must know of the configuration.
#[derive(Debug, Default)]
pub struct Names {
    /// Ids and names of services.
    pub services: Vec<(String, String)>,
    /// Names of integrations, each with its former names.
    pub integrations: Vec<(String, Vec<String>)>,
    /// Who is told of what.
    pub routing: Arc<Routing>,
    /// How much of it may be owed.
    pub notify: NotifyLimits,
    /// The heartbeats.
    pub heartbeats: Vec<Arc<Heartbeat>>,
}

/// What the writer remembers between transactions to spare itself look-ups. A rollback takes it back to what it
/// was.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    services: HashMap<String, i64>,
    integrations: HashMap<String, i64>,
    last_number: Option<Number>,
    /// When the last incident was recorded.
    last_created_ms: Option<i64>,
    /// Former names of integrations, and the one that each has now: a request may have come in under the old one.
    renamed: HashMap<String, String>,
    pub(super) idempotency_keys: Option<i64>,
    /// What all deliveries count for.
    pub(super) delivery_bytes: Option<i64>,
    pub(super) outbox: Outbox,
    /// Those that are not over.
    pub(super) silences: Arc<Silences>,
    /// The last sign of life that is written for heartbeats.
    pub(super) alive_ms: Option<i64>,
}

/// A timeline entry to be written.
#[derive(Debug)]
pub struct NewEntry<'a> {
    pub kind: EntryKind,
    /// `None`: the incident's integration.
    pub actor: Option<&'a str>,
    pub message: Option<&'a str>,
    pub changes: &'a [Change],
}

/// An open write transaction.
#[derive(Debug)]
pub struct Tx<'a> {
    pub connection: &'a Connection,
    /// One time for all that happens in it.
    pub now_ms: i64,
    pub memory: &'a mut Memory,
    /// What happened, in order, for those who watch.
    pub happened: Vec<Happened>,
    numbered: bool,
}

/// Something that is told to those who watch, once it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The timeline entry that holds it.
    pub event: i64,
    /// The incident's row.
    pub incident: i64,
    /// What it was.
    pub kind: EntryKind,
}

impl<'a> Tx<'a> {
    /// The transaction that `connection` is in.
    pub fn new(connection: &'a Connection, now_ms: i64, memory: &'a mut Memory) -> rusqlite::Result<Self> {
        if memory.last_number.is_none() {
            let sql = "SELECT year, last FROM counter ORDER BY year DESC LIMIT 1";
            let number = |row: &rusqlite::Row<'_>| Ok(Number { year: row.get(0)?, sequence: row.get(1)? });
            memory.last_number = connection.query_row(sql, [], number).optional()?;
        }
        Ok(Self { connection, now_ms, memory, happened: Vec::new(), numbered: false })
    }

    /// Writes what was kept back until the end; COMMIT follows. What happened is returned.
    pub fn finish(mut self) -> rusqlite::Result<Vec<Happened>> {
        outbox::count_overflow_tx(&mut self)?;
        if let Some(Number { year, sequence }) = self.memory.last_number.filter(|_| self.numbered) {
            let sql =
                "INSERT INTO counter (year, last) VALUES (?1, ?2) ON CONFLICT (year) DO UPDATE SET last = ?2";
            self.connection.prepare_cached(sql)?.execute(params![year, sequence])?;
        }
        Ok(self.happened)
    }

    /// The next number. A year is never before the last one used, so that numbers order as incidents were recorded
    /// even when the clock goes back.
    pub fn next_number(&mut self) -> rusqlite::Result<Number> {
        let year = utc_year(self.now_ms).max(RELEASE_YEAR);
        let next = match self.memory.last_number {
            Some(last) if last.year >= year => Number { year: last.year, sequence: last.sequence + 1 },
            _ => Number { year, sequence: 1 },
        };
        self.memory.last_number = Some(next);
        self.numbered = true;
        self.note_clock_step(next)?;
        Ok(next)
    }

    /// Remembers where in the order of recording the clock went back.
    fn note_clock_step(&mut self, next: Number) -> rusqlite::Result<()> {
        let last = match self.memory.last_created_ms {
            Some(last) => last,
            None => {
                let sql = "SELECT created_at FROM incident ORDER BY id DESC LIMIT 1";
                let last = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
                last.unwrap_or(i64::MIN)
            }
        };
        if self.now_ms < last {
            let sql = "INSERT INTO clock_step (incident) VALUES (?1)";
            self.connection.prepare_cached(sql)?.execute([next.to_row_id()])?;
        }
        self.memory.last_created_ms = Some(self.now_ms);
        Ok(())
    }

    /// Notes what to tell those who watch.
    pub fn note(&mut self, event: i64, incident: i64, kind: EntryKind) {
        self.happened.push(Happened { event, incident, kind });
    }

    /// The row of a service.
    pub fn service(&mut self, key: &str, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.memory.services.get(key) {
            return Ok(*id);
        }
        let sql = "INSERT INTO service (key, name) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET name = ?2 RETURNING id";
        let id = self.connection.query_row(sql, [key, name], |row| row.get(0))?;
        self.memory.services.insert(key.to_owned(), id);
        Ok(id)
    }

    /// The id that the configuration gave the service in row `id`.
    pub fn service_key(&self, id: i64) -> rusqlite::Result<String> {
        let known = self.memory.services.iter().find(|(_, known)| **known == id);
        match known {
            Some((key, _)) => Ok(key.clone()),
            None => {
                self.connection.query_row("SELECT key FROM service WHERE id = ?1", [id], |row| row.get(0))
            }
        }
    }

    /// The row of an integration.
    pub fn integration(&mut self, name: &str) -> rusqlite::Result<i64> {
        // Copied only where there is something to copy: this is on every alert's way.
        let renamed = self.memory.renamed.get(name).cloned();
        let name = renamed.as_deref().unwrap_or(name);
        if let Some(id) = self.memory.integrations.get(name) {
            return Ok(*id);
        }
        let id = match self.integration_row(name)? {
            Some(id) => id,
            None => {
                self.connection.execute("INSERT INTO integration (name) VALUES (?1)", [name])?;
                self.connection.last_insert_rowid()
            }
        };
        self.memory.integrations.insert(name.to_owned(), id);
        Ok(id)
    }

    fn integration_row(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT id FROM integration WHERE name = ?1";
        self.connection.query_row(sql, [name], |row| row.get(0)).optional()
    }

    /// Takes over the configuration's names: new rows, new names of known services, renamed integrations.
    pub fn learn(&mut self, names: &Names) -> Result<Done, Failure> {
        for (name, former_names) in &names.integrations {
            for former in former_names {
                self.rename_integration(former, name)?;
            }
        }
        let former = |(name, former_names): &(String, Vec<String>)| {
            former_names.iter().map(|former| (former.clone(), name.clone())).collect::<Vec<_>>()
        };
        let renamed = names.integrations.iter().flat_map(former).collect();
        let Memory { last_number, last_created_ms, alive_ms, .. } = *self.memory;
        let outbox = std::mem::take(&mut self.memory.outbox);
        *self.memory =
            Memory { last_number, last_created_ms, alive_ms, renamed, outbox, ..Memory::default() };
        for (key, name) in &names.services {
            self.service(key, name)?;
        }
        for (name, _) in &names.integrations {
            self.integration(name)?;
        }
        silence::load_tx(self)?;
        outbox::learn_tx(self, &names.routing, &names.notify)?;
        heartbeat::learn_tx(self, &names.heartbeats)?;
        Ok(Done::Written)
    }

    /// Gives the row of an integration its new name, and with it the keys of its incidents. Two that both have
    /// incidents cannot become one: each of them may hold the same key.
    fn rename_integration(&self, former: &str, name: &str) -> rusqlite::Result<()> {
        let Some(former_row) = self.integration_row(former)? else { return Ok(()) };
        if let Some(new_row) = self.integration_row(name)? {
            let sql = "SELECT EXISTS (SELECT 1 FROM incident WHERE integration = ?1)";
            if self.connection.query_row(sql, [new_row], |row| row.get(0))? {
                tracing::warn!(former, name, "both of these integrations have incidents; they stay apart");
                return Ok(());
            }
            // Its row id may be given out again, and must not bring along what this one had answered.
            idempotency::forget_scope_tx(self, &idempotency::scope_of(new_row))?;
            let sql = "UPDATE delivery SET integration = ?1 WHERE integration = ?2";
            self.connection.execute(sql, [former_row, new_row])?;
            self.connection.execute("DELETE FROM integration WHERE id = ?1", [new_row])?;
        }
        self.connection
            .execute("UPDATE integration SET name = ?2 WHERE id = ?1", params![former_row, name])?;
        Ok(())
    }

    /// Stamps who resolved an incident, and when.
    pub fn stamp_resolved(&self, incident: i64, by: &str) -> rusqlite::Result<()> {
        let sql = "UPDATE incident SET resolved_at = ?2, resolved_by = ?3 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![incident, self.now_ms, by])?;
        Ok(())
    }

    /// Takes back what resolving and acknowledging stamped, and what a person set: an incident that is open again is
    /// anybody's.
    pub fn clear_stamps(&self, incident: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE incident SET resolved_at = NULL, resolved_by = NULL, acknowledged_at = NULL,
                       acknowledged_by = NULL, kept = 0 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute([incident])?;
        Ok(())
    }

    /// Says whether alerts with its dedup key come to an incident.
    pub fn set_holds_key(&self, incident: i64, holds_key: bool) -> rusqlite::Result<()> {
        let sql = "UPDATE incident SET holds_key = ?2 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![incident, holds_key])?;
        Ok(())
    }

    /// Appends to an incident's timeline. `entries` is how many it has; how many it then has is returned, with the
    /// new one's id.
    pub fn append(
        &mut self,
        incident: i64,
        entries: i64,
        entry: &NewEntry<'_>,
    ) -> rusqlite::Result<(i64, i64)> {
        let sql =
            "INSERT INTO event (incident, at, kind, actor, message, changes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let changes = (!entry.changes.is_empty()).then(|| changes_to_json(entry.changes));
        self.connection.prepare_cached(sql)?.execute(params![
            incident,
            self.now_ms,
            entry.kind.to_stored(),
            entry.actor,
            entry.message,
            changes
        ])?;
        let id = self.connection.last_insert_rowid();
        self.note(id, incident, entry.kind);
        if entries > 0 {
            self.settle_repeats(incident)?;
        }
        let entries = if entries < TIMELINE_ENTRIES { entries + 1 } else { self.merge_timeline(incident)? };
        Ok((entries, id))
    }

    /// Writes what the incident's row knows of its run of repeats into the run's own row, now that the run is over.
    fn settle_repeats(&self, incident: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE event SET count = run.repeats, last_at = run.last_seen_at
                   FROM (SELECT repeat_event, repeats, last_seen_at FROM incident WHERE id = ?1) AS run
                   WHERE event.id = run.repeat_event";
        self.connection.prepare_cached(sql)?.execute([incident])?;
        Ok(())
    }

    /// Merges the oldest entries of a full timeline and returns how many remain.
    fn merge_timeline(&self, incident: i64) -> rusqlite::Result<i64> {
        let sql = "SELECT id, at, kind, count, coalesce(last_at, at), coalesce(changes, '[]'), actor,
                          message IS NOT NULL
                   FROM event WHERE incident = ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let stored = statement.query_map([incident], |row| {
            Ok(timeline::Run {
                id: row.get(0)?,
                at: row.get(1)?,
                kind: row.get(2)?,
                count: row.get(3)?,
                last_at: row.get(4)?,
                changes: changes_from_json(&row.get::<_, String>(5)?),
                actor: row.get(6)?,
                has_message: row.get(7)?,
            })
        })?;
        let stored = stored.collect::<rusqlite::Result<Vec<_>>>()?;
        let counts: HashMap<i64, i64> = stored.iter().map(|run| (run.id, run.count)).collect();
        let left = timeline::merge(stored, ENTRIES_AFTER_MERGE);
        let mut update = self.connection.prepare_cached(
            "UPDATE event SET kind = ?2, count = ?3, last_at = ?4, changes = ?5, actor = ?6 WHERE id = ?1",
        )?;
        let mut gone = counts.clone();
        for run in &left {
            gone.remove(&run.id);
            if counts.get(&run.id) != Some(&run.count) {
                let changes = (!run.changes.is_empty()).then(|| changes_to_json(&run.changes));
                let kind = run.kind.to_stored();
                update.execute(params![run.id, kind, run.count, run.last_at, changes, run.actor])?;
            }
        }
        let mut delete = self.connection.prepare_cached("DELETE FROM event WHERE id = ?1")?;
        for id in gone.keys() {
            delete.execute([id])?;
        }
        Ok(left.len() as i64)
    }
}

/// As the store and the API write changes: `[{"field":…,"from":…,"to":…}]`.
fn changes_to_json(changes: &[Change]) -> String {
    let one = |change: &Change| {
        format!("{{\"field\":{},\"from\":{},\"to\":{}}}", quoted(&change.field), change.from, change.to)
    };
    format!("[{}]", changes.iter().map(one).collect::<Vec<_>>().join(","))
}

fn changes_from_json(text: &str) -> Vec<Change> {
    #[derive(serde::Deserialize)]
    struct Stored<'a> {
        field: String,
        #[serde(borrow)]
        from: &'a serde_json::value::RawValue,
        #[serde(borrow)]
        to: &'a serde_json::value::RawValue,
    }
    let stored: Vec<Stored<'_>> = serde_json::from_str(text).unwrap_or_default();
    let change =
        |one: Stored<'_>| Change { field: one.field, from: one.from.get().into(), to: one.to.get().into() };
    stored.into_iter().map(change).collect()
}
