//! The overview: what its tables say is what the incidents themselves say.

use std::path::Path;

use firebell::clock::{Clock, parse_rfc3339, rfc3339};
use firebell::config;
use firebell::model::Buckets;
use firebell::store::{Options, Store};
use rusqlite::Connection as Sqlite;
use serde_json::{Value, json};

use crate::http::Response;
use crate::server::{DAY, HEAD, HOUR, MINUTE, NOW_MS, PROD, SECOND, SERVICES, Server};

/// A part of the page: what stands between two texts.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(part, _)| part)
}

/// The texts of a table's cells.
#[track_caller]
fn table(page: &Response, id: &str) -> Vec<Vec<String>> {
    assert_eq!(page.status, 200, "{}", page.text);
    let Some(body) = between(&page.text, &format!("<table id=\"{id}-table\""), "</table>") else {
        return Vec::new();
    };
    let body = between(body, "<tbody>", "</tbody>").unwrap();
    let row = |row: &str| row.replace("<th", "<td").split("<td").skip(1).map(text).collect();
    body.split("<tr>").skip(1).map(row).collect()
}

/// A cell without its marks.
fn text(cell: &str) -> String {
    cell.split('>').map(|part| part.split('<').next().unwrap_or_default().trim()).skip(1).collect()
}

/// Where the rows of a table lead.
fn links(page: &Response, id: &str) -> Vec<String> {
    let table = between(&page.text, &format!("<table id=\"{id}-table\""), "</table>").unwrap_or_default();
    let links = table.split("<a href=\"").skip(1).map(|link| link.split('"').next().unwrap());
    links.map(|link| link.replace("&amp;", "&").replace("&#x2f;", "/")).collect()
}

/// How many incidents the API lists where a link leads.
#[track_caller]
fn listed(server: &Server, link: &str) -> i64 {
    let query = link.strip_prefix("/?status=all&").unwrap_or_else(|| panic!("{link}"));
    server.get(&format!("/api/v1/incidents?{query}&limit=1")).data()["total"].as_i64().unwrap()
}

/// An incident, as the API tells of it.
#[derive(Debug)]
struct Told {
    severity: usize,
    created: i64,
    acknowledged: Option<i64>,
    resolved: Option<i64>,
    ended: Option<i64>,
}

fn told(server: &Server) -> Vec<Told> {
    let all = server.get("/api/v1/incidents?limit=100").data();
    assert_eq!(all["has_more"], false);
    let time = |one: &Value, name: &str| one[name].as_str().map(|text| parse_rfc3339(text).unwrap());
    let told = |one: &Value| Told {
        severity: one["severity"].as_str().unwrap()[3..].parse().unwrap(),
        created: time(one, "created_at").unwrap(),
        acknowledged: time(one, "acknowledged_at"),
        resolved: time(one, "resolved_at"),
        ended: time(one, "resolved_at").or(time(one, "closed_at")),
    };
    all["items"].as_array().unwrap().iter().map(told).collect()
}

