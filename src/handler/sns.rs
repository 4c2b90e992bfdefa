//! Amazon SNS: who signed a message is in a certificate that SNS publishes, and a subscription begins once its
//! confirmation has been visited. Both addresses come with the message, so both must be SNS's own.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use url::Url;
use x509_parser::pem::parse_x509_pem;

use crate::error::{Error, Kind};
use crate::json::{self, Json};
use crate::outbound::Outbound;

/// Certificates that are remembered; SNS has one for each region, and changes it once in a while.
const MOST_CERTIFICATES: usize = 32;

/// What is known of who signs.
#[derive(Debug)]
pub struct Sns {
    outbound: Outbound,
    certificates: Mutex<HashMap<String, Certificate>>,
}

/// What a certificate says, as far as it matters here.
#[derive(Clone, Debug)]
struct Certificate {
    /// In DER, as PKCS #1 has it.
    public_key: Vec<u8>,
    valid_s: std::ops::RangeInclusive<i64>,
}

/// A message, as far as it is signed.
struct Envelope {
    members: HashMap<String, String>,
}

impl Sns {
    /// Without any certificate yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, certificates: Mutex::default() }
    }

    /// Checks who signed a message. Blocks where the certificate has to be fetched.
    ///
    /// # Errors
    /// `missing_signature`, `invalid_signature`; `overloaded` where the certificate cannot be fetched now: SNS then tries
    /// again.
    pub fn verify(&self, body: &[u8], now_ms: i64) -> Result<(), Error> {
        let envelope = Envelope::read(body)?;
        let parameters: &RsaParameters = match envelope.get("SignatureVersion") {
            Some("1") => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Some("2") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(invalid("its SignatureVersion is neither 1 nor 2")),
        };
        let signature = envelope.get("Signature").and_then(|text| STANDARD.decode(text).ok());
        let signature = signature.ok_or_else(|| invalid("its Signature is no base64"))?;
        let signed = envelope.signed().ok_or_else(|| invalid("it lacks members that are signed"))?;
        let url = envelope.get("SigningCertURL").and_then(certificate_url);
        let url = url.ok_or_else(|| invalid("its SigningCertURL is not one of sns.REGION.amazonaws.com"))?;
        let certificate = self.certificate(&url)?;
        if !certificate.valid_s.contains(&(now_ms / 1000)) {
            return Err(invalid("its certificate is out of date, or the clock here is wrong"));
        }
        UnparsedPublicKey::new(parameters, &certificate.public_key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| invalid("the certificate's key did not sign this"))
    }

    /// Visits the address that confirms a subscription, if a verified message is its confirmation. Blocks.
    ///
    /// # Errors
    /// `validation_error` where the address is not SNS's, `overloaded` where it does not answer.
    pub fn confirm(&self, body: &[u8]) -> Result<(), Error> {
        let envelope = Envelope::read(body)?;
        if envelope.get("Type") != Some("SubscriptionConfirmation") {
            return Ok(());
        }
        let url = envelope.get("SubscribeURL").and_then(amazon_url).ok_or_else(|| {
            let message = "is not an https URL of sns.REGION.amazonaws.com, so it was not visited";
            Error::fields(vec![crate::error::FieldError::new("SubscribeURL", "invalid", message)])
        })?;
        self.outbound.fetch(&url).map_err(|problem| unreachable("SubscribeURL", &problem))?;
        tracing::info!(topic = envelope.get("TopicArn"), "a subscription of SNS is confirmed");
        Ok(())
    }

    fn certificate(&self, url: &Url) -> Result<Certificate, Error> {
        let known = |sns: &Self| {
            let certificates = sns.certificates.lock().unwrap_or_else(PoisonError::into_inner);
            certificates.get(url.as_str()).cloned()
        };
        if let Some(certificate) = known(self) {
            return Ok(certificate);
        }
        let pem = self.outbound.fetch(url).map_err(|problem| unreachable("SigningCertURL", &problem))?;
        let certificate = read_certificate(&pem)
            .ok_or_else(|| invalid("what is at its SigningCertURL is no certificate"))?;
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() >= MOST_CERTIFICATES {
            certificates.clear();
        }
        certificates.insert(url.to_string(), certificate.clone());
        Ok(certificate)
    }
}

impl Envelope {
    fn read(body: &[u8]) -> Result<Self, Error> {
        // What is no envelope is not signed: the JSON alone is judged later, and told what is wrong with it.
        let missing = || {
            let message = "this integration takes SNS's messages only, in their signed envelope; turn raw message delivery off";
            Error::new(Kind::MissingSignature, message)
        };
        let members = json::parse_object(body).map_err(|_| missing())?;
        let text = |(name, value): json::Member<'_>| match value {
            Json::String(text) => Some((name.into_owned(), text.into_owned())),
            _ => None,
        };
        let members: HashMap<_, _> = members.into_iter().filter_map(text).collect();
        if members.contains_key("Signature") { Ok(Self { members }) } else { Err(missing()) }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.members.get(name).map(String::as_str)
    }

    /// What the signature covers: names and values, each followed by a newline, in this order.
    fn signed(&self) -> Option<String> {
        let names: &[&str] = match self.get("Type")? {
            "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
            }
            _ => return None,
        };
        let mut signed = String::new();
        for name in names {
            match self.get(name) {
                Some(value) => signed.extend([name, "\n", value, "\n"]),
                // The only one that may be absent.
                None if *name == "Subject" => {}
                None => return None,
            }
        }
        Some(signed)
    }
}

fn read_certificate(pem: &[u8]) -> Option<Certificate> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let validity = certificate.validity();
    Some(Certificate {
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
        valid_s: validity.not_before.timestamp()..=validity.not_after.timestamp(),
    })
}

/// An https URL of SNS itself: anybody else's may say anything.
fn amazon_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = url.host_str()?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.")?.strip_suffix(".amazonaws.com")?;
    let is_region = region.len() >= 3 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && is_region).then_some(url)
}

fn certificate_url(text: &str) -> Option<Url> {
    amazon_url(text).filter(|url| url.path().ends_with(".pem") && url.query().is_none())
}

fn invalid(why: &str) -> Error {
    Error::new(Kind::InvalidSignature, format!("the message is not signed by SNS: {why}"))
}

fn unreachable(what: &str, problem: &str) -> Error {
    let message = format!("the message's {what} could not be fetched now ({problem}); send it again");
    Error::new(Kind::Overloaded, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_sns_itself_are_asked() {
        for good in [
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123.pem",
        ] {
            assert!(certificate_url(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem?x",
            "https://sns.eu-west-1.amazonaws.com/a.crt",
            "https://sns.eu-west-1.amazonaws.com:444/a.pem",
            "https://user@sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com.example.org/a.pem",
            "https://sns.evil.eu-west-1.amazonaws.com/a.pem",
            "https://s3.eu-west-1.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com.cn.cn/a.pem",
            "https://example.org/sns.eu-west-1.amazonaws.com/a.pem",
            "file:///a.pem",
            "",
        ] {
            assert!(certificate_url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_notification_without_a_subject_is_signed_without_one() {
        let body =
            br#"{"Type":"Notification","Message":"a\nb","MessageId":"1","Timestamp":"2","TopicArn":"3",
            "Subject":null,"Signature":"","UnsubscribeURL":"https://x"}"#;
        let signed = Envelope::read(body).unwrap().signed().unwrap();
        assert_eq!(signed, "Message\na\nb\nMessageId\n1\nTimestamp\n2\nTopicArn\n3\nType\nNotification\n");
    }
}
