//! What `firebell init` writes.

use crate::registry::PLACEHOLDER_KEY;

/// The shipped configuration; the manual of every option.
const SHIPPED: &str = include_str!("../../config.toml");

/// The shipped configuration with `random_key` in place of the placeholder, and `create = false`: `init` has made the
/// store, so a missing one later is a lost disk, not a first start. `random_key` is a valid routing key.
#[must_use]
pub fn fresh(random_key: &str) -> String {
    let mut text = String::with_capacity(SHIPPED.len());
    // In the shipped file, what is said about the placeholder stands on lines of its own that name it.
    for line in SHIPPED.lines().filter(|line| !line.contains("placeholder")) {
        let line = if line == "create = true" { "create = false" } else { line };
        text.push_str(&line.replace(PLACEHOLDER_KEY, random_key));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Problems, parse};
    use super::*;
    use crate::model::Severity;

    fn load(text: &str) -> Result<Config, Problems> {
        let secret =
            |name: &str| ["OPS_TOKEN", "BACKUP_KEY"].contains(&name).then(|| "0123456789abcdef".to_owned());
        parse(Path::new("config.toml"), text, &secret)
    }

    /// The shipped file with every hidden option shown, and a source to which a mapping says something.
    fn shown() -> String {
        let lines = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
            Some(option) if option.starts_with(|c: char| c.is_ascii_alphabetic() || c == '[') => option,
            _ => line,
        });
        let shown = lines.collect::<Vec<_>>().join("\n");
        let shown = shown.replace("{ file = \"ops.token\" }", "{ env = \"OPS_TOKEN\" }");
        let shown = shown.replace("source = \"custom\"", "source = \"mapping\"");
        let shown = shown.replace("signing_secrets = []", "signing_secrets = [\"0123456789abcdef\"]");
        shown.replace("signature = \"firebell\"", "signature = \"grafana\"")
    }

    #[test]
    fn the_shipped_file_is_right_as_it_is_and_with_every_hidden_option_shown() {
        let config = load(SHIPPED).unwrap();
        assert_eq!(config.registry.integration(PLACEHOLDER_KEY).unwrap().name, "local");
        assert_eq!(config.registry.service("db").unwrap().id, "SER-00002");
        assert!(config.client_tokens.is_empty());
        assert_eq!(load(&shown()).unwrap().client_tokens.len(), 1);
    }

    #[test]
    fn what_the_shipped_file_shows_are_the_defaults() {
        let shipped = load(SHIPPED).unwrap();
        let least = load(
            "[[services]]\nid = \"SER-00001\"\nname = \"Website\"\naliases = [\"web\"]\n\
             [[services]]\nid = \"SER-00002\"\nname = \"Database\"\naliases = [\"db\"]\n\
             [[integrations]]\nname = \"local\"\nsource = \"custom\"\nrouting_keys = [\"YOUR_ROUTING_KEY\"]\n",
        );
        let least = least.unwrap();
        let (a, b) = (&shipped, &least);
        assert_eq!((&a.limits, &a.log, &a.store), (&b.limits, &b.log, &b.store));
        assert_eq!((a.notify, &a.routing), (b.notify, &b.routing));
        assert_eq!(
            (a.listen, &a.organization, &a.anonymous, a.session_ms),
            (b.listen, &b.organization, &b.anonymous, b.session_ms)
        );
        assert_eq!((a.close_resolved_after_ms, a.deliveries), (b.close_resolved_after_ms, b.deliveries));
        assert_eq!((a.registry.heartbeats(), &a.watchdog), (b.registry.heartbeats(), &b.watchdog));
        assert_eq!(a.registry.services(), b.registry.services());
        assert_eq!(a.registry.integrations(), b.registry.integrations());
        for config in [a, b] {
            let (service, integration) = (&config.registry.services()[0], &config.registry.integrations()[0]);
            assert_eq!(config.registry.default_severity(service, integration), Severity::Sev2);
        }
        // The hidden `public_url` is what follows from `listen`.
        assert_eq!(load(&shown()).unwrap().public_url, least.public_url);
    }

    /// An unknown option's problem lists the known ones, so each section is given one to learn what it should show.
    #[test]
    fn the_shipped_file_shows_every_option() {
        let shown = shown();
        let mut sections: Vec<&str> = shown.lines().filter(|line| line.starts_with('[')).collect();
        sections.dedup();
        assert_eq!(sections.len(), 21, "{sections:?}");
        for section in sections {
            // Their names are the user's.
            if section.ends_with("severity_map]") || section.ends_with("headers]") {
                continue;
            }
            let body = shown.split(&format!("{section}\n")).nth(1).unwrap();
            let body = body.split("\n[").next().unwrap();
            let within = match section {
                "[integrations.mapping]" => "[[integrations]]\n",
                "[channels.request]" | "[channels.email]" => "[[channels]]\n",
                _ => "",
            };
            let asked = format!("{within}{section}\nqqqq = 1\n");
            let known = known_options(&load(&asked).unwrap_err());
            assert!(!known.is_empty(), "{section}");
            let name = section.trim_matches(['[', ']']);
            for option in known {
                let line = body.lines().any(|line| line.starts_with(&format!("{option} = ")));
                let table = shown.contains(&format!("\n[{name}.{option}]\n"));
                assert!(line || table, "{section} {option}");
            }
        }
        for option in known_options(&load("qqqq = 1").unwrap_err()) {
            let forms = [format!("\n{option} = "), format!("\n[{option}]\n"), format!("\n[[{option}]]\n")];
            assert!(forms.iter().any(|form| shown.contains(form)), "{option}");
        }
    }

    fn known_options(problems: &Problems) -> Vec<String> {
        let text = problems.to_string();
        let line = text.lines().find_map(|line| line.split_once("; known here: ")).unwrap();
        line.1.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn a_fresh_file_has_its_own_key_and_makes_no_store() {
        let text = fresh("fresh-key-0123456789");
        let config = load(&text).unwrap();
        assert!(!config.store.create);
        assert_eq!(config.sender("local").unwrap().routing_key.expose(), "fresh-key-0123456789");
        assert!(!text.contains(PLACEHOLDER_KEY) && !text.contains("placeholder"));
    }
}
