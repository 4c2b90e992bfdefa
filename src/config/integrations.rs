//! What the `[[integrations]]` mean. A second part of [`super::resolve`].

use std::net::SocketAddr;
use std::sync::Arc;

use super::is_loopback;
use super::mapping::Preset;
use super::problem::At;
use super::raw::RawIntegration;
use super::resolve::{Resolver, Unique, label};
use super::secret::{RawSecret, Secret};
use crate::registry::{
    AfterResolve, Integration, OnUnknownResolve, PLACEHOLDER_KEY, Protection, Registry, ServiceProblem,
    SignatureScheme,
};
use crate::source::{Mapping, Source, pagerduty};

impl Resolver<'_, '_> {
    pub(super) fn integrations(
        &mut self,
        raw: Vec<RawIntegration>,
        services: Option<&Registry>,
        listen: SocketAddr,
        keys_in_use: &mut Unique,
    ) -> Vec<(Integration, Vec<Secret>)> {
        self.check_integration_names(&raw);
        let mut integrations = Vec::new();
        for mut raw in raw {
            let label = label(raw.name.as_ref());
            let for_pagerduty = raw.source.as_ref().is_some_and(|source| source.value == "pagerduty");
            let keys = std::mem::take(&mut raw.routing_keys);
            let keys = self.routing_keys(keys, for_pagerduty, &label, keys_in_use, listen);
            let source = raw.source.take().and_then(|source| self.source(&source, &mut raw, &label));
            let scheme = raw.signature.as_ref().map(|at| at.value);
            let scheme = scheme.or(source.as_ref().map(|(_, scheme)| *scheme)).unwrap_or_default();
            let protection = self.protection(&mut raw, scheme, &label);
            let default_service = raw
                .default_service
                .zip(services)
                .and_then(|(at, services)| self.service_of("integrations.default_service", &at, services));
            let (Some(name), Some((source, _))) = (raw.name, source) else { continue };
            let (after_resolve, on_unknown_resolve) = resolve_rules(&source);
            let integration = Integration {
                name: name.value,
                source,
                protection,
                default_service,
                default_severity: raw.default_severity,
                after_resolve: raw.after_resolve.unwrap_or(after_resolve),
                on_unknown_resolve: raw.on_unknown_resolve.unwrap_or(on_unknown_resolve),
                formerly: raw.formerly.into_iter().map(|former| former.value).collect(),
                rate_per_minute: raw.rate_per_minute,
            };
            integrations.push((integration, keys));
        }
        integrations
    }

    /// The source of that name, with what the integration says otherwise, and how its sender signs.
    fn source(
        &mut self,
        name: &At<&'static str>,
        raw: &mut RawIntegration,
        label: &str,
    ) -> Option<(Source, SignatureScheme)> {
        let own = raw.mapping.take();
        let fixed = match name.value {
            "custom" => Some(Source::Custom),
            "pagerduty" => Some(Source::PagerDuty),
            "ntfy" => Some(Source::Ntfy(Arc::new(raw.messages.clone()))),
            "gotify" => Some(Source::Gotify(Arc::new(raw.messages.clone()))),
            _ => None,
        };
        if let (Some(_), Some(own)) = (&fixed, &own) {
            let message = format!(
                "`integrations.mapping` says nothing to `source = \"{}\"`; presets and \"mapping\" have one",
                name.value
            );
            self.problems.report(&own.place, message);
        }
        if name.value != "custom" && raw.default_service.is_none() {
            let message = format!(
                "`integrations.default_service` is missing in `{label}`: alerts of `{}` that name no service need one",
                name.value
            );
            self.problems.report(&name.place, message);
        }
        if let Some(fixed) = fixed {
            return Some((fixed, SignatureScheme::default()));
        }
        let (shipped, scheme) = match Preset::named(name.value) {
            Some(Ok(preset)) => (preset.mapping, preset.signature),
            Some(Err(problems)) => {
                self.problems
                    .report(&name.place, format!("this preset is broken, which is a bug: {problems}"));
                return None;
            }
            None => (Mapping::default(), SignatureScheme::default()),
        };
        let mapping =
            Mapping { name: name.value, ..shipped }.overlaid_with(own.map(|at| at.value).unwrap_or_default());
        if mapping.title.is_none() {
            let message = "a mapping needs a `title`: [integrations.mapping] title = \"payload.title\"";
            self.problems.report(&name.place, message);
        }
        Some((Source::Mapping(Arc::new(mapping)), scheme))
    }

