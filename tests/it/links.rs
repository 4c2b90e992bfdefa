//! Links that act, as they come with a message.

use serde_json::{Value, json};

use crate::http::Response;
use crate::receiver::{Behaviour, Receiver, Request};
use crate::server::{DAY, HOUR, SECOND, Server};

/// A channel whose messages are the links of what they are about.
fn config(receiver: &Receiver, more: &str) -> String {
    let url = receiver.url();
    format!(
        "[[channels]]
         name = 'my.phone-1'
         kind = 'custom'
         [channels.request]
         url = '{url}'
         body = '{{{{ actions|tojson }}}}'
         [[routes]]
         channels = ['my.phone-1']
         digest = '0s'
         {more}"
    )
}

/// The paths of the links that a message brings, by what they do.
#[track_caller]
fn links(request: &Request) -> Vec<(String, String)> {
    let one = |link: &Value| {
        let text = |name: &str| link[name].as_str().unwrap().to_owned();
        let url = text("url");
        assert_eq!(text("name"), text("label").to_lowercase());
        let path = url.strip_prefix("https://bell.example.net").unwrap_or_else(|| panic!("{url}"));
        (text("name"), path.to_owned())
    };
    request.json().as_array().unwrap().iter().map(one).collect()
}

#[track_caller]
fn path(links: &[(String, String)], action: &str) -> String {
    links.iter().find(|(name, _)| name == action).unwrap().1.clone()
}

fn look(server: &Server, path: &str) -> Response {
    server.send("GET", path, &[("Accept", "text/html")], b"")
}

fn press(server: &Server, path: &str) -> Response {
    server.send("POST", path, &[("Accept", "text/html"), ("Sec-Fetch-Site", "same-origin")], b"")
}

#[test]
fn a_link_asks_first_and_its_button_acts_without_a_login() {
    let receiver = Receiver::new();
    let tokens = "[[tokens]]\nname = 'ops'\ntoken = 'HUSH-token-of-ops-1'\nscopes = ['incidents:read', 'incidents:write']";
    let server = Server::with(&config(&receiver, tokens));
    let show = || {
        let headers = [("Authorization", "Bearer HUSH-token-of-ops-1")];
        server.send("GET", "/api/v1/incidents/INC-2026-001", &headers, b"").data()
    };
    server.alert(json!({ "title": "It <b>", "dedup_key": "k" }));
    let links = links(&receiver.next());
    assert_eq!(links.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["acknowledge", "resolve"]);
    let acknowledge = path(&links, "acknowledge");
    for method in ["GET", "HEAD"] {
        let page = server.send(method, &acknowledge, &[("Accept", "text/html")], b"");
        assert_eq!(page.status, 200);
    }
    let page = look(&server, &acknowledge).text;
    assert!(
        page.contains("It &lt;b&gt;") && page.contains("<button class=\"main\">Acknowledge</button>"),
        "{page}"
    );
    assert!(page.contains("noindex"), "{page}");
    assert_eq!(show()["acknowledged_at"], Value::Null, "a look does nothing");

    let done = press(&server, &acknowledge);
    assert_eq!((done.status, done.header("location")), (303, Some(acknowledge.as_str())));
    let incident = show();
    assert_eq!(
        (&incident["acknowledged_by"], &incident["status"]),
        (&json!("channel:my.phone-1"), &json!("investigating"))
    );
    let page = look(&server, &acknowledge).text;
    assert!(page.contains("Acknowledged by channel:my.phone-1.") && !page.contains("<button"), "{page}");
    let again = press(&server, &acknowledge);
    assert_eq!(again.status, 409);
    assert!(again.text.contains("Acknowledged by channel:my.phone-1."), "{}", again.text);

    let resolve = path(&links, "resolve");
    assert_eq!(press(&server, &resolve).status, 303);
    let incident = show();
    assert_eq!(
        (&incident["resolved_by"], &incident["status"]),
        (&json!("channel:my.phone-1"), &json!("resolved"))
    );
    assert_eq!(press(&server, &resolve).status, 409);
    assert_eq!(receiver.next().json(), json!([]), "nothing is left to be done");
    let elsewhere = server.send("POST", &resolve, &[("Sec-Fetch-Site", "cross-site")], b"");
    assert_eq!(elsewhere.status, 403);
}

#[test]
fn a_link_is_for_one_incident_one_action_and_a_time() {
    let receiver = Receiver::new();
    let server = Server::with(&config(&receiver, "[notify]\nlinks_for = '2h'"));
    server.alert(json!({ "title": "One" }));
    server.alert(json!({ "title": "Two" }));
    let link = path(&links(&receiver.next()), "acknowledge");
    receiver.next();
    for forged in [
        link.replace("001~", "002~"),
        link.replace("acknowledge", "resolve"),
        link.replace("my.phone", "my.fone"),
        link[..link.len() - 1].to_owned(),
        "/act/x".to_owned(),
    ] {
        for response in [look(&server, &forged), press(&server, &forged)] {
            assert_eq!(response.status, 404, "{forged}");
            assert!(response.text.contains("this link is not whole"), "{}", response.text);
        }
    }
    server.advance(2 * HOUR - SECOND);
    assert_eq!(look(&server, &link).status, 200);
    server.advance(SECOND);
    for response in [look(&server, &link), press(&server, &link)] {
        assert_eq!(response.status, 404);
        assert!(
            response.text.contains("this link has expired; open INC-2026-001 instead"),
            "{}",
            response.text
        );
    }
    assert_eq!(server.show("INC-2026-001")["acknowledged_at"], Value::Null);
}

