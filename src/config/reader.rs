//! Reads typed options out of a parsed TOML document and the environment.
//!
//! A [`Section`] hands out one option at a time. What is missing, of the wrong type or out of range goes to the
//! [`Collector`], and reading goes on; what was never asked for is unknown, so the questions are the list of what
//! exists.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{At, Collector, Place};
use super::value::Given;
use crate::error::nearest;

/// Looks up an environment variable.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What all sections share.
pub(super) struct Reader<'a> {
    pub(super) problems: Collector<'a>,
    pub(super) env: Env<'a>,
    /// Whether the document is not all that was written, because of syntax errors: nothing is reported missing then.
    pub(super) incomplete: bool,
}

/// Reads a whole document. What was wrong so far is in the collector; the flag says that the syntax was, too.
pub(super) fn read<'a, T>(
    file: &'a Path,
    text: &'a str,
    env: Env<'a>,
    read: impl FnOnce(&mut Section<'_, 'a>) -> T,
) -> (T, Collector<'a>, bool) {
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let mut problems = Collector::new(file, text);
    for error in &syntax_errors {
        problems.report_syntax(error.span().map_or(0, |span| span.start), error.message());
    }
    let incomplete = !syntax_errors.is_empty();
    let mut reader = Reader { problems, env, incomplete };
    let mut root = Section {
        reader: &mut reader,
        table: Some(document.get_ref()),
        place: Place::Byte(0),
        path: String::new(),
        overridable: true,
        known: Vec::new(),
    };
    let value = read(&mut root);
    root.report_unknown();
    (value, reader.problems, incomplete)
}

/// One table of the document, or the place where it would be.
pub(super) struct Section<'s, 'a> {
    reader: &'s mut Reader<'a>,
    table: Option<&'s DeTable<'s>>,
    place: Place,
    /// What stands before an option's name in messages: `limits.`.
    path: String,
    /// Whether environment variables override; not inside arrays, whose elements have no name of their own.
    overridable: bool,
    /// The options that were asked for so far.
    known: Vec<&'static str>,
}

