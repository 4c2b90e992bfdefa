//! Silences at a terminal: made, listed, outlived by a kill, and ended.

use serde_json::json;

use crate::commands::Setup;
use crate::harness::{CONFIG, alert};
use crate::receiver::Receiver;

#[test]
fn silences_are_made_listed_outlive_a_kill_and_are_ended() {
    let receiver = Receiver::new();
    let config = format!(
        "{CONFIG}
         [[channels]]
         name = 'hook'
         kind = 'webhook'
         with = {{ url = '{}' }}
         [[routes]]
         channels = ['hook']
         digest = '0s'",
        receiver.url()
    );
    let mut setup = Setup::new(&config);
    assert_eq!(setup.say(&["silences"]), "there are no silences\n");
    let far = ["silences", "add", "--severity", "SEV3", "--severity", "sev1", "--integration", "other"];
    let more = [
        "-m",
        "env=prod",
        "--text",
        "-disk",
        "--from",
        "2026-01-01T00:00:00Z",
        "--until",
        "2026-01-01T01:00:00Z",
    ];
    let wrong = setup.fail(&[&far[..], &more, &["--comment", "Long ago"]].concat());
    assert!(wrong.contains("ends_at") && wrong.contains("must be in the future"), "{wrong}");
    let made = setup.say(&[
        "silences",
        "add",
        "--service",
        "SER-00001",
        "--for",
        "2h",
        "--comment",
        "Moving the racks",
    ]);
    assert!(made.starts_with("silence 1 from 20") && made.ends_with(": SER-00001\n"), "{made}");
    setup.server.post(&alert("a"));
    setup.server.post(&alert("b"));
    let listed = setup.json(&["silences", "--state", "active", "--json"]);
    assert_eq!(listed, setup.server.get("/api/v1/silences?state=active&limit=20"));
    assert_eq!(
        (&listed["items"][0]["incidents"], &listed["items"][0]["comment"]),
        (&json!(2), &json!("Moving the racks"))
    );
    let list = setup.say(&["silences"]);
    let lines: Vec<_> = list.lines().collect();
    assert!(lines[0].starts_with("ID  STATE ") && lines[1].starts_with(" 1  active  20"), "{list}");
    assert!(lines[1].ends_with("SER-00001          2  local   Moving the racks"), "{list}");
    for usage in [
        &["silences", "add", "--all", "--comment", "x"][..],
        &["silences", "add", "--all", "--for", "2w", "--comment", "x"],
        &["silences", "add", "--all", "--for", "2h", "--metadata", "env", "--comment", "x"],
        &["silences", "end"],
        &["silences", "end", "one"],
    ] {
        assert_eq!(setup.run(usage).0, Some(2), "{usage:?}");
    }
    let nothing = setup.fail(&["silences", "add", "--for", "2h", "--comment", "x"]);
    assert!(nothing.contains("has no condition"), "{nothing}");

    let Setup { folder, server } = setup;
    server.kill();
    let server = folder.serve();
    setup = Setup { folder, server };
    setup.server.post(&alert("c"));
    receiver.is_silent();
    let ended = setup.say(&["silences", "end", "1"]);
    assert!(ended.starts_with("silence 1 ended 20"), "{ended}");
    assert_eq!(receiver.next().json()["data"]["count"], 3);
    assert_eq!(setup.say(&["silences", "--state", "active"]), "no silence matches\n");
    setup.say(&["silences", "add", "--all", "--for", "2h", "--comment", "All day"]);
    setup.say(&["silences", "add", "--all", "--for", "2h", "--comment", "A slip"]);
    setup.say(&["silences", "end", "3"]);
    let (_, first, left) = setup.run(&["silences", "-n", "1"]);
    assert!(first.contains("All day") && first.lines().count() == 2, "{first}");
    assert_eq!(left, "1 of 3 shown; --limit shows more\n");
    let all = setup.json(&["silences", "--json"]);
    let ids: Vec<_> = all["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(
        (&all["total"], &all["has_more"], ids),
        (&json!(3), &json!(false), vec![json!(2), json!(3), json!(1)])
    );
    let again = setup.fail(&["silences", "end", "1"]);
    assert!(again.contains("silence 1 is over"), "{again}");
    let over = setup.json(&["silences", "--state", "over", "--json"]);
    assert_eq!((&over["total"], &over["items"][0]["ended_by"]), (&json!(2), &json!("local")));
}
