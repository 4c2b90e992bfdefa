//! What is logged, and how.

use super::reader::Section;
use super::value::choice;

/// The `[log]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least urgent level that is written.
    pub level: LogLevel,
    /// For people or for programs.
    pub format: LogFormat,
}

impl Log {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            level: section.or("level", LogLevel::Info, choice(&LogLevel::ALL, LogLevel::as_str)),
            format: section.or("format", LogFormat::Text, choice(&LogFormat::ALL, LogFormat::as_str)),
        }
    }
}

/// How urgent a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// Every level, most urgent first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
