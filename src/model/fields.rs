//! Reading fields out of a JSON object: every error of every field is found, none stops the search.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::error::{Error, FieldError, MAX_FIELDS, nearest};
use crate::json::{Json, Member};

/// What is said of a field that is not there.
const MISSING: &str = "is required";

/// Warnings in one answer; a body can hold more strange members than anybody would read about.
const MAX_WARNINGS: usize = 20;

/// Something that was accepted, but not as the sender may think.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The field as the sender wrote it.
    pub field: String,
    /// Machine-readable: `unknown_field`, `empty_field`, `unknown_service`, `inactive_service`, `metadata_dropped`,
    /// `kept`, `shortened`, `invalid`, `unknown_severity`,
    /// `no_key`, `more_warnings`.
    pub code: String,
    /// What was done instead, to follow the field's name in a sentence.
    pub message: String,
}

impl Warning {
    /// A warning; `message` reads on from the field's name.
    pub fn new(field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), message: message.into() }
    }
}

/// What a text field may hold, in Unicode scalar values.
#[derive(Clone, Copy)]
pub struct TextRule {
    /// White space around it does not count and is not kept.
    pub trim: bool,
    /// The fewest characters.
    pub min: usize,
    /// The most characters.
    pub max: usize,
}

/// The members of one object, taken field by field; what is wrong piles up.
pub struct Fields<'a> {
    members: Vec<Member<'a>>,
    known: Vec<&'static str>,
    /// What is wrong so far.
    pub errors: Vec<FieldError>,
    /// What was accepted with a reservation so far.
    pub warnings: Vec<Warning>,
}

