//! A small HTTP/1.1 client over a real socket, which checks what must hold of *every* answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use firebell::route::{self, Route};
use serde_json::Value;

use crate::document;

/// Long enough for a busy machine; a hang is a failure, not a wait.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The whole body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// `data` of a success.
    #[track_caller]
    pub fn data(&self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.json()["data"].clone()
    }

    /// `error.code` of a refusal.
    #[track_caller]
    pub fn code(&self) -> String {
        assert!(self.status >= 400, "{} {}", self.status, self.text);
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// What the contract says of every answer to a readable request.
    #[track_caller]
    pub fn check(&self) {
        let request_id = self.header("x-request-id").unwrap_or_else(|| panic!("no X-Request-Id: {self:?}"));
        // What has a format of its own has no envelope; a refusal always has one.
        let content_type = self.header("content-type");
        if self.status < 400 && content_type != Some("application/json") {
            assert!(content_type.is_some(), "{self:?}");
            return;
        }
        assert_eq!(content_type, Some("application/json"), "{self:?}");
        let body = self.json();
        if self.status < 400 && body.get("openapi").is_some() {
            return;
        }
        assert_eq!(body["meta"]["request_id"], request_id, "{self:?}");
        assert!(body["meta"]["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{self:?}");
        if self.status < 400 {
            assert_eq!(body["success"], true, "{self:?}");
            return;
        }
        let error = &body["error"];
        assert!(error["code"].is_string() && error["details"].is_object(), "{self:?}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 5), "{self:?}");
        assert_eq!(self.header("retry-after").is_some(), matches!(self.status, 429 | 503), "{self:?}");
        assert_eq!(self.header("allow").is_some(), self.status == 405, "{self:?}");
    }
}

/// Holds an answer against the contract, and against what `openapi.json` says of the request that `sent` begins with.
/// What could not be read as a request gets hyper's bare answer, which has no id and no body.
#[track_caller]
fn check_answer(sent: &str, response: &Response) {
    if response.header("x-request-id").is_none() && response.text.is_empty() {
        assert!(matches!(response.status, 400 | 414 | 431), "{response:?}");
        return;
    }
    let (method, rest) = sent.split_once(' ').unwrap_or((sent, ""));
    // What is a URL where a path should be, or has a method of its own making, leads nowhere, and is told so.
    let path = rest.split(' ').next().unwrap_or_default();
    if is_page(method, path) || response.header("content-type").is_some_and(|of| of.starts_with("text/html"))
    {
        return check_page(response);
    }
    if !document::dialect(path).is_empty() {
        // No envelope; what is in it instead is the document's.
        let plain = document::dialect(path) == "Healthchecks";
        let expected = if plain { "text/plain; charset=utf-8" } else { "application/json" };
        assert_eq!(response.header("content-type"), Some(expected), "{response:?}");
        assert_eq!(
            response.header("retry-after").is_some(),
            matches!(response.status, 429 | 503),
            "{response:?}"
        );
    } else if method != "HEAD" {
        response.check();
    }
    if path.starts_with('/') {
        document::check(method, path, response);
    }
}

/// Whether a page for people is at a path, or what belongs to one.
fn is_page(method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    route::find(method, path).is_ok_and(|found| matches!(found.route, Route::Page(_)))
}

/// What holds of every page, refused or not: nothing in it runs that is not ours, and nobody keeps or frames it.
#[track_caller]
fn check_page(response: &Response) {
    match response.header("content-type") {
        Some("application/json") => return response.check(),
        Some("text/event-stream") => return,
        _ => {}
    }
    let policy =
        response.header("content-security-policy").unwrap_or_else(|| panic!("no policy: {response:?}"));
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{response:?}");
    assert_eq!(response.header("x-frame-options"), Some("DENY"), "{response:?}");
    let html = response.header("content-type") == Some("text/html; charset=utf-8");
    assert_eq!(response.header("cache-control") == Some("no-store"), html, "{response:?}");
    for mark in ["style=", "onclick=", "onload=", "javascript:", "<script>"] {
        assert!(!html || !response.text.contains(mark), "{mark} in {}", response.text);
    }
    assert!(response.header("x-request-id").is_some(), "{response:?}");
}

/// The answers in all that came back for what was sent, each checked.
#[track_caller]
pub fn check_all(sent: &[u8], mut received: &[u8]) {
    let line = sent.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    let head_only = line.starts_with("HEAD ");
    while !received.is_empty() {
        let mut response = read_head(&mut received).unwrap();
        // The last one may have been cut off by the end of the connection, but only behind its head.
        if !head_only && read_body(&mut received, &mut response).is_err() {
            return;
        }
        if response.status != 100 {
            check_answer(&line, &response);
        }
    }
}

/// A connection that is kept alive.
pub struct Connection {
    stream: BufReader<TcpStream>,
    /// The first line of the request that was sent last.
    asked: String,
}

impl Connection {
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), asked: String::new() })
    }

    /// Sends bytes as they are. Those that begin a request say what the next answers are to.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if line.ends_with(b" HTTP/1.1") {
            self.asked = String::from_utf8_lossy(line).into_owned();
        }
        self.stream.get_mut().write_all(bytes)
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends a request and reads the answer, which must be as the contract has every answer, and as `openapi.json` has
    /// this one.
    #[track_caller]
    pub fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += "Host: localhost\r\n";
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n", body.len());
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.write(&bytes)?;
        self.read(method == "HEAD")
    }

    /// Reads one answer, checked like that of [`Connection::try_send`].
    #[track_caller]
    pub fn read(&mut self, head_only: bool) -> io::Result<Response> {
        let mut response = self.read_head()?;
        if !head_only {
            read_body(&mut self.stream, &mut response)?;
        }
        if response.status != 100 {
            check_answer(&self.asked, &response);
        }
        Ok(response)
    }

    /// Reads one answer as text, unchecked: for numbers that the library of the checks cannot hold.
    pub fn read_text(&mut self) -> io::Result<String> {
        let mut response = self.read_head()?;
        read_body(&mut self.stream, &mut response)?;
        Ok(response.text)
    }

    /// Reads an answer up to its body.
    pub fn read_head(&mut self) -> io::Result<Response> {
        read_head(&mut self.stream)
    }
}

