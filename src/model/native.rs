//! Alerts of senders that do not know Firebell's limits, and could not keep them: what does not fit is shortened or left
//! out, with a warning, never refused.

use sha2::{Digest, Sha256};

use super::alert::{
    DEDUP_KEY, DESCRIPTION, METADATA_KEY_CHARS, METADATA_VALUE_BYTES, SOURCE_URL, TITLE, is_web_url,
};
use super::{Alert, AlertLimits, Severity, Status, Warning};
use crate::error::FieldError;
use crate::hex;
use crate::json::quoted;

/// Keys of `metadata` in one alert.
const METADATA_KEYS: usize = AlertLimits::NATIVE.metadata_keys;

/// Characters of the hash that keeps a shortened `dedup_key` apart from others that begin alike.
const HASH_CHARS: usize = 16;

/// What a sender says, before it is made to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeAlert {
    /// It only moves the status of the open incident that holds its key: nothing else of it counts, and it makes no
    /// incident.
    pub status_only: bool,
    /// What is wrong, in a few words.
    pub title: Option<String>,
    /// A service's id or alias.
    pub service: Option<String>,
    /// More about it.
    pub description: Option<String>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// `New`, `Investigating` or `Resolved`; `None`: `New`.
    pub status: Option<Status>,
    /// Where to look.
    pub source_url: Option<String>,
    /// What makes two alerts the same incident.
    pub dedup_key: Option<String>,
    /// Keys and values, the values as compact JSON.
    pub metadata: Vec<(String, String)>,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
}

/// The services that alerts may name, as far as making them fit needs to know.
pub struct Services<'a> {
    /// What is wrong with an id or alias, if anything.
    pub problem: &'a dyn Fn(&str) -> Option<FieldError>,
    /// The one for alerts that name none, or none that takes incidents.
    pub default: Option<&'a str>,
}

impl NativeAlert {
    /// The alert, with what its sender should know about it.
    ///
    /// # Errors
    /// What is missing, and nothing else can stand in for.
    pub fn fit(self, services: &Services<'_>) -> Result<(Alert, Vec<Warning>), Vec<FieldError>> {
        let mut warnings = self.warnings;
        let mut errors = Vec::new();
        let title = self.title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        if title.is_none() && !self.status_only {
            errors.push(FieldError::new(
                "title",
                "required",
                "is required, and nothing in the body gives one",
            ));
        }
        let service = choose_service(self.service, services, &mut warnings);
        if service.is_none() {
            let message =
                "is required, and nothing in the body gives one; set the integration's `default_service`";
            errors.push(FieldError::new("service_id", "required", message));
        }
        let Some(service) = service.filter(|_| errors.is_empty()) else { return Err(errors) };
        let title = title.filter(|_| !self.status_only);
        let alert = Alert {
            title: title.map(|title| shorten("title", title, TITLE.max, &mut warnings)),
            service,
            description: self
                .description
                .map(|text| shorten("description", text, DESCRIPTION.max, &mut warnings)),
            severity: self.severity,
            status: self.status.unwrap_or(Status::New),
            source_url: self.source_url.and_then(|url| check_url(url, &mut warnings)),
            dedup_key: self.dedup_key.map(|key| fit_key(key, &mut warnings)),
            metadata: fit_metadata(self.metadata, &mut warnings),
        };
        Ok((alert, warnings))
    }
}

fn choose_service(
    named: Option<String>,
    services: &Services<'_>,
    warnings: &mut Vec<Warning>,
) -> Option<String> {
    let default = || services.default.map(str::to_owned);
    let Some(named) = named else { return default() };
    let (Some(problem), Some(default)) = ((services.problem)(&named), default()) else { return Some(named) };
    let message = format!("{}; the integration's `default_service` {default} stands in", problem.message);
    warnings.push(Warning::new("service_id", problem.code, message));
    Some(default)
}

