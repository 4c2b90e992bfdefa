//! The words of a text, folded so that case and accents do not matter. Search compares nothing else. Only what is an
//! accent is left out: the vowel signs of Indic scripts and the marks of kana make other words.
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
    /// Something was typed that no text is known by: neither letters nor digits.
    pub unknown: bool,
}

impl Wanted {
    /// Reads what was typed. There is no syntax: all that is no letter and no digit only separates.
    #[must_use]
    pub fn read(typed: &str) -> Self {
        let mut pieces = pieces(typed);
        let mut wanted = Self { unknown: pieces.is_empty() && !typed.trim().is_empty(), ..Self::default() };
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
        self.words.is_empty() && self.prefix.is_none() && !self.unknown
    }

    /// Whether texts have all of it.
    #[must_use]
    pub fn is_in(&self, texts: &[&str]) -> bool {
        !self.unknown && self.is_among(&words(texts))
    }

    /// The same of the [`words`] of texts.
    #[must_use]
    pub fn is_among(&self, there: &BTreeSet<String>) -> bool {
        if self.unknown {
            return false;
        }
        let begins = |prefix: &String| {
            there.range(prefix.clone()..).next().is_some_and(|word| word.starts_with(prefix.as_str()))
        };
        self.words.is_subset(there) && self.prefix.as_ref().is_none_or(begins)
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
    // Put together again, lest a mark that stays be a character of its own.
    let bare = text.chars().nfkd().filter(|c| !is_accent(*c) && !is_invisible(*c)).nfc();
    // By way of upper case: `ς` and `σ` have one, and so have `ß` and `ss`.
    for c in bare.flat_map(char::to_uppercase).flat_map(char::to_lowercase).flat_map(without_stroke) {
        if !c.is_alphanumeric() && !is_combining_mark(c) {
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

/// Marks of the Latin, Greek, Cyrillic, Hebrew and Arabic scripts, and those for all scripts.
const fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05bd}' | '\u{05bf}'
        | '\u{05c1}'..='\u{05c2}' | '\u{05c4}'..='\u{05c5}' | '\u{05c7}' | '\u{0610}'..='\u{061a}'
        | '\u{064b}'..='\u{065f}' | '\u{0670}' | '\u{06d6}'..='\u{06dc}' | '\u{06df}'..='\u{06e4}'
        | '\u{06e7}'..='\u{06e8}' | '\u{06ea}'..='\u{06ed}' | '\u{08d3}'..='\u{08e1}' | '\u{08e3}'..='\u{08ff}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Soft hyphens and joiners, which stand within words.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Letters that Unicode does not take apart, as people type them who do not have them.
fn without_stroke(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'þ' => ('t', Some('h')),
        'đ' | 'ð' => ('d', None),
        'ħ' => ('h', None),
        'ı' => ('i', None),
        'ł' => ('l', None),
        'ø' => ('o', None),
        'ŧ' => ('t', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
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
    fn marks_that_make_another_word_stay() {
        for (typed, text, found) in [
            ("कील", "काल समाप्त", false),
            ("काल", "काल समाप्त", true),
            ("バス", "パスワード", false),
            ("ガス", "ガス漏れ", true),
            ("カス", "ガス漏れ", false),
            ("カ", "ガス漏れ", false),
            ("ขาว", "ข้าว", false),
            ("ข้าว", "กินข้าวแล้ว", true),
            ("한국", "한국어", true),
        ] {
            assert_eq!(Wanted::read(typed).is_in(&[text]), found, "{typed} in {text}");
        }
        assert_eq!(
            of("Łódź Øresund Æther đakovo þing soft\u{ad}hyphen"),
            "aether dakovo lodz oresund softhyphen thing"
        );
        assert_eq!(of("שָׁלוֹם مُحَمَّد"), of("שלום محمد"));
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
            (" ", true),
            // Who typed something does not want everything.
            ("-- ''", false),
            ("🔥", false),
        ] {
            assert_eq!(Wanted::read(typed).is_in(&texts), found, "{typed}");
        }
        assert!(Wanted::read(" \t ").is_empty() && !Wanted::read("-").is_empty());
    }
}
