//! Routes as they are written, and what they mean.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::problem::{At, Place, values};
use super::reader::Section;
use super::resolve::Resolver;
use super::value::{Given, choice, duration, flag, milliseconds, name, severity, short, string};
use crate::error::nearest;
use crate::model::{Reason, Severity, Wanted};
use crate::registry::{Registry, ServiceProblem};
use crate::routing::{Matcher, Quiet, Route, Routing};

/// Why a route may tell people by itself; reminders have an option of their own.
const REASONS: [Reason; 4] = [Reason::Created, Reason::Raised, Reason::Reopened, Reason::Resolved];

pub(super) struct RawRoute {
    channels: Vec<At<String>>,
    pub(super) matcher: RawMatcher,
    on: Option<Vec<At<Reason>>>,
    unacknowledged_after: Option<Duration>,
    digest: Duration,
    quiet_hours: Option<At<(Time, Time)>>,
    time_zone: Option<At<TimeZone>>,
    breaks_through: Vec<At<Severity>>,
    goes_on: bool,
}

pub(super) struct RawMatcher {
    services: Vec<At<String>>,
    severities: Vec<Severity>,
    integrations: Vec<At<String>>,
    metadata: Vec<(String, String)>,
    text: Option<Wanted>,
}

pub(super) fn read_route(route: &mut Section<'_, '_>) -> RawRoute {
    RawRoute {
        channels: route.filled_list("channels", "without a channel nobody is told", name),
        matcher: RawMatcher {
            services: route.list("services", short(50)),
            severities: values(route.list("severities", severity)),
            integrations: route.list("integrations", name),
            metadata: route.map("metadata", string).into_iter().map(|(key, at)| (key, at.value)).collect(),
            text: route.optional("text", wanted).map(|at| at.value),
        },
        on: route.optional_list("on", choice(&REASONS, Reason::as_str)),
        unacknowledged_after: route
            .optional("unacknowledged_after", duration("1m", "30d"))
            .map(|at| at.value),
        digest: route.or("digest", Duration::from_secs(60), duration("0s", "1d")),
        quiet_hours: route.optional("quiet_hours", hours),
        time_zone: route.optional("time_zone", time_zone),
        breaks_through: route.list("breaks_through", severity),
        goes_on: route.or("continue", false, flag),
    }
}

fn wanted(given: Given<'_>) -> Result<Wanted, String> {
    let wanted = Wanted::read(&short(200)(given)?);
    if wanted.is_empty() || wanted.unknown { Err("must have a word to look for".into()) } else { Ok(wanted) }
}

fn hours(given: Given<'_>) -> Result<(Time, Time), String> {
    let wrong = "must be two times of day, such as \"22:00-07:00\"";
    Quiet::parse_hours(&string(given)?).ok_or_else(|| wrong.into())
}

fn time_zone(given: Given<'_>) -> Result<TimeZone, String> {
    let wrong = "must be a time zone's name, such as \"Europe/Berlin\" or \"UTC\"";
    TimeZone::get(&string(given)?).map_err(|_| wrong.into())
}

impl Resolver<'_, '_> {
    /// The routes, whose channels are those named, in that order.
    pub(super) fn routing(
        &mut self,
        raw: Vec<RawRoute>,
        channels: Vec<String>,
        services: Option<&Registry>,
        integrations: &[String],
    ) -> Routing {
        let mut routes = Vec::new();
        for raw in raw {
            let mut to = Vec::new();
            for at in &raw.channels {
                match channels.iter().position(|name| *name == at.value) {
                    Some(position) if !to.contains(&position) => to.push(position),
                    Some(_) => {}
                    None => self.unknown("routes.channels", "channel", at, &channels),
                }
            }
            let quiet = raw.quiet_hours.as_ref().map(|at| Quiet {
                from: at.value.0,
                to: at.value.1,
                zone: raw.time_zone.as_ref().map_or(TimeZone::UTC, |at| at.value.clone()),
                breaks_through: raw.breaks_through.iter().map(|at| at.value).collect(),
            });
            if quiet.is_none() {
                let only_with = |what: &str| format!("`routes.{what}` says nothing without `quiet_hours`");
                if let Some(at) = &raw.time_zone {
                    self.problems.report(&at.place, only_with("time_zone"));
                }
                if let Some(at) = raw.breaks_through.first() {
                    self.problems.report(&at.place, only_with("breaks_through"));
                }
            }
            routes.push(Route {
                matcher: self.matcher(raw.matcher, services, integrations),
                channels: to,
                on: raw.on.map_or_else(|| REASONS.to_vec(), values),
                unacknowledged_after_ms: raw.unacknowledged_after.map(milliseconds),
                digest_ms: milliseconds(raw.digest),
                quiet,
                goes_on: raw.goes_on,
            });
        }
        Routing { channels, routes }
    }

