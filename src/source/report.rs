//! The success answers of Firebell's own dialect. Written by hand: they are the hottest answers there are, and their
//! strings hardly ever need escaping.

use super::Received;
use crate::error::Error;
use crate::json::push_quoted;
use crate::model::{Outcome, Report, Severity, Status};
use crate::reply::Answer;

/// Of a body that is one alert.
pub(super) fn single(received: &Received, public_url: &str) -> Result<Answer, Error> {
    let [report] = received.reports.as_slice() else {
        return Err(Error::internal("the custom webhook has one alert a body"));
    };
    let mut data = String::with_capacity(320);
    push_report(&mut data, report, public_url)?;
    finish(data, received)
}

/// Of a body with any number of alerts.
pub(super) fn list(received: &Received, public_url: &str) -> Result<Answer, Error> {
    let mut data = String::with_capacity(64 + 320 * received.reports.len());
    data.push_str("{\"alerts\":[");
    for (index, report) in received.reports.iter().enumerate() {
        if index > 0 {
            data.push(',');
        }
        push_report(&mut data, report, public_url)?;
        data.push('}');
    }
    data.push_str("],\"ignored\":");
    data.push_str(&received.ignored.to_string());
    finish(data, received)
}

/// Closes the object.
fn finish(mut data: String, received: &Received) -> Result<Answer, Error> {
    data.push_str(if received.dry_run { ",\"dry_run\":true}" } else { "}" });
    let created =
        received.reports.iter().any(|report| report.outcome == Outcome::Created) && !received.dry_run;
    Ok(Answer {
        status: if created { 201 } else { 200 },
        data,
        content_type: None,
        replayed: received.replayed,
    })
}

/// All but the closing brace.
fn push_report(data: &mut String, report: &Report, public_url: &str) -> Result<(), Error> {
    let number = report.incident_number.as_deref();
    data.push_str("{\"outcome\":");
    push_quoted(data, report.outcome.as_str());
    push_member(data, "incident_number", number);
    push_member(data, "status", report.status.map(Status::as_str));
    push_member(data, "severity", report.severity.map(Severity::as_str));
    push_member(data, "service_id", report.service_id.as_deref());
    push_member(data, "dedup_key", report.dedup_key.as_deref());
    data.push_str(",\"occurrences\":");
    data.push_str(&report.occurrences.to_string());
    let url = number.map(|number| format!("{public_url}/incidents/{number}"));
    push_member(data, "url", url.as_deref());
    data.push_str(",\"warnings\":");
    if report.warnings.is_empty() {
        data.push_str("[]");
    } else {
        data.push_str(&serde_json::to_string(&report.warnings).map_err(Error::internal)?);
    }
    Ok(())
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
