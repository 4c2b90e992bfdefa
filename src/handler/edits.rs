//! The API for what people make and change: incidents, their fields, comments.

use std::sync::Arc;

use http::request::Parts;

use super::access::Caller;
use super::query::Query;
use super::views::{EntryView, OffsetPageView};
use super::webhook::{check_encoding, idempotency_key};
use super::{Admitted, Handler, incidents, list_query};
use crate::error::{Error, FieldError};
use crate::json::{self, Json};
use crate::model::{Entry, Fields, Incident, Number, ServiceName, TextRule};
use crate::registry::{Registry, Service};
use crate::reply::Answer;
use crate::store::{Comment, Create, Edit};

const TITLE: TextRule = TextRule { trim: true, min: 1, max: 200 };
const DESCRIPTION: TextRule = TextRule { trim: false, min: 0, max: 10_000 };
const ASSIGNEE: TextRule = TextRule { trim: true, min: 1, max: 254 };
const COMMENT: TextRule = TextRule { trim: true, min: 1, max: 10_000 };

/// Services of one incident.
const MOST_SERVICES: usize = 50;

impl Handler {
    /// `POST /api/v1/incidents`
    pub(super) async fn create_incident(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let mut fields = Fields::new(json::parse_object(body)?);
        let registry = &admitted.live.config.registry;
        let title = fields.required_text("title", TITLE);
        let services = read_services(&mut fields, registry);
        let description = fields.optional_text("description", DESCRIPTION);
        let severity = fields.severity();
        fields.finish()?;
        let Some(title) = title else { return Err(Error::internal("no title and no error says so")) };
        let caller = admitted.caller()?;
        let name = |service: &Arc<Service>| ServiceName {
            service_key: service.id.clone(),
            name: service.name.clone(),
        };
        let create = Create {
            title,
            description,
            severity: severity.unwrap_or_else(|| registry.worst_severity(&services)),
            services: services.iter().map(name).collect(),
            caller: caller.identity.clone(),
            token: caller.name.clone(),
            idempotency: idempotency_key(&head.headers, body)?,
        };
        let (incident, replayed) = self.store.create(create).await?;
        Ok(Answer { status: 201, replayed, ..incidents::answer(&incident, admitted)? })
    }

    /// `PATCH /api/v1/incidents/{number}`
    pub(super) async fn edit_incident(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let (number, caller) = (incidents::number(admitted)?, admitted.caller()?);
        let fields = Fields::new(json::parse_object(body)?);
        incidents::answer(&self.edit(caller, number, fields).await?, admitted)
    }

    /// Changes what a request's fields say of an incident.
    pub(super) async fn edit(
        &self,
        caller: &Caller,
        number: Number,
        mut fields: Fields<'_>,
    ) -> Result<Incident, Error> {
        let title = fields.replacing_text("title", TITLE, false).flatten();
        let description = fields.replacing_text("description", DESCRIPTION, true);
        let severity = fields.replacing_severity();
        let assigned_to = fields.replacing_text("assigned_to", ASSIGNEE, true);
        let nothing = title.is_none() && description.is_none() && severity.is_none() && assigned_to.is_none();
        if nothing && fields.errors.is_empty() {
            let message = "changes nothing; send any of title, description, severity, assigned_to (a status has a call of its own: POST …/status)";
            fields.error("body", "required", message);
        }
        fields.finish()?;
        let caller = caller.identity.clone();
        self.store.edit(Edit { number, title, description, severity, assigned_to, caller }).await
    }

    /// `POST /api/v1/incidents/{number}/events`
    pub(super) async fn comment(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let (number, caller) = (incidents::number(admitted)?, admitted.caller()?);
        let entry = self.say(caller, number, Fields::new(json::parse_object(body)?)).await?;
        Ok(Answer { status: 201, ..Answer::ok(&EntryView::new(&entry)?)? })
    }

    /// Says to an incident what a request's fields hold.
    pub(super) async fn say(
        &self,
        caller: &Caller,
        number: Number,
        mut fields: Fields<'_>,
    ) -> Result<Entry, Error> {
        let text = fields.required_text("comment", COMMENT);
        fields.finish()?;
        let Some(text) = text else { return Err(Error::internal("no comment and no error says so")) };
        self.store.comment(Comment { number, text, caller: caller.identity.clone() }).await
    }

    /// `GET /api/v1/incidents/{number}/events`
    pub(super) async fn list_events(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let number = incidents::number(admitted)?;
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&Query::of(head), &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let (entries, total) = self.store.timeline(number, offset, limit).await?;
        let items = entries.iter().map(EntryView::new).collect::<Result<Vec<_>, _>>()?;
        Answer::ok(&OffsetPageView::new(items, total as usize, offset))
    }
}

/// Each of `service_ids`, once; what is wrong with each is its own error.
fn read_services(fields: &mut Fields<'_>, registry: &Registry) -> Vec<Arc<Service>> {
    let mut services: Vec<Arc<Service>> = Vec::new();
    let Some(value) = fields.required("service_ids") else { return services };
    let Json::Array(items) = value else {
        fields.wrong_type("service_ids", "an array", &value);
        return services;
    };
    if items.is_empty() || items.len() > MOST_SERVICES {
        let code = if items.is_empty() { "empty" } else { "too_many" };
        let message = format!("has {} services; 1–{MOST_SERVICES} are expected", items.len());
        fields.error("service_ids", code, message);
        return services;
    }
    for (index, item) in items.iter().enumerate() {
        let field = format!("service_ids.{index}");
        match item {
            Json::String(reference) => match registry.find_service(reference.trim()) {
                Ok(service) if services.iter().any(|one| one.id == service.id) => {}
                Ok(service) => services.push(Arc::clone(service)),
                Err(problem) => fields.errors.push(FieldError { field, ..problem }),
            },
            other => fields.wrong_type(field, "a string", other),
        }
    }
    services
}
