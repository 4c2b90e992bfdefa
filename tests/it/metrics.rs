//! `GET /metrics`: what moves, by how much, for whom, and in which words.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection as Sqlite;
use serde_json::json;

use crate::http::Connection;
use crate::server::{HEAD, NOW_MS, PROD, SERVICES, Server, WEBHOOK, alert};

/// Samples by name and labels, as they are written: `name{label="value"}`.
type Samples = BTreeMap<String, f64>;

#[track_caller]
fn scrape(server: &Server) -> Samples {
    let response = server.get("/metrics");
    assert_eq!(response.status, 200, "{}", response.text);
    parse(&response.text, false)
}

/// Reads the OpenMetrics text format, or Prometheus' older one, and nothing that is not it.
fn parse(text: &str, modern: bool) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let (mut samples, mut families) = (Samples::new(), BTreeSet::new());
    let (mut name, mut kind) = ("", "");
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            name = help.split_once(' ').expect(line).0;
            assert!(name.starts_with("firebell_"), "{line}");
            assert!(families.insert(name), "{name} is there twice");
            kind = "";
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.strip_prefix(name).expect(line).trim_start();
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (of, unit) = rest.split_once(' ').expect(line);
            assert!(of == name && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').expect(line);
            let (of, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let suffix = of.strip_prefix(name).expect(line);
            let suffixes: &[&str] = match kind {
                "counter" if modern => &["_total"],
                "counter" | "gauge" => &[""],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => &[],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            for label in labels.strip_suffix('}').expect(line).split_terminator("\",") {
                let (label, value) = label.split_once("=\"").expect(line);
                assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
                assert!(!value.trim_end_matches('"').contains(['"', '\\', '\n']), "{line}");
            }
            assert_eq!(samples.insert(sample.to_owned(), value.parse().expect(line)), None, "{line}");
        }
    }
    samples
}

/// By how much samples have moved.
#[track_caller]
fn moved(before: &Samples, after: &Samples, sample: &str) -> f64 {
    let now = after.get(sample).unwrap_or_else(|| panic!("no {sample} in {after:#?}"));
    now - before.get(sample).unwrap_or(&0.0)
}

