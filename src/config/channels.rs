//! Channels as they are written, and what they mean: a preset's file, or `[channels.request]`.

mod email;

use std::path::Path;

use http::{HeaderName, Method};

use email::{RawTemplates, read_templates};

use super::Problems;
use super::problem::At;
use super::reader::{self, Section};
use super::resolve::{Resolver, Unique, label};
use super::secret::{RawSecret, raw_secret};
use super::value::{Given, choice, expression, flag, name, string};
use crate::channel::{Channel, HttpRequest, MailTemplates, Template, Transport, presets};
use crate::error::nearest;

/// The kind that has no preset.
const CUSTOM: &str = "custom";

pub(super) struct RawChannel {
    pub(super) name: Option<At<String>>,
    kind: Option<At<&'static str>>,
    with: Vec<(String, At<RawSecret>)>,
    request: Option<At<RawRequest>>,
    email: Option<At<RawTemplates>>,
}

/// A request as it is written.
struct RawRequest {
    /// `None`: what is wrong with it has been reported.
    request: Option<HttpRequest>,
    /// What its templates name of `with`, and where.
    names: Vec<At<String>>,
}

/// A channel that is shipped.
#[derive(Clone, Debug)]
pub struct ChannelPreset {
    /// What it is for, in a few words.
    pub about: String,
    /// How it is set up.
    pub setup: String,
    /// What `with` must give.
    pub needs: Vec<String>,
    /// What it may give besides.
    pub takes: Vec<String>,
    /// What is sent.
    pub form: Form,
}

/// What a preset sends.
#[derive(Clone, Debug)]
pub enum Form {
    /// A request.
    Http(HttpRequest),
    /// A mail, to where `with` says.
    Email(MailTemplates),
}

impl ChannelPreset {
    /// The preset of that name.
    ///
    /// # Errors
    /// What is wrong with its file, which is a bug; `None` if there is no such preset.
    pub fn named(name: &str) -> Option<Result<Self, Problems>> {
        let text = presets::text(name)?;
        Some(Self::parse(&format!("{name}.toml"), text))
    }

    fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (preset, problems, _) = reader::read(Path::new(file), text, &|_| None, |preset| {
            let texts = |list: Vec<At<String>>| list.into_iter().map(|at| at.value).collect();
            let text = |at: Option<At<String>>| at.map_or_else(String::new, |at| at.value);
            Some(Self {
                about: text(preset.required("about", string)),
                setup: text(preset.required("setup", string)),
                needs: texts(preset.list("needs", string)),
                takes: texts(preset.list("takes", string)),
                form: read_form(preset)?,
            })
        });
        let preset = problems.finish(preset)?;
        preset.ok_or_else(|| Problems::of_file(Path::new(file), "has neither a request nor a mail"))
    }
}

fn read_form(preset: &mut Section<'_, '_>) -> Option<Form> {
    let request = preset.optional_table("request", read_request).and_then(|at| at.value.request);
    let mail = preset.optional_table("email", read_templates).and_then(|at| at.value.complete());
    request.map(Form::Http).or(mail.map(Form::Email))
}

pub(super) fn read_channel(channel: &mut Section<'_, '_>) -> RawChannel {
    let kinds: Vec<&'static str> =
        std::iter::once(CUSTOM).chain(presets::ALL.iter().map(|(name, _)| *name)).collect();
    RawChannel {
        name: channel.required("name", name),
        kind: channel.required("kind", choice(&kinds, |name| name)),
        with: channel.map("with", raw_secret),
        request: channel.optional_table("request", read_request),
        email: channel.optional_table("email", read_templates),
    }
}

fn read_request(request: &mut Section<'_, '_>) -> RawRequest {
    let methods = ["POST", "PUT", "GET", "PATCH", "DELETE"];
    let method = request.or("method", "POST", choice(&methods, |name| name));
    let url = request.required("url", template);
    let headers = request.map("headers", template);
    let body = request.optional("body", template);
    let is_signed = request.or("sign", false, flag);
    let is_one_by_one = request.or("one_by_one", false, flag);
    let replaces = request.or("replaces", false, flag);
    let refused_when = request.optional("refused_when", expression).map(|at| at.value);
    let retry_after = request.optional("retry_after", expression).map(|at| at.value);
    let templates = url.iter().chain(headers.iter().map(|(_, at)| at)).chain(&body);
    let names_in = |At { value, place }: &At<Template>| {
        let names = value.names_of_with().into_iter();
        names.map(|name| At { value: name, place: place.clone() }).collect::<Vec<_>>()
    };
    let names = templates.flat_map(names_in).collect();
    let mut named = Vec::with_capacity(headers.len());
    for (name, At { value, place }) in headers {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => named.push((name, value)),
            Err(_) => request.report(&place, &format!("`{name}` is not a valid header name")),
        }
    }
    let complete = || {
        Some(HttpRequest {
            method: Method::from_bytes(method.as_bytes()).ok()?,
            url: url?.value,
            headers: named,
            body: body.map_or_else(|| Template::compile(""), |at| Ok(at.value)).ok()?,
            is_signed,
            is_one_by_one,
            replaces,
            refused_when,
            retry_after,
        })
    };
    RawRequest { request: complete(), names }
}

