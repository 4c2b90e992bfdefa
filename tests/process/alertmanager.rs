//! The real chain: Prometheus scrapes, evaluates and fires, Alertmanager groups, notifies and retries, Firebell has it.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::audit::audit;
use crate::full::limit;
use crate::harness::{Folder, KEY, Server, free_port};
use crate::http::Chunked;
use crate::programs::Program;

/// Of seconds that Prometheus and Alertmanager count in; only a hang takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The disks that are watched: `full[n]` says whether `sda` or `sdb` is full.
type Disks = Arc<[AtomicBool; 2]>;

const DISKS: [&str; 2] = ["sda", "sdb"];

/// Prometheus and Alertmanager.
struct Chain {
    _programs: [Program; 2],
    disks: Disks,
}

impl Chain {
    /// Both, and what is scraped; Firebell is at `firebell`.
    fn start(folder: &Folder, firebell: SocketAddr) -> Self {
        let disks = Disks::default();
        let target = serve_metrics(Arc::clone(&disks));
        let alertmanager = Program::alertmanager(
            folder,
            &format!(
                "route: {{ receiver: firebell, group_by: [alertname], group_wait: 100ms, group_interval: 1s, \
                 repeat_interval: 1s }}\nreceivers:\n  - name: firebell\n    webhook_configs:\n      - url: \
                 http://{firebell}/webhooks/{KEY}\n        send_resolved: true\n"
            ),
        );
        folder.write(
            "prometheus.yml",
            &format!(
                "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n\
                 rule_files: [rules.yml]\n\
                 scrape_configs: [{{ job_name: disks, static_configs: [{{ targets: ['{target}'] }}] }}]\n\
                 alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{}'] }}] }}] }}\n",
                alertmanager.addr()
            ),
        );
        folder.write(
            "rules.yml",
            "groups:\n  - name: disks\n    rules:\n      - alert: DiskFull\n        expr: disk_full > 0\n        \
             labels: { severity: critical, service: db }\n        annotations: { summary: 'Disk {{ $labels.disk }} is \
             full', description: 'Nothing can be written to it' }\n",
        );
        let path = |name: &str| folder.path(name).display().to_string();
        let arguments = [
            format!("--config.file={}", path("prometheus.yml")),
            format!("--storage.tsdb.path={}", path("prometheus")),
            "--rules.alert.resend-delay=1s".into(),
        ];
        let prometheus = Program::start(folder, "prometheus", &arguments);
        Self { _programs: [alertmanager, prometheus], disks }
    }

    fn set_full(&self, disk: usize, full: bool) {
        self.disks[disk].store(full, Ordering::Relaxed);
    }
}

/// What Prometheus scrapes, for as long as the process lives.
fn serve_metrics(disks: Disks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            if !matches!(stream.read(&mut request), Ok(1..)) {
                continue;
            }
            let value = |n: usize| u8::from(disks[n].load(Ordering::Relaxed));
            let line = |n: usize| format!("disk_full{{disk=\"{}\"}} {}\n", DISKS[n], value(n));
            let body = line(0) + &line(1);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok();
        }
    });
    addr
}

/// Listens always on the same address, so that a restart is found again.
fn config(addr: SocketAddr) -> String {
    format!(
        "listen = '{addr}'\n[[services]]\nid = 'SER-00001'\nname = 'Website'\n[[services]]\nid = 'SER-00002'\nname = \
         'Database'\naliases = ['db']\n[[integrations]]\nname = 'prometheus'\nsource = 'alertmanager'\nrouting_keys = \
         ['{KEY}']\ndefault_service = 'SER-00001'\n"
    )
}

/// Watches until the disk's incident is as `wanted` says, and returns it.
#[track_caller]
fn wait_for(server: &Server, disk: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    let (_, stream) = Chunked::get(server.addr, "/api/v1/incidents/stream", &[]).unwrap();
    let title = format!("Disk {} is full", DISKS[disk]);
    let is_it = |incident: &Value| incident["title"] == title && wanted(incident);
    // It may have happened before this looked.
    let items = server.get("/api/v1/incidents?limit=100")["items"].clone();
    if let Some(found) = items.as_array().unwrap().iter().find(|incident| is_it(incident)) {
        return found.clone();
    }
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        let event = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok());
        if let Some(found) = event.map(|event| event["incident"].clone()).filter(|incident| is_it(incident)) {
            return found;
        }
        assert!(Instant::now() < until, "{title}: never {what}; there is {items}");
    }
    panic!("the stream ended");
}

fn is(status: &str) -> impl Fn(&Value) -> bool {
    move |incident| incident["status"] == status
}

#[test]
fn an_alert_fires_repeats_and_clears_and_an_outage_changes_nothing() {
    let addr = free_port();
    let folder = Folder::new(&config(addr));
    let server = folder.serve();
    let chain = Chain::start(&folder, addr);

    chain.set_full(0, true);
    let incident = wait_for(&server, 0, "created", is("new"));
    assert_eq!((&incident["severity"], &incident["service_ids"][0]), (&"SEV0".into(), &"SER-00002".into()));
    assert_eq!(incident["description"], "Nothing can be written to it");
    assert_eq!(incident["integration"], "prometheus");
    assert_eq!(incident["metadata"]["alertname"], "DiskFull");
    assert!(incident["source_url"].as_str().unwrap().contains("/graph?g0.expr=disk_full"), "{incident}");
    wait_for(&server, 0, "repeated", |incident| incident["occurrences"].as_i64() > Some(2));
    chain.set_full(0, false);
    let resolved = wait_for(&server, 0, "resolved", is("resolved"));
    assert_eq!(resolved["resolved_by"], "integration:prometheus");

    // One is still firing when Firebell goes down, and clears meanwhile; another begins.
    chain.set_full(0, true);
    let reopened = wait_for(&server, 0, "re-opened", is("new"));
    assert_eq!(reopened["incident_number"], incident["incident_number"]);
    server.terminate();
    chain.set_full(0, false);
    chain.set_full(1, true);
    let server = folder.serve();
    wait_for(&server, 0, "resolved after the outage", is("resolved"));
    let other = wait_for(&server, 1, "created after the outage", is("new"));
    assert_ne!(other["incident_number"], incident["incident_number"]);
    assert_eq!(server.get("/api/v1/incidents")["total"], 2);
    drop(chain);
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).by_number().len(), 2);
}

#[test]
fn what_a_503_refused_is_sent_again() {
    let addr = free_port();
    let folder = Folder::new(&config(addr));
    let server = folder.serve();
    let chain = Chain::start(&folder, addr);
    chain.set_full(0, true);
    wait_for(&server, 0, "created", is("new"));

    limit(&server, Some(4096));
    chain.set_full(0, false);
    chain.set_full(1, true);
    server.wait_for("status=503");
    let now = server.get("/api/v1/incidents");
    assert_eq!((&now["total"], &now["items"][0]["status"]), (&1.into(), &"new".into()));
    limit(&server, None);
    wait_for(&server, 0, "resolved once there is room", is("resolved"));
    wait_for(&server, 1, "created once there is room", is("new"));
    drop(chain);
    server.terminate();
    assert_eq!(audit(&folder.path("firebell.db")).by_number().len(), 2);
}
