//! `firebell incidents --watch`: the list, live lines, and connections that break.

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, Server};
use crate::scripted::{Running, Scripted};

fn incident(number: &str, severity: &str, title: &str) -> String {
    format!(
        r#"{{"incident_number":"{number}","title":"{title}","severity":"{severity}","status":"new","service_ids":["SER-00001"],"integration":"local","occurrences":2,"updated_at":"2026-11-23T08:00:00.000Z","last_seen_at":"2026-11-23T08:00:00.000Z"}}"#
    )
}

fn event(id: u32, outcome: &str, incident: &str) -> String {
    format!("id: {id}\nevent: incident\ndata: {{\"outcome\":\"{outcome}\",\"incident\":{incident}}}\n\n")
}

const HEAD: &str =
    "NUMBER        SEV   STATUS         EVENT           SERVICE     COUNT  TIME                  TITLE";
const STREAM: &str = "GET /api/v1/incidents/stream HTTP/1.1";
const LIST: &str = "GET /api/v1/incidents?";

#[test]
fn the_list_then_what_happens_whatever_becomes_of_the_connection() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let flags = ["incidents", "--watch", "--severity", "sev1", "--token", "a-token"];
    let watch = Running::start(&folder, &server.url(), &flags);
    // The stream first: what happens while it lists is not lost.
    let stream = server.expect(STREAM);
    assert!(stream.head.contains("accept: text/event-stream\r\n"), "{}", stream.head);
    assert!(stream.head.contains("authorization: bearer a-token\r\n"), "{}", stream.head);
    assert!(!stream.head.contains("last-event-id"), "{}", stream.head);
    let mut stream = stream.begin();
    let (two, one) = (incident("INC-2026-002", "SEV1", "Two"), incident("INC-2026-001", "SEV1", "One"));
    server.expect(&format!("{LIST}severity=sev1&limit=20 ")).answer_list(&[two, one.clone()]);
    assert_eq!(watch.said(), HEAD);
    let row = |number: &str, event: &str, title: &str| {
        format!("{number}  SEV1  new            {event:14}  SER-00001       2  2026-11-23 08:00:00Z  {title}")
    };
    assert_eq!(watch.said(), row("INC-2026-001", "", "One"), "the newest is next to the news");
    assert_eq!(watch.said(), row("INC-2026-002", "", "Two"));
    stream.send("retry: 1000\n: hello\n\n");
    let three = event(7, "created", &incident("INC-2026-003", "SEV1", "Three"));
    let (first, second) = three.split_at(40);
    stream.send(first);
    stream.send(second);
    assert_eq!(watch.said(), row("INC-2026-003", "created", "Three"));
    stream.send(&event(8, "created", &incident("INC-2026-004", "SEV2", "Of no interest")));
    stream.send("event: of a later version\ndata: {}\n\n:\n\n");
    let repeated = event(9, "repeated", &one);
    stream.send(&repeated);
    assert_eq!(watch.said(), row("INC-2026-001", "repeated", "One"));
    // Half an event is none.
    stream.send("id: 10\nevent: incident\ndata: {\"outcome\":");
    drop(stream);
    assert_eq!(watch.complained(), "connection lost; trying again");
    server.expect(STREAM).answer("503 Service Unavailable", r#"{"error":{"code":"shutting_down"}}"#);
    server.expect(STREAM).answer("502 Bad Gateway", "<html>");
    let stream = server.expect(STREAM);
    assert!(stream.head.contains("last-event-id: 9\r\n"), "{}", stream.head);
    let mut stream = stream.begin();
    assert_eq!(watch.complained(), "connected again");
    // What is known already is not said again.
    stream.send(&repeated);
    stream.send(&event(10, "resolved", &one));
    assert_eq!(watch.said(), row("INC-2026-001", "resolved", "One"));
    // That one does not belong here any more is news, once.
    let milder = incident("INC-2026-003", "SEV2", "Three");
    stream.send(&event(11, "updated", &milder));
    stream.send(&event(12, "updated", &milder));
    assert_eq!(watch.said(), row("INC-2026-003", "updated", "Three").replace("SEV1", "SEV2"));
    stream.send("id: 2000\nevent: reset\ndata: {}\n\n");
    server.expect(LIST).answer_list(&[one]);
    assert_eq!(watch.complained(), "more has happened than can be told one by one; here is the list anew");
    assert_eq!((watch.said(), watch.said()), (HEAD.into(), row("INC-2026-001", "", "One")));
    stream.end();
    assert_eq!(watch.complained(), "connection lost; trying again");
    let stream = server.expect(STREAM);
    assert!(stream.head.contains("last-event-id: 2000\r\n"), "{}", stream.head);
    stream.answer("401 Unauthorized", r#"{"error":{"code":"unauthenticated","message":"no such token"}}"#);
    let (status, said, complained) = watch.end();
    assert_eq!((status.code(), said.len()), (Some(1), 0));
    assert_eq!(complained[0], "no such token (unauthenticated)");
    assert!(complained[1].contains("--token or FIREBELL_TOKEN"), "{complained:?}");
}

#[test]
fn without_an_id_to_go_on_from_what_was_missed_is_listed() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let watch = Running::start(&folder, &server.url(), &["incidents", "--watch"]);
    let stream = server.expect(STREAM).begin();
    server.expect(LIST).answer_list(&[]);
    assert_eq!(watch.said(), HEAD);
    drop(stream);
    assert_eq!(watch.complained(), "connection lost; trying again");
    let _stream = server.expect(STREAM).begin();
    server.expect(LIST).answer_list(&[incident("INC-2026-001", "SEV1", "Missed")]);
    assert_eq!(watch.said(), HEAD);
    assert!(watch.said().ends_with("  Missed"));
}

