//! `GET /api/v1/incidents`: filters, pages, totals.

use serde_json::{Value, json};

use crate::http::Connection;
use crate::server::{HEAD, PROD, SERVICES, Server, WEBHOOK, alert, field_codes, sequence};

/// Posts incidents 1 to `count` over one connection.
fn fill(server: &Server, count: u32, members: impl Fn(u32) -> Value) {
    let mut connection = Connection::open(server.addr()).unwrap();
    for n in 1..=count {
        let body = alert(members(n)).to_string();
        assert_eq!(connection.try_send("POST", WEBHOOK, &[], body.as_bytes()).unwrap().status, 201);
    }
}

fn page(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/v1/incidents?{query}")).data()
}

fn numbers(page: &Value) -> Vec<u32> {
    page["items"].as_array().unwrap().iter().map(|item| sequence(&item["incident_number"])).collect()
}

#[test]
fn a_filter_is_or_within_a_name_and_and_across_names() {
    let server = Server::new();
    // 1 SEV0 web new a · 2 SEV1 db investigating b · 3 SEV2 web resolved c · 4 SEV3 db new · 5 SEV4 web fixing · 6 closed
    let statuses = ["new", "investigating", "resolved", "new", "new", "new"];
    let keys = [json!("a"), json!("b"), json!("c"), Value::Null, Value::Null, json!("a&b=c d")];
    fill(&server, 6, |n| {
        let index = n as usize - 1;
        json!({
            "severity": format!("SEV{}", index % 5),
            "service_id": if n % 2 == 1 { "web" } else { "db" },
            "status": statuses[index],
            "dedup_key": keys[index],
        })
    });
    server.set_status("INC-2026-005", "fixing");
    server.set_status("INC-2026-006", "closed");
    for (query, expected) in [
        ("", &[6, 5, 4, 3, 2, 1][..]),
        ("?", &[6, 5, 4, 3, 2, 1]),
        ("status=new", &[4, 1]),
        ("status=new&status=resolved", &[4, 3, 1]),
        ("status=resolved&status=new&status=new", &[4, 3, 1]),
        ("status=closed", &[6]),
        ("status=monitoring", &[]),
        ("severity=SEV0", &[6, 1]),
        ("severity=sev0&severity=SEV4", &[6, 5, 1]),
        ("service_id=SER-00001", &[5, 3, 1]),
        ("service_id=db", &[6, 4, 2]),
        ("service_id=db&service_id=SER-00001", &[6, 5, 4, 3, 2, 1]),
        ("service_id=SER-77777", &[]),
        ("service_id=SER-77777&service_id=db", &[6, 4, 2]),
        ("dedup_key=a", &[1]),
        ("dedup_key=a&dedup_key=c", &[3, 1]),
        ("dedup_key=a%26b%3Dc+d", &[6]),
        ("dedup_key=nobody", &[]),
        ("dedup_key=", &[]),
        ("status=new&service_id=db", &[4]),
        ("status=new&severity=SEV0&service_id=web&dedup_key=a", &[1]),
        ("status=new&severity=SEV0&service_id=db", &[]),
        ("status=new&status=closed&severity=SEV0&severity=SEV3", &[6, 4, 1]),
        ("sort=-created_at&colour=red&status=new", &[4, 1]),
    ] {
        let page = page(&server, query);
        assert_eq!(numbers(&page), expected, "{query}");
        let told = (&page["total"], &page["total_exact"], &page["has_more"]);
        assert_eq!(told, (&json!(expected.len()), &json!(true), &json!(false)), "{query}");
        assert_eq!((&page["next_offset"], &page["next_cursor"]), (&Value::Null, &Value::Null), "{query}");
    }
}

#[test]
fn an_item_is_the_incident_as_it_reads_by_its_number_but_for_the_timeline() {
    let server = Server::new();
    server.alert(json!({ "dedup_key": "k", "metadata": { "a": [1] }, "description": "d" }));
    server.acknowledge("INC-2026-001");
    let mut shown = server.show("INC-2026-001");
    shown.as_object_mut().unwrap().retain(|field, _| !field.starts_with("timeline"));
    assert_eq!(page(&server, "")["items"], json!([shown]));
}

