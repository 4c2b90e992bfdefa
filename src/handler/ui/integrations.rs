//! The hub: what sends here, how to connect it, and what it sent last.

use std::sync::Arc;

use minijinja::context;
use serde::Serialize;

use super::super::Admitted;
use super::super::deliveries::{find_integration, replay_problem};
use super::super::query::Query;
use super::super::{Handler, Seen, Who};
use super::template::value;
use super::time::Moment;
use super::{Visit, see_other};
use crate::config::Preset;
use crate::error::{Error, Kind};
use crate::json::quoted;
use crate::model::{Delivery, DeliverySummary, NativeAlert, Services, Severity};
use crate::registry::{Integration, Registry, Scope};
use crate::reply::Page;
use crate::route::{Dialect, Route};
use crate::source::KINDS;
use crate::store::{Ingest, Placed};

/// Deliveries on the page of an integration.
const PER_PAGE: usize = 25;

/// The key of test incidents: one is open at most.
const TEST_KEY: &str = "firebell-test";

/// A delivery, as lists show it.
#[derive(Serialize)]
pub struct DeliveryRow {
    id: i64,
    integration: String,
    at: Moment,
    status: u16,
    refused: bool,
    /// `2 created, 1 resolved`, or the code of the refusal.
    outcome: String,
    error: Option<String>,
    incidents: Vec<String>,
    size: i64,
    replays: Option<i64>,
}

impl DeliveryRow {
    pub fn new(delivery: &Delivery, now_ms: i64) -> Self {
        let (code, error) = delivery.error.clone().unzip();
        Self {
            id: delivery.id,
            integration: delivery.integration.clone(),
            at: Moment::new(delivery.at, now_ms),
            status: delivery.status,
            refused: delivery.status >= 400,
            outcome: code.unwrap_or_else(|| outcomes(&delivery.outcomes)),
            error,
            incidents: delivery.incidents.clone(),
            size: delivery.size,
            replays: delivery.replays,
        }
    }
}

/// `{"created":2}` as people read it.
fn outcomes(json: &str) -> String {
    let outcomes: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let words: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    if words.is_empty() { "accepted".into() } else { words.join(", ") }
}

/// An integration, as lists show it.
#[derive(Serialize)]
struct IntegrationRow<'a> {
    name: &'a str,
    source: &'static str,
    kept: i64,
    refused: i64,
    last: Option<DeliveryRow>,
}

/// What the page of an integration shows beyond what it always does.
#[derive(Default)]
pub struct Shown {
    /// The routing key.
    key: bool,
    problem: Option<Error>,
    /// The test incident.
    test: Option<String>,
}

impl Handler {
    /// `GET /integrations`
    pub(super) async fn integrations_page(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        self.hand_over_deliveries().await;
        let (summaries, now_ms) = (self.store.delivery_summaries().await?, self.now_ms());
        let none = DeliverySummary::default();
        let rows = visit.live.config.registry.integrations().iter().map(|integration| {
            let summary = summaries.get(&integration.name).unwrap_or(&none);
            IntegrationRow {
                name: &integration.name,
                source: integration.source.name(),
                kept: summary.kept,
                refused: summary.refused,
                last: summary.last.as_ref().map(|last| DeliveryRow::new(last, now_ms)),
            }
        });
        let content = context! { integrations => value(rows.collect::<Vec<_>>()) };
        self.framed(visit, "integrations.html", "Integrations", content).await
    }

