//! `GET /api/v1/incidents`: every filter, alone and with every other one, over incidents that are known.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::{HEAD, MINUTE, PROD, SECOND, SERVICES, Server, alert, field_codes, sequence};

pub const EDGE: &str = "
[[integrations]]
name = 'edge'
source = 'custom'
routing_keys = ['HUSH-edge-key-0001']
";

/// Incidents of every kind that the filters tell apart, and how each of them reads by its number, in the order of
/// recording. The clock goes back twice in between.
pub fn town() -> (Server, Vec<Value>) {
    let mail = "[[services]]\nid = 'SER-00003'\nname = 'Mail'\naliases = ['mail']\n";
    let server = Server::start(&format!("{HEAD}{SERVICES}{mail}{PROD}{EDGE}"));
    for n in 0..24 {
        let service = ["web", "db", "mail"][n % 3];
        let members = json!({
            "title": if n % 4 == 1 { "Disk is full (HUSH)" } else { "Pool exhausted (HUSH)" },
            "description": if n % 6 == 0 { Value::Null } else { format!("Look at disk {n}").into() },
            "service_id": service,
            "severity": format!("SEV{}", n * n % 5),
            "dedup_key": if n < 12 { format!("k{}", n % 6).into() } else { Value::Null },
            "status": if n % 8 == 3 { "resolved" } else { "new" },
        });
        let path = ["/webhooks/HUSH-prod-key-0001", "/webhooks/HUSH-edge-key-0001"][usize::from(n % 5 < 2)];
        let number = server.post_to(path, alert(members)).data()["incident_number"].clone();
        change(&server, number.as_str().unwrap(), n);
        server.advance(match n {
            9 => -5 * MINUTE,
            16 => -30 * SECOND,
            18 => 0,
            _ => MINUTE,
        });
    }
    for (n, services) in
        [&["web", "db"][..], &["db", "mail"], &["mail", "web", "db"], &["web"]].iter().enumerate()
    {
        let body = json!({ "title": "Made by hand (HUSH)", "service_ids": services, "severity": "SEV1" });
        let made = server.post_to("/api/v1/incidents", body).data();
        change(&server, made["incident_number"].as_str().unwrap(), 4 + n);
    }
    let all = server.get("/api/v1/incidents?limit=100&sort=created_at").data();
    let shown = all["items"].as_array().unwrap().iter().map(|item| {
        let mut shown = server.show(item["incident_number"].as_str().unwrap());
        shown.as_object_mut().unwrap().retain(|field, _| !field.starts_with("timeline"));
        shown
    });
    let shown: Vec<_> = shown.collect();
    for (index, incident) in shown.iter().enumerate() {
        assert_eq!(sequence(&incident["incident_number"]) as usize, index + 1);
    }
    (server, shown)
}

/// What people do to the `n`th incident.
fn change(server: &Server, number: &str, n: usize) {
    let patch = |assigned_to: &str| {
        let body = json!({ "assigned_to": assigned_to }).to_string();
        server.send("PATCH", &format!("/api/v1/incidents/{number}"), &[], body.as_bytes()).data();
    };
    let status = server.show(number)["status"].clone();
    match n % 7 {
        _ if status == "resolved" => patch("ada@example.org"),
        1 => drop(server.acknowledge(number)),
        2 => drop(server.set_status(number, "fixing")),
        3 | 4 => drop(server.set_status(number, "resolved")),
        5 => {
            patch("ada@example.org");
            server.set_status(number, "closed");
        }
        6 => {
            server.set_status(number, "resolved");
            server.set_status(number, "closed");
        }
        _ => {}
    }
}

type Filter<'a> = (String, Box<dyn Fn(&Value) -> bool + 'a>);

