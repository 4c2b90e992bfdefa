//! What is not closed, the last seen first. An index knows the minute; within one, the rows decide.

use rusqlite::Connection;

use super::conditions::{
    ALWAYS, Conditions, GREATEST_ID, IN_NOT_CLOSED, MOST_LISTED, NotClosed, ids_of_span,
};
use super::walk::{End, FETCH, READ, Walk, bind};
use super::{Collected, ListQuery, Page, Place, finish};
use crate::model::Number;
use crate::store::ingest::{MINUTE_MS, minute_of};
use crate::store::search;

/// A page in this order.
pub fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    let filter = &query.filter;
    let (least, greatest, exact) = ids_of_span(connection, filter)?;
    let conditions = Conditions::of(connection, filter, exact)?;
    let newest_minute = query.after.map_or(i64::MAX, |after| minute_of(after.rank));
    let (candidates, beyond) = candidates(connection, &conditions, (least, greatest), newest_minute)?;
    let rest = conditions.but(&IN_NOT_CLOSED, None);
    // Then every candidate matches, and rows are read only to put a minute in order.
    let all_match = rest == ALWAYS && filter.wanted.is_empty();
    let seen = Seen { connection, conditions: &conditions, rest, query };
    let mut walk = Walk::new(connection, &conditions.own, &filter.wanted, false, query.offset > 0);

    let mut page = Collected::default();
    let mut end = End::Exhausted;
    let mut begun = false;
    for minute in candidates.chunk_by(|one, next| one.minute == next.minute) {
        let skipped = all_match && query.after.is_none() && page.matches + minute.len() <= query.offset;
        if skipped {
            page.matches += minute.len();
            continue;
        }
        // A minute is put in order as a whole or not at all.
        let cost = FETCH + if filter.wanted.is_empty() { 0 } else { READ };
        if !walk.pay(minute.len() * cost) && begun {
            end = End::CutShort(before(minute[0].minute));
            break;
        }
        begun = true;
        for place in seen.in_order(minute)? {
            let behind = query.after.is_none_or(|after| behind(after, place));
            if behind && !page.take(place, query, !all_match) {
                end = End::Stopped;
                break;
            }
        }
        if end == End::Stopped {
            break;
        }
    }
    if let (End::Exhausted, Some(minute)) = (end, beyond) {
        end = End::CutShort(before(minute));
    }
    let total = match (query.after, all_match) {
        (None, true) if beyond.is_some() => (MOST_LISTED, false),
        (None, true) => (candidates.len(), true),
        (None, false) => (page.matches, end == End::Exhausted),
        (Some(_), _) if query.uncounted => (page.matches, false),
        (Some(_), _) => {
            let all = list(connection, &ListQuery { after: None, offset: 0, limit: 1, ..query.clone() })?;
            (all.total, all.total_exact)
        }
    };
    finish(connection, query, page, end, total)
}

/// What may match from a minute on, minute by minute; and with which minute goes on what is too much to be collected.
fn candidates(
    connection: &Connection,
    conditions: &Conditions,
    ids: (i64, i64),
    newest_minute: i64,
) -> rusqlite::Result<(Vec<NotClosed>, Option<i64>)> {
    let mut found = conditions.not_closed(connection, ids, 0..=newest_minute, MOST_LISTED + 1)?;
    let Some(last) = found.get(MOST_LISTED).map(|one| one.minute) else { return Ok((found, None)) };
    let whole = found.partition_point(|one| one.minute > last);
    if whole > 0 {
        found.truncate(whole);
        return Ok((found, Some(last)));
    }
    // All of this were seen within one minute: then there is no other way than to look at all of them.
    Ok((conditions.not_closed(connection, ids, last..=last, usize::MAX >> 1)?, Some(last - 1)))
}

/// The place before all that was last seen in a minute, and behind all that was seen later.
fn before(minute: i64) -> Place {
    Place { rank: minute * MINUTE_MS + MINUTE_MS - 1, number: Number::from_row_id(GREATEST_ID) }
}

/// Whether `place` comes after that one.
fn behind(after: Place, place: Place) -> bool {
    (place.rank, place.number) < (after.rank, after.number)
}

struct Seen<'c> {
    connection: &'c Connection,
    conditions: &'c Conditions,
    rest: String,
    query: &'c ListQuery,
}

impl Seen<'_> {
    /// Those of one minute that match, the last seen first.
    fn in_order(&self, minute: &[NotClosed]) -> rusqlite::Result<Vec<Place>> {
        let sql =
            format!("SELECT last_seen_at, {}, title, description FROM incident WHERE id = ?1", self.rest);
        let wanted = &self.query.filter.wanted;
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut places = Vec::with_capacity(minute.len());
        for NotClosed { id, .. } in minute {
            bind(&mut statement, &[id], &self.conditions.own)?;
            let mut rows = statement.raw_query();
            let Some(row) = rows.next()? else { continue };
            let matches = row.get::<_, Option<bool>>(1)?.unwrap_or(false);
            if matches && (wanted.is_empty() || search::is_in_row(row, 2, wanted)?) {
                places.push(Place { rank: row.get(0)?, number: Number::from_row_id(*id) });
            }
        }
        places.sort_unstable_by_key(|place| std::cmp::Reverse((place.rank, place.number)));
        Ok(places)
    }
}
