//! An alert: what a sender says of something, before Firebell makes it an incident or a part of one.

use url::Url;

use super::fields::{Fields, TextRule, Warning};
use super::{Severity, Status};
use crate::error::{Error, FieldError};
use crate::json::{Json, Member};

/// How much of each field an alert may hold.
#[derive(Clone, Copy, Debug)]
pub struct AlertLimits {
    /// Keys of `metadata`, in one alert and in an incident.
    pub metadata_keys: usize,
}

impl AlertLimits {
    /// Those of the custom webhook.
    pub const CUSTOM: Self = Self { metadata_keys: 10 };

    /// Those of senders that cannot keep ours.
    pub const NATIVE: Self = Self { metadata_keys: 64 };
}

pub(super) const TITLE: TextRule = TextRule { trim: true, min: 1, max: 200 };
const SERVICE_ID: TextRule = TextRule { trim: true, min: 1, max: 50 };
pub(super) const DESCRIPTION: TextRule = TextRule { trim: false, min: 0, max: 2000 };
pub(super) const SOURCE_URL: TextRule = TextRule { trim: true, min: 1, max: 2048 };
pub(super) const DEDUP_KEY: TextRule = TextRule { trim: false, min: 1, max: 255 };
pub(super) const METADATA_KEY_CHARS: usize = 64;
pub(super) const METADATA_VALUE_BYTES: usize = 1024;

/// A valid alert. What is `None` was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// 1–200 characters. `None`: it only moves the status of the open incident that holds its key, and where there is
    /// none it is ignored.
    pub title: Option<String>,
    /// The id or alias of the service as it was sent; not looked up yet.
    pub service: String,
    /// At most 2000 characters.
    pub description: Option<String>,
    /// What the sender says; the chain of defaults is not applied yet.
    pub severity: Option<Severity>,
    /// `New`, `Investigating` or `Resolved`.
    pub status: Status,
    /// An absolute http or https URL.
    pub source_url: Option<String>,
    /// What makes two alerts the same incident; 1–255 characters.
    pub dedup_key: Option<String>,
    /// Keys and values, the values as compact JSON; `None` removes the key.
    pub metadata: Vec<(String, Option<String>)>,
}

impl Alert {
    /// The statuses that a sender may give.
    pub const STATUSES: [Status; 3] = [Status::New, Status::Investigating, Status::Resolved];

    /// Reads the alert in the members of a JSON object. `check_service` says what is wrong with the service, if
    /// anything: it joins the other errors, but alone is no reason to refuse an alert that may yet be an update.
    ///
    /// # Errors
    /// `validation_error` with everything that is wrong.
    pub fn read(
        members: Vec<Member<'_>>,
        limits: AlertLimits,
        check_service: impl FnOnce(&str) -> Option<FieldError>,
    ) -> Result<(Self, Vec<Warning>), Error> {
        let mut fields = Fields::new(members);
        let title = fields.required_text("title", TITLE);
        let service = fields.required_text("service_id", SERVICE_ID);
        let description = fields.optional_text("description", DESCRIPTION);
        let severity = fields.severity();
        let statuses = Self::STATUSES;
        let status = fields.optional_name("status", &statuses.map(Status::as_str), |name| {
            Status::parse(name).filter(|status| statuses.contains(status))
        });
        let source_url = fields.optional_text("source_url", SOURCE_URL);
        let source_url = source_url.filter(|url| check_url(&mut fields, url));
        let dedup_key = fields.optional_key("dedup_key", DEDUP_KEY);
        let metadata = match fields.optional("metadata") {
            None => Vec::new(),
            Some(Json::Object(members)) => read_metadata(&mut fields, members, limits),
            Some(other) => {
                fields.wrong_type("metadata", "an object", &other);
                Vec::new()
            }
        };
        if !fields.errors.is_empty() {
            fields.errors.extend(service.as_deref().and_then(check_service));
        }
        let warnings = fields.finish()?;
        let (Some(_), Some(service)) = (&title, service) else {
            return Err(Error::internal("a required field is missing and no error says so"));
        };
        let status = status.unwrap_or(Status::New);
        let alert = Self { title, service, description, severity, status, source_url, dedup_key, metadata };
        Ok((alert, warnings))
    }
}

fn check_url(fields: &mut Fields<'_>, text: &str) -> bool {
    let right = is_web_url(text);
    if !right {
        let message = "must be an absolute http or https URL without white space";
        fields.error("source_url", "invalid", message);
    }
    right
}

