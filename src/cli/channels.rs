//! `firebell channels`: the receivers that are understood, how each is set up, and whether a configured one takes a message,
//! without a server.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::cells::{clean, pad, width};
use super::{Failure, Outcome, load, text};
use crate::channel::{Channel, Verdict, VerdictKind, presets};
use crate::clock::Clock;
use crate::config::{self, ChannelPreset, Config};
use crate::error::nearest;
use crate::model::{Message, Status};
use crate::notify::{Draft, Setup, sample};

#[derive(Debug, Args)]
pub struct Channels {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What `kind` may be, and the channels of the configuration
    List {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// How a receiver is set up, and the request of its preset; or what kind a configured channel is
    Show {
        /// The preset, or a channel of the configuration
        name: String,
    },
    /// Send a test message by a channel, whatever the routes say, and show what the receiver answers
    Test {
        /// The channel of the configuration
        name: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: Option<&Path>, channels: &Channels) -> Outcome {
    match &channels.command {
        Command::List { json } => list(config, *json),
        Command::Show { name } => show(config, name),
        Command::Test { name, json } => test(config, name, *json),
    }
}

fn list(flag: Option<&Path>, json: bool) -> Outcome {
    let mut kinds = Vec::new();
    for (name, _) in presets::ALL {
        let preset = ChannelPreset::named(name).transpose()?;
        kinds.push((name, preset.map_or_else(String::new, |preset| preset.about)));
    }
    kinds.push((
        "custom",
        "Anything else that takes HTTP: a request of your own, in [channels.request]".to_owned(),
    ));
    // Without any configuration there are the presets; one that is broken says so.
    let config = match config::find(flag) {
        Ok(path) => Some(load(Some(&path))?.1),
        Err(_) => None,
    };
    let configured = config.map(|config| config.channels).unwrap_or_default();
    if json {
        let kinds = kinds.iter().map(|(name, about)| json!({ "name": name, "about": about }));
        let channels = configured.iter().map(|channel| json!({ "name": channel.name, "kind": channel.kind }));
        let all = json!({ "presets": kinds.collect::<Vec<_>>(), "channels": channels.collect::<Vec<_>>() });
        text::say(&all.to_string());
        return Ok(());
    }
    say_columns(kinds.iter().map(|(name, about)| (*name, about.as_str())));
    if !configured.is_empty() {
        text::say("\nin the configuration:");
        say_columns(configured.iter().map(|channel| (channel.name.as_str(), channel.kind)));
    }
    Ok(())
}

fn say_columns<'a>(rows: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
    let widest = rows.clone().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, about) in rows {
        text::say(&format!("{}  {about}", pad(name, widest, false)));
    }
}

fn show(flag: Option<&Path>, name: &str) -> Outcome {
    if let Some(file) = presets::text(name) {
        text::say(file.trim_end());
        return Ok(());
    }
    let config = match load(flag) {
        Ok((_, config)) => config,
        // It is no preset, so it is looked for there.
        Err(problems) if config::find(flag).is_ok() => return Err(problems.into()),
        Err(_) => return Err(unknown(name, &[])),
    };
    let channel = named(&config, name)?;
    let given: Vec<_> = channel.with.iter().map(|(name, _)| name.as_str()).collect();
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
    text::say(&format!("{name} is of kind {}; `with` gives {given} (not shown)", channel.kind));
    match presets::text(channel.kind) {
        Some(file) => text::say(&format!("\n{}", file.trim_end())),
        None => text::say("its request is its own: [channels.request] of the configuration"),
    }
    Ok(())
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a Channel, Failure> {
    let found = config.channels.iter().find(|channel| channel.name == name);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let configured: Vec<_> = config.channels.iter().map(|channel| channel.name.as_str()).collect();
        unknown(name, &configured)
    })
}