/// Every filter, once with one value and, where there may be several, once with more.
fn filters(incidents: &[Value]) -> Vec<Filter<'static>> {
    fn is_any(field: &'static str, values: &[&str]) -> Box<dyn Fn(&Value) -> bool> {
        let values: Vec<_> = values.iter().map(ToString::to_string).collect();
        Box::new(move |one| {
            one[field].as_str().is_some_and(|value| values.iter().any(|wanted| wanted == value))
        })
    }
    fn has_service(wanted: &[&'static str]) -> Box<dyn Fn(&Value) -> bool> {
        let wanted = wanted.to_vec();
        Box::new(move |one| {
            one["service_ids"].as_array().unwrap().iter().any(|id| wanted.iter().any(|other| id == other))
        })
    }
    /// Of equal length and in UTC, so the order of the texts is that of the times.
    fn between(field: &'static str, from: &str, to: &str) -> Box<dyn Fn(&Value) -> bool> {
        let (from, to) = (from.to_owned(), to.to_owned());
        Box::new(move |one| one[field].as_str().is_some_and(|at| from.as_str() <= at && at <= to.as_str()))
    }
    fn says(word: &'static str) -> Box<dyn Fn(&Value) -> bool> {
        Box::new(move |one| format!("{}{}", one["title"], one["description"]).to_lowercase().contains(word))
    }
    let of = |query: &str, lets_through| (query.to_owned(), lets_through);
    let created = |n: usize| incidents[n]["created_at"].as_str().unwrap();
    let mut resolved: Vec<_> = incidents.iter().filter_map(|one| one["resolved_at"].as_str()).collect();
    resolved.sort_unstable();
    let (early, late) = (resolved[resolved.len() / 3], resolved[2 * resolved.len() / 3]);
    let span = |name: &str, from: &str, to: &str| format!("{name}_after={from}&{name}_before={to}");
    vec![
        of("status=new", is_any("status", &["new"])),
        of("status=resolved&status=closed", is_any("status", &["resolved", "closed"])),
        of("severity=SEV0", is_any("severity", &["SEV0"])),
        of("severity=sev1&severity=SEV4", is_any("severity", &["SEV1", "SEV4"])),
        of("service_id=SER-00001", has_service(&["SER-00001"])),
        of("service_id=db&service_id=mail", has_service(&["SER-00002", "SER-00003"])),
        of("service_id=SER-77777", has_service(&[])),
        of("integration=prod", is_any("integration", &["prod"])),
        of("integration=edge&integration=nobody", is_any("integration", &["edge"])),
        of("integration=Prod", is_any("integration", &[])),
        of("assigned_to=local", is_any("assigned_to", &["local"])),
        of(
            "assigned_to=ada%40example.org&assigned_to=local",
            is_any("assigned_to", &["ada@example.org", "local"]),
        ),
        of("resolved_by=local", is_any("resolved_by", &["local"])),
        of(
            "resolved_by=integration%3Aprod&resolved_by=integration:edge",
            is_any("resolved_by", &["integration:prod", "integration:edge"]),
        ),
        of("dedup_key=k0", is_any("dedup_key", &["k0"])),
        of("dedup_key=k1&dedup_key=k4&dedup_key=K2", is_any("dedup_key", &["k1", "k4"])),
        of(&format!("created_after={}", created(12)), between("created_at", created(12), "9")),
        of(&format!("created_before={}", created(8)), between("created_at", "", created(8))),
        of(&span("created", created(8), created(8)), between("created_at", created(8), created(8))),
        of(&span("created", created(12), created(17)), between("created_at", created(12), created(17))),
        of(&span("created", created(17), created(12)), between("created_at", created(17), created(12))),
        of(&format!("resolved_after={late}"), between("resolved_at", late, "9")),
        of(&format!("resolved_before={early}"), between("resolved_at", "", early)),
        of(&span("resolved", early, late), between("resolved_at", early, late)),
        of("search=disk", says("disk")),
        of("search=HAND%20made", says("made by hand")),
    ]
}

/// The names of a query's parameters.
fn names(query: &str) -> Vec<&str> {
    query.split('&').filter_map(|pair| pair.split('=').next()).collect()
}

const SORTS: [&str; 4] = ["-created_at", "created_at", "severity", "-last_seen_at"];

/// `incidents`, which are in the order of recording, in that of a list, as their sequences.
pub fn in_order<'a>(incidents: impl Iterator<Item = &'a Value>, sort: &str) -> Vec<u32> {
    let mut incidents: Vec<_> = incidents.collect();
    if sort != "created_at" {
        incidents.reverse();
    }
    match sort {
        "severity" => incidents.sort_by_key(|one| one["severity"].to_string()),
        "-last_seen_at" => {
            incidents.retain(|one| one["status"] != "closed");
            incidents.sort_by_key(|one| std::cmp::Reverse(one["last_seen_at"].to_string()));
        }
        _ => {}
    }
    incidents.iter().map(|one| sequence(&one["incident_number"])).collect()
}