#[test]
fn json_is_one_object_a_line_as_it_was_sent() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let watch = Running::start(&folder, &server.url(), &["incidents", "list", "--watch", "--json"]);
    let mut stream = server.expect(STREAM).begin();
    // No number of a machine, and not in the order of the alphabet.
    let one = r#"{"title":"One","metadata":{"n":1e400},"incident_number":"INC-2026-001"}"#;
    server.expect(LIST).answer_list(&[one.into()]);
    assert_eq!(watch.said(), format!(r#"{{"outcome":"listed","incident":{one}}}"#));
    stream.send(&event(1, "updated", one));
    assert_eq!(watch.said(), format!(r#"{{"outcome":"updated","incident":{one}}}"#));
}

#[test]
fn a_refusal_at_the_start_is_the_end() {
    let folder = Folder::new(CONFIG);
    for (status, code) in [("403 Forbidden", "forbidden"), ("503 Service Unavailable", "overloaded")] {
        let server = Scripted::start();
        let watch = Running::start(&folder, &server.url(), &["incidents", "-w"]);
        server.expect(STREAM).answer(status, &format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#));
        let (status, said, complained) = watch.end();
        assert_eq!((status.code(), said.len()), (Some(1), 0));
        assert_eq!(complained[0], format!("no ({code})"));
    }
}

#[test]
fn a_real_server_is_watched_and_found_again() {
    let setup = Setup::new(CONFIG);
    setup.say(&["send", "First", "-k", "a"]);
    let flags = ["incidents", "--watch", "--severity", "SEV1", "--severity", "SEV2"];
    let watch = Running::start(&setup.folder, &setup.server.url(), &flags);
    let shows = |start: &str, end: &str| {
        let line = watch.said();
        assert!(line.contains(start) && line.ends_with(end), "{start} {end}: {line}");
    };
    shows("NUMBER ", "  TITLE");
    shows("-001  SEV2  new                            SER-00001       1  ", "Z  First");
    let number = setup.json(&["send", "Second", "--severity", "SEV1", "--json"])["incident_number"].clone();
    let number = number.as_str().unwrap();
    shows("-002  SEV1  new            created         SER-00001       1  ", "Z  Second");
    setup.say(&["send", "Of no interest", "--severity", "SEV4"]);
    setup.say(&["send", "First", "-k", "a"]);
    shows("-001  SEV2  new            repeated        SER-00001       2  ", "Z  First");
    setup.say(&["incidents", "ack", number]);
    shows("-002  SEV1  investigating  acknowledged ", "Z  Second");
    // The same address again, as it is after a restart.
    let addr = setup.server.addr.to_string();
    setup.server.terminate();
    assert_eq!(watch.complained(), "connection lost; trying again");
    let mut serve = setup.folder.firebell(&["serve"]);
    serve.env("FIREBELL_LISTEN", &addr);
    let setup = Setup { folder: setup.folder, server: Server::start(serve) };
    setup.say(&["incidents", "resolve", number]);
    shows("-002  SEV1  resolved       resolved ", "Z  Second");
    assert_eq!(watch.complained(), "connected again");
    setup.server.terminate();
}
