//! The API for integrations and what they were sent: looked at, and sent again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;

use super::keeping::Replay;
use super::query::Query;
use super::views::OffsetPageView;
use super::webhook::{self, Incoming};
use super::{Admitted, Handler, Seen, list_query};
use crate::clock::rfc3339;
use crate::error::{Error, Kind, nearest};
use crate::model::{Delivery, DeliverySummary, KeptRequest};
use crate::registry::{Integration, Registry};
use crate::reply::Answer;

/// Where what is no alert is sent.
const CHANGES: &str = "/v2/change/enqueue";

/// An integration, without its secrets.
#[derive(Serialize)]
struct IntegrationView<'a> {
    name: &'a str,
    source: &'static str,
    default_service: Option<&'a str>,
    deliveries: i64,
    refused: i64,
    last_delivery: Option<DeliveryView<'a>>,
}

impl<'a> IntegrationView<'a> {
    fn new(integration: &'a Integration, summary: &'a DeliverySummary) -> Result<Self, Error> {
        Ok(Self {
            name: &integration.name,
            source: integration.source.name(),
            default_service: integration.default_service.as_deref(),
            deliveries: summary.kept,
            refused: summary.refused,
            last_delivery: summary.last.as_ref().map(DeliveryView::new).transpose()?,
        })
    }
}

#[derive(Serialize)]
struct ErrorView<'a> {
    code: &'a str,
    message: &'a str,
}

/// A delivery, as lists show it.
#[derive(Serialize)]
struct DeliveryView<'a> {
    id: i64,
    integration: &'a str,
    at: String,
    request_id: &'a str,
    route: &'a str,
    status: u16,
    error: Option<ErrorView<'a>>,
    outcomes: Box<RawValue>,
    incident_numbers: &'a [String],
    replays: Option<i64>,
    size_bytes: i64,
    body_cut: bool,
    redacted: bool,
    can_replay: bool,
}

impl<'a> DeliveryView<'a> {
    fn new(delivery: &'a Delivery) -> Result<Self, Error> {
        Ok(Self {
            id: delivery.id,
            integration: &delivery.integration,
            at: rfc3339(delivery.at),
            request_id: &delivery.request_id,
            route: &delivery.request.route,
            status: delivery.status,
            error: delivery.error.as_ref().map(|(code, message)| ErrorView { code, message }),
            outcomes: RawValue::from_string(delivery.outcomes.clone()).map_err(Error::internal)?,
            incident_numbers: &delivery.incidents,
            replays: delivery.replays,
            size_bytes: delivery.size,
            body_cut: delivery.request.cut,
            redacted: delivery.request.redacted,
            can_replay: replay_problem(delivery).is_none(),
        })
    }
}

/// A delivery with what was sent.
#[derive(Serialize)]
struct DetailView<'a> {
    #[serde(flatten)]
    delivery: DeliveryView<'a>,
    topic: Option<&'a str>,
    query: Option<&'a str>,
    headers: BTreeMap<&'a str, String>,
    body: String,
}

impl Handler {
    /// `GET /api/v1/integrations`: in the order of the configuration.
    pub(super) async fn list_integrations(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&Query::of(head), &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        self.hand_over_deliveries().await;
        let summaries = self.store.delivery_summaries().await?;
        let none = DeliverySummary::default();
        let all = admitted.live.config.registry.integrations();
        let page = all.iter().skip(offset).take(limit).map(|integration| {
            let summary = summaries.get(&integration.name).unwrap_or(&none);
            IntegrationView::new(integration, summary)
        });
        Answer::ok(&OffsetPageView::new(page.collect::<Result<_, Error>>()?, all.len(), offset))
    }

    /// `GET /api/v1/integrations/{name}/deliveries`
    pub(super) async fn list_deliveries(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let integration = integration(admitted)?;
        let parameters = Query::of(head);
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&parameters, &mut errors);
        let refused = parameters.flag("refused", &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        self.hand_over_deliveries().await;
        let name = integration.name.clone();
        let (deliveries, total) = self.store.deliveries(name, refused, offset, limit).await?;
        let items = deliveries.iter().map(DeliveryView::new).collect::<Result<_, _>>()?;
        Answer::ok(&OffsetPageView::new(items, total, offset))
    }

