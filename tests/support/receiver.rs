//! A receiver of notifications: a real server, which answers as it was told to and remembers what came.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answered with that status, these further header lines and that body.
    Answer(u16, &'static str, &'static str),
    /// The connection is closed without an answer.
    Reset,
    /// Nothing is answered until the sender has gone.
    Stall,
    /// The beginning of an answer, and no more until the sender has gone.
    HalfAnAnswer,
    /// What is no HTTP.
    Babble,
    /// An answer of that status, but not before the test is there too.
    After(&'static Barrier, u16),
}

pub const OK: Behaviour = Behaviour::Answer(200, "", "ok");

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub struct Receiver {
    pub addr: SocketAddr,
    /// What is done next; when it is empty, all is well.
    script: Arc<Mutex<Vec<Behaviour>>>,
    requests: Queue<Request>,
}

impl Receiver {
    pub fn new() -> Self {
        Self::with([])
    }

    /// One that does that with what comes first.
    pub fn with(script: impl IntoIterator<Item = Behaviour>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut script: Vec<_> = script.into_iter().collect();
        script.reverse();
        let script = Arc::new(Mutex::new(script));
        let (tell, requests) = channel();
        let known = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, tell) = (Arc::clone(&known), tell.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &script, &tell));
            }
        });
        Self { addr, script, requests }
    }

    /// What is done with what comes next.
    pub fn then(&self, script: impl IntoIterator<Item = Behaviour>) {
        let mut next: Vec<_> = script.into_iter().collect();
        next.reverse();
        let mut known = self.script.lock().unwrap();
        next.append(&mut known);
        *known = next;
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// The next request, which must come.
    #[track_caller]
    pub fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("nothing came")
    }

    /// What has come by now.
    pub fn all(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }

    /// That nothing has come by now.
    #[track_caller]
    pub fn is_silent(&self) {
        let came = self.requests.try_recv();
        assert!(came.is_err(), "{came:?}");
    }
}

fn serve(stream: TcpStream, script: &Mutex<Vec<Behaviour>>, tell: &Sender<Request>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request { method, path, headers, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    let behaviour = script.lock().unwrap().pop().unwrap_or(OK);
    // Before it is answered: whoever sees that the sender has its answer finds the request here.
    tell.send(request).ok();
    let mut stream = reader.into_inner();
    match behaviour {
        Behaviour::Answer(status, headers, body) => {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
            stream.write_all(answer.as_bytes()).ok();
            return;
        }
        Behaviour::Reset => return,
        Behaviour::After(barrier, status) => {
            barrier.wait();
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").ok();
            return;
        }
        Behaviour::Babble => _ = stream.write_all(b"220 mail.example.org ESMTP\r\n"),
        Behaviour::HalfAnAnswer => _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le"),
        Behaviour::Stall => {}
    }
    // Until the sender has gone.
    stream.read_to_end(&mut Vec::new()).ok();
}
