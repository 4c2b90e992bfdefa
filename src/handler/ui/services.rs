//! The services of the configuration, and what is open about each.

use minijinja::context;
use serde::Serialize;

use super::super::Handler;
use super::Visit;
use super::template::value;
use crate::error::Error;
use crate::model::Severity;
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
        let content = context! { services => value(services.collect::<Vec<_>>()) };
        self.framed(visit, "services.html", "Services", content).await
    }
}
