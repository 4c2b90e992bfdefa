//! Who has logged in: a cookie stands for a token, until it expires, is ended, or the token is gone.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, Method};
use minijinja::context;
use sha2::{Digest, Sha256};
use url::Url;

use super::super::access::Caller;
use super::super::query::Query;
use super::super::{Admitted, Handler, Live};
use super::form::Form;
use super::frame::Frame;
use super::{see_other, see_other_with, template};
use crate::error::{Error, Kind};
use crate::hex;
use crate::model::Session;
use crate::reply::{Page, Stream};
use crate::store::{SESSIONS, SessionChange, Store};

/// The name of the cookie.
const NAME: &str = "firebell_session";

/// Bytes of chance in a cookie.
const COOKIE_BYTES: usize = 32;

/// The sessions that there are, as the store keeps them.
#[derive(Debug, Default)]
pub struct Sessions(RwLock<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// The session of a request's cookie, if it has not ended.
    pub fn find(&self, headers: &HeaderMap, now_ms: i64) -> Option<Session> {
        let id = cookie(headers)?;
        let session = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).copied()?;
        (session.expires_at > now_ms).then_some(session)
    }

    /// Those of the store.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn load(&self, store: &Store) -> Result<(), Error> {
        let sessions = store.sessions().await?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(sessions.into_iter().map(|session| (session.id, session)));
        Ok(())
    }
}

/// SHA-256 of what a request's cookie holds.
fn cookie(headers: &HeaderMap) -> Option<[u8; 32]> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == NAME)?;
    Some(Sha256::digest(value.as_bytes()).into())
}

/// `Secure` where people reach Firebell by https, so that the cookie never goes another way.
fn set_cookie(live: &Live, value: &str, seconds: i64) -> String {
    let secure = if live.public_url.starts_with("https:") { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Sends whoever has to log in there, and from there back to where they were going.
///
/// Who follows a link in a chat or a mail comes without their cookie, since it is `SameSite=Strict`: they are sent to the
/// same place by a page of ours first, and bring it then.
pub fn to_login(head: &Parts) -> Result<Page, Error> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let from_elsewhere = head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if from_elsewhere && head.method == Method::GET {
        return template::bounce(target);
    }
    // What a form of a page is sent to shows that page.
    let next: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    Ok(see_other(&format!("/login?next={next}")))
}

/// Where to go after the login: a path of ours, whatever was asked for.
fn next(asked: &str) -> &str {
    let base = Url::parse("http://firebell.invalid");
    let inside = base.ok().and_then(|base| {
        let url = base.join(asked).ok()?;
        (url.origin() == base.origin()).then_some(())
    });
    if inside.is_some() && asked.starts_with('/') { asked } else { "/" }
}

impl Handler {
    /// Takes over the sessions of the store.
    ///
    /// # Errors
    /// Because the store cannot be read now.
    pub async fn load_sessions(&self) -> Result<(), Error> {
        self.sessions.load(&self.store).await
    }

    /// `GET /login`
    pub(super) fn show_login(
        &self,
        live: &Live,
        head: &Parts,
        visitor: Option<&Caller>,
        problem: Option<&str>,
    ) -> Result<Page, Error> {
        let asked = Query::of(head).last("next").unwrap_or_default();
        let frame = Frame::outside(live, visitor);
        let status = if problem.is_some() { 401 } else { 200 };
        let content =
            context! { next => next(&asked), problem, needed => !live.config.registry.tokens().is_empty() };
        Ok(Page { status, ..template::page("login.html", &frame, content)? })
    }

    /// `POST /login`
    pub(super) async fn log_in(&self, live: &Live, head: &Parts, form: &Form) -> Result<Page, Error> {
        let token = form.get("token").trim();
        if live.config.registry.token(token).is_none() {
            let problem = "This is none of the tokens in the configuration.";
            return self.show_login(live, head, None, Some(problem));
        }
        let mut bytes = [0; COOKIE_BYTES];
        getrandom::fill(&mut bytes).map_err(Error::internal)?;
        let value = hex::encode(&bytes);
        let (created_at, lifetime_ms) = (self.now_ms(), live.config.session_ms);
        let session = Session {
            id: Sha256::digest(value.as_bytes()).into(),
            token: Sha256::digest(token.as_bytes()).into(),
            created_at,
            expires_at: created_at.saturating_add(lifetime_ms),
        };
        self.store.session(SessionChange::Begin(session)).await?;
        let mut known = self.sessions.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, session| session.expires_at > created_at);
        known.insert(session.id, session);
        while known.len() > SESSIONS {
            let oldest = known.values().min_by_key(|session| session.created_at).map(|session| session.id);
            oldest.and_then(|id| known.remove(&id));
        }
        drop(known);
        let asked = Query::of(head).last("next").unwrap_or_default();
        see_other_with(next(&asked), &set_cookie(live, &value, lifetime_ms / 1000))
    }

    /// `GET /stream`: the stream of the API, for as long as the session of whoever watches lasts.
    pub(super) fn watch(self: &Arc<Self>, admitted: &Admitted, head: &Parts) -> Result<Stream, Error> {
        let session = || self.sessions.find(&head.headers, self.now_ms());
        let begun = session();
        let stream = self.stream_incidents(admitted, head, begun.map_or(i64::MAX, |one| one.expires_at))?;
        // A logout ends the streams of those whom it found here.
        if begun.is_some() && session().is_none() {
            return Err(Error::new(Kind::Forbidden, "this session has just ended"));
        }
        Ok(stream)
    }

    /// `POST /logout`
    pub(super) async fn log_out(&self, live: &Live, head: &Parts) -> Result<Page, Error> {
        if let Some(id) = cookie(&head.headers) {
            self.sessions.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
            // Its pages may be open elsewhere: they learn it now. Those of others come back and resume.
            self.streams.renew();
            self.store.session(SessionChange::End(id)).await?;
        }
        see_other_with("/login", &set_cookie(live, "", 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_a_page_of_ours() {
        for good in ["/", "/incidents/INC-2026-001?a=b"] {
            assert_eq!(next(good), good);
        }
        for bad in ["", "https://e.x", "//e.x/", "/\\e.x", "\\\\e.x", "javascript:alert(1)", "/\t/e.x"] {
            assert_eq!(next(bad), "/", "{bad}");
        }
    }
}
