//! What an integration's requests must prove, besides knowing its routing key.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, hash};

/// How requests are signed: by whom, in which headers, over what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureScheme {
    /// Firebell's own, which is Runframe's.
    #[default]
    Firebell,
    /// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
    Github,
    /// <https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>
    Sentry,
    /// <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>
    Grafana,
    /// Nothing is signed, or nobody checks it.
    None,
    /// By Amazon's certificate, so without a secret. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
    Sns,
}

impl SignatureScheme {
    /// Every scheme.
    pub const ALL: [Self; 6] =
        [Self::Firebell, Self::Github, Self::Sentry, Self::Grafana, Self::Sns, Self::None];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firebell => "firebell",
            Self::Github => "github",
            Self::Sentry => "sentry",
            Self::Grafana => "grafana",
            Self::Sns => "sns",
            Self::None => "none",
        }
    }
}

/// What requests must prove. As it is by default: nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Protection {
    /// Secrets of which any may sign a request; none: requests are not signed.
    pub signing_secrets: Vec<String>,
    /// How they sign.
    pub scheme: SignatureScheme,
    /// The header with the time that is signed too, where its sender lets people choose it.
    pub timestamp_header: Option<String>,
    /// `Authorization` headers of which one must be there, as hashes; none: no such header is looked at.
    authorizations: Vec<Hash>,
    basic: bool,
}

impl Protection {
    /// Requests must be signed, if there are secrets.
    #[must_use]
    pub const fn signed(
        signing_secrets: Vec<String>,
        scheme: SignatureScheme,
        timestamp_header: Option<String>,
    ) -> Self {
        Self { signing_secrets, scheme, timestamp_header, authorizations: Vec::new(), basic: false }
    }

    /// Lets `user:password` in by basic authentication.
    pub fn allow_basic(&mut self, user_and_password: &str) {
        self.basic = true;
        self.authorizations.push(hash(&format!("basic {}", STANDARD.encode(user_and_password))));
    }

    /// Lets the bearer of `token` in.
    pub fn allow_bearer(&mut self, token: &str) {
        self.authorizations.push(hash(&format!("bearer {token}")));
    }

    /// Whether the routing key is all that requests need.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.signing_secrets.is_empty()
            && self.authorizations.is_empty()
            && self.scheme != SignatureScheme::Sns
    }

    /// What a request without one is told to bring. Some senders, SNS among them, send a password only when asked.
    #[must_use]
    pub const fn challenge(&self) -> &'static str {
        if self.basic { "Basic realm=\"Firebell\", charset=\"UTF-8\"" } else { "Bearer" }
    }

    /// Whether an `Authorization` header is needed.
    #[must_use]
    pub fn wants_authorization(&self) -> bool {
        !self.authorizations.is_empty()
    }

    /// What is let in.
    pub(super) fn authorizations(&self) -> impl Iterator<Item = Hash> {
        self.authorizations.iter().copied()
    }

    /// Whether the value of an `Authorization` header is one of those that are let in. Looked up by hash: how long it
    /// takes says nothing about the others.
    #[must_use]
    pub fn lets_in(&self, authorization: &str) -> bool {
        let (scheme, credentials) = authorization.trim().split_once(' ').unwrap_or_default();
        let given = hash(&format!("{} {}", scheme.to_ascii_lowercase(), credentials.trim()));
        self.authorizations.contains(&given)
    }
}

impl fmt::Debug for Protection {
    /// Without the secrets, so that no log line can show one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoded pairs are those of RFC 7617, and Python's for the second.
    #[test]
    fn either_way_of_authorization_lets_in_and_nothing_else() {
        let mut protection = Protection::default();
        assert!(!protection.wants_authorization());
        protection.allow_basic("Aladdin:open sesame");
        protection.allow_basic("ünï:pässwörd");
        protection.allow_bearer("tok en");
        assert!(protection.wants_authorization());
        for good in [
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ== ",
            "BASIC w7xuw686cMOkc3N3w7ZyZA==",
            "Bearer tok en",
            "bearer tok en",
        ] {
            assert!(protection.lets_in(good), "{good}");
        }
        for bad in ["", "Basic", "Basic ", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer token", "tok en"] {
            assert!(!protection.lets_in(bad), "{bad}");
        }
    }
}
