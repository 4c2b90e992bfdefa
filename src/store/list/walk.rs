//! Going through candidates in order: rows of a statement, merged with ids that are known already.

use std::iter::Peekable;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement, ToSql};

use super::conditions::ALWAYS;
use crate::model::Wanted;
use crate::store::search;

/// What one walk may cost in any case, in rows that are read one after the other.
const BUDGET: usize = 10_000;

/// For so long a walk that has spent it goes on: where rows are at hand, much can be done in that time.
const TIME: Duration = Duration::from_millis(10);

/// The same where matches have to be skipped before the page begins: whoever pages by offset has no other way there.
const TIME_TO_SKIP: Duration = Duration::from_millis(100);

/// What fetching a row by its id costs in these.
pub const FETCH: usize = 10;

/// What looking through a row's text costs in these.
pub const READ: usize = 8;

/// Ids that the index of words is asked for at once. What several words have in common may be found late, and nothing
/// stops that search on its way.
const WINDOW: i64 = 250_000;

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<P> {
    /// There is nothing more.
    Exhausted,
    /// The visitor has enough.
    Stopped,
    /// It became too dear; this was the last candidate that was looked at.
    CutShort(P),
}

/// Candidates in order. The statement's rows are an id, whether it matches, and with `text` a title and a description.
#[derive(Debug, Default)]
pub struct Source {
    /// Its candidates have ids from the first to the second.
    pub ids: (i64, i64),
    /// Selects candidates; ?1 and ?2 bound their ids.
    pub sql: Option<String>,
    /// What one of its rows costs.
    pub cost: usize,
    /// Ask for one window of ids after the other.
    pub windows: bool,
    /// The statement's rows match only if they have what is wanted.
    pub text: bool,
    /// Further candidates, in order.
    pub listed: Vec<i64>,
    /// What they have to meet.
    pub listed_condition: String,
}

/// A walk through sources, one after the other.
pub struct Walk<'c> {
    pub connection: &'c Connection,
    pub own: &'c [Value],
    pub wanted: &'c Wanted,
    pub ascending: bool,
    left: usize,
    started: Instant,
    time: Duration,
}

impl<'c> Walk<'c> {
    pub fn new(
        connection: &'c Connection,
        own: &'c [Value],
        wanted: &'c Wanted,
        ascending: bool,
        skips: bool,
    ) -> Self {
        let time = if skips { TIME_TO_SKIP } else { TIME };
        Self { connection, own, wanted, ascending, left: BUDGET, started: Instant::now(), time }
    }

