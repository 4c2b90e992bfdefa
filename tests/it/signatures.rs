//! Signed webhooks.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::http::Response;
use crate::server::{HEAD, NOW_MS, PROD, SERVICES, Server, WEBHOOK, alert};

const OLD: &str = "HUSH-signing-secret-1";
const NEW: &str = "HUSH-signing-secret-2";

/// `sha256=` and the hex HMAC, made without Firebell's own code.
fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn send(server: &Server, brand: &str, timestamp: &str, signature: &str, body: &str) -> Response {
    let names = [format!("X-{brand}-Timestamp"), format!("X-{brand}-Signature")];
    let headers = [(names[0].as_str(), timestamp), (names[1].as_str(), signature)];
    server.send("POST", WEBHOOK, &headers, body.as_bytes())
}

fn signed(server: &Server, secret: &str, at_s: i64) -> Response {
    let (timestamp, body) = (at_s.to_string(), alert(json!({})).to_string());
    send(server, "Runframe", &timestamp, &sign(secret, &timestamp, &body), &body)
}

fn server() -> Server {
    Server::with(&format!("signing_secrets = ['{OLD}']"))
}

const NOW_S: i64 = NOW_MS / 1000;

#[test]
fn a_signature_that_openssl_makes_is_accepted_under_both_names() {
    let server = server();
    let body = r#"{"title":"Signed","service_id":"SER-00001"}"#;
    // printf '%s' '1795420800.{"title":"Signed","service_id":"SER-00001"}' | openssl dgst -sha256 -hmac SECRET
    let hex = "8b3623efe8c6265c8a59344acdefa8033f3e778db8f963f39bb1c04e64faa77e";
    for brand in ["Runframe", "Firebell", "RUNFRAME", "firebell"] {
        assert_eq!(send(&server, brand, "1795420800", &format!("sha256={hex}"), body).status, 201, "{brand}");
    }
    let upper = format!("sha256={}", hex.to_uppercase());
    assert_eq!(send(&server, "Runframe", "1795420800", &upper, body).status, 201);
}

#[test]
fn whatever_is_missing_or_does_not_fit_is_refused_and_leaves_nothing() {
    let server = server();
    let (now, body) = (NOW_S.to_string(), alert(json!({})).to_string());
    let good = sign(OLD, &now, &body);
    for headers in [
        &[][..],
        &[("X-Runframe-Timestamp", now.as_str())],
        &[("X-Runframe-Signature", good.as_str())],
        &[("X-Firebell-Signature", good.as_str())],
    ] {
        let response = server.send("POST", WEBHOOK, headers, body.as_bytes());
        assert_eq!((response.status, response.code().as_str()), (401, "missing_signature"), "{headers:?}");
    }
    let off_by_one = (NOW_S + 1).to_string();
    let cut = &good[..good.len() - 1];
    for (timestamp, signature, body) in [
        (now.as_str(), sign("HUSH-another-secret", &now, &body).as_str(), body.as_str()),
        (&off_by_one, &good, &body),
        (&now, &good, &format!("{body} ")),
        (&now, &sign(OLD, "", &body), &body),
        (&now, cut, &body),
        (&now, &format!("{good}00"), &body),
        (&now, &good["sha256=".len()..], &body),
        (&now, &good.replace("sha256", "sha512"), &body),
        (&now, "", &body),
        (&now, "sha256=", &body),
        (&now, "sha256=zz", &body),
        ("", &sign(OLD, "", &body), &body),
        ("now", &sign(OLD, "now", &body), &body),
        ("1795420800.0", &sign(OLD, "1795420800.0", &body), &body),
    ] {
        let response = send(&server, "Runframe", timestamp, signature, body);
        assert_eq!(
            (response.status, response.code().as_str()),
            (401, "invalid_signature"),
            "{timestamp} {signature}"
        );
    }
    assert_eq!(server.list(""), [0; 0]);
    assert_eq!(signed(&server, OLD, NOW_S).status, 201);
}

#[test]
fn a_clock_may_be_five_minutes_off_and_no_more() {
    let server = server();
    for (off_s, accepted) in
        [(0, true), (299, true), (300, true), (301, false), (-300, true), (-301, false), (-1_000_000, false)]
    {
        let response = signed(&server, OLD, NOW_S + off_s);
        if accepted {
            assert_eq!(response.status, 201, "{off_s}");
        } else {
            assert_eq!((response.status, response.code().as_str()), (401, "stale_signature"), "{off_s}");
        }
    }
    // What was good is not good for ever.
    server.advance(301_000);
    assert_eq!(signed(&server, OLD, NOW_S).code(), "stale_signature");
    // And a stale one that is forged is forged.
    assert_eq!(signed(&server, "HUSH-another-secret", NOW_S).code(), "invalid_signature");
}

#[test]
fn secrets_are_rotated_without_a_gap() {
    let mut server = server();
    assert_eq!([OLD, NEW].map(|secret| signed(&server, secret, NOW_S).status), [201, 401]);
    for (secrets, expected) in [
        (format!("'{NEW}', '{OLD}'"), [201, 201]),
        (format!("'{NEW}'"), [401, 201]),
        (String::new(), [201, 201]),
    ] {
        server.restart(&format!("{HEAD}{SERVICES}{PROD}signing_secrets = [{secrets}]"));
        assert_eq!([OLD, NEW].map(|secret| signed(&server, secret, NOW_S).status), expected, "{secrets}");
    }
}

#[test]
fn an_integration_without_secrets_asks_for_no_signature_and_judges_none() {
    let server = Server::new();
    assert_eq!(
        send(&server, "Runframe", "then", "sha256=nonsense", &alert(json!({})).to_string()).status,
        201
    );
}

#[test]
fn a_dry_run_and_a_retry_need_a_signature_like_any_other() {
    let server = server();
    let body = alert(json!({})).to_string();
    let dry = format!("{WEBHOOK}?dry_run=1");
    assert_eq!(server.send("POST", &dry, &[], body.as_bytes()).code(), "missing_signature");
    let now = NOW_S.to_string();
    let signature = sign(OLD, &now, &body);
    let key = ("Idempotency-Key", "once");
    let headers = [("X-Firebell-Timestamp", now.as_str()), ("X-Firebell-Signature", signature.as_str()), key];
    assert_eq!(server.send("POST", &dry, &headers, body.as_bytes()).status, 200);
    assert_eq!(server.send("POST", WEBHOOK, &headers, body.as_bytes()).status, 201);
    assert_eq!(server.send("POST", WEBHOOK, &[key], body.as_bytes()).code(), "missing_signature");
}
