use std::time::Duration;

use super::*;
use crate::model::Severity;

const KEY: &str = "0123456789abcdef";

fn load_text(text: &str) -> Result<Config, Problems> {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
    parse(Path::new("config.toml"), text, &lookup)
}

fn problems(text: &str) -> String {
    load_text(text).unwrap_err().to_string()
}

fn integration(name: &str, rest: &str) -> String {
    format!("[[integrations]]\nname = \"{name}\"\nsource = \"custom\"\n{rest}\n")
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = r#"listen = ":9000"
public_url = "bell.example.net"
servics = []

[store]
path = 1

[limits]
queue = 0
header_timeout = 30

[[services]]
id = "SER-1"
name = "Website"
aliases = ["web", 3]

[[services]]
id = "web"
name = "Other"
default_severity = "SEV9"

[[integrations]]
name = "local host"
source = "custm"
routing_keys = []

[[integrations]]
name = "b"
source = "custom"
routing_keys = ["too-short", "0123456789abcdef", "0123456789abcdef", { env = "NOT_SET" }]
signing_secrets = ["short-secret"]
default_service = "SER-2"
after_resolv = "new"

[[tokens]]
token = "has spaces in it, ouch"
scopes = ["incidents:reed"]
"#;
    let expected = r#"config.toml:1:10: `listen` must be an IP address and a port: "127.0.0.1:9000" for this machine only, "0.0.0.0:9000" for every network
config.toml:2:14: `public_url` must be an absolute URL, such as "https://bell.example.net"
config.toml:3:1: `servics` is unknown; did you mean `services`?
config.toml:6:8: `store.path` must be a string, not an integer
config.toml:9:9: `limits.queue` must be a whole number from 1 to 65536
config.toml:10:18: `limits.header_timeout` must be a duration from "10ms" to "1h", such as "30s": it needs a unit (ms, s, m, h, d)
config.toml:15:19: `services.aliases` must be a string, not an integer
config.toml:18:6: service id or alias `web` is already taken on line 15
config.toml:20:20: `services.default_severity` must be one of: SEV0, SEV1, SEV2, SEV3, SEV4
config.toml:23:8: `integrations.name` must be 1 to 64 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`
config.toml:24:10: `integrations.source` must be one of: custom, mapping, pagerduty, ntfy, gotify, alertmanager, aws-sns, datadog, gatus, generic, github-actions, grafana, healthchecks, netdata, proxmox, sentry, uptime-kuma, zabbix; did you mean `custom`?
config.toml:25:16: `integrations.routing_keys` is empty; without a key nobody can call it
config.toml:30:17: a routing key of integration `b` must be 16 to 128 of the characters A-Z, a-z, 0-9, `_` and `-`; `openssl rand -hex 16` makes one
config.toml:30:50: a routing key of integration `b` is already a key of `b`, line 30
config.toml:30:70: a routing key of integration `b` needs the environment variable NOT_SET, which is not set
config.toml:31:20: a signing secret of integration `b` must have 16 characters or more; `openssl rand -hex 32` makes one
config.toml:32:19: `integrations.default_service`: `SER-2` is no service; did you mean `SER-1`?
config.toml:33:1: `integrations.after_resolv` is unknown; did you mean `after_resolve`?
config.toml:35:1: `tokens.name` is missing
config.toml:36:9: the token of `(without a name)` must have 16 or more of A-Z, a-z, 0-9 and -._~+/=; `openssl rand -hex 16` makes one
config.toml:37:11: `tokens.scopes` must be one of: incidents:read, incidents:write, services:read; did you mean `incidents:read`?"#;
    assert_eq!(problems(text), expected);
}

#[test]
fn a_syntax_error_does_not_hide_the_others_and_causes_none() {
    let text = "listen = 127.0.0.1:8080\n[limits]\nqueue = 0\n[log]\nlevel = info\n[[services]]\nid = \"SER-1\"\nname =";
    assert_eq!(
        problems(text),
        "config.toml:1:15: syntax error: invalid float, expected nothing; a text needs quotes around it\n\
         config.toml:3:9: `limits.queue` must be a whole number from 1 to 65536\n\
         config.toml:5:9: syntax error: invalid float, expected `inf`; a text needs quotes around it\n\
         config.toml:8:7: syntax error: string values must be quoted, expected literal string"
    );
}

#[test]
fn single_mistakes() {
    let keys = format!("routing_keys = [\"{KEY}\"]");
    let token = |name: &str, secret: &str| {
        format!("[[tokens]]\nname = \"{name}\"\ntoken = \"{secret}\"\nscopes = [\"services:read\"]\n")
    };
    let active = "[[services]]\nid = \"SER-1\"\nname = \"Web\"\n";
    let service = "[[services]]\nid = \"SER-1\"\nname = \"Old\"\nactive = false\n";
    let cases = [
        ("[services]\nid = \"a\"".into(), "1:1: `services` must be one table or more: `[[services]]`"),
        ("log = \"text\"".into(), "1:7: `log` must be a table: `[log]`"),
        (
            "[access]\nanonymous = \"services:read\"".into(),
            "2:13: `access.anonymous` must be an array: `anonymous = [...]`",
        ),
        ("[log]\ncolour = 1".into(), "2:1: `log.colour` is unknown; known here: level, format"),
        (
            integration("a", ""),
            "1:1: `integrations.routing_keys` is missing; without a key nobody can call it",
        ),
        (
            integration("a", &keys) + &integration("b", &keys),
            "8:17: a routing key of integration `b` is already a key of `a`, line 4",
        ),
        (
            integration("a", "formerly = [\"a\"]") + &keys,
            "4:13: integration name `a` is already taken on line 2",
        ),
        (
            service.to_owned() + &integration("a", "default_service = \"SER-1\"") + &keys,
            "8:19: `integrations.default_service`: `SER-1` has `active = false`",
        ),
        (
            integration("a", "default_service = \"SER-1\"") + &keys,
            "4:19: `integrations.default_service`: `SER-1` is no id or alias of one of the [[services]]",
        ),
        (token("a", KEY) + &token("b", KEY), "7:9: the token of `b` is already that of `a`, line 3"),
        (token("a", KEY) + &token("a", &KEY.repeat(2)), "6:8: token name `a` is already taken on line 2"),
        (
            token("system", KEY),
            "2:8: token name `system` would pass for Firebell itself in timelines; choose another",
        ),
        (
            (active.to_owned()
                + &integration(
                    "a",
                    "default_service = \"SER-1\"\nrouting_keys = [\"0123456789abcdef-0123456789abcde\"]",
                ))
                .replace("custom", "pagerduty"),
            "8:17: a routing key of integration `a` must be 32 of the characters A-Z, a-z and 0-9, which is all that PagerDuty's senders take; `openssl rand -hex 16` makes one",
        ),
        (
            (integration("a", &keys)).replace("custom", "ntfy"),
            "3:10: `integrations.default_service` is missing in `a`: alerts of `ntfy` that name no service need one",
        ),
        (
            (active.to_owned() + &integration("a", &keys)).replace("custom", "gotify")
                + "default_service = \"SER-1\"\nmapping.title = \"payload.a\"",
            "9:1: `integrations.mapping` says nothing to `source = \"gotify\"`; presets and \"mapping\" have one",
        ),
        (
            "listen = \"0.0.0.0:80\"".into(),
            "1:10: `listen` is open to a network, but nothing says who may read incidents there: add [[tokens]], or allow everybody with [access] anonymous = [\"incidents:read\"]",
        ),
        (
            "listen = \"[::]:80\"\naccess.anonymous = [\"services:read\"]\n".to_owned()
                + &integration("a", "routing_keys = [\"YOUR_ROUTING_KEY\"]"),
            "6:17: a routing key of integration `a` is the placeholder that everybody knows, and `listen` is open to a network; `openssl rand -hex 16` makes a key",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(&text), format!("config.toml:{expected}"), "{text}");
    }
}

