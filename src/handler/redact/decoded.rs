//! A text as it is meant: without the escapes of JSON, or the percent signs of URLs, within one another as they may be.
//! Each byte knows where in the text it comes from, so that what is found here is taken out there.

use std::collections::HashSet;

/// Texts within texts that are looked into: more than anybody sends, and a bound for who tries.
const MOST: usize = 24;

/// The same in bytes, but for a text that is larger by itself.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// A text, decoded some times.
pub struct Decoded {
    /// What it says.
    pub text: Vec<u8>,
    /// Where each byte begins in the original; one more for its end.
    origin: Vec<usize>,
    /// It ends where it was cut: what is open there may have gone on.
    pub cut: bool,
}

impl Decoded {
    fn new(text: &[u8], cut: bool) -> Self {
        Self { text: text.to_vec(), origin: (0..=text.len()).collect(), cut }
    }

    /// Where in the original `from..to` is.
    pub fn origin(&self, from: usize, to: usize) -> (usize, usize) {
        (self.origin[from], self.origin[to])
    }

    /// How much of the original a byte stands for: the deeper it is within strings, the more.
    pub fn width(&self, at: usize) -> usize {
        self.origin[at + 1] - self.origin[at]
    }

    /// The same once more decoded; `None`: there is nothing to decode.
    fn decode(&self, step: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Option<Self> {
        let (mut text, mut origin) =
            (Vec::with_capacity(self.text.len()), Vec::with_capacity(self.origin.len()));
        let (mut at, mut changed) = (0, false);
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let (bytes, length) = match step(rest) {
                Some((bytes, length)) => {
                    changed = true;
                    (bytes, length)
                }
                None => (vec![rest[0]], 1),
            };
            origin.extend(bytes.iter().map(|_| self.origin[at]));
            text.extend(bytes);
            at += length;
        }
        origin.push(self.origin[at]);
        changed.then_some(Self { text, origin, cut: self.cut })
    }
}

/// A text, and all that it can be decoded to. `None`: that is more than anybody means.
pub fn all(text: &[u8], cut: bool) -> Option<Vec<Decoded>> {
    let mut seen = HashSet::from([text.to_vec()]);
    let mut all = vec![Decoded::new(text, cut)];
    let mut at = 0;
    while let Some(one) = all.get(at) {
        at += 1;
        let next = [one.decode(escape), one.decode(percent), one.decode(entity)];
        let as_form = (at == 1 && is_form(text)).then(|| one.decode(form)).flatten();
        for decoded in next.into_iter().chain([as_form]).flatten() {
            if seen.insert(decoded.text.clone()) {
                all.push(decoded);
            }
        }
        if all.len() > MOST || all.iter().map(|one| one.text.len()).sum::<usize>() > MOST_BYTES {
            return None;
        }
    }
    Some(all)
}

/// An escape of JSON that a text begins with: what it stands for, and its length.
fn escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'\\', kind, rest @ ..] = text else { return None };
    let plain = match kind {
        b'"' | b'\\' | b'/' | b'\'' => *kind,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' | b'f' => b' ',
        b'u' => return unicode(rest).or_else(|| Some((vec![b' '], 2))),
        // It means nothing, and so is no part of the word behind it.
        kind if kind.is_ascii_alphanumeric() => b' ',
        _ => return Some((vec![b' '], 1)),
    };
    Some((vec![plain], 2))
}

/// `\uXXXX`, from behind the `u`; half a pair stands for a space.
fn unicode(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let unit = |text: &[u8]| u32::from_str_radix(std::str::from_utf8(text.get(..4)?).ok()?, 16).ok();
    let first = unit(rest)?;
    let second = rest.get(4..6).filter(|next| *next == b"\\u").and_then(|_| unit(rest.get(6..)?));
    let (code, length) = match (first, second) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    let text = char::from_u32(code).unwrap_or(' ');
    Some((text.to_string().into_bytes(), length))
}

/// An entity of XML, likewise.
fn entity(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let length = text.strip_prefix(b"&")?.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&text[1..=length]).ok()?;
    let code = match name {
        "lt" => u32::from(b'<'),
        "gt" => u32::from(b'>'),
        "amp" => u32::from(b'&'),
        "quot" => u32::from(b'"'),
        "apos" => u32::from(b'\''),
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => name[1..].parse().ok()?,
        },
    };
    Some((char::from_u32(code)?.to_string().into_bytes(), length + 2))
}

/// `%XX`, likewise.
fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? * 16 + digit(low)?;
    Some((vec![u8::try_from(byte).ok()?], 3))
}

/// Whether a text is a form as a whole: elsewhere a `+` is a plus.
fn is_form(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_graphic() && !b"\"<>{}".contains(byte);
    text.contains(&b'=') && text.iter().all(fits)
}

/// `%XX` or a `+`, likewise.
fn form(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.first() == Some(&b'+') { Some((vec![b' '], 1)) } else { percent(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_in_a_decoded_text_is_found_in_the_original() {
        let text = br#"a=%5C%22\u0041\ud83d\ude00%22b"#;
        let all = all(text, false).unwrap();
        let meant: Vec<_> = all.iter().map(|one| String::from_utf8_lossy(&one.text).into_owned()).collect();
        assert!(meant.contains(&"a=\"A😀\"b".to_owned()), "{meant:?}");
        for one in &all {
            let b = one.text.iter().rposition(|byte| *byte == b'b').unwrap();
            assert_eq!(one.origin(b, b + 1), (text.len() - 1, text.len()));
        }
    }

    #[test]
    fn there_is_a_bound_to_it() {
        let text = format!("%{}22", "25".repeat(40));
        assert!(all(text.as_bytes(), false).is_none());
        assert_eq!(all(b"50 % of it and %zz", false).unwrap().len(), 1);
    }
}
