//! Writing down what came of a message.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::params;

use super::super::job::Done;
use super::super::read;
use super::super::tx::{Failure, Tx};
use super::owe::insert_tx;
use super::{REMINDER, is_moot, position_of, services_of, subject_of, told};
use crate::model::{Answer, Number, Reason, Standing};

/// A message was tried.
#[derive(Debug)]
pub struct Attempted {
    /// The channel's name.
    pub channel: String,
    /// The message.
    pub message: i64,
    /// What came of it.
    pub answer: Answer,
}

/// Writes down what came of an attempt. Where people were reminded, the next reminder is written with it.
pub fn attempted_tx(tx: &mut Tx<'_>, attempted: &Attempted) -> Result<Done, Failure> {
    let Attempted { channel, message, answer } = attempted;
    let Some(position) = position_of(tx, channel) else { return Ok(Done::Written) };
    let row = tx.memory.outbox.channels[position].row;
    let (standing, text, try_at) = match answer {
        Answer::Taken(text) => (Standing::Told, text, None),
        Answer::Later { answer: text, at_ms, .. } | Answer::Unseen(text, at_ms) => {
            (Standing::Owed, text, Some(*at_ms))
        }
        Answer::Never(text) => (Standing::GivenUp, text, None),
    };
    // Also where this one was refused: the incident is open still.
    let reminded = if try_at.is_none() { reminded_tx(tx, row, *message)? } else { Vec::new() };
    let told = if try_at.is_none() { told::of_message_tx(tx, row, *message)? } else { Vec::new() };
    let is_unseen = matches!(answer, Answer::Unseen(..));
    if let Answer::Unseen(_, at_ms) = answer {
        release_unnamed_tx(tx, position, *message, *at_ms)?;
    }
    let sql = "UPDATE outbox SET standing = ?3, attempts = attempts + 1, tried_at = ?4, answer = ?5,
                   try_at = coalesce(?6, try_at), message = iif(?7, NULL, message)
               WHERE channel = ?1 AND message = ?2 AND standing = 0";
    let values = params![row, message, standing.to_stored(), tx.now_ms, text, try_at, is_unseen];
    let changed = tx.connection.prepare_cached(sql)?.execute(values)? as i64;
    let channel = &mut tx.memory.outbox.channels[position];
    let under_way = std::mem::take(&mut channel.under_way);
    match answer {
        Answer::Taken(_) => channel.health.took_ms = tx.now_ms,
        Answer::Later { others_at_ms, .. } => channel.health.rests_until_ms = *others_at_ms,
        Answer::Unseen(..) | Answer::Never(_) => {}
    }
    match try_at {
        Some(at_ms) => channel.next_look_ms = channel.next_look_ms.min(at_ms),
        None => {
            let reminders = reminded.len() as i64;
            channel.reminders -= reminders;
            channel.owed -= changed - reminders;
        }
    }
    match answer {
        Answer::Taken(_) => told::note_tx(tx, position, &under_way, told)?,
        Answer::Later { .. } | Answer::Unseen(..) => strike_off_moot_tx(tx, position, *message)?,
        Answer::Never(_) => told::owe_missed_ends_tx(tx, position, &under_way, false, told)?,
    }
    for incident in reminded.into_iter().collect::<BTreeSet<_>>() {
        // What became worse meanwhile has a new one.
        if is_reminded_tx(tx, incident, row)? {
            continue;
        }
        let Some(found) = read::incident(tx.connection, Number::from_row_id(incident))? else { continue };
        let services = services_of(&found);
        let routing = Arc::clone(&tx.memory.outbox.routing);
        let next = routing.next_reminder(&subject_of(&found, &services), position, tx.now_ms);
        if let Some(due) = next {
            insert_tx(tx, incident, &due, None, false)?;
        }
    }
    Ok(Done::Written)
}

/// Lets go out with others what a message only counted: the message cannot have failed because of it. Not before the rest
/// is tried again: a receiver that takes nothing is not to be asked without a pause.
fn release_unnamed_tx(tx: &Tx<'_>, position: usize, message: i64, try_at: i64) -> rusqlite::Result<()> {
    let channel = &tx.memory.outbox.channels[position];
    let named = &channel.under_way.named;
    // At least one must be left that counts the attempt.
    if channel.under_way.message != message || named.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = named.iter().map(|one| one.incident.to_string()).collect();
    let sql = format!(
        "UPDATE outbox INDEXED BY outbox_owed SET message = NULL, attempts = 0, tried_at = NULL, answer = NULL,
             try_at = ?3
         WHERE channel = ?1 AND message = ?2 AND standing = 0 AND (incident IS NULL OR incident NOT IN ({}))",
        named.join(",")
    );
    tx.connection.execute(&sql, params![channel.row, message, try_at])?;
    Ok(())
}

/// Takes out of a message that failed what it reminds of and nobody needs any more.
fn strike_off_moot_tx(tx: &mut Tx<'_>, position: usize, message: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE outbox INDEXED BY outbox_owed SET standing = ?1
         WHERE channel = ?2 AND standing = 0 AND message = ?3 AND {}",
        is_moot()
    );
    let channel = &mut tx.memory.outbox.channels[position];
    let values = params![Standing::Moot.to_stored(), channel.row, message];
    channel.reminders -= tx.connection.prepare_cached(&sql)?.execute(values)? as i64;
    Ok(())
}

/// Whether a channel, by its row, is yet to remind of an incident.
fn is_reminded_tx(tx: &Tx<'_>, incident: i64, channel: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_by_incident
                        WHERE incident = ?1 AND channel = ?2 AND standing = 0 AND reason = {REMINDER})"
    );
    tx.connection.prepare_cached(&sql)?.query_row([incident, channel], |row| row.get(0))
}

/// The incidents that a message reminds of, as often as it does.
fn reminded_tx(tx: &Tx<'_>, channel: i64, message: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT incident FROM outbox INDEXED BY outbox_owed
               WHERE channel = ?1 AND message = ?2 AND standing = 0 AND reason = ?3 AND incident IS NOT NULL";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let values = params![channel, message, Reason::Unacknowledged.to_stored()];
    let rows = statement.query_map(values, |row| row.get(0))?;
    rows.collect()
}
