//! Times as people read them.

use serde::Serialize;

pub use crate::clock::duration;
use crate::clock::rfc3339;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time: how long ago it was, and exactly when. A script says the latter in the viewer's zone.
#[derive(Serialize)]
pub struct Moment {
    iso: String,
    exact: String,
    ago: String,
}

impl Moment {
    /// A time as it is seen at `now_ms`.
    pub fn new(at_ms: i64, now_ms: i64) -> Self {
        let iso = rfc3339(at_ms);
        let exact = format!("{} {} UTC", &iso[..10], &iso[11..19]);
        Self { iso, exact, ago: ago((now_ms - at_ms) / 1000) }
    }
}

/// From when to when: exact times, since it is read as a whole. A script says them in the viewer's zone.
#[derive(Serialize)]
pub struct Run {
    from: String,
    to: String,
    exact: String,
    words: String,
}

impl Run {
    /// A run as it is seen at `now_ms`: with its days, unless it was today.
    pub fn new(from_ms: i64, to_ms: i64, now_ms: i64) -> Self {
        let [from, to] = [from_ms, to_ms].map(|at| (day(at), time_of_day(at)));
        let before =
            if from.0 == day(now_ms) && from.0 == to.0 { String::new() } else { format!("{} ", from.0) };
        let words = match (&from, &to) {
            (from, to) if from == to => format!("{before}{} UTC", from.1),
            (from, to) if from.0 == to.0 => format!("{before}{}–{} UTC", from.1, to.1),
            (from, to) => format!("{before}{} – {} {} UTC", from.1, to.0, to.1),
        };
        let exact = [from_ms, to_ms].map(|at| Moment::new(at, now_ms).exact).join(" – ");
        Self { from: rfc3339(from_ms), to: rfc3339(to_ms), exact, words }
    }
}

/// `3 h ago`; what a clock that was set back has made the future is now.
fn ago(seconds: i64) -> String {
    match seconds {
        ..5 => "now".into(),
        5..MINUTE => format!("{seconds} s ago"),
        MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
        HOUR..DAY => format!("{} h ago", seconds / HOUR),
        DAY.. => format!("{} d ago", seconds / DAY),
    }
}

/// `2026-11-23`, in UTC.
pub fn day(at_ms: i64) -> String {
    rfc3339(at_ms)[..10].to_owned()
}

/// `08:00`, in UTC.
pub fn time_of_day(at_ms: i64) -> String {
    rfc3339(at_ms)[11..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down_to_what_matters() {
        for (seconds, expected) in [
            (-9, "now"),
            (5, "5 s ago"),
            (119, "1 min ago"),
            (2 * HOUR - 1, "1 h ago"),
            (49 * HOUR, "2 d ago"),
        ] {
            assert_eq!(ago(seconds), expected);
        }
        for (seconds, expected) in
            [(59, "59 s"), (3599, "59 min"), (HOUR, "1 h"), (HOUR + 300, "1 h 5 min"), (52 * HOUR, "2 d 4 h")]
        {
            assert_eq!(duration(seconds * 1000), expected);
        }
        let noon = 1_795_420_800_123 + 4 * HOUR * 1000;
        for (from, to, expected) in [
            (-4 * HOUR, -50 * MINUTE, "08:00–11:10 UTC"),
            (-4 * HOUR, -4 * HOUR + 59, "08:00 UTC"),
            (-30 * HOUR, -28 * HOUR, "2026-11-22 06:00–08:00 UTC"),
            (-30 * HOUR, -HOUR, "2026-11-22 06:00 – 2026-11-23 11:00 UTC"),
        ] {
            assert_eq!(Run::new(noon + from * 1000, noon + to * 1000, noon).words, expected);
        }
        assert_eq!(Moment::new(1_795_420_800_123, 0).exact, "2026-11-23 08:00:00 UTC");
    }
}
