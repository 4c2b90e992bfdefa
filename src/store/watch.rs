//! What has been committed, for those who watch, and what those who come back have missed.
//!
//! The id of a timeline entry is a *place* in all that was ever committed: entries get ascending ids, in the order of
//! their transactions. An id is never given out twice, although the column is not `AUTOINCREMENT`: SQLite gives the
//! greatest one plus one, and merging a timeline keeps its newest entry, so the greatest is never deleted. Whatever will
//! one day delete incidents must leave that one too. What it deletes from the beginning is noticed here; of what it
//! deletes elsewhere, those who come back are not told.
//!
//! A repeat that joins its run has no entry of its own: those who watch are told, at the newest place so far. Those who
//! come back are told of what was seen since their place was written, which may be a little more than they missed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{Notify, watch};

use super::ingest::minute_of;
use super::tx::Happened;
use super::{Store, read};
use crate::error::Error;
use crate::model::{EntryKind, Incident, Number};
use crate::routing::Silences;

/// What may wait to be told: some 3 MB.
const WAITING: usize = 65_536;

/// Something that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The newest timeline entry when it was written: where one who has seen it may resume.
    pub place: i64,
    /// That entry is its own; otherwise it is a repeat that joined an older one.
    pub is_new: bool,
    /// The incident that it happened to.
    pub incident: Number,
    /// What happened.
    pub kind: EntryKind,
}

/// Timeline entries that are looked through for one who comes back: few incidents may have changed often.
const MOST_ENTRIES: usize = 20_000;

/// The way from the writer to those who watch.
#[derive(Debug)]
pub(super) struct Feed {
    watchers: AtomicUsize,
    newest: AtomicI64,
    /// `None`: it was too much.
    waiting: Mutex<Option<Vec<Committed>>>,
    news: Notify,
    owing: watch::Sender<()>,
    silences: RwLock<Arc<Silences>>,
}

impl Feed {
    /// A feed of the store that the writer is about to write.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let (_, newest) = ends(connection)?;
        Ok(Self {
            watchers: AtomicUsize::new(0),
            newest: AtomicI64::new(newest),
            waiting: Mutex::new(Some(Vec::new())),
            news: Notify::new(),
            owing: watch::Sender::new(()),
            silences: RwLock::default(),
        })
    }

    /// Tells what a transaction did, now that it is committed. Costs next to nothing if nobody watches.
    pub fn tell(&self, happened: &[Happened]) {
        // Only the writer writes it.
        let mut place = self.newest.load(Ordering::Relaxed);
        let newest = happened.iter().fold(place, |newest, one| newest.max(one.event));
        // Before the look at the watchers: one who is not seen there then sees this.
        self.newest.store(newest, Ordering::SeqCst);
        if happened.is_empty() || self.watchers.load(Ordering::SeqCst) == 0 {
            return;
        }
        let committed = happened.iter().map(|one| {
            let is_new = one.event > place;
            place = place.max(one.event);
            Committed { place, is_new, incident: Number::from_row_id(one.incident), kind: one.kind }
        });
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waiting {
            Some(list) if list.len() + happened.len() <= WAITING => list.extend(committed),
            _ => *waiting = None,
        }
        drop(waiting);
        self.news.notify_one();
    }
}

