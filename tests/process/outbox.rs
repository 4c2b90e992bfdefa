//! What people are owed: nothing of it is lost with the process, and everybody can see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, KEY, alert, told};
use crate::http::Connection;
use crate::receiver::{Behaviour, Receiver, Request};
use crate::scripted::Scripted;

const KILLS: usize = 6;

/// How long everything that is owed may take to be told.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(receiver: &Receiver) -> String {
    format!(
        "{CONFIG}
         [[channels]]
         name = 'hook'
         kind = 'webhook'
         with = {{ url = '{}', secret = 'whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==' }}
         [[routes]]
         channels = ['hook']
         digest = '0s'
         [notify]
         owed = 10000
         timeout = '2s'",
        receiver.url()
    )
}

#[test]
fn kills_under_load_lose_no_notification_and_repeat_them_under_the_same_id() {
    // Some fail, so that kills meet what is tried again too.
    let failures = (0..400).map(|index| match index % 40 {
        7 => Behaviour::Answer(503, "", ""),
        19 => Behaviour::Reset,
        _ => crate::receiver::OK,
    });
    let receiver = Receiver::with(failures);
    let folder = Folder::new(&config(&receiver));
    let (mut acknowledged, mut told) = (BTreeSet::new(), Vec::new());
    for round in 0..KILLS {
        let server = folder.serve();
        std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..8).map(|client| scope.spawn(move || post(server.addr, round, client))).collect();
            // Not always the same, so that the kill comes at different moments of a delivery.
            for _ in 0..10 + 7 * round {
                told.push(receiver.next());
            }
            server.kill();
            for client in clients {
                acknowledged.extend(client.join().unwrap());
            }
        });
    }
    let server = folder.serve();
    let begun = Instant::now();
    while server.get("/api/v1/channels")["items"][0]["owed"] != 0 {
        assert!(begun.elapsed() < PATIENCE, "{}", server.get("/api/v1/notifications?state=owed"));
        told.extend(receiver.all());
    }
    told.extend(receiver.all());
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in &told {
        let id = request.header("webhook-id").unwrap().to_owned();
        ids.entry(number(request)).or_default().insert(id);
    }
    let lost: Vec<_> = acknowledged.iter().filter(|number| !ids.contains_key(*number)).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), acknowledged.len());
    for (number, ids) in &ids {
        assert_eq!(ids.len(), 1, "{number} was told of under {ids:?}");
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    server.terminate();
}

#[test]
fn a_kill_while_the_receiver_thinks_repeats_the_message_under_its_id() {
    let receiver = Receiver::with([Behaviour::Stall]);
    let folder = Folder::new(&config(&receiver));
    let server = folder.serve();
    server.post(&alert("a"));
    let first = receiver.next();
    server.kill();
    let server = folder.serve();
    let again = receiver.next();
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(number(&again), number(&first));
    server.wait_for("notification delivered");
    assert_eq!(receiver.all().len(), 0);
    server.terminate();
}

#[test]
fn what_a_channel_owes_that_is_no_more_is_given_up_and_the_log_says_so() {
    let receiver = Receiver::with([Behaviour::Answer(503, "", "")]);
    let folder = Folder::new(&config(&receiver));
    let server = folder.serve();
    server.post(&alert("a"));
    server.wait_for("notification not delivered; it will be retried");
    server.terminate();
    folder.write("config.toml", CONFIG);
    let server = folder.serve();
    let said = server.wait_for("given up");
    assert!(said.contains("`firebell outbox --state given_up` lists them"), "{said}");
    let given_up = server.get("/api/v1/notifications?state=given_up");
    assert_eq!((&given_up["total"], &given_up["items"][0]["channel"]), (&json!(1), &json!("hook")));
    assert_eq!(given_up["items"][0]["answer"], "the configuration has no such channel any more");
    server.terminate();
}

/// Posts until the server is gone; the numbers of what it acknowledged.
fn post(addr: std::net::SocketAddr, round: usize, client: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut connection) = Connection::open(addr) else { return acknowledged };
    for post in 0..40 {
        let body = alert(&format!("{round}-{client}-{post}"));
        let Ok(answer) = connection.try_send("POST", &format!("/webhooks/{KEY}"), &[], body.as_bytes())
        else {
            break;
        };
        acknowledged.push(answer.data()["incident_number"].as_str().unwrap().to_owned());
    }
    acknowledged
}

