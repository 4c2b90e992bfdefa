//! Bodies that are wrong in every way: the documented answer, and nothing stored for a refusal.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::audit::audit;
use crate::harness::{COMPLETE, CONFIG, Folder, KEY, Server};
use crate::http::{Connection, Response, TIMEOUT};

/// Posts many bodies to one server and counts what should be on disk in the end.
struct Sender {
    folder: Folder,
    server: Server,
    connection: Connection,
    created: usize,
    accepted: i64,
}

impl Sender {
    fn new() -> Self {
        let folder = Folder::new(CONFIG);
        let server = folder.serve();
        let connection = Connection::open(server.addr).unwrap();
        Self { folder, server, connection, created: 0, accepted: 0 }
    }

    /// On the one connection: a refused body must not spoil the next request on it.
    #[track_caller]
    fn post(&mut self, body: &[u8]) -> Response {
        let path = format!("/webhooks/{KEY}");
        let answer = self.connection.try_send("POST", &path, &[], body);
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(body)));
        assert_ne!(answer.header("connection"), Some("close"), "{answer:?}");
        self.created += usize::from(answer.status == 201);
        self.accepted += i64::from(answer.status < 300);
        answer
    }

    #[track_caller]
    fn refuse(&mut self, body: impl AsRef<[u8]>, code: &str) -> Response {
        let body = body.as_ref();
        let answer = self.post(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
        assert!(answer.status >= 400, "{shown}: {answer:?}");
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{shown}: {answer:?}");
        answer
    }

    /// What was accepted is on disk, and nothing else.
    #[track_caller]
    fn finish(self) {
        self.server.assert_well();
        self.server.terminate();
        let audit = audit(&self.folder.path("firebell.db"));
        assert_eq!((audit.incidents.len(), audit.occurrences()), (self.created, self.accepted));
    }
}

#[test]
fn the_complete_example_cut_at_every_byte() {
    let mut sender = Sender::new();
    for length in 0..COMPLETE.len() {
        sender.refuse(&COMPLETE[..length], "invalid_json");
    }
    assert_eq!(sender.post(COMPLETE.as_bytes()).status, 201);
    sender.finish();
}

#[test]
fn the_complete_example_with_every_byte_changed() {
    let mut sender = Sender::new();
    let mut statuses = [0; 3];
    for at in 0..COMPLETE.len() {
        for change in [|byte: u8| byte ^ 0x01, |byte| byte ^ 0x80, |byte| byte ^ 0x20, |_| 0] {
            let mut body = COMPLETE.as_bytes().to_vec();
            body[at] = change(body[at]);
            let answer = sender.post(&body);
            match answer.status {
                200 => statuses[0] += 1,
                201 => statuses[1] += 1,
                400 => {
                    assert!(matches!(answer.code().as_str(), "invalid_json" | "validation_error"));
                    statuses[2] += 1;
                }
                _ => panic!("byte {at}: {answer:?}"),
            }
        }
    }
    // Most changes within a text make another text; all those outside break something.
    assert!(statuses.iter().all(|count| *count > 20), "{statuses:?}");
    sender.finish();
}

#[test]
fn bodies_that_end_before_their_announced_length() {
    let mut sender = Sender::new();
    for length in 0..COMPLETE.len() {
        let mut stream = TcpStream::connect(sender.server.addr).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let head =
            format!("POST /webhooks/{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", COMPLETE.len());
        stream.write_all(format!("{head}{}", &COMPLETE[..length]).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("invalid_json"), "{length}: {answer}");
    }
    assert_eq!(sender.post(COMPLETE.as_bytes()).status, 201);
    sender.finish();
}

