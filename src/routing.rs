//! Who is told of what, and when: the routes of the configuration, in their order. Pure: whoever asks brings the time.

mod quiet;
mod silence;

use std::collections::HashMap;

use crate::json::{self, Json};
use crate::model::{Held, Reason, Severity, Wanted};
pub use quiet::Quiet;
pub use silence::{About, Silence, SilenceState, Silences};

/// How far apart the times are, at the most, at which reminders come together.
const LONGEST_STEP_MS: i64 = 3_600_000;

/// An incident, as far as routes look at it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// The ids of its services.
    pub services: &'a [&'a str],
    /// Who sent it; `None`: a person made it.
    pub integration: Option<&'a str>,
    /// What it is.
    pub title: &'a str,
    /// More of that.
    pub description: Option<&'a str>,
    /// A JSON object.
    pub metadata: &'a str,
}

/// Which incidents something is about. What is empty asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// Ids; one of an incident's services must be among them.
    pub services: Vec<String>,
    /// One of these severities.
    pub severities: Vec<Severity>,
    /// One of these integrations.
    pub integrations: Vec<String>,
    /// All of these keys, each with that value: a string, or JSON in compact form.
    pub metadata: Vec<(String, String)>,
    /// All of these words, as a search finds them; `None`: any text.
    pub text: Option<Wanted>,
}

impl Matcher {
    /// Whether it is about that incident.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.matches_but_for_text(subject)
            && self
                .text
                .as_ref()
                .is_none_or(|wanted| wanted.is_in(&[subject.title, subject.description.unwrap_or_default()]))
    }

    fn matches_but_for_text(&self, subject: &Subject<'_>) -> bool {
        let among = |list: &[String], name: &str| list.iter().any(|one| one == name);
        (self.services.is_empty() || subject.services.iter().any(|id| among(&self.services, id)))
            && (self.severities.is_empty() || self.severities.contains(&subject.severity))
            && (self.integrations.is_empty()
                || subject.integration.is_some_and(|name| among(&self.integrations, name)))
            && (self.metadata.is_empty() || self.has_metadata(subject.metadata))
    }

    fn has_metadata(&self, metadata: &str) -> bool {
        let Ok(Json::Object(members)) = json::parse(metadata.as_bytes()) else { return false };
        self.metadata.iter().all(|(key, wanted)| {
            members.iter().any(|(name, value)| {
                name == key
                    && match value {
                        Json::String(text) => text == wanted,
                        other => other.to_compact() == *wanted,
                    }
            })
        })
    }
}

/// Whom to tell of which incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which incidents.
    pub matcher: Matcher,
    /// The positions of its channels in [`Routing::channels`].
    pub channels: Vec<usize>,
    /// Of what.
    pub on: Vec<Reason>,
    /// How long an incident may be open before those who have not acknowledged it are reminded, and how often.
    pub unacknowledged_after_ms: Option<i64>,
    /// After one notification, others wait for so long, to be told together; 0: none waits.
    pub digest_ms: i64,
    /// When there are only those that break through.
    pub quiet: Option<Quiet>,
    /// Routes behind it are asked too.
    pub goes_on: bool,
}

/// All routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The names of the channels.
    pub channels: Vec<String>,
    /// In order: the first that matches decides, unless it goes on.
    pub routes: Vec<Route>,
}

/// The times in which others wait, since a route has just told a channel, by their positions. Nothing of it outlives a
/// restart: then one more is told at once.
pub type Windows = HashMap<(usize, usize), Window>;

/// A time in which notifications wait, to be told together.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    ends_ms: i64,
    /// Of what was told at once.
    worst: Severity,
}

/// A notification that is to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The channel's position.
    pub channel: usize,
    /// Why.
    pub reason: Reason,
    /// When.
    pub due_ms: i64,
    /// Why that is not now.
    pub held: Held,
}

