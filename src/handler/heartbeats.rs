//! Heartbeats: pings in the words of Healthchecks and of Uptime Kuma, the check of who is late, and the list.
//!
//! Pings are no deliveries: there are too many of them, and they say too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::request::Parts;
use serde::Serialize;
use serde_json::json;

use super::query::Query;
use super::views::OffsetPageView;
use super::{Admitted, Handler, Live, Who, list_query, webhook};
use crate::clock::rfc3339;
use crate::error::{Error, FieldError, Kind};
use crate::model::{Beat, Heartbeat, HeartbeatState, Outcome, Ping, Report, Signal};
use crate::registry::HEARTBEATS;
use crate::reply::Answer;
use crate::route;
use crate::store::{ALIVE_MS, CheckHeartbeats, TakePing};

/// Bytes of a body in which a message is looked for: more than the characters that are kept of one.
pub const MESSAGE_BYTES: usize = 16 * 1024;

/// When heartbeats have to be looked at.
#[derive(Debug)]
pub struct Deadlines {
    /// The next deadline; it may be too early, never too late.
    next_ms: AtomicI64,
    /// One looks at a time.
    checking: tokio::sync::Mutex<Checking>,
}

#[derive(Debug, Default)]
struct Checking {
    last_ms: Option<i64>,
    /// It failed, and that was said.
    failed: bool,
    /// What the writer was asked, where it did not answer in time: it may still be at it.
    under_way: Option<Arc<CheckHeartbeats>>,
}

impl Default for Deadlines {
    /// Nothing is known yet, so the first look is due.
    fn default() -> Self {
        Self { next_ms: AtomicI64::new(i64::MIN), checking: tokio::sync::Mutex::default() }
    }
}

/// Finds the heartbeat that the key in a path belongs to.
///
/// # Errors
/// `unknown_routing_key`
pub fn authenticate(live: &Live, found: &route::Match<'_>) -> Result<Who, Error> {
    let key = found.parameters.first().map_or("", |key| key);
    live.config.registry.heartbeat(key).cloned().map(Who::Heartbeat).ok_or_else(|| {
        let message = "no heartbeat has this key; they are the `keys` of [[heartbeats]] in the configuration";
        Error::new(Kind::UnknownRoutingKey, message)
    })
}

impl Handler {
    /// `/ping/{key}` and below, as Healthchecks has it.
    pub(super) async fn take_ping(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &Bytes,
    ) -> Result<Answer, Error> {
        let signal = read_signal(admitted.parameters.first().map_or("", String::as_str))?;
        let run = Query::of(head).last("rid").map(|run| read_run(&run)).transpose()?;
        // What is packed says nothing to people; the ping counts.
        let readable = webhook::check_encoding(&head.headers).is_ok();
        let message = readable.then(|| Ping::message(&String::from_utf8_lossy(body))).flatten();
        self.keep_ping(admitted, Ping { signal, run, message }).await?;
        Ok(Answer::raw("text/plain; charset=utf-8", "OK".into()))
    }

    /// `/api/push/{key}`, as Uptime Kuma has it: what is not `up` is down.
    pub(super) async fn take_push(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let query = Query::of(head);
        let said = |name: &str| query.last(name).filter(|value| !value.is_empty());
        let up = said("status").is_none_or(|status| status == "up");
        let signal = if up { Signal::Success } else { Signal::Fail(None) };
        let message = said("msg").and_then(|text| Ping::message(&text));
        self.keep_ping(admitted, Ping { signal, run: None, message }).await?;
        Ok(Answer::raw("application/json", json!({ "ok": true }).to_string()))
    }

    async fn keep_ping(&self, admitted: &Admitted, ping: Ping) -> Result<(), Error> {
        let Who::Heartbeat(heartbeat) = &admitted.who else {
            return Err(Error::internal("a ping was admitted without a heartbeat"));
        };
        let registry = Arc::clone(&admitted.live.config.registry);
        let take = TakePing { registry, heartbeat: Arc::clone(heartbeat), ping };
        let done = self.store.take_ping(take).await?;
        self.deadlines.next_ms.fetch_min(done.next_due_ms.unwrap_or(i64::MAX), Ordering::Relaxed);
        self.durable_at_ms.store(self.now_ms(), Ordering::Relaxed);
        self.count_heartbeats(&done.reports);
        Ok(())
    }

    fn count_heartbeats(&self, reports: &[Report]) {
        // A success where nothing was wrong is no alert.
        for report in reports.iter().filter(|report| report.outcome != Outcome::Ignored) {
            self.metrics.alerts.stored(HEARTBEATS, report.outcome);
        }
    }

