//! Which notifications go out next of all that a channel owes.
//!
//! A message that was taken once is told as it was, also when nobody knows what came of that, in turns with what is
//! urgent. Else what is urgent comes first, one message for an incident, with what was still held of the same incident,
//! since nobody is to hear of its end before its beginning. What was held, is stale or only reminds goes out in one
//! message together, unless the receiver wants each incident by itself.
//!
//! All of it is asked of the index, so that a message costs the same however much is owed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::REMINDER;
use crate::model::{Held, Reason};

const AT_ONCE: i64 = Held::No.to_stored();

/// Messages of one channel that failed since it last took one. What comes later waits behind them, so that a receiver that
/// comes back after a day is not flooded with what was tried meanwhile; a few that it never takes delay nothing.
const FAILING_AT_ONCE: usize = 8;

/// When so many fail, one more is tried after this time, since it may be they that are wrong and not the receiver; and
/// after twice that time another one, and so on.
const PROBE_MS: i64 = 60_000;

/// How a channel was, as long as this process runs. All times are in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health {
    /// When it last took a message.
    pub took_ms: i64,
    /// When it was last given one that it had not been given before.
    pub given_ms: i64,
    /// Until when its receiver wants to be left alone.
    pub rests_until_ms: i64,
    /// The last that it was given was tried before.
    pub retried: bool,
}

/// What is due, was not tried, and waits for nothing of its incident that was. `?1` is the channel, `?2` now.
fn due() -> String {
    format!(
        "channel = ?1 AND standing = 0 AND message IS NULL AND try_at <= ?2
         AND NOT EXISTS (SELECT 1 FROM outbox AS tried INDEXED BY outbox_by_incident
                         WHERE tried.incident = one.incident AND tried.channel = ?1 AND tried.standing = 0
                             AND tried.message IS NOT NULL AND tried.reason <> {REMINDER} AND tried.id < one.id)"
    )
}

const COLUMNS: &str = "id, message, incident, reason, held, attempts";

/// A notification that is owed, as far as its message concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    pub id: i64,
    pub message: Option<i64>,
    /// The incident's row; `None`: it stands for several.
    pub incident: Option<i64>,
    pub reason: Reason,
    pub held: Held,
    pub attempts: i64,
}

/// Whose next message is looked for, and when.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub connection: &'a Connection,
    /// The channel's row.
    pub channel: i64,
    pub now_ms: i64,
    /// How late may be what is told by itself.
    pub stale_ms: i64,
    /// Each incident is told by itself, however late.
    pub one_by_one: bool,
    /// News of an incident that was told by itself takes the place of that.
    pub replaces: bool,
    pub health: Health,
}

/// A message that was tried and is owed still.
struct Tried {
    message: i64,
    try_at: i64,
    /// `None`: nobody knows what came of it.
    tried_at: Option<i64>,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These go out in one message, now; in the order of their ids.
    Message(Vec<Owed>),
    /// Nothing is due, but at that time, if anything.
    At(Option<i64>),
    /// Nothing goes out before that time, whatever happens until then.
    Waits(i64),
}

