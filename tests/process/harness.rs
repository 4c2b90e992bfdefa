//! Starting Firebell as a process, reading what it says, and ending it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http;

/// The routing key of [`CONFIG`].
pub const KEY: &str = "process-test-key-0123456789";

/// A second one, of another integration.
pub const OTHER_KEY: &str = "another-process-test-key-9876";

/// A small configuration; `[limits]` or more may follow it.
pub const CONFIG: &str = r#"
listen = "127.0.0.1:0"
[[services]]
id = "SER-00001"
name = "Website"
[[services]]
id = "SER-00002"
name = "Database"
[[integrations]]
name = "local"
source = "custom"
routing_keys = ["process-test-key-0123456789"]
[[integrations]]
name = "other"
source = "custom"
routing_keys = ["another-process-test-key-9876"]
"#;

/// The complete example of the contract.
pub const COMPLETE: &str = r#"{"title":"Database connection pool exhaustion","service_id":"SER-00002","description":"Connection pool reached maximum capacity","severity":"SEV1","status":"new","source_url":"https://grafana.example.com/dashboard/db","dedup_key":"db-pool-prod-001","metadata":{"environment":"production","region":"us-east-1"}}"#;

/// A busy machine is slow; only a hang takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A child that ends with the test.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The folder of a test: `config.toml`, the store, and whatever else it needs.
pub struct Folder(TempDir);

impl Folder {
    /// With `config` as its `config.toml`.
    pub fn new(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("config.toml", config);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The `firebell` command, with this folder as its working directory and none of our environment.
    pub fn firebell(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebell"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.firebell(arguments).output().unwrap()
    }

    /// Starts `firebell serve` on `config.toml`.
    pub fn serve(&self) -> Server {
        Server::start(self.firebell(&["serve"]))
    }
}

/// A running `firebell serve`. Dropped, it is killed; if the test has passed so far, what it said is judged.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    said: Arc<Said>,
    reader: Option<JoinHandle<()>>,
    /// Routing keys and other secrets that it must never have said.
    pub secrets: Vec<String>,
}

/// What a process has written to standard error so far.
#[derive(Default)]
struct Said {
    lines: Mutex<(Vec<String>, bool)>,
    news: Condvar,
}

impl Said {
    fn wait_for(&self, what: &str) -> Result<String, Vec<String>> {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.0.iter().find(|line| line.contains(what)) {
                return Ok(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                return Err(lines.0.clone());
            }
            lines = self.news.wait_timeout(lines, left).unwrap().0;
        }
    }
}

impl Server {
    /// Starts `command` and waits until it listens.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Said::default());
        let listener = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                listener.lines.lock().unwrap().0.push(line);
                listener.news.notify_all();
            }
            listener.lines.lock().unwrap().1 = true;
            listener.news.notify_all();
        });
        let addr = SocketAddr::from(([0, 0, 0, 0], 0));
        let secrets = vec![KEY.to_owned(), OTHER_KEY.to_owned()];
        // Made before the wait, so that a process that never listens is killed as well.
        let mut server = Self { child, addr, said, reader: Some(reader), secrets };
        let line = server.wait_for("listening on http://");
        server.addr = line.split("http://").nth(1).unwrap().parse().unwrap();
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What links to it and `--url` say.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The first line, past or to come, that contains `what`.
    #[track_caller]
    pub fn wait_for(&self, what: &str) -> String {
        self.said.wait_for(what).unwrap_or_else(|said| panic!("never said {what:?}: {said:#?}"))
    }

    /// All it has said so far.
    pub fn said(&self) -> String {
        self.said.lines.lock().unwrap().0.join("\n")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let reader = self.reader.take().unwrap();
        // Standard error ends with the process: waiting for that has a deadline, waiting for the process has none.
        self.said.wait_for("\0no line has this").ok();
        assert!(self.said.lines.lock().unwrap().1, "it did not end");
        reader.join().unwrap();
        self.child.wait().unwrap()
    }

    /// SIGTERM; it must end well.
    #[track_caller]
    pub fn terminate(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Posts a webhook on a connection of its own; the answer is as the contract has every answer.
    #[track_caller]
    pub fn post(&self, body: &str) -> http::Response {
        http::send(self.addr, "POST", &format!("/webhooks/{KEY}"), &[], body.as_bytes())
    }

    /// `data` of a GET that must succeed.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        http::send(self.addr, "GET", path, &[], b"").data()
    }

    /// It still answers and still stores.
    #[track_caller]
    pub fn assert_well(&self) {
        assert_eq!(self.get("/readyz")["status"], "ready");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
        if std::thread::panicking() {
            eprintln!("firebell said:\n{}", self.said());
            return;
        }
        let said = self.said();
        assert!(!said.contains("panicked"), "{said}");
        for secret in &self.secrets {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

/// An address that nobody listens on.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The alert that most tests send.
pub fn alert(dedup_key: &str) -> String {
    serde_json::json!({ "title": "It is down", "service_id": "SER-00001", "dedup_key": dedup_key })
        .to_string()
}

/// What a finished command wrote, and its exit code.
pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Where the repository is.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
