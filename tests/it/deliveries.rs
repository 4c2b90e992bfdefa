//! What senders delivered: kept without secrets and in bounds, looked at, and sent again.

use rusqlite::Connection as Sqlite;
use serde_json::{Value, json};

use crate::http::{Connection, Response};
use crate::server::{DAY, HEAD, HOUR, MINUTE, NOW, PROD, SERVICES, Server, WEBHOOK, alert, field_codes};

pub const DELIVERIES: &str = "/api/v1/integrations/prod/deliveries";

/// Those that are listed, newest first.
#[track_caller]
pub fn list(server: &Server, query: &str) -> Vec<Value> {
    server.get(&format!("{DELIVERIES}?{query}")).data()["items"].as_array().unwrap().clone()
}

#[track_caller]
pub fn show(server: &Server, id: &Value) -> Value {
    server.get(&format!("{DELIVERIES}/{id}")).data()
}

#[track_caller]
pub fn replay(server: &Server, id: &Value, query: &str) -> Response {
    server.post_to(&format!("{DELIVERIES}/{id}/replay{query}"), "")
}

/// The statuses of those that are listed, newest first.
#[track_caller]
pub fn statuses(server: &Server) -> Vec<u64> {
    list(server, "limit=100").iter().map(|one| one["status"].as_u64().unwrap()).collect()
}

