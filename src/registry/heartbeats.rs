//! The heartbeats of the configuration, found by what a ping carries.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::{AfterResolve, Hash, Integration, OnUnknownResolve, Protection, Registry, hash};
use crate::model::Heartbeat;
use crate::source::Source;

/// The integration whose incidents those of heartbeats are; nothing else may be called so.
pub const HEARTBEATS: &str = "heartbeats";

/// The heartbeats, each found by its keys or its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Heartbeats {
    all: Vec<Arc<Heartbeat>>,
    by_key: HashMap<Hash, usize>,
}

impl Registry {
    /// The same with heartbeats, each with its keys. That these are no routing keys is the configuration's business.
    #[must_use]
    pub fn with_heartbeats(mut self, heartbeats: Vec<(Heartbeat, Vec<String>)>) -> Self {
        for (index, (heartbeat, keys)) in heartbeats.into_iter().enumerate() {
            self.heartbeats.by_key.extend(keys.iter().map(|key| (hash(key), index)));
            self.heartbeats.all.push(Arc::new(heartbeat));
        }
        self
    }

    /// Every heartbeat, in the configuration's order.
    #[must_use]
    pub fn heartbeats(&self) -> &[Arc<Heartbeat>] {
        &self.heartbeats.all
    }

    /// The owner of a key. Looked up by hash: how long it takes says nothing about the keys.
    #[must_use]
    pub fn heartbeat(&self, key: &str) -> Option<&Arc<Heartbeat>> {
        self.heartbeats.by_key.get(&hash(key)).map(|&index| &self.heartbeats.all[index])
    }

    /// The heartbeat of that name.
    #[must_use]
    pub fn heartbeat_named(&self, name: &str) -> Option<&Arc<Heartbeat>> {
        self.heartbeats.all.iter().find(|heartbeat| heartbeat.name == name)
    }

    /// Whether something is the SHA-256 of a heartbeat's key.
    pub(super) fn is_heartbeats_key(&self, known: &Hash) -> bool {
        self.heartbeats.by_key.contains_key(known)
    }
}

/// The integration [`HEARTBEATS`]. It is in no configuration and has no key: nobody can send to it. A heartbeat that is
/// missed after its incident was resolved is another incident.
#[must_use]
pub fn heartbeats_integration() -> Arc<Integration> {
    static INTEGRATION: LazyLock<Arc<Integration>> = LazyLock::new(|| {
        Arc::new(Integration {
            name: HEARTBEATS.into(),
            source: Source::Custom,
            protection: Protection::default(),
            default_service: None,
            default_severity: None,
            after_resolve: AfterResolve::New,
            on_unknown_resolve: OnUnknownResolve::Ignore,
            formerly: Vec::new(),
            rate_per_minute: 0,
        })
    });
    Arc::clone(&INTEGRATION)
}
