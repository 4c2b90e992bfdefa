//! The list of incidents: what is on fire, first the worst.

use std::borrow::Cow;
use std::collections::BTreeSet;

use http::Method;
use minijinja::context;
use serde::Serialize;

use super::super::query::Query;
use super::super::{Handler, list_query};
use super::open::OpenCounts;
use super::range::{self, TimeField};
use super::template::value;
use super::time::Moment;
use super::{Visit, see_other, sentences};
use crate::clock::{parse_rfc3339, utc_minute};
use crate::error::{Error, FieldError};
use crate::model::{Incident, Severity, Status};
use crate::registry::{HEARTBEATS, Scope};
use crate::reply::Page;
use crate::store::{ListQuery, Span};

/// Incidents on a page.
const PER_PAGE: usize = 50;

/// Problems that are told one by one.
const PROBLEMS: usize = 20;

/// What `since` may be: its name, what it is called, and how long it is.
const SINCE: [(&str, &str, i64); 4] = [
    ("1h", "last hour", 3600),
    ("24h", "last 24 hours", 86_400),
    ("7d", "last 7 days", 604_800),
    ("30d", "last 30 days", 2_592_000),
];

const SORTS: [(&str, &str); 4] = [
    ("severity", "severity"),
    ("-created_at", "newest"),
    ("created_at", "oldest"),
    ("-last_seen_at", "last seen"),
];

/// The filters that a phone folds up, unless one is in force.
const NARROWING: [&str; 6] = ["service_id", "integration", "since", range::AFTER, range::BEFORE, "sort"];

/// An incident in the list.
#[derive(Serialize)]
pub struct Row {
    number: String,
    title: String,
    severity: Severity,
    status: Status,
    services: Vec<String>,
    integration: Option<String>,
    occurrences: i64,
    created: Moment,
    last_seen: Moment,
    assigned_to: Option<String>,
    acknowledged: bool,
    is_open: bool,
    silenced_until: Option<String>,
}

impl Row {
    pub fn new(incident: Incident, now_ms: i64) -> Self {
        Self {
            number: incident.number.to_string(),
            title: incident.title,
            severity: incident.severity,
            status: incident.status,
            services: incident.services.into_iter().map(|service| service.name).collect(),
            integration: incident.integration,
            occurrences: incident.occurrences,
            created: Moment::new(incident.created_at, now_ms),
            last_seen: Moment::new(incident.last_seen_at, now_ms),
            assigned_to: incident.assigned_to,
            acknowledged: incident.acknowledged_at.is_some(),
            is_open: incident.status.is_open(),
            silenced_until: incident.silenced_until.map(utc_minute),
        }
    }
}

/// A link that is on where its filter is in force.
#[derive(Serialize)]
struct Tab {
    name: &'static str,
    count: Option<i64>,
    href: String,
    on: bool,
}

/// One of several that a filter may be.
#[derive(Serialize)]
struct Choice {
    value: String,
    name: String,
    on: bool,
}

/// A filter that is in force, and the list without it.
#[derive(Serialize)]
struct Chip {
    text: String,
    /// The time that it is about, instead of words for it.
    at: Option<Moment>,
    href: String,
}

