//! A mail as it goes to a server.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart};
use lettre::transport::smtp::extension::ClientId;
use url::Host;

use super::Sender;
use crate::channel::{Email, MailServer, Mailbox};
use crate::model::Message;

/// A mail, and by whom it goes to whom.
#[derive(Clone, Debug)]
pub struct Letter {
    pub(super) server: MailServer,
    /// What we call ourselves there.
    pub(super) hello: ClientId,
    pub(super) from: lettre::Address,
    pub(super) to: Vec<lettre::Address>,
    /// Headers and parts, all of it ASCII.
    pub(super) content: Vec<u8>,
}

/// Writes the mail that tells a message; `channel` is the name of the one that it goes out by.
///
/// # Errors
/// What is wrong with a template, or with what came of it.
pub fn write(
    email: &Email,
    sender: &Sender,
    channel: &str,
    message: &Message,
    now_ms: i64,
) -> Result<Letter, String> {
    let mail = email.render(&sender.context(message, channel, now_ms)?)?;
    let host = sender.host().unwrap_or(Host::Domain("localhost".into()));
    let id = format!("<{}@{host}>", message.id);
    // The first of a thread answers to a mail that never was: each names what all have in common.
    let thread = format!("<{}@{host}>", sender.thread_of(message));
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
    let mut builder = lettre::Message::builder()
        .from(address(&email.from)?)
        .raw_header(subject(mail.subject))
        .date(now)
        .message_id(Some(id))
        .in_reply_to(thread.clone())
        .references(thread)
        // So that no absence note answers it (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".into(),
        ));
    for to in &email.to {
        builder = builder.to(address(to)?);
    }
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(address(reply_to)?);
    }
    let parts = MultiPart::alternative_plain_html(mail.text, mail.html);
    let written = builder.multipart(parts).map_err(|error| error.to_string())?;
    let to = email.to.iter().map(|to| Ok(address(to)?.email)).collect::<Result<_, String>>()?;
    Ok(Letter {
        server: email.server.clone(),
        hello: match host {
            Host::Domain(name) => ClientId::Domain(name),
            Host::Ipv4(address) => ClientId::Ipv4(address),
            Host::Ipv6(address) => ClientId::Ipv6(address),
        },
        from: address(&email.from)?.email,
        to,
        content: written.formatted(),
    })
}

/// The header is folded and encoded by the library, but for what looks as if it were encoded already: that would be read
/// as what it says, be it line ends.
fn subject(text: String) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Subject");
    if !text.contains("=?") {
        return HeaderValue::new(name, text);
    }
    // RFC 2047: words of at most 75 characters, none of which splits a character.
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > 39) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let encoded = words.iter().map(|word| format!("=?utf-8?b?{}?=", STANDARD.encode(word)));
    let encoded = encoded.collect::<Vec<_>>().join("\r\n ");
    HeaderValue::dangerous_new_pre_encoded(name, text, encoded)
}

fn address(mailbox: &Mailbox) -> Result<Address, String> {
    let Mailbox { name, user, domain } = mailbox;
    let email = lettre::Address::new(user, domain).map_err(|error| format!("{mailbox}: {error}"))?;
    Ok(Address::new(name.clone(), email))
}
