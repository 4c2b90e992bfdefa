//! Silences for those who make them and look at them, and which incidents are silenced now.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::super::job::{Done, Job};
use super::super::outbox::{services_of, subject_of};
use super::super::{Store, unexpected};
use super::{COLUMNS, SilenceChange};
use crate::error::Error;
use crate::model::{Incident, Number};
use crate::routing::{Silence, SilenceState, Silences};

/// Silences that are shown with an incident that they silenced.
const OF_AN_INCIDENT: usize = 5;

/// Which silences somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct SilenceQuery {
    /// Those in one of these states; none: in any.
    pub states: Vec<SilenceState>,
    /// How many to leave out from the beginning.
    pub offset: usize,
    /// How many at the most.
    pub limit: usize,
}

/// Tells of incidents whether they are silenced at one moment.
#[derive(Clone, Debug)]
pub(in crate::store) struct SilencedNow {
    silences: Arc<Silences>,
    now_ms: i64,
}

impl SilencedNow {
    /// Marks an incident. What is closed stays so, and nobody is told of it anyway.
    pub fn mark(&self, incident: &mut Incident) {
        if self.silences.any_active(self.now_ms) && incident.closed_at.is_none() {
            incident.silenced_until = self.covering(incident).first().map(|silence| silence.ends_at);
        }
    }

    fn covering(&self, incident: &Incident) -> Vec<Silence> {
        let services = services_of(incident);
        let covering = self.silences.covering(&subject_of(incident, &services), self.now_ms);
        covering.into_iter().cloned().collect()
    }
}

impl Store {
    /// Makes, changes or ends a silence.
    ///
    /// # Errors
    /// `not_found`, `invalid_transition`, `validation_error`, or because the store cannot take it now.
    pub async fn change_silence(&self, change: SilenceChange) -> Result<Silence, Error> {
        match self.write(Job::Silence(change)).await? {
            Done::Silence(silence) => Ok(*silence),
            _ => Err(unexpected()),
        }
    }

    /// Silences, newest first, and how many there are.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn silences(&self, query: SilenceQuery) -> Result<(Vec<Silence>, i64), Error> {
        let now_ms = self.clock.now_ms();
        self.read(move |connection| list(connection, &query, now_ms)).await
    }

    /// One silence, and the newest `most` of the incidents that it silenced.
    ///
    /// # Errors
    /// `not_found`, or because the store cannot be read now.
    pub async fn silence(&self, id: i64, most: usize) -> Result<(Silence, Vec<Number>), Error> {
        let found = self.read(move |connection| {
            let Some(silence) = super::find(connection, id)? else { return Ok(None) };
            let sql = "SELECT incident FROM silenced WHERE silence = ?1 ORDER BY incident DESC LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let number = |row: &Row<'_>| row.get(0).map(Number::from_row_id);
            let numbers = statement.query_map([id, most as i64], number)?.collect::<rusqlite::Result<_>>()?;
            Ok(Some((silence, numbers)))
        });
        found.await?.ok_or_else(|| super::not_found(id))
    }

    /// The newest of the silences that an incident was silenced by.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn silences_of(&self, number: Number) -> Result<Vec<Silence>, Error> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM silence WHERE id IN (SELECT silence FROM silenced WHERE incident = ?1)
                 ORDER BY id DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([number.to_row_id(), OF_AN_INCIDENT as i64], super::read)?;
            rows.collect()
        })
        .await
    }

    /// The silences that an incident is silenced by now, the one that ends last first.
    #[must_use]
    pub fn silences_over(&self, incident: &Incident) -> Vec<Silence> {
        self.silenced_now().covering(incident)
    }

    /// What is silenced at this moment.
    pub(in crate::store) fn silenced_now(&self) -> SilencedNow {
        SilencedNow { silences: self.feed.silences(), now_ms: self.clock.now_ms() }
    }

    /// The same incident, marked if it is silenced.
    pub(in crate::store) fn marked(&self, mut incident: Incident) -> Incident {
        self.silenced_now().mark(&mut incident);
        incident
    }
}

fn list(connection: &Connection, query: &SilenceQuery, now_ms: i64) -> rusqlite::Result<(Vec<Silence>, i64)> {
    let is_in = |state: SilenceState| match state {
        SilenceState::Active => "ended_at IS NULL AND starts_at <= ?1 AND ends_at > ?1",
        SilenceState::Pending => "ended_at IS NULL AND starts_at > ?1",
        SilenceState::Over => "(ended_at IS NOT NULL OR ends_at <= ?1)",
    };
    let wanted = SilenceState::ALL.into_iter().filter(|state| query.states.contains(state));
    let condition = match wanted.map(is_in).collect::<Vec<_>>() {
        any if any.is_empty() => "?1 = ?1".to_owned(),
        some => some.join(" OR "),
    };
    let count = format!("SELECT count(*) FROM silence WHERE {condition}");
    let total = connection.prepare_cached(&count)?.query_row([now_ms], |row| row.get(0))?;
    let sql = format!("SELECT {COLUMNS} FROM silence WHERE {condition} ORDER BY id DESC LIMIT ?2 OFFSET ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![now_ms, query.limit as i64, query.offset as i64];
    let rows = statement.query_map(values, super::read)?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, total))
}
