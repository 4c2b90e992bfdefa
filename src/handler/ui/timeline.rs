//! A timeline as a person reads it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time::{Moment, Run};
use crate::model::{Entry, EntryKind, Held, Notification, Reason, Standing};

/// What channels are told within this time is told at once.
const NEAR_MS: i64 = 2000;

/// A field that changed, with its values as they are read.
#[derive(Serialize)]
struct Step {
    field: String,
    from: String,
    to: String,
}

/// The same as it is stored.
#[derive(Deserialize)]
struct StoredStep {
    field: String,
    from: Value,
    to: Value,
}

impl From<StoredStep> for Step {
    fn from(StoredStep { field, from, to }: StoredStep) -> Self {
        Self { field: field.replace('_', " "), from: plain(&from), to: plain(&to) }
    }
}

/// A value without the marks of JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An entry.
#[derive(Serialize)]
pub struct Line {
    /// When it was; when the last was, of several.
    at: Moment,
    /// From when to when several were.
    run: Option<Run>,
    kind: &'static str,
    /// Who did it; `None`: Firebell, by itself.
    actor: Option<String>,
    /// What happened, without who did it.
    what: String,
    changes: Vec<Step>,
    message: Option<String>,
    /// What came of telling somebody.
    detail: Option<String>,
    /// When that is tried.
    next: Option<Run>,
    next_is: &'static str,
}

impl Line {
    /// An entry as it is read at `now_ms`.
    pub fn new(entry: Entry, now_ms: i64) -> Self {
        let changes: Vec<StoredStep> = serde_json::from_str(&entry.changes).unwrap_or_default();
        let several = entry.count > 1;
        Self {
            at: Moment::new(entry.last_at, now_ms),
            run: several.then(|| Run::new(entry.at, entry.last_at, now_ms)),
            kind: "entry",
            what: what(entry.kind, entry.count),
            actor: Some(entry.actor.strip_prefix("integration:").unwrap_or(&entry.actor).to_owned()),
            changes: changes.into_iter().map(Step::from).collect(),
            message: entry.message,
            detail: None,
            next: None,
            next_is: "",
        }
    }

    /// What several channels, or one, were told or are owed alike, as it is read at `now_ms`.
    pub fn told(alike: &[&Notification], now_ms: i64) -> Option<Self> {
        let one = alike.first()?;
        // In the order in which they were owed it, whoever answered first.
        let mut in_order = alike.to_vec();
        in_order.sort_by_key(|one| one.id);
        let channels: Vec<_> = in_order.iter().map(|one| one.channel.as_str()).collect();
        let (who, several) = (listed(&channels), channels.len() > 1);
        let happened = one.reason.happened();
        let is_planned = one.reason == Reason::Unacknowledged && one.attempts == 0;
        let (kind, what) = match (one.standing, several) {
            (Standing::Told, false) => ("told", format!("{who} was told that it {happened}")),
            (Standing::Told, true) => ("told", format!("{who} were told that it {happened}")),
            (Standing::Owed, _) if is_planned => {
                ("owed", format!("{who} will be told unless it is acknowledged"))
            }
            (Standing::Owed, false) => ("owed", format!("{who} is yet to be told that it {happened}")),
            (Standing::Owed, true) => ("owed", format!("{who} are yet to be told that it {happened}")),
            (Standing::GivenUp, false) => ("given-up", format!("{who} was not told that it {happened}")),
            (Standing::GivenUp, true) => ("given-up", format!("{who} were not told that it {happened}")),
            (Standing::Moot, _) => ("moot", format!("{who} needed no reminder")),
        };
        let attempts = (one.attempts > 1).then(|| format!("{} attempts", one.attempts));
        let detail: Vec<_> =
            [one.answer.clone(), attempts, held(one).map(Into::into)].into_iter().flatten().collect();
        let is_tried = one.standing == Standing::Owed && (one.attempts > 0 || one.try_at > now_ms);
        let next = is_tried.then(|| Run::new(one.try_at, one.try_at, now_ms));
        Some(Self {
            at: Moment::new(one.shown_at(), now_ms),
            run: None,
            kind,
            what,
            actor: None,
            changes: Vec::new(),
            message: None,
            detail: (!detail.is_empty()).then(|| detail.join(", ")),
            next,
            next_is: match (one.attempts, one.held) {
                (0, Held::No) => "at",
                (0, _) => "until",
                _ => "again at",
            },
        })
    }
}

