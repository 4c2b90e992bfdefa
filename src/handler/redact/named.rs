//! What is a secret by its name, or by where it stands: `password=…`, `"token": …`, `https://user:…@host`.

use super::decoded::Decoded;
use super::{REDACTED, Span};

/// What names of secrets end with, in lower case and without `_` and `-`.
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

/// Names whose values have several words.
const LONG_VALUES: [&str; 2] = ["authorization", "cookie"];

fn is_secret_name(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_lowercase();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let last = name.rsplit(['_', '-']).next().unwrap_or(name);
    SHORT_NAMES.contains(&last)
        || SECRET_NAMES.iter().any(|secret| name.replace(['_', '-'], "").ends_with(secret))
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
            && let Some(value) = Value::of(text, at, end)
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
            at = value.to.max(end);
            continue;
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
        // A port with something behind it that has nothing to do with it.
        let digits = part[colon + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let port = digits > 0 && b",;)]|".contains(&part[colon + 1 + digits]);
        if colon + 1 < host && !port {
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
    /// The value of the name from `begin` to `end`.
    fn of(text: &[u8], begin: usize, end: usize) -> Option<Self> {
        let rest = |at: usize| text.get(at..).unwrap_or_default();
        let name = &text[begin..end];
        // `user[password]=` and `password[]=`.
        let brackets = rest(end).iter().take_while(|byte| b"[]".contains(byte)).count();
        let quoted = rest(end + brackets).first().is_some_and(|byte| b"\"'`".contains(byte));
        // What is in no quotes ends with its line.
        let is_space = |byte: &&u8| if quoted { byte.is_ascii_whitespace() } else { b" \t".contains(byte) };
        let spaces = |at: usize| rest(at).iter().take_while(is_space).count();
        let mut at = end + brackets + usize::from(quoted);
        at += spaces(at);
        let divider = *rest(at).first()?;
        at += 1;
        match divider {
            b'=' if rest(at).first() == Some(&b'>') => at += 1,
            // The tag of an image, or a port.
            b':' if !quoted && text[..begin].ends_with(b"/") => return None,
            b'=' | b':' => {}
            // An element of XML, which ends where another tag begins.
            b'>' if at == end + 1 && opens_tag(&text[..begin]) => {
                let length = rest(at).iter().position(|byte| *byte == b'<')?;
                let blank = rest(at)[..length].iter().all(u8::is_ascii_whitespace);
                return (!blank).then_some(Self { from: at, to: at + length, bare_in_quotes: false });
            }
            _ => return None,
        }
        at += spaces(at);
        let first = *rest(at).first()?;
        // An escaped quote is one where the text is read without its escapes.
        if first == b'\\' && rest(at + 1).first().is_some_and(|byte| b"\"'".contains(byte)) {
            return None;
        }
        // The quote that ends the string in which the name stands.
        let ends = |at: usize| rest(at).first().is_none_or(|byte| b",}]:".contains(byte));
        if first == b'"' && !quoted && ends(at + 1) {
            return None;
        }
        let closed = |at: usize| {
            let length = string_length(rest(at), first);
            first == b'"' || !rest(at)[..length].contains(&b'"') && at + length < text.len()
        };
        if b"\"'`".contains(&first) && closed(at + 1) {
            let (from, length) = (at + 1, string_length(rest(at + 1), first));
            return (length > 0).then_some(Self { from, to: from + length, bare_in_quotes: false });
        }
        if rest(at).starts_with(REDACTED.as_bytes()) {
            return None;
        }
        let length = match first {
            b'{' | b'[' if quoted => nested_length(rest(at)),
            _ if !quoted
                && divider == b':'
                && LONG_VALUES.iter().any(|long| name.eq_ignore_ascii_case(long.as_bytes())) =>
            {
                rest(at).iter().position(|byte| b"\r\n\"".contains(byte)).unwrap_or(rest(at).len())
            }
            _ => bare_length(rest(at), divider, quoted),
        };
        let value = String::from_utf8_lossy(&text[at..at + length]).to_lowercase();
        let nothing = ["null", "nil", "none", "true", "false", "{}", "[]"].contains(&value.as_str());
        (length > 0 && !nothing).then_some(Self { from: at, to: at + length, bare_in_quotes: quoted })
    }
}

/// Whether a name that stands behind this is that of an element of XML, with its prefix.
fn opens_tag(before: &[u8]) -> bool {
    let prefix =
        before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(byte)).count();
    before[..before.len() - prefix].ends_with(b"<")
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
    let spaces = text[length..].iter().take_while(|byte| b" \t".contains(byte)).count();
    match spaces {
        1.. if scheme => length + spaces + word(&text[length + spaces..]),
        _ => length,
    }
}
