//! `firebell sources`: what is understood, and what a body on disk would become, without a server.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{CONFIG, Folder, repository, told};

fn fixture(name: &str) -> String {
    repository().join("tests/fixtures").join(name).display().to_string()
}

/// A folder without a configuration.
fn empty() -> Folder {
    let folder = Folder::new("");
    std::fs::remove_file(folder.path("config.toml")).unwrap();
    folder
}

fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String, String) {
    told(&folder.run(&[&["sources"], arguments].concat()))
}

const MINE: &str = "[[integrations]]\nname = 'mine'\nsource = 'mapping'\nrouting_keys = ['a-key-of-its-own-0123']\n\
                    default_service = 'SER-00001'\n[integrations.mapping]\ntitle = \"payload.t\"\nservice_id = \"payload.s\"\n";

#[test]
fn every_source_is_listed_and_presets_are_shown_as_they_are() {
    let folder = empty();
    let (code, list, _) = run(&folder, &["list"]);
    assert_eq!(code, Some(0));
    for (name, text) in firebell::source::presets::ALL {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {list}");
        let (code, shown, _) = run(&folder, &["show", name]);
        assert_eq!((code, shown.trim_end()), (Some(0), text.trim_end()));
    }
    assert!(list.starts_with("custom  "), "{list}");
    let (code, _, stderr) = run(&folder, &["show", "graphana"]);
    assert_eq!(code, Some(1));
    assert!(stderr.ends_with("did you mean grafana?\n"), "{stderr}");
}

/// What people copy into Netdata's configuration, with what alarms may say.
#[test]
fn netdatas_script_makes_json_of_anything() {
    let folder = empty();
    let (_, shown, _) = run(&folder, &["show", "netdata"]);
    let begin = shown.find("  custom_sender() {").unwrap();
    let end = begin + shown[begin..].find("\n  }\n").unwrap() + 5;
    let values = "host='a\"b'; alarm_id=7; name='c\\d'; chart=e; status=CRITICAL; value_string='9 %'; goto_url=http://x; \
                  info=$'disk \"sda\" \\ path\\\\ \\\n\tnext'; sent=0\n";
    // In the place of Netdata's own, which calls curl with the same arguments.
    let docurl = "docurl() { while [ $# -gt 0 ]; do [ \"$1\" = --data-binary ] && printf '%s' \"$2\" >body.json; shift; done; echo 200; }\n";
    let script = format!("{docurl}{values}{}\ncustom_sender\n[ $sent = 1 ]\n", &shown[begin..end]);
    folder.write("script.bash", &script);
    let status =
        std::process::Command::new("bash").arg("script.bash").current_dir(folder.path(".")).status().unwrap();
    assert!(status.success());
    let body: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path("body.json")).unwrap()).unwrap();
    assert_eq!(
        (&body["host"], &body["name"], &body["alarm_id"]),
        (&"a\"b".into(), &"c\\d".into(), &"7".into())
    );
    assert_eq!(body["info"], "disk \"sda\" \\ path\\ \\  next");
    let (code, stdout, _) = run(&folder, &["try", "netdata", "body.json"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("SEV1  new  a\"b: c\\d\n"), "{stdout}");
}

