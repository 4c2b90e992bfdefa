//! A store that is moved, replaced, deleted or written by somebody else under the running server.

use std::fs;

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, alert};

#[test]
fn nothing_is_acknowledged_into_a_file_that_is_not_where_it_was() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    assert_eq!(server.post(&alert("before")).status, 201);
    let (store, elsewhere) = (folder.path("firebell.db"), folder.path("elsewhere.db"));
    fs::rename(&store, &elsewhere).unwrap();
    for replaced in [false, true] {
        if replaced {
            fs::copy(&elsewhere, &store).unwrap();
        }
        let refused = server.post(&alert("meanwhile"));
        assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"));
        assert!(refused.text.contains("put it back, or restart Firebell"), "{}", refused.text);
    }
    fs::rename(&elsewhere, &store).unwrap();
    assert_eq!(server.post(&alert("after")).status, 201);
    server.terminate();
    let found = audit(&store);
    assert_eq!((found.with_key("before"), found.with_key("meanwhile"), found.with_key("after")), (1, 0, 1));
}

#[test]
fn what_was_acknowledged_outlives_the_log_that_it_was_in() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    assert_eq!(server.post(&alert("before")).status, 201);
    fs::remove_file(folder.path("firebell.db-wal")).unwrap();
    let refused = server.post(&alert("meanwhile"));
    assert_eq!((refused.status, refused.code().as_str()), (503, "storage_unavailable"));
    assert!(refused.text.contains("the `-wal` file beside it, was moved"), "{}", refused.text);
    server.kill();
    let server = folder.serve();
    assert_eq!(server.post(&alert("after")).status, 201);
    server.terminate();
    let found = audit(&folder.path("firebell.db"));
    assert_eq!((found.with_key("before"), found.with_key("meanwhile"), found.with_key("after")), (1, 0, 1));
}

#[test]
fn a_file_that_somebody_else_writes_is_a_bug_for_one_request_and_the_cause_is_for_the_log() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    assert_eq!(server.post(&alert("first")).status, 201);
    let store = rusqlite::Connection::open(folder.path("firebell.db")).unwrap();
    // Whoever comes next is given the number of this one.
    let foreign = "CREATE TEMP TABLE foreign_one AS SELECT * FROM incident;
                   UPDATE foreign_one SET id = id + 1, holds_key = 0;
                   INSERT INTO incident SELECT * FROM foreign_one;";
    store.execute_batch(foreign).unwrap();
    let failed = server.post(&alert("second"));
    assert_eq!((failed.status, failed.code().as_str()), (500, "internal"));
    assert!(!failed.text.contains("UNIQUE"), "{}", failed.text);
    let line = server.wait_for("UNIQUE constraint failed: incident.id");
    assert!(line.contains(failed.header("x-request-id").unwrap()), "{line}");
    assert_eq!(server.post(&alert("first")).data()["outcome"], "repeated");
    store.execute("DELETE FROM incident WHERE id = (SELECT max(id) FROM incident)", []).unwrap();
    assert_eq!(server.post(&alert("second")).status, 201);
    server.terminate();
    drop(store);
    assert_eq!(audit(&folder.path("firebell.db")).with_key("second"), 1);
}
