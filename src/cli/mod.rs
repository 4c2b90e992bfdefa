//! The command line. Plain text for people, `--json` for programs; exit codes 0, 1 (it did not work), 2 (usage).

mod cells;
mod channels;
mod check;
mod client;
mod columns;
mod deliveries;
mod events;
mod export;
mod filters;
mod healthcheck;
mod heartbeats;
mod incidents;
mod init;
mod outbox;
mod progress;
mod send;
mod serve;
mod silences;
mod sources;
mod text;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, Problems};

/// Turns any HTTP POST into a deduplicated incident in one SQLite file.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// The configuration; without it FIREBELL_CONFIG, else ./config.toml, else (but for `init`) /etc/firebell/config.toml
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a process makes one")]
enum Command {
    /// Serve webhooks and the API until SIGTERM; SIGHUP reloads the configuration
    Serve,
    /// Write a configuration with a fresh routing key, make the store, and print a curl line to try
    Init(init::Init),
    /// Report everything that is wrong with the configuration
    Check,
    /// Send a test incident to a running server
    Send(send::Send),
    /// List and watch incidents, show one, create, acknowledge, resolve, comment
    Incidents(incidents::Incidents),
    /// List what senders have sent, accepted and refused; show one, send one again
    Deliveries(deliveries::Deliveries),
    /// List what people were told, and what they are owed
    Outbox(outbox::Outbox),
    /// List silences, make one, end one: for a while nobody is told of what is like that
    Silences(silences::Silences),
    /// List the jobs that report as long as all is well, and how each is
    Heartbeats(heartbeats::Heartbeats),
    /// What senders are understood, how each is pointed here, and what a body of theirs would become
    Sources(sources::Sources),
    /// What receivers of notifications are understood, how each is set up, and a test message by one
    Channels(channels::Channels),
    /// Write incidents to a file or to standard output, as NDJSON or CSV
    Export(export::Export),
    /// Ask a running server whether it answers; for containers and scripts
    Healthcheck(healthcheck::Healthcheck),
}

/// Why a command did not work: a text for a person.
#[derive(Debug)]
pub struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let config = given(cli.config.as_ref(), "FIREBELL_CONFIG");
    let config = config.as_deref();
    let outcome = match &cli.command {
        Command::Serve => serve::run(config),
        Command::Init(init) => init::run(config, init),
        Command::Check => check::run(config),
        Command::Send(send) => send::run(config, send),
        Command::Incidents(incidents) => incidents::run(config, incidents),
        Command::Deliveries(deliveries) => deliveries::run(config, deliveries),
        Command::Outbox(outbox) => outbox::run(config, outbox),
        Command::Silences(silences) => silences::run(config, silences),
        Command::Heartbeats(heartbeats) => heartbeats::run(config, heartbeats),
        Command::Sources(sources) => sources::run(config, sources),
        Command::Channels(channels) => channels::run(config, channels),
        Command::Export(export) => export::run(config, export),
        Command::Healthcheck(check) => healthcheck::run(config, check),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            text::complain(&message);
            ExitCode::from(1)
        }
    }
}

/// What a flag says, else what the environment says. An empty variable says nothing, as in the configuration.
fn given<T: Clone + From<String>>(flag: Option<&T>, variable: &str) -> Option<T> {
    let variable = || std::env::var(variable).ok().filter(|value| !value.is_empty()).map(T::from);
    flag.cloned().or_else(variable)
}

/// A key and a value of metadata.
fn pair(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("metadata is written as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Finds and reads the configuration.
fn load(flag: Option<&std::path::Path>) -> Result<(PathBuf, Config), Problems> {
    let path = config::find(flag)?;
    let config = config::load(&path, &|name| std::env::var(name).ok())?;
    Ok((path, config))
}
