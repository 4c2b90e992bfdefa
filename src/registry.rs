//! Who may send what, about which service: the services, integrations and tokens of the configuration, found by what
//! a request carries. Secrets are kept only as far as they must be: keys and tokens as SHA-256, signing secrets whole.

mod heartbeats;
mod protection;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Error, FieldError, nearest};
use crate::model::{Services, Severity};
use crate::source::{Parsed, Request, Source};
use heartbeats::Heartbeats;
pub use heartbeats::{HEARTBEATS, heartbeats_integration};
pub use protection::{Protection, SignatureScheme};

/// The routing key of the shipped `config.toml`: public knowledge, so it works on loopback only.
pub const PLACEHOLDER_KEY: &str = "YOUR_ROUTING_KEY";

/// A service that incidents are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What clients call it: `SER-00001`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Other names that webhooks may use for it.
    pub aliases: Vec<String>,
    /// Second link of the severity chain.
    pub default_severity: Option<Severity>,
    /// Whether new incidents may name it.
    pub active: bool,
}

/// What a POST to a resolved incident's key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterResolve {
    /// It re-opens the incident, which holds its key until it is closed.
    Reopen,
    /// It makes a new incident; a resolved one holds its key no longer.
    New,
}

/// What a `resolved` for a key that nobody holds does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknownResolve {
    /// It makes an incident that is already resolved.
    Create,
    /// Nothing.
    Ignore,
}

/// A sender: whom a routing key belongs to, and how its alerts are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Its name; the scope of dedup keys.
    pub name: String,
    /// The format it speaks.
    pub source: Source,
    /// What its requests must prove, besides knowing the key.
    pub protection: Protection,
    /// The id of the service for alerts that name none (native sources).
    pub default_service: Option<String>,
    /// Third link of the severity chain.
    pub default_severity: Option<Severity>,
    /// What a POST to a resolved incident's key does.
    pub after_resolve: AfterResolve,
    /// What a `resolved` for a key that nobody holds does.
    pub on_unknown_resolve: OnUnknownResolve,
    /// Earlier names, whose incidents are carried over.
    pub formerly: Vec<String>,
    /// Requests a minute, on average; 0: any number.
    pub rate_per_minute: u32,
}

/// What a token's bearer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read incidents and their timelines.
    IncidentsRead,
    /// Change incidents.
    IncidentsWrite,
    /// Read the services.
    ServicesRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::IncidentsRead, Self::IncidentsWrite, Self::ServicesRead];

    /// Its name in the configuration and in `/auth/verify`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IncidentsRead => "incidents:read",
            Self::IncidentsWrite => "incidents:write",
            Self::ServicesRead => "services:read",
        }
    }
}

/// Who calls the API, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name in the configuration.
    pub name: String,
    /// The person behind it, as timelines name them; else the name is used.
    pub email: Option<String>,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Requests a minute, on average; 0: any number.
    pub rate_per_minute: u32,
}

impl Token {
    /// How timelines and `*_by` fields name the bearer.
    #[must_use]
    pub fn caller(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.name)
    }
}

/// Why a service reference does not lead to a service that takes new incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceProblem {
    /// Nothing has that id or alias; the id of the nearest, if one is near.
    Unknown(Option<String>),
    /// It is there, with `active = false`.
    Inactive,
}

type Hash = [u8; 32];

/// The services, integrations and tokens, each found by what a request carries.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    services: Vec<Arc<Service>>,
    service_by_reference: HashMap<String, usize>,
    integrations: Vec<Arc<Integration>>,
    integration_by_key: HashMap<Hash, usize>,
    tokens: Vec<Arc<Token>>,
    token_by_hash: HashMap<Hash, usize>,
    /// Of every integration.
    authorizations: HashSet<Hash>,
    default_severity: Option<Severity>,
    heartbeats: Heartbeats,
}

