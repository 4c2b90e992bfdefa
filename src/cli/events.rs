//! Server-Sent Events, <https://html.spec.whatwg.org/multipage/server-sent-events.html>: bytes in, events out. Pure: it
//! reads from nothing and waits for nobody.

use std::time::Duration;

/// More than any event of ours; a stream that has longer ones is none of ours.
const MOST_BYTES: usize = 4 << 20;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The last id that the stream has named, here or before.
    pub id: Option<String>,
    /// What kind of event it is; `message` where the stream does not say.
    pub name: String,
    /// What it says.
    pub data: String,
}

/// An event longer than this client reads.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// Puts events together. One parser outlives the connections: it knows where the last one ended.
#[derive(Debug, Default)]
pub struct Parser {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    /// Nothing but the first line may begin with a byte order mark.
    begun: bool,
    name: String,
    data: String,
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// What `Last-Event-ID` has to say to go on here.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the stream wants its readers to wait before they connect again.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Begins with a new connection: what the old one had not finished is forgotten, and comes again.
    pub fn reconnect(&mut self) {
        let id = self.last_id.clone();
        *self = Self { id: id.clone(), last_id: id, retry: self.retry, ..Self::default() };
    }

    /// The events that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.take_line(&String::from_utf8_lossy(&line)));
                }
                _ => {
                    self.after_return = false;
                    self.line.push(*byte);
                }
            }
            if self.line.len() + self.data.len() > MOST_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        let line = if self.begun { line } else { line.strip_prefix('\u{feff}').unwrap_or(line) };
        self.begun = true;
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data += &format!("{value}\n"),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()).filter(|id| !id.is_empty()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // A comment, which shows that the server is alive; or what a later version says.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let data = data.strip_suffix('\n')?.to_owned();
        let name = if name.is_empty() { "message".into() } else { name };
        Some(Event { id: self.last_id.clone(), name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(id: Option<&str>, name: &str, data: &str) -> Event {
        Event { id: id.map(Into::into), name: name.into(), data: data.into() }
    }

    fn all(text: &str) -> Vec<Event> {
        Parser::default().push(text.as_bytes()).unwrap()
    }

    const STREAM: &str = "\u{feff}retry: 2000\n: hello\n\nid: 7\nevent: incident\ndata: {\"title\":\"数\"}\n\n\
                          : heartbeat\n\ndata:one\ndata\ndata:  two\r\n\r\nid\rdata:x\r\rdata: cut short";

    #[test]
    fn a_stream_becomes_events() {
        let events = [
            event(Some("7"), "incident", "{\"title\":\"数\"}"),
            event(Some("7"), "message", "one\n\n two"),
            event(None, "message", "x"),
        ];
        assert_eq!(all(STREAM), events);
        let mut parser = Parser::default();
        parser.push(STREAM.as_bytes()).unwrap();
        assert_eq!(parser.retry(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_says_nothing_is_no_event() {
        assert_eq!(all("event: reset\n\n\n\n: only a comment\n\nfuture: field\n\n"), []);
        assert_eq!(all("data\n\n"), [event(None, "message", "")]);
        assert_eq!(all("retry: soon\nid: a\0b\ndata: x\n\n"), [event(None, "message", "x")]);
    }

    #[test]
    fn an_id_counts_once_its_event_is_complete_and_survives_the_connection() {
        let mut parser = Parser::default();
        parser.push(b"id: 1\ndata: a\n\nid: 2\ndata: half").unwrap();
        assert_eq!(parser.last_id(), Some("1"));
        parser.reconnect();
        assert_eq!(parser.push(b"data: b\n\n").unwrap(), [event(Some("1"), "message", "b")]);
        parser.push(b"id: 9\n\n").unwrap();
        assert_eq!(parser.last_id(), Some("9"));
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &[b'x'; 1 << 16], b"\n"].concat();
        let refused = (0..100).find_map(|_| parser.push(&line).err());
        assert_eq!(refused, Some(TooLong));
        let mut parser = Parser::default();
        assert_eq!((0..100).find_map(|_| parser.push(&[b'x'; 1 << 16]).err()), Some(TooLong));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let parts = cuts.windows(2).map(|pair| &STREAM.as_bytes()[pair[0]..pair[1]]);
            let events: Vec<_> = parts.flat_map(|part| parser.push(part).unwrap()).collect();
            prop_assert_eq!(events, all(STREAM));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Parser::default().push(&bytes).is_ok());
        }
    }
}
