//! What the servers of this process log, at the highest level that there is: nothing of it may be an ERROR, and none
//! may hold a secret or a body.

use std::io;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::EnvFilter;

/// Every routing key, signing secret, token and body of these tests holds one of these, and nothing else does.
pub const MARKS: [&str; 2] = ["HUSH", "YOUR_ROUTING_KEY"];

#[derive(Default)]
struct Captured {
    lines: Vec<String>,
    offences: Vec<String>,
}

static CAPTURED: Mutex<Captured> = Mutex::new(Captured { lines: Vec::new(), offences: Vec::new() });
static START: Once = Once::new();

fn captured() -> MutexGuard<'static, Captured> {
    CAPTURED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Capture;

impl io::Write for Capture {
    /// The subscriber writes an event with one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(event).trim_end().to_owned();
        let mut captured = captured();
        if line.contains(" ERROR ") || MARKS.iter().any(|mark| line.contains(mark)) {
            captured.offences.push(line.clone());
        }
        captured.lines.push(line);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts capturing, once for the process.
pub fn capture() {
    START.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("info,firebell=trace"))
            .with_ansi(false)
            .with_writer(|| Capture)
            .init();
    });
}

/// The lines with `part` in them.
pub fn lines_with(part: &str) -> Vec<String> {
    captured().lines.iter().filter(|line| line.contains(part)).cloned().collect()
}

/// How often a server of this process has logged what it must not.
pub fn offences() -> usize {
    captured().offences.len()
}

/// Nothing has been logged that must not be, since there were so many offences. One of another test that runs at the
/// same time fails this one too: better twice than not at all.
#[track_caller]
pub fn check(since: usize) {
    let offences = captured().offences[since..].to_vec();
    assert!(offences.is_empty(), "these must not be in a log:\n{}", offences.join("\n"));
}

#[test]
fn a_request_is_one_line_under_its_id_with_the_route_but_not_the_key() {
    let server = crate::server::Server::new();
    let headers = [("X-Request-Id", "logged-once")];
    server.send("POST", crate::server::WEBHOOK, &headers, b"{}");
    drop(server);
    let lines = lines_with("logged-once");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["/webhooks/{routing_key}", "prod", "400", "validation_error"] {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
}
