//! The store's file, looked at from outside: what must be true of it whatever has happened.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Numbers count up from `year × 10^10`.
const YEAR: i64 = 10_000_000_000;

/// An incident as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub number: String,
    pub dedup_key: Option<String>,
    pub title: String,
    pub occurrences: i64,
}

/// What is in a store that is in order.
#[derive(Debug)]
pub struct Audit {
    pub incidents: Vec<Row>,
}

impl Audit {
    /// The incidents by number.
    pub fn by_number(&self) -> HashMap<&str, &Row> {
        self.incidents.iter().map(|row| (row.number.as_str(), row)).collect()
    }

    /// How many have this key.
    pub fn with_key(&self, dedup_key: &str) -> usize {
        self.incidents.iter().filter(|row| row.dedup_key.as_deref() == Some(dedup_key)).count()
    }

    /// POSTs in all of them.
    pub fn occurrences(&self) -> i64 {
        self.incidents.iter().map(|row| row.occurrences).sum()
    }
}

/// Reads the store at `path`, which a server may be using, and checks that it is in order: sound as a file, numbers
/// unique and without gaps, at most one holder of a key, every incident with all of its timeline.
#[track_caller]
pub fn audit(path: &Path) -> Audit {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).unwrap();
    // One snapshot: the server may go on writing.
    let store = connection.transaction().unwrap();
    let one = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    assert_eq!(one("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_numbers(&store);
    let twice_held =
        "SELECT count(*) FROM (SELECT 1 FROM incident WHERE holds_key = 1 GROUP BY integration, dedup_key
                               HAVING count(*) > 1)";
    assert_eq!(one(twice_held), 0, "a key has two holders");
    let miscounted = "SELECT count(*) FROM incident
                      WHERE entries <> (SELECT count(*) FROM event WHERE event.incident = incident.id)";
    assert_eq!(one(miscounted), 0, "an incident lacks entries");
    let unborn = "SELECT count(*) FROM incident
                  WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.incident = incident.id AND kind = 0)";
    assert_eq!(one(unborn), 0, "an incident lacks its first entry");
    let sql = "SELECT id, dedup_key, title, occurrences FROM incident ORDER BY id";
    let mut statement = store.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let id: i64 = row.get(0)?;
        let number = format!("INC-{}-{:03}", id / YEAR, id % YEAR);
        Ok(Row { number, dedup_key: row.get(1)?, title: row.get(2)?, occurrences: row.get(3)? })
    });
    Audit { incidents: rows.unwrap().map(Result::unwrap).collect() }
}

/// Per year: the counter, the number of incidents and the highest sequence are one and the same.
#[track_caller]
fn assert_numbers(store: &Connection) {
    let sql = "SELECT id / ?1, count(*), min(id % ?1), max(id % ?1) FROM incident GROUP BY 1 ORDER BY 1";
    let mut statement = store.prepare(sql).unwrap();
    let years = statement.query_map([YEAR], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    });
    let years: Vec<(i64, i64, i64, i64)> = years.unwrap().map(Result::unwrap).collect();
    let mut statement = store.prepare("SELECT year, last FROM counter ORDER BY year").unwrap();
    let counters = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let counters: Vec<(i64, i64)> = counters.map(Result::unwrap).collect();
    let expected: Vec<_> = years.iter().map(|(year, count, ..)| (*year, *count)).collect();
    assert_eq!(counters, expected, "the counters differ from what they counted");
    for (year, count, lowest, highest) in years {
        assert_eq!((lowest, highest), (1, count), "the numbers of {year} have a gap");
    }
}
