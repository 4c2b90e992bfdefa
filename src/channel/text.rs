//! What templates do with texts from outside: keep them short enough for the receiver, and from being more than text there.
//!
//! Lengths are in UTF-16 units, in which an emoji is two: a receiver counts characters or these, and what is short enough
//! for the stricter count is so for both.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use minijinja::{Environment, Error, ErrorKind, Value};

/// Follows an `@` or a `<!`'s `<`, so that nobody's name comes behind it. It has no width.
const NOBODY: char = '\u{200b}';

pub(super) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("cut", |text: Value, most: usize| cut(&text_of(&text), most));
    environment.add_filter("html", |text: Value, most: Option<usize>| html(&text_of(&text), most));
    environment.add_filter("markdown", |text: Value, most: Option<usize>| markdown(&text_of(&text), most));
    environment.add_filter("unmention", |text: Value| unmention(&text_of(&text)));
    environment.add_filter("base64", |text: Value| STANDARD.encode(text_of(&text).as_bytes()));
    environment.add_filter("later", |time: Value, seconds: i64| later(&text_of(&time), seconds));
}

/// What is not there is empty: an incident without a description is no reason to tell nobody.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value.as_str() {
        Some(text) => text.into(),
        None if value.is_undefined() || value.is_none() => "".into(),
        None => value.to_string().into(),
    }
}

/// The filter `cut`: a text of at most that length, the last character of which says that there was more.
fn cut(text: &str, most: usize) -> String {
    let mut buffer = [0; 4];
    let mut shortened = Shortened::new(Some(most));
    for c in text.chars() {
        if !shortened.push(c.encode_utf8(&mut buffer)) {
            break;
        }
    }
    shortened.text
}

/// The filter `html`: a text that stands between HTML's tags, or in Slack, as it is; of at most that length with all its
/// escapes, none of which is cut.
fn html(text: &str, most: Option<usize>) -> String {
    let mut buffer = [0; 4];
    let mut shortened = Shortened::new(most);
    for c in text.chars() {
        let fits = shortened.push(match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            c => c.encode_utf8(&mut buffer),
        });
        if !fits {
            break;
        }
    }
    shortened.text
}

/// The filter `markdown`: a text that Markdown shows as it is, of at most that length with all its backslashes.
///
/// Only what every dialect lets be escaped is: Mattermost shows the backslash of `\<`. Without its `>`, nothing that begins
/// with `<` is anything. Addresses of the web stay what one can click on.
fn markdown(text: &str, most: Option<usize>) -> String {
    let mut shortened = Shortened::new(most);
    let (mut line_begins, mut is_number, mut is_address) = (true, false, false);
    for (at, c) in text.char_indices() {
        is_address = (is_address && !c.is_whitespace())
            || ["http://", "https://"].iter().any(|scheme| text[at..].starts_with(scheme));
        let is_markup = match c {
            '\\' | '`' | '|' | '[' | ']' | '>' => true,
            '*' | '_' | '~' | '#' => !is_address,
            '-' | '+' | '=' => line_begins,
            '.' | ')' => is_number,
            _ => false,
        };
        let mut piece = String::from(if is_markup { "\\" } else { "" });
        piece.push(c);
        if !shortened.push(&piece) {
            break;
        }
        is_number = c.is_ascii_digit() && (line_begins || is_number);
        line_begins = c == '\n' || (line_begins && c.is_whitespace());
    }
    shortened.text
}

/// The filter `unmention`: a text whose `@all` and `<!channel>` call nobody.
fn unmention(text: &str) -> String {
    text.replace('@', &format!("@{NOBODY}")).replace("<!", &format!("<{NOBODY}!"))
}

/// The filter `later`: a time, so many seconds later, or earlier if negative. No time stays none.
fn later(time: &str, seconds: i64) -> Result<String, Error> {
    if time.is_empty() {
        return Ok(String::new());
    }
    let moved =
        time.parse::<Timestamp>().and_then(|time| time.checked_add(SignedDuration::from_secs(seconds)));
    let moved = moved.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(format!("{moved:.3}"))
}

