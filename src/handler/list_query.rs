//! What a list is asked for: filters, order, page. Lists and exports read it the same way.

use sha2::{Digest, Sha256};

use super::Live;
use super::query::Query;
use crate::clock::parse_rfc3339;
use crate::error::{Error, FieldError};
use crate::hex;
use crate::model::{Number, Severity, Status, Wanted};
use crate::store::{Filter, ListQuery, Page, Place, Sort, Span};

/// The furthest that a list can be paged by offset; cursors go all the way.
pub const MOST_OFFSET: usize = 10_000;

/// Values that one filter may have.
const MOST_VALUES: usize = 50;

/// Characters that a search may have.
const SEARCH_CHARS: usize = 200;

const SORTS: [(&str, Sort); 4] = [
    ("-created_at", Sort::Newest),
    ("created_at", Sort::Oldest),
    ("severity", Sort::Severity),
    ("-last_seen_at", Sort::LastSeen),
];

/// Reads the query of `GET /api/v1/incidents`.
///
/// # Errors
/// Every parameter that is wrong.
pub fn read(live: &Live, parameters: &Query<'_>) -> Result<ListQuery, Error> {
    let mut errors = Vec::new();
    let filter = read_filter(live, parameters, &mut errors);
    let sorts = SORTS.map(|(name, _)| name);
    let sort = |name: &str| SORTS.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort);
    let sort = parameters.names("sort", &sorts, sort, &mut errors).pop().unwrap_or_default();
    let mut query = ListQuery {
        filter,
        sort,
        after: None,
        offset: parameters.number("offset", 0, 0..=MOST_OFFSET, &mut errors),
        limit: parameters.number("limit", 20, 1..=100, &mut errors),
        uncounted: false,
    };
    if sort == Sort::LastSeen && query.filter.statuses.contains(&Status::Closed) {
        let message = "-last_seen_at is an order of what is not closed; leave out status=closed";
        errors.push(FieldError::new("sort", "invalid", message));
    }
    if let Some(cursor) = parameters.last("cursor").filter(|cursor| !cursor.is_empty()) {
        match read_cursor(&cursor, &query) {
            // Clients that always send an offset mean the first page's.
            Some((after, to_skip)) => (query.after, query.offset) = (Some(after), to_skip),
            None => {
                let message = "is not a cursor of this list with these filters; start again without it";
                errors.push(FieldError::new("cursor", "invalid", message));
            }
        }
    }
    if errors.is_empty() { Ok(query) } else { Err(Error::fields(errors)) }
}

/// Reads `offset` and `limit` of a list that has no cursor.
pub fn read_page(parameters: &Query<'_>, errors: &mut Vec<FieldError>) -> (usize, usize) {
    let offset = parameters.number("offset", 0, 0..=MOST_OFFSET, errors);
    let limit = parameters.number("limit", 20, 1..=100, errors);
    (offset, limit)
}

/// Reads `search`.
pub fn read_search(parameters: &Query<'_>, errors: &mut Vec<FieldError>) -> Wanted {
    let Some(typed) = parameters.last("search") else { return Wanted::default() };
    let length = typed.chars().count();
    if length > SEARCH_CHARS {
        let message = format!("is {length} characters; the limit is {SEARCH_CHARS}");
        errors.push(FieldError::new("search", "too_long", message));
        return Wanted::default();
    }
    Wanted::read(&typed)
}

/// Reads the filters alone, which a list and an export have in common.
pub fn read_filter(live: &Live, parameters: &Query<'_>, errors: &mut Vec<FieldError>) -> Filter {
    let registry = &live.config.registry;
    let all = |name: &'static str, errors: &mut Vec<FieldError>| -> Vec<String> {
        let values: Vec<String> = parameters.all(name).map(ToOwned::to_owned).collect();
        if values.len() > MOST_VALUES {
            let message = format!("is there {} times; the limit is {MOST_VALUES}", values.len());
            errors.push(FieldError::new(name, "too_many", message));
        }
        values
    };
    let severities = Severity::ALL.map(Severity::as_str);
    let mut filter = Filter {
        statuses: parameters.names("status", &Status::ALL.map(Status::as_str), Status::parse, errors),
        severities: parameters.names("severity", &severities, Severity::parse, errors),
        services: all("service_id", errors)
            .iter()
            .map(|given| registry.service_id(given).to_owned())
            .collect(),
        integrations: all("integration", errors),
        assigned_to: all("assigned_to", errors),
        resolved_by: all("resolved_by", errors),
        dedup_keys: all("dedup_key", errors),
        created: span(parameters, "created_after", "created_before", errors),
        resolved: span(parameters, "resolved_after", "resolved_before", errors),
        wanted: read_search(parameters, errors),
    };
    // The same thing said twice is one condition, and one cursor.
    filter.statuses.sort_unstable();
    filter.statuses.dedup();
    filter.severities.sort_unstable();
    filter.severities.dedup();
    for values in [
        &mut filter.services,
        &mut filter.integrations,
        &mut filter.assigned_to,
        &mut filter.resolved_by,
        &mut filter.dedup_keys,
    ] {
        values.sort_unstable();
        values.dedup();
    }
    filter
}

fn span(
    parameters: &Query<'_>,
    after: &'static str,
    before: &'static str,
    errors: &mut Vec<FieldError>,
) -> Span {
    let mut time = |name: &'static str| {
        let text = parameters.last(name).filter(|text| !text.is_empty())?;
        let time = parse_rfc3339(&text);
        if time.is_none() {
            let message = "must be a time as in RFC 3339, such as 2026-11-23T08:00:00Z";
            errors.push(FieldError::new(name, "invalid", message));
        }
        time
    };
    Span { from: time(after), to: time(before) }
}

/// `next_offset` and `next_cursor` of a page's answer.
pub fn next(query: &ListQuery, page: &Page) -> (Option<usize>, Option<String>) {
    // From where a cursor led, and beyond a page that was cut short, no offset leads on.
    let by_offset = page.next.is_some() && !page.cut_short && query.after.is_none();
    let offset = by_offset.then(|| query.offset + page.items.len()).filter(|next| *next <= MOST_OFFSET);
    (offset, page.next.map(|place| cursor(place, page.to_skip, query)))
}

fn cursor(place: Place, to_skip: usize, query: &ListQuery) -> String {
    format!("{:x}-{:x}-{to_skip:x}-{}", place.rank, place.number.to_row_id(), digest(query))
}

/// Where the page begins, and how many matches it skips.
fn read_cursor(cursor: &str, query: &ListQuery) -> Option<(Place, usize)> {
    let mut parts = cursor.split('-');
    let mut number = || i64::from_str_radix(parts.next()?, 16).ok().filter(|number| *number >= 0);
    let (rank, row_id, to_skip) = (number()?, number()?, usize::try_from(number()?).ok()?);
    let bound = parts.next() == Some(&digest(query)) && parts.next().is_none() && to_skip <= MOST_OFFSET;
    bound.then(|| (Place { rank, number: Number::from_row_id(row_id) }, to_skip))
}

/// What a cursor is bound to: its order and its filters.
fn digest(query: &ListQuery) -> String {
    let digest = Sha256::digest(format!("{:?} {:?}", query.sort, query.filter).as_bytes());
    hex::encode(&digest[..4])
}
