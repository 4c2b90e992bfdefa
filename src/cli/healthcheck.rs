//! `firebell healthcheck`: exit code 0 if the server answers.

use std::path::Path;

use clap::Args;

use super::client::{self, Client, Target};
use super::{Outcome, text};

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The server; without it FIREBELL_URL, else the configuration's `listen`
    #[arg(long, value_name = "URL", value_parser = client::server_url)]
    url: Option<String>,
}

pub fn run(config: Option<&Path>, check: &Healthcheck) -> Outcome {
    // Whether it answers, it tells everybody.
    let target = Target { url: check.url.clone(), token: None };
    let (client, _) = Client::new(config, &target, None)?;
    client.get("/healthz")?;
    text::say("ok");
    Ok(())
}
