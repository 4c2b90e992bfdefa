//! Silences as the writer keeps them: made, changed and ended by people, and holding back what would be told meanwhile.
//!
//! Those that are not over are remembered, so that without any an alert pays nothing for them. What is held is due when
//! its silence ends. Whether something else holds it by then is decided when its turn has come, not before: silences
//! come, go and overlap meanwhile, and incidents change.

mod list;

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

pub use list::SilenceQuery;

use super::job::Done;
use super::outbox;
use super::tx::{Failure, Tx};
use crate::config::NotifyLimits;
use crate::error::{Details, Error, FieldError, Kind};
use crate::routing::{About, Silence, SilenceState, Silences, Subject};

/// Silences that are not over, at a time: each that is active is asked about every incident that people are told of.
const MOST: usize = 1000;

/// Somebody makes, changes or ends a silence.
#[derive(Debug)]
pub enum SilenceChange {
    /// A new one.
    Add(NewSilence),
    /// One that is not over is changed. What is `None` stays as it is.
    Change {
        /// Which.
        id: i64,
        /// Up to when.
        ends_at: Option<i64>,
        /// Why.
        comment: Option<String>,
    },
    /// One that is not over ends now.
    End {
        /// Which.
        id: i64,
        /// Who ends it.
        caller: String,
    },
}

/// A silence to be.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of a silence")]
pub struct NewSilence {
    pub about: About,
    pub starts_at: i64,
    pub ends_at: i64,
    pub comment: String,
    pub author: String,
}

/// What holds back a notification, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub silence: i64,
    pub until: i64,
}

pub const COLUMNS: &str =
    "id, about, starts_at, ends_at, comment, author, created_at, ended_at, ended_by, incidents";

pub fn read(row: &Row<'_>) -> rusqlite::Result<Silence> {
    Ok(Silence {
        id: row.get(0)?,
        about: serde_json::from_str(&row.get::<_, String>(1)?).unwrap_or_default(),
        starts_at: row.get(2)?,
        ends_at: row.get(3)?,
        comment: row.get(4)?,
        author: row.get(5)?,
        created_at: row.get(6)?,
        ended_at: row.get(7)?,
        ended_by: row.get(8)?,
        incidents: row.get(9)?,
    })
}

/// One silence.
pub fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<Silence>> {
    let sql = format!("SELECT {COLUMNS} FROM silence WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], read).optional()
}

/// The answer for an id that no silence has.
pub fn not_found(id: i64) -> Error {
    Error::new(Kind::NotFound, format!("there is no silence {id}; those that are long over are forgotten"))
}

/// Remembers those that are not over.
pub fn load_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM silence WHERE ended_at IS NULL AND ends_at > ?1");
    let silences = {
        let mut statement = tx.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([tx.now_ms], read)?;
        rows.collect::<rusqlite::Result<Vec<_>>>()?
    };
    tx.memory.silences = Arc::new(Silences::new(silences));
    Ok(())
}

/// Makes, changes or ends one.
pub fn change_tx(tx: &mut Tx<'_>, change: &SilenceChange) -> Result<Done, Failure> {
    let id = match change {
        SilenceChange::Add(new) => add_tx(tx, new)?,
        SilenceChange::Change { id, ends_at, comment } => {
            let silence = not_over_tx(tx, *id)?;
            let sql = "UPDATE silence SET ends_at = coalesce(?2, ends_at), comment = coalesce(?3, comment)
                       WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute(params![id, ends_at, comment])?;
            if let Some(ends_at) = ends_at.filter(|at| *at != silence.ends_at) {
                outbox::move_silenced_tx(tx, *id, ends_at)?;
            }
            *id
        }
        SilenceChange::End { id, caller } => {
            not_over_tx(tx, *id)?;
            let sql = "UPDATE silence SET ended_at = ?2, ended_by = ?3 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute(params![id, tx.now_ms, caller])?;
            outbox::move_silenced_tx(tx, *id, tx.now_ms)?;
            *id
        }
    };
    load_tx(tx)?;
    let silence = find(tx.connection, id)?.ok_or_else(|| Error::internal("it is not there"))?;
    Ok(Done::Silence(Box::new(silence)))
}

fn add_tx(tx: &mut Tx<'_>, new: &NewSilence) -> Result<i64, Failure> {
    if tx.memory.silences.count(tx.now_ms, |state| state != SilenceState::Over) >= MOST {
        let message = format!("cannot be taken: {MOST} silences are not over yet; end some first");
        return Err(Error::fields(vec![FieldError::new("body", "too_many", message)]).into());
    }
    let about = serde_json::to_string(&new.about).map_err(Error::internal)?;
    let sql = "INSERT INTO silence (about, starts_at, ends_at, comment, author, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![about, new.starts_at, new.ends_at, new.comment, new.author, tx.now_ms];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    Ok(tx.connection.last_insert_rowid())
}

fn not_over_tx(tx: &Tx<'_>, id: i64) -> Result<Silence, Failure> {
    let silence = find(tx.connection, id)?.ok_or_else(|| not_found(id))?;
    if silence.state(tx.now_ms) == SilenceState::Over {
        let message = format!("silence {id} is over; make a new one");
        return Err(Error::new(Kind::InvalidTransition, message).with(Details::Allowed(Vec::new())).into());
    }
    Ok(silence)
}

/// Whether people are not to be told of an incident now, and until when. That it is silenced is written down.
pub fn silenced_tx(tx: &Tx<'_>, incident: i64, subject: &Subject<'_>) -> rusqlite::Result<Option<Hold>> {
    let covering = tx.memory.silences.covering(subject, tx.now_ms);
    for silence in &covering {
        let sql = "INSERT OR IGNORE INTO silenced (incident, silence, at) VALUES (?1, ?2, ?3)";
        if tx.connection.prepare_cached(sql)?.execute([incident, silence.id, tx.now_ms])? > 0 {
            let sql = "UPDATE silence SET incidents = incidents + 1 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([silence.id])?;
        }
    }
    Ok(covering.first().map(|silence| Hold { silence: silence.id, until: silence.ends_at }))
}

/// Forgets one of those that have been over for too long or, oldest first, are too many; what it silenced first, at
/// most `most` of that. Whether there may be more to forget.
pub fn forget_tx(tx: &mut Tx<'_>, limits: &NotifyLimits, most: i64) -> rusqlite::Result<bool> {
    if tx.memory.silences.count(tx.now_ms, |state| state == SilenceState::Over) > 0 {
        load_tx(tx)?;
    }
    let sql = "SELECT id FROM silence WHERE coalesce(ended_at, ends_at) <= ?1
                   AND (coalesce(ended_at, ends_at) <= ?2
                       OR (SELECT count(*) FROM silence WHERE coalesce(ended_at, ends_at) <= ?1) > ?3)
               ORDER BY coalesce(ended_at, ends_at) LIMIT 1";
    let values = params![tx.now_ms, tx.now_ms - limits.max_age_ms, limits.keep];
    let found = tx.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    let Some(id): Option<i64> = found else { return Ok(false) };
    let sql = "DELETE FROM silenced WHERE silence = ?1
                   AND incident IN (SELECT incident FROM silenced WHERE silence = ?1 LIMIT ?2)";
    let gone = tx.connection.prepare_cached(sql)?.execute([id, most])? as i64;
    if gone < most {
        tx.connection.prepare_cached("DELETE FROM silence WHERE id = ?1")?.execute([id])?;
    }
    Ok(true)
}
