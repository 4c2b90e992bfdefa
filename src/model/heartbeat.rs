//! Heartbeats: jobs that report as long as all is well. What one does and what its absence means are values here; the
//! store keeps them, and its incidents go the way of every alert.
//!
//! | signal | what it does |
//! |---|---|
//! | success | it is up, due again after period and grace, and the run that it ends is over |
//! | start | a run begins, which has its grace to end |
//! | fail | it is down at once |
//! | log | nothing, but its message is the last one |
//!
//! One that is down and stays away is missed again after each further period and grace: its incident may have been
//! resolved meanwhile. One that has never reported is waited for without a deadline: nobody knows yet when it begins.

use super::{NativeAlert, Severity, Status};
use crate::clock::{compact_duration, rfc3339, utc_minute};
use crate::json::quoted;

/// For how long nobody needs to take a ping: who sends one tries again for a while.
pub const BRIEF_GAP_MS: i64 = 60_000;

/// Characters of a message that are kept: what an incident's description holds.
const MESSAGE_CHARS: usize = 2000;

/// A job that is expected to report, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its name, and the `dedup_key` of its incidents.
    pub name: String,
    /// What the titles of its incidents call it.
    pub title: String,
    /// The id of the service that they are about.
    pub service: String,
    /// How bad they are; `None`: what the service says.
    pub severity: Option<Severity>,
    /// How often it reports.
    pub period_ms: i64,
    /// How late it may be, and how long a run may take.
    pub grace_ms: i64,
}

/// What a ping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// All is well.
    Success,
    /// A run begins.
    Start,
    /// It went wrong, with this exit status if there was one.
    Fail(Option<u8>),
    /// A word in between.
    Log,
}

/// A report of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// What it says.
    pub signal: Signal,
    /// The run that it belongs to, if it names one.
    pub run: Option<String>,
    /// What it says besides; see [`Ping::message`].
    pub message: Option<String>,
}

impl Ping {
    /// A message as it is kept: nothing around it, nothing that texts may not hold, and not longer than they may be.
    #[must_use]
    pub fn message(text: &str) -> Option<String> {
        let text = text.trim();
        let mut kept: String =
            text.chars().take(MESSAGE_CHARS).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
        if text.chars().nth(MESSAGE_CHARS).is_some() {
            kept.pop();
            kept.push('…');
        }
        (!kept.is_empty()).then_some(kept)
    }
}

/// What is known of a heartbeat that has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// The period by which its deadlines were set.
    pub period_ms: i64,
    /// The grace, likewise.
    pub grace_ms: i64,
    /// When it last reported.
    pub last_ping_at: i64,
    /// The last thing that it said.
    pub message: Option<String>,
    /// When it must have reported a success, or is missed; while it is down: missed again.
    pub due_at: i64,
    /// When the run that is under way began.
    pub started_at: Option<i64>,
    /// What that run is called.
    pub run: Option<String>,
    /// When that run must have ended.
    pub ends_by: Option<i64>,
    /// It failed or was missed, and there was no success since.
    pub down: bool,
    /// A ping was taken to have come in vain, and no run has been said to have ended since.
    pub excused: bool,
}

/// How a heartbeat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeartbeatState {
    /// It has never reported.
    Waiting,
    /// It has reported in time.
    Up,
    /// A run is under way.
    Running,
    /// Its period is over, its grace is not.
    Late,
    /// It failed, or was missed.
    Down,
}

impl HeartbeatState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Up, Self::Running, Self::Late, Self::Down];

    /// As the API and the metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Running => "running",
            Self::Late => "late",
            Self::Down => "down",
        }
    }

    /// That of a heartbeat of which `beat` is known.
    #[must_use]
    pub fn of(beat: Option<&Beat>, now_ms: i64) -> Self {
        match beat {
            None => Self::Waiting,
            Some(beat) if beat.down => Self::Down,
            Some(beat) if beat.started_at.is_some() => Self::Running,
            Some(beat) if beat.due_at - beat.grace_ms <= now_ms => Self::Late,
            Some(_) => Self::Up,
        }
    }
}

