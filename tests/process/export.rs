//! `firebell export`: to standard output and into files, which are complete or not there.

use std::process::Stdio;

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, told};
use crate::scripted::{Running, Scripted};

const TWO: &str = "{\"incident_number\":\"INC-2026-001\"}\n{\"incident_number\":\"INC-2026-002\"}\n";

#[test]
fn standard_output_gets_what_the_filters_select() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let export =
        Running::start(&folder, &server.url(), &["export", "--open", "-s", "web", "--search", "a b"]);
    let request = server.expect("GET /api/v1/export?format=ndjson&status=new&status=investigating&");
    assert!(request.head.contains("&service_id=web&search=a+b HTTP/1.1"), "{}", request.head);
    let mut pieces = request.begin();
    pieces.send(TWO);
    pieces.end();
    let (status, said, complained) = export.end();
    assert_eq!((status.code(), said.join("\n") + "\n", complained.len()), (Some(0), TWO.into(), 0));
}

#[test]
fn the_configurations_token_is_for_its_own_server() {
    let server = Scripted::start();
    let token = "[[tokens]]\nname = 'reader'\ntoken = 'token-of-the-reader-1'\nscopes = ['incidents:read']\n";
    let head = |config: &str| {
        let folder = Folder::new(&format!("{config}{token}"));
        let export = Running::start(&folder, &server.url(), &["export"]);
        let request = server.expect("GET /api/v1/export");
        let head = request.head.clone();
        request.begin().end();
        assert_eq!(export.end().0.code(), Some(0));
        head
    };
    let other = CONFIG.replace("127.0.0.1:0", "127.0.0.1:1");
    assert!(!head(&other).contains("authorization"));
    for own in [
        CONFIG.replace("127.0.0.1:0", &server.addr.to_string()),
        CONFIG.replace("127.0.0.1:0", &format!("0.0.0.0:{}", server.addr.port())),
        format!("public_url = '{}/'\n{other}", server.url()),
    ] {
        assert!(head(&own).contains("authorization: bearer token-of-the-reader-1\r\n"), "{own}");
    }
}

#[test]
fn a_file_is_complete_or_not_there() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let export = |arguments: &[&str]| {
        Running::start(&folder, &server.url(), &[&["export", "--output", "out.csv"], arguments].concat())
    };
    let files = || {
        let files = std::fs::read_dir(folder.path(".")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    let running = export(&["--format", "csv"]);
    let mut pieces = server.expect("GET /api/v1/export?format=csv ").begin();
    pieces.send("number,title\r\n");
    drop(pieces);
    let (status, said, complained) = running.end();
    assert_eq!((status.code(), said.len()), (Some(1), 0));
    assert!(complained[0].starts_with("the export was cut short: "), "{complained:?}");
    assert!(complained[0].ends_with("; nothing is complete, start it again"), "{complained:?}");
    assert_eq!(files(), ["config.toml"]);

    let running = export(&["--format", "csv"]);
    let refusal = r#"{"error":{"code":"overloaded","message":"two exports are running"}}"#;
    server.expect("GET /api/v1/export").answer("503 Service Unavailable", refusal);
    let (status, _, complained) = running.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(complained, ["two exports are running (overloaded)", "  try again in a few s"]);
    assert_eq!(files(), ["config.toml"]);

    let running = export(&["--format", "csv"]);
    let mut pieces = server.expect("GET /api/v1/export").begin();
    pieces.send("number,title\r\n1,\"two\nlines\"\r\n");
    assert!(!folder.path("out.csv").exists());
    pieces.end();
    let (status, said, _) = running.end();
    assert_eq!((status.code(), said), (Some(0), vec!["1 incident(s) are in out.csv".into()]));
    let written = std::fs::read_to_string(folder.path("out.csv")).unwrap();
    assert_eq!(written, "number,title\r\n1,\"two\nlines\"\r\n");
    assert_eq!(files(), ["config.toml", "out.csv"]);

    let (status, _, complained) = export(&[]).end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(complained, ["out.csv exists already and was left as it is; --force overwrites it"]);
    let running = export(&["--force"]);
    let mut pieces = server.expect("GET /api/v1/export").begin();
    pieces.send(TWO);
    pieces.end();
    assert_eq!(running.end().0.code(), Some(0));
    assert_eq!(std::fs::read_to_string(folder.path("out.csv")).unwrap(), TWO);
}

#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let folder = Folder::new(CONFIG);
    std::os::unix::fs::symlink("/dev/null", folder.path("null")).unwrap();
    for output in ["null", ".", "/dev/null"] {
        let (code, _, stderr) = told(&folder.run(&["export", "--force", "--output", output]));
        assert_eq!(code, Some(1));
        assert!(stderr.contains("is no regular file; write to standard output"), "{stderr}");
    }
    let (code, _, stderr) =
        told(&folder.run(&["export", "--url", "http://127.0.0.1:1", "--output", "absent"]));
    assert_eq!((code, folder.path("absent").exists()), (Some(1), false));
    assert!(stderr.starts_with("cannot reach http://127.0.0.1:1"), "{stderr}");
}

#[test]
fn a_reader_that_leaves_is_no_error_and_a_full_disk_is_one() {
    let (folder, server) = (Folder::new(CONFIG), Scripted::start());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (stdout, code) in [(Stdio::piped(), 0), (Stdio::from(full), 1)] {
        let mut command = folder.firebell(&["export", "--url", &server.url()]);
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut pieces = server.expect("GET /api/v1/export").begin();
        pieces.send(TWO);
        pieces.end();
        let (ended, _, stderr) = told(&child.wait_with_output().unwrap());
        assert_eq!((ended, stderr.contains("cannot write the output")), (Some(code), code == 1), "{stderr}");
    }
}

#[test]
fn a_real_server_exports_all_of_it() {
    let setup = Setup::new(CONFIG);
    for n in 0..300 {
        let severity = if n % 3 == 0 { "SEV0" } else { "SEV1" };
        setup.server.post(&format!(
            r#"{{"title":"It is\ndown \"{n}\"","service_id":"SER-00001","severity":"{severity}"}}"#
        ));
    }
    let all = setup.say(&["export"]);
    assert_eq!(all.lines().count(), 300);
    let first: serde_json::Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
    assert_eq!(first["title"], "It is\ndown \"0\"");
    let told = setup.say(&["export", "--format", "csv", "--severity", "SEV0", "-o", "worst.csv"]);
    assert_eq!(told, "100 incident(s) are in worst.csv\n");
    assert!(setup.fail(&["export", "--status", "broken"]).contains("(validation_error)"));
}
