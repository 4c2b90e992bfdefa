//! Presets of channels: the requests that a real server sends by each, held against `tests/fixtures/channels/PRESET/*.json`,
//! which are what the receivers' documentation asks for. `FIXTURES=write` writes them anew, to be read before they are kept.

use std::fs;
use std::path::{Path, PathBuf};

use firebell::channel::{Answered, Channel, HttpRequest, Transport, Verdict, VerdictKind, presets};
use firebell::config::{ChannelPreset, Form};
use minijinja::Value as Context;
use minijinja::value::{Serde, merge_maps};
use serde_json::{Value, json};

use crate::notify::wait_for;
use crate::receiver::{Behaviour, Receiver, Request};
use crate::server::{DAY, HEAD, MINUTE, SERVICES, Server};

/// What nobody but the receiver may see, and it only once.
const SECRET: &str = "HUSH-secret-0123456789";

/// A preset: what `with` takes, `BASE` being the receiver; where the secret is; and what the receiver answers.
struct Case {
    name: &'static str,
    with: &'static str,
    secret: &'static str,
    answer: &'static str,
}

const fn case(name: &'static str, with: &'static str, secret: &'static str, answer: &'static str) -> Case {
    Case { name, with, secret, answer }
}

const CASES: [Case; 13] = [
    case("alertmanager", "url = 'BASE', token = 'SECRET', labels = 'env rack severity'", "authorization", ""),
    case(
        "apprise",
        "server = 'BASE', key = 'ops', tag = 'phones', user = 'u', password = 'p'",
        "",
        r#"{"error": null, "details": []}"#,
    ),
    case("discord", "url = 'BASE/api/webhooks/123/SECRET'", "path", r#"{"id": "1", "content": ""}"#),
    case("gotify", "server = 'BASE', token = 'SECRET'", "x-gotify-key", r#"{"id": 1}"#),
    case(
        "matrix",
        "server = 'BASE', room = '!room:example.org', token = 'SECRET'",
        "authorization",
        r#"{"event_id": "$1"}"#,
    ),
    case("mattermost", "url = 'BASE/hooks/SECRET', channel = 'ops'", "path", "ok"),
    case("ntfy", "server = 'BASE', topic = 'alerts', token = 'SECRET'", "authorization", r#"{"id": "x"}"#),
    case(
        "pagerduty",
        "url = 'BASE/v2/enqueue', routing_key = 'SECRET'",
        "/routing_key",
        r#"{"status": "success", "message": "Event processed"}"#,
    ),
    case(
        "pushover",
        "server = 'BASE', user = 'u123', token = 'SECRET', emergency = 'SEV0'",
        "/token",
        r#"{"status": 1, "request": "r"}"#,
    ),
    case("slack", "url = 'BASE/services/T0/B0/SECRET'", "path", "ok"),
    case("teams", "url = 'BASE/workflows/1/invoke?sig=SECRET'", "path", ""),
    case(
        "telegram",
        "server = 'BASE', token = 'SECRET', chat = '-100123', thread = '7'",
        "path",
        r#"{"ok": true, "result": {}}"#,
    ),
    case(
        "webhook",
        "url = 'BASE/hook', secret = 'whsec_SFVTSC1zZWNyZXQtMDEyMzQ1Njc4OS0wMTIzNDU2Nzg5'",
        "",
        "",
    ),
];

impl Case {
    fn start(&self, receiver: &Receiver) -> Server {
        receiver.then(std::iter::repeat_n(Behaviour::Answer(200, "", self.answer), 20));
        let with = self.with.replace("BASE", &format!("http://{}", receiver.addr)).replace("SECRET", SECRET);
        Server::with(&format!(
            "[[channels]]\nname = 'it'\nkind = '{}'\nwith = {{ {with} }}\n[[routes]]\nchannels = ['it']\ndigest = '5m'\n[notify]\nlinks_for = '0s'\n",
            self.name
        ))
    }

    /// The channel by itself.
    fn channel(&self) -> Channel {
        let Form::Http(request) = ChannelPreset::named(self.name).unwrap().unwrap().form else {
            panic!("{} sends no requests", self.name)
        };
        let with = self.with.split(", ").map(|pair| pair.split_once(" = ").unwrap());
        let value = |text: &str| {
            text.trim_matches('\'').replace("BASE", "http://receiver.example").replace("SECRET", SECRET)
        };
        let with = with.map(|(name, text)| (name.to_owned(), value(text))).collect();
        Channel { name: "it".into(), kind: "custom", with, transport: Transport::Http(request) }
    }

    fn is_one_by_one(&self) -> bool {
        self.channel().is_one_by_one()
    }

    /// Once, and where it belongs.
    #[track_caller]
    fn assert_secret(&self, request: &Request) {
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let all = format!("{}\n{headers}\n{}", request.path, request.body);
        let place = match self.secret {
            "" => "",
            "path" => &request.path,
            pointer if pointer.starts_with('/') => {
                &request.json().pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
            }
            header => request.header(header).unwrap(),
        };
        assert_eq!(all.matches("HUSH-secret").count(), usize::from(!self.secret.is_empty()), "{all}");
        assert!(self.secret.is_empty() || place.contains(SECRET), "{all}");
        assert!(!all.contains("whsec_"), "{all}");
    }
}

/// What a fixture says of a request: what every client sends is left out.
fn shown(request: &Request) -> Value {
    let of_the_client = ["host", "user-agent", "accept-encoding", "content-length", "connection"];
    let headers: serde_json::Map<_, _> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .filter(|(name, value)| !of_the_client.contains(&name.as_str()) && value != "*/*")
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    // The crate's own name for what is JSON already; it would not show itself in a value.
    assert!(!request.body.contains("serde_json"), "{}", request.body);
    json!({ "method": request.method, "url": request.path, "headers": headers, "body": request.json() })
}

fn path(preset: &str, name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/channels");
    fixtures.join(preset).join(format!("{name}.json"))
}

#[track_caller]
fn assert_fixture(preset: &str, name: &str, request: &Request) {
    let (path, shown) = (path(preset, name), shown(request));
    if std::env::var_os("FIXTURES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&shown).unwrap())).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown, expected, "{}: {shown:#}", path.display());
}

#[test]
fn every_preset_sends_what_its_receiver_documents() {
    // Mail has tests of its own.
    let others = presets::ALL.iter().map(|(name, _)| *name).filter(|name| *name != "email");
    assert_eq!(CASES.map(|case| case.name).to_vec(), others.collect::<Vec<_>>());
    for case in CASES {
        let receiver = Receiver::new();
        let server = case.start(&receiver);
        server.alert(json!({
            "title": "Disk is full (HUSH)", "service_id": "db", "severity": "SEV1", "dedup_key": "a",
            "description": "Nothing can be written to /var\nFree it", "source_url": "https://grafana.example.net/d/1",
            "metadata": { "env": "prod", "free": 0.5 }
        }));
        let created = receiver.next();
        case.assert_secret(&created);
        assert_fixture(case.name, "created", &created);
        server.advance(10 * MINUTE);
        server.alert(json!({ "dedup_key": "a", "status": "resolved", "service_id": "db" }));
        assert_fixture(case.name, "resolved", &receiver.next());
        server.alert(json!({ "title": "Nothing is worse", "severity": "SEV0", "dedup_key": "z" }));
        receiver.next();
        server.alert(json!({ "title": "Node 1 is down", "severity": "SEV3", "dedup_key": "b" }));
        server.alert(json!({ "title": "Node 2 is down", "severity": "SEV0", "dedup_key": "c" }));
        server.advance(5 * MINUTE);
        let next = receiver.next();
        if case.is_one_by_one() {
            let other = receiver.next();
            assert!(
                next.body.contains("INC-2026-003") && other.body.contains("INC-2026-004"),
                "{}",
                case.name
            );
        } else {
            assert_fixture(case.name, "summary", &next);
        }
    }
}

/// What is hostile to somebody: quotes, markup of all kinds, mentions, templates, control characters.
const HOSTILE: &str = "\"';</script><script>alert(1)</script> <@everyone> <!channel> @channel @all @here {{ with }} {% raw %} \
                       ${7*7} [x](https://evil.example) **b** `c` & &amp; \\ \t\u{1} 🔥🔥 # h";

/// The texts of a request that people see.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

/// The limits that receivers document, in characters: where, and how many.
fn limits(preset: &str) -> &'static [(&'static str, usize)] {
    match preset {
        "discord" => &[("/embeds/0/title", 256), ("/embeds/0/description", 4096)],
        "mattermost" => &[("/attachments/0/text", 16383)],
        "ntfy" => &[("/title", 250), ("/message", 1365)],
        "pagerduty" => &[("/payload/summary", 1024), ("/dedup_key", 255)],
        "pushover" => &[("/title", 250), ("/message", 1024), ("/url", 512), ("/url_title", 100)],
        "slack" => &[("/attachments/0/text", 3000), ("/attachments/0/footer", 300)],
        "telegram" => &[("/text", 4096)],
        _ => &[],
    }
}

/// Whether what must not be there is not, in what people see.
#[track_caller]
fn assert_harmless(case: &Case, body: &Value) {
    let mut found = Vec::new();
    texts(body, &mut found);
    let all = found.join("\n");
    let is_absent = |parts: &[&str]| {
        for part in parts {
            assert!(!all.contains(part), "{}: {part:?} is in {all}", case.name);
        }
    };
    let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    match case.name {
        "discord" => {
            assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
            is_absent(&["<@everyone>", "<!channel>", " **b", " `c", " [x]("]);
            assert!(
                at("/embeds/0/description").contains(r"\[x\](https://evil.example) \*\*b\*\* \`c\`"),
                "{all}"
            );
        }
        "mattermost" => {
            is_absent(&["@everyone", "<!channel>", "@channel", "@all", "@here"]);
            for text in [at("/attachments/0/title"), at("/attachments/0/text")] {
                assert!(text.contains(r"\[x\](https://evil.example) \*\*b\*\* \`c\`"), "{text}");
            }
        }
        "slack" => {
            is_absent(&["<", ">", "@everyone", "@channel", "@all", "@here"]);
            assert!(at("/attachments/0/title").contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{all}");
            assert_eq!(body["attachments"][0]["mrkdwn_in"], json!([]));
        }
        "telegram" => {
            is_absent(&["@everyone", "@channel", "@all", "@here"]);
            assert!(body["parse_mode"].is_null() && at("/text").contains("</script><script>"), "{all}");
        }
        "matrix" => {
            assert_eq!(body["m.mentions"], json!({}));
            let formatted = at("/formatted_body");
            assert!(
                !formatted.contains("<script") && formatted.contains("&lt;script&gt;alert(1)"),
                "{formatted}"
            );
            assert!(at("/body").contains("</script><script>"), "{all}");
        }
        "teams" => {
            assert!(!body.to_string().contains("\"TextBlock\""), "{all}");
            assert!(body.to_string().len() < 28 * 1024);
            assert!(all.contains("</script><script>alert(1)</script> <@everyone>"), "{all}");
        }
        "gotify" => assert_eq!(body["extras"]["client::display"]["contentType"], "text/plain"),
        "apprise" => assert_eq!(body["format"], "text"),
        _ => assert!(all.contains("</script><script>alert(1)</script> <@everyone> <!channel>"), "{all}"),
    }
    assert!(
        case.name != "alertmanager" || body[0]["labels"]["severity"] == "critical",
        "its own labels: {body}"
    );
    assert!(!all.contains(SECRET) || matches!(case.name, "pagerduty" | "pushover"), "{all}");
    assert!(case.name == "matrix" || all.contains("{{ with }} {% raw %}"), "{}: {all}", case.name);
}

/// Where a receiver that keeps track of incidents finds which one it is.
fn key_of(preset: &str, body: &Value) -> Option<String> {
    let pointer = match preset {
        "alertmanager" => "/0/labels/incident_number",
        "ntfy" => "/sequence_id",
        "pagerduty" => "/dedup_key",
        "webhook" => "/data/incidents/0/incident_number",
        _ => return None,
    };
    Some(body.pointer(pointer).and_then(Value::as_str).unwrap().to_owned())
}

#[test]
fn whatever_a_text_is_it_is_text_there_and_short_enough() {
    let fill = |length: usize, with: &str| {
        let length = length - HOSTILE.chars().count();
        format!("{HOSTILE}{}", with.chars().cycle().take(length).collect::<String>())
    };
    for case in CASES {
        let receiver = Receiver::new();
        let server = case.start(&receiver);
        // What grows most when it is escaped, or in UTF-16, or in bytes.
        for (key, padding) in ["&", "*", "🔥", "<@1>\n", "€\""].into_iter().enumerate() {
            let mut alert = json!({
                "title": fill(200, padding).trim_end(), "description": fill(2000, padding), "severity": "SEV0",
                "dedup_key": key.to_string(),
                "metadata": { "env": HOSTILE, "severity": "none", "k8s.io/pod name": { "a": [HOSTILE] } }
            });
            server.advance(DAY);
            server.alert(alert.clone());
            let created = receiver.next();
            server.advance(DAY);
            alert["status"] = "resolved".into();
            server.alert(alert);
            let resolved = receiver.next();
            for request in [&created, &resolved] {
                case.assert_secret(request);
                let body = request.json();
                assert_harmless(&case, &body);
                // Matrix takes events of 64 KiB, the others more.
                assert!(request.body.len() < 60_000, "{}: {}", case.name, request.body.len());
                for (pointer, most) in limits(case.name) {
                    let text = body.pointer(pointer).and_then(Value::as_str).unwrap();
                    let units = text.encode_utf16().count();
                    assert!(units <= *most, "{} {pointer}: {units} > {most}", case.name);
                }
            }
            assert_eq!(
                key_of(case.name, &created.json()),
                key_of(case.name, &resolved.json()),
                "{}",
                case.name
            );
            assert_ne!(created.body, resolved.body, "{}", case.name);
        }
    }
}

/// What templates may name, for one incident of a server at `public_url`.
fn context(public_url: &str) -> Context {
    let url = format!("{public_url}/incidents/INC-2026-001");
    let acknowledge =
        json!({ "name": "acknowledge", "label": "Acknowledge", "url": format!("{public_url}/do/it") });
    let silence =
        json!({ "name": "silence", "label": "Silence \"1 h\"", "url": format!("{public_url}/do/that") });
    let incident = json!({
        "incident_number": "INC-2026-001", "title": "It", "severity": "SEV1", "status": "new",
        "service_ids": ["SER-00001"], "services": [{ "service_key": "SER-00001", "name": "Website" }],
        "metadata": {}, "occurrences": 1, "created_at": "2026-11-23T08:00:00.123Z", "url": url
    });
    Context::from(Serde(json!({
        "message": { "id": "msg_1_1", "at": "2026-11-23T08:00:00.123Z", "attempt": 1 },
        "reason": "created", "title": "[SEV1] It", "text": "Website", "severity": "SEV1", "is_resolved": false,
        "url": url, "late": null, "incident": incident, "incidents": [incident], "count": 1, "more": 0,
        "actions": [acknowledge, silence], "organization": "Home", "key": "INC-2026-001-1a2b3c"
    })))
}

fn rendered(case: &Case, public_url: &str) -> Value {
    let request = render(&case.channel(), &context(public_url), "msg_1_1", 1_795_420_800).unwrap();
    serde_json::from_slice(request.body())
        .unwrap_or_else(|error| panic!("{}: {error}: {}", case.name, String::from_utf8_lossy(request.body())))
}

#[test]
fn what_can_be_done_is_a_link_where_the_receiver_has_links() {
    for case in CASES {
        let body = rendered(&case, "https://bell.example.net").to_string();
        // The others have one link, or none.
        let has_links =
            !matches!(case.name, "alertmanager" | "apprise" | "gotify" | "matrix" | "pushover" | "webhook");
        for link in ["https://bell.example.net/do/it", "https://bell.example.net/do/that"] {
            assert_eq!(body.contains(link), has_links, "{}: {body}", case.name);
        }
        assert!(body.contains("https://bell.example.net/incidents/INC-2026-001"), "{}: {body}", case.name);
    }
}

#[test]
fn incidents_that_were_only_counted_are_told_of_too() {
    // As it is when a channel owed more than it may; also by those that want each incident by itself.
    let counted = Context::from(Serde(json!({
        "reason": "summary", "title": "37 incidents", "text": "and 37 more", "incident": null, "incidents": [], "count": 37,
        "more": 37, "actions": [], "url": "https://bell.example.net/", "key": "msg_1_7"
    })));
    for case in CASES {
        let context = merge_maps([context("https://bell.example.net"), counted.clone()]);
        let request = render(&case.channel(), &context, "msg_1_7", 1_795_420_800).unwrap();
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let (text, begin) = (body.to_string(), body.pointer("/0/endsAt"));
        assert!(text.contains("37 incidents") && !text.contains("INC-"), "{}: {body}", case.name);
        assert!(begin.is_none(), "nobody would end it: {body}");
    }
}

#[test]
fn a_header_is_a_line_whatever_a_title_contains() {
    let receiver = Receiver::new();
    let server = Server::with(&format!(
        "[[channels]]\nname = 'it'\nkind = 'custom'\n[channels.request]\nurl = '{}'\nbody = ''\n\
         [channels.request.headers]\nTitle = '{{{{ title }}}}'\n[[routes]]\nchannels = ['it']\ndigest = '0s'\n",
        receiver.url()
    ));
    server.alert(json!({ "title": "A\u{1}b\u{7f}c\u{85}d\te \u{1b}[0m" }));
    assert_eq!(receiver.next().header("title"), Some("[SEV2] A b c d e  [0m"));
}

/// Firebell takes what three of the receivers take, by code that knows nothing of channels.
#[test]
fn another_firebell_understands_what_is_sent_to_pagerduty_ntfy_and_gotify() {
    const KEY: &str = "HUSH0123456789abcdef0123456789ab";
    for (kind, with) in [
        ("pagerduty", "url = 'BASE/v2/enqueue', routing_key = 'KEY'"),
        ("ntfy", "server = 'BASE/ntfy/KEY', topic = 'db'"),
        ("gotify", "server = 'BASE', token = 'KEY'"),
    ] {
        let other = Server::start(&format!(
            "{HEAD}{SERVICES}[[integrations]]\nname = 'it'\nsource = '{kind}'\nrouting_keys = ['{KEY}']\n\
             default_service = 'SER-00001'\n"
        ));
        let with = with.replace("BASE", &format!("http://{}", other.addr())).replace("KEY", KEY);
        let server = Server::with(&format!(
            "[[channels]]\nname = 'it'\nkind = '{kind}'\nwith = {{ {with} }}\n[[routes]]\nchannels = ['it']\ndigest = '0s'\n"
        ));
        let alert = json!({ "title": "Disk <b>is</b> \"full\"", "severity": "SEV0", "dedup_key": "k" });
        server.alert(alert.clone());
        wait_for(&server, "id = 1 AND standing = 1");
        let list = other.send("GET", "/api/v1/incidents", &[], b"").data();
        let title = list["items"][0]["title"].as_str().unwrap();
        assert!(title.ends_with("Disk <b>is</b> \"full\""), "{kind}: {list}");
        assert_eq!((&list["total"], &list["items"][0]["status"]), (&json!(1), &json!("new")), "{kind}");
        let mut alert = alert;
        alert["status"] = "resolved".into();
        server.alert(alert);
        wait_for(&server, "id = 2 AND standing = 1");
        let list = other.send("GET", "/api/v1/incidents", &[], b"").data();
        if kind != "gotify" {
            // Gotify has no keys: its messages of another title are another's.
            assert_eq!(
                (&list["total"], &list["items"][0]["status"]),
                (&json!(1), &json!("resolved")),
                "{kind}: {list}"
            );
        }
    }
}

#[test]
fn a_server_without_a_domain_has_its_address_in_the_text() {
    for case in CASES.iter().filter(|case| matches!(case.name, "discord" | "telegram")) {
        let body = rendered(case, "http://localhost:8080");
        assert!(!body.to_string().contains("\"url\":"), "{body}");
        let text = body.pointer("/embeds/0/description").or_else(|| body.pointer("/text"));
        let text = text.and_then(Value::as_str).unwrap();
        assert!(text.ends_with("\nhttp://localhost:8080/incidents/INC-2026-001"), "{text}");
        assert!(rendered(case, "http://127.0.0.1:8080").to_string().contains("\"url\":"), "{}", case.name);
    }
}

#[test]
fn answers_are_understood_as_each_receiver_means_them() {
    use VerdictKind::{Gone, Later, Never, Taken};
    let judged = |name: &str, status: u16, body: &str| {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        judge(&case.channel(), &Answered { status, retry_after: None, body: body.as_bytes(), now_s: 0 }).kind
    };
    for case in CASES {
        assert_eq!(judged(case.name, 200, case.answer), Taken, "{}", case.name);
        assert_eq!(judged(case.name, 503, ""), Later(None), "{}", case.name);
    }
    for (name, status, body, expected) in [
        ("alertmanager", 400, r#""bad""#, Never),
        ("apprise", 204, "", Later(None)),
        ("apprise", 200, r#"{"error": "One or more notifications failed"}"#, Later(None)),
        ("apprise", 424, r#"{"error": true}"#, Later(None)),
        (
            "discord",
            429,
            r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#,
            Later(Some(65)),
        ),
        ("matrix", 429, r#"{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2500}"#, Later(Some(3))),
        ("matrix", 429, r#"{"errcode": "M_LIMIT_EXCEEDED"}"#, Later(None)),
        ("pagerduty", 202, r#"{"status": "success"}"#, Taken),
        ("pushover", 200, r#"{"status": 0, "errors": ["no"]}"#, Later(None)),
        ("pushover", 200, "a proxy's page", Later(None)),
        ("slack", 410, "channel_is_archived", Gone),
        ("teams", 202, "", Taken),
        ("teams", 200, "1", Taken),
        (
            "teams",
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
            Later(None),
        ),
        ("telegram", 200, r#"{"ok": false, "description": "no"}"#, Later(None)),
        (
            "telegram",
            429,
            r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 14}}"#,
            Later(Some(14)),
        ),
    ] {
        assert_eq!(judged(name, status, body), expected, "{name} {status} {body}");
    }
}

fn http(channel: &Channel) -> &HttpRequest {
    let Transport::Http(request) = &channel.transport else { panic!("{channel:?} sends no requests") };
    request
}

fn render(
    channel: &Channel,
    context: &Context,
    id: &str,
    now_s: i64,
) -> Result<http::Request<Vec<u8>>, String> {
    http(channel).render(channel, context, id, now_s)
}

fn judge(channel: &Channel, answer: &Answered<'_>) -> Verdict {
    http(channel).judge(answer, str::to_owned)
}
