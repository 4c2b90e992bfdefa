//! The README's examples, run as they stand.
//!
//! A block that begins with ```` ```sh test ```` is run by `bash -eu`, all of them in order and in one folder, which
//! holds the shipped `config.toml`; `firebell` is in the PATH, and http://127.0.0.1:8080 is a server that was started
//! with that file. A block ```` ```text output ```` right after it is what it must print; `…` stands for anything, and
//! on a line of its own for any lines.

use std::path::Path;
use std::process::Command;

use crate::harness::{Folder, Server, repository, told};

/// A fenced block: what stands after the fence, and what is in it.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    info: String,
    text: String,
    /// Nothing but white space is between it and the block before.
    follows: bool,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    let mut follows = false;
    while let Some(line) = lines.next() {
        match line.strip_prefix("```") {
            Some(info) => {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                let text = inside.map(|line| format!("{line}\n")).collect();
                blocks.push(Block { info: info.to_owned(), text, follows });
                follows = true;
            }
            None => follows &= line.trim().is_empty(),
        }
    }
    blocks
}

/// Whether `actual` is what `expected` says, line by line.
fn fits(expected: &[&str], actual: &[&str]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        (["…", rest @ ..], _) => (0..=actual.len()).any(|skipped| fits(rest, &actual[skipped..])),
        ([line, rest @ ..], [first, others @ ..]) => line_fits(line, first) && fits(rest, others),
        _ => false,
    }
}

fn line_fits(expected: &str, actual: &str) -> bool {
    let Some((before, after)) = expected.split_once('…') else { return expected == actual };
    let Some(rest) = actual.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| line_fits(after, &rest[at..]))
}

#[test]
fn blocks_and_wildcards_are_understood() {
    let markdown = "```sh test\na\nb\n```\n\n```text output\nc\n```\ntext\n```text output\n```\n";
    let block = |info: &str, text: &str, follows| Block { info: info.into(), text: text.into(), follows };
    let expected = [
        block("sh test", "a\nb\n", false),
        block("text output", "c\n", true),
        block("text output", "", false),
    ];
    assert_eq!(blocks(markdown), expected);
    assert!(
        line_fits("a…c…", "abbc") && line_fits("…", "") && !line_fits("a…c", "abd") && !line_fits("a", "ab")
    );
    assert!(fits(&["a", "…", "d"], &["a", "b", "c", "d"]) && fits(&["a", "…"], &["a"]));
    assert!(!fits(&["a"], &["a", "b"]) && !fits(&["a", "b"], &["a"]));
}

#[test]
fn every_runnable_block_does_what_it_says() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
    let blocks = blocks(&readme);
    assert!(blocks.iter().any(|block| block.info == "sh test"), "README.md has no runnable block");
    let folder = Folder::new(&std::fs::read_to_string(repository().join("config.toml")).unwrap());
    let mut serve = folder.firebell(&["serve"]);
    let server = Server::start({
        serve.env("FIREBELL_LISTEN", "127.0.0.1:0");
        serve
    });
    for (index, block) in blocks.iter().enumerate() {
        if block.info != "sh test" {
            assert!(
                block.info != "text output" || (block.follows && blocks[index - 1].info == "sh test"),
                "{block:?}"
            );
            continue;
        }
        let script = block.text.replace("http://127.0.0.1:8080", &server.url());
        let stdout = run(&script, &folder, &server);
        let output = blocks.get(index + 1).filter(|next| next.follows && next.info == "text output");
        if let Some(output) = output {
            let wanted = output.text.replace("http://127.0.0.1:8080", &server.url());
            let (expected, actual): (Vec<_>, Vec<_>) = (wanted.lines().collect(), stdout.lines().collect());
            assert!(fits(&expected, &actual), "{script}printed:\n{stdout}instead of:\n{wanted}");
        }
    }
    server.assert_well();
    server.terminate();
}

fn run(script: &str, folder: &Folder, server: &Server) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_firebell")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-eu", "-o", "pipefail", "-c", script]).current_dir(folder.path(""));
    // Commands find the server by `listen`, as they do where nothing is overridden.
    bash.env("PATH", path).env("FIREBELL_LISTEN", server.addr.to_string()).env_remove("FIREBELL_CONFIG");
    let (code, stdout, stderr) = told(&bash.stdin(std::process::Stdio::null()).output().unwrap());
    assert_eq!(code, Some(0), "{script}\n{stdout}\n{stderr}");
    stdout
}
