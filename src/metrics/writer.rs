//! What the one thread that writes is doing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// From what a fast disk takes to what a request waits for at most.
const BUCKETS_S: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Counted by the writer and by those who hand it jobs; clones count together.
#[derive(Clone, Debug)]
pub struct WriterMetrics {
    queue: Gauge,
    wait: Histogram,
    batch: Histogram,
    commit: Histogram,
    failed: Counter,
    /// When the oldest job of the batch that is being written was handed over.
    oldest: Arc<Mutex<Option<Instant>>>,
}

impl Default for WriterMetrics {
    fn default() -> Self {
        Self {
            queue: Gauge::default(),
            wait: Histogram::new(BUCKETS_S),
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commit: Histogram::new(BUCKETS_S),
            failed: Counter::default(),
            oldest: Arc::default(),
        }
    }
}

impl WriterMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Requests that wait for the writer; `[limits] queue` is their bound";
        registry.register("writer_queue_jobs", help, self.queue.clone());
        let help = "How long the oldest request of each batch had waited for the writer";
        registry.register_with_unit("writer_queue_wait", help, Unit::Seconds, self.wait.clone());
        registry.register("writer_batch_jobs", "Requests that the writer took at once", self.batch.clone());
        let help = "How long COMMIT took, which is mostly the disk's fsync";
        registry.register_with_unit("writer_commit", help, Unit::Seconds, self.commit.clone());
        let help = "Transactions that failed, each undone as a whole";
        registry.register("writer_transactions_failed", help, self.failed.clone());
    }

    /// A job is about to be handed over.
    pub fn queued(&self) {
        self.queue.inc();
    }

    /// It was not taken after all.
    pub fn not_queued(&self) {
        self.queue.dec();
    }

    /// The writer has taken `jobs`, the oldest of which was handed over at `oldest`.
    pub fn began(&self, jobs: usize, oldest: Instant) {
        self.queue.dec_by(i64::try_from(jobs).unwrap_or(i64::MAX));
        self.wait.observe(oldest.elapsed().as_secs_f64());
        self.batch.observe(jobs as f64);
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = Some(oldest);
    }

    /// All of them are answered.
    pub fn ended(&self) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A transaction is on disk; its COMMIT took that long.
    pub fn committed(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// A transaction failed and was undone.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// How long the oldest job that was taken has been waiting for its answer, its time in the queue included.
    pub(super) fn oldest_job_age(&self) -> Duration {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed())
    }
}
