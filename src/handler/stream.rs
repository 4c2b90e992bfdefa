//! `GET /api/v1/incidents/stream`: what happens to incidents, as Server-Sent Events, from the moment of its commit.
//!
//! Each `incident` event has the outcome, as timelines name it, and the incident as it now is. Its id is a place to
//! resume from; they only grow. `reset` says that something is missing: read the lists anew, and go on from its id.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::query::Query;
use super::telling::{Message, READ, event};
use super::{Admitted, Handler};
use crate::error::{Error, Kind};
use crate::reply::{Chunk, Stream};
use crate::store::{Since, Watching};

/// Incidents that are told to one who comes back; after more, reading the lists is cheaper.
const MOST_MISSED: usize = 1000;

/// Chunks between a subscriber and its socket.
const CHUNKS: usize = 2;

/// Milliseconds until a client whose connection broke tries again.
const RETRY_MS: u32 = 2000;

/// Why a client has to read the lists anew, as `reset` says it.
mod reason {
    /// More incidents have changed than are told one by one.
    pub const TOO_MANY: &str = "too_many_changes";
    /// `Last-Event-ID` is no place in this store.
    pub const UNKNOWN: &str = "unknown_id";
    /// The client took its events too slowly, or the server could not keep up.
    pub const LAGGING: &str = "lagging";
}

/// The stream ends without having been finished: the client is gone, or has to come back.
struct Broken;

impl Handler {
    /// `GET /api/v1/incidents/stream`; at `until_ms` it ends, with the session of whoever watches.
    pub(super) fn stream_incidents(
        self: &Arc<Self>,
        admitted: &Admitted,
        head: &Parts,
        until_ms: i64,
    ) -> Result<Stream, Error> {
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        if head.method != Method::HEAD {
            // The order matters: what is committed after `place` was read is told.
            let watching = self.store.watching();
            let (slot, told) = self.streams.enter()?;
            // A reload ends the streams of those whom it found here.
            if !Arc::ptr_eq(&admitted.live, &self.live()) {
                let message = "the configuration was reloaded at this moment; try again";
                return Err(Error::new(Kind::Overloaded, message));
            }
            let place = watching.newest();
            let subscriber = Subscriber {
                handler: Arc::clone(self),
                watching,
                told,
                place,
                chunks,
                public_url: admitted.live.public_url.clone(),
                until_ms,
                heartbeat: admitted.live.config.limits.stream_heartbeat,
                _slot: slot,
            };
            tokio::spawn(subscriber.run(last_event_id(head)));
        }
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // nginx would wait for more.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        Ok(Stream { headers, chunks: receiver, endless: true })
    }
}

/// Where the client wants to resume, as it says it: in the header that browsers send when they come back, or for clients
/// that cannot set one, in the URL.
fn last_event_id(head: &Parts) -> Option<String> {
    let header = head.headers.get("last-event-id").map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = header.or_else(|| Query::of(head).last("last_event_id"))?;
    Some(given.trim().to_owned()).filter(|given| !given.is_empty())
}

struct Subscriber {
    handler: Arc<Handler>,
    watching: Watching,
    told: broadcast::Receiver<Message>,
    /// What is before it is known to the client, or has been.
    place: i64,
    chunks: mpsc::Sender<Chunk>,
    public_url: String,
    until_ms: i64,
    heartbeat: Duration,
    _slot: OwnedSemaphorePermit,
}

impl Subscriber {
    async fn run(mut self, resume: Option<String>) {
        // A stream that is broken off has no end to be sent.
        if self.begin(resume).await.is_ok() && self.follow().await.is_ok() {
            self.chunks.send(Chunk::End).await.ok();
        }
    }

    async fn begin(&mut self, resume: Option<String>) -> Result<(), Broken> {
        let greeting = format!(": connected\nretry: {RETRY_MS}\n");
        match resume {
            // An id without data is no event, but a place to resume from for whoever is cut before the first one.
            None => self.send(format!("{greeting}id: {}\n\n", self.place)).await,
            Some(given) => {
                self.send(format!("{greeting}\n")).await?;
                self.make_good(&given).await
            }
        }
    }

    /// Tells what the client has missed.
    async fn make_good(&mut self, given: &str) -> Result<(), Broken> {
        let Ok(since) = given.parse() else { return self.reset(self.place, reason::UNKNOWN).await };
        let since = self.handler.store.changed_since(since, MOST_MISSED).await;
        let (changed, newest) = match since.map_err(broken)? {
            Since::Changed(changed, newest) => (changed, newest),
            Since::TooMany => return self.reset(self.place, reason::TOO_MANY).await,
            Since::Unknown => return self.reset(self.place, reason::UNKNOWN).await,
        };
        for some in changed.chunks(READ) {
            for events in self.handler.word(some, &self.public_url).await.map_err(broken)? {
                self.send(events.after(0)).await?;
            }
        }
        self.place = newest;
        Ok(())
    }

    /// Sends what is told, until the server stops, the client is too slow, or may watch no longer.
    async fn follow(&mut self) -> Result<(), Broken> {
        loop {
            let told = tokio::select! {
                told = tokio::time::timeout(self.heartbeat, self.told.recv()) => told,
                () = self.chunks.closed() => return Err(Broken),
            };
            if self.handler.now_ms() >= self.until_ms {
                return Ok(());
            }
            match told {
                Ok(Ok(Message::Events(events))) => self.send(events.after(self.place)).await?,
                Ok(Ok(Message::Lost) | Err(RecvError::Lagged(_))) => {
                    return self.reset(self.watching.newest(), reason::LAGGING).await;
                }
                Ok(Err(RecvError::Closed)) => return Ok(()),
                Err(_) => self.send(":\n\n").await?,
            }
        }
    }

    async fn reset(&self, place: i64, reason: &str) -> Result<(), Broken> {
        self.send(event(place, "reset", &format!("{{\"reason\":\"{reason}\"}}"))).await
    }

    async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Broken> {
        self.chunks.send(Chunk::Data(bytes.into())).await.map_err(|_| Broken)
    }
}

/// The client comes back and finds out.
fn broken(error: Error) -> Broken {
    let cause = error.cause().map(tracing::field::display);
    tracing::warn!(%error, cause, "one who watches could not be told what it missed");
    Broken
}
