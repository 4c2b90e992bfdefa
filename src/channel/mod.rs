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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use answer::{Answered, Verdict, VerdictKind, line};
pub use email::{Email, Encryption, Login, Mail, MailServer, MailTemplates, Mailbox, Stage};
pub use request::HttpRequest;
pub use sign::sign;
pub use template::{NAMES, Template};

/// What is shorter is a word that says nothing: a priority, a name.
const SECRET_BYTES: usize = 6;

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

    /// A text in which none of the channel's secrets is.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets: Vec<String> = match &self.transport {
            Transport::Http(_) => {
                let of = |name| self.secret(name).unwrap_or_default();
                let login = format!("{}:{}", of("user"), of("password"));
                let given = self.with.iter().map(|(_, secret)| secret.as_str()).chain([login.as_str()]);
                let forms = given.flat_map(|secret| {
                    let encoded = STANDARD.encode(secret);
                    [secret.to_owned(), percent_encoded(secret), json_escaped(secret), encoded]
                });
                forms.filter(|form| form.len() >= SECRET_BYTES).collect()
            }
            // Whose mailbox is full, and which server says so, is what the operator has to know.
            Transport::Email(email) => email.server.secrets(),
        };
        // One may begin another: the longer first.
        let mut secrets = secrets;
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
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

fn percent_encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// As the filter `tojson` writes it.
fn json_escaped(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\'', "\\u0027")]
        .into_iter()
        .fold(inside.to_owned(), |text, (c, escaped)| text.replace(c, escaped))
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} {})", self.kind, self.name)
    }
}