fn read_head(from: &mut impl BufRead) -> io::Result<Response> {
    let mut line = String::new();
    read_line(from, &mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        read_line(from, &mut line)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(Response { status, headers, text: String::new() })
}

/// Reads what belongs to the head; of a stream that has no end, nothing.
fn read_body(from: &mut impl BufRead, response: &mut Response) -> io::Result<()> {
    if response.header("transfer-encoding") == Some("chunked") {
        let endless = response.header("content-type") == Some("text/event-stream");
        let mut body = Vec::new();
        while !endless && read_chunk(from, &mut body)? {}
        response.text = String::from_utf8(body).map_err(io::Error::other)?;
        return Ok(());
    }
    let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    response.text = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(())
}

/// Whether there was another chunk.
fn read_chunk(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut line = String::new();
    read_line(from, &mut line)?;
    let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
    let begin = body.len();
    body.resize(begin + size, 0);
    from.read_exact(&mut body[begin..])?;
    read_line(from, &mut line)?;
    Ok(size > 0)
}

fn read_line(from: &mut impl BufRead, line: &mut String) -> io::Result<()> {
    line.clear();
    if from.read_line(line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(())
}

/// A body that comes in chunks, as it comes.
pub struct Chunked {
    connection: Connection,
    /// Bytes of the chunk that are still to come.
    left: usize,
    ended: bool,
}

impl Chunked {
    /// Sends a GET on a connection of its own and reads up to the body. An answer that does not come in chunks is read
    /// whole.
    pub fn get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<(Response, Self), Response> {
        let mut connection = Connection::open(addr).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        connection.write(format!("{request}\r\n").as_bytes()).unwrap();
        let mut response = connection.read_head().unwrap();
        if response.header("transfer-encoding") == Some("chunked") {
            return Ok((response, Self { connection, left: 0, ended: false }));
        }
        read_body(&mut connection.stream, &mut response).unwrap();
        check_answer(&connection.asked, &response);
        Err(response)
    }
}

impl Chunked {
    /// What it came on.
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            let mut line = String::new();
            read_line(&mut self.connection.stream, &mut line)?;
            self.left = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
            self.ended = self.left == 0;
            if self.ended {
                read_line(&mut self.connection.stream, &mut String::new())?;
            }
        }
        if self.ended {
            return Ok(0);
        }
        let most = buffer.len().min(self.left);
        let count = self.connection.stream.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        if self.left == 0 {
            read_line(&mut self.connection.stream, &mut String::new())?;
        }
        Ok(count)
    }
}

/// One request on a connection of its own.
#[track_caller]
pub fn send(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    Connection::open(addr).unwrap().try_send(method, path, headers, body).unwrap()
}
