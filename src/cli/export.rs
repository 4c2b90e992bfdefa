//! `firebell export`: everything that the filters select, as it comes, with a bar that says how far it is. A file is
//! there when it is complete, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Client, Target};
use super::filters::Filters;
use super::incidents::Page;
use super::trouble::Trouble;
use super::{Failure, Outcome, text};
use crate::registry::Scope;

/// A server that sends nothing for so long is dead.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Export {
    /// One JSON object a line, or a table for spreadsheets
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// The file to write; - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Format {
    Ndjson,
    Csv,
}

pub fn run(config: Option<&Path>, export: &Export) -> Outcome {
    let to_file = export.output != Path::new("-");
    if to_file {
        check(&export.output, export.force)?;
    }
    let (client, _) = Client::new(config, &export.target, Some(Scope::IncidentsRead))?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("format", if export.format == Format::Csv { "csv" } else { "ndjson" });
    query.extend_pairs(export.filters.parameters());
    // Asked for first: a refusal leaves no file behind, not even for a moment.
    let body = client.open(&format!("/api/v1/export?{}", query.finish()), &[], SILENCE)?;
    let bar = bar(&client, &export.filters, to_file)?;
    let counter = Counter { csv: export.format == Format::Csv, ..Counter::default() };
    let written = match to_file {
        true => to(&export.output, |file| copy(body, file, counter, &bar)),
        false => copy(body, &mut io::stdout().lock(), counter, &bar),
    };
    bar.finish_and_clear();
    let incidents = written?;
    if to_file {
        text::say(&format!("{} incident(s) are in {}", incidents, export.output.display()));
    }
    Ok(())
}

/// Whether `path` may be written.
fn check(path: &Path, force: bool) -> Outcome {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(Failure(format!("{shown} is no regular file; write to standard output, and redirect that")))
        }
        Ok(_) if !force => {
            Err(Failure(format!("{shown} exists already and was left as it is; --force overwrites it")))
        }
        _ => Ok(()),
    }
}

/// Writes a file under another name, and gives it its own once it is complete and on the disk.
fn to(path: &Path, write: impl FnOnce(&mut File) -> Result<u64, Failure>) -> Result<u64, Failure> {
    let mut part = OsString::from(path);
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let cannot = |error| Failure(format!("cannot write {}: {error}", path.display()));
    // A new one in any case: whatever may be there by that name is somebody's.
    let mut file = File::create_new(&part).map_err(cannot)?;
    let written = write(&mut file).and_then(|incidents| {
        file.sync_all().and_then(|()| fs::rename(&part, path)).map_err(cannot)?;
        Ok(incidents)
    });
    if written.is_err() {
        fs::remove_file(&part).ok();
    }
    written
}

/// Copies until the end, and says how many incidents that were.
fn copy(
    mut from: impl Read,
    to: &mut impl Write,
    mut counter: Counter,
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).map_err(|error| {
            Failure(format!("the export was cut short: {error}; nothing is complete, start it again"))
        })?;
        let Some(bytes @ [_, ..]) = buffer.get(..read) else { break };
        to.write_all(bytes).map_err(not_written)?;
        counter.count(bytes);
        bar.set_position(counter.incidents());
    }
    to.flush().map_err(not_written)?;
    Ok(counter.incidents())
}

fn not_written(error: io::Error) -> Failure {
    // A reader that has left (`| head`) has what it wanted.
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Failure(format!("cannot write the output: {error}"))
}

/// How far it is, for a person who waits; nothing where nobody sees it or where it would be in the way.
fn bar(client: &Client, filters: &Filters, to_file: bool) -> Result<ProgressBar, Failure> {
    if !io::stderr().is_terminal() || (!to_file && io::stdout().is_terminal()) {
        return Ok(ProgressBar::hidden());
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filters.parameters()).append_pair("limit", "1");
    let page: Result<Page, Trouble> =
        client.get(&format!("/api/v1/incidents?{}", query.finish())).and_then(|data| data.read());
    // Not worth an error: the export itself says what is wrong.
    let total = page.ok().filter(|page| page.total_exact).map(|page| page.total);
    let template = match total {
        Some(_) => "{wide_bar} {human_pos}/{human_len} incidents, {per_sec}, {elapsed}, {eta} to go",
        None => "{spinner} {human_pos} incidents, {per_sec}, {elapsed}",
    };
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    Ok(bar.with_style(ProgressStyle::with_template(template)?))
}

/// Counts incidents as they pass by.
#[derive(Debug, Default)]
struct Counter {
    csv: bool,
    /// Inside the quotes of CSV, where a line may end without its record.
    quoted: bool,
    lines: u64,
}

impl Counter {
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'"' if self.csv => self.quoted = !self.quoted,
                b'\n' if !self.quoted => self.lines += 1,
                _ => {}
            }
        }
    }

    /// Lines, without the head of CSV.
    fn incidents(&self) -> u64 {
        self.lines.saturating_sub(u64::from(self.csv))
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;

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
}
