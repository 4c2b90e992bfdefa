//! What can be refused, and how it is said.
//!
//! An [`Error`] has a [`Kind`] (its status and published code), a text for the caller, and a cause that is for the log
//! alone. Nothing here may hold a routing key, a token, a secret or a body.

use std::fmt;

use serde::Serialize;

/// Why a request was refused. [`Kind::status`] and [`Kind::code`] are the only place where a refusal meets HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is its published code, explained in the README's table of refusals")]
pub enum Kind {
    InvalidJson,
    Validation,
    MissingSignature,
    InvalidSignature,
    StaleSignature,
    Unauthenticated,
    Forbidden,
    ForbiddenHost,
    UnknownRoutingKey,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    PayloadTooLarge,
    UnsupportedEncoding,
    IdempotencyConflict,
    AlreadyAcknowledged,
    InvalidTransition,
    CannotReplay,
    RateLimited,
    Overloaded,
    StorageUnavailable,
    ShuttingDown,
    Internal,
}

impl Kind {
    const fn status_and_code(self) -> (u16, &'static str) {
        match self {
            Self::InvalidJson => (400, "invalid_json"),
            Self::Validation => (400, "validation_error"),
            Self::MissingSignature => (401, "missing_signature"),
            Self::InvalidSignature => (401, "invalid_signature"),
            Self::StaleSignature => (401, "stale_signature"),
            Self::Unauthenticated => (401, "unauthenticated"),
            Self::Forbidden => (403, "forbidden"),
            Self::ForbiddenHost => (403, "forbidden_host"),
            Self::UnknownRoutingKey => (404, "unknown_routing_key"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "method_not_allowed"),
            Self::RequestTimeout => (408, "request_timeout"),
            Self::IdempotencyConflict => (409, "idempotency_conflict"),
            Self::AlreadyAcknowledged => (409, "already_acknowledged"),
            Self::InvalidTransition => (409, "invalid_transition"),
            Self::CannotReplay => (409, "cannot_replay"),
            Self::PayloadTooLarge => (413, "payload_too_large"),
            Self::UnsupportedEncoding => (415, "unsupported_encoding"),
            Self::RateLimited => (429, "rate_limited"),
            Self::Internal => (500, "internal"),
            Self::Overloaded => (503, "overloaded"),
            Self::StorageUnavailable => (503, "storage_unavailable"),
            Self::ShuttingDown => (503, "shutting_down"),
        }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.status_and_code().0
    }

    /// The machine-readable code; it never changes once published.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.status_and_code().1
    }
}

/// Field errors in one answer; a hostile body could have thousands.
pub const MAX_FIELDS: usize = 50;

/// One thing that is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the sender wrote it, with a path into objects: `metadata.region`.
    pub field: String,
    /// Machine-readable: `required`, `wrong_type`, `empty`, `too_long`, `too_many`, `not_in_list`, `invalid`,
    /// `out_of_range`, `unknown_field`, `unknown_service`, `inactive_service`.
    pub code: &'static str,
    /// What is wrong and what would be right, to follow the field's name in a sentence.
    pub message: String,
}

impl FieldError {
    /// A field error; `message` reads on from the field's name.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

/// What `error.details` holds.
#[derive(Debug, Default)]
pub enum Details {
    /// An empty object.
    #[default]
    None,
    /// Every field that is wrong.
    Fields(Vec<FieldError>),
    /// Where JSON stopped being JSON; both count from 1, columns in bytes.
    Position {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The byte limit that a body exceeded.
    Limit(usize),
    /// The methods or the statuses that would have been accepted.
    Allowed(Vec<&'static str>),
    /// The incident that stands in the way.
    Holder(String),
}

/// A refusal.
#[derive(Debug)]
pub struct Error {
    /// What it is, for machines.
    pub kind: Kind,
    /// What it is, where, and what to do next, for the caller to read.
    pub message: String,
    /// The particulars, for machines.
    pub details: Details,
    /// When to try again, in seconds; the `Retry-After` header.
    pub retry_after_s: Option<u64>,
    /// How to authenticate, where that is what was lacking; the `WWW-Authenticate` header.
    pub challenge: &'static str,
    /// What caused it, for the log only.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A refusal with a text for the caller. Those that ask for a retry say so in `Retry-After`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let retry_after_s = (kind.status() == 503).then_some(1);
        Self {
            kind,
            message: message.into(),
            details: Details::None,
            retry_after_s,
            challenge: "Bearer",
            cause: None,
        }
    }

    /// A bug. The caller reads a fixed text; the cause goes to the log under the request's id.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(
            Kind::Internal,
            "this is a bug in Firebell; its log has the details under this answer's request_id",
        )
        .caused_by(cause)
    }

    /// All that is wrong with a request's fields.
    #[must_use]
    pub fn fields(mut fields: Vec<FieldError>) -> Self {
        let message = match fields.as_slice() {
            [only] => format!("`{}` {}", only.field, only.message),
            many if many.len() > MAX_FIELDS => {
                format!("{} fields are invalid; the first {MAX_FIELDS} are named", many.len())
            }
            many => format!("{} fields are invalid", many.len()),
        };
        fields.truncate(MAX_FIELDS);
        Self::new(Kind::Validation, message).with(Details::Fields(fields))
    }

    /// The same with particulars.
    #[must_use]
    pub fn with(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// The same with a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What caused it, for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// The candidate nearest to `given`, if one is near enough to have been meant.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What a sender writes may be long; nobody means a 50-character name by a 5,000-character one.
    if given.len() > 256 {
        return None;
    }
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            let similarity = strsim::jaro_winkler(&lower, &known);
            // The first knows a beginning that is right, the second letters that were swapped.
            let is_near = similarity >= 0.8 || strsim::normalized_damerau_levenshtein(&lower, &known) >= 0.65;
            is_near.then_some((similarity, candidate))
        })
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_a_slip_and_not_a_stranger() {
        let known = ["title", "service_id", "severity"];
        assert_eq!(nearest("titel", known), Some("title"));
        assert_eq!(nearest("serviceId", known), Some("service_id"));
        assert_eq!(nearest("labels", known), None);
        assert_eq!(nearest("costum", ["webhook", "custom", "ntfy"]), Some("custom"));
    }

    #[test]
    fn one_field_is_named_in_the_message_and_several_are_counted() {
        let one = || FieldError::new("title", "required", "is required");
        assert_eq!(Error::fields(vec![one()]).message, "`title` is required");
        assert_eq!(Error::fields(vec![one(), one()]).message, "2 fields are invalid");
    }
}
