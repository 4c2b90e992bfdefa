//! What is wrong with a configuration: where it stands, what it is, and what would be right.
//!
//! Nothing here may show a routing key, a token or a secret: whoever reports a problem with one names its place.

use std::fmt;
use std::path::Path;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At that byte of the file.
    Byte(usize),
    /// In that environment variable.
    Variable(String),
}

/// A value, and where it was written.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The values alone.
pub(super) fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|at| at.value).collect()
}

/// One problem. They sort in the order of the file; those of the environment come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    position: Position,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    /// The file as a whole.
    File,
    /// Both count from 1, columns in characters.
    At {
        line: usize,
        column: usize,
    },
    Variable(String),
}

/// Everything that is wrong with a configuration, one problem a line.
#[derive(Debug)]
pub struct Problems {
    /// The file's name, as it was given; none where no file was found.
    file: Option<String>,
    list: Vec<Problem>,
}

impl Problems {
    /// One problem of the file as a whole.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        let list = vec![Problem { position: Position::File, message: message.into() }];
        Self { file: Some(file.display().to_string()), list }
    }

    /// There is no file that could have problems.
    pub(super) fn without_file(message: impl Into<String>) -> Self {
        Self { file: None, list: vec![Problem { position: Position::File, message: message.into() }] }
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }
}

impl fmt::Display for Problems {
    /// `file:line:column: message`, as compilers write it, so that editors find the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { position, message }) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match (position, &self.file) {
                (Position::Variable(name), _) => write!(f, "{name} (environment): {message}")?,
                (Position::At { line, column }, Some(file)) => {
                    write!(f, "{file}:{line}:{column}: {message}")?
                }
                (_, Some(file)) => write!(f, "{file}: {message}")?,
                (_, None) => f.write_str(message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the problems of one file, so that one mistake does not hide the next.
pub(super) struct Collector<'a> {
    file: &'a Path,
    text: &'a str,
    syntax: Vec<Problem>,
    found: Vec<Problem>,
}

impl<'a> Collector<'a> {
    pub(super) const fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, syntax: Vec::new(), found: Vec::new() }
    }

    /// Text that is not TOML, at that byte.
    pub(super) fn report_syntax(&mut self, offset: usize, message: &str) {
        let position = self.position(&Place::Byte(offset));
        // The parser takes a bare word for a number that went wrong: `level = info` for an "invalid float".
        let number = ["invalid float", "invalid integer", "invalid boolean", "invalid datetime"];
        let bare_word = number.iter().any(|start| message.starts_with(start));
        let hint = if bare_word { "; a text needs quotes around it" } else { "" };
        self.syntax.push(Problem { position, message: format!("syntax error: {message}{hint}") });
    }

    pub(super) fn report(&mut self, place: &Place, message: impl Into<String>) {
        let position = self.position(place);
        self.found.push(Problem { position, message: message.into() });
    }

    /// A place as a message may name it: `line 12`.
    pub(super) fn name(&self, place: &Place) -> String {
        match place {
            Place::Byte(offset) => format!("line {}", line_and_column(self.text, *offset).0),
            Place::Variable(name) => name.clone(),
        }
    }

    fn position(&self, place: &Place) -> Position {
        match place {
            Place::Byte(offset) => {
                let (line, column) = line_and_column(self.text, *offset);
                Position::At { line, column }
            }
            Place::Variable(name) => Position::Variable(name.clone()),
        }
    }

    /// `value`, if nothing was wrong with it.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.found.is_empty() && self.syntax.is_empty() { Ok(value) } else { Err(self.into_problems()) }
    }

    /// What was found, in order. After a syntax error the rest of its line was guessed by the parser, so nothing else
    /// is said about that line.
    pub(super) fn into_problems(self) -> Problems {
        let mut list = self.syntax;
        list.sort();
        list.dedup_by_key(|problem| problem.position.line());
        let broken: Vec<_> = list.iter().map(|problem| problem.position.line()).collect();
        list.extend(self.found.into_iter().filter(|problem| !broken.contains(&problem.position.line())));
        list.sort();
        Problems { file: Some(self.file.display().to_string()), list }
    }
}

impl Position {
    const fn line(&self) -> Option<usize> {
        match self {
            Self::At { line, .. } => Some(*line),
            Self::File | Self::Variable(_) => None,
        }
    }
}

/// Both count from 1, columns in characters, as editors count them.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_both_count_from_one() {
        let text = "a\nöä = 1\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 2), (2, 1));
        assert_eq!(line_and_column(text, "a\nöä = ".len()), (2, 6));
        assert_eq!(line_and_column(text, text.len()), (3, 1));
    }

    #[test]
    fn problems_stand_in_the_files_order_and_the_environments_come_last() {
        let mut collector = Collector::new(Path::new("a.toml"), "x\ny\n");
        collector.report(&Place::Variable("FIREBELL_LISTEN".into()), "is wrong");
        collector.report(&Place::Byte(2), "second");
        collector.report(&Place::Byte(0), "first");
        let problems = collector.finish(()).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "a.toml:1:1: first\na.toml:2:1: second\nFIREBELL_LISTEN (environment): is wrong"
        );
    }
}
