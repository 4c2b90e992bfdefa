//! The outbox for those who deliver it, and for those who look at it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use tokio::sync::watch::Receiver;

use super::super::job::{Done, Job};
use super::super::{Store, unexpected};
use super::{Attempted, NextMessage, Take};
use crate::error::Error;
use crate::model::{MessageId, Notification, Number, Owing, Standing};

const DAY_MS: i64 = 86_400_000;

/// Which notifications somebody wants to see; what is `None` asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct NotificationQuery {
    /// Those of an incident.
    pub incident: Option<Number>,
    /// Those of a channel.
    pub channel: Option<String>,
    /// Those of which one of these has become; none: anything.
    pub standings: Vec<Standing>,
    /// How many to leave out from the beginning.
    pub offset: usize,
    /// How many at the most.
    pub limit: usize,
}

impl Store {
    /// The next message for a channel, if one is due. It stays owed until [`Self::attempted`] says otherwise.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn take_message(&self, take: Take) -> Result<NextMessage, Error> {
        match self.write(Job::Take(take)).await? {
            Done::Next(mut next) => {
                if let NextMessage::Due(message) = &mut next {
                    let silenced = self.silenced_now();
                    message.parts.iter_mut().for_each(|part| silenced.mark(&mut part.incident));
                }
                Ok(next)
            }
            _ => Err(unexpected()),
        }
    }

    /// Writes down what came of a message.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn attempted(&self, attempted: Attempted) -> Result<(), Error> {
        self.write(Job::Attempted(attempted)).await.map(|_| ())
    }

    /// Changes when something is due sooner than [`Self::take_message`] may have said.
    #[must_use]
    pub fn owing(&self) -> Receiver<()> {
        self.feed.owing()
    }

    /// Notifications, newest first, and how many there are.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn notifications(&self, query: NotificationQuery) -> Result<(Vec<Notification>, i64), Error> {
        self.read(move |connection| list(connection, &query)).await
    }

    /// What each of those channels owes at `now_ms`, in their order.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn owed_by(&self, channels: Vec<String>, now_ms: i64) -> Result<Vec<Owing>, Error> {
        self.read(move |connection| channels.iter().map(|name| owing(connection, name, now_ms)).collect())
            .await
    }
}

fn list(connection: &Connection, query: &NotificationQuery) -> rusqlite::Result<(Vec<Notification>, i64)> {
    let mut conditions = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    if let Some(number) = query.incident {
        conditions.push("incident = ?");
        values.push(number.to_row_id().into());
    }
    if let Some(channel) = &query.channel {
        conditions.push("channel.name = ?");
        values.push(channel.clone().into());
    }
    let wanted = Standing::ALL.into_iter().filter(|standing| query.standings.contains(standing));
    let wanted: Vec<_> = wanted.map(|standing| Value::from(standing.to_stored())).collect();
    let one_of = format!("standing IN ({})", vec!["?"; wanted.len()].join(", "));
    if !wanted.is_empty() {
        conditions.push(&one_of);
        values.extend(wanted);
    }
    let conditions = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
    let from = format!("FROM outbox JOIN channel ON channel.id = outbox.channel WHERE {conditions}");
    let count = format!("SELECT count(*) {from}");
    let total = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
    let sql = format!(
        "SELECT outbox.id, message, channel.name, incident, reason, count, at, due_at, held, standing, attempts, tried_at,
             try_at, answer, (SELECT first.at FROM outbox AS first WHERE first.id = outbox.message) {from}
         ORDER BY outbox.id DESC LIMIT ? OFFSET ?"
    );
    values.extend([query.limit, query.offset].map(|number| Value::from(number as i64)));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(&values), notification)?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, total))
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    let first: Option<i64> = row.get(1)?;
    Ok(Notification {
        id: row.get(0)?,
        message: first.zip(row.get(14)?).map(|(first, at)| MessageId { first, at }),
        channel: row.get(2)?,
        incident: row.get::<_, Option<i64>>(3)?.map(Number::from_row_id),
        reason: row.get(4)?,
        count: row.get(5)?,
        at: row.get(6)?,
        due_at: row.get(7)?,
        held: row.get(8)?,
        standing: row.get(9)?,
        attempts: row.get(10)?,
        tried_at: row.get(11)?,
        try_at: row.get(12)?,
        answer: row.get(13)?,
    })
}

fn owing(connection: &Connection, channel: &str, now_ms: i64) -> rusqlite::Result<Owing> {
    let of_channel = "channel = (SELECT id FROM channel WHERE name = ?1)";
    let given_up = Standing::GivenUp.to_stored();
    let sql = format!(
        "SELECT coalesce(sum(count), 0), min(due_at) FILTER (WHERE due_at <= ?2),
             (SELECT coalesce(sum(count), 0) FROM outbox INDEXED BY outbox_done
              WHERE standing <> 0 AND standing = {given_up} AND tried_at > ?2 - {DAY_MS} AND {of_channel})
         FROM outbox WHERE {of_channel} AND standing = 0"
    );
    let owing = |row: &Row<'_>| {
        let (owed, oldest_due_at, given_up) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Owing { channel: channel.to_owned(), owed, oldest_due_at, given_up })
    };
    connection.prepare_cached(&sql)?.query_row(params![channel, now_ms], owing)
}
