//! Heartbeats of a real process: the line in a crontab, a kill, and the table for people.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;

use rusqlite::Connection;

use crate::harness::{CONFIG, Folder, Server, told};
use crate::http::Chunked;

const PING_KEY: &str = "5f0c2c1e-91cd-4d0c-8c2b-6f5f0d1f7a21";
const HOUR_MS: i64 = 3_600_000;

fn config() -> String {
    format!(
        "{CONFIG}[[heartbeats]]\nname = \"backup\"\ntitle = \"Backup\"\nkeys = [\"{PING_KEY}\"]\nservice = \"SER-00002\"\nperiod = \"1h\"\n"
    )
}

fn curl(server: &Server, rest: &str) -> (Option<i32>, String, String) {
    let line = format!("curl -fsS -m 10 --retry 5 {}/ping/{PING_KEY}{rest}", server.url());
    told(&Command::new("bash").arg("-c").arg(line).output().unwrap())
}

/// The file of a killed server, as if it had been killed an hour ago; what `sql` does to it besides.
fn an_hour_ago(folder: &Folder, sql: &str) {
    let store = Connection::open(folder.path("firebell.db")).unwrap();
    let past =
        format!("UPDATE heartbeat SET last_ping_at = last_ping_at - {HOUR_MS}, due_at = due_at - {HOUR_MS}");
    store.execute_batch(&format!("{past};{sql}")).unwrap();
}

#[test]
fn a_kill_loses_no_ping_and_the_time_after_it_does_not_count() {
    let folder = Folder::new(&config());
    let mut server = folder.serve();
    server.secrets.push(PING_KEY.into());
    assert_eq!(curl(&server, ""), (Some(0), "OK".into(), String::new()));
    let pinged = server.get("/api/v1/heartbeats")["items"][0].clone();
    server.kill();

    // Moved before anybody can ask, and so before anything can be missed.
    an_hour_ago(&folder, &format!("UPDATE pulse SET alive_at = alive_at - {HOUR_MS}"));
    let mut server = folder.serve();
    server.secrets.push(PING_KEY.into());
    let kept = server.get("/api/v1/heartbeats")["items"][0].clone();
    assert_eq!(kept["state"], "up");
    assert!(kept["last_ping_at"].as_str() < pinged["last_ping_at"].as_str(), "{kept}");
    assert!(kept["due_at"].as_str() >= pinged["due_at"].as_str(), "{kept} {pinged}");
    server.kill();

    // The same hour, in which something ran.
    an_hour_ago(&folder, &format!("UPDATE heartbeat SET due_at = due_at - {HOUR_MS}"));
    let server = folder.serve();
    let replay = [("Last-Event-ID", "0")];
    let (_, stream) = Chunked::get(server.addr, "/api/v1/incidents/stream", &replay).unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let missed =
        lines.filter(|line| line.starts_with("data: ")).find(|line| line.contains("Backup: no ping since"));
    assert!(missed.is_some_and(|line| line.contains("\"integration\":\"heartbeats\"")));
    assert_eq!(curl(&server, "/0").0, Some(0));
    assert_eq!(server.get("/api/v1/incidents?dedup_key=backup")["items"][0]["status"], "resolved");
    server.terminate();
}

#[test]
fn the_watchdog_is_asked_over_the_network_and_its_url_is_nowhere() {
    let watchdog = TcpListener::bind("127.0.0.1:0").unwrap();
    let secret = "/ping/watchdog-url-0123456789";
    let url = format!("http://{}{secret}", watchdog.local_addr().unwrap());
    let folder = Folder::new(&format!("{CONFIG}[watchdog]\nurl = {{ env = \"WATCHDOG\" }}\n"));
    let mut serve = folder.firebell(&["serve"]);
    serve.env("WATCHDOG", url);
    let mut server = Server::start(serve);
    server.secrets.push(secret.into());
    let (stream, _) = watchdog.accept().unwrap();
    let mut lines = BufReader::new(&stream).lines();
    assert_eq!(lines.next().unwrap().unwrap(), format!("GET {secret} HTTP/1.1"));
    let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    assert!(head.into_iter().any(|line| line.to_lowercase().starts_with("user-agent: firebell/")));
    (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    server.wait_for("the watchdog could not be told");
    server.terminate();
}

#[test]
fn the_table_says_how_each_is() {
    let folder = Folder::new(&config());
    let server = folder.serve();
    let run = |arguments: &[&str]| {
        let mut command = folder.firebell(arguments);
        told(&command.env("FIREBELL_URL", server.url()).output().unwrap())
    };
    let (code, stdout, stderr) = run(&["heartbeats"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(
        stdout,
        "NAME    STATE    SERVICE    EVERY  LAST PING  DUE\nbackup  waiting  SER-00002  1h     -          -\n"
    );
    curl(&server, "/start");
    let (_, stdout, _) = run(&["heartbeats", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&list["total"], &list["items"][0]["state"]), (&1.into(), &"running".into()));
    assert!(run(&["heartbeats"]).1.contains("\nbackup  running  SER-00002  1h "));
    server.terminate();
}
