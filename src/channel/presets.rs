//! Channels that are shipped: one data file for each receiver, in the format in which a user would write it into the
//! configuration, which reads them.

/// Every preset: its name in the configuration, and its file.
pub const ALL: [(&str, &str); 14] = [
    ("alertmanager", include_str!("presets/alertmanager.toml")),
    ("apprise", include_str!("presets/apprise.toml")),
    ("discord", include_str!("presets/discord.toml")),
    ("email", include_str!("presets/email.toml")),
    ("gotify", include_str!("presets/gotify.toml")),
    ("matrix", include_str!("presets/matrix.toml")),
    ("mattermost", include_str!("presets/mattermost.toml")),
    ("ntfy", include_str!("presets/ntfy.toml")),
    ("pagerduty", include_str!("presets/pagerduty.toml")),
    ("pushover", include_str!("presets/pushover.toml")),
    ("slack", include_str!("presets/slack.toml")),
    ("teams", include_str!("presets/teams.toml")),
    ("telegram", include_str!("presets/telegram.toml")),
    ("webhook", include_str!("presets/webhook.toml")),
];

/// The file of the preset of that name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
