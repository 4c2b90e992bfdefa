//! What all pages have: who looks, where they are, and how many incidents are open.

use serde::Serialize;

use super::super::Live;
use super::super::access::Caller;
use super::{Sessions, Visit};
use crate::registry::Scope;

/// The frame of a page.
#[derive(Serialize)]
pub struct Frame<'a> {
    title: &'a str,
    organization: &'a str,
    /// Incidents that are open; `None` for those who may not know.
    open: Option<i64>,
    /// The newest change that is on the page; a later one may be as well.
    place: i64,
    /// The first part of the path.
    section: &'a str,
    caller: Option<&'a str>,
    may_write: bool,
    may_read_services: bool,
    /// Who looks has logged in.
    in_session: bool,
    /// There is something to log in with.
    may_log_in: bool,
}

impl<'a> Frame<'a> {
    /// The frame for a visitor.
    pub fn new(visit: &'a Visit<'_>, sessions: &Sessions, now_ms: i64, title: &'a str, open: i64) -> Self {
        let in_session = sessions.find(&visit.head.headers, now_ms).is_some();
        Self {
            title,
            organization: &visit.live.config.organization,
            place: visit.place,
            open: visit.may(Scope::IncidentsRead).then_some(open),
            section: visit.head.uri.path().split('/').nth(1).unwrap_or_default(),
            caller: Some(&visit.caller.identity),
            may_write: visit.may(Scope::IncidentsWrite),
            may_read_services: visit.may(Scope::ServicesRead),
            in_session,
            may_log_in: !in_session && !visit.live.config.registry.tokens().is_empty(),
        }
    }

    /// The frame for somebody who may read, in tests.
    #[cfg(test)]
    pub fn sample() -> Self {
        Self {
            title: "Sample",
            organization: "",
            open: Some(0),
            place: 0,
            section: "",
            caller: None,
            may_write: false,
            may_read_services: false,
            in_session: false,
            may_log_in: false,
        }
    }

    /// The frame of the page where one logs in.
    pub fn outside(live: &'a Live, visitor: Option<&'a Caller>) -> Self {
        Self {
            title: "Log in",
            organization: &live.config.organization,
            open: None,
            place: 0,
            section: "login",
            caller: visitor.map(|caller| caller.identity.as_str()),
            may_write: false,
            may_read_services: false,
            in_session: false,
            may_log_in: false,
        }
    }
}
