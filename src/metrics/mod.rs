//! What Firebell counts and measures, for Prometheus: `firebell_*`, in the OpenMetrics text format. One set for each
//! running service; nothing here is global. The values of labels come from the code or the configuration, never from a
//! request, so that no sender can make more of them, or read a secret from one.

mod heartbeats;
mod notify;
mod requests;
mod writer;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use crate::model::{HeartbeatState, Outcome, Owing, Severity, Status};
pub use heartbeats::WatchdogMetrics;
pub use notify::{NotifyMetrics, Told};
pub use requests::RequestMetrics;
pub use writer::WriterMetrics;

/// The format of [`Metrics::render`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The format of [`to_plain_text`].
pub const PLAIN_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

const PREFIX: &str = "firebell";

/// Everything that is counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Answers over HTTP.
    pub requests: RequestMetrics,
    /// What became of alerts.
    pub alerts: AlertMetrics,
    /// What became of notifications.
    pub notify: NotifyMetrics,
    /// Requests to the watchdog.
    pub watchdog: WatchdogMetrics,
    writer: WriterMetrics,
}

/// What is counted in the store when somebody asks.
#[derive(Debug, Default)]
pub struct Census {
    /// Incidents that are not closed: how many there are of each severity, status and service.
    pub not_closed: Vec<(Severity, Status, String, i64)>,
    /// What each channel owes.
    pub owing: Vec<Owing>,
    /// Bytes of the store's file.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
    /// How many heartbeats there are in each state.
    pub heartbeats: Vec<(HeartbeatState, usize)>,
}

impl Metrics {
    /// Counts from zero, and with them what the store's writer counts. `now_ms` is when the process started.
    #[must_use]
    pub fn new(writer: WriterMetrics, now_ms: i64) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        // A gauge: the older format knows no other type for it.
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "What is running", build);
        let start = ConstGauge::new(now_ms as f64 / 1000.0);
        registry.register_with_unit(
            "process_start_time",
            "When it started, in Unix time",
            Unit::Seconds,
            start,
        );
        let requests = RequestMetrics::new(&mut registry);
        let alerts = AlertMetrics::new(&mut registry);
        let notify = NotifyMetrics::new(&mut registry);
        let watchdog = WatchdogMetrics::new(&mut registry);
        writer.register(&mut registry);
        Self { registry, requests, alerts, notify, watchdog, writer }
    }

    /// All of it as text. `census` is `None` if the store could not be read: the rest is worth the more then.
    /// Incidents of services other than `services` are counted together.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn render(
        &self,
        census: Option<&Census>,
        services: &HashSet<&str>,
        now_ms: i64,
    ) -> Result<String, fmt::Error> {
        let mut now = Registry::with_prefix(PREFIX);
        let age = ConstGauge::new(self.writer.oldest_job_age().as_secs_f64());
        let help = "Age of the oldest request that the writer has taken and not answered; 0 if there is none";
        now.register_with_unit("writer_oldest_job_age", help, Unit::Seconds, age);
        let readable = ConstGauge::new(u32::from(census.is_some()));
        now.register("store_readable", "Whether the store could be read for this", readable);
        if let Some(census) = census {
            register_census(&mut now, census, services);
            notify::register_owing(&mut now, &census.owing, now_ms);
        }
        if let Some(bytes) = resident_bytes() {
            let help = "Memory that the process has in RAM";
            now.register_with_unit("process_resident_memory", help, Unit::Bytes, ConstGauge::new(bytes));
        }
        let mut out = String::with_capacity(16 * 1024);
        text::encode_registry(&mut out, &self.registry)?;
        text::encode_registry(&mut out, &now)?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}

/// OpenMetrics in Prometheus' older format, in which a counter's family has the name of its samples.
#[must_use]
pub fn to_plain_text(openmetrics: &str) -> String {
    let is_counter = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    let mut out = String::with_capacity(openmetrics.len() + 256);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        // HELP comes before TYPE.
        let of_counter = is_counter(line) || lines.peek().is_some_and(|next| is_counter(next));
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            [hash, keyword, name, rest] if of_counter => {
                out.extend([hash, " ", keyword, " ", name, "_total ", rest, "\n"]);
            }
            _ => out.extend([line, "\n"]),
        }
    }
    out
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IncidentLabels {
    severity: &'static str,
    status: &'static str,
    service: String,
}

fn register_census(registry: &mut Registry, census: &Census, services: &HashSet<&str>) {
    let incidents = Family::<IncidentLabels, Gauge>::default();
    for (severity, status, service, count) in &census.not_closed {
        let service = if services.contains(service.as_str()) { service } else { "other" }.to_owned();
        let labels = IncidentLabels { severity: severity.as_str(), status: status.as_str(), service };
        incidents.get_or_create(&labels).inc_by(*count);
    }
    let help = "Incidents that are not closed; services that the configuration does not name are `other`";
    registry.register("incidents_not_closed", help, incidents);
    heartbeats::register_states(registry, &census.heartbeats);
    for (name, help, bytes) in [
        ("store_database", "Size of the store's file", census.database_bytes),
        ("store_wal", "Size of the store's write-ahead log", census.wal_bytes),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes));
    }
}

/// As Linux tells it; elsewhere the metric is missing.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    integration: String,
    outcome: &'static str,
}

/// What became of alerts, by integration.
#[derive(Debug)]
pub struct AlertMetrics {
    family: Family<AlertLabels, Counter>,
    /// The family's counters, found without making labels. There are as many as integrations have been configured.
    by_integration: RwLock<HashMap<String, [Counter; Outcome::ALL.len()]>>,
}

impl AlertMetrics {
    fn new(registry: &mut Registry) -> Self {
        let family = Family::<AlertLabels, Counter>::default();
        registry.register(
            "alerts",
            "Alerts that were stored or ignored, by what came of them",
            family.clone(),
        );
        Self { family, by_integration: RwLock::default() }
    }

    /// Counts an alert of `integration`.
    pub fn stored(&self, integration: &str, outcome: Outcome) {
        let known = self.by_integration.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(integration) {
            counters[outcome as usize].inc();
            return;
        }
        drop(known);
        let counters = Outcome::ALL.map(|outcome| {
            let labels = AlertLabels { integration: integration.to_owned(), outcome: outcome.as_str() };
            self.family.get_or_create_owned(&labels)
        });
        counters[outcome as usize].inc();
        let mut known = self.by_integration.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(integration.to_owned(), counters);
    }
}
