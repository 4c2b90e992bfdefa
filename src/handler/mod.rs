//! What Firebell does with a request, in two steps: [`Handler::admit`] decides by the head alone whether its body is
//! worth reading, [`Handler::run`] does what it asks. Knows nothing of sockets.

mod access;
mod deliveries;
mod edits;
mod export;
mod gotify;
mod heartbeats;
mod incidents;
mod keeping;
mod list_query;
mod notifications;
mod ops;
mod query;
mod rate;
mod redact;
mod services;
mod signature;
mod silences;
mod sns;
mod stream;
mod telling;
mod ui;
mod views;
mod watchdog;
mod webhook;

pub use signature::sign;
pub use views::IncidentView;

use std::net::SocketAddr;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::metrics::Metrics;
use crate::model::Heartbeat;
use crate::outbound::Outbound;
use crate::registry::{Integration, Scope};
use crate::reply::Said;
use crate::route::{self, Route};
use crate::source::pagerduty;
use crate::store::Store;
use access::Caller;
use heartbeats::Deadlines;
use keeping::{Delivered, Ring};
use rate::{RateLimits, SenderKind};
use sns::Sns;
use telling::Streams;
use ui::{LastCounts, Sessions};
use watchdog::ToWatchdog;

/// What the configuration means at this moment; a reload replaces it as a whole.
#[derive(Debug)]
pub struct Live {
    /// The configuration.
    pub config: Config,
    /// What links begin with, now that the port is known.
    pub public_url: String,
}

impl Live {
    /// The configuration of a server that listens on `addr`.
    #[must_use]
    pub fn new(mut config: Config, addr: SocketAddr) -> Self {
        // Only commands need these in the clear; a server that has forgotten them cannot leak them. Routing keys are
        // shown to those who may see them.
        config.client_tokens = Vec::new();
        for sender in &mut config.senders {
            sender.signing_secret = None;
        }
        let public_url = config.public_url_at(addr);
        Self { config, public_url }
    }
}

/// Everything that handling a request needs.
#[derive(Debug)]
pub struct Handler {
    live: RwLock<Arc<Live>>,
    store: Arc<Store>,
    clock: Clock,
    rate_limits: RateLimits,
    streams: Streams,
    ring: Ring,
    exports: Arc<Semaphore>,
    sns: Arc<Sns>,
    deadlines: Deadlines,
    watchdog: ToWatchdog,
    sessions: Sessions,
    open_counts: LastCounts,
    /// When a write last reached the disk.
    durable_at_ms: AtomicI64,
    metrics: Metrics,
}

/// Who a request comes from.
#[derive(Clone, Debug)]
enum Who {
    Anyone,
    Integration(Arc<Integration>),
    Heartbeat(Arc<Heartbeat>),
    Caller(Caller),
}

/// What is known of a request, admitted or not: enough for its line in the log, and to keep what it delivered.
#[derive(Debug, Default)]
pub struct Seen {
    /// Its position in the table of routes.
    pub route: Option<usize>,
    /// Bytes of its body that were read, whatever became of them.
    pub read_bytes: usize,
    who: Option<Who>,
    delivered: Delivered,
}

impl Seen {
    /// The route as the table writes it: it holds no key.
    #[must_use]
    pub fn template(&self) -> &'static str {
        self.route.and_then(|at| route::TABLE.get(at)).map_or("-", |(_, template, _)| template)
    }

    /// Whom the request comes from: `integration:NAME`, `heartbeat:NAME`, `token:NAME`, or `-`.
    #[must_use]
    pub fn sender(&self) -> String {
        match &self.who {
            Some(Who::Integration(integration)) => format!("integration:{}", integration.name),
            Some(Who::Heartbeat(heartbeat)) => format!("heartbeat:{}", heartbeat.name),
            Some(Who::Caller(caller)) => format!("token:{}", caller.name),
            Some(Who::Anyone) | None => "-".into(),
        }
    }
}

/// A request whose head is in order.
#[derive(Debug)]
pub struct Admitted {
    route: Route,
    parameters: Vec<String>,
    who: Who,
    live: Arc<Live>,
    /// Bytes that the body may have; `None`: nobody reads it.
    pub body_limit: Option<usize>,
}

impl Admitted {
    /// Whether a body that is longer than [`Self::body_limit`] is cut instead of refused: whatever a job has to say, its
    /// ping counts.
    #[must_use]
    pub fn cuts_body(&self) -> bool {
        matches!(self.route, Route::Ping | Route::Push)
    }

    fn caller(&self) -> Result<&Caller, Error> {
        match &self.who {
            Who::Caller(caller) => Ok(caller),
            _ => Err(Error::internal("a route of the API was admitted without a caller")),
        }
    }
}

