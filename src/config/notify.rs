//! How people are told: bounds of what is owed, tried and kept.

use std::time::Duration;

use super::reader::Section;
use super::value::{duration, flag, integer, milliseconds};

/// The `[notify]` of the configuration; by default that of a store which nobody has configured yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyLimits {
    /// How long an attempt may take.
    pub timeout: Duration,
    /// For how long a message is tried.
    pub give_up_after_ms: i64,
    /// How late may be what is told by itself; what is later is told together.
    pub stale_after_ms: i64,
    /// Notifications that a channel may owe; further ones are counted.
    pub owed: i64,
    /// Notifications that are kept when they are done with.
    pub keep: i64,
    /// For how long.
    pub max_age_ms: i64,
    /// How long links that act do so; 0: messages have none.
    pub links_for_ms: i64,
    /// Nothing is sent to addresses that are no public ones.
    pub refuse_private: bool,
}

impl NotifyLimits {
    /// Reads `[notify]`.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            timeout: section.or("timeout", Duration::from_secs(10), duration("10ms", "5m")),
            give_up_after_ms: milliseconds(section.or("give_up_after", 24 * HOUR, duration("1s", "30d"))),
            stale_after_ms: milliseconds(section.or("stale_after", HOUR / 6, duration("1s", "30d"))),
            owed: section.or("owed", 1000, integer(1..=10_000)),
            keep: section.or("keep", 10_000, integer(0..=10_000_000)),
            max_age_ms: milliseconds(section.or("max_age", 30 * 24 * HOUR, duration("1s", "3650d"))),
            links_for_ms: milliseconds(section.or("links_for", 24 * HOUR, duration("0s", "30d"))),
            refuse_private: section.or("refuse_private", false, flag),
        }
    }
}
