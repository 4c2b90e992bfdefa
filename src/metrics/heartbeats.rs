//! How heartbeats are, and whether the watchdog is told.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::model::HeartbeatState;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Requests to the watchdog.
#[derive(Debug)]
pub struct WatchdogMetrics(Family<OutcomeLabels, Counter>);

impl WatchdogMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let family = Family::<OutcomeLabels, Counter>::default();
        let help = "Requests to the watchdog, made only while writes succeed";
        registry.register("watchdog_pings", help, family.clone());
        Self(family)
    }

    /// Counts a request and whether it was answered by a success.
    pub fn told(&self, well: bool) {
        let outcome = if well { "sent" } else { "failed" };
        self.0.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

pub(super) fn register_states(registry: &mut Registry, states: &[(HeartbeatState, usize)]) {
    let family = Family::<StateLabels, Gauge>::default();
    for (state, count) in states {
        let labels = StateLabels { state: state.as_str() };
        family.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    registry.register("heartbeats", "Heartbeats of the configuration, by how they are", family);
}
