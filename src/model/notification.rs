//! What people are owed: why they are told, when, and in which message.

use std::collections::HashMap;
use std::fmt;

use super::{Incident, Number};

/// Messages of one channel that were tried and are owed still, at a time. What comes later waits behind them, so that a
/// channel that comes back after a day is not flooded with what was tried meanwhile; a single message that its receiver
/// never takes delays nothing.
pub const TRIED_AT_ONCE: usize = 8;

/// Why people are told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum Reason {
    Created,
    /// It became more severe.
    Raised,
    Reopened,
    Resolved,
    /// Nobody has acknowledged it for too long.
    Unacknowledged,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Raised, Self::Reopened, Self::Resolved, Self::Unacknowledged];

    /// The name in configurations, templates and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Raised => "raised",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
            Self::Unacknowledged => "unacknowledged",
        }
    }

    /// The number that the store keeps.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self as i64
    }

    /// The reason that the store kept as `stored`.
    #[must_use]
    pub fn from_stored(stored: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.to_stored() == stored)
    }
}

/// Why people are not told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// They are.
    No,
    /// Others came shortly before: they are told together.
    Digest,
    /// It is the route's quiet time.
    Quiet,
    /// A silence.
    Silence,
}

impl Held {
    const ALL: [Self; 4] = [Self::No, Self::Digest, Self::Quiet, Self::Silence];

    /// The name in answers; `None`: it is not held.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Digest => Some("digest"),
            Self::Quiet => Some("quiet_hours"),
            Self::Silence => Some("silence"),
        }
    }

    /// The number that the store keeps.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self as i64
    }

    /// What the store kept as `stored`.
    #[must_use]
    pub fn from_stored(stored: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|held| held.to_stored() == stored)
    }
}

/// What has become of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is yet to be told.
    Owed,
    /// The receiver has taken it.
    Told,
    /// It was tried for too long, or the receiver will never take it.
    GivenUp,
    /// There was no need any more when its time came.
    Moot,
}

impl Standing {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Owed, Self::Told, Self::GivenUp, Self::Moot];

    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Told => "told",
            Self::GivenUp => "given_up",
            Self::Moot => "moot",
        }
    }

    /// The number that the store keeps.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self as i64
    }

    /// What the store kept as `stored`.
    #[must_use]
    pub fn from_stored(stored: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.to_stored() == stored)
    }
}

/// A notification as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Unique in the store; later ones have greater ones.
    pub id: i64,
    /// What receivers know the message by that it went out in, if that was tried: several may share one.
    pub message: Option<MessageId>,
    /// The channel's name.
    pub channel: String,
    /// `None`: it stands for `count` that there was no room for.
    pub incident: Option<Number>,
    /// Why.
    pub reason: Reason,
    /// How many it stands for.
    pub count: i64,
    /// When it was owed. All times are in milliseconds since the epoch.
    pub at: i64,
    /// When it was to be told.
    pub due_at: i64,
    /// Why that is not the same.
    pub held: Held,
    /// What has become of it.
    pub standing: Standing,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was last tried or given up; or, of one that was told, when that was.
    pub tried_at: Option<i64>,
    /// When it is tried next, if it is owed.
    pub try_at: i64,
    /// What came of the last attempt.
    pub answer: Option<String>,
}

impl Notification {
    /// Where in a timeline it belongs: when it was told, or last tried; until then, when it was owed.
    #[must_use]
    pub fn shown_at(&self) -> i64 {
        self.tried_at.unwrap_or(self.at)
    }
}

/// A notification of one channel that is owed, as far as choosing the next message concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of a notification")]
pub struct Owed {
    pub id: i64,
    pub message: Option<i64>,
    /// The incident's row in the store; `None`: it stands for several.
    pub incident: Option<i64>,
    pub reason: Reason,
    pub due_at: i64,
    pub try_at: i64,
    pub held: Held,
    pub attempts: i64,
}

impl Owed {
    /// It waits for its time, and nothing waits for it.
    fn is_reminder(&self) -> bool {
        self.reason == Reason::Unacknowledged
    }
}

