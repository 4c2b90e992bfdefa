//! Links that act: a page that asks whether to, and what its button does. Looking at it does nothing, so that whatever
//! previews a message does nothing either.

use http::request::Parts;
use minijinja::context;

use super::super::{Handler, Live};
use super::incidents::Row;
use super::template::{self, value};
use crate::error::{Error, Kind};
use crate::model::{ActLink, LinkAction, Status};
use crate::reply::Page;
use crate::store::{Acknowledge, SetStatus};

impl Handler {
    /// `GET /act/{link}`
    pub(super) async fn link_page(&self, live: &Live, link: &str) -> Result<Page, Error> {
        let link = self.read_link(live, link)?;
        self.show_link(&link, None).await
    }

    /// `POST /act/{link}`
    pub(super) async fn act_by_link(&self, live: &Live, head: &Parts, link: &str) -> Result<Page, Error> {
        let link = self.read_link(live, link)?;
        let (number, caller) = (link.number, format!("channel:{}", link.channel));
        let done = match link.action {
            LinkAction::Acknowledge => self.store.acknowledge(Acknowledge { number, caller }).await,
            LinkAction::Resolve => {
                let new_after_resolve = live.config.registry.new_after_resolve();
                let to = Status::Resolved;
                self.store
                    .set_status(SetStatus { number, to, comment: None, caller, new_after_resolve })
                    .await
            }
        };
        match done {
            // Loading it again shows what there is, and does nothing.
            Ok(_) => Ok(super::see_other(head.uri.path())),
            // Somebody was faster: what there is now says so.
            Err(error) if matches!(error.kind, Kind::AlreadyAcknowledged | Kind::InvalidTransition) => {
                self.show_link(&link, Some(error)).await
            }
            Err(error) => Err(error),
        }
    }

    fn read_link(&self, live: &Live, text: &str) -> Result<ActLink, Error> {
        let link = ActLink::verify(text, self.store.link_key()).ok_or_else(|| {
            let message =
                "this link is not whole, or was made by another Firebell; open the incident instead";
            Error::new(Kind::NotFound, message)
        })?;
        if link.expires_s <= self.now_ms() / 1000 {
            let message = format!("this link has expired; open {} instead", link.number);
            return Err(Error::new(Kind::NotFound, message));
        }
        // Also those that were sent before that was said.
        if live.config.notify.links_for_ms == 0 {
            let message =
                format!("links like this one have been turned off here; open {} instead", link.number);
            return Err(Error::new(Kind::NotFound, message));
        }
        Ok(link)
    }

    async fn show_link(&self, link: &ActLink, problem: Option<Error>) -> Result<Page, Error> {
        let (incident, _, _) = self.store.incident(link.number).await?;
        let is_open = incident.status.is_open();
        let done = match link.action {
            LinkAction::Acknowledge => {
                incident.acknowledged_by.clone().map(|by| format!("Acknowledged by {by}."))
            }
            LinkAction::Resolve => incident.resolved_by.clone().map(|by| format!("Resolved by {by}.")),
        };
        let done = done.or_else(|| (!is_open).then(|| format!("It is {} already.", incident.status)));
        let status = problem.map_or(200, |problem| problem.kind.status());
        let content = context! {
            title => format!("{} {}", link.action.label(), link.number),
            label => link.action.label(),
            done,
            incident => value(Row::new(incident, self.now_ms())),
        };
        Ok(Page { status, ..template::alone("act.html", content)? })
    }
}
