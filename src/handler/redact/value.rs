//! The value of a name: what divides the two, and where it ends, quoted or not, nested, or over several lines.

use super::decoded::Decoded;
use super::{REDACTED, Span};

/// Names whose values have several words.
const LONG_VALUES: [&str; 2] = ["authorization", "cookie"];

/// A name that may have a value behind it.
pub struct Name {
    pub begin: usize,
    pub end: usize,
    /// Where its value ends at the latest.
    pub limit: usize,
    /// Its value, if it has no quotes, is all of the line.
    pub whole_line: bool,
}

/// The value of a name.
pub struct Value {
    pub from: usize,
    pub to: usize,
    /// It has no quotes, but its name has: what stands for it needs some.
    bare_in_quotes: bool,
}

impl Value {
    pub fn of(meant: &Decoded, name: &Name) -> Option<Self> {
        let text = &meant.text[..name.limit];
        let Divided { at, divider, quoted } = divided(text, name.begin, name.end)?;
        let rest = |at: usize| text.get(at..).unwrap_or_default();
        let first = *rest(at).first()?;
        if divider == b':' && begins_block(rest(at)) {
            let (from, to) = block(meant, name, at)?;
            return Some(Self { from, to, bare_in_quotes: false });
        }
        // An escaped quote is one where the text is read without its escapes.
        if first == b'\\' && rest(at + 1).first().is_some_and(|byte| b"\"'".contains(byte)) {
            return None;
        }
        // The quote that ends the string in which the name stands.
        if first == b'"' && !quoted && ends_string(rest(at + 1)) {
            return None;
        }
        let closed = |at: usize| {
            let length = string_length(rest(at), first);
            first == b'"' || !rest(at)[..length].contains(&b'"') && (at + length < text.len() || meant.cut)
        };
        if b"\"'`".contains(&first) && closed(at + 1) {
            let (from, length) = (at + 1, string_length(rest(at + 1), first));
            return (length > 0).then_some(Self { from, to: from + length, bare_in_quotes: false });
        }
        if rest(at).starts_with(REDACTED.as_bytes()) {
            return None;
        }
        let long = |long: &&str| text[name.begin..name.end].eq_ignore_ascii_case(long.as_bytes());
        let whole_line = name.whole_line || (divider == b':' && LONG_VALUES.iter().any(long));
        let length = match first {
            b'{' | b'[' if quoted => nested_length(rest(at)),
            b'{' | b'[' => bracketed_length(rest(at)),
            _ => match digest_length(rest(at)) {
                Some(length) => length,
                None if whole_line && !quoted => line_length(rest(at)),
                None => bare_length(rest(at), divider, quoted),
            },
        };
        let value = String::from_utf8_lossy(&text[at..at + length]).to_lowercase();
        let nothing = ["null", "nil", "none", "true", "false", "{}", "[]"].contains(&value.as_str());
        (length > 0 && !nothing).then_some(Self { from: at, to: at + length, bare_in_quotes: quoted })
    }

    /// What is to be taken out of the original, of a name that ends at `name_end`.
    pub fn span(&self, meant: &Decoded, original: &str, name_end: usize) -> Span {
        let (from, to) = meant.origin(self.from, self.to);
        let quote = match self.bare_in_quotes {
            // As the name's own are written, be it within a string or a URL.
            true => {
                let (from, to) = meant.origin(name_end, name_end + 1);
                original.get(from..to).unwrap_or_default()
            }
            false => "",
        };
        (from, to, format!("{quote}{REDACTED}{quote}"))
    }
}

/// A name and what divides it from its value.
pub struct Divided {
    /// Where the value begins.
    pub at: usize,
    /// `=` or `:`.
    divider: u8,
    /// The name has quotes.
    quoted: bool,
}

/// Looks for what divides the name from `begin` to `end` from its value.
pub fn divided(text: &[u8], begin: usize, end: usize) -> Option<Divided> {
    let rest = |at: usize| text.get(at..).unwrap_or_default();
    // `user[password]=` and `password[]=`.
    let brackets = rest(end).iter().take_while(|byte| b"[]".contains(byte)).count();
    let quoted = rest(end + brackets).first().is_some_and(|byte| b"\"'`".contains(byte));
    // What is in no quotes ends with its line.
    let is_space = |byte: &&u8| if quoted { byte.is_ascii_whitespace() } else { b" \t".contains(byte) };
    let spaces = |at: usize| rest(at).iter().take_while(is_space).count();
    let mut at = end + brackets + usize::from(quoted);
    at += spaces(at);
    let (divider, length) = match rest(at) {
        [b'=', b'=', b'=', ..] => (b'=', 3),
        [b'=', b'=' | b'>', ..] | [b':', b'=', ..] => (b'=', 2),
        [b'=', ..] => (b'=', 1),
        // The tag of an image, or a port.
        [b':', ..] if !quoted && text[..begin].ends_with(b"/") => return None,
        [b':', ..] => (b':', 1),
        _ => return None,
    };
    at += length;
    Some(Divided { at: at + spaces(at), divider, quoted })
}

