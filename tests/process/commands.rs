//! The commands that talk to a running server: for people as text, for programs as JSON and exit codes.

use serde_json::Value;

use crate::harness::{CONFIG, Folder, KEY, Server, told};

const TOKENS: &str = r#"
[[tokens]]
name = "reader"
token = "token-of-the-reader-1"
scopes = ["incidents:read"]
[[tokens]]
name = "ops"
email = "ops@example.org"
token = "token-of-the-operator"
scopes = ["incidents:read", "incidents:write"]
"#;

/// A folder and a server, and commands that find the server as they would on a real machine: by `listen`.
pub struct Setup {
    pub folder: Folder,
    pub server: Server,
}

impl Setup {
    pub fn new(config: &str) -> Self {
        let folder = Folder::new(config);
        let mut server = folder.serve();
        server.secrets.extend(["token-of-the-reader-1".to_owned(), "token-of-the-operator".to_owned()]);
        Self { folder, server }
    }

    /// A command that finds the server.
    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.folder.firebell(arguments);
        command.env("FIREBELL_LISTEN", self.server.addr.to_string());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let told = told(&self.command(arguments).output().unwrap());
        assert!(!told.1.contains('\x1b') && !told.2.contains('\x1b'), "colours in a pipe: {told:?}");
        told
    }

    /// Standard output of a command that must work and have nothing to complain of.
    #[track_caller]
    pub fn say(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        stdout
    }

    /// The complaint of a command that must fail.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        stderr
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.say(arguments)).unwrap()
    }
}

#[test]
fn an_incident_is_sent_listed_shown_acknowledged_and_resolved() {
    let setup = Setup::new(CONFIG);
    let url = setup.server.url();
    assert_eq!(setup.say(&["incidents"]), "no incidents yet; `firebell send` makes one to try it\n");
    let sent = setup.say(&[
        "send",
        "Pool exhausted",
        "--service",
        "SER-00002",
        "--severity",
        "sev1",
        "-d",
        "Reached\ncapacity",
        "-k",
        "db",
        "--source-url",
        "https://grafana.example.com/d",
        "-m",
        "region=us-east-1",
        "-m",
        "tier=a=b",
    ]);
    let number = sent.split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(
        sent,
        format!("created: {number} SEV1 new on SER-00002, 1 occurrence(s)\n{url}/incidents/{number}\n")
    );
    let again = setup.say(&["send", "Pool exhausted", "-s", "SER-00002", "-k", "db"]);
    assert!(
        again.starts_with(&format!("repeated: {number} SEV1 new on SER-00002, 2 occurrence(s)\n")),
        "{again}"
    );

    let list = setup.say(&["incidents"]);
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert_eq!(lines[0], "NUMBER        SEV   STATUS         SERVICE     COUNT  LAST SEEN             TITLE");
    assert!(lines[1].starts_with(&format!("{number}  SEV1  new            SER-00002       2  20")), "{list}");
    assert!(lines[1].ends_with("Z  Pool exhausted"), "{list}");

    let shown = setup.say(&["incidents", "show", &number]);
    for line in [
        format!("{number}  SEV1  new"),
        "Pool exhausted".into(),
        "  Reached".into(),
        "  capacity".into(),
        "  service        SER-00002 (Database)".into(),
        "  integration    local".into(),
        "  dedup key      db".into(),
        "  source         https://grafana.example.com/d".into(),
        "  occurrences    2".into(),
        "  region         \"us-east-1\"".into(),
        "  tier           \"a=b\"".into(),
        "timeline, newest first (2 entries)".into(),
    ] {
        assert!(shown.lines().any(|known| known == line), "{line:?} is not in {shown}");
    }
    assert!(shown.ends_with("Z  created by integration:local\n"), "{shown}");

    let title = "Pool exhausted";
    let taken = setup.say(&["incidents", "ack", &number]);
    assert_eq!(taken, format!("{number} is investigating, assigned to local: {title}\n"));
    let again = setup.fail(&["incidents", "ack", &number]);
    assert!(again.contains("(already_acknowledged)"), "{again}");
    let resolved = setup.say(&["incidents", "resolve", &number, "--comment", "Restarted it"]);
    assert_eq!(resolved, format!("{number} is resolved, assigned to local: {title}\n"));
    let shown = setup.say(&["incidents", "show", &number]);
    assert!(shown.contains("resolved by local: status investigating → resolved: Restarted it\n"), "{shown}");
    let unknown = setup.fail(&["incidents", "show", "INC-1999-001"]);
    assert!(unknown.contains("(not_found)"), "{unknown}");
}

#[test]
fn json_for_programs() {
    let setup = Setup::new(CONFIG);
    let sent = setup.json(&["send", "t", "--json"]);
    assert_eq!((&sent["outcome"], &sent["service_id"]), (&"created".into(), &"SER-00001".into()));
    let number = sent["incident_number"].as_str().unwrap();
    let list = setup.json(&["incidents", "--json"]);
    assert_eq!((&list["total"], &list["items"][0]["incident_number"]), (&1.into(), &sent["incident_number"]));
    assert_eq!(setup.json(&["incidents", "list", "--json"]), list);
    let shown = setup.json(&["incidents", "show", number, "--json"]);
    assert_eq!((&shown["title"], &shown["timeline_total"]), (&"t".into(), &1.into()));
    assert_eq!(setup.json(&["incidents", "ack", number, "--json"])["status"], "investigating");
    assert_eq!(setup.json(&["incidents", "resolve", number, "--json"])["status"], "resolved");
}

