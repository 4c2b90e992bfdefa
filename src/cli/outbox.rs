//! `firebell outbox`: whom people were told by, of what, when, and what came of it; and what is owed.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::client::{Client, OffsetPage, Target};
use super::columns::Columns;
use super::incidents::time;
use super::{Outcome, text};
use crate::model::Reason;
use crate::registry::Scope;

#[derive(Debug, Args)]
pub struct Outbox {
    /// Only what concerns this incident
    incident: Option<String>,
    /// Only by this channel
    #[arg(long)]
    channel: Option<String>,
    /// Only what is in this state; may be repeated
    #[arg(long, value_enum)]
    state: Vec<State>,
    /// How many at most, up to 100
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Print the answer's data as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum State {
    /// Yet to be told
    Owed,
    /// Taken by the receiver
    Told,
    /// Tried for too long, or refused for good
    GivenUp,
    /// A reminder that nobody needed any more
    Moot,
}

/// A notification, as far as people are shown it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Notification {
    id: u64,
    at: String,
    channel: String,
    incident_number: Option<String>,
    reason: String,
    count: u64,
    state: String,
    held: Option<String>,
    attempts: u64,
    tried_at: Option<String>,
    next_try_at: Option<String>,
    answer: Option<String>,
}

impl Notification {
    /// When it was told, or last tried; until then, when it was owed.
    pub fn shown_at(&self) -> &str {
        self.tried_at.as_ref().unwrap_or(&self.at)
    }

    /// What an incident's channel was told or not, as a sentence: `phone was told that it was created: 200 OK`.
    pub fn sentence(&self) -> String {
        let channel = &self.channel;
        let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == self.reason);
        let happened = match reason {
            Some(reason) => reason.happened(),
            None => self.reason.as_str(),
        };
        let is_planned = reason == Some(Reason::Unacknowledged) && self.attempts == 0;
        let what = match self.state.as_str() {
            "told" => format!("{channel} was told that it {happened}"),
            "owed" if is_planned => format!("{channel} will be told unless it is acknowledged"),
            "owed" => format!("{channel} is yet to be told that it {happened}"),
            "given_up" => format!("{channel} was not told that it {happened}"),
            "moot" => format!("{channel} needed no reminder"),
            state => format!("{channel}: {state}"),
        };
        let outcome = self.outcome();
        if outcome.is_empty() { what } else { format!("{what}: {outcome}") }
    }

    /// What came of it, and what is next.
    fn outcome(&self) -> String {
        let attempts = (self.attempts > 1).then(|| format!("{} attempts", self.attempts));
        let held = self.held.as_ref().map(|held| format!("held: {}", held.replace('_', " ")));
        let when = if self.attempts > 0 { "next try" } else { "due" };
        let next = self.next_try_at.as_ref().map(|at| format!("{when} {}", time(at)));
        let parts: Vec<_> = [self.answer.clone(), attempts, held, next].into_iter().flatten().collect();
        parts.join(", ")
    }
}

const COLUMNS: Columns<7> = Columns {
    heads: ["ID", "TIME", "CHANNEL", "INCIDENT", "REASON", "STATE", "ANSWER"],
    numbers: &[0],
    give_way: &[0, 1, 4, 2],
    last: 24,
};

pub fn run(config: Option<&Path>, outbox: &Outbox) -> Outcome {
    let (client, _) = Client::new(config, &outbox.target, Some(Scope::IncidentsRead))?;
    let mut query = form_urlencoded::Serializer::new(format!("limit={}", outbox.limit));
    for (name, value) in [("incident", &outbox.incident), ("channel", &outbox.channel)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    for state in outbox.state.iter().filter_map(ValueEnum::to_possible_value) {
        query.append_pair("state", state.get_name());
    }
    let data = client.get(&format!("/api/v1/notifications?{}", query.finish()))?;
    if outbox.json {
        text::say(data.json());
        return Ok(());
    }
    let page: OffsetPage = data.read()?;
    if page.items.is_empty() {
        let is_filtered = outbox.incident.is_some() || outbox.channel.is_some() || !outbox.state.is_empty();
        // A slip in a name is no good news.
        text::say(match is_filtered {
            true => "no notification matches",
            false => "nobody was told anything, and nothing is owed",
        });
        return Ok(());
    }
    let notifications = page.read::<Notification>()?;
    for line in COLUMNS.lines(notifications.iter().map(cells), text::width()) {
        text::say(&line);
    }
    page.say_what_is_left();
    Ok(())
}

fn cells(one: &Notification) -> [String; 7] {
    let incident = one.incident_number.clone().unwrap_or_else(|| format!("{} more", one.count));
    [
        one.id.to_string(),
        time(&one.at),
        one.channel.clone(),
        incident,
        one.reason.clone(),
        one.state.replace('_', " "),
        one.outcome(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed() -> Notification {
        Notification {
            id: 7,
            at: "2026-11-23T08:00:00.123Z".into(),
            channel: "phone".into(),
            incident_number: Some("INC-2026-001".into()),
            reason: "created".into(),
            count: 1,
            state: "owed".into(),
            attempts: 2,
            next_try_at: Some("2026-11-23T08:00:04.123Z".into()),
            answer: Some("503 Service Unavailable".into()),
            ..Notification::default()
        }
    }

    #[test]
    fn a_notification_is_a_sentence() {
        let said = |change: fn(&mut Notification)| {
            let mut one = Notification { attempts: 1, next_try_at: None, answer: None, ..owed() };
            change(&mut one);
            one.sentence()
        };
        assert_eq!(
            owed().sentence(),
            "phone is yet to be told that it was created: 503 Service Unavailable, 2 attempts, next try 2026-11-23 \
             08:00:04Z"
        );
        assert_eq!(said(|one| one.state = "told".into()), "phone was told that it was created");
        assert_eq!(said(|one| one.state = "given_up".into()), "phone was not told that it was created");
        assert_eq!(said(|one| one.state = "moot".into()), "phone needed no reminder");
        let planned = |one: &mut Notification| {
            one.attempts = 0;
            one.reason = "unacknowledged".into();
        };
        assert_eq!(said(planned), "phone will be told unless it is acknowledged");
    }

    #[test]
    fn a_notification_is_a_line() {
        let more = Notification {
            id: 8,
            incident_number: None,
            count: 12,
            state: "given_up".into(),
            answer: None,
            next_try_at: None,
            ..owed()
        };
        let lines = COLUMNS.lines([owed(), more].iter().map(cells), None);
        assert_eq!(
            lines,
            [
                "ID  TIME                  CHANNEL  INCIDENT      REASON   STATE     ANSWER",
                " 7  2026-11-23 08:00:00Z  phone    INC-2026-001  created  owed      503 Service Unavailable, 2 attempts, next try 2026-11-23 08:00:04Z",
                " 8  2026-11-23 08:00:00Z  phone    12 more       created  given up  2 attempts",
            ]
        );
    }
}
