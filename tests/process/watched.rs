//! Nobody is told of anything that is not on disk: not by a process that is killed at that moment, nor by one that stops.

use std::io::{BufRead, BufReader};

use rustix::process::Signal;
use serde_json::Value;

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, Server, alert};
use crate::http::{Chunked, Connection};

/// The keys of the incidents that a stream tells of, from now on; it ends with the stream, or with the connection.
fn keys_told(server: &Server) -> impl Iterator<Item = String> + use<> {
    let (head, body) = Chunked::get(server.addr, "/api/v1/incidents/stream", &[]).unwrap();
    assert_eq!(head.status, 200);
    let lines = BufReader::new(body).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        let data: Value = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
        Some(data["incident"]["dedup_key"].as_str().unwrap().to_owned())
    })
}

#[test]
fn what_was_told_is_there_after_a_kill() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let told = keys_told(&server);
    let addr = server.addr;
    let path = format!("/webhooks/{}", crate::harness::KEY);
    std::thread::scope(|scope| {
        for client in 0..16 {
            let path = path.as_str();
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(addr) else { return };
                for post in 0.. {
                    let body = alert(&format!("{client}-{post}"));
                    if connection.try_send("POST", path, &[], body.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
        let mut told = told;
        let mut keys: Vec<String> = told.by_ref().take(300).collect();
        server.kill();
        keys.extend(told);
        let audit = audit(&folder.path("firebell.db"));
        for key in &keys {
            assert_eq!(audit.with_key(key), 1, "{key} was told and is not there");
        }
        assert!(keys.len() >= 300);
    });
}

#[test]
fn a_stop_does_not_wait_for_those_who_watch() {
    let folder = Folder::new(&format!("{CONFIG}[limits]\nshutdown_timeout = \"1h\"\n"));
    let mut server = folder.serve();
    let mut told = keys_told(&server);
    assert_eq!(server.post(&alert("a")).status, 201);
    assert_eq!(told.next().as_deref(), Some("a"));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(told.next(), None);
}
