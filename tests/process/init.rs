//! `firebell init`: a start that works as printed, and never at the cost of what is there.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::audit::audit;
use crate::harness::{CONFIG, Folder, Server, told};

fn empty_folder() -> Folder {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path("config.toml")).unwrap();
    folder
}

/// The key in a configuration that `init` wrote.
fn key_of(config: &str) -> String {
    let line = config.lines().find(|line| line.starts_with("routing_keys = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn start(folder: &Folder, key: &str) -> Server {
    let mut serve = folder.firebell(&["serve"]);
    serve.env("FIREBELL_LISTEN", "127.0.0.1:0");
    let mut server = Server::start(serve);
    server.secrets.push(key.to_owned());
    server
}

/// Runs a line as it was printed, but for the host.
fn run_verbatim(line: &str, server: &Server) -> Output {
    assert!(line.contains("http://127.0.0.1:8080/"), "{line}");
    Command::new("bash").arg("-c").arg(line.replace("http://127.0.0.1:8080", &server.url())).output().unwrap()
}

#[test]
fn what_it_prints_works_as_it_stands() {
    let folder = empty_folder();
    let (code, stdout, stderr) = told(&folder.run(&["init"]));
    // A store that was made on purpose is no news for the log.
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let config = std::fs::read_to_string(folder.path("config.toml")).unwrap();
    let key = key_of(&config);
    assert_eq!(
        stdout,
        format!(
            "wrote config.toml (a fresh routing key is in it); the store is ./firebell.db\n\nstart it:\n  firebell serve\n\n\
             and send it something:\n  curl -X POST http://127.0.0.1:8080/webhooks/{key} -H \"Content-Type: \
             application/json\" \\\n    -d '{{\"title\":\"Test webhook\",\"service_id\":\"SER-00001\"}}'\n"
        )
    );
    let server = start(&folder, &key);
    let curl = stdout.split("something:\n").nth(1).unwrap();
    let (code, answer, stderr) = told(&run_verbatim(curl, &server));
    assert_eq!(code, Some(0), "{stderr}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["data"]["outcome"], "created");
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).incidents[0].title, "Test webhook");
}

#[test]
fn the_file_is_the_owners_alone_and_its_key_nobody_elses() {
    let (one, two) = (empty_folder(), empty_folder());
    let keys = [&one, &two].map(|folder| {
        let (code, stdout, stderr) = told(&folder.run(&["init", "--quiet"]));
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
        let mode = std::fs::metadata(folder.path("config.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config = std::fs::read_to_string(folder.path("config.toml")).unwrap();
        assert!(config.lines().any(|line| line == "create = false"));
        assert!(!config.contains("YOUR_ROUTING_KEY"));
        key_of(&config)
    });
    assert_ne!(keys[0], keys[1]);
    assert_eq!(keys[0].len(), 32);
    let (code, stdout, _) = told(&one.run(&["check"]));
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout,
        "config.toml is in order (services: 2, integrations: 1, heartbeats: 0, channels: 0, routes: 0, tokens: 0)\n"
    );
}

#[test]
fn what_is_there_is_never_overwritten() {
    let folder = Folder::new(CONFIG);
    let (code, stdout, stderr) = told(&folder.run(&["init"]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(
        stderr,
        "config.toml exists already and was left as it is; name another file with --config, or move that one away\n"
    );
    assert_eq!(std::fs::read_to_string(folder.path("config.toml")).unwrap(), CONFIG);
    assert!(!folder.path("firebell.db").exists());

    // Nor the store: another configuration beside it takes the incidents over.
    let server = folder.serve();
    assert_eq!(server.post(r#"{"title":"Kept","service_id":"SER-00001"}"#).status, 201);
    server.terminate();
    let (code, stdout, stderr) = told(&folder.run(&["init", "--config", "other.toml"]));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("  firebell serve --config other.toml\n"), "{stdout}");
    assert_eq!(audit(&folder.path("firebell.db")).incidents[0].title, "Kept");
    let (_, stdout, _) = told(&folder.run(&["init", "--config", "it's mine.toml"]));
    assert!(stdout.contains("  firebell serve --config 'it'\\''s mine.toml'\n"), "{stdout}");
}

#[test]
fn a_start_that_failed_halfway_leaves_nothing_in_the_way_of_the_next() {
    let folder = empty_folder();
    std::fs::create_dir(folder.path("firebell.db")).unwrap();
    let (code, _, stderr) = told(&folder.run(&["init"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(!folder.path("config.toml").exists());
    std::fs::remove_dir(folder.path("firebell.db")).unwrap();
    assert_eq!(folder.run(&["init"]).status.code(), Some(0));
    let (code, _, stderr) = told(&folder.run(&["init", "--config", "no/such/folder.toml"]));
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("cannot write no/such/folder.toml: No such file or directory"), "{stderr}");
}

#[test]
fn a_lost_store_is_not_replaced_by_an_empty_one() {
    let folder = empty_folder();
    assert_eq!(folder.run(&["init", "-q"]).status.code(), Some(0));
    std::fs::remove_file(folder.path("firebell.db")).unwrap();
    let (code, _, stderr) = told(&folder.run(&["serve"]));
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("./firebell.db does not exist; set `[store] create = true`"), "{stderr}");
}