    /// What requests must prove.
    fn protection(&mut self, raw: &mut RawIntegration, scheme: SignatureScheme, label: &str) -> Protection {
        let secrets_at = raw.signing_secrets.first().map(|secret| secret.place.clone());
        let signing_secrets = self.signing_secrets(std::mem::take(&mut raw.signing_secrets), label);
        let header = raw.signature_timestamp_header.take();
        if let Some(header) = header.as_ref().filter(|_| scheme != SignatureScheme::Grafana) {
            let message = format!(
                "`integrations.signature_timestamp_header` is for `signature = \"grafana\"`; \"{}\" has its own, or none",
                scheme.as_str()
            );
            self.problems.report(&header.place, message);
        }
        let has_secrets = secrets_at.is_some();
        let without = matches!(scheme, SignatureScheme::Sns | SignatureScheme::None);
        if let Some(place) = secrets_at.filter(|_| without) {
            let message = format!(
                "`integrations.signing_secrets` says nothing to `signature = \"{}\"`, which has no secret",
                scheme.as_str()
            );
            self.problems.report(&place, message);
        }
        // Who writes how requests are signed thinks that they have to be.
        let meant = raw.signature.as_ref().map(|at| &at.place).or(header.as_ref().map(|at| &at.place));
        if let Some(place) = meant.filter(|_| !has_secrets && !without) {
            let message = format!(
                "integration `{label}` says how requests are signed, and has no `signing_secrets`, so unsigned ones are \
                 taken; add one, or say `signature = \"none\"`"
            );
            self.problems.report(place, message);
        }
        let timestamp_header = header.map(|at| at.value);
        let mut protection = Protection::signed(signing_secrets, scheme, timestamp_header);
        for At { value, place } in std::mem::take(&mut raw.basic_auth) {
            let what = format!("the basic_auth of integration `{label}`");
            let Some(pair) = self.secret(value, &place, &what) else { continue };
            let halves = pair.expose().split_once(':');
            if !halves.is_some_and(|(user, password)| !user.is_empty() && !password.is_empty()) {
                self.problems
                    .report(&place, format!("{what} must be a user and a password: \"user:password\""));
            }
            protection.allow_basic(pair.expose());
        }
        for At { value, place } in std::mem::take(&mut raw.bearer_tokens) {
            let what = format!("a bearer token of integration `{label}`");
            let Some(token) = self.secret(value, &place, &what) else { continue };
            self.check_token(token.expose(), &place, &what);
            protection.allow_bearer(token.expose());
        }
        protection
    }

    /// A name scopes dedup keys, today's as much as a former one: two owners would mix their incidents.
    fn check_integration_names(&mut self, raw: &[RawIntegration]) {
        let mut names = Unique::default();
        let present = raw.iter().filter_map(|integration| integration.name.as_ref());
        // All present names first: where a former one clashes, the former one is the mistake.
        for name in present.chain(raw.iter().flat_map(|integration| &integration.formerly)) {
            self.claim_name("integration name", name, &mut names);
            self.check_not_reserved(&name.value, &name.place);
        }
    }

    fn routing_keys(
        &mut self,
        raw: Vec<At<RawSecret>>,
        for_pagerduty: bool,
        label: &str,
        in_use: &mut Unique,
        listen: SocketAddr,
    ) -> Vec<Secret> {
        let mut keys = Vec::new();
        for At { value, place } in raw {
            let what = format!("a routing key of integration `{label}`");
            let Some(key) = self.secret(value, &place, &what) else { continue };
            let text = key.expose();
            if for_pagerduty && !pagerduty::is_routing_key(text) {
                let message = format!(
                    "{what} must be 32 of the characters A-Z, a-z and 0-9, which is all that PagerDuty's senders take; \
                     `openssl rand -hex 16` makes one"
                );
                self.problems.report(&place, message);
            } else if !for_pagerduty
                && self.check_key(text, &place, &what)
                && text == PLACEHOLDER_KEY
                && !is_loopback(listen)
            {
                let message = format!(
                    "{what} is the placeholder that everybody knows, and `listen` is open to a network; `openssl rand \
                     -hex 16` makes a key"
                );
                self.problems.report(&place, message);
            }
            self.claim_key(text, label, &place, &what, in_use);
            keys.push(key);
        }
        keys
    }

    fn signing_secrets(&mut self, raw: Vec<At<RawSecret>>, label: &str) -> Vec<String> {
        let what = format!("a signing secret of integration `{label}`");
        let mut secrets = Vec::new();
        for At { value, place } in raw {
            let Some(secret) = self.secret(value, &place, &what) else { continue };
            if secret.expose().chars().count() < 16 {
                let message =
                    format!("{what} must have 16 characters or more; `openssl rand -hex 32` makes one");
                self.problems.report(&place, message);
            }
            secrets.push(secret.into_string());
        }
        secrets
    }

    /// The id of the active service that `option` names.
    pub(super) fn service_of(
        &mut self,
        option: &str,
        at: &At<String>,
        services: &Registry,
    ) -> Option<String> {
        let hint = match services.service(&at.value) {
            Ok(service) => return Some(service.id.clone()),
            Err(ServiceProblem::Inactive) => "has `active = false`".to_owned(),
            Err(ServiceProblem::Unknown(Some(near))) => format!("is no service; did you mean `{near}`?"),
            Err(ServiceProblem::Unknown(None)) => "is no id or alias of one of the [[services]]".to_owned(),
        };
        self.problems.report(&at.place, format!("`{option}`: `{}` {hint}", at.value));
        None
    }
}

/// How a kind of sender expects resolved incidents to be treated, unless its integration says otherwise.
const fn resolve_rules(source: &Source) -> (AfterResolve, OnUnknownResolve) {
    match source {
        // The contract: every POST to the custom webhook is an incident.
        Source::Custom => (AfterResolve::Reopen, OnUnknownResolve::Create),
        Source::Mapping(_) | Source::Ntfy(_) | Source::Gotify(_) => {
            (AfterResolve::Reopen, OnUnknownResolve::Ignore)
        }
        // A trigger after a resolve is another incident to PagerDuty.
        Source::PagerDuty => (AfterResolve::New, OnUnknownResolve::Ignore),
    }
}