/// `text`, or as much of it as fits, with `…` behind.
fn shorten(field: &str, text: String, most: usize, warnings: &mut Vec<Warning>) -> String {
    let length = text.chars().count();
    if length <= most {
        return text;
    }
    let message = format!("was {length} characters and was shortened to {most}");
    warnings.push(Warning::new(field, "shortened", message));
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

fn check_url(url: String, warnings: &mut Vec<Warning>) -> Option<String> {
    let url = url.trim();
    let problem = if url.chars().count() > SOURCE_URL.max {
        format!("is longer than {} characters", SOURCE_URL.max)
    } else if !is_web_url(url) {
        "is no absolute http or https URL".into()
    } else {
        return Some(url.to_owned());
    };
    warnings.push(Warning::new("source_url", "invalid", format!("{problem} and was left out")));
    None
}

/// A key that is too long keeps its beginning, and a hash of all of it: cut off, two keys could become one.
fn fit_key(key: String, warnings: &mut Vec<Warning>) -> String {
    let most = DEDUP_KEY.max;
    let length = key.chars().count();
    if length <= most {
        return key;
    }
    let message = format!("was {length} characters and was shortened to {most}, a hash at its end");
    warnings.push(Warning::new("dedup_key", "shortened", message));
    let hash = hex::encode(&Sha256::digest(key.as_bytes()));
    let begin: String = key.chars().take(most - HASH_CHARS - 1).collect();
    format!("{begin}…{}", &hash[..HASH_CHARS])
}

fn fit_metadata(
    members: Vec<(String, String)>,
    warnings: &mut Vec<Warning>,
) -> Vec<(String, Option<String>)> {
    if members.len() > METADATA_KEYS {
        let message = format!("had {} keys; the first {METADATA_KEYS} are kept", members.len());
        warnings.push(Warning::new("metadata", "shortened", message));
    }
    let mut fitting: Vec<(String, Option<String>)> = Vec::with_capacity(members.len().min(METADATA_KEYS));
    for (key, value) in members.into_iter().filter(|(key, _)| !key.is_empty()).take(METADATA_KEYS) {
        let key = shorten("metadata", key, METADATA_KEY_CHARS, warnings);
        let value = fit_value(&key, value, warnings);
        // Two that begin alike may have become one; the later one counts.
        match fitting.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = Some(value),
            None => fitting.push((key, Some(value))),
        }
    }
    fitting
}

