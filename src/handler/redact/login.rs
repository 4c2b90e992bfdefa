//! Passwords of `scheme://user:password@host`.

use super::decoded::Decoded;
use super::{REDACTED, Span, span};

/// What ends the part of a URL in which a login stands, if it is written as it should be.
const AFTER_HOST: &[u8] = b"/?#\"'<> \t\r\n\\";

/// What ends a URL in any case.
const AFTER_URL: &[u8] = b"\"<>` \t\r\n\\";

pub fn find(meant: &Decoded, spans: &mut Vec<Span>) {
    for at in memchr::memmem::find_iter(&meant.text, b"://") {
        if let Some((from, to)) = password(&meant.text[at + 3..], meant.cut) {
            spans.push(span(meant, at + 3 + from, at + 3 + to));
        }
    }
}

/// Where the password is in a URL, from behind its `://`. `cut`: the text ends where it was cut.
fn password(url: &[u8], cut: bool) -> Option<(usize, usize)> {
    let authority = &url[..url.iter().position(|byte| AFTER_HOST.contains(byte)).unwrap_or(url.len())];
    let proper = last_at(authority);
    // An address of IPv6 has colons, and `git@host:path` is no password.
    let user = url.iter().position(|byte| b":@[".contains(byte) || AFTER_HOST.contains(byte));
    let improper = match user.filter(|user| url[*user] == b':') {
        Some(user) if !is_port(&url[user + 1..], b"/?#") => improper_end(url, cut),
        _ => None,
    };
    let end = proper.max(improper)?;
    let colon = url[..end].iter().position(|byte| *byte == b':')?;
    if url[colon + 1..].starts_with(REDACTED.as_bytes()) {
        return None;
    }
    // A port with something behind it that has nothing to do with it.
    (colon + 1 < end && !is_port(&url[colon + 1..], b",;)]|")).then_some((colon + 1, end))
}

/// The end of a password that holds what has a meaning in URLs (`/`, `#`, `?`, `'`): the last `@` of all, but in a form
/// rather one before the next field.
fn improper_end(url: &[u8], cut: bool) -> Option<usize> {
    let ends = |at: &usize| {
        let (byte, rest) = (url[*at], &url[at + 1..]);
        AFTER_URL.contains(&byte)
            || (byte == b'\'' && rest.first().is_some_and(|next| b" \t\r\n,:;)]}".contains(next)))
            || (byte == b':' && rest.starts_with(b"//"))
    };
    let length = (0..url.len()).find(ends).unwrap_or(url.len());
    if cut && length == url.len() {
        return Some(length);
    }
    let field = url[..length].iter().position(|byte| *byte == b'&').unwrap_or(length);
    last_at(&url[..field]).or_else(|| last_at(&url[..length]))
}

fn last_at(text: &[u8]) -> Option<usize> {
    text.iter().rposition(|byte| *byte == b'@')
}

/// Whether a text begins with a port, with one of `behind` or nothing behind it.
fn is_port(text: &[u8], behind: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text.get(digits).is_none_or(|byte| behind.contains(byte))
}
