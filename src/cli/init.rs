//! `firebell init`: a configuration with a fresh key, its store, and a line to try it with.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::Args;

use super::{Failure, Outcome, text};
use crate::clock::Clock;
use crate::config;
use crate::store::{Options, Store};

#[derive(Debug, Args)]
pub struct Init {
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

pub fn run(path: Option<&Path>, init: &Init) -> Outcome {
    let path = path.unwrap_or(Path::new("config.toml"));
    let key = fresh_key()?;
    // It holds secrets: nobody else's business.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure(format!(
            "{} exists already and was left as it is; name another file with --config, or move that one away",
            path.display()
        )),
        _ => Failure(format!("cannot write {}: {error}", path.display())),
    })?;
    file.write_all(config::fresh(&key).as_bytes())?;
    let made = make_store(path);
    if made.is_err() {
        // A half-made start would refuse the next try.
        fs::remove_file(path).ok();
    }
    let (store, listen) = made?;
    if !init.quiet {
        text::say(&format!("wrote {} (a fresh routing key is in it); the store is {store}", path.display()));
        let flag = match path.to_str() {
            Some("config.toml") => String::new(),
            _ => format!(" --config {}", as_a_word(&path.display().to_string())),
        };
        text::say(&format!("\nstart it:\n  firebell serve{flag}\n\nand send it something:"));
        text::say(&format!(
            "  curl -X POST http://{listen}/webhooks/{key} -H \"Content-Type: application/json\" \\"
        ));
        text::say("    -d '{\"title\":\"Test webhook\",\"service_id\":\"SER-00001\"}'");
    }
    Ok(())
}

/// `text` as a shell takes it for one word.
fn as_a_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Makes the store that the new configuration names, unless it is there, as `create = false` will expect.
fn make_store(path: &Path) -> Result<(String, std::net::SocketAddr), Failure> {
    let config = config::load(path, &|name| std::env::var(name).ok())?;
    let options = Options { create: true, ..Options::of(&config) };
    let (store, _) = Store::open(&options, Clock::System)?;
    store.close();
    Ok((config.store.path.display().to_string(), config.listen))
}

/// 192 random bits as 32 characters that need no escaping anywhere.
fn fresh_key() -> Result<String, Failure> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
}