fn template(given: Given<'_>) -> Result<Template, String> {
    Template::compile(&string(given)?).map_err(|problem| format!("is not a valid template: {problem}"))
}

impl Resolver<'_, '_> {
    pub(super) fn channels(&mut self, raw: Vec<RawChannel>) -> Vec<Channel> {
        let mut names = Unique::default();
        raw.into_iter().filter_map(|raw| self.channel(raw, &mut names)).collect()
    }

    fn channel(&mut self, raw: RawChannel, names: &mut Unique) -> Option<Channel> {
        if let Some(name) = &raw.name {
            self.claim_name("channel name", name, names);
        }
        let label = label(raw.name.as_ref());
        let given: Vec<String> = raw.with.iter().map(|(name, _)| name.clone()).collect();
        let mut with = Vec::new();
        for (name, At { value, place }) in raw.with {
            let what = format!("`with.{name}` of channel `{label}`");
            let secret = self.secret(value, &place, &what);
            with.extend(secret.map(|secret| (name, At { value: secret.into_string(), place })));
        }
        let kind = raw.kind?;
        let form = self.form(&kind, raw.request, &given, &label);
        if let (Some(At { place, .. }), Some(Form::Http(_))) = (&raw.email, &form) {
            let message =
                format!("channel `{label}` sends no mail; [channels.email] is for `kind = \"email\"`");
            self.problems.report(place, message);
        }
        let transport = match form? {
            Form::Http(request) => Transport::Http(request),
            Form::Email(templates) => {
                let templates = raw.email.map_or(templates.clone(), |own| own.value.or(templates));
                Transport::Email(self.email(&with, templates, &label)?)
            }
        };
        let with = with.into_iter().map(|(name, at)| (name, at.value)).collect();
        Some(Channel { name: raw.name?.value, kind: kind.value, with, transport })
    }

    /// What a channel sends: what the user wrote, or the preset's.
    fn form(
        &mut self,
        kind: &At<&'static str>,
        request: Option<At<RawRequest>>,
        given: &[String],
        label: &str,
    ) -> Option<Form> {
        match request {
            Some(request) if kind.value == CUSTOM => {
                self.check_names(&request.value.names, given, label);
                request.value.request.map(Form::Http)
            }
            Some(request) => {
                let message =
                    format!("channel `{label}` has a request of its own; say `kind = \"{CUSTOM}\"`");
                self.problems.report(&request.place, message);
                None
            }
            None if kind.value == CUSTOM => {
                let message = format!(
                    "channel `{label}` needs [channels.request], with its url and body; or name a preset: `firebell \
                     channels list`"
                );
                self.problems.report(&kind.place, message);
                None
            }
            None => self.preset_form(kind, given, label),
        }
    }

    /// What is not there is empty, which a preset may want and nobody else means.
    fn check_names(&mut self, names: &[At<String>], given: &[String], label: &str) {
        for At { value: name, place } in names.iter().filter(|at| !given.contains(&at.value)) {
            let known = || given.iter().map(String::as_str);
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `with.{near}`?"),
                None if given.is_empty() => format!("give it: `with = {{ {name} = … }}`"),
                None => format!("it gives {}", known().collect::<Vec<_>>().join(", ")),
            };
            let message =
                format!("channel `{label}`: `with` does not give the `with.{name}` named here; {hint}");
            self.problems.report(place, message);
        }
    }

    fn preset_form(&mut self, kind: &At<&'static str>, given: &[String], label: &str) -> Option<Form> {
        let preset = match ChannelPreset::named(kind.value)? {
            Ok(preset) => preset,
            Err(problems) => {
                self.problems.report(&kind.place, format!("the preset is broken: {problems}"));
                return None;
            }
        };
        for name in preset.needs.iter().filter(|name| !given.contains(name)) {
            let message = format!(
                "channel `{label}` needs `with = {{ {name} = … }}`; `firebell channels show {}` says what it is",
                kind.value
            );
            self.problems.report(&kind.place, message);
        }
        let known = || preset.needs.iter().chain(&preset.takes).map(String::as_str);
        for name in given.iter().filter(|name| known().all(|known| known != *name)) {
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it knows {}", known().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("channel `{label}`: {} knows no `with.{name}`; {hint}", kind.value);
            self.problems.report(&kind.place, message);
        }
        Some(preset.form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_in_order() {
        for (name, _) in presets::ALL {
            let preset = ChannelPreset::named(name).unwrap().unwrap_or_else(|problems| panic!("{problems}"));
            assert!((5..80).contains(&preset.about.len()), "{name}");
            assert!(preset.setup.contains("with = {"), "{name}");
            assert!(preset.needs.iter().all(|need| preset.setup.contains(need.as_str())), "{name}");
            assert!(preset.takes.iter().all(|take| preset.setup.contains(take.as_str())), "{name}");
        }
    }
}
