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
    let encoded = encoded_words(&text);
    HeaderValue::dangerous_new_pre_encoded(name, text, encoded)
}

/// RFC 2047: lines of at most 76 characters, each a word by itself, none of which splits a character.
fn encoded_words(text: &str) -> String {
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
    encoded.collect::<Vec<_>>().join("\r\n ")
}

fn address(mailbox: &Mailbox) -> Result<Address, String> {
    let Mailbox { name, user, domain } = mailbox;
    let email = lettre::Address::new(user, domain).map_err(|error| format!("{mailbox}: {error}"))?;
    Ok(Address::new(name.clone(), email))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChannelPreset, Form};
    use crate::model::Part;
    use crate::notify::sample;

    const NOW_MS: i64 = 1_795_420_800_000;

    fn sender() -> Sender {
        Sender {
            organization: "<b>Home</b>".into(),
            public_url: "https://bell.example.net".into(),
            links: None,
        }
    }

    /// The preset's HTML for that message.
    fn html(message: &Message, now_ms: i64) -> String {
        let preset = ChannelPreset::named("email").unwrap().unwrap();
        let Form::Email(templates) = preset.form else { panic!("it sends no mail") };
        templates.html.render(&sender().context(message, "mail", now_ms).unwrap()).unwrap()
    }

    #[test]
    fn a_summary_escapes_what_it_names_and_says_what_it_leaves_out() {
        let mut message = sample(NOW_MS);
        let mut part: Part = message.parts[0].clone();
        part.incident.title = "\"><img src=x> &amp; 'it'".into();
        message.parts = vec![part; 20];
        message.incidents = 29;
        let html = html(&message, NOW_MS + 3 * 3_600_000);
        assert!(!html.contains("<img") && !html.contains("<b>Home"), "{html}");
        assert_eq!(
            html.matches("<bdi>&quot;&gt;&lt;img src=x&gt; &amp;amp; &#x27;it&#x27;</bdi>").count(),
            20
        );
        assert!(html.contains(">and 9 more<") && html.contains(">This comes 3 h late.<"), "{html}");
        assert!(html.contains(">Open the list<"), "{html}");
    }

    #[test]
    fn the_colour_is_that_of_the_severity_or_of_what_is_over() {
        let mut message = sample(NOW_MS);
        assert!(html(&message, NOW_MS).contains("border-top:5px solid #1c5f8f"), "SEV3");
        message.parts[0].incident.status = crate::model::Status::Resolved;
        let html = html(&message, NOW_MS);
        assert!(html.contains("border-top:5px solid #1f6b40") && html.contains(">resolved<"), "{html}");
    }

    #[test]
    fn every_address_that_is_read_can_be_written() {
        for text in
            ["root@localhost", "a.b+c@e.example", "!#$%&'*+-/=?^_`{|}~@a-b.example", "J <j@münchen.example>"]
        {
            let mailbox = Mailbox::parse(text).unwrap();
            let written = address(&mailbox).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(written.email.to_string(), mailbox.to_string());
        }
    }

    #[test]
    fn what_looks_encoded_is_encoded_in_words_that_are_short_enough() {
        let text = format!("=?utf-8?q?=0D=0ABcc:?= {}é", "🔥".repeat(60));
        let mut decoded = Vec::new();
        for word in encoded_words(&text).split("\r\n ") {
            assert!("Subject: ".len() + word.len() <= 76, "{word}");
            let inside = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?=")).unwrap();
            let bytes = STANDARD.decode(inside).unwrap();
            assert!(std::str::from_utf8(&bytes).is_ok(), "a character is split");
            decoded.extend(bytes);
        }
        assert_eq!(String::from_utf8(decoded).unwrap(), text);
    }
}
