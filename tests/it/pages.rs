//! The pages, as a browser without a script uses them: looks, links, forms.

use serde_json::json;

use crate::http::{self, Response};
use crate::server::{DAY, HOUR, MINUTE, Server, alert};

const ONE: &str = "/incidents/INC-2026-001";

/// A look at a page.
pub fn look(server: &Server, path: &str) -> Response {
    server.send("GET", path, &[("Accept", "text/html")], b"")
}

/// A form that a page of ours sends.
pub fn submit(server: &Server, path: &str, form: &[(&str, &str)]) -> Response {
    let headers = [("Accept", "text/html"), ("Sec-Fetch-Site", "same-origin")];
    server.send("POST", path, &headers, encoded(form).as_bytes())
}

pub fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// The page of an integration with its key, which no other answer may have.
pub fn show_key(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    let headers = [&[("Accept", "text/html"), ("Sec-Fetch-Site", "same-origin")], headers].concat();
    http::send(server.addr(), "POST", path, &headers, b"do=show")
}

/// The numbers of the incidents in a list, in its order.
pub fn numbers(page: &Response) -> Vec<u32> {
    let rows = page.text.split("data-number=\"INC-2026-").skip(1);
    rows.map(|row| row.split('"').next().unwrap().parse().unwrap()).collect()
}

#[track_caller]
pub fn done(response: &Response, location: &str) {
    assert_eq!((response.status, response.header("location")), (303, Some(location)), "{}", response.text);
}

#[test]
fn the_list_shows_what_is_open_the_worst_first() {
    let server = Server::new();
    assert!(look(&server, "/").text.contains("Nothing is open."));
    for (title, severity) in [("slow", "SEV3"), ("down", "SEV0"), ("slower", "SEV3"), ("full", "SEV1")] {
        server.alert(json!({ "title": title, "severity": severity, "dedup_key": title }));
    }
    server.alert(json!({ "title": "slow", "dedup_key": "slow", "status": "resolved" }));
    let page = look(&server, "/");
    assert_eq!(numbers(&page), [2, 4, 3]);
    assert!(page.text.contains("<title>(3) Incidents"), "{}", page.text);
    assert!(page.text.contains("SEV0 <b>1</b>") && page.text.contains("resolved <b>1</b>"), "{}", page.text);
    for (query, expected) in [
        ("status=all", &[2, 4, 3, 1][..]),
        ("status=resolved", &[1]),
        ("status=", &[2, 4, 3]),
        ("severity=SEV3", &[3]),
        ("severity=SEV3&severity=SEV1&service_id=&integration=prod", &[4, 3]),
        ("search=slow&status=all", &[3, 1]),
        ("service_id=db", &[]),
        ("integration=other", &[]),
        ("status=all&sort=created_at", &[1, 2, 3, 4]),
        ("dedup_key=full", &[4]),
        ("since=1h", &[2, 4, 3]),
    ] {
        server.wait_for_index();
        assert_eq!(numbers(&look(&server, &format!("/?{query}"))), expected, "{query}");
    }
    let narrow = look(&server, "/?status=all&dedup_key=full&created_after=2026-11-23T08:00:00Z");
    assert!(
        narrow.text.contains("created after: <time datetime=\"2026-11-23T08:00:00.000Z\""),
        "{}",
        narrow.text
    );
    assert!(narrow.text.contains(
        "<a href=\"&#x2f;?status=all&amp;created_after=2026-11-23T08%3A00%3A00Z\"><bdi>dedup key: full"
    ));
    server.advance(2 * HOUR);
    assert_eq!(numbers(&look(&server, "/?since=1h")), [0; 0]);
    let several = look(&server, "/?service_id=web&service_id=db").text;
    assert!(several.contains("<bdi>service id: web, db</bdi>"), "{several}");
    assert!(look(&server, "/?since=2h").text.contains("since must be one of 1h, 24h, 7d, 30d"));
    for (query, folded) in
        [("", true), ("status=all&search=x", true), ("since=1h", false), ("sort=severity", false)]
    {
        let page = look(&server, &format!("/?{query}")).text;
        assert_eq!(page.contains("<details class=\"more\">"), folded, "{query}");
    }
    // What somebody has typed wrongly is told, and the list is there all the same.
    let wrong = look(&server, "/?severity=SEV9&created_after=yesterday");
    assert_eq!((wrong.status, numbers(&wrong)), (200, vec![2, 4, 3]));
    assert!(wrong.text.contains("severity must be one of SEV0"), "{}", wrong.text);
    assert!(wrong.text.contains("created_after must be a time"), "{}", wrong.text);
}

