//! Mappings that are shipped: one data file for each sender, in the format in which a user would write it into the
//! configuration. [`crate::config`] reads them.

/// Every preset: its name in the configuration, and its file.
pub const ALL: [(&str, &str); 2] = [
    ("alertmanager", include_str!("presets/alertmanager.toml")),
    ("uptime-kuma", include_str!("presets/uptime-kuma.toml")),
];

/// The file of the preset of that name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
