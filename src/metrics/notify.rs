//! What became of notifications.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::model::Owing;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The receiver took it.
    Taken,
    /// It is tried again.
    Failed,
    /// It is not.
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OwingLabels {
    channel: String,
}

/// What is owed at `now_ms`.
pub(super) fn register_owing(registry: &mut Registry, owing: &[Owing], now_ms: i64) {
    let (owed, oldest) = (Family::<OwingLabels, Gauge>::default(), Family::<OwingLabels, Gauge>::default());
    for one in owing {
        let labels = OwingLabels { channel: one.channel.clone() };
        owed.get_or_create(&labels).set(one.owed);
        let late_ms = one.oldest_due_at.map_or(0, |due_at| (now_ms - due_at).max(0));
        oldest.get_or_create(&labels).set(late_ms / 1000);
    }
    registry.register("notifications_owed", "Notifications that are yet to be delivered", owed);
    let help = "How late the oldest of them is that is due; 0 if none is";
    registry.register_with_unit("notifications_oldest_due_age", help, Unit::Seconds, oldest);
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    channel: String,
    result: &'static str,
}

/// Counted by those who tell; clones count together.
#[derive(Clone, Debug)]
pub struct NotifyMetrics {
    attempts: Family<Labels, Counter>,
}

impl NotifyMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let attempts = Family::default();
        let help = "Attempts to deliver a notification, by what came of them";
        registry.register("notification_attempts", help, attempts.clone());
        Self { attempts }
    }

    /// Counts an attempt.
    pub fn attempted(&self, channel: &str, told: Told) {
        let result = match told {
            Told::Taken => "taken",
            Told::Failed => "failed",
            Told::GivenUp => "given_up",
        };
        self.attempts.get_or_create_owned(&Labels { channel: channel.to_owned(), result }).inc();
    }
}