    /// `GET /integrations/{name}`
    pub(super) async fn integration_page(&self, visit: &Visit<'_>, shown: Shown) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let integration = integration(visit)?;
        self.hand_over_deliveries().await;
        let parameters = Query::of(visit.head);
        let refused = parameters.last("refused").is_some();
        let offset = parameters.last("offset").and_then(|at| at.parse().ok()).unwrap_or(0).min(10_000);
        let name = integration.name.clone();
        let (deliveries, total) = self.store.deliveries(name, refused, offset, PER_PAGE).await?;
        let now_ms = self.now_ms();
        let rows: Vec<_> = deliveries.iter().map(|delivery| DeliveryRow::new(delivery, now_ms)).collect();
        let next = offset + rows.len();
        let connection = Connection::new(visit, integration, shown.key);
        let status = shown.problem.as_ref().map_or(200, |problem| problem.kind.status());
        let content = context! {
            name => integration.name.as_str(),
            source => integration.source.name(),
            default_service => integration.default_service.as_deref(),
            protected => !integration.protection.is_none(),
            connection => value(connection),
            problem => shown.problem.map(|problem| problem.message),
            test => shown.test,
            deliveries => value(rows),
            total,
            refused,
            next => (next < total).then_some(next),
            path => visit.head.uri.path(),
        };
        Ok(Page { status, ..self.framed(visit, "integration.html", &integration.name, content).await? })
    }

    /// `POST /integrations/{name}`
    pub(super) async fn act_on_integration(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsWrite)?;
        let shown = match visit.form.get("do") {
            "show" => Shown { key: true, ..Shown::default() },
            "test" => match self.send_test(visit).await {
                Ok(number) => Shown { test: Some(number), ..Shown::default() },
                Err(error) => Shown { problem: Some(error), ..Shown::default() },
            },
            _ => return Err(Error::new(Kind::Validation, "this form has no button of that name")),
        };
        self.integration_page(visit, shown).await
    }

    /// Makes an incident as if the integration's sender had sent it; returns its number.
    async fn send_test(&self, visit: &Visit<'_>) -> Result<String, Error> {
        let (reports, _) = self.store.ingest(test_alert(visit)?).await?;
        let number = reports.into_iter().find_map(|report| report.incident_number);
        number.ok_or_else(|| Error::internal("a test that made no incident"))
    }

    /// `GET /integrations/{name}/deliveries/{delivery_id}`
    pub(super) async fn delivery_page(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let integration = integration(visit)?;
        let delivery = self.find_delivery(integration, visit.path.get(1).map_or("", String::as_str)).await?;
        let (id, row) = (delivery.id, DeliveryRow::new(&delivery, self.now_ms()));
        let (request, cannot_replay) = (&delivery.request, replay_problem(&delivery));
        let content = context! {
            delivery => value(row),
            request_id => delivery.request_id.as_str(),
            route => request.route.as_str(),
            topic => request.topic.as_deref(),
            query => request.query.as_deref(),
            headers => value(request.headers().collect::<Vec<_>>()),
            body => readable(&request.body),
            cut => request.cut,
            redacted => request.redacted,
            cannot_replay,
            path => visit.head.uri.path(),
        };
        self.framed(visit, "delivery.html", &format!("Delivery {id}"), content).await
    }

    /// `POST /integrations/{name}/deliveries/{delivery_id}`: sends it again.
    pub(super) async fn replay_delivery(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        seen: &mut Seen,
    ) -> Result<Page, Error> {
        visit.check(Scope::IncidentsWrite)?;
        let name = &integration(visit)?.name;
        let admitted = Admitted {
            route: Route::ReplayDelivery,
            parameters: visit.path.to_vec(),
            who: Who::Caller(visit.caller.clone()),
            live: Arc::clone(visit.live),
            body_limit: None,
        };
        self.replay(&admitted, visit.head, seen).await?;
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        Ok(see_other(&format!("/integrations/{name}")))
    }
}

/// The service that an integration's examples are about: its default, or else the first that takes incidents.
fn usual_service<'a>(integration: &'a Integration, registry: &'a Registry) -> Option<&'a str> {
    let active = || registry.services().iter().find(|service| service.active);
    integration.default_service.as_deref().or_else(|| active().map(|service| service.id.as_str()))
}

