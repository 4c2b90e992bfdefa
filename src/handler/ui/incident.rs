//! One incident: what it is, what happened to it, and what can be done about it.

use std::collections::BTreeMap;

use minijinja::{Value, context};
use serde::Serialize;

use super::super::Handler;
use super::super::query::Query;
use super::actions::digest;
use super::incidents::Row;
use super::integrations::DeliveryRow;
use super::silences::SilenceRow;
use super::template::value;
use super::time::{Moment, duration};
use super::timeline::{Line, are_alike, plain};
use super::{Visit, sentences};
use crate::error::{self, Error};
use crate::model::{Entry, Incident, Notification, Severity, Status, is_web_url};
use crate::registry::Scope;
use crate::reply::Page;
use crate::store::NotificationQuery;

/// Deliveries that are shown with an incident.
const DELIVERIES: usize = 10;

/// Timeline entries of one page.
const PER_PAGE: usize = 100;

/// What a row of the list does not tell.
#[derive(Serialize)]
struct Details {
    description: Option<String>,
    /// Only an address of the web becomes a link.
    source_url: Option<String>,
    dedup_key: Option<String>,
    metadata: Vec<(String, String)>,
    acknowledged_at: Option<Moment>,
    acknowledged_by: Option<String>,
    resolved_at: Option<Moment>,
    resolved_by: Option<String>,
    closed_at: Option<Moment>,
    /// From its beginning to its end.
    took: Option<String>,
    allowed: Vec<Status>,
    may_acknowledge: bool,
    may_edit: bool,
}

impl Details {
    fn new(incident: &Incident, now_ms: i64) -> Self {
        let moment = |at: Option<i64>| at.map(|at| Moment::new(at, now_ms));
        let metadata: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&incident.metadata).unwrap_or_default();
        Self {
            description: incident.description.clone(),
            source_url: incident.source_url.clone().filter(|url| is_web_url(url)),
            dedup_key: incident.dedup_key.clone(),
            metadata: metadata.into_iter().map(|(name, value)| (name, plain(&value))).collect(),
            acknowledged_at: moment(incident.acknowledged_at),
            acknowledged_by: incident.acknowledged_by.clone(),
            resolved_at: moment(incident.resolved_at),
            resolved_by: incident.resolved_by.clone(),
            closed_at: moment(incident.closed_at),
            took: incident.resolved_at.map(|at| duration(at - incident.created_at)),
            allowed: incident.status.allowed(),
            may_acknowledge: incident.status.is_open() && incident.acknowledged_at.is_none(),
            may_edit: incident.status != Status::Closed,
        }
    }
}

