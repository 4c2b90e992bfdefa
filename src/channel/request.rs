//! How a message becomes an HTTP request.

use http::{HeaderName, HeaderValue, Method};
use minijinja::Value;
use minijinja::value::merge_maps;
use url::Url;

use super::answer::{self, Answered};
use super::{Channel, Template, Verdict, sign};
use crate::redact::web_address;
use crate::source::Expression;

/// The parts of a request, each a template, and what answers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// `POST`, unless said otherwise.
    pub method: Method,
    /// Where to.
    pub url: Template,
    /// Those that come out empty are not sent.
    pub headers: Vec<(HeaderName, Template)>,
    /// What is sent.
    pub body: Template,
    /// It is signed as Standard Webhooks are, where `with.secret` is given.
    pub is_signed: bool,
    /// Each incident is told by itself: the receiver keeps track of them.
    pub is_one_by_one: bool,
    /// What is told of an incident takes the place of what was told of it before.
    pub replaces: bool,
    /// Where true of an answer, its success is a lie.
    pub refused_when: Option<Expression>,
    /// The seconds to wait that an answer asks for, where it does not by `Retry-After`.
    pub retry_after: Option<Expression>,
}

impl HttpRequest {
    /// The request that tells a message; `context` is what its templates may name, without `with`.
    ///
    /// # Errors
    /// What is wrong with a template, or with what came of it. It may show secrets of the channel.
    pub fn render(
        &self,
        channel: &Channel,
        context: &Value,
        id: &str,
        now_s: i64,
    ) -> Result<http::Request<Vec<u8>>, String> {
        let context = merge_maps([context.clone(), with(channel)]);
        let rendered = self.url.render(&context)?;
        let url =
            Url::parse(rendered.trim()).map_err(|error| format!("the rendered URL is invalid: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the rendered URL begins with neither http:// nor https://".into());
        }
        let mut request = http::Request::builder().method(self.method.clone()).uri(url.as_str());
        for (name, template) in &self.headers {
            // A header is one line, whatever titles contain.
            let value = template.render(&context)?.replace(|c: char| c.is_control(), " ");
            if value.trim().is_empty() {
                continue;
            }
            let value = HeaderValue::from_str(value.trim());
            request = request.header(name, value.map_err(|_| format!("the header {name} cannot be sent"))?);
        }
        let body = self.body.render(&context)?.into_bytes();
        if self.is_signed {
            request = request.header("webhook-id", id).header("webhook-timestamp", now_s);
            if let Some(secret) = channel.secret("secret") {
                request = request.header("webhook-signature", sign(secret, id, now_s, &body)?);
            }
        }
        request.body(body).map_err(|error| format!("it is no request: {error}"))
    }

    /// Where it leads, as far as that does not depend on the message.
    pub(super) fn address(&self, channel: &Channel) -> Option<Url> {
        web_address(&self.url.render(&with(channel)).ok()?)
    }

    /// What an answer means; `clean` takes out of its text what nobody is to see.
    #[must_use]
    pub fn judge(&self, answer: &Answered<'_>, clean: impl Fn(&str) -> String) -> Verdict {
        answer::judge(answer, clean, self.refused_when.as_ref(), self.retry_after.as_ref())
    }
}

/// The addresses and tokens of a channel, as templates name them.
fn with(channel: &Channel) -> Value {
    let with = channel.with.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Value::from_pairs([("with", Value::from_pairs(with))])
}
