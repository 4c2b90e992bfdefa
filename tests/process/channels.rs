//! `firebell channels`: what is understood, what is configured, and a test message, without a server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::harness::{CONFIG, Folder, free_port, told};

fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    told(&folder.run(&[&["channels"], arguments].concat()))
}

fn channels(addr: SocketAddr) -> String {
    format!(
        "{CONFIG}[[channels]]\nname = 'phone'\nkind = 'ntfy'\nwith = {{ topic = 'a-topic-that-nobody-guesses', server = \
         'http://{addr}', token = 'tk_a-secret\"token' }}\n[[channels]]\nname = 'own'\nkind = 'custom'\nwith = {{ key = \
         'another&secret' }}\n[channels.request]\nurl = 'http://user:word@{addr}/x?key={{{{ with.key|urlencode }}}}'\nbody = \
         '{{\"key\": {{{{ with.key|tojson }}}}, \"title\": {{{{ title|tojson }}}}}}'\n"
    )
}

/// A receiver of one request, which it gives back.
fn answering(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut buffer = [0; 4096];
        // The body is one JSON object, and ends with it.
        while !request.trim_end().ends_with('}') {
            let read = stream.read(&mut buffer).unwrap();
            request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (addr, thread)
}

#[test]
fn every_preset_is_listed_and_shown_as_it_is() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path("config.toml")).unwrap();
    let (code, list, _) = run(&folder, &["list"]);
    assert_eq!(code, Some(0));
    for (name, text) in firebell::channel::presets::ALL {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {list}");
        let (code, shown, _) = run(&folder, &["show", name]);
        assert_eq!((code, shown.trim_end()), (Some(0), text.trim_end()));
    }
    assert!(list.contains("\ncustom        ") && !list.contains("in the configuration"), "{list}");
    let (code, _, stderr) = run(&folder, &["show", "telegramm"]);
    assert_eq!(code, Some(1));
    assert!(stderr.ends_with("did you mean telegram?\n"), "{stderr}");
    folder.write("config.toml", "listen = 1");
    for arguments in [&["list"][..], &["show", "phone"], &["test", "phone"]] {
        let (code, _, stderr) = run(&folder, arguments);
        assert!(code == Some(1) && stderr.starts_with("config.toml:1:10: "), "{arguments:?}: {stderr}");
    }
}

