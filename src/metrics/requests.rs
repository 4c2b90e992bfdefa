//! Requests by route and status. Every request pays for this, so its counters are found by position, not by labels.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::route;

/// Statuses whose counters are at hand, ascending; another one's is found by its labels.
const STATUSES: [u16; 16] = [200, 201, 202, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 500, 501, 503];

/// From what a cached answer takes to what a client gives up on.
const DURATION_BUCKETS_S: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

/// Answers over HTTP, and how long they took.
#[derive(Debug)]
pub struct RequestMetrics {
    answered: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    abandoned: Counter,
    /// In the order of the table of routes, and one more for what it does not hold.
    by_route: Vec<OfRoute>,
}

#[derive(Debug)]
struct OfRoute {
    labels: RouteLabels,
    /// In the order of [`STATUSES`]; made when first needed, so that what never happens is not shown.
    answered: [OnceLock<Counter>; STATUSES.len()],
    duration: OnceLock<Histogram>,
}

impl RequestMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let answered = Family::<RequestLabels, Counter>::default();
        let help = "Requests that were answered, by the route's template (`-`: none) and status";
        registry.register("http_requests", help, answered.clone());
        let durations = Family::new_with_constructor((|| Histogram::new(DURATION_BUCKETS_S)) as fn() -> _);
        let help = "From a request's head to its answer's, the body and the disk included";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        let abandoned = Counter::default();
        let help = "Requests whose client went away before they were answered";
        registry.register("http_requests_abandoned", help, abandoned.clone());
        let templates = route::TABLE.iter().map(|(method, template, _)| (*method, *template));
        let by_route = templates.chain([("-", "-")]).map(|(method, route)| OfRoute {
            labels: RouteLabels { method, route },
            answered: Default::default(),
            duration: OnceLock::new(),
        });
        Self { by_route: by_route.collect(), answered, durations, abandoned }
    }

    /// Counts an answer; `route` is the position in the table of routes, if the request had one.
    pub fn answered(&self, route: Option<usize>, status: u16, took: Duration) {
        let Some(of_route) = route.and_then(|at| self.by_route.get(at)).or(self.by_route.last()) else {
            return;
        };
        let labels = &of_route.labels;
        let counter = || {
            let RouteLabels { method, route } = *labels;
            self.answered.get_or_create_owned(&RequestLabels { method, route, status })
        };
        match STATUSES.binary_search(&status) {
            Ok(at) => of_route.answered[at].get_or_init(counter).inc(),
            Err(_) => counter().inc(),
        };
        let duration = of_route.duration.get_or_init(|| self.durations.get_or_create_owned(labels));
        duration.observe(took.as_secs_f64());
    }

    /// Counts a request that nobody waits for any more.
    pub fn abandoned(&self) {
        self.abandoned.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_under_its_route_whatever_its_status() {
        let mut registry = Registry::default();
        let requests = RequestMetrics::new(&mut registry);
        for (route, status) in
            [(Some(0), 201), (Some(0), 201), (Some(0), 418), (None, 404), (Some(usize::MAX), 404)]
        {
            requests.answered(route, status, Duration::from_millis(3));
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let (method, template, _) = route::TABLE[0];
        for line in [
            format!("http_requests_total{{method=\"{method}\",route=\"{template}\",status=\"201\"}} 2\n"),
            format!("http_requests_total{{method=\"{method}\",route=\"{template}\",status=\"418\"}} 1\n"),
            "http_requests_total{method=\"-\",route=\"-\",status=\"404\"} 2\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(STATUSES.is_sorted());
    }
}
