//! How much of what senders delivered is kept.

use std::time::Duration;

use super::reader::Section;
use super::value::{duration, integer, milliseconds};

/// The `[deliveries]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// Requests of each integration; 0: none is kept.
    pub keep: usize,
    /// Bytes of each body.
    pub body_bytes: usize,
    /// Bytes of all of them together.
    pub total_bytes: usize,
    /// How long each is kept.
    pub max_age_ms: i64,
}

impl DeliveryLimits {
    /// Reads `[deliveries]`.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        let max_age = section.or("max_age", week, duration("1s", "3650d"));
        Self {
            keep: section.or("keep", 100, integer(0..=10_000)),
            body_bytes: section.or("body_bytes", 65_536, integer(0..=16 << 20)),
            total_bytes: section.or("total_bytes", 16 << 20, integer(1 << 20..=1 << 30)),
            max_age_ms: milliseconds(max_age),
        }
    }
}
