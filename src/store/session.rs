//! Sessions of people who have logged in, so that a restart does not log them out.

use rusqlite::{Connection, params};

use super::tx::{Failure, Tx};
use crate::model::Session;

/// Sessions that are kept; beyond that the oldest end.
pub const SESSIONS: usize = 1000;

/// What becomes of a session.
#[derive(Debug)]
pub enum SessionChange {
    /// It begins.
    Begin(Session),
    /// The one with that id ends, if there is one.
    End([u8; 32]),
}

/// Begins or ends a session. A beginning is also when those that have expired are forgotten.
pub fn change_tx(tx: &mut Tx<'_>, change: &SessionChange) -> Result<(), Failure> {
    match change {
        SessionChange::Begin(session) => {
            tx.connection
                .prepare_cached("DELETE FROM session WHERE expires_at <= ?1")?
                .execute([tx.now_ms])?;
            let sql = "INSERT INTO session (id, token, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)";
            let Session { id, token, created_at, expires_at } = session;
            tx.connection.prepare_cached(sql)?.execute(params![id, token, created_at, expires_at])?;
            let sql = "DELETE FROM session WHERE rowid NOT IN (SELECT rowid FROM session ORDER BY rowid DESC LIMIT ?1)";
            tx.connection.prepare_cached(sql)?.execute([SESSIONS as i64])?;
        }
        SessionChange::End(id) => {
            tx.connection.prepare_cached("DELETE FROM session WHERE id = ?1")?.execute([id])?;
        }
    }
    Ok(())
}

/// Every session.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<Session>> {
    let mut statement = connection.prepare_cached("SELECT id, token, created_at, expires_at FROM session")?;
    let rows = statement.query_map([], |row| {
        Ok(Session { id: row.get(0)?, token: row.get(1)?, created_at: row.get(2)?, expires_at: row.get(3)? })
    })?;
    rows.collect()
}