#[test]
fn a_walk_by_cursor_or_by_offset_sees_each_incident_once() {
    let server = Server::new();
    fill(&server, 250, |n| json!({ "severity": if n % 3 == 0 { "SEV1" } else { "SEV2" } }));
    let every: Vec<u32> = (1..=250).rev().collect();
    let thirds: Vec<u32> = every.iter().copied().filter(|n| n % 3 == 0).collect();
    for (filter, expected) in [("", &every), ("severity=SEV1", &thirds)] {
        for limit in [7, 50, 100] {
            for by_cursor in [true, false] {
                let mut seen: Vec<u32> = Vec::new();
                let mut next = String::new();
                loop {
                    let page = page(&server, &format!("{filter}&limit={limit}{next}"));
                    let found = numbers(&page);
                    assert_eq!(
                        (&page["total"], &page["total_exact"]),
                        (&json!(expected.len()), &json!(true))
                    );
                    seen.extend(&found);
                    assert_eq!(page["has_more"], seen.len() < expected.len());
                    assert_eq!(
                        found.len() < limit,
                        seen.len() == expected.len() && !seen.len().is_multiple_of(limit)
                    );
                    if page["has_more"] == false {
                        assert_eq!(
                            (&page["next_offset"], &page["next_cursor"]),
                            (&Value::Null, &Value::Null)
                        );
                        break;
                    }
                    next = match by_cursor {
                        true => format!("&cursor={}", page["next_cursor"].as_str().unwrap()),
                        false => format!("&offset={}", page["next_offset"]),
                    };
                }
                assert_eq!(seen, *expected, "{filter} {limit} {by_cursor}");
            }
        }
    }
    assert_eq!(numbers(&page(&server, "")).len(), 20, "the default");
    assert_eq!(numbers(&page(&server, "offset=245")), [5, 4, 3, 2, 1]);
    assert_eq!(numbers(&page(&server, "offset=250")), [0; 0]);
    assert_eq!(numbers(&page(&server, "offset=10000")), [0; 0]);
}

#[test]
fn what_comes_in_during_a_walk_by_cursor_shifts_nothing() {
    let server = Server::new();
    fill(&server, 6, |_| json!({}));
    let first = page(&server, "limit=2");
    server.alert(json!({}));
    let second = page(&server, &format!("limit=2&cursor={}", first["next_cursor"].as_str().unwrap()));
    server.alert(json!({}));
    // Clients that always send an offset mean that of the first page.
    let cursor = second["next_cursor"].as_str().unwrap();
    let third = page(&server, &format!("limit=9&offset=1&cursor={cursor}"));
    assert_eq!([numbers(&first), numbers(&second), numbers(&third)], [vec![6, 5], vec![4, 3], vec![2, 1]]);
    assert_eq!(third["total"], 8);
}

#[test]
fn of_a_long_history_a_page_looks_at_a_part_and_says_so() {
    let mut server = Server::new();
    server.stop();
    // 25,000 closed incidents of last year. Two are SEV0; of the others, every second one is SEV2 and about the database,
    // and every second one SEV3 and about the website, but for the first, which is SEV3 and about the database.
    rusqlite::Connection::open(server.path())
        .unwrap()
        .execute_batch(
            "INSERT INTO incident (id, integration, service, status, severity, holds_key, occurrences, entries,
                 created_at, updated_at, last_seen_at, seen_minute, closed_at, title, metadata)
             WITH RECURSIVE sequence (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM sequence WHERE n < 25000)
             SELECT 20250000000000 + n, 1, iif(n = 1 OR n % 2 = 0, 2, 1), 5,
                 iif(n IN (2, 24000), 0, iif(n % 2 = 0, 2, 3)), 0, 1, 1, n, n, n, 0, n, 'Old', '{}'
             FROM sequence;
             INSERT INTO event (incident, at, kind) SELECT id, created_at, 0 FROM incident;
             INSERT INTO counter (year, last) VALUES (2025, 25000);",
        )
        .unwrap();
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    // Until they are indexed, a search looks at rows: it finds as much, but counts fewer of them.
    server.wait_for_index();
    for (query, found, total, exact, next_offset) in [
        ("limit=2", &[25_000, 24_999][..], 10_000, false, json!(2)),
        ("limit=2&offset=9998", &[15_002, 15_001], 10_000, false, json!(10_000)),
        ("limit=2&offset=9999", &[15_001, 15_000], 10_000, false, Value::Null),
        ("limit=2&sort=created_at", &[1, 2], 10_000, false, json!(2)),
        ("limit=2&sort=severity", &[24_000, 2], 10_000, false, json!(2)),
        ("limit=2&sort=severity&offset=1", &[2, 25_000], 10_000, false, json!(3)),
        // What an index leads to is found wherever it is.
        ("severity=SEV0", &[24_000, 2], 2, true, Value::Null),
        ("severity=SEV0&limit=1", &[24_000], 2, true, json!(1)),
        ("severity=SEV0&service_id=db&status=closed", &[24_000, 2], 2, true, Value::Null),
        ("status=new", &[], 0, true, Value::Null),
        (
            "created_after=1970-01-01T00:00:00.005Z&created_before=1970-01-01T00:00:00.007Z",
            &[7, 6, 5],
            3,
            true,
            Value::Null,
        ),
        ("search=old&limit=1", &[25_000], 10_000, false, json!(1)),
    ] {
        let page = page(&server, query);
        assert_eq!(numbers(&page), found, "{query}");
        assert_eq!((&page["total"], &page["total_exact"]), (&json!(total), &json!(exact)), "{query}");
        assert_eq!(page["next_offset"], next_offset, "{query}");
    }
    // Where no index leads to few, it takes as many pages as it takes, and what one could not skip the next ones do.
    for (offset, expected) in [(0, &[1][..]), (1, &[])] {
        let (mut found, mut query) = (Vec::new(), format!("severity=SEV3&service_id=db&offset={offset}"));
        loop {
            let page = page(&server, &query);
            found.extend(numbers(&page));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("severity=SEV3&service_id=db&cursor={cursor}");
        }
        assert_eq!(found, expected, "{offset}");
    }
    // What is new is found whatever lies behind it.
    server.alert(json!({}));
    assert_eq!(numbers(&page(&server, "status=new")), [1]);
}