impl Beat {
    /// What is known after a ping; `None`: still nothing.
    #[must_use]
    pub fn after(last: Option<Self>, ping: &Ping, of: &Heartbeat, now_ms: i64) -> Option<Self> {
        if last.is_none() && ping.signal == Signal::Log {
            return None;
        }
        let mut beat = last.unwrap_or_default();
        (beat.period_ms, beat.grace_ms) = (of.period_ms, of.grace_ms);
        if matches!(ping.signal, Signal::Success | Signal::Fail(_)) || ping.message.is_some() {
            beat.message.clone_from(&ping.message);
        }
        if ping.signal != Signal::Log {
            beat.last_ping_at = now_ms;
        }
        match ping.signal {
            Signal::Success => {
                (beat.down, beat.excused) = (false, false);
                beat.await_next(now_ms);
                // A success that names another run says nothing of this one.
                if ping.run.is_none() || ping.run == beat.run {
                    beat.end_run();
                }
            }
            Signal::Start => beat.start_run(ping.run.clone(), now_ms),
            Signal::Fail(_) => {
                beat.excused = false;
                beat.go_down(now_ms);
            }
            Signal::Log => {}
        }
        Some(beat)
    }

    fn start_run(&mut self, run: Option<String>, now_ms: i64) {
        let ends_by = now_ms + self.grace_ms;
        // One that begins late has its grace too; one that begins again and again without an end does not.
        if self.started_at.is_none() {
            self.due_at = self.due_at.max(ends_by);
        }
        // What is down is not missed for a run.
        self.ends_by = (!self.down).then_some(ends_by);
        self.started_at = Some(now_ms);
        self.run = run;
    }

    fn end_run(&mut self) {
        (self.started_at, self.run, self.ends_by) = (None, None, None);
    }

    fn await_next(&mut self, now_ms: i64) {
        self.due_at = now_ms + self.period_ms + self.grace_ms;
    }

    /// It failed, or was missed. It is awaited all the same: whoever resolves its incident by hand while it is down
    /// hears of it again.
    pub fn go_down(&mut self, now_ms: i64) {
        self.down = true;
        self.await_next(now_ms);
        self.end_run();
    }

    /// When it is missed, once more if it is down, unless it reports before.
    #[must_use]
    pub fn deadline(&self) -> i64 {
        self.ends_by.map_or(self.due_at, |end| end.min(self.due_at))
    }

    /// The deadline as it is shown: one that is down has missed it.
    #[must_use]
    pub fn shown_deadline(&self) -> Option<i64> {
        (!self.down).then(|| self.deadline())
    }

    /// Moves the deadlines by a time for which no ping could be taken, up to now. A clock that went back makes it negative.
    ///
    /// A ping that was to come meanwhile, give or take the grace, may have come in vain, and so may the end of a run: it
    /// is then a whole period until the next one. Only once until a run is said to have ended: else an outage every night
    /// would hide for ever that no more pings come, or that it kills each run.
    pub fn shift_deadlines(&mut self, gap_ms: i64, now_ms: i64) {
        let in_vain = self.due_at - 2 * self.grace_ms <= now_ms || self.started_at.is_some();
        if gap_ms > BRIEF_GAP_MS && in_vain && !self.excused {
            self.excused = true;
            self.await_next(now_ms);
            self.end_run();
            return;
        }
        self.due_at += gap_ms;
        self.ends_by = self.ends_by.map(|end| end + gap_ms);
    }

    /// Moves the deadlines to where they would be, had they been set by these.
    pub fn adapt(&mut self, of: &Heartbeat) {
        let (period, grace) = (of.period_ms - self.period_ms, of.grace_ms - self.grace_ms);
        self.due_at += period + grace;
        self.ends_by = self.ends_by.map(|end| end + grace);
        (self.period_ms, self.grace_ms) = (of.period_ms, of.grace_ms);
    }
}

