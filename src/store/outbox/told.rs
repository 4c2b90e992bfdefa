//! Which incidents receivers take for open, since they were told so and not of the end: for one that keeps track of
//! incidents, they would be open for ever. It outlives what is kept of the outbox.

use std::collections::BTreeSet;

use rusqlite::params;

use super::super::read;
use super::super::tx::Tx;
use super::owe::owe_one_tx;
use super::{REMINDER, RESOLVED, services_of, subject_of};
use crate::model::{Number, Status};

const CLOSED: i64 = Status::Closed.to_stored();

/// A message that is on its way.
#[derive(Clone, Debug, Default)]
pub struct UnderWay {
    /// The first of its notifications; 0: there is no such message.
    pub message: i64,
    /// What it says of which incidents.
    pub named: Vec<Named>,
    /// It is about one incident only.
    pub alone: bool,
    /// Its receiver shows incidents by themselves, where they were told so.
    pub replaces: bool,
}

/// An incident as a message names it.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    pub incident: i64,
    pub is_open: bool,
}

/// The channels, by their positions, for whose receivers an incident is open.
pub fn channels_tx(tx: &Tx<'_>, incident: i64) -> rusqlite::Result<Vec<usize>> {
    let sql = "SELECT channel FROM told WHERE incident = ?1 AND open";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([incident], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let channels = &tx.memory.outbox.channels;
    Ok(rows.iter().filter_map(|row| channels.iter().position(|channel| channel.row == *row)).collect())
}

/// Whether it is for that one, by its row.
pub fn is_told_tx(tx: &Tx<'_>, incident: i64, channel: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM told WHERE incident = ?1 AND channel = ?2 AND open)";
    tx.connection.prepare_cached(sql)?.query_row([incident, channel], |row| row.get(0))
}

/// Whether a channel, by its row, is yet to be told something of an incident.
pub fn is_owed_tx(tx: &Tx<'_>, incident: i64, channel: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_by_incident
                        WHERE incident = ?1 AND channel = ?2 AND standing = 0 AND reason <> {REMINDER})"
    );
    tx.connection.prepare_cached(&sql)?.query_row([incident, channel], |row| row.get(0))
}

/// The incidents of a message, by its first notification, that are open for its receiver, or shown by it.
pub fn of_message_tx(tx: &Tx<'_>, channel: i64, message: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT DISTINCT incident FROM outbox INDEXED BY outbox_owed
               WHERE channel = ?1 AND standing = 0 AND message = ?2
                   AND EXISTS (SELECT 1 FROM told WHERE told.incident = outbox.incident AND told.channel = ?1)";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([channel, message], |row| row.get(0))?;
    rows.collect()
}

/// Notes what a receiver has taken; `before` are those of [`of_message_tx`]. Of what has ended since that was written, or
/// was not named in it, it is told.
pub fn note_tx(tx: &mut Tx<'_>, position: usize, taken: &UnderWay, before: Vec<i64>) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get(position).map(|channel| channel.row) else {
        return Ok(());
    };
    for Named { incident, is_open } in taken.named.iter().copied() {
        if is_open {
            let sql = "INSERT INTO told (incident, channel, open, alone) VALUES (?1, ?2, 1, ?3)
                       ON CONFLICT DO UPDATE SET open = 1, alone = max(alone, ?3)";
            tx.connection.prepare_cached(sql)?.execute(params![incident, channel, taken.alone])?;
        } else if taken.replaces && taken.alone {
            // What is shown by itself is there if it comes back, also where this has put it there.
            let sql = "INSERT INTO told (incident, channel, open, alone) VALUES (?1, ?2, 0, 1)
                       ON CONFLICT DO UPDATE SET open = 0, alone = 1";
            tx.connection.prepare_cached(sql)?.execute([incident, channel])?;
        } else {
            // What is shown by itself ends by itself.
            let sql = "DELETE FROM told WHERE incident = ?1 AND channel = ?2 AND NOT (?3 AND alone)";
            tx.connection.prepare_cached(sql)?.execute(params![incident, channel, taken.replaces])?;
        }
    }
    owe_missed_ends_tx(tx, position, taken, true, before)
}

/// Owes the ends that came while a message was under way, which was taken now or refused for good: there may have been no
/// room for them, with something of their incidents owed already. `before` are those of [`of_message_tx`].
pub fn owe_missed_ends_tx(
    tx: &mut Tx<'_>,
    position: usize,
    over: &UnderWay,
    is_taken: bool,
    before: Vec<i64>,
) -> rusqlite::Result<()> {
    let channel = tx.memory.outbox.channels[position].row;
    // An end that was refused is not told again; one that was taken may be shown in another place than the beginning.
    let refused_end =
        |incident| !is_taken && over.named.iter().any(|one| one.incident == incident && !one.is_open);
    let named = over.named.iter().map(|one| one.incident);
    for incident in named.chain(before).collect::<BTreeSet<_>>() {
        if !refused_end(incident) && is_told_tx(tx, incident, channel)? {
            owe_missed_end_tx(tx, position, incident, channel)?;
        }
        forget_closed_tx(tx, incident)?;
    }
    Ok(())
}

/// Forgets who was told of an incident that is closed, since it does not come back: but for those who are yet to be
/// told something of it.
pub fn forget_closed_tx(tx: &Tx<'_>, incident: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM told WHERE incident = ?1
             AND EXISTS (SELECT 1 FROM incident WHERE id = ?1 AND status = {CLOSED})
             AND NOT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_by_incident
                             WHERE outbox.incident = ?1 AND outbox.channel = told.channel AND standing = 0
                                 AND reason <> {REMINDER})"
    );
    tx.connection.prepare_cached(&sql)?.execute([incident])?;
    Ok(())
}

fn owe_missed_end_tx(tx: &mut Tx<'_>, position: usize, incident: i64, channel: i64) -> rusqlite::Result<()> {
    let sql = format!("SELECT status >= {RESOLVED} FROM incident WHERE id = ?1");
    let is_over: bool = tx.connection.prepare_cached(&sql)?.query_row([incident], |row| row.get(0))?;
    if !is_over || is_owed_tx(tx, incident, channel)? {
        return Ok(());
    }
    let Some(found) = read::incident(tx.connection, Number::from_row_id(incident))? else { return Ok(()) };
    let services = services_of(&found);
    let subject = subject_of(&found, &services);
    let outbox = &mut tx.memory.outbox;
    match outbox.routing.end(&subject, position, tx.now_ms, &mut outbox.windows) {
        Some(due) => owe_one_tx(tx, incident, &subject, &due, true),
        None => Ok(()),
    }
}
