//! What became of notifications.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

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
