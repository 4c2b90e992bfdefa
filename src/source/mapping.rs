//! Mappings: any JSON to alerts, by expressions. A preset is one that is shipped, a user's own is in the configuration.

use std::time::{Duration, Instant};

use minijinja::Value;

use super::expression::{self, Expression, Scope};
use super::{Parsed, Request};
use crate::error::{Error, FieldError, MAX_FIELDS};
use crate::json;
use crate::model::{Alert, NativeAlert, Services, Severity, Status, Warning};

/// Alerts in one body. A body of 4 MiB can hold a million empty ones, and each costs an evaluation of everything.
const MOST_ALERTS: usize = 10_000;

/// How long the expressions may take for all of them. One evaluation is bounded in steps, and takes some milliseconds at
/// the most.
const MOST_TIME: Duration = Duration::from_secs(1);

/// Warnings in the answer to one body.
const MOST_WARNINGS: usize = 100;

/// How bodies become alerts. What is `None` says nothing; without a title there is no alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// What the configuration calls it: a preset's name, or `mapping`.
    pub name: &'static str,
    /// The list of which each item is an alert; without it the body is one.
    pub for_each: Option<Expression>,
    /// Where true, the item is no alert: a ping, a test, an intermediate state.
    pub ignore_when: Option<Expression>,
    /// Where true, the problem is over.
    pub resolved_when: Option<Expression>,
    /// What is wrong. Where it gives nothing and the problem is over, the incident is resolved and stays as it is else.
    pub title: Option<Expression>,
    /// A service's id or alias.
    pub service_id: Option<Expression>,
    /// More about it.
    pub description: Option<Expression>,
    /// How bad it is: `SEV0` to `SEV4`, or a name in the severity map.
    pub severity: Option<Expression>,
    /// `new`, `investigating` or `resolved`.
    pub status: Option<Expression>,
    /// Where to look.
    pub source_url: Option<Expression>,
    /// What makes two alerts the same incident.
    pub dedup_key: Option<Expression>,
    /// An object.
    pub metadata: Option<Expression>,
    /// The sender's names of severities, in lower case.
    pub severity_map: Vec<(String, Severity)>,
}

impl Mapping {
    /// This mapping, with what `over` says in the place of what it says itself. The severity maps become one.
    #[must_use]
    pub fn overlaid_with(self, over: Self) -> Self {
        let mut severity_map = self.severity_map;
        for (name, severity) in over.severity_map {
            severity_map.retain(|(known, _)| *known != name);
            severity_map.push((name, severity));
        }
        Self {
            name: self.name,
            for_each: over.for_each.or(self.for_each),
            ignore_when: over.ignore_when.or(self.ignore_when),
            resolved_when: over.resolved_when.or(self.resolved_when),
            title: over.title.or(self.title),
            service_id: over.service_id.or(self.service_id),
            description: over.description.or(self.description),
            severity: over.severity.or(self.severity),
            status: over.status.or(self.status),
            source_url: over.source_url.or(self.source_url),
            dedup_key: over.dedup_key.or(self.dedup_key),
            metadata: over.metadata.or(self.metadata),
            severity_map,
        }
    }

    /// The alerts of a body.
    ///
    /// # Errors
    /// `invalid_json`, or `validation_error` with everything that the expressions could not do.
    pub(super) fn parse(&self, request: &Request<'_>, services: &Services<'_>) -> Result<Parsed, Error> {
        let payload = expression::from_json(&json::parse(request.body)?);
        let headers = request.headers.iter().filter(|(name, _)| !is_secret(name.as_str()));
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let query: Vec<_> = form_urlencoded::parse(request.query.unwrap_or_default().as_bytes()).collect();
        let mut scope = Scope {
            item: payload.clone(),
            payload,
            headers: expression::Texts::value(headers),
            query: expression::Texts::value(query.iter().map(|(name, text)| (name.as_ref(), text.as_ref()))),
        };
        let Some(for_each) = &self.for_each else {
            let mut parsed = Parsed::default();
            self.add(&mut parsed, scope, services).map_err(Error::fields)?;
            return Ok(parsed);
        };
        let begin = Instant::now();
        let items = items(for_each, &scope)?;
        let mut parsed = Parsed::default();
        let mut errors = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            scope.item = item;
            if let Err(wrong) = self.add(&mut parsed, scope.clone(), services) {
                errors.extend(
                    wrong.into_iter().map(|error| FieldError {
                        field: format!("alerts[{index}].{}", error.field),
                        ..error
                    }),
                );
            }
            // Nobody reads more of them, and each costs another evaluation of everything.
            if errors.len() > MAX_FIELDS {
                break;
            }
            if begin.elapsed() > MOST_TIME {
                let message = format!(
                    "takes the mapping longer than {} s for one body; simplify its expressions, or send less at once",
                    MOST_TIME.as_secs()
                );
                return Err(Error::fields(vec![FieldError::new("for_each", "too_many", message)]));
            }
        }
        limit_warnings(&mut parsed);
        if errors.is_empty() { Ok(parsed) } else { Err(Error::fields(errors)) }
    }

    fn add(&self, parsed: &mut Parsed, scope: Scope, services: &Services<'_>) -> Result<(), Vec<FieldError>> {
        let scope = Value::from_object(scope);
        let mut reading = Reading { scope: &scope, errors: Vec::new() };
        if reading.condition("ignore_when", self.ignore_when.as_ref()) && reading.errors.is_empty() {
            parsed.ignored += 1;
            return Ok(());
        }
        let mut alert = self.read(&mut reading);
        if alert.dedup_key.is_none() && self.dedup_key.is_some() {
            let message =
                "comes of nothing in the body, so this is an incident of its own, which nothing resolves";
            alert.warnings.push(Warning::new("dedup_key", "no_key", message));
        }
        if !reading.errors.is_empty() {
            return Err(reading.errors);
        }
        parsed.alerts.push(alert.fit(services)?);
        Ok(())
    }

    fn read(&self, reading: &mut Reading<'_>) -> NativeAlert {
        let resolved = reading.condition("resolved_when", self.resolved_when.as_ref());
        let title = reading.text("title", self.title.as_ref());
        let dedup_key = reading.text("dedup_key", self.dedup_key.as_ref());
        if resolved && title.is_none() {
            // What says that it is over need not say what: the incident knows.
            let status = Some(Status::Resolved);
            return NativeAlert { status_only: true, status, dedup_key, ..NativeAlert::default() };
        }
        let mut warnings = Vec::new();
        let status = reading.text("status", self.status.as_ref());
        let status = status.and_then(|name| reading.status(&name));
        let severity = reading.text("severity", self.severity.as_ref());
        NativeAlert {
            status_only: false,
            title,
            service: reading.text("service_id", self.service_id.as_ref()).map(|text| text.trim().to_owned()),
            description: reading.text("description", self.description.as_ref()),
            severity: severity.and_then(|name| self.severity(&name, &mut warnings)),
            status: if resolved { Some(Status::Resolved) } else { status },
            source_url: reading.text("source_url", self.source_url.as_ref()),
            dedup_key,
            metadata: reading.members("metadata", self.metadata.as_ref()),
            warnings,
        }
    }

    /// A severity by one of our names, or the sender's. Any other is left to the chain of defaults.
    fn severity(&self, name: &str, warnings: &mut Vec<Warning>) -> Option<Severity> {
        let name = name.trim();
        let lower = name.to_lowercase();
        let mapped =
            || self.severity_map.iter().find(|(known, _)| *known == lower).map(|(_, severity)| *severity);
        let severity = Severity::parse(name).or_else(mapped);
        if severity.is_none() {
            let message =
                "is neither SEV0 to SEV4 nor in the severity map; the default is taken for a new incident";
            warnings.push(Warning::new("severity", "unknown_severity", message));
        }
        severity
    }
}

