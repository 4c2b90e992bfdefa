//! The configuration: what `config.toml`, the environment and the files they name say, or everything that is wrong
//! with it.
//!
//! In three steps, none of which stops at the first mistake: `reader` walks the document and `raw` asks it for
//! every option there is (what was written); `resolve` turns that into a [`Config`] (what it means).

mod channels;
mod deliveries;
mod heartbeats;
mod integrations;
mod limits;
mod log;
mod mapping;
mod notify;
mod problem;
mod raw;
mod reader;
mod resolve;
mod routes;
mod secret;
mod template;
mod value;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::{Host, Url};

pub use channels::{ChannelPreset, Form};
pub use deliveries::DeliveryLimits;
pub use heartbeats::Watchdog;
pub use limits::Limits;
pub use log::{Log, LogFormat, LogLevel};
pub use mapping::Preset;
pub use notify::NotifyLimits;
pub use problem::Problems;
pub use secret::Secret;
pub use template::fresh;

use problem::{Collector, Place};
use raw::RawConfig;
use resolve::Resolver;

use crate::channel::Channel;
use crate::registry::{Registry, Scope};
use crate::routing::Routing;

/// Where the server listens unless told otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Where a configuration is looked for when none is named.
const PLACES: [&str; 2] = ["config.toml", "/etc/firebell/config.toml"];

/// What the configuration means.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What links begin with: absolute, `http` or `https`, no slash at the end. See [`Config::public_url_at`].
    pub public_url: String,
    /// The store.
    pub store: StoreConfig,
    /// Whose incidents these are; `/auth/verify` says so.
    pub organization: String,
    /// How long a resolved incident waits to be closed.
    pub close_resolved_after_ms: i64,
    /// How much of what senders delivered is kept.
    pub deliveries: DeliveryLimits,
    /// The bounds.
    pub limits: Limits,
    /// What may be done on a network, or once there are tokens, without one.
    pub anonymous: Vec<Scope>,
    /// How long who has logged in stays so.
    pub session_ms: i64,
    /// The log.
    pub log: Log,
    /// The bounds of what is owed to people.
    pub notify: NotifyLimits,
    /// Ways to tell people, in the configuration's order.
    pub channels: Vec<Arc<Channel>>,
    /// Who is told of what.
    pub routing: Arc<Routing>,
    /// Whom Firebell tells that it is well.
    pub watchdog: Option<Watchdog>,
    /// The services, integrations and tokens, as requests find them.
    pub registry: Arc<Registry>,
    /// What posts to each integration, in the configuration's order. For commands; the server needs the registry only.
    pub senders: Vec<Sender>,
    /// The tokens, in the configuration's order. For commands, likewise.
    pub client_tokens: Vec<ClientToken>,
}

/// The store's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where it is; a relative path has been put behind the configuration file's folder.
    pub path: PathBuf,
    /// Whether a missing file is created; else it is a refused start.
    pub create: bool,
}

/// What `firebell send` needs to post to an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The integration's name.
    pub integration: String,
    /// Its first routing key.
    pub routing_key: Secret,
    /// It takes Firebell's own format, in which commands send.
    pub is_custom: bool,
    /// Its first signing secret, if requests must be signed.
    pub signing_secret: Option<Secret>,
}

/// What a command needs to call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientToken {
    /// The token's name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The token itself.
    pub secret: Secret,
}

impl Config {
    /// What posts to the integration of that name.
    #[must_use]
    pub fn sender(&self, integration: &str) -> Option<&Sender> {
        self.senders.iter().find(|sender| sender.integration == integration)
    }

    /// The first token that allows `scope`.
    #[must_use]
    pub fn token_for(&self, scope: Scope) -> Option<&Secret> {
        self.client_tokens.iter().find(|token| token.scopes.contains(&scope)).map(|token| &token.secret)
    }

    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.listen)
    }

    /// Whether `public_url` is a name of this machine for itself.
    #[must_use]
    pub fn has_local_public_url(&self) -> bool {
        Url::parse(&self.public_url).is_ok_and(|url| is_local_url(&url))
    }

    /// What links begin with once the server is `bound`: the same, but for the port that `listen` left to the system.
    #[must_use]
    pub fn public_url_at(&self, bound: SocketAddr) -> String {
        if self.public_url == default_public_url(self.listen) {
            default_public_url(bound)
        } else {
            self.public_url.clone()
        }
    }
}

/// The configuration file to use: `flag` if it is given, else the first that exists in the usual places.
///
/// # Errors
/// When there is none; the text says where it was looked for and how to get one.
pub fn find(flag: Option<&Path>) -> Result<PathBuf, Problems> {
    flag.map_or_else(|| first_of(&PLACES), |path| Ok(path.to_owned()))
}

fn first_of(places: &[&str]) -> Result<PathBuf, Problems> {
    // One that is there but cannot be read is meant; `load` says what is wrong with it.
    let missing = |path: &str| fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    places.iter().find(|path| !missing(path)).map(PathBuf::from).ok_or_else(|| {
        Problems::without_file(format!(
            "no configuration: neither {} exists; `firebell init` writes one, --config FILE or FIREBELL_CONFIG names \
             another",
            places.join(" nor ")
        ))
    })
}

/// Reads the file at `path`. `env` looks up environment variables: `FIREBELL_…` ones override options outside arrays
/// (`FIREBELL_LIMITS_QUEUE` is `queue` in `[limits]`, and means the same), others are what secrets refer to.
///
/// # Errors
/// Everything that is wrong with it. Where the syntax is broken, what depends on the lost parts is not judged.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Problems::of_file(path, "does not exist; `firebell init` writes a configuration")
        }
        _ => Problems::of_file(path, format!("cannot be read: {error}")),
    })?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(not_utf8(path, &bytes[..error.valid_up_to()])),
    };
    parse(path, text, env)
}

fn parse(path: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    let (raw, mut problems, incomplete) = reader::read(path, text, env, RawConfig::read);
    if incomplete {
        return Err(problems.into_problems());
    }
    let config = Resolver { folder: folder_of(path), env, problems: &mut problems }.config(raw);
    problems.finish(config)
}

fn not_utf8(path: &Path, valid: &[u8]) -> Problems {
    let text = String::from_utf8_lossy(valid);
    let mut problems = Collector::new(path, &text);
    problems.report(&Place::Byte(text.len()), "is not UTF-8 from here on");
    problems.into_problems()
}

/// The folder that relative paths start from. Never empty: SQLite gives bare names like `:memory:` a meaning of their
/// own, and a store that lives in memory would break every promise.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a URL leads to this machine without leaving it.
#[must_use]
pub fn is_local_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn default_public_url(listen: SocketAddr) -> String {
    format!("http://{listen}")
}