impl Feed {
    /// The silences that are committed and not over.
    pub fn silences(&self) -> Arc<Silences> {
        Arc::clone(&self.silences.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what is committed, if it is something else than before.
    pub fn silence(&self, silences: &Arc<Silences>) {
        if !Arc::ptr_eq(&self.silences(), silences) {
            *self.silences.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(silences);
        }
    }

    /// Tells that something is due that those who deliver do not know of.
    pub fn owes(&self) {
        self.owing.send_replace(());
    }

    /// Changes when there is.
    pub fn owing(&self) -> watch::Receiver<()> {
        self.owing.subscribe()
    }
}

/// As long as there is one, the writer tells what it commits.
#[derive(Debug)]
pub struct Watching(Arc<Feed>);

impl Watching {
    /// The newest place. All that is committed later is told, at a later place or, for repeats, at this one.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.0.newest.load(Ordering::SeqCst)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What has changed since a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// The incidents, each at its newest entry, in that order; and the newest place.
    Changed(Vec<Committed>, i64),
    /// More incidents than were asked for, or too many changes of them to be looked through.
    TooMany,
    /// There is no such place: it is yet to come, or what followed it has been deleted.
    Unknown,
}

impl Store {
    /// Waits for what is committed while there is a [`Watching`]: all of it since the last call, in its order; `None`:
    /// it was too much. For one caller, who tells the others.
    pub async fn committed(&self) -> Option<Vec<Committed>> {
        self.feed.news.notified().await;
        let mut waiting = self.feed.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.replace(Vec::new())
    }

    /// The newest timeline entry that is committed: whatever changes how many incidents are in which status has one.
    #[must_use]
    pub fn newest_entry(&self) -> i64 {
        self.feed.newest.load(Ordering::SeqCst)
    }

    /// Makes the writer tell what it commits.
    pub fn watching(&self) -> Watching {
        self.feed.watchers.fetch_add(1, Ordering::SeqCst);
        Watching(Arc::clone(&self.feed))
    }

    /// The incidents that have changed since `place`, if they are no more than `most`.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn changed_since(&self, place: i64, most: usize) -> Result<Since, Error> {
        self.read(move |connection| changed_since(connection, place, most)).await
    }

    /// Incidents as they now are, in one short read; what is not there is left out.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn incidents(&self, numbers: HashSet<Number>) -> Result<Vec<Incident>, Error> {
        let silenced = self.silenced_now();
        self.read(move |connection| {
            let snapshot = connection.transaction()?;
            let found =
                numbers.into_iter().filter_map(|number| read::incident(&snapshot, number).transpose());
            let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
            found.iter_mut().for_each(|incident| silenced.mark(incident));
            Ok(found)
        })
        .await
    }
}

/// The oldest and the newest place.
fn ends(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let sql = "SELECT coalesce((SELECT min(id) FROM event), 1), coalesce((SELECT max(id) FROM event), 0)";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Walks back from the newest entry, so that it ends early where there is too much.
fn changed_since(connection: &mut Connection, place: i64, most: usize) -> rusqlite::Result<Since> {
    let snapshot = connection.transaction()?;
    let (oldest, newest) = ends(&snapshot)?;
    if !(oldest - 1..=newest).contains(&place) {
        return Ok(Since::Unknown);
    }
    let sql = "SELECT id, incident, kind FROM event WHERE id > ?1 ORDER BY id DESC";
    let mut statement = snapshot.prepare_cached(sql)?;
    let mut rows = statement.query([place])?;
    let mut changed: HashMap<i64, Committed> = HashMap::new();
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        if looked_at > MOST_ENTRIES {
            return Ok(Since::TooMany);
        }
        let incident = row.get(1)?;
        if changed.contains_key(&incident) {
            continue;
        }
        if changed.len() == most {
            return Ok(Since::TooMany);
        }
        let number = Number::from_row_id(incident);
        let one = Committed { place: row.get(0)?, is_new: true, incident: number, kind: row.get(2)? };
        changed.insert(incident, one);
    }
    for incident in repeated_since(&snapshot, place, most + 1)? {
        let number = Number::from_row_id(incident);
        let one = Committed { place: newest, is_new: false, incident: number, kind: EntryKind::Repeated };
        changed.entry(incident).or_insert(one);
    }
    if changed.len() > most {
        return Ok(Since::TooMany);
    }
    let mut changed: Vec<_> = changed.into_values().collect();
    changed.sort_unstable_by_key(|one| one.place);
    Ok(Since::Changed(changed, newest))
}

/// Up to `most` of the incidents with a run of repeats that has gone on since the entry at `place` was written.
fn repeated_since(connection: &Connection, place: i64, most: usize) -> rusqlite::Result<Vec<i64>> {
    let at = "SELECT coalesce(last_at, at) FROM event WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    let at: Option<i64> = connection.prepare_cached(at)?.query_row([place], |row| row.get(0)).optional()?;
    let sql = "SELECT id FROM incident INDEXED BY incident_not_closed
               WHERE status < 5 AND seen_minute >= ?1 AND last_seen_at >= ?2 AND repeat_event <= ?3 LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let at = at.unwrap_or(0);
    let ids = statement.query_map(params![minute_of(at), at, place, most as i64], |row| row.get(0))?;
    ids.collect()
}
