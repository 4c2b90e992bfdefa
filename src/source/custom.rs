//! The custom webhook: Firebell's own format, one alert a body.

use super::Received;
use crate::error::Error;
use crate::json::{self, push_quoted};
use crate::model::{Alert, AlertLimits, Outcome, Severity, Status, Warning};
use crate::registry::Registry;
use crate::reply::Answer;

pub(super) fn parse(body: &[u8], registry: &Registry) -> Result<(Alert, Vec<Warning>), Error> {
    let members = json::parse_object(body)?;
    Alert::read(members, AlertLimits::CUSTOM, |service| registry.find_service(service).err())
}

/// Written by hand: it is the hottest answer there is, and its strings hardly ever need escaping.
pub(super) fn answer(received: &Received, public_url: &str) -> Result<Answer, Error> {
    let [report] = received.reports.as_slice() else {
        return Err(Error::internal("the custom webhook has one alert a body"));
    };
    let number = report.incident_number.as_deref();
    let mut data = String::with_capacity(320);
    data.push_str("{\"outcome\":");
    push_quoted(&mut data, report.outcome.as_str());
    push_member(&mut data, "incident_number", number);
    push_member(&mut data, "status", report.status.map(Status::as_str));
    push_member(&mut data, "severity", report.severity.map(Severity::as_str));
    push_member(&mut data, "service_id", report.service_id.as_deref());
    push_member(&mut data, "dedup_key", report.dedup_key.as_deref());
    data.push_str(",\"occurrences\":");
    data.push_str(&report.occurrences.to_string());
    let url = number.map(|number| format!("{public_url}/incidents/{number}"));
    push_member(&mut data, "url", url.as_deref());
    data.push_str(",\"warnings\":");
    if report.warnings.is_empty() {
        data.push_str("[]");
    } else {
        data.push_str(&serde_json::to_string(&report.warnings).map_err(Error::internal)?);
    }
    data.push_str(if received.dry_run { ",\"dry_run\":true}" } else { "}" });
    let created = report.outcome == Outcome::Created && !received.dry_run;
    Ok(Answer {
        status: if created { 201 } else { 200 },
        data,
        content_type: None,
        replayed: received.replayed,
    })
}

fn push_member(data: &mut String, name: &str, value: Option<&str>) {
    data.push_str(",\"");
    data.push_str(name);
    data.push_str("\":");
    match value {
        Some(value) => push_quoted(data, value),
        None => data.push_str("null"),
    }
}
