//! The shipped configuration and the contract's three examples, verbatim but for the host.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{COMPLETE, Folder, Server, repository, told};
use crate::http;

const MINIMAL: &str = r#"{"title":"Server is down","service_id":"SER-00001"}"#;

const CURL: &str = r#"curl -X POST http://127.0.0.1:8080/webhooks/YOUR_ROUTING_KEY -H "Content-Type: application/json" -d '{"title":"Test webhook","service_id":"SER-00001","description":"Testing webhook integration"}'"#;

struct Shipped {
    folder: Folder,
    server: Server,
}

impl Shipped {
    /// The file of the repository as it is; only where it listens and stores is the test's.
    fn serve() -> Self {
        let folder = Folder::new("");
        let config = repository().join("config.toml");
        let mut serve = folder.firebell(&["serve", "--config", config.to_str().unwrap()]);
        serve.env("FIREBELL_LISTEN", "127.0.0.1:0").env("FIREBELL_STORE_PATH", folder.path("firebell.db"));
        let mut server = Server::start(serve);
        server.secrets.push("YOUR_ROUTING_KEY".into());
        Self { folder, server }
    }

    fn post(&self, body: &str) -> Value {
        let json = [("Content-Type", "application/json")];
        let answer =
            http::send(self.server.addr, "POST", "/webhooks/YOUR_ROUTING_KEY", &json, body.as_bytes());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.data()
    }

    /// It is found by the API and by `firebell incidents`.
    #[track_caller]
    fn assert_found(&self, sent: &Value, title: &str, service: &str, severity: &str) {
        let number = sent["incident_number"].as_str().unwrap();
        let list = self.server.get("/api/v1/incidents");
        assert_eq!(list["total"], 1);
        let shown = self.server.get(&format!("/api/v1/incidents/{number}"));
        for incident in [&list["items"][0], &shown] {
            assert_eq!(incident["incident_number"], number);
            assert_eq!((&incident["title"], &incident["severity"]), (&title.into(), &severity.into()));
            assert_eq!(incident["service_ids"], json!([service]));
            assert_eq!((&incident["status"], &incident["occurrences"]), (&"new".into(), &1.into()));
        }
        let mut command = self.folder.firebell(&["incidents"]);
        let (code, stdout, stderr) = told(&command.env("FIREBELL_URL", self.server.url()).output().unwrap());
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let line = stdout.lines().nth(1).unwrap();
        assert!(
            line.starts_with(&format!("{number}  {severity}  new            {service}       1  ")),
            "{line}"
        );
        assert!(line.ends_with(&format!("Z  {title}")), "{line}");
    }
}

#[test]
fn the_minimal_body() {
    let shipped = Shipped::serve();
    let sent = shipped.post(MINIMAL);
    assert_eq!((&sent["outcome"], &sent["warnings"]), (&"created".into(), &json!([])));
    shipped.assert_found(&sent, "Server is down", "SER-00001", "SEV2");
    shipped.server.terminate();
}

#[test]
fn the_complete_example() {
    let shipped = Shipped::serve();
    let sent = shipped.post(COMPLETE);
    assert_eq!((&sent["dedup_key"], &sent["warnings"]), (&"db-pool-prod-001".into(), &json!([])));
    shipped.assert_found(&sent, "Database connection pool exhaustion", "SER-00002", "SEV1");
    let number = sent["incident_number"].as_str().unwrap();
    let incident = shipped.server.get(&format!("/api/v1/incidents/{number}"));
    assert_eq!(incident["description"], "Connection pool reached maximum capacity");
    assert_eq!(incident["source_url"], "https://grafana.example.com/dashboard/db");
    assert_eq!(incident["metadata"], json!({ "environment": "production", "region": "us-east-1" }));
    assert_eq!(sent["url"], format!("{}/incidents/{number}", shipped.server.url()));
    shipped.server.terminate();
}

#[test]
fn the_curl_line() {
    let shipped = Shipped::serve();
    let line = CURL.replace("http://127.0.0.1:8080", &shipped.server.url());
    let (code, stdout, stderr) = told(&Command::new("bash").arg("-c").arg(line).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    shipped.assert_found(&answer["data"], "Test webhook", "SER-00001", "SEV2");
    shipped.server.terminate();
}
