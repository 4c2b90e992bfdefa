//! What an answer means: taken, to be tried again, or refused for good.

use minijinja::Value;

use crate::source::{self, Expression};

/// Characters of an answer that are kept.
const SHOWN: usize = 200;

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its status.
    pub status: u16,
    /// Its `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The beginning of its body.
    pub body: &'a [u8],
    /// When it came, in seconds since the epoch.
    pub now_s: i64,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of the message.
    pub kind: VerdictKind,
    /// The answer in a line.
    pub text: String,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// The receiver has it.
    Taken,
    /// It may take it later; not before so many seconds, if it said so.
    Later(Option<i64>),
    /// It never will: this message is not what it takes.
    Never,
    /// It takes nothing any more: nobody is there.
    Gone,
}

/// Judges an answer by its status, and by what the channel knows of its receiver; `clean` takes out of its text what
/// nobody is to see.
pub fn judge(
    answer: &Answered<'_>,
    clean: impl Fn(&str) -> String,
    refused_when: Option<&Expression>,
    wait: Option<&Expression>,
) -> Verdict {
    let Answered { status, retry_after, body, now_s } = *answer;
    // Cut only then: half a secret is one too.
    let shown = line(&clean(&String::from_utf8_lossy(body)), SHOWN);
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let named = format!("{status} {}", reason.unwrap_or_default()).trim().to_owned();
    let with_body = || if shown.is_empty() { named.clone() } else { format!("{named}: {shown}") };
    let asked = |expression: Option<&Expression>| expression?.eval(&payload(body)).ok();
    match status {
        200..=299 if asked(refused_when).is_some_and(|lie| lie.is_true()) => {
            Verdict { kind: VerdictKind::Later(None), text: with_body() }
        }
        200..=299 => Verdict { kind: VerdictKind::Taken, text: named },
        // The message itself is wrong for it: nothing that time mends.
        400 | 413 | 422 => Verdict { kind: VerdictKind::Never, text: with_body() },
        410 => Verdict { kind: VerdictKind::Gone, text: with_body() },
        300..=399 => {
            let text = format!("{named}: redirects are not followed; configure the final URL");
            Verdict { kind: VerdictKind::Later(None), text }
        }
        _ => {
            let by_body = || f64::try_from(asked(wait)?).ok().map(|seconds| seconds.ceil() as i64);
            let seconds = retry_after.and_then(|text| seconds_from(text, now_s)).or_else(by_body);
            Verdict { kind: VerdictKind::Later(seconds), text: with_body() }
        }
    }
}

/// The beginning of an answer in a line: that many characters of it.
#[must_use]
pub fn line(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// `Retry-After` in seconds from now: RFC 9110 has it as their number, or as a date.
fn seconds_from(text: &str, now_s: i64) -> Option<i64> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(seconds.into());
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some((date.as_second() - now_s).max(0))
}

/// What expressions over an answer look at: its JSON, or its text where it is none.
fn payload(body: &[u8]) -> Value {
    let text = || Value::from(String::from_utf8_lossy(body).into_owned());
    let payload = crate::json::parse(body).map_or_else(|_| text(), |json| source::from_json(&json));
    Value::from_pairs([("payload", payload)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, retry_after: Option<&str>, body: &str, lie: &str) -> VerdictKind {
        let answer = Answered { status, retry_after, body: body.as_bytes(), now_s: 1_795_420_800 };
        let expression = |text: &str| Expression::compile(text).unwrap();
        let wait = expression("payload.parameters.retry_after");
        judge(&answer, str::to_owned, Some(&expression(lie)), Some(&wait)).kind
    }

    #[test]
    fn the_status_decides_and_what_is_known_of_lies() {
        use VerdictKind::{Gone, Later, Never, Taken};
        let lie = "payload.ok is false or payload is startingwith 'Webhook message delivery failed'";
        for (status, retry_after, body, expected) in [
            (200, None, "ok", Taken),
            (204, None, "", Taken),
            (200, None, r#"{"ok":true}"#, Taken),
            (200, None, r#"{"ok":false}"#, Later(None)),
            (200, None, "Webhook message delivery failed with error: 429", Later(None)),
            (301, Some("9"), "", Later(None)),
            (400, None, "bad", Never),
            (401, None, "", Later(None)),
            (404, None, "", Later(None)),
            (410, None, "", Gone),
            (429, Some("30"), "", Later(Some(30))),
            (429, Some(" 30 "), r#"{"parameters":{"retry_after":7}}"#, Later(Some(30))),
            (429, None, r#"{"parameters":{"retry_after":6.2}}"#, Later(Some(7))),
            (429, Some("soon"), "", Later(None)),
            (503, Some("Mon, 23 Nov 2026 08:01:00 GMT"), "", Later(Some(60))),
            (503, Some("Mon, 23 Nov 2020 08:01:00 GMT"), "", Later(Some(0))),
            (500, None, "", Later(None)),
        ] {
            assert_eq!(kind(status, retry_after, body, lie), expected, "{status} {retry_after:?} {body}");
        }
    }

    #[test]
    fn what_is_kept_of_an_answer_is_a_line() {
        let long = format!("no\n\tsuch\u{7}{}", "x".repeat(500));
        let answer = Answered { status: 404, retry_after: None, body: long.as_bytes(), now_s: 0 };
        let text = judge(&answer, str::to_owned, None, None).text;
        assert!(text.starts_with("404 Not Found: no suchxxx") && text.len() < 250, "{text}");
    }

    #[test]
    fn what_is_not_shown_of_an_answer_still_says_what_it_means() {
        let body = br#"{"status": 0, "chat": 1234567, "parameters": {"retry_after": 7}}"#;
        let answer = Answered { status: 200, retry_after: None, body, now_s: 0 };
        let lie = Expression::compile("payload.status == 0").unwrap();
        let verdict = judge(&answer, |text| text.replace("1234567", "[redacted]"), Some(&lie), None);
        assert_eq!(verdict.kind, VerdictKind::Later(None));
        assert!(verdict.text.contains("\"chat\": [redacted]"), "{}", verdict.text);
    }
}
