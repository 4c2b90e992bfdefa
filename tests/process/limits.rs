//! What is bounded: the size of bodies, the time that requests take, connections, and the writer's queue.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use rusqlite::Connection as Store;

use crate::audit::audit;
use crate::harness::{COMPLETE, CONFIG, Folder, KEY, Server, alert};
use crate::http::{Connection, Response, TIMEOUT, check_all};

const MIB: usize = 1024 * 1024;

fn with_limits(limits: &str) -> Folder {
    Folder::new(&format!("{CONFIG}[limits]\n{limits}\n"))
}

fn head(more: &str) -> String {
    format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

#[track_caller]
fn assert_too_large(answer: &Response) {
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"), "{answer:?}");
    assert_eq!(answer.json()["error"]["details"]["limit_bytes"], 262_144);
    assert!(answer.text.contains("the limit of 262144 bytes"), "{answer:?}");
}

#[test]
fn ten_mebibytes_are_refused_and_the_client_reads_why() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let body = vec![b' '; 10 * MIB];
    // All of it is sent before the answer is looked for, as most clients do.
    let mut connection = Connection::open(server.addr).unwrap();
    connection.write(head(&format!("Content-Length: {}\r\n", body.len())).as_bytes()).unwrap();
    connection.write(&body).unwrap();
    assert_too_large(&connection.read(false).unwrap());

    let mut connection = Connection::open(server.addr).unwrap();
    connection.write(head("Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    for piece in body.chunks(MIB) {
        connection.write(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
        connection.write(piece).unwrap();
        connection.write(b"\r\n").unwrap();
    }
    connection.write(b"0\r\n\r\n").unwrap();
    assert_too_large(&connection.read(false).unwrap());

    // Whoever asks first is told at once, and need not send any of it.
    let mut connection = Connection::open(server.addr).unwrap();
    let asks = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len());
    connection.write(head(&asks).as_bytes()).unwrap();
    assert_too_large(&connection.read(false).unwrap());
    server.assert_well();
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 0);
}

#[test]
fn a_body_at_the_limit_is_read_and_one_beyond_it_is_not() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let padded = |length: usize| format!("{COMPLETE}{}", " ".repeat(length - COMPLETE.len()));
    assert_eq!(server.post(&padded(262_144)).status, 201);
    assert_too_large(&server.post(&padded(262_145)));
    let mut connection = Connection::open(server.addr).unwrap();
    let asks = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", COMPLETE.len());
    connection.write(head(&asks).as_bytes()).unwrap();
    assert_eq!(connection.read(true).unwrap().status, 100);
    connection.write(COMPLETE.as_bytes()).unwrap();
    assert_eq!(connection.read(false).unwrap().status, 200);
    server.terminate();
}

/// Sends a byte now and then, until there is an answer or the connection is closed. What came back.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut answer = vec![0; 4096];
    for byte in bytes.iter().cycle().take(3000) {
        // Once the server has closed, writing fails; what it said before is still there to be read.
        stream.write_all(&[*byte]).ok();
        match stream.read(&mut answer) {
            Ok(count) => {
                answer.truncate(count);
                check_all(head("").as_bytes(), &answer);
                return String::from_utf8(answer).unwrap();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                return String::new();
            }
        }
    }
    panic!("neither answered nor closed");
}

#[test]
fn slow_heads_are_cut_and_slow_bodies_are_told() {
    let folder = with_limits("header_timeout = \"200ms\"\nbody_timeout = \"200ms\"");
    let server = folder.serve();
    let slow_head = || {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.write_all(format!("POST /webhooks/{KEY} HTTP/1.1\r\nX-Slow: ").as_bytes()).unwrap();
        assert_eq!(trickle(&mut stream, b"x"), "");
    };
    let slow_body = |more: &str, bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.write_all(head(more).as_bytes()).unwrap();
        let answer = trickle(&mut stream, bytes);
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    };
    let silent = || {
        let mut connection = Connection::open(server.addr).unwrap();
        connection.write(head("Content-Length: 100\r\n").as_bytes()).unwrap();
        connection.write(b"{\"title\":").unwrap();
        let answer = connection.read(false).unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    };
    std::thread::scope(|scope| {
        scope.spawn(slow_head);
        scope.spawn(|| slow_body("Content-Length: 100000\r\n", b" "));
        scope.spawn(|| slow_body("Transfer-Encoding: chunked\r\n", b"1\r\n \r\n"));
        scope.spawn(silent);
    });
    server.assert_well();
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 0);
}

