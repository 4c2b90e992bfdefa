//! Which incidents receivers take for open, since they were told so and not of the end: for one that keeps track of
//! incidents, they would be open for ever. It outlives what is kept of the outbox.

use rusqlite::params;

use super::super::read;
use super::super::tx::Tx;
use super::owe::owe_one_tx;
use super::{REMINDER, services_of, subject_of};
use crate::model::{Number, Status};

const RESOLVED: i64 = Status::Resolved.to_stored();

/// An incident as a message names it that is on its way.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    pub incident: i64,
    pub is_open: bool,
    /// The message is about no other.
    pub alone: bool,
}

/// The channels, by their positions, for whose receivers an incident is open.
pub fn channels_tx(tx: &Tx<'_>, incident: i64) -> rusqlite::Result<Vec<usize>> {
    let sql = "SELECT channel FROM told WHERE incident = ?1";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([incident], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let channels = &tx.memory.outbox.channels;
    Ok(rows.iter().filter_map(|row| channels.iter().position(|channel| channel.row == *row)).collect())
}

/// Whether it is for that one, by its row.
pub fn is_told_tx(tx: &Tx<'_>, incident: i64, channel: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM told WHERE incident = ?1 AND channel = ?2)";
    tx.connection.prepare_cached(sql)?.query_row([incident, channel], |row| row.get(0))
}

/// Whether a channel, by its row, is yet to be told something of an incident: that says how it is by then.
pub fn is_owed_tx(tx: &Tx<'_>, incident: i64, channel: i64) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM outbox INDEXED BY outbox_by_incident
                        WHERE incident = ?1 AND channel = ?2 AND standing = 0 AND reason <> {REMINDER})"
    );
    tx.connection.prepare_cached(&sql)?.query_row([incident, channel], |row| row.get(0))
}

/// Notes what a receiver has taken. Of what has ended since that was written it is told.
pub fn note_tx(tx: &mut Tx<'_>, position: usize, named: &[Named]) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get(position).map(|channel| channel.row) else {
        return Ok(());
    };
    for Named { incident, is_open, alone } in named.iter().copied() {
        if !is_open {
            let sql = "DELETE FROM told WHERE incident = ?1 AND channel = ?2";
            tx.connection.prepare_cached(sql)?.execute([incident, channel])?;
        } else {
            let sql = "INSERT INTO told (incident, channel, alone) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO UPDATE SET alone = max(alone, ?3)";
            tx.connection.prepare_cached(sql)?.execute(params![incident, channel, alone])?;
            owe_missed_end_tx(tx, position, incident, channel)?;
        }
    }
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
