//! Filters as SQL: one condition for each, so that those that an index answers can be left out.

use std::fmt::Write;
use std::ops::RangeInclusive;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Filter;
use super::walk::bind;
use crate::model::Severity;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    Status,
    Severity,
    Service,
    Integration,
    AssignedTo,
    ResolvedBy,
    DedupKey,
    Created,
    Resolved,
}

/// What the index over incidents that are not closed knows.
pub const IN_NOT_CLOSED: [Facet; 4] = [Facet::Status, Facet::Severity, Facet::Service, Facet::Integration];

/// The parameters ?1 and ?2 of every statement are the least and the greatest row id; a filter's own come behind them.
const FIRST_OWN: usize = 3;

/// A filter as conditions on rows of `incident`.
#[derive(Debug, Default)]
pub struct Conditions {
    all: Vec<(Facet, String)>,
    /// The values of ?3 and what follows.
    pub own: Vec<Value>,
    /// Rows of the services asked for.
    pub services: Vec<i64>,
    /// Rows of the integrations asked for.
    pub integrations: Vec<i64>,
    /// Some incident has one of these services as a further one.
    pub further_services: bool,
}

impl Conditions {
    /// The conditions of a filter. `created_is_exact`: the row ids already say what was recorded when.
    pub fn of(connection: &Connection, filter: &Filter, created_is_exact: bool) -> rusqlite::Result<Self> {
        let mut conditions = Self::default();
        if !filter.statuses.is_empty() {
            let statuses = list_of(&mut filter.statuses.iter().map(|status| status.to_stored()));
            conditions.add(Facet::Status, format!("status IN ({statuses})"));
        }
        if !filter.severities.is_empty() {
            let severities = list_of(&mut filter.severities.iter().map(|severity| severity.to_stored()));
            conditions.add(Facet::Severity, format!("severity IN ({severities})"));
        }
        if !filter.services.is_empty() {
            conditions.services =
                rows(connection, "SELECT id FROM service WHERE key = ?1", &filter.services)?;
            let rows = list_of(&mut conditions.services.iter().copied());
            let further = format!("FROM further_service WHERE service IN ({rows})");
            let any = format!("SELECT EXISTS (SELECT 1 {further})");
            conditions.further_services = connection.query_row(&any, [], |row| row.get(0))?;
            let mut condition = format!("service IN ({rows})");
            if conditions.further_services {
                condition = format!("({condition} OR id IN (SELECT incident {further}))");
            }
            conditions.add(Facet::Service, condition);
        }
        if !filter.integrations.is_empty() {
            let sql = "SELECT id FROM integration WHERE name = ?1";
            conditions.integrations = rows(connection, sql, &filter.integrations)?;
            let rows = list_of(&mut conditions.integrations.iter().copied());
            conditions.add(Facet::Integration, format!("integration IN ({rows})"));
        }
        for (facet, column, values) in [
            (Facet::AssignedTo, "assigned_to", &filter.assigned_to),
            (Facet::ResolvedBy, "resolved_by", &filter.resolved_by),
            (Facet::DedupKey, "dedup_key", &filter.dedup_keys),
        ] {
            if !values.is_empty() {
                let values: Vec<_> = values.iter().map(|value| conditions.bind(value)).collect();
                conditions.add(facet, format!("{column} IN ({})", values.join(",")));
            }
        }
        for (facet, column, span) in [
            (Facet::Created, "created_at", filter.created),
            (Facet::Resolved, "resolved_at", filter.resolved),
        ] {
            let by_ids = facet == Facet::Created && created_is_exact;
            if !span.is_open() && !by_ids {
                let (from, to) = span.bounds();
                conditions.add(facet, format!("{column} BETWEEN {from} AND {to}"));
            }
        }
        Ok(conditions)
    }

    fn add(&mut self, facet: Facet, condition: String) {
        self.all.push((facet, condition));
    }

    /// Makes a text a parameter of the statement, and returns how the statement names it.
    pub fn bind(&mut self, text: &str) -> String {
        self.own.push(Value::Text(text.to_owned()));
        format!("?{}", FIRST_OWN + self.own.len() - 1)
    }

    /// Whether there is one about that.
    pub fn has(&self, facet: Facet) -> bool {
        self.all.iter().any(|(one, _)| *one == facet)
    }

    /// All but those, as one condition; [`ALWAYS`] if none is left. With `severity`, only that one.
    pub fn but(&self, without: &[Facet], severity: Option<Severity>) -> String {
        let mut text = String::new();
        let only = severity.map(|severity| format!("severity = {}", severity.to_stored()));
        let listed = self.all.iter().filter(|(facet, _)| !(only.is_some() && *facet == Facet::Severity));
        let listed = listed.filter(|(facet, _)| !without.contains(facet)).map(|(_, condition)| condition);
        let only = only.iter().filter(|_| !without.contains(&Facet::Severity));
        for condition in listed.chain(only) {
            if !text.is_empty() {
                text.push_str(" AND ");
            }
            text.push_str(condition);
        }
        if text.is_empty() { ALWAYS.into() } else { text }
    }

