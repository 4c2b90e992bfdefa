//! `GET /openapi.json`: it is what it says it is, it names what there is, and its examples work. That every answer is
//! as it says is checked wherever a test sends a request ([`crate::document`]).

use std::collections::BTreeSet;

use firebell::route::{self, Route};
use serde_json::{Map, Value, json};

use crate::document::{self, DOCUMENT, TEXT, escape, problems, resolve};
use crate::http::Connection;
use crate::server::{Server, WEBHOOK, alert};

const PAGERDUTY_KEY: &str = "HUSHpagerduty0000000000000000001";
const NTFY_KEY: &str = "HUSH-ntfy-key-0001";
const GOTIFY_KEY: &str = "HUSH-gotify-key-001";
const HEARTBEAT_KEY: &str = "HUSH-backup-key-001";

/// Every operation: path, method, and what is documented of it.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
        operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// A path that leads somewhere, on a server with the incident 1.
fn path(template: &str) -> String {
    let template = template.replace("{key}", HEARTBEAT_KEY).replace("{signal}", "start");
    let key = if template.starts_with("/ntfy") { NTFY_KEY } else { WEBHOOK.rsplit('/').next().unwrap() };
    let template = template
        .replace("{topic}", "web")
        .replace("{sequence_id}", "job-1")
        .replace("/message", &format!("/message?token={GOTIFY_KEY}"));
    let path = template.replace("{routing_key}", key).replace("{number}", "INC-2026-001");
    path.replace("{id}", "SER-00001")
        .replace("{name}", "prod")
        .replace("{delivery_id}", "1")
        .replace("{silence_id}", "1")
}

/// With a sender of each kind.
fn server() -> Server {
    let kinds = [("pagerduty", PAGERDUTY_KEY), ("ntfy", NTFY_KEY), ("gotify", GOTIFY_KEY)];
    let integration = |(kind, key)| {
        format!(
            "[[integrations]]\nname = '{kind}'\nsource = '{kind}'\nrouting_keys = ['{key}']\n\
             default_service = 'db'\n"
        )
    };
    let heartbeat = format!(
        "[[heartbeats]]\nname = 'backup'\nkeys = ['{HEARTBEAT_KEY}']\nservice = 'web'\nperiod = '1d'\n"
    );
    let server = Server::with(&(kinds.map(integration).concat() + &heartbeat));
    server.alert(json!({}));
    server.post_to("/api/v1/silences", json!({ "text": "x", "minutes": 5, "comment": "x" })).data();
    server
}

/// The bodies that an operation takes, and the pointer to their schema.
fn request_examples(path: &str, method: &str, operation: &Value) -> Option<(String, Map<String, Value>)> {
    let content = operation.pointer("/requestBody/content/application~1json")?;
    let pointer = format!("/paths/{}/{method}/requestBody/content/application~1json/schema", escape(path));
    Some((pointer, content["examples"].as_object().unwrap().clone()))
}

#[test]
fn it_is_served_as_it_is_under_the_version_that_runs() {
    let response = server().get("/openapi.json");
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert_eq!(response.text, TEXT);
    assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn it_is_openapi_3_1_and_its_schemas_are_schemas() {
    // The official one, for OpenAPI 3.1.
    let meta: Value = serde_json::from_str(include_str!("../support/openapi-3.1-schema.json")).unwrap();
    let meta = jsonschema::validator_for(&meta).unwrap();
    let problems: Vec<_> = meta.iter_errors(&DOCUMENT).map(|error| error.to_string()).collect();
    assert_eq!(problems, [""; 0]);
    let mut schemas = 0;
    visit(&DOCUMENT, "", &mut |pointer, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(DOCUMENT.pointer(&reference[1..]).is_some(), "{pointer}: {reference} leads nowhere");
        }
        let named = pointer.strip_prefix("/components/schemas/").is_some_and(|name| !name.contains('/'));
        if named || pointer.ends_with("/schema") {
            jsonschema::draft202012::meta::validate(value)
                .unwrap_or_else(|error| panic!("{pointer}: {error}"));
            schemas += 1;
        }
    });
    assert!(schemas > 100, "{schemas}");
    let mut used = BTreeSet::new();
    visit(&DOCUMENT, "", &mut |_, value| {
        used.extend(value.get("$ref").and_then(Value::as_str).map(|reference| reference[2..].to_owned()));
    });
    for (kind, components) in DOCUMENT["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            // Those of the stream are named in its description, the other in that of all.
            let told = ["token", "StreamedIncident", "StreamReset"].contains(&name.as_str())
                || name.ends_with("MethodNotAllowed");
            assert!(told || used.contains(&format!("components/{kind}/{name}")), "{name} is not used");
        }
    }
}

