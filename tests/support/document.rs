//! Every answer that these tests see, held against `openapi.json`: its status must be documented for its operation, its
//! headers and its members must be those of the document, and no others.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::http::Response;

/// As the server serves it.
pub const TEXT: &str = include_str!("../../src/handler/openapi.json");

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(TEXT).unwrap());

/// Headers of the protocol, which no document need mention.
const COMMON_HEADERS: [&str; 7] = [
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
    "x-accel-buffering",
];

/// Holds an answer against the document.
#[track_caller]
pub fn check(method: &str, path: &str, response: &Response) {
    let path = path.split('?').next().unwrap();
    let dialect = dialect(path);
    let refusal = |what: &str| format!("#/components/responses/{dialect}{what}");
    let not_found = if dialect.is_empty() { refusal("NotFound") } else { refusal("Refusal") };
    let responses = match template(path) {
        None => json!({ "404": { "$ref": not_found } }),
        Some(template) => match DOCUMENT["paths"][&template].get(operation_name(method, dialect)) {
            None => json!({ "405": { "$ref": refusal("MethodNotAllowed") } }),
            Some(_) => Value::Null,
        },
    };
    let status = response.status.to_string();
    let pointer = match responses[&status]["$ref"].as_str() {
        Some(reference) => reference[1..].to_owned(),
        None if !responses.is_null() => panic!("{method} {path} is not documented: {response:?}"),
        None => {
            let template = escape(&template(path).unwrap());
            format!("/paths/{template}/{}/responses/{status}", operation_name(method, dialect))
        }
    };
    let Some((pointer, documented)) = resolve(&pointer) else {
        panic!("{method} {path}: {status} is not documented: {response:?}")
    };
    check_headers(&documented["headers"], response);
    let content_type = response.header("content-type").unwrap_or("").split(';').next().unwrap();
    let Some(content) = documented["content"].get(content_type) else {
        panic!("{method} {path}: {content_type} is not documented for {status}")
    };
    if method != "HEAD" && content_type == "application/json" && content.get("schema").is_some() {
        let schema = format!("{pointer}/content/{}/schema", escape(content_type));
        let problems = problems(&schema, &response.json());
        assert!(problems.is_empty(), "{method} {path}: {problems} in {response:?}");
    }
}

/// In whose words a path is answered; empty: in ours.
pub fn dialect(path: &str) -> &'static str {
    if path.starts_with("/api/push/") {
        return "UptimeKuma";
    }
    match path.split(['/', '?']).nth(1) {
        Some("v2") => "PagerDuty",
        Some("ntfy") => "Ntfy",
        Some("message" | "version" | "health") => "Gotify",
        Some("ping") => "Healthchecks",
        _ => "",
    }
}

fn check_headers(documented: &Value, response: &Response) {
    let documented: Vec<_> = documented.as_object().into_iter().flatten().collect();
    for (name, _) in &response.headers {
        let known = documented.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        assert!(known || COMMON_HEADERS.contains(&name.as_str()), "{name} is not documented: {response:?}");
    }
    for (name, header) in documented {
        let (pointer, header) = resolve(&header["$ref"].as_str().unwrap()[1..]).unwrap();
        match response.header(name) {
            Some(value) => {
                let problems = problems(&format!("{pointer}/schema"), &value.into());
                assert!(problems.is_empty(), "{name}: {problems}");
            }
            None => assert_ne!(header["required"], true, "{name} is missing: {response:?}"),
        }
    }
}

/// The documented path that a request's path fits; the one with the fewest parameters first.
pub fn template(path: &str) -> Option<String> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let mut given = path.split('/');
        let fits = template.split('/').all(|wanted| match given.next() {
            Some(segment) if wanted.starts_with('{') => {
                !percent_decode_str(segment).decode_utf8_lossy().is_empty()
            }
            segment => segment == Some(wanted),
        });
        fits && given.next().is_none()
    };
    let parameters = |template: &&String| template.matches('{').count();
    paths.keys().filter(|template| fits(template)).min_by_key(parameters).cloned()
}

/// A look goes where `GET` does, but to publish by ntfy.
fn operation_name(method: &str, dialect: &str) -> String {
    if method == "HEAD" && dialect != "Ntfy" { "get".into() } else { method.to_ascii_lowercase() }
}

/// What stands at a JSON pointer, behind all references, and its own pointer.
pub fn resolve(pointer: &str) -> Option<(String, &'static Value)> {
    let found = DOCUMENT.pointer(pointer)?;
    match found["$ref"].as_str() {
        Some(reference) => resolve(&reference[1..]),
        None => Some((pointer.to_owned(), found)),
    }
}

/// A name as a part of a JSON pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What the schema at a JSON pointer does not allow in `instance`.
pub fn problems(pointer: &str, instance: &Value) -> String {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let validator = {
        // One that could not be compiled has failed its own test already.
        let mut validators = VALIDATORS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let validator = validators.entry(pointer.to_owned()).or_insert_with(|| Arc::new(compile(pointer)));
        Arc::clone(validator)
    };
    let problems: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    problems.join("; ")
}

/// A validator of what the document has at a pointer. The whole document comes along, for its references.
fn compile(pointer: &str) -> Validator {
    // A fragment of a URI, in which braces must be escaped.
    let fragment = pointer.replace('{', "%7B").replace('}', "%7D");
    let mut schema = DOCUMENT.clone();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$ref"] = format!("#{fragment}").into();
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).unwrap_or_else(|error| panic!("{pointer}: {error}"))
}