#[test]
fn a_cursor_is_good_for_its_own_filters_only() {
    let server = Server::new();
    fill(&server, 5, |_| json!({ "dedup_key": null }));
    let cursor = |filter: &str| {
        page(&server, &format!("limit=2&{filter}"))["next_cursor"].as_str().unwrap().to_owned()
    };
    let (plain, filtered) = (cursor(""), cursor("status=new&severity=SEV2"));
    for (query, valid) in [
        (format!("cursor={plain}"), true),
        (format!("cursor={plain}&limit=100"), true),
        (format!("cursor={plain}&sort=-created_at&colour=red"), true),
        (format!("cursor={plain}&status=new"), false),
        (format!("cursor={plain}&dedup_key=k"), false),
        (format!("cursor={filtered}&status=new&severity=SEV2"), true),
        (format!("cursor={filtered}&severity=SEV2&status=new"), true),
        (format!("cursor={filtered}&severity=sev2&status=new"), true),
        (format!("cursor={filtered}&status=new"), false),
        (format!("cursor={filtered}"), false),
        (format!("cursor={}", plain.to_uppercase().replace('-', "_")), false),
        ("cursor=x".into(), false),
        ("cursor=-".into(), false),
        ("cursor=ffffffffffffffffffffff-00000000".into(), false),
        ("cursor=".into(), true),
    ] {
        let response = server.get(&format!("/api/v1/incidents?{query}"));
        if valid {
            assert_eq!(response.status, 200, "{query}");
        } else {
            assert_eq!(field_codes(&response), "cursor:invalid", "{query}");
        }
    }
}

#[test]
fn bad_parameters_are_told_all_at_once() {
    let server = Server::new();
    for (query, expected) in [
        ("limit=0", "limit:out_of_range"),
        ("limit=101", "limit:out_of_range"),
        ("limit=-1", "limit:out_of_range"),
        ("limit=ten", "limit:out_of_range"),
        ("limit=99999999999999999999999", "limit:out_of_range"),
        ("offset=-1", "offset:out_of_range"),
        ("offset=10001", "offset:out_of_range"),
        ("status=open", "status:not_in_list"),
        ("status=New", "status:not_in_list"),
        ("status=new&status=", "status:not_in_list"),
        ("severity=SEV5", "severity:not_in_list"),
        ("sort=created", "sort:not_in_list"),
        (
            "status=x&severity=y&limit=0&offset=x&cursor=x&status=z",
            "status:not_in_list status:not_in_list severity:not_in_list offset:out_of_range limit:out_of_range cursor:invalid",
        ),
    ] {
        let found = field_codes(&server.get(&format!("/api/v1/incidents?{query}")));
        let sorted = |codes: &str| {
            let mut codes: Vec<_> = codes.split(' ').map(ToOwned::to_owned).collect();
            codes.sort();
            codes
        };
        assert_eq!(sorted(&found), sorted(expected), "{query}");
    }
    for query in ["limit=1", "limit=100", "offset=0", "offset=10000", "limit=101&limit=5", "%ff=%ff&=&&"] {
        assert_eq!(server.get(&format!("/api/v1/incidents?{query}")).status, 200, "{query}");
    }
}