/// Whether a quote is the last of a string, by what follows it.
fn ends_string(behind: &[u8]) -> bool {
    behind.first().is_none_or(|byte| b",}]:".contains(byte))
}

/// The length of a string from behind its first quote to its last, or to the end.
pub fn string_length(text: &[u8], quote: u8) -> usize {
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

/// The same where nobody says that it is JSON: it ends with its line, or with the string in which it stands, as well. All
/// that was looked at is part of it, so that nothing is looked at twice.
fn bracketed_length(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        let begins = || text[..at].last().is_some_and(|before| b"{[,:= ".contains(before));
        match byte {
            b'\r' | b'\n' => return at,
            b'"' if in_string => in_string = escaped,
            b'"' if begins() && !ends_string(&text[at + 1..]) => in_string = true,
            b'"' => return at,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string && depth <= 1 => return at + 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
    }
    text.len()
}

/// The length of a Digest authorization (RFC 7616): its parameters have quotes and commas.
pub fn digest_length(text: &[u8]) -> Option<usize> {
    let spaces = |at: usize| text[at..].iter().take_while(|byte| b" \t".contains(byte)).count();
    text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case(b"digest "))?;
    let (mut at, mut end) = (7, None);
    loop {
        at += spaces(at);
        at += text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_*".contains(byte))
            .count();
        match &text[at..] {
            [b'=', b'"', value @ ..] => at = (at + 2 + string_length(value, b'"') + 1).min(text.len()),
            [b'=', value @ ..] => at += 1 + bare_length(value, b':', false),
            _ => return end,
        }
        end = Some(at);
        at += spaces(at);
        match text.get(at) {
            Some(b',') => at += 1,
            _ => return end,
        }
    }
}

/// The length of what is left of a line, or of the string in which it stands.
fn line_length(text: &[u8]) -> usize {
    text.iter().position(|byte| b"\r\n\"".contains(byte)).unwrap_or(text.len())
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

/// Whether a text begins with the head of a block of YAML. The end of its line may be written as an escape: it is one
/// where the text is read without.
fn begins_block(text: &[u8]) -> bool {
    let text = untagged(text);
    let head = text.iter().take_while(|byte| b"|>+-0123456789 \t".contains(byte)).count();
    text.first().is_some_and(|byte| b"|>".contains(byte))
        && text.get(head).is_none_or(|byte| b"\r\n\\%&".contains(byte))
}

/// What is behind a tag or an anchor of YAML: `!!binary |`.
fn untagged(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(b'!' | b'&') => {
            text.iter().position(u8::is_ascii_whitespace).map_or(text, |end| text[end..].trim_ascii_start())
        }
        _ => text,
    }
}

/// A block of YAML: lines behind a `|` or `>` at `at` that are further in than their name.
fn block(meant: &Decoded, name: &Name, at: usize) -> Option<(usize, usize)> {
    let text = &meant.text[..name.limit];
    let count = |at: usize, of: &[u8]| text[at..].iter().take_while(|byte| of.contains(byte)).count();
    let at = text.len() - untagged(&text[at..]).len();
    let mut line = at + count(at, b"|>+-0123456789");
    line += count(line, b" \t");
    line += match &text[line..] {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => return None,
    };
    // Where the end of a line is written as an escape, a quote that takes less ends the string in which all this stands.
    let newline = meant.width(line - 1);
    let ends_string = |at: &usize| text[*at] == b'"' && meant.width(*at) < newline;
    let column = column(text, name.begin);
    let (mut from, mut to) = (None, line);
    while line < text.len() {
        let begin = line + count(line, b" \t");
        let end = (begin..text.len()).find(|at| text[*at] == b'\n' || ends_string(at)).unwrap_or(text.len());
        if !text[begin..end].trim_ascii().is_empty() {
            if begin - line <= column {
                break;
            }
            from.get_or_insert(begin);
            to = begin + text[begin..end].trim_ascii_end().len();
        }
        if text.get(end) == Some(&b'"') {
            break;
        }
        line = end + 1;
    }
    Some((from?, to))
}

/// How far in a name stands in its line, the dashes of a list included.
fn column(text: &[u8], begin: usize) -> usize {
    let before = &text[..begin];
    let before = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'")).unwrap_or(before);
    let line = before.iter().rposition(|byte| b"\n\"".contains(byte)).map_or(0, |end| end + 1);
    before[line..].iter().take_while(|byte| b" -".contains(byte)).count()
}