#[test]
fn the_environment_overrides_and_is_judged_like_the_file() {
    let text = "listen = \"0.0.0.0:1\"\n[limits]\nqueue = 7\nbatch = 8\n";
    let variables = [
        ("FIREBELL_LISTEN", "[::1]:0"),
        ("FIREBELL_STORE_PATH", "data/bell.db"),
        ("FIREBELL_STORE_CREATE", "false"),
        ("FIREBELL_DEFAULTS_SEVERITY", "sev4"),
        ("FIREBELL_RETENTION_CLOSE_RESOLVED_AFTER", "12h"),
        ("FIREBELL_LIMITS_QUEUE", "9"),
        ("FIREBELL_LIMITS_BATCH", ""),
    ];
    let config = load_with(text, &variables).unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:0");
    assert_eq!(config.store, StoreConfig { path: "./data/bell.db".into(), create: false });
    assert_eq!(config.close_resolved_after_ms, 43_200_000);
    assert_eq!((config.limits.queue, config.limits.batch), (9, 8));

    let variables = [("FIREBELL_LISTEN", "localhost:80"), ("FIREBELL_LIMITS_QUEUE", "many")];
    assert_eq!(
        load_with(text, &variables).unwrap_err().to_string(),
        "FIREBELL_LIMITS_QUEUE (environment): `limits.queue` must be a whole number from 1 to 65536\n\
         FIREBELL_LISTEN (environment): `listen` must be an IP address and a port: \"127.0.0.1:80\" for this machine \
         only, \"0.0.0.0:80\" for every network"
    );
}