#[test]
fn what_is_not_json_or_not_strictly() {
    let mut sender = Sender::new();
    let nested = |depth: usize| {
        format!(
            r#"{{"title":"t","service_id":"SER-00001","metadata":{{"a":{}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    // The body and `metadata` are two levels.
    assert_eq!(sender.post(nested(126).as_bytes()).status, 201);
    sender.refuse(nested(127), "invalid_json");
    sender.refuse(nested(129), "invalid_json");
    sender.refuse(nested(100_000), "invalid_json");
    sender.refuse("[".repeat(200_000), "invalid_json");
    sender.refuse("{\"a\":".repeat(50_000), "invalid_json");
    for twice in [
        r#"{"title":"t","title":"t","service_id":"SER-00001"}"#,
        r#"{"title":"t","titl\u0065":"u","service_id":"SER-00001"}"#,
        r#"{"title":"t","service_id":"SER-00001","metadata":{"a":{"b":1,"b":1}}}"#,
        r#"{"title":"t","service_id":"SER-00001","unknown":[{"b":1,"b":1}]}"#,
    ] {
        let answer = sender.refuse(twice, "invalid_json");
        assert!(answer.text.contains("is there twice"), "{answer:?}");
    }
    let texts = [
        r"\ud800",
        r"\udc00",
        r"\ud83d\ud83d",
        r"\ud83dx",
        r"a\u0000b",
        "a\0b",
        "\u{1}",
        "a\nb",
        r"\x41",
        r"\u00",
        r"\",
    ];
    for text in texts {
        sender.refuse(format!(r#"{{"title":"{text}","service_id":"SER-00001"}}"#), "invalid_json");
        sender.refuse(format!(r#"{{"title":"t","service_id":"SER-00001","{text}":1}}"#), "invalid_json");
        let within = format!(r#"{{"title":"t","service_id":"SER-00001","metadata":{{"k":["{text}"]}}}}"#);
        sender.refuse(within, "invalid_json");
    }
    let bodies: [&[u8]; 18] = [
        b"",
        b" ",
        b"null",
        b"1",
        b"\"text\"",
        b"[]",
        b"[{}]",
        b"true",
        b"{} {}",
        b"{}x",
        b"{'title':'t'}",
        b"{title:1}",
        b"\xef\xbb\xbf{\"title\":\"t\",\"service_id\":\"SER-00001\"}",
        b"\xff\xfe{\x00}\x00",
        b"{\"title\":\"\xc3\x28\"}",
        b"{\"title\":NaN}",
        b"title=t&service_id=SER-00001",
        b"{\"title\":\"t\",}",
    ];
    for body in bodies {
        sender.refuse(body, "invalid_json");
    }
    sender.finish();
}

#[test]
fn every_field_with_every_wrong_type() {
    let mut sender = Sender::new();
    let fields =
        ["title", "service_id", "description", "severity", "status", "source_url", "dedup_key", "metadata"];
    for field in fields {
        for value in ["0", "-1.5e300", "true", "[]", "[\"SEV1\"]", "{}", "{\"a\":1}", "\"text\""] {
            let fits = match field {
                "metadata" => value.starts_with('{'),
                "title" | "description" | "dedup_key" => value == "\"text\"",
                _ => false,
            };
            if fits {
                continue;
            }
            let mut members = vec![("title", "\"t\""), ("service_id", "\"SER-00001\"")];
            members.retain(|(name, _)| *name != field);
            members.push((field, value));
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let answer = sender.refuse(format!("{{{}}}", members.join(",")), "validation_error");
            let wrong = &answer.json()["error"]["details"]["fields"];
            assert_eq!(wrong[0]["field"], field, "{value}: {answer:?}");
        }
    }
    let all = r#"{"title":1,"service_id":1,"description":1,"severity":1,"status":1,"source_url":1,"dedup_key":1,"metadata":1}"#;
    let answer = sender.refuse(all, "validation_error");
    let wrong = answer.json()["error"]["details"]["fields"].clone();
    let named: Vec<_> =
        wrong.as_array().unwrap().iter().map(|field| field["field"].as_str().unwrap()).collect();
    assert_eq!(named, fields);
    sender.finish();
}