    /// Makes incidents of heartbeats that are missed. To be called about every second; it asks the store only where one
    /// is due, or to give a sign of life.
    pub async fn check_heartbeats(&self) {
        let live = self.live();
        if live.config.registry.heartbeats().is_empty() {
            return;
        }
        let mut checking = self.deadlines.checking.lock().await;
        let now_ms = self.now_ms();
        let alive = checking.last_ms.is_some_and(|last| (0..ALIVE_MS).contains(&(now_ms - last)));
        if alive && now_ms < self.deadlines.next_ms.load(Ordering::Relaxed) {
            return;
        }
        // While the disk hangs, one waits for it.
        if checking.under_way.as_ref().is_some_and(|check| Arc::strong_count(check) > 1) {
            return;
        }
        checking.under_way = None;
        loop {
            // Before the store looks: pings that come meanwhile bring their own.
            self.deadlines.next_ms.store(i64::MAX, Ordering::Relaxed);
            let check = Arc::new(CheckHeartbeats { registry: Arc::clone(&live.config.registry) });
            let done = match self.store.check_heartbeats(Arc::clone(&check)).await {
                Ok(done) => done,
                Err(error) => {
                    self.deadlines.next_ms.store(i64::MIN, Ordering::Relaxed);
                    if !std::mem::replace(&mut checking.failed, true) {
                        let cause = error.cause().map(tracing::field::display);
                        tracing::warn!(%error, cause, "heartbeats cannot be checked; that time does not count");
                    }
                    checking.under_way = Some(check);
                    return;
                }
            };
            self.deadlines.next_ms.fetch_min(done.next_due_ms.unwrap_or(i64::MAX), Ordering::Relaxed);
            self.durable_at_ms.store(self.now_ms(), Ordering::Relaxed);
            self.count_heartbeats(&done.reports);
            checking.last_ms = Some(now_ms);
            checking.failed = false;
            if !done.more {
                return;
            }
        }
    }

    /// Every heartbeat of the configuration, with what is known of it.
    pub(super) async fn heartbeats(&self, live: &Live) -> Result<Vec<(Arc<Heartbeat>, Option<Beat>)>, Error> {
        let all = live.config.registry.heartbeats();
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let mut beats = self.store.heartbeats().await?;
        Ok(all.iter().map(|one| (Arc::clone(one), beats.remove(&one.name))).collect())
    }

    /// How many heartbeats there are in each state; `None`: nobody can tell.
    pub(super) async fn count_states(&self, live: &Live) -> Option<Vec<(HeartbeatState, usize)>> {
        let (heartbeats, now_ms) = (self.heartbeats(live).await.ok()?, self.now_ms());
        let state = |beat: &Option<Beat>| HeartbeatState::of(beat.as_ref(), now_ms);
        let count = |wanted| heartbeats.iter().filter(|(_, beat)| state(beat) == wanted).count();
        Some(HeartbeatState::ALL.map(|state| (state, count(state))).into())
    }

    /// `GET /api/v1/heartbeats`: in the order of the configuration.
    pub(super) async fn list_heartbeats(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&Query::of(head), &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let (heartbeats, now_ms) = (self.heartbeats(&admitted.live).await?, self.now_ms());
        let page = heartbeats.iter().skip(offset).take(limit);
        let page = page.map(|(heartbeat, beat)| HeartbeatView::new(heartbeat, beat.as_ref(), now_ms));
        Answer::ok(&OffsetPageView::new(page.collect(), heartbeats.len(), offset))
    }
}

/// What stands behind the key.
fn read_signal(text: &str) -> Result<Signal, Error> {
    Ok(match text {
        "" => Signal::Success,
        "start" => Signal::Start,
        "fail" => Signal::Fail(None),
        "log" => Signal::Log,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(0) => Signal::Success,
            Ok(status) => Signal::Fail(Some(status)),
            Err(_) => {
                let wrong = FieldError::new("exit status", "out_of_range", "must be from 0 to 255");
                return Err(Error::fields(vec![wrong]));
            }
        },
        _ => return Err(Error::new(Kind::NotFound, "behind the key: start, fail, log or an exit status")),
    })
}

/// A run is named by a UUID, whatever its case.
fn read_run(text: &str) -> Result<String, Error> {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if hex && parts == [8, 4, 4, 4, 12] {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Error::fields(vec![FieldError::new("rid", "invalid", "must be a UUID")]))
}

#[derive(Serialize)]
struct HeartbeatView<'a> {
    name: &'a str,
    title: &'a str,
    service: &'a str,
    state: &'static str,
    period_s: i64,
    grace_s: i64,
    last_ping_at: Option<String>,
    due_at: Option<String>,
}

impl<'a> HeartbeatView<'a> {
    fn new(heartbeat: &'a Heartbeat, beat: Option<&Beat>, now_ms: i64) -> Self {
        Self {
            name: &heartbeat.name,
            title: &heartbeat.title,
            service: &heartbeat.service,
            state: HeartbeatState::of(beat, now_ms).as_str(),
            period_s: heartbeat.period_ms / 1000,
            grace_s: heartbeat.grace_ms / 1000,
            last_ping_at: beat.map(|beat| rfc3339(beat.last_ping_at)),
            due_at: beat.and_then(Beat::shown_deadline).map(rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_key() {
        let read = |text| read_signal(text).ok();
        assert_eq!([read(""), read("0"), read("000")], [Some(Signal::Success); 3]);
        assert_eq!([read("1"), read("255")], [Some(Signal::Fail(Some(1))), Some(Signal::Fail(Some(255)))]);
        assert_eq!([read("256"), read("99999999999999999999"), read("-1"), read("Start")], [None; 4]);
        assert_eq!(read_signal("256").map_err(|error| error.kind), Err(Kind::Validation));
        assert_eq!(read_signal("other").map_err(|error| error.kind), Err(Kind::NotFound));
    }

    #[test]
    fn runs_are_uuids() {
        let run = "0B7AC2F6-2a3c-4b0e-9f0e-6a1f6d1f0a11";
        assert_eq!(read_run(run).ok(), Some(run.to_lowercase()));
        for text in ["", "1", "0b7ac2f62a3c4b0e9f0e6a1f6d1f0a11", "0b7ac2f6-2a3c-4b0e-9f0e-6a1f6d1f0a1g"] {
            assert!(read_run(text).is_err(), "{text}");
        }
    }
}
