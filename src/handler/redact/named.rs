//! What is a secret by its name: which names those are, and where they stand before a value: `password=…`, `"token": …`.

use memchr::memmem;

use super::decoded::Decoded;
use super::value::{Name, Value, digest_length};
use super::{Span, span};

/// What names of secrets end with, in lower case and without what divides their words.
const SECRET_NAMES: [&str; 20] = [
    "token",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "signature",
    "apikey",
    "routingkey",
    "accesskey",
    "privatekey",
    "secretkey",
    "signingkey",
    "gotifykey",
];

/// What the last part of such a name is, by itself: longer words that end so mean something else.
const SHORT_NAMES: [&str; 3] = ["auth", "sig", "pass"];

/// What may divide the words of a name.
const DIVIDERS: [char; 5] = ['_', '-', '.', ':', ' '];

/// Bytes of a name, where what may be one is a text of any length.
pub const NAME_BYTES: usize = 64;

pub fn is_secret_name(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_lowercase();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let last = name.rsplit(DIVIDERS).next().unwrap_or(name);
    let undivided = name.replace(DIVIDERS, "");
    SHORT_NAMES.contains(&last) || SECRET_NAMES.iter().any(|secret| undivided.ends_with(secret))
}

/// Whether a text is no more than the name of a secret.
pub fn is_name_of_secret(text: &[u8]) -> bool {
    text.len() <= NAME_BYTES && is_secret_name(text)
}

/// Whether a header proves who sends.
pub fn is_secret_header(name: &str) -> bool {
    let key = name.ends_with("key") && name != "idempotency-key";
    key || is_secret_name(name.as_bytes()) || name.contains("signature") || name.contains("auth")
}

/// The length of the name that a text begins with, as far as it is one word.
pub fn word_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_in_word(byte)).count()
}

fn is_in_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(byte)
}

/// Finds the values of all that is called like a secret. `original` is what `meant` was decoded from.
pub fn find(meant: &Decoded, original: &str, spans: &mut Vec<Span>) {
    let text = &meant.text;
    let mut at = 0;
    while at < text.len() {
        let end = at + word_length(&text[at..]);
        let name = Name { begin: at, end, limit: text.len(), whole_line: false };
        if end > at
            && (is_secret_name(&text[at..end]) || is_key_of_two_words(text, at, end))
            && let Some(value) = Value::of(meant, &name)
        {
            spans.push(value.span(meant, original, end));
            at = value.to.max(end);
            continue;
        }
        // Whatever is said before it.
        if text[at..end].eq_ignore_ascii_case(b"digest")
            && let Some(length) = digest_length(&text[at..])
            && memmem::find(&text[end..at + length], b"response=").is_some()
        {
            spans.push(span(meant, end + 1, at + length));
            at += length;
            continue;
        }
        at = end.max(at + 1);
    }
}

/// Whether a word is the end of `API Key` or `api.key`, be it in a form (`API+Key`).
fn is_key_of_two_words(text: &[u8], begin: usize, end: usize) -> bool {
    let key = &text[begin..end];
    let Some((b' ' | b'.' | b'+', before)) = text[..begin].split_last() else { return false };
    let length = before.iter().rev().take(NAME_BYTES).take_while(|byte| is_in_word(byte)).count();
    key.eq_ignore_ascii_case(b"key") && is_secret_name(&[&before[before.len() - length..], key].concat())
}
