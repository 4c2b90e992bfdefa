//! What senders speak: bytes in, alerts out, and the answer in their own dialect. Pure, but for the keys that
//! PagerDuty's senders want made.

mod custom;
pub mod encoded_word;
mod expression;
mod form;
mod gotify;
mod mapping;
mod message;
mod names;
mod ntfy;
pub mod pagerduty;
pub mod presets;
mod report;

use std::sync::Arc;

use http::HeaderMap;

pub use expression::{Expression, from_json};
pub use mapping::Mapping;
pub use message::{Dedup, MessageRules};

use crate::error::Error;
use crate::model::{Alert, AlertLimits, Report, Services, Warning};
use crate::reply::Answer;
use crate::route::Dialect;

/// The format that an integration's sender speaks. The matches over it are the index of what exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Firebell's own webhook.
    Custom,
    /// Any JSON, read by expressions.
    Mapping(Arc<Mapping>),
    /// PagerDuty's Events API v2.
    PagerDuty,
    /// What is published to an ntfy server.
    Ntfy(Arc<MessageRules>),
    /// Messages to a Gotify server.
    Gotify(Arc<MessageRules>),
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
    /// What is behind the routing key in its path.
    pub topic: Option<&'a str>,
}

/// What a body says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Its alerts, each with what its sender should know about it.
    pub alerts: Vec<(Alert, Vec<Warning>)>,
    /// Parts of it that are no alerts.
    pub ignored: usize,
    /// What the answer repeats of it, as members of a JSON object; for senders that want that.
    pub echo: String,
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
    /// What the answer repeats of the body.
    pub echo: String,
    /// When.
    pub now_ms: i64,
}

/// Sources that are no presets: their names in the configuration, and what each takes.
pub const KINDS: [(&str, &str); 5] = [
    ("custom", "Firebell's own JSON: title, service_id, …"),
    ("mapping", "any JSON, by expressions of your own: [integrations.mapping]"),
    ("pagerduty", "PagerDuty's Events API v2, at /v2/enqueue"),
    ("ntfy", "what is published to ntfy, at /ntfy/KEY/TOPIC"),
    ("gotify", "messages to Gotify, at /message"),
];

impl Source {
    /// What the configuration calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Mapping(mapping) => mapping.name,
            Self::PagerDuty => "pagerduty",
            Self::Ntfy(_) => "ntfy",
            Self::Gotify(_) => "gotify",
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
                Ok(Parsed { alerts: vec![alert], ..Parsed::default() })
            }
            Self::Mapping(mapping) => mapping.parse(request, services),
            Self::PagerDuty => pagerduty::parse(request.body, services),
            Self::Ntfy(rules) => ntfy::parse(rules, request, services),
            Self::Gotify(rules) => gotify::parse(rules, request, services),
        }
    }

    /// How much an alert may hold.
    #[must_use]
    pub const fn limits(&self) -> AlertLimits {
        match self {
            Self::Custom => AlertLimits::CUSTOM,
            Self::Mapping(_) | Self::PagerDuty | Self::Ntfy(_) | Self::Gotify(_) => AlertLimits::NATIVE,
        }
    }

    /// What its senders speak, which says where they post.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Custom | Self::Mapping(_) => Dialect::Firebell,
            Self::PagerDuty => Dialect::PagerDuty,
            Self::Ntfy(_) => Dialect::Ntfy,
            Self::Gotify(_) => Dialect::Gotify,
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
            Self::PagerDuty => pagerduty::answer(received),
            Self::Ntfy(_) => Ok(ntfy::answer(received)),
            Self::Gotify(_) => Ok(gotify::answer(received)),
        }
    }

    /// The same in Firebell's own dialect, for who sends a request again.
    ///
    /// # Errors
    /// Only for a bug.
    pub fn report(&self, received: &Received, public_url: &str) -> Result<Answer, Error> {
        match self {
            Self::Custom => report::single(received, public_url),
            _ => report::list(received, public_url),
        }
    }

    /// Whether a body may hold many alerts.
    #[must_use]
    pub fn is_group(&self) -> bool {
        match self {
            Self::Custom | Self::PagerDuty | Self::Ntfy(_) | Self::Gotify(_) => false,
            Self::Mapping(mapping) => mapping.for_each.is_some(),
        }
    }

    /// Whether its senders give an alert up that was refused with a 429, but try again after a 503.
    #[must_use]
    pub const fn wants_503(&self) -> bool {
        match self {
            Self::Custom | Self::PagerDuty => false,
            Self::Mapping(_) | Self::Ntfy(_) | Self::Gotify(_) => true,
        }
    }
}
