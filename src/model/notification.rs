//! What people are told: why, when, in which message, and what came of it.

use std::fmt;

use super::{Incident, Number};

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

    /// What an incident did, to follow `it`.
    #[must_use]
    pub const fn happened(self) -> &'static str {
        match self {
            Self::Created => "was created",
            Self::Raised => "became more severe",
            Self::Reopened => "was re-opened",
            Self::Resolved => "was resolved",
            Self::Unacknowledged => "is not acknowledged",
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
    /// Notifications that were given up within the last day.
    pub given_up: i64,
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
    /// The comments of the silences that it was held by; not all of them where they are many.
    pub silences: Vec<String>,
    /// Attempts before this one.
    pub attempts: i64,
    /// When the last of them was.
    pub tried_at: Option<i64>,
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
    /// It did not.
    Later {
        /// What it said, or why nobody knows.
        answer: String,
        /// When it is tried again, in milliseconds since the epoch.
        at_ms: i64,
        /// The channel's other messages are not told before that time: the receiver wants to be left alone.
        others_at_ms: i64,
    },
    /// Nobody has seen it, since it could not be written, or the receiver takes no such message, though maybe one of a
    /// part of it. At that time what it named is tried again, each incident by itself.
    Unseen(String, i64),
    /// It never will.
    Never(String),
}