#[test]
fn the_list_is_paged_to_its_end() {
    let server = Server::new();
    let titles: Vec<_> =
        (0..120).map(|at| json!({ "title": format!("disk {at}"), "severity": "SEV2" })).collect();
    for title in titles {
        server.alert(title);
    }
    let (mut path, mut seen) = ("/".to_owned(), Vec::new());
    for expected in [50, 50, 20] {
        let page = look(&server, &path);
        assert_eq!(numbers(&page).len(), expected);
        assert_eq!(page.text.contains("First page"), path != "/");
        seen.extend(numbers(&page));
        let next = page.text.split("href=\"").find(|link| link.contains("rel=\"next\""));
        path = next.map(|link| link.split('"').next().unwrap().replace("&#x2f;", "/")).unwrap_or_default();
        path = path.replace("&amp;", "&");
    }
    assert_eq!(path, "");
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
}

#[test]
fn an_incident_is_taken_moved_edited_and_told_about_by_forms() {
    let server = Server::new();
    server.alert(json!({ "title": "Disk full", "dedup_key": "disk", "severity": "SEV3",
        "source_url": "https://e.x/d?a=1&b=2", "metadata": { "host": "web-1", "free": 1.5 } }));
    for _ in 0..43 {
        server.advance(MINUTE);
        server.alert(json!({ "title": "Disk full", "dedup_key": "disk" }));
    }
    server.alert(json!({ "title": "Disk full", "dedup_key": "disk", "severity": "SEV1" }));
    let page = look(&server, ONE);
    for part in [
        "<title>(1) INC-2026-001 Disk full",
        "repeated 43 times by <i><bdi>prod</bdi></i>, <span data-from=\"2026-11-23T08:01:00.123Z\" \
         data-to=\"2026-11-23T08:43:00.123Z\" \
         title=\"2026-11-23 08:01:00 UTC – 2026-11-23 08:43:00 UTC\">08:01–08:43 UTC</span></p>",
        "<span>severity</span> <del><bdi>SEV3</bdi></del> → <ins><bdi>SEV1</bdi></ins>",
        "href=\"https:&#x2f;&#x2f;e.x&#x2f;d?a=1&amp;b=2\"",
        "<dt><bdi>free</bdi></dt><dd><bdi>1.5</bdi></dd>",
        "45×",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    server.advance(DAY);
    assert!(
        look(&server, ONE).text.contains(">2026-11-23 08:01–08:43 UTC</span>"),
        "it is not today any more"
    );
    server.advance(-DAY);
    done(&submit(&server, ONE, &[("do", "acknowledge")]), ONE);
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["status"], &incident["acknowledged_by"]),
        (&"investigating".into(), &"local".into())
    );
    let again = submit(&server, ONE, &[("do", "acknowledge")]);
    assert_eq!(again.status, 409);
    assert!(again.text.contains("role=\"alert\"") && again.text.contains("Disk full"), "{}", again.text);
    done(&submit(&server, ONE, &[("do", "status"), ("status", "fixing"), ("comment", "on it")]), ONE);
    done(&submit(&server, ONE, &[("do", "assign"), ("assigned_to", "ada")]), ONE);
    done(&submit(&server, ONE, &[("do", "comment"), ("comment", "line 1\r\nline 2")]), ONE);
    let edit = [("do", "edit"), ("title", "Disk full"), ("severity", "SEV2"), ("description", "")];
    done(&submit(&server, ONE, &edit), ONE);
    let incident = server.show("INC-2026-001");
    assert_eq!(
        (&incident["status"], &incident["assigned_to"], &incident["severity"]),
        (&"fixing".into(), &"ada".into(), &"SEV2".into())
    );
    assert_eq!(incident["timeline"][1]["message"], "line 1\nline 2");
    // Only the severity was set by a person: alerts may still say another title.
    server.alert(json!({ "title": "Disk fuller", "dedup_key": "disk", "severity": "SEV1" }));
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["title"], &incident["severity"]), (&"Disk fuller".into(), &"SEV2".into()));
    done(&submit(&server, ONE, &[("do", "assign"), ("assigned_to", "")]), ONE);
    done(&submit(&server, ONE, &[("do", "resolve")]), ONE);
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["status"], &incident["assigned_to"]), (&"resolved".into(), &json!(null)));
    for (form, status) in [
        (&[("do", "comment"), ("comment", " ")][..], 400),
        (&[("do", "edit"), ("title", "")], 400),
        (&[("do", "status"), ("status", "fixing")], 409),
        (&[("do", "dance")], 400),
        (&[], 400),
    ] {
        assert_eq!(submit(&server, ONE, form).status, status, "{form:?}");
    }
    assert_eq!(submit(&server, "/incidents/INC-2026-009", &[("do", "resolve")]).status, 404);
}

