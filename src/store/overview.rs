//! What happened in a span of time, in numbers. Nothing is indexed for it but what lists need too: the span is found
//! by halving, and its rows are walked, the newest first, some thousands at a time. Others read in between, and no
//! snapshot is held while they do; so what changes meanwhile may be counted as it was, or as it has become.

use rusqlite::{Connection, OptionalExtension, Row};

use super::Store;
use super::list::{self, Filter, Span};
use crate::error::Error;
use crate::model::{Buckets, Loud, NoisyKey, Number, Overview, Recorded, Tally};

/// Rows that one statement looks at.
const STEP: usize = 10_000;

/// Where a walk is.
#[derive(Debug)]
struct Walk {
    tally: Tally,
    /// The rows that are still to be looked at: from the first to the second.
    ids: (i64, i64),
    looked_at: usize,
    /// When the last one that was looked at was recorded.
    oldest: i64,
}

/// What was recorded before the span, or before what was looked at of it.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// The least row that was looked at.
    id: i64,
    /// Rows before it are from before this time.
    then: i64,
    /// Other rows are, if they are from before this one: the span's beginning.
    from: i64,
    /// Rows before the first of the span are all from before it, and no others are.
    in_order: bool,
}

impl Before {
    fn condition(self) -> String {
        let Self { id, then, from, .. } = self;
        match self.in_order {
            true => format!("id < {id}"),
            false => format!("created_at < iif(id < {id}, {then}, {from})"),
        }
    }
}

impl Store {
    /// What happened in these parts of a span of time. Once `most` incidents were looked at, or some thousands more, it
    /// is content with what it has. Incidents that were closed without having been resolved are in no index by time: of
    /// what was recorded before, only the newest `most_before` are searched for them.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn overview(
        &self,
        buckets: Buckets,
        most: usize,
        most_before: usize,
    ) -> Result<Overview, Error> {
        let created = Span { from: Some(buckets.from_ms), to: Some(buckets.end_ms() - 1) };
        let filter = Filter { created, ..Filter::default() };
        let plan = move |connection: &mut Connection| {
            let (least, greatest, _) = list::ids_of_span(connection, &filter)?;
            Ok((least, greatest, is_in_order(connection, least, buckets.from_ms)?))
        };
        let (least, greatest, in_order) = self.read(plan).await?;
        let ids = (least, greatest);
        let mut walk = Walk { tally: Tally::new(buckets), ids, looked_at: 0, oldest: buckets.from_ms };
        let mut done = false;
        while !done && walk.looked_at < most {
            (walk, done) = self.read(move |connection| step(connection, walk)).await?;
        }
        let Walk { mut tally, ids, looked_at, oldest } = walk;
        let (id, then) = if done { (least, buckets.from_ms) } else { (ids.1 + 1, oldest) };
        let before = Before { id, then, from: buckets.from_ms, in_order };
        let all_searched = self.add_from_before(&mut tally, buckets, before, most_before).await?;
        let loudest = tally.loudest();
        let noisiest = self.read(move |connection| named(connection, loudest)).await?;
        let searched_before = (!all_searched).then_some(most_before);
        Ok(Overview { searched_before, ..tally.finish(noisiest, looked_at, (!done).then_some(oldest)) })
    }

    /// Counts what was recorded before the span and was open in it; whether no more than `most` had to be searched.
    async fn add_from_before(
        &self,
        tally: &mut Tally,
        buckets: Buckets,
        before: Before,
        most: usize,
    ) -> Result<bool, Error> {
        let last = buckets.count.saturating_sub(1);
        for bucket in 0..last {
            let (start, end) = (buckets.start(bucket), buckets.start(bucket + 1));
            let ended = self.read(move |connection| resolved(connection, before, start, end)).await?;
            tally.add_ended(bucket, ended);
        }
        let start = buckets.start(last);
        let (ended, open) = self
            .read(move |connection| {
                // What is being resolved right now is to be in one of the two.
                let snapshot = connection.transaction()?;
                Ok((resolved(&snapshot, before, start, i64::MAX)?, still_open(&snapshot, before)?))
            })
            .await?;
        tally.add_ended(last, ended);
        tally.add_open(open);
        let (closed, all) = self
            .read(move |connection| {
                let closed = closed_unresolved(connection, before, most)?;
                Ok((closed, !has_more(connection, before, most)?))
            })
            .await?;
        for closed_at in closed {
            tally.add_ended(buckets.of(closed_at).unwrap_or(last), 1);
        }
        Ok(all)
    }
}

