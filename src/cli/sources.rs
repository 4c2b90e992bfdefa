//! `firebell sources`: the senders that are understood, how each is pointed here, and what a body would become, without a
//! server.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Failure, Outcome, load, text, trouble};
use crate::cli::cells::{clean, pad, width};
use crate::config::{Config, Preset};
use crate::error::{Details, Error};
use crate::model::{Alert, Services, Severity, Status, Warning};
use crate::registry::Integration;
use crate::source::{KINDS, Mapping, Parsed, Request, Source, presets};

#[derive(Debug, Args)]
pub struct Sources {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What `source` may be
    List,
    /// How a sender is pointed here, and the expressions of its preset
    Show {
        /// The preset
        name: String,
    },
    /// What a body would become, with everything that is wrong with it; needs no server
    Try(Try),
}

#[derive(Debug, Args)]
struct Try {
    /// An integration of the configuration, or a preset, which needs none
    name: String,
    /// The body; - for standard input
    file: PathBuf,
    /// A header that comes with it, as often as needed
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// What is behind the `?` of its URL
    #[arg(long, value_name = "NAME=VALUE&…")]
    query: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(config: Option<&Path>, sources: &Sources) -> Outcome {
    match &sources.command {
        Command::List => list(),
        Command::Show { name } => show(name),
        Command::Try(tried) => attempt(config, tried),
    }
}

fn list() -> Outcome {
    let mut rows: Vec<_> = KINDS.map(|(name, about)| (name, about.to_owned())).into();
    for (name, _) in presets::ALL {
        rows.push((name, preset(name)?.about));
    }
    let widest = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, about) in rows {
        text::say(&format!("{}  {about}", pad(name, widest, false)));
    }
    Ok(())
}

fn show(name: &str) -> Outcome {
    if let Some((_, about)) = KINDS.iter().find(|(kind, _)| *kind == name) {
        text::say(&format!(
            "{name}: {about}\nIt has no expressions to be shown; the README says how it is used."
        ));
        return Ok(());
    }
    let Some(file) = presets::text(name) else { return Err(unknown(name, &[])) };
    text::say(file.trim_end());
    Ok(())
}

fn preset(name: &str) -> Result<Preset, Failure> {
    match Preset::named(name) {
        Some(preset) => Ok(preset?),
        None => Err(unknown(name, &[])),
    }
}

fn unknown(name: &str, integrations: &[Arc<Integration>]) -> Failure {
    let integrations = integrations.iter().map(|integration| integration.name.as_str());
    let known: Vec<_> = integrations.chain(presets::ALL.map(|(name, _)| name)).collect();
    let hint = crate::error::nearest(name, known.iter().copied()).map_or_else(
        || "`firebell sources list` names them".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Failure(format!("{name:?} is neither a preset nor an integration of the configuration; {hint}"))
}

fn attempt(config: Option<&Path>, tried: &Try) -> Outcome {
    let config = match load(config) {
        Ok((_, config)) => Some(config),
        // A preset needs none.
        Err(_) if presets::text(&tried.name).is_some() => None,
        Err(problems) => return Err(problems.into()),
    };
    let body = read(&tried.file)?;
    let headers = headers(&tried.header)?;
    let request = Request { body: &body, headers: &headers, query: tried.query.as_deref(), topic: None };
    let parsed = parse(config.as_ref(), &tried.name, &request)?;
    match parsed {
        Ok(parsed) if tried.json => text::say(&to_json(&parsed).to_string()),
        Ok(parsed) => report(&parsed),
        Err(error) => return Err(Failure(explain(&error))),
    }
    Ok(())
}

fn parse(
    config: Option<&Config>,
    name: &str,
    request: &Request<'_>,
) -> Result<Result<Parsed, Error>, Failure> {
    let integrations = config.map(|config| config.registry.integrations()).unwrap_or_default();
    if let Some((config, integration)) =
        config.zip(integrations.iter().find(|integration| integration.name == name))
    {
        return Ok(config.registry.alerts(integration, request));
    }
    if presets::text(name).is_none() {
        return Err(unknown(name, integrations));
    }
    let source = Source::Mapping(Arc::new(Mapping { name: "mapping", ..preset(name)?.mapping }));
    let services = Services { problem: &|_| None, default: Some("(default_service)") };
    Ok(source.parse(request, &services))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    if file == Path::new("-") {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(file).map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))
}

fn headers(given: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for header in given {
        let parsed = header.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = parsed.ok_or_else(|| format!("--header {header:?} is not \"NAME: VALUE\""))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// All that is wrong, as the server would say it.
fn explain(error: &Error) -> String {
    let fields = match &error.details {
        Details::Fields(fields) => json!({ "fields": fields }),
        _ => Value::Null,
    };
    let error_json = json!({ "code": error.kind.code(), "message": error.message, "details": fields });
    trouble::explain(error.kind.status(), &error_json, None)
}

fn report(parsed: &Parsed) {
    let ignored = match parsed.ignored {
        0 => String::new(),
        count => format!(", {count} ignored"),
    };
    text::say(&format!("{} alert(s){ignored}", parsed.alerts.len()));
    for (alert, warnings) in &parsed.alerts {
        say_alert(alert, warnings);
    }
}

fn say_alert(alert: &Alert, warnings: &[Warning]) {
    text::say("");
    let severity = text::in_severity_colour(severity_name(alert.severity), alert.severity, text::colours());
    text::say(&format!(
        "{severity}  {}  {}",
        alert.status.as_str(),
        clean(alert.title.as_deref().unwrap_or_default())
    ));
    let metadata = crate::model::metadata::of_new(&alert.metadata);
    let fields = [
        ("service_id", Some(alert.service.as_str())),
        ("dedup_key", alert.dedup_key.as_deref()),
        ("source_url", alert.source_url.as_deref()),
        ("description", alert.description.as_deref()),
        ("metadata", Some(metadata.as_str()).filter(|text| *text != "{}")),
    ];
    for (name, value) in fields {
        match value {
            Some(value) => text::say(&format!("  {name:<12} {}", clean(value))),
            // Without it, nothing brings two alerts together, nor resolves one.
            None if name == "dedup_key" => text::say("  dedup_key    none: each is an incident of its own"),
            None => {}
        }
    }
    if alert.status == Status::Resolved {
        text::say("  resolves the open incident with this dedup_key, if there is one");
    }
    for warning in warnings {
        text::say(&format!("  warning: {} {}", clean(&warning.field), clean(&warning.message)));
    }
}

const fn severity_name(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(severity) => severity.as_str(),
        None => "(default severity)",
    }
}

fn to_json(parsed: &Parsed) -> Value {
    let alerts = parsed.alerts.iter().map(|(alert, warnings)| {
        let metadata = crate::model::metadata::of_new(&alert.metadata);
        json!({
            "title": alert.title,
            "service_id": alert.service,
            "description": alert.description,
            "severity": alert.severity.map(Severity::as_str),
            "status": alert.status.as_str(),
            "source_url": alert.source_url,
            "dedup_key": alert.dedup_key,
            "metadata": serde_json::from_str::<Value>(&metadata).unwrap_or_default(),
            "warnings": warnings,
        })
    });
    json!({ "alerts": alerts.collect::<Vec<_>>(), "ignored": parsed.ignored })
}
