//! What a form of a page sends, and that it was a page of ours.

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use url::Url;

use super::super::Live;
use crate::error::{Error, Kind};
use crate::json::Json;
use crate::model::Fields;

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads what a `POST` brings.
    ///
    /// # Errors
    /// `forbidden_host`: the form was on a page from elsewhere.
    pub fn read(live: &Live, head: &Parts, body: &[u8]) -> Result<Self, Error> {
        if head.method != Method::POST {
            return Ok(Self::default());
        }
        if !is_same_origin(&live.public_url, &head.headers) {
            let message =
                "this form was sent from a page of another site; open Firebell itself and do it there";
            return Err(Error::new(Kind::ForbiddenHost, message));
        }
        // Browsers end lines as telegraphs did.
        let value = |value: &str| value.replace("\r\n", "\n");
        let fields = form_urlencoded::parse(body).map(|(name, text)| (name.into_owned(), value(&text)));
        Ok(Self(fields.collect()))
    }

    /// The value of a field; empty, if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The named fields as the API would be sent them; an empty one of `clearing` takes away what is there.
    pub fn fields(&self, names: &[&'static str], clearing: &[&str]) -> Fields<'_> {
        let given = |name: &&'static str| self.0.iter().find(|(known, _)| known == name);
        let member = |name: &&'static str| {
            let (_, value) = given(name)?;
            let json = match value.as_str() {
                "" if clearing.contains(name) => Json::Null,
                value => Json::String(value.into()),
            };
            Some(((*name).into(), json))
        };
        Fields::new(names.iter().filter_map(member).collect())
    }
}

/// Whether a request comes from a page of this very site, as far as its browser says. What is no browser has no cookies
/// that it would send by mistake.
fn is_same_origin(public_url: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok()) else { return false };
    let authority = |url: &Url| match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let ours = Url::parse(public_url).is_ok_and(|ours| ours.origin() == origin.origin());
    ours || text(HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(&authority(&origin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_taken_from_our_own_pages() {
        let ours = |pairs: &[(&'static str, &str)]| {
            let pair = |(name, value): &(&'static str, &str)| {
                (http::HeaderName::from_static(name), value.parse().unwrap())
            };
            is_same_origin("https://bell.example.net", &pairs.iter().map(pair).collect())
        };
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("origin", "https://bell.example.net"), ("host", "127.0.0.1:8080")],
            &[("origin", "http://localhost:8080"), ("host", "localhost:8080")],
        ] {
            assert!(ours(good), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://bell.example.net")],
            &[("origin", "null"), ("host", "localhost:8080")],
            &[("origin", "http://localhost:9090"), ("host", "localhost:8080")],
            &[("origin", "http://bell.example.net"), ("host", "localhost:8080")],
        ] {
            assert!(!ours(bad), "{bad:?}");
        }
    }
}
