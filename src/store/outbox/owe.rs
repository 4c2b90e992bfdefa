//! Writing down what people are owed, with the change that it tells of.

use rusqlite::params;

use super::super::silence::{self, Hold};
use super::super::tx::Tx;
use super::{Channel, Outbox, Overflow, REMINDER, services_of, subject_of, told};
use crate::model::{Held, Incident, Reason, Standing};
use crate::routing::{Due, Subject, Windows};

/// For how long what there was no room for is counted before people are told how many that were.
const OVERFLOW_WAIT_MS: i64 = 60_000;

/// Writes down whom to tell of what has just happened to an incident. Costs next to nothing without routes.
pub fn owe_tx(tx: &mut Tx<'_>, incident: i64, subject: &Subject<'_>, reason: Reason) -> rusqlite::Result<()> {
    // Also where nobody would be told: it is recorded.
    let hold = silence::silenced_tx(tx, incident, subject)?;
    let is_end = reason == Reason::Resolved;
    let told = if is_end { told::channels_tx(tx, incident)? } else { Vec::new() };
    if tx.memory.outbox.routing.routes.is_empty() && told.is_empty() {
        return Ok(());
    }
    if is_end {
        remind_no_more_tx(tx, incident)?;
    }
    let outbox = &mut tx.memory.outbox;
    // What nobody is told of now begins no time in which others wait.
    let mut none = Windows::new();
    let windows = if hold.is_some() { &mut none } else { &mut outbox.windows };
    let mut owed = outbox.routing.due(subject, reason, tx.now_ms, windows);
    for &channel in &told {
        if !owed.iter().any(|due| due.channel == channel) {
            owed.extend(outbox.routing.end(subject, channel, tx.now_ms, windows));
        }
    }
    for due in owed {
        if due.reason == Reason::Unacknowledged && reason != Reason::Created {
            strike_off_reminders_tx(tx, incident, due.channel)?;
        }
        let row = tx.memory.outbox.channels.get(due.channel).map_or(0, |channel| channel.row);
        let must = told.contains(&due.channel) && !told::is_owed_tx(tx, incident, row)?;
        owe_held_tx(tx, incident, &due, hold, must)?;
    }
    Ok(())
}

/// Writes down one thing that a channel `must` be told, or may be.
pub(super) fn owe_one_tx(
    tx: &mut Tx<'_>,
    incident: i64,
    subject: &Subject<'_>,
    due: &Due,
    must: bool,
) -> rusqlite::Result<()> {
    let hold = silence::silenced_tx(tx, incident, subject)?;
    owe_held_tx(tx, incident, due, hold, must)
}

fn owe_held_tx(
    tx: &mut Tx<'_>,
    incident: i64,
    due: &Due,
    hold: Option<Hold>,
    must: bool,
) -> rusqlite::Result<()> {
    match hold.filter(|hold| due.due_ms < hold.until) {
        Some(hold) => hold_tx(tx, incident, due, hold, must),
        None => insert_tx(tx, incident, due, None, must),
    }
}

/// The same of an incident that is read first.
pub fn owe_of_tx(tx: &mut Tx<'_>, incident: &Incident, reason: Reason) -> rusqlite::Result<()> {
    let services = services_of(incident);
    owe_tx(tx, incident.number.to_row_id(), &subject_of(incident, &services), reason)
}

/// Writes down what is told when a silence ends: of each incident once, whatever happens to it until then.
fn hold_tx(tx: &mut Tx<'_>, incident: i64, due: &Due, hold: Hold, must: bool) -> rusqlite::Result<()> {
    let room = tx.memory.outbox.room(due.reason, Held::Silence);
    let Some(channel) = tx.memory.outbox.channels.get(due.channel) else { return Ok(()) };
    let (row, is_full) = (channel.row, channel.owed_of(due.reason) >= room);
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
    if !is_full || must {
        return write_tx(tx, Some(incident), &due, Some(hold.silence));
    }
    if !is_counted(due.reason) {
        return Ok(());
    }
    let sql = "UPDATE outbox SET count = count + 1 WHERE silence = ?1 AND incident IS NULL AND channel = ?2
                   AND standing = 0 AND message IS NULL";
    if tx.connection.prepare_cached(sql)?.execute([hold.silence, row])? == 0 {
        write_tx(tx, None, &due, Some(hold.silence))?;
    }
    Ok(())
}

/// Writes down what there is room for, and what `must` be told whatever else is owed; counts the rest.
pub(super) fn insert_tx(
    tx: &mut Tx<'_>,
    incident: i64,
    due: &Due,
    silence: Option<i64>,
    must: bool,
) -> rusqlite::Result<()> {
    let room = tx.memory.outbox.room(due.reason, due.held);
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    if channel.owed_of(due.reason) < room || must {
        return write_tx(tx, Some(incident), due, silence);
    }
    if is_counted(due.reason) {
        channel.count(due, tx.now_ms);
    }
    Ok(())
}

