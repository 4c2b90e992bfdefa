//! One line for each request. The route's template, never its path: paths hold routing keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use http::request::Parts;

use crate::error::Error;
use crate::handler::Seen;
use crate::metrics::RequestMetrics;

/// Lines about refused, failed and slow requests that one sender may cause in a minute.
const REFUSALS_A_MINUTE: u32 = 10;

/// Slower than this is worth a warning, whatever the outcome.
const SLOW_MS: f64 = 1000.0;

const MINUTE_MS: i64 = 60_000;

/// Keeps one sender's mistakes from filling the log. There are as many entries as integrations and
/// tokens have been configured.
#[derive(Debug, Default)]
pub struct RequestLog {
    refusals: Mutex<HashMap<String, Refusals>>,
}

#[derive(Debug, Default)]
struct Refusals {
    minute: i64,
    count: u32,
}

impl RequestLog {
    /// Whether another refusal of `sender` may be logged, and how many of its last minute were not.
    fn admit(&self, sender: &str, now_ms: i64) -> (bool, u32) {
        let mut all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = all.entry(sender.to_owned()).or_default();
        let minute = now_ms.div_euclid(MINUTE_MS);
        let mut unlogged = 0;
        if refusals.minute != minute {
            unlogged = refusals.count.saturating_sub(REFUSALS_A_MINUTE);
            *refusals = Refusals { minute, count: 0 };
        }
        refusals.count = refusals.count.saturating_add(1);
        (refusals.count <= REFUSALS_A_MINUTE, unlogged)
    }
}

/// A request on its way to its line in the log. Dropped without [`Completion::done`], it notes that the client went
/// away.
pub struct Completion<'a> {
    log: &'a RequestLog,
    metrics: &'a RequestMetrics,
    /// The id under which everything about it is logged.
    pub request_id: String,
    /// Something of its body is still to come, so its connection cannot be used again.
    pub body_left: bool,
    started: Instant,
    /// Where it goes and whom it is from, as far as that is known.
    pub seen: Seen,
    done: bool,
}

impl<'a> Completion<'a> {
    /// A request that has just come in.
    pub fn new(
        log: &'a RequestLog,
        metrics: &'a RequestMetrics,
        request_id: String,
        started: Instant,
    ) -> Self {
        Self { log, metrics, request_id, body_left: false, started, seen: Seen::default(), done: false }
    }

    /// Counts it and writes the line: successes at DEBUG, refusals at INFO, our own failures and slow requests at WARN, bugs at ERROR.
    pub fn done(&mut self, head: &Parts, status: u16, error: Option<&Error>, now_ms: i64) {
        self.done = true;
        let took = self.started.elapsed();
        self.metrics.answered(self.seen.route, status, took);
        // To the microsecond: more digits would only pretend.
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let slow = ms > SLOW_MS;
        let quiet = status < 400 && !slow;
        if quiet && !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let sender = self.seen.sender();
        let sender = sender.as_str();
        let code = error.map_or("-", |error| error.kind.code());
        let cause = error.and_then(Error::cause).map(tracing::field::display);
        let (id, method, route) = (self.request_id.as_str(), head.method.as_str(), self.seen.template());
        macro_rules! line {
            ($level:ident, $($more:tt)*) => {
                tracing::$level!(id, method, route, sender, status, code, ms, cause, $($more)*)
            };
        }
        if quiet {
            return line!(debug, "request");
        }
        let (admitted, unlogged) = self.log.admit(sender, now_ms);
        if unlogged > 0 {
            tracing::info!(sender, unlogged, "more refusals in the last minute than are logged");
        }
        match status {
            500 => line!(error, "request failed"),
            _ if !admitted => {}
            501.. => line!(warn, "request failed"),
            _ if slow => line!(warn, "slow request"),
            _ => line!(info, "request refused"),
        }
    }
}

impl Drop for Completion<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.metrics.abandoned();
            let (id, route) = (self.request_id.as_str(), self.seen.template());
            tracing::debug!(id, route, "the client went away before it was answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_senders_refusals_are_logged_ten_a_minute_and_then_counted() {
        let log = RequestLog::default();
        let logged = |now_ms| (0..25).filter(|_| log.admit("a", now_ms).0).count();
        assert_eq!(logged(0), 10);
        assert_eq!(log.admit("b", 0), (true, 0));
        assert_eq!(log.admit("a", MINUTE_MS), (true, 15));
        assert_eq!(log.admit("a", MINUTE_MS), (true, 0));
    }
}