impl Routing {
    /// What is owed for something that has just happened to an incident. Of several routes that lead to one channel the
    /// first counts that tells of it, and the first that reminds.
    #[must_use]
    pub fn due(&self, subject: &Subject<'_>, reason: Reason, now_ms: i64, windows: &mut Windows) -> Vec<Due> {
        let mut due: Vec<Due> = Vec::new();
        // What becomes worse may only now be something to remind of.
        let begins = matches!(reason, Reason::Created | Reason::Reopened | Reason::Raised);
        for (position, route) in self.asked(subject) {
            for &channel in &route.channels {
                let is_due = |due: &[Due], reason| {
                    due.iter().any(|one| (one.channel, one.reason) == (channel, reason))
                };
                if route.on.contains(&reason) && !is_due(&due, reason) {
                    let window = windows.entry((position, channel)).or_insert(Window::OVER);
                    let (due_ms, held) = route.when(subject.severity, reason, now_ms, window);
                    due.push(Due { channel, reason, due_ms, held });
                }
                if begins && !is_due(&due, Reason::Unacknowledged) {
                    due.extend(route.first_reminder(channel, subject.severity, now_ms));
                }
            }
        }
        due
    }

    /// What is owed for the end of an incident to a channel that was told that it began. Where no route leads there any
    /// more, since it became less severe or another service's, by the first to that channel that tells of ends; at once
    /// where there is none to that channel at all.
    #[must_use]
    pub fn end(
        &self,
        subject: &Subject<'_>,
        channel: usize,
        now_ms: i64,
        windows: &mut Windows,
    ) -> Option<Due> {
        let reason = Reason::Resolved;
        if !self.routes.iter().any(|route| route.leads_to(channel)) {
            return Some(Due { channel, reason, due_ms: now_ms, held: Held::No });
        }
        let asked: Vec<_> = self.asked(subject).filter(|(_, route)| route.tells(channel)).collect();
        let routes: Vec<_> = match asked.is_empty() {
            true => self.routes.iter().enumerate().filter(|(_, route)| route.tells(channel)).collect(),
            false => asked,
        };
        let (position, route) = routes.into_iter().find(|(_, route)| route.on.contains(&reason))?;
        let window = windows.entry((position, channel)).or_insert(Window::OVER);
        let (due_ms, held) = route.when(subject.severity, reason, now_ms, window);
        Some(Due { channel, reason, due_ms, held })
    }

    /// Whether any route has a quiet time.
    #[must_use]
    pub fn has_quiet(&self) -> bool {
        self.routes.iter().any(|route| route.quiet.is_some())
    }