/// What stands between two texts of a page.
#[track_caller]
fn between<'a>(page: &'a Response, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.text.split_once(from).unwrap_or_else(|| panic!("no {from} in {}", page.text));
    rest.split_once(to).unwrap().0
}

#[test]
fn what_is_refused_stands_in_its_form_with_the_reason() {
    let server = Server::new();
    server.alert(json!({ "title": "Disk full", "description": "Since noon", "dedup_key": "disk" }));
    let form = |page: &Response, field: &str| {
        let forms = page.text.split("<form").find(|form| form.contains(field)).unwrap();
        forms.split("</form>").next().unwrap().to_owned()
    };
    let long = "x".repeat(10_001);
    let page = submit(&server, ONE, &[("do", "comment"), ("comment", &long)]);
    let comment = form(&page, "<textarea id=\"comment\"");
    assert_eq!(page.status, 400);
    assert!(comment.contains(&format!(">\n{long}</textarea>")), "{comment}");
    assert!(comment.contains("role=\"alert\"><p>comment is 10001 characters"), "{comment}");
    assert!(comment.contains("aria-invalid=\"true\" aria-describedby=\"why\" autofocus"), "{comment}");
    assert_eq!(page.text.matches("role=\"alert\"").count(), 1);
    assert_eq!(page.text.matches("aria-invalid").count(), 1);

    // An edit, with all that is wrong with it; and with what it was begun with, which an alert changes meanwhile.
    let shown = look(&server, ONE);
    let shown = ["title", "severity", "description"].map(|name| {
        let name = format!("{name}_shown");
        let value = between(&shown, &format!("name=\"{name}\" value=\""), "\"").to_owned();
        (name, value)
    });
    server.alert(json!({ "title": "Disk full", "description": "Since ten", "dedup_key": "disk" }));
    let mut edit: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (&**name, &**value)).collect();
    edit.extend([("do", "edit"), ("title", " "), ("severity", "SEV9"), ("description", "Since noon")]);
    let page = submit(&server, ONE, &edit);
    let form = form(&page, "name=\"title\"");
    for part in ["<p>title is empty", "<p>severity must be one of", "value=\" \" required", "Since noon"] {
        assert!(form.contains(part), "{part} in {form}");
    }
    assert!(page.text.contains("<details open>") && form.contains(&shown[2].1), "{form}");
    edit.retain(|(name, _)| !["title", "severity"].contains(name));
    edit.extend([("title", "Disk fuller"), ("severity", "SEV2")]);
    done(&submit(&server, ONE, &edit), ONE);
    let incident = server.show("INC-2026-001");
    assert_eq!((&incident["title"], &incident["description"]), (&"Disk fuller".into(), &"Since ten".into()));

    // Where the form is gone meanwhile, it stands on top.
    done(&submit(&server, ONE, &[("do", "status"), ("status", "closed")]), ONE);
    let page = submit(&server, ONE, &[("do", "status"), ("status", "fixing"), ("comment", "my reason")]);
    assert_eq!(page.status, 409);
    assert!(between(&page, "role=\"alert\"", "<article").contains("my reason"), "{}", page.text);
}

