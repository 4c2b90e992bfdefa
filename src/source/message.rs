//! Messages to people, as they are sent to ntfy and Gotify: they have neither keys nor states. These rules say which of
//! them are about the same thing, and which say that it is over.

use crate::model::{NativeAlert, Severity, Status};

/// Which messages are the same incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dedup {
    /// Those of one topic or application with the same title.
    #[default]
    Title,
    /// None: each is an incident of its own.
    None,
}

/// How messages become alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRules {
    /// Which messages are the same incident.
    pub dedup: Dedup,
    /// Tags of which any says that it is over.
    pub resolve_tags: Vec<String>,
    /// Beginnings of a title that say the same, and are no part of it.
    pub resolve_prefixes: Vec<String>,
}

impl MessageRules {
    /// The tags unless the configuration says otherwise: ntfy shows the second and the third as a check mark.
    pub const RESOLVE_TAGS: [&str; 3] = ["resolved", "white_check_mark", "heavy_check_mark"];

    /// The prefixes unless the configuration says otherwise.
    pub const RESOLVE_PREFIXES: [&str; 4] = ["[resolved]", "resolved:", "ok:", "recovered:"];

    /// A message as an alert, its dedup key being its title. Without a title, its first line stands for one.
    pub(super) fn alert(
        &self,
        title: Option<&str>,
        message: &str,
        tags: &[String],
        severity: Option<Severity>,
    ) -> NativeAlert {
        let (title, resolved) = self.title(title, message, tags);
        let description = Some(message.to_owned()).filter(|message| message.trim() != title);
        NativeAlert {
            description,
            // That it is over is less urgent than that it was there, and does not change how bad it was.
            severity: severity.filter(|_| !resolved),
            status: Some(if resolved { Status::Resolved } else { Status::New }),
            dedup_key: (self.dedup == Dedup::Title).then(|| title.clone()),
            title: Some(title),
            ..NativeAlert::default()
        }
    }

    /// The title without what says that it is over, and whether something does.
    fn title(&self, title: Option<&str>, message: &str, tags: &[String]) -> (String, bool) {
        let lines = title.into_iter().chain(message.lines()).map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        match self.resolve_prefixes.iter().find_map(|prefix| strip(first, prefix)) {
            // A title that says nothing else: what is over stands in the next line.
            Some("") => (lines.next().unwrap_or(first).to_owned(), true),
            Some(rest) => (rest.to_owned(), true),
            None => {
                let is_known = |tag: &String| self.resolve_tags.iter().any(|one| same(one, tag));
                (first.to_owned(), tags.iter().any(is_known))
            }
        }
    }
}

/// `text` behind `prefix`, whatever the case.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in prefix.chars() {
        if !rest.next()?.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str().trim_start())
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What a sender put where no JSON checks it: never U+0000, which nothing after it can be relied on to survive.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(title: Option<&str>, message: &str, tags: &[&str]) -> (String, bool) {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rules = MessageRules {
            dedup: Dedup::Title,
            resolve_tags: texts(&MessageRules::RESOLVE_TAGS),
            resolve_prefixes: texts(&["[resolved]", "ok:", "ÉTEINT:"]),
        };
        rules.title(title, message, &texts(tags))
    }

    #[test]
    fn a_prefix_or_a_tag_says_that_it_is_over_and_is_no_part_of_the_title() {
        for (title, message, tags, expected, over) in [
            (Some("Disk full"), "91 %", &[][..], "Disk full", false),
            (None, "\n Disk full \n91 %", &["warning"], "Disk full", false),
            (Some(" "), "Disk full", &[], "Disk full", false),
            (Some("[RESOLVED] Disk full"), "40 %", &[], "Disk full", true),
            (None, "OK:Disk full\n40 %", &[], "Disk full", true),
            (Some("éteint: Disk full"), "", &[], "Disk full", true),
            (Some("Ok:"), "Disk full\n40 %", &[], "Disk full", true),
            (Some("Ok:"), "", &[], "Ok:", true),
            (Some("Okay: Disk full"), "", &[], "Okay: Disk full", false),
            (Some("Disk full"), "40 %", &["warning", "White_Check_Mark"], "Disk full", true),
        ] {
            assert_eq!(read(title, message, tags), (expected.to_owned(), over), "{title:?} {message:?}");
        }
    }
}