impl Handler {
    /// A handler over an open store.
    #[must_use]
    pub fn new(live: Live, store: Arc<Store>, clock: Clock, outbound: Outbound) -> Self {
        let metrics = Metrics::new(store.metrics(), clock.now_ms());
        let streams = Streams::new(live.config.limits.streams);
        Self {
            live: RwLock::new(Arc::new(live)),
            metrics,
            store,
            clock,
            rate_limits: RateLimits::default(),
            streams,
            ring: Ring::default(),
            sns: Arc::new(Sns::new(outbound.clone())),
            deadlines: Deadlines::default(),
            watchdog: ToWatchdog::new(outbound),
            sessions: Sessions::default(),
            open_counts: LastCounts::default(),
            exports: Arc::new(Semaphore::new(export::EXPORTS)),
            durable_at_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force; requests under way finish with theirs. Streams have no end of their own, so
    /// where others may now watch they are ended: those who still may come back and resume.
    pub fn replace(&self, live: Live) {
        let live = Arc::new(live);
        let old = std::mem::replace(
            &mut *self.live.write().unwrap_or_else(PoisonError::into_inner),
            Arc::clone(&live),
        );
        let (old, new) = (&old.config, &live.config);
        if old.anonymous != new.anonymous || !old.registry.has_same_tokens(&new.registry) {
            self.streams.renew();
        }
    }

    /// What is counted here; those who answer count with it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The time that requests are judged by, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Checks all that the head tells: route, method, key or token, rate. What it finds out on the way is `seen`.
    ///
    /// # Errors
    /// The refusal; the body need not be read for it.
    pub fn admit(&self, head: &Parts, seen: &mut Seen) -> Result<Admitted, Error> {
        let found = route::find(head.method.as_str(), head.uri.path())?;
        seen.route = Some(found.position);
        let live = self.live();
        let limits = &live.config.limits;
        let (who, body_limit) = match found.route {
            Route::Webhook | Route::Ntfy => {
                let key = found.parameters.first().map_or("", |key| key);
                let integration = webhook::authenticate(&live, key, head)?;
                let group = integration.source.is_group();
                let limit = if group { limits.group_body_bytes } else { limits.custom_body_bytes };
                (Who::Integration(integration), Some(limit))
            }
            // The key is in the body; `identify` goes on from there.
            Route::PagerDuty | Route::PagerDutyChange => (Who::Anyone, Some(limits.pagerduty_body_bytes)),
            Route::Gotify => {
                let key = gotify::token(head).unwrap_or_default();
                let integration = webhook::authenticate(&live, &key, head)?;
                (Who::Integration(integration), Some(limits.custom_body_bytes))
            }
            Route::Ping | Route::Push => {
                (heartbeats::authenticate(&live, &found)?, Some(heartbeats::MESSAGE_BYTES))
            }
            Route::AuthVerify => (Who::Caller(access::authorize(&live, head, None)?), None),
            // Who looks at a page is found out when it is made: whoever may not is sent to log in.
            Route::Permalink if ui::wants_page(head) => (Who::Anyone, None),
            Route::Incidents
            | Route::Incident
            | Route::Permalink
            | Route::IncidentEvents
            | Route::IncidentStream
            | Route::Export
            | Route::Integrations
            | Route::Deliveries
            | Route::Delivery
            | Route::Channels
            | Route::Notifications
            | Route::Silences
            | Route::Silence => {
                (Who::Caller(access::authorize(&live, head, Some(Scope::IncidentsRead))?), None)
            }
            Route::Services | Route::Service | Route::Heartbeats => {
                (Who::Caller(access::authorize(&live, head, Some(Scope::ServicesRead))?), None)
            }
            Route::CreateIncident
            | Route::EditIncident
            | Route::CommentIncident
            | Route::IncidentStatus
            | Route::IncidentAcknowledge
            | Route::CreateSilence
            | Route::ChangeSilence
            | Route::EndSilence
            | Route::ReplayDelivery => {
                let caller = access::authorize(&live, head, Some(Scope::IncidentsWrite))?;
                (Who::Caller(caller), Some(limits.api_body_bytes))
            }
            Route::Page(_) if head.method == Method::POST => (Who::Anyone, Some(limits.api_body_bytes)),
            Route::Healthz | Route::Readyz | Route::GotifyVersion | Route::GotifyHealth | Route::Page(_) => {
                (Who::Anyone, None)
            }
            Route::Metrics | Route::Openapi => (Who::Caller(access::authorize_operator(&live, head)?), None),
        };
        let who = seen.who.insert(who).clone();
        self.check_rate(&who)?;
        // The first one of a webhook or a ping is its key, which is not kept beyond this point.
        let keys = usize::from(matches!(who, Who::Integration(_) | Who::Heartbeat(_)));
        let parameters = found.parameters.into_iter().skip(keys).map(Into::into).collect();
        Ok(Admitted { route: found.route, parameters, who, body_limit, live })
    }

    /// Finds out whom a request comes from that says so in its body, and checks what [`Self::admit`] could not.
    ///
    /// # Errors
    /// The refusal.
    pub fn identify(
        &self,
        admitted: &mut Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<(), Error> {
        seen.delivered.body = Some(body.clone());
        if !matches!(admitted.route, Route::PagerDuty | Route::PagerDutyChange) {
            return Ok(());
        }
        let key = pagerduty::routing_key(body, admitted.route == Route::PagerDutyChange)?;
        let who = Who::Integration(webhook::authenticate(&admitted.live, &key, head)?);
        admitted.who = seen.who.insert(who).clone();
        self.check_rate(&admitted.who)
    }

    fn check_rate(&self, who: &Who) -> Result<(), Error> {
        let (kind, name, per_minute) = match who {
            Who::Anyone | Who::Heartbeat(_) => return Ok(()),
            Who::Integration(one) => (SenderKind::Integration, &one.name, one.rate_per_minute),
            Who::Caller(caller) => (SenderKind::Token, &caller.name, caller.rate_per_minute),
        };
        self.rate_limits.check(kind, name, per_minute, self.now_ms()).map_err(|mut error| {
            if matches!(who, Who::Integration(one) if one.source.wants_503()) {
                error.kind = Kind::Overloaded;
            }
            error
        })
    }

    /// Does what an admitted request asks. What it delivers is `seen`.
    ///
    /// # Errors
    /// The refusal.
    pub async fn run(
        self: &Arc<Self>,
        admitted: &Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<Said, Error> {
        // What is boxed needs several times the room of a webhook, which every request would carry around.
        let answer = match admitted.route {
            Route::Webhook | Route::PagerDuty | Route::Ntfy | Route::Gotify => {
                self.receive(admitted, head, body, seen).await
            }
            Route::PagerDutyChange => self.receive_change(admitted, head, body, seen).await,
            Route::GotifyVersion => Ok(gotify::version()),
            Route::GotifyHealth => self.readyz().await.map(|_| gotify::healthy()),
            Route::Ping => self.take_ping(admitted, head, body).await,
            Route::Push => self.take_push(admitted, head).await,
            Route::AuthVerify => access::verify(admitted),
            Route::Incidents => Box::pin(self.list_incidents(admitted, head)).await,
            Route::Permalink if matches!(admitted.who, Who::Anyone) => {
                return Box::pin(self.page(None, admitted, head, body, seen)).await;
            }
            Route::Page(page) => return Box::pin(self.page(Some(page), admitted, head, body, seen)).await,
            Route::Incident | Route::Permalink => self.show_incident(admitted).await,
            Route::IncidentStream => {
                return self.stream_incidents(admitted, head, i64::MAX).map(Said::Stream);
            }
            Route::Export => return Box::pin(self.export(admitted, head)).await.map(Said::Stream),
            Route::CreateIncident => self.create_incident(admitted, head, body).await,
            Route::EditIncident => self.edit_incident(admitted, head, body).await,
            Route::IncidentEvents => self.list_events(admitted, head).await,
            Route::CommentIncident => self.comment(admitted, head, body).await,
            Route::Services => services::list(admitted, head),
            Route::Service => services::show(admitted),
            Route::Heartbeats => self.list_heartbeats(admitted, head).await,
            Route::IncidentStatus => self.set_status(admitted, head, body).await,
            Route::IncidentAcknowledge => self.acknowledge(admitted, head, body).await,
            Route::Integrations => self.list_integrations(admitted, head).await,
            Route::Deliveries => self.list_deliveries(admitted, head).await,
            Route::Delivery => self.show_delivery(admitted).await,
            Route::Channels => self.list_channels(admitted, head).await,
            Route::Notifications => self.list_notifications(head).await,
            Route::Silences => self.list_silences(head).await,
            Route::Silence => self.show_silence(admitted).await,
            Route::CreateSilence => self.create_silence(admitted, head, body).await,
            Route::ChangeSilence => self.change_silence(admitted, head, body).await,
            Route::EndSilence => self.end_silence(admitted, head, body).await,
            Route::ReplayDelivery => Box::pin(self.replay(admitted, head, seen)).await,
            Route::Healthz => ops::healthz(),
            Route::Readyz => self.readyz().await,
            Route::Metrics => self.show_metrics(admitted, head).await,
            Route::Openapi => Ok(ops::openapi()),
        };
        answer.map(Said::Answer)
    }
}
