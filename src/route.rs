//! The product's URLs at a glance. 404 and 405 are computed from the table that routes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::{Details, Error, Kind};

/// What a URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says it")]
pub enum Route {
    Webhook,
    PagerDuty,
    PagerDutyChange,
    Ntfy,
    Gotify,
    GotifyVersion,
    GotifyHealth,
    Ping,
    Push,
    AuthVerify,
    Incidents,
    Incident,
    IncidentStream,
    Export,
    IncidentStatus,
    IncidentAcknowledge,
    CreateIncident,
    EditIncident,
    IncidentEvents,
    CommentIncident,
    Services,
    Service,
    Heartbeats,
    Integrations,
    Deliveries,
    Delivery,
    ReplayDelivery,
    Channels,
    Notifications,
    Silences,
    Silence,
    CreateSilence,
    ChangeSilence,
    EndSilence,
    Healthz,
    Readyz,
    Metrics,
    Openapi,
    Permalink,
    Page(Page),
}

/// A page for people, or what belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says it")]
pub enum Page {
    Incidents,
    ActOnMany,
    ActOnOne,
    Overview,
    Integrations,
    Integration,
    ActOnIntegration,
    Delivery,
    ActOnDelivery,
    Services,
    Silences,
    ActOnSilences,
    Login,
    LogIn,
    LogOut,
    Stream,
    Open,
    Asset,
    Favicon,
    Link,
    ActByLink,
}

