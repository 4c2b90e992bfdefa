//! What is a secret by its name, or by where it stands: `password=…`, `"token": …`, `https://user:…@host`.

use super::decoded::Decoded;
use super::{REDACTED, Span};

/// What names of secrets end with, in lower case and without `_` and `-`.
const SECRET_NAMES: [&str; 22] = [
    "token",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "signature",
    "sig",
    "apikey",
    "routingkey",
    "accesskey",
    "privatekey",
    "secretkey",
    "signingkey",
    "gotifykey",
];

fn is_secret_name(name: &[u8]) -> bool {
    let name: String = String::from_utf8_lossy(name).to_lowercase().replace(['_', '-'], "");
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// Whether a header proves who sends.
pub fn is_secret_header(name: &str) -> bool {
    let key = name.ends_with("key") && name != "idempotency-key";
    key || is_secret_name(name.as_bytes()) || name.contains("signature") || name.contains("auth")
}

/// Finds the values of all that is called like a secret. `original` is what `meant` was decoded from.
pub fn find(meant: &Decoded, original: &str, spans: &mut Vec<Span>) {
    let text = &meant.text;
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|byte| in_name(byte)).count();
        let end = at + length;
        if length > 0
            && is_secret_name(&text[at..end])
            && let Some(value) = Value::behind(text, end)
        {
            let (from, to) = meant.origin(value.from, value.to);
            let quote = match value.bare_in_quotes {
                // As the name's own are written, be it within a string or a URL.
                true => {
                    let (from, to) = meant.origin(end, end + 1);
                    original.get(from..to).unwrap_or_default()
                }
                false => "",
            };
            spans.push((from, to, format!("{quote}{REDACTED}{quote}")));
        }
        at = end.max(at + 1);
    }
    find_logins(meant, spans);
}

/// Passwords of `scheme://user:password@host`.
fn find_logins(meant: &Decoded, spans: &mut Vec<Span>) {
    for at in memchr::memmem::find_iter(&meant.text, b"://") {
        let begin = at + 3;
        let part = &meant.text[begin..];
        let length = part.iter().take_while(|byte| !b"/?#\"'<> \t\r\n\\".contains(byte)).count();
        let Some(host) = part[..length].iter().rposition(|byte| *byte == b'@') else { continue };
        let Some(colon) = part[..host].iter().position(|byte| *byte == b':') else { continue };
        if colon + 1 < host {
            let (from, to) = meant.origin(begin + colon + 1, begin + host);
            spans.push((from, to, REDACTED.into()));
        }
    }
}

/// The value of a name.
struct Value {
    from: usize,
    to: usize,
    /// It has no quotes, but its name has: what stands for it needs some.
    bare_in_quotes: bool,
}

impl Value {
    /// The value of the name that ends at `end`.
    fn behind(text: &[u8], end: usize) -> Option<Self> {
        let rest = |at: usize| text.get(at..).unwrap_or_default();
        let spaces = |at: usize| rest(at).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let quoted = rest(end).first().is_some_and(|byte| b"\"'`".contains(byte));
        let mut at = end + usize::from(quoted);
        at += spaces(at);
        let divider = *rest(at).first()?;
        at += 1;
        match divider {
            b'=' if rest(at).first() == Some(&b'>') => at += 1,
            b'=' | b':' => {}
            // An element of XML, which ends where another tag begins.
            b'>' if !quoted => {
                let length = rest(at).iter().take_while(|byte| **byte != b'<').count();
                return (length > 0).then_some(Self { from: at, to: at + length, bare_in_quotes: false });
            }
            _ => return None,
        }
        at += spaces(at);
        let first = *rest(at).first()?;
        // An escaped quote is one where the text is read without its escapes.
        if first == b'\\' && rest(at + 1).first().is_some_and(|byte| b"\"'".contains(byte)) {
            return None;
        }
        if b"\"'`".contains(&first) {
            let (from, length) = (at + 1, string_length(rest(at + 1), first));
            return (length > 0).then_some(Self { from, to: from + length, bare_in_quotes: false });
        }
        if rest(at).starts_with(REDACTED.as_bytes()) {
            return None;
        }
        let length = match first {
            b'{' | b'[' if quoted => nested_length(rest(at)),
            _ => bare_length(rest(at), divider, quoted),
        };
        let nothing = [&b"null"[..], b"true", b"false"].contains(&&text[at..at + length]);
        (length > 0 && !nothing).then_some(Self { from: at, to: at + length, bare_in_quotes: quoted })
    }
}

/// The length of a string from behind its first quote to its last, or to the end.
fn string_length(text: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    let ends = |byte: &u8| {
        let ends = *byte == quote && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// The length of an object or an array, to where it is closed, or to the end.
fn nested_length(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at += (string_length(&text[at..], b'"') + 1).min(text.len() - at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a value without quotes. A scheme of authorization belongs to what follows it.
fn bare_length(text: &[u8], divider: u8, quoted: bool) -> usize {
    let ends = |byte: &u8| {
        byte.is_ascii_whitespace()
            || b"&\"".contains(byte)
            || (divider == b':' && b",}]".contains(byte))
            || (quoted && b",}]".contains(byte))
    };
    let word = |text: &[u8]| text.iter().position(ends).unwrap_or(text.len());
    let length = word(text);
    let scheme = [&b"bearer"[..], b"basic", b"token", b"digest"]
        .iter()
        .any(|scheme| text[..length].eq_ignore_ascii_case(scheme));
    match text.get(length) {
        Some(b' ') if scheme => length + 1 + word(&text[length + 1..]),
        _ => length,
    }
}