#[test]
fn accepted_and_refused_requests_are_listed_and_shown() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    server.advance(HOUR);
    server.send(
        "POST",
        WEBHOOK,
        &[("X-Request-Id", "mine")],
        alert(json!({ "dedup_key": "k" })).to_string().as_bytes(),
    );
    let refused = server.post(alert(json!({ "title": "", "severity": "high" })));
    let items = list(&server, "");
    let [wrong, repeated, created] = items.as_slice() else { panic!("{items:#?}") };
    assert_eq!(created["at"], NOW);
    assert_eq!((&created["status"], &created["outcomes"]), (&json!(201), &json!({ "created": 1 })));
    assert_eq!((&created["error"], &created["replays"]), (&Value::Null, &Value::Null));
    assert_eq!((&repeated["status"], &repeated["outcomes"]), (&json!(200), &json!({ "repeated": 1 })));
    assert_eq!(
        (&repeated["request_id"], &repeated["at"]),
        (&json!("mine"), &json!("2026-11-23T09:00:00.123Z"))
    );
    for one in [created, repeated] {
        assert_eq!(one["incident_numbers"], json!(["INC-2026-001"]));
    }
    assert_eq!((&wrong["status"], &wrong["outcomes"]), (&json!(400), &json!({})));
    assert_eq!(wrong["request_id"], refused.json()["meta"]["request_id"]);
    assert_eq!(wrong["error"]["code"], "validation_error");
    let told = wrong["error"]["message"].as_str().unwrap();
    assert!(
        told.starts_with("2 fields are invalid: `title` is empty") && told.contains("; `severity` "),
        "{told}"
    );

    let shown = show(&server, &created["id"]);
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    assert_eq!((&shown["body"], &shown["body_cut"]), (&json!(body), &json!(false)));
    assert_eq!(shown["size_bytes"], body.len());
    assert_eq!(
        (&shown["query"], &shown["headers"]["content-type"]),
        (&Value::Null, &json!("application/json"))
    );

    let ids =
        |query: &str| list(&server, query).iter().map(|one| one["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!((ids("refused=1"), ids("refused=0")), (vec![3], vec![3, 2, 1]));
    assert_eq!((ids("limit=1"), ids("limit=2&offset=1"), ids("offset=3")), (vec![3], vec![2, 1], vec![]));
    let page = server.get(&format!("{DELIVERIES}?limit=2")).data();
    assert_eq!((&page["total"], &page["next_offset"]), (&json!(3), &json!(2)));
    assert_eq!(
        field_codes(&server.get(&format!("{DELIVERIES}?refused=2&limit=0"))),
        "limit:out_of_range refused:not_in_list"
    );
}

#[test]
fn whatever_check_refuses_it_the_request_is_kept() {
    let more = "rate_per_minute = 6\nsigning_secrets = ['HUSH-signing-secret-1']\n[limits]\ncustom_body_bytes = 2000\nbody_timeout = '50ms'";
    let server = Server::with(more);
    server.post("x".repeat(2001));
    let mut connection = Connection::open(server.addr()).unwrap();
    let head = format!("POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n");
    connection.write(head.as_bytes()).unwrap();
    assert_eq!(connection.read(false).unwrap().status, 408);
    server.post(alert(json!({})));
    let open = more.replace("signing_secrets = ['HUSH-signing-secret-1']", "");
    server.reload(&format!("{HEAD}{SERVICES}{PROD}{open}"));
    server.send("POST", WEBHOOK, &[("Content-Encoding", "gzip")], b"\x1f\x8b\xff");
    server.post("{\"title\":");
    server.post(alert(json!({ "service_id": "SER-00009" })));
    server.post(alert(json!({})));
    let items = list(&server, "");
    let told: Vec<_> = items
        .iter()
        .map(|one| {
            (
                one["error"]["code"].as_str().unwrap(),
                one["size_bytes"].as_u64().unwrap(),
                one["body_cut"] == true,
            )
        })
        .collect();
    let alert_bytes = alert(json!({})).to_string().len() as u64;
    let expected = [
        ("rate_limited", alert_bytes, true),
        ("validation_error", alert_bytes, false),
        ("invalid_json", 9, false),
        ("unsupported_encoding", 3, true),
        ("missing_signature", alert_bytes, false),
        ("request_timeout", 7, true),
        ("payload_too_large", 2001, true),
    ];
    assert_eq!(told, expected);
    assert_eq!(show(&server, &items[2]["id"])["body"], "{\"title\":");
}

#[test]
fn a_body_that_announced_no_length_has_the_size_that_was_read() {
    let server =
        Server::with("rate_per_minute = 6\n[limits]\ncustom_body_bytes = 2000\nbody_timeout = '50ms'");
    let head = format!("POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = |bytes: usize| format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    let ended = |chunks: &[usize]| chunks.iter().map(|bytes| chunk(*bytes)).collect::<String>() + "0\r\n\r\n";
    for (chunks, status) in
        [(ended(&[1500, 1500, 700]), 413), (ended(&[2001]), 413), (ended(&[10]), 400), (chunk(30), 408)]
    {
        let mut connection = Connection::open(server.addr()).unwrap();
        connection.write((head.clone() + &chunks).as_bytes()).unwrap();
        assert_eq!(connection.read(false).unwrap().status, status);
    }
    let sizes: Vec<_> = list(&server, "").iter().map(|one| one["size_bytes"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [30, 10, 2001, 3700]);
}

#[test]
fn what_has_no_key_and_what_is_a_dry_run_leaves_no_trace() {
    let server = Server::new();
    server.post_to("/webhooks/HUSH-prod-key-0002", alert(json!({})));
    server.get(WEBHOOK);
    server.post_to(&format!("{WEBHOOK}?dry_run=1"), alert(json!({})));
    server.post_to(&format!("{WEBHOOK}?dry_run=true"), "{");
    assert_eq!(list(&server, ""), [] as [Value; 0]);
    assert_eq!(
        field_codes(&server.post_to(&format!("{WEBHOOK}?dry_run=maybe"), alert(json!({})))),
        "dry_run:not_in_list"
    );
    assert_eq!(statuses(&server), [400]);
}

#[test]
fn integrations_are_listed_with_what_came_last_and_without_their_secrets() {
    let other = "
[[integrations]]
name = 'prometheus'
source = 'alertmanager'
routing_keys = ['HUSH-other-key-0001']
default_service = 'db'
";
    let server = Server::with(other);
    server.alert(json!({}));
    server.post("{");
    let page = server.get("/api/v1/integrations").data();
    let [prod, prometheus] = page["items"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!(
        (&prod["name"], &prod["source"], &prod["default_service"]),
        (&json!("prod"), &json!("custom"), &Value::Null)
    );
    assert_eq!((&prod["deliveries"], &prod["refused"]), (&json!(2), &json!(1)));
    assert_eq!(prod["last_delivery"], list(&server, "limit=1")[0]);
    let expected = json!({ "name": "prometheus", "source": "alertmanager", "default_service": "SER-00002",
        "deliveries": 0, "refused": 0, "last_delivery": null });
    assert_eq!((prometheus, &page["total"]), (&expected, &json!(2)));
    let second = server.get("/api/v1/integrations?limit=1&offset=1").data();
    assert_eq!((&second["items"], &second["has_more"]), (&json!([expected]), &json!(false)));
}

#[test]
fn secrets_are_taken_out_of_bodies_queries_headers_and_refusals() {
    let server = Server::with(
        "signing_secrets = ['HUSH/signing secret 1']\n
         [[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-0001']\n
         [[tokens]]\nname = 'all'\ntoken = 'HUSH+all/token=0001'\nscopes = ['incidents:read', 'incidents:write']",
    );
    let body = json!({
        "title": "see http://x/webhooks/HUSH-other-key-0001?a", "service_id": "HUSH-prod-key-0001",
        "metadata": { "all": "Bearer HUSH+all/token=0001", "signed": "by HUSH/signing secret 1!", "Api-Key": { "of": "hushed-1" } },
        "password": "hushed-2", "token": null,
    });
    let path = "/webhooks/HUSH-other-key-0001?token=hushed-3&x=HUSH-prod-key-0001&y=1";
    let headers = [
        ("Authorization", "Basic hushed-4"),
        ("Cookie", "session=hushed-5"),
        ("X-Gotify-Key", "hushed-6"),
        ("X-Hub-Signature-256", "sha256=hushed-7"),
        ("X-Event", "HUSH-other-key-0001"),
    ];
    let bearer = [("Authorization", "Bearer HUSH+all/token=0001")];
    // The refusal itself goes to who sent the key; what is kept of it must not show one.
    crate::http::send(server.addr(), "POST", path, &headers, body.to_string().as_bytes());
    let shown = server.send("GET", "/api/v1/integrations/other/deliveries/1", &bearer, b"");
    for secret in ["HUSH", "hushed"] {
        assert!(!shown.text.contains(secret), "{}", shown.text);
    }
    let shown = shown.data();
    assert_eq!(shown["query"], "token=[redacted]&x=[redacted]&y=1");
    assert_eq!(shown["headers"]["x-event"], "[redacted]");
    let kept: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(kept["title"], "see http://x/webhooks/[redacted]?a");
    assert_eq!((&kept["password"], &kept["token"]), (&json!("[redacted]"), &Value::Null));
    assert_eq!(
        kept["metadata"],
        json!({ "all": "Bearer [redacted]", "signed": "by [redacted]!", "Api-Key": "[redacted]" })
    );
    assert!(shown["error"]["message"].as_str().unwrap().contains("\"[redacted]\""), "{shown}");
}

#[test]
fn the_last_of_each_integration_are_kept_and_no_more_than_their_number() {
    let mut server = Server::with(
        "[[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-0001']\n
         [deliveries]\nkeep = 3",
    );
    let ids =
        |server: &Server| list(server, "").iter().map(|one| one["id"].as_i64().unwrap()).collect::<Vec<_>>();
    server.post_to("/webhooks/HUSH-other-key-0001", "{");
    for _ in 0..2 {
        server.post("{");
        list(&server, "");
    }
    assert_eq!(ids(&server), [3, 2]);
    for _ in 0..3 {
        server.post("{");
        list(&server, "");
    }
    assert_eq!(ids(&server), [6, 5, 4], "ids are never given out again");
    let other = server.get("/api/v1/integrations/other/deliveries").data();
    assert_eq!(other["items"][0]["id"], 1);
    // Fewer, from now on.
    let fewer = format!("{HEAD}{SERVICES}{PROD}[deliveries]\nkeep = 1");
    server.reload(&fewer);
    server.upkeep();
    assert_eq!(ids(&server), [6]);
    server.restart(&fewer.replace("keep = 1", "keep = 0"));
    server.upkeep();
    server.alert(json!({}));
    assert_eq!(ids(&server), [0; 0]);
    let kept: i64 = server.file().query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn bodies_are_cut_and_the_oldest_make_room_for_the_newest() {
    let server = Server::with("[deliveries]\nbody_bytes = 300000\ntotal_bytes = 1048576");
    let body = |letter: &str| alert(json!({ "title": letter.repeat(201), "x": "y".repeat(200_000) }));
    for letter in ["a", "b", "c", "d", "e", "f"] {
        server.post(body(letter));
    }
    let items = list(&server, "");
    assert_eq!(items.len(), 5, "of 200 kB each, in 1 MiB");
    assert!(items.iter().all(|one| one["body_cut"] == false));
    server.post(" ".repeat(250_000));
    let items = list(&server, "");
    assert_eq!((items.len(), &items[0]["size_bytes"]), (4, &json!(250_000)));
    let total: i64 =
        server.file().query_row("SELECT sum(length(body)) FROM delivery", [], |row| row.get(0)).unwrap();
    assert!(total < 1_048_576, "{total}");

    let cut = Server::with("[deliveries]\nbody_bytes = 10");
    cut.alert(json!({}));
    let item = &list(&cut, "")[0];
    let shown = show(&cut, &item["id"]);
    // Up to a whole word: what is left of a key could not be told from one.
    assert_eq!((&shown["body_cut"], shown["body"].as_str()), (&json!(true), Some("{\"")));
    assert_eq!(shown["size_bytes"], alert(json!({})).to_string().len());
    let refused = replay(&cut, &item["id"], "");
    assert_eq!((refused.status, refused.code().as_str()), (409, "cannot_replay"));
    assert_eq!(cut.list(""), [1]);
}

#[test]
fn what_is_old_is_forgotten_if_the_clock_can_be_believed() {
    let server = Server::with("[deliveries]\nmax_age = '6h'");
    server.post("{");
    server.advance(HOUR);
    server.alert(json!({}));
    assert_eq!(statuses(&server), [201, 400]);
    server.advance(5 * HOUR - 1);
    server.upkeep();
    assert_eq!(statuses(&server), [201, 400]);
    server.advance(1);
    server.upkeep();
    assert_eq!(statuses(&server), [201]);
    server.advance(2 * DAY);
    server.upkeep();
    assert_eq!(statuses(&server), [201], "a leap of two days is not believed at once");
    server.advance(10 * MINUTE);
    server.upkeep();
    assert_eq!(statuses(&server), [] as [u64; 0]);
}

#[test]
fn reading_and_sending_again_need_their_scopes() {
    let token = |name: &str, scope: &str| {
        format!("[[tokens]]\nname = '{name}'\ntoken = 'HUSH-{name}-token-1'\nscopes = ['{scope}']\n")
    };
    let server =
        Server::with(&format!("{}{}", token("reader", "incidents:read"), token("writer", "incidents:write")));
    server.alert(json!({}));
    let replay = format!("{DELIVERIES}/1/replay");
    for (method, path, reader, writer) in [
        ("GET", "/api/v1/integrations", 200, 403),
        ("GET", DELIVERIES, 200, 403),
        ("GET", &format!("{DELIVERIES}/1"), 200, 403),
        ("POST", &replay, 403, 201),
    ] {
        for (name, expected) in [("reader", reader), ("writer", writer)] {
            let authorization = format!("Bearer HUSH-{name}-token-1");
            let response = server.send(method, path, &[("Authorization", &authorization)], b"");
            assert_eq!(response.status, expected, "{name} {method} {path}");
        }
        assert_eq!(server.send(method, path, &[], b"").code(), "unauthenticated");
    }
}

#[test]
fn a_renamed_integration_keeps_its_deliveries() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    list(&server, "");
    let renamed = format!("{HEAD}{SERVICES}{PROD}").replace("'prod'", "'production'");
    server.reload(&renamed);
    // Before it is known that it is the same one.
    server.post("{");
    let path = "/api/v1/integrations/production/deliveries";
    assert_eq!(server.get(path).data()["total"], 1);
    server.reload(&format!("{renamed}formerly = ['prod']"));
    let page = server.get(path).data();
    assert_eq!((&page["total"], &page["items"][0]["integration"]), (&json!(2), &json!("production")));
    let again = server.post_to(&format!("{path}/1/replay"), "");
    assert_eq!(again.data()["outcome"], "repeated");
}

#[test]
fn a_list_finds_what_came_while_the_disk_did_not_answer() {
    let server = Server::with("[limits]\nstore_timeout = '100ms'");
    server.alert(json!({}));
    assert_eq!(statuses(&server), [201]);
    let other = Sqlite::open(server.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(server.post(alert(json!({}))).code(), "storage_unavailable");
    assert_eq!(statuses(&server), [201], "what is there is listed all the same");
    other.execute_batch("ROLLBACK").unwrap();
    while statuses(&server).len() < 2 {
        std::thread::yield_now();
    }
    server.alert(json!({}));
    while statuses(&server).len() < 3 {
        std::thread::yield_now();
    }
    assert_eq!(statuses(&server), [201, 503, 201], "each once");
}

#[test]
fn under_load_the_last_ones_are_kept_and_what_was_acknowledged_is_right() {
    let server = Server::with("[deliveries]\nkeep = 50");
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = Connection::open(server.addr()).unwrap();
                for n in 0..20 {
                    let body = match n % 4 {
                        3 => alert(json!({ "title": "" })),
                        _ => alert(json!({ "dedup_key": format!("{thread}-{}", n / 4) })),
                    };
                    let response =
                        connection.try_send("POST", WEBHOOK, &[], body.to_string().as_bytes()).unwrap();
                    assert_eq!(response.status, [201, 200, 200, 400][n % 4]);
                }
            });
        }
    });
    let items = list(&server, "limit=100");
    assert_eq!(items.len(), 50);
    assert!(items.iter().all(|one| [200, 201, 400].contains(&one["status"].as_i64().unwrap())));
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 64 * 5);
    let occurrences: i64 =
        server.file().query_row("SELECT sum(occurrences) FROM incident", [], |row| row.get(0)).unwrap();
    assert_eq!(occurrences, 64 * 15);
}

#[test]
fn a_refused_body_outlives_many_that_were_accepted_or_that_cannot_be_sent_again() {
    let server = Server::with("bearer_tokens = ['HUSH-bearer-0000001']\n[deliveries]\nkeep = 10");
    let send = |body: Value, token: &str| {
        server.send("POST", WEBHOOK, &[("Authorization", token)], body.to_string().as_bytes()).status
    };
    for number in 0..7 {
        assert_eq!(
            send(alert(json!({ "service_id": format!("none-{number}") })), "Bearer HUSH-bearer-0000001"),
            400
        );
    }
    for _ in 0..30 {
        assert_eq!(send(alert(json!({})), "Bearer HUSH-bearer-0000001"), 201);
        assert_eq!(send(alert(json!({})), "Bearer forged"), 401);
        server.get("/api/v1/integrations");
    }
    let items = list(&server, "limit=100");
    assert_eq!(items.len(), 10);
    let codes: Vec<_> = items.iter().map(|one| one["status"].as_i64().unwrap()).collect();
    assert_eq!(codes, [401, 201, 401, 201, 401, 400, 400, 400, 400, 400]);
}

#[test]
fn a_body_that_is_full_of_escapes_stays_as_large_as_it_was_and_takes_nobodys_room() {
    let server = Server::with(
        "[[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-001']\n",
    );
    server.post_to("/webhooks/HUSH-other-key-001", alert(json!({})));
    let body = format!(r#"{{"a":"\q{}{}{}"}}"#, "\\\"".repeat(5), "\\\\".repeat(32_000), "\\\"".repeat(4));
    for _ in 0..30 {
        assert_eq!(server.post(&body).code(), "invalid_json");
    }
    assert_eq!(list(&server, "limit=100").len(), 30);
    let shown = show(&server, &list(&server, "")[0]["id"]);
    assert_eq!(shown["body"].as_str(), Some(body.as_str()));
    let other = server.get("/api/v1/integrations/other/deliveries").data();
    assert_eq!(other["total"], 1);
}

#[test]
fn secrets_are_those_of_the_moment_at_which_they_came() {
    let server = Server::new();
    server.post(alert(json!({ "service_id": "SER-00001", "description": "my key is HUSH-prod-key-0001" })));
    server.reload(&format!("{HEAD}{SERVICES}{}", PROD.replace("HUSH-prod-key-0001", "HUSH-prod-key-0002")));
    let shown = show(&server, &list(&server, "")[0]["id"]);
    assert!(shown["body"].as_str().unwrap().contains("my key is [redacted]"), "{shown}");
}

#[test]
fn headers_that_were_sent_twice_are_both_shown() {
    let server = Server::new();
    server.send(
        "POST",
        WEBHOOK,
        &[("X-Tag", "one"), ("X-Tag", "two")],
        alert(json!({})).to_string().as_bytes(),
    );
    assert_eq!(show(&server, &list(&server, "")[0]["id"])["headers"]["x-tag"], "one, two");
}
