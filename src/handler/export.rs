//! `GET /api/v1/export`: all that the filters select, in the order of recording, as lines of JSON or as CSV.
//!
//! It is read a page at a time while the client takes it, so it holds neither the store nor more memory than a page.
//! What is recorded after it began is not part of it; a change that comes while it goes on may be.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::query::Query;
use super::views::IncidentView;
use super::{Admitted, Handler, list_query};
use crate::clock::rfc3339;
use crate::error::{Error, Kind};
use crate::json::{self, Json};
use crate::model::{Incident, Number};
use crate::reply::{Chunk, Stream};
use crate::store::{Filter, ListQuery, Sort};

/// Exports at once. Each keeps a reader of the store busy.
pub const EXPORTS: usize = 2;

/// Incidents that are read at once.
const PAGE: usize = 250;

/// Bytes that are sent at once, the last incident not counted.
const SENT_BYTES: usize = 64 * 1024;

/// While alerts come in, an export rests for so many times the time that it worked: it can wait, they cannot.
const REST: u32 = 6;

/// But never longer: it may only have waited for its turn to read.
const MOST_REST: Duration = Duration::from_millis(500);

/// Alerts are coming in if one was stored within this time.
const LATELY_MS: i64 = 200;

/// Chunks between an export and its socket.
const CHUNKS: usize = 2;

/// The columns of a CSV file: an incident's fields, in their order.
const COLUMNS: [&str; 23] = [
    "incident_number",
    "title",
    "description",
    "severity",
    "status",
    "service_ids",
    "services",
    "integration",
    "source_url",
    "dedup_key",
    "metadata",
    "occurrences",
    "assigned_to",
    "acknowledged_at",
    "acknowledged_by",
    "resolved_at",
    "resolved_by",
    "created_at",
    "updated_at",
    "last_seen_at",
    "closed_at",
    "silenced_until",
    "url",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

impl Format {
    const ALL: [Self; 2] = [Self::Ndjson, Self::Csv];

    const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What comes before the first incident.
    fn head(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Ndjson => Ok(Vec::new()),
            Self::Csv => csv_row(COLUMNS),
        }
    }

    /// An incident's line or row.
    fn write(self, incident: &Incident, public_url: &str) -> Result<Vec<u8>, Error> {
        let view = IncidentView::new(incident, public_url)?;
        let mut line = serde_json::to_vec(&view).map_err(Error::internal)?;
        match self {
            Self::Ndjson => {
                line.push(b'\n');
                Ok(line)
            }
            Self::Csv => csv_row(json::parse_object(&line)?.iter().map(|(_, value)| cell(value))),
        }
    }
}

/// As RFC 4180 has it.
fn csv_row<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> Result<Vec<u8>, Error> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::with_capacity(1024));
    writer.write_record(cells).map_err(Error::internal)?;
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// A value as a cell: nothing for null, the words of a list of strings, JSON for what has a structure. What a
/// spreadsheet would take for a formula gets an apostrophe, since it is somebody else's text.
fn cell(value: &Json<'_>) -> String {
    let text = match value {
        Json::Null => String::new(),
        Json::String(text) => text.to_string(),
        Json::Array(items) => {
            let strings: Option<Vec<&str>> = items.iter().map(as_text).collect();
            strings.map_or_else(|| value.to_compact(), |strings| strings.join(" "))
        }
        other => other.to_compact(),
    };
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

fn as_text<'v>(value: &'v Json<'_>) -> Option<&'v str> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

impl Handler {
    /// `GET /api/v1/export`
    pub(super) async fn export(self: &Arc<Self>, admitted: &Admitted, head: &Parts) -> Result<Stream, Error> {
        let parameters = Query::of(head);
        let mut errors = Vec::new();
        let parse = |name: &str| Format::ALL.into_iter().find(|format| format.name() == name);
        let format = parameters.names("format", &Format::ALL.map(Format::name), parse, &mut errors).pop();
        let format = format.unwrap_or(Format::Ndjson);
        let filter = list_query::read_filter(&admitted.live, &parameters, &mut errors);
        if !errors.is_empty() {
            return Err(Error::fields(errors));
        }
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        if head.method != Method::HEAD {
            let Ok(slot) = Arc::clone(&self.exports).try_acquire_owned() else {
                let message =
                    format!("{EXPORTS} exports are under way; try again when one of them has ended");
                return Err(Error::new(Kind::Overloaded, message));
            };
            let export = Export {
                last: self.newest().await?,
                handler: Arc::clone(self),
                format,
                filter,
                public_url: admitted.live.public_url.clone(),
                chunks,
                _slot: slot,
            };
            tokio::spawn(export.run());
        }
        let day: String = rfc3339(self.now_ms()).chars().take(10).collect();
        let file = format!("attachment; filename=\"incidents-{day}.{}\"", format.name());
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static(format.content_type())),
            (CONTENT_DISPOSITION, HeaderValue::try_from(file).map_err(Error::internal)?),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        Ok(Stream { headers, chunks: receiver, endless: false })
    }

    /// Whether alerts are coming in.
    fn takes_alerts(&self) -> bool {
        // A clock that went back says nothing.
        (0..LATELY_MS).contains(&self.now_ms().saturating_sub(self.durable_at_ms.load(Ordering::Relaxed)))
    }

    /// The incident that was recorded last.
    async fn newest(&self) -> Result<Option<Number>, Error> {
        let query = ListQuery { sort: Sort::Newest, limit: 1, uncounted: true, ..ListQuery::default() };
        Ok(self.store.list(query).await?.items.first().map(|incident| incident.number))
    }
}

