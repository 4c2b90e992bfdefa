//! What people are owed: written with the change that it tells of, taken a message at a time, and kept until it was told
//! or given up.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rusqlite::{Row, params};

use super::job::Done;
use super::read;
use super::silence::{self, Hold};
use super::tx::{Failure, Tx};
use crate::config::NotifyLimits;
use crate::model::{
    Answer, Held, Incident, Message, MessageId, Number, Owed, Part, Reason, Severity, Standing,
    TRIED_AT_ONCE, choose,
};
use crate::routing::{Due, Routing, Subject, Windows};

/// Incidents that a message tells of by name.
const PARTS: usize = 20;

/// Comments of silences that a message repeats.
const COMMENTS: i64 = 3;

/// For how long what there was no room for is counted before people are told how many that were.
const OVERFLOW_WAIT_MS: i64 = 60_000;

/// What the writer knows of the outbox.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    routing: Arc<Routing>,
    owed_at_most: i64,
    windows: Windows,
    /// In the order of the routing's channels.
    channels: Vec<Channel>,
    /// Something is due sooner than those who tell it know.
    pub news: bool,
}

#[derive(Clone, Debug)]
struct Channel {
    row: i64,
    owed: i64,
    /// The row that counts what there was no room for.
    overflow: Option<i64>,
    /// What it does not count yet.
    more: i64,
    /// When those who tell are going to look, at the latest.
    looked_for_at: i64,
}

/// The next message for a channel is wanted.
#[derive(Debug)]
pub struct Take {
    /// The channel's name.
    pub channel: String,
    /// How late may be what is told by itself.
    pub stale_ms: i64,
    /// Each incident is told by itself, however late.
    pub one_by_one: bool,
}

/// What a channel has to tell.
#[derive(Debug)]
pub enum Taken {
    /// This, now.
    Message(Box<Message>),
    /// Nothing now; something at that time, if anything.
    Nothing {
        /// In milliseconds since the epoch.
        next_ms: Option<i64>,
    },
}

/// A message was tried.
#[derive(Debug)]
pub struct Attempted {
    /// The channel's name.
    pub channel: String,
    /// The message.
    pub message: i64,
    /// What came of it.
    pub answer: Answer,
}

/// Takes over the configuration's channels and routes. What is owed by channels that are no more is given up.
pub fn learn_tx(tx: &mut Tx<'_>, routing: &Arc<Routing>, limits: &NotifyLimits) -> rusqlite::Result<()> {
    count_overflow_tx(tx)?;
    let mut channels = Vec::with_capacity(routing.channels.len());
    for name in &routing.channels {
        let sql =
            "INSERT INTO channel (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = ?1 RETURNING id";
        let row = tx.connection.query_row(sql, [name], |row| row.get(0))?;
        let sql = "SELECT count(*), max(CASE WHEN incident IS NULL AND silence IS NULL AND message IS NULL THEN id END)
                   FROM outbox WHERE channel = ?1 AND standing = 0";
        let (owed, overflow) = tx.connection.query_row(sql, [row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        channels.push(Channel { row, owed, overflow, more: 0, looked_for_at: i64::MIN });
    }
    let rows: Vec<_> = channels.iter().map(|channel| channel.row.to_string()).collect();
    let sql = format!(
        "UPDATE outbox SET standing = ?1, tried_at = ?2, answer = 'the configuration has no such channel any more'
         WHERE standing = 0 AND channel NOT IN ({})",
        rows.join(",")
    );
    let gone = tx.connection.execute(&sql, params![Standing::GivenUp.to_stored(), tx.now_ms])?;
    if gone > 0 {
        tracing::warn!(
            notifications = gone,
            "given up: the configuration has their channels no more; `firebell outbox --state given_up` lists them"
        );
    }
    let routing = Arc::clone(routing);
    tx.memory.outbox =
        Outbox { routing, owed_at_most: limits.owed, windows: Windows::new(), channels, news: true };
    Ok(())
}

/// Writes down whom to tell of what has just happened to an incident. Costs next to nothing without routes.
pub fn owe_tx(tx: &mut Tx<'_>, incident: i64, subject: &Subject<'_>, reason: Reason) -> rusqlite::Result<()> {
    // Also where nobody would be told: it is recorded.
    let hold = silence::silenced_tx(tx, incident, subject)?;
    let outbox = &mut tx.memory.outbox;
    if outbox.routing.routes.is_empty() {
        return Ok(());
    }
    // What nobody is told of now begins no time in which others wait.
    let mut none = Windows::new();
    let windows = if hold.is_some() { &mut none } else { &mut outbox.windows };
    for due in outbox.routing.due(subject, reason, tx.now_ms, windows) {
        if due.reason == Reason::Unacknowledged && reason != Reason::Created {
            strike_off_reminders_tx(tx, incident, due.channel)?;
        }
        match hold.filter(|hold| due.due_ms < hold.until) {
            Some(hold) => hold_tx(tx, incident, &due, hold)?,
            None => insert_tx(tx, incident, &due, None)?,
        }
    }
    Ok(())
}

/// The same of an incident that is read first.
pub fn owe_of_tx(tx: &mut Tx<'_>, incident: &Incident, reason: Reason) -> rusqlite::Result<()> {
    let services = services_of(incident);
    owe_tx(tx, incident.number.to_row_id(), &subject_of(incident, &services), reason)
}

pub(super) fn services_of(incident: &Incident) -> Vec<&str> {
    incident.services.iter().map(|service| service.service_key.as_str()).collect()
}

pub(super) fn subject_of<'a>(incident: &'a Incident, services: &'a [&'a str]) -> Subject<'a> {
    Subject {
        severity: incident.severity,
        services,
        integration: incident.integration.as_deref(),
        title: &incident.title,
        description: incident.description.as_deref(),
        metadata: &incident.metadata,
    }
}

