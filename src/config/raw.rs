//! What was written: every option by name, with its type, range and default, and with its place where a later check
//! needs one. The functions below are the list of what exists.
//!
//! Nothing here depends on another option, a file or the machine; that is [`super::resolve`]'s.

use std::net::SocketAddr;
use std::time::Duration;

use super::channels::{RawChannel, read_channel};
use super::deliveries::DeliveryLimits;
use super::heartbeats::{RawHeartbeat, RawWatchdog};
use super::limits::Limits;
use super::mapping::read_mapping;
use super::notify::NotifyLimits;
use super::problem::{At, values};
use super::reader::Section;
use super::routes::{RawRoute, read_route};
use super::secret::{RawSecret, raw_secret};
use super::value::{
    base_url, choice, duration, email, flag, header_name, integer, name, scheme, severity, short,
    socket_address, string,
};
use super::{Log, StoreConfig};
use crate::model::Severity;
use crate::registry::{AfterResolve, OnUnknownResolve, Scope, SignatureScheme};
use crate::source::{Dedup, KINDS, Mapping, MessageRules, presets};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct RawConfig {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) public_url: Option<String>,
    /// With the path as it was written.
    pub(super) store: StoreConfig,
    pub(super) defaults: RawDefaults,
    pub(super) close_resolved_after: Duration,
    pub(super) deliveries: DeliveryLimits,
    pub(super) anonymous: Vec<Scope>,
    pub(super) session: Duration,
    pub(super) log: Log,
    pub(super) notify: NotifyLimits,
    pub(super) channels: Vec<RawChannel>,
    pub(super) routes: Vec<RawRoute>,
    pub(super) limits: Limits,
    pub(super) services: Vec<RawService>,
    pub(super) integrations: Vec<RawIntegration>,
    pub(super) heartbeats: Vec<RawHeartbeat>,
    pub(super) watchdog: RawWatchdog,
    pub(super) tokens: Vec<RawToken>,
}

pub(super) struct RawDefaults {
    pub(super) severity: Severity,
    pub(super) organization: String,
}

/// Where a value that must be there is `None`, its absence has been reported.
pub(super) struct RawService {
    pub(super) id: Option<At<String>>,
    pub(super) name: Option<String>,
    pub(super) description: String,
    pub(super) aliases: Vec<At<String>>,
    pub(super) default_severity: Option<Severity>,
    pub(super) active: bool,
}

pub(super) struct RawIntegration {
    pub(super) name: Option<At<String>>,
    /// The name of a source or a preset.
    pub(super) source: Option<At<&'static str>>,
    pub(super) mapping: Option<At<Mapping>>,
    pub(super) routing_keys: Vec<At<RawSecret>>,
    pub(super) signing_secrets: Vec<At<RawSecret>>,
    pub(super) signature: Option<At<SignatureScheme>>,
    pub(super) signature_timestamp_header: Option<At<String>>,
    pub(super) basic_auth: Vec<At<RawSecret>>,
    pub(super) bearer_tokens: Vec<At<RawSecret>>,
    pub(super) default_service: Option<At<String>>,
    pub(super) default_severity: Option<Severity>,
    pub(super) after_resolve: Option<AfterResolve>,
    pub(super) on_unknown_resolve: Option<OnUnknownResolve>,
    pub(super) messages: MessageRules,
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
    pub(super) fn read(root: &mut Section<'_, '_>) -> Self {
        let (anonymous, session) = root.table("access", |access| {
            let anonymous = values(access.list("anonymous", choice(&Scope::ALL, Scope::as_str)));
            (anonymous, access.or("session", 30 * DAY, duration("1m", "365d")))
        });
        Self {
            listen: root.optional("listen", socket_address),
            public_url: root.optional("public_url", base_url).map(|at| at.value),
            store: root.table("store", |store| StoreConfig {
                path: store.or("path", "firebell.db".into(), short(4096)).into(),
                create: store.or("create", true, flag),
            }),
            defaults: root.table("defaults", |defaults| RawDefaults {
                severity: defaults.or("severity", Severity::Sev2, severity),
                organization: defaults.or("organization", "Home".into(), short(200)),
            }),
            close_resolved_after: root.table("retention", |retention| {
                retention.or("close_resolved_after", 7 * DAY, duration("1s", "3650d"))
            }),
            deliveries: root.table("deliveries", DeliveryLimits::read),
            anonymous,
            session,
            log: root.table("log", Log::read),
            notify: root.table("notify", NotifyLimits::read),
            channels: root.tables("channels", read_channel),
            routes: root.tables("routes", read_route),
            limits: root.table("limits", Limits::read),
            services: root.tables("services", read_service),
            integrations: root.tables("integrations", read_integration),
            heartbeats: root.tables("heartbeats", RawHeartbeat::read),
            watchdog: root.table("watchdog", RawWatchdog::read),
            tokens: root.tables("tokens", read_token),
        }
    }
}

fn read_service(service: &mut Section<'_, '_>) -> RawService {
    RawService {
        id: service.required("id", short(50)),
        name: service.required("name", short(200)).map(|at| at.value),
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
        source: integration.required("source", choice(&source_names(), |name| name)),
        mapping: integration.optional_table("mapping", read_mapping),
        routing_keys: integration.filled_list("routing_keys", "without a key nobody can call it", raw_secret),
        signing_secrets: integration.list("signing_secrets", raw_secret),
        signature: integration.optional("signature", scheme),
        signature_timestamp_header: integration.optional("signature_timestamp_header", header_name),
        basic_auth: integration.list("basic_auth", raw_secret),
        bearer_tokens: integration.list("bearer_tokens", raw_secret),
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
        messages: read_message_rules(integration),
        formerly: integration.list("formerly", name),
        rate_per_minute: integration.or("rate_per_minute", 0, integer(0..=1_000_000)),
    }
}

fn read_message_rules(integration: &mut Section<'_, '_>) -> MessageRules {
    let dedup = |value| match value {
        Dedup::Title => "title",
        Dedup::None => "none",
    };
    let mut texts = |name, default: &[&str]| {
        let list = integration.optional_list(name, short(200));
        list.map_or_else(|| default.iter().map(ToString::to_string).collect(), values)
    };
    MessageRules {
        resolve_tags: texts("resolve_tags", &MessageRules::RESOLVE_TAGS),
        resolve_prefixes: texts("resolve_prefixes", &MessageRules::RESOLVE_PREFIXES),
        dedup: integration.or("dedup", Dedup::default(), choice(&[Dedup::Title, Dedup::None], dedup)),
    }
}

/// What `source` may be: a kind, or a preset.
fn source_names() -> Vec<&'static str> {
    KINDS.iter().chain(&presets::ALL).map(|(name, _)| *name).collect()
}

fn read_token(token: &mut Section<'_, '_>) -> RawToken {
    RawToken {
        name: token.required("name", name),
        email: token.optional("email", email).map(|at| at.value),
        token: token.required("token", raw_secret),
        scopes: values(token.filled_list(
            "scopes",
            "without a scope it allows nothing",
            choice(&Scope::ALL, Scope::as_str),
        )),
        rate_per_minute: token.or("rate_per_minute", 0, integer(0..=1_000_000)),
    }
}
