//! SIGHUP: a good configuration is in force from then on, a bad one is not.

use rustix::process::Signal;

use crate::harness::{CONFIG, Folder, KEY, OTHER_KEY};
use crate::http;

const NEW_SERVICE: &str = "[[services]]\nid = \"SER-00003\"\nname = \"Mail\"\n";
const TO_NEW_SERVICE: &str = r#"{"title":"Mail is late","service_id":"SER-00003"}"#;

#[test]
fn a_service_that_is_new_in_the_file_works_after_it() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let refused = server.post(TO_NEW_SERVICE);
    assert_eq!(refused.code(), "validation_error");
    folder.write("config.toml", &format!("{CONFIG}{NEW_SERVICE}"));
    server.signal(Signal::HUP);
    server.wait_for("the configuration was reloaded");
    assert_eq!(server.post(TO_NEW_SERVICE).status, 201);
    let found = &server.get("/api/v1/incidents")["items"][0];
    assert_eq!(found["services"][0]["name"], "Mail");
    server.terminate();
}

#[test]
fn a_broken_file_is_told_in_the_log_and_the_old_one_stays_in_force() {
    let folder = Folder::new(CONFIG);
    let mut server = folder.serve();
    server.secrets.push("a-key-that-is-new-0123456789".into());
    let broken = CONFIG.replace(KEY, "a-key-that-is-new-0123456789").replace("\"Database\"", "1");
    folder.write("config.toml", &format!("{broken}{NEW_SERVICE}"));
    server.signal(Signal::HUP);
    server.wait_for("the configuration was not reloaded; the old one stays in force:");
    server.wait_for("config.toml:8:8: `services.name` must be a string, not an integer");
    assert_eq!(server.post(TO_NEW_SERVICE).code(), "validation_error");
    assert_eq!(server.post(r#"{"title":"t","service_id":"SER-00002"}"#).status, 201);

    std::fs::remove_file(folder.path("config.toml")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("config.toml: does not exist");
    server.assert_well();
    // And the next good one is taken again.
    folder.write("config.toml", &format!("{CONFIG}{NEW_SERVICE}"));
    server.signal(Signal::HUP);
    server.wait_for("the configuration was reloaded");
    assert_eq!(server.post(TO_NEW_SERVICE).status, 201);
    server.terminate();
}

#[test]
fn a_key_that_is_gone_from_the_file_is_refused_after_it_and_its_incidents_stay() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let body = br#"{"title":"t","service_id":"SER-00001","dedup_key":"k"}"#;
    let post = |key: &str| http::send(server.addr, "POST", &format!("/webhooks/{key}"), &[], body);
    assert_eq!(post(OTHER_KEY).status, 201);
    let rotated = "rotated-process-test-key-4711";
    folder.write("config.toml", &CONFIG.replace(OTHER_KEY, rotated));
    server.signal(Signal::HUP);
    server.wait_for("the configuration was reloaded");
    assert_eq!(post(OTHER_KEY).code(), "unknown_routing_key");
    // The integration is the same, so the key still belongs to the same incident.
    assert_eq!(post(rotated).data()["outcome"], "repeated");
    assert!(!server.said().contains(rotated));
    server.terminate();
}

#[test]
fn what_takes_a_restart_is_said() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let changed = CONFIG.replace("127.0.0.1:0", "127.0.0.1:1");
    folder.write("config.toml", &format!("{changed}[limits]\nqueue = 7\n{NEW_SERVICE}"));
    server.signal(Signal::HUP);
    server.wait_for("the configuration was reloaded");
    server.wait_for("`listen` has changed; that takes a restart");
    server.wait_for("`[limits]` has changed; that takes a restart");
    assert_eq!(server.post(TO_NEW_SERVICE).status, 201);
    server.terminate();
}
