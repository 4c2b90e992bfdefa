//! `firebell incidents`: what is on fire, for a person at a terminal.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, Target};
use super::{Failure, Outcome, text};
use crate::model::Severity;
use crate::registry::Scope;

#[derive(Debug, Args)]
pub struct Incidents {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only these statuses: new, investigating, fixing, monitoring, resolved, closed
    #[arg(long, global = true, value_name = "STATUS")]
    status: Vec<String>,
    /// Only these severities: SEV0 to SEV4
    #[arg(long, global = true, value_name = "SEVERITY")]
    severity: Vec<String>,
    /// Only these services, by id or alias
    #[arg(long, global = true, value_name = "SERVICE")]
    service: Vec<String>,
    /// Only these keys
    #[arg(long, global = true, value_name = "KEY")]
    dedup_key: Vec<String>,
    /// How many at most, 1 to 100
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Print the answer's data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List incidents, newest first; what `incidents` alone does
    List,
    /// Show one with its timeline
    Show {
        /// INC-2026-001
        number: String,
    },
    /// Acknowledge one: you have seen it and take it
    Ack {
        /// INC-2026-001
        number: String,
    },
    /// Resolve one
    Resolve {
        /// INC-2026-001
        number: String,
        /// What there is to say about it
        #[arg(long)]
        comment: Option<String>,
    },
}

pub fn run(config: Option<&Path>, incidents: &Incidents) -> Outcome {
    let scope = match incidents.action {
        None | Some(Action::List | Action::Show { .. }) => Scope::IncidentsRead,
        Some(Action::Ack { .. } | Action::Resolve { .. }) => Scope::IncidentsWrite,
    };
    let (client, _) = Client::new(config, &incidents.target, Some(scope))?;
    let path = |number: &str| format!("/api/v1/incidents/{}", escaped(number));
    let data = match &incidents.action {
        None | Some(Action::List) => client.get(&list_path(incidents))?,
        Some(Action::Show { number }) => client.get(&path(number))?,
        Some(Action::Ack { number }) => client.post(&format!("{}/acknowledge", path(number)), "{}", &[])?,
        Some(Action::Resolve { number, comment }) => {
            let body = json!({ "status": "resolved", "comment": comment }).to_string();
            client.post(&format!("{}/status", path(number)), &body, &[])?
        }
    };
    if incidents.json {
        text::say(&data.to_string());
        return Ok(());
    }
    match &incidents.action {
        None | Some(Action::List) => print_list(&data),
        Some(Action::Show { .. }) => print_incident(&data)?,
        Some(Action::Ack { .. } | Action::Resolve { .. }) => print_state(&data),
    }
    Ok(())
}

fn list_path(incidents: &Incidents) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, values) in [
        ("status", &incidents.status),
        ("severity", &incidents.severity),
        ("service_id", &incidents.service),
        ("dedup_key", &incidents.dedup_key),
    ] {
        for value in values {
            query.append_pair(name, value);
        }
    }
    query.append_pair("limit", &incidents.limit.to_string());
    format!("/api/v1/incidents?{}", query.finish())
}

fn escaped(number: &str) -> String {
    percent_encoding::utf8_percent_encode(number, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// `2026-11-23T08:00:00.123Z` as `2026-11-23 08:00:00Z`: to the second, and still saying that it is UTC.
fn time(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| "-".into(), |time| format!("{}Z", time.get(..19).unwrap_or(time).replace('T', " ")))
}

fn print_list(data: &Value) {
    let items = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        text::say("no incidents match");
        return;
    }
    let widest = |name: &str, least: usize| {
        items.iter().map(|item| string(&item[name]).chars().count()).max().unwrap_or(0).max(least)
    };
    let service = |item: &Value| string(&item["service_ids"][0]).to_owned();
    let number_width = widest("incident_number", 6);
    let service_width = items.iter().map(|item| service(item).chars().count()).max().unwrap_or(0).max(7);
    let colours = text::colours();
    // Number, severity, status, service, count and time; the title gets what is left of the window.
    let taken = number_width + 4 + 13 + service_width + 6 + 20 + 6 * 2;
    let title_width = text::width().map_or(200, |width| width.saturating_sub(taken).max(16));
    text::say(&format!(
        "{:number_width$}  SEV   {:13}  {:service_width$}  {:>6}  {:20}  TITLE",
        "NUMBER", "STATUS", "SERVICE", "COUNT", "LAST SEEN"
    ));
    for item in items {
        let severity = string(&item["severity"]);
        let line = format!(
            "{:number_width$}  {severity:4}  {:13}  {:service_width$}  {:>6}  {:20}  {}",
            string(&item["incident_number"]),
            string(&item["status"]),
            service(item),
            item["occurrences"].to_string(),
            time(&item["last_seen_at"]),
            text::fit(string(&item["title"]), title_width),
        );
        let coloured = text::in_severity_colour(severity, Severity::parse(severity), colours);
        text::say(&line.replacen(severity, &coloured, 1));
    }
    if data["has_more"] == true {
        let least = if data["total_exact"] == true { "" } else { "at least " };
        text::complain(&format!(
            "{} of {least}{} shown; --limit shows up to 100",
            items.len(),
            data["total"]
        ));
    }
}

