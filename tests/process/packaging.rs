//! The files of `packaging/`, as far as they can be tried without a container or a system of its own.

use std::process::Command;

use crate::audit::audit;
use crate::harness::{Folder, Server, free_port, repository, told};
use crate::http;

fn packaging(name: &str) -> String {
    std::fs::read_to_string(repository().join("packaging").join(name)).unwrap()
}

/// The words of the instruction or option that begins with `name`, without quotes and brackets.
fn words(file: &str, name: &str) -> Vec<String> {
    let line = file.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
    let line = line.split(" #").next().unwrap().replace(['[', ']', ',', '"'], " ");
    line.split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn systemd_understands_all_of_the_unit() {
    let folder = Folder::new("");
    // It looks whether what the unit starts is there.
    folder.write(
        "firebell.service",
        &packaging("firebell.service").replace("/usr/local/bin/firebell", env!("CARGO_BIN_EXE_firebell")),
    );
    let mut verify = Command::new("systemd-analyze");
    let verified = verify.arg("verify").arg(folder.path("firebell.service")).output().unwrap();
    let (code, _, stderr) = told(&verified);
    assert_eq!(code, Some(0), "{stderr}");
    // It complains of other units too, which are none of ours.
    assert!(!stderr.contains("firebell.service"), "{stderr}");
}

#[test]
fn the_containers_steps_lead_to_a_server_that_is_healthy() {
    let (image, compose) = (packaging("Dockerfile"), packaging("compose.yaml"));
    let folder = Folder::new("");
    for place in ["config", "data"] {
        std::fs::create_dir(folder.path(place)).unwrap();
    }
    // A container has its paths and its port to itself.
    let port = free_port().port().to_string();
    let here = |text: &str| {
        let [config, data] = ["config", "data"].map(|place| folder.path(place).display().to_string());
        text.replace("/etc/firebell", &config).replace("/data/", &format!("{data}/")).replace("8080", &port)
    };
    let of_image = ["ENV FIREBELL_CONFIG=", "FIREBELL_STORE_PATH="].map(|name| words(&image, name).remove(0));
    let of_compose = ["FIREBELL_LISTEN:", "FIREBELL_PUBLIC_URL:"].map(|name| words(&compose, name).remove(0));
    let variables = [
        ("FIREBELL_CONFIG", here(&of_image[0])),
        ("FIREBELL_STORE_PATH", here(&of_image[1])),
        ("FIREBELL_LISTEN", here(&of_compose[0])),
        ("FIREBELL_PUBLIC_URL", here(&of_compose[1])),
    ];
    let firebell = |arguments: &[String]| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut command = folder.firebell(&arguments);
        command.envs(variables.clone());
        command
    };
    let run = |argument: &str| told(&firebell(&[argument.to_owned()]).output().unwrap());

    // This one is the image's alone, without what compose adds.
    let made = told(&folder.firebell(&["init"]).envs(variables[..2].to_vec()).output().unwrap());
    assert_eq!(made.0, Some(0), "{made:?}");
    let refused = run("check");
    assert_eq!(refused.0, Some(1), "without a token, the API would be open to a network");
    let step = compose.split("[[tokens]]").nth(1).unwrap().split("#\n").next().unwrap();
    let lines: Vec<_> = step.lines().map(|line| line.trim_start_matches('#').trim()).collect();
    let config = folder.path("config/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[[tokens]]{}\n", lines.join("\n"))).unwrap();
    folder.write("config/ops.token", "0123456789abcdef0123456789abcdef\n");
    assert_eq!(run("check").0, Some(0), "{:?}", run("check"));

    assert_eq!(words(&image, "ENTRYPOINT"), ["firebell"]);
    let mut server = Server::start(firebell(&words(&image, "CMD")));
    server.secrets.push("0123456789abcdef0123456789abcdef".into());
    for health in [words(&image, "HEALTHCHECK"), words(&compose, "test:")] {
        let command: Vec<_> = health.into_iter().skip_while(|word| word != "CMD").skip(1).collect();
        assert_eq!(command[0], "firebell");
        let healthy = told(&firebell(&command[1..]).output().unwrap());
        assert_eq!(healthy, (Some(0), "ok\n".into(), String::new()));
    }
    let answer = http::send(([127, 0, 0, 1], server.addr.port()).into(), "GET", "/readyz", &[], b"");
    assert_eq!(answer.status, 200);
    server.terminate();
    assert_eq!(audit(&folder.path("data/firebell.db")).incidents.len(), 0);
}
