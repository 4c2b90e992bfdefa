//! Requests that are absurd, or no HTTP at all: a documented answer or a closed connection, and a server that is well.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::audit::audit;
use crate::harness::{COMPLETE, CONFIG, Folder, KEY, Server, alert};
use crate::http::{self, Connection, TIMEOUT, check_all};

/// Sends bytes, says that these were all, and reads what comes back until the connection is closed.
#[track_caller]
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // The server may have had enough before it has read it all.
    stream.write_all(bytes).ok();
    stream.shutdown(Shutdown::Write).ok();
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    check_all(bytes, &answer);
    String::from_utf8(answer).unwrap()
}

/// The status of each answer in what came back.
fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.split("HTTP/1.").skip(1);
    lines.map(|line| line.get(2..5).unwrap()).collect()
}

#[test]
fn absurd_urls() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let key = |rest: &str| format!("/webhooks/{KEY}{rest}");
    let unknown = [
        "//",
        "///",
        "/.",
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/",
        "/webhooks",
        "/webhooks/",
        "//webhooks/x",
        "/%00",
        "/%ff",
        "/%",
        "/%zz",
        "/api/v1/incidents/",
        "/api//v1/incidents",
        "/WEBHOOKS/x",
        "/*",
        "/;",
    ];
    for path in unknown {
        assert_eq!(http::send(server.addr, "POST", path, &[], b"{}").code(), "not_found", "{path}");
    }
    for path in [key("/"), key("/x"), format!("/./webhooks/{KEY}"), format!("/webhooks//{KEY}")] {
        assert_eq!(http::send(server.addr, "POST", &path, &[], b"{}").code(), "not_found");
    }
    for path in [
        key("%00"),
        key("."),
        key("%20"),
        key(";a=b"),
        "/webhooks/%00".into(),
        "/webhooks/..".into(),
        "/webhooks/%ff%fe".into(),
    ] {
        let answer = http::send(server.addr, "POST", &path, &[], COMPLETE.as_bytes());
        assert_eq!(answer.code(), "unknown_routing_key", "{answer:?}");
    }
    // A key is a key however it is written, and what follows it is a query.
    let escaped = format!("/webhooks/%{:02x}{}", KEY.as_bytes()[0], &KEY[1..]);
    assert_eq!(http::send(server.addr, "POST", &escaped, &[], COMPLETE.as_bytes()).status, 201);
    for query in ["?", "??", "?&&=&", "?%ff=%00", "?dry_run", "?x[]=1"] {
        let answer = http::send(server.addr, "POST", &key(query), &[], COMPLETE.as_bytes());
        assert!(matches!(answer.status, 200 | 400), "{query}: {answer:?}");
    }
    let long = format!("/healthz?{}", "x=1&".repeat(10_000));
    assert_eq!(http::send(server.addr, "GET", &long, &[], b"").status, 200);
    assert_eq!(
        http::send(server.addr, "POST", &format!("/{}", "a".repeat(40_000)), &[], b"").code(),
        "not_found"
    );
    for number in [
        "INC-2026-0",
        "INC-99999999999999999999-1",
        "INC--1",
        "%00",
        "'; DROP TABLE incident; --",
        "INC-2026-9999999999999",
    ] {
        let escaped: String = number.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/api/v1/incidents/{escaped}");
        assert_eq!(http::send(server.addr, "GET", &path, &[], b"").code(), "not_found", "{number}");
    }
    // Beyond the buffer, hyper answers by itself.
    for length in [64 * 1024, 1024 * 1024] {
        let answer =
            exchange(&server, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(length)).as_bytes());
        assert!(answer.is_empty() || matches!(statuses(&answer)[..], ["414" | "431"]), "{length}: {answer}");
    }
    server.assert_well();
    server.terminate();
}

