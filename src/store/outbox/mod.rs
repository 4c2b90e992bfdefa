//! What people are owed: written with the change that it tells of, taken a message at a time, and kept until it was told
//! or given up.

mod attempted;
mod list;
mod next;
mod owe;
mod take;
mod told;

use std::sync::Arc;

use rusqlite::{Row, params};

use next::Health;
use told::UnderWay;

pub use attempted::{Attempted, attempted_tx};
pub use list::NotificationQuery;
pub use owe::{count_overflow_tx, move_silenced_tx, owe_of_tx, owe_tx, remind_no_more_tx};
pub use take::{NextMessage, Take, take_tx};
pub use told::forget_closed_tx;

use super::tx::Tx;
use crate::clock;
use crate::config::NotifyLimits;
use crate::model::{Held, Incident, Reason, Standing, Status};
use crate::routing::{Routing, Subject, Windows};

/// The reason of reminders, as statements have it.
const REMINDER: i64 = Reason::Unacknowledged.to_stored();

/// The first status of what is over, as statements have it.
const RESOLVED: i64 = Status::Resolved.to_stored();

/// What reminds of an incident that is over, or that somebody sees to.
fn is_moot() -> String {
    format!(
        "reason = {REMINDER} AND EXISTS (SELECT 1 FROM incident WHERE incident.id = outbox.incident
                                             AND (status >= {RESOLVED} OR acknowledged_at IS NOT NULL))"
    )
}

/// What the writer knows of the outbox.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    routing: Arc<Routing>,
    owed_limit: i64,
    windows: Windows,
    /// In the order of the routing's channels.
    channels: Vec<Channel>,
    /// The latest time that was seen.
    latest_ms: i64,
    /// Something became due earlier than those who tell it are going to look.
    pub wake: bool,
}

#[derive(Clone, Debug)]
struct Channel {
    row: i64,
    /// Notifications, but for reminders.
    owed: i64,
    /// They have a room of their own, since they wait for long: what has just happened must not find it taken.
    reminders: i64,
    overflows: Vec<Overflow>,
    /// When those who tell look next, at the latest.
    next_look_ms: i64,
    /// The message that is being told.
    under_way: UnderWay,
    /// What the next message depends on besides what is owed. Nothing of it outlives a restart.
    health: Health,
}

/// What there was no room for.
#[derive(Clone, Debug)]
struct Overflow {
    /// What counts it; `None`: nothing yet.
    row: Option<i64>,
    due_ms: i64,
    held: Held,
    /// What that does not count yet.
    uncounted: i64,
}

impl Channel {
    fn owed_of(&self, reason: Reason) -> i64 {
        if reason == Reason::Unacknowledged { self.reminders } else { self.owed }
    }

    fn owed_of_mut(&mut self, reason: Reason) -> &mut i64 {
        if reason == Reason::Unacknowledged { &mut self.reminders } else { &mut self.owed }
    }

    /// Notes that something is due at that time. Whether that is before those who tell look.
    fn is_news(&mut self, due_ms: i64) -> bool {
        let is_news = due_ms < self.next_look_ms;
        self.next_look_ms = self.next_look_ms.min(due_ms);
        is_news
    }
}

/// Takes over the configuration's channels and routes. What is owed by channels that are no more is given up.
pub fn learn_tx(tx: &mut Tx<'_>, routing: &Arc<Routing>, limits: &NotifyLimits) -> rusqlite::Result<()> {
    count_overflow_tx(tx)?;
    let mut channels = Vec::with_capacity(routing.channels.len());
    for name in &routing.channels {
        let sql =
            "INSERT INTO channel (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = ?1 RETURNING id";
        let row = tx.connection.query_row(sql, [name], |row| row.get(0))?;
        let sql = format!(
            "SELECT count(*) FILTER (WHERE reason <> {REMINDER}), count(*) FILTER (WHERE reason = {REMINDER})
             FROM outbox WHERE channel = ?1 AND standing = 0"
        );
        let (owed, reminders) =
            tx.connection.query_row(&sql, [row], |counts| Ok((counts.get(0)?, counts.get(1)?)))?;
        let overflows = overflows_tx(tx, row)?;
        let before = tx.memory.outbox.channels.iter().find(|channel| channel.row == row);
        let under_way = before.map(|before| before.under_way.clone()).unwrap_or_default();
        // Whoever reloads may have mended something.
        let (next_look_ms, health) = (i64::MIN, Health::default());
        channels.push(Channel { row, owed, reminders, overflows, next_look_ms, under_way, health });
    }
    let rows: Vec<_> = channels.iter().map(|channel| channel.row.to_string()).collect();
    let sql = format!(
        "UPDATE outbox SET standing = ?1, tried_at = ?2, answer = 'the configuration has no such channel any more'
         WHERE standing = 0 AND channel NOT IN ({})",
        rows.join(",")
    );
    let gone = tx.connection.execute(&sql, params![Standing::GivenUp.to_stored(), tx.now_ms])?;
    let sql = format!("DELETE FROM told WHERE channel NOT IN ({})", rows.join(","));
    tx.connection.execute(&sql, [])?;
    if gone > 0 {
        tracing::warn!(
            notifications = gone,
            "given up: the configuration has their channels no more; `firebell outbox --state given_up` lists them"
        );
    }
    let before = std::mem::take(&mut tx.memory.outbox);
    let windows = if before.routing == *routing { before.windows } else { Windows::new() };
    let (owed_limit, latest_ms) = (limits.owed, tx.now_ms);
    let routing = Arc::clone(routing);
    tx.memory.outbox = Outbox { routing, owed_limit, windows, channels, latest_ms, wake: true };
    put_back_tx(tx)
}

