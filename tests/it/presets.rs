//! Presets on what their senders send: `tests/fixtures/PRESET/*.json`, with the headers in `headers.txt` there, and what
//! becomes of each in `expected.txt`, in the order in which they are posted.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::{HEAD, SECOND, SERVICES, Server};

fn fixtures(preset: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(preset)
}

/// Without the signatures that the fixtures cannot have.
fn start(preset: &str) -> Server {
    Server::start(&format!(
        "{HEAD}{SERVICES}[[integrations]]\nname = 'it'\nsource = '{preset}'\nrouting_keys = ['HUSH-prod-key-0001']\n\
         default_service = 'SER-00001'\nsignature = 'firebell'\n"
    ))
}

/// `FILE: NAME: VALUE` a line.
fn headers(preset: &str) -> HashMap<String, Vec<(String, String)>> {
    let text = fs::read_to_string(fixtures(preset).join("headers.txt")).unwrap_or_default();
    let mut headers: HashMap<_, Vec<_>> = HashMap::new();
    for line in text.lines() {
        let [file, name, value] = line.splitn(3, ": ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        headers.entry(file.to_owned()).or_default().push((name.to_owned(), value.to_owned()));
    }
    headers
}

/// First what tells a story, then the rest by name.
fn bodies(preset: &str) -> Vec<String> {
    let files = fs::read_dir(fixtures(preset))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.filter(|file| file.ends_with(".json")).collect();
    let story = ["firing.json", "repeat.json", "resolved.json"];
    let rank = |file: &String| story.iter().position(|one| one == file).unwrap_or(story.len());
    files.sort_by_key(|file| (rank(file), file.clone()));
    files
}

/// What a body became, a line for each of its alerts.
fn outcome(server: &Server, file: &str, answer: &Value) -> String {
    let data = &answer["data"];
    if data.is_null() {
        return format!("{file}: {}\n", answer["error"]);
    }
    let mut lines = String::new();
    if data["ignored"] != 0 {
        writeln!(lines, "{file}: {} ignored", data["ignored"]).unwrap();
    }
    for alert in data["alerts"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let mut line = format!("{file}: {}", text(&alert["outcome"]));
        if let Some(number) = alert["incident_number"].as_str() {
            let incident = server.show(number);
            write!(
                line,
                " {} {} {}\n    {}\n    key {}\n    url {}\n    {}\n    {}",
                &number[9..],
                text(&incident["severity"]),
                text(&incident["status"]),
                text(&incident["title"]),
                text(&incident["dedup_key"]),
                text(&incident["source_url"]),
                incident["metadata"],
                incident["description"],
            )
            .unwrap();
        }
        for warning in alert["warnings"].as_array().unwrap() {
            write!(line, "\n    ~ {} {}", text(&warning["field"]), text(&warning["code"])).unwrap();
        }
        lines += &line;
        lines.push('\n');
    }
    lines
}

fn check(preset: &str) {
    let server = start(preset);
    let headers = headers(preset);
    let mut seen = String::new();
    for file in bodies(preset) {
        let body = fs::read(fixtures(preset).join(&file)).unwrap();
        let own = headers.get(&file).map(Vec::as_slice).unwrap_or_default();
        let own: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = server.send("POST", crate::server::WEBHOOK, &own, &body).json();
        seen += &outcome(&server, &file, &answer);
        server.advance(SECOND);
    }
    let path = fixtures(preset).join("expected.txt");
    // To see what a change of a preset does: UPDATE_EXPECTED=1, and read the difference.
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &seen).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(seen, expected, "{preset}");
}

macro_rules! presets {
    ($($name:ident $preset:literal)*) => {
        $(#[test]
        fn $name() {
            check($preset);
        })*

        #[test]
        fn every_preset_has_fixtures() {
            let shipped = firebell::source::presets::ALL.map(|(name, _)| name);
            assert_eq!(shipped[..], [$($preset),*]);
        }
    };
}

presets! {
    alertmanager "alertmanager"
    aws_sns "aws-sns"
    datadog "datadog"
    gatus "gatus"
    generic "generic"
    github_actions "github-actions"
    grafana "grafana"
    healthchecks "healthchecks"
    netdata "netdata"
    proxmox "proxmox"
    sentry "sentry"
    uptime_kuma "uptime-kuma"
    zabbix "zabbix"
}
