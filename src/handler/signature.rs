//! Signed webhooks: hex HMAC-SHA256 over the raw body, and the time where the sender signs that too.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

use crate::error::{Error, Kind};
use crate::hex;
use crate::registry::{Protection, SignatureScheme};

/// How far a sender's clock may be from ours.
const SKEW_S: i64 = 300;

/// What a scheme puts where.
struct Form<'a> {
    /// The header with the signature; any of them.
    signature: &'a [&'a str],
    /// What stands before its digits.
    prefix: &'a str,
    /// The header with the time in Unix seconds; any of them. Empty: the time is not signed.
    timestamp: &'a [&'a str],
    /// What stands between the time and the body.
    separator: &'a str,
    /// How to sign, for who did not.
    advice: &'a str,
}

/// `None`: it has no secrets.
fn form<'a>(scheme: SignatureScheme, timestamp_header: &'a [&'a str]) -> Option<Form<'a>> {
    let form = match scheme {
        SignatureScheme::Firebell => Form {
            signature: &["x-runframe-signature", "x-firebell-signature"],
            prefix: "sha256=",
            timestamp: &["x-runframe-timestamp", "x-firebell-timestamp"],
            separator: ".",
            advice: "send X-Firebell-Timestamp (Unix seconds) and X-Firebell-Signature (sha256= and the hex HMAC-SHA256 \
                     of \"{timestamp}.{body}\")",
        },
        SignatureScheme::Github => Form {
            signature: &["x-hub-signature-256"],
            prefix: "sha256=",
            timestamp: &[],
            separator: "",
            advice: "enter the secret in the webhook's settings, so that X-Hub-Signature-256 comes along",
        },
        SignatureScheme::Sentry => Form {
            signature: &["sentry-hook-signature"],
            prefix: "",
            timestamp: &[],
            separator: "",
            advice: "use an internal integration, which sends Sentry-Hook-Signature; its Client Secret is the secret",
        },
        SignatureScheme::Grafana => Form {
            // The first is what Grafana sends; the second is what its source once called it.
            signature: &["x-grafana-alerting-signature", "x-grafana-alert-signature"],
            prefix: "",
            timestamp: timestamp_header,
            separator: ":",
            advice: "enter the secret in the contact point under HMAC Signature, and the timestamp header of the \
                     configuration, if it has one",
        },
        SignatureScheme::Sns | SignatureScheme::None => return None,
    };
    Some(form)
}

/// Checks a request's signature, where it is made with a secret. No secrets: nothing is checked.
///
/// # Errors
/// `missing_signature`, `invalid_signature`, or, where only the time is wrong, `stale_signature`.
pub fn verify(protection: &Protection, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<(), Error> {
    if protection.signing_secrets.is_empty() {
        return Ok(());
    }
    let timestamp_header: Vec<_> = protection.timestamp_header.as_deref().into_iter().collect();
    let Some(form) = form(protection.scheme, &timestamp_header) else { return Ok(()) };
    let header = |names: &[&str]| {
        let value = names.iter().find_map(|name| headers.get(*name));
        value.map(|value| value.to_str().unwrap_or_default().trim())
    };
    let missing = || {
        let message = format!("this integration takes signed requests only: {}", form.advice);
        Error::new(Kind::MissingSignature, message)
    };
    let signature = header(form.signature).ok_or_else(missing)?;
    let timestamp = match form.timestamp {
        [] => None,
        names => Some(header(names).ok_or_else(missing)?),
    };
    let invalid = |message: &str| Error::new(Kind::InvalidSignature, message);
    let seconds = timestamp.map(|text| {
        text.parse::<i64>().map_err(|_| invalid("the signature's timestamp is not a number of Unix seconds"))
    });
    let seconds = seconds.transpose()?;
    let given = signature
        .strip_prefix(form.prefix)
        .and_then(hex::decode)
        .filter(|bytes| bytes.len() == 32)
        .ok_or_else(|| {
        invalid(&format!("the signature is not {}64 hexadecimal digits", described(form.prefix)))
    })?;
    let parts = [timestamp.unwrap_or(""), if timestamp.is_some() { form.separator } else { "" }];
    if !protection.signing_secrets.iter().any(|secret| signs(secret, parts, body, &given)) {
        let covers = if timestamp.is_some() {
            format!("the timestamp, a `{}` and the raw body", form.separator)
        } else {
            "the raw body".to_owned()
        };
        let message = format!("the signature fits none of this integration's secrets; it covers {covers}");
        return Err(invalid(&message));
    }
    seconds.map_or(Ok(()), |seconds| check_skew(seconds, now_ms))
}

fn described(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix} followed by ") }
}

fn check_skew(seconds: i64, now_ms: i64) -> Result<(), Error> {
    let skew_s = (now_ms / 1000).abs_diff(seconds);
    if skew_s > SKEW_S.unsigned_abs() {
        let message =
            format!("the signature is {skew_s} s off; {SKEW_S} s are allowed, so check both clocks");
        return Err(Error::new(Kind::StaleSignature, message));
    }
    Ok(())
}

/// Checks the `Authorization` that an integration may want.
///
/// # Errors
/// `unauthenticated`.
pub fn check_authorization(protection: &Protection, headers: &HeaderMap) -> Result<(), Error> {
    if !protection.wants_authorization() {
        return Ok(());
    }
    let given = headers.get(http::header::AUTHORIZATION);
    // A password may be in any encoding of its sender's.
    let lets_in = given.is_some_and(|value| protection.lets_in(&String::from_utf8_lossy(value.as_bytes())));
    if lets_in {
        return Ok(());
    }
    let message = match given {
        None => "this integration wants an Authorization header: one of its `basic_auth` or `bearer_tokens`",
        Some(_) => "the Authorization header is none of this integration's `basic_auth` and `bearer_tokens`",
    };
    let mut error = Error::new(Kind::Unauthenticated, message);
    error.challenge = protection.challenge();
    Err(error)
}

/// In constant time, as far as the secret is concerned.
fn signs(secret: &str, parts: [&str; 2], body: &[u8], given: &[u8]) -> bool {
    mac(secret, parts, body).is_some_and(|mac| mac.verify_slice(given).is_ok())
}

/// The signature of a body in Firebell's own scheme, as it goes into the header.
#[must_use]
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let digest = mac(secret, [timestamp, "."], body)?.finalize().into_bytes();
    Some(format!("sha256={}", hex::encode(&digest)))
}

