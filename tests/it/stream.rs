//! Events as they happen: after their commit, in its order, each once; and what becomes of those who cannot follow.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::document;
use crate::http::{Chunked, Response};
use crate::server::{DAY, Server, WEBHOOK, alert, sequence};

pub const STREAM: &str = "/api/v1/incidents/stream";

/// One who watches.
pub struct Watcher {
    pub lines: BufReader<Chunked>,
    /// Where it would resume, as a browser keeps it.
    pub id: Option<i64>,
    pub heartbeats: usize,
}

#[derive(Debug)]
pub struct Event {
    pub id: i64,
    pub name: String,
    pub data: Value,
}

impl Event {
    /// `created 1`, `reset lagging`.
    pub fn short(&self) -> String {
        match self.name.as_str() {
            "incident" => {
                let number = sequence(&self.data["incident"]["incident_number"]);
                format!("{} {number}", self.data["outcome"].as_str().unwrap())
            }
            name => format!("{name} {}", self.data["reason"].as_str().unwrap()),
        }
    }
}

impl Watcher {
    pub fn try_open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Result<Self, Response> {
        let (head, body) = Chunked::get(server.addr(), path, headers)?;
        assert_eq!(head.status, 200);
        check_headers(&head);
        let mut watcher = Self { lines: BufReader::new(body), id: None, heartbeats: 0 };
        let greeting = watcher.block().unwrap();
        assert_eq!(greeting[..2], [": connected", "retry: 2000"]);
        Ok(watcher)
    }

    #[track_caller]
    pub fn open(server: &Server) -> Self {
        Self::try_open(server, STREAM, &[]).unwrap()
    }

    #[track_caller]
    pub fn resume(server: &Server, id: impl ToString) -> Self {
        Self::try_open(server, STREAM, &[("Last-Event-ID", &id.to_string())]).unwrap()
    }

    /// The lines up to an empty one; `None` at the end of the stream.
    pub fn block(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                assert_eq!(lines, Vec::<String>::new(), "it ends in the middle of an event");
                return None;
            }
            match line.trim_end_matches('\n') {
                "" => return Some(lines),
                line => {
                    if let Some(id) = line.strip_prefix("id: ") {
                        self.id = Some(id.parse().unwrap());
                    }
                    lines.push(line.to_owned());
                }
            }
        }
    }

    /// The next event; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            if block == [":"] {
                self.heartbeats += 1;
                continue;
            }
            let field = |name: &str| block.iter().find_map(|line| line.strip_prefix(name)).unwrap();
            assert_eq!(block.len(), 3, "{block:?}");
            let data = serde_json::from_str(field("data: ")).unwrap();
            let name = field("event: ");
            let schema = if name == "reset" { "StreamReset" } else { "StreamedIncident" };
            let problems = document::problems(&format!("/components/schemas/{schema}"), &data);
            assert!(problems.is_empty(), "{problems} in {data}");
            return Some(Event { id: field("id: ").parse().unwrap(), name: name.into(), data });
        }
    }

    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next().unwrap()).collect()
    }

    #[track_caller]
    pub fn short(&mut self, count: usize) -> Vec<String> {
        self.take(count).iter().map(Event::short).collect()
    }

    /// Nothing is on its way: what is done now is the very next event.
    #[track_caller]
    pub fn assert_nothing_before_the_next(&mut self, server: &Server) {
        let number = sequence(&server.alert(json!({ "title": "HUSH: the next one" }))["incident_number"]);
        assert_eq!(self.short(1), [format!("created {number}")]);
    }
}

#[track_caller]
fn check_headers(head: &Response) {
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert!(head.header("x-request-id").is_some() && head.header("content-length").is_none(), "{head:?}");
}

fn limits(limits: &str) -> Server {
    Server::with(&format!("[limits]\n{limits}"))
}