impl<'s, 'a> Section<'s, 'a> {
    /// The option `name`, if it is given and right. An environment variable wins over the file; an empty one counts
    /// as unset, which is how `docker compose` passes on a variable that nobody set.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let in_file = self.look_up(name);
        if self.overridable {
            let variable = variable_name(&self.path, name);
            if let Some(text) = (self.reader.env)(&variable).filter(|text| !text.is_empty()) {
                return self.parse(name, Place::Variable(variable), Given::Text(&text), &parse);
            }
        }
        let value = in_file?;
        self.parse(name, start(&value.span()), Given::Toml(value.get_ref()), &parse)
    }

    /// The option `name`; that it is missing is a problem.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let value = self.optional(name, parse);
        if value.is_none() && !self.has(name) {
            self.report_missing(&format!("`{}{name}` is missing", self.path));
        }
        value
    }

    /// The option `name`, or what it is when nothing is said.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> T {
        self.optional(name, parse).map_or(default, |at| at.value)
    }

    /// The elements of the array `name` that are right; none if it is absent.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Vec<At<T>> {
        let Some(value) = self.look_up(name) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let message = format!("`{}{name}` must be an array: `{name} = [...]`", self.path);
            self.reader.problems.report(&start(&value.span()), message);
            return Vec::new();
        };
        let elements = array.iter();
        elements
            .filter_map(|item| self.parse(name, start(&item.span()), Given::Toml(item.get_ref()), &parse))
            .collect()
    }

    /// The same; `None` if it is absent.
    pub(super) fn optional_list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Option<Vec<At<T>>> {
        let list = self.list(name, parse);
        self.has(name).then_some(list)
    }

    /// The same; that nothing is in it is a problem, and `why` says what it is needed for.
    pub(super) fn filled_list<T>(
        &mut self,
        name: &'static str,
        why: &str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Vec<At<T>> {
        let list = self.list(name, parse);
        match self.table.and_then(|table| table.get(name)) {
            Some(value) if value.get_ref().as_array().is_some_and(|array| array.is_empty()) => {
                let message = format!("`{}{name}` is empty; {why}", self.path);
                self.reader.problems.report(&start(&value.span()), message);
            }
            Some(_) => {}
            None => self.report_missing(&format!("`{}{name}` is missing; {why}", self.path)),
        }
        list
    }

    /// Reads the table `name`; where there is none, the environment and the defaults still apply.
    pub(super) fn table<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'_, 'a>) -> T) -> T {
        let value = self.look_up(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        let place = value.map_or(Place::Byte(0), |value| start(&value.span()));
        if value.is_some() && table.is_none() {
            self.reader.problems.report(&place, format!("`{name}` must be a table: `[{name}]`"));
        }
        self.child(name, table, place, self.overridable, read)
    }

    /// The same where the table need not be there; `None`: it is not.
    pub(super) fn optional_table<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_, 'a>) -> T,
    ) -> Option<At<T>> {
        let place = self.look_up(name).map(|value| start(&value.span()))?;
        Some(At { value: self.table(name, read), place })
    }

    /// The table `name`, whose keys are the user's own: those whose values are right.
    pub(super) fn map<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Vec<(String, At<T>)> {
        let Some(value) = self.look_up(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{}{name}` must be a table: `{name} = {{ name = … }}`", self.path);
            self.reader.problems.report(&start(&value.span()), message);
            return Vec::new();
        };
        let mut map = Vec::new();
        for (key, value) in table {
            let label = format!("{name}.{}", key.get_ref());
            let read = self.parse(&label, start(&value.span()), Given::Toml(value.get_ref()), &parse);
            map.extend(read.map(|at| (key.get_ref().to_string(), at)));
        }
        map
    }

    /// Reads each table of the array `name`: `[[services]]`.
    pub(super) fn tables<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'a>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.look_up(name) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.report_not_tables(name, &value.span());
            return Vec::new();
        };
        let mut all = Vec::new();
        for element in array.iter() {
            match element.get_ref().as_table() {
                Some(table) => {
                    all.push(self.child(name, Some(table), start(&element.span()), false, &mut read))
                }
                None => self.report_not_tables(name, &element.span()),
            }
        }
        all
    }

    fn child<T>(
        &mut self,
        name: &str,
        table: Option<&DeTable<'_>>,
        place: Place,
        overridable: bool,
        read: impl FnOnce(&mut Section<'_, 'a>) -> T,
    ) -> T {
        let path = format!("{}{name}.", self.path);
        let mut child =
            Section { reader: &mut *self.reader, table, place, path, overridable, known: Vec::new() };
        let value = read(&mut child);
        child.report_unknown();
        value
    }

    fn look_up(&mut self, name: &'static str) -> Option<&'s Spanned<DeValue<'s>>> {
        self.known.push(name);
        self.table.and_then(|table| table.get(name))
    }

    fn has(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(name))
    }

    fn parse<T>(
        &mut self,
        name: &str,
        place: Place,
        given: Given<'_>,
        parse: &impl Fn(Given<'_>) -> Result<T, String>,
    ) -> Option<At<T>> {
        match parse(given) {
            Ok(value) => Some(At { value, place }),
            Err(message) => {
                self.reader.problems.report(&place, format!("`{}{name}` {message}", self.path));
                None
            }
        }
    }

    /// Reports what is wrong with a value beyond its type.
    pub(super) fn report(&mut self, place: &Place, message: &str) {
        self.reader.problems.report(place, format!("`{}`: {message}", self.path.trim_end_matches('.')));
    }

    fn report_not_tables(&mut self, name: &str, span: &Range<usize>) {
        self.reader
            .problems
            .report(&start(span), format!("`{name}` must be one table or more: `[[{name}]]`"));
    }

    fn report_missing(&mut self, message: &str) {
        if !self.reader.incomplete {
            self.reader.problems.report(&self.place, message);
        }
    }

    fn report_unknown(&mut self) {
        let Some(table) = self.table else { return };
        for key in table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let hint = nearest(name, self.known.iter().copied()).map_or_else(
                || format!("known here: {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("`{}{name}` is unknown; {hint}", self.path);
            self.reader.problems.report(&start(&key.span()), message);
        }
    }
}

fn start(span: &Range<usize>) -> Place {
    Place::Byte(span.start)
}

/// `FIREBELL_LIMITS_QUEUE` for `queue` in `limits.`.
fn variable_name(path: &str, name: &str) -> String {
    format!("FIREBELL_{path}{name}").replace('.', "_").to_ascii_uppercase()
}
