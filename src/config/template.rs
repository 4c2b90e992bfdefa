//! What `firebell init` writes.

use crate::registry::PLACEHOLDER_KEY;

/// The shipped configuration; the manual of every option.
const SHIPPED: &str = include_str!("../../config.toml");

/// The shipped configuration with `random_key` in place of the placeholder, and `create = false`: `init` has made the
/// store, so a missing one later is a lost disk, not a first start.
#[must_use]
pub fn fresh(random_key: &str) -> String {
    let mut text = String::with_capacity(SHIPPED.len());
    // In the shipped file, comments about the placeholder stand on lines of their own and name it so.
    for line in SHIPPED.lines().filter(|line| !line.contains("placeholder")) {
        let line = if line == "create = true" { "create = false" } else { line };
        text.push_str(&line.replace(PLACEHOLDER_KEY, random_key));
        text.push('\n');
    }
    text
}
