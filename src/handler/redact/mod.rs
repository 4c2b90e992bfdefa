//! What is kept of requests is without secrets: those of the configuration, and whatever is called like one, in whatever
//! is sent: JSON, YAML, XML, forms, URLs, text, one within another. Off the way of alerts: it reads every byte some times.
//!
//! Secrets are taken out where they stand. All else stays byte for byte as it was sent.

mod decoded;
mod login;
mod markup;
mod named;
mod pairs;
mod value;

use std::borrow::Cow;
use std::cell::LazyCell;

use memchr::memmem;

use crate::model::Delivery;
use crate::registry::Registry;
use crate::source::encoded_word;
use decoded::Decoded;

const REDACTED: &str = "[redacted]";

/// Lengths of words that may be secrets of the configuration, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Parts of a word that together may be a secret: base64 has few slashes and pluses.
const MOST_PARTS: usize = 24;

/// Words of one text that are looked up: a body of the usual size has some ten thousand.
const MOST_LOOKUPS: usize = 1_000_000;

/// Something to be taken out of a text: from where to where, and what stands there instead.
type Span = (usize, usize, String);

/// Takes the secrets out of a delivery, of whose body `body_bytes` are kept at most.
pub fn redact(delivery: &mut Delivery, registry: &Registry, body_bytes: usize) {
    let clean =
        |text: &str| clean(text, registry, false).map_or_else(|| REDACTED.to_owned(), Cow::into_owned);
    let request = &mut delivery.request;
    let body = String::from_utf8_lossy(&request.body);
    let cleaned = self::clean(&body, registry, request.cut);
    // What is no text is not there as it came, and would not be refused again as it was.
    request.cut |= matches!(body, Cow::Owned(_));
    let (cleaned, whole) = match cleaned {
        Some(cleaned) => (cleaned.into_owned(), true),
        None => (String::new(), false),
    };
    request.redacted |= cleaned != body;
    let fits = at_most(&cleaned, body_bytes).len();
    request.cut |= !whole || fits < cleaned.len();
    // An idempotency key is bound to the body that it came with; on another it would stand in its sender's way.
    let goes = |name: &str| named::is_secret_header(name) || (request.redacted && name == "idempotency-key");
    let headers = request.headers().filter(|(name, _)| !goes(name));
    let header = |value: &str| {
        let meant = encoded_word::decode(value);
        if meant != value && clean(&meant) != meant { REDACTED.to_owned() } else { clean(value) }
    };
    request.headers = headers.map(|(name, value)| format!("{name}: {}\n", header(value))).collect();
    request.topic = request.topic.as_deref().map(clean);
    request.query = request.query.as_deref().map(clean);
    request.body = cleaned[..fits].into();
    delivery.request_id = clean(&delivery.request_id);
    if let Some((_, text)) = &mut delivery.error {
        *text = clean(text);
    }
}

/// As many whole characters of a text as are in its first `bytes`.
pub fn at_most(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// `text`, which may end where it was `cut`, without secrets. `None`: it is encoded so often that nobody can tell what is
/// in it.
fn clean<'t>(text: &'t str, registry: &Registry, cut: bool) -> Option<Cow<'t, str>> {
    let mut spans = Vec::new();
    let mut lookups = MOST_LOOKUPS;
    for meant in decoded::all(text.as_bytes(), cut)? {
        find_signing_secrets(&meant, registry, &mut spans);
        find_words(&meant, registry, &mut lookups, &mut spans)?;
        named::find(&meant, text, &mut spans);
        pairs::find(&meant, text, &mut spans);
        markup::find(&meant, &mut spans);
        login::find(&meant, &mut spans);
    }
    spans.sort_unstable();
    let mut out = String::new();
    let mut done = 0;
    for (from, to, instead) in spans {
        // What begins within another one ends with it.
        if from >= done {
            out.push_str(text.get(done..from)?);
            out.push_str(&instead);
        }
        done = done.max(to);
    }
    if done == 0 {
        return Some(text.into());
    }
    out.push_str(text.get(done..)?);
    Some(out.into())
}

/// Signing secrets are known as they are, and may hold anything: so one may be cut in its middle as well.
fn find_signing_secrets(meant: &Decoded, registry: &Registry, spans: &mut Vec<Span>) {
    let as_form = LazyCell::new(|| spaced(&meant.text));
    for secret in registry.integrations().iter().flat_map(|one| &one.protection.signing_secrets) {
        // A form writes a space as `+`.
        let (text, secret): (&[u8], Cow<'_, [u8]>) = match secret.contains(' ') {
            true => (&as_form, spaced(secret.as_bytes()).into()),
            false => (&meant.text, secret.as_bytes().into()),
        };
        if secret.is_empty() {
            continue;
        }
        spans.extend(memmem::find_iter(text, &secret).map(|at| span(meant, at, at + secret.len())));
        let begun =
            (1..secret.len()).rev().filter(|_| meant.cut).find(|length| text.ends_with(&secret[..*length]));
        spans.extend(begun.map(|length| span(meant, text.len() - length, text.len())));
    }
}

fn spaced(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

fn span(meant: &Decoded, from: usize, to: usize) -> Span {
    let (from, to) = meant.origin(from, to);
    (from, to, REDACTED.into())
}

/// Routing keys and tokens are known by hashes only: whatever may be one is looked up. They are words of letters, digits,
/// `_` and `-`; tokens have `.`, `~`, `+`, `/` and `=` besides (RFC 6750), which may as well be what divides two words.
///
/// `None`: more words may be one than anybody means.
fn find_words(
    meant: &Decoded,
    registry: &Registry,
    lookups: &mut usize,
    spans: &mut Vec<Span>,
) -> Option<()> {
    let in_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let in_token = |byte: &u8| in_key(byte) || b".~+/=".contains(byte);
    let mut at = 0;
    while let Some(length) = meant.text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = length.iter().take_while(|byte| in_token(byte)).count();
        let word = &meant.text[at..at + length];
        // Where a part may begin and end.
        let mut ends: Vec<usize> = vec![0];
        ends.extend(
            (1..length).filter(|end| in_key(&word[*end]) != in_key(&word[end - 1]) || !in_key(&word[*end])),
        );
        ends.push(length);
        for (index, begin) in ends.iter().enumerate() {
            // And from there to the very end, whatever divides it.
            for end in ends.iter().skip(index + 1).take(MOST_PARTS).chain([&length]) {
                if !SECRET_BYTES.contains(&(end - begin)) {
                    continue;
                }
                *lookups = lookups.checked_sub(1)?;
                if std::str::from_utf8(&word[*begin..*end]).is_ok_and(|part| registry.is_secret(part)) {
                    spans.push(span(meant, at + begin, at + end));
                }
            }
        }
        at += length.max(1);
    }
    Some(())
}

#[cfg(test)]
mod tests;
