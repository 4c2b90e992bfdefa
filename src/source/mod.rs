//! What senders speak: bytes in, alerts out, and the answer in their own dialect. Pure.

mod custom;
mod expression;
mod mapping;
pub mod presets;
mod report;

use std::sync::Arc;

use http::HeaderMap;

pub use expression::Expression;
pub use mapping::Mapping;

use crate::error::Error;
use crate::model::{Alert, AlertLimits, Report, Services, Warning};
use crate::reply::Answer;

/// The format that an integration's sender speaks. The matches over it are the index of what exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Firebell's own webhook.
    Custom,
    /// Any JSON, read by expressions.
    Mapping(Arc<Mapping>),
}

/// A request whose sender is known.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its body.
    pub body: &'a [u8],
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What is behind the `?` of its URL.
    pub query: Option<&'a str>,
}

/// What a body says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its alerts, each with what its sender should know about it.
    pub alerts: Vec<(Alert, Vec<Warning>)>,
    /// Parts of it that are no alerts.
    pub ignored: usize,
}

/// What became of a body, for its sender.
#[derive(Debug)]
pub struct Received {
    /// In the order of the alerts.
    pub reports: Vec<Report>,
    /// Parts of the body that were no alerts.
    pub ignored: usize,
    /// They are those of an earlier request with the same idempotency key.
    pub replayed: bool,
    /// Nothing was kept.
    pub dry_run: bool,
}

impl Source {
    /// What the configuration calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Mapping(mapping) => mapping.name,
        }
    }

    /// The alerts in a body.
    ///
    /// # Errors
    /// Everything that is wrong with the body.
    pub fn parse(&self, request: &Request<'_>, services: &Services<'_>) -> Result<Parsed, Error> {
        match self {
            Self::Custom => {
                let alert = custom::parse(request.body, services)?;
                Ok(Parsed { alerts: vec![alert], ignored: 0 })
            }
            Self::Mapping(mapping) => mapping.parse(request, services),
        }
    }

    /// How much an alert may hold.
    #[must_use]
    pub const fn limits(&self) -> AlertLimits {
        match self {
            Self::Custom => AlertLimits::CUSTOM,
            Self::Mapping(_) => AlertLimits::NATIVE,
        }
    }

    /// The success answer. `public_url` is what links begin with.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn answer(&self, received: &Received, public_url: &str) -> Result<Answer, Error> {
        match self {
            Self::Custom => report::single(received, public_url),
            Self::Mapping(_) => report::list(received, public_url),
        }
    }

    /// Whether a body may hold many alerts.
    #[must_use]
    pub fn is_group(&self) -> bool {
        match self {
            Self::Custom => false,
            Self::Mapping(mapping) => mapping.for_each.is_some(),
        }
    }

    /// Whether its senders give an alert up that was refused with a 429, but try again after a 503.
    #[must_use]
    pub const fn wants_503(&self) -> bool {
        match self {
            Self::Custom => false,
            Self::Mapping(_) => true,
        }
    }
}
