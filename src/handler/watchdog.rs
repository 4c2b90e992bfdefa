//! Telling an external watchdog that Firebell is well, which it is as long as writes reach the disk: who notices that
//! nothing comes any more looks what is wrong here.

use std::sync::atomic::Ordering;

use tokio::sync::Mutex;

use super::Handler;
use crate::outbound::Outbound;
use crate::redact::{parts, redact};

/// The way to the watchdog, and how it last went.
#[derive(Debug)]
pub struct ToWatchdog {
    outbound: Outbound,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    at_ms: Option<i64>,
    trouble: Option<Trouble>,
}

/// Why the watchdog was not told. Each is said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Store,
    Network,
}

impl ToWatchdog {
    /// By that way.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, last: Mutex::default() }
    }
}

impl Handler {
    /// Tells the watchdog, where it is time to, and only after a write for it has reached the disk. To be called about
    /// every second.
    pub async fn tell_watchdog(&self) {
        let live = self.live();
        let Some(watchdog) = &live.config.watchdog else { return };
        let Some(url) = watchdog.url() else { return };
        let mut last = self.watchdog.last.lock().await;
        let now_ms = self.now_ms();
        if last.at_ms.is_some_and(|at| (0..watchdog.every_ms).contains(&(now_ms - at))) {
            return;
        }
        last.at_ms = Some(now_ms);
        if let Err(error) = self.store.pulse().await {
            if last.trouble.replace(Trouble::Store) != Some(Trouble::Store) {
                let cause = error.cause().map(tracing::field::display);
                tracing::warn!(%error, cause, "the watchdog is not told that all is well: it is not");
            }
            return;
        }
        self.durable_at_ms.store(self.now_ms(), Ordering::Relaxed);
        let outbound = self.watchdog.outbound.clone();
        // Off the thread that serves: an answer may take its time.
        let told = tokio::task::spawn_blocking(move || {
            // The URL is a secret.
            outbound.fetch(&url).map_err(|reason| redact(&reason, parts(&url)))
        });
        let told = told.await.unwrap_or_else(|error| Err(error.to_string()));
        self.metrics.watchdog.told(told.is_ok());
        match told {
            Ok(_) => {
                if last.trouble.take().is_some() {
                    tracing::info!("the watchdog is told again that all is well");
                }
            }
            Err(reason) => {
                if last.trouble.replace(Trouble::Network) != Some(Trouble::Network) {
                    tracing::warn!(reason, "the watchdog could not be told that all is well");
                }
            }
        }
    }
}
