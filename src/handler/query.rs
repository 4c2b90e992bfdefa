//! The query string: repeatable parameters, and numbers in a range.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use http::request::Parts;

use crate::error::FieldError;

/// The parameters of a URL, in the order sent.
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// The parameters of a request. A bare `?` has none.
    pub fn of(head: &'a Parts) -> Self {
        Self(form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).collect())
    }

    /// Parameters that are not those of a request.
    pub fn new(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        Self(pairs)
    }

    /// Its names and values.
    pub fn pairs(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.0
    }

    /// Every value of a parameter.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The value of a parameter that is not repeatable; the last one wins.
    pub fn last(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// Every value of a parameter, read by `parse`; what it does not know joins `errors`.
    pub fn names<T>(
        &self,
        name: &str,
        known: &[&'static str],
        parse: impl Fn(&str) -> Option<T>,
        errors: &mut Vec<FieldError>,
    ) -> Vec<T> {
        let read = |value: &str| {
            let parsed = parse(value);
            if parsed.is_none() {
                let message = format!("must be one of {}", known.join(", "));
                errors.push(FieldError::new(name, "not_in_list", message));
            }
            parsed
        };
        self.all(name).filter_map(read).collect()
    }

    /// Whether a parameter says `1` or `true`; anything but that and its opposite, or both of them, joins `errors`.
    pub fn flag(&self, name: &str, errors: &mut Vec<FieldError>) -> bool {
        let mut values = self.all(name).map(|value| match value {
            "0" | "false" => Some(false),
            "1" | "true" => Some(true),
            _ => None,
        });
        match values.next() {
            None => false,
            Some(Some(said)) if values.all(|value| value == Some(said)) => said,
            Some(_) => {
                errors.push(FieldError::new(name, "not_in_list", "must be 1 (or true) or 0 (or false)"));
                false
            }
        }
    }

    /// A number, or `default`; what is none, or is outside `range`, joins `errors`.
    pub fn number(
        &self,
        name: &str,
        default: usize,
        range: RangeInclusive<usize>,
        errors: &mut Vec<FieldError>,
    ) -> usize {
        let Some(value) = self.last(name) else { return default };
        if let Some(number) = value.parse().ok().filter(|number| range.contains(number)) {
            return number;
        }
        let message = format!("must be a number from {} to {}", range.start(), range.end());
        errors.push(FieldError::new(name, "out_of_range", message));
        default
    }
}
