//! Channels as they are written, and what they mean: a preset's file, or `[channels.request]`.

use std::path::Path;

use http::{HeaderName, Method};

use super::Problems;
use super::problem::At;
use super::reader::{self, Section};
use super::resolve::{Resolver, Unique, label};
use super::secret::{RawSecret, raw_secret};
use super::value::{Given, choice, flag, name, string};
use crate::channel::{Channel, HttpRequest, Template, presets};
use crate::error::nearest;
use crate::source::Expression;

/// The kind that has no preset.
const CUSTOM: &str = "custom";

pub(super) struct RawChannel {
    pub(super) name: Option<At<String>>,
    kind: Option<At<&'static str>>,
    with: Vec<(String, At<RawSecret>)>,
    request: Option<At<Option<HttpRequest>>>,
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
    /// How its requests are made.
    pub request: HttpRequest,
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
                request: preset.table("request", read_request)?,
            })
        });
        let preset = problems.finish(preset)?;
        preset.ok_or_else(|| Problems::of_file(Path::new(file), "has no request"))
    }
}

pub(super) fn read_channel(channel: &mut Section<'_, '_>) -> RawChannel {
    let kinds: Vec<&'static str> =
        std::iter::once(CUSTOM).chain(presets::ALL.iter().map(|(name, _)| *name)).collect();
    RawChannel {
        name: channel.required("name", name),
        kind: channel.required("kind", choice(&kinds, |name| name)),
        with: channel.map("with", raw_secret),
        request: channel.optional_table("request", read_request),
    }
}

/// `None`: what is wrong with it has been reported.
fn read_request(request: &mut Section<'_, '_>) -> Option<HttpRequest> {
    let methods = ["POST", "PUT", "GET", "PATCH", "DELETE"];
    let method = request.or("method", "POST", choice(&methods, |name| name));
    let url = request.required("url", template);
    let headers = request.map("headers", template);
    let body = request.optional("body", template);
    let is_signed = request.or("is_signed", false, flag);
    let is_one_by_one = request.or("is_one_by_one", false, flag);
    let refused_when = request.optional("refused_when", expression).map(|at| at.value);
    let retry_after = request.optional("retry_after", expression).map(|at| at.value);
    let mut named = Vec::with_capacity(headers.len());
    for (name, At { value, place }) in headers {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => named.push((name, value)),
            Err(_) => request.report(&place, &format!("`{name}` is no name of a header")),
        }
    }
    Some(HttpRequest {
        method: Method::from_bytes(method.as_bytes()).ok()?,
        url: url?.value,
        headers: named,
        body: body.map_or_else(|| Template::compile(""), |at| Ok(at.value)).ok()?,
        is_signed,
        is_one_by_one,
        refused_when,
        retry_after,
    })
}

fn template(given: Given<'_>) -> Result<Template, String> {
    Template::compile(&string(given)?).map_err(|problem| format!("is no template: {problem}"))
}

fn expression(given: Given<'_>) -> Result<Expression, String> {
    let text = string(given)?;
    Expression::compile(&text).map_err(|problem| format!("is no expression: {problem}: `{text}`"))
}

impl Resolver<'_, '_> {
    pub(super) fn channels(&mut self, raw: Vec<RawChannel>) -> Vec<Channel> {
        let mut names = Unique::default();
        let mut channels = Vec::new();
        for raw in raw {
            if let Some(name) = &raw.name {
                self.claim_name("channel name", name, &mut names);
            }
            let label = label(raw.name.as_ref());
            let given: Vec<String> = raw.with.iter().map(|(name, _)| name.clone()).collect();
            let mut with = Vec::new();
            for (name, At { value, place }) in raw.with {
                let what = format!("`with.{name}` of channel `{label}`");
                with.extend(self.secret(value, &place, &what).map(|secret| (name, secret.into_string())));
            }
            let Some(kind) = raw.kind else { continue };
            let request = match raw.request {
                Some(request) if kind.value == CUSTOM => request.value,
                Some(request) => {
                    let message =
                        format!("channel `{label}` has a request of its own; say `kind = \"{CUSTOM}\"`");
                    self.problems.report(&request.place, message);
                    continue;
                }
                None if kind.value == CUSTOM => {
                    let message = format!(
                        "channel `{label}` needs [channels.request], with its url and body; or name a preset: \
                         `firebell channels list`"
                    );
                    self.problems.report(&kind.place, message);
                    continue;
                }
                None => self.preset_request(&kind, &given, &label),
            };
            let (Some(name), Some(request)) = (raw.name, request) else { continue };
            channels.push(Channel { name: name.value, kind: kind.value, with, request });
        }
        channels
    }

    fn preset_request(
        &mut self,
        kind: &At<&'static str>,
        given: &[String],
        label: &str,
    ) -> Option<HttpRequest> {
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
        Some(preset.request)
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
