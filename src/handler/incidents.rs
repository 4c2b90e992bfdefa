//! The API for incidents: lists, one incident, and what people do to it.

use http::request::Parts;

use super::access::Caller;
use super::query::Query;
use super::views::{DetailView, EntryView, IncidentView, PageView};
use super::webhook::check_encoding;
use super::{Admitted, Handler, Live, list_query};
use crate::error::{Error, Kind};
use crate::json;
use crate::model::{Fields, Incident, Number, Status, TextRule};
use crate::reply::Answer;
use crate::store::{Acknowledge, SetStatus};

const COMMENT: TextRule = TextRule { trim: true, min: 0, max: 500 };

impl Handler {
    /// `GET /api/v1/incidents`
    pub(super) async fn list_incidents(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let query = list_query::read(&admitted.live, &Query::of(head))?;
        let page = self.store.list(query.clone()).await?;
        let public_url = &admitted.live.public_url;
        let items = page.items.iter().map(|incident| IncidentView::new(incident, public_url));
        let (next_offset, next_cursor) = list_query::next(&query, &page);
        Answer::ok(&PageView {
            items: items.collect::<Result<_, _>>()?,
            total: page.total,
            total_exact: page.total_exact,
            has_more: page.next.is_some(),
            next_offset,
            next_cursor,
        })
    }

    /// `GET /api/v1/incidents/{number}`
    pub(super) async fn show_incident(&self, admitted: &Admitted) -> Result<Answer, Error> {
        let (incident, entries, timeline_total) = self.store.incident(number(admitted)?).await?;
        Answer::ok(&DetailView {
            incident: IncidentView::new(&incident, &admitted.live.public_url)?,
            timeline: entries.iter().map(EntryView::new).collect::<Result<_, _>>()?,
            timeline_total,
        })
    }

    /// `POST /api/v1/incidents/{number}/status`
    pub(super) async fn set_status(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        let fields = Fields::new(json::parse_object(body)?);
        let (number, caller) = (number(admitted)?, admitted.caller()?);
        answer(&self.move_to_status(&admitted.live, caller, number, fields).await?, admitted)
    }

    /// Moves an incident to the status that a request's fields name.
    pub(super) async fn move_to_status(
        &self,
        live: &Live,
        caller: &Caller,
        number: Number,
        mut fields: Fields<'_>,
    ) -> Result<Incident, Error> {
        let names = Status::ALL.map(Status::as_str);
        let to = fields.optional_name("status", &names, Status::parse);
        if to.is_none() && fields.errors.is_empty() {
            fields.error("status", "required", format!("is required: one of {}", names.join(", ")));
        }
        let comment = fields.optional_text("comment", COMMENT).filter(|text| !text.is_empty());
        fields.finish()?;
        let Some(to) = to else { return Err(Error::internal("no status and no error says so")) };
        let new_after_resolve = live.config.registry.new_after_resolve();
        let change = SetStatus { number, to, comment, caller: caller.identity.clone(), new_after_resolve };
        self.store.set_status(change).await
    }

    /// `POST /api/v1/incidents/{number}/acknowledge`
    pub(super) async fn acknowledge(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_nothing_is_said(head, body)?;
        let caller = admitted.caller()?.identity.clone();
        answer(&self.store.acknowledge(Acknowledge { number: number(admitted)?, caller }).await?, admitted)
    }
}

/// That a body is one, though there is nothing to say: nothing need be said.
pub(super) fn check_nothing_is_said(head: &Parts, body: &[u8]) -> Result<(), Error> {
    check_encoding(&head.headers)?;
    if !body.is_empty() {
        json::parse_object(body)?;
    }
    Ok(())
}

/// The answer to what changed an incident.
pub(super) fn answer(incident: &Incident, admitted: &Admitted) -> Result<Answer, Error> {
    Answer::ok(&IncidentView::new(incident, &admitted.live.public_url)?)
}

/// The number in the path.
pub(super) fn number(admitted: &Admitted) -> Result<Number, Error> {
    read_number(admitted.parameters.first().map_or("", String::as_str))
}

/// The number that a path names.
pub(super) fn read_number(text: &str) -> Result<Number, Error> {
    Number::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let message = format!("{shown:?} is not an incident number; they look like INC-2026-001");
        Error::new(Kind::NotFound, message)
    })
}
