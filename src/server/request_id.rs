//! Request ids: a caller's own, or ours.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;

/// Characters of a caller's own id.
const MOST_CHARS: usize = 128;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Gives out ids that are unique over restarts, in the order of arrival.
#[derive(Debug)]
pub struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of this process.
    pub fn new() -> Self {
        // The seed of the standard library's hash maps: random per process, which is all that is asked of it.
        let process = RandomState::new().hash_one(std::process::id()) as u32;
        Self { prefix: format!("req_{process:08x}"), next: AtomicU64::new(1) }
    }

    /// The id of a request: the caller's `X-Request-Id`, if it is printable ASCII of at most 128 characters.
    pub fn of(&self, headers: &HeaderMap) -> String {
        let own = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        let printable = |id: &&str| {
            (1..=MOST_CHARS).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        };
        match own.filter(printable) {
            Some(id) => id.to_owned(),
            None => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let mut id = String::with_capacity(self.prefix.len() + 8);
                id.push_str(&self.prefix);
                // Eight hexadecimal digits; a process does not live to see the ninth.
                id.extend((0..8).rev().map(|digit| char::from(HEX[(number >> (4 * digit) & 0xf) as usize])));
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_callers_own_id_is_kept_if_it_is_short_and_printable() {
        let ids = RequestIds::new();
        let of = |value: &str| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            ids.of(&HeaderMap::from_iter([(http::header::HeaderName::from_static("x-request-id"), value)]))
        };
        assert_eq!(of("abc 123"), "abc 123");
        assert_eq!(of(&"x".repeat(128)), "x".repeat(128));
        for refused in ["", &"x".repeat(129), "é", "a\tb"] {
            assert!(of(refused).starts_with("req_"), "{refused:?}");
        }
        assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
    }
}