/// What receivers know a message by: the same at every attempt, and never that of another message, also when the store
/// was made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    /// Its first notification.
    pub first: i64,
    /// When that was owed.
    pub at: i64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{:x}_{}", self.at, self.first)
    }
}

/// What a channel owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owing {
    /// The channel's name.
    pub channel: String,
    /// Notifications, those included that there was no room for.
    pub owed: i64,
    /// When the first of them was to be told, in milliseconds since the epoch; `None`: none is due.
    pub oldest_due_at: Option<i64>,
}

/// What goes out at once, to one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What receivers know it by.
    pub id: MessageId,
    /// When the first of it was to be told.
    pub due_at: i64,
    /// When the last of it was: for so long it is tried.
    pub last_due_at: i64,
    /// Why that is not when it happened.
    pub held: Held,
    /// The comments of the silences that it was held by; not all of them where they are many.
    pub silences: Vec<String>,
    /// Attempts before this one.
    pub attempts: i64,
    /// What it tells of, the worst first; not all of it where it is much.
    pub parts: Vec<Part>,
    /// Of how many incidents it tells, those without a part included.
    pub incidents: usize,
}

/// One incident in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As it is now.
    pub incident: Incident,
    /// The last reason why it is told of.
    pub reason: Reason,
}

/// What came of an attempt to tell a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver took it; how it said so.
    Taken(String),
    /// It did not; it is tried again at that time, in milliseconds since the epoch.
    Later(String, i64),
    /// It never will.
    Never(String),
}

/// Chooses what goes out next of what one channel is `owed`, which is in the order of its ids: the notifications of one
/// message, by their positions. None: nothing is due.
///
/// A message that was taken once is told as it was, also when nobody knows what came of that. Else what is urgent comes first, one message for an incident, with
/// what was still held of the same incident, since nobody is to hear of its end before its beginning. What was held, is
/// older than `stale_ms` or only reminds goes out in one message together, unless the receiver wants it `one_by_one`.
#[must_use]
pub fn choose(owed: &[Owed], now_ms: i64, stale_ms: i64, one_by_one: bool) -> Vec<usize> {
    let tried: Vec<&Owed> = owed.iter().filter(|one| one.message.is_some()).collect();
    if let Some(first) =
        tried.iter().filter(|one| one.try_at <= now_ms).min_by_key(|one| (one.try_at, one.id))
    {
        return positions(owed, |one| one.message == first.message);
    }
    let mut messages: Vec<_> = tried.iter().map(|one| one.message).collect();
    messages.sort_unstable();
    messages.dedup();
    if messages.len() >= TRIED_AT_ONCE {
        return Vec::new();
    }
    // The first of each incident that was tried: what is later waits for it.
    let mut first_tried: HashMap<i64, i64> = HashMap::new();
    for one in tried.iter().filter(|one| !one.is_reminder()) {
        let first = first_tried.entry(one.incident.unwrap_or_default()).or_insert(one.id);
        *first = one.id.min(*first);
    }
    let waits_for_tried = |one: &Owed| {
        let first = one.incident.and_then(|incident| first_tried.get(&incident));
        first.is_some_and(|first| *first < one.id)
    };
    let is_due = |one: &Owed| one.message.is_none() && one.try_at <= now_ms && !waits_for_tried(one);
    let is_gathered = |one: &Owed| {
        let is_late = one.held != Held::No || now_ms - one.due_at > stale_ms;
        !one_by_one && (is_late || one.is_reminder() || one.incident.is_none())
    };
    match owed.iter().find(|one| is_due(one) && !is_gathered(one)) {
        Some(urgent) => positions(owed, |one| {
            let is_before = one.incident == urgent.incident && one.id < urgent.id && !one.is_reminder();
            one.id == urgent.id || (is_before && one.message.is_none())
        }),
        None => positions(owed, is_due),
    }
}

