//! From what was written to what it means: everything that needs two options, a file or the environment to be judged.
//!
//! A part that is wrong is reported and left out, so that the rest is still judged; the caller uses the result only
//! if nothing was reported.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::problem::{At, Collector, Place};
use super::raw::{Anonymous, RawConfig, RawIntegration, RawService, RawToken};
use super::reader::Env;
use super::secret::{RawSecret, Secret};
use super::{ClientToken, Config, DEFAULT_LISTEN, Sender, StoreConfig, default_public_url, is_loopback};
use crate::registry::{
    AfterResolve, Integration, OnUnknownResolve, PLACEHOLDER_KEY, Registry, Service, ServiceProblem,
    SourceKind, Token,
};

/// What resolving needs besides what was written.
pub(super) struct Resolver<'r, 'a> {
    pub(super) folder: &'r Path,
    pub(super) env: Env<'a>,
    pub(super) problems: &'r mut Collector<'a>,
}

impl Resolver<'_, '_> {
    pub(super) fn config(&mut self, raw: RawConfig) -> Config {
        let listen = raw.listen.as_ref().map_or(DEFAULT_LISTEN, |listen| listen.value);
        self.check_access(&raw);

        let default_severity = raw.default_severity;
        let services = self.services(raw.services);
        // Only so far that references to services can be checked before the integrations are known.
        let service_registry = Registry::new(services.clone(), Vec::new(), Vec::new(), default_severity);
        let integrations = self.integrations(raw.integrations, &service_registry, listen);
        let tokens = self.tokens(raw.tokens);

        let senders = integrations.iter().filter_map(|(integration, keys)| {
            let signing_secret = integration.signing_secrets.first().cloned().map(Secret::new);
            let routing_key = keys.first()?.clone();
            Some(Sender { integration: integration.name.clone(), routing_key, signing_secret })
        });
        let client_tokens = tokens.iter().map(|(token, secret)| ClientToken {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            secret: secret.clone(),
        });
        let scope = |anonymous: &Anonymous| match anonymous {
            Anonymous::Scope(scope) => Some(*scope),
            Anonymous::Metrics | Anonymous::OpenApi => None,
        };
        Config {
            listen,
            public_url: raw.public_url.unwrap_or_else(|| default_public_url(listen)),
            store: StoreConfig { path: self.folder.join(raw.store_path), create: raw.store_create },
            organization: raw.organization,
            close_resolved_after_ms: i64::try_from(raw.close_resolved_after.as_millis()).unwrap_or(i64::MAX),
            limits: raw.limits,
            anonymous: raw.anonymous.iter().filter_map(scope).collect(),
            public_metrics: raw.anonymous.contains(&Anonymous::Metrics),
            public_openapi: raw.anonymous.contains(&Anonymous::OpenApi),
            log: raw.log,
            senders: senders.collect(),
            client_tokens: client_tokens.collect(),
            registry: Arc::new(Registry::new(
                services,
                integrations.into_iter().map(|(integration, keys)| (integration, expose_all(keys))).collect(),
                tokens.into_iter().map(|(token, secret)| (token, secret.into_string())).collect(),
                default_severity,
            )),
        }
    }

    /// An open server is for one machine; on a network somebody must have said who may read.
    fn check_access(&mut self, raw: &RawConfig) {
        let Some(listen) = &raw.listen else { return };
        if !is_loopback(listen.value) && raw.tokens.is_empty() && raw.anonymous.is_empty() {
            self.problems.report(
                &listen.place,
                "`listen` is open to a network, but nothing says who may read incidents there: add [[tokens]], or \
                 allow everybody with [access] anonymous = [\"incidents:read\"]",
            );
        }
    }

