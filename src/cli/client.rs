//! The command line's HTTP client: what reads and changes incidents asks the server, so that only it has the store.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::{Request, Response, header};
use ureq::{Agent, AsSendBody, Body, BodyReader, Proxy};
use url::Url;

use super::trouble::{Trouble, explain};
use super::{Failure, given, load, text};
use crate::config::{Config, is_local_url};
use crate::outbound::http_client;
use crate::registry::Scope;

/// How long a command waits for an answer: longer than a server waits for its disk, unless configured otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);

/// More than any answer that is read as a whole: a page of a hundred incidents, all of them as large as may be.
const MOST_BYTES: u64 = 64 << 20;

/// Which server to talk to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct Target {
    /// The server; without it FIREBELL_URL, else the configuration's `listen`
    #[arg(long, global = true, value_name = "URL", value_parser = server_url)]
    pub url: Option<String>,
    /// The API token; without it FIREBELL_TOKEN, else, for the configuration's own server, the first one there that has
    /// the scope
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// A server to talk to.
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
}

/// `data` of an answer, as it was sent: reading and writing it again would change numbers and the order of members.
pub struct Data(Box<RawValue>);

impl Data {
    /// As JSON.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// As what it is.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        read(&self.0)
    }
}

/// A part of an answer, as what it is.
pub fn read<T: DeserializeOwned>(json: &RawValue) -> Result<T, Trouble> {
    serde_json::from_str(json.get()).map_err(|error| {
        Trouble::Strange(format!("the answer is not one that this version of firebell knows: {error}"))
    })
}

/// A page of a list that is paged by numbers, or several put together.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct OffsetPage {
    pub items: Vec<Box<RawValue>>,
    pub total: u64,
    pub has_more: bool,
    pub next_offset: Option<u64>,
}

impl OffsetPage {
    /// Its items, as what they are.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, Trouble> {
        self.items.iter().map(|item| read(item)).collect()
    }

    /// Says how many there are beside those that were shown, where there are more.
    pub fn say_what_is_left(&self) {
        if self.has_more {
            text::complain(&format!("{} of {} shown; --limit shows more", self.items.len(), self.total));
        }
    }
}

/// Whether a URL leads to the server of a configuration: by its `listen`, its `public_url`, or from this machine.
fn is_server_of(config: &Config, url: &Url) -> bool {
    let public = Url::parse(&config.public_url_at(config.listen));
    let local =
        is_local_url(url) && [0, url.port_or_known_default().unwrap_or(0)].contains(&config.listen.port());
    local
        || public.is_ok_and(|public| public.origin() == url.origin())
        || url.origin().ascii_serialization() == format!("http://{}", config.listen)
}

/// What every answer of the API is in.
#[derive(Default, Deserialize)]
struct Envelope {
    data: Option<Box<RawValue>>,
    error: Option<Value>,
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
        let url = Url::parse(&server_url(&base)?)?;
        // What the configuration keeps is for its own server. One that lacks the scope is sent too: the server then says
        // what is lacking.
        let configured = || {
            let config = config.as_ref().filter(|config| is_server_of(config, &url))?;
            let any = config.client_tokens.first().map(|token| &token.secret);
            config.token_for(scope?).or(any).map(|secret| secret.expose().to_owned())
        };
        let token = given(target.token.as_ref(), "FIREBELL_TOKEN").or_else(configured);
        // What is meant for this machine stays on it, whatever proxy the environment names.
        let proxy = if is_local_url(&url) { None } else { Proxy::try_from_env() };
        let agent = http_client(TIMEOUT).proxy(proxy).http_status_as_error(false).build().into();
        Ok((Self { agent, base, token }, config))
    }

    /// `GET`; `data` of the answer.
    pub fn get(&self, path: &str) -> Result<Data, Trouble> {
        self.data(self.run(self.request("GET", path, &[]), ()))
    }

    /// `POST` of JSON; `data` of the answer.
    pub fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Result<Data, Trouble> {
        self.data(
            self.run(self.request("POST", path, headers).header("Content-Type", "application/json"), body),
        )
    }

    /// `PATCH` of JSON; `data` of the answer.
    pub fn patch(&self, path: &str, body: &str) -> Result<Data, Trouble> {
        self.data(self.run(self.request("PATCH", path, &[]).header("Content-Type", "application/json"), body))
    }

    /// `GET` of what takes as long as it takes; the body, to be read as it comes. A server that sends nothing for
    /// `silence` is dead, and reading fails.
    pub fn open(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        silence: Duration,
    ) -> Result<BodyReader<'static>, Trouble> {
        let request = self.request("GET", path, headers).body(()).map_err(ureq::Error::from);
        let answer = request.and_then(|request| {
            let patient = self
                .agent
                .configure_request(request)
                .timeout_global(None)
                .timeout_connect(Some(TIMEOUT))
                .timeout_recv_response(Some(TIMEOUT))
                .timeout_per_read(Some(silence));
            self.agent.run(patient.build())
        });
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer.into_body().into_reader());
        }
        Err(self.refusal(answer))
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> ureq::http::request::Builder {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    fn run(
        &self,
        request: ureq::http::request::Builder,
        body: impl AsSendBody,
    ) -> Result<Response<Body>, ureq::Error> {
        self.agent.run(request.body(body)?)
    }

    fn data(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Data, Trouble> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer));
        }
        let strange = self.strange(&answer);
        self.envelope(&mut answer)?.data.map(Data).ok_or(strange)
    }

    fn refusal(&self, mut answer: Response<Body>) -> Trouble {
        let error = match self.envelope(&mut answer) {
            Ok(envelope) => envelope.error,
            Err(trouble) => return trouble,
        };
        let Some(error) = error else { return self.strange(&answer) };
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Trouble::Refused { status, text: explain(status, &error, retry_after) }
    }

    /// What is no envelope reads as an empty one.
    fn envelope(&self, answer: &mut Response<Body>) -> Result<Envelope, Trouble> {
        let body = answer.body_mut().with_config().limit(MOST_BYTES).read_to_string();
        let body = body.map_err(|error| self.unreachable(&error))?;
        Ok(serde_json::from_str(&body).unwrap_or_default())
    }

    fn unreachable(&self, error: &ureq::Error) -> Trouble {
        let hint = match self.base.strip_prefix("https://") {
            Some(rest) => {
                format!("Firebell speaks plain HTTP, unless a proxy does TLS for it: is http://{rest} meant?")
            }
            None => "is `firebell serve` running there?".into(),
        };
        let why = match error {
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        Trouble::Unreachable(format!("cannot reach {}: {why}; {hint} (--url, FIREBELL_URL)", self.base))
    }

    fn strange(&self, answer: &Response<Body>) -> Trouble {
        let (base, status) = (&self.base, answer.status());
        Trouble::Strange(format!("{base} answered {status}, but not as Firebell does; is the URL right?"))
    }
}

/// The URL of a server; what is none is a slip of the pen, and needs no server to say so.
pub fn server_url(text: &str) -> Result<String, String> {
    let web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let wrong = || format!("{text:?} is no URL of a server; it begins with http:// or https://");
    web.then(|| text.to_owned()).ok_or_else(wrong)
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_falls_silent_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n\r\n").unwrap();
            // Held until the client gives up.
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let target = Target { url: Some(url), token: None };
        let (client, _) = Client::new(None, &target, None).unwrap();
        let mut stream = client.open("/", &[], Duration::from_millis(50)).unwrap();
        let mut text = String::new();
        assert!(stream.read_to_string(&mut text).is_err());
        assert_eq!(text, ":\n");
        drop(stream);
        server.join().unwrap();
    }
}