/// Entries, newest first, and among them what people were told meanwhile.
fn timeline(entries: Vec<Entry>, told: &[Notification], newest: bool, now_ms: i64) -> Vec<Line> {
    let until = if newest { i64::MAX } else { entries.first().map_or(i64::MIN, |entry| entry.last_at) };
    let since = entries.last().map_or(i64::MAX, |entry| entry.at);
    let mut told: Vec<_> = told.iter().filter(|one| (since..=until).contains(&one.shown_at())).collect();
    told.sort_by_key(|one| std::cmp::Reverse(one.shown_at()));
    let mut alike: Vec<Vec<&Notification>> = Vec::new();
    for one in told {
        match alike.iter_mut().find(|known| known.iter().all(|known| are_alike(known, one))) {
            Some(known) => known.push(one),
            None => alike.push(vec![one]),
        }
    }
    let line = |alike: &Vec<&Notification>| Some((alike.first()?.shown_at(), Line::told(alike, now_ms)?));
    let mut lines: Vec<_> = alike.iter().filter_map(line).collect();
    // What was told at the same moment came after it; the sort keeps that order.
    lines.extend(entries.into_iter().map(|entry| (entry.last_at, Line::new(entry, now_ms))));
    lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The forms of the page, by the button that sends each.
const FORMS: [&str; 4] = ["status", "assign", "edit", "comment"];

/// What the forms hold: what the incident says; in one that was refused, what was typed, and what it was made with, so
/// that nothing has to be typed again, and sending it again still leaves alone what an alert has changed since.
fn fields(visit: &Visit<'_>, incident: &Incident, refused: bool) -> Value {
    let of = |form: &str, name: &str, now: &str| {
        let typed = visit.form.all(name).next().filter(|_| refused && visit.form.get("do") == form);
        typed.unwrap_or(now).to_owned()
    };
    let (title, severity) = (incident.title.as_str(), incident.severity.as_str());
    let description = incident.description.as_deref().unwrap_or_default();
    context! {
        status => of("status", "status", ""),
        why => of("status", "comment", ""),
        assigned_to => of("assign", "assigned_to", incident.assigned_to.as_deref().unwrap_or_default()),
        title => of("edit", "title", title),
        title_shown => of("edit", "title_shown", &digest(title)),
        severity => of("edit", "severity", severity),
        severity_shown => of("edit", "severity_shown", &digest(severity)),
        description => of("edit", "description", description),
        description_shown => of("edit", "description_shown", &digest(description)),
        comment => of("comment", "comment", ""),
    }
}

/// What was written into a form that may be gone by now.
fn typed(visit: &Visit<'_>) -> Vec<String> {
    let texts =
        ["title", "description", "comment", "assigned_to"].map(|name| visit.form.get(name).to_owned());
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

/// The fields of each form that are wrong.
fn invalid(visit: &Visit<'_>, problem: Option<&Error>) -> Value {
    let names: Vec<String> = match problem.map(|problem| &problem.details) {
        Some(error::Details::Fields(fields)) => fields.iter().map(|one| one.field.clone()).collect(),
        _ => Vec::new(),
    };
    let pressed = visit.form.get("do");
    let of = |form: &&'static str| (*form, if *form == pressed { names.clone() } else { Vec::new() });
    Value::from(FORMS.iter().map(of).collect::<BTreeMap<_, _>>())
}

impl Handler {
    /// `GET /incidents/{number}`; `problem` is that of what was to be done with it.
    pub(super) async fn incident_page(
        &self,
        visit: &Visit<'_>,
        problem: Option<Error>,
    ) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let number = visit.number()?;
        let now_ms = self.now_ms();
        let (incident, entries, entries_total) = self.store.incident(number).await?;
        let offset = Query::of(visit.head).last("timeline").and_then(|at| at.parse().ok());
        let offset = offset.map(|at: usize| at.min(usize::try_from(entries_total).unwrap_or(0)));
        let (entries, offset) = match offset {
            Some(offset @ 1..) => (self.store.timeline(number, offset, PER_PAGE).await?.0, offset),
            _ => (entries, 0),
        };
        let shown = offset + entries.len();
        let (before, after) = self.store.neighbours(number).await?;
        let deliveries = match &incident.integration {
            Some(integration) => {
                self.hand_over_deliveries().await;
                self.store.deliveries_about(number, integration.clone(), DELIVERIES).await?
            }
            None => Vec::new(),
        };
        let query =
            NotificationQuery { incident: Some(number), limit: PER_PAGE, ..NotificationQuery::default() };
        let (told, _) = self.store.notifications(query).await?;
        let details = Details::new(&incident, now_ms);
        let row = |silence| SilenceRow::new(silence, now_ms);
        let silenced: Vec<_> = self.store.silences_over(&incident).into_iter().map(row).collect();
        let recorded = self.store.silences_of(number).await?.into_iter().map(row);
        let was_silenced: Vec<_> = recorded.filter(|one| one.is_over()).collect();
        let status = problem.as_ref().map_or(200, |problem| problem.kind.status());
        let title = format!("{number} {}", incident.title);
        let incident_service = incident.services.first().map(|service| service.service_key.clone());
        let content = context! {
            refused => problem.as_ref().map(|_| visit.form.get("do")),
            problems => problem.as_ref().map_or_else(Vec::new, sentences),
            invalid => invalid(visit, problem.as_ref()),
            typed => typed(visit),
            fields => fields(visit, &incident, problem.is_some()),
            incident => value(Row::new(incident, now_ms)),
            details => value(details),
            silenced => value(silenced),
            was_silenced => value(was_silenced),
            first_service => incident_service,
            severities => Severity::ALL.map(Severity::as_str),
            timeline => value(timeline(entries, &told, offset == 0, now_ms)),
            older => (shown < usize::try_from(entries_total).unwrap_or(0)).then_some(shown),
            newer => (offset > 0).then(|| offset.saturating_sub(PER_PAGE)),
            deliveries => value(
                deliveries.iter().map(|delivery| DeliveryRow::new(delivery, now_ms)).collect::<Vec<_>>()
            ),
            before => before.map(|number| number.to_string()),
            after => after.map(|number| number.to_string()),
            path => visit.head.uri.path(),
        };
        Ok(Page { status, ..self.framed(visit, "incident.html", &title, content).await? })
    }
}
