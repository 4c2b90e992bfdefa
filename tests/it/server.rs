//! The real server in this process, over a file of its own and a clock that only the test moves.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use firebell::app::App;
use firebell::clock::Clock;
use firebell::config::{self, Config};
use firebell::outbound::Outbound;
use rusqlite::{Connection as Sqlite, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, Response};
use crate::{file, log};

/// When every test begins: `2026-11-23T08:00:00.123Z`.
pub const NOW_MS: i64 = 1_795_420_800_123;
pub const NOW: &str = "2026-11-23T08:00:00.123Z";

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Where [`Server::post`] posts.
pub const WEBHOOK: &str = "/webhooks/HUSH-prod-key-0001";

pub const HEAD: &str = "
listen = '127.0.0.1:0'
public_url = 'https://bell.example.net'
";

pub const SERVICES: &str = "
[[services]]
id = 'SER-00001'
name = 'Website'
aliases = ['web']
[[services]]
id = 'SER-00002'
name = 'Database'
aliases = ['db']
[[services]]
id = 'SER-00009'
name = 'Museum'
aliases = ['old']
active = false
";

/// The integration behind [`WEBHOOK`]; more options of it may follow.
pub const PROD: &str = "
[[integrations]]
name = 'prod'
source = 'custom'
routing_keys = ['HUSH-prod-key-0001']
";

pub struct Server {
    app: Option<App>,
    clock: Clock,
    outbound: Outbound,
    folder: TempDir,
    idempotency_keys: u32,
    /// What had been logged before.
    offences: usize,
}

impl Server {
    /// With the integration `prod` and no options.
    pub fn new() -> Self {
        Self::with("")
    }

    /// With further options of the integration `prod`, and whatever comes behind them.
    pub fn with(more: &str) -> Self {
        Self::start(&format!("{HEAD}{SERVICES}{PROD}{more}"))
    }

    /// With exactly that configuration.
    pub fn start(config: &str) -> Self {
        Self::start_at(NOW_MS, config)
    }

    /// The same, at another time.
    pub fn start_at(now_ms: i64, config: &str) -> Self {
        Self::start_with(now_ms, config, Outbound::by(|url| panic!("{url} was asked")))
    }

    /// The same, with what the server may fetch.
    pub fn start_with(now_ms: i64, config: &str, outbound: Outbound) -> Self {
        log::capture();
        let folder = tempfile::tempdir().unwrap();
        let (clock, offences) = (Clock::manual(now_ms), log::offences());
        let mut server = Self { app: None, clock, outbound, folder, idempotency_keys: 0, offences };
        server.restart(config);
        server
    }

    /// Stops, and starts over the same file and clock with that configuration.
    pub fn restart(&mut self, config: &str) {
        self.stop();
        let config = self.load(config);
        self.idempotency_keys = config.limits.idempotency_keys;
        self.app = Some(App::start(config, self.clock.clone(), self.outbound.clone()).unwrap());
    }

    /// Puts another configuration in force without stopping.
    pub fn reload(&self, config: &str) {
        self.app().reload(self.load(config)).unwrap();
    }

    pub fn stop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }

    fn load(&self, text: &str) -> Config {
        let path = self.folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        config::load(&path, &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub fn addr(&self) -> SocketAddr {
        self.app().addr()
    }

    /// Moves the clock, backwards if negative.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub fn advance(&self, by_ms: i64) {
        self.clock.advance_ms(by_ms);
    }

    /// What the store does every minute by itself.
    pub fn upkeep(&self) {
        self.app().upkeep().unwrap();
    }

    /// What is done every second by itself.
    pub fn tick(&self) {
        self.app().tick();
    }

    /// Lets time pass, as it passes for a server that runs all the while.
    pub fn live(&self, for_ms: i64) {
        let mut left_ms = for_ms;
        while left_ms > 0 {
            let step_ms = left_ms.min(30 * SECOND);
            self.advance(step_ms);
            self.tick();
            left_ms -= step_ms;
        }
    }

    /// Waits until the index for search has caught up with all that was posted.
    pub fn wait_for_index(&self) {
        let file = self.file();
        let behind = "SELECT EXISTS (SELECT 1 FROM search_changed)
                          OR (SELECT up_to FROM search) < (SELECT coalesce(max(id), 0) FROM incident)";
        while file.query_row(behind, [], |row| row.get(0)).unwrap() {
            std::thread::yield_now();
        }
    }

    /// The store's file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("firebell.db")
    }

    /// Another connection to the file. Tests look at it only where no answer could tell them.
    pub fn file(&self) -> Sqlite {
        open(&self.path())
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let response = http::send(self.addr(), method, path, headers, body);
        let shown = format!("{:?}", (&response.headers, &response.text));
        for secret in ["HUSH-", "YOUR_ROUTING_KEY"] {
            assert!(!shown.contains(secret), "an answer shows a secret: {shown}");
        }
        response
    }

    /// A webhook of the integration `prod`.
    #[track_caller]
    pub fn post(&self, body: impl ToString) -> Response {
        self.post_to(WEBHOOK, body)
    }

    /// A POST without further headers.
    #[track_caller]
    pub fn post_to(&self, path: &str, body: impl ToString) -> Response {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// `data` of the answer to an alert with these members, which must be accepted.
    #[track_caller]
    pub fn alert(&self, members: Value) -> Value {
        self.post(alert(members)).data()
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"")
    }

    /// An incident, its timeline included.
    #[track_caller]
    pub fn show(&self, number: &str) -> Value {
        self.get(&format!("/api/v1/incidents/{number}")).data()
    }

    /// The numbers on a page of the list, as their last digits.
    #[track_caller]
    pub fn list(&self, query: &str) -> Vec<u32> {
        let page = self.get(&format!("/api/v1/incidents?{query}")).data();
        page["items"].as_array().unwrap().iter().map(|item| sequence(&item["incident_number"])).collect()
    }

    /// Moves an incident's status through the API, which must work.
    #[track_caller]
    pub fn set_status(&self, number: &str, status: &str) -> Value {
        self.post_to(&format!("/api/v1/incidents/{number}/status"), json!({ "status": status })).data()
    }

    #[track_caller]
    pub fn acknowledge(&self, number: &str) -> Value {
        self.post_to(&format!("/api/v1/incidents/{number}/acknowledge"), json!({})).data()
    }
}

/// Nothing but reading, whatever a test does with it.
pub fn open(path: &Path) -> Sqlite {
    Sqlite::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// A valid alert, with these members besides or instead.
pub fn alert(members: Value) -> Value {
    let mut alert = json!({ "title": "Disk is full (HUSH)", "service_id": "SER-00001" });
    alert.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    alert
}

/// `12` of `"INC-2026-012"`; 0 of `null`.
pub fn sequence(number: &Value) -> u32 {
    number.as_str().map_or(0, |number| number.rsplit('-').next().unwrap().parse().unwrap())
}

/// The fields that a refusal names: `title:too_long service_id:required`.
#[track_caller]
pub fn field_codes(response: &Response) -> String {
    assert_eq!((response.status, response.code().as_str()), (400, "validation_error"), "{}", response.text);
    codes(&response.json()["error"]["details"]["fields"])
}

/// The same of a list of warnings.
pub fn codes(list: &Value) -> String {
    let code = |one: &Value| format!("{}:{}", one["field"].as_str().unwrap(), one["code"].as_str().unwrap());
    list.as_array().unwrap().iter().map(code).collect::<Vec<_>>().join(" ")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // The first failure is the one to show.
        if !std::thread::panicking() {
            file::check(&self.path(), self.idempotency_keys);
            log::check(self.offences);
        }
    }
}