/// The matches on one page, over a connection that is kept.
fn found(connection: &mut Connection, query: &str) -> Vec<u32> {
    let path = format!("/api/v1/incidents?limit=100&{query}");
    let response = connection.try_send("GET", &path, &[], b"").unwrap();
    crate::document::check("GET", &path, &response);
    let page = response.data();
    let items = page["items"].as_array().unwrap();
    let told = (&page["total"], &page["total_exact"], &page["has_more"]);
    assert_eq!(told, (&json!(items.len()), &json!(true), &json!(false)), "{query}");
    items.iter().map(|item| sequence(&item["incident_number"])).collect()
}

#[test]
fn every_filter_alone_finds_what_it_says_in_every_order() {
    let (server, incidents) = town();
    let mut connection = Connection::open(server.addr()).unwrap();
    let filters = filters(&incidents);
    let nobodys = ["service_id=SER-77777", "integration=Prod", &filters[20].0];
    for (query, lets_through) in &filters {
        let matches = incidents.iter().filter(|one| lets_through(one)).count();
        assert_eq!(matches == 0, nobodys.contains(&query.as_str()), "{query} tells nothing apart");
        for sort in SORTS {
            if sort == "-last_seen_at" && query.contains("closed") {
                continue;
            }
            let expected = in_order(incidents.iter().filter(|one| lets_through(one)), sort);
            assert_eq!(
                found(&mut connection, &format!("sort={sort}&{query}")),
                expected,
                "{query} by {sort}"
            );
        }
    }
}

#[test]
fn every_two_filters_together_find_what_both_let_through() {
    let (server, incidents) = town();
    let mut connection = Connection::open(server.addr()).unwrap();
    let filters = filters(&incidents);
    let (mut pairs, mut telling) = (0, 0);
    for (index, (first, one_lets_through)) in filters.iter().enumerate() {
        for (second, other_lets_through) in &filters[index + 1..] {
            if names(first).iter().any(|name| names(second).contains(name)) {
                continue;
            }
            let query = format!("{first}&{second}");
            let sort = SORTS[pairs % if query.contains("closed") { 3 } else { 4 }];
            let both = incidents.iter().filter(|one| one_lets_through(one) && other_lets_through(one));
            let expected = in_order(both, sort);
            assert_eq!(
                found(&mut connection, &format!("{query}&sort={sort}")),
                expected,
                "{query} by {sort}"
            );
            pairs += 1;
            telling += usize::from(!expected.is_empty());
        }
    }
    assert!(telling > pairs / 2, "only {telling} of {pairs} pairs find anything");
}

#[test]
fn both_ends_of_a_span_belong_to_it_to_the_millisecond() {
    let server = Server::new();
    for ms in [0, 1, 1] {
        server.advance(ms);
        server.alert(json!({ "status": "resolved" }));
    }
    // 1 at .123, 2 at .124, 3 at .125
    for (after, before, expected) in [
        ("08:00:00.123Z", "08:00:00.125Z", &[3, 2, 1][..]),
        ("08:00:00.124Z", "08:00:00.124Z", &[2]),
        ("08:00:00.124Z", "", &[3, 2]),
        ("", "08:00:00.124Z", &[2, 1]),
        ("08:00:00.126Z", "", &[]),
        ("", "08:00:00.122Z", &[]),
        ("08:00:00.125Z", "08:00:00.123Z", &[]),
        ("08:00:00Z", "08:00:01Z", &[3, 2, 1]),
        ("09:00:00.124%2B01:00", "09:00:00.124+01:00", &[2]),
        ("02:30:00.125-05:30", "", &[3]),
    ] {
        let time = |time: &str| if time.is_empty() { String::new() } else { format!("2026-11-23T{time}") };
        for name in ["created", "resolved"] {
            let query = format!("{name}_after={}&{name}_before={}", time(after), time(before));
            assert_eq!(server.list(&query), expected, "{query}");
        }
    }
}