/// Method, path and what it is for. `HEAD` goes where `GET` does, but to publish.
pub const TABLE: [(&str, &str, Route); 79] = [
    ("POST", "/webhooks/{routing_key}", Route::Webhook),
    ("POST", "/api/webhooks/{routing_key}", Route::Webhook),
    ("POST", "/v2/enqueue", Route::PagerDuty),
    ("POST", "/v2/change/enqueue", Route::PagerDutyChange),
    ("POST", "/ntfy/{routing_key}", Route::Ntfy),
    ("PUT", "/ntfy/{routing_key}", Route::Ntfy),
    // Where a client puts the root's slash behind the server's address.
    ("POST", "/ntfy/{routing_key}/", Route::Ntfy),
    ("PUT", "/ntfy/{routing_key}/", Route::Ntfy),
    ("POST", "/ntfy/{routing_key}/{topic}", Route::Ntfy),
    ("PUT", "/ntfy/{routing_key}/{topic}", Route::Ntfy),
    ("POST", "/ntfy/{routing_key}/{topic}/{sequence_id}", Route::Ntfy),
    ("PUT", "/ntfy/{routing_key}/{topic}/{sequence_id}", Route::Ntfy),
    ("GET", "/ntfy/{routing_key}/{topic}/publish", Route::Ntfy),
    ("GET", "/ntfy/{routing_key}/{topic}/send", Route::Ntfy),
    ("GET", "/ntfy/{routing_key}/{topic}/trigger", Route::Ntfy),
    ("POST", "/message", Route::Gotify),
    ("GET", "/version", Route::GotifyVersion),
    ("GET", "/health", Route::GotifyHealth),
    // Heartbeats, as Healthchecks and Uptime Kuma take them. A slash at the end is forgiven, as there.
    ("GET", "/ping/{key}", Route::Ping),
    ("POST", "/ping/{key}", Route::Ping),
    ("GET", "/ping/{key}/", Route::Ping),
    ("POST", "/ping/{key}/", Route::Ping),
    ("GET", "/ping/{key}/{signal}", Route::Ping),
    ("POST", "/ping/{key}/{signal}", Route::Ping),
    ("GET", "/api/push/{key}", Route::Push),
    ("POST", "/api/push/{key}", Route::Push),
    ("GET", "/api/push/{key}/", Route::Push),
    ("POST", "/api/push/{key}/", Route::Push),
    ("GET", "/api/v1/auth/verify", Route::AuthVerify),
    ("GET", "/api/v1/incidents", Route::Incidents),
    // Before the numbers, none of which is called like that.
    ("GET", "/api/v1/incidents/stream", Route::IncidentStream),
    ("GET", "/api/v1/incidents/{number}", Route::Incident),
    ("POST", "/api/v1/incidents", Route::CreateIncident),
    ("PATCH", "/api/v1/incidents/{number}", Route::EditIncident),
    ("GET", "/api/v1/incidents/{number}/events", Route::IncidentEvents),
    ("POST", "/api/v1/incidents/{number}/events", Route::CommentIncident),
    ("GET", "/api/v1/export", Route::Export),
    ("POST", "/api/v1/incidents/{number}/status", Route::IncidentStatus),
    ("POST", "/api/v1/incidents/{number}/acknowledge", Route::IncidentAcknowledge),
    ("GET", "/api/v1/services", Route::Services),
    ("GET", "/api/v1/services/{id}", Route::Service),
    ("GET", "/api/v1/heartbeats", Route::Heartbeats),
    ("GET", "/api/v1/integrations", Route::Integrations),
    ("GET", "/api/v1/integrations/{name}/deliveries", Route::Deliveries),
    ("GET", "/api/v1/integrations/{name}/deliveries/{delivery_id}", Route::Delivery),
    ("POST", "/api/v1/integrations/{name}/deliveries/{delivery_id}/replay", Route::ReplayDelivery),
    ("GET", "/api/v1/channels", Route::Channels),
    ("GET", "/api/v1/notifications", Route::Notifications),
    ("GET", "/api/v1/silences", Route::Silences),
    ("POST", "/api/v1/silences", Route::CreateSilence),
    ("GET", "/api/v1/silences/{silence_id}", Route::Silence),
    ("PATCH", "/api/v1/silences/{silence_id}", Route::ChangeSilence),
    ("POST", "/api/v1/silences/{silence_id}/end", Route::EndSilence),
    // The permalink that answers give.
    ("GET", "/incidents/{number}", Route::Permalink),
    ("GET", "/healthz", Route::Healthz),
    ("GET", "/readyz", Route::Readyz),
    ("GET", "/metrics", Route::Metrics),
    ("GET", "/openapi.json", Route::Openapi),
    ("GET", "/", Route::Page(Page::Incidents)),
    ("POST", "/", Route::Page(Page::ActOnMany)),
    ("POST", "/incidents/{number}", Route::Page(Page::ActOnOne)),
    ("GET", "/overview", Route::Page(Page::Overview)),
    ("GET", "/integrations", Route::Page(Page::Integrations)),
    ("GET", "/integrations/{name}", Route::Page(Page::Integration)),
    ("POST", "/integrations/{name}", Route::Page(Page::ActOnIntegration)),
    ("GET", "/integrations/{name}/deliveries/{delivery_id}", Route::Page(Page::Delivery)),
    ("POST", "/integrations/{name}/deliveries/{delivery_id}", Route::Page(Page::ActOnDelivery)),
    ("GET", "/services", Route::Page(Page::Services)),
    ("GET", "/act/{link}", Route::Page(Page::Link)),
    ("POST", "/act/{link}", Route::Page(Page::ActByLink)),
    ("GET", "/silences", Route::Page(Page::Silences)),
    ("POST", "/silences", Route::Page(Page::ActOnSilences)),
    ("GET", "/login", Route::Page(Page::Login)),
    ("POST", "/login", Route::Page(Page::LogIn)),
    ("POST", "/logout", Route::Page(Page::LogOut)),
    ("GET", "/stream", Route::Page(Page::Stream)),
    ("GET", "/open", Route::Page(Page::Open)),
    ("GET", "/assets/{asset}", Route::Page(Page::Asset)),
    ("GET", "/favicon/{open}", Route::Page(Page::Favicon)),
];

/// In whose words a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is a product")]
pub enum Dialect {
    Firebell,
    PagerDuty,
    Ntfy,
    Gotify,
    Healthchecks,
    UptimeKuma,
}

impl Dialect {
    /// The dialect of a path, whether it leads somewhere or not: a sender that has its URL slightly wrong should
    /// understand that.
    #[must_use]
    pub fn of(path: &str) -> Self {
        if path.starts_with("/api/push/") {
            return Self::UptimeKuma;
        }
        match path.split('/').nth(1) {
            Some("v2") => Self::PagerDuty,
            Some("ntfy") => Self::Ntfy,
            Some("message" | "version" | "health") => Self::Gotify,
            Some("ping") => Self::Healthchecks,
            _ => Self::Firebell,
        }
    }

    /// Where its senders post.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Firebell => "/webhooks/{routing_key}",
            Self::PagerDuty => "/v2/enqueue",
            Self::Ntfy => "/ntfy/{routing_key}",
            Self::Gotify => "/message",
            Self::Healthchecks => "/ping/{key}",
            Self::UptimeKuma => "/api/push/{key}",
        }
    }
}

