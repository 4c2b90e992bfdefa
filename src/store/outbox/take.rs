//! Taking the message that is next for a channel.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Row, params};

use super::super::job::Done;
use super::super::read;
use super::super::silence;
use super::super::tx::{Failure, Tx};
use super::next::{Look, Next, Owed};
use super::told::{self, Named, UnderWay};
use super::{RESOLVED, count_overflow_tx, is_moot, position_of, services_of, subject_of, watch_the_clock_tx};
use crate::model::{Held, Message, MessageId, Number, Part, Reason, Severity, Standing};

/// Incidents that a message tells of by name.
const PARTS: usize = 20;

/// Comments of silences that a message repeats.
const COMMENTS: i64 = 3;

/// The next message for a channel is wanted.
#[derive(Debug)]
pub struct Take {
    /// The channel's name.
    pub channel: String,
    /// How late may be what is told by itself.
    pub stale_ms: i64,
    /// Each incident is told by itself, however late.
    pub one_by_one: bool,
    /// News of an incident that was told by itself takes the place of that.
    pub replaces: bool,
}

/// What a channel has to tell.
#[derive(Debug)]
pub enum NextMessage {
    /// This, now.
    Due(Box<Message>),
    /// Nothing now; something at that time, if anything.
    Nothing {
        /// In milliseconds since the epoch.
        next_ms: Option<i64>,
    },
}

/// Takes the message that is next for a channel: what belongs to it is marked, so that it is the same message at every
/// attempt, also after a crash. Reminders that nobody needs any more are struck off.
pub fn take_tx(tx: &mut Tx<'_>, take: &Take) -> Result<Done, Failure> {
    let nothing = |next_ms| Ok(Done::Next(NextMessage::Nothing { next_ms }));
    let Some(position) = position_of(tx, &take.channel) else { return nothing(None) };
    watch_the_clock_tx(tx)?;
    // What is counted is taken with the rest.
    count_overflow_tx(tx)?;
    strike_off_moot_tx(tx, position)?;
    let next = next_tx(tx, position, take)?;
    let channel = &mut tx.memory.outbox.channels[position];
    let row = channel.row;
    let chosen = match next {
        Next::Message(chosen) => chosen,
        Next::At(next_ms) => {
            channel.next_look_ms = next_ms.unwrap_or(i64::MAX);
            return nothing(next_ms);
        }
        Next::Waits(next_ms) => {
            // Nothing new is news.
            channel.next_look_ms = i64::MIN;
            return nothing(Some(next_ms));
        }
    };
    // Those who tell look again when they are done with this.
    channel.next_look_ms = i64::MIN;
    let mut chosen = chosen;
    let mut ranked = ranked_tx(tx, &chosen)?;
    let is_new = chosen.iter().all(|one| one.message.is_none());
    if is_new {
        leave_ends_tx(tx, row, &mut chosen, &mut ranked)?;
    }
    let Some(first) = chosen.first() else { return nothing(None) };
    let id = first.message.unwrap_or(first.id);
    if is_new {
        for one in &chosen {
            // What was held and comes along is told now, and tried for as long as what it comes along with.
            let sql = "UPDATE outbox SET message = ?2, due_at = min(due_at, ?3) WHERE id = ?1";
            tx.connection.prepare_cached(sql)?.execute([one.id, id, tx.now_ms])?;
        }
    }
    let message = message_tx(tx, row, id, &chosen, &ranked)?;
    let alone = chosen.iter().all(|one| one.incident.is_some() && one.incident == first.incident);
    let named = ranked.iter().take(PARTS);
    let named = named.map(|one| Named { incident: one.incident, is_open: !one.is_over }).collect();
    let channel = &mut tx.memory.outbox.channels[position];
    channel.under_way = UnderWay { message: id, named, alone, replaces: take.replaces };
    channel.overflows.retain(|overflow| !chosen.iter().any(|one| Some(one.id) == overflow.row));
    channel.health.retried = !is_new;
    if is_new {
        channel.health.given_ms = tx.now_ms;
    }
    Ok(Done::Next(NextMessage::Due(Box::new(message))))
}

/// An incident that a message tells of; what is worse comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    is_over: bool,
    severity: Severity,
    /// Its row.
    incident: i64,
    /// The last reason why it is told of.
    reason: Reason,
}

fn ranked_tx(tx: &Tx<'_>, chosen: &[Owed]) -> rusqlite::Result<Vec<Ranked>> {
    // Of several reasons to tell of an incident, the last is the news.
    let mut told: BTreeMap<i64, Reason> = BTreeMap::new();
    for (incident, reason) in chosen.iter().filter_map(|one| Some((one.incident?, one.reason))) {
        // Where there is other news of it, there is nothing to remind of.
        if reason != Reason::Unacknowledged || !told.contains_key(&incident) {
            told.insert(incident, reason);
        }
    }
    let sql = format!("SELECT status >= {RESOLVED}, severity FROM incident WHERE id = ?1");
    let mut statement = tx.connection.prepare_cached(&sql)?;
    let mut ranked = Vec::with_capacity(told.len());
    for (incident, reason) in told {
        let rank =
            |row: &Row<'_>| Ok(Ranked { is_over: row.get(0)?, severity: row.get(1)?, incident, reason });
        ranked.push(statement.query_row([incident], rank)?);
    }
    ranked.sort_unstable();
    Ok(ranked)
}

/// Leaves to the next message the ends that this one would not name, of what the receiver was told of by name.
fn leave_ends_tx(
    tx: &Tx<'_>,
    channel: i64,
    chosen: &mut Vec<Owed>,
    ranked: &mut Vec<Ranked>,
) -> rusqlite::Result<()> {
    let mut left = BTreeSet::new();
    for one in ranked.iter().skip(PARTS).filter(|one| one.is_over) {
        if told::is_told_tx(tx, one.incident, channel)? {
            left.insert(one.incident);
        }
    }
    ranked.retain(|one| !left.contains(&one.incident));
    chosen.retain(|one| one.incident.is_none_or(|incident| !left.contains(&incident)));
    Ok(())
}

