//! What a person sees: the same commands in a pseudo-terminal, which `script` of util-linux makes.

use std::process::Stdio;

use serde_json::json;

use crate::commands::Setup;
use crate::harness::{CONFIG, told};
use crate::scripted::Scripted;

/// What `command` shows in a window of so many columns, line by line. `firebell` is the real one.
fn shown(setup: &Setup, columns: u16, command: &str) -> Vec<String> {
    let firebell = env!("CARGO_BIN_EXE_firebell");
    let command = format!("stty cols {columns} rows 24; {}", command.replace("firebell", firebell));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(setup.folder.path("")).env_clear();
    script.envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm"), ("SHELL", "/bin/sh")]);
    script.env("FIREBELL_LISTEN", setup.server.addr.to_string()).stdin(Stdio::null());
    let (code, stdout, stderr) = told(&script.output().expect("script, of the Debian package bsdutils"));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

/// Without the colours, which must be complete.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split("\x1b[");
    plain += parts.next().unwrap();
    for part in parts {
        let (code, rest) = part.split_once('m').expect("a colour");
        assert!(["0", "1;31", "31", "33", "36"].contains(&code), "{line:?}");
        plain += rest;
    }
    plain
}

#[test]
fn tables_fit_the_window_and_severities_have_colours() {
    let setup = Setup::new(CONFIG);
    for (title, severity) in [
        ("Database connection pool exhaustion on the primary and on all of its replicas", "SEV1"),
        ("数据库连接池耗尽：所有连接都在使用中，请尽快检查主库和所有副本", "SEV0"),
        ("\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}hostile\r\ntitle", "SEV2"),
    ] {
        let body = json!({ "title": title, "service_id": "SER-00002", "severity": severity });
        assert_eq!(setup.server.post(&body.to_string()).status, 201);
    }
    let lines = shown(&setup, 40, "firebell incidents");
    let plain: Vec<_> = lines.iter().map(|line| without_colours(line)).collect();
    assert_eq!(plain[0], "NUMBER       SEV  STATUS   TITLE");
    assert!(plain[1].ends_with(" SEV2 new      [2J ]0;owned…"), "{plain:?}");
    assert!(plain[2].ends_with(" SEV0 new      数据库连接池…"), "{plain:?}");
    assert!(plain[3].ends_with(" SEV1 new      Database con…"), "{plain:?}");
    assert!(lines[2].contains(" \x1b[1;31mSEV0\x1b[0m "), "{lines:?}");
    let wide = shown(&setup, 160, "firebell incidents");
    assert!(
        wide[3].ends_with("Z  Database connection pool exhaustion on the primary and on all of its replicas")
    );
    for command in ["NO_COLOR=1 firebell incidents", "firebell incidents --json", "firebell incidents | cat"]
    {
        let lines = shown(&setup, 40, command).join("\n");
        assert!(!lines.contains('\x1b') && lines.contains("SEV1"), "{command}: {lines:?}");
    }
    let number = plain[3].split(' ').next().unwrap();
    let shown = shown(&setup, 40, &format!("firebell incidents show {number}"));
    assert!(shown.iter().all(|line| without_colours(line).chars().count() <= 40), "{shown:?}");
    assert_eq!(
        shown[1..3],
        ["Database connection pool exhaustion on", "the primary and on all of its replicas"]
    );
}

#[test]
fn an_export_shows_how_far_it_is() {
    let (setup, server) = (Setup::new(CONFIG), Scripted::start());
    let url = server.url();
    let lines = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut pieces = server.expect("GET /api/v1/export").begin();
            server.expect("GET /api/v1/incidents?limit=1 ").answer_list(&[]);
            pieces.send("{}\n{}\n");
            pieces.end();
        });
        shown(&setup, 80, &format!("firebell export --output out.ndjson --url {url}"))
    });
    let all = lines.join("\n");
    assert!(all.contains("% 2 incidents, ") && all.contains(" to go"), "{all:?}");
    assert!(all.ends_with("2 incident(s) are in out.ndjson"), "{all:?}");
}
