//! Keeps what senders delivered, off the way of alerts: a request pays for a small copy in memory. About once a second,
//! what is still there goes to the store as one job: under load that is the last of each integration.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;

use super::{Handler, Seen, Who, redact, webhook};
use crate::config::DeliveryLimits;
use crate::error::{Details, Error};
use crate::model::{Delivery, KeptRequest, Outcome};
use crate::registry::Registry;
use crate::source::Received;
use crate::store::Keep;

/// Numbers of incidents that are kept with a delivery.
const INCIDENTS: usize = 10;

/// Bytes of a refusal's text.
const ERROR_BYTES: usize = 4000;

/// How soon the last ones are handed over again.
const HAND_OVER_AGAIN: Duration = Duration::from_millis(50);

/// What is to be kept of a request to an integration, as far as that is known.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Its body, if that was read.
    pub body: Option<Bytes>,
    /// What stands in its path behind the key.
    pub topic: Option<String>,
    /// It proved whose it is.
    pub proven: bool,
    /// It is an earlier one that is sent again.
    pub replay: Option<Replay>,
    outcomes: String,
    incidents: Vec<String>,
}

/// An earlier request that is sent again.
#[derive(Debug)]
pub struct Replay {
    /// Whose it is.
    pub integration: String,
    /// The delivery.
    pub id: i64,
    /// What was sent, but for the body.
    pub request: KeptRequest,
}

impl Delivered {
    /// Notes what became of its alerts.
    pub fn became(&mut self, received: Received) {
        let mut counts = [0; Outcome::ALL.len()];
        counts[Outcome::Ignored as usize] = received.ignored;
        for report in &received.reports {
            counts[report.outcome as usize] += 1;
        }
        for (outcome, count) in Outcome::ALL.iter().zip(counts).filter(|(_, count)| *count > 0) {
            let comma = if self.outcomes.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            write!(self.outcomes, "{comma}\"{}\":{count}", outcome.as_str()).ok();
        }
        let numbers = received.reports.into_iter().filter_map(|report| report.incident_number);
        self.incidents = numbers.take(INCIDENTS).collect();
    }
}

/// Deliveries that are not in the store yet.
#[derive(Debug, Default)]
pub struct Ring {
    waiting: Mutex<Waiting>,
    /// One hands over at a time, so that who lists behind it finds everything.
    handing_over: tokio::sync::Mutex<HandOver>,
}

/// How the last handing over ended.
#[derive(Debug, Default)]
struct HandOver {
    /// It failed, and that was said.
    failed: bool,
    /// What the writer was handed, where it did not answer in time: it may still be at it.
    under_way: Option<Arc<Vec<Delivery>>>,
}

/// A delivery that is not in the store yet.
#[derive(Debug)]
struct Noted {
    /// Its place in the order of all.
    place: u64,
    delivery: Delivery,
    /// Whose secrets may be in it: those that were in force when it came.
    registry: Arc<Registry>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Oldest first.
    by_integration: HashMap<String, VecDeque<Noted>>,
    bytes: usize,
    next: u64,
}

impl Ring {
    fn push(&self, delivery: Delivery, registry: &Arc<Registry>, limits: &DeliveryLimits) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = waiting.push(delivery, Arc::clone(registry), limits);
        drop(waiting);
        // Freed while nobody waits for it.
        drop(dropped);
    }

    fn len(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.by_integration.values().map(VecDeque::len).sum()
    }

    /// All of them, in the order in which they came.
    fn take(&self) -> Vec<Noted> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut noted: Vec<_> = waiting.by_integration.into_values().flatten().collect();
        noted.sort_unstable_by_key(|one| one.place);
        noted
    }
}

