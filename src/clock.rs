//! Time, injected: nothing else in the crate asks the system what time it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use jiff::{Timestamp, civil};
use tokio::sync::watch;

/// The longest sleep without a look at the system's clock, which may have been set meanwhile.
const NAP: Duration = Duration::from_secs(15);

/// A clock that goes back by less than this is only being corrected.
const PUT_BACK_MS: i64 = 60_000;

/// Where "now" comes from: the system, or a test that sets it by hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<watch::Sender<i64>>),
}

impl Clock {
    /// A clock that stands at `now_ms` until [`Clock::advance_ms`] moves it.
    #[must_use]
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(watch::Sender::new(now_ms)))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock by `by_ms` (backwards if negative); the system's clock is left alone.
    pub fn advance_ms(&self, by_ms: i64) {
        if let Self::Manual(now) = self {
            now.send_modify(|now| *now += by_ms);
        }
    }

    /// Resolves when it is `at_ms` or later, or when the clock was put back since `asked_ms`.
    pub async fn reached(&self, at_ms: i64, asked_ms: i64) {
        let is_over = |now_ms| now_ms >= at_ms || was_put_back(asked_ms, now_ms);
        match self {
            Self::System => loop {
                let now_ms = self.now_ms();
                if is_over(now_ms) {
                    return;
                }
                let left = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left).min(NAP)).await;
            },
            Self::Manual(now) => {
                // This clock holds the sender, so that waiting ends only by the time.
                now.subscribe().wait_for(|now| is_over(*now)).await.ok();
            }
        }
    }
}

/// Whether a clock that was at `before_ms` has been put back since then, if it is at `now_ms`.
#[must_use]
pub const fn was_put_back(before_ms: i64, now_ms: i64) -> bool {
    now_ms <= before_ms.saturating_sub(PUT_BACK_MS)
}

/// RFC 3339 in UTC with milliseconds: `2026-11-23T08:00:00.123Z`.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// To the minute, as people read it: `2026-11-23 08:00 UTC`.
#[must_use]
pub fn utc_minute(ms: i64) -> String {
    let text = rfc3339(ms);
    // A year beyond four digits is written with a sign and six.
    let minute = text.rsplit_once(':').map_or(text.as_str(), |(minute, _)| minute);
    format!("{} UTC", minute.replace('T', " "))
}

/// The milliseconds of a time as in RFC 3339, whatever its offset. A `+` that came out of a URL as a space is one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let plus = || text.rsplit_once(' ').map(|(time, offset)| format!("{time}+{offset}"));
    let time = text.parse().ok().or_else(|| plus()?.parse().ok());
    time.map(|time: Timestamp| time.as_millisecond())
}

/// The milliseconds of a time that says no zone, as a form sends it, taken for one in UTC: `2026-11-23T08:00`.
#[must_use]
pub fn parse_without_zone(text: &str) -> Option<i64> {
    let is_of_a_time = |byte: u8| byte.is_ascii_digit() || b"-:.T".contains(&byte);
    let has_time = text.as_bytes().get(10) == Some(&b'T') && text.bytes().all(is_of_a_time);
    let time: civil::DateTime = text.parse().ok().filter(|_| has_time)?;
    Offset::UTC.to_timestamp(time).ok().map(Timestamp::as_millisecond)
}

/// The UTC year of `ms`.
#[must_use]
pub fn utc_year(ms: i64) -> i16 {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    Offset::UTC.to_datetime(time).year()
}

/// How long something took: `43 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
#[must_use]
pub fn duration(ms: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let seconds = ms.max(0) / 1000;
    let two = |big: i64, unit: &str, small: i64, rest: &str| match small {
        0 => format!("{big} {unit}"),
        small => format!("{big} {unit} {small} {rest}"),
    };
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        DAY.. => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// A length of time as the configuration would have it, in its largest whole unit: `90s`, `5m`, `1d`.
#[must_use]
pub fn compact_duration(ms: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let (unit, of) = units.into_iter().find(|(_, of)| ms % of == 0).unwrap_or(("ms", 1));
    format!("{}{unit}", ms / of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339_with_milliseconds() {
        assert_eq!(rfc3339(1_795_420_800_123), "2026-11-23T08:00:00.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc_minute(1_795_420_800_123), "2026-11-23 08:00 UTC");
    }

    #[test]
    fn a_time_without_a_zone_is_one_in_utc() {
        for (text, expected) in [
            ("2026-11-23T08:00", Some("2026-11-23T08:00:00.000Z")),
            ("2026-11-23T08:00:30.5", Some("2026-11-23T08:00:30.500Z")),
            ("2026-11-23T08:00:00Z", None),
            ("2026-11-23", None),
            ("2026-02-30T08:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_without_zone(text).map(rfc3339).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_with_any_offset() {
        for text in
            ["2026-11-23T08:00:00.123Z", "2026-11-23T09:00:00.123+01:00", "2026-11-23T09:00:00.123 01:00"]
        {
            assert_eq!(parse_rfc3339(text), Some(1_795_420_800_123), "{text}");
        }
        for text in ["", "2026-11-23", "2026-11-23T08:00:00", "yesterday", "1795420800"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_configured() {
        let lengths = [1500, 90_000, 3_600_000, 2 * 86_400_000];
        assert_eq!(lengths.map(compact_duration), ["1500ms", "90s", "1h", "2d"]);
    }

    #[test]
    fn the_year_is_that_of_utc() {
        assert_eq!(utc_year(1_798_761_599_999), 2026);
        assert_eq!(utc_year(1_798_761_600_000), 2027);
    }
}