/// Whether what there is no room for is worth a number: an end of what was only counted is not, nor a reminder of it.
fn is_counted(reason: Reason) -> bool {
    !matches!(reason, Reason::Resolved | Reason::Unacknowledged)
}

/// Strikes off all reminders of an incident: it is over, or somebody sees to it.
pub fn remind_no_more_tx(tx: &mut Tx<'_>, incident: i64) -> rusqlite::Result<()> {
    for position in 0..tx.memory.outbox.channels.len() {
        strike_off_reminders_tx(tx, incident, position)?;
    }
    Ok(())
}

/// Strikes off the reminders of an incident that a channel owes, but for one that is under way.
fn strike_off_reminders_tx(tx: &mut Tx<'_>, incident: i64, position: usize) -> rusqlite::Result<()> {
    let channels = &mut tx.memory.outbox.channels;
    let Some(channel) = channels.get_mut(position).filter(|channel| channel.reminders > 0) else {
        return Ok(());
    };
    let sql = format!(
        "UPDATE outbox INDEXED BY outbox_by_incident SET standing = ?1, tried_at = ?2
         WHERE incident = ?3 AND channel = ?4 AND reason = {REMINDER} AND standing = 0
             AND message IS NOT ?5"
    );
    let under_way = channel.under_way.message;
    let values = params![Standing::Moot.to_stored(), tx.now_ms, incident, channel.row, under_way];
    channel.reminders -= tx.connection.prepare_cached(&sql)?.execute(values)? as i64;
    Ok(())
}

fn write_tx(tx: &mut Tx<'_>, incident: Option<i64>, due: &Due, silence: Option<i64>) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    *channel.owed_of_mut(due.reason) += 1;
    let row = channel.row;
    if channel.is_news(due.due_ms) {
        tx.memory.outbox.wake = true;
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
    for channel in &mut outbox.channels {
        outbox.wake |= channel.is_news(due_ms);
    }
    Ok(())
}

impl Outbox {
    /// How many of that kind a channel may owe. What is held back has half of it, so that it leaves room for what is to be
    /// told at once.
    fn room(&self, reason: Reason, held: Held) -> i64 {
        let is_told_now = held == Held::No || reason == Reason::Unacknowledged;
        if is_told_now { self.owed_limit } else { (self.owed_limit + 1) / 2 }
    }
}

impl Channel {
    /// Counts what there is no room for, with what is told at the same time.
    fn count(&mut self, due: &Due, now_ms: i64) {
        let is_held = due.held != Held::No;
        let (due_ms, held) =
            if is_held { (due.due_ms, due.held) } else { (now_ms + OVERFLOW_WAIT_MS, Held::Digest) };
        // What nobody takes although it is due is joined, so that it is one row however long that lasts.
        let is_in = |one: &&mut Overflow| {
            let is_due = one.due_ms <= now_ms;
            one.held == held && (one.due_ms == due_ms || is_due || (!is_held && one.due_ms < due_ms))
        };
        match self.overflows.iter_mut().find(is_in) {
            Some(overflow) => overflow.uncounted += 1,
            None => self.overflows.push(Overflow { row: None, due_ms, held, uncounted: 1 }),
        }
    }
}

/// Writes down how many there was no room for; COMMIT follows.
pub fn count_overflow_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let outbox = &mut tx.memory.outbox;
    for channel in &mut outbox.channels {
        let (mut made, mut first_ms) = (0, i64::MAX);
        for overflow in channel.overflows.iter_mut().filter(|overflow| overflow.uncounted > 0) {
            let more = std::mem::take(&mut overflow.uncounted);
            if let Some(row) = overflow.row {
                let sql = "UPDATE outbox SET count = count + ?2 WHERE id = ?1";
                tx.connection.prepare_cached(sql)?.execute([row, more])?;
                continue;
            }
            let sql = "INSERT INTO outbox (channel, reason, count, at, due_at, try_at, held)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
            let (reason, held) = (Reason::Created.to_stored(), overflow.held.to_stored());
            let values = params![channel.row, reason, more, tx.now_ms, overflow.due_ms, held];
            tx.connection.prepare_cached(sql)?.execute(values)?;
            overflow.row = Some(tx.connection.last_insert_rowid());
            (made, first_ms) = (made + 1, first_ms.min(overflow.due_ms));
        }
        if made > 0 {
            channel.owed += made;
            outbox.wake |= channel.is_news(first_ms);
        }
    }
    Ok(())
}