impl Look<'_> {
    pub fn next(&self) -> rusqlite::Result<Next> {
        if self.now_ms < self.health.rests_until_ms {
            return Ok(Next::Waits(self.health.rests_until_ms));
        }
        let tried = self.tried()?;
        let first_tried = tried.iter().min_by_key(|one| (one.try_at, one.message));
        let again = first_tried.filter(|one| one.try_at <= self.now_ms);
        let probe_ms = self.probe_ms(&tried).filter(|probe_ms| self.now_ms < *probe_ms);
        // Of many that hang one is always due again: what is urgent takes turns with them.
        let has_a_turn = probe_ms.is_none() && (again.is_none() || self.health.retried);
        let urgent = if has_a_turn { self.urgent()? } else { None };
        if let (Some(again), None) = (again, urgent) {
            let sql = format!(
                "SELECT {COLUMNS} FROM outbox INDEXED BY outbox_owed
                 WHERE channel = ?1 AND standing = 0 AND message = ?2 ORDER BY id"
            );
            return self.read(&sql, &[&self.channel, &again.message]).map(Next::Message);
        }
        if let Some(probe_ms) = probe_ms {
            return Ok(Next::Waits(first_tried.map_or(probe_ms, |one| one.try_at.min(probe_ms))));
        }
        let chosen = match urgent {
            Some((id, incident)) => self.with_earlier(id, incident)?,
            None => self.all_due()?,
        };
        if !chosen.is_empty() {
            return Ok(Next::Message(chosen));
        }
        let sql = "SELECT min(try_at) FROM outbox INDEXED BY outbox_owed
                   WHERE channel = ?1 AND standing = 0 AND message IS NULL AND try_at > ?2";
        let values = [self.channel, self.now_ms];
        let later: Option<i64> = self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        Ok(Next::At(first_tried.map(|one| one.try_at).into_iter().chain(later).min()))
    }

    /// All that is due and was not tried, with what was held of the same incidents before it.
    pub fn all_due(&self) -> rusqlite::Result<Vec<Owed>> {
        let sql = format!(
            "WITH due AS MATERIALIZED (SELECT id, incident, reason FROM outbox AS one INDEXED BY outbox_owed WHERE {})
             SELECT {COLUMNS} FROM outbox WHERE id IN (
                 SELECT id FROM due
                 UNION
                 SELECT earlier.id FROM due CROSS JOIN outbox AS earlier INDEXED BY outbox_by_incident
                 WHERE earlier.incident = due.incident AND earlier.id < due.id AND due.reason <> {REMINDER}
                     AND earlier.channel = ?1 AND earlier.standing = 0 AND earlier.message IS NULL
                     AND earlier.reason <> {REMINDER})
             ORDER BY id",
            due()
        );
        self.read(&sql, &[&self.channel, &self.now_ms])
    }

    /// The messages that were tried: no more than a few.
    fn tried(&self) -> rusqlite::Result<Vec<Tried>> {
        let sql = "SELECT message, try_at, tried_at FROM outbox INDEXED BY outbox_owed
                   WHERE channel = ?1 AND standing = 0 AND message > ?2 ORDER BY message, try_at LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut tried: Vec<Tried> = Vec::new();
        let read =
            |row: &Row<'_>| Ok(Tried { message: row.get(0)?, try_at: row.get(1)?, tried_at: row.get(2)? });
        loop {
            let last = tried.last().map_or(0, |one| one.message);
            let Some(next) = statement.query_row([self.channel, last], read).optional()? else {
                return Ok(tried);
            };
            tried.push(next);
        }
    }

    /// When one more may be tried although many fail; `None`: not that many do.
    fn probe_ms(&self, tried: &[Tried]) -> Option<i64> {
        let Health { took_ms, given_ms, .. } = self.health;
        let fails = |one: &&Tried| one.tried_at.is_none_or(|at| at > took_ms);
        let beyond = tried.iter().filter(fails).count().checked_sub(FAILING_AT_ONCE)?;
        Some(given_ms + (PROBE_MS << beyond.min(16)))
    }

    /// The first that is told by itself: since it is urgent, takes the place of what was told by itself, or could not be
    /// written with others.
    fn urgent(&self) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
        let sql = format!(
            "SELECT id, incident FROM outbox AS one INDEXED BY outbox_owed
             WHERE {} AND (?4 OR attempts > 0
                 OR held = {AT_ONCE} AND reason <> {REMINDER} AND incident IS NOT NULL AND due_at >= ?3
                 OR ?5 AND reason <> {REMINDER} AND EXISTS (
                     SELECT 1 FROM told WHERE told.incident = one.incident AND told.channel = ?1 AND told.alone))
             ORDER BY try_at, id LIMIT 1",
            due()
        );
        let stale_ms = self.now_ms - self.stale_ms;
        let values = params![self.channel, self.now_ms, stale_ms, self.one_by_one, self.replaces];
        let urgent = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.connection.prepare_cached(&sql)?.query_row(values, urgent).optional()
    }

    /// That one, and what came before it of the same incident but for reminders.
    fn with_earlier(&self, id: i64, incident: Option<i64>) -> rusqlite::Result<Vec<Owed>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox INDEXED BY outbox_by_incident
             WHERE incident = ?2 AND channel = ?1 AND standing = 0 AND message IS NULL AND id < ?3
                 AND reason <> {REMINDER}
             UNION ALL SELECT {COLUMNS} FROM outbox WHERE id = ?3 ORDER BY id"
        );
        self.read(&sql, &[&self.channel, &incident, &id])
    }

    fn read(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Vec<Owed>> {
        let owed = |row: &Row<'_>| {
            Ok(Owed {
                id: row.get(0)?,
                message: row.get(1)?,
                incident: row.get(2)?,
                reason: row.get(3)?,
                held: row.get(4)?,
                attempts: row.get(5)?,
            })
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(values, owed)?;
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const STALE: i64 = 60_000;

    /// A notification of an incident, due now.
    struct Row {
        incident: Option<i64>,
        reason: Reason,
        message: Option<i64>,
        due_at: i64,
        try_at: i64,
        held: Held,
        attempts: i64,
    }

    fn owed(incident: i64, reason: Reason) -> Row {
        let (incident, due_at, try_at) = (Some(incident), NOW, NOW);
        Row { incident, reason, message: None, due_at, try_at, held: Held::No, attempts: 0 }
    }

    fn tried(message: i64, next: i64, row: Row) -> Row {
        Row { attempts: 1, message: Some(message), try_at: next, ..row }
    }

    fn held(until: i64, row: Row) -> Row {
        Row { held: Held::Digest, due_at: until, try_at: until, ..row }
    }

    /// An outbox of one channel, with ids from 1 on.
    struct Outbox(Connection);

    impl Outbox {
        fn of(rows: impl IntoIterator<Item = Row>) -> Self {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
            // Neither incidents nor channels are looked at.
            connection.pragma_update(None, "foreign_keys", false).unwrap();
            for row in rows {
                let sql = "INSERT INTO outbox (message, channel, incident, reason, at, due_at, held, attempts, try_at, tried_at)
                           VALUES (?1, 1, ?2, ?3, 0, ?4, ?5, ?6, ?7, iif(?6 > 0, ?4, NULL))";
                let (reason, held) = (row.reason.to_stored(), row.held.to_stored());
                let values =
                    params![row.message, row.incident, reason, row.due_at, held, row.attempts, row.try_at];
                connection.execute(sql, values).unwrap();
            }
            Self(connection)
        }

        fn look(&self, now_ms: i64) -> Look<'_> {
            let (one_by_one, replaces, health) = (false, false, Health::default());
            Look { connection: &self.0, channel: 1, now_ms, stale_ms: STALE, one_by_one, replaces, health }
        }

        #[track_caller]
        fn next(&self, now_ms: i64) -> Vec<i64> {
            ids(self.look(now_ms))
        }
    }

    /// The ids of what goes out; none: nothing does.
    #[track_caller]
    fn ids(look: Look<'_>) -> Vec<i64> {
        match look.next().unwrap() {
            Next::Message(chosen) => chosen.iter().map(|one| one.id).collect(),
            Next::At(_) | Next::Waits(_) => Vec::new(),
        }
    }

    #[test]
    fn urgent_ones_go_out_one_by_one_in_order() {
        let rows = || [owed(1, Reason::Created), owed(2, Reason::Created), owed(1, Reason::Resolved)];
        let outbox = Outbox::of(rows());
        assert_eq!(outbox.next(NOW), [1]);
        assert_eq!(outbox.look(NOW - 1).next().unwrap(), Next::At(Some(NOW)));
        assert_eq!(Outbox::of([]).look(NOW).next().unwrap(), Next::At(None));
    }

    #[test]
    fn what_was_held_goes_out_together_once_it_is_due() {
        let outbox = Outbox::of([held(NOW, owed(1, Reason::Created)), held(NOW, owed(2, Reason::Created))]);
        assert_eq!(outbox.next(NOW - 1), [0; 0]);
        assert_eq!(outbox.next(NOW), [1, 2]);
        let look = Look { one_by_one: true, ..outbox.look(NOW) };
        assert_eq!(ids(look), [1], "the receiver keeps track of each");
    }

    #[test]
    fn an_urgent_one_brings_along_what_is_held_of_its_incident_but_no_reminder() {
        let outbox = Outbox::of([
            held(NOW + 9, owed(1, Reason::Created)),
            Row { try_at: NOW + 99, ..owed(1, Reason::Unacknowledged) },
            held(NOW + 9, owed(2, Reason::Created)),
            owed(1, Reason::Raised),
        ]);
        assert_eq!(outbox.next(NOW), [1, 4]);
    }

    #[test]
    fn a_tried_one_holds_back_its_incident_only_and_is_tried_again_as_it_was() {
        let outbox = Outbox::of([
            tried(1, NOW + 5, owed(1, Reason::Created)),
            owed(1, Reason::Resolved),
            owed(2, Reason::Created),
        ]);
        assert_eq!(outbox.next(NOW), [3]);
        assert_eq!(outbox.next(NOW + 5), [1]);
        outbox.0.execute("DELETE FROM outbox WHERE id = 3", []).unwrap();
        assert_eq!(outbox.look(NOW).next().unwrap(), Next::At(Some(NOW + 5)));
        let pair =
            Outbox::of([tried(1, NOW, owed(1, Reason::Created)), tried(1, NOW, owed(2, Reason::Created))]);
        assert_eq!(pair.next(NOW), [1, 2], "both were in it");
    }

    #[test]
    fn what_is_urgent_takes_turns_with_what_is_tried_again() {
        let tries = |count| (1..=count).map(|id| tried(id, NOW, owed(id, Reason::Created)));
        let outbox =
            Outbox::of(tries(2).chain([held(NOW, owed(8, Reason::Created)), owed(9, Reason::Created)]));
        assert_eq!(outbox.next(NOW), [1]);
        let retried = Health { retried: true, given_ms: NOW, ..Health::default() };
        assert_eq!(ids(Look { health: retried, ..outbox.look(NOW) }), [4]);
        outbox.0.execute("DELETE FROM outbox WHERE id = 4", []).unwrap();
        assert_eq!(ids(Look { health: retried, ..outbox.look(NOW) }), [1], "what was held can wait");
        let many = Outbox::of(tries(8).chain([owed(9, Reason::Created)]));
        assert_eq!(ids(Look { health: retried, ..many.look(NOW) }), [1], "it waits, too many fail");
    }

    #[test]
    fn what_was_taken_when_the_process_ended_goes_out_as_it_was() {
        let taken = |incident| Row { message: Some(2), ..owed(incident, Reason::Created) };
        let outbox = Outbox::of([owed(1, Reason::Created), taken(2), owed(2, Reason::Resolved), taken(5)]);
        assert_eq!(outbox.next(NOW + STALE + 1), [2, 4]);
    }

    #[test]
    fn what_is_stale_goes_out_in_one_message_after_few_that_were_tried() {
        let late = NOW + STALE + 1;
        let rows = |tries| {
            let tries = (1..=tries).map(|id| tried(id, late + id, owed(id, Reason::Created)));
            tries.chain((100..600).map(|incident| owed(incident, Reason::Created)))
        };
        let health = Health { given_ms: late, ..Health::default() };
        let outbox = Outbox::of(rows(8));
        let next = |outbox: &Outbox, health| Look { health, ..outbox.look(late) }.next().unwrap();
        assert_eq!(next(&outbox, health), Next::Waits(late + 1), "eight are enough");
        let earlier = Health { given_ms: late - PROBE_MS, ..health };
        assert_eq!(
            ids(Look { health: earlier, ..outbox.look(late) }).len(),
            500,
            "it may be they that are wrong"
        );
        let took = Health { took_ms: late, ..health };
        assert_eq!(ids(Look { health: took, ..outbox.look(late) }).len(), 500, "it is they");
        assert_eq!(ids(Look { health, ..Outbox::of(rows(7)).look(late) }).len(), 500);
        let ten = Outbox::of(rows(10));
        let earlier = |minutes| Health { given_ms: late - minutes * PROBE_MS, ..health };
        assert_eq!(next(&ten, earlier(3)), Next::Waits(late + 1));
        assert_eq!(ids(Look { health: earlier(4), ..ten.look(late) }).len(), 500);
        let rests = Health { rests_until_ms: late + 5, ..Health::default() };
        assert_eq!(next(&Outbox::of(rows(0)), rests), Next::Waits(late + 5), "it asked for that");
        let more = Row { incident: None, ..owed(0, Reason::Created) };
        assert_eq!(Outbox::of([more]).next(NOW), [1]);
    }

    #[test]
    fn what_goes_out_together_brings_along_what_is_held_of_its_incidents() {
        let outbox = Outbox::of([
            held(NOW + 9, owed(1, Reason::Created)),
            held(NOW, owed(1, Reason::Raised)),
            held(NOW, owed(2, Reason::Created)),
            held(NOW + 9, owed(2, Reason::Resolved)),
        ]);
        assert_eq!(outbox.next(NOW), [1, 2, 3]);
    }

    #[test]
    fn news_takes_the_place_of_what_was_told_by_itself() {
        let outbox = Outbox::of([held(NOW, owed(1, Reason::Resolved)), held(NOW, owed(2, Reason::Resolved))]);
        let told = "INSERT INTO told (incident, channel, open, alone) VALUES (1, 1, 1, 0), (2, 1, 1, 1)";
        outbox.0.execute(told, []).unwrap();
        assert_eq!(outbox.next(NOW), [1, 2]);
        let look = Look { replaces: true, ..outbox.look(NOW) };
        assert_eq!(ids(look), [2]);
        outbox.0.execute("UPDATE outbox SET standing = 1 WHERE id = 2", []).unwrap();
        assert_eq!(ids(look), [1]);
    }

    #[test]
    fn what_could_not_be_written_is_tried_by_itself() {
        let unwritten = Row { attempts: 1, ..held(NOW, owed(1, Reason::Created)) };
        let outbox =
            Outbox::of([unwritten, held(NOW, owed(2, Reason::Created)), held(NOW, owed(3, Reason::Created))]);
        assert_eq!(outbox.next(NOW), [1]);
        outbox.0.execute("UPDATE outbox SET try_at = try_at + 9 WHERE id = 1", []).unwrap();
        assert_eq!(outbox.next(NOW), [2, 3]);
    }
}
