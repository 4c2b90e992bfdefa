//! The store in numbers, for the metrics.

use std::ffi::OsString;
use std::path::Path;

use rusqlite::Connection;

use crate::metrics::Census;

/// Counts what is not closed, by one walk over the index that covers just that, and looks at the files.
pub fn census(connection: &Connection, path: &Path) -> rusqlite::Result<Census> {
    let sql = "SELECT counted.severity, counted.status, service.key, counted.incidents
               FROM (SELECT severity, status, service, count(*) AS incidents
                     FROM incident INDEXED BY incident_not_closed WHERE status < 5
                     GROUP BY severity, status, service) AS counted
                   JOIN service ON service.id = counted.service";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let mut wal = OsString::from(path);
    wal.push("-wal");
    Ok(Census {
        not_closed: rows.collect::<rusqlite::Result<_>>()?,
        database_bytes: bytes(path),
        wal_bytes: bytes(Path::new(&wal)),
    })
}

/// A file that is not there holds nothing.
fn bytes(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}