/// A value of too many bytes becomes as much of its text as fits.
fn fit_value(key: &str, value: String, warnings: &mut Vec<Warning>) -> String {
    if value.len() <= METADATA_VALUE_BYTES {
        return value;
    }
    let message = format!("was {} bytes and was shortened to {METADATA_VALUE_BYTES}", value.len());
    warnings.push(Warning::new(format!("metadata.{key}"), "shortened", message));
    let text = serde_json::from_str::<String>(&value).unwrap_or(value);
    // Escapes make it longer again, so it is cut until it fits; each round takes off at least what is too much.
    let mut kept: String = text.chars().take(METADATA_VALUE_BYTES).collect();
    loop {
        let json = quoted(&format!("{kept}…"));
        let Some(excess @ 1..) = json.len().checked_sub(METADATA_VALUE_BYTES) else { return json };
        // No character is longer than twelve bytes as JSON: a pair of escaped surrogates.
        let drop = excess.div_ceil(12).max(1);
        for _ in 0..drop {
            kept.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Services<'static> {
        Services {
            problem: &|name| {
                (name != "web").then(|| FieldError::new("service_id", "unknown_service", "is unknown"))
            },
            default: Some("SER-1"),
        }
    }

    fn titled(alert: NativeAlert) -> (Alert, Vec<Warning>) {
        NativeAlert { title: Some(" It burns\n".into()), ..alert }.fit(&services()).unwrap()
    }

    fn codes(warnings: &[Warning]) -> Vec<String> {
        warnings.iter().map(|warning| format!("{}:{}", warning.field, warning.code)).collect()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let (alert, warnings) = titled(NativeAlert {
            service: Some("web".into()),
            description: Some("d".repeat(2000)),
            source_url: Some(" https://e.x/1 ".into()),
            dedup_key: Some("k".repeat(255)),
            metadata: vec![("k".repeat(64), format!("\"{}\"", "v".repeat(1022)))],
            ..NativeAlert::default()
        });
        assert_eq!((alert.title.as_deref(), alert.service.as_str()), (Some("It burns"), "web"));
        assert_eq!((alert.dedup_key.unwrap().len(), alert.status), (255, Status::New));
        assert_eq!(alert.source_url.as_deref(), Some("https://e.x/1"));
        assert_eq!(alert.metadata[0].1.as_ref().unwrap().len(), 1024);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_is_too_long_is_shortened_and_said() {
        let (alert, warnings) = titled(NativeAlert {
            description: Some("ä".repeat(2001)),
            dedup_key: Some("k".repeat(256)),
            metadata: vec![
                ("k".repeat(65), "1".into()),
                ("v".into(), format!("\"{}\"", "\\u0001".repeat(900))),
            ],
            ..NativeAlert::default()
        });
        let description = alert.description.unwrap();
        assert_eq!((description.chars().count(), description.ends_with("ä…")), (2000, true));
        assert_eq!(alert.dedup_key.as_ref().unwrap().chars().count(), 255);
        assert_eq!(alert.metadata[0].0.chars().count(), 64);
        let value = alert.metadata[1].1.as_ref().unwrap();
        assert!((1000..=1024).contains(&value.len()), "{}", value.len());
        assert!(serde_json::from_str::<String>(value).unwrap().ends_with('…'));
        assert_eq!(
            codes(&warnings),
            ["description:shortened", "dedup_key:shortened", "metadata:shortened", "metadata.v:shortened"]
        );
    }

    #[test]
    fn long_keys_that_begin_alike_stay_apart() {
        let key = |end: char| {
            let key = Some(format!("{}{end}", "k".repeat(300)));
            titled(NativeAlert { dedup_key: key, ..NativeAlert::default() }).0.dedup_key
        };
        assert_ne!(key('a'), key('b'));
        assert_eq!(key('a'), key('a'));
    }

    #[test]
    fn sixty_four_keys_and_no_more() {
        let metadata = (0..70).map(|n| (format!("k{n}"), n.to_string())).collect();
        let (alert, warnings) = titled(NativeAlert { metadata, ..NativeAlert::default() });
        assert_eq!(alert.metadata.len(), 64);
        assert_eq!(codes(&warnings), ["metadata:shortened"]);
        let large = vec![("o".into(), format!("[{}1]", "1,".repeat(600)))];
        let (alert, _) = titled(NativeAlert { metadata: large, ..NativeAlert::default() });
        assert!(alert.metadata[0].1.as_ref().unwrap().starts_with("\"[1,1,"));
    }

    #[test]
    fn the_default_service_stands_in_and_a_url_that_is_none_is_left_out() {
        let (alert, warnings) = titled(NativeAlert {
            service: Some("nobody".into()),
            source_url: Some("file:///etc".into()),
            ..NativeAlert::default()
        });
        assert_eq!((alert.service.as_str(), alert.source_url), ("SER-1", None));
        assert_eq!(codes(&warnings), ["service_id:unknown_service", "source_url:invalid"]);
    }

    #[test]
    fn without_a_title_or_a_service_there_is_no_alert() {
        let none = Services { problem: &|_| None, default: None };
        let errors =
            NativeAlert { title: Some("  ".into()), ..NativeAlert::default() }.fit(&none).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["title", "service_id"]);
    }

    #[test]
    fn what_only_moves_a_status_needs_no_title_and_has_none() {
        for title in [None, Some("It burns".to_owned())] {
            let native = NativeAlert { status_only: true, title, ..NativeAlert::default() };
            let (alert, warnings) = native.fit(&services()).unwrap();
            assert_eq!((alert.title, alert.service.as_str(), warnings.len()), (None, "SER-1", 0));
        }
    }
}
