//! Commands where something is missing: a configuration, a server, a reader, or sense.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use crate::commands::Setup;
use crate::harness::{CONFIG, Folder, OTHER_KEY, free_port, told};

#[test]
fn without_a_configuration_flags_or_the_environment_are_enough() {
    let setup = Setup::new(CONFIG);
    let elsewhere = Folder::new("");
    std::fs::remove_file(elsewhere.path("config.toml")).unwrap();
    let url = setup.server.url();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        told(&elsewhere.firebell(arguments).envs(variables.iter().copied()).output().unwrap())
    };
    let (code, _, stderr) =
        run(&["send", "t", "-s", "SER-00001", "--url", &url], &[("FIREBELL_ROUTING_KEY", OTHER_KEY)]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let (code, stdout, _) = run(&["incidents", "--json"], &[("FIREBELL_URL", &format!("{url}/"))]);
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &list["total"]), (Some(0), &1.into()));
    assert_eq!(run(&["healthcheck", "--url", &url], &[]).1, "ok\n");
    let (code, _, stderr) = run(&["send", "t", "--url", &url], &[]);
    assert_eq!((code, stderr.as_str()), (Some(1), "name the service with --service\n"));
    let (code, _, stderr) = run(&["send", "t", "-s", "SER-00001", "--url", &url], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("name the routing key with --routing-key"), "{stderr}");
    let (code, _, stderr) = run(&["incidents"], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("no configuration: neither config.toml nor"), "{stderr}");
}

#[test]
fn a_server_that_is_not_there_or_is_another() {
    let setup = Setup::new(CONFIG);
    assert_eq!(setup.say(&["healthcheck"]), "ok\n");
    let closed = free_port();
    for command in ["healthcheck", "incidents", "send"] {
        let stderr = setup.fail(&[command, "--url", &format!("http://{closed}")]);
        assert!(stderr.starts_with(&format!("cannot reach http://{closed}: Connection refused")), "{stderr}");
        assert!(stderr.ends_with("is `firebell serve` running there? (--url, FIREBELL_URL)\n"), "{stderr}");
    }
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = other.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>").unwrap();
        });
        let stderr = setup.fail(&["healthcheck", "--url", &format!("http://{addr}")]);
        let expected =
            format!("http://{addr} answered 200 OK, but not as Firebell does; is the URL right?\n");
        assert_eq!(stderr, expected);
    });
    let https = setup.server.url().replace("http:", "https:");
    let stderr = setup.fail(&["healthcheck", "--url", &https]);
    assert!(
        stderr.contains(&format!(
            "plain HTTP, unless a proxy does TLS for it: is {} meant?",
            setup.server.url()
        ))
    );
    let mut command = setup.folder.firebell(&["healthcheck"]);
    let (code, _, stderr) = told(&command.env("FIREBELL_URL", "not a url").output().unwrap());
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("\"not a url\" is no URL of a server"), "{stderr}");
}

#[test]
fn usage_errors_are_exit_code_2_and_help_is_not_one() {
    let folder = Folder::new(CONFIG);
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["serve", "--port", "1"],
        &["incidents", "--limit", "0"],
        &["incidents", "--limit", "10001"],
        &["incidents", "--open", "show", "INC-2026-001"],
        &["incidents", "show", "inc-2026-1"],
        &["incidents", "assign", "INC-2026-001"],
        &["incidents", "edit", "INC-2026-001"],
        &["incidents", "--watch", "--search", "x"],
        &["incidents", "--created-after", "yesterday"],
        &["export", "--resolved-before", "2 hours ago or so"],
        &["incidents", "show"],
        &["send", "--severity"],
        &["send", "t", "--metadata", "novalue"],
        &["send", "t", "--url", "not a url"],
        &["healthcheck", "--url", "ftp://x"],
        &["incidents", "status", "INC-2026-001"],
    ] {
        let (code, stdout, stderr) = told(&folder.run(arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: firebell") || stderr.contains("try '--help'"), "{stderr}");
    }
    for arguments in [
        &["serve"][..],
        &["init"],
        &["check"],
        &["send"],
        &["incidents"],
        &["incidents", "list"],
        &["incidents", "show"],
        &["incidents", "ack"],
        &["incidents", "resolve"],
        &["incidents", "status"],
        &["incidents", "comment"],
        &["incidents", "assign"],
        &["incidents", "edit"],
        &["incidents", "create"],
        &["export"],
        &["healthcheck"],
    ] {
        let (code, stdout, stderr) = told(&folder.run(&[arguments, &["--help"]].concat()));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains(&format!("Usage: firebell {}", arguments.join(" "))), "{stdout}");
    }
    let (code, stdout, _) = told(&folder.run(&["--help"]));
    assert_eq!(code, Some(0));
    for command in ["serve", "init", "check", "send", "incidents", "export", "healthcheck"] {
        assert!(stdout.contains(&format!("\n  {command} ")), "{stdout}");
    }
    let version = format!("firebell {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(told(&folder.run(&["--version"])), (Some(0), version, String::new()));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let setup = Setup::new(CONFIG);
    for n in 0..30 {
        setup.say(&["send", &format!("Incident {n}")]);
    }
    let mut command = setup.folder.firebell(&["incidents"]);
    let mut child = command
        .env("FIREBELL_URL", setup.server.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_is_meant_for_this_machine_goes_through_no_proxy_and_empty_variables_say_nothing() {
    let folder = Folder::new(CONFIG);
    let server = folder.serve();
    let mut command = folder.firebell(&["healthcheck"]);
    command.env("FIREBELL_LISTEN", server.addr.to_string());
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        command.env(proxy, "http://127.0.0.1:1");
    }
    for variable in ["FIREBELL_CONFIG", "FIREBELL_URL", "FIREBELL_TOKEN"] {
        command.env(variable, "");
    }
    assert_eq!(told(&command.output().unwrap()), (Some(0), "ok\n".into(), String::new()));
    server.terminate();
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let folder = Folder::new(CONFIG);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = folder.firebell(&["check"]).stdout(full).output().unwrap();
    let (code, _, stderr) = told(&output);
    assert_eq!((code, stderr.contains("cannot write the output")), (Some(1), true), "{stderr}");
}
