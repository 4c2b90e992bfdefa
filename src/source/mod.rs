//! What senders speak: bytes in, alerts out, and the answer in their own dialect. Pure.

mod custom;

use crate::error::Error;
use crate::model::{Alert, AlertLimits, Report, Warning};
use crate::registry::{Registry, SourceKind};
use crate::reply::Answer;

/// The alerts in a body, each with what its sender should know about it.
///
/// # Errors
/// Everything that is wrong with the body.
pub fn parse(
    kind: SourceKind,
    body: &[u8],
    registry: &Registry,
) -> Result<Vec<(Alert, Vec<Warning>)>, Error> {
    match kind {
        SourceKind::Custom => custom::parse(body, registry).map(|alert| vec![alert]),
    }
}

/// How much an alert of that kind may hold.
#[must_use]
pub const fn limits(kind: SourceKind) -> AlertLimits {
    match kind {
        SourceKind::Custom => AlertLimits::CUSTOM,
    }
}

/// What became of a body, for its sender.
#[derive(Debug)]
pub struct Received {
    /// In the order of the alerts.
    pub reports: Vec<Report>,
    /// They are those of an earlier request with the same idempotency key.
    pub replayed: bool,
    /// Nothing was kept.
    pub dry_run: bool,
}

/// The success answer of that kind. `public_url` is what links begin with.
///
/// # Errors
/// Only for a bug.
pub fn answer(kind: SourceKind, received: &Received, public_url: &str) -> Result<Answer, Error> {
    match kind {
        SourceKind::Custom => custom::answer(received, public_url),
    }
}