#[test]
fn commands_find_the_credentials_they_need() {
    let text = integration(
        "a",
        "routing_keys = [{ env = \"A\" }, \"second-key-of-a-\"]\nsigning_secrets = [{ env = \"S\" }]",
    ) + &integration("b", "routing_keys = [\"only-key-of-b---\"]\nafter_resolve = \"new\"")
        + "[[tokens]]\nname = \"r\"\ntoken = \"token-of-reader-\"\nscopes = [\"incidents:read\"]\n\
           [[tokens]]\nname = \"w\"\ntoken = \"token-of-writer-\"\nscopes = [\"incidents:read\", \"incidents:write\"]\n";
    let config = load_with(&text, &[("A", "first-key-of-a--"), ("S", "secret-of-a-----")]).unwrap();
    let sender = config.sender("a").unwrap();
    assert_eq!(sender.routing_key.expose(), "first-key-of-a--");
    assert_eq!(sender.signing_secret.as_ref().unwrap().expose(), "secret-of-a-----");
    assert_eq!(config.sender("b").unwrap().signing_secret, None);
    assert_eq!(config.sender("c"), None);
    assert_eq!(config.token_for(Scope::IncidentsRead).unwrap().expose(), "token-of-reader-");
    assert_eq!(config.token_for(Scope::IncidentsWrite).unwrap().expose(), "token-of-writer-");
    assert_eq!(config.token_for(Scope::ServicesRead), None);

    assert_eq!(config.registry.integration("second-key-of-a-").unwrap().name, "a");
    assert_eq!(config.registry.token("token-of-writer-").unwrap().name, config.client_tokens[1].name);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("key-of") && !shown.contains("token-of") && !shown.contains("secret-of"),
        "{shown}"
    );
}

#[test]
fn no_problem_shows_a_secret() {
    let key = "S3CRET key with spaces";
    let text = format!("listen = \"0.0.0.0:1\"\npublic_url = \"http://user:{key}@host\"\n")
        + &integration(
            "a",
            &format!(
                "routing_keys = [\"{key}\", \"{key}\", {{ env = \"A\" }}, {{ \"{key}\" = 1 }}]\nsigning_secrets = [\"S3CRET\", [\"{key}\"]]"
            ),
        )
        + &format!("[[tokens]]\nname = \"t\"\ntoken = \"{key}\"\nscopes = [\"{key}\"]\n")
        + &format!("[[tokens]]\nname = \"u\"\ntoken = \"{key}\"\nscopes = {key}\n");
    // Both with the syntax error of the last line and without.
    for text in [text.clone(), text.replace(&format!("scopes = {key}"), "")] {
        let error = load_with(&text, &[("A", key)]).unwrap_err();
        assert!(error.count() > 4, "{error}");
        assert!(!error.to_string().contains("S3CRET") && !format!("{error:?}").contains("S3CRET"), "{error}");
    }
}

