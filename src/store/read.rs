//! Reading back: one incident with its timeline, and pages of a list. No statement stays open between pages.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::model::{Entry, Incident, Number, ServiceName, Severity, Status};

/// Up to here a list's `total` is exact.
const EXACT_TOTAL: i64 = 10_000;

/// Rows that are looked at for one page, or for its total: what a rare filter finds beyond is on the next page.
const MOST_EXAMINED: usize = 20_000;

/// Which incidents, and which page of them. An empty list lets everything through.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// In any of these statuses.
    pub statuses: Vec<Status>,
    /// Of any of these severities.
    pub severities: Vec<Severity>,
    /// About any of these services.
    pub services: Vec<String>,
    /// With any of these keys.
    pub dedup_keys: Vec<String>,
    /// Recorded before this one; where the last page ended.
    pub before: Option<Number>,
    /// Matches to skip.
    pub offset: usize,
    /// Matches on a page.
    pub limit: usize,
}

/// A page of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The incidents.
    pub items: Vec<Incident>,
    /// How many match in all; at least that many, if it is not exact.
    pub total: i64,
    /// Whether `total` is exact.
    pub total_exact: bool,
    /// Where the next page begins; `None`: this is the last one.
    pub next_before: Option<Number>,
    /// The page ended early, since too many rows had to be looked at.
    pub cut_short: bool,
}

const INCIDENT: &str = "SELECT incident.id, incident.title, incident.description, incident.severity, incident.status,
        service.key, service.name, integration.name, incident.source_url, incident.dedup_key, incident.metadata,
        incident.occurrences, incident.assigned_to, incident.acknowledged_at, incident.acknowledged_by,
        incident.resolved_at, incident.resolved_by, incident.created_at, incident.updated_at,
        incident.last_seen_at, incident.closed_at
    FROM incident JOIN service ON service.id = incident.service
        LEFT JOIN integration ON integration.id = incident.integration
    WHERE incident.id = ?1";

/// One incident.
pub fn incident(connection: &Connection, number: Number) -> rusqlite::Result<Option<Incident>> {
    let mut statement = connection.prepare_cached(INCIDENT)?;
    statement.query_row([number.to_row_id()], incident_from).optional()
}

fn incident_from(row: &Row<'_>) -> rusqlite::Result<Incident> {
    Ok(Incident {
        number: Number::from_row_id(row.get(0)?),
        title: row.get(1)?,
        description: row.get(2)?,
        severity: row.get(3)?,
        status: row.get(4)?,
        services: vec![ServiceName { service_key: row.get(5)?, name: row.get(6)? }],
        integration: row.get(7)?,
        source_url: row.get(8)?,
        dedup_key: row.get(9)?,
        metadata: row.get(10)?,
        occurrences: row.get(11)?,
        assigned_to: row.get(12)?,
        acknowledged_at: row.get(13)?,
        acknowledged_by: row.get(14)?,
        resolved_at: row.get(15)?,
        resolved_by: row.get(16)?,
        created_at: row.get(17)?,
        updated_at: row.get(18)?,
        last_seen_at: row.get(19)?,
        closed_at: row.get(20)?,
    })
}

/// The newest entries of an incident's timeline, newest first, and how many there are in all.
pub fn timeline(connection: &Connection, number: Number, most: i64) -> rusqlite::Result<(Vec<Entry>, i64)> {
    let sql = "SELECT event.id, event.at, event.kind, coalesce(event.actor, 'integration:' || integration.name, 'system'),
                      event.message, coalesce(event.changes, '[]'),
                      iif(event.id IS incident.repeat_event, incident.repeats, event.count),
                      iif(event.id IS incident.repeat_event, incident.last_seen_at, coalesce(event.last_at, event.at))
               FROM event JOIN incident ON incident.id = event.incident
                   LEFT JOIN integration ON integration.id = incident.integration
               WHERE event.incident = ?1 ORDER BY event.id DESC LIMIT ?2";
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            id: row.get(0)?,
            at: row.get(1)?,
            kind: row.get(2)?,
            actor: row.get(3)?,
            message: row.get(4)?,
            changes: row.get(5)?,
            count: row.get(6)?,
            last_at: row.get(7)?,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    let entries = statement.query_map([number.to_row_id(), most], entry)?.collect::<rusqlite::Result<_>>()?;
    let total = "SELECT entries FROM incident WHERE id = ?1";
    let total = connection.prepare_cached(total)?.query_row([number.to_row_id()], |row| row.get(0))?;
    Ok((entries, total))
}

