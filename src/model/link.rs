//! Links that act: each for one incident and one action, signed, and for a time. Whoever has one needs no login, which is
//! what makes it work from a phone's lock screen.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Number;

/// Stands between the parts of a link: no number, time or name of a channel has one, and URLs leave it as it is.
const SEPARATOR: char = '~';

/// Bytes of the signature that a link carries: nobody guesses 128 bits.
const SIGNATURE_BYTES: usize = 16;

/// What links are signed with: as many bytes as the hash takes at once, so that every one of them is a key.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey(pub [u8; 64]);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum LinkAction {
    Acknowledge,
    Resolve,
}

impl LinkAction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Acknowledge, Self::Resolve];

    /// Its name in links.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }

    /// What a button says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Acknowledge => "Acknowledge",
            Self::Resolve => "Resolve",
        }
    }
}

/// A link that acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActLink {
    /// On which incident.
    pub number: Number,
    /// What it does.
    pub action: LinkAction,
    /// Until when, in seconds since the epoch.
    pub expires_s: i64,
    /// The channel that it was sent by, in whose name it acts.
    pub channel: String,
}

impl ActLink {
    /// The link as the last segment of a path.
    #[must_use]
    pub fn sign(&self, key: &LinkKey) -> String {
        let Self { number, action, expires_s, channel } = self;
        let signed = [&number.to_string(), action.as_str(), &expires_s.to_string(), channel].join("~");
        let signature = URL_SAFE_NO_PAD.encode(signature(key, &signed));
        format!("{signed}{SEPARATOR}{signature}")
    }

    /// The link that such a segment is, expired or not. `None`: nobody who has the key made it.
    #[must_use]
    pub fn verify(text: &str, key: &LinkKey) -> Option<Self> {
        let (signed, given) = text.rsplit_once(SEPARATOR)?;
        let given = URL_SAFE_NO_PAD.decode(given).ok()?;
        mac(key, signed).verify_truncated_left(&given).ok().filter(|()| given.len() == SIGNATURE_BYTES)?;
        let mut parts = signed.split(SEPARATOR);
        let mut next = || parts.next();
        let (number, action) = (Number::parse(next()?)?, next()?);
        let action = LinkAction::ALL.into_iter().find(|known| known.as_str() == action)?;
        Some(Self { number, action, expires_s: next()?.parse().ok()?, channel: next()?.to_owned() })
    }
}

fn mac(key: &LinkKey, signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new(&key.0.into());
    mac.update(signed.as_bytes());
    mac
}

fn signature(key: &LinkKey, signed: &str) -> Vec<u8> {
    mac(key, signed).finalize().into_bytes()[..SIGNATURE_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_what_was_signed_and_nothing_else() {
        let key = LinkKey([7; 64]);
        let number = Number { year: 2026, sequence: 1 };
        let link = ActLink {
            number,
            action: LinkAction::Acknowledge,
            expires_s: 1_795_420_800,
            channel: "my.phone-1".into(),
        };
        let text = link.sign(&key);
        assert!(text.starts_with("INC-2026-001~acknowledge~1795420800~my.phone-1~"), "{text}");
        assert_eq!(ActLink::verify(&text, &key), Some(link));
        assert_eq!(ActLink::verify(&text, &LinkKey([8; 64])), None);
        for (from, to) in [("001~", "002~"), ("acknowledge", "resolve"), ("1795", "1895"), ("my.", "me.")] {
            assert_eq!(ActLink::verify(&text.replace(from, to), &key), None, "{to}");
        }
        let short = &text[..text.len() - 2];
        for other in ["", "~", short, &text[..text.rfind('~').unwrap() + 1]] {
            assert_eq!(ActLink::verify(other, &key), None, "{other}");
        }
    }
}
