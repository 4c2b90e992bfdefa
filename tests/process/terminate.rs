//! SIGTERM: every request is answered or refused, nothing acknowledged is lost, and it ends in time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, KEY, Server, alert};
use crate::http::{Connection, TIMEOUT};

const CLIENTS: usize = 64;

/// What came of a POST while the server went away.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Acknowledged {
        dedup_key: String,
        number: String,
    },
    Refused,
    /// Not one byte of an answer: the sender knows that it has to send it again.
    Unanswered {
        /// How long after the POST before it, which was answered; `None`: it was the first on its connection.
        idle: Option<Duration>,
    },
}

/// A connection with nothing under way is closed as soon as 300 ms after SIGTERM, and no sender can know.
const KEPT_OPEN: Duration = Duration::from_millis(300);

#[test]
fn under_load_every_request_is_answered_or_refused_and_none_is_lost() {
    let folder = Folder::new(CONFIG);
    let mut server = folder.serve();
    let (tell, told) = channel();
    let (fates, status, took) = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (addr, tell) = (server.addr, tell.clone());
            scope.spawn(move || post_until_gone(addr, client, &tell));
        }
        drop(tell);
        let mut fates: Vec<_> = (0..500).map(|_| told.recv().unwrap()).collect();
        let asked = Instant::now();
        server.signal(Signal::TERM);
        let status = server.wait();
        let took = asked.elapsed();
        fates.extend(told);
        (fates, status, took)
    });
    assert_eq!(status.code(), Some(0), "{}", server.said());
    assert!(took < Duration::from_secs(10), "{took:?}; `shutdown_timeout` is 10 s");
    assert!(!server.said().contains("shutdown_timeout"), "{}", server.said());

    let audit = audit(&folder.path("firebell.db"));
    let by_number = audit.by_number();
    let mut acknowledged = 0;
    for fate in &fates {
        if let Fate::Acknowledged { dedup_key, number } = fate {
            let row = by_number.get(number.as_str()).unwrap_or_else(|| panic!("{number} is lost"));
            assert_eq!((row.dedup_key.as_ref(), row.occurrences), (Some(dedup_key), 1));
            acknowledged += 1;
        }
    }
    let unanswered: Vec<_> = fates.iter().filter(|fate| matches!(fate, Fate::Unanswered { .. })).collect();
    for fate in &unanswered {
        // The kernel takes connections that the server then never sees; those that it knew it answers.
        assert!(!matches!(fate, Fate::Unanswered { idle: Some(idle) } if *idle < KEPT_OPEN), "{fate:?}");
    }
    assert!(audit.incidents.len() <= acknowledged + unanswered.len(), "something refused was stored");
}

fn post_until_gone(addr: SocketAddr, client: usize, tell: &Sender<Fate>) {
    let mut connection: Option<(Connection, Instant)> = None;
    for post in 0.. {
        // A connection that is refused is a clear answer; so is one that is reset before anything was sent.
        let (open, before) = match connection.take() {
            Some((open, before)) => (open, Some(before)),
            None => match Connection::open(addr) {
                Ok(open) => (open, None),
                Err(_) => return,
            },
        };
        let began = Instant::now();
        let idle = before.map(|before| began - before);
        let (fate, next) = post_once(open, idle, format!("{client}-{post}"));
        let over = matches!(fate, Fate::Unanswered { .. });
        tell.send(fate).unwrap();
        if over {
            return;
        }
        connection = next.map(|open| (open, began));
    }
}

