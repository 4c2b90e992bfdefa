//! The pages' templates, and what they load.

use std::sync::LazyLock;

use http::HeaderValue;
use http::header::CACHE_CONTROL;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::HTML;
use super::frame::Frame;
use crate::error::{Details, Error, Kind};
use crate::hex;
use crate::reply::Page;

const TEMPLATES: [(&str, &str); 14] = [
    ("shell.html", include_str!("web/shell.html")),
    ("frame.html", include_str!("web/frame.html")),
    ("parts.html", include_str!("web/parts.html")),
    ("incidents.html", include_str!("web/incidents.html")),
    ("incident.html", include_str!("web/incident.html")),
    ("overview.html", include_str!("web/overview.html")),
    ("integrations.html", include_str!("web/integrations.html")),
    ("integration.html", include_str!("web/integration.html")),
    ("delivery.html", include_str!("web/delivery.html")),
    ("services.html", include_str!("web/services.html")),
    ("silences.html", include_str!("web/silences.html")),
    ("login.html", include_str!("web/login.html")),
    ("act.html", include_str!("web/act.html")),
    ("plain.html", include_str!("web/plain.html")),
];

static STYLE: LazyLock<String> = LazyLock::new(|| lean(include_str!("web/page.css")));
static SCRIPT: LazyLock<String> = LazyLock::new(|| lean(include_str!("web/page.js")));

/// Without what only its authors need: indentation, and lines that are nothing but a comment.
fn lean(text: &str) -> String {
    let is_comment = |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What a browser keeps for as long as it likes: another version has another address.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Tells one version of style and script from another.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new().chain_update(&*STYLE).chain_update(&*SCRIPT).finalize();
    hex::encode(&digest[..6])
});

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_global("version", Value::from(VERSION.as_str()));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
});

/// Anything as templates take it.
pub fn value(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}

fn render(name: &str, content: Value) -> Result<Page, Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| Error::internal(error.to_string()))?;
    let template = environment.get_template(name).map_err(Error::internal)?;
    let body = template.render(content).map_err(Error::internal)?;
    Ok(Page { status: 200, content_type: HTML, headers: Vec::new(), body: body.into() })
}

/// A page in its frame.
///
/// # Errors
/// When the template and what it is given do not fit, which is a bug.
pub fn page(name: &str, frame: &Frame<'_>, content: Value) -> Result<Page, Error> {
    render(name, context! { frame => value(frame), ..content })
}

/// A page for somebody who need not have logged in.
///
/// # Errors
/// As [`page`].
pub fn alone(name: &str, content: Value) -> Result<Page, Error> {
    render(name, content)
}

/// A refusal.
///
/// # Errors
/// As [`page`].
pub fn refusal(error: &Error, request_id: &str) -> Result<Page, Error> {
    let fields: Vec<_> = match &error.details {
        Details::Fields(fields) => {
            fields.iter().map(|one| format!("{} {}", one.field, one.message)).collect()
        }
        _ => Vec::new(),
    };
    let title = match error.kind {
        Kind::NotFound => "Not found",
        Kind::Forbidden | Kind::ForbiddenHost => "Not allowed",
        Kind::Internal => "Something broke",
        kind if kind.status() == 503 => "Not now",
        _ => "That did not work",
    };
    let page = render(
        "plain.html",
        context! { title, message => error.message.as_str(), fields, request_id, bounce => false },
    )?;
    Ok(Page { status: error.kind.status(), ..page })
}

/// A page that leads on to `target` by itself.
///
/// # Errors
/// As [`page`].
pub fn bounce(target: &str) -> Result<Page, Error> {
    let content = context! { title => "One moment", message => "", fields => [""; 0], request_id => "", bounce => target };
    render("plain.html", content)
}

/// Style or script.
///
/// # Errors
/// `not_found`.
pub fn asset(name: &str) -> Result<Page, Error> {
    let (content_type, text) = match name {
        "page.css" => ("text/css; charset=utf-8", STYLE.as_str()),
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT.as_str()),
        _ => return Err(Error::new(Kind::NotFound, "there is no such file")),
    };
    Ok(Page { status: 200, content_type, headers: vec![(CACHE_CONTROL, FOREVER)], body: text.into() })
}

/// The bell with the number of open incidents on it.
///
/// # Errors
/// `not_found`: it is no number.
pub fn favicon(open: &str) -> Result<Page, Error> {
    let open = open.strip_suffix(".svg").and_then(|open| open.parse::<u32>().ok());
    let open = open.ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))?;
    let text = if open > 99 { "99+".into() } else { open.to_string() };
    let (colour, size) =
        if open == 0 { ("#2e7d4f", 16) } else { ("#c62828", if open > 99 { 14 } else { 19 }) };
    let mark = match open {
        0 => "<path d=\"M9 17l5 5 10-12\" fill=\"none\" stroke=\"#fff\" stroke-width=\"4\"/>".into(),
        _ => format!(
            "<text x=\"16\" y=\"22\" text-anchor=\"middle\" font-family=\"sans-serif\" font-weight=\"bold\" \
             font-size=\"{size}\" fill=\"#fff\">{text}</text>"
        ),
    };
    let body = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"7\" \
         fill=\"{colour}\"/>{mark}</svg>"
    );
    Ok(Page {
        status: 200,
        content_type: "image/svg+xml",
        headers: vec![(CACHE_CONTROL, FOREVER)],
        body: body.into(),
    })
}
