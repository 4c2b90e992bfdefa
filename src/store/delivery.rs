//! What senders delivered: kept in bounds, and read back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::job::Done;
use super::tx::{Failure, Tx};
use crate::config::DeliveryLimits;
use crate::model::{Delivery, DeliverySummary, KeptRequest, Number};

/// Deliveries to be kept.
#[derive(Debug)]
pub struct Keep {
    /// In the order in which they were answered. Shared with who asks: what could not be kept now is kept later.
    pub deliveries: Arc<Vec<Delivery>>,
    /// How much is kept.
    pub limits: DeliveryLimits,
}

/// All that lists show.
const LISTED: &str =
    "SELECT delivery.id, integration.name, at, request_id, status, error_code, error, outcomes, incidents,
        replays, size, body_cut, proven, route, redacted
    FROM delivery JOIN integration ON integration.id = delivery.integration";

fn listed(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let incidents: String = row.get(8)?;
    Ok(Delivery {
        id: row.get(0)?,
        integration: row.get(1)?,
        at: row.get(2)?,
        request_id: row.get(3)?,
        status: row.get(4)?,
        error: row.get::<_, Option<_>>(5)?.zip(row.get(6)?),
        outcomes: row.get(7)?,
        incidents: incidents.split_whitespace().map(ToOwned::to_owned).collect(),
        replays: row.get(9)?,
        size: row.get(10)?,
        proven: row.get(12)?,
        request: KeptRequest {
            cut: row.get(11)?,
            route: row.get(13)?,
            redacted: row.get(14)?,
            ..KeptRequest::default()
        },
    })
}

/// How many more are forgotten than are added, in one transaction: alerts wait for it. Where limits were lowered, the
/// rest is left to [`forget_tx`].
const FORGOTTEN_BESIDES: i64 = 200;

/// Keeps them, and forgets what is then too much. What is too old is left to [`forget_tx`].
pub fn keep_tx(tx: &mut Tx<'_>, keep: &Keep) -> Result<Done, Failure> {
    let mut total = total_bytes(tx)?;
    let mut integrations = HashSet::new();
    let sql =
        "INSERT INTO delivery (integration, at, status, bytes, size, body_cut, replays, request_id, outcomes, incidents,
             error_code, error, query, headers, body, proven, route, topic, redacted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
    for delivery in &*keep.deliveries {
        let integration = tx.integration(&delivery.integration)?;
        let (code, error) = delivery.error.as_ref().map(|(code, text)| (code, text)).unzip();
        let request = &delivery.request;
        tx.connection.prepare_cached(sql)?.execute(params![
            integration,
            delivery.at,
            delivery.status,
            delivery.bytes() as i64,
            delivery.size,
            request.cut,
            delivery.replays,
            delivery.request_id,
            delivery.outcomes,
            delivery.incidents.join(" "),
            code,
            error,
            request.query,
            request.headers,
            request.body,
            delivery.proven,
            request.route,
            request.topic,
            request.redacted,
        ])?;
        total += delivery.bytes() as i64;
        integrations.insert(integration);
    }
    tx.memory.delivery_bytes = Some(total);
    let most = keep.deliveries.len() as i64 + FORGOTTEN_BESIDES;
    for integration in integrations {
        forget_beyond_tx(tx, integration, keep.limits.keep, most)?;
    }
    forget_bytes_tx(tx, keep.limits.total_bytes, most)?;
    Ok(Done::Written)
}

/// Forgets what is too old or, since the limits have changed, too much; at most `most` of each kind. Whether there may
/// be more of it.
pub fn forget_tx(tx: &mut Tx<'_>, limits: &DeliveryLimits, most: i64) -> rusqlite::Result<bool> {
    total_bytes(tx)?;
    let aged =
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE at <= ?1 ORDER BY at LIMIT ?2)
                RETURNING bytes";
    let mut more = forget_by_tx(tx, aged, [tx.now_ms - limits.max_age_ms, most])? == most;
    let integrations = {
        let mut statement = tx.connection.prepare_cached("SELECT DISTINCT integration FROM delivery")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<Vec<i64>>>()?
    };
    for integration in integrations {
        more |= forget_beyond_tx(tx, integration, limits.keep, most)? == most;
    }
    Ok(more | (forget_bytes_tx(tx, limits.total_bytes, most)? == most))
}

/// Forgets the oldest until the others fit into `bytes`, at most `most` of them; how many it were is returned.
fn forget_bytes_tx(tx: &mut Tx<'_>, bytes: usize, most: i64) -> rusqlite::Result<i64> {
    let mut forgotten = 0;
    while forgotten < most && total_bytes(tx)? > bytes as i64 {
        let oldest = "DELETE FROM delivery WHERE id = (SELECT min(id) FROM delivery) RETURNING bytes";
        if forget_by_tx(tx, oldest, [])? == 0 {
            break;
        }
        forgotten += 1;
    }
    Ok(forgotten)
}

