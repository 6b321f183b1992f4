//! What README promises, done as it says: flags alone serve, and every verb agrees about what happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{Authority, Nginx, Node, address, eventually, get};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");
const SOON: Duration = Duration::from_secs(20);

/// Ended with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn flags_alone_serve_and_every_verb_agrees() {
    let servers = [Nginx::demo("web-1", address()), Nginx::demo("web-2", address())];
    let listen = SocketAddr::new(address(), 8080);
    // A node that is not started by its file: its folder and its admin socket are what is needed.
    let node = Node::prepared(BINARY, "");
    let (listen_flag, to) = (listen.to_string(), servers.each_ref().map(|server| server.address.to_string()));
    let flags = ["run", "--listen", &listen_flag, "--to", &to[0], "--to", &to[1]];
    let mut command = Command::new(BINARY);
    command.args(flags).env("HAECHI_ADMIN_SOCKET", node.folder().join("admin.sock"));
    let _running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    eventually(SOON, "it answers", || node.verb(&["status"]).code == 0);
    for name in ["web-1", "web-2"] {
        node.wait_health("web", name, "healthy", SOON);
    }

    let url = format!("http://{listen}/");
    let test = node.verb(&["test", &url, "-n", "10", "-o", "json"]);
    assert_eq!(test.code, 0, "{test:?}");
    let test: Value = serde_json::from_str(&test.out).unwrap();
    assert_eq!((&test["requests"], &test["failed"]), (&10.into(), &0.into()), "{test}");
    let by = &test["answeredBy"];
    assert_eq!((&by["web-1"], &by["web-2"]), (&5.into(), &5.into()), "round robin is exact: {test}");

    let status = node.status();
    assert_eq!(status["config"]["source"], "command line");
    assert_eq!(status["listeners"][0]["requests"], 10);
    for endpoint in status["pools"][0]["endpoints"].as_array().unwrap() {
        assert_eq!((&endpoint["requests"], &endpoint["statuses"][1]), (&5.into(), &5.into()), "{endpoint}");
        assert_eq!((&endpoint["serving"], &endpoint["failures"]), (&true.into(), &0.into()), "{endpoint}");
    }

    let drain = node.verb(&["endpoint", "drain", "web/web-1", "--wait", "5s"]);
    assert_eq!(drain.code, 0, "{drain:?}");
    for _ in 0..4 {
        assert_eq!(get(listen, "/").unwrap().json("pod").unwrap(), "web-2");
    }
    assert_eq!(node.verb(&["endpoint", "enable", "web/web-1"]).code, 0);

    let events = node.verb(&["events", "-o", "json"]);
    let events: Vec<Value> = events.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "adminChanged").count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "healthChanged").count(), 2, "{kinds:?}");

    let reload = node.verb(&["reload"]);
    assert!(reload.code == 0 && reload.out.starts_with("no changes"), "flags do not change: {reload:?}");

    let printed = node.verb(&[&flags[..], &["--print-config"]].concat());
    assert_eq!(printed.code, 0, "{printed:?}");
    node.write(&printed.out);
    let check = node.verb(&["check", "-c", "haechi.yaml", "--deny-warnings"]);
    assert_eq!(check.code, 0, "{check:?}");
    let again = node.verb(&["run", "-c", "haechi.yaml", "--print-config"]);
    assert_eq!(again.out, printed.out, "the printed file means what the flags mean");
}

/// The blocks of this language in README.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    include_str!("../../README.md")
        .split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_config_in_readme_is_right() {
    let blocks = blocks("yaml");
    assert!(!blocks.is_empty());
    for block in &blocks {
        // What is added to a config is right together with it.
        let whole =
            if block.contains("listeners:") { (*block).to_owned() } else { format!("{}{block}", blocks[0]) };
        let node = Node::prepared(BINARY, &whole);
        // The files that it names.
        Authority::new("README").leaf(&["shop.example.com"]).write(node.folder(), "shop");
        let check = node.verb(&["check", "-c", "haechi.yaml", "--deny-warnings"]);
        assert_eq!(check.code, 0, "{check:?}");
    }
}

/// A verb or flag that README names is one that exists: its help knows it.
#[test]
fn the_commands_in_readme_exist() {
    let node = Node::prepared(BINARY, "");
    let text = include_str!("../../README.md");
    let in_cells = text.split('`').skip(1).step_by(2);
    let in_blocks = blocks("sh").into_iter().flat_map(str::lines);
    let lines: Vec<&str> = in_cells.chain(in_blocks).filter(|line| line.starts_with("haechi ")).collect();
    assert!(lines.len() >= 10, "{lines:?}");
    for line in lines {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().skip(1).collect();
        let nested = ["endpoint", "lab"].contains(&words[0]) && words.len() > 1;
        let help = node.verb(&[&words[..1 + usize::from(nested)], &["--help"]].concat());
        assert_eq!(help.code, 0, "{line}: {help:?}");
        for flag in words.iter().filter(|word| word.starts_with('-')) {
            let known = help.out.split_whitespace().any(|word| word.trim_end_matches(',') == *flag);
            assert!(known, "{line}: {flag} stands in no help");
        }
    }
}
