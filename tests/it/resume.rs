//! Streams of events that were left and are taken up again: after a client's return, a restart, another reload.

use std::net::Shutdown;

use serde_json::json;

use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK};
use crate::stream::{Event, STREAM, Watcher, at_once};

#[test]
fn who_comes_back_is_told_what_repeated_meanwhile() {
    let server = Server::new();
    for key in ["a", "b", "c"] {
        for _ in 0..2 {
            server.alert(json!({ "dedup_key": key }));
        }
    }
    server.advance(1);
    server.alert(json!({}));
    let mut watcher = Watcher::open(&server);
    let from = watcher.id.unwrap();
    server.advance(1);
    for key in ["b", "b", "a"] {
        server.alert(json!({ "dedup_key": key }));
    }
    // Otherwise they might be told to the next one as they happen.
    assert_eq!(watcher.short(3), ["repeated 2", "repeated 2", "repeated 1"]);
    let mut watcher = Watcher::resume(&server, from);
    let mut told = watcher.short(2);
    told.sort_unstable();
    assert_eq!(told, ["repeated 1", "repeated 2"]);
    assert_eq!(watcher.id, Some(from));
    watcher.assert_nothing_before_the_next(&server);
}

#[test]
fn who_comes_back_is_told_once_what_has_changed_as_it_now_is() {
    let mut server = Server::new();
    let keyed = |server: &Server, key: &str, title: &str| {
        server.alert(json!({ "dedup_key": key, "title": format!("HUSH {title}") }))
    };
    for key in ["a", "b", "c"] {
        keyed(&server, key, "one");
    }
    let mut watcher = Watcher::open(&server);
    let from = watcher.id.unwrap();
    assert_eq!(from, 3, "there is a place to resume from before anything happens");
    keyed(&server, "c", "two");
    assert_eq!(watcher.short(1), ["updated 3"]);
    drop(watcher);
    for title in ["two", "three", "three"] {
        keyed(&server, "a", title);
    }
    keyed(&server, "d", "one");
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    server.set_status("INC-2026-001", "fixing");

    let mut watcher = Watcher::resume(&server, from);
    let events = watcher.take(3);
    assert_eq!(
        events.iter().map(Event::short).collect::<Vec<_>>(),
        ["updated 3", "created 4", "status_changed 1"]
    );
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [4, 8, 9]);
    let incident = &events[2].data["incident"];
    assert_eq!((&incident["title"], &incident["occurrences"]), (&json!("HUSH three"), &json!(4)));
    watcher.assert_nothing_before_the_next(&server);
    assert_eq!(watcher.id, Some(10));

    // Who has all of it is told nothing; nor does what is given otherwise matter.
    Watcher::resume(&server, 10).assert_nothing_before_the_next(&server);
    let mut by_url = Watcher::try_open(&server, &format!("{STREAM}?x=1&last_event_id=9"), &[]).unwrap();
    assert_eq!(by_url.short(2), ["created 5", "created 6"]);
    let both = format!("{STREAM}?last_event_id=1");
    let mut both = Watcher::try_open(&server, &both, &[("Last-Event-ID", "10")]).unwrap();
    assert_eq!(both.short(1), ["created 6"], "the header is the newer one");
    Watcher::resume(&server, "").assert_nothing_before_the_next(&server);
    Watcher::try_open(&server, &format!("{STREAM}?"), &[]).unwrap().assert_nothing_before_the_next(&server);
    let mut all = Watcher::resume(&server, 0);
    assert_eq!(all.take(7 + 1).len(), 8);
}

#[test]
fn a_place_whose_entry_was_merged_is_one_all_the_same() {
    let server = Server::new();
    for title in 0..1100 {
        server.alert(json!({ "dedup_key": "k", "title": format!("HUSH {title}") }));
    }
    let entries: i64 =
        server.file().query_row("SELECT count(*) FROM event WHERE id = 50", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 0);
    let mut watcher = Watcher::resume(&server, 50);
    let event = watcher.next().unwrap();
    assert_eq!((event.id, event.short().as_str()), (1100, "updated 1"));
    watcher.assert_nothing_before_the_next(&server);
}

#[test]
fn who_cannot_resume_is_told_to_begin_anew_and_goes_on() {
    let server = Server::new();
    for id in ["1", "-1", "x", "1.0", "99999999999999999999", "é"] {
        let mut watcher = Watcher::resume(&server, id);
        assert_eq!(watcher.short(1), ["reset unknown_id"], "{id}");
    }
    let mut nothing_yet = Watcher::resume(&server, 0);
    nothing_yet.assert_nothing_before_the_next(&server);
    let mut from_the_future = Watcher::resume(&server, 2);
    let reset = from_the_future.next().unwrap();
    assert_eq!((reset.id, reset.short().as_str()), (1, "reset unknown_id"));
    from_the_future.assert_nothing_before_the_next(&server);
    // From where the reset was, nothing is missing.
    assert_eq!(Watcher::resume(&server, reset.id).short(1), ["created 2"]);
}

