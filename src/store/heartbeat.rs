//! Heartbeats: what is known of each, its deadlines, and the incidents of those that fail or are missed. State and
//! incident are one transaction.
//!
//! Deadlines count time in which pings could be taken. As long as that is so, a sign of life is written every ten
//! seconds; where there was none for a while, for whatever reason (no process, a machine asleep, a disk that took
//! nothing, a clock that leapt), all deadlines are moved before anything else is done.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ingest::{self, Ingest, Placed};
use super::job::{Done, Job};
use super::tx::{Failure, Tx};
use super::{Store, unexpected};
use crate::error::Error;
use crate::model::{AlertLimits, BRIEF_GAP_MS, Beat, Heartbeat, NativeAlert, Ping, Report, Services, Signal};
use crate::registry::{Registry, heartbeats_integration};

/// How often a sign of life is written.
pub const ALIVE_MS: i64 = 10_000;

/// Heartbeats that are found missed in one transaction: short, so that no POST waits long for it.
const ROUND: usize = 100;

/// A ping of a heartbeat.
#[derive(Debug)]
pub struct TakePing {
    /// The services that its incidents may be about.
    pub registry: Arc<Registry>,
    /// Whose it is.
    pub heartbeat: Arc<Heartbeat>,
    /// What it says.
    pub ping: Ping,
}

/// A look at who is late.
#[derive(Debug)]
pub struct CheckHeartbeats {
    /// The heartbeats that there are; others are forgotten.
    pub registry: Arc<Registry>,
}

/// What came of either.
#[derive(Debug)]
pub struct HeartbeatsDone {
    /// What became of the alerts about them.
    pub reports: Vec<Report>,
    /// The next deadline, of those that were looked at.
    pub next_due_ms: Option<i64>,
    /// There is as much to do again.
    pub more: bool,
}

impl Store {
    /// Takes a ping of a heartbeat.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn take_ping(&self, take: TakePing) -> Result<HeartbeatsDone, Error> {
        match self.write(Job::TakePing(take)).await? {
            Done::Heartbeats(done) => Ok(done),
            _ => Err(unexpected()),
        }
    }

    /// Makes incidents of heartbeats that are missed, and gives a sign of life: time without one does not count.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn check_heartbeats(&self, check: Arc<CheckHeartbeats>) -> Result<HeartbeatsDone, Error> {
        match self.write(Job::CheckHeartbeats(check)).await? {
            Done::Heartbeats(done) => Ok(done),
            _ => Err(unexpected()),
        }
    }

    /// What is known of each heartbeat that has reported.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn heartbeats(&self) -> Result<HashMap<String, Beat>, Error> {
        self.read(|connection| Ok(all(connection)?.into_iter().collect())).await
    }
}

/// Takes a ping.
pub fn take_tx(tx: &mut Tx<'_>, take: &TakePing) -> Result<Done, Failure> {
    let TakePing { registry, heartbeat, ping } = take;
    mark_alive_tx(tx)?;
    let last = find_tx(tx, &heartbeat.name)?;
    let mut done = HeartbeatsDone { reports: Vec::new(), next_due_ms: None, more: false };
    let Some(beat) = Beat::after(last, ping, heartbeat, tx.now_ms) else { return Ok(Done::Heartbeats(done)) };
    save_tx(tx, &heartbeat.name, &beat)?;
    done.next_due_ms = Some(beat.deadline());
    let alert = match ping.signal {
        // Also where it was not down: its incident may be from a time when it was, and the configuration forgot it.
        Signal::Success => heartbeat.recovery_alert(),
        Signal::Fail(exit_status) => heartbeat.failure_alert(exit_status, &beat),
        Signal::Start | Signal::Log => return Ok(Done::Heartbeats(done)),
    };
    done.reports = alert_tx(tx, registry, heartbeat, alert)?;
    Ok(Done::Heartbeats(done))
}

/// Makes incidents of those that are missed; [`HeartbeatsDone::more`] if there may be more of them.
pub fn check_tx(tx: &mut Tx<'_>, registry: &Registry) -> Result<Done, Failure> {
    mark_alive_tx(tx)?;
    let sql = format!(
        "SELECT {COLUMNS}, name FROM heartbeat WHERE due_at <= ?1 OR ends_by <= ?1 ORDER BY name LIMIT ?2"
    );
    let missed = {
        let mut statement = tx.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([tx.now_ms, ROUND as i64], |row| Ok((read(row)?, row.get(10)?)))?;
        rows.collect::<rusqlite::Result<Vec<(Beat, String)>>>()?
    };
    let mut reports = Vec::new();
    let more = missed.len() == ROUND;
    for (mut beat, name) in missed {
        let Some(heartbeat) = registry.heartbeat_named(&name) else {
            forget_tx(tx, &name)?;
            continue;
        };
        let alert = heartbeat.missed_alert(&beat);
        beat.go_down(tx.now_ms);
        save_tx(tx, &name, &beat)?;
        reports.extend(alert_tx(tx, registry, heartbeat, alert)?);
    }
    let sql = "SELECT min(due_at), min(ends_by) FROM heartbeat";
    let next: (Option<i64>, Option<i64>) =
        tx.connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let next_due_ms = next.0.into_iter().chain(next.1).min();
    Ok(Done::Heartbeats(HeartbeatsDone { reports, next_due_ms, more }))
}

