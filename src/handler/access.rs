//! Who may use the API. With tokens: who has one of the right scope. Without: whoever can reach a loopback listener,
//! but no web page that a browser on this machine happens to show.

use http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use serde_json::json;
use url::Url;

use super::ui::Sessions;
use super::{Admitted, Live};
use crate::error::{Error, Kind};
use crate::registry::{Scope, Token};
use crate::reply::Answer;

/// How a caller without a token is named.
const LOCAL: &str = "local";

/// Who calls the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; for limits and the log.
    pub name: String,
    /// As timelines name the caller.
    pub identity: String,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
    /// Requests a minute; 0: any number.
    pub rate_per_minute: u32,
}

impl From<&Token> for Caller {
    fn from(token: &Token) -> Self {
        Self {
            name: token.name.clone(),
            identity: token.caller().to_owned(),
            scopes: token.scopes.clone(),
            rate_per_minute: token.rate_per_minute,
        }
    }
}

/// Finds out who calls, and whether they may do what needs `scope` (`None`: any caller may).
///
/// # Errors
/// `unauthenticated`, `forbidden`, or `forbidden_host`.
pub fn authorize(live: &Live, head: &Parts, scope: Option<Scope>) -> Result<Caller, Error> {
    let caller = identify(live, head, scope)?;
    match scope {
        Some(scope) if !caller.scopes.contains(&scope) => {
            let message = format!("token {:?} lacks the scope {}", caller.name, scope.as_str());
            Err(Error::new(Kind::Forbidden, message))
        }
        _ => Ok(caller),
    }
}

/// Finds out who asks for what is about Firebell itself, which is no secret to this machine: any token will do, and on
/// a loopback listener none is needed.
///
/// # Errors
/// `unauthenticated` or `forbidden_host`.
pub fn authorize_operator(live: &Live, head: &Parts) -> Result<Caller, Error> {
    if live.config.is_loopback() && !head.headers.contains_key(AUTHORIZATION) {
        return local_caller(live, head);
    }
    authorize(live, head, None)
}

/// Whoever can reach a loopback listener, and is no web page from elsewhere.
fn local_caller(live: &Live, head: &Parts) -> Result<Caller, Error> {
    check_host(live, head)?;
    check_origin(live, &head.headers)?;
    Ok(local(&Scope::ALL))
}

fn local(scopes: &[Scope]) -> Caller {
    Caller { name: LOCAL.into(), identity: LOCAL.into(), scopes: scopes.to_vec(), rate_per_minute: 0 }
}

fn identify(live: &Live, head: &Parts, scope: Option<Scope>) -> Result<Caller, Error> {
    let config = &live.config;
    let open = config.registry.tokens().is_empty();
    if open && config.is_loopback() {
        return local_caller(live, head);
    }
    let unauthenticated = |message: &str| Err(Error::new(Kind::Unauthenticated, message));
    // A client that always sends a token is welcome where none is configured.
    match head.headers.get(AUTHORIZATION).filter(|_| !open) {
        Some(value) => match bearer(value.to_str().unwrap_or_default()) {
            Some(token) => match config.registry.token(token) {
                Some(token) => Ok(Caller::from(&**token)),
                None => unauthenticated("this token is not one of those in the configuration"),
            },
            None => unauthenticated("the Authorization header is not of the form: Bearer <token>"),
        },
        None if scope.is_none_or(|scope| config.anonymous.contains(&scope))
            && !config.anonymous.is_empty() =>
        {
            anonymous_caller(live, head)
        }
        None => unauthenticated("send a token from the configuration: Authorization: Bearer <token>"),
    }
}

/// Whoever is allowed something without a token. On a loopback listener that is whoever can reach it, and no web page
/// from elsewhere.
fn anonymous_caller(live: &Live, head: &Parts) -> Result<Caller, Error> {
    if live.config.is_loopback() {
        check_host(live, head)?;
        check_origin(live, &head.headers)?;
    }
    Ok(local(&live.config.anonymous))
}

/// Who looks at a page: the bearer of the token that a session was begun with, or whoever needs none. `None`: they have
/// to log in.
///
/// # Errors
/// `forbidden_host`.
pub fn visitor(live: &Live, head: &Parts, sessions: &Sessions, now_ms: i64) -> Result<Option<Caller>, Error> {
    let config = &live.config;
    if config.registry.tokens().is_empty() && config.is_loopback() {
        return local_caller(live, head).map(Some);
    }
    let token = sessions
        .find(&head.headers, now_ms)
        .and_then(|session| config.registry.token_of_hash(&session.token));
    match token {
        Some(token) => Ok(Some(Caller::from(&**token))),
        None if !config.anonymous.is_empty() => anonymous_caller(live, head).map(Some),
        None => Ok(None),
    }
}

/// What `GET /auth/verify` answers.
pub fn verify(admitted: &Admitted) -> Result<Answer, Error> {
    let scopes: Vec<_> = admitted.caller()?.scopes.iter().map(|scope| scope.as_str()).collect();
    let organization = &admitted.live.config.organization;
    Answer::ok(&json!({ "valid": true, "scopes": scopes, "organization_name": organization }))
}

/// Refuses a request that a web page from elsewhere makes a browser send.
///
/// # Errors
/// `forbidden_host`.
pub fn check_origin(live: &Live, headers: &HeaderMap) -> Result<(), Error> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    if is_ours(live, host) {
        return Ok(());
    }
    Err(Error::new(
        Kind::ForbiddenHost,
        "this server is open to this machine only, and not to web pages from elsewhere",
    ))
}

/// Against DNS rebinding: a name that leads here, but that is not ours, is a trick.
fn check_host(live: &Live, head: &Parts) -> Result<(), Error> {
    let header = head.headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = head.uri.authority().map(http::uri::Authority::as_str).or(header).unwrap_or_default();
    let host = host.parse::<http::uri::Authority>().ok();
    if host.is_some_and(|authority| is_ours(live, authority.host())) {
        return Ok(());
    }
    Err(Error::new(
        Kind::ForbiddenHost,
        "this server is open to this machine only: call it localhost or 127.0.0.1, set public_url to the name that \
         you use, or configure [[tokens]]",
    ))
}

fn is_ours(live: &Live, host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback());
    let public = Url::parse(&live.public_url).ok();
    let public = public.as_ref().and_then(Url::host_str);
    loopback
        || host.eq_ignore_ascii_case("localhost")
        || public.is_some_and(|ours| host.eq_ignore_ascii_case(ours))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
