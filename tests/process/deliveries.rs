//! `firebell deliveries`, and what is kept over the end of a process.

use rustix::process::Signal;
use serde_json::json;

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, KEY, OTHER_KEY, alert};
use crate::http;

const MAIL: &str = "[[services]]\nid = \"SER-00003\"\nname = \"Mail\"\n";

fn for_mail() -> String {
    json!({ "title": "No mail", "service_id": "SER-00003", "dedup_key": "mail", "metadata": { "via": KEY } })
        .to_string()
}

#[test]
fn what_was_refused_is_listed_shown_and_sent_again_once_it_can_go_in() {
    let setup = Setup::new(CONFIG);
    let server = &setup.server;
    assert_eq!(setup.say(&["deliveries"]), "nothing was delivered yet\n");
    server.post(&alert("k"));
    http::send(server.addr, "POST", &format!("/webhooks/{OTHER_KEY}"), &[], b"{");
    server.post(&for_mail());
    let list = setup.say(&["deliveries"]);
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[0], "ID  TIME                  INTEGRATION  STATUS  BYTES  RESULT");
    assert!(lines[1].starts_with(" 3  20") && lines[1].contains("Z  local        400  "), "{list}");
    assert!(
        lines[1].contains("  validation_error: `service_id` is \"SER-00003\", which is no service"),
        "{list}"
    );
    assert!(lines[2].contains("Z  other        400         1  invalid_json: "), "{list}");
    assert!(lines[3].contains("Z  local        201  ") && lines[3].contains("  created INC-"), "{list}");
    assert_eq!(lines.len(), 4);
    assert_eq!(setup.say(&["deliveries", "other"]).lines().count(), 2);
    assert_eq!(setup.say(&["deliveries", "local", "--refused"]).lines().count(), 2);
    let (code, stdout, stderr) = setup.run(&["deliveries", "-n", "1"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 2));
    assert_eq!(stderr, "1 of 3 shown; --limit shows more\n");
    let listed = setup.json(&["deliveries", "local", "--json"]);
    assert_eq!(listed, server.get("/api/v1/integrations/local/deliveries"));
    let all = setup.json(&["deliveries", "--json"]);
    let ids: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect();
    assert_eq!((ids, &all["total"]), (vec![3, 2, 1], &json!(3)));

    let shown = setup.say(&["deliveries", "show", "local", "3"]);
    assert!(shown.starts_with("3 of local, 20") && shown.contains("\n400 validation_error: "), "{shown}");
    let kept = for_mail().replace(KEY, "[redacted]");
    assert!(shown.ends_with(&format!("\n\n{kept}\n")), "{shown}");

    let still = setup.fail(&["deliveries", "replay", "local", "3"]);
    assert!(still.contains("(validation_error)"), "{still}");
    setup.folder.write("config.toml", &format!("{CONFIG}{MAIL}"));
    server.signal(Signal::HUP);
    server.wait_for("reloaded");
    let dry = setup.say(&["deliveries", "replay", "local", "3", "--dry-run"]);
    assert!(dry.starts_with("would be created: SEV2 new on SER-00003, "), "{dry}");
    let again = setup.say(&["deliveries", "replay", "local", "3"]);
    assert!(
        again.starts_with("created: INC-") && again.contains(" SEV2 new on SER-00003, 1 occurrence(s)\n"),
        "{again}"
    );
    assert_eq!(setup.json(&["incidents", "--json", "--dedup-key", "mail"])["total"], 1);
    let list = setup.say(&["deliveries", "local"]);
    assert!(list.contains("  3 again: created INC-"), "{list}");

    let unknown = setup.fail(&["deliveries", "lokal"]);
    assert!(unknown.contains("did you mean local?") && unknown.contains("(not_found)"), "{unknown}");
    let unknown = setup.fail(&["deliveries", "show", "local", "99"]);
    assert!(unknown.contains("local has no delivery \"99\""), "{unknown}");
    assert_eq!(setup.run(&["deliveries", "--refused", "show", "local", "1"]).0, Some(2));
    assert!(!server.said().contains("No mail"), "{}", server.said());
}

#[test]
fn what_was_refused_outlives_the_process() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    server.post(&for_mail());
    server.terminate();
    folder.write("config.toml", &format!("{CONFIG}{MAIL}"));
    let server = folder.serve();
    let path = "/api/v1/integrations/local/deliveries";
    let kept = &server.get(path)["items"][0];
    assert_eq!((&kept["status"], &kept["can_replay"]), (&json!(400), &json!(true)));
    let replay = format!("{path}/{}/replay", kept["id"]);
    let again = http::send(server.addr, "POST", &replay, &[], b"");
    assert_eq!((again.status, &again.data()["outcome"]), (201, &json!("created")));
    server.terminate();
}
