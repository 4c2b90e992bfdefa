//! The few things that Firebell fetches by itself. Whoever asks has made sure that the address may be asked.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

/// How long that may take, everything included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that are read of an answer.
const MOST_BYTES: u64 = 64 * 1024;

type Fetch = dyn Fn(&Url) -> Result<Vec<u8>, String> + Send + Sync;

/// The way out. In tests another one leads to the test.
#[derive(Clone)]
pub struct Outbound(Arc<Fetch>);

impl Outbound {
    /// To the network, by the proxy that the environment may name. Redirects are not followed: they may lead anywhere.
    #[must_use]
    pub fn network() -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .user_agent(concat!("firebell/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
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

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbound")
    }
}
