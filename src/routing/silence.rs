//! Silences: for a time, nobody is told of the incidents that they are about. Pure: whoever asks brings the time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Matcher, Subject};
use crate::model::{Severity, Wanted, words};

/// Which incidents a silence is about, as somebody wrote it. What is empty asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Ids; one of an incident's services must be among them.
    pub services: Vec<String>,
    /// One of these severities.
    pub severities: Vec<Severity>,
    /// One of these integrations.
    pub integrations: Vec<String>,
    /// All of these keys, each with that value: a string, or JSON in compact form.
    pub metadata: BTreeMap<String, String>,
    /// All of these words, as a search finds them; `None`: any text.
    pub text: Option<String>,
}

impl About {
    /// It is about every incident that there may be.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn matcher(&self) -> Matcher {
        Matcher {
            services: self.services.clone(),
            severities: self.severities.clone(),
            integrations: self.integrations.clone(),
            metadata: self.metadata.clone().into_iter().collect(),
            text: self.text.as_deref().map(Wanted::read),
        }
    }
}

/// A silence. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Unique in the store; later ones have greater ones.
    pub id: i64,
    /// Which incidents.
    pub about: About,
    /// From then on.
    pub starts_at: i64,
    /// Up to then, unless it is ended before.
    pub ends_at: i64,
    /// Why.
    pub comment: String,
    /// Who made it.
    pub author: String,
    /// When.
    pub created_at: i64,
    /// When somebody ended it, before its time.
    pub ended_at: Option<i64>,
    /// Who.
    pub ended_by: Option<String>,
    /// How many incidents something happened to that nobody was told of at once.
    pub incidents: i64,
}

/// How a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum SilenceState {
    Active,
    Pending,
    Over,
}

impl SilenceState {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Over];

    /// The name in queries and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Over => "over",
        }
    }
}

impl Silence {
    /// How it stands at `now_ms`.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if self.ended_at.is_some() || now_ms >= self.ends_at {
            SilenceState::Over
        } else if now_ms < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }
}

/// Those that are not over, and what they match.
#[derive(Debug, Default)]
pub struct Silences(Vec<(Silence, Matcher)>);

impl Silences {
    /// Puts them together.
    #[must_use]
    pub fn new(silences: Vec<Silence>) -> Self {
        let with_matcher = |silence: Silence| {
            let matcher = silence.about.matcher();
            (silence, matcher)
        };
        Self(silences.into_iter().map(with_matcher).collect())
    }

    /// How many are in the given states at `now_ms`.
    #[must_use]
    pub fn count(&self, now_ms: i64, counted: impl Fn(SilenceState) -> bool) -> usize {
        self.0.iter().filter(|(silence, _)| counted(silence.state(now_ms))).count()
    }

    /// Whether any is active.
    #[must_use]
    pub fn any_active(&self, now_ms: i64) -> bool {
        self.0.iter().any(|(silence, _)| silence.state(now_ms) == SilenceState::Active)
    }

    /// The active ones that an incident is silenced by, the one that ends last first.
    #[must_use]
    pub fn covering(&self, subject: &Subject<'_>, now_ms: i64) -> Vec<&Silence> {
        // Its words are looked for once, however many silences ask for some.
        let mut there = None;
        let mut covers = |matcher: &Matcher| {
            matcher.matches_but_for_text(subject)
                && matcher.text.as_ref().is_none_or(|wanted| {
                    let texts = [subject.title, subject.description.unwrap_or_default()];
                    wanted.is_among(there.get_or_insert_with(|| words(&texts)))
                })
        };
        let active = self.0.iter().filter(|(silence, _)| silence.state(now_ms) == SilenceState::Active);
        let mut covering: Vec<_> =
            active.filter(|(_, matcher)| covers(matcher)).map(|(silence, _)| silence).collect();
        covering.sort_by_key(|silence| std::cmp::Reverse(silence.ends_at));
        covering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(id: i64, from: i64, to: i64, text: Option<&str>) -> Silence {
        Silence {
            id,
            about: About { text: text.map(Into::into), ..About::default() },
            starts_at: from,
            ends_at: to,
            comment: String::new(),
            author: String::new(),
            created_at: 0,
            ended_at: None,
            ended_by: None,
            incidents: 0,
        }
    }

    #[test]
    fn those_that_are_active_cover_what_they_match_the_longest_first() {
        let subject = Subject {
            severity: Severity::Sev1,
            services: &["SER-1"],
            integration: None,
            title: "Disk is full",
            description: Some("of logs"),
            metadata: "{}",
        };
        let ended = Silence { ended_at: Some(15), ..silence(5, 10, 90, None) };
        let all = Silences::new(vec![
            silence(1, 10, 20, Some("disk")),
            silence(2, 10, 30, Some("full log")),
            silence(3, 10, 40, Some("memory")),
            silence(4, 25, 50, None),
            ended,
        ]);
        let ids = |now| all.covering(&subject, now).iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(
            [ids(9), ids(10), ids(20), ids(25), ids(50)],
            [vec![], vec![2, 1], vec![2], vec![4, 2], vec![]]
        );
        assert!(!all.any_active(9) && all.any_active(49));
        assert_eq!(all.count(9, |state| state == SilenceState::Pending), 4);
    }
}