impl Waiting {
    /// Adds one; those that had to make room for it are returned.
    fn push(&mut self, delivery: Delivery, registry: Arc<Registry>, limits: &DeliveryLimits) -> Vec<Noted> {
        self.bytes += delivery.bytes();
        let of_integration = match self.by_integration.get_mut(&delivery.integration) {
            Some(known) => known,
            None => self.by_integration.entry(delivery.integration.clone()).or_default(),
        };
        of_integration.push_back(Noted { place: self.next, delivery, registry });
        self.next += 1;
        let mut dropped = Vec::new();
        if of_integration.len() > limits.keep {
            dropped.extend(of_integration.pop_front());
        }
        self.bytes -= dropped.first().map_or(0, |one| one.delivery.bytes());
        while self.bytes > limits.total_bytes {
            let oldest = |one: &&mut VecDeque<Noted>| one.front().map_or(u64::MAX, |noted| noted.place);
            let first = self.by_integration.values_mut().min_by_key(oldest).and_then(VecDeque::pop_front);
            let Some(first) = first else { break };
            self.bytes -= first.delivery.bytes();
            dropped.push(first);
        }
        dropped
    }
}

impl Handler {
    /// Notes a request, now that it is answered, if it was for an integration. A dry run leaves no trace.
    pub fn note(
        &self,
        head: &Parts,
        seen: &mut Seen,
        request_id: &str,
        answered: (u16, Option<&Error>),
        now_ms: i64,
    ) {
        let Delivered { body, topic, proven, replay, outcomes, incidents } =
            std::mem::take(&mut seen.delivered);
        let (integration, replays, mut request) = match (replay, &seen.who) {
            (Some(replay), _) => (replay.integration, Some(replay.id), replay.request),
            (None, Some(Who::Integration(integration))) => {
                let query = head.uri.query().map(ToOwned::to_owned);
                let (route, headers) = (seen.template().to_owned(), lines(&head.headers));
                let request = KeptRequest { route, topic, query, headers, ..KeptRequest::default() };
                (integration.name.clone(), None, request)
            }
            _ => return,
        };
        let live = self.live();
        let limits = live.config.deliveries;
        if limits.keep == 0 || matches!(webhook::dry_run(head), Ok(true)) {
            return;
        }
        let sent = body.as_deref().unwrap_or_default();
        let kept = sent.len().min(limits.body_bytes).min(limits.total_bytes / 2);
        // A copy: a part of the connection's buffer would hold on to all of it.
        request.body = whole_words(sent, kept).to_vec();
        request.cut = body.is_none() || kept < sent.len();
        let (status, error) = answered;
        let delivery = Delivery {
            id: 0,
            integration,
            at: now_ms,
            request_id: request_id.to_owned(),
            status,
            error: error.map(|error| (error.kind.code().to_owned(), told(error))),
            outcomes: format!("{{{outcomes}}}"),
            incidents,
            proven,
            replays,
            size: match &body {
                Some(body) => body.len() as i64,
                None => announced(&head.headers).unwrap_or(seen.read_bytes as i64),
            },
            request,
        };
        self.ring.push(delivery, &live.config.registry, &limits);
    }

    /// Hands what has been noted to the store. What that cannot take now is kept for the next time.
    pub async fn hand_over_deliveries(&self) {
        let mut last = self.ring.handing_over.lock().await;
        // While the disk hangs, the ring has bounds, and a queue of such jobs would have none.
        if last.under_way.as_ref().is_some_and(|handed| Arc::strong_count(handed) > 1) {
            return;
        }
        last.under_way = None;
        let noted = self.ring.take();
        if noted.is_empty() {
            return;
        }
        let live = self.live();
        let limits = live.config.deliveries;
        let redacting = tokio::task::spawn_blocking(move || {
            noted.into_iter().map(|one| without_secrets(one, limits.body_bytes)).collect::<Vec<_>>()
        });
        let deliveries = match redacting.await {
            Ok(deliveries) => Arc::new(deliveries),
            Err(error) => return tracing::error!(%error, "deliveries were not kept; this is a bug"),
        };
        let kept = self.store.keep(Keep { deliveries: Arc::clone(&deliveries), limits }).await;
        let Err(error) = kept else {
            last.failed = false;
            return;
        };
        if !std::mem::replace(&mut last.failed, true) {
            let cause = error.cause().map(tracing::field::display);
            tracing::warn!(%error, cause, "deliveries were not kept; what the disk refused is tried again every second");
        }
        if error.kind.status() != 503 {
            return;
        }
        match Arc::try_unwrap(deliveries) {
            Ok(deliveries) => {
                let newer = self.ring.take();
                for delivery in deliveries {
                    self.ring.push(delivery, &live.config.registry, &limits);
                }
                for Noted { delivery, registry, .. } in newer {
                    self.ring.push(delivery, &registry, &limits);
                }
            }
            // It was waited for in vain: the writer has them.
            Err(handed) => last.under_way = Some(handed),
        }
    }
}