impl Heartbeat {
    /// The alert about one that did not report in time.
    #[must_use]
    pub fn missed_alert(&self, beat: &Beat) -> NativeAlert {
        let title = match beat.started_at {
            Some(at) => format!("{}: started {} and has not ended", self.title, utc_minute(at)),
            None => format!("{}: no ping since {}", self.title, utc_minute(beat.last_ping_at)),
        };
        let (period, grace) = (compact_duration(self.period_ms), compact_duration(self.grace_ms));
        let mut description = match beat.started_at {
            Some(_) => format!("A run has {grace} to end."),
            None => format!("A ping is expected every {period}, and may be {grace} late."),
        };
        if let Some(message) = &beat.message {
            description.push_str("\nIts last message: ");
            description.push_str(message);
        }
        self.alert(title, Some(description), beat.last_ping_at)
    }

    /// The alert about one that says that it failed.
    #[must_use]
    pub fn failure_alert(&self, exit_status: Option<u8>, beat: &Beat) -> NativeAlert {
        let title = match exit_status {
            Some(status) => format!("{}: ended with exit status {status}", self.title),
            None => format!("{}: reported a failure", self.title),
        };
        self.alert(title, beat.message.clone(), beat.last_ping_at)
    }

    /// The alert that ends its incident.
    #[must_use]
    pub fn recovery_alert(&self) -> NativeAlert {
        NativeAlert {
            status_only: true,
            status: Some(Status::Resolved),
            dedup_key: Some(self.name.clone()),
            ..NativeAlert::default()
        }
    }