/// A URL that leads somewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// Where.
    pub route: Route,
    /// Its position in the table. The template there is safe to log, since it holds no key.
    pub position: usize,
    /// What stands for the names in braces, percent-decoded; what is no UTF-8 then is nobody's name.
    pub parameters: Vec<Cow<'a, str>>,
}

/// Finds where a request goes.
///
/// # Errors
/// `not_found`, or `method_not_allowed` with the methods that are.
pub fn find<'a>(method: &str, path: &'a str) -> Result<Match<'a>, Error> {
    let mut allowed = Vec::new();
    let mut by_name = false;
    for (position, (table_method, template, route)) in TABLE.into_iter().enumerate() {
        let Some(parameters) = parameters(template, path) else { continue };
        // What is called by its name is nothing else.
        if by_name && !parameters.is_empty() {
            continue;
        }
        by_name |= parameters.is_empty();
        let head = table_method == "GET" && route != Route::Ntfy;
        if table_method == method || head && method == "HEAD" {
            return Ok(Match { route, position, parameters });
        }
        allowed.push(table_method);
        if head {
            allowed.push("HEAD");
        }
    }
    if allowed.is_empty() {
        let message =
            "there is nothing at this path; webhooks go to /webhooks/{routing_key}, the API is under /api/v1";
        return Err(Error::new(Kind::NotFound, message));
    }
    let message = format!("this path takes {}", allowed.join(", "));
    Err(Error::new(Kind::MethodNotAllowed, message).with(Details::Allowed(allowed)))
}

/// The parameters of `template` in `path`, if it fits.
fn parameters<'a>(template: &str, path: &'a str) -> Option<Vec<Cow<'a, str>>> {
    let mut parameters = Vec::new();
    let mut given = path.split('/');
    for wanted in template.split('/') {
        let segment = given.next()?;
        if wanted.starts_with('{') {
            parameters
                .push(Some(percent_decode_str(segment).decode_utf8_lossy()).filter(|text| !text.is_empty())?);
        } else if segment != wanted {
            return None;
        }
    }
    given.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_table_says() {
        let found = find("POST", "/webhooks/a%2Fb").unwrap();
        assert_eq!((found.route, found.parameters), (Route::Webhook, vec!["a/b".into()]));
        assert_eq!(find("POST", "/api/webhooks/k").unwrap().route, Route::Webhook);
        assert_eq!(find("HEAD", "/healthz").unwrap().route, Route::Healthz);
        assert_eq!(find("GET", "/incidents/INC-2026-001").unwrap().route, Route::Permalink);
        assert_eq!(find("GET", "/api/v1/incidents/stream").unwrap().route, Route::IncidentStream);
        for path in ["", "/webhooks", "/webhooks/", "/webhooks/a/b", "//healthz", "/api/v1/incidents/"] {
            assert_eq!(find("POST", path).unwrap_err().kind, Kind::NotFound, "{path}");
        }
    }

    #[test]
    fn a_path_has_the_dialect_of_its_senders() {
        for dialect in [
            Dialect::Firebell,
            Dialect::PagerDuty,
            Dialect::Ntfy,
            Dialect::Gotify,
            Dialect::Healthchecks,
            Dialect::UptimeKuma,
        ] {
            assert_eq!(Dialect::of(dialect.path()), dialect);
            assert!(TABLE.iter().any(|(method, path, _)| (*method, *path) == ("POST", dialect.path())));
        }
        assert_eq!([Dialect::of("/ntfy/a/b/c"), Dialect::of("/message/")], [Dialect::Ntfy, Dialect::Gotify]);
        assert_eq!([Dialect::of("/"), Dialect::of("*")], [Dialect::Firebell; 2]);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let allowed = |method, path| match find(method, path).unwrap_err().details {
            Details::Allowed(allowed) => allowed.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(allowed("GET", "/webhooks/k"), "POST");
        assert_eq!(allowed("DELETE", "/api/v1/incidents"), "GET HEAD POST");
        assert_eq!(allowed("POST", "/api/v1/incidents/stream"), "GET HEAD");
        assert_eq!(allowed("HEAD", "/ntfy/key/web/publish"), "POST PUT GET", "a look publishes nothing");
    }
}
