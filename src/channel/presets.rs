//! Channels that are shipped: one data file for each receiver, in the format in which a user would write it into the
//! configuration, which reads them.

/// Every preset: its name in the configuration, and its file.
pub const ALL: [(&str, &str); 3] = [
    ("email", include_str!("presets/email.toml")),
    ("ntfy", include_str!("presets/ntfy.toml")),
    ("webhook", include_str!("presets/webhook.toml")),
];

/// The file of the preset of that name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
