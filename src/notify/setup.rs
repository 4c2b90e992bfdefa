//! What is needed to tell somebody something: the channels, what messages say, and the ways out.

use std::fmt;
use std::sync::Arc;

use super::client::Client;
use super::letter;
use super::smtp::Mailer;
use super::wording::Sender;
use crate::channel::{Channel, Email, HttpRequest, Transport, Verdict, line};
use crate::clock::Clock;
use crate::config::{Config, NotifyLimits};
use crate::model::{LinkKey, Message};

/// Characters that are kept of what a mail server says, which may be something on each recipient.
const MAIL_ANSWER: usize = 500;

/// What the configuration says about telling people.
#[derive(Clone, Debug)]
pub struct Setup {
    /// In the order of the configuration.
    pub channels: Vec<Arc<Channel>>,
    /// The bounds.
    pub limits: NotifyLimits,
    sender: Sender,
    client: Client,
    mailer: Mailer,
}

impl Setup {
    /// What `config` says; links begin with `public_url`, and those that act are signed with `link_key`; without
    /// one there are none.
    #[must_use]
    pub fn new(config: &Config, public_url: &str, link_key: Option<&LinkKey>) -> Self {
        let links_for_ms = config.notify.links_for_ms;
        let links = link_key.filter(|_| links_for_ms > 0).map(|key| (key.clone(), links_for_ms));
        let organization = config.organization.clone();
        Self {
            channels: config.channels.clone(),
            limits: config.notify,
            sender: Sender { organization, public_url: public_url.to_owned(), links },
            client: Client::new(config.notify.timeout, config.notify.refuse_private),
            mailer: Mailer::new(config.notify.timeout, config.notify.refuse_private),
        }
    }

    /// The channel of that name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Arc<Channel>> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Tells a message by a channel, once: what the receiver answers, without the channel's secrets. Nothing is written
    /// down.
    ///
    /// # Errors
    /// Why nothing was sent, or nobody answered; likewise.
    pub async fn tell(&self, channel: &Channel, message: &Message, clock: &Clock) -> Result<Verdict, Untold> {
        let clean = |text: &str| channel.without_secrets(text);
        let verdict = match &channel.transport {
            Transport::Http(request) => self.request(channel, request, message, clock).await,
            Transport::Email(email) => self.mail(channel, email, message, clock.now_ms()).await,
        };
        match verdict {
            Ok(verdict) => Ok(Verdict { text: clean(&verdict.text), ..verdict }),
            Err(Untold::Unwritten(why)) => Err(Untold::Unwritten(clean(&why))),
            Err(Untold::Unanswered(why)) => Err(Untold::Unanswered(clean(&why))),
        }
    }

    async fn request(
        &self,
        channel: &Channel,
        request: &HttpRequest,
        message: &Message,
        clock: &Clock,
    ) -> Result<Verdict, Untold> {
        let rendered = self.render(channel, request, message, clock.now_ms()).map_err(Untold::Unwritten)?;
        let reply = self.client.send(rendered).await.map_err(Untold::Unanswered)?;
        let clean = |text: &str| without_links(&channel.without_secrets(text));
        Ok(request.judge(&reply.answered(clock.now_ms() / 1000), clean))
    }

    async fn mail(
        &self,
        channel: &Channel,
        email: &Email,
        message: &Message,
        now_ms: i64,
    ) -> Result<Verdict, Untold> {
        let letter = letter::write(email, &self.sender, &channel.name, message, now_ms);
        let verdict = self.mailer.send(letter.map_err(|why| Untold::Unwritten(not_sent(why)))?).await;
        // Cut only then: half a secret is one too.
        let text = without_links(&channel.without_secrets(&verdict.text));
        Ok(Verdict { text: line(&text, MAIL_ANSWER), ..verdict })
    }

    fn render(
        &self,
        channel: &Channel,
        request: &HttpRequest,
        message: &Message,
        now_ms: i64,
    ) -> Result<http::Request<Vec<u8>>, String> {
        let context = self.sender.context(message, &channel.name, now_ms).map_err(not_sent)?;
        request.render(channel, &context, &message.id.to_string(), now_ms / 1000).map_err(not_sent)
    }

    /// What [`Self::tell`] would send, without the channel's secrets.
    ///
    /// # Errors
    /// Why nothing would be sent.
    pub fn draft(&self, channel: &Channel, message: &Message, now_ms: i64) -> Result<Draft, String> {
        let draft = match &channel.transport {
            Transport::Http(request) => {
                self.render(channel, request, message, now_ms).map(|rendered| Draft::of(&rendered))
            }
            Transport::Email(email) => {
                let context = self.sender.context(message, &channel.name, now_ms).map_err(not_sent)?;
                email.render(&context).map_err(not_sent).map(|mail| Draft {
                    method: "MAIL".into(),
                    host: format!("{}:{}", email.server.host, email.server.port),
                    body: format!("{}\n\n{}", mail.subject, mail.text),
                })
            }
        };
        let Draft { method, host, body } = draft.map_err(|error| channel.without_secrets(&error))?;
        let (host, body) = (channel.host_without_secrets(&host), channel.without_secrets(&body));
        Ok(Draft { method, host, body })
    }
}

/// Why nobody was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// What was to be said could not be written; nothing was sent.
    Unwritten(String),
    /// Nobody has answered; whether it arrived is not known.
    Unanswered(String),
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unwritten(why) | Self::Unanswered(why)) = self;
        f.write_str(why)
    }
}

/// A text without links that act, which a receiver may have sent back: whoever has one can use it.
fn without_links(text: &str) -> String {
    let mut pieces = text.split("/act/");
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_of_link = |c: char| c.is_ascii_alphanumeric() || "-._~%".contains(c);
        clean.push_str("/act/[redacted]");
        clean.push_str(piece.trim_start_matches(is_of_link));
    }
    clean
}

fn not_sent(error: String) -> String {
    format!("not sent: {error}")
}

/// A message as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// How: a method of HTTP, or `MAIL`.
    pub method: String,
    /// Where to, as far as that is no secret.
    pub host: String,
    /// What: a body, or a subject and a text.
    pub body: String,
}

impl Draft {
    fn of(request: &http::Request<Vec<u8>>) -> Self {
        let uri = request.uri();
        // The path may be a secret, and so may a name and password before the host.
        let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
        let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
        let body = String::from_utf8_lossy(request.body()).into_owned();
        Self { method: request.method().to_string(), host: format!("{scheme}://{host}{port}"), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_act_are_not_shown() {
        let text = "no: http://h/act/INC-2026-001~acknowledge~1~a.b~x_Y-z, http://h/incidents/1 /act/";
        assert_eq!(without_links(text), "no: http://h/act/[redacted], http://h/incidents/1 /act/[redacted]");
    }
}