fn positions(owed: &[Owed], wanted: impl Fn(&Owed) -> bool) -> Vec<usize> {
    owed.iter().enumerate().filter(|(_, one)| wanted(one)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;
    const STALE: i64 = 60_000;

    fn owed(id: i64, incident: i64, reason: Reason) -> Owed {
        let (due_at, try_at) = (NOW, NOW);
        Owed {
            id,
            message: None,
            incident: Some(incident),
            reason,
            due_at,
            try_at,
            held: Held::No,
            attempts: 0,
        }
    }

    fn tried(one: Owed, next: i64) -> Owed {
        Owed { attempts: 1, message: Some(one.id), try_at: next, ..one }
    }

    fn held(one: Owed, until: i64) -> Owed {
        Owed { held: Held::Digest, due_at: until, try_at: until, ..one }
    }

    #[test]
    fn urgent_ones_go_out_one_by_one_in_order() {
        let all = [owed(1, 1, Reason::Created), owed(2, 2, Reason::Created), owed(3, 1, Reason::Resolved)];
        assert_eq!(choose(&all, NOW, STALE, false), [0]);
        assert_eq!(choose(&all[1..], NOW, STALE, false), [0]);
        assert_eq!(choose(&all, NOW - 1, STALE, false), [0; 0], "nothing is due yet");
    }

    #[test]
    fn what_was_held_goes_out_together_once_it_is_due() {
        let all = [held(owed(1, 1, Reason::Created), NOW), held(owed(2, 2, Reason::Created), NOW)];
        assert_eq!(choose(&all, NOW - 1, STALE, false), [0; 0]);
        assert_eq!(choose(&all, NOW, STALE, false), [0, 1]);
        assert_eq!(choose(&all, NOW, STALE, true), [0], "the receiver keeps track of each");
    }

    #[test]
    fn an_urgent_one_brings_along_what_is_held_of_its_incident_but_no_reminder() {
        let all = [
            held(owed(1, 1, Reason::Created), NOW + 9),
            Owed { try_at: NOW + 99, ..owed(2, 1, Reason::Unacknowledged) },
            held(owed(3, 2, Reason::Created), NOW + 9),
            owed(4, 1, Reason::Raised),
        ];
        assert_eq!(choose(&all, NOW, STALE, false), [0, 3]);
    }

    #[test]
    fn a_tried_one_holds_back_its_incident_only_and_is_tried_again_as_it_was() {
        let all = [
            tried(owed(1, 1, Reason::Created), NOW + 5),
            owed(2, 1, Reason::Resolved),
            owed(3, 2, Reason::Created),
        ];
        assert_eq!(choose(&all, NOW, STALE, false), [2]);
        assert_eq!(choose(&all[..2], NOW, STALE, false), [0; 0]);
        assert_eq!(choose(&all, NOW + 5, STALE, false), [0]);
        let pair = [
            tried(owed(1, 1, Reason::Created), NOW),
            Owed { message: Some(1), ..tried(owed(2, 2, Reason::Created), NOW) },
        ];
        assert_eq!(choose(&pair, NOW, STALE, false), [0, 1], "both were in it");
        // The process ended before anybody knew what came of it.
        let taken = [
            Owed { message: Some(2), ..owed(2, 2, Reason::Created) },
            Owed { message: Some(2), ..owed(5, 5, Reason::Created) },
        ];
        let all =
            [owed(1, 1, Reason::Created), taken[0].clone(), owed(3, 2, Reason::Resolved), taken[1].clone()];
        assert_eq!(choose(&all, NOW + STALE + 1, STALE, false), [1, 3], "as it was");
    }

    #[test]
    fn what_is_stale_goes_out_in_one_message_after_few_that_were_tried() {
        let late = NOW + STALE + 1;
        let mut all: Vec<_> = (1..=8).map(|id| tried(owed(id, id, Reason::Created), late + 1)).collect();
        all.extend((9..=500).map(|id| owed(id, id, Reason::Created)));
        assert_eq!(choose(&all, late, STALE, false), [0; 0], "eight are enough");
        assert_eq!(choose(&all[1..], late, STALE, false).len(), 492);
        let more = Owed { incident: None, ..owed(501, 0, Reason::Created) };
        assert_eq!(choose(&[more], NOW, STALE, false), [0]);
    }
}