/// Takes over the heartbeats of the configuration: those that are gone are forgotten, and whose period or grace has
/// changed is due accordingly.
pub fn learn_tx(tx: &mut Tx<'_>, heartbeats: &[Arc<Heartbeat>]) -> Result<(), Failure> {
    // First, and by itself: the time for which nothing ran is none of anybody's period.
    if !heartbeats.is_empty() {
        mark_alive_tx(tx)?;
    }
    for (name, mut beat) in all(tx.connection)? {
        match heartbeats.iter().find(|heartbeat| heartbeat.name == name) {
            None => forget_tx(tx, &name)?,
            Some(now) if (now.period_ms, now.grace_ms) != (beat.period_ms, beat.grace_ms) => {
                beat.adapt(now);
                save_tx(tx, &name, &beat)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Moves the deadlines by the time without a sign of life, and gives one.
fn mark_alive_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let (last, same_process) = match tx.memory.alive_ms {
        Some(last) => (last, true),
        None => (tx.connection.query_row("SELECT alive_at FROM pulse", [], |row| row.get(0))?, false),
    };
    let gap_ms = tx.now_ms - last;
    if same_process && (0..ALIVE_MS).contains(&gap_ms) {
        return Ok(());
    }
    // A clock that went back takes the deadlines with it.
    let lived = same_process && (0..=BRIEF_GAP_MS).contains(&gap_ms);
    if last != 0 && !lived {
        let mut moved = 0;
        for (name, mut beat) in all(tx.connection)? {
            beat.shift_deadlines(gap_ms, tx.now_ms);
            save_tx(tx, &name, &beat)?;
            moved += 1;
        }
        // A clock that is put right by a moment is no news.
        if same_process && moved > 0 && gap_ms.abs() >= ALIVE_MS {
            tracing::warn!(
                gap_ms,
                heartbeats = moved,
                "the clock leapt, or nothing could be written for a while; that is held against no heartbeat"
            );
        }
    }
    tx.connection.prepare_cached("UPDATE pulse SET alive_at = ?1")?.execute([tx.now_ms])?;
    tx.memory.alive_ms = Some(tx.now_ms);
    Ok(())
}

/// Sends an alert about a heartbeat on the way of all alerts.
fn alert_tx(
    tx: &mut Tx<'_>,
    registry: &Registry,
    heartbeat: &Heartbeat,
    alert: NativeAlert,
) -> Result<Vec<Report>, Failure> {
    let integration = heartbeats_integration();
    let services = Services { problem: &|_| None, default: Some(&heartbeat.service) };
    let (alert, warnings) = alert.fit(&services).map_err(Error::fields)?;
    let place = registry.place(&alert.service, &integration);
    let body = Ingest {
        integration,
        alerts: vec![Placed { alert, place, warnings }],
        metadata_keys: AlertLimits::NATIVE.metadata_keys,
        idempotency: None,
        dry_run: false,
    };
    match ingest::ingest_tx(tx, &body, 0)? {
        Done::Ingested { reports, .. } => Ok(reports),
        _ => Err(Error::internal("an alert was taken for something else").into()),
    }
}

const COLUMNS: &str =
    "period_ms, grace_ms, last_ping_at, message, due_at, started_at, run, ends_by, down, excused";

fn read(row: &Row<'_>) -> rusqlite::Result<Beat> {
    Ok(Beat {
        period_ms: row.get(0)?,
        grace_ms: row.get(1)?,
        last_ping_at: row.get(2)?,
        message: row.get(3)?,
        due_at: row.get(4)?,
        started_at: row.get(5)?,
        run: row.get(6)?,
        ends_by: row.get(7)?,
        down: row.get(8)?,
        excused: row.get(9)?,
    })
}

fn find_tx(tx: &Tx<'_>, name: &str) -> rusqlite::Result<Option<Beat>> {
    let sql = format!("SELECT {COLUMNS} FROM heartbeat WHERE name = ?1");
    tx.connection.prepare_cached(&sql)?.query_row([name], read).optional()
}

fn save_tx(tx: &Tx<'_>, name: &str, beat: &Beat) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO heartbeat (name, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    tx.connection.prepare_cached(&sql)?.execute(params![
        name,
        beat.period_ms,
        beat.grace_ms,
        beat.last_ping_at,
        beat.message,
        beat.due_at,
        beat.started_at,
        beat.run,
        beat.ends_by,
        beat.down,
        beat.excused,
    ])?;
    Ok(())
}

fn forget_tx(tx: &Tx<'_>, name: &str) -> rusqlite::Result<()> {
    tx.connection.prepare_cached("DELETE FROM heartbeat WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// What is known of each heartbeat that has reported, by its name.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<(String, Beat)>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS}, name FROM heartbeat"))?;
    let rows = statement.query_map([], |row| Ok((row.get(10)?, read(row)?)))?;
    rows.collect()
}