    /// Takes off what something costs; whether it may be done.
    pub fn pay(&mut self, cost: usize) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(0);
        left.is_some() || self.started.elapsed() < self.time
    }

    /// Shows the ids of `source` that match, and are from `low` to `high`, to `visit` until it says no.
    pub fn go(
        &mut self,
        source: &Source,
        (low, high): (i64, i64),
        visit: &mut dyn FnMut(i64) -> bool,
    ) -> rusqlite::Result<End<i64>> {
        let (mut low, mut high) = (low.max(source.ids.0), high.min(source.ids.1));
        if !source.windows {
            return self.go_within(source, (low, high), visit);
        }
        let mut begun = false;
        while let Some(next) = self.next_id(low, high)? {
            let (first, last) = match self.ascending {
                true => (next, high.min(next + WINDOW)),
                false => (low.max(next - WINDOW), next),
            };
            if begun && self.started.elapsed() > self.time {
                return Ok(End::CutShort(if self.ascending { low - 1 } else { high + 1 }));
            }
            begun = true;
            match self.go_within(source, (first, last), visit)? {
                End::Exhausted => {}
                end => return Ok(end),
            }
            match self.ascending {
                true => low = last + 1,
                false => high = first - 1,
            }
        }
        Ok(End::Exhausted)
    }

    /// The next row id in order, if there is one between the two.
    fn next_id(&self, low: i64, high: i64) -> rusqlite::Result<Option<i64>> {
        let sql = match self.ascending {
            true => "SELECT min(id) FROM incident WHERE id BETWEEN ?1 AND ?2",
            false => "SELECT max(id) FROM incident WHERE id BETWEEN ?1 AND ?2",
        };
        self.connection.prepare_cached(sql)?.query_row([low, high], |row| row.get(0))
    }

    fn go_within(
        &mut self,
        source: &Source,
        (low, high): (i64, i64),
        visit: &mut dyn FnMut(i64) -> bool,
    ) -> rusqlite::Result<End<i64>> {
        let mut listed = source.listed.iter().copied().filter(|id| (low..=high).contains(id)).peekable();
        let check = format!("SELECT {} FROM incident WHERE id = ?1", source.listed_condition);
        let mut check = Check { statement: None, sql: check, always: source.listed_condition == ALWAYS };
        let mut last = None;
        if let Some(sql) = &source.sql {
            let mut statement = self.connection.prepare_cached(sql)?;
            bind(&mut statement, &[&low, &high], self.own)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                if let Some(end) = self.go_listed(&mut listed, Some(id), &mut check, visit)? {
                    return Ok(end);
                }
                // Several arms may lead to one incident.
                if last == Some(id) {
                    continue;
                }
                if !self.pay(source.cost) {
                    return Ok(End::CutShort(last.unwrap_or(if self.ascending {
                        low - 1
                    } else {
                        high + 1
                    })));
                }
                last = Some(id);
                if self.matches(row, source.text)? && !visit(id) {
                    return Ok(End::Stopped);
                }
            }
        }
        Ok(self.go_listed(&mut listed, None, &mut check, visit)?.unwrap_or(End::Exhausted))
    }

    /// Shows those listed ids that come before `until`.
    fn go_listed(
        &mut self,
        listed: &mut Peekable<impl Iterator<Item = i64>>,
        until: Option<i64>,
        check: &mut Check<'c>,
        visit: &mut dyn FnMut(i64) -> bool,
    ) -> rusqlite::Result<Option<End<i64>>> {
        let ascending = self.ascending;
        let comes_first =
            |id: &i64| until.is_none_or(|until| if ascending { *id < until } else { *id > until });
        while let Some(id) = listed.next_if(comes_first) {
            if !check.always && !self.pay(FETCH) {
                let before = if ascending { id - 1 } else { id + 1 };
                return Ok(Some(End::CutShort(before)));
            }
            if check.passes(self.connection, id, self.own)? && !visit(id) {
                return Ok(Some(End::Stopped));
            }
        }
        Ok(None)
    }

    fn matches(&self, row: &Row<'_>, text: bool) -> rusqlite::Result<bool> {
        // NULL, which a condition on an empty column gives, is no match.
        let matches = row.get::<_, Option<bool>>(1)?.unwrap_or(false);
        Ok(matches && (!text || search::is_in_row(row, 2, self.wanted)?))
    }
}

/// Whether a row meets a condition that is not known of it yet.
struct Check<'c> {
    statement: Option<rusqlite::CachedStatement<'c>>,
    sql: String,
    always: bool,
}

impl<'c> Check<'c> {
    fn passes(&mut self, connection: &'c Connection, id: i64, own: &[Value]) -> rusqlite::Result<bool> {
        if self.always {
            return Ok(true);
        }
        let statement = match &mut self.statement {
            Some(statement) => statement,
            None => self.statement.insert(connection.prepare_cached(&self.sql)?),
        };
        bind(statement, &[&id], own)?;
        let mut rows = statement.raw_query();
        Ok(match rows.next()? {
            Some(row) => row.get::<_, Option<bool>>(0)?.unwrap_or(false),
            None => false,
        })
    }
}

/// Binds the first parameters, and from ?3 on those of the filter, as far as the statement has them.
pub fn bind(statement: &mut Statement<'_>, first: &[&dyn ToSql], own: &[Value]) -> rusqlite::Result<()> {
    let count = statement.parameter_count();
    for index in 1..=count {
        match index {
            1 | 2 => {
                if let Some(value) = first.get(index - 1) {
                    statement.raw_bind_parameter(index, value)?;
                }
            }
            _ => statement.raw_bind_parameter(index, own.get(index - 3))?,
        }
    }
    Ok(())
}

/// The number that a statement with a filter's conditions counts.
pub fn count(connection: &Connection, sql: &str, bounds: (i64, i64), own: &[Value]) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, &[&bounds.0, &bounds.1], own)?;
    let mut rows = statement.raw_query();
    rows.next()?.map_or(Ok(0), |row| row.get(0))
}