#[test]
fn nothing_but_defaults_is_a_configuration() {
    assert!(load_text("\u{feff}# A byte order mark, and lines as Windows ends them.\r\n[log]\r\n").is_ok());
    let config = load_text("").unwrap();
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert!(config.is_loopback() && config.registry.services().is_empty() && config.anonymous.is_empty());
    assert_eq!(config.limits.body_timeout, Duration::from_secs(30));
}

#[test]
fn links_follow_the_port_unless_their_beginning_is_configured() {
    let bound = "127.0.0.1:4711".parse().unwrap();
    let free_port = load_text("listen = \"127.0.0.1:0\"").unwrap();
    assert_eq!(free_port.public_url_at(bound), "http://127.0.0.1:4711");
    let named = load_text("listen = \"127.0.0.1:0\"\npublic_url = \"https://bell.example.net/\"").unwrap();
    assert_eq!(named.public_url_at(bound), "https://bell.example.net");
}

#[test]
fn a_network_is_no_loopback_in_any_notation() {
    for (listen, expected) in [
        ("127.9.9.9:1", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("[::]:1", false),
        ("10.0.0.1:1", false),
    ] {
        assert_eq!(is_loopback(listen.parse().unwrap()), expected, "{listen}");
    }
}

#[test]
fn files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = |bytes: &[u8]| {
        let path = folder.path().join("config.toml");
        fs::write(&path, bytes).unwrap();
        load(&path, &|_| None).unwrap_err().to_string().replace(&*path.to_string_lossy(), "FILE")
    };
    assert_eq!(file(b"# caf\xc3\xa9\n# caf\xe9\n"), "FILE:2:6: is not UTF-8 from here on");
    let missing = find(Some(Path::new("/nonexistent/bell.toml"))).unwrap();
    assert_eq!(
        load(&missing, &|_| None).unwrap_err().to_string(),
        "/nonexistent/bell.toml: does not exist; `firebell init` writes a configuration"
    );
    assert_eq!(
        first_of(&["/nonexistent/a.toml", "/nonexistent/b.toml"]).unwrap_err().to_string(),
        "no configuration: neither /nonexistent/a.toml nor /nonexistent/b.toml exists; `firebell init` writes one, \
         --config FILE or FIREBELL_CONFIG names another"
    );
    assert!(first_of(&["/nonexistent/a.toml", "/"]).is_ok());
    assert!(load(folder.path(), &|_| None).unwrap_err().to_string().contains(": cannot be read: "));
}

#[test]
fn paths_start_from_the_files_folder_and_never_look_like_sqlites_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bell.toml");
    fs::write(folder.path().join("key"), "key-from-a-file-\n").unwrap();
    fs::write(&path, integration("a", "routing_keys = [{ file = \"key\" }]")).unwrap();
    let config = load(&path, &|_| None).unwrap();
    assert_eq!(config.store.path, folder.path().join("firebell.db"));
    assert_eq!(config.sender("a").unwrap().routing_key.expose(), "key-from-a-file-");
    assert_eq!(load_text("store.path = \":memory:\"").unwrap().store.path, Path::new("./:memory:"));
}

#[test]
fn severities_are_read_in_any_case() {
    let text = "[[services]]\nid = \"a\"\nname = \"A\"\ndefault_severity = \"sev0\"\n";
    assert_eq!(load_text(text).unwrap().registry.services()[0].default_severity, Some(Severity::Sev0));
}
