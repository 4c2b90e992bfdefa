//! Another configuration without a restart.

use serde_json::json;

use crate::http::Connection;
use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK, alert};

fn config(more: &str) -> String {
    format!("{HEAD}{SERVICES}{PROD}{more}")
}

#[test]
fn services_keys_and_integrations_come_and_go() {
    let server = Server::new();
    let mail = alert(json!({ "service_id": "SER-00003" }));
    let second = "/webhooks/HUSH-prod-key-0002";
    let third = "/webhooks/HUSH-third-key-0003";
    // A connection that was open before sees the change as well.
    let mut connection = Connection::open(server.addr()).unwrap();
    let mut post =
        |path: &str| connection.try_send("POST", path, &[], mail.to_string().as_bytes()).unwrap().status;
    assert_eq!([WEBHOOK, second, third].map(&mut post), [400, 404, 404]);

    let with_mail = config(
        "[[services]]\nid = 'SER-00003'\nname = 'Mail'\n
         [[integrations]]\nname = 'third'\nsource = 'custom'\nrouting_keys = ['HUSH-third-key-0003']\n",
    );
    let both = with_mail.replace("['HUSH-prod-key-0001']", "['HUSH-prod-key-0001', 'HUSH-prod-key-0002']");
    server.reload(&both);
    assert_eq!([WEBHOOK, second, third].map(&mut post), [201, 201, 201]);
    assert_eq!(server.show("INC-2026-001")["services"][0]["name"], "Mail");
    assert_eq!(server.show("INC-2026-003")["integration"], "third");

    server.reload(&config("").replace("key-0001", "key-0002"));
    assert_eq!([WEBHOOK, second, third].map(&mut post), [404, 400, 404]);
    assert_eq!(server.show("INC-2026-001")["services"][0]["name"], "Mail", "history keeps its names");
}

#[test]
fn names_severities_rules_and_secrets_change_for_what_comes_next() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    server.reload(
        &config("default_severity = 'SEV4'\nafter_resolve = 'new'\nformerly = ['prod']")
            .replace("name = 'prod'", "name = 'production'")
            .replace("'Website'", "'Shop'")
            .replace("bell.example.net", "other.example.net"),
    );
    let data = server.alert(json!({ "dedup_key": "k" }));
    assert_eq!((&data["outcome"], &data["severity"]), (&json!("repeated"), &json!("SEV2")));
    assert_eq!(data["url"], "https://other.example.net/incidents/INC-2026-001");
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["integration"], &incident["services"][0]["name"]),
        (&json!("production"), &json!("Shop"))
    );
    server.alert(json!({ "dedup_key": "k", "status": "resolved" }));
    let data = server.alert(json!({ "dedup_key": "k" }));
    assert_eq!((&data["outcome"], &data["severity"]), (&json!("created"), &json!("SEV4")));

    server.reload(&config("signing_secrets = ['HUSH-signing-secret-1']"));
    assert_eq!(server.post(alert(json!({}))).code(), "missing_signature");
}

#[test]
fn tokens_come_into_force() {
    let server = Server::new();
    assert_eq!(server.get("/api/v1/incidents").status, 200);
    server.reload(&config(
        "[[tokens]]\nname = 'a'\ntoken = 'HUSH-all-token-0001'\nscopes = ['incidents:read']",
    ));
    assert_eq!(server.get("/api/v1/incidents").code(), "unauthenticated");
    let headers = [("Authorization", "Bearer HUSH-all-token-0001")];
    assert_eq!(server.send("GET", "/api/v1/incidents", &headers, b"").status, 200);
    server.reload(&config(
        "[[tokens]]\nname = 'a'\ntoken = 'HUSH-all-token-0002'\nscopes = ['incidents:read']",
    ));
    assert_eq!(server.send("GET", "/api/v1/incidents", &headers, b"").code(), "unauthenticated");
}

#[test]
fn what_takes_a_restart_stays_as_it_is_and_the_rest_is_in_force() {
    let server = Server::with("[limits]\ncustom_body_bytes = 2000");
    let addr = server.addr();
    let opened = config("[limits]\ncustom_body_bytes = 4000\n[access]\nanonymous = ['incidents:read']\n[store]\npath = 'other.db'")
        .replace("127.0.0.1:0", "0.0.0.0:0")
        .replace("aliases = ['web']", "aliases = ['www']");
    server.reload(&opened);
    assert_eq!(server.addr(), addr);
    assert_eq!(server.alert(json!({ "service_id": "www" }))["service_id"], "SER-00001");
    assert_eq!(server.post(" ".repeat(2001)).code(), "payload_too_large");
    // The listener is the one that there was, so its rules are too: this machine may do everything, others nothing.
    server.acknowledge("INC-2026-001");
    let response = server.send("GET", "/api/v1/incidents", &[("Host", "10.1.2.3")], b"");
    assert_eq!(response.code(), "forbidden_host");
}

#[test]
fn senders_notice_nothing_of_a_reload() {
    let server = Server::new();
    std::thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let mut connection = Connection::open(server.addr()).unwrap();
            for n in 0..100 {
                let body = alert(json!({ "dedup_key": format!("{n}") })).to_string();
                assert_eq!(connection.try_send("POST", WEBHOOK, &[], body.as_bytes()).unwrap().status, 201);
            }
        });
        for _ in 0..20 {
            server.reload(&config(""));
        }
        posting.join().unwrap();
    });
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 100);
}

#[test]
fn a_request_that_came_in_under_an_old_name_ends_under_the_new_one() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let body = alert(json!({ "dedup_key": "k" })).to_string();
    let mut connection = Connection::open(server.addr()).unwrap();
    let head = format!(
        "POST {WEBHOOK} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write(head.as_bytes()).unwrap();
    // The server asks for the body: it knows by now whose it is.
    assert_eq!(connection.read(true).unwrap().status, 100);
    server.reload(&config("formerly = ['prod']").replace("name = 'prod'", "name = 'production'"));
    connection.write(body.as_bytes()).unwrap();
    assert_eq!(connection.read(false).unwrap().data()["outcome"], "repeated");
    assert_eq!(server.show("INC-2026-001")["integration"], "production");
}

#[test]
fn a_former_name_that_is_remembered_late_still_counts_if_nothing_came_in_between() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k" }));
    let renamed = config("").replace("name = 'prod'", "name = 'production'");
    server.reload(&renamed);
    server.reload(&format!("{renamed}formerly = ['prod']"));
    assert_eq!(server.alert(json!({ "dedup_key": "k" }))["outcome"], "repeated");
    assert_eq!(server.show("INC-2026-001")["integration"], "production");
}
