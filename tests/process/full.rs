//! A disk that takes no more: here a limit on the size of files, which the kernel enforces on every write.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::sync::Barrier;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, KEY, Server, alert};
use crate::http::{self, Chunked};

const CLIENTS: usize = 16;

/// Files may have so many bytes from now on.
pub fn limit(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.pid().cast_signed());
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[test]
fn nothing_is_acknowledged_or_told_that_a_full_disk_does_not_take_and_then_it_goes_on() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    assert_eq!(server.post(&alert("first")).status, 201);
    let (_, stream) = Chunked::get(server.addr, "/api/v1/incidents/stream", &[]).unwrap();

    limit(&server, Some(4096));
    let at_once = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, at_once) = (&server, &at_once);
            scope.spawn(move || {
                at_once.wait();
                // Creations and repeats, alone and in batches.
                for body in [alert(&format!("refused-{client}")), alert("first")] {
                    let refused = server.post(&body);
                    assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"));
                    assert!(
                        refused.text.contains("nothing was acknowledged, send it again"),
                        "{}",
                        refused.text
                    );
                }
            });
        }
    });
    let one = "/api/v1/incidents/INC-2026-001";
    let acknowledge = format!("{one}/acknowledge");
    for (method, path, body) in [("POST", acknowledge.as_str(), "{}"), ("PATCH", one, r#"{"title":"x"}"#)] {
        let refused = http::send(server.addr, method, path, &[], body.as_bytes());
        assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"), "{path}");
    }
    // It can be read all the while.
    let incident = server.get(one);
    assert_eq!((&incident["occurrences"], &incident["status"]), (&Value::from(1), &Value::from("new")));

    limit(&server, None);
    let repeated = server.post(&alert("first")).data();
    assert_eq!((&repeated["outcome"], &repeated["occurrences"]), (&Value::from("repeated"), &Value::from(2)));
    let created = server.post(&alert("second")).data();
    let year = created["incident_number"].as_str().unwrap().get(4..8).unwrap().to_owned();
    assert_eq!(created["incident_number"], format!("INC-{year}-002"));
    let told: Vec<String> = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("data: ").map(ToOwned::to_owned))
        .map(|data| serde_json::from_str::<Value>(&data).unwrap()["outcome"].as_str().unwrap().to_owned())
        .take(2)
        .collect();
    assert_eq!(told, ["repeated", "created"]);
    assert!(!server.said().contains(KEY));
    server.terminate();
    let found = audit(&folder.path("firebell.db"));
    assert_eq!((found.by_number().len(), found.with_key("first"), found.with_key("second")), (2, 1, 1));
    assert_eq!(found.occurrences(), 3);
}
