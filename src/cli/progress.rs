//! How far an export is, for a person who waits.

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, read};
use super::filters::Filters;
use super::incidents::{Incident, Page};
use super::trouble::Trouble;
use crate::model::Number;

/// A bar, and what it shows. Dropped, it vanishes.
pub struct Progress {
    bar: ProgressBar,
    counter: Counter,
    way: Way,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress {
    /// Of the export of what `filters` select, in CSV or lines; only counted if it is not to be `seen`.
    pub fn new(client: &Client, filters: &Filters, csv: bool, seen: bool) -> Result<Self, Failure> {
        let counter = Counter { csv, ..Counter::default() };
        if !seen {
            return Ok(Self { bar: ProgressBar::hidden(), counter, way: Way::Unknown });
        }
        // Not worth an error: the export itself says what is wrong.
        let way = Way::of(client, filters).unwrap_or(Way::Unknown);
        let bar = way.length().map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match way {
            Way::Unknown => "{spinner} {msg}, {elapsed}",
            _ => "{wide_bar} {percent}% {msg}, {elapsed}, {eta} to go",
        };
        Ok(Self { bar: bar.with_style(ProgressStyle::with_template(template)?), counter, way })
    }

    /// These bytes of it have passed by.
    pub fn passed(&mut self, bytes: &[u8]) {
        self.counter.count(bytes);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} incidents", self.counter.incidents()));
            if let Some(position) = self.way.position(&self.counter) {
                self.bar.set_position(position);
            }
        }
    }

    /// How many incidents have passed by.
    pub fn incidents(&self) -> u64 {
        self.counter.incidents()
    }
}

/// What the bar measures.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Nothing.
    Unknown,
    /// Incidents, of which there are so many.
    Count(u64),
    /// Numbers, where there are too many incidents to be counted: the first and the last, and how many were given out
    /// before each year.
    Numbers { first: Number, last: Number, before: Vec<(i16, i64)> },
}

impl Way {
    fn of(client: &Client, filters: &Filters) -> Result<Self, Trouble> {
        let page = |parameters: &[(&str, &str)]| -> Result<Page, Trouble> {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", "1").extend_pairs(parameters);
            client.get(&format!("/api/v1/incidents?{}", query.finish()))?.read()
        };
        let mut parameters = filters.parameters();
        let newest = page(&parameters)?;
        if newest.total_exact {
            return Ok(Self::Count(newest.total));
        }
        parameters.push(("sort", "created_at"));
        let oldest = page(&parameters)?;
        let (Some(first), Some(last)) = (number(&oldest.items), number(&newest.items)) else {
            return Ok(Self::Unknown);
        };
        let mut before = vec![(first.year, 0)];
        let mut given_out = 0;
        for year in first.year..last.year {
            let end = format!("{year}-12-31T23:59:59.999Z");
            let until = number(&page(&[("created_before", &end)])?.items);
            given_out += until.filter(|until| until.year == year).map_or(0, |until| until.sequence);
            before.push((year + 1, given_out));
        }
        Ok(Self::Numbers { first, last, before })
    }

    fn length(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Count(count) => Some(*count),
            Self::Numbers { first, last, before } => {
                u64::try_from(place(before, *last) - place(before, *first) + 1).ok()
            }
        }
    }

    fn position(&self, counter: &Counter) -> Option<u64> {
        match self {
            Self::Unknown | Self::Count(_) => Some(counter.incidents()),
            Self::Numbers { first, before, .. } => {
                u64::try_from(place(before, counter.latest()?) - place(before, *first)).ok()
            }
        }
    }
}

fn number(items: &[Box<RawValue>]) -> Option<Number> {
    let incident: Incident = read(items.first()?).ok()?;
    Number::parse(&incident.incident_number)
}

/// How many numbers were given out up to this one.
fn place(before: &[(i16, i64)], number: Number) -> i64 {
    let earlier = before.iter().find(|(year, _)| *year == number.year).map_or(0, |(_, count)| *count);
    earlier + number.sequence
}

/// As much of an incident's line as its number may be in.
const HEAD: usize = 48;

/// Counts incidents as they pass by.
#[derive(Debug, Default)]
struct Counter {
    csv: bool,
    /// Inside the quotes of CSV, where a line may end without its record.
    quoted: bool,
    lines: u64,
    /// How the line that is passing by begins.
    head: Vec<u8>,
}

impl Counter {
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'"' if self.csv => self.quoted = !self.quoted,
                b'\n' if !self.quoted => {
                    self.lines += 1;
                    self.head.clear();
                    continue;
                }
                _ => {}
            }
            if self.head.len() < HEAD {
                self.head.push(*byte);
            }
        }
    }

    /// Lines, without the head of CSV.
    fn incidents(&self) -> u64 {
        self.lines.saturating_sub(u64::from(self.csv))
    }

    /// The incident that is passing by; none between two lines.
    fn latest(&self) -> Option<Number> {
        let head = String::from_utf8_lossy(&self.head);
        let number = head.get(head.find("INC-")?..)?;
        Number::parse(number.split(['"', ',']).next()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_are_counted_and_lines_within_them_are_not() {
        let count = |csv, parts: &[&str]| {
            let mut counter = Counter { csv, ..Counter::default() };
            parts.iter().for_each(|part| counter.count(part.as_bytes()));
            counter.incidents()
        };
        assert_eq!(count(false, &["{\"a\":\"b\"}\n{", "}\n"]), 2);
        assert_eq!(count(true, &["number,title\r\n1,\"a \"\"quoted\"\"\nline", "\"\r\n2,b\r\n"]), 2);
        assert_eq!((count(true, &[]), count(true, &["number\r\n"])), (0, 0));
    }

    #[test]
    fn where_there_are_too_many_to_be_counted_numbers_tell_how_far_it_is() {
        let number = |text| Number::parse(text).unwrap();
        let before = vec![(2024, 0), (2025, 500), (2026, 1500)];
        let way = Way::Numbers { first: number("INC-2024-401"), last: number("INC-2026-100"), before };
        assert_eq!(way.length(), Some(1200));
        for (csv, passed, position) in [
            (false, "{\"incident_number\":\"INC-2024-401\",\"tit", 0),
            (false, "{}\n{\"incident_number\":\"INC-2025-1000\",\"title\":\"INC-2026-001\"", 1099),
            (true, "incident_number,title\r\nINC-2024-402,x\r\nINC-2026-100,\"a", 1199),
        ] {
            let mut counter = Counter { csv, ..Counter::default() };
            counter.count(passed.as_bytes());
            assert_eq!(way.position(&counter), Some(position), "{passed}");
        }
    }
}