/// What every alert is warned of is read once, if at all: a body of many gets no answer of many times its size.
fn limit_warnings(parsed: &mut Parsed) {
    let mut left = MOST_WARNINGS;
    for (_, warnings) in &mut parsed.alerts {
        if warnings.len() > left {
            let more = warnings.len() - left;
            warnings.truncate(left);
            if left > 0 {
                let message = format!("has {more} more warnings, and those of later alerts are left out");
                warnings.push(Warning::new("body", "more_warnings", message));
            }
        }
        left = left.saturating_sub(warnings.len());
    }
}

/// Headers that are there to prove who sends, and are nothing for incidents.
fn is_secret(name: &str) -> bool {
    matches!(name, "authorization" | "cookie" | "proxy-authorization" | "x-gotify-key")
        || name.ends_with("signature")
}

fn items(for_each: &Expression, scope: &Scope) -> Result<Vec<Value>, Error> {
    let refuse = |code, message: String| Error::fields(vec![FieldError::new("for_each", code, message)]);
    let list = for_each
        .eval(&Value::from_object(scope.clone()))
        .map_err(|problem| refuse("invalid", format!("could not be evaluated: {problem}")))?;
    let Some(items) = expression::to_items(&list) else {
        return Err(refuse("wrong_type", format!("must give a list; `{}` gave none here", for_each.text())));
    };
    if items.len() > MOST_ALERTS {
        return Err(refuse("too_many", format!("gives {} alerts; the limit is {MOST_ALERTS}", items.len())));
    }
    Ok(items)
}

/// Evaluates a mapping's expressions on one item; what goes wrong piles up.
struct Reading<'a> {
    scope: &'a Value,
    errors: Vec<FieldError>,
}

impl Reading<'_> {
    fn eval(&mut self, field: &str, expression: Option<&Expression>) -> Option<Value> {
        match expression?.eval(self.scope) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(FieldError::new(
                    field,
                    "invalid",
                    format!("could not be evaluated: {problem}"),
                ));
                None
            }
        }
    }

    fn condition(&mut self, field: &str, expression: Option<&Expression>) -> bool {
        self.eval(field, expression).is_some_and(|value| value.is_true())
    }

    fn text(&mut self, field: &str, expression: Option<&Expression>) -> Option<String> {
        self.eval(field, expression).as_ref().and_then(expression::to_text)
    }

    fn members(&mut self, field: &str, expression: Option<&Expression>) -> Vec<(String, String)> {
        let Some(value) = self.eval(field, expression) else { return Vec::new() };
        expression::to_members(&value).unwrap_or_else(|| {
            self.errors.push(FieldError::new(field, "wrong_type", "must give an object"));
            Vec::new()
        })
    }

    fn status(&mut self, name: &str) -> Option<Status> {
        let statuses = Alert::STATUSES;
        let name = name.trim().to_ascii_lowercase();
        let status = Status::parse(&name).filter(|status| statuses.contains(status));
        if status.is_none() {
            let names = statuses.map(Status::as_str).join(", ");
            self.errors.push(FieldError::new("status", "not_in_list", format!("must give one of {names}")));
        }
        status
    }
}
