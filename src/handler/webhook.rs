//! Webhooks: from a routing key and bytes to incidents on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::query::Query;
use super::{Admitted, Handler, Live, Seen, Who, access, signature};
use crate::error::{Error, FieldError, Kind};
use crate::model::{Alert, Outcome, Warning};
use crate::registry::{Integration, PLACEHOLDER_KEY, SignatureScheme};
use crate::reply::Answer;
use crate::route::Dialect;
use crate::source::{Parsed, Received, Request, Source, pagerduty};
use crate::store::{IdempotencyKey, Ingest, Placed};

/// Bodies of more bytes may take a mapping longer than others should wait: the empty objects that fit into this many are
/// some three hundred alerts.
const LARGE_BODY_BYTES: usize = 1024;

/// Characters of an `Idempotency-Key`.
const IDEMPOTENCY_KEY_CHARS: usize = 255;

/// What a request brings, be it fresh or sent again.
pub struct Incoming<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What is behind the `?` of its URL.
    pub query: Option<&'a str>,
    /// What is behind the routing key in its path.
    pub topic: Option<&'a str>,
    /// Its body.
    pub body: &'a Bytes,
    /// Nothing is to be kept.
    pub dry_run: bool,
}

/// Finds the integration that a routing key belongs to.
pub fn authenticate(live: &Live, key: &str, head: &Parts) -> Result<Arc<Integration>, Error> {
    let Some(integration) = live.config.registry.integration(key) else {
        let message = "no integration has this routing key; they are the `routing_keys` of the configuration";
        return Err(Error::new(Kind::UnknownRoutingKey, message));
    };
    let wanted = integration.source.dialect();
    if wanted != Dialect::of(head.uri.path()) {
        let message = format!(
            "this routing key is one of an integration whose senders post to {}; the configuration's `source` says so",
            wanted.path()
        );
        return Err(Error::new(Kind::UnknownRoutingKey, message));
    }
    // Everybody knows the placeholder, so anybody on a network, and any web page, could post with it.
    if key == PLACEHOLDER_KEY {
        access::check_origin(live, &head.headers)?;
        let foreign = head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        if foreign || !live.config.is_loopback() {
            let message = "the placeholder routing key is neither for networks nor for web pages; `firebell init` makes a key of your own";
            return Err(Error::new(Kind::ForbiddenHost, message));
        }
    }
    Ok(Arc::clone(integration))
}

