//! Secrets in markup: what an element holds that is called like one, or whose attribute says that it is one.

use std::cell::LazyCell;
use std::collections::HashMap;

use memchr::{memchr, memmem};

use super::decoded::Decoded;
use super::named::{is_name_of_secret, is_secret_name};
use super::{Span, span};

/// Attributes that name what an element is about.
const NAMES: [&[u8]; 2] = [b"name", b"key"];

/// Attributes that hold it.
const VALUES: [&[u8]; 2] = [b"value", b"content"];

const CDATA: &[u8] = b"<![CDATA[";

pub fn find(meant: &Decoded, spans: &mut Vec<Span>) {
    let text = &meant.text;
    let closings = LazyCell::new(|| last_closings(text));
    let mut at = 0;
    while let Some(before) = memchr(b'<', &text[at..]) {
        at += before + 1;
        let name = &text[at..at + name_length(&text[at..])];
        at += name.len();
        let Some(length) = tag_length(&text[at..]).filter(|_| !name.is_empty()) else { continue };
        let attributes = attributes(&text[..at + length], at);
        at += length + 1;
        let of = |names: &[&[u8]], name: &[u8]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let named = |(name, from, to): &(&[u8], usize, usize)| {
            of(&NAMES, name) && is_name_of_secret(&text[*from..*to])
        };
        if !is_secret_name(name) && !attributes.iter().any(named) {
            continue;
        }
        let values = attributes.iter().filter(|(name, from, to)| of(&VALUES, name) && from < to);
        spans.extend(values.map(|(_, from, to)| span(meant, *from, *to)));
        if !text[..at].ends_with(b"/>") {
            let closed = closings.get(name).is_some_and(|last| *last >= at);
            at = find_texts(meant, at, closed.then_some(name), spans);
        }
    }
}

/// Finds what an element holds, from behind its tag to its end tag; if there is none (`name`), to the next tag. Returns
/// where that is.
fn find_texts(meant: &Decoded, mut at: usize, name: Option<&[u8]>, spans: &mut Vec<Span>) -> usize {
    let text = &meant.text;
    let mut found = |from: usize, to: usize| {
        if !text[from..to].trim_ascii().is_empty() {
            spans.push(span(meant, from, to));
        }
    };
    loop {
        let Some(length) = memchr(b'<', &text[at..]) else {
            if meant.cut {
                found(at, text.len());
            }
            return text.len();
        };
        found(at, at + length);
        at += length;
        if text[at..].starts_with(CDATA) {
            let from = at + CDATA.len();
            let to = memmem::find(&text[from..], b"]]>").map_or(text.len(), |length| from + length);
            found(from, to);
            at = (to + 3).min(text.len());
            continue;
        }
        let Some(name) = name else { return at };
        let ends = text[at + 1..].strip_prefix(b"/").is_some_and(|rest| &rest[..name_length(rest)] == name);
        match memchr(b'>', &text[at..]) {
            Some(length) if !ends => at += length + 1,
            _ => return at,
        }
    }
}

/// Where the last end tag of each name is.
fn last_closings(text: &[u8]) -> HashMap<&[u8], usize> {
    let name = |at: usize| &text[at + 2..at + 2 + name_length(&text[at + 2..])];
    memmem::find_iter(text, b"</").map(|at| (name(at), at)).collect()
}

fn name_length(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(byte)).count()
}

/// The length of the rest of a tag, from behind its name to its `>`. It goes on to another `<` only within quotes: there
/// are never more than two, one for each kind of quote, that would look at the same bytes.
fn tag_length(rest: &[u8]) -> Option<usize> {
    let mut quote = None;
    if !rest.first().is_some_and(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte)) {
        return None;
    }
    for (at, byte) in rest.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The attributes in quotes of a tag that ends with `tag`: the name of each, and where its value is. What has escaped
/// quotes is looked at without its escapes.
fn attributes(tag: &[u8], mut at: usize) -> Vec<(&[u8], usize, usize)> {
    let mut found = Vec::new();
    while let Some(length) = memchr(b'=', &tag[at..]) {
        let before = tag[at..at + length].trim_ascii_end();
        let begin = before.iter().rposition(|byte| byte.is_ascii_whitespace()).map_or(0, |end| end + 1);
        at += length + 1;
        at += tag[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let Some(quote @ (b'"' | b'\'')) = tag.get(at) else { continue };
        let to = memchr(*quote, &tag[at + 1..]).map_or(tag.len(), |length| at + 1 + length);
        found.push((&before[begin..], at + 1, to));
        at = (to + 1).min(tag.len());
    }
    found
}
