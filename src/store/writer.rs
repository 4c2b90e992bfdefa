//! The one thread that writes. It takes all the jobs that wait, runs them in one transaction, and answers them after
//! COMMIT: an idle system adds no latency, a busy one shares each fsync among all that wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use super::OpenError;
use super::checkpoint::{self, Checkpoints};
use super::file_place::FilePlace;
use super::job::{Done, Job};
use super::search::Indexer;
use super::tx::{Failure, Memory, Tx};
use super::upkeep::{self, ClockWatch};
use super::watch::Feed;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::metrics::WriterMetrics;

/// A job on its way to the writer, and since when.
type Queued = (Instant, (Job, Answer));

type Answer = oneshot::Sender<Result<Done, Error>>;

/// The job goes back with its answer, to be freed where it was made: freeing another thread's memory takes a lock.
type Answered = Vec<((Job, Answer), Result<Done, Error>)>;

/// The writer's answers on their way to those who wait. They cross to the serving thread a batch at a time: one by one,
/// each would cost a system call to wake that thread.
#[derive(Debug)]
pub struct Answers(mpsc::UnboundedReceiver<Answered>);

impl Answers {
    /// Delivers until the writer has ended; to be run on the thread on which the answers are awaited.
    pub async fn run(mut self) {
        while let Some(answered) = self.0.recv().await {
            for ((job, answer), result) in answered {
                // Before the answer: who has it may look whether the writer still has what it was given.
                drop(job);
                // The one that asked may have gone away; what is done stays done.
                answer.send(result).ok();
            }
        }
    }
}

/// The way to the writer thread.
#[derive(Debug)]
pub struct Writer {
    queue: SyncSender<Queued>,
    metrics: WriterMetrics,
    thread: JoinHandle<()>,
    alive: watch::Receiver<()>,
}

/// Bounds of the writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterLimits {
    /// Jobs that may wait.
    pub queue: usize,
    /// Jobs in one transaction.
    pub batch: usize,
    /// Idempotency keys that are kept.
    pub idempotency_keys: u32,
}