#[test]
fn everything_that_happens_is_told_in_its_order() {
    let server = Server::new();
    let mut watcher = Watcher::open(&server);
    let mut other = Watcher::open(&server);
    let keyed = |more: Value| {
        let mut members = json!({ "dedup_key": "k" });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.alert(members)
    };
    keyed(json!({}));
    keyed(json!({}));
    server.alert(json!({ "metadata": { "line": "a\nb", "n": 1.0 } }));
    // It joins the run: no entry of its own, and yet an event.
    keyed(json!({}));
    keyed(json!({ "severity": "SEV0" }));
    server.set_status("INC-2026-001", "investigating");
    server.acknowledge("INC-2026-001");
    keyed(json!({ "status": "resolved" }));
    keyed(json!({}));
    server.set_status("INC-2026-001", "resolved");
    server.set_status("INC-2026-001", "closed");
    let expected = [
        "created 1",
        "repeated 1",
        "created 2",
        "repeated 1",
        "updated 1",
        "status_changed 1",
        "acknowledged 1",
        "resolved 1",
        "reopened 1",
        "resolved 1",
        "closed 1",
    ];
    let events = watcher.take(expected.len());
    assert_eq!(events.iter().map(Event::short).collect::<Vec<_>>(), expected);
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(other.short(expected.len()), expected);
    // The incident is as it is shown.
    let mut shown = server.show("INC-2026-001");
    for member in ["timeline", "timeline_total"] {
        shown.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(events[10].data, json!({ "outcome": "closed", "incident": shown }));
    assert_eq!(events[2].data["incident"]["metadata"], json!({ "line": "a\nb", "n": 1.0 }));
}

#[test]
fn what_people_do_is_told() {
    let server = Server::new();
    let mut watcher = Watcher::open(&server);
    let made = json!({ "title": "By hand (HUSH)", "service_ids": ["SER-00002", "SER-00001"] });
    assert_eq!(server.post_to("/api/v1/incidents", made).status, 201);
    let one = "/api/v1/incidents/INC-2026-001";
    let comment = server.post_to(&format!("{one}/events"), json!({ "comment": "HUSH" })).data();
    for edit in [json!({ "assigned_to": "ada" }), json!({ "severity": "SEV4" })] {
        assert_eq!(server.send("PATCH", one, &[], edit.to_string().as_bytes()).status, 200);
    }
    let events = watcher.take(4);
    let told: Vec<_> = events.iter().map(Event::short).collect();
    assert_eq!(told, ["created 1", "comment 1", "assigned 1", "updated 1"]);
    assert_eq!(comment["id"], events[1].id, "the ids are those of the timeline");
    assert_eq!(events[3].data["incident"]["service_ids"], json!(["SER-00002", "SER-00001"]));
}

#[test]
fn what_the_store_does_by_itself_is_told_too() {
    let server = Server::new();
    server.alert(json!({ "status": "resolved" }));
    server.upkeep();
    let mut watcher = Watcher::open(&server);
    // A leap of more than a day would not be trusted.
    for _ in 0..8 {
        server.advance(DAY);
        server.upkeep();
    }
    assert_eq!(watcher.short(1), ["closed 1"]);
}

#[test]
fn what_was_not_committed_is_not_told() {
    let server = Server::new();
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    let idempotent = || server.send("POST", WEBHOOK, &[("Idempotency-Key", "HUSH-1")], body.as_bytes());
    assert_eq!(idempotent().status, 201);
    let mut watcher = Watcher::open(&server);
    assert_eq!(server.post_to(&format!("{WEBHOOK}?dry_run=1"), alert(json!({}))).status, 200);
    assert_eq!(server.post_to(&format!("{WEBHOOK}?dry_run=1"), &body).status, 200);
    assert_eq!(server.post(alert(json!({ "service_id": "nowhere" }))).status, 400);
    assert_eq!(idempotent().header("idempotent-replayed"), Some("true"));
    assert_eq!(server.post_to("/api/v1/incidents/INC-2026-001/status", r#"{"status":"new"}"#).status, 409);
    watcher.assert_nothing_before_the_next(&server);
}

pub fn at_once(threads: usize, act: impl Fn(usize) + Sync) {
    let (start, act) = (&Barrier::new(threads), &act);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                start.wait();
                act(thread);
            });
        }
    });
}

/// Some 30 KB as an event.
fn big() -> Value {
    let text = "\u{1F514}".repeat(2000);
    let metadata: serde_json::Map<_, _> =
        (0..10).map(|key| (format!("HUSH_{key}"), "x".repeat(1000).into())).collect();
    alert(json!({ "description": text, "metadata": metadata }))
}

#[test]
fn who_does_not_read_is_dropped_and_costs_the_others_nothing() {
    let server = limits("streams = 2\nwrite_timeout = '500ms'");
    let mut slow = Watcher::open(&server);
    let mut good = Watcher::open(&server);
    let posts = 8 * 150;
    std::thread::scope(|scope| {
        let good = scope.spawn(|| good.short(posts));
        at_once(8, |_| {
            for _ in 0..150 {
                assert_eq!(server.post(big()).status, 201);
            }
        });
        let expected: Vec<_> = (1..=posts).map(|number| format!("created {number}")).collect();
        assert_eq!(good.join().unwrap(), expected);
    });
    // It took nothing for a second, and was cut.
    open_when_there_is_room(&server).assert_nothing_before_the_next(&server);
    let mut taken = Vec::new();
    slow.lines.read_to_end(&mut taken).unwrap_err();
    // What its socket had room for is less than half of it: nobody keeps the rest for it.
    assert!(taken.len() < posts * 10_000, "{}", taken.len());
}