    fn matcher(&mut self, raw: RawMatcher, services: Option<&Registry>, integrations: &[String]) -> Matcher {
        for at in raw.integrations.iter().filter(|at| !integrations.contains(&at.value)) {
            self.unknown("routes.integrations", "integration", at, integrations);
        }
        let ids = raw.services.iter().filter_map(|at| match services?.service(&at.value) {
            Ok(service) => Some(service.id.clone()),
            // Its incidents may still be open.
            Err(ServiceProblem::Inactive) => {
                services?.any_service(&at.value).map(|service| service.id.clone())
            }
            Err(ServiceProblem::Unknown(near)) => {
                let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let message = format!("`routes.services`: `{}` is no service{hint}", at.value);
                self.problems.report(&at.place, message);
                None
            }
        });
        Matcher {
            services: ids.collect(),
            severities: raw.severities,
            integrations: values(raw.integrations),
            metadata: raw.metadata,
            text: raw.text,
        }
    }

    fn unknown(&mut self, option: &str, what: &str, at: &At<String>, known: &[String]) {
        let hint = nearest(&at.value, known.iter().map(String::as_str));
        let hint = hint.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let place: &Place = &at.place;
        self.problems.report(place, format!("`{option}`: there is no {what} `{}`{hint}", at.value));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::parse;

    fn problems(text: &str) -> String {
        parse(Path::new("c.toml"), text, &|_| None).unwrap_err().to_string()
    }

    #[test]
    fn everything_wrong_with_channels_and_routes_is_said_at_once() {
        let text = r#"[[services]]
id = "SER-1"
name = "Website"
[[channels]]
name = "phone"
kind = "ntfi"
[[channels]]
name = "phone"
kind = "ntfy"
with = { token = { env = "NOT_SET" }, topik = "x" }
[channels.request]
url = "{{ title"
[[channels]]
name = "hook"
kind = "webhook"
with = { token = "abc" }
[[channels]]
name = "own"
kind = "custom"
[[channels]]
name = "broken"
kind = "custom"
[channels.request]
url = "{{ titel }}"
body = "{{ title|loud }}"
refused_when = "payload.ok is odder"
[channels.request.headers]
"a b" = "c"
[[channels]]
name = "named"
kind = "custom"
with = { token = "abc", url = "x" }
[channels.request]
url = "{{ with.url }}"
body = "{% if with.chat %}{{ with.tokn|urlencode }}{% endif %}{% for with in incidents %}{{ with.title }}{% endfor %}"
[[routes]]
channels = ["hok", "hook"]
services = ["SER-2"]
integrations = ["nobody"]
on = ["created", "unacknowledged"]
text = "  "
digest = "30"
quiet_hours = "22-7"
[[routes]]
channels = []
time_zone = "Europe/Atlantis"
[[routes]]
channels = ["hook"]
time_zone = "Europe/Berlin"
breaks_through = ["SEV0"]
"#;
        let expected = "\
c.toml:6:8: `channels.kind` must be one of: custom, KINDS; did you mean `ntfy`?
c.toml:8:8: channel name `phone` is already taken on line 5
c.toml:10:18: `with.token` of channel `phone` needs the environment variable NOT_SET, which is not set
c.toml:11:1: channel `phone` has a request of its own; say `kind = \"custom\"`
c.toml:12:7: `channels.request.url` is not a valid template: syntax error: unexpected end of input, expected end of variable block, in its line 1
c.toml:15:8: channel `hook` needs `with = { url = … }`; `firebell channels show webhook` says what it is
c.toml:15:8: channel `hook`: webhook knows no `with.token`; it knows url, secret
c.toml:19:8: channel `own` needs [channels.request], with its url and body; or name a preset: `firebell channels list`
c.toml:24:7: `channels.request.url` is not a valid template: unknown name `titel`; did you mean `title`?
c.toml:25:8: `channels.request.body` is not a valid template: unknown filter: filter loud is unknown, in its line 1
c.toml:26:16: `channels.request.refused_when` is not a valid expression: unknown test: test odder is unknown, at its character 15: `payload.ok is odder`
c.toml:28:9: `channels.request`: `a b` is not a valid header name
c.toml:35:8: channel `named`: `with` does not give the `with.chat` named here; it gives token, url
c.toml:35:8: channel `named`: `with` does not give the `with.tokn` named here; did you mean `with.token`?
c.toml:37:13: `routes.channels`: there is no channel `hok`; did you mean `hook`?
c.toml:38:13: `routes.services`: `SER-2` is no service; did you mean `SER-1`?
c.toml:39:17: `routes.integrations`: there is no integration `nobody`
c.toml:40:18: `routes.on` must be one of: created, raised, reopened, resolved
c.toml:41:8: `routes.text` must not begin or end with white space
c.toml:42:10: `routes.digest` must be a duration from \"0s\" to \"1d\", such as \"30s\"
c.toml:43:15: `routes.quiet_hours` must be two times of day, such as \"22:00-07:00\"
c.toml:45:12: `routes.channels` is empty; without a channel nobody is told
c.toml:46:13: `routes.time_zone` must be a time zone's name, such as \"Europe/Berlin\" or \"UTC\"
c.toml:49:13: `routes.time_zone` says nothing without `quiet_hours`
c.toml:50:19: `routes.breaks_through` says nothing without `quiet_hours`";
        let kinds: Vec<_> = crate::channel::presets::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(problems(text), expected.replace("KINDS", &kinds.join(", ")));
    }
}
