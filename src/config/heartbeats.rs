//! The `[[heartbeats]]` and the `[watchdog]`: what was written, and what it means.

use std::time::Duration;

use url::Url;

use super::problem::{At, Place};
use super::reader::Section;
use super::resolve::{Resolver, Unique, label};
use super::secret::{RawSecret, Secret, raw_secret};
use super::value::{Given, duration, milliseconds, name, severity, short};
use crate::model::{Heartbeat, Severity, is_web_url};
use crate::registry::{HEARTBEATS, PLACEHOLDER_KEY, Registry};

const MINUTE: Duration = Duration::from_secs(60);

/// Whom Firebell tells that it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    /// A web address; whoever knows it can say so too.
    url: Secret,
    /// How often.
    pub every_ms: i64,
}

impl Watchdog {
    /// What to ask for. It must not reach a log line or an error.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        Url::parse(self.url.expose()).ok()
    }
}

/// Where a value that must be there is `None`, its absence has been reported.
pub(super) struct RawHeartbeat {
    name: Option<At<String>>,
    title: Option<String>,
    keys: Vec<At<RawSecret>>,
    service: Option<At<String>>,
    severity: Option<Severity>,
    period: Option<Duration>,
    grace: Duration,
}

pub(super) struct RawWatchdog {
    url: Option<At<RawSecret>>,
    every: Duration,
}

impl RawHeartbeat {
    /// Reads one of `[[heartbeats]]`.
    pub(super) fn read(heartbeat: &mut Section<'_, '_>) -> Self {
        Self {
            name: heartbeat.required("name", name),
            title: heartbeat.optional("title", short(100)).map(|at| at.value),
            keys: heartbeat.filled_list("keys", "without a key it cannot report", raw_secret),
            service: heartbeat.required("service", short(50)),
            severity: heartbeat.optional("severity", severity).map(|at| at.value),
            period: heartbeat.required("period", duration("1m", "3650d")).map(|at| at.value),
            grace: heartbeat.or("grace", 5 * MINUTE, duration("1s", "3650d")),
        }
    }
}

impl RawWatchdog {
    /// Reads `[watchdog]`.
    pub(super) fn read(watchdog: &mut Section<'_, '_>) -> Self {
        Self {
            url: watchdog.optional("url", secret),
            every: watchdog.or("every", MINUTE, duration("10s", "1d")),
        }
    }
}

/// A secret outside arrays: the environment may give it as it is.
fn secret(given: Given<'_>) -> Result<RawSecret, String> {
    match given {
        Given::Text(text) => Ok(RawSecret::Text(Secret::new(text.to_owned()))),
        Given::Toml(_) => raw_secret(given),
    }
}

impl Resolver<'_, '_> {
    pub(super) fn heartbeats(
        &mut self,
        raw: Vec<RawHeartbeat>,
        services: Option<&Registry>,
        keys_in_use: &mut Unique,
    ) -> Vec<(Heartbeat, Vec<String>)> {
        let mut names = Unique::default();
        let mut heartbeats = Vec::new();
        for raw in raw {
            if let Some(name) = &raw.name {
                self.claim_name("heartbeat name", name, &mut names);
            }
            let label = label(raw.name.as_ref());
            let keys = self.heartbeat_keys(raw.keys, &label, keys_in_use);
            let service = raw
                .service
                .zip(services)
                .and_then(|(at, services)| self.service_of("heartbeats.service", &at, services));
            let (Some(name), Some(service), Some(period)) = (raw.name, service, raw.period) else { continue };
            let heartbeat = Heartbeat {
                title: raw.title.unwrap_or_else(|| name.value.clone()),
                name: name.value,
                service,
                severity: raw.severity,
                period_ms: milliseconds(period),
                grace_ms: milliseconds(raw.grace),
            };
            heartbeats.push((heartbeat, keys));
        }
        heartbeats
    }

    /// One pool with routing keys: a key says who it is, wherever it is sent.
    fn heartbeat_keys(&mut self, raw: Vec<At<RawSecret>>, label: &str, in_use: &mut Unique) -> Vec<String> {
        let what = format!("a key of heartbeat `{label}`");
        let mut keys = Vec::new();
        for At { value, place } in raw {
            let Some(key) = self.secret(value, &place, &what) else { continue };
            self.check_key(key.expose(), &place, &what);
            if key.expose() == PLACEHOLDER_KEY {
                let message = format!(
                    "{what} is the placeholder that everybody knows; `openssl rand -hex 16` makes a key"
                );
                self.problems.report(&place, message);
            }
            self.claim_key(key.expose(), label, &place, &what, in_use);
            keys.push(key.into_string());
        }
        keys
    }