#[test]
fn what_is_configured_is_shown_without_its_secrets() {
    let folder = Folder::new(&channels(([127, 0, 0, 1], 9).into()));
    let (_, list, _) = run(&folder, &["list"]);
    assert!(list.ends_with("\nin the configuration:\nphone  ntfy\nown    custom\n"), "{list}");
    let (_, json, _) = run(&folder, &["list", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["channels"][0], serde_json::json!({ "name": "phone", "kind": "ntfy" }));
    assert_eq!(json["presets"].as_array().unwrap().len(), firebell::channel::presets::ALL.len() + 1);
    let (code, phone, _) = run(&folder, &["show", "phone"]);
    assert_eq!(code, Some(0));
    assert!(
        phone.starts_with("phone is of kind ntfy; `with` gives topic, server, token (not shown)\n\nabout = "),
        "{phone}"
    );
    let (_, own, _) = run(&folder, &["show", "own"]);
    assert!(own.starts_with("own is of kind custom; `with` gives key (not shown)\n"), "{own}");
    for shown in [list, phone, own] {
        for secret in ["nobody-guesses", "tk_a", "another", "word@"] {
            let is_of_the_preset = secret == "nobody-guesses" && shown.contains("setup = ");
            assert!(is_of_the_preset || !shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_test_message_is_sent_and_the_answer_shown() {
    let (addr, receiver) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let folder = Folder::new(&channels(addr));
    let (code, stdout, stderr) = run(&folder, &["test", "phone"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let request = receiver.join().unwrap();
    assert!(
        request.contains("Bearer tk_a-secret\"token") && request.contains("a-topic-that-nobody-guesses"),
        "{request}"
    );
    assert!(request.contains("-000-"), "no incident has that number: {request}");
    assert!(stdout.starts_with(&format!("POST http://{addr}\n{{\n")), "{stdout}");
    assert!(stdout.contains("[SEV3] This is a test") && stdout.ends_with("\n}\ntaken: 200 OK\n"), "{stdout}");
    assert!(stdout.contains("\"topic\": \"[redacted]\"") && !stdout.contains("nobody-guesses"), "{stdout}");

    let (addr, receiver) = answering("HTTP/1.1 422 X\r\nContent-Length: 22\r\n\r\nkey another&secret: no");
    folder.write("config.toml", &channels(addr));
    let (code, stdout, stderr) = run(&folder, &["test", "own", "--json"]);
    assert_eq!(code, Some(1));
    assert!(receiver.join().unwrap().contains("/x?key=another%26secret"));
    let tried: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&tried["channel"], &tried["taken"]), (&"own".into(), &false.into()));
    let request = &tried["requests"][0];
    assert_eq!((&request["method"], &request["host"]), (&"POST".into(), &format!("http://{addr}").into()));
    assert_eq!(request["answer"], "422 Unprocessable Entity: key [redacted]: no");
    assert!(!stdout.contains("another") && stdout.contains("[redacted]"), "{stdout}");
    assert_eq!(
        stderr,
        "the receiver takes no such message; its request is in [channels.request] of the configuration\n"
    );
}

#[test]
fn no_part_of_an_address_that_is_a_secret_is_shown() {
    for (channel, answer, expected) in [
        (
            "kind = 'slack'\nwith = { url = 'http://ADDR/services/T0/B0/verysecret?token=another-1' }",
            "HTTP/1.1 404 X\r\nContent-Length: 59\r\n\r\nCannot POST /services/T0/B0/verysecret with token another-1",
            "404 Not Found: Cannot POST [redacted] with token [redacted]",
        ),
        (
            "kind = 'webhook'\nwith = { url = 'http://bell:verysecret@ADDR/hook' }",
            "HTTP/1.1 401 X\r\nContent-Length: 60\r\n\r\nno: bell:verysecret, verysecret, YmVsbDp2ZXJ5c2VjcmV0, hook.",
            "401 Unauthorized: no: [redacted], [redacted], [redacted], hook.",
        ),
        (
            "kind = 'custom'\n[channels.request]\nurl = 'http://bell:verysecret@ADDR/hook?token=another-1'\nbody = '{}'",
            "HTTP/1.1 401 X\r\nContent-Length: 58\r\n\r\nno: bell:verysecret, YmVsbDp2ZXJ5c2VjcmV0, /hook?another-1",
            "401 Unauthorized: no: [redacted], [redacted], /hook?[redacted]",
        ),
    ] {
        let (addr, receiver) = answering(answer);
        let channel = channel.replace("ADDR", &addr.to_string());
        let folder = Folder::new(&format!("{CONFIG}[[channels]]\nname = 'it'\n{channel}\n"));
        let (code, stdout, stderr) = run(&folder, &["test", "it"]);
        assert_eq!(code, Some(1), "{stderr}");
        receiver.join().unwrap();
        assert!(stdout.starts_with(&format!("POST http://{addr}\n")), "{stdout}");
        assert!(stdout.ends_with(&format!("\nnot taken: {expected}\n")), "{stdout}");
        let all = format!("{stdout}{stderr}");
        assert!(!all.contains("verysecret") && !all.contains("another-1"), "{all}");
    }
}

#[test]
fn a_secret_in_the_name_of_the_host_is_not_shown() {
    let folder = Folder::new(&format!(
        "{CONFIG}[[channels]]\nname = 'own'\nkind = 'custom'\nwith = {{ key = 'k3y-of-the-tests' }}\n\
         [channels.request]\nmethod = 'POST'\nurl = 'http://{{{{ with.key }}}}.invalid/'\nbody = ''"
    ));
    let (code, stdout, stderr) = run(&folder, &["test", "own"]);
    assert_eq!(code, Some(1));
    assert!(stdout.starts_with("POST http://[redacted].invalid\n"), "{stdout}");
    assert!(!format!("{stdout}{stderr}").contains("k3y"), "{stdout}{stderr}");
}

#[test]
fn what_went_wrong_says_what_to_do_next() {
    // Nothing listens there any more.
    let addr = free_port();
    let folder = Folder::new(&channels(addr));
    let (code, stdout, stderr) = run(&folder, &["test", "phone"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("\nnot taken: ") && !stdout.contains("tk_a"), "{stdout}");
    let expected =
        "was not reached; is that the right address? `firebell channels show ntfy` says what `with` takes\n";
    assert!(stderr.ends_with(expected), "{stderr}");
    for (name, expected) in [
        ("phon", "\"phon\" is neither a channel of the configuration nor a preset; did you mean phone?\n"),
        (
            "slack",
            "no channel of the configuration is called slack, which is a preset; `firebell channels show slack` says how one \
             of that kind is set up, under [[channels]]\n",
        ),
    ] {
        let (code, stdout, stderr) = run(&folder, &["test", name]);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(1), "", expected));
    }
}
