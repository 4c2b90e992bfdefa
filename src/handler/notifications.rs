//! The API for what people are told: by which channels, of what, and what came of it.

use http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::views::OffsetPageView;
use super::{Admitted, Handler, list_query};
use crate::clock::rfc3339;
use crate::error::{Error, FieldError};
use crate::model::{Notification, Number, Standing};
use crate::reply::Answer;
use crate::store::NotificationQuery;

/// A way to tell people, without its secrets.
#[derive(Serialize)]
struct ChannelView<'a> {
    name: &'a str,
    kind: &'a str,
    owed: i64,
    oldest_due_at: Option<String>,
    given_up_last_day: i64,
}

/// Something that people were told, or are owed.
#[derive(Serialize)]
struct NotificationView<'a> {
    id: i64,
    message_id: Option<String>,
    channel: &'a str,
    incident_number: Option<String>,
    reason: &'static str,
    count: i64,
    state: &'static str,
    at: String,
    due_at: String,
    held: Option<&'static str>,
    attempts: i64,
    tried_at: Option<String>,
    next_try_at: Option<String>,
    answer: Option<&'a str>,
}

impl<'a> From<&'a Notification> for NotificationView<'a> {
    fn from(one: &'a Notification) -> Self {
        Self {
            id: one.id,
            message_id: one.message.map(|id| id.to_string()),
            channel: &one.channel,
            incident_number: one.incident.map(|number| number.to_string()),
            reason: one.reason.as_str(),
            count: one.count,
            state: one.standing.as_str(),
            at: rfc3339(one.at),
            due_at: rfc3339(one.due_at),
            held: one.held.as_str(),
            attempts: one.attempts,
            tried_at: one.tried_at.map(rfc3339),
            next_try_at: (one.standing == Standing::Owed).then(|| rfc3339(one.try_at)),
            answer: one.answer.as_deref(),
        }
    }
}

impl Handler {
    /// `GET /api/v1/channels`: in the order of the configuration.
    pub(super) async fn list_channels(&self, admitted: &Admitted, head: &Parts) -> Result<Answer, Error> {
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&Query::of(head), &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let channels = &admitted.live.config.channels;
        let names = channels.iter().map(|channel| channel.name.clone()).collect();
        let owing = self.store.owed_by(names, self.now_ms()).await?;
        let page = channels.iter().zip(&owing).skip(offset).take(limit).map(|(channel, owing)| ChannelView {
            name: &channel.name,
            kind: channel.kind,
            owed: owing.owed,
            oldest_due_at: owing.oldest_due_at.map(rfc3339),
            given_up_last_day: owing.given_up,
        });
        Answer::ok(&OffsetPageView::new(page.collect(), channels.len(), offset))
    }

    /// `GET /api/v1/notifications`: newest first.
    pub(super) async fn list_notifications(&self, head: &Parts) -> Result<Answer, Error> {
        let parameters = Query::of(head);
        let mut errors = Vec::new();
        let (offset, limit) = list_query::read_page(&parameters, &mut errors);
        let known = Standing::ALL.map(Standing::as_str);
        let standing = |name: &str| Standing::ALL.into_iter().find(|standing| standing.as_str() == name);
        let standings = parameters.names("state", &known, standing, &mut errors);
        let incident = parameters.last("incident").and_then(|text| {
            let number = Number::parse(&text);
            if number.is_none() {
                errors.push(FieldError::new("incident", "invalid", "must be a number such as INC-2026-001"));
            }
            number
        });
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let channel = parameters.last("channel").map(|name| name.into_owned());
        let query = NotificationQuery { incident, channel, standings, offset, limit };
        let (notifications, total) = self.store.notifications(query).await?;
        let items = notifications.iter().map(NotificationView::from).collect();
        Answer::ok(&OffsetPageView::new(items, usize::try_from(total).unwrap_or(0), offset))
    }
}