    fn alert(&self, title: String, description: Option<String>, last_ping_at: i64) -> NativeAlert {
        let metadata = [
            ("heartbeat", self.name.clone()),
            ("period", compact_duration(self.period_ms)),
            ("last_ping", rfc3339(last_ping_at)),
        ];
        NativeAlert {
            title: Some(title),
            description,
            severity: self.severity,
            dedup_key: Some(self.name.clone()),
            metadata: metadata.map(|(key, value)| (key.to_owned(), quoted(&value))).into(),
            ..NativeAlert::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    fn backup() -> Heartbeat {
        let (name, title, service) = ("backup".into(), "Backup".into(), "SER-00001".into());
        Heartbeat { name, title, service, severity: None, period_ms: HOUR, grace_ms: 5 * MINUTE }
    }

    fn ping(signal: Signal, run: &str) -> Ping {
        Ping { signal, run: (!run.is_empty()).then(|| run.to_owned()), message: None }
    }

    /// What is known after these pings, each at a minute.
    fn after(pings: &[(i64, Signal, &str)]) -> Option<Beat> {
        pings.iter().fold(None, |last, (minute, signal, run)| {
            Beat::after(last, &ping(*signal, run), &backup(), minute * MINUTE)
        })
    }

    fn deadline(pings: &[(i64, Signal, &str)]) -> Option<i64> {
        after(pings).map(|beat| beat.deadline() / MINUTE)
    }

    /// When it is due after a gap that ends at that minute.
    fn due_after_gap(beat: &mut Beat, minutes: i64, until: i64) -> i64 {
        beat.shift_deadlines(minutes * MINUTE, until * MINUTE);
        beat.deadline() / MINUTE
    }

    #[test]
    fn a_deadline_is_that_of_the_next_success_or_of_the_run_under_way() {
        use Signal::{Fail, Log, Start, Success};
        for (pings, expected) in [
            (&[(0, Log, "")][..], None),
            (&[(0, Success, "")], Some(65)),
            (&[(0, Success, ""), (1, Log, "")], Some(65)),
            (&[(0, Start, "")], Some(5)),
            (&[(0, Success, ""), (60, Start, "")], Some(65)),
            // A late start has its grace.
            (&[(0, Success, ""), (64, Start, "")], Some(69)),
            // Starting again is no end.
            (&[(0, Start, ""), (4, Start, "")], Some(5)),
            (&[(0, Start, "a"), (2, Success, "")], Some(67)),
            (&[(0, Start, "a"), (2, Success, "a")], Some(67)),
            (&[(0, Start, "a"), (2, Success, "b")], Some(5)),
            // One that is down is missed again, and not before for a run that begins.
            (&[(0, Start, "a"), (2, Fail(None), "b")], Some(67)),
            (&[(0, Fail(Some(1)), ""), (2, Start, "")], Some(65)),
            (&[(0, Fail(Some(1)), ""), (64, Start, "")], Some(69)),
            (&[(0, Fail(Some(1)), ""), (2, Start, ""), (3, Success, "")], Some(68)),
        ] {
            assert_eq!(deadline(pings), expected, "{pings:?}");
        }
    }

    #[test]
    fn states_follow_from_what_is_known() {
        use Signal::{Fail, Start, Success};
        let state = |pings: &[_], minute| HeartbeatState::of(after(pings).as_ref(), minute * MINUTE);
        assert_eq!(state(&[], 0), HeartbeatState::Waiting);
        assert_eq!(state(&[(0, Success, "")], 59), HeartbeatState::Up);
        assert_eq!(state(&[(0, Success, "")], 60), HeartbeatState::Late);
        assert_eq!(state(&[(0, Success, ""), (61, Start, "")], 62), HeartbeatState::Running);
        assert_eq!(state(&[(0, Fail(None), ""), (1, Start, "")], 2), HeartbeatState::Down);
        assert_eq!(state(&[(0, Fail(None), ""), (1, Success, "")], 2), HeartbeatState::Up);
    }

    #[test]
    fn another_period_moves_the_deadlines_by_the_difference() {
        let mut beat = after(&[(0, Signal::Success, ""), (1, Signal::Start, "")]).unwrap_or_default();
        beat.adapt(&Heartbeat { period_ms: 2 * HOUR, grace_ms: 6 * MINUTE, ..backup() });
        assert_eq!((beat.due_at, beat.ends_by), (126 * MINUTE, Some(7 * MINUTE)));
    }

    #[test]
    fn time_for_which_no_ping_could_be_taken_counts_for_nobody() {
        use Signal::{Start, Success};
        // For how many minutes, until when, and when it is due afterwards.
        let due = |pings: &[_], minutes, until| {
            due_after_gap(&mut after(pings).unwrap_or_default(), minutes, until)
        };
        let up = [(0, Success, "")];
        assert_eq!(due(&up, 20, 30), 85, "nothing was expected meanwhile");
        assert_eq!(due(&up, 20, 70), 135, "the next ping may have come in vain");
        assert_eq!(due(&up, 1, 63), 66, "who sends one tries again for so long");
        assert_eq!(due(&up, -1440, -1430), 65 - 1440);
        let running = [(0, Success, ""), (2, Start, "")];
        assert_eq!(due(&running, 1, 4), 8);
        assert_eq!(due(&running, 10, 13), 78, "so may its end");
        let down = [(0, Signal::Fail(None), "")];
        assert_eq!((due(&down, 10, 13), due(&down, 10, 60)), (75, 125));
    }

    #[test]
    fn a_ping_is_taken_to_have_come_in_vain_once_until_a_run_has_ended() {
        use Signal::{Fail, Log, Start, Success};
        for (signal, excused) in [(Success, true), (Fail(None), true), (Start, false), (Log, false)] {
            let mut beat = after(&[(0, Success, "")]).unwrap_or_default();
            assert_eq!(due_after_gap(&mut beat, 10, 60), 125);
            assert_eq!(due_after_gap(&mut beat, 10, 120), 135, "it moves by the gap alone");
            let mut beat =
                Beat::after(Some(beat), &ping(signal, ""), &backup(), 130 * MINUTE).unwrap_or_default();
            let due = due_after_gap(&mut beat, 60, 190);
            assert_eq!(due == 190 + 65, excused, "{signal:?}: {due}");
        }
    }

    #[test]
    fn messages_are_cut() {
        assert_eq!(Ping::message(" \n"), None);
        assert_eq!(Ping::message(" a\0b\n").as_deref(), Some("a\u{fffd}b"));
        let long = Ping::message(&"é".repeat(3000)).unwrap_or_default();
        assert_eq!((long.chars().count(), long.ends_with("é…")), (2000, true));
    }
}
