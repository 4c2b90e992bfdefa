//! Starts that are refused: what, why and what to do about it, and exit code 1.

use std::net::TcpListener;

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, alert, told};

/// The refusal of `firebell serve`; it must say nothing else.
#[track_caller]
fn refusal(folder: &Folder, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = told(&folder.run(arguments));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    stderr.trim_end().to_owned()
}

fn with_store(rest: &str) -> String {
    format!("{CONFIG}[store]\n{rest}\n")
}

#[test]
fn a_second_server_on_the_same_file_is_refused_by_whatever_path() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    assert_eq!(server.post(&alert("held")).status, 201);
    std::os::unix::fs::symlink(folder.path("firebell.db"), folder.path("link.db")).unwrap();
    folder.write("link.toml", &with_store("path = \"link.db\""));
    for (config, path) in [("config.toml", "./firebell.db"), ("link.toml", "./link.db")] {
        let expected = format!(
            "{path} is already served by process {}; stop that one first, or give this one another `[store] path`",
            server.pid()
        );
        assert_eq!(refusal(&folder, &["serve", "--config", config]), expected);
    }
    // The refused ones have not touched it.
    assert_eq!(server.post(&alert("held")).data()["outcome"], "repeated");
    server.kill();
    // A lock dies with its holder.
    let server = folder.serve();
    assert_eq!(server.post(&alert("held")).data()["occurrences"], 3);
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).with_key("held"), 1);
}

#[test]
fn a_second_server_on_the_same_file_is_refused_whatever_became_of_its_name_and_of_the_lock_file() {
    let folder = Folder::new(CONFIG);
    folder.write("other.toml", &with_store("path = \"other.db\""));
    let server = folder.serve();
    let (store, other) = (folder.path("firebell.db"), folder.path("other.db"));
    let refused = |config: &str, path: &str| {
        let expected = format!(
            "{path} is already served by another process, under another name or since its lock file was deleted; stop \
             that one first, or give this one another `[store] path`"
        );
        assert_eq!(refusal(&folder, &["serve", "--config", config]), expected);
    };
    std::fs::hard_link(&store, &other).unwrap();
    refused("other.toml", "./other.db");
    std::fs::remove_file(&other).unwrap();
    std::fs::rename(&store, &other).unwrap();
    refused("other.toml", "./other.db");
    std::fs::rename(&other, &store).unwrap();
    std::fs::remove_file(folder.path("firebell.db.lock")).unwrap();
    refused("config.toml", "./firebell.db");
    assert_eq!(server.post(&alert("held")).status, 201);
    server.terminate();
    assert_eq!(audit(&store).with_key("held"), 1);
}

#[test]
fn a_link_to_a_store_that_is_yet_to_be_made_meets_the_same_lock() {
    let folder = Folder::new(&with_store("path = \"link.db\""));
    std::fs::create_dir(folder.path("disk")).unwrap();
    std::os::unix::fs::symlink(folder.path("disk/firebell.db"), folder.path("link.db")).unwrap();
    let server = folder.serve();
    assert!(refusal(&folder, &["serve"]).starts_with("./link.db is already served by process"));
    server.terminate();
}

#[test]
fn an_address_that_is_taken_is_explained_and_no_store_is_made() {
    let folder = Folder::new(CONFIG);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut serve = folder.firebell(&["serve"]);
    let (code, _, stderr) = told(&serve.env("FIREBELL_LISTEN", &addr).output().unwrap());
    assert_eq!(code, Some(1));
    assert_eq!(
        stderr,
        format!(
            "cannot listen on {addr}: Address already in use (os error 98); something else listens there, maybe \
             another Firebell (`listen`, FIREBELL_LISTEN)\n"
        )
    );
    assert!(!folder.path("firebell.db").exists());
}

#[test]
fn a_missing_store_is_not_replaced_by_an_empty_one_unless_that_is_wanted() {
    let folder = Folder::new(&with_store("create = false"));
    assert_eq!(
        refusal(&folder, &["serve"]),
        "./firebell.db does not exist; set `[store] create = true` to make it, or point `[store] path` at the file \
         you meant"
    );
    assert!(!folder.path("firebell.db").exists());
    // What is left of a file, or of a database, is as little.
    let emptied = "./firebell.db: is empty, as what is left of a lost file may be; put the store back, or set `[store] \
                   create = true` to begin a new one";
    std::fs::write(folder.path("firebell.db"), "").unwrap();
    assert_eq!(refusal(&folder, &["serve"]), emptied);
    assert_eq!(std::fs::read(folder.path("firebell.db")).unwrap(), b"");
    rusqlite::Connection::open(folder.path("firebell.db")).unwrap().execute_batch("VACUUM").unwrap();
    assert_eq!(refusal(&folder, &["serve"]), emptied);
    for there_is_one in [true, false] {
        if !there_is_one {
            std::fs::remove_file(folder.path("firebell.db")).unwrap();
        }
        folder.write("config.toml", CONFIG);
        let server = folder.serve();
        server.wait_for("made a new store: there was none");
        server.terminate();
    }
    folder.write("config.toml", &with_store("create = false"));
    folder.serve().terminate();
}

#[test]
fn files_that_are_no_store_of_ours_are_refused_and_left_alone() {
    let folder = Folder::new(CONFIG);
    let path = folder.path("firebell.db");
    let text = "Some text that somebody wrote, and that is long enough to be taken for a header. ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(
        refusal(&folder, &["serve"]),
        "cannot open the store ./firebell.db: file is not a database; check the path, its permissions and the disk"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert_eq!(
        refusal(&folder, &["serve"]),
        "./firebell.db: is an SQLite file, but not a Firebell store; point `[store] path` elsewhere"
    );

    std::fs::remove_file(&path).unwrap();
    folder.serve().terminate();
    let store = rusqlite::Connection::open(&path).unwrap();
    store.pragma_update(None, "user_version", 1000).unwrap();
    drop(store);
    assert_eq!(
        refusal(&folder, &["serve"]),
        "./firebell.db: was written by a newer Firebell (schema 1000; this one knows 1); start that version"
    );

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let refused = refusal(&folder, &["serve"]);
    assert!(refused.starts_with("cannot open the store ./firebell.db: "), "{refused}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new(&with_store("path = \"data/bell.db\""));
    let refused = refusal(&folder, &["serve"]);
    assert!(
        refused.starts_with("cannot make the store ./data/bell.db: No such file or directory"),
        "{refused}"
    );
}
