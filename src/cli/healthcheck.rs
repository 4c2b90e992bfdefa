//! `firebell healthcheck`: exit code 0 if the server answers.

use std::path::Path;

use super::client::{Client, Target};
use super::{Outcome, text};

pub fn run(config: Option<&Path>, target: &Target) -> Outcome {
    let (client, _) = Client::new(config, target, None)?;
    client.get("/healthz")?;
    text::say("ok");
    Ok(())
}