/// Whether rows from `least` on were recorded at `from` or later, and all others before. A clock that went back seldom
/// changes that: within each of its steps time only grows, so that the first and the last row of each tell.
fn is_in_order(connection: &Connection, least: i64, from: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT (SELECT created_at FROM incident WHERE id >= ?1 ORDER BY id LIMIT 1) >= ?2
        AND NOT EXISTS (SELECT 1 FROM clock_step AS step WHERE step.incident > ?1 AND ?2 >
            (SELECT created_at FROM incident WHERE id >= step.incident ORDER BY id LIMIT 1))
        AND NOT EXISTS (SELECT 1 FROM clock_step AS step WHERE step.incident <= ?1 AND ?2 <=
            (SELECT created_at FROM incident WHERE id < step.incident ORDER BY id DESC LIMIT 1))";
    let is: Option<bool> = connection.prepare_cached(sql)?.query_row([least, from], |row| row.get(0))?;
    // NULL: nothing is from the span, and so what is there may be from after it.
    Ok(is.unwrap_or(false))
}

/// Counts the next rows; whether there are no more.
fn step(connection: &Connection, mut walk: Walk) -> rusqlite::Result<(Walk, bool)> {
    let sql = "SELECT id, severity, created_at, acknowledged_at, resolved_at, closed_at, occurrences,
                   coalesce(integration, 0), dedup_key
               FROM incident WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    // One more than is counted: the end is known when it is reached.
    let mut rows = statement.query([walk.ids.0, walk.ids.1, STEP as i64 + 1])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        if found == STEP {
            walk.looked_at += found;
            return Ok((walk, false));
        }
        let id = row.get(0)?;
        let incident = Recorded {
            number: Number::from_row_id(id),
            severity: row.get(1)?,
            created_at: row.get(2)?,
            acknowledged_at: row.get(3)?,
            resolved_at: row.get(4)?,
            closed_at: row.get(5)?,
            occurrences: row.get(6)?,
            integration: row.get(7)?,
            dedup_key: row.get_ref(8)?.as_str_or_null()?,
        };
        walk.tally.add(&incident);
        (walk.ids.1, walk.oldest) = (id - 1, incident.created_at);
        found += 1;
    }
    walk.looked_at += found;
    Ok((walk, true))
}

/// How many from before were resolved from `start` until `end`.
fn resolved(connection: &Connection, before: Before, start: i64, end: i64) -> rusqlite::Result<i64> {
    let sql = format!(
        "SELECT count(*) FROM incident INDEXED BY incident_by_resolution
         WHERE status IN (4, 5) AND resolved_at >= ?1 AND resolved_at < ?2 AND {}",
        before.condition()
    );
    connection.query_row(&sql, [start, end], |row| row.get(0))
}

/// How many from before are open still.
fn still_open(connection: &Connection, before: Before) -> rusqlite::Result<i64> {
    let sql = format!(
        "SELECT count(*) FROM incident INDEXED BY incident_not_closed WHERE status < 5 AND status <> 4 AND {}",
        before.condition()
    );
    connection.query_row(&sql, [], |row| row.get(0))
}

/// When those from just before were closed that never were resolved.
fn closed_unresolved(connection: &Connection, before: Before, most: usize) -> rusqlite::Result<Vec<i64>> {
    let sql = format!(
        "SELECT closed_at
         FROM (SELECT id, created_at, status, resolved_at, closed_at FROM incident
               WHERE id < ?1 ORDER BY id DESC LIMIT ?2)
         WHERE status = 5 AND resolved_at IS NULL AND closed_at >= ?3 AND {}",
        before.condition()
    );
    let mut statement = connection.prepare(&sql)?;
    let times = statement.query_map([before.id, most as i64, before.from], |row| row.get(0))?;
    times.collect()
}

/// Whether there are more than `most` rows from before.
fn has_more(connection: &Connection, before: Before, most: usize) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM incident WHERE id < ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    connection.query_row(sql, [before.id, most as i64], |row| row.get(0))
}

/// The same keys with the names that people know them by.
fn named(connection: &Connection, loudest: Vec<Loud>) -> rusqlite::Result<Vec<NoisyKey>> {
    let sql = "SELECT incident.title, integration.name
               FROM incident LEFT JOIN integration ON integration.id = incident.integration
               WHERE incident.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut named = Vec::new();
    for loud in loudest {
        let names = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let Some((title, integration)) = statement.query_row([loud.newest.to_row_id()], names).optional()?
        else {
            continue;
        };
        let Loud { dedup_key, incidents, occurrences, .. } = loud;
        named.push(NoisyKey { dedup_key, integration, title, incidents, occurrences });
    }
    Ok(named)
}