#[test]
fn connections_beyond_the_limit_wait_and_are_served_in_turn() {
    let folder = with_limits("connections = 4");
    let server = folder.serve();
    let healthz =
        |connection: &mut Connection| connection.try_send("GET", "/healthz", &[], b"").unwrap().status;
    let mut served: Vec<_> = (0..4).map(|_| Connection::open(server.addr).unwrap()).collect();
    for connection in &mut served {
        assert_eq!(healthz(connection), 200);
    }
    let mut waiting = Connection::open(server.addr).unwrap();
    waiting.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for connection in &mut served {
        assert_eq!(healthz(connection), 200);
    }
    waiting.socket().set_nonblocking(true).unwrap();
    assert_eq!(waiting.socket().peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    waiting.socket().set_nonblocking(false).unwrap();
    served.pop();
    assert_eq!(waiting.read(false).unwrap().status, 200);
    drop((served, waiting));

    std::thread::scope(|scope| {
        for client in 0..64 {
            let server = &server;
            scope.spawn(move || assert_eq!(server.post(&alert(&format!("turn-{client}"))).status, 201));
        }
    });
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 64);
}

fn post(server: &Server, dedup_key: &str) -> Response {
    let mut connection = Connection::open(server.addr).unwrap();
    let path = format!("/webhooks/{KEY}");
    connection.try_send("POST", &path, &[], alert(dedup_key).as_bytes()).unwrap()
}

#[track_caller]
fn assert_refused(answer: &Response, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (503, code), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
}

#[test]
fn a_full_queue_refuses_and_what_it_took_is_kept() {
    let folder = with_limits("queue = 1\nbatch = 1");
    let server = folder.serve();
    // The disk stands still: the writer waits for this transaction, and one job waits for the writer.
    let disk = Store::open(folder.path("firebell.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (tell, told) = channel();
    std::thread::scope(|scope| {
        for client in 0..64 {
            let (server, tell) = (&server, tell.clone());
            scope.spawn(move || tell.send(post(server, &format!("full-{client}"))).unwrap());
        }
        for _ in 0..62 {
            assert_refused(&told.recv_timeout(TIMEOUT).unwrap(), "overloaded");
        }
        disk.execute_batch("ROLLBACK").unwrap();
        let rest: Vec<_> = (0..2).map(|_| told.recv_timeout(TIMEOUT).unwrap()).collect();
        for answer in &rest {
            if answer.status != 201 {
                assert_refused(answer, "overloaded");
            }
        }
        assert!(rest.iter().any(|answer| answer.status == 201));
    });
    let before = audit(&folder.path("firebell.db")).incidents.len();
    assert!((1..=2).contains(&before), "{before} incidents");
    // Senders that do as `Retry-After` says get everything stored, once.
    std::thread::scope(|scope| {
        for client in 0..64 {
            let server = &server;
            scope.spawn(move || {
                while !matches!(post(server, &format!("full-{client}")).status, 200 | 201) {
                    std::thread::yield_now();
                }
            });
        }
    });
    server.terminate();
    let audit = audit(&folder.path("firebell.db"));
    assert_eq!((audit.incidents.len(), audit.occurrences()), (64, 64 + before as i64));
}

#[test]
fn a_disk_that_does_not_answer_in_time_is_told() {
    let folder = with_limits("store_timeout = \"100ms\"");
    let server = folder.serve();
    let disk = Store::open(folder.path("firebell.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_refused(&post(&server, "late"), "storage_unavailable");
    // Reading does not wait for the disk.
    assert_eq!(server.get("/api/v1/incidents")["total"], 0);
    disk.execute_batch("ROLLBACK").unwrap();
    // It was not promised, but it was accepted: with its key, a retry is one incident all the same.
    assert_eq!(post(&server, "late").data()["occurrences"], 2);
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).with_key("late"), 1);
}
