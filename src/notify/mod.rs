//! Telling people: what the outbox owes is delivered, a message at a time for each channel, after the COMMIT that owes it.
//!
//! At least once: a message stays owed until its receiver's answer is on disk. Each channel has a task of its own, so
//! that one that is dead or slow delays no other; no transaction is open while one waits for a network.

mod address;
mod client;
mod letter;
mod setup;
mod smtp;
mod wording;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

pub use setup::{Draft, Setup, Untold};
pub use wording::{Sender, sample};

use crate::channel::{Channel, VerdictKind};
use crate::clock::Clock;
use crate::error::Error;
use crate::metrics::{NotifyMetrics, Told};
use crate::model::{Answer, Message};
use crate::store::{Attempted, NextMessage, Store, Take};

/// How long the first attempt is followed by none, and the longest that any is; in between it doubles.
const FIRST_WAIT_MS: i64 = 2_000;
const LONGEST_WAIT_MS: i64 = 5 * 60_000;

/// How long a receiver may ask to be left alone.
const LONGEST_REST_MS: i64 = 60 * 60_000;

/// A message is tried so often at the least: for some minutes.
const LEAST_ATTEMPTS: i64 = 8;

/// How long a store that cannot be written is left alone.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// Longer than anybody waits.
const NEVER_MS: i64 = i64::MAX;

/// Those who tell people.
#[derive(Debug)]
pub struct Notifier {
    store: Arc<Store>,
    clock: Clock,
    metrics: NotifyMetrics,
    /// Since when they run; lowered with a clock that is put back.
    started_ms: AtomicI64,
    /// `None`: they are to stop.
    setup: watch::Sender<Option<Arc<Setup>>>,
}

