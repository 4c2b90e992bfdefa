//! Pages of incidents: filtered, sorted, counted. No page takes long: what a rare combination of filters finds beyond the
//! rows that one page looks at is on the next one.

mod conditions;
mod last_seen;
mod plan;
mod walk;

use rusqlite::Connection;

use super::read;
use crate::model::{Incident, Number, Severity, Status, Wanted};
pub use conditions::ids_of_span;
use plan::Plan;
use walk::End;

/// Up to here a list's `total` is exact.
const EXACT_TOTAL: usize = 10_000;

/// Which incidents. An empty list, and an open end, let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In any of these statuses.
    pub statuses: Vec<Status>,
    /// Of any of these severities.
    pub severities: Vec<Severity>,
    /// About any of these services, by id.
    pub services: Vec<String>,
    /// From any of these integrations, by name.
    pub integrations: Vec<String>,
    /// Assigned to any of these.
    pub assigned_to: Vec<String>,
    /// Resolved by any of these.
    pub resolved_by: Vec<String>,
    /// With any of these keys.
    pub dedup_keys: Vec<String>,
    /// Recorded then.
    pub created: Span,
    /// Resolved then, and not re-opened since.
    pub resolved: Span,
    /// With these words in the title or the description.
    pub wanted: Wanted,
}

/// A span of time in milliseconds since 1970; both ends belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its beginning; `None`: that of time.
    pub from: Option<i64>,
    /// Its end; `None`: never.
    pub to: Option<i64>,
}

impl Span {
    fn is_open(self) -> bool {
        self == Self::default()
    }

    fn bounds(self) -> (i64, i64) {
        (self.from.unwrap_or(i64::MIN), self.to.unwrap_or(i64::MAX))
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The reverse order of recording.
    #[default]
    Newest,
    /// The order of recording.
    Oldest,
    /// The worst first, and of these the newest.
    Severity,
    /// What is not closed, the last seen first.
    LastSeen,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the order goes by before the number: the severity or the time; otherwise 0.
    pub rank: i64,
    /// The incident.
    pub number: Number,
}

/// Which incidents, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Which.
    pub filter: Filter,
    /// In what order.
    pub sort: Sort,
    /// Behind this one.
    pub after: Option<Place>,
    /// Matches to skip.
    pub offset: usize,
    /// Matches on a page.
    pub limit: usize,
    /// How many match in all need not be known.
    pub uncounted: bool,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The incidents.
    pub items: Vec<Incident>,
    /// How many match in all; at least that many, if it is not exact.
    pub total: usize,
    /// Whether `total` is exact.
    pub total_exact: bool,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<Place>,
    /// The page ended early, since too many rows had to be looked at.
    pub cut_short: bool,
    /// Matches that the next page has still to skip: this one ended before the offset was reached.
    pub to_skip: usize,
}

/// What one walk through the matches collects.
#[derive(Debug, Default)]
struct Collected {
    /// Those on the page.
    places: Vec<Place>,
    matches: usize,
    /// There is one behind the page.
    more: bool,
}

impl Collected {
    /// Takes a match; whether the walk should go on.
    fn take(&mut self, place: Place, query: &ListQuery, count: bool) -> bool {
        self.matches += 1;
        if self.matches <= query.offset {
            return true;
        }
        if self.places.len() < query.limit {
            self.places.push(place);
            return true;
        }
        self.more = true;
        count && self.matches <= EXACT_TOTAL
    }
}

/// A page of a list.
pub fn list(connection: &mut Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    let snapshot = connection.transaction()?;
    if query.sort == Sort::LastSeen {
        return last_seen::list(&snapshot, query);
    }
    let plan = Plan::new(&snapshot, &query.filter, query.sort)?;
    let mut page = Collected::default();
    let count_here = query.after.is_none() && !query.uncounted;
    let end = plan.walk(query.after, query.offset > 0, &mut |place| page.take(place, query, count_here))?;
    let (total, total_exact) = match (count_here, query.uncounted) {
        (true, _) => (page.matches, end == End::Exhausted),
        (false, true) => (page.matches, false),
        (false, false) => {
            let mut total = 0;
            let end = plan.walk(None, false, &mut |_| {
                total += 1;
                total <= EXACT_TOTAL
            })?;
            (total, end == End::Exhausted)
        }
    };
    finish(&snapshot, query, page, end, (total, total_exact))
}

fn finish(
    connection: &Connection,
    query: &ListQuery,
    page: Collected,
    end: End<Place>,
    (total, total_exact): (usize, bool),
) -> rusqlite::Result<Page> {
    let full = page.places.len() == query.limit;
    let (next, cut_short) = match end {
        _ if page.more => (page.places.last().copied(), false),
        End::CutShort(_) if full => (page.places.last().copied(), false),
        End::CutShort(place) => (Some(place), true),
        End::Exhausted | End::Stopped => (None, false),
    };
    let to_skip = if cut_short { query.offset.saturating_sub(page.matches) } else { 0 };
    let items = page.places.iter().map(|place| read::listed(connection, place.number));
    Ok(Page {
        items: items.collect::<rusqlite::Result<_>>()?,
        total: total.min(EXACT_TOTAL),
        total_exact: total_exact && total <= EXACT_TOTAL,
        next,
        cut_short,
        to_skip,
    })
}