#[test]
fn more_than_a_thousand_are_not_told_one_by_one() {
    let server = Server::new();
    at_once(8, |thread| {
        for number in 0..126 {
            server.alert(json!({ "dedup_key": format!("{thread}-{number}") }));
        }
    });
    let mut watcher = Watcher::resume(&server, 7);
    let reset = watcher.next().unwrap();
    assert_eq!((reset.id, reset.short().as_str()), (1008, "reset too_many_changes"));
    watcher.assert_nothing_before_the_next(&server);
    let mut watcher = Watcher::resume(&server, 9);
    let ids: Vec<_> = watcher.take(1000).iter().map(|event| event.id).collect();
    assert_eq!(ids, (10..=1009).collect::<Vec<_>>());
}

/// Runs `act` on so many threads that begin at the same moment.
#[test]
fn a_reload_of_other_tokens_ends_it_and_who_still_may_resumes() {
    let token = |name: &str| {
        format!("[[tokens]]\nname = '{name}'\ntoken = 'HUSH-{name}-token-1'\nscopes = ['incidents:read']\n")
    };
    let server = Server::with(&format!("{}{}", token("stays"), token("leaves")));
    let open = |name: &str, id: Option<i64>| {
        let authorization = format!("Bearer HUSH-{name}-token-1");
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let headers = [("Authorization", authorization.as_str()), ("Last-Event-ID", &id)];
        Watcher::try_open(&server, STREAM, &headers)
    };
    let mut watchers = ["stays", "leaves"].map(|name| open(name, None).unwrap());
    server.alert(json!({}));
    for watcher in &mut watchers {
        assert_eq!(watcher.short(1), ["created 1"]);
    }
    server.reload(&format!("{HEAD}{SERVICES}{PROD}{}", token("stays")));
    server.alert(json!({}));
    for watcher in &mut watchers {
        assert_eq!(watcher.block(), None);
    }
    assert_eq!(open("leaves", watchers[1].id).err().unwrap().code(), "unauthenticated");
    assert_eq!(open("stays", watchers[0].id).unwrap().short(1), ["created 2"]);
}

#[test]
fn after_its_end_the_connection_answers_who_sends_no_more() {
    let token = |name: &str| {
        format!("[[tokens]]\nname = 'it'\ntoken = 'HUSH-{name}-token-1'\nscopes = ['incidents:read']\n")
    };
    let server = Server::with(&token("one"));
    for round in 1..=5 {
        let names = if round % 2 == 1 { ["one", "other"] } else { ["other", "one"] };
        let authorization = format!("Bearer HUSH-{}-token-1", names[0]);
        let mut watcher = Watcher::try_open(&server, STREAM, &[("Authorization", &authorization)]).unwrap();
        server.reload(&format!("{HEAD}{SERVICES}{PROD}{}", token(names[1])));
        assert_eq!(watcher.block(), None);
        let mut connection = watcher.lines.into_inner().into_connection();
        let body = crate::server::alert(json!({})).to_string();
        let head =
            format!("POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.write(format!("{head}{body}").as_bytes()).unwrap();
        connection.socket().shutdown(Shutdown::Write).unwrap();
        assert_eq!(connection.read(false).unwrap().status, 201, "round {round}");
    }
}

#[test]
fn it_takes_a_token_that_may_read() {
    let server = Server::with(
        "
[[tokens]]
name = 'reader'
token = 'HUSH-reader-token-1'
scopes = ['incidents:read']
[[tokens]]
name = 'writer'
token = 'HUSH-writer-token-1'
scopes = ['incidents:write']
",
    );
    let with = |token: &str| Watcher::try_open(&server, STREAM, &[("Authorization", token)]);
    assert_eq!(Watcher::try_open(&server, STREAM, &[]).err().unwrap().code(), "unauthenticated");
    assert_eq!(with("Bearer HUSH-writer-token-1").err().unwrap().code(), "forbidden");
    with("Bearer HUSH-reader-token-1").unwrap().assert_nothing_before_the_next(&server);
    assert_eq!(server.post_to(STREAM, "{}").header("allow"), Some("GET, HEAD"));
}

#[test]
fn any_other_reload_leaves_it_alone() {
    let server = Server::new();
    let mut watcher = Watcher::open(&server);
    server.reload(&format!("{HEAD}{SERVICES}{PROD}"));
    watcher.assert_nothing_before_the_next(&server);
}
