//! The promise: what was acknowledged is there, once, whatever kills the process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, KEY, alert};
use crate::http::Connection;

const CLIENTS: usize = 64;
const KILLS: usize = 20;

/// Keys that all clients share, beside those that are used once.
const SHARED: usize = 5;

/// What a server has promised.
struct Acknowledged {
    dedup_key: String,
    number: String,
    status: u16,
}

/// What is sent, maybe twice: where nobody answered, it may have been stored or not.
struct Post {
    idempotency_key: String,
    dedup_key: String,
}

/// What a client has sent, each POST once, however often it had to be sent.
struct Sent {
    dedup_keys: Vec<String>,
    unanswered: Option<Post>,
}

#[test]
fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let folder = Folder::new(CONFIG);
    let mut acknowledged = Vec::new();
    let mut sent = HashMap::new();
    let mut unanswered: Vec<_> = (0..CLIENTS).map(|_| None).collect();
    for round in 0..KILLS {
        let server = folder.serve();
        // Recovered from the last kill, and before anything else is written to it.
        check(&folder, &acknowledged, &sent);
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let clients = unanswered.drain(..).enumerate().map(|(client, unanswered)| {
                start(scope, server.addr, (round, client), unanswered, tell.clone())
            });
            let clients: Vec<_> = clients.collect();
            drop(tell);
            // Not always the same, so that the kill comes at different moments of a batch.
            let enough = 150 + 17 * round;
            acknowledged.extend(wait_for(&told, enough));
            server.kill();
            acknowledged.extend(told);
            for client in clients {
                let client = client.join().unwrap();
                unanswered.push(client.unanswered);
                for dedup_key in client.dedup_keys {
                    *sent.entry(dedup_key).or_insert(0) += 1;
                }
            }
        });
    }
    let server = folder.serve();
    check(&folder, &acknowledged, &sent);
    for one in acknowledged.iter().rev().take(50) {
        let incident = server.get(&format!("/api/v1/incidents/{}", one.number));
        assert_eq!(incident["dedup_key"], one.dedup_key);
    }
    server.terminate();
    check(&folder, &acknowledged, &sent);
}

/// Posts until the server is gone, first of all what the last one left unanswered.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    addr: SocketAddr,
    (round, client): (usize, usize),
    mut unanswered: Option<Post>,
    tell: Sender<Acknowledged>,
) -> ScopedJoinHandle<'scope, Sent> {
    scope.spawn(move || {
        let mut dedup_keys = Vec::new();
        let Ok(mut connection) = Connection::open(addr) else { return Sent { dedup_keys, unanswered } };
        for post in 0.. {
            let one = unanswered.take().unwrap_or_else(|| {
                let idempotency_key = format!("{round}-{client}-{post}");
                let dedup_key = match post % 8 {
                    7 => format!("shared-{}", (client + post) % SHARED),
                    _ => idempotency_key.clone(),
                };
                dedup_keys.push(dedup_key.clone());
                Post { idempotency_key, dedup_key }
            });
            let path = format!("/webhooks/{KEY}");
            let headers = [("Idempotency-Key", one.idempotency_key.as_str())];
            let body = alert(&one.dedup_key);
            let Ok(answer) = connection.try_send("POST", &path, &headers, body.as_bytes()) else {
                unanswered = Some(one);
                break;
            };
            let data = answer.data();
            assert_eq!(data["dedup_key"], one.dedup_key);
            let number = data["incident_number"].as_str().unwrap().to_owned();
            tell.send(Acknowledged { dedup_key: one.dedup_key, number, status: answer.status }).unwrap();
        }
        Sent { dedup_keys, unanswered }
    })
}

fn wait_for(told: &Receiver<Acknowledged>, enough: usize) -> Vec<Acknowledged> {
    (0..enough).map(|_| told.recv().unwrap()).collect()
}

/// Every acknowledged POST is there under its number, none twice, and nothing that nobody sent.
#[track_caller]
fn check(folder: &Folder, acknowledged: &[Acknowledged], sent: &HashMap<String, i64>) {
    let store = folder.path("firebell.db");
    let audit = audit(&store);
    let by_number = audit.by_number();
    let mut promised: HashMap<&str, i64> = HashMap::new();
    let mut created: HashMap<&str, &str> = HashMap::new();
    for one in acknowledged {
        let row = by_number.get(one.number.as_str());
        let row = row.unwrap_or_else(|| panic!("{} of {} is lost", one.number, one.dedup_key));
        assert_eq!(row.dedup_key.as_ref(), Some(&one.dedup_key), "{}", one.number);
        *promised.entry(&one.dedup_key).or_default() += 1;
        if one.status == 201 {
            let earlier = created.insert(&one.number, &one.dedup_key);
            assert_eq!(earlier, None, "{} was given out twice", one.number);
        }
    }
    let mut keys = HashMap::new();
    for row in &audit.incidents {
        let dedup_key = row.dedup_key.as_deref().unwrap();
        assert_eq!(keys.insert(dedup_key, &row.number), None, "{dedup_key} is there twice");
        // What was sent and not acknowledged may be there or not; what was acknowledged is.
        let least = promised.get(dedup_key).copied().unwrap_or(0);
        let most = sent.get(dedup_key).copied().unwrap_or(0);
        assert!((least..=most).contains(&row.occurrences), "{row:?}: {least} to {most} POSTs");
    }
}
