//! The durable store: one SQLite file, one thread that writes it, one that moves the write-ahead log into it, a few
//! connections that read it.
//!
//! The only place that knows SQL. Its interface is some dozen named operations on domain types; none shows SQL or a
//! type of `rusqlite`, so that another engine could stand behind it. What it answers to a write is on disk.

mod census;
mod checkpoint;
mod columns;
mod create;
mod delivery;
mod edit;
mod file_place;
mod heartbeat;
mod idempotency;
mod ingest;
mod job;
mod lifecycle;
mod list;
mod lock;
mod outbox;
mod overview;
mod read;
mod schema;
mod search;
mod session;
mod silence;
mod tx;
mod upkeep;
mod watch;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::OptionalExtension;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::metrics::{Census, WriterMetrics};
use crate::model::{Delivery, DeliverySummary, Entry, Incident, LinkKey, Number, Report, Session};
use checkpoint::Checkpoints;
pub use create::Create;
pub use delivery::Keep;
pub use edit::{Comment, Edit};
use file_place::FilePlace;
pub use heartbeat::{ALIVE_MS, CheckHeartbeats, HeartbeatsDone, TakePing};
pub use idempotency::IdempotencyKey;
pub use ingest::{Ingest, Placed};
use job::{Done, Job};
pub use lifecycle::{Acknowledge, SetStatus, not_found};
pub use list::{Filter, ListQuery, Page, Place, Sort, Span};
use lock::Lock;
pub use outbox::{Attempted, NextMessage, NotificationQuery, Take};
pub use session::{SESSIONS, SessionChange};
pub use silence::{NewSilence, SilenceChange, SilenceQuery};
pub use tx::Names;
use watch::Feed;
pub use watch::{Committed, Since, Watching};
use writer::Writer;
pub use writer::{Answers, WriterLimits};

/// Timeline entries that come with one incident.
const TIMELINE_SHOWN: usize = 100;

/// Why a store could not be opened: what, where, and what to do about it.
#[derive(Debug)]
pub struct OpenError(pub(crate) String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// Make it if there is none.
    pub create: bool,
    /// Bounds of the writer.
    pub writer: WriterLimits,
    /// Connections that read at once.
    pub readers: u32,
    /// How long a request waits for the disk before it is told so.
    pub timeout: Duration,
}

impl Options {
    /// Those that the configuration means.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            path: config.store.path.clone(),
            create: config.store.create,
            writer: WriterLimits {
                queue: limits.queue,
                batch: limits.batch,
                idempotency_keys: limits.idempotency_keys,
            },
            readers: limits.readers,
            timeout: limits.store_timeout,
        }
    }
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    /// `None` once it is closed.
    writer: RwLock<Option<Writer>>,
    readers: r2d2::Pool<SqliteConnectionManager>,
    /// As many as there are readers: what waits for one gives up in time.
    reading: Arc<Semaphore>,
    path: PathBuf,
    metrics: WriterMetrics,
    timeout: Duration,
    feed: Arc<Feed>,
    link_key: LinkKey,
    clock: Clock,
    _lock: Lock,
}

impl Store {
    /// Opens the file, making or migrating it where that is called for, and starts the writer. No write is answered
    /// unless its [`Answers`] run.
    ///
    /// # Errors
    /// When another process serves it, it is not ours, or the disk does not let us.
    pub fn open(options: &Options, clock: Clock) -> Result<(Self, Answers), OpenError> {
        schema::make_missing(&options.path, options.create)?;
        let lock = Lock::take(&options.path)?;
        let connection = schema::open_for_writing(&options.path, options.create)?;
        let unusable = |error| {
            OpenError(format!(
                "cannot read and write {}: {error}; check its permissions and the disk",
                options.path.display()
            ))
        };
        let link_key = schema::link_key(&connection).map_err(unusable)?;
        let place = FilePlace::of(&options.path)?;
        let checkpoints = Checkpoints::start(&options.path)?;
        let manager = SqliteConnectionManager::file(&options.path)
            .with_flags(schema::reading_flags())
            .with_init(schema::set_up_reader);
        let readers = r2d2::Pool::builder()
            .max_size(options.readers)
            .min_idle(Some(1))
            .connection_timeout(options.timeout)
            .build(manager)
            .map_err(|error| {
                OpenError(format!("cannot open {} for reading: {error}", options.path.display()))
            })?;
        let metrics = WriterMetrics::default();
        let feed = Arc::new(Feed::of(&connection).map_err(unusable)?);
        let (writer, answers) = Writer::start(
            connection,
            place,
            checkpoints,
            clock.clone(),
            options.writer,
            Arc::clone(&feed),
            metrics.clone(),
        )?;
        let (writer, path) = (RwLock::new(Some(writer)), options.path.clone());
        let reading = Arc::new(Semaphore::new(options.readers as usize));
        let timeout = options.timeout;
        Ok((
            Self { writer, readers, reading, path, metrics, timeout, feed, link_key, clock, _lock: lock },
            answers,
        ))
    }