/// Absolute, http or https, and nothing in it that a browser would drop silently. With both slashes: without them it is
/// absolute to some, and to a browser that is on a page of the same scheme it is relative.
#[must_use]
pub fn is_web_url(text: &str) -> bool {
    let parsed = Url::parse(text).ok();
    let web = parsed.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://"))
    });
    web && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn read_metadata(
    fields: &mut Fields<'_>,
    members: Vec<Member<'_>>,
    limits: AlertLimits,
) -> Vec<(String, Option<String>)> {
    if members.len() > limits.metadata_keys {
        let message = format!("has {} keys; the limit is {}", members.len(), limits.metadata_keys);
        fields.error("metadata", "too_many", message);
    }
    let mut metadata = Vec::with_capacity(members.len());
    for (key, value) in members {
        let length = key.chars().count();
        let shown = || key.chars().take(METADATA_KEY_CHARS).collect::<String>();
        if length == 0 {
            fields.error("metadata", "empty", "has an empty key; 1–64 characters are expected");
        } else if length > METADATA_KEY_CHARS {
            let message = format!("has a key of {length} characters; the limit is {METADATA_KEY_CHARS}");
            fields.error(format!("metadata.{}", shown()), "too_long", message);
        }
        let value = (value != Json::Null).then(|| value.to_compact());
        let bytes = value.as_ref().map_or(0, String::len);
        if bytes > METADATA_VALUE_BYTES {
            let message = format!("is {bytes} bytes as compact JSON; the limit is {METADATA_VALUE_BYTES}");
            fields.error(format!("metadata.{}", shown()), "too_long", message);
        }
        metadata.push((key.into_owned(), value));
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read(body: &str) -> Result<(Alert, Vec<Warning>), Error> {
        Alert::read(json::parse_object(body.as_bytes())?, AlertLimits::CUSTOM, |_| None)
    }

    fn codes(body: &str) -> String {
        match read(body) {
            Ok((_, warnings)) => {
                let codes: Vec<_> = warnings.iter().map(|w| format!("~{}:{}", w.field, w.code)).collect();
                format!("ok {}", codes.join(" ")).trim().to_owned()
            }
            Err(Error { details: crate::error::Details::Fields(fields), .. }) => {
                let codes: Vec<_> = fields.iter().map(|f| format!("{}:{}", f.field, f.code)).collect();
                codes.join(" ")
            }
            Err(error) => error.message,
        }
    }

    /// A body in which `field` holds the JSON `value`.
    fn with(field: &str, value: &str) -> String {
        let mut members = vec![("title", "\"t\""), ("service_id", "\"s\"")];
        members.retain(|(name, _)| *name != field);
        members.push((field, value));
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    fn text(length: usize) -> String {
        format!("\"{}\"", "é".repeat(length))
    }

    #[test]
    fn every_limit_at_below_and_above() {
        for (field, max) in [("title", 200), ("service_id", 50), ("description", 2000), ("dedup_key", 255)] {
            for length in [1, max - 1, max] {
                assert_eq!(codes(&with(field, &text(length))), "ok", "{field} of {length}");
            }
            assert_eq!(codes(&with(field, &text(max + 1))), format!("{field}:too_long"));
        }
        let url = |length: usize| format!("\"https://e.x/{}\"", "a".repeat(length - 12));
        assert_eq!(codes(&with("source_url", &url(2048))), "ok");
        assert_eq!(codes(&with("source_url", &url(2049))), "source_url:too_long");
        let keys = |n: usize| {
            format!("{{{}}}", (0..n).map(|k| format!("\"k{k}\":{k}")).collect::<Vec<_>>().join(","))
        };
        assert_eq!(codes(&with("metadata", "{}")), "ok");
        assert_eq!(codes(&with("metadata", &keys(10))), "ok");
        assert_eq!(codes(&with("metadata", &keys(11))), "metadata:too_many");
        let both = keys(11).replace("k10\":10", "\":10");
        assert_eq!(codes(&with("metadata", &both)), "metadata:too_many metadata:empty");
        let key = |n: usize| format!("{{\"{}\":1}}", "k".repeat(n));
        assert_eq!(codes(&with("metadata", &key(64))), "ok");
        assert_eq!(codes(&with("metadata", &key(65))), format!("metadata.{}:too_long", "k".repeat(64)));
        assert_eq!(codes(&with("metadata", &key(0))), "metadata:empty");
        let value = |n: usize| format!("{{\"k\":\"{}\"}}", "v".repeat(n - 2));
        assert_eq!(codes(&with("metadata", &value(1024))), "ok");
        assert_eq!(codes(&with("metadata", &value(1025))), "metadata.k:too_long");
    }

    #[test]
    fn null_and_empty_mean_absent_where_a_field_is_optional() {
        for field in ["description", "severity", "status", "source_url", "metadata"] {
            assert_eq!(codes(&with(field, "null")), "ok", "{field}");
            assert_eq!(codes(&with(field, "\"\"")), format!("ok ~{field}:empty_field"));
        }
        assert_eq!(codes(&with("dedup_key", "null")), "ok");
        assert_eq!(codes(&with("dedup_key", "\"\"")), "dedup_key:empty");
        assert_eq!(codes(&with("title", "null")), "title:required");
        assert_eq!(codes(&with("title", "\"  \\n\"")), "title:empty");
        assert_eq!(codes(&with("service_id", "\"\"")), "service_id:empty");
        assert_eq!(codes("{}"), "title:required service_id:required");
    }

    #[test]
    fn every_wrong_type_is_named() {
        for field in ["title", "service_id", "description", "severity", "status", "source_url", "dedup_key"] {
            for value in ["1", "true", "[]", "{}"] {
                assert_eq!(codes(&with(field, value)), format!("{field}:wrong_type"), "{value}");
            }
        }
        for value in ["1", "true", "[]", "\"x\""] {
            assert_eq!(codes(&with("metadata", value)), "metadata:wrong_type");
        }
    }

    #[test]
    fn lists_and_urls() {
        for severity in ["SEV0", "sev1", "Sev2", "SEV3", "sEv4"] {
            assert_eq!(codes(&with("severity", &format!("\"{severity}\""))), "ok");
        }
        for severity in ["SEV5", "critical", "1", " SEV1"] {
            assert_eq!(codes(&with("severity", &format!("\"{severity}\""))), "severity:not_in_list");
        }
        for status in ["new", "investigating", "resolved"] {
            assert_eq!(codes(&with("status", &format!("\"{status}\""))), "ok");
        }
        for status in ["fixing", "monitoring", "closed", "acknowledged"] {
            assert_eq!(codes(&with("status", &format!("\"{status}\""))), "status:not_in_list");
        }
        for url in ["http://a", "https://user@grafana.example.com:3000/d/x?y=1&z=ü#f", "HTTPS://A.B"] {
            assert_eq!(codes(&with("source_url", &format!("\"{url}\""))), "ok", "{url}");
        }
        for url in [
            "/d/x",
            "grafana.example.com",
            "ftp://a/b",
            "javascript:alert(1)",
            "http://",
            "http://a b/",
            "https:a",
            "https:\\\\\\\\a",
        ] {
            assert_eq!(codes(&with("source_url", &format!("\"{url}\""))), "source_url:invalid", "{url}");
        }
    }

    #[test]
    fn all_errors_come_at_once_with_the_services_own() {
        let body =
            r#"{"title":"","service_id":"x","severity":"bad","status":1,"dedup_key":"","metadata":[]}"#;
        let members = json::parse_object(body.as_bytes()).unwrap();
        let service = |_: &str| Some(FieldError::new("service_id", "unknown_service", "is unknown"));
        let error = Alert::read(members, AlertLimits::CUSTOM, service).unwrap_err();
        assert_eq!(error.message, "6 fields are invalid");
    }

    #[test]
    fn unknown_members_are_warned_of_with_the_nearest_name() {
        let (_, warnings) = read(r#"{"title":"t","service_id":"s","sevrity":"SEV1"}"#).unwrap();
        assert_eq!(warnings[0].message, "is not a known field and was ignored; did you mean severity?");
        let error = read(r#"{"titel":"t","service":"s"}"#).unwrap_err();
        let crate::error::Details::Fields(fields) = error.details else { panic!("{error:?}") };
        let said: Vec<_> = fields.iter().map(|field| field.message.as_str()).collect();
        assert_eq!(
            said,
            ["is required; was it meant by `titel`?", "is required; was it meant by `service`?"]
        );
        let many: Vec<_> = (0..500).map(|n| format!("\"x{n}\":{n}")).collect();
        let error =
            read(&format!(r#"{{"service_id":"s",{},"titel":"t","y":1}}"#, many.join(","))).unwrap_err();
        assert_eq!(error.message, "`title` is required", "nobody looks through all of them");
        let body = format!("{{\"title\":\"t\",\"service_id\":\"s\",{}}}", many.join(","));
        let (_, warnings) = read(&body).unwrap();
        assert_eq!(warnings.len(), 21);
        assert_eq!(warnings[20].message, "has 480 more unknown fields that were ignored");
    }
}
