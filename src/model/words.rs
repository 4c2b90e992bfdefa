//! The words of a text, folded so that case and accents do not matter. Search compares nothing else.
//!
//! Scripts that put no space between words (Chinese, Japanese, Thai…) have none to find: there every character is a word,
//! and every two neighbours, so that what is searched for is found wherever it stands.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count; what differs only beyond is the same word.
const WORD_CHARS: usize = 64;

/// The words of a text, each once.
#[must_use]
pub fn words(texts: &[&str]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in texts {
        for piece in pieces(text) {
            match piece {
                Piece::Word(word) => {
                    words.insert(word);
                }
                Piece::Run(run) => {
                    words.extend(run.iter().map(char::to_string));
                    words.extend(run.windows(2).map(String::from_iter));
                }
            }
        }
    }
    words
}

/// What somebody searches for: all words, the last as the beginning of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Words that must be there.
    pub words: BTreeSet<String>,
    /// The beginning of a word that must be there.
    pub prefix: Option<String>,
}

impl Wanted {
    /// Reads what was typed. There is no syntax: all that is no letter and no digit only separates.
    #[must_use]
    pub fn read(typed: &str) -> Self {
        let mut wanted = Self::default();
        let mut pieces = pieces(typed);
        if let Some(Piece::Word(_)) = pieces.last()
            && let Some(Piece::Word(last)) = pieces.pop()
        {
            wanted.prefix = Some(last);
        }
        for piece in pieces {
            match piece {
                Piece::Word(word) => {
                    wanted.words.insert(word);
                }
                Piece::Run(run) if run.len() == 1 => wanted.words.extend(run.iter().map(char::to_string)),
                Piece::Run(run) => wanted.words.extend(run.windows(2).map(String::from_iter)),
            }
        }
        wanted
    }

    /// Nothing is searched for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.prefix.is_none()
    }

    /// Whether texts have all of it.
    #[must_use]
    pub fn is_in(&self, texts: &[&str]) -> bool {
        let there = words(texts);
        let begins = |prefix: &String| {
            there.range(prefix.clone()..).next().is_some_and(|word| word.starts_with(prefix.as_str()))
        };
        self.words.is_subset(&there) && self.prefix.as_ref().is_none_or(begins)
    }
}

/// A part of a text without separators.
enum Piece {
    Word(String),
    /// Characters of a script without spaces.
    Run(Vec<char>),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open = false;
    let bare = text.chars().nfkd().filter(|c| !is_combining_mark(*c));
    // By way of upper case: `ς` and `σ` have one, and so have `ß` and `ss`.
    for c in bare.flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        match pieces.last_mut().filter(|_| open) {
            Some(Piece::Run(run)) if is_unspaced(c) => run.push(c),
            Some(Piece::Word(word)) if !is_unspaced(c) => {
                if word.chars().count() < WORD_CHARS {
                    word.push(c);
                }
            }
            _ if is_unspaced(c) => pieces.push(Piece::Run(vec![c])),
            _ => pieces.push(Piece::Word(c.into())),
        }
        open = true;
    }
    pieces
}

/// Letters of scripts that are written without spaces: Thai, Lao, Tibetan, Burmese, Khmer, kana, bopomofo, Han.
const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{312f}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        words(&[text]).into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn case_accents_and_punctuation_do_not_matter() {
        assert_eq!(of("Disk FULL: disk-usage, (95%)"), "95 disk full usage");
        assert_eq!(of("Überlastung der Größe — Café"), "cafe der grosse uberlastung");
        assert_eq!(of("Straße ΔΊΣΚΟΣ Ισχύς"), of("STRASSE δίσκος ΙΣΧΎΣ"));
        assert_eq!(of("ΑΘΉΝΑ ВОЙНА İstanbul ﬁle ①"), "1 file istanbul αθηνα воина");
        assert_eq!(of("\"*' OR NEAR(^:) \u{0} \u{202e}"), "near or");
        assert_eq!(of(&"x".repeat(100)), "x".repeat(64));
        assert_eq!(of("👍 --- "), "");
    }

    #[test]
    fn scripts_without_spaces_are_found_anywhere() {
        assert_eq!(of("数据库down"), "down 库 据 据库 数 数据");
        for (typed, found) in
            [("数据", true), ("据库", true), ("库", true), ("数库", false), ("数据库 do", true)]
        {
            assert_eq!(Wanted::read(typed).is_in(&["主数据库down"]), found, "{typed}");
        }
        assert!(Wanted::read("ดิสก์").is_in(&["พื้นที่ดิสก์เต็ม"]));
        assert!(Wanted::read("디스").is_in(&["디스크 가득"]));
    }

    #[test]
    fn all_words_and_the_last_as_a_prefix() {
        let texts = ["Database pool exhausted", "on web-17"];
        for (typed, found) in [
            ("pool data", true),
            ("data pool", false),
            ("WEB 1", true),
            ("web-17", true),
            ("database, exhaus!", true),
            ("pool pool", true),
            ("pol", false),
            ("", true),
            ("-- ''", true),
        ] {
            assert_eq!(Wanted::read(typed).is_in(&texts), found, "{typed}");
        }
        assert!(Wanted::read(" \u{301} ").is_empty());
    }
}
