//! The custom webhook: Firebell's own format, one alert a body.

use serde::Serialize;

use super::Received;
use crate::error::Error;
use crate::json;
use crate::model::{Alert, AlertLimits, Outcome, Severity, Status, Warning};
use crate::registry::Registry;
use crate::reply::Answer;

pub(super) fn parse(body: &[u8], registry: &Registry) -> Result<(Alert, Vec<Warning>), Error> {
    let members = json::parse_object(body)?;
    Alert::read(members, AlertLimits::CUSTOM, |service| registry.find_service(service).err())
}

#[derive(Serialize)]
struct Data<'a> {
    outcome: Outcome,
    incident_number: Option<&'a str>,
    status: Option<Status>,
    severity: Option<Severity>,
    service_id: Option<&'a str>,
    dedup_key: Option<&'a str>,
    occurrences: i64,
    url: Option<String>,
    warnings: &'a [Warning],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

pub(super) fn answer(received: &Received, public_url: &str) -> Result<Answer, Error> {
    let [report] = received.reports.as_slice() else {
        return Err(Error::internal("the custom webhook has one alert a body"));
    };
    let url = report.incident_number.as_ref().map(|number| format!("{public_url}/incidents/{number}"));
    let created = report.outcome == Outcome::Created && !received.dry_run;
    let answer = Answer::ok(&Data {
        outcome: report.outcome,
        incident_number: report.incident_number.as_deref(),
        status: report.status,
        severity: report.severity,
        service_id: report.service_id.as_deref(),
        dedup_key: report.dedup_key.as_deref(),
        occurrences: report.occurrences,
        url,
        warnings: &report.warnings,
        dry_run: received.dry_run,
    })?;
    Ok(Answer { status: if created { 201 } else { 200 }, replayed: received.replayed, ..answer })
}