    pub(super) fn watchdog(&mut self, raw: RawWatchdog) -> Option<Watchdog> {
        let At { value, place } = raw.url?;
        let url = self.secret(value, &place, "`watchdog.url`")?;
        if !is_web_url(url.expose()) {
            self.problems.report(&place, "`watchdog.url` must be an absolute http or https URL");
        }
        Some(Watchdog { url, every_ms: milliseconds(raw.every) })
    }

    /// Incidents of an integration of that name would pass for those of heartbeats.
    pub(super) fn check_not_reserved(&mut self, name: &str, place: &Place) {
        if name == HEARTBEATS {
            let message = format!(
                "integration name `{HEARTBEATS}` is that of the incidents of [[heartbeats]]; choose another"
            );
            self.problems.report(place, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Problems, parse};

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
        let text = format!("[[services]]\nid = \"SER-1\"\nname = \"Web\"\naliases = [\"web\"]\n{text}");
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        parse(Path::new("config.toml"), &text, &lookup)
    }

    #[test]
    fn a_heartbeat_needs_little_and_reads_as_it_is_meant() {
        let text = "[[heartbeats]]\nname = \"backup\"\nkeys = [\"0b7ac2f6-2a3c-4b0e-9f0e-6a1f6d1f0a11\"]\n\
                    service = \"web\"\nperiod = \"1d\"\n";
        let config = load(text, &[]).unwrap();
        let backup = config.registry.heartbeat("0b7ac2f6-2a3c-4b0e-9f0e-6a1f6d1f0a11").unwrap();
        assert_eq!((backup.title.as_str(), backup.service.as_str()), ("backup", "SER-1"));
        assert_eq!((backup.period_ms, backup.grace_ms), (86_400_000, 300_000));
        assert_eq!((config.registry.heartbeat("backup"), config.watchdog), (None, None));
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        let text = "[[heartbeats]]\nname = \"a\"\nkeys = [\"short\", \"0123456789abcdef\", \"YOUR_ROUTING_KEY\"]\n\
                    service = \"wep\"\nperiod = \"59s\"\n\
                    [[heartbeats]]\nname = \"a\"\nkeys = []\ngrace = 5\n\
                    [[integrations]]\nname = \"heartbeats\"\nsource = \"custom\"\nrouting_keys = [\"0123456789abcdef\"]\n\
                    [watchdog]\nurl = \"ftp://S3CRET\"\nevery = \"9s\"";
        let expected = "config.toml:7:9: a key of heartbeat `a` must be 16 to 128 of the characters A-Z, a-z, 0-9, `_` and `-`; `openssl rand -hex 16` makes one
config.toml:7:18: a key of heartbeat `a` is already a key of `heartbeats`, line 17
config.toml:7:38: a key of heartbeat `a` is the placeholder that everybody knows; `openssl rand -hex 16` makes a key
config.toml:8:11: `heartbeats.service`: `wep` is no service; did you mean `SER-1`?
config.toml:9:10: `heartbeats.period` must be a duration from \"1m\" to \"3650d\", such as \"30s\"
config.toml:10:1: `heartbeats.period` is missing
config.toml:10:1: `heartbeats.service` is missing
config.toml:11:8: heartbeat name `a` is already taken on line 6
config.toml:12:8: `heartbeats.keys` is empty; without a key it cannot report
config.toml:13:9: `heartbeats.grace` must be a duration from \"1s\" to \"3650d\", such as \"30s\": it needs a unit (ms, s, m, h, d)
config.toml:15:8: integration name `heartbeats` is that of the incidents of [[heartbeats]]; choose another
config.toml:19:7: `watchdog.url` must be an absolute http or https URL
config.toml:20:9: `watchdog.every` must be a duration from \"10s\" to \"1d\", such as \"30s\"";
        assert_eq!(load(text, &[]).unwrap_err().to_string(), expected);
    }

    #[test]
    fn the_watchdogs_url_may_be_in_the_environment_and_never_shows_itself() {
        let url = ("FIREBELL_WATCHDOG_URL", "https://hc.example/S3CRET");
        let config = load("[watchdog]\nevery = \"5m\"\n", &[url]).unwrap();
        assert!(!format!("{config:?}").contains("S3CRET"));
        let watchdog = config.watchdog.unwrap();
        assert_eq!((watchdog.url().unwrap().as_str(), watchdog.every_ms), (url.1, 300_000));
    }
}
