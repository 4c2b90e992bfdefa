//! Writing down what people are owed, with the change that it tells of.

use rusqlite::params;

use super::super::silence::{self, Hold};
use super::super::tx::Tx;
use super::{services_of, subject_of};
use crate::model::{Held, Incident, Reason, Standing};
use crate::routing::{Due, Subject, Windows};

/// For how long what there was no room for is counted before people are told how many that were.
const OVERFLOW_WAIT_MS: i64 = 60_000;

/// Writes down whom to tell of what has just happened to an incident. Costs next to nothing without routes.
pub fn owe_tx(tx: &mut Tx<'_>, incident: i64, subject: &Subject<'_>, reason: Reason) -> rusqlite::Result<()> {
    // Also where nobody would be told: it is recorded.
    let hold = silence::silenced_tx(tx, incident, subject)?;
    let outbox = &mut tx.memory.outbox;
    if outbox.routing.routes.is_empty() {
        return Ok(());
    }
    // What nobody is told of now begins no time in which others wait.
    let mut none = Windows::new();
    let windows = if hold.is_some() { &mut none } else { &mut outbox.windows };
    for due in outbox.routing.due(subject, reason, tx.now_ms, windows) {
        if due.reason == Reason::Unacknowledged && reason != Reason::Created {
            strike_off_reminders_tx(tx, incident, due.channel)?;
        }
        match hold.filter(|hold| due.due_ms < hold.until) {
            Some(hold) => hold_tx(tx, incident, &due, hold)?,
            None => insert_tx(tx, incident, &due, None)?,
        }
    }
    Ok(())
}

/// The same of an incident that is read first.
pub fn owe_of_tx(tx: &mut Tx<'_>, incident: &Incident, reason: Reason) -> rusqlite::Result<()> {
    let services = services_of(incident);
    owe_tx(tx, incident.number.to_row_id(), &subject_of(incident, &services), reason)
}

/// Writes down what is told when a silence ends: of each incident once, whatever happens to it until then. There is room
/// for half of what may be owed, so that a silence over much leaves room for what is to be told now.
fn hold_tx(tx: &mut Tx<'_>, incident: i64, due: &Due, hold: Hold) -> rusqlite::Result<()> {
    let most = (tx.memory.outbox.owed_at_most + 1) / 2;
    let Some(channel) = tx.memory.outbox.channels.get(due.channel) else { return Ok(()) };
    let (row, is_full) = (channel.row, channel.owed_of(due.reason) >= most);
    let is_reminder = due.reason == Reason::Unacknowledged;
    if !is_reminder {
        let sql = "UPDATE outbox SET reason = ?4 WHERE incident = ?1 AND channel = ?2 AND silence = ?3 AND held = ?5
                       AND standing = 0 AND message IS NULL AND reason <> ?6";
        let reasons = (due.reason.to_stored(), Reason::Unacknowledged.to_stored());
        let held = Held::Silence.to_stored();
        let values = params![incident, row, hold.silence, reasons.0, held, reasons.1];
        if tx.connection.prepare_cached(sql)?.execute(values)? > 0 {
            return Ok(());
        }
    }
    let due = Due { due_ms: hold.until, held: Held::Silence, ..*due };
    if !is_full {
        return insert_tx(tx, incident, &due, Some(hold.silence));
    }
    if is_reminder {
        return Ok(());
    }
    let sql = "UPDATE outbox SET count = count + 1 WHERE silence = ?1 AND incident IS NULL AND channel = ?2
                   AND standing = 0 AND message IS NULL";
    if tx.connection.prepare_cached(sql)?.execute([hold.silence, row])? == 0 {
        write_tx(tx, None, &due, Some(hold.silence))?;
    }
    Ok(())
}

pub(super) fn insert_tx(
    tx: &mut Tx<'_>,
    incident: i64,
    due: &Due,
    silence: Option<i64>,
) -> rusqlite::Result<()> {
    let most = tx.memory.outbox.owed_at_most;
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    if channel.owed_of(due.reason) >= most {
        // An incident without a reminder was told of or counted already.
        channel.more += i64::from(due.reason != Reason::Unacknowledged);
        return Ok(());
    }
    write_tx(tx, Some(incident), due, silence)
}

/// Strikes off the reminders of an incident that a channel owes: a new one takes their place.
fn strike_off_reminders_tx(tx: &mut Tx<'_>, incident: i64, position: usize) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get_mut(position) else { return Ok(()) };
    let sql = "UPDATE outbox SET standing = ?1, tried_at = ?2
               WHERE incident = ?3 AND channel = ?4 AND reason = ?5 AND standing = 0 AND message IS NULL";
    let (moot, reminder) = (Standing::Moot.to_stored(), Reason::Unacknowledged.to_stored());
    let values = params![moot, tx.now_ms, incident, channel.row, reminder];
    channel.reminders -= tx.connection.prepare_cached(sql)?.execute(values)? as i64;
    Ok(())
}

fn write_tx(tx: &mut Tx<'_>, incident: Option<i64>, due: &Due, silence: Option<i64>) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    *channel.owed_of_mut(due.reason) += 1;
    let row = channel.row;
    if due.due_ms < channel.looked_for_at {
        channel.looked_for_at = due.due_ms;
        tx.memory.outbox.news = true;
    }
    let sql = "INSERT INTO outbox (channel, incident, reason, at, due_at, try_at, held, silence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)";
    let (reason, held) = (due.reason.to_stored(), due.held.to_stored());
    let values = params![row, incident, reason, tx.now_ms, due.due_ms, held, silence];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Makes due at `due_ms` what a silence holds, since it ends then.
pub fn move_silenced_tx(tx: &mut Tx<'_>, silence: i64, due_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE outbox SET due_at = ?2, try_at = ?2
               WHERE silence = ?1 AND held = ?3 AND standing = 0 AND message IS NULL";
    tx.connection.prepare_cached(sql)?.execute([silence, due_ms, Held::Silence.to_stored()])?;
    let outbox = &mut tx.memory.outbox;
    for channel in outbox.channels.iter_mut().filter(|channel| due_ms < channel.looked_for_at) {
        channel.looked_for_at = due_ms;
        outbox.news = true;
    }
    Ok(())
}

/// Writes down how many there was no room for; COMMIT follows.
pub fn count_overflow_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let outbox = &mut tx.memory.outbox;
    for channel in outbox.channels.iter_mut().filter(|channel| channel.more > 0) {
        let more = std::mem::take(&mut channel.more);
        if let Some(row) = channel.overflow {
            let sql = "UPDATE outbox SET count = count + ?2 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([row, more])?;
            continue;
        }
        let sql = "INSERT INTO outbox (channel, reason, count, at, due_at, try_at, held)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
        let due_at = tx.now_ms + OVERFLOW_WAIT_MS;
        let (reason, held) = (Reason::Created.to_stored(), Held::Digest.to_stored());
        let values = params![channel.row, reason, more, tx.now_ms, due_at, held];
        tx.connection.prepare_cached(sql)?.execute(values)?;
        channel.overflow = Some(tx.connection.last_insert_rowid());
        channel.owed += 1;
        if due_at < channel.looked_for_at {
            channel.looked_for_at = due_at;
            outbox.news = true;
        }
    }
    Ok(())
}
