//! `firebell check`: every problem at once, with its place and what would be right; `serve` says the same.

use crate::harness::{CONFIG, Folder, repository, told};

const BROKEN: &str = r#"# A configuration with a mistake of every kind.
listen = "localhost:8080"
pubic_url = "https://bell.example.net"

[store]
path = 1
creat = true

[defaults]
severity = "SEV7"

[retention]
close_resolved_after = "7 days"

[limits]
queue = 0
header_timeout = 30
batch = 99999

[log]
level = "verbose"

[[services]]
id = "SER-00001"
name = "Website"
aliases = ["web", "shop"]

[[services]]
id = "SER-00002"
name = ""
aliases = ["shop"]

[[integrations]]
name = "grafana alerts"
source = "costum"
routing_keys = ["short"]

[[integrations]]
name = "local"
source = "custom"
routing_keys = ["a-good-key-0123456789", { env = "NO_SUCH_VARIABLE" }, { file = "no-such-file" }]
signing_secrets = ["too-short"]
default_service = "SER-00003"

[[integrations]]
name = "local"
source = "custom"
routing_keys = ["a-good-key-0123456789"]

[[tokens]]
name = "ops"
token = "has a space in it"
scopes = ["incident:read"]
"#;

const PROBLEMS: &str = r#"config.toml:2:10: `listen` must be an IP address and a port: "127.0.0.1:8080" for this machine only, "0.0.0.0:8080" for every network
config.toml:3:1: `pubic_url` is unknown; did you mean `public_url`?
config.toml:6:8: `store.path` must be a string, not an integer
config.toml:7:1: `store.creat` is unknown; did you mean `create`?
config.toml:10:12: `defaults.severity` must be one of: SEV0, SEV1, SEV2, SEV3, SEV4
config.toml:13:24: `retention.close_resolved_after` must be a duration from "1s" to "3650d", such as "30s"
config.toml:16:9: `limits.queue` must be a whole number from 1 to 65536
config.toml:17:18: `limits.header_timeout` must be a duration from "10ms" to "1h", such as "30s": it needs a unit (ms, s, m, h, d)
config.toml:18:9: `limits.batch` must be a whole number from 1 to 4096
config.toml:21:9: `log.level` must be one of: error, warn, info, debug, trace
config.toml:30:8: `services.name` must not be empty
config.toml:31:12: service id or alias `shop` is already taken on line 26
config.toml:34:8: `integrations.name` must be 1 to 64 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`
config.toml:35:10: `integrations.source` must be one of: custom, mapping, pagerduty, ntfy, gotify, alertmanager, aws-sns, datadog, gatus, generic, github-actions, grafana, healthchecks, netdata, proxmox, sentry, uptime-kuma, zabbix; did you mean `custom`?
config.toml:36:17: a routing key of integration `(without a name)` must be 16 to 128 of the characters A-Z, a-z, 0-9, `_` and `-`; `openssl rand -hex 16` makes one
config.toml:41:42: a routing key of integration `local` needs the environment variable NO_SUCH_VARIABLE, which is not set
config.toml:41:72: a routing key of integration `local` cannot be read from ./no-such-file: No such file or directory (os error 2)
config.toml:42:20: a signing secret of integration `local` must have 16 characters or more; `openssl rand -hex 32` makes one
config.toml:43:19: `integrations.default_service`: `SER-00003` is no service; did you mean `SER-00002`?
config.toml:46:8: integration name `local` is already taken on line 39
config.toml:48:17: a routing key of integration `local` is already a key of `local`, line 41
config.toml:52:9: the token of `ops` must have 16 or more of A-Z, a-z, 0-9 and -._~+/=; `openssl rand -hex 16` makes one
config.toml:53:11: `tokens.scopes` must be one of: incidents:read, incidents:write, services:read; did you mean `incidents:read`?
"#;

#[test]
fn every_problem_at_once_and_a_refused_start_in_the_same_words() {
    let folder = Folder::new(BROKEN);
    let (code, stdout, stderr) = told(&folder.run(&["check"]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr, PROBLEMS);
    let serve = told(&folder.run(&["serve"]));
    assert_eq!(serve, (Some(1), String::new(), PROBLEMS.to_owned()));
    assert!(!folder.path("firebell.db").exists());
    // Neither do the commands that need it go on with a half of it.
    assert_eq!(told(&folder.run(&["send"])), serve);
    assert_eq!(told(&folder.run(&["incidents"])), serve);
}

#[test]
fn syntax_errors_and_the_rest_at_once() {
    let folder =
        Folder::new("listen = 127.0.0.1:8080\n[limits]\nqueue = \"many\"\nbatch =\n[log]\nlevel = 'loud'\n");
    let (code, _, stderr) = told(&folder.run(&["check", "--config", "config.toml"]));
    assert_eq!(code, Some(1));
    let places: Vec<_> = stderr.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = ["config.toml:1:15", "config.toml:3:9", "config.toml:4:8", "config.toml:6:9"];
    assert_eq!(places, expected, "{stderr}");
}

#[test]
fn a_good_file_is_said_to_be_good() {
    let folder = Folder::new(CONFIG);
    let good = "config.toml is in order (services: 2, integrations: 2, heartbeats: 0, channels: 0, routes: 0, tokens: 0)\n";
    assert_eq!(told(&folder.run(&["check"])), (Some(0), good.to_owned(), String::new()));
    let shipped = repository().join("config.toml");
    let shipped = shipped.to_str().unwrap();
    let good = format!(
        "{shipped} is in order (services: 2, integrations: 1, heartbeats: 0, channels: 0, routes: 0, tokens: 0)\n"
    );
    assert_eq!(told(&folder.run(&["--config", shipped, "check"])), (Some(0), good, String::new()));
    // Nothing was opened or made for that.
    assert!(!folder.path("firebell.db").exists());
}

#[test]
fn the_environment_is_judged_with_the_file() {
    let folder = Folder::new(CONFIG);
    let mut check = folder.firebell(&["check"]);
    check.env("FIREBELL_LIMITS_QUEUE", "none").env("FIREBELL_LISTEN", "0.0.0.0:80");
    let (code, _, stderr) = told(&check.output().unwrap());
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains(
            "FIREBELL_LIMITS_QUEUE (environment): `limits.queue` must be a whole number from 1 to 65536\n"
        ),
        "{stderr}"
    );
    assert!(stderr.contains("FIREBELL_LISTEN (environment): `listen` is open to a network"), "{stderr}");
}

#[test]
fn a_missing_file_is_a_problem_with_a_way_out() {
    let folder = Folder::new(CONFIG);
    std::fs::remove_file(folder.path("config.toml")).unwrap();
    let (code, _, stderr) = told(&folder.run(&["check", "--config", "bell.toml"]));
    assert_eq!(code, Some(1));
    assert_eq!(stderr, "bell.toml: does not exist; `firebell init` writes a configuration\n");
    // FIREBELL_CONFIG names one, and --config wins over it.
    folder.write("bell.toml", CONFIG);
    let mut named = folder.firebell(&["check"]);
    assert_eq!(named.env("FIREBELL_CONFIG", "bell.toml").output().unwrap().status.code(), Some(0));
    let mut flag = folder.firebell(&["check", "-c", "bell.toml"]);
    assert_eq!(flag.env("FIREBELL_CONFIG", "nowhere.toml").output().unwrap().status.code(), Some(0));
}
