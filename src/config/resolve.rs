//! From what was written to what it means: everything that needs two options, a file or the environment to be judged.
//!
//! A part that is wrong is reported and left out, so that the rest is still judged; the caller uses the result only
//! if nothing was reported.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::problem::{At, Collector, Place};
use super::raw::{RawConfig, RawService, RawToken};
use super::reader::Env;
use super::secret::{RawSecret, Secret};
use super::value::milliseconds;
use super::{ClientToken, Config, DEFAULT_LISTEN, Sender, StoreConfig, default_public_url, is_loopback};
use crate::registry::{Registry, Service, Token};
use crate::source::Source;

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

        let default_severity = raw.defaults.severity;
        let written = raw.services.len();
        let services = self.services(raw.services);
        // Where a service has lost its id, a reference to it would look like a second mistake.
        let references = (services.len() == written)
            .then(|| Registry::new(services.clone(), Vec::new(), Vec::new(), default_severity));
        let mut keys_in_use = Unique::default();
        let references = references.as_ref();
        let integrations = self.integrations(raw.integrations, references, listen, &mut keys_in_use);
        let heartbeats = self.heartbeats(raw.heartbeats, references, &mut keys_in_use);
        let watchdog = self.watchdog(raw.watchdog);
        let channels = self.channels(raw.channels);
        let routing = self.routing(
            raw.routes,
            channels.iter().map(|channel| channel.name.clone()).collect(),
            references,
            &integrations.iter().map(|(integration, _)| integration.name.clone()).collect::<Vec<_>>(),
        );
        let tokens = self.tokens(raw.tokens);

        let senders = integrations.iter().filter_map(|(integration, keys)| {
            let signing_secret = integration.protection.signing_secrets.first().cloned().map(Secret::new);
            let routing_key = keys.first()?.clone();
            let is_custom = integration.source == Source::Custom;
            Some(Sender { integration: integration.name.clone(), routing_key, is_custom, signing_secret })
        });
        let client_tokens = tokens.iter().map(|(token, secret)| ClientToken {
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            secret: secret.clone(),
        });
        Config {
            listen,
            public_url: raw.public_url.unwrap_or_else(|| default_public_url(listen)),
            store: StoreConfig { path: self.folder.join(raw.store.path), create: raw.store.create },
            organization: raw.defaults.organization,
            close_resolved_after_ms: milliseconds(raw.close_resolved_after),
            deliveries: raw.deliveries,
            limits: raw.limits,
            anonymous: raw.anonymous,
            session_ms: milliseconds(raw.session),
            log: raw.log,
            notify: raw.notify,
            channels: channels.into_iter().map(Arc::new).collect(),
            routing: Arc::new(routing),
            watchdog,
            senders: senders.collect(),
            client_tokens: client_tokens.collect(),
            registry: Arc::new(
                Registry::new(
                    services,
                    integrations
                        .into_iter()
                        .map(|(integration, keys)| (integration, expose_all(keys)))
                        .collect(),
                    tokens.into_iter().map(|(token, secret)| (token, secret.into_string())).collect(),
                    default_severity,
                )
                .with_heartbeats(heartbeats),
            ),
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
                self.claim_name("service id or alias", reference, &mut references);
            }
            let Some(id) = service.id else { continue };
            services.push(Service {
                // One without a name has been reported; it is kept so that references to it are not reported too.
                name: service.name.unwrap_or_default(),
                id: id.value,
                description: service.description,
                aliases: service.aliases.into_iter().map(|alias| alias.value).collect(),
                default_severity: service.default_severity,
                active: service.active,
            });
        }
        services
    }

    fn tokens(&mut self, raw: Vec<RawToken>) -> Vec<(Token, Secret)> {
        let mut names = Unique::default();
        let mut secrets = Unique::default();
        let mut tokens = Vec::new();
        for raw in raw {
            if let Some(name) = &raw.name {
                self.check_token_name(name, &mut names);
            }
            let label = label(raw.name.as_ref());
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
        self.claim_name("token name", name, names);
        if matches!(name.value.as_str(), "local" | "system") {
            let message = format!(
                "token name `{}` would pass for Firebell itself in timelines; choose another",
                name.value
            );
            self.problems.report(&name.place, message);
        }
    }

    fn token_secret(&mut self, raw: At<RawSecret>, label: &str, in_use: &mut Unique) -> Option<Secret> {
        let what = format!("the token of `{label}`");
        let secret = self.secret(raw.value, &raw.place, &what)?;
        let text = secret.expose();
        self.check_token(text, &raw.place, &what);
        if let Some(first) = in_use.claim(text, label, &raw.place) {
            let line = self.problems.name(&first.place);
            self.problems.report(&raw.place, format!("{what} is already that of `{}`, {line}", first.owner));
        }
        Some(secret)
    }

    /// What may go into an `Authorization` header (RFC 6750), and is not guessed.
    pub(super) fn check_token(&mut self, token: &str, place: &Place, what: &str) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.len() < 16 || !token.bytes().all(fits) {
            let message = format!(
                "{what} must have 16 or more of A-Z, a-z, 0-9 and -._~+/=; `openssl rand -hex 16` makes one"
            );
            self.problems.report(place, message);
        }
    }

    /// Takes a name that only one may have; `what` says what kind of name.
    pub(super) fn claim_name(&mut self, what: &str, name: &At<String>, taken: &mut Unique) {
        if let Some(first) = taken.claim(&name.value, "", &name.place) {
            let line = self.problems.name(&first.place);
            self.problems.report(&name.place, format!("{what} `{}` is already taken on {line}", name.value));
        }
    }

    /// Takes a key that only one may have; `what` names it in a problem.
    pub(super) fn claim_key(
        &mut self,
        key: &str,
        owner: &str,
        place: &Place,
        what: &str,
        in_use: &mut Unique,
    ) {
        if let Some(first) = in_use.claim(key, owner, place) {
            let line = self.problems.name(&first.place);
            self.problems.report(place, format!("{what} is already a key of `{}`, {line}", first.owner));
        }
    }

    /// What may stand in a path as it is, and is not guessed. Whether it does.
    pub(super) fn check_key(&mut self, key: &str, place: &Place, what: &str) -> bool {
        let fits = (16..=128).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !fits {
            let message = format!(
                "{what} must be 16 to 128 of the characters A-Z, a-z, 0-9, `_` and `-`; `openssl rand -hex 16` \
                 makes one"
            );
            self.problems.report(place, message);
        }
        fits
    }

    /// The secret itself; `what` names it in a problem.
    pub(super) fn secret(&mut self, raw: RawSecret, place: &Place, what: &str) -> Option<Secret> {
        let resolved = raw.resolve(self.folder, self.env);
        resolved.map_err(|message| self.problems.report(place, format!("{what} {message}"))).ok()
    }
}

/// What messages call something that may lack a name.
pub(super) fn label(name: Option<&At<String>>) -> String {
    name.map_or_else(|| "(without a name)".to_owned(), |name| name.value.clone())
}

fn expose_all(secrets: Vec<Secret>) -> Vec<String> {
    secrets.into_iter().map(Secret::into_string).collect()
}

/// What may be said only once, with the first who said it.
#[derive(Default)]
pub(super) struct Unique(HashMap<String, Claim>);

#[derive(Clone)]
pub(super) struct Claim {
    pub(super) owner: String,
    pub(super) place: Place,
}

impl Unique {
    /// The earlier claim to `value`, if there is one; else it is taken now.
    pub(super) fn claim(&mut self, value: &str, owner: &str, place: &Place) -> Option<Claim> {
        if let Some(earlier) = self.0.get(value) {
            return Some(earlier.clone());
        }
        self.0.insert(value.to_owned(), Claim { owner: owner.to_owned(), place: place.clone() });
        None
    }
}
