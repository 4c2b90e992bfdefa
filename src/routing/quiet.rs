//! Quiet hours: a time of day, in a time zone, in which only what is bad enough gets through.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::model::Severity;

/// When it is quiet.
#[derive(Clone, PartialEq, Eq)]
pub struct Quiet {
    /// From that time of day.
    pub from: Time,
    /// Up to that, of the next day if it is not after `from`.
    pub to: Time,
    /// Where.
    pub zone: TimeZone,
    /// What is told all the same.
    pub breaks_through: Vec<Severity>,
}

impl Quiet {
    /// The hours that `text` writes: `22:00-07:00`.
    #[must_use]
    pub fn parse_hours(text: &str) -> Option<(Time, Time)> {
        let (from, to) = text.split_once('-')?;
        let time = |text: &str| -> Option<Time> {
            let (hour, minute) = text.trim().split_once(':')?;
            let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            (digits(hour) && digits(minute)).then_some(())?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let (from, to) = (time(from)?, time(to)?);
        (from != to).then_some((from, to))
    }

    /// When the quiet ends that there is at `now_ms` for that severity; `None`: there is none.
    #[must_use]
    pub fn until(&self, severity: Severity, now_ms: i64) -> Option<i64> {
        if self.breaks_through.contains(&severity) {
            return None;
        }
        let now = self.zone.to_datetime(Timestamp::from_millisecond(now_ms).ok()?);
        let time = now.time();
        let over_midnight = self.to <= self.from;
        let is_quiet = match over_midnight {
            true => time >= self.from || time < self.to,
            false => time >= self.from && time < self.to,
        };
        if !is_quiet {
            return None;
        }
        let ends_tomorrow = over_midnight && time >= self.from;
        let date = if ends_tomorrow { now.date().tomorrow().ok()? } else { now.date() };
        // Where the clocks are put forward over it, that is the first moment after.
        Some(self.zone.to_timestamp(date.to_datetime(self.to)).ok()?.as_millisecond())
    }
}

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} {:?}", self.from, self.to, self.zone.iana_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{parse_rfc3339, rfc3339};

    fn quiet(hours: &str) -> Quiet {
        let (from, to) = Quiet::parse_hours(hours).unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Quiet { from, to, zone, breaks_through: vec![Severity::Sev0] }
    }

    #[test]
    fn it_ends_at_its_hour_where_people_live() {
        let until = |hours: &str, now: &str| {
            let until = quiet(hours).until(Severity::Sev2, parse_rfc3339(now).unwrap());
            until.map(|ms| rfc3339(ms)[..16].to_owned())
        };
        let winter = |time: &str| format!("2026-11-25T{time}:00Z");
        for (hours, now, end) in [
            ("22:00-07:00", winter("20:59"), None),
            ("22:00-07:00", winter("21:00"), Some("2026-11-26T06:00")),
            ("22:00-07:00", winter("23:30"), Some("2026-11-26T06:00")),
            ("22:00-07:00", winter("05:59"), Some("2026-11-25T06:00")),
            ("22:00-07:00", winter("06:00"), None),
            ("13:00-14:30", winter("12:10"), Some("2026-11-25T13:30")),
            ("13:00-14:30", winter("13:30"), None),
            // The night in which the clocks go back is an hour longer.
            ("22:00-07:00", "2026-10-24T21:00:00Z".into(), Some("2026-10-25T06:00")),
            // Half past two does not exist in the night in which they go forward.
            ("22:00-02:30", "2026-03-28T22:00:00Z".into(), Some("2026-03-29T01:30")),
        ] {
            assert_eq!(until(hours, &now), end.map(ToOwned::to_owned), "{hours} at {now}");
        }
        let night = parse_rfc3339("2026-11-25T23:00:00Z").unwrap();
        assert_eq!(quiet("22:00-07:00").until(Severity::Sev0, night), None);
    }

    #[test]
    fn hours_are_two_times_of_day() {
        for text in [
            "",
            "22-7",
            "22:00",
            "22:00-22:00",
            "24:00-07:00",
            "7:00-8:00",
            "22:00-07:00-08:00",
            "+2:00-03:00",
        ] {
            assert_eq!(Quiet::parse_hours(text), None, "{text}");
        }
    }
}
