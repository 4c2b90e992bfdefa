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
         default_service = 'SER-00001'\nsignature = 'none'\n"
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

/// The body without one of its members, or with null or something else in its place, at the first levels.
fn mutations(body: &Value, depth: usize) -> Vec<Value> {
    let Some(members) = body.as_object().filter(|_| depth > 0) else { return Vec::new() };
    let mut all = Vec::new();
    for (name, value) in members {
        let mut without = members.clone();
        without.remove(name);
        all.push(Value::Object(without));
        let inner = match value {
            Value::Array(items) => items.first().map(|item| mutations(item, depth - 1)).unwrap_or_default(),
            value => mutations(value, depth - 1),
        };
        let inner = inner.into_iter().map(|one| if value.is_array() { Value::Array(vec![one]) } else { one });
        for other in
            [Value::Null, 7.into(), "".into(), "x".into(), Value::Array(vec![])].into_iter().chain(inner)
        {
            let mut changed = members.clone();
            changed.insert(name.clone(), other);
            all.push(Value::Object(changed));
        }
    }
    all
}

/// A sender that lacks something must not get a bug for an answer, nor have two problems taken for one.
fn check_mutations(preset: &str) {
    let server = start(preset);
    let headers = headers(preset);
    let mut tried = 0;
    for file in bodies(preset) {
        let body: Value = serde_json::from_slice(&fs::read(fixtures(preset).join(&file)).unwrap()).unwrap();
        let own = headers.get(&file).map(Vec::as_slice).unwrap_or_default();
        let own: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut connection = crate::http::Connection::open(server.addr()).unwrap();
        let path = format!("{}?dry_run=1", crate::server::WEBHOOK);
        for mutated in mutations(&body, 2) {
            let answer = connection.try_send("POST", &path, &own, mutated.to_string().as_bytes()).unwrap();
            assert!(matches!(answer.status, 200 | 400), "{file}: {mutated}: {answer:?}");
            for alert in answer.json()["data"]["alerts"].as_array().into_iter().flatten() {
                let key = alert["dedup_key"].as_str().unwrap_or("whole");
                let whole = !key.contains("None") && !key.starts_with('/') && !key.ends_with(['/', '-']);
                // Gatus writes an endpoint without a group like that itself.
                assert!(whole || preset == "gatus" || preset == "aws-sns", "{file}: {key}: {mutated}");
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{preset}: only {tried}");
}

macro_rules! presets {
    ($($name:ident $preset:literal)*) => {
        $(#[test]
        fn $name() {
            check($preset);
        })*

        mod mutated {
            $(#[test]
            fn $name() {
                super::check_mutations($preset);
            })*
        }

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
