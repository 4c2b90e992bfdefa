//! `firebell export`: everything that the filters select, as it comes, with a bar that says how far it is. A file is
//! there when it is complete, or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::client::{Client, Target};
use super::filters::Filters;
use super::progress::Progress;
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
    // Nothing where nobody sees it, or where it would be in the way.
    let seen = io::stderr().is_terminal() && (to_file || !io::stdout().is_terminal());
    let progress = Progress::new(&client, &export.filters, export.format == Format::Csv, seen)?;
    let incidents = match to_file {
        true => to(&export.output, |file| copy(body, file, progress)),
        false => copy(body, &mut io::stdout().lock(), progress),
    }?;
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
fn copy(mut from: impl Read, to: &mut impl Write, mut progress: Progress) -> Result<u64, Failure> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).map_err(|error| {
            Failure(format!("the export was cut short: {error}; nothing is complete, start it again"))
        })?;
        let Some(bytes @ [_, ..]) = buffer.get(..read) else { break };
        to.write_all(bytes).map_err(not_written)?;
        progress.passed(bytes);
    }
    to.flush().map_err(not_written)?;
    Ok(progress.incidents())
}

fn not_written(error: io::Error) -> Failure {
    // A reader that has left (`| head`) has what it wanted.
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Failure(format!("cannot write the output: {error}"))
}
