//! What is not closed, the last seen first. An index knows the minute; within one, the rows decide.

use rusqlite::Connection;

use super::conditions::{ALWAYS, Conditions, IN_NOT_CLOSED, MOST_LISTED, NotClosed, ids_of_span};
use super::walk::{End, FETCH, READ, Walk, bind};
use super::{Collected, ListQuery, Page, Place, finish};
use crate::model::Number;
use crate::store::search;

/// A page in this order.
pub fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    let filter = &query.filter;
    let (least, greatest, exact) = ids_of_span(connection, filter)?;
    let conditions = Conditions::of(connection, filter, exact)?;
    let candidates = conditions.not_closed(connection, (least, greatest))?;
    let rest = conditions.but(&IN_NOT_CLOSED, None);
    // Then every candidate matches, and rows are read only to put a minute in order.
    let all_match = rest == ALWAYS && filter.wanted.is_empty();
    let seen = Seen { connection, conditions: &conditions, rest, query };
    let mut walk = Walk::new(connection, &conditions.own, &filter.wanted, false);

    let mut page = Collected::default();
    let mut end = End::Exhausted;
    for minute in candidates.chunk_by(|one, next| one.minute == next.minute) {
        let before = query.after.is_some_and(|after| minute[0].minute > after.rank.div_euclid(60_000));
        if before {
            continue;
        }
        let skipped = all_match && query.after.is_none() && page.matches + minute.len() <= query.offset;
        if skipped {
            page.matches += minute.len();
            continue;
        }
        // A minute is put in order as a whole or not at all.
        let cost = FETCH + if filter.wanted.is_empty() { 0 } else { READ };
        if !walk.pay(minute.len() * cost) && page.matches > 0 {
            end = End::CutShort(Place {
                rank: minute[0].minute * 60_000 + 60_000,
                number: Number::from_row_id(0),
            });
            break;
        }
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
    let total = match (all_match, query.after) {
        (true, _) => (candidates.len(), candidates.len() <= MOST_LISTED),
        (false, None) => (page.matches, end == End::Exhausted),
        (false, Some(_)) if query.uncounted => (page.matches, false),
        (false, Some(_)) => {
            let all = list(connection, &ListQuery { after: None, limit: 1, ..query.clone() })?;
            (all.total, all.total_exact)
        }
    };
    finish(connection, query, page, end, total)
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