#[test]
fn absurd_headers() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let with = |headers: &str| {
        exchange(
            &server,
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n").as_bytes(),
        )
    };
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>();
    assert_eq!(statuses(&with(&many(90))), ["200"]);
    assert_eq!(statuses(&with(&format!("X-Long: {}\r\n", "x".repeat(40_000)))), ["200"]);
    assert_eq!(statuses(&with("X-Request-Id: \u{e9}\u{1f514}\r\nX-Empty:\r\n")), ["200"]);
    for headers in [many(200), many(5000), format!("X-Long: {}\r\n", "x".repeat(1024 * 1024))] {
        let answer = with(&headers);
        assert!(answer.is_empty() || statuses(&answer) == ["431"], "{} bytes: {answer}", headers.len());
    }
    // Hyper looks at its limit between reads, and the last one may bring more than was left.
    let answer = with(&format!("X-Long: {}\r\n", "x".repeat(100 * 1024)));
    assert!(answer.is_empty() || matches!(statuses(&answer)[..], ["431" | "200"]), "{answer}");
    for headers in
        ["No colon\r\n", ": no name\r\n", "Na me: x\r\n", "X: a\0b\r\n", "X: a\rb\r\n", " folded: x\r\n"]
    {
        let answer = with(headers);
        assert!(answer.is_empty() || statuses(&answer) == ["400"], "{headers:?}: {answer}");
    }
    server.assert_well();
    server.terminate();
}

#[test]
fn bytes_that_are_no_http() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let client_hello =
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c";
    let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let head = |lines: &str| {
        format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\n{lines}\r\n{COMPLETE}").into_bytes()
    };
    let cases: [Vec<u8>; 16] = [
        client_hello.to_vec(),
        noise,
        vec![0; 100_000],
        b"\r\n\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /healthz\r\n".to_vec(),
        b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n".to_vec(),
        b"GET  /healthz  HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        "GET /h\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n\u{1f514}".as_bytes().to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        head("Content-Length: -1\r\n"),
        head("Content-Length: 1e3\r\n"),
        head("Content-Length: 99999999999999999999999\r\n"),
        head("Content-Length: 5\r\nContent-Length: 6\r\n"),
        head("Transfer-Encoding: chunked\r\n"),
    ];
    for bytes in cases {
        let answer = exchange(&server, &bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let refused =
            statuses(&answer).iter().all(|status| matches!(*status, "400" | "404" | "414" | "431" | "505"));
        assert!(refused, "{shown:?}: {answer}");
    }
    server.assert_well();
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 0);
}

/// Where two lengths are announced, the next request must not begin in the middle of a body (RFC 9112, 6.3).
#[test]
fn two_lengths_never_make_two_requests_of_one() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let smuggled = format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    let chunk = format!("{:x}\r\n{COMPLETE}\r\n0\r\n\r\n", COMPLETE.len());
    let both = format!(
        "POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}",
        chunk.len() + smuggled.len()
    );
    let answer = exchange(&server, both.as_bytes());
    assert!(matches!(statuses(&answer)[..], [] | ["400"] | ["201"]), "{answer}");
    let same = format!(
        "POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n\r\n{COMPLETE}",
        length = COMPLETE.len()
    );
    let answer = exchange(&server, same.as_bytes());
    assert!(matches!(statuses(&answer)[..], ["400"] | ["200"] | ["201"]), "{answer}");
    server.assert_well();
    server.terminate();
    assert!(audit(&folder.path("firebell.db")).incidents.len() <= 1);
}

#[test]
fn requests_may_come_all_at_once_and_are_answered_in_order() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let request = |n: usize| {
        let body = alert(&format!("pipelined-{n}"));
        format!(
            "POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {n}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut connection = Connection::open(server.addr).unwrap();
    connection.write((0..20).map(request).collect::<String>().as_bytes()).unwrap();
    for n in 0..20 {
        let answer = connection.read(false).unwrap();
        assert_eq!(answer.data()["dedup_key"], format!("pipelined-{n}"));
        assert_eq!(answer.header("x-request-id"), Some(n.to_string().as_str()));
    }
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents.len(), 20);
}

#[test]
fn http_1_0_and_a_body_in_chunks() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let old =
        format!("POST /webhooks/{KEY} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{COMPLETE}", COMPLETE.len());
    assert_eq!(statuses(&exchange(&server, old.as_bytes())), ["201"]);
    let chunks: String = COMPLETE.chars().map(|c| format!("{:x};ext=1\r\n{c}\r\n", c.len_utf8())).collect();
    let chunked = format!(
        "POST /api/webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nX-Trailer: 1\r\n\r\n"
    );
    assert_eq!(statuses(&exchange(&server, chunked.as_bytes())), ["200"]);
    for broken in ["zz\r\n", "5\r\nab", "-1\r\n", "ffffffffffffffffff\r\n"] {
        let request =
            format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
        let answer = exchange(&server, request.as_bytes());
        assert!(matches!(statuses(&answer)[..], [] | ["400"]), "{broken:?}: {answer}");
    }
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).occurrences(), 2);
}