    /// Stores the alerts of one body, all or none. The reports are in the order of the alerts; the flag says that they
    /// are those of an earlier request with the same idempotency key.
    ///
    /// # Errors
    /// By our rules, or because the store cannot take it now.
    pub async fn ingest(&self, body: Ingest) -> Result<(Vec<Report>, bool), Error> {
        match self.write(Job::Ingest(body)).await? {
            Done::Ingested { reports, replayed } => Ok((reports, replayed)),
            _ => Err(unexpected()),
        }
    }

    /// Moves an incident along the status machine.
    ///
    /// # Errors
    /// `not_found`, `invalid_transition`, or because the store cannot take it now.
    pub async fn set_status(&self, change: SetStatus) -> Result<Incident, Error> {
        self.write_incident(Job::SetStatus(change)).await
    }

    /// Acknowledges an incident.
    ///
    /// # Errors
    /// `not_found`, `already_acknowledged`, `invalid_transition`, or because the store cannot take it now.
    pub async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Incident, Error> {
        self.write_incident(Job::Acknowledge(acknowledge)).await
    }

    /// Makes an incident; whether it is that of an earlier request with the same idempotency key.
    ///
    /// # Errors
    /// `idempotency_conflict`, or because the store cannot take it now.
    pub async fn create(&self, create: Create) -> Result<(Incident, bool), Error> {
        match self.write(Job::Create(create)).await? {
            Done::Created { incident, replayed } => Ok((self.marked(*incident), replayed)),
            _ => Err(unexpected()),
        }
    }

    /// Changes an incident.
    ///
    /// # Errors
    /// `not_found`, `invalid_transition`, or because the store cannot take it now.
    pub async fn edit(&self, edit: Edit) -> Result<Incident, Error> {
        self.write_incident(Job::Edit(edit)).await
    }

    /// Adds a comment to a timeline.
    ///
    /// # Errors
    /// `not_found`, or because the store cannot take it now.
    pub async fn comment(&self, comment: Comment) -> Result<Entry, Error> {
        match self.write(Job::Comment(comment)).await? {
            Done::Entry(entry) => Ok(entry),
            _ => Err(unexpected()),
        }
    }

