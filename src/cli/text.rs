//! Writing for people: to a terminal or into a pipe, never in a panic because the reader has left.

use std::io::{IsTerminal, Write};

use crate::model::Severity;

/// Writes a line to standard output. A reader that has left (`| head`) is no error, and no reason to go on.
pub fn say(line: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        complain(&format!("cannot write the output: {error}"));
        std::process::exit(1);
    }
}

/// Writes a line to standard error; there is nobody to tell if that fails.
pub fn complain(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// Whether to write in colour: to a terminal, unless `NO_COLOR` (<https://no-color.org>) says otherwise.
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal; pipes have no width.
pub fn width() -> Option<usize> {
    let terminal = std::io::stdout().is_terminal();
    terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0))
}

/// `text` in the colour of a severity.
pub fn in_severity_colour(text: &str, severity: Option<Severity>, colours: bool) -> String {
    let code = match severity {
        Some(Severity::Sev0) => "1;31",
        Some(Severity::Sev1) => "31",
        Some(Severity::Sev2) => "33",
        Some(Severity::Sev3) => "36",
        _ => return text.to_owned(),
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
