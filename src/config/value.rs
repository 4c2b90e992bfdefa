//! What a single value may be. A parser's error reads on from the option's name: "must be …".

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::HeaderName;
use toml::de::DeValue;
use url::Url;

use crate::error::nearest;
use crate::model::Severity;
use crate::registry::SignatureScheme;
use crate::source::Expression;

/// A value as it was written.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    /// In the file, with a type.
    Toml(&'a DeValue<'a>),
    /// In the environment, where everything is text.
    Text(&'a str),
}

impl<'a> Given<'a> {
    fn text(self, wanted: &str) -> Result<&'a str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Toml(DeValue::String(text)) => Ok(text),
            Self::Toml(other) => Err(format!("must be {wanted}, not {}", with_article(other.type_str()))),
        }
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// Any string.
pub(super) fn string(given: Given<'_>) -> Result<String, String> {
    given.text("a string").map(str::to_owned)
}

/// A string of 1 to `limit` characters: no control characters, no white space around.
pub(super) fn short(limit: usize) -> impl Fn(Given<'_>) -> Result<String, String> {
    move |given| {
        let text = given.text("a string")?;
        match text.chars().count() {
            0 => Err("must not be empty".into()),
            count if count > limit => Err(format!("is {count} characters; the limit is {limit}")),
            _ if text.trim() != text => Err("must not begin or end with white space".into()),
            _ if text.contains(char::is_control) => Err("must not contain control characters".into()),
            _ => Ok(text.to_owned()),
        }
    }
}

/// A name that may stand in URLs, log lines and metric labels as it is.
pub(super) fn name(given: Given<'_>) -> Result<String, String> {
    let text = given.text("a string")?;
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let wanted = "must be 1 to 64 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`";
    if fits { Ok(text.to_owned()) } else { Err(wanted.into()) }
}

/// An address to call a person by; nothing is sent there. At most what an incident's `assigned_to` can hold.
pub(super) fn email(given: Given<'_>) -> Result<String, String> {
    let text = short(254)(given)?;
    if text.contains('@') { Ok(text) } else { Err("must be an address such as \"ops@example.org\"".into()) }
}

/// `true` or `false`.
pub(super) fn flag(given: Given<'_>) -> Result<bool, String> {
    match given {
        Given::Toml(DeValue::Boolean(value)) => Ok(*value),
        Given::Text("true") => Ok(true),
        Given::Text("false") => Ok(false),
        Given::Toml(DeValue::String(_)) => Err("must be true or false, without quotes".into()),
        Given::Toml(_) | Given::Text(_) => Err("must be true or false".into()),
    }
}

/// A whole number within `range`.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(Given<'_>) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |given| {
        let (low, high) = (range.start(), range.end());
        let wanted = format!("must be a whole number from {low} to {high}");
        let value = match given {
            Given::Toml(DeValue::Integer(value)) => i64::from_str_radix(value.as_str(), value.radix()).ok(),
            Given::Toml(other) => {
                return Err(format!("{wanted}, not {}", with_article(other.type_str())));
            }
            Given::Text(text) => text.parse().ok(),
        };
        value.and_then(|value| T::try_from(value).ok()).filter(|value| range.contains(value)).ok_or(wanted)
    }
}

/// A length of time from `shortest` to `longest`, each as it would be written: `"30s"`.
pub(super) fn duration(
    shortest: &'static str,
    longest: &'static str,
) -> impl Fn(Given<'_>) -> Result<Duration, String> {
    move |given| {
        let wanted = format!("must be a duration from \"{shortest}\" to \"{longest}\", such as \"30s\"");
        let text = match given {
            Given::Toml(DeValue::Integer(_)) => {
                return Err(format!("{wanted}: it needs a unit (ms, s, m, h, d)"));
            }
            other => other.text("a duration such as \"30s\"")?,
        };
        let value = parse_duration(text);
        let in_range = |value: &Duration| {
            Some(*value) >= parse_duration(shortest) && Some(*value) <= parse_duration(longest)
        };
        value.filter(in_range).ok_or(wanted)
    }
}

/// A whole number and a unit: `500ms`, `30s`, `5m`, `12h`, `7d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// A length of time as most of the code counts it.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An expression, compiled.
pub(super) fn expression(given: Given<'_>) -> Result<Expression, String> {
    let text = string(given)?;
    Expression::compile(&text).map_err(|problem| format!("is not a valid expression: {problem}: `{text}`"))
}