/// Writes down what is told when a silence ends: of each incident once, whatever happens to it until then. There is room
/// for half of what may be owed, so that a silence over much leaves room for what is to be told now.
fn hold_tx(tx: &mut Tx<'_>, incident: i64, due: &Due, hold: Hold) -> rusqlite::Result<()> {
    let most = (tx.memory.outbox.owed_at_most + 1) / 2;
    let Some(channel) = tx.memory.outbox.channels.get(due.channel) else { return Ok(()) };
    let (row, is_full) = (channel.row, channel.owed >= most);
    let is_reminder = due.reason == Reason::Unacknowledged;
    if !is_reminder {
        let sql = "UPDATE outbox SET reason = ?4 WHERE incident = ?1 AND channel = ?2 AND silence = ?3 AND held = ?5
                       AND standing = 0 AND message IS NULL AND reason <> ?6";
        let reasons = (due.reason.to_stored(), Reason::Unacknowledged.to_stored());
        let held = Held::Silence.to_stored();
        let values = params![incident, row, hold.silence, reasons.0, held, reasons.1];
        if tx.connection.prepare_cached(sql)?.execute(values)? > 0 {
            return Ok(());
        }
    }
    let due = Due { due_ms: hold.until, held: Held::Silence, ..*due };
    if !is_full {
        return insert_tx(tx, incident, &due, Some(hold.silence));
    }
    if is_reminder {
        return Ok(());
    }
    let sql = "UPDATE outbox SET count = count + 1 WHERE silence = ?1 AND incident IS NULL AND channel = ?2
                   AND standing = 0 AND message IS NULL";
    if tx.connection.prepare_cached(sql)?.execute([hold.silence, row])? == 0 {
        write_tx(tx, None, &due, Some(hold.silence))?;
    }
    Ok(())
}

fn insert_tx(tx: &mut Tx<'_>, incident: i64, due: &Due, silence: Option<i64>) -> rusqlite::Result<()> {
    let most = tx.memory.outbox.owed_at_most;
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    if channel.owed >= most {
        // A reminder of what was counted would count it twice.
        channel.more += i64::from(due.reason != Reason::Unacknowledged);
        return Ok(());
    }
    write_tx(tx, Some(incident), due, silence)
}

/// Strikes off the reminders of an incident that a channel owes: a new one takes their place.
fn strike_off_reminders_tx(tx: &mut Tx<'_>, incident: i64, position: usize) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get_mut(position) else { return Ok(()) };
    let sql = "UPDATE outbox SET standing = ?1, tried_at = ?2
               WHERE incident = ?3 AND channel = ?4 AND reason = ?5 AND standing = 0 AND message IS NULL";
    let (moot, reminder) = (Standing::Moot.to_stored(), Reason::Unacknowledged.to_stored());
    let values = params![moot, tx.now_ms, incident, channel.row, reminder];
    channel.owed -= tx.connection.prepare_cached(sql)?.execute(values)? as i64;
    Ok(())
}