    /// The routes that an incident goes by, with their positions.
    fn asked<'a>(&'a self, subject: &'a Subject<'a>) -> impl Iterator<Item = (usize, &'a Route)> {
        let mut decided = false;
        let matching = self.routes.iter().enumerate().filter(|(_, route)| route.matcher.matches(subject));
        matching.take_while(move |(_, route)| !std::mem::replace(&mut decided, !route.goes_on))
    }

    /// The next reminder for a channel that has just reminded of an incident; `None`: nobody wants one any more.
    #[must_use]
    pub fn next_reminder(&self, subject: &Subject<'_>, channel: usize, now_ms: i64) -> Option<Due> {
        let mut routes = self.asked(subject).filter(|(_, route)| route.leads_to(channel));
        routes.find_map(|(_, route)| route.next_reminder(channel, subject.severity, now_ms))
    }

    /// When the quiet time ends that a channel is to have now from what is owed to it of an incident; `None`: it is not
    /// quiet.
    #[must_use]
    pub fn quiet_until(
        &self,
        subject: &Subject<'_>,
        reason: Reason,
        channel: usize,
        now_ms: i64,
    ) -> Option<i64> {
        let counts = |route: &Route| match reason {
            Reason::Unacknowledged => route.unacknowledged_after_ms.is_some(),
            _ => route.on.contains(&reason),
        };
        let leads_there = |(_, route): &(usize, &Route)| route.leads_to(channel);
        let asked: Vec<_> = self.asked(subject).filter(leads_there).map(|(_, route)| route).collect();
        // Where none wants it any more, the first will do.
        let route = asked.iter().find(|route| counts(route)).or(asked.first())?;
        route.quiet.as_ref()?.until(subject.severity, now_ms)
    }

    /// When the first of a channel's quiet times ends, if all that it is told is quiet now but for what breaks through.
    #[must_use]
    pub fn all_quiet_until(&self, channel: usize, now_ms: i64) -> Option<i64> {
        let routes = self.routes.iter().filter(|route| route.tells(channel));
        let ends = routes.map(|route| route.quiet.as_ref()?.until(Severity::Sev4, now_ms));
        ends.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

impl Window {
    const OVER: Self = Self { ends_ms: i64::MIN, worst: Severity::Sev4 };
}

impl Route {
    fn leads_to(&self, channel: usize) -> bool {
        self.channels.contains(&channel)
    }

    /// Whether it tells a channel of anything, and does not only remind it.
    fn tells(&self, channel: usize) -> bool {
        self.leads_to(channel) && !self.on.is_empty()
    }

    /// When a notification is due, and why it is not at once.
    fn when(&self, severity: Severity, reason: Reason, now_ms: i64, window: &mut Window) -> (i64, Held) {
        if let Some(until) = self.quiet.as_ref().and_then(|quiet| quiet.until(severity, now_ms)) {
            return (until, Held::Quiet);
        }
        // A clock that went back must not hold them for longer than the window is.
        let is_open = now_ms < window.ends_ms && window.ends_ms <= now_ms + self.digest_ms;
        // Good news is none that others could be worse than.
        let bad = if reason == Reason::Resolved { Window::OVER.worst } else { severity };
        if is_open && bad >= window.worst {
            return (window.ends_ms, Held::Digest);
        }
        window.worst = bad;
        if !is_open {
            window.ends_ms = now_ms + self.digest_ms;
        }
        (now_ms, Held::No)
    }

    /// Those of a storm are due together: up to a tenth of the interval later, and no later than a digest may be.
    fn first_reminder(&self, channel: usize, severity: Severity, now_ms: i64) -> Option<Due> {
        let after_ms = self.unacknowledged_after_ms?;
        let step_ms = self.digest_ms.min(after_ms / 10).max(1);
        let last_ms = now_ms + after_ms + step_ms - 1;
        Some(self.reminder(channel, severity, last_ms - last_ms.rem_euclid(step_ms)))
    }

    /// Later ones come together, whenever their incidents began: at the nearest multiple of half the interval, or of an
    /// hour where that is less.
    fn next_reminder(&self, channel: usize, severity: Severity, now_ms: i64) -> Option<Due> {
        let after_ms = self.unacknowledged_after_ms?;
        let step_ms = (after_ms / 2).min(LONGEST_STEP_MS);
        let nearest_ms = now_ms + after_ms + step_ms / 2;
        Some(self.reminder(channel, severity, nearest_ms - nearest_ms.rem_euclid(step_ms)))
    }

    fn reminder(&self, channel: usize, severity: Severity, due_ms: i64) -> Due {
        let until = self.quiet.as_ref().and_then(|quiet| quiet.until(severity, due_ms));
        let held = if until.is_some() { Held::Quiet } else { Held::No };
        Due { channel, reason: Reason::Unacknowledged, due_ms: until.unwrap_or(due_ms), held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject<'a>(severity: Severity, metadata: &'a str) -> Subject<'a> {
        Subject {
            severity,
            services: &["SER-1", "SER-2"],
            integration: Some("prod"),
            title: "Disk is full",
            description: None,
            metadata,
        }
    }

    fn route(channels: &[usize], matcher: Matcher) -> Route {
        Route {
            matcher,
            channels: channels.to_vec(),
            on: vec![Reason::Created, Reason::Resolved],
            unacknowledged_after_ms: None,
            digest_ms: 0,
            quiet: None,
            goes_on: false,
        }
    }

    #[test]
    fn every_part_of_a_matcher_must_match() {
        let all = subject(Severity::Sev1, r#"{"env":"prod","port":5432}"#);
        let text = |text: &str| Matcher { text: Some(Wanted::read(text)), ..Matcher::default() };
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let metadata = |key: &str, value: &str| Matcher {
            metadata: vec![(key.into(), value.into())],
            ..Matcher::default()
        };
        for (matcher, matches) in [
            (Matcher::default(), true),
            (Matcher { services: list(&["SER-2"]), ..Matcher::default() }, true),
            (Matcher { services: list(&["SER-3"]), ..Matcher::default() }, false),
            (Matcher { severities: vec![Severity::Sev0, Severity::Sev1], ..Matcher::default() }, true),
            (Matcher { severities: vec![Severity::Sev0], ..Matcher::default() }, false),
            (Matcher { integrations: list(&["prod"]), ..Matcher::default() }, true),
            (Matcher { integrations: list(&["dev"]), ..Matcher::default() }, false),
            (metadata("env", "prod"), true),
            (metadata("port", "5432"), true),
            (metadata("port", "543"), false),
            (metadata("zone", "prod"), false),
            (text("full disk"), true),
            (text("empty"), false),
            (Matcher { severities: vec![Severity::Sev1], ..text("empty") }, false),
        ] {
            assert_eq!(matcher.matches(&all), matches, "{matcher:?}");
        }
    }

    #[test]
    fn the_first_route_decides_unless_it_goes_on_and_a_channel_is_told_once() {
        let only_sev0 = Matcher { severities: vec![Severity::Sev0], ..Matcher::default() };
        let mut routing = Routing {
            channels: vec!["a".into(), "b".into(), "c".into()],
            routes: vec![route(&[0], only_sev0), route(&[1, 2], Matcher::default())],
        };
        let told = |routing: &Routing, severity| {
            let due = routing.due(&subject(severity, "{}"), Reason::Created, 5, &mut Windows::new());
            due.iter().map(|due| due.channel).collect::<Vec<_>>()
        };
        assert_eq!((told(&routing, Severity::Sev0), told(&routing, Severity::Sev1)), (vec![0], vec![1, 2]));
        routing.routes[0].goes_on = true;
        routing.routes[1].channels = vec![0, 1];
        assert_eq!(told(&routing, Severity::Sev0), [0, 1]);
        let due = routing.due(&subject(Severity::Sev1, "{}"), Reason::Raised, 5, &mut Windows::new());
        assert_eq!(due, [], "nobody asked for that");
    }

    #[test]
    fn of_several_routes_to_a_channel_the_first_counts_that_tells_and_the_first_that_reminds() {
        let (goes_on, matcher) = (true, Matcher::default);
        let reminding = |after| Route {
            on: vec![],
            unacknowledged_after_ms: Some(after),
            goes_on,
            ..route(&[0], matcher())
        };
        let telling = Route { digest_ms: 9, goes_on, ..route(&[0], matcher()) };
        let orders = [
            [reminding(50), telling.clone(), reminding(70)],
            [telling.clone(), reminding(50), reminding(70)],
        ];
        for routes in orders {
            let routing = Routing { channels: vec!["a".into()], routes: routes.to_vec() };
            let subject = subject(Severity::Sev1, "{}");
            let due = routing.due(&subject, Reason::Created, 10, &mut Windows::new());
            let mut due: Vec<_> = due.iter().map(|due| (due.reason.to_stored(), due.due_ms)).collect();
            due.sort_unstable();
            assert_eq!(due, [(0, 10), (4, 60)]);
            assert_eq!(routing.next_reminder(&subject, 0, 60).map(|due| due.due_ms), Some(100));
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_others_when_the_window_ends() {
        let routing = Routing {
            channels: vec!["a".into()],
            routes: vec![Route { digest_ms: 100, ..route(&[0], Matcher::default()) }],
        };
        let mut windows = Windows::new();
        let mut told = |severity, reason, now| {
            let due = routing.due(&subject(severity, "{}"), reason, now, &mut windows);
            (due[0].due_ms, due[0].held)
        };
        let mut at = |now| told(Severity::Sev1, Reason::Created, now);
        assert_eq!(at(1000), (1000, Held::No));
        assert_eq!(at(1001), (1100, Held::Digest));
        assert_eq!(at(1099), (1100, Held::Digest));
        assert_eq!(at(1100), (1100, Held::No), "which opens the next window");
        assert_eq!(at(1150), (1200, Held::Digest));
        assert_eq!(at(10), (10, Held::No), "the clock went back");
        assert_eq!(told(Severity::Sev0, Reason::Resolved, 20), (110, Held::Digest), "good news can wait");
        assert_eq!(told(Severity::Sev0, Reason::Created, 20), (20, Held::No), "worse than what was told");
        assert_eq!(told(Severity::Sev0, Reason::Created, 21), (110, Held::Digest));
        assert_eq!(told(Severity::Sev0, Reason::Resolved, 110), (110, Held::No));
        assert_eq!(told(Severity::Sev4, Reason::Created, 111), (210, Held::Digest));
        assert_eq!(told(Severity::Sev3, Reason::Created, 111), (111, Held::No), "worse than good news");
    }

    #[test]
    fn who_was_told_of_a_beginning_by_a_route_that_leads_there_no_more_is_told_of_the_end() {
        let only_sev0 = Matcher { severities: vec![Severity::Sev0], ..Matcher::default() };
        let created_only = Route { on: vec![Reason::Created], ..route(&[2], Matcher::default()) };
        let routing = Routing {
            channels: vec!["a".into(), "b".into(), "c".into()],
            routes: vec![route(&[0], only_sev0), route(&[1], Matcher::default()), created_only],
        };
        let end = |severity, channel| {
            let due = routing.end(&subject(severity, "{}"), channel, 5, &mut Windows::new());
            due.map(|due| (due.channel, due.reason, due.due_ms))
        };
        for (severity, channel) in [(Severity::Sev3, 0), (Severity::Sev0, 1), (Severity::Sev0, 0)] {
            assert_eq!(end(severity, channel), Some((channel, Reason::Resolved, 5)));
        }
        assert_eq!(end(Severity::Sev3, 2), None, "it wants to know of no end");
        assert_eq!(
            end(Severity::Sev3, 3),
            Some((3, Reason::Resolved, 5)),
            "no route leads there, and none says that"
        );
    }

    #[test]
    fn a_route_that_only_reminds_decides_neither_of_ends_nor_of_the_quiet_of_what_another_tells() {
        let reminding = Route {
            on: vec![],
            unacknowledged_after_ms: Some(50),
            goes_on: true,
            ..route(&[0], Matcher::default())
        };
        let only_sev1 = Matcher { severities: vec![Severity::Sev1], ..Matcher::default() };
        let (from, to) = Quiet::parse_hours("00:00-12:00").unwrap();
        let quiet = Quiet { from, to, zone: jiff::tz::TimeZone::UTC, breaks_through: vec![] };
        let telling = Route { quiet: Some(quiet), ..route(&[0], only_sev1) };
        let routing = Routing { channels: vec!["a".into()], routes: vec![reminding, telling] };
        let end = routing.end(&subject(Severity::Sev3, "{}"), 0, 5, &mut Windows::new());
        assert!(end.is_some(), "it became less severe");
        let sev1 = subject(Severity::Sev1, "{}");
        assert_eq!(routing.quiet_until(&sev1, Reason::Unacknowledged, 0, 5), None);
        assert_eq!(routing.quiet_until(&sev1, Reason::Created, 0, 5), Some(12 * 3_600_000));
        assert_eq!(routing.all_quiet_until(0, 5), Some(12 * 3_600_000));
    }

    #[test]
    fn who_wants_it_is_reminded_of_what_began() {
        let reminding = Route { unacknowledged_after_ms: Some(50), ..route(&[0], Matcher::default()) };
        let routing = Routing { channels: vec!["a".into()], routes: vec![reminding] };
        let due = |reason| routing.due(&subject(Severity::Sev1, "{}"), reason, 10, &mut Windows::new());
        let reminder = Due { channel: 0, reason: Reason::Unacknowledged, due_ms: 60, held: Held::No };
        assert_eq!(due(Reason::Created)[1..], [reminder]);
        assert_eq!(due(Reason::Reopened), [reminder], "not among what it tells of");
        assert_eq!(due(Reason::Resolved).len(), 1);
        let mut digesting = routing.clone();
        digesting.routes[0].digest_ms = 40;
        let windows = &mut Windows::new();
        let due = digesting.due(&subject(Severity::Sev1, "{}"), Reason::Created, 8, windows);
        assert_eq!(due[1].due_ms, 60, "with the others of a storm, a tenth later at most");
        let next = |channel, now| {
            let due = routing.next_reminder(&subject(Severity::Sev1, "{}"), channel, now);
            due.map(|due| due.due_ms)
        };
        assert_eq!(
            [60, 62, 63, 74, 87, 88].map(|now| next(0, now)),
            [100, 100, 125, 125, 125, 150].map(Some)
        );
        assert_eq!(next(1, 60), None);
    }
}