/// One of `all`, by its exact name.
pub(super) fn choice<T: Copy>(
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> impl Fn(Given<'_>) -> Result<T, String> {
    move |given| {
        let names = || all.iter().map(|value| as_str(*value));
        let text = given.text("a string")?;
        all.iter().copied().find(|value| as_str(*value) == text).ok_or_else(|| {
            let hint = nearest(text, names()).map(|near| format!("; did you mean `{near}`?"));
            let known: Vec<_> = names().collect();
            format!("must be one of: {}{}", known.join(", "), hint.unwrap_or_default())
        })
    }
}

/// `SEV0` to `SEV4`, in any case.
pub(super) fn severity(given: Given<'_>) -> Result<Severity, String> {
    let text = given.text("a string")?;
    Severity::parse(text).ok_or_else(|| "must be one of: SEV0, SEV1, SEV2, SEV3, SEV4".into())
}

/// How requests are signed.
pub(super) fn scheme(given: Given<'_>) -> Result<SignatureScheme, String> {
    choice(&SignatureScheme::ALL, SignatureScheme::as_str)(given)
}

/// The name of an HTTP header, in lower case.
pub(super) fn header_name(given: Given<'_>) -> Result<String, String> {
    let name = HeaderName::from_bytes(given.text("a string")?.as_bytes());
    name.map(|name| name.as_str().to_owned()).map_err(|_| "must be the name of a header".into())
}

/// An IP address and a port. Names are not looked up: what they mean could change between two starts.
pub(super) fn socket_address(given: Given<'_>) -> Result<SocketAddr, String> {
    let text = given.text("a string")?;
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(8080);
        format!(
            "must be an IP address and a port: \"127.0.0.1:{port}\" for this machine only, \"0.0.0.0:{port}\" for \
             every network"
        )
    })
}

/// An absolute http or https URL to put paths behind; without its trailing slash.
pub(super) fn base_url(given: Given<'_>) -> Result<String, String> {
    let text = given.text("a string")?;
    let wanted = "must be an absolute URL, such as \"https://bell.example.net\"";
    let url = Url::parse(text).map_err(|_| wanted.to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{wanted}, with http or https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{wanted}, without `?` and `#`"));
    }
    // Everybody who sees a link would see the password too.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{wanted}, without user name and password"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(result: Result<T, String>) -> String {
        result.err().unwrap()
    }

    #[test]
    fn durations() {
        let parse = |text| duration("10ms", "7d")(Given::Text(text)).ok().map(|value| value.as_millis());
        let cases =
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("12h", 43_200_000), ("7d", 604_800_000)];
        for (text, ms) in cases {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "-1s", " 1s", "1 s", "1S", "9ms", "8d", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_that_are_none_get_the_right_one_suggested() {
        assert_eq!(socket_address(Given::Text("[::1]:80")).unwrap().port(), 80);
        for (text, suggestion) in [
            (":9000", "\"127.0.0.1:9000\""),
            ("9000", "\"127.0.0.1:9000\""),
            ("localhost:9000", "\"0.0.0.0:9000\""),
            ("127.0.0.1", "\"127.0.0.1:8080\""),
            ("http://localhost", "\"127.0.0.1:8080\""),
        ] {
            assert!(message(socket_address(Given::Text(text))).contains(suggestion), "{text}");
        }
    }

    #[test]
    fn base_urls() {
        let parse = |text| base_url(Given::Text(text));
        assert_eq!(parse("https://bell.example.net/").unwrap(), "https://bell.example.net");
        assert_eq!(parse("http://[::1]:8080/bell/").unwrap(), "http://[::1]:8080/bell");
        for text in [
            "bell.example.net",
            "/bell",
            "ftp://a",
            "mailto:a@b",
            "http://a/?b",
            "http://a/#b",
            "http://u:p@a",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_flags_choices_and_names() {
        let number = integer(1u32..=64);
        assert_eq!(number(Given::Text("64")), Ok(64));
        assert_eq!(message(number(Given::Text("65"))), "must be a whole number from 1 to 64");
        assert!(number(Given::Text("x")).is_err());
        assert_eq!(flag(Given::Text("true")), Ok(true));
        assert!(flag(Given::Text("yes")).is_err());
        let one_of = choice(&["text", "json"], |name| name);
        assert_eq!(one_of(Given::Text("json")), Ok("json"));
        assert_eq!(message(one_of(Given::Text("jsn"))), "must be one of: text, json; did you mean `json`?");
        assert_eq!(severity(Given::Text("sev3")), Ok(Severity::Sev3));
        assert!(name(Given::Text("prod-eu.1_a")).is_ok());
        for text in ["", "a b", "ä", &"a".repeat(65)] {
            assert!(name(Given::Text(text)).is_err(), "{text}");
        }
        assert!(email(Given::Text("ops@example.org")).is_ok() && email(Given::Text("system")).is_err());
        assert_eq!(message(short(3)(Given::Text("abcd"))), "is 4 characters; the limit is 3");
        assert!(short(9)(Given::Text(" a")).is_err());
        assert!(short(9)(Given::Text("a\tb")).is_err());
    }
}
