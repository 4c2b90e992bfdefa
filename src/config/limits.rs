//! The bound of everything that is queued, buffered, waited for or kept.

use std::time::Duration;

use super::reader::Section;
use super::value::{duration, integer};

/// The `[limits]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections served at once; further ones wait to be accepted.
    pub connections: usize,
    /// Commands that wait for the writer; further ones are refused as `overloaded`.
    pub queue: usize,
    /// Commands that share one commit at most.
    pub batch: usize,
    /// Read-only connections to the store.
    pub readers: u32,
    /// Bytes of a custom webhook's body, and of any other that is one alert.
    pub custom_body_bytes: usize,
    /// Bytes of an event of PagerDuty's.
    pub pagerduty_body_bytes: usize,
    /// Bytes of a body that may hold many alerts.
    pub group_body_bytes: usize,
    /// Bytes of an API request's body.
    pub api_body_bytes: usize,
    /// How long a request's head may take to arrive.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// How long a request waits for the store.
    pub store_timeout: Duration,
    /// How long requests under way may still take when the server stops.
    pub shutdown_timeout: Duration,
    /// Streams of events at once.
    pub streams: usize,
    /// How long such a stream may be silent.
    pub stream_heartbeat: Duration,
    /// Idempotency keys kept at most, besides the 24 hours.
    pub idempotency_keys: u32,
}

/// Smallest body limit: less would not hold the contract's largest title.
const BODY_MIN: usize = 1 << 10;
/// Largest body limit: every connection may hold one in memory.
const BODY_MAX: usize = 16 << 20;

impl Limits {
    /// Reads `[limits]`. The ranges end where a value could only be a slip.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let timeout = || duration("10ms", "1h");
        Self {
            connections: section.or("connections", 1024, integer(1..=65_536)),
            queue: section.or("queue", 4096, integer(1..=65_536)),
            batch: section.or("batch", 256, integer(1..=4096)),
            readers: section.or("readers", 4, integer(1..=64)),
            custom_body_bytes: section.or("custom_body_bytes", 262_144, integer(BODY_MIN..=BODY_MAX)),
            pagerduty_body_bytes: section.or("pagerduty_body_bytes", 524_288, integer(BODY_MIN..=BODY_MAX)),
            group_body_bytes: section.or("group_body_bytes", 4 << 20, integer(BODY_MIN..=BODY_MAX)),
            api_body_bytes: section.or("api_body_bytes", 131_072, integer(BODY_MIN..=BODY_MAX)),
            header_timeout: section.or("header_timeout", Duration::from_secs(30), timeout()),
            body_timeout: section.or("body_timeout", Duration::from_secs(30), timeout()),
            write_timeout: section.or("write_timeout", Duration::from_secs(30), timeout()),
            store_timeout: section.or("store_timeout", Duration::from_secs(10), timeout()),
            shutdown_timeout: section.or("shutdown_timeout", Duration::from_secs(10), timeout()),
            streams: section.or("streams", 64, integer(1..=4096)),
            stream_heartbeat: section.or(
                "stream_heartbeat",
                Duration::from_secs(15),
                duration("10ms", "50s"),
            ),
            idempotency_keys: section.or("idempotency_keys", 100_000, integer(1..=10_000_000)),
        }
    }
}
