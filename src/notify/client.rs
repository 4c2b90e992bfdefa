//! Sending a request over HTTP, to wherever a channel says.

use std::io::Read;
use std::time::Duration;

use http::header::RETRY_AFTER;
use tokio::sync::oneshot;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::address;
use crate::channel::Answered;
use crate::outbound::http_client;

/// Bytes that are read of an answer.
const MOST_BYTES: u64 = 16 * 1024;

/// Sends requests. Redirects are not followed, and no connection is kept: on one that its receiver has just closed nobody knows what arrived.
#[derive(Clone, Debug)]
pub struct Client(ureq::Agent);

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Reply {
    /// The same, as channels judge it; `now_s` is when it came.
    #[must_use]
    pub fn answered(&self, now_s: i64) -> Answered<'_> {
        let Self { status, retry_after, body } = self;
        Answered { status: *status, retry_after: retry_after.as_deref(), body, now_s }
    }
}

impl Client {
    /// A client whose attempts take no longer than `timeout`; whether it refuses addresses that are no public ones.
    #[must_use]
    pub fn new(timeout: Duration, refuse_private: bool) -> Self {
        let config = http_client(timeout)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .build();
        let resolver = Guarded { refuse_private, resolver: DefaultResolver::default() };
        Self(ureq::Agent::with_parts(config, DefaultConnector::default(), resolver))
    }

    /// Sends a request from a thread of its own: there is at most one for each channel, and none as long as nobody is
    /// told anything.
    ///
    /// # Errors
    /// Why no answer came.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Reply, String> {
        let agent = self.0.clone();
        let (done, reply) = oneshot::channel();
        let thread = std::thread::Builder::new().name("notify".into());
        let spawned = thread.spawn(move || done.send(exchange(&agent, request)).ok());
        spawned.map_err(|error| format!("no thread to send it from: {error}"))?;
        reply.await.unwrap_or_else(|_| Err("the sending thread died of a bug".into()))
    }
}

fn exchange(agent: &ureq::Agent, request: http::Request<Vec<u8>>) -> Result<Reply, String> {
    let mut response = agent.run(request).map_err(|error| match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer within `[notify] timeout`".to_owned(),
        other => other.to_string(),
    })?;
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(Into::into);
    let status = response.status().as_u16();
    let mut body = Vec::new();
    // The status has said it; a body that does not come changes nothing.
    response.body_mut().as_reader().take(MOST_BYTES).read_to_end(&mut body).ok();
    Ok(Reply { status, retry_after, body })
}

/// Looks at what a name resolves to before anybody connects there.
#[derive(Debug)]
struct Guarded {
    refuse_private: bool,
    resolver: DefaultResolver,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &http::Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        if self.refuse_private {
            let addresses = found.iter().map(std::net::SocketAddr::ip);
            address::all_public(addresses).map_err(|message| {
                let is_proxy = config.proxy().is_some_and(|proxy| Some(proxy.host()) == uri.host());
                let whose = if is_proxy { "the proxy's address " } else { "" };
                std::io::Error::new(std::io::ErrorKind::PermissionDenied, format!("{whose}{message}"))
            })?;
        }
        Ok(found)
    }
}