fn mac(secret: &str, parts: [&str; 2], body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW_S: i64 = 1_795_420_800;

    fn check(secrets: &[&str], pairs: &[(&'static str, &str)], body: &[u8]) -> Option<&'static str> {
        let signing_secrets = secrets.iter().map(ToString::to_string).collect();
        check_with(&Protection::signed(signing_secrets, SignatureScheme::Firebell, None), pairs, body)
    }

    fn check_with(
        protection: &Protection,
        pairs: &[(&'static str, &str)],
        body: &[u8],
    ) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        verify(protection, &headers, body, NOW_S * 1000 + 999).err().map(|error| error.kind.code())
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

    fn by(scheme: SignatureScheme, secret: &str, timestamp_header: Option<&str>) -> Protection {
        Protection::signed(vec!["another".into(), secret.into()], scheme, timestamp_header.map(Into::into))
    }

    /// The first is the example of GitHub's documentation, the others are OpenSSL's.
    #[test]
    fn github_signs_the_body() {
        let github = by(SignatureScheme::Github, "It's a Secret to Everybody", None);
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let check = |signature, body| check_with(&github, &[("x-hub-signature-256", signature)], body);
        assert_eq!(check(signature, b"Hello, World!"), None);
        assert_eq!(check(signature, b"Hello, World"), Some("invalid_signature"));
        assert_eq!(check(&signature[7..], b"Hello, World!"), Some("invalid_signature"));
        assert_eq!(check_with(&github, &[], b"Hello, World!"), Some("missing_signature"));
    }

    #[test]
    fn sentry_signs_the_body_as_it_sends_it() {
        let sentry = by(SignatureScheme::Sentry, "0123456789abcdef0123456789abcdef", None);
        let body = br#"{"action":"created","installation":{"uuid":"7a485448-a9e2-4c85-8a3c-4f44175783c9"},"data":{"error":{"title":"caf\u00e9 \ud83d\ude00"}},"actor":{"type":"application","id":"sentry","name":"Sentry"}}"#;
        let check = |signature| check_with(&sentry, &[("sentry-hook-signature", signature)], body);
        assert_eq!(check("d563bc99bcecb45be0ba2933137abbe05e43d6b95dc48ca2cf70a65f2cabcbe5"), None);
        // Of the same JSON in another spelling.
        let other = "606c940edb0c3b99ce604c34f55dcaca4f4b1d4ca71e51717618dff0d613f17b";
        assert_eq!(check(other), Some("invalid_signature"));
    }

    #[test]
    fn grafana_signs_the_body_and_the_time_if_it_is_told_to() {
        let body = br#"{"receiver":"hook","status":"firing","alerts":[]}"#;
        let plain = by(SignatureScheme::Grafana, "secret", None);
        let signature = "536034171bdf0bf678a1ee0a1fb4267c6c22c34a506b601039bd3961a7d0be09";
        for header in ["x-grafana-alerting-signature", "x-grafana-alert-signature"] {
            assert_eq!(check_with(&plain, &[(header, signature)], body), None);
        }
        let timed = by(SignatureScheme::Grafana, "secret", Some("x-grafana-time"));
        assert_eq!(
            check_with(&timed, &[("x-grafana-alerting-signature", signature)], body),
            Some("missing_signature")
        );
        let stale = [
            (
                "x-grafana-alerting-signature",
                "da130aa650563d0853a637d48c29b71737e0bfc08302b9d76cb7992fe0480437",
            ),
            ("x-grafana-time", "1700000000"),
        ];
        assert_eq!(check_with(&timed, &stale, body), Some("stale_signature"));
        let at = NOW_S.to_string();
        let fresh = hex::encode(&mac("secret", [&at, ":"], body).unwrap().finalize().into_bytes());
        let pairs = [("x-grafana-alerting-signature", fresh.as_str()), ("x-grafana-time", at.as_str())];
        assert_eq!(check_with(&timed, &pairs, body), None);
        assert_eq!(check_with(&timed, &pairs, b"{}"), Some("invalid_signature"));
    }
}