fn print_state(incident: &Value) {
    text::say(&format!(
        "{} is {}, {}: {}",
        string(&incident["incident_number"]),
        string(&incident["status"]),
        match incident["assigned_to"].as_str() {
            Some(person) => format!("assigned to {person}"),
            None => "unassigned".into(),
        },
        text::fit(string(&incident["title"]), 200),
    ));
}

fn print_incident(data: &Value) -> Outcome {
    let severity = string(&data["severity"]);
    let coloured = text::in_severity_colour(severity, Severity::parse(severity), text::colours());
    text::say(&format!("{}  {coloured}  {}", string(&data["incident_number"]), string(&data["status"])));
    text::say(&text::fit(string(&data["title"]), 400));
    for line in data["description"].as_str().unwrap_or_default().lines() {
        text::say(&format!("  {}", text::fit(line, 2000)));
    }
    let service = &data["services"][0];
    let mut facts = vec![
        ("service", format!("{} ({})", string(&service["service_key"]), string(&service["name"]))),
        ("integration", string(&data["integration"]).to_owned()),
        ("dedup key", string(&data["dedup_key"]).to_owned()),
        ("source", string(&data["source_url"]).to_owned()),
        ("occurrences", data["occurrences"].to_string()),
        ("created", time(&data["created_at"])),
        ("last seen", time(&data["last_seen_at"])),
        ("assigned to", string(&data["assigned_to"]).to_owned()),
        ("acknowledged", stamped(data, "acknowledged_at", "acknowledged_by")),
        ("resolved", stamped(data, "resolved_at", "resolved_by")),
    ];
    let metadata =
        data["metadata"].as_object().ok_or_else(|| Failure("the answer has no metadata".into()))?;
    facts.extend(metadata.iter().map(|(key, value)| (key.as_str(), value.to_string())));
    for (name, value) in facts.iter().filter(|(_, value)| value != "-") {
        text::say(&format!("  {:14} {}", text::fit(name, 64), text::fit(value, 2000)));
    }
    let entries = data["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
    text::say(&format!("timeline, newest first ({} entries)", data["timeline_total"]));
    for entry in entries {
        text::say(&format!("  {}  {}", time(&entry["at"]), text::fit(&told(entry), 400)));
    }
    Ok(())
}

fn stamped(data: &Value, at: &str, by: &str) -> String {
    match data[at].as_str() {
        Some(_) => format!("{} by {}", time(&data[at]), string(&data[by])),
        None => "-".into(),
    }
}

/// An entry as a person reads it: `status_changed by ops: status "new" → "fixing"`.
fn told(entry: &Value) -> String {
    let mut told = format!("{} by {}", string(&entry["kind"]), string(&entry["actor"]));
    if entry["count"].as_i64().unwrap_or(1) > 1 {
        told += &format!(", {} times until {}", entry["count"], time(&entry["last_at"]));
    }
    let changes = entry["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let change =
        |change: &Value| format!("{} {} → {}", string(&change["field"]), change["from"], change["to"]);
    if !changes.is_empty() {
        told += &format!(": {}", changes.iter().map(change).collect::<Vec<_>>().join(", "));
    }
    if let Some(message) = entry["message"].as_str() {
        told += &format!(": {message}");
    }
    told
}