#[test]
fn links_outlive_a_restart_and_can_be_done_without() {
    let receiver = Receiver::new();
    let mut server = Server::with(&config(&receiver, ""));
    server.alert(json!({ "title": "One" }));
    let link = path(&links(&receiver.next()), "resolve");
    let head = format!("{}{}{}", crate::server::HEAD, crate::server::SERVICES, crate::server::PROD);
    server.restart(&format!("{head}{}", config(&receiver, "[notify]\nlinks_for = '0s'")));
    for response in [look(&server, &link), press(&server, &link)] {
        assert_eq!(response.status, 404);
        assert!(response.text.contains("turned off here; open INC-2026-001 instead"), "{}", response.text);
    }
    assert_eq!(server.show("INC-2026-001")["status"], "new");
    server.alert(json!({ "title": "Two" }));
    assert_eq!(receiver.next().json(), json!([]));
    server.reload(&format!("{head}{}", config(&receiver, "")));
    assert_eq!(look(&server, &link).status, 200);
    server.advance(DAY);
    assert_eq!(look(&server, &link).status, 404);
}

/// Which the helper looks for in every answer, and the harness in the log.
#[track_caller]
fn assert_answer(receiver: &Receiver, channel: &str, expected: &str) {
    let channel = channel.replace("ADDR", &receiver.addr.to_string());
    let server = Server::with(&format!(
        "[[channels]]\nname = 'it'\n{channel}\n[[routes]]\nchannels = ['it']\ndigest = '0s'\n"
    ));
    server.alert(json!({ "title": "It" }));
    receiver.next();
    crate::notify::wait_for(&server, "attempts = 1");
    let answer = server.get("/api/v1/notifications").data()["items"][0]["answer"].clone();
    assert_eq!(answer, expected);
    assert!(
        !server.send("GET", "/incidents/INC-2026-001", &[("Accept", "text/html")], b"").text.contains("HUSH")
    );
}

#[test]
fn no_part_of_an_address_that_is_a_secret_is_shown() {
    let echo = Behaviour::Answer(
        404,
        "",
        "Cannot POST /services/T0/B0/HUSH-verysecret?token=HUSH-query-1 (HUSH-query-1, T0/B0/HUSH-verysecret) at hooks",
    );
    assert_answer(
        &Receiver::with([echo]),
        "kind = 'slack'\nwith = { url = 'http://ADDR/services/T0/B0/HUSH-verysecret?token=HUSH-query-1' }",
        "404 Not Found: Cannot POST [redacted] ([redacted], T0/B0/[redacted]) at hooks",
    );
    // That of one's own request may be written into the configuration as it is.
    let echo = Behaviour::Answer(
        500,
        "",
        "bell:HUSH-password Basic YmVsbDpIVVNILXBhc3N3b3Jk at /HUSH-hook/HUSH-with-1 HUSH-hook (HUSH-password)",
    );
    assert_answer(
        &Receiver::with([echo]),
        "kind = 'custom'\nwith = { key = 'HUSH-with-1' }\n[channels.request]\n\
         url = 'http://bell:HUSH-password@ADDR/HUSH-hook/{{ with.key }}'\nbody = ''",
        "500 Internal Server Error: [redacted] Basic [redacted] at [redacted] [redacted] ([redacted])",
    );
}

#[test]
fn what_a_receiver_sends_back_shows_neither_links_nor_secrets() {
    let secret = "HUSH-with-0123456789";
    let echo = Behaviour::Answer(
        500,
        "",
        "got /act/INC-2026-001~acknowledge~1~x~HUSH-signature and SFVTSC13aXRoLTAxMjM0NTY3ODk= and \
         12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234 \
         HUSH-with-0123456789",
    );
    let receiver = Receiver::with([echo]);
    let with = format!("with = {{ short = 'HUSH-w', token = '{secret}' }}\n[channels.request]");
    let server = Server::with(&config(&receiver, "").replace("[channels.request]", &with));
    server.alert(json!({ "title": "It" }));
    receiver.next();
    crate::notify::wait_for(&server, "attempts = 1");
    // Which the helper looks for in every answer, and the harness in the log.
    let answer = server.get("/api/v1/notifications").data()["items"][0]["answer"].clone();
    let answer = answer.as_str().unwrap();
    assert!(
        answer.starts_with("500 Internal Server Error: got /act/[redacted] and [redacted] and 123"),
        "{answer}"
    );
    assert!(!answer.contains("HUSH") && !answer.contains("ith-0"), "{answer}");
}
