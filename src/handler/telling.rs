//! Telling those who watch: what the store has committed is read once, worded once, and sent to all of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::Handler;
use super::views::IncidentView;
use crate::error::{Error, Kind};
use crate::model::Incident;
use crate::store::Committed;

/// Incidents that are read at once: short, so that a checkpoint does not wait for it.
pub const READ: usize = 64;

/// Bytes that are sent at once, the last event not counted.
const SENT_BYTES: usize = 64 * 1024;

/// How many of these sendings a subscriber may be behind. All of them share them, so this bounds the memory that slow
/// ones cost.
const BEHIND: usize = 64;

/// Events in the order of their commits, as they go out.
#[derive(Debug, Default)]
pub struct Events {
    bytes: Bytes,
    /// Where each begins.
    events: Vec<(Committed, usize)>,
}

impl Events {
    /// Those that one who has all up to `place` does not have.
    pub fn after(&self, place: i64) -> Bytes {
        // Places only grow; at this one, a repeat comes after the entry that it does not have.
        let has = |one: &Committed| one.place < place || (one.place == place && one.is_new);
        let first = self.events.partition_point(|(one, _)| has(one));
        let begin = self.events.get(first).map_or(self.bytes.len(), |(_, begin)| *begin);
        self.bytes.slice(begin..)
    }
}

/// What subscribers are sent.
#[derive(Clone, Debug)]
pub enum Message {
    /// What happened.
    Events(Arc<Events>),
    /// Something happened that nobody can be told any more.
    Lost,
}

/// Those who watch.
#[derive(Debug)]
pub struct Streams {
    most: usize,
    slots: Arc<Semaphore>,
    /// `None` once the server is on its way out.
    told: Mutex<Option<broadcast::Sender<Message>>>,
}

impl Streams {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        let told = Mutex::new(Some(broadcast::Sender::new(BEHIND)));
        Self { most, slots: Arc::new(Semaphore::new(most)), told }
    }

    /// Room for one more, and what it is to be told from now on.
    ///
    /// # Errors
    /// `overloaded`, `shutting_down`.
    pub fn enter(&self) -> Result<(OwnedSemaphorePermit, broadcast::Receiver<Message>), Error> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let message = format!("`[limits] streams` allows {} at once; close one, or try again", self.most);
            return Err(Error::new(Kind::Overloaded, message));
        };
        match &*self.told.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(told) => Ok((slot, told.subscribe())),
            None => Err(Error::new(Kind::ShuttingDown, "Firebell is shutting down; try again")),
        }
    }

    /// Ends all streams there are once they have sent what they have.
    pub fn renew(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = &mut *told {
            *told = broadcast::Sender::new(BEHIND);
        }
    }

    /// The way to all of them, if there are any.
    fn told(&self) -> Option<broadcast::Sender<Message>> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone().filter(|told| told.receiver_count() > 0)
    }
}

impl Handler {
    /// Ends every stream of events once it has sent what it has, and begins no other.
    pub fn end_streams(&self) {
        self.streams.told.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Tells those who watch what is committed, as long as the server runs.
    pub async fn tell(&self) {
        loop {
            let Some(committed) = self.store.committed().await else {
                tracing::warn!("more was committed than those who watch could be told");
                self.send(Message::Lost);
                continue;
            };
            if let Err(error) = self.tell_all(&committed).await {
                let cause = error.cause().map(tracing::field::display);
                tracing::warn!(%error, cause, "those who watch could not be told");
                self.send(Message::Lost);
            }
        }
    }

    async fn tell_all(&self, committed: &[Committed]) -> Result<(), Error> {
        for some in committed.chunks(READ) {
            if self.streams.told().is_none() {
                return Ok(());
            }
            for events in self.word(some, &self.live().public_url).await? {
                self.send(Message::Events(Arc::new(events)));
                // Let them take it, lest a burst make all of them lag.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn send(&self, message: Message) {
        if let Some(told) = self.streams.told() {
            // The last one may just have gone.
            told.send(message).ok();
        }
    }

    /// Words what happened to incidents, each as it now is, in pieces of a size to be sent.
    pub(super) async fn word(&self, committed: &[Committed], public_url: &str) -> Result<Vec<Events>, Error> {
        let numbers: HashSet<_> = committed.iter().map(|one| one.incident).collect();
        let incidents = self.store.incidents(numbers).await?;
        let json = |incident: &Incident| {
            let json = serde_json::to_string(&IncidentView::new(incident, public_url)?);
            Ok((incident.number, json.map_err(Error::internal)?))
        };
        let incidents = incidents.iter().map(json).collect::<Result<HashMap<_, _>, Error>>()?;
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut events = Vec::new();
        for one in committed {
            // One that was deleted meanwhile is no news.
            let Some(incident) = incidents.get(&one.incident) else { continue };
            events.push((*one, text.len()));
            let outcome = serde_json::to_string(&one.kind).map_err(Error::internal)?;
            let data = format!("{{\"outcome\":{outcome},\"incident\":{incident}}}");
            text.push_str(&event(one.place, "incident", &data));
            if text.len() > SENT_BYTES {
                let bytes = std::mem::take(&mut text).into();
                pieces.push(Events { bytes, events: std::mem::take(&mut events) });
            }
        }
        if !events.is_empty() {
            pieces.push(Events { bytes: text.into(), events });
        }
        Ok(pieces)
    }
}

/// A Server-Sent Event; `data` is one line.
pub fn event(place: i64, name: &str, data: &str) -> String {
    format!("id: {place}\nevent: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryKind, Number};

    #[test]
    fn what_comes_after_a_place_is_later_entries_and_repeats_without_one() {
        let one = |place, is_new| {
            let incident = Number { year: 2026, sequence: 1 };
            Committed { place, is_new, incident, kind: EntryKind::Repeated }
        };
        let events = [(3, false), (4, true), (4, false), (5, true)];
        let events = events.into_iter().enumerate().map(|(at, (place, new))| (one(place, new), at)).collect();
        let events = Events { bytes: Bytes::from_static(b"abcd"), events };
        let after: Vec<_> = (2..=6).map(|place| events.after(place)).collect();
        assert_eq!(after, ["abcd", "abcd", "cd", "", ""]);
    }
}
