//! Pages for people: HTML that the server renders whole, so that it works without a script. What a script adds is in
//! `page.js`. Everything from outside is text here, never markup.

mod actions;
mod connect;
mod form;
mod frame;
mod incident;
mod incidents;
mod integrations;
mod link;
mod open;
mod overview;
mod plot;
mod range;
mod services;
mod session;
mod silences;
mod template;
mod time;
mod timeline;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, LOCATION, SET_COOKIE};
use http::request::Parts;
use minijinja::Value;

use super::{Admitted, Handler, Live, Seen, Who, access, incidents as api};
use crate::error::{Details, Error, Kind};
use crate::model::Number;
use crate::registry::Scope;
use crate::reply::{Page, Said};
use crate::route;
use access::Caller;
use form::Form;
pub use open::LastCounts;
pub use session::Sessions;

const HTML: &str = "text/html; charset=utf-8";

/// Whether whoever asks is a browser that wants something to show.
pub fn wants_page(head: &Parts) -> bool {
    let accept = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// A look at a page, or a form that was sent from one, by somebody who may look.
struct Visit<'a> {
    live: &'a Arc<Live>,
    head: &'a Parts,
    caller: Caller,
    /// What was sent; empty for a look.
    form: Form,
    /// The newest timeline entry before anything was read.
    place: i64,
    /// The names in the path.
    path: &'a [String],
}

impl Visit<'_> {
    fn may(&self, scope: Scope) -> bool {
        self.caller.scopes.contains(&scope)
    }

    /// That the visitor may do this.
    fn check(&self, scope: Scope) -> Result<(), Error> {
        if self.may(scope) {
            return Ok(());
        }
        let Caller { name, .. } = &self.caller;
        Err(Error::new(Kind::Forbidden, format!("{name} lacks the scope {}", scope.as_str())))
    }

    /// The number in the path.
    fn number(&self) -> Result<Number, Error> {
        api::read_number(self.path.first().map_or("", String::as_str))
    }

    /// The path and the query that it was asked for.
    fn target(&self) -> &str {
        self.head.uri.path_and_query().map_or("/", |target| target.as_str())
    }
}

impl Handler {
    /// Makes a page, or does what a form says. `None`: the page of one incident.
    pub(super) async fn page(
        self: &Arc<Self>,
        page: Option<route::Page>,
        admitted: &Admitted,
        head: &Parts,
        body: &Bytes,
        seen: &mut Seen,
    ) -> Result<Said, Error> {
        let (live, path) = (&admitted.live, admitted.parameters.as_slice());
        // Neither tells anything, and the page where one logs in has them too.
        let name = path.first().map_or("", String::as_str);
        match page {
            Some(route::Page::Asset) => return template::asset(name).map(Said::Page),
            Some(route::Page::Favicon) => return template::favicon(name).map(Said::Page),
            _ => {}
        }
        let form = Form::read(live, head, body)?;
        match page {
            // Whoever has the link may: that is what it is signed for.
            Some(route::Page::Link) => return self.link_page(live, name).await.map(Said::Page),
            Some(route::Page::ActByLink) => {
                return self.act_by_link(live, head, name).await.map(Said::Page);
            }
            _ => {}
        }
        let visitor = access::visitor(live, head, &self.sessions, self.now_ms())?;
        match page {
            Some(route::Page::Login) => {
                return self.show_login(live, head, visitor.as_ref(), None).map(Said::Page);
            }
            Some(route::Page::LogIn) => return self.log_in(live, head, &form).await.map(Said::Page),
            Some(route::Page::LogOut) => return self.log_out(live, head).await.map(Said::Page),
            _ => {}
        }
        let Some(caller) = visitor else { return session::to_login(head).map(Said::Page) };
        let who = seen.who.insert(Who::Caller(caller.clone())).clone();
        self.check_rate(&who)?;
        let visit = Visit { live, head, caller, form, place: self.store.newest_entry(), path };
        use route::Page::{
            ActByLink, ActOnDelivery, ActOnIntegration, ActOnMany, ActOnOne, ActOnSilences, Asset, Delivery,
            Favicon, Incidents, Integration, Integrations, Link, LogIn, LogOut, Login, Open, Overview,
            Services, Silences, Stream,
        };
        let page = match page {
            None => self.incident_page(&visit, None).await?,
            Some(Incidents) => self.incidents_page(&visit, &[]).await?,
            Some(ActOnMany) => self.act_on_many(&visit).await?,
            Some(ActOnOne) => self.act_on_one(&visit).await?,
            Some(Overview) => self.overview_page(&visit).await?,
            Some(Integrations) => self.integrations_page(&visit).await?,
            Some(Integration) => self.integration_page(&visit, integrations::Shown::default()).await?,
            Some(ActOnIntegration) => self.act_on_integration(&visit).await?,
            Some(Delivery) => self.delivery_page(&visit).await?,
            Some(ActOnDelivery) => self.replay_delivery(&visit, seen).await?,
            Some(Services) => self.services_page(&visit).await?,
            Some(Open) => self.open_page(&visit).await?,
            Some(Silences) => self.silences_page(&visit, None).await?,
            Some(ActOnSilences) => self.act_on_silences(&visit).await?,
            Some(Stream) => {
                visit.check(Scope::IncidentsRead)?;
                return self.watch(admitted, head).map(Said::Stream);
            }
            Some(Login | LogIn | LogOut | Asset | Favicon | Link | ActByLink) => {
                return Err(Error::internal("a page that is made above"));
            }
        };
        Ok(Said::Page(page))
    }

    /// A page of the site, with what all of them have.
    async fn framed(
        &self,
        visit: &Visit<'_>,
        template: &str,
        title: &str,
        content: Value,
    ) -> Result<Page, Error> {
        let open = self.open_incidents().await?;
        let frame = frame::Frame::new(visit, &self.sessions, self.now_ms(), title, open.total());
        template::page(template, &frame, content)
    }

    /// A refusal as a page, for browsers; `None`: whoever is refused wants none.
    #[must_use]
    pub fn refusal_page(&self, head: &Parts, error: &Error, request_id: &str) -> Option<Page> {
        let for_people = !["/api/", "/webhooks/"].iter().any(|program| head.uri.path().starts_with(program));
        if !(for_people && wants_page(head)) {
            return None;
        }
        template::refusal(error, request_id).ok()
    }
}

/// What is wrong, in a sentence each.
fn sentences(error: &Error) -> Vec<String> {
    match &error.details {
        Details::Fields(fields) => {
            fields.iter().map(|one| format!("{} {}", one.field, one.message)).collect()
        }
        _ => vec![error.message.clone()],
    }
}

/// Sends a browser elsewhere after what it was asked to do is done.
fn see_other(location: &str) -> Page {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    Page { status: 303, content_type: HTML, headers: vec![(LOCATION, location)], body: Bytes::new() }
}

/// The same with a cookie.
fn see_other_with(location: &str, cookie: &str) -> Result<Page, Error> {
    let mut page = see_other(location);
    page.headers.push((SET_COOKIE, HeaderValue::from_str(cookie).map_err(Error::internal)?));
    Ok(page)
}