#[test]
fn many_are_acknowledged_and_resolved_at_once_and_what_could_not_be_is_told() {
    let server = Server::new();
    for _ in 0..3 {
        server.alert(json!({}));
    }
    let chosen = |what| [("do", what), ("number", "INC-2026-001"), ("number", "INC-2026-003")];
    done(
        &submit(&server, "/?severity=SEV2&sort=-created_at", &chosen("acknowledge")),
        "/?severity=SEV2&sort=-created_at",
    );
    assert_eq!(numbers(&look(&server, "/?status=investigating")), [3, 1]);
    let again = submit(&server, "/", &chosen("acknowledge"));
    assert_eq!((again.status, numbers(&again)), (200, vec![3, 2, 1]));
    assert_eq!(again.text.matches("already").count(), 2, "{}", again.text);
    done(&submit(&server, "/", &chosen("resolve")), "/");
    assert_eq!(numbers(&look(&server, "/")), [2]);
    for _ in 0..30 {
        server.alert(json!({}));
    }
    let numbers: Vec<_> = (1..=33).filter(|at| *at != 2).map(|at| format!("INC-2026-{at:03}")).collect();
    let numbers = numbers.iter().map(|one| ("number", one.as_str()));
    let all: Vec<_> = [("do", "dance")].into_iter().chain(numbers).collect();
    let again = submit(&server, "/", &all);
    assert_eq!(between(&again, "role=\"alert\"", "</div>").matches("no button").count(), 20);
    assert!(again.text.contains("<p>and 12 more</p>"), "{}", again.text);
    assert!(submit(&server, "/", &[("do", "resolve")]).text.contains("Choose incidents first."));
    assert!(submit(&server, "/", &[("do", "resolve"), ("number", "nonsense")]).text.contains("nonsense: "));
}

#[test]
fn what_comes_from_outside_is_text() {
    let server = Server::new();
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    server.alert(json!({ "title": hostile, "description": hostile, "dedup_key": hostile,
        "metadata": { hostile: hostile } }));
    done(&submit(&server, ONE, &[("do", "comment"), ("comment", hostile)]), ONE);
    done(&submit(&server, ONE, &[("do", "assign"), ("assigned_to", hostile)]), ONE);
    server.post(hostile);
    let search = format!("/?search={}&service_id={0}", encoded(&[("", hostile)]).trim_start_matches('='));
    for path in ["/", ONE, "/integrations/prod", "/integrations/prod/deliveries/2", &search] {
        let page = look(&server, path);
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("alert(1)") || path == "/integrations/prod", "{path}: {}", page.text);
        assert!(!page.text.contains("<script>") && !page.text.contains("<img"), "{path}: {}", page.text);
    }
}

#[test]
fn a_browser_is_refused_in_a_page_and_a_program_in_json() {
    let server = Server::new();
    server.alert(json!({}));
    for path in
        ["/nowhere", "/incidents/INC-2026-009", "/incidents/nonsense", "/integrations/none", "/assets/none"]
    {
        let page = look(&server, path);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("<h1>Not found</h1>"), "{path}: {}", page.text);
        assert_eq!(server.get(path).code(), "not_found");
    }
    assert_eq!(server.get(ONE).data()["incident_number"], "INC-2026-001");
    assert_eq!(look(&server, "/api/v1/nowhere").code(), "not_found");
    let foreign = server.send("GET", "/", &[("Accept", "text/html"), ("Host", "evil.example")], b"");
    assert_eq!(foreign.status, 403);
    assert!(foreign.text.contains("Not allowed"), "{}", foreign.text);
}

