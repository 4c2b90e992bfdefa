//! `firebell send`: an incident by hand, through the same webhook as everybody's.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Client, Target};
use super::{Failure, Outcome, given, pair, text};
use crate::clock::Clock;
use crate::config::Config;
use crate::handler::sign;

#[derive(Debug, Args)]
pub struct Send {
    /// What is wrong
    #[arg(default_value = "Test incident from `firebell send`")]
    title: String,
    /// Id or alias of the service; without it the first active one of the configuration
    #[arg(long, short)]
    service: Option<String>,
    /// SEV0 (worst) to SEV4
    #[arg(long)]
    severity: Option<String>,
    /// More about it
    #[arg(long, short)]
    description: Option<String>,
    /// new, investigating or resolved
    #[arg(long)]
    status: Option<String>,
    /// Same key, same incident
    #[arg(long, short = 'k', value_name = "KEY")]
    dedup_key: Option<String>,
    /// Where to look, an http or https URL
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// More to know, as often as needed
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// The integration to send as; without it the first one with source = "custom"
    #[arg(long, short)]
    integration: Option<String>,
    /// The routing key, where the configuration is not at hand; without it FIREBELL_ROUTING_KEY
    #[arg(long, value_name = "KEY")]
    routing_key: Option<String>,
    /// Say what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the answer's data as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn run(config: Option<&Path>, send: &Send) -> Outcome {
    let (client, config) = Client::new(config, &send.target, None)?;
    let body = body(send, config.as_ref())?.to_string();
    let (key, signing_secret) = credentials(send, config.as_ref())?;
    let mut headers = Vec::new();
    if let Some(secret) = signing_secret {
        let now_s = (Clock::System.now_ms() / 1000).to_string();
        let signature = sign(&secret, &now_s, body.as_bytes()).ok_or("the signing secret cannot be used")?;
        headers = vec![("X-Firebell-Timestamp", now_s), ("X-Firebell-Signature", signature)];
    }
    let query = if send.dry_run { "?dry_run=1" } else { "" };
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let data = client.post(&format!("/webhooks/{key}{query}"), &body, &headers)?;
    if send.json {
        text::say(data.json());
    } else {
        report(&data.read()?);
    }
    Ok(())
}

fn body(send: &Send, config: Option<&Config>) -> Result<Value, Failure> {
    let first = || Some(config?.registry.services().iter().find(|service| service.active)?.id.clone());
    let service = send.service.clone().or_else(first).ok_or("name the service with --service")?;
    let mut body = json!({ "title": send.title, "service_id": service });
    for (name, value) in [
        ("severity", &send.severity),
        ("description", &send.description),
        ("status", &send.status),
        ("dedup_key", &send.dedup_key),
        ("source_url", &send.source_url),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    let mut metadata = Map::new();
    for (key, value) in &send.metadata {
        if metadata.insert(key.clone(), value.as_str().into()).is_some() {
            return Err(Failure(format!("--metadata {key} is given twice; an incident has one value of it")));
        }
    }
    if !metadata.is_empty() {
        body["metadata"] = metadata.into();
    }
    Ok(body)
}

/// The routing key to send with, and the secret to sign with if there is one.
fn credentials(send: &Send, config: Option<&Config>) -> Result<(String, Option<String>), Failure> {
    if let Some(key) = given(send.routing_key.as_ref(), "FIREBELL_ROUTING_KEY") {
        return Ok((key, None));
    }
    let config =
        config.ok_or("name the routing key with --routing-key: there is no configuration to take it from")?;
    let sender = match &send.integration {
        Some(name) => {
            config.sender(name).ok_or_else(|| format!("the configuration has no integration {name:?}"))?
        }
        None => {
            let mut custom = config.senders.iter().filter(|sender| sender.is_custom);
            custom.next().ok_or("the configuration has no integration with `source = \"custom\"`, as which this could be sent")?
        }
    };
    if !sender.is_custom {
        let message = format!(
            "{} takes another format than this command sends; name an integration with `source = \"custom\"`, or see \
             what it makes of a body with `firebell sources try`",
            sender.integration
        );
        return Err(Failure(message));
    }
    let secret = sender.signing_secret.as_ref().map(|secret| secret.expose().to_owned());
    Ok((sender.routing_key.expose().to_owned(), secret))
}

/// What became of an alert, or would.
pub fn report(data: &Value) {
    let shown = |name: &str| data[name].as_str().unwrap_or("-").to_owned();
    let would = if data["dry_run"] == true { "would be " } else { "" };
    // A dry run gives none.
    let number = data["incident_number"].as_str().map_or_else(String::new, |number| format!("{number} "));
    text::say(&format!(
        "{would}{}: {number}{} {} on {}, {} occurrence(s)",
        shown("outcome"),
        shown("severity"),
        shown("status"),
        shown("service_id"),
        data["occurrences"],
    ));
    for warning in data["warnings"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = |name: &str| warning[name].as_str().unwrap_or_default();
        text::complain(&format!("warning: {} {}", text("field"), text("message")));
    }
    if let Some(url) = data["url"].as_str() {
        text::say(url);
    }
}
