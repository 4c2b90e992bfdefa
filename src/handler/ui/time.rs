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
        assert_eq!(Moment::new(1_795_420_800_123, 0).exact, "2026-11-23 08:00:00 UTC");
    }
}
