//! Secrets whose name is a value as well: `{"name": "Authorization", "value": …}`, and the same as lines of YAML, in
//! whatever order.

use std::collections::VecDeque;

use memchr::{memchr, memchr2_iter};

use super::Span;
use super::decoded::Decoded;
use super::named::{NAME_BYTES, is_name_of_secret, word_length};
use super::value::{Divided, Name, Value, divided, string_length};

/// What a value is called.
const VALUE: &[u8] = b"value";

/// Objects within one another that are looked at: each reads its value once more.
const MOST_OPEN: usize = 64;

pub fn find(meant: &Decoded, original: &str, spans: &mut Vec<Span>) {
    // Most bodies have none, and need not be read byte by byte for it.
    let is_value =
        |at| meant.text[at..].get(..VALUE.len()).is_some_and(|word| word.eq_ignore_ascii_case(VALUE));
    if memchr2_iter(b'v', b'V', &meant.text).any(is_value) {
        find_in_braces(meant, original, spans);
        find_in_lines(meant, original, spans);
    }
}

/// What is known of an object, or of lines that are as far in.
#[derive(Default)]
struct Group {
    column: usize,
    /// It has a name that is one of a secret.
    secret: bool,
    /// Where the name of its value is: `value`.
    value: Option<(usize, usize)>,
}

impl Group {
    /// Takes note of the member whose name is from `begin` to `end`. Returns where its value ends if that is a string.
    fn note(&mut self, text: &[u8], begin: usize, end: usize) -> Option<usize> {
        let word = &text[begin..end];
        let names = [&b"name"[..], b"key"].iter().any(|name| name.eq_ignore_ascii_case(word));
        if !names && !word.eq_ignore_ascii_case(VALUE) {
            return None;
        }
        let Divided { at, .. } = divided(text, begin, end)?;
        let quote = text.get(at).filter(|byte| b"\"'".contains(byte));
        let (from, to) = match quote {
            Some(quote) => (at + 1, at + 1 + string_length(&text[at + 1..], *quote)),
            None => {
                // One more than a name may have.
                let most = text[at..].iter().take(NAME_BYTES + 1);
                (at, at + most.take_while(|byte| !b",}\r\n\"".contains(byte)).count())
            }
        };
        match names {
            true => self.secret |= is_name_of_secret(text[from..to].trim_ascii()),
            false => self.value = Some((begin, end)),
        }
        quote.map(|_| to)
    }

    /// Finds its value if that is a secret. It ends at `limit`.
    fn close(&self, meant: &Decoded, original: &str, limit: usize, whole_line: bool, spans: &mut Vec<Span>) {
        if let Some((begin, end)) = self.value.filter(|_| self.secret) {
            let value = Value::of(meant, &Name { begin, end, limit, whole_line });
            spans.extend(value.map(|value| value.span(meant, original, end)));
        }
    }
}

fn find_in_braces(meant: &Decoded, original: &str, spans: &mut Vec<Span>) {
    let text = &meant.text;
    let mut open: VecDeque<Group> = VecDeque::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let end = at + word_length(&text[at..]).max(1);
        let mut next = end;
        match byte {
            b'{' => {
                open.push_back(Group::default());
                if open.len() > MOST_OPEN {
                    open.pop_front();
                }
            }
            b'}' => {
                if let Some(group) = open.pop_back() {
                    group.close(meant, original, at, false, spans);
                }
            }
            b'"' => next = at + 1 + value_length(text, at),
            _ => {
                if let Some(group) = open.back_mut() {
                    // Braces within it mean nothing.
                    next = group.note(text, at, end).unwrap_or(end);
                }
            }
        }
        at = next;
    }
    for group in open {
        group.close(meant, original, text.len(), false, spans);
    }
}

/// The length of a string at `at`, up to its last quote, if all around says that it is a value of JSON: braces within it
/// mean nothing. 0: it may be anything.
fn value_length(text: &[u8], at: usize) -> usize {
    // Looked at first: what is preceded so is no escaped quote, and no string is read from its middle.
    if !text[..at].trim_ascii_end().last().is_some_and(|byte| b":[,".contains(byte)) {
        return 0;
    }
    let length = string_length(&text[at + 1..], b'"');
    let behind = text[at + 1 + length..].get(1..).unwrap_or_default().trim_ascii_start();
    let is_value = behind.first().is_some_and(|byte| b",]}".contains(byte));
    if is_value { length + 1 } else { 0 }
}

fn find_in_lines(meant: &Decoded, original: &str, spans: &mut Vec<Span>) {
    let text = &meant.text;
    let mut open: Vec<Group> = Vec::new();
    let mut line = 0;
    while line < text.len() {
        let end = memchr(b'\n', &text[line..]).map_or(text.len(), |length| line + length);
        // Where the end of a line is written as an escape, the first one begins with the string in which it stands.
        let width = if end < text.len() { meant.width(end) } else { 1 };
        let opens = |at: &usize| text[*at] == b'"' && meant.width(*at) < width;
        let quote = if width > 1 { (line..end).rev().find(opens) } else { None };
        let begin = quote.map_or(line, |quote| quote + 1);
        let indent = text[begin..end].iter().take_while(|byte| b" -".contains(byte)).count();
        let is_item = text[begin..begin + indent].contains(&b'-');
        if !text[begin + indent..end].trim_ascii().is_empty() {
            // What is less far in ends those that are further in; a dash begins another one.
            while let Some(group) =
                open.pop_if(|group| group.column > indent || (is_item && group.column == indent))
            {
                group.close(meant, original, line, true, spans);
            }
            let word = begin + indent + usize::from(b"\"'".contains(&text[begin + indent]));
            let word_end = word + word_length(&text[word..end]);
            if open.last().is_none_or(|group| group.column < indent) && open.len() < MOST_OPEN {
                open.push(Group { column: indent, ..Group::default() });
            }
            if let Some(group) = open.last_mut().filter(|group| group.column == indent) {
                group.note(text, word, word_end);
            }
        }
        line = end + 1;
    }
    for group in open {
        group.close(meant, original, text.len(), true, spans);
    }
}