impl Registry {
    /// Puts the registry together. That ids, aliases, names, keys and tokens are unique is the configuration's
    /// business; of two equal ones the later wins.
    #[must_use]
    pub fn new(
        services: Vec<Service>,
        integrations: Vec<(Integration, Vec<String>)>,
        tokens: Vec<(Token, String)>,
        default_severity: Severity,
    ) -> Self {
        let mut registry = Self { default_severity: Some(default_severity), ..Self::default() };
        for (index, service) in services.iter().enumerate() {
            for reference in service.aliases.iter().chain([&service.id]) {
                registry.service_by_reference.insert(reference.clone(), index);
            }
        }
        registry.services = services.into_iter().map(Arc::new).collect();
        for (index, (integration, keys)) in integrations.into_iter().enumerate() {
            for key in &keys {
                registry.integration_by_key.insert(hash(key), index);
            }
            registry.authorizations.extend(integration.protection.authorizations());
            registry.integrations.push(Arc::new(integration));
        }
        for (index, (token, secret)) in tokens.into_iter().enumerate() {
            registry.token_by_hash.insert(hash(&secret), index);
            registry.tokens.push(Arc::new(token));
        }
        registry
    }

    /// Every service, in the configuration's order.
    #[must_use]
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// Every integration, in the configuration's order.
    #[must_use]
    pub fn integrations(&self) -> &[Arc<Integration>] {
        &self.integrations
    }

    /// Every token, in the configuration's order.
    #[must_use]
    pub fn tokens(&self) -> &[Arc<Token>] {
        &self.tokens
    }

    /// Whether the same tokens allow the same as in `other`.
    #[must_use]
    pub fn has_same_tokens(&self, other: &Self) -> bool {
        (&self.tokens, &self.token_by_hash) == (&other.tokens, &other.token_by_hash)
    }

    /// The owner of `routing_key`. Looked up by hash: how long it takes says nothing about the keys.
    #[must_use]
    pub fn integration(&self, routing_key: &str) -> Option<&Arc<Integration>> {
        self.integration_by_key.get(&hash(routing_key)).map(|&index| &self.integrations[index])
    }

    /// Whether `word` is a secret that somebody may send: a routing key, a heartbeat's key, a token, or what an
    /// integration wants to see.
    #[must_use]
    pub fn is_secret(&self, word: &str) -> bool {
        let known = hash(word);
        let authorizes = |scheme: &str| self.authorizations.contains(&hash(&format!("{scheme} {word}")));
        self.integration_by_key.contains_key(&known)
            || self.token_by_hash.contains_key(&known)
            || self.is_heartbeats_key(&known)
            || (!self.authorizations.is_empty() && (authorizes("bearer") || authorizes("basic")))
    }

    /// Who bears `token`.
    #[must_use]
    pub fn token(&self, token: &str) -> Option<&Arc<Token>> {
        self.token_by_hash.get(&hash(token)).map(|&index| &self.tokens[index])
    }

    /// Who bears the token of that SHA-256.
    #[must_use]
    pub fn token_of_hash(&self, hash: &[u8; 32]) -> Option<&Arc<Token>> {
        self.token_by_hash.get(hash).map(|&index| &self.tokens[index])
    }

    /// The active service with that id or alias.
    ///
    /// # Errors
    /// When there is none, or it is inactive.
    pub fn service(&self, reference: &str) -> Result<&Arc<Service>, ServiceProblem> {
        match self.service_by_reference.get(reference) {
            Some(&index) if self.services[index].active => Ok(&self.services[index]),
            Some(_) => Err(ServiceProblem::Inactive),
            None => {
                let active = self.services.iter().filter(|service| service.active);
                let known = active.flat_map(|service| service.aliases.iter().chain([&service.id]));
                let near = nearest(reference, known.map(String::as_str));
                let near = near.and_then(|reference| self.service_by_reference.get(reference));
                Err(ServiceProblem::Unknown(near.map(|&index| self.services[index].id.clone())))
            }
        }
    }

