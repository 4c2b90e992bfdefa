//! A server that answers what a test tells it to, for what a real one does not do on demand; and a command that runs
//! meanwhile, read line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::harness::Folder;

/// A busy machine is slow; only a hang takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Hands each request to the test, which answers it.
pub struct Scripted {
    pub addr: SocketAddr,
    requests: Receiver<Request>,
}

/// A request without a body, and the connection that waits for the answer.
pub struct Request {
    /// `GET /path?query HTTP/1.1` as it was sent, and the headers in lower case.
    pub head: String,
    stream: TcpStream,
}

impl Scripted {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            // Ends with the test, which drops the receiver, or with the process.
            while let Ok((stream, _)) = listener.accept() {
                if sender.send(Request::read(stream)).is_err() {
                    break;
                }
            }
        });
        Self { addr, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next request, which must be for `start`.
    #[track_caller]
    pub fn expect(&self, start: &str) -> Request {
        let request = self.requests.recv_timeout(PATIENCE).expect("no request came");
        assert!(request.head.starts_with(start), "{start}: {}", request.head);
        request
    }
}

impl Request {
    fn read(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        reader.read_line(&mut head).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            head += &line.to_lowercase();
        }
        Self { head, stream: reader.into_inner() }
    }

    /// Answers at once, with JSON.
    pub fn answer(mut self, status: &str, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        self.stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    }

    /// Answers with one page of these incidents.
    pub fn answer_list(self, items: &[String]) {
        let items = items.join(",");
        self.answer(
            "200 OK",
            &format!(
                r#"{{"success":true,"data":{{"items":[{items}],"total":2,"total_exact":true,"has_more":false,"next_offset":null,"next_cursor":null}}}}"#
            ),
        );
    }

    /// Begins an answer that comes in pieces.
    pub fn begin(mut self) -> Pieces {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.stream.write_all(head).unwrap();
        Pieces(self.stream)
    }
}

/// An answer on its way; dropped, it is cut short.
pub struct Pieces(TcpStream);

impl Pieces {
    pub fn send(&mut self, text: &str) {
        self.0.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).unwrap();
    }

    pub fn end(mut self) {
        self.0.write_all(b"0\r\n\r\n").unwrap();
    }
}

/// A command on its way. Dropped, it is killed.
pub struct Running {
    pub child: Child,
    said: Receiver<String>,
    complained: Receiver<String>,
}

impl Running {
    /// Starts `firebell` against a server.
    pub fn start(folder: &Folder, url: &str, arguments: &[&str]) -> Self {
        let mut command: Command = folder.firebell(arguments);
        command.env("FIREBELL_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, said: lines(stdout), complained: lines(stderr) }
    }

    /// The next line on standard output.
    #[track_caller]
    pub fn said(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("it said nothing more")
    }

    /// The next line on standard error.
    #[track_caller]
    pub fn complained(&self) -> String {
        self.complained.recv_timeout(PATIENCE).expect("it complained no more")
    }

    /// Its end, and whatever was left to read.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        let rest = |lines: &Receiver<String>| {
            let mut rest = Vec::new();
            // The channel is closed when the process has ended.
            while let Ok(line) = lines.recv_timeout(PATIENCE) {
                rest.push(line);
            }
            rest
        };
        let (said, complained) = (rest(&self.said), rest(&self.complained));
        (self.child.wait().unwrap(), said, complained)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(reader: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