/// Forgets all but `keep` of an integration, at most `most` of them; how many it were is returned.
///
/// The last ones stay, but for half of the room: that is for the last bodies that were refused and can be sent again,
/// which a busy sender's accepted ones, and whoever has only seen the URL, would otherwise push out.
fn forget_beyond_tx(tx: &mut Tx<'_>, integration: i64, keep: usize, most: i64) -> rusqlite::Result<i64> {
    let sql = "WITH precious AS MATERIALIZED (
                   SELECT id FROM delivery
                   WHERE integration = ?1 AND status >= 400 AND proven = 1 AND body_cut = 0
                   ORDER BY id DESC LIMIT ?3 / 2)
               DELETE FROM delivery WHERE id IN (
                   SELECT id FROM (
                       SELECT id FROM delivery WHERE integration = ?1 AND id NOT IN (SELECT id FROM precious)
                       ORDER BY id DESC LIMIT -1 OFFSET ?3 - (SELECT count(*) FROM precious))
                   ORDER BY id LIMIT ?2)
               RETURNING bytes";
    forget_by_tx(tx, sql, [integration, most, keep as i64])
}

/// Runs a statement that deletes deliveries and returns the bytes of each.
fn forget_by_tx(tx: &mut Tx<'_>, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<i64> {
    let mut statement = tx.connection.prepare_cached(sql)?;
    let (mut forgotten, mut bytes) = (0, 0);
    for row in statement.query_map(values, |row| row.get::<_, i64>(0))? {
        bytes += row?;
        forgotten += 1;
    }
    tx.memory.delivery_bytes = tx.memory.delivery_bytes.map(|total| total - bytes);
    Ok(forgotten)
}

/// What all deliveries count for. Added up once, and then kept in mind.
fn total_bytes(tx: &mut Tx<'_>) -> rusqlite::Result<i64> {
    let total = match tx.memory.delivery_bytes {
        Some(total) => total,
        None => {
            let sql = "SELECT coalesce(sum(bytes), 0) FROM delivery";
            tx.connection.query_row(sql, [], |row| row.get(0))?
        }
    };
    tx.memory.delivery_bytes = Some(total);
    Ok(total)
}

/// Up to `limit` of an integration's deliveries, newest first, behind the first `offset`; and how many there are.
pub fn list(
    connection: &mut Connection,
    integration: &str,
    refused: bool,
    offset: usize,
    limit: usize,
) -> rusqlite::Result<(Vec<Delivery>, usize)> {
    let snapshot = connection.transaction()?;
    let which = "integration.name = ?1 AND (NOT ?2 OR status >= 400)";
    let sql = format!("{LISTED} WHERE {which} ORDER BY delivery.id DESC LIMIT ?3 OFFSET ?4");
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map(params![integration, refused, limit as i64, offset as i64], listed)?;
    let deliveries = rows.collect::<rusqlite::Result<_>>()?;
    let sql = format!(
        "SELECT count(*) FROM delivery JOIN integration ON integration.id = delivery.integration WHERE {which}"
    );
    let total = snapshot
        .prepare_cached(&sql)?
        .query_row(params![integration, refused], |row| row.get::<_, i64>(0))?;
    Ok((deliveries, usize::try_from(total).unwrap_or(0)))
}

/// The last deliveries of an integration that were about an incident, newest first.
pub fn about(
    connection: &Connection,
    integration: &str,
    number: Number,
    limit: usize,
) -> rusqlite::Result<Vec<Delivery>> {
    let sql = format!(
        "{LISTED} WHERE integration.name = ?1 AND instr(' ' || incidents || ' ', ?2)
         ORDER BY delivery.id DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![integration, format!(" {number} "), limit as i64], listed)?;
    rows.collect()
}

/// One delivery of an integration, with what was sent.
pub fn find(connection: &Connection, integration: &str, id: i64) -> rusqlite::Result<Option<Delivery>> {
    let sql = format!("{LISTED} WHERE integration.name = ?1 AND delivery.id = ?2");
    let found = connection.prepare_cached(&sql)?.query_row(params![integration, id], listed).optional()?;
    let Some(mut delivery) = found else { return Ok(None) };
    let kept = &mut delivery.request;
    let sql = "SELECT topic, query, headers, body FROM delivery WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id], |row| {
        (kept.topic, kept.query) = (row.get(0)?, row.get(1)?);
        (kept.headers, kept.body) = (row.get(2)?, row.get(3)?);
        Ok(())
    })?;
    Ok(Some(delivery))
}

/// What is known of each integration's deliveries, by its name.
pub fn summaries(connection: &mut Connection) -> rusqlite::Result<HashMap<String, DeliverySummary>> {
    let snapshot = connection.transaction()?;
    let mut statement = snapshot
        .prepare_cached("SELECT count(*), sum(status >= 400), max(id) FROM delivery GROUP BY integration")?;
    let mut rows = statement.query([])?;
    let mut summaries = HashMap::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(2)?;
        let sql = format!("{LISTED} WHERE delivery.id = ?1");
        let last = snapshot.prepare_cached(&sql)?.query_row([id], listed)?;
        let name = last.integration.clone();
        let summary = DeliverySummary { kept: row.get(0)?, refused: row.get(1)?, last: Some(last) };
        summaries.insert(name, summary);
    }
    Ok(summaries)
}
