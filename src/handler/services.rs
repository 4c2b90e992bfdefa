//! The API for services: the configuration's, as clients see them.

use http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::views::OffsetPageView;
use super::{Admitted, list_query};
use crate::error::{Error, Kind};
use crate::model::Severity;
use crate::registry::Service;
use crate::reply::Answer;

#[derive(Serialize)]
struct ServiceView<'a> {
    service_key: &'a str,
    name: &'a str,
    description: &'a str,
    is_active: bool,
    default_severity: Option<Severity>,
}

impl<'a> From<&'a Service> for ServiceView<'a> {
    fn from(service: &'a Service) -> Self {
        Self {
            service_key: &service.id,
            name: &service.name,
            description: &service.description,
            is_active: service.active,
            default_severity: service.default_severity,
        }
    }
}

/// `GET /api/v1/services`: in the order of the configuration.
pub fn list(admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
    let parameters = Query::of(head);
    let mut errors = Vec::new();
    let (offset, limit) = list_query::read_page(&parameters, &mut errors);
    let wanted = list_query::read_search(&parameters, &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(errors));
    }
    let found = |service: &&Service| {
        let aliases = service.aliases.join(" ");
        wanted.is_in(&[&service.id, &service.name, &service.description, &aliases])
    };
    let services = admitted.live.config.registry.services().iter().map(|service| &**service);
    let found: Vec<_> = services.filter(found).collect();
    let page = found.iter().skip(offset).take(limit).map(|service| ServiceView::from(*service));
    Answer::ok(&OffsetPageView::new(page.collect(), found.len(), offset))
}

/// `GET /api/v1/services/{id}`: by id or alias.
pub fn show(admitted: &Admitted) -> Result<Answer, Error> {
    let reference = admitted.parameters.first().map_or("", String::as_str);
    match admitted.live.config.registry.any_service(reference) {
        Some(service) => Answer::ok(&ServiceView::from(service)),
        None => {
            let shown: String = reference.chars().take(50).collect();
            let message = format!("there is no service {shown:?}; `GET /api/v1/services` lists them");
            Err(Error::new(Kind::NotFound, message))
        }
    }
}
