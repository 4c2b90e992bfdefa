//! The API for incidents: lists, one incident, and what people do to it.

use http::request::Parts;
use sha2::{Digest, Sha256};

use super::query::Query;
use super::views::{DetailView, EntryView, IncidentView, PageView};
use super::webhook::check_encoding;
use super::{Admitted, Handler};
use crate::error::{Error, FieldError, Kind};
use crate::json;
use crate::model::{Fields, Number, Severity, Status, TextRule};
use crate::registry::AfterResolve;
use crate::reply::Answer;
use crate::store::{Acknowledge, ListQuery, SetStatus};

/// The only order there is: that of recording, newest first.
const SORT: &str = "-created_at";

const COMMENT: TextRule = TextRule { trim: true, min: 0, max: 500 };

impl Handler {
    /// `GET /api/v1/incidents`
    pub(super) async fn list_incidents(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let (query, filters) = read_list_query(admitted, head)?;
        let (offset, by_cursor) = (query.offset, query.before.is_some());
        let page = self.store.list(query).await?;
        let public_url = &admitted.live.public_url;
        let items = page.items.iter().map(|incident| IncidentView::new(incident, public_url));
        // From where a cursor led, and beyond a page that was cut short, no offset leads on.
        let next_offset = (page.next_before.is_some() && !page.cut_short && !by_cursor)
            .then(|| offset + page.items.len())
            .filter(|next| *next <= MOST_OFFSET);
        Answer::ok(&PageView {
            items: items.collect::<Result<_, _>>()?,
            total: page.total,
            total_exact: page.total_exact,
            has_more: page.next_before.is_some(),
            next_offset,
            next_cursor: page.next_before.map(|before| filters.cursor(before)),
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
        let mut fields = Fields::new(json::parse_object(body)?);
        let names = Status::ALL.map(Status::as_str);
        let to = fields.optional_name("status", &names, Status::parse);
        if to.is_none() && fields.errors.is_empty() {
            fields.error("status", "required", format!("is required: one of {}", names.join(", ")));
        }
        let comment = fields.optional_text("comment", COMMENT).filter(|text| !text.is_empty());
        fields.finish()?;
        let Some(to) = to else { return Err(Error::internal("no status and no error says so")) };
        let caller = admitted.caller()?.identity.clone();
        let integrations = admitted.live.config.registry.integrations().iter();
        let new_after_resolve = integrations.filter(|one| one.after_resolve == AfterResolve::New);
        let change = SetStatus {
            number: number(admitted)?,
            to,
            comment,
            caller,
            new_after_resolve: new_after_resolve.map(|one| one.name.clone()).collect(),
        };
        let incident = self.store.set_status(change).await?;
        Answer::ok(&IncidentView::new(&incident, &admitted.live.public_url)?)
    }

    /// `POST /api/v1/incidents/{number}/acknowledge`
    pub(super) async fn acknowledge(
        &self,
        admitted: &Admitted,
        head: &Parts,
        body: &[u8],
    ) -> Result<Answer, Error> {
        check_encoding(&head.headers)?;
        // There is nothing to say, so nothing need be said.
        if !body.is_empty() {
            json::parse_object(body)?;
        }
        let caller = admitted.caller()?.identity.clone();
        let incident = self.store.acknowledge(Acknowledge { number: number(admitted)?, caller }).await?;
        Answer::ok(&IncidentView::new(&incident, &admitted.live.public_url)?)
    }
}

fn number(admitted: &Admitted) -> Result<Number, Error> {
    let text = admitted.parameters.first().map_or("", String::as_str);
    Number::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let message = format!("{shown:?} is not an incident number; they look like INC-2026-001");
        Error::new(Kind::NotFound, message)
    })
}

/// The furthest that a list can be paged by offset; cursors go all the way.
const MOST_OFFSET: usize = 10_000;

fn read_list_query(admitted: &Admitted, head: &Parts) -> Result<(ListQuery, Filters), Error> {
    let parameters = Query::of(head);
    let mut errors = Vec::new();
    let registry = &admitted.live.config.registry;
    let mut query = ListQuery {
        statuses: parameters.names("status", &Status::ALL.map(Status::as_str), Status::parse, &mut errors),
        severities: parameters.names(
            "severity",
            &Severity::ALL.map(Severity::as_str),
            Severity::parse,
            &mut errors,
        ),
        services: parameters.all("service_id").map(|given| registry.service_id(given).to_owned()).collect(),
        dedup_keys: parameters.all("dedup_key").map(ToOwned::to_owned).collect(),
        before: None,
        offset: parameters.number("offset", 0, 0..=MOST_OFFSET, &mut errors),
        limit: parameters.number("limit", 20, 1..=100, &mut errors),
    };
    parameters.names("sort", &[SORT], |sort| (sort == SORT).then_some(()), &mut errors);
    let filters = Filters::of(&query);
    if let Some(cursor) = parameters.last("cursor").filter(|cursor| !cursor.is_empty()) {
        query.before = filters.read_cursor(&cursor);
        if query.before.is_none() {
            let message = "is not a cursor of this list with these filters; start again without it";
            errors.push(FieldError::new("cursor", "invalid", message));
        }
        // Clients that always send an offset mean the first page's.
        query.offset = 0;
    }
    if errors.is_empty() { Ok((query, filters)) } else { Err(Error::fields(errors)) }
}

/// What a cursor is bound to.
struct Filters {
    digest: String,
}

impl Filters {
    fn of(query: &ListQuery) -> Self {
        let ListQuery { statuses, severities, services, dedup_keys, .. } = query;
        let canonical = format!("{SORT} {statuses:?} {severities:?} {services:?} {dedup_keys:?}");
        let digest = Sha256::digest(canonical.as_bytes());
        Self { digest: digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect() }
    }

    fn cursor(&self, before: Number) -> String {
        format!("{:x}-{}", before.to_row_id(), self.digest)
    }

    fn read_cursor(&self, cursor: &str) -> Option<Number> {
        let (row_id, digest) = cursor.split_once('-')?;
        let row_id = i64::from_str_radix(row_id, 16).ok()?;
        (digest == self.digest).then(|| Number::from_row_id(row_id))
    }
}