impl Writer {
    /// Starts the thread on a connection that is its own from now on.
    pub fn start(
        connection: Connection,
        place: FilePlace,
        checkpoints: Checkpoints,
        clock: Clock,
        limits: WriterLimits,
        feed: Arc<Feed>,
        metrics: WriterMetrics,
    ) -> Result<(Self, Answers), OpenError> {
        let (queue, jobs) = sync_channel(limits.queue);
        let failed = |error: &dyn std::error::Error| OpenError(format!("cannot start the writer: {error}"));
        let watch = ClockWatch::new(upkeep::last_pulse(&connection).map_err(|error| failed(&error))?);
        let (life, alive) = watch::channel(());
        // Every answer belongs to a job that the queue had room for, so this needs no bound of its own.
        let (answered, answers) = mpsc::unbounded_channel();
        let worker = Worker {
            _life: life,
            connection,
            place,
            is_lost: false,
            checkpoints,
            clock,
            limits,
            answered,
            feed,
            memory: Memory::default(),
            watch,
            metrics: metrics.clone(),
            indexer: Indexer::default(),
            unindexed: true,
            indexed: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("writer".into());
        let thread = thread.spawn(move || worker.run(&jobs)).map_err(|error| failed(&error))?;
        Ok((Self { queue, metrics, thread, alive }, Answers(answers)))
    }

    /// Hands a job over; the answer comes when it is on disk or refused.
    ///
    /// # Errors
    /// `overloaded` when the queue is full; nothing was kept then.
    pub fn submit(&self, job: Job) -> Result<oneshot::Receiver<Result<Done, Error>>, Error> {
        let (answer, done) = oneshot::channel();
        // Before it is: the writer may have taken it before this thread goes on.
        self.metrics.queued();
        let sent = self.queue.try_send((Instant::now(), (job, answer)));
        if sent.is_err() {
            self.metrics.not_queued();
        }
        match sent {
            Ok(()) => Ok(done),
            Err(TrySendError::Full(_)) => Err(Error::new(
                Kind::Overloaded,
                "more requests wait for the disk than `[limits] queue` allows; nothing was stored, send it again",
            )),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }

    /// Takes no more jobs, finishes those that wait, and closes the file.
    pub fn stop(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the writer had died of a bug");
        }
    }

    /// Something whose sender is gone when the thread is.
    pub fn alive(&self) -> watch::Receiver<()> {
        self.alive.clone()
    }
}

/// The answer to a job whose writer is no more.
pub fn gone() -> Error {
    Error::new(Kind::StorageUnavailable, "the store has stopped; nothing was acknowledged, send it again")
}

struct Worker {
    /// Dropped with the thread, however it ends.
    _life: watch::Sender<()>,
    connection: Connection,
    place: FilePlace,
    /// A file was not where it was opened.
    is_lost: bool,
    checkpoints: Checkpoints,
    clock: Clock,
    limits: WriterLimits,
    answered: mpsc::UnboundedSender<Answered>,
    feed: Arc<Feed>,
    memory: Memory,
    watch: ClockWatch,
    metrics: WriterMetrics,
    indexer: Indexer,
    /// There may be texts that the index for search does not have.
    unindexed: bool,
    /// When it was last brought on.
    indexed: Instant,
}

/// How often the core is given away for a batch. Measured at 64 connections on two cores: a sixth more POSTs than with
/// none, and as much off the slowest hundredth; of 4, 8 and 24, the last did most.
const YIELDS: usize = 24;

/// So long nothing comes before the index for search is brought up to date.
const CALM: Duration = Duration::from_millis(50);

/// So often it is brought on at the least: seldom enough that hardly any POST meets it.
const INDEX_EVERY: Duration = Duration::from_secs(1);

/// Incidents that are then indexed in one transaction, for which the next POST has to wait.
const INDEXED_AT_ONCE: usize = 1000;

/// The same in calm moments, which may be over any time.
const INDEXED_IN_CALM: usize = 200;

impl Worker {
    fn run(mut self, jobs: &Receiver<Queued>) {
        Checkpoints::watch(&self.connection);
        let mut waiting = Vec::with_capacity(self.limits.batch);
        let mut last_batch = 0;
        while let Some((oldest, first)) = self.next_job(jobs) {
            waiting.push(first);
            self.gather(jobs, &mut waiting, last_batch);
            last_batch = waiting.len();
            self.metrics.began(waiting.len(), oldest);
            self.unindexed = true;
            let (dry, real): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(job, _)| job.is_dry_run());
            let results = self.run_real(&real);
            self.deliver(real.into_iter().zip(results).collect());
            for dry in dry {
                let result = self.run_alone(&dry.0);
                self.deliver(vec![(dry, result)]);
            }
            self.metrics.ended();
            self.checkpoints.look(&self.connection);
        }
        self.checkpoints.stop();
        // So that the one file holds everything, for those who copy it while nothing runs.
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log was not emptied; keep it with the store's file");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly; the next start will recover it");
        }
    }

    /// Takes the jobs that wait. While they are few beside the last batch, whose senders are about to come again, the
    /// core is given to those who bring more: they then share one fsync. Where nobody wants it, that takes no time.
    fn gather(&self, jobs: &Receiver<Queued>, waiting: &mut Vec<(Job, Answer)>, last_batch: usize) {
        let mut yields = 0;
        while waiting.len() < self.limits.batch {
            match jobs.try_recv() {
                Ok((_, next)) => waiting.push(next),
                Err(_) if waiting.len() < last_batch.div_ceil(2) && yields < YIELDS => {
                    yields += 1;
                    std::thread::yield_now();
                }
                Err(_) => break,
            }
        }
    }

    /// Waits for a job. Search is a matter for calm moments: when nothing comes for a while, or it has waited for long.
    fn next_job(&mut self, jobs: &Receiver<Queued>) -> Option<Queued> {
        let mut calm = false;
        loop {
            if !self.unindexed {
                return jobs.recv().ok();
            }
            if calm || self.indexed.elapsed() < INDEX_EVERY {
                match jobs.recv_timeout(if calm { Duration::ZERO } else { CALM }) {
                    Ok(job) => return Some(job),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => calm = true,
                }
            }
            self.index(if calm { INDEXED_IN_CALM } else { INDEXED_AT_ONCE });
        }
    }

    fn index(&mut self, most: usize) {
        if !self.place.is_kept() {
            self.unindexed = false;
            return;
        }
        let indexed = self.indexer.index(&mut self.connection, most);
        self.unindexed = indexed.unwrap_or_else(|error| {
            // It is tried again after the next write; until then searches look at the rows.
            tracing::warn!(%error, "the index for search was not brought up to date");
            false
        });
        self.indexed = Instant::now();
        self.checkpoints.look(&self.connection);
    }

    fn deliver(&mut self, answered: Answered) {
        // What was acknowledged may be in a log that nobody finds again: the store is to have it before anybody is told.
        if std::mem::take(&mut self.is_lost) {
            checkpoint::run(&self.connection);
        }
        // Nobody delivers any more when the process is on its way out, and then nobody waits either.
        self.answered.send(answered).ok();
    }

    /// One result per job, each on disk or undone.
    fn run_real(&mut self, jobs: &[(Job, Answer)]) -> Vec<Result<Done, Error>> {
        if let [(only, _)] = jobs {
            return vec![self.run_alone(only)];
        }
        match self.run_together(jobs) {
            Ok(results) => results,
            // What the disk refuses to one it refuses to all.
            Err(Failure::Sqlite(error)) if is_storage_fault(&error) => {
                jobs.iter().map(|_| Err(storage_unavailable(error.to_string()))).collect()
            }
            Err(failure) => {
                if let Failure::Sqlite(error) = failure {
                    tracing::warn!(%error, jobs = jobs.len(), "a batch failed and is run again, one by one");
                }
                jobs.iter().map(|(job, _)| self.run_alone(job)).collect()
            }
        }
    }

    /// All jobs in one transaction, without savepoints: they cost more than the rare batch that is run again.
    fn run_together(&mut self, jobs: &[(Job, Answer)]) -> Result<Vec<Result<Done, Error>>, Failure> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        self.transaction(true, |tx, watch, limits| {
            let mut results = Vec::with_capacity(jobs.len());
            for (job, _) in jobs {
                let before = tx.connection.total_changes();
                match job.run_tx(tx, watch, limits.idempotency_keys) {
                    Ok(done) => results.push(Ok(done)),
                    // What was refused before it wrote anything leaves the others as they are.
                    Err(Failure::Refused(error)) if before == tx.connection.total_changes() => {
                        results.push(Err(error));
                    }
                    Err(failure) => return Err(failure),
                }
            }
            Ok(results)
        })
    }

    /// One job in a transaction of its own, which a dry run never commits.
    fn run_alone(&mut self, job: &Job) -> Result<Done, Error> {
        let done = self.transaction(!job.is_dry_run(), |tx, watch, limits| {
            job.run_tx(tx, watch, limits.idempotency_keys)
        });
        done.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Sqlite(error) if is_storage_fault(&error) => storage_unavailable(error),
            Failure::Sqlite(error) => Error::internal(error),
        })
    }

    /// Runs `work` in a transaction that is committed, if `commit` says so and nothing failed, or undone.
    fn transaction<T>(
        &mut self,
        commit: bool,
        work: impl FnOnce(&mut Tx<'_>, &mut ClockWatch, WriterLimits) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.place.is_kept() {
            self.metrics.failed();
            self.is_lost = true;
            return Err(Failure::Refused(moved()));
        }
        let remembered = self.memory.clone();
        let attempt = (|| {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let mut tx = Tx::new(&self.connection, self.clock.now_ms(), &mut self.memory)?;
            let done = work(&mut tx, &mut self.watch, self.limits)?;
            let happened = tx.finish()?;
            if commit {
                let began = Instant::now();
                self.connection.prepare_cached("COMMIT")?.execute([])?;
                self.metrics.committed(began.elapsed());
                self.feed.silence(&self.memory.silences);
                self.feed.tell(&happened);
                if std::mem::take(&mut self.memory.outbox.wake) {
                    self.feed.owes();
                }
            }
            Ok(done)
        })();
        if matches!(attempt, Err(Failure::Sqlite(_))) {
            self.metrics.failed();
        }
        if !commit || attempt.is_err() {
            self.memory = remembered;
            self.roll_back();
        }
        attempt
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "ROLLBACK failed");
        }
    }
}

/// The answer when a file is not where it was opened.
fn moved() -> Error {
    let message = "the store's file, or the `-wal` file beside it, was moved, replaced or deleted while Firebell runs; \
                   nothing was stored: put it back, or restart Firebell, and send this again";
    Error::new(Kind::StorageUnavailable, message)
}

fn storage_unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "the store could not be written; nothing was acknowledged, send it again";
    Error::new(Kind::StorageUnavailable, message).caused_by(cause)
}

/// A full or failing disk passes, and is worth a retry; anything else that SQLite says is a bug of ours.
fn is_storage_fault(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::PermissionDenied
        )
    )
}
