//! `search`: all words, whatever their case and accents, the last as a prefix; nothing is missed, indexed or not.

use serde_json::json;

use crate::server::{HEAD, PROD, SERVICES, Server};

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[track_caller]
fn find(server: &Server, typed: &str) -> Vec<u32> {
    server.list(&format!("limit=100&search={}", percent(typed)))
}

#[test]
fn words_are_found_in_any_script_before_and_after_they_are_indexed() {
    let mut server = Server::new();
    for (title, description) in [
        ("Café résumé upload fails", ""),
        ("ΣΦΑΛΜΑ ΒΑΣΗΣ ΔΕΔΟΜΕΝΩΝ", ""),
        ("Ошибка Подключения", "к базе данных"),
        ("主数据库磁盘空间不足", ""),
        ("พื้นที่ดิสก์เต็ม", ""),
        ("디스크 공간 부족", ""),
        ("خطأ في قاعدة البيانات", ""),
        ("disk-usage (95%) on web-17: \"/var\" OR 1=1; --", "rack 12"),
        (&"👍".repeat(100), "thumbs"),
    ] {
        server.alert(json!({ "title": title, "description": description }));
    }
    let check = |server: &Server| {
        for (typed, found) in [
            ("CAFE", &[1][..]),
            ("resume cafè", &[1]),
            ("resu", &[1]),
            ("resu upload", &[]),
            ("βάσης σφαλμα", &[2]),
            ("подключ", &[3]),
            ("базе ошибка", &[3]),
            ("磁盘", &[4]),
            ("数据库 不足", &[4]),
            ("盘磁", &[]),
            ("ดิสก์", &[5]),
            ("디스", &[6]),
            ("قاعدة", &[7]),
            ("web 17", &[8]),
            ("WEB-17 rack", &[8]),
            ("\"usage\"", &[8]),
            ("usage*", &[8]),
            ("NEAR(disk", &[]),
            ("or", &[8]),
            ("1=1; --", &[8]),
            ("title:disk", &[]),
            ("^disk", &[8]),
            ("' OR 1=1 /*", &[8]),
            ("thumbs 👍", &[9]),
            ("nothing of this", &[]),
            // Nobody who types something wants everything.
            ("", &[9, 8, 7, 6, 5, 4, 3, 2, 1]),
            ("-- \u{0}\u{301} 👍", &[]),
        ] {
            assert_eq!(find(server, typed), found, "{typed}");
        }
    };
    check(&server);
    server.wait_for_index();
    check(&server);
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    check(&server);
    let long = server.get(&format!("/api/v1/incidents?search={}", "x".repeat(201)));
    assert_eq!(crate::server::field_codes(&long), "search:too_long");
}

#[test]
fn a_text_that_changed_is_found_by_what_it_says_now() {
    let server = Server::new();
    server.alert(json!({ "title": "before one", "dedup_key": "k" }));
    server.alert(json!({ "title": "before two" }));
    server.wait_for_index();
    for wait in [false, true] {
        let round = if wait { "second" } else { "first" };
        server.alert(json!({ "title": format!("webhook {round}"), "dedup_key": "k" }));
        let body = json!({ "description": format!("person {round}") }).to_string();
        server.send("PATCH", "/api/v1/incidents/INC-2026-002", &[], body.as_bytes()).data();
        if wait {
            server.wait_for_index();
        }
        for (typed, found) in
            [("webhook", &[1][..]), ("person", &[2]), ("before", &[2]), ("before one", &[]), (round, &[2, 1])]
        {
            assert_eq!(find(&server, typed), found, "{typed}, {round}");
        }
    }
    assert_eq!(find(&server, "first"), Vec::<u32>::new());
}

#[test]
fn many_words_that_begin_alike_hide_nothing() {
    let server = Server::new();
    for n in 0..90 {
        server.alert(json!({ "title": format!("host{n:03} is down"), "severity": if n == 7 { "SEV0" } else { "SEV3" } }));
    }
    for _ in 0..2 {
        let all: Vec<u32> = (1..=90).rev().collect();
        for typed in ["host", "h", "down ho", "i"] {
            assert_eq!(find(&server, typed), all, "{typed}");
        }
        assert_eq!(find(&server, "host007"), [8]);
        assert_eq!(server.list("search=host&severity=SEV0"), [8]);
        assert_eq!(server.list("search=host&sort=severity&limit=2"), [8, 90]);
        assert_eq!(
            server.list("search=down+host08&sort=created_at&limit=100"),
            (81..=90).collect::<Vec<_>>()
        );
        assert_eq!(server.list("search=host08&sort=-last_seen_at&limit=2"), [90, 89]);
        server.wait_for_index();
    }
}

#[test]
fn pages_of_a_search_lose_and_repeat_nothing_while_it_is_indexed() {
    let server = Server::new();
    for n in 0..60 {
        server.alert(json!({ "title": format!("disk {n}") }));
    }
    let (mut found, mut query) = (Vec::new(), "search=disk&limit=7".to_owned());
    loop {
        let page = server.get(&format!("/api/v1/incidents?{query}")).data();
        found.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| crate::server::sequence(&one["incident_number"])),
        );
        server.alert(json!({ "title": "disk again" }));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("search=disk&limit=7&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, (1..=60).rev().collect::<Vec<_>>());
}