/// The least value that so many percent of all do not exceed, in words.
fn percentile(values: &[i64], percent: usize) -> String {
    let reached =
        |least: &&i64| values.iter().filter(|value| value <= least).count() * 100 >= values.len() * percent;
    let Some(seconds) = values.iter().filter(reached).min().map(|ms| ms / 1000) else { return "–".into() };
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, ..) => format!("{days} d"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// Holds the page against what the API tells: `count` columns of that width up to now.
#[track_caller]
fn check(server: &Server, span: &str, now: i64, width: i64, count: i64) {
    let page = server.get(&format!("/overview?span={span}"));
    let told = told(server);
    let from = now / width * width - width * (count - 1);
    let in_span = |one: &Told| one.created >= from && one.created < from + width * count;
    let within = |at: i64, start: i64| at >= start && at < start + width;
    let (mut created, mut open) = (Vec::new(), Vec::new());
    for start in (0..count).map(|index| from + width * index) {
        let time = rfc3339(start);
        let time =
            if width == DAY { time[..10].into() } else { format!("{} {}", &time[..10], &time[11..16]) };
        let of = |severity| {
            told.iter().filter(|one| one.severity == severity && within(one.created, start)).count()
        };
        let counts: Vec<_> = (0..5).map(of).collect();
        let all: usize = counts.iter().sum();
        created.push(
            [time.clone()].into_iter().chain(counts.iter().chain([&all]).map(ToString::to_string)).collect(),
        );
        let at_end =
            |one: &&Told| one.created < start + width && one.ended.is_none_or(|end| end >= start + width);
        open.push(vec![time, told.iter().filter(at_end).count().to_string()]);
    }
    let empty = !told.iter().any(in_span);
    assert_eq!(table(&page, "created"), if empty { Vec::<Vec<String>>::new() } else { created }, "{told:?}");
    assert_eq!(table(&page, "open"), open, "{told:?}");
    let counts: Vec<_> = links(&page, "created").iter().map(|link| listed(server, link)).collect();
    let shown: Vec<i64> = table(&page, "created").iter().map(|row| row[6].parse().unwrap()).collect();
    assert_eq!(counts, shown, "where the rows lead");
    for (id, took) in [
        ("acknowledge", (|one| Some(one.acknowledged? - one.created)) as fn(&Told) -> Option<i64>),
        ("resolve", |one| Some(one.resolved? - one.created)),
    ] {
        let expected = (0..5).map(|severity| {
            let of = told.iter().filter(|one| one.severity == severity && in_span(one));
            let values: Vec<_> = of.filter_map(took).collect();
            let [median, p90] = [50, 90].map(|percent| percentile(&values, percent));
            vec![format!("SEV{severity}"), values.len().to_string(), median, p90]
        });
        let mut expected: Vec<_> = expected.collect();
        if expected.iter().all(|row: &Vec<String>| row[1] == "0") {
            expected.clear();
        }
        assert_eq!(table(&page, id), expected, "{id}");
    }
}

#[test]
fn tables_say_what_the_incidents_say() {
    let server = Server::new();
    let (mut now, mut open, mut random) = (NOW_MS, Vec::new(), 12_345_u64);
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..90 {
        let by = (next(5 * 60) as i64 + 1) * MINUTE + next(1000) as i64;
        server.advance(by);
        now += by;
        let number =
            server.alert(json!({ "severity": format!("SEV{}", next(5)) }))["incident_number"].clone();
        open.push(number.as_str().unwrap().to_owned());
        let at = next(open.len() as u64) as usize;
        match next(8) {
            0..=2 => drop(server.post_to(&format!("/api/v1/incidents/{}/acknowledge", open[at]), "{}")),
            3 | 4 => drop(server.set_status(&open.swap_remove(at), "resolved")),
            5 => drop(server.set_status(&open.swap_remove(at), "closed")),
            6 => {
                // What is open again was never resolved.
                server.set_status(&open[at], "resolved");
                server.set_status(&open[at], "investigating");
            }
            _ => {}
        }
    }
    assert!(now - NOW_MS > 8 * DAY, "some are from before the span");
    check(&server, "24h", now, HOUR, 24);
    check(&server, "7d", now, 6 * HOUR, 28);
    check(&server, "", now, 6 * HOUR, 28);
    check(&server, "for%20ever", now, 6 * HOUR, 28);
    check(&server, "30d", now, DAY, 30);
    check(&server, "90d", now, DAY, 90);
}

#[test]
fn an_empty_store_says_so() {
    let server = Server::new();
    for span in ["24h", "7d", "30d", "90d"] {
        let page = server.get(&format!("/overview?span={span}"));
        assert_eq!(page.status, 200);
        assert_eq!(page.text.matches("class=\"empty\"").count(), 5, "{}", page.text);
        assert!(!page.text.contains("<svg"), "{}", page.text);
        assert!(page.text.contains("No incident was recorded in the last"));
    }
}

#[test]
fn a_clock_that_goes_back_mixes_nothing_up() {
    let server = Server::new();
    let mut now = NOW_MS;
    for by in
        [0, 3 * DAY, -2 * DAY, HOUR, 20 * DAY, -19 * DAY, 5 * HOUR, -2 * HOUR, 2 * DAY, -9 * DAY, 9 * DAY]
    {
        server.advance(by);
        now += by;
        let numbers: Vec<_> = (0..3).map(|_| server.alert(json!({}))["incident_number"].clone()).collect();
        server.acknowledge(numbers[0].as_str().unwrap());
        server.set_status(numbers[1].as_str().unwrap(), "resolved");
        server.advance(MINUTE);
        now += MINUTE;
        server.set_status(numbers[2].as_str().unwrap(), "closed");
    }
    check(&server, "24h", now, HOUR, 24);
    check(&server, "7d", now, 6 * HOUR, 28);
    check(&server, "30d", now, DAY, 30);
}

#[test]
fn what_a_clock_recorded_in_the_future_is_not_open_yet() {
    let server = Server::new();
    server.advance(20 * DAY);
    server.alert(json!({}));
    server.advance(-20 * DAY);
    let page = server.get("/overview");
    assert!(table(&page, "open").is_empty(), "{}", page.text);
    server.alert(json!({}));
    check(&server, "7d", NOW_MS, 6 * HOUR, 28);
}

#[test]
fn a_span_begins_and_ends_to_the_millisecond() {
    let server = Server::new();
    let hour = NOW_MS / HOUR * HOUR;
    let mut now = NOW_MS;
    let mut alert_at = |at: i64| {
        server.advance(at - now);
        now = at;
        server.alert(json!({ "severity": "SEV1" }));
    };
    for at in [HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR, 24 * HOUR] {
        alert_at(hour + at);
    }
    let page = server.get("/overview?span=24h");
    let rows = table(&page, "created");
    let counted: Vec<_> =
        rows.iter().filter(|row| row[6] != "0").map(|row| (row[0].as_str(), row[2].as_str())).collect();
    // The first was recorded a millisecond before the span.
    assert_eq!(counted, [("2026-11-23 09:00", "2"), ("2026-11-23 10:00", "1"), ("2026-11-24 08:00", "1")]);
    assert_eq!(table(&page, "open").iter().map(|row| row[1].as_str()).next(), Some("3"));
    check(&server, "24h", hour + 24 * HOUR, HOUR, 24);
}

#[test]
fn the_noisiest_keys_come_first_and_nothing_in_them_is_markup() {
    let server = Server::with(
        "[[integrations]]\nname = 'other'\nsource = 'custom'\nrouting_keys = ['HUSH-other-key-01']\n",
    );
    let hostile = "\"><script>alert(1)</script>&'<b>";
    for _ in 0..3 {
        server.alert(json!({ "dedup_key": hostile, "title": "</title><script>alert(2)</script>" }));
    }
    for index in 0..12 {
        server.alert(json!({ "dedup_key": format!("once-{index}") }));
    }
    let closed = server.alert(json!({ "dedup_key": "twice", "title": "First" }))["incident_number"].clone();
    server.set_status(closed.as_str().unwrap(), "closed");
    server.advance(SECOND);
    server.alert(json!({ "dedup_key": "twice", "title": "Second" }));
    // The same key elsewhere is another one.
    let other = crate::server::alert(json!({ "dedup_key": "twice" }));
    server.post_to("/webhooks/HUSH-other-key-01", other);
    server.alert(json!({}));
    let page = server.get("/overview");
    assert!(!page.text.contains("<script>alert") && !page.text.contains("<b>"), "{}", page.text);
    let rows = table(&page, "keys");
    assert_eq!(rows.len(), 10, "{rows:?}");
    assert_eq!(rows[0][1..], ["", "3", "1"], "{rows:?}");
    assert!(rows[0][0].contains("&lt;script&gt;alert(1)&lt;"), "{rows:?}");
    assert_eq!(
        (rows[1][0].as_str(), &rows[1][1..]),
        ("twiceprodSecond", &["", "2", "2"].map(String::from)[..])
    );
    let links = links(&page, "keys");
    assert_eq!([listed(&server, &links[0]), listed(&server, &links[1])], [1, 2]);
    // The page that the link leads to takes it.
    let list = server.get(&links[0]);
    assert!(list.text.contains("INC-2026-001") && !list.text.contains("INC-2026-002"), "{}", list.text);
}

#[test]
fn it_is_for_those_who_may_read_incidents() {
    let server = Server::with(
        "[[tokens]]\nname = 'reader'\ntoken = 'HUSH-reader-token-1'\nscopes = ['incidents:read']
         [[tokens]]\nname = 'writer'\ntoken = 'HUSH-writer-token-1'\nscopes = ['incidents:write', 'services:read']\n",
    );
    let ask = |token: &str| {
        let login = server.send("POST", "/login", &[], format!("token={token}").as_bytes());
        let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap();
        server.send("GET", "/overview", &[("Cookie", cookie), ("Accept", "text/html")], b"")
    };
    assert_eq!([ask("HUSH-reader-token-1").status, ask("HUSH-writer-token-1").status], [200, 403]);
    let stranger = server.get("/overview");
    assert_eq!((stranger.status, stranger.header("location")), (303, Some("/login?next=%2Foverview")));
}

/// A store with 25,000 incidents, one a minute, most of which have ended after `took` minutes; every seventh was closed
/// without having been resolved.
fn long_history(folder: &Path, steps: bool) -> (Store, Sqlite) {
    let config = folder.join("config.toml");
    std::fs::write(&config, format!("{HEAD}{SERVICES}{PROD}")).unwrap();
    let config = config::load(&config, &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    let (store, _answers) = Store::open(&Options::of(&config), Clock::manual(NOW_MS)).unwrap();
    let file = Sqlite::open(folder.join("firebell.db")).unwrap();
    file.execute_batch(&format!(
        "INSERT OR IGNORE INTO service (id, key, name) VALUES (1, 'SER-00001', 'Website');
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
         INSERT INTO incident (id, service, status, severity, holds_key, occurrences, entries, created_at, updated_at,
             last_seen_at, seen_minute, resolved_at, closed_at, title, metadata)
         SELECT 20260000000000 + i, 1, iif(i % 5 = 0, 0, iif(i % 7 = 0, 5, 4)), i % 5, 0, 1, 1, at, 0, 0, 0,
             iif(i % 5 > 0 AND i % 7 > 0, at + i % 2000 * {MINUTE}, NULL),
             iif(i % 5 > 0 AND i % 7 = 0, at + i % 2000 * {MINUTE}, NULL), 'x', '{{}}'
         FROM (SELECT i, {NOW_MS} - (25000 - i) * {MINUTE} AS at FROM n);"
    ))
    .unwrap();
    if steps {
        // Ten that a clock recorded which had gone back to before the span.
        file.execute_batch(&format!(
            "INSERT INTO clock_step (incident) VALUES (20260000020001);
             UPDATE incident SET created_at = {NOW_MS} - 16 * {DAY} + id % 10
             WHERE id BETWEEN 20260000020001 AND 20260000020009"
        ))
        .unwrap();
    }
    (store, file)
}

#[test]
fn what_is_too_much_is_cut_off_and_the_rest_is_right() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for steps in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (store, file) = long_history(folder.path(), steps);
        let buckets = Buckets::up_to(NOW_MS, DAY, 15);
        let overview =
            |most, most_before| runtime.block_on(store.overview(buckets, most, most_before)).unwrap();
        let (all, cut, searched) =
            (overview(1_000_000, 1_000_000), overview(10_000, 1_000_000), overview(1_000_000, 100));
        for (index, open) in all.open.iter().enumerate() {
            let sql = "SELECT count(*) FROM incident
                       WHERE created_at < ?1 AND coalesce(resolved_at, closed_at, 9e18) >= ?1";
            // What ends in the future has ended: it says so.
            let end = if index == 14 { i64::MAX } else { buckets.start(index + 1) };
            let expected: i64 = file.query_row(sql, [end], |row| row.get(0)).unwrap();
            assert_eq!(*open, if index == 14 { 5000 } else { expected }, "{index} {steps}");
        }
        // Not all from before was searched, which is told.
        assert_eq!(
            (all.searched_before, cut.searched_before, searched.searched_before),
            (None, None, Some(100))
        );
        assert_eq!((searched.open[14], &searched.created), (all.open[14], &all.created));
        assert_eq!((all.cut_at, cut.cut_at), (None, Some(NOW_MS - 9999 * MINUTE)));
        assert_eq!(cut.looked_at, 10_000);
        assert_eq!(cut.created.iter().flatten().sum::<i64>(), if steps { 9991 } else { 10_000 });
        let known = (0..15).find(|index| buckets.start(*index) > cut.cut_at.unwrap()).unwrap();
        assert_eq!(
            (&all.created[known..], &all.open[known - 1..]),
            (&cut.created[known..], &cut.open[known - 1..])
        );
        store.close();
    }
}