impl Handler {
    /// Hands over all that there is before the end; what a disk does not take in the time that requests wait for it is
    /// lost, and that is said.
    pub async fn hand_over_last_deliveries(&self) {
        let until = Instant::now() + self.live().config.limits.store_timeout;
        loop {
            self.hand_over_deliveries().await;
            let left = self.ring.len();
            if left == 0 {
                return;
            }
            if Instant::now() >= until {
                return tracing::warn!(left, "the last deliveries were not kept: the disk did not take them");
            }
            tokio::time::sleep(HAND_OVER_AGAIN).await;
        }
    }
}

/// A delivery without secrets. A bug in finding them costs the body, and not the others.
fn without_secrets(noted: Noted, body_bytes: usize) -> Delivery {
    let Noted { mut delivery, registry, .. } = noted;
    let cleaned = catch_unwind(AssertUnwindSafe(|| {
        redact::redact(&mut delivery, &registry, body_bytes);
        if let Some((_, text)) = &mut delivery.error {
            *text = redact::at_most(text, ERROR_BYTES).to_owned();
        }
    }));
    if cleaned.is_err() {
        let request = KeptRequest { cut: true, ..KeptRequest::default() };
        return Delivery { request_id: String::new(), error: None, request, ..delivery };
    }
    delivery
}

/// As many of the first `most` bytes as end with a whole word: what is left of a key could not be told from a word. (A
/// signing secret may have several: what is left of one is found by comparing.) Neither a character nor an entity of XML,
/// which may stand for part of a word, is cut in two.
fn whole_words(body: &[u8], most: usize) -> &[u8] {
    let kept = body.get(..most).unwrap_or(body);
    if kept.len() == body.len() {
        return kept;
    }
    let end = (0..kept.len()).rev().find_map(|at| match (kept[at], &body[at + 1..]) {
        (b'&', [b'#', ..] | [b'a', b'm', b'p', b';', ..]) | (0x80.., [0x80..=0xbf, ..]) => None,
        (b'&', _) => Some(at),
        (b'"' | b'\'' | b',' | 0x80.., _) => Some(at + 1),
        (byte, _) => (!byte.is_ascii_graphic()).then_some(at + 1),
    });
    kept.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Headers as text, one a line.
fn lines(headers: &HeaderMap) -> String {
    let mut lines = String::with_capacity(256);
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        for part in [name.as_str(), ": ", &value, "\n"] {
            lines.push_str(part);
        }
    }
    lines
}

/// The bytes of a body that was not read, as its sender said.
fn announced(headers: &HeaderMap) -> Option<i64> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok())
}

/// A refusal's text, with everything that is wrong in it.
fn told(error: &Error) -> String {
    let mut text = error.message.clone();
    if let Details::Fields(fields) = &error.details
        && fields.len() > 1
    {
        for (index, field) in fields.iter().enumerate() {
            let before = if index == 0 { ":" } else { ";" };
            write!(text, "{before} `{}` {}", field.field, field.message).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_whole_words_characters_and_entities() {
        for (body, most, kept) in [
            ("some words", 10, "some words"),
            ("some words", 8, "some "),
            ("a=1&b=2", 6, "a=1"),
            ("a t0ken&#x2f;with", 15, "a "),
            ("a t0ken&amp;#x2f;with", 16, "a "),
            ("a t0ken&lt;with", 14, "a t0ken"),
            ("a sé cret", 4, "a "),
            ("a sécret", 6, "a sé"),
            ("word", 3, ""),
        ] {
            let told = whole_words(body.as_bytes(), most);
            assert_eq!(String::from_utf8_lossy(told), kept, "{body}");
        }
    }
}