#[test]
fn a_form_on_a_page_from_elsewhere_does_nothing() {
    let server = Server::new();
    server.alert(json!({}));
    let form = encoded(&[("do", "resolve")]);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:1"),
    ] {
        let response = server.send("POST", ONE, &[("Accept", "text/html"), (name, value)], form.as_bytes());
        assert_eq!(response.status, 403, "{name}: {value}");
        assert_eq!(server.show("INC-2026-001")["status"], "new");
    }
    let ours = format!("http://{}", server.addr());
    let host = server.addr().to_string();
    done(&server.send("POST", ONE, &[("Origin", &ours), ("Host", &host)], form.as_bytes()), ONE);
}

#[test]
fn an_integration_shows_how_to_connect_and_its_key_only_when_asked() {
    let server = Server::with(
        "[[integrations]]\nname = 'graf'\nsource = 'grafana'\nrouting_keys = ['HUSH-grafana-key-1']\n\
         default_service = 'web'\n[[integrations]]\nname = 'push'\nsource = 'ntfy'\n\
         routing_keys = ['HUSH-ntfy-key-0001']\ndefault_service = 'web'\n",
    );
    assert!(look(&server, "/integrations").text.contains("Nothing has come yet."));
    for (name, before, after) in [
        ("prod", "curl -X POST", "https:&#x2f;&#x2f;bell.example.net&#x2f;webhooks&#x2f;HUSH-prod-key-0001"),
        ("graf", "Contact points", "bell.example.net&#x2f;webhooks&#x2f;HUSH-grafana-key-1"),
        ("push", "curl -H", "bell.example.net&#x2f;ntfy&#x2f;HUSH-ntfy-key-0001"),
    ] {
        let path = format!("/integrations/{name}");
        let page = look(&server, &path);
        assert!(page.text.contains(before) && !page.text.contains("HUSH"), "{}", page.text);
        let shown = show_key(&server, &path, &[]);
        assert!(shown.status == 200 && shown.text.contains(after), "{}", shown.text);
        let test = submit(&server, &path, &[("do", "test")]);
        assert!(test.text.contains("Sent: <a href=\"/incidents/INC-2026-"), "{}", test.text);
    }
    let test = server.show("INC-2026-002");
    assert_eq!((&test["title"], &test["severity"]), (&"Test incident of graf".into(), &"SEV4".into()));
    assert_eq!(server.list("status=new"), [3, 2, 1]);
}

#[test]
fn an_example_brings_what_an_integration_asks_for_beside_its_key() {
    let custom = |name: &str, more: &str| {
        format!(
            "[[integrations]]\nname = '{name}'\nsource = 'custom'\nrouting_keys = ['HUSH-{name}-key-00001']\n{more}\n"
        )
    };
    let server = Server::with(
        &[
            custom("signed", "signing_secrets = ['HUSH-signing-secret-000000000001']"),
            custom("basic", "basic_auth = ['me:HUSH-password-0001']"),
            custom("bearer", "bearer_tokens = ['HUSH-bearer-token-01']"),
        ]
        .concat(),
    );
    for (name, example, also) in [
        ("signed", "firebell send --integration signed", "signing_secrets"),
        ("basic", "-u USER:PASSWORD", "basic_auth"),
        ("bearer", "Authorization: Bearer TOKEN", "bearer_tokens"),
        ("prod", "curl -X POST", ""),
    ] {
        let page = look(&server, &format!("/integrations/{name}"));
        assert!(between(&page, "<pre id=\"curl\"", "</pre>").contains(example), "{}", page.text);
        assert!(page.text.contains(also) && page.text.contains("dedup_key"), "{}", page.text);
        assert!(!page.text.contains("HUSH"), "{}", page.text);
    }
}

