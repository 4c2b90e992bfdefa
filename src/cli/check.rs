//! `firebell check`: everything that is wrong with the configuration, as `serve` would say it.

use std::path::Path;

use super::{Outcome, load, text};

pub fn run(config: Option<&Path>) -> Outcome {
    let (path, config) = load(config)?;
    let registry = &config.registry;
    text::say(&format!(
        "{} is in order (services: {}, integrations: {}, tokens: {})",
        path.display(),
        registry.services().len(),
        registry.integrations().len(),
        registry.tokens().len(),
    ));
    Ok(())
}
