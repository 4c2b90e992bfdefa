//! Full text search over titles and descriptions.

use super::tx::Tx;

/// Notes that an incident's text is not what was indexed.
pub fn changed_tx(tx: &Tx<'_>, incident: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO search_changed (incident) VALUES (?1)";
    tx.connection.prepare_cached(sql)?.execute([incident])?;
    Ok(())
}
