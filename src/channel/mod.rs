//! Channels: ways to tell people, as data. A preset or the configuration says how a message becomes a request, and what
//! the answer to it means; nothing here touches a network.

mod answer;
pub mod presets;
mod request;
mod sign;
mod template;
mod text;

use std::fmt;

use minijinja::Value;

pub use answer::{Answered, Verdict, VerdictKind};
pub use request::HttpRequest;
pub use sign::sign;
pub use template::{NAMES, Template};

/// A way to tell people.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// What the configuration calls it: a preset's name, or `custom`.
    pub kind: &'static str,
    /// What its templates call `with`: addresses, tokens. All of it is taken for secret.
    pub with: Vec<(String, String)>,
    /// How its requests are made.
    pub request: HttpRequest,
}

impl Channel {
    /// The request that tells a message; `context` is what its templates may name, without `with`.
    ///
    /// # Errors
    /// What is wrong with a template, or with what came of it. It shows no secret.
    pub fn render(&self, context: &Value, id: &str, now_s: i64) -> Result<http::Request<Vec<u8>>, String> {
        self.request.render(self, context, id, now_s).map_err(|error| self.without_secrets(&error))
    }

    /// What an answer means.
    #[must_use]
    pub fn judge(&self, answer: &Answered<'_>) -> Verdict {
        let verdict = self.request.judge(answer);
        Verdict { text: self.without_secrets(&verdict.text), ..verdict }
    }

    /// A text in which none of the channel's secrets is.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (_, secret) in &self.with {
            for form in [secret.clone(), percent_encoded(secret), json_escaped(secret)] {
                // Shorter ones are words that say nothing: a priority, a name.
                if form.len() >= 6 {
                    text = text.replace(&form, "[redacted]");
                }
            }
        }
        text
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