impl Notifier {
    /// Nobody is told before [`Self::run`].
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock, metrics: NotifyMetrics, setup: Setup) -> Self {
        let (started_ms, setup) = (AtomicI64::new(clock.now_ms()), watch::Sender::new(Some(Arc::new(setup))));
        Self { store, clock, metrics, started_ms, setup }
    }

    /// Puts another configuration in force; attempts under way end by the old one.
    pub fn replace(&self, setup: Setup) {
        self.setup.send_replace(Some(Arc::new(setup)));
    }

    /// Begins no more attempts; [`Self::run`] ends with the last one.
    pub fn stop(&self) {
        self.setup.send_replace(None);
    }

    /// Tells people until it is stopped.
    pub async fn run(self: &Arc<Self>) {
        let mut setups = self.setup.subscribe();
        let mut tasks = JoinSet::new();
        let mut running: HashMap<Id, String> = HashMap::new();
        loop {
            let Some(setup) = setups.borrow_and_update().clone() else { break };
            for channel in &setup.channels {
                if !running.values().any(|name| *name == channel.name) {
                    let (notifier, name) = (Arc::clone(self), channel.name.clone());
                    let task = tasks.spawn(async move { notifier.serve(&name).await });
                    running.insert(task.id(), channel.name.clone());
                }
            }
            tokio::select! {
                // The sender is in this notifier.
                _ = setups.changed() => {}
                Some(ended) = tasks.join_next_with_id() => {
                    let (id, died) = ended.map_or_else(|error| (error.id(), true), |(id, ())| (id, false));
                    let channel = running.remove(&id);
                    if died {
                        tracing::error!(channel, "the task of a channel has died of a bug; it is begun anew");
                        tokio::time::sleep(STORE_WAIT).await;
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Delivers what one channel owes, as long as there is such a channel.
    async fn serve(&self, name: &str) {
        let mut setups = self.setup.subscribe();
        let mut owing = self.store.owing();
        loop {
            owing.mark_unchanged();
            let asked_ms = self.clock.now_ms();
            let Some(setup) = setups.borrow_and_update().clone() else { return };
            let Some(channel) = setup.channel(name) else { return };
            let next_ms = match self.deliver_next(&setup, channel).await {
                Ok(None) => continue,
                Ok(Some(next_ms)) => next_ms,
                Err(error) => {
                    let cause = error.cause().map(tracing::field::display);
                    tracing::warn!(channel = name, %error, cause, "what is owed could not be read; it is tried again");
                    tokio::select! {
                        () = tokio::time::sleep(STORE_WAIT) => {}
                        _ = setups.changed() => {}
                    }
                    continue;
                }
            };
            tokio::select! {
                () = self.clock.reached(next_ms, asked_ms) => {}
                // Neither sender goes before this task does.
                _ = owing.changed() => {}
                _ = setups.changed() => {}
            }
        }
    }

    /// Delivers the next message of a channel. If none is due: when one may be.
    async fn deliver_next(&self, setup: &Setup, channel: &Channel) -> Result<Option<i64>, Error> {
        let take = Take {
            channel: channel.name.clone(),
            stale_ms: setup.limits.stale_after_ms,
            one_by_one: channel.is_one_by_one(),
            replaces: channel.replaces(),
        };
        let message = match self.store.take_message(take).await? {
            NextMessage::Due(message) => message,
            NextMessage::Nothing { next_ms } => return Ok(Some(next_ms.unwrap_or(NEVER_MS))),
        };
        // What was configured while it was taken counts: nothing goes to an address that was just taken back.
        let Some(setup) = self.setup.borrow().clone() else { return Ok(None) };
        let Some(channel) = setup.channel(&channel.name) else { return Ok(None) };
        let answer = self.attempt(&setup, channel, &message).await;
        let told = match answer {
            Answer::Taken(_) => Told::Taken,
            Answer::Later { .. } | Answer::Unseen(..) => Told::Failed,
            Answer::Never(_) => Told::GivenUp,
        };
        self.metrics.attempted(&channel.name, told);
        // Nothing else goes out before this is on disk: a disk that is full must not make one message a hundred.
        loop {
            let (name, tried) = (channel.name.clone(), answer.clone());
            let attempted = Attempted { channel: name, message: message.id.first, answer: tried };
            let Err(error) = self.store.attempted(attempted).await else {
                self.log(channel, &message, &answer);
                return Ok(None);
            };
            if self.setup.borrow().is_none() {
                return Err(error);
            }
            tokio::time::sleep(STORE_WAIT).await;
        }
    }

    async fn attempt(&self, setup: &Setup, channel: &Channel, message: &Message) -> Answer {
        let told = setup.tell(channel, message, &self.clock).await;
        let now_ms = self.clock.now_ms();
        let again_ms = now_ms.saturating_add(backoff_ms(message.attempts, random()));
        let (answer, asked_s, is_written) = match told {
            Ok(verdict) => match verdict.kind {
                VerdictKind::Taken => return Answer::Taken(verdict.text),
                // One incident that it does not take must not cost the others of a summary.
                VerdictKind::Never if message.incidents > 1 && !message.parts.is_empty() => {
                    return Answer::Unseen(verdict.text, again_ms);
                }
                VerdictKind::Never | VerdictKind::Gone => return Answer::Never(verdict.text),
                VerdictKind::Later(asked_s) => (verdict.text, asked_s, true),
            },
            // A template is to be mended, a network too; until then it is owed.
            Err(Untold::Unwritten(why)) => (why, None, false),
            Err(Untold::Unanswered(why)) => (why, None, true),
        };
        let last_ms = message.last_due_at.saturating_add(setup.limits.give_up_after_ms);
        let attempts = message.attempts + 1;
        // Time in which nothing ran does not count for attempts that were not made: the first one since then decides
        // nothing, with the network maybe not there yet.
        let started_ms = self.started_ms.fetch_min(now_ms, Ordering::Relaxed).min(now_ms);
        let was_tried = message.tried_at.is_some_and(|tried_at| tried_at >= started_ms);
        if now_ms >= last_ms && attempts >= LEAST_ATTEMPTS && was_tried {
            return Answer::Never(format!("{answer}; given up after {attempts} attempts"));
        }
        let asked_ms = asked_s.unwrap_or(0).saturating_mul(1000);
        let asked_for_ms = now_ms.saturating_add(asked_ms);
        // Beyond that, a receiver that asks for patience has none left.
        let at_ms = if now_ms < last_ms { again_ms.max(asked_for_ms).min(last_ms) } else { again_ms };
        if is_written {
            let others_at_ms = now_ms + asked_ms.min(LONGEST_REST_MS);
            Answer::Later { answer, at_ms, others_at_ms }
        } else {
            Answer::Unseen(answer, at_ms)
        }
    }

    fn log(&self, channel: &Channel, message: &Message, answer: &Answer) {
        let (channel, id, attempts) = (&channel.name, message.id.to_string(), message.attempts + 1);
        match answer {
            Answer::Taken(answer) => tracing::info!(channel, id, attempts, answer, "notification delivered"),
            // Once for a message: the outbox has the rest.
            Answer::Later { answer, .. } | Answer::Unseen(answer, _) if attempts == 1 => {
                tracing::warn!(channel, id, answer, "notification not delivered; it will be retried");
            }
            Answer::Later { answer, .. } | Answer::Unseen(answer, _) => {
                tracing::debug!(channel, id, attempts, answer, "notification not delivered")
            }
            Answer::Never(answer) => tracing::warn!(channel, id, attempts, answer, "notification given up"),
        }
    }
}

/// How long to wait after a failure, when `attempts` came before it: doubling, and up to a quarter more or less by
/// `random`, so that what failed together does not come back together.
fn backoff_ms(attempts: i64, random: u8) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
    let wait_ms = (FIRST_WAIT_MS << doublings).min(LONGEST_WAIT_MS);
    wait_ms * 3 / 4 + wait_ms * i64::from(random) / 512
}

/// Where the system gives no random number, none is worse than any other.
fn random() -> u8 {
    let mut byte = [128];
    getrandom::fill(&mut byte).ok();
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes_and_are_scattered() {
        let waits = |random| [0, 1, 2, 7, 8, 1000].map(|attempts| backoff_ms(attempts, random));
        assert_eq!(waits(128), [2000, 4000, 8000, 256_000, 300_000, 300_000]);
        assert_eq!(waits(0)[..2], [1500, 3000]);
        assert!(waits(255)[5] < 375_000);
    }
}