/// A text that grows up to a length.
struct Shortened {
    text: String,
    most: Option<usize>,
    units: usize,
    /// Its bytes behind which `…` still fits.
    kept: usize,
}

impl Shortened {
    const fn new(most: Option<usize>) -> Self {
        Self { text: String::new(), most, units: 0, kept: 0 }
    }

    /// Adds all of `piece`, or says that the text is full and has been ended.
    fn push(&mut self, piece: &str) -> bool {
        self.units += piece.chars().map(char::len_utf16).sum::<usize>();
        if self.most.is_some_and(|most| self.units > most) {
            self.text.truncate(self.kept);
            self.text.push('…');
            return false;
        }
        self.text.push_str(piece);
        if self.most.is_none_or(|most| self.units < most) {
            self.kept = self.text.len();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_ends_with_an_ellipsis() {
        for (text, most, expected) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("🔥🔥", 4, "🔥🔥"),
            ("🔥🔥!", 4, "🔥…"),
            ("🔥🔥🔥", 5, "🔥🔥…"),
            ("ä€", 1, "…"),
            ("", 3, ""),
        ] {
            assert_eq!(cut(text, most), expected, "{text} {most}");
        }
    }

    #[test]
    fn html_is_text_and_no_escape_is_cut() {
        assert_eq!(html("<a> & \"b\" &amp;", None), "&lt;a&gt; &amp; \"b\" &amp;amp;");
        assert_eq!(html("a&b", Some(7)), "a&amp;b");
        assert_eq!(html("a&&", Some(7)), "a&amp;…");
        assert_eq!(html("&&", Some(5)), "…");
        assert_eq!(html(&"<".repeat(2000), Some(100)).chars().count(), 97);
    }

    #[test]
    fn markdown_is_text_and_links_stay_links() {
        for (text, expected) in [
            ("**a** _b_ `c` ~~d~~ ||e||", r"\*\*a\*\* \_b\_ \`c\` \~\~d\~\~ \|\|e\|\|"),
            ("[click](https://evil.example)", r"\[click\](https://evil.example)"),
            ("<@123> <!channel> <b>", r"<@123\> <!channel\> <b\>"),
            ("# a\n> b\n- c\n  + d\n1. e\n==", "\\# a\n\\> b\n\\- c\n  \\+ d\n1\\. e\n\\=="),
            ("INC-2026-001 is 1.5 = 3/2 (2)", "INC-2026-001 is 1.5 = 3/2 (2)"),
            ("https://e.org/a_b_c#d a_b", r"https://e.org/a_b_c#d a\_b"),
            (r"C:\dir\*", r"C:\\dir\\\*"),
        ] {
            assert_eq!(markdown(text, None), expected, "{text}");
        }
        assert_eq!(markdown("**", Some(4)), r"\*\*");
        assert_eq!(markdown("***", Some(4)), r"\*…");
        assert_eq!(markdown("a**", Some(4)), r"a\*…");
    }

    #[test]
    fn nobody_is_called() {
        assert_eq!(unmention("@all: ask ada@example.org"), "@\u{200b}all: ask ada@\u{200b}example.org");
        assert_eq!(unmention("<!here> <b>"), "<\u{200b}!here> <b>");
    }

    #[test]
    fn times_move() {
        assert_eq!(later("2026-11-23T08:00:00.123Z", 60).unwrap(), "2026-11-23T08:01:00.123Z");
        assert_eq!(later("2026-01-01T00:00:00.000Z", -60).unwrap(), "2025-12-31T23:59:00.000Z");
        assert_eq!(later("", 60).unwrap(), "");
        assert!(later("soon", 60).is_err() && later("2026-01-01T00:00:00Z", i64::MAX).is_err());
    }
}