/// Whether they are one line: the same came of the same at about the same time.
pub fn are_alike(one: &Notification, other: &Notification) -> bool {
    let same = |one: &Notification| (one.standing, one.reason, one.held, one.attempts, one.answer.clone());
    let near = |this: i64, that: i64| (this - that).abs() < NEAR_MS;
    same(one) == same(other)
        && one.channel != other.channel
        && near(one.shown_at(), other.shown_at())
        && (one.standing != Standing::Owed || near(one.try_at, other.try_at))
}

/// Why somebody is not told at once, as long as that is so.
fn held(one: &Notification) -> Option<&'static str> {
    if one.standing != Standing::Owed || one.attempts > 0 {
        return None;
    }
    match one.held {
        Held::No => None,
        Held::Digest => Some("held for a digest"),
        Held::Quiet => Some("held for quiet hours"),
        Held::Silence => Some("held by a silence"),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).into(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

fn what(kind: EntryKind, count: i64) -> String {
    let verb = match kind {
        EntryKind::Created => "created",
        EntryKind::Updated => "updated",
        EntryKind::Repeated => "repeated",
        EntryKind::Reopened => "re-opened",
        EntryKind::StatusChanged => "status changed",
        EntryKind::Acknowledged => "acknowledged",
        EntryKind::Assigned => "assigned",
        EntryKind::Comment => "commented",
        EntryKind::Resolved => "resolved",
        EntryKind::Closed => "closed",
    };
    match count {
        1 => verb.into(),
        2 => format!("{verb} twice"),
        count => format!("{verb} {count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_words() {
        assert_eq!(what(EntryKind::Repeated, 43), "repeated 43 times");
        assert_eq!(what(EntryKind::Repeated, 2), "repeated twice");
        assert_eq!(what(EntryKind::StatusChanged, 1), "status changed");
    }

    #[test]
    fn what_channels_are_told_alike_is_one_line() {
        let told = |channel: &str, standing: Standing, reason: Reason| Notification {
            id: channel.bytes().map(i64::from).sum(),
            message: None,
            channel: channel.into(),
            incident: None,
            reason,
            count: 1,
            at: 1000,
            due_at: 1000,
            held: Held::No,
            standing,
            attempts: i64::from(standing != Standing::Owed),
            tried_at: None,
            try_at: 60_000,
            answer: None,
        };
        let words =
            |alike: &[&Notification]| Line::told(alike, 1000).map(|line| line.what).unwrap_or_default();
        let all = ["b", "c", "a"].map(|name| told(name, Standing::Told, Reason::Raised));
        assert_eq!(words(&[&all[0], &all[1], &all[2]]), "a, b and c were told that it became more severe");
        assert!(are_alike(&all[0], &all[1]));
        assert!(!are_alike(&all[0], &all[0]), "the same channel was told twice");
        for other in [
            told("d", Standing::GivenUp, Reason::Raised),
            told("d", Standing::Told, Reason::Created),
            Notification { answer: Some("200 OK".into()), ..told("d", Standing::Told, Reason::Raised) },
            Notification { tried_at: Some(1000 + NEAR_MS), ..told("d", Standing::Told, Reason::Raised) },
        ] {
            assert!(!are_alike(&all[0], &other), "{other:?}");
        }
        let reminder = told("a", Standing::Owed, Reason::Unacknowledged);
        assert_eq!(words(&[&reminder]), "a will be told unless it is acknowledged");
    }
}