#[test]
fn the_streams_example_is_an_event() {
    let content = &DOCUMENT["paths"]["/api/v1/incidents/stream"]["get"]["responses"]["200"]["content"];
    let example = content["text/event-stream"]["examples"]["events"]["value"].as_str().unwrap();
    let data = example.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data = serde_json::from_str(data).unwrap();
    assert_eq!(problems("/components/schemas/StreamedIncident", &data), "");
}

/// Shows every object in the document and its pointer.
fn visit(value: &Value, pointer: &str, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            see(pointer, value);
            for (name, member) in members {
                visit(member, &format!("{pointer}/{}", escape(name)), see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, pointer, see)),
        _ => {}
    }
}

#[test]
fn it_has_the_routes_that_there_are_and_no_others() {
    // Pages are for people; programs have the rest.
    let for_programs = route::TABLE.iter().filter(|(_, _, route)| !matches!(route, Route::Page(_)));
    let routes: BTreeSet<_> = for_programs.map(|(method, path, _)| format!("{method} {path}")).collect();
    let documented: BTreeSet<_> =
        operations().map(|(path, method, _)| format!("{} {path}", method.to_uppercase())).collect();
    let undocumented: Vec<_> = routes.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&routes).collect();
    assert_eq!(
        (undocumented, unknown),
        (vec![], vec![]),
        "routes without documentation, and the other way round"
    );
    let ids: Vec<_> =
        operations().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "each operation has an id of its own");
}

#[test]
fn each_example_of_a_request_is_accepted_and_its_answer_is_as_documented() {
    let mut sent = 0;
    for (template, method, operation) in operations() {
        let Some((schema, examples)) = request_examples(template, method, operation) else { continue };
        for (name, example) in examples {
            let value = &example["value"];
            assert_eq!(problems(&schema, value), "", "{method} {template} {name}");
            let (server, path) = (server(), path(template));
            let mut value = value.clone();
            if let Some(key) = value.get_mut("routing_key") {
                *key = PAGERDUTY_KEY.into();
            }
            let response = server.send(
                &method.to_uppercase(),
                &path,
                &[("Content-Type", "application/json")],
                value.to_string().as_bytes(),
            );
            assert!(response.status < 300, "{method} {template} {name}: {}", response.text);
            sent += 1;
        }
    }
    assert!(sent > 10);
}

#[test]
fn each_example_of_an_answer_is_as_documented() {
    let mut checked = 0;
    let mut check = |pointer: &str, value: &Value| {
        let Some(content) = value.get("content").and_then(Value::as_object) else { return };
        for (content_type, media) in content {
            let pointer = format!("{pointer}/content/{}/schema", escape(content_type));
            for (name, example) in media["examples"].as_object().into_iter().flatten() {
                assert_eq!(problems(&pointer, &example["value"]), "", "{pointer} {name}");
                checked += 1;
            }
        }
    };
    visit(&DOCUMENT, "", &mut check);
    assert!(checked > 50, "{checked}");
}