/// A test incident of the integration in the path.
fn test_alert(visit: &Visit<'_>) -> Result<Ingest, Error> {
    let integration = integration(visit)?;
    let registry = &visit.live.config.registry;
    let services = Services {
        problem: &|service| registry.find_service(service).err(),
        default: usual_service(integration, registry),
    };
    let alert = NativeAlert {
        title: Some(format!("Test incident of {}", integration.name)),
        description: Some("Sent from the page of this integration. Resolve it when you have seen it.".into()),
        severity: Some(Severity::Sev4),
        dedup_key: Some(TEST_KEY.into()),
        metadata: vec![("sent_by".into(), quoted(&visit.caller.identity))],
        ..NativeAlert::default()
    };
    let (alert, warnings) = alert.fit(&services).map_err(Error::fields)?;
    let place = registry.place(&alert.service, integration);
    Ok(Ingest {
        integration: Arc::clone(integration),
        alerts: vec![Placed { alert, place, warnings }],
        metadata_keys: integration.source.limits().metadata_keys,
        idempotency: None,
        dry_run: false,
    })
}

/// The integration in the path.
fn integration<'a>(visit: &'a Visit<'_>) -> Result<&'a Arc<Integration>, Error> {
    find_integration(&visit.live.config.registry, visit.path.first().map_or("", String::as_str))
}

/// A body as people read it: JSON with a line for each member.
fn readable(body: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => serde_json::to_string_pretty(&json).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

/// How a sender is pointed here.
#[derive(Serialize)]
struct Connection {
    /// Whether the key is shown, and not only where it goes.
    shown: bool,
    /// It has a key to show.
    has_key: bool,
    url: String,
    /// The key, where it is not in the URL.
    key: Option<String>,
    curl: Option<String>,
    setup: String,
}

/// What stands where a key is.
const HIDDEN: &str = "••••••••";

impl Connection {
    fn new(visit: &Visit<'_>, integration: &Integration, shown: bool) -> Self {
        let config = &visit.live.config;
        let sender = config.sender(&integration.name);
        let key = sender.filter(|_| shown).map_or(HIDDEN, |sender| sender.routing_key.expose());
        let base = &visit.live.public_url;
        let service = usual_service(integration, &config.registry).unwrap_or("SER-00001");
        let (url, curl) = match integration.source.dialect() {
            Dialect::PagerDuty => (
                format!("{base}/v2/enqueue"),
                Some(format!(
                    "curl {base}/v2/enqueue -d '{{\"routing_key\":\"{key}\",\"event_action\":\"trigger\",\
                     \"payload\":{{\"summary\":\"It works\",\"source\":\"me\",\"severity\":\"info\"}}}}'"
                )),
            ),
            Dialect::Ntfy => (
                format!("{base}/ntfy/{key}"),
                Some(format!("curl -H 'Title: It works' -d 'Hello' {base}/ntfy/{key}/{service}")),
            ),
            Dialect::Gotify => (
                base.clone(),
                Some(format!("curl '{base}/message?token={key}' -F title='It works' -F message=Hello")),
            ),
            // The last two are heartbeats', and no integration's.
            Dialect::Firebell | Dialect::Healthchecks | Dialect::UptimeKuma => {
                let url = format!("{base}/webhooks/{key}");
                let custom = integration.source.name() == "custom";
                let curl = custom.then(|| {
                    format!(
                        "curl -X POST {url} -H 'Content-Type: application/json' \
                         -d '{{\"title\":\"It works\",\"service_id\":\"{service}\"}}'"
                    )
                });
                (url, curl)
            }
        };
        let apart = matches!(integration.source.dialect(), Dialect::PagerDuty | Dialect::Gotify);
        Self {
            shown,
            has_key: sender.is_some(),
            url,
            key: apart.then(|| key.to_owned()),
            curl,
            setup: setup(integration)
                .replace("https://bell.example.net", base)
                .replace("/KEY", &format!("/{key}")),
        }
    }
}

/// What the sender's own settings have to be.
fn setup(integration: &Integration) -> String {
    let name = integration.source.name();
    match Preset::named(name) {
        Some(Ok(preset)) => preset.setup.trim().to_owned(),
        _ => KINDS
            .iter()
            .find(|(kind, _)| *kind == name)
            .map_or_else(String::new, |(_, about)| (*about).into()),
    }
}