/// What is next, when all is held back of which nobody is to hear now.
fn next_tx(tx: &Tx<'_>, position: usize, take: &Take) -> rusqlite::Result<Next> {
    let Take { stale_ms, one_by_one, replaces, .. } = *take;
    let channel = &tx.memory.outbox.channels[position];
    let (channel, health) = (channel.row, channel.health);
    let (connection, now_ms) = (tx.connection, tx.now_ms);
    let look = Look { connection, channel, now_ms, stale_ms, one_by_one, replaces, health };
    match look.next()? {
        Next::Message(chosen) if hold_back_tx(tx, position, &chosen)? => {
            // All that is due at once, so that this is not done for each of them.
            hold_back_tx(tx, position, &look.all_due()?)?;
            look.next()
        }
        next => Ok(next),
    }
}

/// Holds back those of which nobody is to hear now: what an active silence is about, and what a silence or a digest lets go
/// in a quiet time. Whether that was any. What was taken before goes out as it was.
fn hold_back_tx(tx: &Tx<'_>, position: usize, some: &[Owed]) -> rusqlite::Result<bool> {
    let any_active = tx.memory.silences.any_active(tx.now_ms);
    let routing = &tx.memory.outbox.routing;
    let may_be_quiet = |held: Held| held != Held::No && routing.has_quiet();
    let doubtful = |one: &&Owed| one.message.is_none() && (any_active || may_be_quiet(one.held));
    let mut held_back = false;
    for one in some.iter().filter(doubtful) {
        let Some((until, held, silence)) = hold_tx(tx, position, one)? else { continue };
        let sql = "UPDATE outbox SET due_at = ?2, try_at = ?2, held = ?3, silence = coalesce(?4, silence)
                   WHERE id = ?1";
        tx.connection.prepare_cached(sql)?.execute(params![one.id, until, held.to_stored(), silence])?;
        held_back = true;
    }
    Ok(held_back)
}

/// Until when one is held back now, why, and by which silence.
fn hold_tx(tx: &Tx<'_>, position: usize, one: &Owed) -> rusqlite::Result<Option<(i64, Held, Option<i64>)>> {
    let routing = &tx.memory.outbox.routing;
    let quiet = |until: Option<i64>| until.map(|until| (until, Held::Quiet, None));
    let Some(row) = one.incident else {
        // How severe it was is not known: it was only counted.
        return Ok(quiet(routing.all_quiet_until(position, tx.now_ms)));
    };
    let Some(incident) = read::incident(tx.connection, Number::from_row_id(row))? else { return Ok(None) };
    let services = services_of(&incident);
    let subject = subject_of(&incident, &services);
    if let Some(hold) = silence::silenced_tx(tx, row, &subject)? {
        return Ok(Some((hold.until, Held::Silence, Some(hold.silence))));
    }
    match one.held {
        Held::No => Ok(None),
        _ => Ok(quiet(routing.quiet_until(&subject, one.reason, position, tx.now_ms))),
    }
}

fn strike_off_moot_tx(tx: &mut Tx<'_>, position: usize) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE outbox INDEXED BY outbox_owed SET standing = ?1, tried_at = ?2
         WHERE channel = ?3 AND standing = 0 AND message IS NULL AND try_at <= ?2 AND {}",
        is_moot()
    );
    let channel = &mut tx.memory.outbox.channels[position];
    let values = params![Standing::Moot.to_stored(), tx.now_ms, channel.row];
    channel.reminders -= tx.connection.prepare_cached(&sql)?.execute(values)? as i64;
    Ok(())
}

fn message_tx(
    tx: &Tx<'_>,
    channel: i64,
    id: i64,
    chosen: &[Owed],
    ranked: &[Ranked],
) -> Result<Message, Failure> {
    // Its first notification is the one that it is called by, also if that was struck off since.
    let sql = "SELECT sum(count), coalesce((SELECT at FROM outbox WHERE id = ?2), min(at)), min(due_at), max(due_at),
                   max(tried_at)
               FROM outbox INDEXED BY outbox_owed WHERE channel = ?1 AND standing = 0 AND message = ?2";
    let sums =
        |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (count, at, due_at, last_due_at, tried_at) =
        tx.connection.prepare_cached(sql)?.query_row([channel, id], sums)?;
    let named = chosen.iter().filter(|one| one.incident.is_some()).count() as i64;
    let incidents = ranked.len() + usize::try_from(count - named).unwrap_or_default();
    let mut parts = Vec::new();
    for Ranked { incident, reason, .. } in ranked.iter().take(PARTS) {
        let incident = read::incident(tx.connection, Number::from_row_id(*incident))?;
        parts.extend(incident.map(|incident| Part { incident, reason: *reason }));
    }
    let attempts = chosen.iter().map(|one| one.attempts).max().unwrap_or(0);
    let silences = comments_tx(tx, channel, id)?;
    let id = MessageId { first: id, at };
    Ok(Message { id, due_at, last_due_at, silences, attempts, tried_at, parts, incidents })
}

/// Why a message was held back by people, in their words.
fn comments_tx(tx: &Tx<'_>, channel: i64, message: i64) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT comment FROM silence WHERE id IN (SELECT silence FROM outbox INDEXED BY outbox_owed
                   WHERE channel = ?1 AND message = ?2 AND standing = 0) ORDER BY id LIMIT ?3";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let rows = statement.query_map([channel, message, COMMENTS], |row| row.get(0))?;
    rows.collect()
}
