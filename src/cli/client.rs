//! The command line's HTTP client: what reads and changes incidents asks the server, so that only it has the store.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Proxy};
use url::Url;

use super::{Failure, given, load};
use crate::config::{Config, is_local_url};
use crate::registry::Scope;

/// How long a command waits for an answer: longer than a server waits for its disk, unless configured otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Which server to talk to.
#[derive(Debug, Args)]
pub struct Target {
    /// The server; without it FIREBELL_URL, else the configuration's `listen`
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The API token; without it FIREBELL_TOKEN, else the first one in the configuration that has the scope
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// A server to talk to.
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl Client {
    /// The server that `target` names, else the configuration's. `scope` is what the token must allow. The
    /// configuration is returned if there is one: with `--url`, none is needed.
    pub fn new(
        flag: Option<&Path>,
        target: &Target,
        scope: Option<Scope>,
    ) -> Result<(Self, Option<Config>), Failure> {
        let target_url = given(target.url.as_ref(), "FIREBELL_URL");
        let config = match (load(flag), &target_url) {
            (Ok((_, config)), _) => Some(config),
            (Err(_), Some(_)) if flag.is_none() => None,
            (Err(problems), _) => return Err(problems.into()),
        };
        let listen = config.as_ref().map(|config| reachable(config.listen));
        let base = target_url.or_else(|| listen.map(|listen| format!("http://{listen}")));
        let base = base.unwrap_or_default().trim_end_matches('/').to_owned();
        let url = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url =
            url.ok_or_else(|| format!("{base:?} is no URL of a server; it begins with http:// or https://"))?;
        // One that lacks the scope is sent too: the server then says what is lacking.
        let configured = || {
            let config = config.as_ref()?;
            let any = config.client_tokens.first().map(|token| &token.secret);
            config.token_for(scope?).or(any).map(|secret| secret.expose().to_owned())
        };
        let token = given(target.token.as_ref(), "FIREBELL_TOKEN").or_else(configured);
        // What is meant for this machine stays on it, whatever proxy the environment names.
        let proxy = if is_local_url(&url) { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .proxy(proxy)
            .http_status_as_error(false)
            .user_agent(concat!("firebell/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok((Self { agent, base, token }, config))
    }

    /// `GET`; `data` of the answer.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        };
        self.data(request.call())
    }

    /// `POST`; `data` of the answer.
    pub fn post(&self, path: &str, body: &str, headers: &[(&str, String)]) -> Result<Value, Failure> {
        let mut request =
            self.agent.post(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.data(request.send(body))
    }

    fn data(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Failure> {
        let base = &self.base;
        let mut answer = answer.map_err(|error| {
            Failure(format!(
                "cannot reach {base}: {error}; is `firebell serve` running there? (--url, FIREBELL_URL)"
            ))
        })?;
        let status = answer.status();
        let body = answer.body_mut().read_to_string()?;
        let mut body: Value = serde_json::from_str(&body).map_err(|_| {
            Failure(format!("{base} answered {status}, but not as Firebell does; is the URL right?"))
        })?;
        if status.is_success() {
            return Ok(body["data"].take());
        }
        Err(Failure(explain(&body["error"])))
    }
}

/// A refusal, for a person: the message, and each field that is wrong.
fn explain(error: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{} ({})", text(&error["message"]), text(&error["code"]))];
    let fields = error["details"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    if fields.len() > 1 {
        lines.extend(
            fields.iter().map(|field| format!("  {} {}", text(&field["field"]), text(&field["message"]))),
        );
    }
    lines.join("\n")
}

/// Where a server that listens on `listen` can be reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