fn write_tx(tx: &mut Tx<'_>, incident: Option<i64>, due: &Due, silence: Option<i64>) -> rusqlite::Result<()> {
    let Some(channel) = tx.memory.outbox.channels.get_mut(due.channel) else { return Ok(()) };
    channel.owed += 1;
    let row = channel.row;
    if due.due_ms < channel.looked_for_at {
        channel.looked_for_at = due.due_ms;
        tx.memory.outbox.news = true;
    }
    let sql = "INSERT INTO outbox (channel, incident, reason, at, due_at, try_at, held, silence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)";
    let (reason, held) = (due.reason.to_stored(), due.held.to_stored());
    let values = params![row, incident, reason, tx.now_ms, due.due_ms, held, silence];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Makes due at `due_ms` what a silence holds, since it ends then.
pub fn move_silenced_tx(tx: &mut Tx<'_>, silence: i64, due_ms: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE outbox SET due_at = ?2, try_at = ?2
               WHERE silence = ?1 AND held = ?3 AND standing = 0 AND message IS NULL";
    tx.connection.prepare_cached(sql)?.execute([silence, due_ms, Held::Silence.to_stored()])?;
    let outbox = &mut tx.memory.outbox;
    for channel in outbox.channels.iter_mut().filter(|channel| due_ms < channel.looked_for_at) {
        channel.looked_for_at = due_ms;
        outbox.news = true;
    }
    Ok(())
}

/// Writes down how many there was no room for; COMMIT follows.
pub fn count_overflow_tx(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let outbox = &mut tx.memory.outbox;
    for channel in outbox.channels.iter_mut().filter(|channel| channel.more > 0) {
        let more = std::mem::take(&mut channel.more);
        if let Some(row) = channel.overflow {
            let sql = "UPDATE outbox SET count = count + ?2 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([row, more])?;
            continue;
        }
        let sql = "INSERT INTO outbox (channel, reason, count, at, due_at, try_at, held)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)";
        let due_at = tx.now_ms + OVERFLOW_WAIT_MS;
        let (reason, held) = (Reason::Created.to_stored(), Held::Digest.to_stored());
        let values = params![channel.row, reason, more, tx.now_ms, due_at, held];
        tx.connection.prepare_cached(sql)?.execute(values)?;
        channel.overflow = Some(tx.connection.last_insert_rowid());
        channel.owed += 1;
        if due_at < channel.looked_for_at {
            channel.looked_for_at = due_at;
            outbox.news = true;
        }
    }
    Ok(())
}

/// Takes the message that is next for a channel: what belongs to it is marked, so that it is the same message at every
/// attempt, also after a crash. Reminders that nobody needs any more are struck off.
pub fn take_tx(tx: &mut Tx<'_>, take: &Take) -> Result<Done, Failure> {
    let Take { channel, stale_ms, one_by_one } = take;
    let nothing = |next_ms| Ok(Done::Taken(Taken::Nothing { next_ms }));
    let Some(position) = position_of(tx, channel) else { return nothing(None) };
    let row = tx.memory.outbox.channels[position].row;
    strike_off_moot_tx(tx, position)?;
    let mut owed = owed_tx(tx, row)?;
    let mut chosen = choose(&owed, tx.now_ms, *stale_ms, *one_by_one);
    if hold_back_tx(tx, position, chosen.iter().filter_map(|at| owed.get(*at)))? {
        // All that is due at once, so that this is not done for each of them.
        let now_ms = tx.now_ms;
        hold_back_tx(tx, position, owed.iter().filter(|one| one.try_at <= now_ms))?;
        owed = owed_tx(tx, row)?;
        chosen = choose(&owed, tx.now_ms, *stale_ms, *one_by_one);
    }
    let later = owed.iter().map(|one| one.try_at).filter(|at| *at > tx.now_ms).min();
    let tried: HashSet<i64> = owed.iter().filter_map(|one| one.message).collect();
    let waits = chosen.is_empty() && tried.len() >= TRIED_AT_ONCE;
    // Where everything waits for what was tried, nothing new is news.
    let looked_for_at = if waits { i64::MIN } else { later.unwrap_or(i64::MAX) };
    tx.memory.outbox.channels[position].looked_for_at = looked_for_at;
    let chosen: Vec<&Owed> = chosen.into_iter().filter_map(|at| owed.get(at)).collect();
    let Some(first) = chosen.first() else { return nothing(later) };
    let id = first.message.unwrap_or(first.id);
    if first.message.is_none() {
        for one in &chosen {
            let sql = "UPDATE outbox SET message = ?2 WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([one.id, id])?;
        }
    }
    if chosen.iter().any(|one| one.incident.is_none()) {
        tx.memory.outbox.channels[position].overflow = None;
    }
    let message = message_tx(tx, row, id, &chosen)?;
    Ok(Done::Taken(Taken::Message(Box::new(message))))
}

fn position_of(tx: &Tx<'_>, channel: &str) -> Option<usize> {
    tx.memory.outbox.routing.channels.iter().position(|name| name == channel)
}

/// Holds back those of which nobody is to hear now: what an active silence is about, and what another one has just let go
/// in a quiet time. Whether that was any. What was taken before goes out as it was.
fn hold_back_tx<'a>(
    tx: &Tx<'_>,
    position: usize,
    some: impl Iterator<Item = &'a Owed>,
) -> rusqlite::Result<bool> {
    let any_active = tx.memory.silences.any_active(tx.now_ms);
    let doubtful = |one: &&Owed| one.message.is_none() && (any_active || one.held == Held::Silence);
    let mut held_back = false;
    for one in some.filter(doubtful) {
        let Some(row) = one.incident else { continue };
        let Some(incident) = read::incident(tx.connection, Number::from_row_id(row))? else { continue };
        let services = services_of(&incident);
        let subject = subject_of(&incident, &services);
        let (until, held, silence) = match silence::silenced_tx(tx, row, &subject)? {
            Some(hold) => (hold.until, Held::Silence, Some(hold.silence)),
            None if one.held == Held::Silence => {
                match tx.memory.outbox.routing.quiet_until(&subject, position, tx.now_ms) {
                    Some(until) => (until, Held::Quiet, None),
                    None => continue,
                }
            }
            None => continue,
        };
        let sql = "UPDATE outbox SET due_at = ?2, try_at = ?2, held = ?3, silence = coalesce(?4, silence)
                   WHERE id = ?1";
        tx.connection.prepare_cached(sql)?.execute(params![one.id, until, held.to_stored(), silence])?;
        held_back = true;
    }
    Ok(held_back)
}