#[test]
fn who_reads_too_slowly_is_told_so_and_can_resume() {
    let server = Server::new();
    let mut slow = Watcher::open(&server);
    at_once(8, |_| {
        for _ in 0..150 {
            assert_eq!(server.post(big()).status, 201);
        }
    });
    let mut told = 0;
    let reset = loop {
        let event = slow.next().unwrap();
        if event.name == "reset" {
            break event;
        }
        told += 1;
        assert_eq!(event.short(), format!("created {told}"));
    };
    assert!(told < 1200);
    assert_eq!((reset.id, reset.short().as_str()), (1200, "reset lagging"));
    assert!(slow.next().is_none());
    Watcher::resume(&server, reset.id).assert_nothing_before_the_next(&server);
}

#[track_caller]
fn open_when_there_is_room(server: &Server) -> Watcher {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match Watcher::try_open(server, STREAM, &[]) {
            Ok(watcher) => return watcher,
            Err(refused) => assert_eq!(refused.status, 503, "{refused:?}"),
        }
        assert!(Instant::now() < until, "there is never room");
        std::thread::yield_now();
    }
}

#[test]
fn there_are_only_so_many_at_once() {
    let server = limits("streams = 2");
    let mut watchers = [Watcher::open(&server), Watcher::open(&server)];
    let refused = Watcher::try_open(&server, STREAM, &[]).err().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert!(refused.text.contains("`[limits] streams` allows 2 at once"), "{refused:?}");
    server.alert(json!({}));
    for watcher in &mut watchers {
        assert_eq!(watcher.short(1), ["created 1"]);
    }
}

#[test]
fn who_goes_away_makes_room() {
    let server = limits("streams = 1\nstream_heartbeat = '50s'");
    for _ in 0..3 {
        drop(open_when_there_is_room(&server));
    }
}

#[test]
fn the_head_alone_needs_no_room() {
    let server = limits("streams = 1");
    let mut watcher = Watcher::open(&server);
    for _ in 0..3 {
        check_headers(&server.send("HEAD", STREAM, &[], b""));
    }
    watcher.assert_nothing_before_the_next(&server);
}

#[test]
fn a_silent_stream_gives_signs_of_life() {
    let server = limits("stream_heartbeat = '20ms'");
    let mut watcher = Watcher::open(&server);
    for _ in 0..3 {
        assert_eq!(watcher.block().unwrap(), [":"]);
    }
    watcher.assert_nothing_before_the_next(&server);
    assert_eq!(watcher.block().unwrap(), [":"]);
}

#[test]
fn a_stop_ends_it_at_once_even_if_nobody_reads() {
    let mut server = limits("shutdown_timeout = '1h'");
    let mut watcher = Watcher::open(&server);
    let deaf = Watcher::open(&server);
    for number in 1..=600 {
        assert_eq!(server.post(big()).status, 201);
        assert_eq!(watcher.short(1), [format!("created {number}")]);
    }
    let asked = Instant::now();
    server.stop();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(watcher.next().is_none(), "it ends, and is not cut");
    drop(deaf);
}

#[test]
fn under_load_each_is_told_once_in_order_and_is_there_when_it_is_told() {
    let server = Server::new();
    let mut watcher = Watcher::open(&server);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut numbers = Vec::new();
            let mut repeats = 0;
            let mut last = 0;
            while numbers.len() + repeats < 64 * 20 {
                let event = watcher.next().unwrap();
                assert!(event.id >= last);
                let number = event.data["incident"]["incident_number"].as_str().unwrap().to_owned();
                match event.data["outcome"].as_str().unwrap() {
                    "created" => {
                        assert!(event.id > last);
                        numbers.push(sequence(&event.data["incident"]["incident_number"]));
                    }
                    "repeated" => repeats += 1,
                    other => panic!("{other}"),
                }
                last = event.id;
                assert_eq!(server.show(&number)["incident_number"], number.as_str());
            }
            (numbers, repeats)
        });
        at_once(64, |thread| {
            for turn in 0..20 {
                // Every fourth comes a second time.
                let key = format!("{thread}-{}", if turn % 4 == 3 { turn - 1 } else { turn });
                server.alert(json!({ "dedup_key": key }));
            }
        });
        let (numbers, repeats) = watching.join().unwrap();
        assert_eq!(repeats, 64 * 5);
        assert_eq!(numbers, (1..=64 * 15).collect::<Vec<u32>>());
    });
    assert_eq!(server.list("limit=100").into_iter().collect::<BTreeSet<_>>().len(), 100);
}