    /// What is not closed and may match, as far as its index knows, and was last seen in one of these minutes, the last
    /// minute first; up to `most`.
    pub fn not_closed(
        &self,
        connection: &Connection,
        (least, greatest): (i64, i64),
        minutes: RangeInclusive<i64>,
        most: usize,
    ) -> rusqlite::Result<Vec<NotClosed>> {
        let sql = format!(
            "SELECT seen_minute, severity, id FROM incident INDEXED BY incident_not_closed
             WHERE status < 5 AND seen_minute BETWEEN {} AND {} AND {} AND id BETWEEN ?1 AND ?2
             ORDER BY seen_minute DESC LIMIT {most}",
            minutes.start(),
            minutes.end(),
            self.only(&IN_NOT_CLOSED),
        );
        let mut statement = connection.prepare_cached(&sql)?;
        bind(&mut statement, &[&least, &greatest], &self.own)?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(NotClosed { minute: row.get(0)?, severity: row.get(1)?, id: row.get(2)? });
        }
        Ok(found)
    }

    /// Those alone, as one condition.
    pub fn only(&self, facets: &[Facet]) -> String {
        let others: Vec<_> =
            self.all.iter().map(|(facet, _)| *facet).filter(|one| !facets.contains(one)).collect();
        self.but(&others, None)
    }
}

/// Incidents that are collected before they are put in order. Where more are not closed, lists walk all rows.
pub const MOST_LISTED: usize = 100_000;

/// Every minute there is.
pub const ANY_MINUTE: RangeInclusive<i64> = 0..=i64::MAX;

/// What the index over incidents that are not closed tells of one.
pub struct NotClosed {
    pub minute: i64,
    pub severity: Severity,
    pub id: i64,
}

/// The condition that every row meets.
pub const ALWAYS: &str = "1";

/// No row has this id.
const NO_ROW: i64 = -1;

/// `1,2,3`
pub fn list_of(numbers: &mut dyn Iterator<Item = i64>) -> String {
    let mut list = String::new();
    for number in numbers {
        let comma = if list.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        write!(list, "{comma}{number}").ok();
    }
    list
}

fn rows(connection: &Connection, sql: &str, names: &[String]) -> rusqlite::Result<Vec<i64>> {
    let mut rows = Vec::new();
    let mut statement = connection.prepare_cached(sql)?;
    for name in names {
        rows.extend(statement.query_row([name], |row| row.get::<_, i64>(0)).optional()?);
    }
    // An empty list would be a condition that the planner finds no use of an index in.
    if rows.is_empty() {
        rows.push(NO_ROW);
    }
    Ok(rows)
}

/// No row id is greater: the last number of the year 9999.
pub const GREATEST_ID: i64 = 99_999_999_999_999;

/// The least and the greatest row id of what was recorded in a span, and whether all between was.
pub fn ids_of_span(connection: &Connection, filter: &Filter) -> rusqlite::Result<(i64, i64, bool)> {
    /// More steps of the clock than this are not looked through: then every row's own time decides.
    const MOST_STEPS: usize = 1000;
    if filter.created.is_open() {
        return Ok((0, GREATEST_ID, true));
    }
    let (from, to) = filter.created.bounds();
    let mut statement = connection.prepare_cached("SELECT incident FROM clock_step ORDER BY 1 LIMIT ?1")?;
    let steps = statement.query_map([MOST_STEPS as i64 + 1], |row| row.get(0))?;
    let steps = steps.collect::<rusqlite::Result<Vec<i64>>>()?;
    if steps.len() > MOST_STEPS {
        return Ok((0, GREATEST_ID, false));
    }
    let newest = "SELECT coalesce(max(id), 0) FROM incident";
    let newest: i64 = connection.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
    let starts = std::iter::once(0).chain(steps.iter().copied());
    let ends = steps.iter().map(|step| step - 1).chain([newest]);
    let (mut least, mut greatest) = (i64::MAX, -1);
    for (start, end) in starts.zip(ends) {
        let first = first_since(connection, start, end, from)?;
        let last = to.checked_add(1).map_or(Ok(end + 1), |to| first_since(connection, start, end, to))? - 1;
        if first <= last {
            least = least.min(first);
            greatest = greatest.max(last);
        }
    }
    Ok((least, greatest, steps.is_empty()))
}

/// The least row id from `start` to `end` that was recorded at `since` or later, else `end` + 1; by halving, since time
/// only grows between the two.
fn first_since(connection: &Connection, start: i64, end: i64, since: i64) -> rusqlite::Result<i64> {
    let sql = "SELECT id, created_at FROM incident WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let (mut low, mut high) = (start, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        match statement.query_row([middle, end], found).optional()? {
            Some((id, created_at)) if created_at < since => low = id + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
