//! `firebell check`: everything that is wrong with the configuration, as `serve` would say it.

use std::path::Path;

use super::{Outcome, load, text};

pub fn run(config: Option<&Path>) -> Outcome {
    let (path, config) = load(config)?;
    let registry = &config.registry;
    let counts = [
        ("services", registry.services().len()),
        ("integrations", registry.integrations().len()),
        ("heartbeats", registry.heartbeats().len()),
        ("channels", config.channels.len()),
        ("routes", config.routing.routes.len()),
        ("tokens", registry.tokens().len()),
    ];
    let counts = counts.map(|(what, count)| format!("{what}: {count}")).join(", ");
    text::say(&format!("{} is in order ({counts})", path.display()));
    Ok(())
}