    /// The same, with the refusal that a request's `service_id` gets.
    ///
    /// # Errors
    /// When there is none, or it is inactive.
    pub fn find_service(&self, reference: &str) -> Result<&Arc<Service>, FieldError> {
        self.service(reference).map_err(|problem| match problem {
            ServiceProblem::Unknown(near) => {
                let hint = near.map_or_else(String::new, |id| format!("; did you mean {id}?"));
                let message = format!("is {reference:?}, which is no service in the configuration{hint}");
                FieldError::new("service_id", "unknown_service", message)
            }
            ServiceProblem::Inactive => {
                let message =
                    format!("is {reference:?}, a service that the configuration says is not active");
                FieldError::new("service_id", "inactive_service", message)
            }
        })
    }

    /// The alerts in what an integration was sent.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn alerts(&self, integration: &Integration, request: &Request<'_>) -> Result<Parsed, Error> {
        let services = Services {
            problem: &|service| self.find_service(service).err(),
            default: integration.default_service.as_deref(),
        };
        integration.source.parse(request, &services)
    }

    /// The id behind an id or alias, active or not.
    #[must_use]
    pub fn service_id<'a>(&'a self, reference: &'a str) -> &'a str {
        self.service_by_reference.get(reference).map_or(reference, |&index| &self.services[index].id)
    }

    /// The names of integrations whose incidents give up their key when they are resolved.
    #[must_use]
    pub fn new_after_resolve(&self) -> Vec<String> {
        let integrations = self.integrations().iter();
        let new = integrations.filter(|one| one.after_resolve == AfterResolve::New);
        new.map(|one| one.name.clone()).collect()
    }

    /// The service with an id or alias, active or not.
    #[must_use]
    pub fn any_service(&self, reference: &str) -> Option<&Service> {
        self.service_by_reference.get(reference).map(|&index| &*self.services[index])
    }

    /// The severity of an incident about these services that no integration reports: the worst of theirs.
    #[must_use]
    pub fn worst_severity(&self, services: &[Arc<Service>]) -> Severity {
        services.iter().map(|service| self.chain(service.default_severity)).min().unwrap_or(self.chain(None))
    }

    /// The severity of a new incident whose alert states none: the links of the chain after the payload.
    #[must_use]
    pub fn default_severity(&self, service: &Service, integration: &Integration) -> Severity {
        self.chain(service.default_severity.or(integration.default_severity))
    }

    /// Where a new incident goes: its service, and its severity if its alert states none.
    ///
    /// # Errors
    /// When there is no such service, or it is inactive.
    pub fn place(
        &self,
        service: &str,
        integration: &Integration,
    ) -> Result<(Arc<Service>, Severity), FieldError> {
        let service = self.find_service(service)?;
        Ok((Arc::clone(service), self.default_severity(service, integration)))
    }

    /// The end of the severity chain, for where nothing before it is set.
    fn chain(&self, set: Option<Severity>) -> Severity {
        set.or(self.default_severity).unwrap_or(Severity::Sev2)
    }
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str, aliases: &[&str], active: bool) -> Service {
        Service {
            id: id.into(),
            name: id.into(),
            description: String::new(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            default_severity: None,
            active,
        }
    }

    #[test]
    fn a_service_is_found_by_id_and_alias_and_a_near_miss_is_suggested() {
        let services = vec![service("SER-00001", &["web"], true), service("SER-00002", &[], false)];
        let registry = Registry::new(services, vec![], vec![], Severity::Sev2);
        assert_eq!(registry.service("SER-00001").unwrap().id, "SER-00001");
        assert_eq!(registry.service("web").unwrap().id, "SER-00001");
        assert_eq!(registry.service("SER-00002"), Err(ServiceProblem::Inactive));
        assert_eq!(registry.service("SER-0001"), Err(ServiceProblem::Unknown(Some("SER-00001".into()))));
        assert_eq!(registry.service("mail"), Err(ServiceProblem::Unknown(None)));
    }
}
