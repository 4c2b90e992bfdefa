//! `GET /api/v1/services`: the configuration's services, as clients see them.

use serde_json::{Value, json};

use crate::server::{HEAD, PROD, SERVICES, Server, field_codes};

const MORE: &str = "
[[services]]
id = 'SER-00004'
name = 'Größe der Welt'
description = 'Maps, and what lies around them'
aliases = ['maps', 'geo']
default_severity = 'SEV1'
";

fn server() -> Server {
    Server::start(&format!("{HEAD}{SERVICES}{MORE}{PROD}"))
}

fn keys(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["service_key"].as_str().unwrap()).collect()
}

#[test]
fn services_are_listed_in_the_order_of_the_configuration_with_the_contracts_fields() {
    let page = server().get("/api/v1/services").data();
    let service = |key, name, description, active, severity: Value| {
        json!({ "service_key": key, "name": name, "description": description, "is_active": active,
                "default_severity": severity })
    };
    let expected = json!([
        service("SER-00001", "Website", "", true, Value::Null),
        service("SER-00002", "Database", "", true, Value::Null),
        service("SER-00009", "Museum", "", false, Value::Null),
        service("SER-00004", "Größe der Welt", "Maps, and what lies around them", true, "SEV1".into()),
    ]);
    assert_eq!(page, json!({ "items": expected, "total": 4, "has_more": false, "next_offset": null }));
}

#[test]
fn a_service_is_shown_by_id_or_alias_active_or_not() {
    let server = server();
    for (reference, key) in [
        ("SER-00001", "SER-00001"),
        ("web", "SER-00001"),
        ("geo", "SER-00004"),
        ("old", "SER-00009"),
        ("SER%2D00009", "SER-00009"),
    ] {
        assert_eq!(server.get(&format!("/api/v1/services/{reference}")).data()["service_key"], key);
    }
    let listed = server.get("/api/v1/services?search=maps").data()["items"][0].clone();
    assert_eq!(server.get("/api/v1/services/maps").data(), listed);
    for reference in ["SER-00003", "WEB", "Website", "%20", "a%2Fb"] {
        let response = server.get(&format!("/api/v1/services/{reference}"));
        assert_eq!((response.status, response.code().as_str()), (404, "not_found"), "{reference}");
    }
}

#[test]
fn a_search_is_over_ids_names_descriptions_and_aliases() {
    let server = server();
    for (search, expected) in [
        ("", &["SER-00001", "SER-00002", "SER-00009", "SER-00004"][..]),
        ("ser", &["SER-00001", "SER-00002", "SER-00009", "SER-00004"]),
        ("SER-00002", &["SER-00002"]),
        ("data", &["SER-00002"]),
        ("DB", &["SER-00002"]),
        ("grosse+welt", &["SER-00004"]),
        ("maps+what", &["SER-00004"]),
        ("geo", &["SER-00004"]),
        ("muse", &["SER-00009"]),
        ("website+database", &[]),
        ("ebsite", &[]),
        ("%22*", &[]),
    ] {
        let page = server.get(&format!("/api/v1/services?search={search}")).data();
        assert_eq!((keys(&page), &page["total"]), (expected.to_vec(), &json!(expected.len())), "{search}");
    }
}

#[test]
fn services_come_by_pages() {
    let many: String = (1..=130).map(|n| format!("[[services]]\nid = 'S-{n:03}'\nname = 'n'\n")).collect();
    let server = Server::start(&format!("{HEAD}{many}{PROD}"));
    let page = |query: &str| server.get(&format!("/api/v1/services?{query}")).data();
    for (query, from, to) in [
        ("", 0, 20),
        ("?", 0, 20),
        ("limit=100", 0, 100),
        ("limit=100&offset=30", 30, 130),
        ("limit=100&offset=100", 100, 130),
        ("limit=1&offset=129&search=n&colour=red", 129, 130),
        ("offset=130", 130, 130),
        ("offset=10000", 130, 130),
    ] {
        let page = page(query);
        let expected: Vec<_> = (from + 1..=to).map(|n| format!("S-{n:03}")).collect();
        assert_eq!(keys(&page), expected, "{query}");
        let next = if to < 130 { json!(to) } else { Value::Null };
        let told = json!([page["total"], page["has_more"], page["next_offset"]]);
        assert_eq!(told, json!([130, to < 130, next]), "{query}");
    }
    let response = server.get("/api/v1/services?limit=0&offset=10001");
    assert_eq!(field_codes(&response), "offset:out_of_range limit:out_of_range");
    let long = "x".repeat(201);
    let response = server.get(&format!("/api/v1/services?limit=101&search={long}"));
    assert_eq!(field_codes(&response), "limit:out_of_range search:too_long");
    assert_eq!(server.get(&format!("/api/v1/services?search={}", &long[1..])).status, 200);
}

#[test]
fn a_reload_shows() {
    let server = server();
    server.reload(&format!("{HEAD}{}{PROD}", SERVICES.replace("Website", "Home page")));
    assert_eq!(server.get("/api/v1/services/web").data()["name"], "Home page");
    assert_eq!(server.get("/api/v1/services/maps").status, 404);
}
