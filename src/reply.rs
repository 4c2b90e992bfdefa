//! The envelope: how answers and refusals are written. Every body that Firebell's own API sends is made here.

mod dialect;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY_HEADER, CONTENT_TYPE,
    HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use crate::clock::rfc3339;
use crate::error::{Details, Error, Kind};
use crate::json::{push_quoted, quoted};
use crate::route::Dialect;

/// A success, before it has its envelope.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `data`, as JSON; all of the body, where it has a type of its own.
    pub data: String,
    /// The type of a body that goes out as it is. `None`: it is `data` in its envelope.
    pub content_type: Option<&'static str>,
    /// It is the result of an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl Answer {
    /// A `200` with `data`.
    ///
    /// # Errors
    /// When `data` cannot be JSON, which is a bug.
    pub fn ok(data: &impl Serialize) -> Result<Self, Error> {
        let data = serde_json::to_string(data).map_err(Error::internal)?;
        Ok(Self { status: 200, data, content_type: None, replayed: false })
    }

    /// A `200` whose body goes out as it is.
    #[must_use]
    pub fn raw(content_type: &'static str, body: String) -> Self {
        Self { status: 200, data: body, content_type: Some(content_type), replayed: false }
    }
}

/// A success that needs no envelope, since it is made while it is sent.
#[derive(Debug)]
pub struct Stream {
    /// Its headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body, in chunks.
    pub chunks: Receiver<Chunk>,
    /// It goes on until somebody ends it.
    pub endless: bool,
}

/// A piece of a body that is made while it is sent.
#[derive(Debug)]
pub enum Chunk {
    /// More of it.
    Data(Bytes),
    /// That was all. Without it, the body is broken off.
    End,
}

/// A page for people, or what belongs to one: it goes out as it is.
#[derive(Debug)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// Headers beyond those that every page has; `Cache-Control` among them stands in for `no-store`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// What pages may do: load what this server gives them, and nothing that stands in the page itself or is elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is said to a request that is not refused.
#[derive(Debug)]
pub enum Said {
    /// At once, in the envelope.
    Answer(Answer),
    /// Bit by bit.
    Stream(Stream),
    /// To a browser.
    Page(Page),
}

/// A body.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// One that is made while it is sent.
    Made {
        /// Its chunks.
        chunks: Receiver<Chunk>,
        /// It goes on until somebody ends it.
        endless: bool,
    },
}

/// What goes out.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beyond those that every reply has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Body,
}

/// Sends a success as it is.
#[must_use]
pub fn stream(stream: Stream) -> Reply {
    let Stream { headers, chunks, endless } = stream;
    Reply { status: 200, headers, body: Body::Made { chunks, endless } }
}

/// Sends a page with what keeps it from being misused.
#[must_use]
pub fn page(page: Page) -> Reply {
    let mut headers = vec![
        (CONTENT_TYPE, HeaderValue::from_static(page.content_type)),
        (CONTENT_SECURITY_POLICY_HEADER, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Forms must be able to say where they come from, links elsewhere must not.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    if !page.headers.iter().any(|(name, _)| *name == CACHE_CONTROL) {
        headers.push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    }
    headers.extend(page.headers);
    Reply { status: page.status, headers, body: Body::Whole(page.body) }
}

/// Puts a success in its envelope, if it is to have one.
#[must_use]
pub fn success(answer: &Answer, request_id: &str, now_ms: i64) -> Reply {
    let mut headers = common_headers();
    if answer.replayed {
        headers.push((HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true")));
    }
    if let Some(content_type) = answer.content_type {
        headers[0].1 = HeaderValue::from_static(content_type);
        return Reply { status: answer.status, headers, body: Body::Whole(answer.data.clone().into()) };
    }
    let mut body = String::with_capacity(answer.data.len() + 160);
    body.push_str("{\"success\":true,\"data\":");
    body.push_str(&answer.data);
    push_meta(&mut body, request_id, now_ms);
    Reply { status: answer.status, headers, body: Body::Whole(body.into()) }
}

/// Says a refusal in a dialect.
#[must_use]
pub fn failure(error: &Error, dialect: Dialect, request_id: &str, now_ms: i64) -> Reply {
    let (status, body) = match dialect {
        Dialect::Firebell => (error.kind.status(), enveloped(error, request_id, now_ms)),
        Dialect::PagerDuty => dialect::pagerduty(error),
        Dialect::Ntfy => dialect::ntfy(error),
        Dialect::Gotify => dialect::gotify(error),
        Dialect::Healthchecks => dialect::healthchecks(error),
        Dialect::UptimeKuma => dialect::uptime_kuma(error),
    };
    let mut headers = common_headers();
    if dialect == Dialect::Healthchecks {
        headers[0].1 = HeaderValue::from_static("text/plain; charset=utf-8");
    }
    if let Some(seconds) = error.retry_after_s {
        headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
    }
    if let (Kind::MethodNotAllowed, Details::Allowed(allowed)) = (error.kind, &error.details)
        && let Ok(allowed) = HeaderValue::try_from(allowed.join(", "))
    {
        headers.push((ALLOW, allowed));
    }
    if error.kind == Kind::Unauthenticated {
        headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(error.challenge)));
    }
    Reply { status, headers, body: Body::Whole(body.into()) }
}

/// A refusal in our own envelope.
fn enveloped(error: &Error, request_id: &str, now_ms: i64) -> String {
    let details = details_json(&error.details);
    let (code, message) = (error.kind.code(), quoted(&error.message));
    let mut body = format!("{{\"error\":{{\"code\":\"{code}\",\"message\":{message},\"details\":{details}}}");
    push_meta(&mut body, request_id, now_ms);
    body
}

/// `error.details`, its members in the contract's order.
fn details_json(details: &Details) -> String {
    let (name, value) = match details {
        Details::None => return "{}".into(),
        Details::Position { line, column } => return format!("{{\"line\":{line},\"column\":{column}}}"),
        Details::Fields(fields) => ("fields", serde_json::to_string(fields)),
        Details::Limit(bytes) => ("limit_bytes", serde_json::to_string(bytes)),
        Details::Allowed(allowed) => ("allowed", serde_json::to_string(allowed)),
        Details::Holder(number) => ("holder", serde_json::to_string(number)),
    };
    // Plain strings and numbers cannot fail to be JSON.
    format!("{{\"{name}\":{}}}", value.unwrap_or_else(|_| "null".into()))
}

/// The end of every body.
fn push_meta(body: &mut String, request_id: &str, now_ms: i64) {
    body.push_str(",\"meta\":{\"request_id\":");
    push_quoted(body, request_id);
    body.push_str(",\"timestamp\":\"");
    body.push_str(&rfc3339(now_ms));
    body.push_str("\"}}");
}

/// Nothing that Firebell says of an incident is true for long.
fn common_headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
