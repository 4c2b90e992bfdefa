//! The store in numbers, for the metrics.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;

use super::Store;
use super::file_place::log_of;
use crate::error::Error;
use crate::metrics::Census;
use crate::model::{Severity, Status};

/// Counts what is not closed, by one walk over the index that covers just that, and looks at the files. SQLite would sort
/// it all to group it; a few counters do it in a third of the time.
pub fn census(connection: &mut Connection, path: &Path) -> rusqlite::Result<Census> {
    let snapshot = connection.transaction()?;
    let sql =
        "SELECT severity, status, service FROM incident INDEXED BY incident_not_closed WHERE status < 5";
    let mut counts: HashMap<(Severity, Status, i64), i64> = HashMap::new();
    let mut statement = snapshot.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        *counts.entry((row.get(0)?, row.get(1)?, row.get(2)?)).or_default() += 1;
    }
    let mut names = snapshot.prepare_cached("SELECT key FROM service WHERE id = ?1")?;
    let named = |((severity, status, service), count)| {
        Ok((severity, status, names.query_row([service], |row| row.get(0))?, count))
    };
    let not_closed = counts.into_iter().map(named).collect::<rusqlite::Result<_>>()?;
    Ok(Census {
        not_closed,
        owing: Vec::new(),
        heartbeats: Vec::new(),
        database_bytes: bytes(path),
        wal_bytes: bytes(&log_of(path)),
    })
}

impl Store {
    /// How many incidents are open whose second or further service one is. [`Census`] has those whose first it is.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn open_by_further_service(&self) -> Result<HashMap<String, i64>, Error> {
        // From the few that are open to their services, not the other way.
        let sql = "SELECT service.key, count(*)
            FROM incident INDEXED BY incident_not_closed
                CROSS JOIN further_service ON further_service.incident = incident.id
                JOIN service ON service.id = further_service.service
            WHERE incident.status < 5 AND incident.status <> 4 GROUP BY service.key";
        let count = |connection: &mut Connection| {
            connection.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        self.read(count).await
    }
}

/// A file that is not there holds nothing.
fn bytes(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}