    /// `GET /api/v1/integrations/{name}/deliveries/{delivery_id}`
    pub(super) async fn show_delivery(&self, admitted: &Admitted) -> Result<Answer, Error> {
        let id = admitted.parameters.get(1).map_or("", String::as_str);
        let delivery = self.find_delivery(integration(admitted)?, id).await?;
        let request = &delivery.request;
        let mut headers: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in request.headers() {
            // As HTTP joins those that were sent more than once.
            headers
                .entry(name)
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.into());
        }
        Answer::ok(&DetailView {
            delivery: DeliveryView::new(&delivery)?,
            topic: request.topic.as_deref(),
            query: request.query.as_deref(),
            headers,
            body: String::from_utf8_lossy(&request.body).into_owned(),
        })
    }

    /// `POST /api/v1/integrations/{name}/deliveries/{delivery_id}/replay`: what was sent then, as if it came now. Who
    /// sends it again has shown a token, so nothing else need be proven.
    pub(super) async fn replay(
        &self,
        admitted: &Admitted,
        head: &Parts,
        seen: &mut Seen,
    ) -> Result<Answer, Error> {
        let integration = integration(admitted)?;
        let dry_run = webhook::dry_run(head)?;
        let id = admitted.parameters.get(1).map_or("", String::as_str);
        let delivery = self.find_delivery(integration, id).await?;
        if let Some(problem) = replay_problem(&delivery) {
            return Err(Error::new(Kind::CannotReplay, problem));
        }
        let Delivery { id, mut request, .. } = delivery;
        let body = Bytes::from(std::mem::take(&mut request.body));
        let (headers, query, topic) = (header_map(&request), request.query.clone(), request.topic.clone());
        (seen.delivered.body, seen.delivered.proven) = (Some(body.clone()), true);
        seen.delivered.replay = Some(Replay { integration: integration.name.clone(), id, request });
        let (query, topic) = (query.as_deref(), topic.as_deref());
        let incoming = Incoming { headers: &headers, query, topic, body: &body, dry_run };
        let received = self.take(&admitted.live, integration, &incoming).await?;
        let answer = integration.source.report(&received, &admitted.live.public_url)?;
        seen.delivered.became(received);
        Ok(answer)
    }

    /// One that is kept, by its id as it is written.
    pub(super) async fn find_delivery(&self, integration: &Integration, id: &str) -> Result<Delivery, Error> {
        self.hand_over_deliveries().await;
        let found = match id.parse() {
            Ok(id) => self.store.delivery(integration.name.clone(), id).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            let shown: String = id.chars().take(20).collect();
            let message = format!(
                "{} has no delivery {shown:?}; the last ones are kept, and `GET /api/v1/integrations/{}/deliveries` \
                 lists them",
                integration.name, integration.name
            );
            Error::new(Kind::NotFound, message)
        })
    }
}

/// The integration in the path.
fn integration(admitted: &Admitted) -> Result<&Arc<Integration>, Error> {
    find_integration(&admitted.live.config.registry, admitted.parameters.first().map_or("", String::as_str))
}

/// The integration of that name.
pub(super) fn find_integration<'a>(
    registry: &'a Registry,
    name: &str,
) -> Result<&'a Arc<Integration>, Error> {
    let all = registry.integrations();
    all.iter().find(|integration| integration.name == name).ok_or_else(|| {
        let shown: String = name.chars().take(64).collect();
        let near = nearest(name, all.iter().map(|integration| integration.name.as_str()));
        let hint = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
        let message =
            format!("there is no integration {shown:?}; {hint}`GET /api/v1/integrations` lists them");
        Error::new(Kind::NotFound, message)
    })
}

/// Why a delivery cannot be sent again: it proved nothing when it came, or is not there as it came.
pub(super) fn replay_problem(delivery: &Delivery) -> Option<String> {
    let id = delivery.id;
    if delivery.request.route == CHANGES {
        return Some(format!("delivery {id} is a change event, which makes no incident"));
    }
    if delivery.request.cut {
        return Some(format!(
            "the body of delivery {id} was not kept whole: it is longer than `[deliveries] body_bytes`, was refused before \
             it was read, or is no UTF-8; its sender can send it again"
        ));
    }
    if !delivery.proven {
        let code = delivery.error.as_ref().map_or("", |(code, _)| code);
        return Some(format!(
            "delivery {id} was refused ({code}) before it had proven who sent it, so nobody knows whose it is; its \
             sender can send it again"
        ));
    }
    None
}

fn header_map(request: &KeptRequest) -> HeaderMap {
    let header = |(name, value): (&str, &str)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers().filter_map(header) {
        headers.append(name, value);
    }
    headers
}