#[test]
fn a_refused_body_is_found_and_sent_again() {
    let mut server = Server::new();
    server.post(alert(json!({ "title": "Backup failed", "service_id": "SER-00007" })));
    let page = look(&server, "/integrations/prod?refused=1");
    assert!(page.text.contains("validation_error") && page.text.contains("SER-00007"), "{}", page.text);
    let path = "/integrations/prod/deliveries/1";
    assert!(look(&server, path).text.contains("&quot;title&quot;: &quot;Backup failed&quot;"));
    let refused = submit(&server, path, &[]);
    assert!(refused.status == 400 && refused.text.contains("no service"), "{}", refused.text);
    let config = format!(
        "{}{}[[services]]\nid = 'SER-00007'\nname = 'Backup'\n{}",
        crate::server::HEAD,
        crate::server::SERVICES,
        crate::server::PROD
    );
    server.restart(&config);
    done(&submit(&server, path, &[]), "/integrations/prod");
    assert_eq!(server.show("INC-2026-001")["title"], "Backup failed");
    let page = look(&server, "/integrations/prod");
    assert!(page.text.contains("again, from #1") && page.text.contains("1 created"), "{}", page.text);
    assert!(look(&server, ONE).text.contains("again, from #1"));
    let services = look(&server, "/services");
    assert!(services.text.contains("Backup") && services.text.contains("1 open"), "{}", services.text);
}

#[test]
fn beyond_the_end_of_a_list_is_a_way_back() {
    let server = Server::new();
    for _ in 0..30 {
        server.alert(json!({ "dedup_key": "same" }));
    }
    for beyond in ["5000", "9223372036854775807", "18446744073709551615"] {
        let page = look(&server, &format!("{ONE}?timeline={beyond}"));
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.text.contains("?timeline=0\">Newer"), "{beyond}: {}", page.text);
    }
    for (offset, newer) in [("25", "0"), ("9999", "5"), ("18446744073709551615", "5")] {
        let page = look(&server, &format!("/integrations/prod?offset={offset}"));
        assert!(page.text.contains(&format!("?offset={newer}\" rel=\"prev\">Newer")), "{}", page.text);
    }
}

#[test]
fn a_service_counts_what_its_list_shows() {
    let server = Server::new();
    server.alert(json!({ "service_id": "web" }));
    let both = json!({ "title": "both", "service_ids": ["SER-00001", "SER-00002"] });
    for _ in 0..2 {
        assert_eq!(server.post_to("/api/v1/incidents", &both).status, 201);
    }
    server.alert(json!({ "service_id": "db", "status": "resolved" }));
    let page = look(&server, "/services");
    for (service, open) in [("SER-00001", 3), ("SER-00002", 2)] {
        let count = between(&page, &format!("?service_id={service}\">"), "</a>");
        assert!(count.contains(&format!("{open} open")), "{service}: {count}");
        assert_eq!(numbers(&look(&server, &format!("/?service_id={service}"))).len(), open);
    }
}

#[test]
fn the_first_page_and_all_that_it_loads_is_small() {
    let server = Server::new();
    for at in 0..60 {
        server.alert(
            json!({ "title": format!("Disk usage above 90% on web-{at}"), "dedup_key": at.to_string() }),
        );
    }
    let page = look(&server, "/");
    let mut bytes = page.text.len();
    for asset in
        page.text.split(['"']).filter(|part| part.starts_with("/assets/") || part.starts_with("/favicon/"))
    {
        let asset = server.get(asset);
        assert!(asset.status == 200 && asset.header("cache-control").unwrap().contains("immutable"));
        bytes += asset.text.len();
    }
    assert!(bytes < 60 * 1024, "{bytes}");
    assert_eq!(numbers(&page).len(), 50);
    server.advance(DAY);
    assert!(look(&server, "/").text.contains("1 d ago"));
}
