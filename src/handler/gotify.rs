//! What a Gotify server has besides messages: tokens in three places, and two probes.

use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::json;

use super::query::Query;
use crate::reply::Answer;

/// The token of a request, by Gotify's order. The first one that is there counts, even where it is wrong.
pub fn token(head: &Parts) -> Option<String> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = || {
        let (scheme, token) = header(AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    };
    let query = Query::of(head).last("token").filter(|token| !token.is_empty());
    query
        .map(String::from)
        .or_else(|| header("x-gotify-key").filter(|key| !key.is_empty()).or_else(bearer).map(str::to_owned))
}

/// `GET /version`: programs ask it to see whether there is a Gotify.
pub fn version() -> Answer {
    let version = json!({ "version": env!("CARGO_PKG_VERSION"), "commit": "", "buildDate": "" });
    Answer::raw("application/json", version.to_string())
}

/// `GET /health`, where it is.
pub fn healthy() -> Answer {
    Answer::raw("application/json", json!({ "health": "green", "database": "green" }).to_string())
}