fn number(request: &Request) -> String {
    request.json()["data"]["incidents"][0]["incident_number"].as_str().unwrap().to_owned()
}

#[test]
fn the_outbox_says_whom_when_and_what_came_of_it() {
    let receiver = Receiver::with([Behaviour::Answer(422, "", "what is this?")]);
    let setup = Setup::new(&config(&receiver));
    let server = &setup.server;
    assert_eq!(setup.say(&["outbox"]), "nobody was told anything, and nothing is owed\n");
    server.post(&alert("a"));
    receiver.next();
    server.wait_for("notification given up");
    receiver.then([Behaviour::Answer(200, "", ""), Behaviour::Answer(500, "", "secret-of-the-tests")]);
    server.post(&alert("b"));
    receiver.next();
    server.post(&alert("c"));
    receiver.next();
    server.wait_for("notification not delivered; it will be retried");
    let list = setup.say(&["outbox"]);
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[0], "ID  TIME                  CHANNEL  INCIDENT      REASON   STATE     ANSWER");
    let line = |at: usize, parts: &[&str]| {
        assert!(parts.iter().all(|part| lines[at].contains(part)), "{list}");
    };
    line(
        1,
        &[
            "  hook     INC-",
            "  created  owed      500 Internal Server Error: secret-of-the-tests, next try 20",
        ],
    );
    line(2, &["  hook     INC-", "  created  told      200 OK"]);
    line(3, &["  hook     INC-", "  created  given up  422 Unprocessable Entity: what is this?"]);
    let listed = setup.json(&["outbox", "--state", "given_up", "--json"]);
    assert_eq!(listed, server.get("/api/v1/notifications?state=given_up&limit=20"));
    assert_eq!((&listed["total"], &listed["items"][0]["attempts"]), (&json!(1), &json!(1)));
    let number = listed["items"][0]["incident_number"].as_str().unwrap();
    assert_eq!(setup.say(&["outbox", number]).lines().count(), 2);
    assert_eq!(setup.json(&["outbox", "--channel", "hook", "--json"])["total"], 3);
    assert_eq!(setup.json(&["outbox", "--channel", "nobody", "--json"])["total"], 0);
    assert_eq!(setup.say(&["outbox", "--channel", "nobody"]), "no notification matches\n");
    let shown = setup.say(&["incidents", "show", number]);
    assert!(shown.contains("\nnotifications, newest first (1)\n  20"), "{shown}");
    assert!(
        shown.ends_with("  hook was not told that it was created: 422 Unprocessable Entity: what is this?\n"),
        "{shown}"
    );
    let wrong = setup.fail(&["outbox", "INC-1"]);
    assert!(wrong.contains("must be a number such as INC-2026-001"), "{wrong}");
    assert_eq!(setup.run(&["outbox", "--state", "lost"]).0, Some(2));
    assert!(!server.said().contains("whsec_"), "{}", server.said());
}

#[test]
fn an_incident_is_shown_also_where_nothing_can_be_known_of_notifications() {
    let folder = Folder::new(CONFIG);
    let server = Scripted::start();
    let url = server.url();
    std::thread::scope(|scope| {
        let shown =
            scope.spawn(|| told(&folder.run(&["incidents", "show", "INC-2026-001", "--url", url.as_str()])));
        let incident = json!({ "data": { "incident_number": "INC-2026-001", "title": "It" } });
        server.expect("GET /api/v1/incidents/INC-2026-001 ").answer("200 OK", &incident.to_string());
        let refusal = json!({ "error": { "code": "not_found", "message": "there is nothing here" } });
        let asked = server.expect("GET /api/v1/notifications?incident=INC-2026-001&");
        asked.answer("404 Not Found", &refusal.to_string());
        let (code, stdout, stderr) = shown.join().unwrap();
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.starts_with("INC-2026-001") && !stdout.contains("notifications"), "{stdout}");
    });
}
