//! From when to when: the fields of a form, and what the API is asked for.
//!
//! A browser's fields for times know no zone. With a script they are the viewer's, and the script sends what the API takes;
//! without one they are in UTC, and are made that here.

use serde::Serialize;

use crate::clock::{parse_rfc3339, parse_without_zone, rfc3339};
use crate::error::{Error, FieldError};
use crate::store::Span;

/// The first time of the range.
pub const AFTER: &str = "created_after";

/// Its last.
pub const BEFORE: &str = "created_before";

/// Whether a filter is one of the range's.
pub fn has(name: &str) -> bool {
    [AFTER, BEFORE].contains(&name)
}

/// A time as the API takes it that a form has sent without its zone; `None`: it is none of those.
pub fn settled(text: &str) -> Option<String> {
    parse_without_zone(text).map(|ms| rfc3339(ms).replace(".000Z", "Z"))
}

/// That some time is in the range.
///
/// # Errors
/// It ends before it begins.
pub fn check(range: &Span) -> Result<(), Error> {
    match (range.from, range.to) {
        (Some(from), Some(to)) if to < from => {
            let message = format!("must not be earlier than {AFTER}");
            Err(Error::fields(vec![FieldError::new(BEFORE, "invalid", message)]))
        }
        _ => Ok(()),
    }
}

/// A field for a time.
#[derive(Serialize)]
pub struct TimeField<'a> {
    name: &'static str,
    label: &'static str,
    /// What the field shows: in UTC, and without saying so.
    value: String,
    /// What is in the URL.
    at: &'a str,
    /// How exact it is, in seconds: a browser takes nothing back that is more exact than the field.
    step: &'static str,
    /// What is in the URL is no time.
    wrong: bool,
}

impl<'a> TimeField<'a> {
    /// Both ends of the range, as they are in the URL.
    pub fn both(given: impl Fn(&str) -> &'a str) -> [Self; 2] {
        [(AFTER, "Created after"), (BEFORE, "Created before")]
            .map(|(name, label)| Self::new(name, label, given(name)))
    }

    fn new(name: &'static str, label: &'static str, at: &'a str) -> Self {
        let ms = parse_rfc3339(at);
        let (length, step) = match ms.unwrap_or(0) {
            ms if ms % 60_000 == 0 => ("2026-11-23T08:00".len(), "60"),
            ms if ms % 1000 == 0 => ("2026-11-23T08:00:00".len(), "1"),
            _ => ("2026-11-23T08:00:00.123".len(), "0.001"),
        };
        let value = ms.map_or_else(String::new, |ms| rfc3339(ms).chars().take(length).collect());
        let wrong = ms.is_none() && !at.is_empty();
        Self { name, label, value, at: if wrong { "" } else { at }, step, wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_as_exact_as_what_it_shows() {
        for (at, value, step) in [
            ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00", "60"),
            ("2026-11-23T08:00:30Z", "2026-11-23T08:00:30", "1"),
            ("2026-11-23T08:59:59.999Z", "2026-11-23T08:59:59.999", "0.001"),
            ("", "", "60"),
            ("yesterday", "", "60"),
        ] {
            let field = TimeField::new(AFTER, "", at);
            assert_eq!((field.value.as_str(), field.step), (value, step), "{at}");
            assert_eq!(field.wrong, at == "yesterday");
        }
    }
}
