//! Mappings that are shipped: one data file for each sender, in the format in which a user would write it into the
//! configuration, which reads them.

/// Every preset: its name in the configuration, and its file.
pub const ALL: [(&str, &str); 13] = [
    ("alertmanager", include_str!("presets/alertmanager.toml")),
    ("aws-sns", include_str!("presets/aws-sns.toml")),
    ("datadog", include_str!("presets/datadog.toml")),
    ("gatus", include_str!("presets/gatus.toml")),
    ("generic", include_str!("presets/generic.toml")),
    ("github-actions", include_str!("presets/github-actions.toml")),
    ("grafana", include_str!("presets/grafana.toml")),
    ("healthchecks", include_str!("presets/healthchecks.toml")),
    ("netdata", include_str!("presets/netdata.toml")),
    ("proxmox", include_str!("presets/proxmox.toml")),
    ("sentry", include_str!("presets/sentry.toml")),
    ("uptime-kuma", include_str!("presets/uptime-kuma.toml")),
    ("zabbix", include_str!("presets/zabbix.toml")),
];

/// The file of the preset of that name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