#[test]
fn filters_and_limits() {
    let setup = Setup::new(CONFIG);
    for (title, service, severity, key, status) in [
        ("a", "SER-00001", "SEV0", "ka", "new"),
        ("b", "SER-00002", "SEV1", "kb", "investigating"),
        ("c", "SER-00002", "SEV3", "kc", "resolved"),
    ] {
        setup.say(&["send", title, "-s", service, "--severity", severity, "-k", key, "--status", status]);
    }
    let titles = |arguments: &[&str]| {
        let list = setup.json(&[&["incidents", "--json"], arguments].concat());
        let titles = list["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap());
        titles.collect::<String>()
    };
    assert_eq!(titles(&[]), "cba");
    assert_eq!(titles(&["--status", "new", "--status", "resolved"]), "ca");
    assert_eq!(titles(&["--severity", "SEV1"]), "b");
    assert_eq!(titles(&["--service", "SER-00002"]), "cb");
    assert_eq!(titles(&["--service", "SER-00002", "--status", "resolved"]), "c");
    assert_eq!(titles(&["--dedup-key", "ka", "--dedup-key", "kb"]), "ba");
    assert_eq!(titles(&["--severity", "SEV4"]), "");
    assert_eq!(titles(&["-n", "2"]), "cb");
    let (code, stdout, stderr) = setup.run(&["incidents", "-n", "1"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 2));
    assert_eq!(stderr, "1 of 3 shown; --limit shows more\n");
    let wrong = setup.fail(&["incidents", "--status", "broken"]);
    assert!(wrong.contains("(validation_error)") && wrong.contains("status"), "{wrong}");
}

#[test]
fn sending_says_what_was_wrong_or_odd_and_a_dry_run_does_nothing() {
    let setup = Setup::new(CONFIG);
    let refused = setup.fail(&["send", "", "--service", "SER-00009", "--severity", "SEV9"]);
    let lines: Vec<_> = refused.lines().collect();
    assert_eq!(lines[0], "3 fields are invalid (validation_error)");
    assert!(lines[1].starts_with("  title ") && lines[2].starts_with("  severity "), "{refused}");
    assert!(lines[3].starts_with("  service_id ") && lines[3].contains("SER-0000"), "{refused}");
    let dry = setup.say(&["send", "t", "--dry-run"]);
    assert_eq!(dry, "would be created: SEV2 new on SER-00001, 1 occurrence(s)\n");
    assert_eq!(
        setup.fail(&["send", "t", "-m", "a=1", "-m", "a=2"]),
        "--metadata a is given twice; an incident has one value of it\n"
    );
    assert_eq!(
        setup.fail(&["send", "t", "-i", "nobody"]),
        "the configuration has no integration \"nobody\"\n"
    );
    let unknown = setup.fail(&["send", "t", "--routing-key", "a-key-that-nobody-has"]);
    assert!(unknown.contains("(unknown_routing_key)"), "{unknown}");
    assert_eq!(setup.say(&["incidents"]), "no incidents yet; `firebell send` makes one to try it\n");
    setup.say(&["send", "t", "-i", "other", "-k", "k"]);
    assert_eq!(setup.json(&["incidents", "--json"])["items"][0]["integration"], "other");
    let (code, _, warned) = setup.run(&["send", "t", "-i", "other", "-k", "k", "-d", ""]);
    assert_eq!(code, Some(0));
    assert!(warned.starts_with("warning: description "), "{warned}");
}

#[test]
fn signed_integrations_are_signed_for() {
    let signed = CONFIG.replace(
        &format!("routing_keys = [\"{KEY}\"]"),
        &format!("routing_keys = [\"{KEY}\"]\nsigning_secrets = [\"a-signing-secret-of-ours\"]"),
    );
    let setup = Setup::new(&signed);
    assert!(setup.say(&["send", "Signed"]).starts_with("created: "));
    let unsigned = setup.fail(&["send", "Not signed", "--routing-key", KEY]);
    assert!(unsigned.contains("(missing_signature)"), "{unsigned}");
    setup
        .folder
        .write("wrong.toml", &signed.replace("a-signing-secret-of-ours", "a-signing-secret-of-others"));
    let wrong = setup.fail(&["send", "Wrongly signed", "--config", "wrong.toml"]);
    assert!(wrong.contains("(invalid_signature)"), "{wrong}");
    assert_eq!(setup.json(&["incidents", "--json"])["total"], 1);
}

#[test]
fn the_token_is_the_first_that_has_the_scope() {
    let setup = Setup::new(&format!("{CONFIG}{TOKENS}"));
    let sent = setup.json(&["send", "t", "--json"]);
    let number = sent["incident_number"].as_str().unwrap();
    assert_eq!(setup.json(&["incidents", "--json"])["total"], 1);
    let taken = setup.say(&["incidents", "ack", number]);
    assert!(taken.contains("assigned to ops@example.org"), "{taken}");
    let lacking = setup.fail(&["incidents", "resolve", number, "--token", "token-of-the-reader-1"]);
    assert!(lacking.contains("(forbidden)"), "{lacking}");
    let wrong = setup.fail(&["incidents", "--token", "token-of-nobody-here"]);
    assert!(wrong.contains("(unauthenticated)"), "{wrong}");
    assert!(!setup.server.said().contains("token-of"), "{}", setup.server.said());
}