impl<'a> Fields<'a> {
    /// Starts on the members of an object.
    #[must_use]
    pub fn new(members: Vec<Member<'a>>) -> Self {
        Self { members, known: Vec::new(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Notes an error.
    pub fn error(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, code, message));
    }

    /// Takes a field that may be absent. `null` means absent, and so does `""`, with a warning.
    pub fn optional(&mut self, name: &'static str) -> Option<Json<'a>> {
        match self.take(name)? {
            Json::Null => None,
            Json::String(text) if text.is_empty() => {
                let message = "is empty and was taken as absent; leave it out, or send null";
                self.warnings.push(Warning::new(name, "empty_field", message));
                None
            }
            value => Some(value),
        }
    }

    /// Takes a text that must be there.
    pub fn required_text(&mut self, name: &'static str, rule: TextRule) -> Option<String> {
        match self.take(name) {
            None | Some(Json::Null) => {
                self.error(name, "required", MISSING);
                None
            }
            Some(value) => self.check_text(name, value, rule),
        }
    }

    /// Takes a text that may be absent, as in [`Fields::optional`].
    pub fn optional_text(&mut self, name: &'static str, rule: TextRule) -> Option<String> {
        let value = self.optional(name)?;
        self.check_text(name, value, rule)
    }

    /// Takes a text that may be absent, but, if it is there, not empty.
    pub fn optional_key(&mut self, name: &'static str, rule: TextRule) -> Option<String> {
        match self.take(name)? {
            Json::Null => None,
            value => self.check_text(name, value, rule),
        }
    }

    /// Takes a text that is to replace another; `null`, and with `min` 0 an empty one too, is to take it away, where that
    /// is `allowed`. `None`: it was not sent, or is wrong.
    pub fn replacing_text(
        &mut self,
        name: &'static str,
        rule: TextRule,
        allowed: bool,
    ) -> Option<Option<String>> {
        match self.take(name)? {
            Json::Null if allowed => Some(None),
            Json::Null => {
                self.error(name, "required", "cannot be taken away; send a text, or leave it out");
                None
            }
            value => self.check_text(name, value, rule).map(|text| (!text.is_empty()).then_some(text)),
        }
    }

    /// Takes a value that must be there.
    pub fn required(&mut self, name: &'static str) -> Option<Json<'a>> {
        let value = self.take(name).filter(|value| *value != Json::Null);
        if value.is_none() {
            self.error(name, "required", MISSING);
        }
        value
    }

    /// Takes one of a list of names, as in [`Fields::optional`]; `parse` knows them.
    pub fn optional_name<T>(
        &mut self,
        name: &'static str,
        names: &[&'static str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.optional(name)?;
        let Json::String(given) = value else {
            self.wrong_type(name, "a string", &value);
            return None;
        };
        let parsed = parse(&given);
        if parsed.is_none() {
            let mut message = format!("must be one of {}", names.join(", "));
            if let Some(near) = nearest(&given, names.iter().copied()) {
                message.push_str(&format!("; did you mean {near}?"));
            }
            self.error(name, "not_in_list", message);
        }
        parsed
    }

    /// Takes `severity`, as in [`Fields::optional`].
    pub fn severity(&mut self) -> Option<Severity> {
        self.optional_name("severity", &Severity::ALL.map(Severity::as_str), Severity::parse)
    }

    /// Takes a `severity` that is to replace another, and therefore cannot be none.
    pub fn replacing_severity(&mut self) -> Option<Severity> {
        let none = self.members.iter().any(|(name, value)| {
            name == "severity"
                && (*value == Json::Null || matches!(value, Json::String(text) if text.is_empty()))
        });
        if none {
            self.error("severity", "required", "cannot be taken away; send SEV0 to SEV4, or leave it out");
        }
        self.severity()
    }

    /// Notes that a field has the wrong type.
    pub fn wrong_type(&mut self, name: impl Into<String>, expected: &str, value: &Json<'_>) {
        self.error(name, "wrong_type", format!("must be {expected}, not {}", value.type_name()));
    }

    /// Notes members that nobody took as errors, where one that was ignored would change what all the others mean.
    pub fn refuse_unknown(&mut self) {
        for (name, _) in self.members.iter().take(MAX_FIELDS) {
            let message = format!("is not a known field{}", self.meant(name));
            self.errors.push(FieldError::new(shown(name), "unknown_field", message));
        }
    }

    /// What an unknown member may have been meant to be.
    fn meant(&self, name: &str) -> String {
        let near = nearest(name, self.known.iter().copied());
        near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
    }

    /// Ends the reading: members that nobody took are named in warnings.
    ///
    /// # Errors
    /// Everything that is wrong, if anything is.
    pub fn finish(mut self) -> Result<Vec<Warning>, Error> {
        if !self.errors.is_empty() {
            self.name_what_was_meant();
            return Err(Error::fields(self.errors));
        }
        for (name, _) in self.members.iter().take(MAX_WARNINGS) {
            let message = format!("is not a known field and was ignored{}", self.meant(name));
            self.warnings.push(Warning::new(shown(name), "unknown_field", message));
        }
        if let Some(more @ 1..) = self.members.len().checked_sub(MAX_WARNINGS) {
            let message = format!("has {more} more unknown fields that were ignored");
            self.warnings.push(Warning::new("body", "more_warnings", message));
        }
        Ok(self.warnings)
    }

    /// Says of each field that is missing what it may have been written as: of the first members, as in warnings.
    fn name_what_was_meant(&mut self) {
        for error in self.errors.iter_mut().filter(|error| error.message == MISSING) {
            let written =
                |(name, _): &&Member<'_>| nearest(name, self.known.iter().copied()) == Some(&error.field);
            if let Some((name, _)) = self.members.iter().take(MAX_WARNINGS).find(written) {
                error.message.push_str(&format!("; was it meant by `{}`?", shown(name)));
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Json<'a>> {
        self.known.push(name);
        let position = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(position).1)
    }

    fn check_text(&mut self, name: &'static str, value: Json<'a>, rule: TextRule) -> Option<String> {
        let Json::String(text) = value else {
            self.wrong_type(name, "a string", &value);
            return None;
        };
        let kept = if rule.trim { text.trim() } else { &text };
        let length = kept.chars().count();
        if length == 0 && rule.min > 0 {
            self.error(name, "empty", format!("is empty; {}–{} characters are expected", rule.min, rule.max));
            None
        } else if length > rule.max {
            self.error(name, "too_long", format!("is {length} characters; the limit is {}", rule.max));
            None
        } else {
            Some(kept.to_owned())
        }
    }
}

/// A member's name, as much of it as anybody reads.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
