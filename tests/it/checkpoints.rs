//! The write-ahead log beside the store's file.

use std::thread;

use serde_json::json;

use crate::server::{Server, alert};

const MIB: u64 = 1024 * 1024;

#[test]
fn the_log_is_moved_into_the_file_beside_writing_and_does_not_outgrow_its_bound() {
    let server = Server::new();
    let description = "x".repeat(2000);
    let size = |name: &str| server.path().with_extension(name).metadata().unwrap().len();
    thread::scope(|scope| {
        let posting: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..800 {
                        let response = server.post(alert(json!({"description": description})));
                        assert_eq!(response.status, 201, "{}", response.text);
                        // 8 MiB, and what is written until they are moved.
                        assert!(size("db-wal") < 12 * MIB, "the log has {} bytes", size("db-wal"));
                    }
                })
            })
            .collect();
        posting.into_iter().for_each(|one| one.join().unwrap());
    });
    // 6.4 MB of text were sent, and nobody has stopped the server yet.
    assert!(size("db") > 4 * MIB, "the file has {} bytes", size("db"));
    assert_eq!(server.list("limit=1").len(), 1);
}