/// The filters in the URL, without those that are empty, as forms send them.
struct Filters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Filters<'a> {
    fn of(visit: &'a Visit<'_>) -> Self {
        let given = Query::of(visit.head);
        Self(given.pairs().iter().filter(|(_, value)| !value.is_empty()).cloned().collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What the API takes of a filter that is not repeatable.
    fn last(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Makes the API's out of the times that a form has sent without a script. Returns whether there were any.
    fn settle(&mut self) -> bool {
        let mut settled = false;
        for (_, value) in self.0.iter_mut().filter(|(name, _)| range::has(name)) {
            if let Some(time) = range::settled(value) {
                *value = time.into();
                settled = true;
            }
        }
        settled
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(known, given)| known == name && given == value)
    }

    /// The list with `name` as `value` instead of what it is; from its beginning.
    fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, _)| known != name && known != "cursor");
        let mut url = form_urlencoded::Serializer::new(String::new());
        url.extend_pairs(others.map(|(name, value)| (&**name, &**value)));
        if !value.is_empty() {
            url.append_pair(name, value);
        }
        match url.finish().as_str() {
            "" => "/".into(),
            query => format!("/?{query}"),
        }
    }

    /// What the list of the API would be asked for.
    fn read(&self, visit: &Visit<'_>) -> Result<ListQuery, Error> {
        let mut asked = Vec::new();
        for (name, value) in &self.0 {
            let statuses = match (name.as_ref(), value.as_ref()) {
                ("status", "all") => &[][..],
                ("status", "open") => &Status::ALL[..4],
                ("since" | "limit" | "offset", _) => continue,
                _ => {
                    asked.push((name.clone(), value.clone()));
                    continue;
                }
            };
            asked.extend(statuses.iter().map(|status| (Cow::from("status"), Cow::from(status.as_str()))));
        }
        if self.get("status").is_empty() {
            asked.extend(
                Status::ALL[..4].iter().map(|status| (Cow::from("status"), Cow::from(status.as_str()))),
            );
        }
        if self.get("sort").is_empty() {
            asked.push(("sort".into(), "severity".into()));
        }
        let mut query = list_query::read(visit.live, &Query::new(asked))?;
        query.limit = PER_PAGE;
        range::check(&query.filter.created)?;
        if self.since().is_none() && !self.get("since").is_empty() {
            let message = format!("must be one of {}", SINCE.map(|(name, _, _)| name).join(", "));
            return Err(Error::fields(vec![FieldError::new("since", "not_in_list", message)]));
        }
        Ok(query)
    }

    /// For how long back the list goes, in seconds.
    fn since(&self) -> Option<i64> {
        SINCE.iter().find(|(name, _, _)| *name == self.get("since")).map(|(_, _, seconds)| *seconds)
    }
}

impl Handler {
    /// `GET /`; `problems` are those of what was to be done with some of them.
    pub(super) async fn incidents_page(&self, visit: &Visit<'_>, problems: &[String]) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let now_ms = self.now_ms();
        let mut filters = Filters::of(visit);
        if filters.settle() && visit.head.method != Method::POST {
            return Ok(see_other(&filters.with("cursor", "")));
        }
        let (query, since, problems) = match filters.read(visit) {
            Ok(query) => (query, filters.since(), problems.to_vec()),
            // A URL that somebody has typed: all that is open is better than nothing.
            Err(error) => (Filters(Vec::new()).read(visit)?, None, sentences(&error)),
        };
        // Cursors are those of the query without the beginning that moves on with the time.
        let page =
            self.store.list(beginning(query.clone(), since.map(|seconds| now_ms - seconds * 1000))).await?;
        let (_, cursor) = list_query::next(&query, &page);
        let open = self.open_incidents().await?;
        let content = context! {
            problems => at_most(problems),
            target => visit.target(),
            statuses => value(status_tabs(&filters, &open)),
            severities => value(severity_tabs(&filters, &open)),
            services => value(services(&filters, visit)),
            integrations => value(integrations(&filters, visit)),
            since => value(choices(&filters, "since", SINCE.map(|(value, name, _)| (value, name)))),
            sorts => value(choices(&filters, "sort", SORTS)),
            times => value(TimeField::both(|name| filters.last(name))),
            hidden => value(hidden(&filters)),
            chips => value(chips(&filters, now_ms)),
            search => filters.get("search"),
            narrowed => NARROWING.iter().any(|name| !filters.get(name).is_empty()),
            filtered => filters.0.iter().any(|(name, _)| name != "cursor" && name != "sort"),
            rows => value(
                page.items.into_iter().map(|incident| Row::new(incident, now_ms)).collect::<Vec<_>>()
            ),
            total => page.total,
            total_exact => page.total_exact,
            next => cursor.map(|cursor| filters.with("cursor", &cursor)),
            first => (!filters.get("cursor").is_empty()).then(|| filters.with("cursor", "")),
        };
        self.framed(visit, "incidents.html", "Incidents", content).await
    }
}

/// The query for what was not recorded before `from_ms` either.
fn beginning(mut query: ListQuery, from_ms: Option<i64>) -> ListQuery {
    let Span { from, .. } = &mut query.filter.created;
    *from = (*from).max(from_ms);
    query
}