fn overflows_tx(tx: &Tx<'_>, channel: i64) -> rusqlite::Result<Vec<Overflow>> {
    let sql = "SELECT id, due_at, held FROM outbox INDEXED BY outbox_owed
               WHERE channel = ?1 AND standing = 0 AND message IS NULL AND incident IS NULL AND silence IS NULL";
    let overflow = |row: &Row<'_>| {
        Ok(Overflow { row: row.get(0)?, due_ms: row.get(1)?, held: row.get(2)?, uncounted: 0 })
    };
    let mut statement = tx.connection.prepare(sql)?;
    let rows = statement.query_map([channel], overflow)?;
    rows.collect()
}

/// Lets nothing wait for a time that only a clock knew which ran ahead: what was written by it waits from now on for as
/// long as it was to wait then. What was sent keeps the time that it is known by.
fn put_back_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    count_overflow_tx(tx)?;
    let sql = "UPDATE outbox SET due_at = min(due_at, ?1 + due_at - at), try_at = ?1 + try_at - coalesce(tried_at, at),
                   tried_at = min(tried_at, ?1), at = iif(message IS NULL, min(at, ?1), at)
               WHERE standing = 0 AND coalesce(tried_at, at) > ?1";
    let moved = tx.connection.prepare_cached(sql)?.execute([tx.now_ms])?;
    if moved == 0 {
        return Ok(());
    }
    tracing::warn!(notifications = moved, "owed at a time that is yet to come: the clock was put back");
    for position in 0..tx.memory.outbox.channels.len() {
        let row = tx.memory.outbox.channels[position].row;
        tx.memory.outbox.channels[position].overflows = overflows_tx(tx, row)?;
    }
    Ok(())
}

/// The same where it may have happened while this runs.
fn watch_the_clock_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let latest_ms = std::mem::replace(&mut tx.memory.outbox.latest_ms, tx.now_ms);
    if !clock::was_put_back(latest_ms, tx.now_ms) {
        return Ok(());
    }
    // Also where nothing is owed: what it waits for by that clock holds back what is to come.
    let outbox = &mut tx.memory.outbox;
    outbox.windows.clear();
    for channel in &mut outbox.channels {
        channel.health = Health::default();
    }
    put_back_tx(tx)
}

pub(in crate::store) fn services_of(incident: &Incident) -> Vec<&str> {
    incident.services.iter().map(|service| service.service_key.as_str()).collect()
}

pub(in crate::store) fn subject_of<'a>(incident: &'a Incident, services: &'a [&'a str]) -> Subject<'a> {
    Subject {
        severity: incident.severity,
        services,
        integration: incident.integration.as_deref(),
        title: &incident.title,
        description: incident.description.as_deref(),
        metadata: &incident.metadata,
    }
}

fn position_of(tx: &Tx<'_>, channel: &str) -> Option<usize> {
    tx.memory.outbox.routing.channels.iter().position(|name| name == channel)
}

/// Forgets what was told or given up too long ago or, oldest first, what is too much, at most `most` of each. Whether
/// there may be more of it.
pub fn forget_tx(tx: &Tx<'_>, limits: &NotifyLimits, most: i64) -> rusqlite::Result<bool> {
    // A message is called by its first notification as long as any of it is owed.
    let rest = "SELECT 1 FROM outbox AS rest INDEXED BY outbox_owed
                WHERE rest.channel = outbox.channel AND rest.message = outbox.id AND rest.standing = 0";
    let aged = format!(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE standing <> 0 AND tried_at <= ?1
                                             AND NOT EXISTS ({rest}) ORDER BY tried_at LIMIT ?2)"
    );
    let gone = tx.connection.prepare_cached(&aged)?.execute([tx.now_ms - limits.max_age_ms, most])?;
    let count = "SELECT count(*) FROM outbox WHERE standing <> 0";
    let excess =
        tx.connection.prepare_cached(count)?.query_row([], |row| row.get::<_, i64>(0))? - limits.keep;
    let beyond = format!(
        "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE standing <> 0 AND NOT EXISTS ({rest})
                                         ORDER BY tried_at LIMIT ?1)"
    );
    let beyond = match excess.min(most) {
        excess if excess > 0 => tx.connection.prepare_cached(&beyond)?.execute([excess])?,
        _ => 0,
    };
    Ok(gone as i64 == most || beyond as i64 == most)
}
