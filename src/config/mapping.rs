//! Mappings as they are written: in a preset's file, or as `[integrations.mapping]`.

use std::path::Path;

use super::Problems;
use super::problem::At;
use super::reader::{self, Section};
use super::value::{expression, scheme, severity, string};
use crate::model::Severity;
use crate::registry::SignatureScheme;
use crate::source::{Mapping, presets};

/// A mapping that is shipped.
#[derive(Clone, Debug)]
pub struct Preset {
    /// What it is for, in a few words.
    pub about: String,
    /// How its sender is pointed here.
    pub setup: String,
    /// How its sender signs, where it can.
    pub signature: SignatureScheme,
    /// What it does.
    pub mapping: Mapping,
}

impl Preset {
    /// The preset of that name.
    ///
    /// # Errors
    /// What is wrong with its file, which is a bug; `None` if there is no such preset.
    pub fn named(name: &str) -> Option<Result<Self, Problems>> {
        let text = presets::text(name)?;
        Some(Self::parse(&format!("{name}.toml"), text))
    }

    fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (preset, problems, _) = reader::read(Path::new(file), text, &|_| None, |preset| {
            let text = |at: Option<At<String>>| at.map_or_else(String::new, |at| at.value);
            Self {
                about: text(preset.required("about", string)),
                setup: text(preset.required("setup", string)),
                signature: preset.or("signature", SignatureScheme::default(), scheme),
                mapping: read_mapping(preset),
            }
        });
        problems.finish(preset)
    }
}

/// The expressions of a mapping, each compiled, and the severity map.
pub(super) fn read_mapping(mapping: &mut Section<'_, '_>) -> Mapping {
    let mut read = |name| mapping.optional(name, expression).map(|at| at.value);
    Mapping {
        name: "mapping",
        for_each: read("for_each"),
        ignore_when: read("ignore_when"),
        resolved_when: read("resolved_when"),
        title: read("title"),
        service_id: read("service_id"),
        description: read("description"),
        severity: read("severity"),
        status: read("status"),
        source_url: read("source_url"),
        dedup_key: read("dedup_key"),
        metadata: read("metadata"),
        severity_map: read_severity_map(mapping),
    }
}

fn read_severity_map(mapping: &mut Section<'_, '_>) -> Vec<(String, Severity)> {
    let map = mapping.map("severity_map", severity);
    map.into_iter().map(|(name, severity)| (name.to_lowercase(), severity.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_in_order() {
        for (name, _) in presets::ALL {
            let preset = Preset::named(name).unwrap().unwrap_or_else(|problems| panic!("{problems}"));
            assert!(preset.mapping.title.is_some(), "{name}");
            assert!(preset.setup.contains("/webhooks/KEY"), "{name}");
            assert!((5..80).contains(&preset.about.len()), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_said_with_its_place() {
        let wrong = |expression: &str| {
            let text = format!("about = 'a'\nsetup = 's'\ntitle = '{expression}'\n");
            Preset::parse("p.toml", &text).unwrap_err().to_string()
        };
        let start = "p.toml:3:9: `title` is not a valid expression: ";
        for (expression, problem) in [
            (
                "payload.a or",
                "syntax error: unexpected end of input, expected expression, at its character 11",
            ),
            ("paylod.a", "unknown name `paylod`; did you mean `payload`?"),
            ("x", "unknown name `x`; there are payload, item, headers, query"),
            ("payload.a|loud", "unknown filter: filter loud is unknown, at its character 11"),
            ("payload.a and payload.b|loud", "unknown filter: filter loud is unknown, at its character 25"),
            ("payload.a is louder", "unknown test: test louder is unknown, at its character 14"),
            ("range(10)", "unknown name `range`; there are payload, item, headers, query"),
        ] {
            assert_eq!(wrong(expression), format!("{start}{problem}: `{expression}`"));
        }
    }
}