fn requests(method: &str, route: &str, status: u16) -> String {
    format!("firebell_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

fn alerts(integration: &str, outcome: &str) -> String {
    format!("firebell_alerts_total{{integration=\"{integration}\",outcome=\"{outcome}\"}}")
}

#[test]
fn the_format_is_that_which_the_scraper_prefers() {
    let server = Server::new();
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.2";
    for (accept, expected) in [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        (Some("*/*"), "text/plain; version=0.0.4; charset=utf-8"),
        (Some(prometheus), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ] {
        let headers: Vec<_> = accept.iter().map(|value| ("Accept", *value)).collect();
        let response = server.send("GET", "/metrics", &headers, b"");
        assert_eq!(response.header("content-type"), Some(expected), "{accept:?}");
        parse(&response.text, expected.starts_with("application/openmetrics"));
    }
}

#[test]
fn requests_and_alerts_are_counted_by_what_came_of_them() {
    let server = Server::new();
    let before = scrape(&server);
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k" }));
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    server.alert(json!({ "dedup_key": "k" }));
    assert_eq!(server.post("{").status, 400);
    assert_eq!(server.post_to(&format!("{WEBHOOK}?dry_run=1"), alert(json!({}))).status, 200);
    let replay = [("Idempotency-Key", "once")];
    for status in [201, 201] {
        let body = alert(json!({})).to_string();
        assert_eq!(server.send("POST", WEBHOOK, &replay, body.as_bytes()).status, status);
    }
    server.get("/api/v1/incidents");
    Connection::open(server.addr()).unwrap().try_send("HEAD", "/api/v1/incidents", &[], b"").unwrap();
    server.acknowledge("INC-2026-001");
    let after = scrape(&server);
    let webhook = "/webhooks/{routing_key}";
    for (sample, by) in [
        (requests("POST", webhook, 201), 3.0),
        (requests("POST", webhook, 200), 4.0),
        (requests("POST", webhook, 400), 1.0),
        (requests("GET", "/api/v1/incidents", 200), 2.0),
        (requests("POST", "/api/v1/incidents/{number}/acknowledge", 200), 1.0),
        // A scrape is counted by the next one.
        (requests("GET", "/metrics", 200), 1.0),
        // Neither a dry run nor a replay stores anything.
        (alerts("prod", "created"), 2.0),
        (alerts("prod", "repeated"), 1.0),
        (alerts("prod", "resolved"), 1.0),
        (alerts("prod", "reopened"), 1.0),
        (alerts("prod", "ignored"), 0.0),
        ("firebell_http_requests_abandoned_total".into(), 0.0),
    ] {
        assert_eq!(moved(&before, &after, &sample), by, "{sample}");
    }
    let duration = "firebell_http_request_duration_seconds";
    let labels = format!("method=\"POST\",route=\"{webhook}\"");
    assert_eq!(after[&format!("{duration}_count{{{labels}}}")], 8.0);
    assert_eq!(after[&format!("{duration}_bucket{{le=\"+Inf\",{labels}}}")], 8.0);
    assert!(after[&format!("{duration}_sum{{{labels}}}")] > 0.0);
}

#[test]
fn the_writer_tells_of_its_queue_its_batches_and_its_commits() {
    let server = Server::new();
    let before = scrape(&server);
    for _ in 0..5 {
        server.alert(json!({}));
    }
    server.post_to(&format!("{WEBHOOK}?dry_run=1"), alert(json!({})));
    let after = scrape(&server);
    for (histogram, by) in [("commit_seconds", 5.0), ("queue_wait_seconds", 6.0), ("batch_jobs", 6.0)] {
        let sample = |part: &str| format!("firebell_writer_{histogram}_{part}");
        // At least: the store looks after itself in between.
        assert!(moved(&before, &after, &sample("count")) >= by, "{histogram}");
        assert!(moved(&before, &after, &sample("sum")) > 0.0, "{histogram}");
    }
    assert_eq!(after["firebell_writer_queue_jobs"], 0.0);
    assert_eq!(after["firebell_writer_transactions_failed_total"], 0.0);
    assert!(after.contains_key("firebell_writer_oldest_job_age_seconds"));
}

#[test]
fn a_disk_that_does_not_answer_is_seen_while_it_does_not() {
    let server = Server::with("[limits]\nstore_timeout = '500ms'\n[deliveries]\nkeep = 0");
    server.alert(json!({}));
    let other = Sqlite::open(server.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        assert_eq!(server.post(alert(json!({}))).status, 503);
    }
    let stuck = scrape(&server);
    assert!(stuck["firebell_writer_oldest_job_age_seconds"] > 0.8, "{stuck:#?}");
    // At least: the store may be about to look after itself.
    assert!(stuck["firebell_writer_queue_jobs"] >= 1.0, "{stuck:#?}");
    assert_eq!(stuck["firebell_store_readable"], 1.0);
    assert_eq!(stuck[&requests("POST", "/webhooks/{routing_key}", 503)], 2.0);
    other.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn what_is_not_closed_is_counted_by_severity_status_and_service_of_the_configuration() {
    let mut server = Server::new();
    let incidents = |samples: &Samples| -> BTreeMap<String, f64> {
        let name = "firebell_incidents_not_closed{";
        let ours = samples.iter().filter_map(|(sample, value)| Some((sample.strip_prefix(name)?, value)));
        ours.map(|(labels, value)| (labels.replace(['"', '}'], ""), *value)).collect()
    };
    assert_eq!(incidents(&scrape(&server)), BTreeMap::new());
    for (severity, service, status) in [
        ("SEV0", "web", "new"),
        ("SEV0", "web", "new"),
        ("SEV0", "web", "resolved"),
        ("SEV3", "db", "investigating"),
        ("SEV3", "db", "new"),
    ] {
        server.alert(json!({ "severity": severity, "service_id": service, "status": status }));
    }
    server.set_status("INC-2026-005", "closed");
    let expected = |database: &str| {
        BTreeMap::from([
            ("severity=SEV0,status=new,service=SER-00001".to_owned(), 2.0),
            ("severity=SEV0,status=resolved,service=SER-00001".to_owned(), 1.0),
            (format!("severity=SEV3,status=investigating,service={database}"), 1.0),
        ])
    };
    assert_eq!(incidents(&scrape(&server)), expected("SER-00002"));
    // What the configuration has forgotten is counted together.
    server.restart(&format!("{HEAD}{}{PROD}", SERVICES.replace("SER-00002", "SER-00003")));
    assert_eq!(incidents(&scrape(&server)), expected("other"));
}

#[test]
fn the_process_and_its_files_are_described() {
    let server = Server::new();
    for _ in 0..20 {
        server.alert(json!({}));
    }
    let samples = scrape(&server);
    let build = format!("firebell_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples[&build], 1.0);
    assert_eq!(samples["firebell_process_start_time_seconds"], NOW_MS as f64 / 1000.0);
    let size = |path: &std::path::Path| path.metadata().unwrap().len() as f64;
    let wal = server.path().with_extension("db-wal");
    assert_eq!(samples["firebell_store_database_bytes"], size(&server.path()));
    assert_eq!(samples["firebell_store_wal_bytes"], size(&wal));
    assert!(size(&wal) > 0.0);
    if cfg!(target_os = "linux") {
        let resident = samples["firebell_process_resident_memory_bytes"];
        assert!((1e6..1e10).contains(&resident), "{resident}");
    }
}

#[test]
fn no_request_makes_a_label_and_no_secret_is_in_one() {
    let server = Server::new();
    let requests_known = |samples: &Samples| {
        samples.keys().filter(|sample| sample.starts_with("firebell_http_requests_total")).count()
    };
    server.get("/nowhere");
    server.post_to("/webhooks/nobody", "{}");
    server.send("PUT", "/healthz", &[], b"");
    let known = requests_known(&scrape(&server));
    for n in 0..50 {
        server.get(&format!("/nowhere-{n}?token=HUSH-{n}"));
        server.get(&format!("/%ff{{\"{n}\\/..//metrics"));
        server.send(&format!("METHOD{n}"), "/healthz", &[], b"");
        server.post_to(&format!("/webhooks/HUSH-guess-{n}"), "{}");
    }
    let samples = scrape(&server);
    // One more: the first scrape itself.
    assert_eq!(requests_known(&samples), known + 1);
    assert_eq!(samples[&requests("-", "-", 404)], 101.0);
    assert_eq!(samples[&requests("-", "-", 405)], 51.0);
    assert_eq!(samples[&requests("POST", "/webhooks/{routing_key}", 404)], 51.0);
}

const TOKENS: &str = "
[[tokens]]
name = 'services'
token = 'HUSH-services-token'
scopes = ['services:read']
";

#[test]
fn any_token_will_do_and_on_loopback_none_is_needed_but_a_wrong_one_or_a_web_page_is_refused() {
    let local = Server::new();
    let with_tokens = Server::with(TOKENS);
    let network = format!("{HEAD}{SERVICES}{PROD}").replace("127.0.0.1:0", "0.0.0.0:0");
    let network_with_tokens = Server::start(&format!("{network}{TOKENS}"));
    let anonymous = Server::start(&format!("{network}{TOKENS}[access]\nanonymous = ['incidents:read']"));
    let (right, wrong) =
        (("Authorization", "Bearer HUSH-services-token"), ("Authorization", "Bearer HUSH-other-token"));
    for path in ["/metrics", "/openapi.json"] {
        for (server, name, nothing, right_token, wrong_token) in [
            (&local, "loopback", "200", "200", "200"),
            (&with_tokens, "loopback with tokens", "200", "200", "unauthenticated"),
            (&network_with_tokens, "network with tokens", "unauthenticated", "200", "unauthenticated"),
            (&anonymous, "network, anonymous", "200", "200", "unauthenticated"),
        ] {
            for (headers, expected) in
                [(&[][..], nothing), (&[right][..], right_token), (&[wrong][..], wrong_token)]
            {
                let response = server.send("GET", path, headers, b"");
                let found = if response.status == 200 { "200".into() } else { response.code() };
                assert_eq!(found, expected, "{name}: {path} {headers:?}");
            }
        }
        for headers in [[("Host", "rebound.example")], [("Origin", "https://rebound.example")]] {
            assert_eq!(local.send("GET", path, &headers, b"").code(), "forbidden_host");
        }
        assert_eq!(local.send("GET", path, &[("Host", "127.0.0.1:8080")], b"").status, 200);
    }
}