#[test]
fn a_body_on_disk_is_tried_on_a_preset_without_any_configuration() {
    let folder = empty();
    let (code, stdout, stderr) = run(&folder, &["try", "grafana", &fixture("grafana/group-mixed.json")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.starts_with("2 alert(s)\n\nSEV0  new  Memory of web1.example.org is almost used up\n"),
        "{stdout}"
    );
    assert!(stdout.contains("\nSEV2  resolved  "), "{stdout}");
    assert!(stdout.contains("\n  dedup_key    ff69fbc7e771bb5f\n"), "{stdout}");
    let (_, stdout, _) = run(&folder, &["try", "grafana", &fixture("grafana/test.json")]);
    assert_eq!(stdout, "0 alert(s), 1 ignored\n");

    let sentry = fixture("sentry/firing.json");
    let resource = "Sentry-Hook-Resource: ";
    for (header, count) in [("event_alert", 1), ("comment", 0)] {
        let header = format!("{resource}{header}");
        let (_, stdout, _) = run(&folder, &["try", "sentry", &sentry, "-H", &header, "--json"]);
        let parsed: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(parsed["alerts"].as_array().unwrap().len(), count, "{stdout}");
    }

    folder.write("config.toml", "listen = 1");
    let (code, _, stderr) = run(&folder, &["try", "mine", &fixture("grafana/test.json")]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("config.toml:1:10: "), "{stderr}");
    let mut command = folder.firebell(&["sources", "try", "generic", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"title\": \"Backup failed\"}").unwrap();
    let stdout = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(stdout.contains("\n(default severity)  new  Backup failed\n"), "{stdout}");
}

#[test]
fn a_mapping_of_ones_own_is_tried_with_its_services() {
    let folder = Folder::new(&format!("{CONFIG}{MINE}"));
    folder.write("body.json", "{\"t\": \"Down\", \"s\": \"SER-00003\"}");
    let (code, stdout, _) = run(&folder, &["try", "mine", "body.json"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\n  service_id   SER-00001\n"), "{stdout}");
    assert!(
        stdout.contains("\n  warning: service_id is \"SER-00003\", which is no service in the configuration"),
        "{stdout}"
    );
    assert!(stdout.contains("\n  dedup_key    none: each is an incident of its own\n"), "{stdout}");
}

#[test]
fn what_would_be_refused_is_told_as_the_server_would() {
    let folder = Folder::new(&format!("{CONFIG}{MINE}"));
    folder.write("wrong.json", "{\"x\": 1}");
    folder.write("broken.json", "{\"t\": \n\"a}");
    for (arguments, expected) in [
        (
            ["try", "mine", "wrong.json"],
            "`title` is required, and nothing in the body gives one (validation_error)\n",
        ),
        (
            ["try", "mine", "broken.json"],
            "the body is not JSON: EOF while parsing a string (line 2, column 3) (invalid_json)\n",
        ),
        (["try", "mine", "none.json"], "cannot read none.json: No such file or directory (os error 2)\n"),
        (
            ["try", "mien", "wrong.json"],
            "\"mien\" is neither a preset nor an integration of the configuration; did you mean mine?\n",
        ),
    ] {
        let (code, stdout, stderr) = run(&folder, &arguments);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(1), "", expected), "{arguments:?}");
    }
    let (code, _, stderr) = run(&folder, &["try", "mine", "wrong.json", "-H", "no header"]);
    assert_eq!((code, stderr.as_str()), (Some(1), "--header \"no header\" is not \"NAME: VALUE\"\n"));
}

#[test]
fn a_wrong_expression_is_found_before_there_is_a_request() {
    let folder =
        Folder::new(&format!("{CONFIG}{MINE}description = \"payload.d|loud\"\nseverity = \"paylaod.v\"\n"));
    let (code, _, stderr) = told(&folder.run(&["check"]));
    assert_eq!(code, Some(1));
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "config.toml:25:15: `integrations.mapping.description` is not a valid expression: unknown filter: filter loud is \
             unknown, at its character 11: `payload.d|loud`",
            "config.toml:26:12: `integrations.mapping.severity` is not a valid expression: unknown name `paylaod`; did you mean \
             `payload`?: `paylaod.v`",
        ]
    );
    let (code, _, refused) = told(&folder.run(&["serve"]));
    assert_eq!((code, refused), (Some(1), stderr));
}

#[test]
fn send_speaks_its_own_format_only() {
    let folder = Folder::new(&format!("{CONFIG}{MINE}"));
    let (code, _, stderr) = told(&folder.run(&["send", "t", "--integration", "mine"]));
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("mine takes another format than this command sends; "), "{stderr}");
}
