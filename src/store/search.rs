//! The index of words: filled between batches, so that no POST waits for it. What is not in it yet is looked at row by
//! row, so a search misses nothing.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use super::tx::Tx;
use crate::model::{Wanted, words};

/// Words that begin alike and are looked for one by one. Where there are more, rows are looked at instead.
const MOST_ALIKE: usize = 64;

/// Words that the writer remembers to have stored.
const REMEMBERED: usize = 20_000;

/// Incidents whose text changed that a search looks at one by one until they are indexed anew. Where there are more, it
/// looks at all rows instead.
const MOST_CHANGED: usize = 2_000;

/// Notes that an incident's text is not what was indexed.
pub fn changed_tx(tx: &Tx<'_>, incident: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO search_changed (incident) VALUES (?1)";
    tx.connection.prepare_cached(sql)?.execute([incident])?;
    Ok(())
}

/// Fills the index.
#[derive(Debug, Default)]
pub struct Indexer {
    known_words: HashSet<String>,
}

impl Indexer {
    /// Indexes up to `most` incidents in a transaction of their own; whether there may be more to do.
    pub fn index(&mut self, connection: &mut Connection, most: usize) -> rusqlite::Result<bool> {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let done = self.index_tx(&transaction, most).and_then(|done| transaction.commit().map(|()| done));
        if done.is_err() {
            // Some of these may not have been stored after all.
            self.known_words.clear();
        }
        Ok(done? == most)
    }

    fn index_tx(&mut self, connection: &Connection, most: usize) -> rusqlite::Result<usize> {
        type Texts = (i64, String, Option<String>);
        let texts =
            |row: &Row<'_>| -> rusqlite::Result<Texts> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let up_to = up_to(connection)?;
        let sql = "SELECT id, title, description FROM search_changed JOIN incident ON id = incident LIMIT ?1";
        let mut changed = connection.prepare_cached(sql)?;
        // Half of it at most, lest those that keep changing keep out what is new.
        let changed =
            changed.query_map([most.div_ceil(2) as i64], texts)?.collect::<rusqlite::Result<Vec<Texts>>>()?;
        let sql = "SELECT id, title, description FROM incident WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut new = connection.prepare_cached(sql)?;
        let room = (most - changed.len()) as i64;
        let new = new.query_map([up_to, room], texts)?.collect::<rusqlite::Result<Vec<Texts>>>()?;
        let replace = "INSERT OR REPLACE INTO incident_text (rowid, words) VALUES (?1, ?2)";
        let mut replace = connection.prepare_cached(replace)?;
        let mut forget = connection.prepare_cached("DELETE FROM search_changed WHERE incident = ?1")?;
        for (id, title, description) in changed.iter().filter(|(id, ..)| *id <= up_to).chain(&new) {
            let words = words(&[title, description.as_deref().unwrap_or_default()]);
            let joined = words.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            replace.execute(params![id, joined])?;
            for word in words {
                self.keep_word_tx(connection, word)?;
            }
        }
        for (id, ..) in &changed {
            forget.execute([id])?;
        }
        if let Some((last, ..)) = new.last() {
            connection.prepare_cached("UPDATE search SET up_to = ?1")?.execute([last])?;
        }
        Ok(changed.len() + new.len())
    }

    fn keep_word_tx(&mut self, connection: &Connection, word: String) -> rusqlite::Result<()> {
        if self.known_words.contains(&word) {
            return Ok(());
        }
        connection.prepare_cached("INSERT OR IGNORE INTO word (word) VALUES (?1)")?.execute([&word])?;
        if self.known_words.len() == REMEMBERED {
            self.known_words.clear();
        }
        self.known_words.insert(word);
        Ok(())
    }
}

/// The last incident that was indexed; later ones are not in the index.
pub fn up_to(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT up_to FROM search")?.query_row([], |row| row.get(0))
}

/// How the index is to be asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Question {
    /// This FTS5 expression finds exactly what is wanted.
    Exact(String),
    /// This one finds that and more: each row's text has to be looked at.
    Loose(String),
    /// It cannot help: each row's text has to be looked at.
    None,
    /// No text that was indexed has all of it.
    Nothing,
}

/// How to find what is wanted. The words are letters and digits, so quoting them is all the escaping there is.
pub fn question(connection: &Connection, wanted: &Wanted) -> rusqlite::Result<Question> {
    if wanted.unknown {
        return Ok(Question::Nothing);
    }
    let mut terms: Vec<String> = wanted.words.iter().map(|word| format!("\"{word}\"")).collect();
    let mut exact = true;
    if let Some(prefix) = &wanted.prefix {
        let alike = words_like(connection, prefix)?;
        match alike.len() {
            0 => return Ok(Question::Nothing),
            1..=MOST_ALIKE => {
                let alike: Vec<_> = alike.iter().map(|word| format!("\"{word}\"")).collect();
                terms.push(format!("({})", alike.join(" OR ")));
            }
            _ => exact = false,
        }
    }
    Ok(match (terms.is_empty(), exact) {
        (true, _) => Question::None,
        (false, true) => Question::Exact(terms.join(" AND ")),
        (false, false) => Question::Loose(terms.join(" AND ")),
    })
}

fn words_like(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<String>> {
    // U+10FFFF is in no word: it is neither a letter nor a digit.
    let sql = "SELECT word FROM word WHERE word >= ?1 AND word < ?1 || char(0x10ffff) LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let words = statement.query_map(params![prefix, MOST_ALIKE as i64 + 1], |row| row.get(0))?;
    words.collect()
}

/// The wanted among the incidents that are in the index with a text that they do not have any more; `None` if these are
/// too many to be looked at.
pub fn changed(connection: &Connection, wanted: &Wanted) -> rusqlite::Result<Option<Vec<i64>>> {
    let sql = "SELECT id, title, coalesce(description, '') FROM search_changed JOIN incident ON id = incident LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([MOST_CHANGED as i64 + 1])?;
    let (mut looked_at, mut found) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        if looked_at == MOST_CHANGED {
            return Ok(None);
        }
        looked_at += 1;
        if is_in_row(row, 1, wanted)? {
            found.push(row.get(0)?);
        }
    }
    Ok(Some(found))
}

/// Whether the title and the description in columns `first` and `first` + 1 have what is wanted.
pub fn is_in_row(row: &Row<'_>, first: usize, wanted: &Wanted) -> rusqlite::Result<bool> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?.unwrap_or_default());
    Ok(wanted.is_in(&[text(first)?, text(first + 1)?]))
}