fn strike_off_moot_tx(tx: &mut Tx<'_>, position: usize) -> rusqlite::Result<()> {
    let sql = "UPDATE outbox SET standing = ?1, tried_at = ?2
               WHERE channel = ?3 AND standing = 0 AND try_at <= ?2 AND reason = ?4 AND attempts = 0
                   AND EXISTS (SELECT 1 FROM incident WHERE incident.id = outbox.incident
                                   AND (status >= 4 OR acknowledged_at IS NOT NULL))";
    let channel = &mut tx.memory.outbox.channels[position];
    let values =
        params![Standing::Moot.to_stored(), tx.now_ms, channel.row, Reason::Unacknowledged.to_stored()];
    channel.owed -= tx.connection.prepare_cached(sql)?.execute(values)? as i64;
    Ok(())
}

fn owed_tx(tx: &Tx<'_>, channel: i64) -> rusqlite::Result<Vec<Owed>> {
    let sql = "SELECT id, message, incident, reason, due_at, try_at, held, attempts
               FROM outbox INDEXED BY outbox_owed WHERE channel = ?1 AND standing = 0 ORDER BY id";
    let owed = |row: &Row<'_>| {
        Ok(Owed {
            id: row.get(0)?,
            message: row.get(1)?,
            incident: row.get(2)?,
            reason: row.get(3)?,
            due_at: row.get(4)?,
            try_at: row.get(5)?,
            held: row.get(6)?,
            attempts: row.get(7)?,
        })
    };
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([channel], owed)?;
    rows.collect()
}

fn message_tx(tx: &Tx<'_>, channel: i64, id: i64, chosen: &[&Owed]) -> Result<Message, Failure> {
    // Of several reasons to tell of an incident, the last is the news.
    let mut told: BTreeMap<i64, Reason> = BTreeMap::new();
    for (incident, reason) in chosen.iter().filter_map(|one| Some((one.incident?, one.reason))) {
        // Where there is other news of it, there is nothing to remind of.
        if reason != Reason::Unacknowledged || !told.contains_key(&incident) {
            told.insert(incident, reason);
        }
    }
    // Its first notification is the one that it is called by.
    let sql = "SELECT sum(count), max(CASE WHEN id = ?2 THEN at END), min(due_at), max(due_at)
               FROM outbox INDEXED BY outbox_owed WHERE channel = ?1 AND standing = 0 AND message = ?2";
    let sums = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let (count, at, due_at, last_due_at) =
        tx.connection.prepare_cached(sql)?.query_row([channel, id], sums)?;
    let named = chosen.iter().filter(|one| one.incident.is_some()).count() as i64;
    let incidents = told.len() + usize::try_from(count - named).unwrap_or_default();
    let mut ranked = Vec::with_capacity(told.len());
    for (incident, reason) in told {
        let sql = "SELECT status >= 4, severity FROM incident WHERE id = ?1";
        let rank = |row: &Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, Severity>(1)?));
        let rank = tx.connection.prepare_cached(sql)?.query_row([incident], rank)?;
        ranked.push((rank, incident, reason));
    }
    ranked.sort_unstable_by_key(|(rank, incident, _)| (*rank, *incident));
    let mut parts = Vec::new();
    for (_, incident, reason) in ranked.into_iter().take(PARTS) {
        let incident = read::incident(tx.connection, Number::from_row_id(incident))?;
        parts.extend(incident.map(|incident| Part { incident, reason }));
    }
    let held = chosen.iter().map(|one| one.held).find(|held| *held != Held::No).unwrap_or(Held::No);
    let attempts = chosen.first().map_or(0, |one| one.attempts);
    let silences = comments_tx(tx, channel, id)?;
    let id = MessageId { first: id, at };
    Ok(Message { id, due_at, last_due_at, held, silences, attempts, parts, incidents })
}

