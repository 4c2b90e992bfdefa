//! Opening the file: making it, recognising it, bringing it up to date, and setting up each connection.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::OpenError;
use crate::model::LinkKey;

/// The whole current schema.
const SCHEMA: &str = include_str!("../../schema.sql");

/// `PRAGMA application_id`: "FBLL". It tells `file(1)` and us that a file is a Firebell store.
const APPLICATION_ID: i32 = 0x4642_4c4c;

/// Steps from the first schema to the current one, append-only: step n leads from version n to n + 1.
const MIGRATIONS: [&str; 0] = [];

/// `PRAGMA user_version` of a current file; the first schema is version 1.
const VERSION: usize = MIGRATIONS.len() + 1;

/// Page cache of the writing connection, in KiB.
const WRITER_CACHE_KIB: i32 = 8 * 1024;

/// Page cache of each reading connection, in KiB.
const READER_CACHE_KIB: i32 = 1024;

/// Statements kept prepared per connection; more than there are.
const STATEMENTS: usize = 128;

/// Makes the file, empty, if there is none and `create` says so. Before the lock is taken: only what exists has one
/// true path, whatever symbolic links lead to it.
pub fn make_missing(path: &Path, create: bool) -> Result<(), OpenError> {
    if path.exists() {
        return Ok(());
    }
    if !create {
        return Err(OpenError(format!(
            "{} does not exist; set `[store] create = true` to make it, or point `[store] path` at the file you meant",
            path.display()
        )));
    }
    // It tells what goes wrong in the house: nobody else's business.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|error| {
        OpenError(format!(
            "cannot make the store {}: {error}; check the path and its permissions",
            path.display()
        ))
    })
}

/// Opens the file for the writer, migrating it first, or giving it its schema if it is empty and `create` says so.
pub fn open_for_writing(path: &Path, create: bool) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        set_up(&connection, WRITER_CACHE_KIB)?;
        let problem = bring_up_to_date(&mut connection, create)?;
        Ok((connection, problem))
    });
    match opened {
        Ok((connection, None)) => Ok(connection),
        Ok((_, Some(problem))) => Err(OpenError(format!("{}: {problem}", path.display()))),
        Err(error) => Err(OpenError(format!(
            "cannot open the store {}: {error}; check the path, its permissions and the disk",
            path.display()
        ))),
    }
}

/// Opens the file, which is up to date, for moving the log into it.
pub fn open_for_checkpoints(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
        set_up(&connection, READER_CACHE_KIB)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    });
    opened.map_err(|error| OpenError(format!("cannot open {} for checkpoints: {error}", path.display())))
}

/// What links are signed with; made where there is none yet.
pub fn link_key(connection: &Connection) -> rusqlite::Result<LinkKey> {
    let mut fresh = [0; 64];
    getrandom::fill(&mut fresh).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.execute("INSERT OR IGNORE INTO link_key (id, value) VALUES (1, ?1)", [fresh])?;
    connection.query_row("SELECT value FROM link_key", [], |row| row.get(0)).map(LinkKey)
}

/// How pooled readers open the file: never writing, never waiting for the writer (WAL sees to that).
pub fn reading_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Sets up a pooled reader.
pub fn set_up_reader(connection: &mut Connection) -> rusqlite::Result<()> {
    set_up(connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)
}

fn set_up(connection: &Connection, cache_kib: i32) -> rusqlite::Result<()> {
    // Only a checkpoint or a recovery after a crash can make anybody wait.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -cache_kib)
}

/// Makes the schema in an empty file, or migrates an older one. Says what is wrong with a file that is not ours.
fn bring_up_to_date(connection: &mut Connection, create: bool) -> rusqlite::Result<Option<String>> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(0);
    if tables == 0 && !create {
        return Ok(Some(
            "is empty, as what is left of a lost file may be; put the store back, or set `[store] create = true` to begin \
             a new one"
                .into(),
        ));
    } else if tables == 0 {
        // Both must be set before the first table: the one is in the header, the other shapes the file.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    } else if application != APPLICATION_ID || version == 0 {
        return Ok(Some(
            "is an SQLite file, but not a Firebell store; point `[store] path` elsewhere".into(),
        ));
    } else if version > VERSION {
        return Ok(Some(format!(
            "was written by a newer Firebell (schema {version}; this one knows {VERSION}); start that version"
        )));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if tables == 0 {
        let tx = connection.transaction()?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "user_version", VERSION as i64)?;
        tx.commit()?;
        tracing::warn!(path = connection.path(), "made a new store: there was none");
    }
    let done = if tables == 0 { MIGRATIONS.len() } else { version - 1 };
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let tx = connection.transaction()?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", (step + 2) as i64)?;
        tx.commit()?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table and index with its columns, without the comments and the spacing of the text that made it.
    fn shape(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare(
                "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name",
            )
            .unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|sql| {
            let sql = sql.unwrap();
            let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
            lines.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
    }

    #[test]
    fn the_schema_is_the_first_one_and_the_migrations() {
        let current = Connection::open_in_memory().unwrap();
        current.execute_batch(SCHEMA).unwrap();
        let migrated = Connection::open_in_memory().unwrap();
        migrated.execute_batch(include_str!("../../tests/schema-1.sql")).unwrap();
        for step in MIGRATIONS {
            migrated.execute_batch(step).unwrap();
        }
        assert_eq!(shape(&current), shape(&migrated));
    }

    #[test]
    fn every_connection_syncs_fully_and_checks_foreign_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.db");
        make_missing(&path, true).unwrap();
        let writer = open_for_writing(&path, true).unwrap();
        let pragma = |name| writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("foreign_keys"), 1);
        assert_eq!(pragma("auto_vacuum"), 2);
        assert_eq!(pragma("application_id"), i64::from(APPLICATION_ID));
        assert_eq!(pragma("user_version"), VERSION as i64);
        let journal: String = writer.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(journal, "wal");
    }

    #[test]
    fn files_that_are_not_ours_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.db");
        let missing = make_missing(&path, false).unwrap_err().to_string();
        assert!(missing.contains("does not exist; set `[store] create = true`"));
        let refusal = || open_for_writing(&path, true).unwrap_err().to_string();
        std::fs::write(&path, "this is a text file, not a database, and long enough to have a header")
            .unwrap();
        assert!(refusal().contains("file is not a database"), "{}", refusal());
        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        assert!(refusal().contains("not a Firebell store"));
        std::fs::remove_file(&path).unwrap();
        make_missing(&path, true).unwrap();
        let store = open_for_writing(&path, true).unwrap();
        store.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        assert!(refusal().contains("newer Firebell (schema 99"));
    }
}