/// A page of a list. It walks the incidents from the newest back, so it needs no index that ingest would pay for.
pub fn list(connection: &mut Connection, query: &ListQuery) -> rusqlite::Result<Page> {
    let snapshot = connection.transaction()?;
    let filter = Filter::new(&snapshot, query)?;
    let mut ids = Vec::with_capacity(query.limit);
    let mut skipped = 0;
    let end = filter.walk(&snapshot, query.before, |id| {
        if skipped < query.offset {
            skipped += 1;
            return true;
        }
        if ids.len() == query.limit {
            return false;
        }
        ids.push(id);
        true
    })?;
    let mut total = 0;
    let counted = filter.walk(&snapshot, None, |_| {
        let room = total < EXACT_TOTAL;
        total += i64::from(room);
        room
    })?;
    let mut statement = snapshot.prepare_cached(INCIDENT)?;
    let items =
        ids.iter().map(|id| statement.query_row([id], incident_from)).collect::<rusqlite::Result<_>>()?;
    let next_before = match end {
        WalkEnd::Exhausted => None,
        WalkEnd::Stopped => ids.last().copied(),
        WalkEnd::CutShort(last) => Some(last),
    };
    Ok(Page {
        items,
        total,
        total_exact: matches!(counted, WalkEnd::Exhausted),
        next_before: next_before.map(Number::from_row_id),
        cut_short: matches!(end, WalkEnd::CutShort(_)),
    })
}

enum WalkEnd {
    /// There are no more rows.
    Exhausted,
    /// The visitor has enough.
    Stopped,
    /// Enough rows were looked at; the last one was this.
    CutShort(i64),
}

struct Filter<'q> {
    statuses: i64,
    severities: i64,
    /// Rows of the services asked for; `None`: any.
    services: Option<Vec<i64>>,
    dedup_keys: &'q [String],
}

impl<'q> Filter<'q> {
    fn new(connection: &Connection, query: &'q ListQuery) -> rusqlite::Result<Self> {
        let mask = |bits: &mut dyn Iterator<Item = i64>| bits.fold(0, |mask, bit| mask | 1 << bit);
        let mut services = Vec::new();
        for key in &query.services {
            let sql = "SELECT id FROM service WHERE key = ?1";
            services.extend(
                connection.prepare_cached(sql)?.query_row([key], |row| row.get::<_, i64>(0)).optional()?,
            );
        }
        Ok(Self {
            statuses: mask(&mut query.statuses.iter().map(|status| status.to_stored())),
            severities: mask(&mut query.severities.iter().map(|severity| severity.to_stored())),
            services: (!query.services.is_empty()).then_some(services),
            dedup_keys: &query.dedup_keys,
        })
    }

    /// Shows matching ids, newest first, to `visit` until it says no.
    fn walk(
        &self,
        connection: &Connection,
        before: Option<Number>,
        mut visit: impl FnMut(i64) -> bool,
    ) -> rusqlite::Result<WalkEnd> {
        let sql =
            "SELECT id, status, severity, service, dedup_key FROM incident WHERE id < ?1 ORDER BY id DESC";
        let mut statement = connection.prepare_cached(sql)?;
        let before = before.map_or(i64::MAX, Number::to_row_id);
        let mut rows = statement.query([before])?;
        let mut examined = 0;
        let mut last = 0;
        while let Some(row) = rows.next()? {
            if examined == MOST_EXAMINED {
                return Ok(WalkEnd::CutShort(last));
            }
            let id = row.get(0)?;
            if self.lets_through(row)? && !visit(id) {
                return Ok(WalkEnd::Stopped);
            }
            examined += 1;
            last = id;
        }
        Ok(WalkEnd::Exhausted)
    }

    fn lets_through(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let in_mask = |mask: i64, bit: i64| mask == 0 || mask >> bit & 1 == 1;
        if !in_mask(self.statuses, row.get(1)?) || !in_mask(self.severities, row.get(2)?) {
            return Ok(false);
        }
        if let Some(services) = &self.services
            && !services.contains(&row.get(3)?)
        {
            return Ok(false);
        }
        if self.dedup_keys.is_empty() {
            return Ok(true);
        }
        // Borrowed: most rows are looked at and left.
        let key = row.get_ref(4)?.as_str_or_null().unwrap_or_default();
        Ok(key.is_some_and(|key| self.dedup_keys.iter().any(|wanted| wanted == key)))
    }
}
