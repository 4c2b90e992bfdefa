//! Channels: ways to tell people, as data. A preset or the configuration says how a message becomes a request or a mail,
//! and what the answer to it means; nothing here touches a network.

mod answer;
mod email;
pub mod presets;
mod request;
mod sign;
mod template;
mod text;

use std::fmt;

pub use answer::{Answered, Verdict, VerdictKind, line};
pub use email::{Email, Encryption, Login, Mail, MailServer, MailTemplates, Mailbox, Stage};
pub use request::HttpRequest;
pub use sign::sign;
pub use template::{NAMES, Template};

use crate::redact::{SECRET_BYTES, forms, parts, redact, web_address};

/// A way to tell people.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// What the configuration calls it: a preset's name, or `custom`.
    pub kind: &'static str,
    /// What its templates call `with`: addresses, tokens. All of it is taken for secret, but for the addresses of mail.
    pub with: Vec<(String, String)>,
    /// How it is spoken to.
    pub transport: Transport,
}

/// How a receiver is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By requests.
    Http(HttpRequest),
    /// By mail.
    Email(Email),
}

impl Channel {
    /// Whether each incident is told by itself.
    #[must_use]
    pub const fn is_one_by_one(&self) -> bool {
        match &self.transport {
            Transport::Http(request) => request.is_one_by_one,
            Transport::Email(_) => false,
        }
    }

    /// Whether what is told of an incident takes the place of what was told of it before.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        match &self.transport {
            Transport::Http(request) => request.replaces,
            Transport::Email(_) => false,
        }
    }

    /// A text in which none of the channel's secrets is. Where an address is one, its host is not.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets = match &self.transport {
            Transport::Http(request) => {
                let of = |name| self.secret(name).unwrap_or_default();
                let mut given = vec![format!("{}:{}", of("user"), of("password"))];
                for (_, value) in &self.with {
                    given.extend(web_address(value).map_or_else(|| vec![value.clone()], |url| parts(&url)));
                }
                // What a preset's address says besides is known to everybody.
                if presets::text(self.kind).is_none() {
                    given.extend(request.address(self).iter().flat_map(parts));
                }
                given.iter().flat_map(|secret| forms(secret)).collect()
            }
            // Whose mailbox is full, and which server says so, is what the operator has to know.
            Transport::Email(email) => email.server.secrets(),
        };
        redact(text, secrets)
    }

    /// The name of a host in which no secret is. An address that `with` gives as a whole leads there, and is not one.
    #[must_use]
    pub fn host_without_secrets(&self, host: &str) -> String {
        let tokens =
            self.with.iter().filter(|(_, value)| !value.contains("://") && value.len() >= SECRET_BYTES);
        tokens.fold(host.to_owned(), |host, (_, token)| host.replace(token, "[redacted]"))
    }

    fn secret(&self, name: &str) -> Option<&str> {
        self.with.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} {})", self.kind, self.name)
    }
}
