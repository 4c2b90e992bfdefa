//! Lists of more than one page may look at: whatever lies far behind is reached by cursor.

use serde_json::Value;

use crate::server::{HEAD, PROD, SERVICES, Server, sequence};

/// A server whose store has `count` open incidents of last year, the n-th made by `columns` of n: when it was made and
/// seen, to whom it is assigned, its title.
fn server(count: u32, columns: &str, more: &str) -> Server {
    let mut server = Server::new();
    server.stop();
    let file = rusqlite::Connection::open(server.path()).unwrap();
    file.execute_batch(&format!(
        "INSERT INTO incident (id, integration, service, status, severity, holds_key, occurrences, entries, created_at,
             updated_at, last_seen_at, seen_minute, assigned_to, title, metadata)
         WITH RECURSIVE sequence (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM sequence WHERE n < {count}),
             made (n, at, assignee, title) AS (SELECT n, {columns} FROM sequence)
         SELECT 20250000000000 + n, 1, 1, 0, 2, 0, 1, 1, at, at, at, at / 60000, assignee, title, '{{}}' FROM made;
         INSERT INTO event (incident, at, kind) SELECT id, created_at, 0 FROM incident;
         INSERT INTO counter (year, last) VALUES (2025, {count});
         {more}"
    ))
    .unwrap();
    drop(file);
    server.restart(&format!("{HEAD}{SERVICES}{PROD}"));
    server
}

/// All that a list has, page by page, and how many pages that takes.
fn walk(server: &Server, query: &str) -> (Vec<u32>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = server.get(&format!("/api/v1/incidents?{query}{cursor}")).data();
        let items = page["items"].as_array().unwrap().iter();
        found.extend(items.map(|item| sequence(&item["incident_number"])));
        pages += 1;
        assert!(pages < 1000, "{query} has no end");
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return (found, pages),
        }
    }
}

#[test]
fn those_seen_last_are_walked_beyond_what_is_collected_at_once() {
    // 100 of them in a minute, the last made seen last.
    let server = server(100_500, "1735689600000 + n * 600, iif(n IN (1, 2, 70000), 'ada', NULL), 'Old'", "");
    let (found, pages) = walk(&server, "sort=-last_seen_at&assigned_to=ada");
    assert_eq!(found, [70_000, 2, 1]);
    assert!((3..200).contains(&pages), "{pages} pages");
    let page = server.get("/api/v1/incidents?sort=-last_seen_at&limit=1").data();
    assert_eq!((&page["total"], &page["total_exact"]), (&Value::from(10_000), &Value::from(false)));
}

#[test]
fn a_storm_within_one_minute_hides_nothing_before_it() {
    let at = "iif(n > 3, 1735689660000 + n / 2, 1735689600000 + n)";
    let server = server(100_100, &format!("{at}, iif(n IN (1, 3, 100100), 'ada', NULL), 'Old'"), "");
    assert_eq!(walk(&server, "sort=-last_seen_at&assigned_to=ada").0, [100_100, 3, 1]);
}

#[test]
fn more_changed_texts_than_a_search_looks_at_one_by_one_hide_nothing() {
    let changed =
        "INSERT INTO search_changed SELECT id FROM incident; UPDATE search SET up_to = 20250000025000;";
    let server = server(25_000, "1735689600000 + n, NULL, iif(n IN (1, 24000), 'Fresh', 'Old')", changed);
    let (found, pages) = walk(&server, "search=fresh");
    assert_eq!(found, [24_000, 1]);
    assert!((2..100).contains(&pages), "{pages} pages");
    assert_eq!(walk(&server, "search=fresh&offset=1").0, [1]);
}