#[test]
fn whatever_can_be_read_is_answered_as_documented() {
    let server = server();
    for (template, _, operation) in operations().filter(|(_, method, _)| *method == "get") {
        let path = path(template);
        if operation.pointer("/responses/200/content/text~1event-stream").is_some() {
            // Its end would not come.
            let mut connection = Connection::open(server.addr()).unwrap();
            let response = connection.try_send("HEAD", &path, &[], b"").unwrap();
            assert_eq!(response.status, 200, "{path}");
            document::check("HEAD", &path, &response);
            continue;
        }
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
}

/// The codes that a refusal gives for a field.
fn codes_of(response: &crate::http::Response, field: &str) -> Vec<String> {
    if response.status < 400 {
        return Vec::new();
    }
    let body = response.json();
    let fields = body["error"]["details"]["fields"].as_array().cloned().unwrap_or_default();
    let of_field = fields.iter().filter(|one| one["field"] == field);
    of_field.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_limits_of_texts_are_those_of_the_server() {
    let mut checked = Vec::new();
    for (template, method, operation) in operations() {
        let Some((schema, examples)) = request_examples(template, method, operation) else { continue };
        let (_, schema) = resolve(&schema).unwrap();
        for (field, rule) in schema["properties"].as_object().into_iter().flatten() {
            let Some(most) = rule["maxLength"].as_u64() else { continue };
            let server = server();
            for (length, expected) in [(most, false), (most + 1, true)] {
                let mut body = examples.values().next().unwrap()["value"].clone();
                body[field] = "é".repeat(length as usize).into();
                let method = method.to_uppercase();
                let response = server.send(&method, &path(template), &[], body.to_string().as_bytes());
                let too_long = codes_of(&response, field).contains(&"too_long".to_owned());
                assert_eq!(too_long, expected, "{method} {template} {field} {length}: {}", response.text);
            }
            checked.push(field);
        }
    }
    assert!(checked.len() > 10, "{checked:?}");
}

#[test]
fn the_values_of_query_parameters_are_those_of_the_server() {
    let mut checked = Vec::new();
    // Others than ours do not name what is wrong.
    let ours = |path: &str, method: &str| method == "get" && document::dialect(path).is_empty();
    for (template, method, operation) in operations().filter(|(path, method, _)| ours(path, method)) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let parameter = match parameter["$ref"].as_str() {
                Some(reference) => resolve(&reference[1..]).unwrap().1,
                None => parameter,
            };
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            if parameter["in"] != "query" {
                continue;
            }
            let schema = if schema["type"] == "array" { &schema["items"] } else { schema };
            let schema = schema["$ref"].as_str().map_or(schema, |to| resolve(&to[1..]).unwrap().1);
            let number = |rule: &str| schema[rule].as_i64();
            let mut tries: Vec<(String, bool)> = Vec::new();
            for (limit, step) in [(number("minimum"), -1), (number("maximum"), 1)] {
                let Some(limit) = limit else { continue };
                tries.extend([(limit.to_string(), true), ((limit + step).to_string(), false)]);
            }
            if let Some(names) = schema["enum"].as_array() {
                tries.extend(names.iter().map(|name| (name.as_str().unwrap().to_owned(), true)));
                tries.push(("nonsense".into(), false));
            }
            if schema["format"] == "date-time" {
                tries.extend([("2026-11-23T08:00:00Z".into(), true), ("yesterday".into(), false)]);
            }
            if let Some(most) = number("maxLength") {
                tries.extend([("x".repeat(most as usize), true), ("x".repeat(most as usize + 1), false)]);
            }
            let server = server();
            for (value, good) in tries {
                let response = server.send(
                    &method.to_uppercase(),
                    &format!("{}?{name}={value}", path(template)),
                    &[],
                    b"",
                );
                let expected = if good { 200 } else { 400 };
                assert_eq!(response.status, expected, "{template}?{name}={value}: {}", response.text);
                assert_eq!(codes_of(&response, name).len(), usize::from(!good), "{template}?{name}={value}");
                checked.push(name);
            }
        }
    }
    assert!(checked.len() > 20, "{checked:?}");
}

#[test]
fn what_is_not_documented_would_be_noticed() {
    let server = server();
    let good = server.get("/healthz");
    let refused = server.post(alert(json!({ "title": "" })));
    let caught = |method: &'static str, path: &'static str, response: &crate::http::Response| {
        let response = response.clone();
        std::panic::catch_unwind(move || document::check(method, path, &response)).is_err()
    };
    assert!(!caught("GET", "/healthz", &good) && !caught("POST", WEBHOOK, &refused));
    let mut strange = good.clone();
    strange.text = strange.text.replace("\"status\":\"ok\"", "\"status\":\"ok\",\"colour\":\"red\"");
    let mut teapot = good.clone();
    teapot.status = 418;
    let mut header = good.clone();
    header.headers.push(("x-strange".into(), "1".into()));
    let mut nameless = good.clone();
    nameless.headers.retain(|(name, _)| name != "x-request-id");
    for response in [strange, teapot, header, nameless] {
        assert!(caught("GET", "/healthz", &response), "{response:?}");
    }
    let mut code = refused.clone();
    code.text = code.text.replace("validation_error", "invalid_transition");
    assert!(caught("POST", WEBHOOK, &code), "a code of another operation");
    assert!(caught("GET", "/nowhere", &good) && caught("PUT", "/healthz", &good));
}