fn unknown(name: &str, configured: &[&str]) -> Failure {
    if presets::text(name).is_some() {
        return Failure(format!(
            "no channel of the configuration is called {name}, which is a preset; `firebell channels show {name}` says how \
             one of that kind is set up, under [[channels]]"
        ));
    }
    let known = configured.iter().copied().chain(presets::ALL.map(|(name, _)| name));
    let hint = nearest(name, known).map_or_else(
        || "`firebell channels list` names them".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Failure(format!("{name:?} is neither a channel of the configuration nor a preset; {hint}"))
}

/// A request that was made, or could not be, and what became of it.
struct Tried {
    draft: Draft,
    answer: Result<Verdict, String>,
}

impl Tried {
    fn is_taken(&self) -> bool {
        matches!(&self.answer, Ok(verdict) if verdict.kind == VerdictKind::Taken)
    }

    fn answer(&self) -> &str {
        match &self.answer {
            Ok(verdict) => &verdict.text,
            Err(error) => error,
        }
    }
}

fn test(flag: Option<&Path>, name: &str, json: bool) -> Outcome {
    let (_, config) = load(flag)?;
    let channel = named(&config, name)?;
    let clock = Clock::System;
    let mut messages = vec![sample(clock.now_ms())];
    if channel.is_one_by_one() {
        // The receiver keeps track: what is opened there is to be closed again.
        messages.extend(messages.first().cloned().map(resolved));
    }
    let mut all = Vec::new();
    for message in &messages {
        let tried = attempt(&config, channel, message, &clock)?;
        let is_taken = tried.is_taken();
        if !json {
            report(&tried);
        }
        all.push(tried);
        if !is_taken {
            break;
        }
    }
    if json {
        text::say(&to_json(channel, &all).to_string());
    }
    match all.last() {
        Some(last) if !last.is_taken() => Err(Failure(next_step(channel, last))),
        _ => Ok(()),
    }
}

/// The same, a moment later.
fn resolved(mut message: Message) -> Message {
    message.id.first += 1;
    for part in &mut message.parts {
        part.reason = crate::model::Reason::Resolved;
        part.incident.status = Status::Resolved;
        part.incident.resolved_at = Some(message.id.at);
    }
    message
}

fn attempt(config: &Config, channel: &Channel, message: &Message, clock: &Clock) -> Result<Tried, Failure> {
    let setup = Setup::new(config, &config.public_url_at(config.listen), None);
    let draft = setup.draft(channel, message, clock.now_ms());
    let draft = draft.map_err(|error| Failure(format!("{error}; {}", hint_of(channel))))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(setup.tell(channel, message, clock)).map_err(|untold| untold.to_string());
    Ok(Tried { draft, answer })
}

fn report(tried: &Tried) {
    text::say(&format!("{} {}", tried.draft.method, clean(&tried.draft.host)));
    for line in tried.draft.body.lines() {
        text::say(&clean(line));
    }
    let word = if tried.is_taken() { "taken" } else { "not taken" };
    text::say(&format!("{word}: {}", clean(tried.answer())));
}

fn next_step(channel: &Channel, last: &Tried) -> String {
    let hint = hint_of(channel);
    match &last.answer {
        Err(_) => format!("{} was not reached; is that the right address? {hint}", clean(&last.draft.host)),
        Ok(verdict) => match verdict.kind {
            VerdictKind::Later(Some(seconds)) => format!("the receiver asks to be told again in {seconds} s"),
            VerdictKind::Later(None) | VerdictKind::Taken => {
                format!("the receiver did not take it, and might later; {hint}")
            }
            VerdictKind::Never => format!("the receiver takes no such message; {hint}"),
            VerdictKind::Gone => format!("nobody is there any more; {hint}"),
        },
    }
}

fn hint_of(channel: &Channel) -> String {
    match presets::text(channel.kind) {
        Some(_) => format!("`firebell channels show {}` says what `with` takes", channel.kind),
        None => "its request is in [channels.request] of the configuration".to_owned(),
    }
}

fn to_json(channel: &Channel, all: &[Tried]) -> Value {
    let requests: Vec<_> = all
        .iter()
        .map(|tried| {
            json!({
                "method": tried.draft.method, "host": tried.draft.host, "body": tried.draft.body,
                "taken": tried.is_taken(), "answer": tried.answer(),
            })
        })
        .collect();
    let is_taken = all.iter().all(Tried::is_taken);
    json!({ "channel": channel.name, "kind": channel.kind, "taken": is_taken, "requests": requests })
}