/// An export under way.
struct Export {
    handler: Arc<Handler>,
    format: Format,
    filter: Filter,
    /// The last incident that may be part of it: otherwise it would never end where more come than a client takes.
    last: Option<Number>,
    public_url: String,
    chunks: mpsc::Sender<Chunk>,
    _slot: OwnedSemaphorePermit,
}

impl Export {
    async fn run(self) {
        match self.send_all().await {
            Ok(true) => {
                self.chunks.send(Chunk::End).await.ok();
            }
            // The client is gone.
            Ok(false) => {}
            // Without an end, the client is cut off, and knows that this was not all.
            Err(error) => {
                let cause = error.cause().map(tracing::field::display);
                tracing::warn!(%error, cause, "an export was broken off");
            }
        }
    }

    /// Whether the client has taken all of it.
    async fn send_all(&self) -> Result<bool, Error> {
        let mut bytes = self.format.head()?;
        let mut query = ListQuery {
            filter: self.filter.clone(),
            sort: Sort::Oldest,
            limit: PAGE,
            uncounted: true,
            ..ListQuery::default()
        };
        loop {
            // A rare filter may find nothing for many pages.
            if self.chunks.is_closed() {
                return Ok(false);
            }
            let began = Instant::now();
            let page = self.handler.store.list(query.clone()).await?;
            let mut worked = began.elapsed();
            for incident in page.items.iter().filter(|incident| Some(incident.number) <= self.last) {
                let began = Instant::now();
                bytes.extend(self.format.write(incident, &self.public_url)?);
                worked += began.elapsed();
                if bytes.len() > SENT_BYTES && !self.send(&mut bytes).await {
                    return Ok(false);
                }
            }
            query.after = page.next.filter(|place| Some(place.number) < self.last);
            if query.after.is_none() {
                return Ok(self.send(&mut bytes).await);
            }
            if self.handler.takes_alerts() {
                // What there is of a rare filter is not kept back meanwhile.
                if !bytes.is_empty() && !self.send(&mut bytes).await {
                    return Ok(false);
                }
                tokio::time::sleep((worked * REST).min(MOST_REST)).await;
            }
        }
    }

    /// Sends what has gathered; whether somebody takes it.
    async fn send(&self, bytes: &mut Vec<u8>) -> bool {
        let bytes: Bytes = std::mem::take(bytes).into();
        self.chunks.send(Chunk::Data(bytes)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_and_no_formulas() {
        for (json, expected) in [
            ("null", ""),
            ("12", "12"),
            (r#""a, \"b\"""#, "a, \"b\""),
            (r#"["SER-1","SER-2"]"#, "SER-1 SER-2"),
            (r#"{"a": 1.0}"#, r#"{"a":1.0}"#),
            (r#"[{"a": 1}]"#, r#"[{"a":1}]"#),
            (r#""=1+1""#, "'=1+1"),
            (r#""\t=1""#, "'\t=1"),
        ] {
            let object = format!("{{\"x\":{json}}}");
            assert_eq!(cell(&json::parse_object(object.as_bytes()).unwrap()[0].1), expected);
        }
        assert_eq!(csv_row(["a", "b\r\nc", "d\"e"]).unwrap(), b"a,\"b\r\nc\",\"d\"\"e\"\r\n");
    }
}
