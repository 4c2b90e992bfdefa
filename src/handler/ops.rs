//! For whoever operates Firebell: is it there, and can it keep its promise?

use std::sync::atomic::Ordering;

use http::header::ACCEPT;
use http::request::Parts;
use serde_json::json;

use super::{Admitted, Handler};
use crate::error::Error;
use crate::metrics::{self, Census};
use crate::reply::Answer;

/// How old the proof of a durable write may be.
const PROOF_MS: i64 = 5_000;

/// `GET /healthz`: the process answers.
pub fn healthz() -> Result<Answer, Error> {
    Answer::ok(&json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /openapi.json`: the contract, for programs. Tests hold every answer against it.
pub fn openapi() -> Answer {
    Answer::raw("application/json", include_str!("openapi.json").to_owned())
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

    async fn count(&self, admitted: &Admitted) -> Result<Census, Error> {
        let channels = admitted.live.config.routing.channels.clone();
        let owing = self.store.owed_by(channels, self.now_ms()).await?;
        let heartbeats = self.count_states(&admitted.live).await.unwrap_or_default();
        Ok(Census { owing, heartbeats, ..self.store.census().await? })
    }

    /// `GET /metrics`
    pub(super) async fn show_metrics(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let census = self.count(admitted).await;
        if let Err(error) = &census {
            tracing::warn!(
                cause = error.cause().map(tracing::field::display),
                "the store could not be read for metrics"
            );
        }
        let services = admitted.live.config.registry.services();
        let services = services.iter().map(|service| service.id.as_str()).collect();
        let text =
            self.metrics.render(census.as_ref().ok(), &services, self.now_ms()).map_err(Error::internal)?;
        let accepted = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let modern = accepted.into_iter().any(|types| types.contains("application/openmetrics-text"));
        Ok(match modern {
            true => Answer::raw(metrics::OPENMETRICS, text),
            false => Answer::raw(metrics::PLAIN_TEXT, metrics::to_plain_text(&text)),
        })
    }
}
