//! A store that is moved, replaced or deleted under the running server.

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
