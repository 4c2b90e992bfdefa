//! What people do to incidents from the command line, and the lists they do it from.

use crate::commands::Setup;
use crate::harness::CONFIG;

fn numbers(setup: &Setup, flags: &[&str]) -> Vec<String> {
    let list = setup.json(&[&["incidents", "--json"], flags].concat());
    let number = |item: &serde_json::Value| item["incident_number"].as_str().unwrap()[9..].to_owned();
    list["items"].as_array().unwrap().iter().map(number).collect()
}

#[test]
fn an_incident_made_by_hand_is_handed_on_edited_commented_and_moved() {
    let setup = Setup::new(CONFIG);
    let create = ["incidents", "create", "-t", "Slow", "-s", "SER-00001", "-s", "SER-00002"];
    let created = setup.say(&[&create[..], &["--idempotency-key", "k", "-d", "Since noon"]].concat());
    let number = created.split_whitespace().next().unwrap();
    assert_eq!(created, format!("{number} is new, unassigned: Slow\n"));
    let again = setup.say(&[&create[..], &["--idempotency-key", "k", "-d", "Since noon"]].concat());
    assert_eq!(again, created);
    let edit = ["incidents", "edit", number, "--title", "Down", "--severity", "sev0", "-d", ""];
    assert_eq!(setup.say(&edit), format!("{number} is new, unassigned: Down\n"));
    let assign = |whom| setup.say(&["incidents", "assign", number, whom]);
    assert_eq!(assign("ada@example.org"), format!("{number} is new, assigned to ada@example.org: Down\n"));
    assert_eq!(assign("--nobody"), format!("{number} is new, unassigned: Down\n"));
    assert_eq!(
        setup.say(&["incidents", "status", number, "fixing", "--comment", "- a rollback"]),
        format!("{number} is fixing, unassigned: Down\n")
    );
    let commented = format!("{number} has your comment\n");
    assert_eq!(setup.say(&["incidents", "comment", number, "-1 replica"]), commented);
    let mut piped = setup.command(&["incidents", "comment", number, "-"]);
    let text = setup.folder.path("text");
    std::fs::write(&text, "two\nlines\n").unwrap();
    let output = piped.stdin(std::fs::File::open(text).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), commented);

    let shown = setup.say(&["incidents", "show", number]);
    for line in [
        format!("{number}  SEV0  fixing"),
        "  services       SER-00001 (Website), SER-00002 (Database)".into(),
        "timeline, newest first (7 entries)".into(),
    ] {
        assert!(shown.lines().any(|known| known == line), "{line:?} is not in {shown}");
    }
    let timeline: Vec<_> =
        shown.lines().filter_map(|line| line.split_once("Z  ")).map(|line| line.1).collect();
    assert_eq!(
        timeline,
        [
            "comment by local: two lines",
            "comment by local: -1 replica",
            "status new → fixing by local: - a rollback",
            "assigned to ada@example.org → nothing by local",
            "assigned to nothing → ada@example.org by local",
            "title Slow → Down, description \"Since noon\" → nothing, severity SEV2 → SEV0 by local",
            "created by local",
        ]
    );
    let refused = setup.fail(&["incidents", "status", number, "new"]);
    assert!(refused.contains("(invalid_transition)"), "{refused}");
    assert_eq!(setup.json(&["incidents", "comment", number, "x", "--json"])["kind"], "comment");
}

#[test]
fn several_at_once_and_one_that_refuses_does_not_spare_the_others() {
    let setup = Setup::new(CONFIG);
    let sent: Vec<_> = (0..3).map(|_| setup.json(&["send", "t", "--json"])).collect();
    let number = |at: usize| sent[at]["incident_number"].as_str().unwrap();
    let (one, two, three) = (number(0), number(1), number(2));
    setup.say(&["incidents", "resolve", two]);
    let (code, stdout, stderr) = setup.run(&["incidents", "ack", one, two, three]);
    assert_eq!(
        stdout,
        format!(
            "{one} is investigating, assigned to local: t\n{three} is investigating, assigned to local: t\n"
        )
    );
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with(&format!("{two}: ")) && stderr.ends_with("\nrefused: 1 of 3\n"), "{stderr}");
    let closed = setup.say(&["incidents", "status", one, two, three, "closed", "--json"]);
    assert_eq!(closed.lines().count(), 3);
    assert!(closed.lines().all(|line| line.contains(r#""status":"closed""#)), "{closed}");
    let gone = setup.fail(&["incidents", "ack", one, two, "--url", "http://127.0.0.1:1"]);
    assert_eq!(gone.lines().count(), 1, "{gone}");
}

#[test]
fn lists_are_filtered_sorted_searched_and_paged() {
    let setup = Setup::new(CONFIG);
    for n in 1..=250 {
        let severity = if n % 50 == 0 { "SEV0" } else { "SEV3" };
        let body = format!(
            r#"{{"title":"Disk {n} is full","service_id":"SER-00001","severity":"{severity}","dedup_key":"k{n}"}}"#
        );
        setup.server.post(&body);
    }
    let all = setup.json(&["incidents", "--json", "-n", "10000"]);
    assert_eq!((all["items"].as_array().unwrap().len(), &all["has_more"]), (250, &false.into()));
    let some = numbers(&setup, &["--limit", "120"]);
    assert_eq!((some.len(), some[0].as_str(), some[119].as_str()), (120, "250", "131"));
    let (code, stdout, stderr) = setup.run(&["incidents", "-n", "101"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 102));
    assert_eq!(stderr, "101 of 250 shown; --limit shows more\n");
    assert_eq!(numbers(&setup, &["--sort", "created_at", "-n", "1"]), ["001"]);
    assert_eq!(numbers(&setup, &["--sort=severity", "-n", "2"]), ["250", "200"]);
    assert_eq!(numbers(&setup, &["--search", "disk 123"]), ["123"]);
    assert_eq!(numbers(&setup, &["--integration", "other"]), [""; 0]);
    assert_eq!(numbers(&setup, &["--created-after", "1h", "--severity", "SEV0"]).len(), 5);
    assert_eq!(numbers(&setup, &["--created-before", "1h"]), [""; 0]);
    assert_eq!(numbers(&setup, &["--created-before", "2199-01-01T00:00:00Z", "-n", "1"]), ["250"]);
    assert_eq!(setup.say(&["incidents", "--severity", "SEV4"]), "no incidents match\n");
    let year = all["items"][0]["incident_number"].as_str().unwrap()[..9].to_owned();
    setup.say(&["incidents", "ack", &format!("{year}007")]);
    setup.say(&["incidents", "resolve", &format!("{year}008"), &format!("{year}009")]);
    assert_eq!(numbers(&setup, &["--assigned-to", "local", "--open"]), ["007"]);
    assert_eq!(numbers(&setup, &["--resolved-by", "local", "--resolved-after", "1d"]), ["009", "008"]);
    assert_eq!(setup.json(&["incidents", "--open", "--json"])["total"], 248);
    assert_eq!(numbers(&setup, &["--open", "--status", "resolved", "-k", "k8", "-k", "k7"]), ["008", "007"]);
}
