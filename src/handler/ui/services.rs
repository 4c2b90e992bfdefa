//! The services of the configuration, and what is open about each.

use minijinja::context;
use serde::Serialize;

use super::super::Handler;
use super::Visit;
use super::template::value;
use super::time::{Moment, duration};
use crate::error::Error;
use crate::model::{Beat, Heartbeat, HeartbeatState, Severity};
use crate::registry::Scope;
use crate::reply::Page;

#[derive(Serialize)]
struct ServiceRow<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    aliases: &'a [String],
    default_severity: Option<Severity>,
    active: bool,
    /// Open incidents that it is a service of, if the visitor may know.
    open: Option<i64>,
}

#[derive(Serialize)]
struct HeartbeatRow {
    title: String,
    name: String,
    service: String,
    state: &'static str,
    period: String,
    grace: String,
    last_ping: Option<Moment>,
    due: Option<String>,
}

impl HeartbeatRow {
    fn new(heartbeat: &Heartbeat, service: &str, beat: Option<&Beat>, now_ms: i64) -> Self {
        Self {
            title: heartbeat.title.clone(),
            name: heartbeat.name.clone(),
            service: service.to_owned(),
            state: HeartbeatState::of(beat, now_ms).as_str(),
            period: duration(heartbeat.period_ms),
            grace: duration(heartbeat.grace_ms),
            last_ping: beat.map(|beat| Moment::new(beat.last_ping_at, now_ms)),
            due: beat.and_then(Beat::shown_deadline).map(|due| duration(due - now_ms)),
        }
    }
}

impl Handler {
    /// `GET /services`
    pub(super) async fn services_page(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::ServicesRead)?;
        let may_count = visit.may(Scope::IncidentsRead);
        let (open, further) = (self.open_incidents().await?, self.store.open_by_further_service().await?);
        let services = visit.live.config.registry.services().iter().map(|service| ServiceRow {
            id: &service.id,
            name: &service.name,
            description: &service.description,
            aliases: &service.aliases,
            default_severity: service.default_severity,
            active: service.active,
            open: may_count.then(|| open.about(&service.id) + further.get(&service.id).unwrap_or(&0)),
        });
        let (heartbeats, now_ms) = (self.heartbeats(visit.live).await?, self.now_ms());
        let heartbeats = heartbeats.iter().map(|(heartbeat, beat)| {
            let service = visit.live.config.registry.any_service(&heartbeat.service);
            let service = service.map_or(heartbeat.service.as_str(), |service| service.name.as_str());
            HeartbeatRow::new(heartbeat, service, beat.as_ref(), now_ms)
        });
        let content = context! {
            services => value(services.collect::<Vec<_>>()),
            heartbeats => value(heartbeats.collect::<Vec<_>>()),
        };
        self.framed(visit, "services.html", "Services", content).await
    }
}
