//! The way out: the few things that Firebell fetches by itself, and the client by which it asks anybody anything.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use url::Url;

/// How long that may take, everything included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that are read of an answer.
const MOST_BYTES: u64 = 64 * 1024;

type Fetch = dyn Fn(&Url) -> Result<Vec<u8>, String> + Send + Sync;

/// What is fetched. Whoever asks has made sure that the address may be asked. In tests, another one leads to the test.
#[derive(Clone)]
pub struct Outbound(Arc<Fetch>);

impl Outbound {
    /// To the network, by the proxy that the environment may name. Redirects are not followed: they may lead anywhere.
    #[must_use]
    pub fn network() -> Self {
        let agent: ureq::Agent = http_client(TIMEOUT).max_redirects(0).build().into();
        Self::by(move |url| {
            let mut answer = agent.get(url.as_str()).call().map_err(|error| error.to_string())?;
            let mut body = Vec::new();
            let reader = answer.body_mut().as_reader();
            reader.take(MOST_BYTES).read_to_end(&mut body).map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(body) } else { Err(format!("answered {}", answer.status())) }
        })
    }

    /// By that function, which gives the body of a success.
    #[must_use]
    pub fn by(fetch: impl Fn(&Url) -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fetch))
    }

    /// What is at `url`, cut off at 64 KiB. Blocks for ten seconds at most.
    ///
    /// # Errors
    /// Why nothing came of it.
    pub fn fetch(&self, url: &Url) -> Result<Vec<u8>, String> {
        (self.0)(url)
    }
}

/// An HTTP client whose requests take no longer than `timeout`, by the proxy that the environment may name, and by TLS
/// that is verified by the system's roots, which an operator can add to: the library's default would be roots of its own.
#[must_use]
pub fn http_client(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let cryptography = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(cryptography)
        .build();
    ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .tls_config(tls)
        .user_agent(concat!("firebell/", env!("CARGO_PKG_VERSION")))
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}
