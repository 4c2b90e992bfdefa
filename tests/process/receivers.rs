//! Real receivers of notifications: the library of Standard Webhooks verifies them, Alertmanager keeps track of them.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::harness::{CONFIG, Folder, Killed, PATIENCE, Server, repository, told};
use crate::programs::Program;

const SECRET: &str = "whsec_cHJvY2Vzcy10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5";
const WRONG: &str = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3RzLTAxMjM0";

fn configured(kind: &str, with: &str) -> String {
    format!(
        "{CONFIG}[[channels]]\nname = 'it'\nkind = '{kind}'\nwith = {{ {with} }}\n[[routes]]\nchannels = ['it']\ndigest = '0s'\n"
    )
}

/// The receiver of `tests/support/standard_webhooks.py`.
struct Verifier {
    _child: Killed,
    port: String,
    lines: Receiver<String>,
}

impl Verifier {
    fn start() -> Self {
        let target = Path::new(env!("CARGO_BIN_EXE_firebell")).ancestors().nth(2).unwrap();
        let python = target.join("venv/bin/python3");
        let mut command = Command::new(&python);
        command.arg(repository().join("tests/support/standard_webhooks.py")).arg(SECRET);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("{}: {error}; tests/run.sh installs it", python.display()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let child = Killed(child);
        let (tell, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
        let port = lines.recv_timeout(PATIENCE);
        let port = port.expect("the receiver did not start; tests/run.sh installs what it needs");
        Self { _child: child, port, lines }
    }

    fn with(&self, secret: &str) -> String {
        configured("webhook", &format!("url = 'http://127.0.0.1:{}/'{secret}", self.port))
    }

    /// Status, id and text of the next request.
    fn next(&self) -> (String, String, String) {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        let [status, id, text] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (status.into(), id.into(), text.into())
    }
}

fn post(server: &Server, alert: Value) {
    let mut body = json!({ "title": "It's \"down\" — ☠", "service_id": "SER-00002", "dedup_key": "k" });
    body.as_object_mut().unwrap().extend(alert.as_object().unwrap().clone());
    server.post(&body.to_string()).data();
}

#[test]
fn the_library_of_standard_webhooks_verifies_what_is_told() {
    let verifier = Verifier::start();
    let folder = Folder::new(&verifier.with(&format!(", secret = '{SECRET}'")));
    let server = folder.serve();
    post(&server, json!({ "severity": "SEV1" }));
    let (status, created, text) = verifier.next();
    assert_eq!((status.as_str(), text.as_str()), ("204", "incident.created [SEV1] It's \"down\" — ☠"));
    post(&server, json!({ "status": "resolved" }));
    let (status, resolved, text) = verifier.next();
    assert_eq!((status.as_str(), text.as_str()), ("204", "incident.resolved [resolved] It's \"down\" — ☠"));
    assert_ne!(created, resolved);
    server.wait_for("answer=\"204 No Content\"");
    server.terminate();
    let (code, stdout, _) = told(&folder.run(&["channels", "test", "it"]));
    assert!(code == Some(0) && stdout.ends_with("\ntaken: 204 No Content\n"), "{stdout}");
    assert_eq!(verifier.next().0, "204");
}

#[test]
fn it_refuses_another_secret_and_what_is_not_signed() {
    let verifier = Verifier::start();
    for (secret, reason) in [
        (format!(", secret = '{WRONG}'"), "No matching signature found"),
        (String::new(), "Missing required headers"),
    ] {
        let folder = Folder::new(&verifier.with(&secret));
        let server = folder.serve();
        post(&server, json!({}));
        let (status, _, text) = verifier.next();
        assert_eq!((status.as_str(), text.as_str()), ("401", reason));
        server.wait_for("notification not delivered; it will be retried");
        server.terminate();
        let (code, stdout, stderr) = told(&folder.run(&["channels", "test", "it"]));
        assert!(code == Some(1) && stdout.ends_with("\nnot taken: 401 Unauthorized\n"), "{stdout}");
        assert!(stderr.ends_with("`firebell channels show webhook` says what `with` takes\n"), "{stderr}");
        assert!(!format!("{stdout}{stderr}").contains("whsec_"), "{stdout}{stderr}");
        assert_eq!(verifier.next().0, "401");
    }
}

/// Debian's Alertmanager, by itself.
struct Alertmanager {
    _program: Program,
    addr: SocketAddr,
}

impl Alertmanager {
    fn start(folder: &Folder) -> Self {
        let config = "route: { receiver: none }\nreceivers: [{ name: none }]\n";
        let program = Program::alertmanager(folder, config);
        let addr = program.addr();
        Self { _program: program, addr }
    }

    /// What it has not seen the end of.
    fn alerts(&self) -> Vec<Value> {
        let mut answer = ureq::get(format!("http://{}/api/v2/alerts", self.addr)).call().unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The severities of its alerts.
    fn severities(&self) -> Vec<Value> {
        self.alerts().iter().map(|alert| alert["labels"]["severity"].clone()).collect()
    }
}

#[test]
fn alertmanager_has_an_alert_as_long_as_an_incident_is_open() {
    let folder = Folder::new("");
    let alertmanager = Alertmanager::start(&folder);
    let url = format!("http://{}", alertmanager.addr);
    folder.write("config.toml", &configured("alertmanager", &format!("url = '{url}', labels = 'env'")));
    let (code, stdout, stderr) = told(&folder.run(&["channels", "test", "it"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(alertmanager.alerts(), Vec::<Value>::new(), "the test has ended what it began");

    let server = folder.serve();
    let told = |id: u32| server.wait_for(&format!("_{id}\" attempts=1 answer=\"200 OK\""));
    let metadata = json!({ "env": "prod", "k8s.io/pod": "a", "percent": 91 });
    post(&server, json!({ "severity": "SEV3", "description": "All of it", "metadata": metadata }));
    told(1);
    let alerts = alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let number = server.get("/api/v1/incidents")["items"][0]["incident_number"].clone();
    let labels = json!({ "alertname": "Firebell", "severity": "warning", "service": "SER-00002", "env": "prod",
                         "integration": "local", "incident_number": number });
    assert_eq!(alerts[0]["labels"], labels);
    assert_eq!(alerts[0]["annotations"]["summary"], "It's \"down\" — ☠");
    let generator = format!("{}/incidents/{}", server.url(), number.as_str().unwrap());
    assert_eq!(alerts[0]["generatorURL"], generator);
    let ends_at: jiff::Timestamp = alerts[0]["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(ends_at - jiff::SignedDuration::from_hours(29 * 24) > jiff::Timestamp::now(), "{alerts:?}");

    // More severe: another alert there, in place of the first. What changes in the metadata changes nothing.
    post(&server, json!({ "severity": "SEV0", "metadata": { "percent": 99 } }));
    told(2);
    assert_eq!(alertmanager.severities(), ["critical"]);
    // Less severe is not told, and ends with it.
    post(&server, json!({ "severity": "SEV4" }));
    post(&server, json!({ "status": "resolved" }));
    told(3);
    assert_eq!(alertmanager.severities(), Vec::<Value>::new());
    post(&server, json!({}));
    told(4);
    assert_eq!(alertmanager.severities(), ["info"]);
    post(&server, json!({ "status": "resolved" }));
    told(5);
    assert_eq!(alertmanager.severities(), Vec::<Value>::new());
    server.terminate();
}
