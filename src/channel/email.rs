//! E-mail: whom it goes to by which server, what it says, and what that server's answers mean.

mod mailbox;
mod server;

use minijinja::Value;

pub use mailbox::Mailbox;
pub use server::{Encryption, Login, MailServer};

use super::{Template, VerdictKind};

/// Characters of a subject.
const SUBJECT: usize = 250;

/// A way to tell people by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The server that takes it.
    pub server: MailServer,
    /// Whom it is from.
    pub from: Mailbox,
    /// Whom it is to; at least one.
    pub to: Vec<Mailbox>,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Mailbox>,
    /// What it says.
    pub templates: MailTemplates,
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTemplates {
    /// The subject.
    pub subject: Template,
    /// The mail as plain text.
    pub text: Template,
    /// The same as HTML; what is put into it is escaped.
    pub html: Template,
}

/// What came of the templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// A line.
    pub subject: String,
    /// Without control characters but for line ends and tabs; the same holds for the HTML.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Email {
    /// What the mail says; `context` is what its templates may name. `with` is not among it: mails go far.
    ///
    /// # Errors
    /// What is wrong with a template, or with what came of it.
    pub fn render(&self, context: &Value) -> Result<Mail, String> {
        let MailTemplates { subject, text, html } = &self.templates;
        let subject: Vec<String> = subject.render(context)?.split(is_gap).map(str::to_owned).collect();
        let words = subject.iter().filter(|word| !word.is_empty()).map(String::as_str);
        let subject: String = words.collect::<Vec<_>>().join(" ").chars().take(SUBJECT).collect();
        Ok(Mail { subject, text: clean(&text.render(context)?), html: clean(&html.render(context)?) })
    }
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// A text whose only control characters are line ends and tabs: a lone CR is a line end to some mail servers.
fn clean(text: &str) -> String {
    let lines = text.replace("\r\n", "\n");
    lines.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// What of a conversation with a mail server is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its name is looked up, and it is connected to; it greets.
    Connecting,
    /// The connection is encrypted.
    Encrypting,
    /// The user says who it is.
    LoggingIn,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, and the mail itself.
    Content,
}

impl Stage {
    /// What is done then.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Encrypting => "starting TLS",
            Self::LoggingIn => "logging in",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming a recipient",
            Self::Content => "handing over the mail",
        }
    }

    /// What an answer in this stage means for the mail. A refusal that somebody can mend without writing another mail,
    /// a password or a right to send, is one for now: the mail waits until it is mended, or was for long enough.
    #[must_use]
    pub fn judge(self, code: u16, text: &str) -> VerdictKind {
        let refused = matches!(code, 550..=554 | 556);
        match (self, code) {
            (Self::Content, 200..=299) => VerdictKind::Taken,
            (Self::Content, _) if refused => VerdictKind::Never,
            // 5.7: of a policy (RFC 3463). Who may not relay there has to log in.
            (Self::Recipient, _) if refused && !text.trim_start().starts_with("5.7.") => VerdictKind::Gone,
            _ => VerdictKind::Later(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn what_a_mail_says_is_a_line_and_two_clean_texts() {
        let server = MailServer::parse("smtp://localhost", None).unwrap();
        let mailbox = Mailbox::parse("a@example.org").unwrap();
        let templates = MailTemplates {
            subject: Template::compile("{{ title }}").unwrap(),
            text: Template::compile("{{ text }}\r\n{{ with.server }}.").unwrap(),
            html: Template::compile_html("<p>{{ text }}</p>").unwrap(),
        };
        let email = Email { server, from: mailbox.clone(), to: vec![mailbox], reply_to: None, templates };
        let title = format!(" A\r\nBcc: x@example.org\r\n\r\n\tB\u{85}\u{2028}{}", "x".repeat(400));
        let mail = email.render(&context! { title, text => "1 < 2\r3\u{0}\u{1b}[0m" }).unwrap();
        assert!(mail.subject.starts_with("A Bcc: x@example.org B xxx"), "{}", mail.subject);
        assert_eq!(mail.subject.chars().count(), 250);
        assert_eq!(mail.text, "1 < 2 3  [0m\n.");
        assert_eq!(mail.html, "<p>1 &lt; 2 3  [0m</p>");
    }

    #[test]
    fn answers_are_judged_by_what_they_answer() {
        use Stage::{Connecting, Content, Encrypting, LoggingIn, Recipient, Sender};
        use VerdictKind::{Gone, Later, Never, Taken};
        for (stage, code, text, expected) in [
            (Content, 250, "2.0.0 OK", Taken),
            (Content, 451, "4.3.0 later", Later(None)),
            (Content, 552, "5.3.4 too big", Never),
            (Content, 554, "5.7.1 spam", Never),
            (Content, 530, "5.7.0 log in first", Later(None)),
            (Recipient, 550, "5.1.1 no such user", Gone),
            (Recipient, 556, "5.1.10 takes no mail", Gone),
            (Recipient, 554, "5.7.1 relay access denied", Later(None)),
            (Recipient, 452, "4.2.2 full", Later(None)),
            (Recipient, 503, "5.5.1 what?", Later(None)),
            (Sender, 553, "5.7.1 not yours", Later(None)),
            (LoggingIn, 535, "5.7.8 wrong", Later(None)),
            (Encrypting, 454, "4.7.0 no TLS now", Later(None)),
            (Connecting, 554, "5.7.1 go away", Later(None)),
        ] {
            assert_eq!(stage.judge(code, text), expected, "{stage:?} {code} {text}");
        }
    }
}
