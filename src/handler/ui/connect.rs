//! How a sender is pointed here: where to, with which key, and what its own settings have to be.

use serde::Serialize;

use super::Visit;
use crate::config::Preset;
use crate::registry::{Integration, Protection, Registry};
use crate::route::Dialect;

/// What stands where a key is.
const HIDDEN: &str = "••••••••";

/// What the settings of senders are that no preset describes. `KEY` behind a slash is the key.
const SETUPS: [(&str, &str); 5] = [
    (
        "custom",
        "POST JSON to https://bell.example.net/webhooks/KEY:
  title        what is wrong, up to 200 characters; required
  service_id   id or alias of a service; required
  severity     SEV0 (worst) to SEV4
  status       new, investigating or resolved
  dedup_key    what stays the same for one problem: the same key is the same incident
  description, source_url, metadata (up to 10 keys)
The same dedup_key with \"status\": \"resolved\" resolves it.",
    ),
    (
        "mapping",
        "POST any JSON to https://bell.example.net/webhooks/KEY; [integrations.mapping] says what it means.",
    ),
    (
        "pagerduty",
        "As for PagerDuty's Events API v2, with the key as the integration key (routing_key), and
https://bell.example.net/v2/enqueue in place of https://events.pagerduty.com/v2/enqueue.
In alertmanager.yml:
  receivers:
    - name: firebell
      pagerduty_configs:
        - url: https://bell.example.net/v2/enqueue
          routing_key: (the key)",
    ),
    (
        "ntfy",
        "As for ntfy, with https://bell.example.net/ntfy/KEY as the server. A topic that is a service's id or alias is
about that service; priorities 5 to 1 are SEV0 to SEV4.",
    ),
    (
        "gotify",
        "As for Gotify, with https://bell.example.net as the server, and the key as the application's token. Priority 10 is
SEV0, 8 and 9 SEV1, 4 to 7 SEV2, 1 to 3 SEV3, 0 SEV4.",
    ),
];

/// The service that an integration's examples are about: its default, or else the first that takes incidents.
pub fn usual_service<'a>(integration: &'a Integration, registry: &'a Registry) -> Option<&'a str> {
    let active = || registry.services().iter().find(|service| service.active);
    integration.default_service.as_deref().or_else(|| active().map(|service| service.id.as_str()))
}

/// How a sender is pointed here.
#[derive(Serialize)]
pub struct Connection {
    /// Whether the key is shown, and not only where it goes.
    shown: bool,
    /// It has a key to show.
    has_key: bool,
    url: String,
    /// The key, where it is not in the URL.
    key: Option<String>,
    curl: Option<String>,
    setup: String,
    /// What requests need beside the key.
    also: Option<&'static str>,
}

impl Connection {
    pub fn new(visit: &Visit<'_>, integration: &Integration, shown: bool) -> Self {
        let config = &visit.live.config;
        let sender = config.sender(&integration.name);
        let key = sender.filter(|_| shown).map_or(HIDDEN, |sender| sender.routing_key.expose());
        let base = &visit.live.public_url;
        let service = usual_service(integration, &config.registry).unwrap_or("SER-00001");
        let credentials =
            if integration.protection.wants_authorization() { credentials(integration) } else { "" };
        let (url, curl) = match integration.source.dialect() {
            Dialect::PagerDuty => (
                format!("{base}/v2/enqueue"),
                Some(format!(
                    "curl {credentials}{base}/v2/enqueue -d '{{\"routing_key\":\"{key}\",\"event_action\":\"trigger\",\
                     \"payload\":{{\"summary\":\"It works\",\"source\":\"me\",\"severity\":\"info\"}}}}'"
                )),
            ),
            Dialect::Ntfy => (
                format!("{base}/ntfy/{key}"),
                Some(format!(
                    "curl {credentials}-H 'Title: It works' -d 'Hello' {base}/ntfy/{key}/{service}"
                )),
            ),
            Dialect::Gotify => (
                base.clone(),
                Some(format!(
                    "curl {credentials}'{base}/message?token={key}' -F title='It works' -F message=Hello"
                )),
            ),
            // The last two are heartbeats', and no integration's.
            Dialect::Firebell | Dialect::Healthchecks | Dialect::UptimeKuma => {
                let url = format!("{base}/webhooks/{key}");
                let custom = integration.source.name() == "custom";
                let curl = custom.then(|| {
                    format!(
                        "curl -X POST {credentials}{url} -H 'Content-Type: application/json' \
                         -d '{{\"title\":\"It works\",\"service_id\":\"{service}\"}}'"
                    )
                });
                (url, curl)
            }
        };
        let apart = matches!(integration.source.dialect(), Dialect::PagerDuty | Dialect::Gotify);
        // A signature is not made by hand.
        let signed = !integration.protection.signing_secrets.is_empty();
        let curl = if signed {
            curl.map(|_| format!("firebell send --integration {}", integration.name))
        } else {
            curl
        };
        Self {
            shown,
            has_key: sender.is_some(),
            url,
            key: apart.then(|| key.to_owned()),
            curl,
            setup: setup(integration)
                .replace("https://bell.example.net", base)
                .replace("/KEY", &format!("/{key}")),
            also: also(&integration.protection),
        }
    }
}

/// The options of `curl` for what an integration asks for beside its key.
fn credentials(integration: &Integration) -> &'static str {
    match integration.protection.challenge() {
        "Bearer" => "-H 'Authorization: Bearer TOKEN' ",
        _ => "-u USER:PASSWORD ",
    }
}

fn also(protection: &Protection) -> Option<&'static str> {
    if !protection.signing_secrets.is_empty() {
        return Some("a signature with one of its signing_secrets");
    }
    if protection.wants_authorization() {
        return Some("one of its basic_auth or bearer_tokens");
    }
    (!protection.is_none()).then_some("the signature that SNS makes")
}

/// What the sender's own settings have to be.
fn setup(integration: &Integration) -> String {
    let name = integration.source.name();
    match Preset::named(name) {
        Some(Ok(preset)) => preset.setup.trim().to_owned(),
        _ => SETUPS
            .iter()
            .find(|(kind, _)| *kind == name)
            .map_or_else(String::new, |(_, setup)| (*setup).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::KINDS;

    #[test]
    fn every_kind_of_sender_is_told_how() {
        assert_eq!(SETUPS.map(|(kind, _)| kind), KINDS.map(|(kind, _)| kind));
    }
}
