//! Exports: everything once, in both formats, while everything else goes on.

use std::collections::HashMap;
use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::document;
use crate::http::{Chunked, Response};
use crate::server::{Server, alert, field_codes, sequence};

const EXPORT: &str = "/api/v1/export";

#[track_caller]
fn begin(server: &Server, query: &str) -> Result<(Response, Chunked), Response> {
    Chunked::get(server.addr(), &format!("{EXPORT}?{query}"), &[])
}

/// Headers and text of an export that comes to its end.
#[track_caller]
fn export(server: &Server, query: &str) -> (Response, String) {
    let (head, mut body) = begin(server, query).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(head.status, 200);
    let mut text = String::new();
    body.read_to_string(&mut text).unwrap();
    (head, text)
}

fn lines(server: &Server, query: &str) -> Vec<Value> {
    let (head, text) = export(server, query);
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    let lines = text.lines().map(|line| {
        let incident = serde_json::from_str(line).unwrap();
        let problems = document::problems("/components/schemas/Incident", &incident);
        assert!(problems.is_empty(), "{problems} in {line}");
        incident
    });
    lines.collect()
}

/// Its numbers, as their last digits.
fn sequences(lines: &[Value]) -> Vec<u32> {
    lines.iter().map(|line| sequence(&line["incident_number"])).collect()
}

fn rows(text: &str) -> (Vec<String>, Vec<HashMap<String, String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns: Vec<String> = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    (columns, reader.deserialize().map(Result::unwrap).collect())
}

/// Some 20 KB as a line, of which there have to be many for a socket to be full.
fn fill(server: &Server, threads: usize, each: usize) {
    let metadata: serde_json::Map<_, _> =
        (0..10).map(|key| (format!("HUSH_{key}"), "x".repeat(1000).into())).collect();
    let body = alert(json!({ "description": "\u{1F514}".repeat(2000), "metadata": metadata }));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| assert_eq!(server.post(&body).status, 201)));
        }
    });
}