    fn services(&mut self, raw: Vec<RawService>) -> Vec<Service> {
        // Ids and aliases share one namespace: a webhook may use either.
        let mut references = Unique::default();
        let mut services = Vec::new();
        for service in raw {
            for reference in service.id.iter().chain(&service.aliases) {
                if let Some(first) = references.claim(&reference.value, "", &reference.place) {
                    let message = format!(
                        "service `{}` is already on {}",
                        reference.value,
                        self.problems.name(&first.place)
                    );
                    self.problems.report(&reference.place, message);
                }
            }
            let (Some(id), Some(name)) = (service.id, service.name) else { continue };
            services.push(Service {
                id: id.value,
                name: name.value,
                description: service.description,
                aliases: service.aliases.into_iter().map(|alias| alias.value).collect(),
                default_severity: service.default_severity,
                active: service.active,
            });
        }
        services
    }

    fn integrations(
        &mut self,
        raw: Vec<RawIntegration>,
        services: &Registry,
        listen: SocketAddr,
    ) -> Vec<(Integration, Vec<Secret>)> {
        self.check_integration_names(&raw);
        let mut keys_in_use = Unique::default();
        let mut integrations = Vec::new();
        for raw in raw {
            let label = raw.name.as_ref().map_or("(without a name)", |name| name.value.as_str()).to_owned();
            let keys = self.routing_keys(raw.routing_keys, &label, &mut keys_in_use, listen);
            let signing_secrets = self.signing_secrets(raw.signing_secrets, &label);
            let default_service = raw.default_service.and_then(|at| self.default_service(&at, services));
            let (Some(name), Some(source)) = (raw.name, raw.source) else { continue };
            let (after_resolve, on_unknown_resolve) = resolve_rules(source);
            let integration = Integration {
                name: name.value,
                source,
                signing_secrets,
                default_service,
                default_severity: raw.default_severity,
                after_resolve: raw.after_resolve.unwrap_or(after_resolve),
                on_unknown_resolve: raw.on_unknown_resolve.unwrap_or(on_unknown_resolve),
                formerly: raw.formerly.into_iter().map(|former| former.value).collect(),
                rate_per_minute: raw.rate_per_minute,
                has_placeholder_key: keys.iter().any(|key| key.expose() == PLACEHOLDER_KEY),
            };
            integrations.push((integration, keys));
        }
        integrations
    }

    /// A name scopes dedup keys, today's as much as a former one: two owners would mix their incidents.
    fn check_integration_names(&mut self, raw: &[RawIntegration]) {
        let mut names = Unique::default();
        let present = raw.iter().filter_map(|integration| integration.name.as_ref());
        // All present names first: where a former one clashes, the former one is the mistake.
        for name in present.chain(raw.iter().flat_map(|integration| &integration.formerly)) {
            if let Some(first) = names.claim(&name.value, "", &name.place) {
                let message = format!(
                    "integration `{}` is already on {}",
                    name.value,
                    self.problems.name(&first.place)
                );
                self.problems.report(&name.place, message);
            }
        }
    }