/// Problems, not more than somebody reads; and how many more there are.
fn at_most(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(PROBLEMS);
    if more > 0 {
        problems.truncate(PROBLEMS);
        problems.push(format!("and {more} more"));
    }
    problems
}

fn status_tabs(filters: &Filters<'_>, open: &OpenCounts) -> Vec<Tab> {
    let tab = |name: &'static str, value: &'static str, count: Option<i64>| Tab {
        name,
        count,
        href: filters.with("status", value),
        on: filters.get("status") == value || (value.is_empty() && filters.get("status") == "open"),
    };
    let mut tabs = vec![tab("open", "", Some(open.total()))];
    tabs.extend(Status::ALL.map(|status| {
        let count = (status != Status::Closed).then(|| open.count(|_, one| one == status));
        tab(status.as_str(), status.as_str(), count)
    }));
    tabs.push(tab("all", "all", None));
    tabs
}

fn severity_tabs(filters: &Filters<'_>, open: &OpenCounts) -> Vec<Tab> {
    let tab = |severity: Severity| {
        let on = filters.has("severity", severity.as_str());
        Tab {
            name: severity.as_str(),
            count: Some(open.count(|one, status| one == severity && status.is_open())),
            href: filters.with("severity", if on { "" } else { severity.as_str() }),
            on,
        }
    };
    Severity::ALL.map(tab).into()
}

fn choices<const N: usize>(filters: &Filters<'_>, filter: &str, all: [(&str, &str); N]) -> Vec<Choice> {
    let choice = |(value, name): (&str, &str)| Choice {
        value: value.into(),
        name: name.into(),
        on: filters.has(filter, value),
    };
    all.map(choice).into()
}

fn services(filters: &Filters<'_>, visit: &Visit<'_>) -> Vec<Choice> {
    let registry = &visit.live.config.registry;
    let asked = registry.service_id(filters.get("service_id"));
    let choice = |id: &str, name: &str| Choice { value: id.into(), name: name.into(), on: id == asked };
    registry.services().iter().map(|service| choice(&service.id, &service.name)).collect()
}

fn integrations(filters: &Filters<'_>, visit: &Visit<'_>) -> Vec<Choice> {
    let choice =
        |name: &str| Choice { value: name.into(), name: name.into(), on: filters.has("integration", name) };
    let registry = &visit.live.config.registry;
    let heartbeats = (!registry.heartbeats().is_empty()).then_some(HEARTBEATS);
    let names = registry.integrations().iter().map(|one| one.name.as_str()).chain(heartbeats);
    names.map(choice).collect()
}

/// The filters that nothing else on the page shows, and times, each with the list without it.
fn chips(filters: &Filters<'_>, now_ms: i64) -> Vec<Chip> {
    const ELSEWHERE: [&str; 2] = ["status", "severity"];
    // A field of the form shows one value.
    let several = |name: &&str| filters.0.iter().filter(|(known, _)| known == name).count() > 1;
    let several = ["service_id", "integration"].into_iter().filter(several);
    // The form shows times, but may be folded up, or be half of what is in force.
    let times = [range::AFTER, range::BEFORE].into_iter().filter(|name| !filters.get(name).is_empty());
    let others = several.chain(times).map(Into::into);
    let names: BTreeSet<_> = hidden(filters).into_iter().map(|(name, _)| name).chain(others).collect();
    let chip = |name: String| {
        let values: Vec<_> =
            filters.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| &**value).collect();
        let is_time = name.ends_with("_after") || name.ends_with("_before");
        let at = values.last().filter(|_| is_time).and_then(|value| parse_rfc3339(value));
        let words = if at.is_some() { String::new() } else { values.join(", ") };
        Chip {
            text: format!("{}: {words}", name.replace('_', " ")),
            at: at.map(|at| Moment::new(at, now_ms)),
            href: filters.with(&name, ""),
        }
    };
    names.into_iter().filter(|name| !ELSEWHERE.contains(&name.as_str())).map(chip).collect()
}

/// The filters that the form has no field for, so that it keeps them.
fn hidden(filters: &Filters<'_>) -> Vec<(String, String)> {
    const SHOWN: [&str; 6] = ["search", "service_id", "integration", "since", "sort", "cursor"];
    let kept = filters.0.iter().filter(|(name, _)| !SHOWN.contains(&name.as_ref()) && !range::has(name));
    kept.map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
