//! Encoded words (RFC 2047): how more than ASCII is put into a header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text with its encoded words decoded; as it is, if one cannot be.
pub fn decode(text: &str) -> String {
    try_decode(text).unwrap_or_else(|| text.to_owned())
}

fn try_decode(text: &str) -> Option<String> {
    let mut decoded = String::new();
    let (mut rest, mut behind_word) = (text, false);
    while let Some((between, word)) = rest.split_once("=?") {
        // White space between two words is there to separate them only.
        if !(behind_word && between.trim().is_empty()) {
            decoded.push_str(between);
        }
        let (charset, word) = word.split_once('?')?;
        let (encoding, word) = word.split_once('?')?;
        let (content, behind) = word.split_once("?=")?;
        let bytes = match encoding {
            "B" | "b" => STANDARD.decode(content).ok()?,
            "Q" | "q" => from_q(content)?,
            _ => return None,
        };
        match charset.to_ascii_lowercase().as_str() {
            "utf-8" | "us-ascii" => decoded.push_str(std::str::from_utf8(&bytes).ok()?),
            "iso-8859-1" => decoded.extend(bytes.into_iter().map(char::from)),
            _ => return None,
        }
        (rest, behind_word) = (behind, true);
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// `_` is a space, `=C3` a byte.
fn from_q(content: &str) -> Option<Vec<u8>> {
    let mut bytes = content.bytes();
    let mut decoded = Vec::with_capacity(content.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn words_are_decoded_and_what_is_none_stays() {
        for (text, expected) in [
            ("Disk full", "Disk full"),
            ("=?UTF-8?B?8J+HqfCfh6o=?=", "🇩🇪"),
            ("=?UTF-8?Q?=C3=84pfel_und?= Birnen", "Äpfel und Birnen"),
            ("=?utf-8?q?a?= =?iso-8859-1?Q?=FC?=", "aü"),
            ("=?UTF-8?B?***?=", "=?UTF-8?B?***?="),
            ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
            ("=?koi8-r?Q?a?=", "=?koi8-r?Q?a?="),
            ("why =? not", "why =? not"),
        ] {
            assert_eq!(decode(text), expected);
        }
    }
}
