//! For whoever operates Firebell: is it there, and can it keep its promise?

use std::sync::atomic::Ordering;

use serde_json::json;

use super::Handler;
use crate::error::Error;
use crate::reply::Answer;

/// How old the proof of a durable write may be.
const PROOF_MS: i64 = 5_000;

/// `GET /healthz`: the process answers.
pub fn healthz() -> Result<Answer, Error> {
    Answer::ok(&json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

impl Handler {
    /// `GET /readyz`: a write reached the disk within the last five seconds, or does now.
    pub(super) async fn readyz(&self) -> Result<Answer, Error> {
        let age_ms = self.now_ms().saturating_sub(self.durable_at_ms.load(Ordering::Relaxed));
        if !(0..=PROOF_MS).contains(&age_ms) {
            self.store.pulse().await?;
            self.durable_at_ms.store(self.now_ms(), Ordering::Relaxed);
        }
        Answer::ok(&json!({ "status": "ready" }))
    }
}
