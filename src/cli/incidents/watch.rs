//! `firebell incidents --watch`: the list, then a line for whatever happens. A lost connection is taken up again where
//! it broke off.

use std::collections::HashSet;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::BodyReader;

use super::data::Incident;
use super::list::{List, fetch, rows};
use super::table::{Row, Widths};
use crate::cli::client::{Client, read};
use crate::cli::events::{Event, Parser, TooLong};
use crate::cli::filters::Filters;
use crate::cli::trouble::Trouble;
use crate::cli::{Failure, Outcome, text};

/// The server sends a heartbeat every 15 s: one that is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(60);
/// Between two attempts to connect: from the least, or what the server asks for, doubling to the most.
const LEAST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(15);

/// Incidents that are remembered as shown.
const MOST_SHOWN: usize = 100_000;

/// Lists, and goes on until Ctrl-C or a refusal.
pub fn run(client: &Client, list: &List, filters: Filters, json: bool) -> Outcome {
    let mut watch = Watch {
        client,
        list,
        filters,
        json,
        widths: None,
        parser: Parser::default(),
        shown: HashSet::new(),
        last: None,
    };
    // Connected before it lists: what happens in between is seen twice rather than never.
    let mut stream = watch.connect()?;
    watch.list()?;
    loop {
        match watch.follow(stream) {
            Err(trouble @ Trouble::Strange(_)) => return Err(trouble.into()),
            Err(trouble) if is_final(&trouble) => return Err(trouble.into()),
            _ => {}
        }
        text::complain("connection lost; trying again");
        stream = watch.reconnect()?;
        text::complain("connected again");
    }
}

struct Watch<'a> {
    client: &'a Client,
    list: &'a List,
    filters: Filters,
    json: bool,
    /// How wide the columns of the last list are, so that live lines stand below them.
    widths: Option<Widths>,
    parser: Parser,
    /// Incidents that were shown and still belong here: that one of them does not any more is news as well.
    shown: HashSet<String>,
    /// The last event: a server that repeats it after a reconnect says nothing new.
    last: Option<Event>,
}

/// An event of the stream.
#[derive(Deserialize)]
struct News {
    outcome: String,
    incident: Incident,
}

/// A refusal that trying again will not change.
fn is_final(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { status, .. } if *status < 500 && !matches!(status, 408 | 429))
}

impl Watch<'_> {
    fn connect(&mut self) -> Result<BodyReader<'static>, Trouble> {
        self.parser.reconnect();
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(self.parser.last_id().map(|id| ("Last-Event-ID", id)));
        self.client.open("/api/v1/incidents/stream", &headers, SILENCE)
    }

    fn reconnect(&mut self) -> Result<BodyReader<'static>, Failure> {
        let mut wait = self.parser.retry().unwrap_or(LEAST_WAIT).clamp(LEAST_WAIT, MOST_WAIT);
        loop {
            sleep(wait);
            wait = (wait * 2).min(MOST_WAIT);
            // Without an id to go on from, what was missed can only be listed.
            let missed = self.parser.last_id().is_none();
            match self
                .connect()
                .and_then(|stream| if missed { self.list().map(|()| stream) } else { Ok(stream) })
            {
                Ok(stream) => return Ok(stream),
                Err(trouble) if is_final(&trouble) => return Err(trouble.into()),
                Err(_) => {}
            }
        }
    }

    /// Prints what happens until the connection breaks.
    fn follow(&mut self, mut stream: impl Read) -> Result<(), Trouble> {
        let mut buffer = [0; 16 << 10];
        loop {
            let Ok(read @ 1..) = stream.read(&mut buffer) else { return Ok(()) };
            let bytes = buffer.get(..read).unwrap_or_default();
            let events = self.parser.push(bytes).map_err(|TooLong| {
                Trouble::Strange("the server sent an event that is too long to be one".into())
            })?;
            for event in events {
                self.take(event)?;
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Trouble> {
        if self.last.as_ref() == Some(&event) {
            return Ok(());
        }
        match event.name.as_str() {
            "incident" => self.tell(&event.data),
            "reset" => {
                text::complain("more has happened than can be told one by one; here is the list anew");
                self.list()?;
            }
            // A later version's.
            _ => {}
        }
        self.last = Some(event);
        Ok(())
    }

    fn tell(&mut self, data: &str) {
        let Ok(news) = serde_json::from_str::<News>(data) else {
            text::complain("the server sent an event that this version of firebell cannot read");
            return;
        };
        let number = news.incident.incident_number.clone();
        let belongs = self.filters.match_live(&news.incident);
        let leaves = !belongs && self.shown.remove(&number);
        if !belongs && !leaves {
            return;
        }
        if belongs && self.shown.len() < MOST_SHOWN {
            self.shown.insert(number);
        }
        match &self.widths {
            Some(widths) => {
                let row = Row::new(&news.incident, Some(&news.outcome));
                text::say(&widths.layout(text::width()).line(&row, text::colours()));
            }
            // White space between members, if it is anything.
            None => text::say(&data.replace('\n', " ")),
        }
    }

    /// Prints the list as it is now.
    fn list(&mut self) -> Result<(), Trouble> {
        let mut page = fetch(self.client, self.list)?;
        let numbers = page.items.iter().map(|item| Ok(read::<Incident>(item)?.incident_number));
        self.shown.extend(numbers.collect::<Result<Vec<_>, Trouble>>()?);
        // What is newest stands where the news will come.
        if self.list.sort.is_none() {
            page.items.reverse();
        }
        if self.json {
            page.items.iter().for_each(|incident| text::say(&listed(incident)));
            return Ok(());
        }
        let rows = rows(&page, Some(""))?;
        let widths = Widths::of(&rows, true);
        let layout = widths.layout(text::width());
        text::say(&layout.head());
        rows.iter().for_each(|row| text::say(&layout.line(row, text::colours())));
        self.widths = Some(widths);
        Ok(())
    }
}

/// An incident that was there before, in the form of an event.
fn listed(incident: &RawValue) -> String {
    format!("{{\"outcome\":\"listed\",\"incident\":{}}}", incident.get())
}