impl Handler {
    /// A webhook whose key is known: signature, encoding, JSON, fields, store, in this order.
    pub(super) async fn receive(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<Answer, Error> {
        let topic = (!admitted.parameters.is_empty()).then(|| admitted.parameters.join("/"));
        seen.delivered.topic.clone_from(&topic);
        let integration = self.check_sender(admitted, head, body, seen).await?;
        let incoming = Incoming {
            headers: &head.headers,
            query: head.uri.query(),
            topic: topic.as_deref(),
            body,
            dry_run: dry_run(head)?,
        };
        let received = self.take(&admitted.live, integration, &incoming).await?;
        let answer = integration.source.answer(&received, &admitted.live.public_url)?;
        seen.delivered.became(received);
        Ok(answer)
    }

    /// A request that has proven whose it is, or one that is sent again: encoding, JSON, fields, store, in this order.
    pub(super) async fn take(
        &self,
        live: &Arc<Live>,
        integration: &Arc<Integration>,
        incoming: &Incoming<'_>,
    ) -> Result<Received, Error> {
        check_encoding(incoming.headers)?;
        let registry = &live.config.registry;
        let Parsed { alerts, ignored, echo } = parse(live, integration, incoming).await?;
        if integration.protection.scheme == SignatureScheme::Sns && !incoming.dry_run {
            self.confirm_sns(incoming.body).await?;
        }
        let idempotency = idempotency_key(incoming.headers, incoming.body)?;
        let dry_run = incoming.dry_run;
        let place = |(alert, warnings): (Alert, Vec<Warning>)| {
            let place = registry.place(&alert.service, integration);
            Placed { alert, place, warnings }
        };
        let ingest = Ingest {
            integration: Arc::clone(integration),
            alerts: alerts.into_iter().map(place).collect(),
            metadata_keys: integration.source.limits().metadata_keys,
            idempotency,
            dry_run,
        };
        let (reports, replayed) = self.store.ingest(ingest).await?;
        if !dry_run && !replayed {
            for report in &reports {
                self.metrics.alerts.stored(&integration.name, report.outcome);
            }
        }
        let wrote = reports.iter().any(|report| report.outcome != Outcome::Ignored);
        if wrote && !dry_run && !replayed {
            self.durable_at_ms.store(self.now_ms(), Ordering::Relaxed);
        }
        Ok(Received { reports, ignored, replayed, dry_run, echo, now_ms: self.now_ms() })
    }

    /// A change event of PagerDuty's: it tells what was done, and makes no incident.
    pub(super) async fn receive_change(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<Answer, Error> {
        self.check_sender(admitted, head, body, seen).await?;
        check_encoding(&head.headers)?;
        pagerduty::check_change(body)?;
        Ok(pagerduty::change_answer())
    }

    /// What a request whose key is known must prove besides.
    async fn check_sender<'a>(
        &self,
        admitted: &'a Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<&'a Arc<Integration>, Error> {
        let Who::Integration(integration) = &admitted.who else {
            return Err(Error::internal("a webhook was admitted without an integration"));
        };
        signature::check_authorization(&integration.protection, &head.headers)?;
        signature::verify(&integration.protection, &head.headers, body, self.now_ms())?;
        if integration.protection.scheme == SignatureScheme::Sns {
            self.verify_sns(body).await?;
        }
        seen.delivered.proven = true;
        Ok(integration)
    }

    /// Off the thread that serves: a certificate may have to be fetched.
    async fn verify_sns(&self, body: &Bytes) -> Result<(), Error> {
        let (sns, body, now_ms) = (Arc::clone(&self.sns), body.clone(), self.now_ms());
        tokio::task::spawn_blocking(move || sns.verify(&body, now_ms)).await.map_err(Error::internal)?
    }

    async fn confirm_sns(&self, body: &Bytes) -> Result<(), Error> {
        let (sns, body) = (Arc::clone(&self.sns), body.clone());
        tokio::task::spawn_blocking(move || sns.confirm(&body)).await.map_err(Error::internal)?
    }
}

/// The alerts in a body. A large one is read off the thread that serves, so that nobody else waits for it.
async fn parse(
    live: &Arc<Live>,
    integration: &Arc<Integration>,
    incoming: &Incoming<'_>,
) -> Result<Parsed, Error> {
    let Incoming { headers, query, topic, body, .. } = *incoming;
    if body.len() <= LARGE_BODY_BYTES || !matches!(integration.source, Source::Mapping(_)) {
        return live.config.registry.alerts(integration, &Request { body, headers, query, topic });
    }
    let (live, integration, body) = (Arc::clone(live), Arc::clone(integration), body.clone());
    let (headers, query) = (headers.clone(), query.map(str::to_owned));
    let task = tokio::task::spawn_blocking(move || {
        let request = Request { body: &body, headers: &headers, query: query.as_deref(), topic: None };
        live.config.registry.alerts(&integration, &request)
    });
    task.await.map_err(Error::internal)?
}

/// Only plain bodies: a limit on compressed bytes would be none.
pub fn check_encoding(headers: &HeaderMap) -> Result<(), Error> {
    let identity = |value: &http::HeaderValue| {
        value
            .to_str()
            .is_ok_and(|encoding| matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
    };
    if headers.get_all(CONTENT_ENCODING).iter().all(identity) {
        return Ok(());
    }
    Err(Error::new(
        Kind::UnsupportedEncoding,
        "send the body as it is: Content-Encoding may only be identity",
    ))
}

/// Whether the query asks for a dry run.
pub fn dry_run(head: &Parts) -> Result<bool, Error> {
    let mut errors = Vec::new();
    let dry_run = Query::of(head).flag("dry_run", &mut errors);
    if errors.is_empty() { Ok(dry_run) } else { Err(Error::fields(errors)) }
}

/// The `Idempotency-Key` of a request, bound to its body.
pub fn idempotency_key(headers: &HeaderMap, body: &[u8]) -> Result<Option<IdempotencyKey>, Error> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let refuse =
        |code, message: &str| Err(Error::fields(vec![FieldError::new("Idempotency-Key", code, message)]));
    let Ok(key) = std::str::from_utf8(value.as_bytes()) else {
        return refuse("invalid", "must be UTF-8");
    };
    match key.trim().chars().count() {
        0 => refuse("empty", "is empty; leave it out, or send up to 255 characters"),
        1..=IDEMPOTENCY_KEY_CHARS => {
            Ok(Some(IdempotencyKey { key: key.trim().to_owned(), digest: Sha256::digest(body).into() }))
        }
        _ => refuse("too_long", "is longer than 255 characters"),
    }
}