#[test]
fn lines_are_the_incidents_as_they_are_shown_in_the_order_of_recording() {
    let server = Server::new();
    assert_eq!(export(&server, "").1, "");
    server.alert(json!({ "dedup_key": "k", "metadata": { "n": 1.0, "text": "a\nb" } }));
    server.alert(json!({ "description": "says \"hello\"" }));
    server.set_status("INC-2026-001", "resolved");
    let (head, text) = export(&server, "format=ndjson");
    assert_eq!(
        head.header("content-disposition"),
        Some("attachment; filename=\"incidents-2026-11-23.ndjson\"")
    );
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert!(head.header("x-request-id").is_some());
    assert!(text.contains(r#""n":1.0"#) && text.ends_with('\n'), "{text}");
    let page = server.get("/api/v1/incidents?sort=created_at").data();
    assert_eq!(&lines(&server, "")[..], &page["items"].as_array().unwrap()[..]);
}

#[test]
fn rows_say_the_same_and_no_formula() {
    let server = Server::new();
    let empty = export(&server, "format=csv").1;
    server.alert(json!({ "title": "=HYPERLINK(\"http://x\") HUSH", "description": "a,\"b\"\r\nc\n", "dedup_key": "-1" }));
    server.alert(json!({ "title": "+1 HUSH", "description": "@SUM(1)", "metadata": { "a": [1.0, "=x"] } }));
    server.alert(json!({ "title": "plain, with a comma HUSH", "description": "\t=1" }));
    server.acknowledge("INC-2026-003");
    let (head, text) = export(&server, "format=csv");
    assert_eq!(head.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(head.header("content-disposition"), Some("attachment; filename=\"incidents-2026-11-23.csv\""));
    assert!(text.starts_with(&empty) && empty.ends_with("\r\n"), "an empty one is its header");
    let (columns, rows) = rows(&text);
    let raw = export(&server, "").1;
    let line = raw.lines().next().unwrap();
    let places: Vec<_> = columns.iter().map(|name| line.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "the columns are the fields, in their order");
    let lines = lines(&server, "");
    assert_eq!(columns.len(), lines[0].as_object().unwrap().len());
    assert_eq!(rows.len(), 3);
    for (row, line) in rows.iter().zip(&lines) {
        for column in &columns {
            let expected = match &line[column] {
                Value::Null => String::new(),
                Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t']) => format!("'{text}"),
                Value::String(text) => text.clone(),
                Value::Array(_) if column == "service_ids" => "SER-00001".into(),
                structure => {
                    let shown: Value = serde_json::from_str(&row[column]).unwrap();
                    assert_eq!(shown, *structure, "{column}");
                    continue;
                }
            };
            assert_eq!(row[column], expected, "{column}");
        }
    }
    assert_eq!(rows[0]["description"], "a,\"b\"\r\nc\n");
    assert_eq!(rows[1]["metadata"], r#"{"a":[1.0,"=x"]}"#);
}

#[test]
fn filters_select_and_paging_does_not() {
    let server = Server::new();
    for severity in ["SEV0", "SEV1", "SEV0", "SEV2"] {
        server.alert(json!({ "severity": severity, "title": format!("HUSH disk {severity}") }));
    }
    server.set_status("INC-2026-003", "resolved");
    for (query, expected) in [
        ("", vec![1, 2, 3, 4]),
        ("severity=SEV0", vec![1, 3]),
        ("severity=sev0&severity=SEV2&status=new", vec![1, 4]),
        ("search=disk+sev0", vec![1, 3]),
        ("status=closed", vec![]),
        ("sort=-created_at&limit=1&offset=2&cursor=x&unknown=1", vec![1, 2, 3, 4]),
    ] {
        assert_eq!(sequences(&lines(&server, query)), expected, "{query}");
        let csv = export(&server, &format!("format=csv&{query}")).1;
        assert_eq!(rows(&csv).1.len(), expected.len(), "{query}");
    }
}

#[test]
fn what_it_cannot_do_is_refused() {
    let server =
        Server::with("[[tokens]]\nname = 'w'\ntoken = 'HUSH-writer-token-1'\nscopes = ['incidents:write']");
    assert_eq!(server.get(EXPORT).code(), "unauthenticated");
    let authorization = [("Authorization", "Bearer HUSH-writer-token-1")];
    assert_eq!(server.send("GET", EXPORT, &authorization, b"").code(), "forbidden");
    let server = Server::new();
    assert_eq!(field_codes(&server.get(&format!("{EXPORT}?format=xlsx"))), "format:not_in_list");
    let query = format!("{EXPORT}?format=&severity=high");
    assert_eq!(field_codes(&server.get(&query)), "format:not_in_list severity:not_in_list");
    assert_eq!(server.post_to(EXPORT, "").header("allow"), Some("GET, HEAD"));
}

#[test]
fn more_than_a_page_comes_whole_and_once_while_more_is_recorded() {
    let server = Server::new();
    fill(&server, 8, 100);
    let (_, mut body) = begin(&server, "").ok().unwrap();
    // The client takes its time: what it gets later was there when it began, and nothing else.
    let mut text = vec![0; 1000];
    body.read_exact(&mut text).unwrap();
    for sequence in 790..=800 {
        server.set_status(&format!("INC-2026-{sequence}"), "resolved");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| (0..200).for_each(|_| assert_eq!(server.post(alert(json!({}))).status, 201)));
        body.read_to_end(&mut text).unwrap();
    });
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sequences(&lines), (1..=800).collect::<Vec<_>>());
    assert_eq!(lines[799]["status"], "resolved", "each as it is when it is read");
}

#[test]
fn two_at_once_are_enough_and_who_leaves_makes_room() {
    let server = Server::new();
    fill(&server, 8, 100);
    let (_, first) = begin(&server, "").ok().unwrap();
    let (_, mut second) = begin(&server, "format=csv").ok().unwrap();
    let refused = begin(&server, "").err().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(server.send("HEAD", EXPORT, &[], b"").status, 200, "the head alone needs no room");
    drop(first);
    assert_eq!(text_when_there_is_room(&server).lines().count(), 800);
    let mut text = String::new();
    second.read_to_string(&mut text).unwrap();
    assert_eq!(rows(&text).1.len(), 800);
}

#[test]
fn who_takes_nothing_is_cut_and_knows_that_it_was_not_all() {
    let server = Server::with("[limits]\nwrite_timeout = '300ms'");
    fill(&server, 8, 100);
    let mut deaf = [begin(&server, "").ok().unwrap().1, begin(&server, "").ok().unwrap().1];
    assert_eq!(text_when_there_is_room(&server).lines().count(), 800);
    for deaf in &mut deaf {
        deaf.read_to_end(&mut Vec::new()).unwrap_err();
    }
}

#[track_caller]
fn text_when_there_is_room(server: &Server) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match begin(server, "") {
            Ok((_, mut body)) => {
                let mut text = String::new();
                body.read_to_string(&mut text).unwrap();
                return text;
            }
            Err(refused) => assert_eq!(refused.status, 503, "{refused:?}"),
        }
        assert!(Instant::now() < until, "there is never room");
        std::thread::yield_now();
    }
}
