//! Keeping secrets out of what others say, which is shown: a receiver may answer with the address that it was asked at.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// What is shorter is a word that says nothing: a priority, a name.
pub const SECRET_BYTES: usize = 6;

/// A segment of a path that has so many letters and nothing else is no word.
const WORD_BYTES: usize = 12;

/// A text in which none of these secrets is.
#[must_use]
pub fn redact(text: &str, mut secrets: Vec<String>) -> String {
    // One may begin another: the longer first.
    secrets.sort_unstable_by_key(|secret| Reverse(secret.len()));
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
}

/// Every form in which a secret may be echoed.
pub fn forms(secret: &str) -> impl Iterator<Item = String> {
    let forms = [secret.to_owned(), percent_encoded(secret), json_escaped(secret), STANDARD.encode(secret)];
    forms.into_iter().filter(|form| form.len() >= SECRET_BYTES)
}

/// An address of the web.
#[must_use]
pub fn web_address(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// What of an address may be a secret: all but its scheme, host and port, as a whole and in parts, as written and decoded.
#[must_use]
pub fn parts(url: &Url) -> Vec<String> {
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let login = format!("{}:{}", url.username(), url.password().unwrap_or_default());
    // Some services take a token as the name, and no password.
    let mut written = vec![target, path.into(), query.into()];
    written.extend([login, url.password().unwrap_or(url.username()).into()]);
    written.extend(path.split('/').filter(|segment| !is_word(segment)).map(Into::into));
    let value = |pair: &str| pair.split_once('=').map_or(pair, |(_, value)| value).to_owned();
    written.extend(query.split('&').map(value));
    let decoded = |text: &String| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let decoded: Vec<String> = written.iter().map(decoded).collect();
    written.extend(decoded);
    written.retain(|part| part.len() >= SECRET_BYTES);
    written
}

/// `services`, `webhooks`: what addresses are made of. Texts say such words too, and are not to be full of holes.
fn is_word(segment: &str) -> bool {
    segment.len() < WORD_BYTES && segment.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// With every byte encoded that can be.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// As the templates' filter `tojson` writes it.
fn json_escaped(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")]
        .into_iter()
        .fold(inside.to_owned(), |text, (c, escaped)| text.replace(c, escaped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_host_stays() {
        let url =
            "https://bell:p%40ssword@hooks.example.org:8443/services/T0/B%20secret-1?token=t%2Boken-2&x=1";
        let url = web_address(url).unwrap();
        let shown = |text: &str| redact(text, parts(&url).iter().flat_map(|part| forms(part)).collect());
        assert_eq!(shown(url.as_str()), "https://[redacted]@hooks.example.org:8443[redacted]");
        for (text, expected) in [
            ("Cannot POST /services/T0/B%20secret-1", "Cannot POST [redacted]"),
            ("no B secret-1 here", "no [redacted] here"),
            ("token t+oken-2 or t%2Boken-2", "token [redacted] or [redacted]"),
            ("p@ssword of bell", "[redacted] of bell"),
            ("Basic YmVsbDpwQHNzd29yZA==", "Basic [redacted]"),
            ("{\"path\":\"\\/services\\/T0\\/B secret-1\"}", "{\"path\":\"\\/services\\/T0\\/[redacted]\"}"),
            ("hooks.example.org: x=1", "hooks.example.org: x=1"),
        ] {
            assert_eq!(shown(text), expected);
        }
        let token = web_address("https://a-token@example.org").unwrap();
        assert_eq!(redact(token.as_str(), parts(&token)), "https://[redacted]@example.org/");
        assert!(parts(&web_address("http://example.org/").unwrap()).is_empty());
    }
}