#[test]
fn a_span_finds_all_that_was_recorded_in_it_however_often_the_clock_went_back() {
    let server = Server::new();
    // Minutes: 0 5 10 | 3 8 | 1 | 1 6 | 4
    for step in [0, 5, 5, -7, 5, -7, 0, 5, -2] {
        server.advance(step * MINUTE);
        server.alert(json!({}));
    }
    for (from, to, expected) in [
        (0, 59, &[9, 8, 7, 6, 5, 4, 3, 2, 1][..]),
        (1, 4, &[9, 7, 6, 4]),
        (5, 8, &[8, 5, 2]),
        (9, 10, &[3]),
        (2, 2, &[]),
        (0, 0, &[1]),
        (4, 59, &[9, 8, 5, 3, 2]),
    ] {
        let time = |minute| format!("2026-11-23T08:{minute:02}:00.123Z");
        let query = format!("created_after={}&created_before={}", time(from), time(to));
        assert_eq!(server.list(&query), expected, "{query}");
        let ascending: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(server.list(&format!("{query}&sort=created_at")), ascending, "{query}");
        assert_eq!(server.list(&format!("{query}&severity=SEV2&search=disk")), expected, "{query}");
    }
}

#[test]
fn an_incident_of_several_services_is_found_once_under_any_of_them() {
    let server = Server::new();
    let body = json!({ "title": "Both (HUSH)", "service_ids": ["web", "db"] });
    server.post_to("/api/v1/incidents", body);
    server.alert(json!({ "service_id": "db" }));
    for status in ["new", "closed"] {
        if status == "closed" {
            server.set_status("INC-2026-001", "closed");
        }
        for sort in &SORTS[..if status == "closed" { 3 } else { 4 }] {
            let list = |query: &str| {
                let mut found = server.list(&format!("sort={sort}&status={status}&{query}"));
                found.sort_unstable();
                found
            };
            let others = if status == "new" { vec![1, 2] } else { vec![1] };
            assert_eq!(list("service_id=web"), [1], "{sort}");
            assert_eq!(list("service_id=SER-00002"), others, "{sort}");
            assert_eq!(list("service_id=web&service_id=db&service_id=SER-00002"), others, "{sort}");
            assert_eq!(list("service_id=old"), [0; 0], "{sort}");
            assert_eq!(list("service_id=db&search=both"), [1], "{sort}");
        }
    }
}

#[test]
fn a_name_that_the_configuration_has_forgotten_still_finds_its_history() {
    let mut server = Server::with(EDGE);
    server.post_to("/webhooks/HUSH-edge-key-0001", alert(json!({ "service_id": "db" })));
    server.restart(&format!("{HEAD}{}{PROD}", SERVICES.replace("SER-00002", "SER-00022")));
    assert_eq!(server.list("integration=edge&service_id=SER-00002"), [1]);
    // The alias means another service by now.
    assert_eq!(server.list("service_id=db"), [0; 0]);
}

#[test]
fn a_value_that_is_no_value_is_told_with_all_others() {
    let server = Server::new();
    let many = |name: &str, count: usize| vec![format!("{name}=x"); count].join("&");
    for name in ["service_id", "integration", "assigned_to", "resolved_by", "dedup_key"] {
        assert_eq!(server.list(&many(name, 50)), [0; 0]);
        let response = server.get(&format!("/api/v1/incidents?{}", many(name, 51)));
        assert_eq!(field_codes(&response), format!("{name}:too_many"));
    }
    for name in ["created_after", "created_before", "resolved_after", "resolved_before"] {
        for time in ["yesterday", "2026-11-23", "2026-11-23T08:00:00", "1795420800", "2026-13-01T00:00:00Z"] {
            let response = server.get(&format!("/api/v1/incidents?{name}={time}"));
            assert_eq!(field_codes(&response), format!("{name}:invalid"), "{time}");
        }
    }
    let long = "é".repeat(201).bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let query = format!(
        "{}&created_after=x&resolved_before=x&search={long}&sort=title&limit=101&offset=10001&status=open",
        many("dedup_key", 51)
    );
    let told = field_codes(&server.get(&format!("/api/v1/incidents?{query}")));
    let mut told: Vec<_> = told.split(' ').collect();
    told.sort_unstable();
    let expected = [
        "created_after:invalid",
        "dedup_key:too_many",
        "limit:out_of_range",
        "offset:out_of_range",
        "resolved_before:invalid",
        "search:too_long",
        "sort:not_in_list",
        "status:not_in_list",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_filter_filters_nothing() {
    let server = Server::new();
    server.alert(json!({}));
    for query in
        ["", "?", "&", "colour=red", "Status=closed", "created_after=", "search=", "cursor=", "search=%20+"]
    {
        assert_eq!(server.list(query), [1], "{query}");
    }
    assert_eq!(server.get("/api/v1/incidents").data()["total"], 1);
}