/// Why a message was held back by people, in their words.
fn comments_tx(tx: &Tx<'_>, channel: i64, message: i64) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT comment FROM silence WHERE id IN (SELECT silence FROM outbox INDEXED BY outbox_owed
                   WHERE channel = ?1 AND message = ?2 AND standing = 0) ORDER BY id LIMIT ?3";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([channel, message, COMMENTS], |row| row.get(0))?;
    rows.collect()
}

/// Writes down what came of an attempt. Where people were reminded, the next reminder is written with it.
pub fn attempted_tx(tx: &mut Tx<'_>, attempted: &Attempted) -> Result<Done, Failure> {
    let Attempted { channel, message, answer } = attempted;
    let Some(position) = position_of(tx, channel) else { return Ok(Done::Written) };
    let row = tx.memory.outbox.channels[position].row;
    // Also where this one was refused: the incident is open still.
    let is_over = !matches!(answer, Answer::Later(..));
    let reminded = if is_over { reminded_tx(tx, row, *message)? } else { Vec::new() };
    let (standing, text, try_at) = match answer {
        Answer::Taken(text) => (Standing::Told, text, None),
        Answer::Later(text, at_ms) => (Standing::Owed, text, Some(*at_ms)),
        Answer::Never(text) => (Standing::GivenUp, text, None),
    };
    let sql = "UPDATE outbox SET standing = ?3, attempts = attempts + 1, tried_at = ?4, answer = ?5,
                   try_at = coalesce(?6, try_at)
               WHERE channel = ?1 AND message = ?2 AND standing = 0";
    let values = params![row, message, standing.to_stored(), tx.now_ms, text, try_at];
    let changed = tx.connection.prepare_cached(sql)?.execute(values)? as i64;
    let channel = &mut tx.memory.outbox.channels[position];
    match try_at {
        Some(at) => channel.looked_for_at = channel.looked_for_at.min(at),
        None => channel.owed -= changed,
    }
    for incident in reminded {
        let Some(incident) = read::incident(tx.connection, Number::from_row_id(incident))? else { continue };
        let services = services_of(&incident);
        let routing = Arc::clone(&tx.memory.outbox.routing);
        let next = routing.next_reminder(&subject_of(&incident, &services), position, tx.now_ms);
        if let Some(due) = next {
            insert_tx(tx, incident.number.to_row_id(), &due, None)?;
        }
    }
    Ok(Done::Written)
}

/// The incidents that a message reminds of.
fn reminded_tx(tx: &Tx<'_>, channel: i64, message: i64) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT incident FROM outbox INDEXED BY outbox_owed
               WHERE channel = ?1 AND message = ?2 AND standing = 0 AND reason = ?3 AND incident IS NOT NULL";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let values = params![channel, message, Reason::Unacknowledged.to_stored()];
    let rows = statement.query_map(values, |row| row.get(0))?;
    rows.collect()
}

/// Forgets what was told or given up too long ago or, oldest first, what is too much; at most `most` of each. Whether
/// there may be more of it.
pub fn forget_tx(tx: &Tx<'_>, limits: &NotifyLimits, most: i64) -> rusqlite::Result<bool> {
    let aged = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE standing <> 0 AND tried_at <= ?1
                                                ORDER BY tried_at LIMIT ?2)";
    let gone = tx.connection.prepare_cached(aged)?.execute([tx.now_ms - limits.max_age_ms, most])?;
    let count = "SELECT count(*) FROM outbox WHERE standing <> 0";
    let excess =
        tx.connection.prepare_cached(count)?.query_row([], |row| row.get::<_, i64>(0))? - limits.keep;
    let beyond = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE standing <> 0
                                                  ORDER BY tried_at LIMIT ?1)";
    let beyond = match excess.min(most) {
        excess if excess > 0 => tx.connection.prepare_cached(beyond)?.execute([excess])?,
        _ => 0,
    };
    Ok(gone as i64 == most || beyond as i64 == most)
}
