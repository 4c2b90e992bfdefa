//! Channels that send mail: their templates, and what `with` says of servers and addresses.

use super::template;
use crate::channel::{Email, Login, MailServer, MailTemplates, Mailbox, Template};
use crate::config::problem::At;
use crate::config::reader::Section;
use crate::config::resolve::Resolver;
use crate::config::value::{Given, string};

/// What `[channels.email]` says, or a preset.
#[derive(Default)]
pub(super) struct RawTemplates {
    subject: Option<Template>,
    text: Option<Template>,
    html: Option<Template>,
}

pub(super) fn read_templates(email: &mut Section<'_, '_>) -> RawTemplates {
    let mut read =
        |name, parse: fn(Given<'_>) -> _| email.optional(name, parse).map(|at: At<Template>| at.value);
    RawTemplates {
        subject: read("subject", template),
        text: read("text", template),
        html: read("html", html_template),
    }
}

fn html_template(given: Given<'_>) -> Result<Template, String> {
    Template::compile_html(&string(given)?).map_err(|problem| format!("is not a valid template: {problem}"))
}

impl RawTemplates {
    /// `None`: one is missing.
    pub(super) fn complete(self) -> Option<MailTemplates> {
        Some(MailTemplates { subject: self.subject?, text: self.text?, html: self.html? })
    }

    /// Those that are there in place of `others`.
    pub(super) fn or(self, others: MailTemplates) -> MailTemplates {
        MailTemplates {
            subject: self.subject.unwrap_or(others.subject),
            text: self.text.unwrap_or(others.text),
            html: self.html.unwrap_or(others.html),
        }
    }
}

/// What `with` says, as far as it could be read.
type With = [(String, At<String>)];

impl Resolver<'_, '_> {
    /// `None`: something is missing or wrong, and has been reported.
    pub(super) fn email(&mut self, with: &With, templates: MailTemplates, label: &str) -> Option<Email> {
        let given = |name: &str| with.iter().find(|(known, _)| known == name).map(|(_, at)| at);
        let login = self.login(given("user"), given("password"), label);
        let server =
            self.part(given("server"), "server", label, |text| MailServer::parse(text, login.clone()));
        let from = self.part(given("from"), "from", label, Mailbox::parse);
        let to = self.part(given("to"), "to", label, Mailbox::parse_list);
        let reply_to = given("reply_to");
        let answers = self.part(reply_to, "reply_to", label, Mailbox::parse);
        Some(Email { server: server?, from: from?, to: to?, reply_to: answers, templates })
    }

    fn part<T>(
        &mut self,
        given: Option<&At<String>>,
        name: &str,
        label: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let At { value, place } = given?;
        parse(value)
            .map_err(|problem| {
                self.problems.report(place, format!("`with.{name}` of channel `{label}` {problem}"));
            })
            .ok()
    }

    fn login(
        &mut self,
        user: Option<&At<String>>,
        password: Option<&At<String>>,
        label: &str,
    ) -> Option<Login> {
        let (alone, other) = match (user, password) {
            (Some(user), Some(password)) => {
                return Some(Login { user: user.value.clone(), password: password.value.clone() });
            }
            (Some(user), None) => (user, "password"),
            (None, Some(password)) => (password, "user"),
            (None, None) => return None,
        };
        let message = format!("channel `{label}` needs `with.{other}` too");
        self.problems.report(&alone.place, message);
        None
    }
}