    fn routing_keys(
        &mut self,
        raw: Vec<At<RawSecret>>,
        label: &str,
        in_use: &mut Unique,
        listen: SocketAddr,
    ) -> Vec<Secret> {
        let mut keys = Vec::new();
        for At { value, place } in raw {
            let what = format!("a routing key of integration `{label}`");
            let Some(key) = self.secret(value, &place, &what) else { continue };
            let text = key.expose();
            let fits = (16..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !fits {
                let message = format!(
                    "{what} must be 16 to 128 of the characters A-Z, a-z, 0-9, `_` and `-`; `openssl rand -hex 16` \
                     makes one"
                );
                self.problems.report(&place, message);
            } else if text == PLACEHOLDER_KEY && !is_loopback(listen) {
                let message = format!(
                    "{what} is the placeholder that everybody knows, and `listen` is open to a network; `openssl rand \
                     -hex 16` makes a key"
                );
                self.problems.report(&place, message);
            }
            if let Some(first) = in_use.claim(text, label, &place) {
                let line = self.problems.name(&first.place);
                self.problems.report(&place, format!("{what} is already one of `{}`, {line}", first.owner));
            }
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

    fn default_service(&mut self, at: &At<String>, services: &Registry) -> Option<String> {
        let hint = match services.service(&at.value) {
            Ok(index) => return Some(services.services()[index].id.clone()),
            Err(ServiceProblem::Inactive) => "has `active = false`".to_owned(),
            Err(ServiceProblem::Unknown(Some(near))) => format!("is no service; did you mean `{near}`?"),
            Err(ServiceProblem::Unknown(None)) => "is no id or alias of one of the [[services]]".to_owned(),
        };
        self.problems.report(&at.place, format!("`integrations.default_service`: `{}` {hint}", at.value));
        None
    }

    fn tokens(&mut self, raw: Vec<RawToken>) -> Vec<(Token, Secret)> {
        let mut names = Unique::default();
        let mut secrets = Unique::default();
        let mut tokens = Vec::new();
        for raw in raw {
            if let Some(name) = &raw.name {
                self.check_token_name(name, &mut names);
            }
            let label = raw.name.as_ref().map_or("(without a name)", |name| name.value.as_str()).to_owned();
            let secret = raw.token.and_then(|token| self.token_secret(token, &label, &mut secrets));
            let (Some(name), Some(secret)) = (raw.name, secret) else { continue };
            let token = Token {
                name: name.value,
                email: raw.email,
                scopes: raw.scopes,
                rate_per_minute: raw.rate_per_minute,
            };
            tokens.push((token, secret));
        }
        tokens
    }

    fn check_token_name(&mut self, name: &At<String>, names: &mut Unique) {
        if let Some(first) = names.claim(&name.value, "", &name.place) {
            let message =
                format!("token `{}` is already on {}", name.value, self.problems.name(&first.place));
            self.problems.report(&name.place, message);
        }
        if matches!(name.value.as_str(), "local" | "system") {
            let message = format!(
                "token `{}` would pass for Firebell itself in timelines; name it otherwise",
                name.value
            );
            self.problems.report(&name.place, message);
        }
    }

    fn token_secret(&mut self, raw: At<RawSecret>, label: &str, in_use: &mut Unique) -> Option<Secret> {
        let what = format!("the token of `{label}`");
        let secret = self.secret(raw.value, &raw.place, &what)?;
        let text = secret.expose();
        if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!(
                "{what} must have 16 or more printable ASCII characters and no spaces; `openssl rand -hex 16` makes one"
            );
            self.problems.report(&raw.place, message);
        }
        if let Some(first) = in_use.claim(text, label, &raw.place) {
            let line = self.problems.name(&first.place);
            self.problems.report(&raw.place, format!("{what} is already that of `{}`, {line}", first.owner));
        }
        Some(secret)
    }

    fn secret(&mut self, raw: RawSecret, place: &Place, what: &str) -> Option<Secret> {
        let resolved = raw.resolve(self.folder, self.env);
        resolved.map_err(|message| self.problems.report(place, format!("{what} {message}"))).ok()
    }
}

/// How a kind of sender expects resolved incidents to be treated, unless its integration says otherwise.
const fn resolve_rules(source: SourceKind) -> (AfterResolve, OnUnknownResolve) {
    match source {
        // The contract: every POST to the custom webhook is an incident.
        SourceKind::Custom => (AfterResolve::Reopen, OnUnknownResolve::Create),
    }
}

fn expose_all(secrets: Vec<Secret>) -> Vec<String> {
    secrets.into_iter().map(Secret::into_string).collect()
}

/// What may be said only once, with the first who said it.
#[derive(Default)]
struct Unique(HashMap<String, Claim>);

#[derive(Clone)]
struct Claim {
    owner: String,
    place: Place,
}

impl Unique {
    /// The earlier claim to `value`, if there is one; else it is taken now.
    fn claim(&mut self, value: &str, owner: &str, place: &Place) -> Option<Claim> {
        if let Some(earlier) = self.0.get(value) {
            return Some(earlier.clone());
        }
        self.0.insert(value.to_owned(), Claim { owner: owner.to_owned(), place: place.clone() });
        None
    }
}
