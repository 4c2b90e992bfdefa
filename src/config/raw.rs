//! What was written: every option by name, with its type, range and default, and with its place where a later check
//! needs one. The functions below are the list of what exists.
//!
//! Nothing here depends on another option, a file or the machine; that is [`super::resolve`]'s.

use std::net::SocketAddr;
use std::time::Duration;

use toml::de::DeTable;

use super::limits::Limits;
use super::problem::At;
use super::reader::{Reader, Section};
use super::secret::{RawSecret, raw_secret};
use super::value::{
    base_url, choice, duration, flag, integer, name, severity, short, socket_address, string,
};
use super::{Log, LogFormat, LogLevel};
use crate::model::Severity;
use crate::registry::{AfterResolve, OnUnknownResolve, Scope, SourceKind};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct RawConfig {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) public_url: Option<String>,
    pub(super) store_path: String,
    pub(super) store_create: bool,
    pub(super) default_severity: Severity,
    pub(super) organization: String,
    pub(super) close_resolved_after: Duration,
    pub(super) anonymous: Vec<Anonymous>,
    pub(super) log: Log,
    pub(super) limits: Limits,
    pub(super) services: Vec<RawService>,
    pub(super) integrations: Vec<RawIntegration>,
    pub(super) tokens: Vec<RawToken>,
}

/// What may be done without a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anonymous {
    Scope(Scope),
    Metrics,
    OpenApi,
}

impl Anonymous {
    const ALL: [Self; 5] = [
        Self::Scope(Scope::IncidentsRead),
        Self::Scope(Scope::IncidentsWrite),
        Self::Scope(Scope::ServicesRead),
        Self::Metrics,
        Self::OpenApi,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Scope(scope) => scope.as_str(),
            Self::Metrics => "metrics",
            Self::OpenApi => "openapi",
        }
    }
}

/// Where a value that must be there is `None`, its absence has been reported.
pub(super) struct RawService {
    pub(super) id: Option<At<String>>,
    pub(super) name: Option<At<String>>,
    pub(super) description: String,
    pub(super) aliases: Vec<At<String>>,
    pub(super) default_severity: Option<Severity>,
    pub(super) active: bool,
}

pub(super) struct RawIntegration {
    pub(super) name: Option<At<String>>,
    pub(super) source: Option<SourceKind>,
    pub(super) routing_keys: Vec<At<RawSecret>>,
    pub(super) signing_secrets: Vec<At<RawSecret>>,
    pub(super) default_service: Option<At<String>>,
    pub(super) default_severity: Option<Severity>,
    pub(super) after_resolve: Option<AfterResolve>,
    pub(super) on_unknown_resolve: Option<OnUnknownResolve>,
    pub(super) formerly: Vec<At<String>>,
    pub(super) rate_per_minute: u32,
}

pub(super) struct RawToken {
    pub(super) name: Option<At<String>>,
    pub(super) email: Option<String>,
    pub(super) token: Option<At<RawSecret>>,
    pub(super) scopes: Vec<Scope>,
    pub(super) rate_per_minute: u32,
}

impl RawConfig {
    pub(super) fn read(reader: &mut Reader<'_>, document: &DeTable<'_>) -> Self {
        Section::root(reader, document, |root| {
            let (store_path, store_create) = root.table("store", |store| {
                (store.or("path", "firebell.db".into(), short(4096)), store.or("create", true, flag))
            });
            let (default_severity, organization) = root.table("defaults", |defaults| {
                let severity = defaults.or("severity", Severity::Sev2, severity);
                (severity, defaults.or("organization", "Home".into(), short(200)))
            });
            Self {
                listen: root.optional("listen", socket_address),
                public_url: root.optional("public_url", base_url).map(|at| at.value),
                store_path,
                store_create,
                default_severity,
                organization,
                close_resolved_after: root.table("retention", |retention| {
                    retention.or("close_resolved_after", 7 * DAY, duration("1s", "3650d"))
                }),
                anonymous: root.table("access", |access| {
                    values(access.list("anonymous", choice(&Anonymous::ALL, Anonymous::as_str)))
                }),
                log: root.table("log", read_log),
                limits: root.table("limits", Limits::read),
                services: root.tables("services", read_service),
                integrations: root.tables("integrations", read_integration),
                tokens: root.tables("tokens", read_token),
            }
        })
    }
}

fn read_log(log: &mut Section<'_, '_>) -> Log {
    Log {
        level: log.or("level", LogLevel::Info, choice(&LogLevel::ALL, LogLevel::as_str)),
        format: log.or("format", LogFormat::Text, choice(&LogFormat::ALL, LogFormat::as_str)),
    }
}

fn read_service(service: &mut Section<'_, '_>) -> RawService {
    RawService {
        id: service.required("id", short(50)),
        name: service.required("name", short(200)),
        description: service.or("description", String::new(), string),
        aliases: service.list("aliases", short(50)),
        default_severity: service.optional("default_severity", severity).map(|at| at.value),
        active: service.or("active", true, flag),
    }
}

fn read_integration(integration: &mut Section<'_, '_>) -> RawIntegration {
    let after_resolve = |value| match value {
        AfterResolve::Reopen => "reopen",
        AfterResolve::New => "new",
    };
    let on_unknown_resolve = |value| match value {
        OnUnknownResolve::Create => "create",
        OnUnknownResolve::Ignore => "ignore",
    };
    RawIntegration {
        name: integration.required("name", name),
        source: integration
            .required("source", choice(&SourceKind::ALL, SourceKind::as_str))
            .map(|at| at.value),
        routing_keys: integration.filled_list("routing_keys", "without a key nobody can call it", raw_secret),
        signing_secrets: integration.list("signing_secrets", raw_secret),
        default_service: integration.optional("default_service", short(50)),
        default_severity: integration.optional("default_severity", severity).map(|at| at.value),
        after_resolve: integration
            .optional("after_resolve", choice(&[AfterResolve::Reopen, AfterResolve::New], after_resolve))
            .map(|at| at.value),
        on_unknown_resolve: integration
            .optional(
                "on_unknown_resolve",
                choice(&[OnUnknownResolve::Create, OnUnknownResolve::Ignore], on_unknown_resolve),
            )
            .map(|at| at.value),
        formerly: integration.list("formerly", name),
        rate_per_minute: integration.or("rate_per_minute", 0, integer(0..=1_000_000)),
    }
}

fn read_token(token: &mut Section<'_, '_>) -> RawToken {
    RawToken {
        name: token.required("name", name),
        // What an incident's `assigned_to` can hold.
        email: token.optional("email", short(254)).map(|at| at.value),
        token: token.required("token", raw_secret),
        scopes: values(token.filled_list(
            "scopes",
            "without a scope it allows nothing",
            choice(&Scope::ALL, Scope::as_str),
        )),
        rate_per_minute: token.or("rate_per_minute", 0, integer(0..=1_000_000)),
    }
}

fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|at| at.value).collect()
}
