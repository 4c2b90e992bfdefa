//! Text in the cells of a terminal: made harmless, measured, cut and wrapped. Titles come from anybody.

use unicode_width::UnicodeWidthChar;

/// `text` on one line, without what a terminal would take for a command and what would turn the rest of the line
/// around.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !turns_around(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect()
}

/// Marks, embeddings, overrides and isolates of <https://www.unicode.org/reports/tr9/>. Right-to-left text reads well
/// without them.
fn turns_around(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Control characters, and the line and paragraph separators.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Cells that `c` takes. Where terminals disagree (emoji of several characters), the larger number: a line that is too
/// short by a cell is better than one too long.
fn cells(c: char) -> usize {
    // The emoji variation selector makes a narrow character wide.
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0).min(2) }
}

/// Cells that a text without control characters takes.
pub fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// `text` made harmless, without space around it, in at most `most` cells; what does not fit ends in `…`.
pub fn fit(text: &str, most: usize) -> String {
    let text = clean(text);
    let text = text.trim();
    if width(text) <= most {
        return text.to_owned();
    }
    let (kept, _) = text.split_at(prefix(text, most.saturating_sub(1)));
    format!("{}…", kept.trim_end())
}

/// How many bytes of `text` go into `most` cells.
fn prefix(text: &str, most: usize) -> usize {
    let mut used = 0;
    let over = text.char_indices().find(|(_, c)| {
        used += cells(*c);
        used > most
    });
    over.map_or(text.len(), |(at, _)| at)
}

/// `text` made harmless and filled up with spaces to `least` cells, on the left if `right` is set.
pub fn pad(text: &str, least: usize, right: bool) -> String {
    let text = clean(text);
    let spaces = " ".repeat(least.saturating_sub(width(&text)));
    if right { spaces + &text } else { text + &spaces }
}

/// `text` made harmless, in lines of at most `most` cells, broken at spaces where there are some. Without a width:
/// one line.
pub fn wrap(text: &str, most: Option<usize>) -> Vec<String> {
    let text = clean(text);
    let Some(most) = most else { return vec![text] };
    // A wide character needs two cells, however narrow the window.
    let most = most.max(2);
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    while width(rest) > most {
        let fits = prefix(rest, most);
        let (line, _) = rest.split_at(fits);
        let indent = line.len() - line.trim_start().len();
        // A space right behind what fits is as good a place as any in it; the indentation is none.
        let end = match line.rfind(' ').filter(|space| *space >= indent) {
            Some(space) if rest.as_bytes().get(fits) != Some(&b' ') => space,
            _ => fits,
        };
        let (line, after) = rest.split_at(end);
        lines.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut_to_a_width_and_cannot_command_the_terminal() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("längere", 5), "läng…");
        assert_eq!(fit("a word", 3), "a…");
        assert_eq!(fit("a\x1b[31m\nb\u{9b}2J\u{2028}", 20), "a [31m b 2J");
        assert_eq!(fit("evil\u{202e}txt.exe\u{2066}\u{200f}", 20), "eviltxt.exe");
        assert_eq!(fit("abc", 0), "…");
    }

    #[test]
    fn wide_characters_take_two_cells_and_combining_ones_none() {
        assert_eq!(fit("数据库连接", 10), "数据库连接");
        assert_eq!(fit("数据库连接", 9), "数据库连…");
        assert_eq!(fit("数据库连接", 8), "数据库…");
        assert_eq!(fit("e\u{301}e\u{301}e\u{301}", 3), "e\u{301}e\u{301}e\u{301}");
        assert_eq!((width("🔥"), width("שלום"), width("❤\u{fe0f}")), (2, 4, 2));
        assert_eq!((pad("数", 4, false), pad("7", 3, true)), ("数  ".into(), "  7".into()));
    }

    #[test]
    fn long_texts_are_wrapped_at_spaces() {
        assert_eq!(wrap("one two three", Some(7)), ["one two", "three"]);
        assert_eq!(wrap("one two three", Some(8)), ["one two", "three"]);
        assert_eq!(wrap("  indented text", Some(10)), ["  indented", "text"]);
        assert_eq!(wrap("abcdefgh ij", Some(4)), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("数据库连接", Some(5)), ["数据", "库连", "接"]);
        assert_eq!(wrap("", Some(5)), [""]);
        assert_eq!(wrap("one two three", None), ["one two three"]);
        assert_eq!(wrap("数", Some(0)), ["数"]);
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_fits_and_is_harmless(text in any::<String>(), most in 2..50_usize) {
            let lines = wrap(&text, Some(most));
            for line in lines.iter().chain([&fit(&text, most)]) {
                prop_assert!(width(line) <= most, "{line:?}");
                prop_assert!(!line.chars().any(|c| c.is_control() || turns_around(c)), "{line:?}");
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&clean(&text)));
        }
    }
}