    /// Keeps what senders delivered, in its bounds.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn keep(&self, keep: Keep) -> Result<(), Error> {
        self.write(Job::Keep(keep)).await.map(|_| ())
    }

    /// Takes over the names of the configuration.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn learn(&self, names: Names) -> Result<(), Error> {
        self.write(Job::Learn(names)).await.map(|_| ())
    }

    /// Begins or ends a session.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn session(&self, change: SessionChange) -> Result<(), Error> {
        self.write(Job::Session(change)).await.map(|_| ())
    }

    /// Every session.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn sessions(&self) -> Result<Vec<Session>, Error> {
        self.read(|connection| session::all(connection)).await
    }

    /// The incidents that were recorded before and after one.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn neighbours(&self, number: Number) -> Result<(Option<Number>, Option<Number>), Error> {
        self.read(move |connection| read::neighbours(connection, number)).await
    }

    /// The last deliveries of an integration that were about an incident, newest first.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn deliveries_about(
        &self,
        number: Number,
        integration: String,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        self.read(move |connection| delivery::about(connection, &integration, number, limit)).await
    }

    /// Writes something, to see whether that reaches the disk.
    ///
    /// # Errors
    /// When it does not.
    pub async fn pulse(&self) -> Result<(), Error> {
        self.write(Job::Pulse).await.map(|_| ())
    }

    /// Does what is due without being asked: closes what has long been resolved, forgets idempotency keys and
    /// deliveries. In short transactions, so that no POST waits long.
    ///
    /// # Errors
    /// Because the store cannot take it now.
    pub async fn upkeep(&self, config: &Config) -> Result<(), Error> {
        let Config { close_resolved_after_ms, deliveries, notify, .. } = *config;
        while let Done::More = self.write(Job::Upkeep { close_resolved_after_ms, deliveries, notify }).await?
        {
        }
        Ok(())
    }

    /// One incident with its newest timeline entries, newest first, and how many entries there are.
    ///
    /// # Errors
    /// `not_found`, or because the store cannot be read now.
    pub async fn incident(&self, number: Number) -> Result<(Incident, Vec<Entry>, i64), Error> {
        self.read(move |connection| {
            let snapshot = connection.transaction()?;
            let Some(incident) = read::incident(&snapshot, number)? else { return Ok(None) };
            let (entries, total) = read::timeline(&snapshot, number, 0, TIMELINE_SHOWN)?;
            Ok(Some((incident, entries, total)))
        })
        .await?
        .map(|(incident, entries, total)| (self.marked(incident), entries, total))
        .ok_or_else(|| not_found(number))
    }

    /// Up to `limit` entries of an incident's timeline, newest first, behind the first `offset`; and how many there are.
    ///
    /// # Errors
    /// `not_found`, or because the store cannot be read now.
    pub async fn timeline(
        &self,
        number: Number,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<Entry>, i64), Error> {
        self.read(move |connection| {
            let snapshot = connection.transaction()?;
            read::timeline(&snapshot, number, offset, limit).optional()
        })
        .await?
        .ok_or_else(|| not_found(number))
    }

    /// A page of incidents.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn list(&self, query: ListQuery) -> Result<Page, Error> {
        let silenced = self.silenced_now();
        self.read(move |connection| {
            let mut page = list::list(connection, &query)?;
            page.items.iter_mut().for_each(|incident| silenced.mark(incident));
            Ok(page)
        })
        .await
    }

    /// Up to `limit` of an integration's deliveries (of those that were `refused`), newest first, behind the first
    /// `offset`; and how many there are.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn deliveries(
        &self,
        integration: String,
        refused: bool,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<Delivery>, usize), Error> {
        self.read(move |connection| delivery::list(connection, &integration, refused, offset, limit)).await
    }

    /// One delivery of an integration, with what was sent.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn delivery(&self, integration: String, id: i64) -> Result<Option<Delivery>, Error> {
        self.read(move |connection| delivery::find(connection, &integration, id)).await
    }

    /// What is known of each integration's deliveries, by its name.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn delivery_summaries(&self) -> Result<HashMap<String, DeliverySummary>, Error> {
        self.read(delivery::summaries).await
    }

    /// What is in the store, in numbers.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn census(&self) -> Result<Census, Error> {
        let path = self.path.clone();
        self.read(move |connection| census::census(connection, &path)).await
    }

    /// What links that act are signed with.
    #[must_use]
    pub fn link_key(&self) -> &LinkKey {
        &self.link_key
    }

    /// What the writer counts.
    #[must_use]
    pub fn metrics(&self) -> WriterMetrics {
        self.metrics.clone()
    }

    /// Resolves when the writer has ended, which it does by itself only when it dies of a bug.
    pub async fn writer_ended(&self) {
        let alive = self.writer.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(Writer::alive);
        if let Some(mut alive) = alive {
            // Nothing is ever sent: the only news is that the sender is gone.
            alive.changed().await.ok();
        }
    }

    /// Takes no more writes, finishes those that wait, and closes the file. Blocks until that is done.
    pub fn close(&self) {
        let writer = self.writer.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.stop();
        }
    }

    async fn write_incident(&self, job: Job) -> Result<Incident, Error> {
        match self.write(job).await? {
            Done::Incident(incident) => Ok(self.marked(*incident)),
            _ => Err(unexpected()),
        }
    }

    async fn write(&self, job: Job) -> Result<Done, Error> {
        let answer = match &*self.writer.read().unwrap_or_else(PoisonError::into_inner) {
            Some(writer) => writer.submit(job)?,
            None => {
                let message = "Firebell is shutting down; nothing was stored, send it again";
                return Err(Error::new(Kind::ShuttingDown, message));
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(writer::gone()),
            Err(_) => Err(Error::new(
                Kind::StorageUnavailable,
                "the disk did not answer in time; this was not acknowledged, though it may yet be stored: \
                 look first, or send it again with a dedup_key or an Idempotency-Key",
            )),
        }
    }

    /// Runs a query on a pooled connection, off the threads that serve.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = self.readers.clone();
        let unreadable = || Error::new(Kind::StorageUnavailable, "the store could not be read; try again");
        let permit = tokio::time::timeout(self.timeout, Arc::clone(&self.reading).acquire_owned());
        let Ok(permit) = permit.await else {
            let message = "all of `[limits] readers` were busy for too long; try again";
            return Err(Error::new(Kind::StorageUnavailable, message));
        };
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = pool.get().map_err(|error| unreadable().caused_by(error))?;
            query(&mut connection).map_err(|error| unreadable().caused_by(error))
        });
        task.await.map_err(Error::internal)?
    }
}

fn unexpected() -> Error {
    Error::internal("the writer answered another kind of job")
}

impl Drop for Store {
    /// Before the lock is released: nobody else may have the file while the writer does.
    fn drop(&mut self) {
        self.close();
    }
}
