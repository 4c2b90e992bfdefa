//! The external watchdog: it is told that all is well, as long as writes reach the disk.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use firebell::outbound::Outbound;

use crate::log;
use crate::server::{HEAD, MINUTE, NOW_MS, PROD, SECOND, SERVICES, Server};

const URL: &str = "https://hc.example/HUSH-watchdog-url";

fn config(every: &str) -> String {
    format!("{HEAD}{SERVICES}{PROD}[watchdog]\nurl = '{URL}'\nevery = '{every}'\n")
}

type Answer = Mutex<Result<(), String>>;

/// A server, how often it told the watchdog, and what that answers.
fn server(every: &str) -> (Server, Arc<AtomicUsize>, Arc<Answer>) {
    let (told, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Ok(()))));
    let (count, answers) = (Arc::clone(&told), Arc::clone(&answer));
    let outbound = Outbound::by(move |url| {
        assert_eq!(url.as_str(), URL);
        count.fetch_add(1, Ordering::SeqCst);
        answers.lock().unwrap().clone().map(|()| b"OK".to_vec())
    });
    (Server::start_with(NOW_MS, &config(every), outbound), told, answer)
}

#[test]
fn it_is_told_every_so_often() {
    let (server, told, _) = server("1m");
    server.tick();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    server.advance(MINUTE - 1);
    server.tick();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    server.advance(1);
    server.tick();
    server.tick();
    assert_eq!(told.load(Ordering::SeqCst), 2);
    server.live(10 * MINUTE);
    assert_eq!(told.load(Ordering::SeqCst), 12);
    // Another interval is in force at once, and so is none.
    server.reload(&config("10s"));
    server.advance(10 * SECOND);
    server.tick();
    assert_eq!(told.load(Ordering::SeqCst), 13);
    server.reload(&format!("{HEAD}{SERVICES}{PROD}"));
    server.live(MINUTE);
    assert_eq!(told.load(Ordering::SeqCst), 13);
}

#[test]
fn it_is_not_told_while_nothing_can_be_written() {
    let (server, told, _) = server("1m");
    server.tick();
    let elsewhere = server.path().with_extension("elsewhere");
    fs::rename(server.path(), &elsewhere).unwrap();
    server.live(5 * MINUTE);
    assert_eq!(told.load(Ordering::SeqCst), 1);
    fs::rename(&elsewhere, server.path()).unwrap();
    server.live(MINUTE);
    assert_eq!(told.load(Ordering::SeqCst), 2);
    let said = log::lines_with("the watchdog is not told that all is well");
    assert_eq!(said.len(), 1, "once, not every minute: {said:?}");
    assert!(server.get("/metrics").text.contains("firebell_watchdog_pings_total{outcome=\"sent\"} 2\n"));
}

#[test]
fn that_it_does_not_answer_is_said_once_and_without_its_url() {
    let (server, told, answer) = server("1m");
    *answer.lock().unwrap() = Err(format!("bad uri: {URL}"));
    server.tick();
    server.live(3 * MINUTE);
    *answer.lock().unwrap() = Ok(());
    server.live(MINUTE);
    assert_eq!(told.load(Ordering::SeqCst), 5);
    assert_eq!(log::lines_with("the watchdog could not be told").len(), 1);
    // Another test's server may have said so, too: they share the log.
    assert!(!log::lines_with("the watchdog is told again").is_empty());
    let metrics = server.get("/metrics").text;
    for line in ["{outcome=\"failed\"} 4", "{outcome=\"sent\"} 1"] {
        assert!(metrics.contains(&format!("firebell_watchdog_pings_total{line}\n")), "{line}: {metrics}");
    }
}