fn post_once(
    mut connection: Connection,
    idle: Option<Duration>,
    dedup_key: String,
) -> (Fate, Option<Connection>) {
    let body = alert(&dedup_key);
    let head = format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let sent = connection.write(format!("{head}{body}").as_bytes());
    if sent.is_err() || !matches!(connection.socket().peek(&mut [0]), Ok(1)) {
        return (Fate::Unanswered { idle }, None);
    }
    // It has begun to answer, so it has to finish.
    let answer = connection.read(false).unwrap();
    let fate = match answer.status {
        200 | 201 => {
            let number = answer.data()["incident_number"].as_str().unwrap().to_owned();
            Fate::Acknowledged { dedup_key, number }
        }
        503 => {
            assert_eq!(answer.code(), "shutting_down");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            Fate::Refused
        }
        other => panic!("{other} {}", answer.text),
    };
    let closes = answer.header("connection") == Some("close");
    (fate, (!closes).then_some(connection))
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let folder = Folder::new(&format!("{CONFIG}[limits]\nshutdown_timeout = \"1h\"\n"));
    let mut server = folder.serve();
    let silent = TcpStream::connect(server.addr).unwrap();
    let mut idle = Connection::open(server.addr).unwrap();
    assert_eq!(idle.try_send("GET", "/healthz", &[], b"").unwrap().status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    for stream in [&silent, idle.socket()] {
        assert_closed(stream);
    }
}

#[test]
fn half_sent_requests_are_cut_when_the_time_is_over() {
    let folder = Folder::new(&format!("{CONFIG}[limits]\nshutdown_timeout = \"400ms\"\n"));
    for half in [
        format!("POST /webhooks/{KEY} HTT"),
        format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\n"),
        format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{\"title\":"),
    ] {
        let mut server = folder.serve();
        let mut half_way = TcpStream::connect(server.addr).unwrap();
        half_way.write_all(half.as_bytes()).unwrap();
        let mut idle = Connection::open(server.addr).unwrap();
        assert_eq!(idle.try_send("GET", "/healthz", &[], b"").unwrap().status, 200);
        let asked = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait().code(), Some(0), "{half:?}: {}", server.said());
        // Generous: the machine may be busy. The head and the body would have had 30 s.
        assert!(asked.elapsed() < Duration::from_secs(8), "{half:?}: {:?}", asked.elapsed());
        assert_closed(&half_way);
    }
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 0);
}

#[test]
fn a_request_under_way_is_answered_after_the_signal() {
    let folder = Folder::new(CONFIG);
    let mut server = folder.serve();
    let body = alert("slow");
    let (first, rest) = body.split_at(10);
    let mut connection = Connection::open(server.addr).unwrap();
    let head = format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
    connection.write(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    // "100 Continue" says that the body is being waited for.
    assert_eq!(connection.read(true).unwrap().status, 100);
    connection.write(first.as_bytes()).unwrap();
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    connection.write(rest.as_bytes()).unwrap();
    let answer = connection.read(false).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(audit(&folder.path("firebell.db")).with_key("slow"), 1);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new(&format!("{CONFIG}[limits]\nshutdown_timeout = \"1h\"\n"));
    let mut server = folder.serve();
    let mut half_way = TcpStream::connect(server.addr).unwrap();
    half_way.write_all(b"POST /webhooks").unwrap();
    server.assert_well();
    server.signal(Signal::INT);
    server.wait_for("a second signal ends it at once");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
}

#[test]
fn clients_that_hang_up_in_the_middle_leave_nothing_half_done() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let key = |n: usize| format!("hang-up-{n}");
    let request = |n: usize| {
        let body = alert(&key(n));
        format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let length = request(1000).len();
    // Cut at every byte; the last one sends all of it, and does not wait for the answer.
    for n in 0..=length {
        hang_up(&server, &request(1000 + n).as_bytes()[..n], n % 2 == 0);
    }
    server.assert_well();
    assert_eq!(server.post(&alert("afterwards")).status, 201);
    server.terminate();
    let audit = audit(&folder.path("firebell.db"));
    assert_eq!(audit.with_key("afterwards"), 1);
    for n in 0..length {
        assert_eq!(audit.with_key(&key(1000 + n)), 0, "{n} of {length} bytes");
    }
    assert!(audit.with_key(&key(1000 + length)) <= 1);
    assert!(audit.incidents.iter().all(|row| row.occurrences == 1));
}

/// Sends bytes and goes away without waiting for an answer.
fn hang_up(server: &Server, bytes: &[u8], half_closed_first: bool) {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.write_all(bytes).unwrap();
    if half_closed_first {
        stream.shutdown(Shutdown::Write).unwrap();
    }
}

#[track_caller]
fn assert_closed(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => assert_eq!(rest, b"", "{}", String::from_utf8_lossy(&rest)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}
