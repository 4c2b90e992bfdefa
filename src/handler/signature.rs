//! Signed webhooks: `X-Runframe-Signature: sha256=<hex HMAC-SHA256(secret, "{timestamp}.{raw body}")>`.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

use crate::error::{Error, Kind};

/// How far a sender's clock may be from ours.
const SKEW_S: i64 = 300;

/// Checks a request's signature. No secrets: nothing is checked.
///
/// # Errors
/// `missing_signature`, `invalid_signature`, or, where only the time is wrong, `stale_signature`.
pub fn verify(secrets: &[String], headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<(), Error> {
    if secrets.is_empty() {
        return Ok(());
    }
    let header = |name: &str| {
        let value =
            headers.get(format!("x-runframe-{name}")).or_else(|| headers.get(format!("x-firebell-{name}")));
        value.map(|value| value.to_str().unwrap_or_default().trim())
    };
    let (Some(timestamp), Some(signature)) = (header("timestamp"), header("signature")) else {
        return Err(Error::new(
            Kind::MissingSignature,
            "this integration takes signed requests only: send X-Firebell-Timestamp (Unix seconds) and \
             X-Firebell-Signature (sha256= and the hex HMAC-SHA256 of \"{timestamp}.{body}\")",
        ));
    };
    let invalid = |message: &str| Error::new(Kind::InvalidSignature, message);
    let seconds: i64 = timestamp
        .parse()
        .map_err(|_| invalid("the signature's timestamp is not a number of Unix seconds"))?;
    let given = signature
        .strip_prefix("sha256=")
        .and_then(decode_hex)
        .ok_or_else(|| invalid("the signature is not sha256= followed by 64 hexadecimal digits"))?;
    if !secrets.iter().any(|secret| signs(secret, timestamp, body, &given)) {
        return Err(invalid(
            "the signature fits none of this integration's secrets; it covers the timestamp, a dot and the raw body",
        ));
    }
    let skew_s = (now_ms / 1000).abs_diff(seconds);
    if skew_s > SKEW_S.unsigned_abs() {
        let message =
            format!("the signature is {skew_s} s off; {SKEW_S} s are allowed, so check both clocks");
        return Err(Error::new(Kind::StaleSignature, message));
    }
    Ok(())
}

/// In constant time, as far as the secret is concerned.
fn signs(secret: &str, timestamp: &str, body: &[u8], given: &[u8]) -> bool {
    mac(secret, timestamp, body).is_some_and(|mac| mac.verify_slice(given).is_ok())
}

/// The signature of a body, as it goes into the header.
#[must_use]
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let digest = mac(secret, timestamp, body)?.finalize().into_bytes();
    Some(format!("sha256={}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn mac(secret: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Vec<u32> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW_S: i64 = 1_795_420_800;

    fn check(secrets: &[&str], pairs: &[(&'static str, &str)], body: &[u8]) -> Option<&'static str> {
        let secrets: Vec<_> = secrets.iter().map(ToString::to_string).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        verify(&secrets, &headers, body, NOW_S * 1000 + 999).err().map(|error| error.kind.code())
    }

    fn signed(secret: &str, seconds: i64, body: &[u8]) -> Option<&'static str> {
        let timestamp = seconds.to_string();
        let signature = sign(secret, &timestamp, body).unwrap();
        let both = [("x-runframe-timestamp", timestamp.as_str()), ("x-runframe-signature", &signature)];
        check(&["first secret", "second secret"], &both, b"{}")
    }

    #[test]
    fn any_live_secret_signs_and_no_other() {
        assert_eq!(signed("first secret", NOW_S, b"{}"), None);
        assert_eq!(signed("second secret", NOW_S, b"{}"), None);
        assert_eq!(signed("old secret", NOW_S, b"{}"), Some("invalid_signature"));
        assert_eq!(signed("first secret", NOW_S, b"{ }"), Some("invalid_signature"));
    }

    #[test]
    fn five_minutes_of_skew_either_way() {
        for (seconds, code) in [(300, None), (301, Some("stale_signature"))] {
            assert_eq!(signed("first secret", NOW_S - seconds, b"{}"), code);
            assert_eq!(signed("first secret", NOW_S + seconds, b"{}"), code);
        }
        for absurd in [i64::MIN, i64::MAX] {
            assert_eq!(signed("first secret", absurd, b"{}"), Some("stale_signature"));
        }
    }

    /// The digest was made with `printf '1795420800.{}' | openssl dgst -sha256 -hmac 'first secret'`.
    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        let ours = sign("first secret", "1795420800", b"{}").unwrap();
        assert_eq!(ours, "sha256=5bc30fd76204fc795c302725a433c00bced6570bd40efa790fd05407f3a42f39");
        let upper = format!("sha256={}", ours["sha256=".len()..].to_uppercase());
        for signature in [ours.as_str(), &upper] {
            let pairs = [("x-firebell-timestamp", "1795420800"), ("x-firebell-signature", signature)];
            assert_eq!(check(&["first secret"], &pairs, b"{}"), None);
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_said() {
        let good = sign("first secret", "1795420800", b"{}").unwrap();
        let only_time = [("x-runframe-timestamp", "1795420800")];
        let only_signature = [("x-runframe-signature", good.as_str())];
        assert_eq!(check(&["first secret"], &[], b"{}"), Some("missing_signature"));
        assert_eq!(check(&["first secret"], &only_time, b"{}"), Some("missing_signature"));
        assert_eq!(check(&["first secret"], &only_signature, b"{}"), Some("missing_signature"));
        for (time, signature) in
            [("now", good.as_str()), ("1795420800", &good[7..]), ("1795420800", "sha256=00"), ("", "")]
        {
            let pairs = [("x-runframe-timestamp", time), ("x-runframe-signature", signature)];
            assert_eq!(check(&["first secret"], &pairs, b"{}"), Some("invalid_signature"));
        }
        assert_eq!(check(&[], &[], b"{}"), None);
    }
}
