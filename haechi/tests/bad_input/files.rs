//! The cases: files that are no config, and configs with one thing wrong.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use haechi_tests::Node;

use crate::{BINARY, clear, json, verb};

/// One way to be wrong.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    make: fn(&Path, &str),
    /// What a person must read.
    pub(crate) says: &'static str,
    /// Code and place of its diagnostic, if it has one: the place of this text.
    at: Option<(&'static str, &'static str)>,
}

impl Case {
    /// Puts the bad file where `path` is; `good` is a config to spoil.
    pub(crate) fn put(&self, path: &PathBuf, good: &str) {
        clear(path);
        (self.make)(path, good);
    }
}

/// A config that serves, in block style so that each thing has a line of its own.
pub(crate) fn good(listen: SocketAddr, endpoint: SocketAddr) -> String {
    format!(
        "listeners:\n  web:\n    bind: \"{listen}\"\n    protocol: http\n    routes:\n      - pool: web\npools:\n  web:\n    \
         endpoints:\n      web-1: {{ address: \"{endpoint}\", weight: 1 }}\n    healthCheck:\n      path: /health\n      \
         interval: 2s\n      timeout: 1s\n"
    )
}

fn replaced(path: &Path, good: &str, from: &str, to: &str) {
    assert!(good.contains(from), "{from:?} is in the good config");
    std::fs::write(path, good.replace(from, to)).unwrap();
}

const fn file(name: &'static str, says: &'static str, make: fn(&Path, &str)) -> Case {
    Case { name, make, says, at: None }
}

const fn text(
    name: &'static str,
    at: (&'static str, &'static str),
    says: &'static str,
    make: fn(&Path, &str),
) -> Case {
    Case { name, make, says, at: Some(at) }
}

pub(crate) const CASES: &[Case] = &[
    file("a missing file", "there is no such file", |_, _| {}),
    file("a folder", "it is a directory; name the file in it", |path, _| std::fs::create_dir(path).unwrap()),
    file("a link to nothing", "it is a link to ..data/haechi.yaml, and nothing is there", |path, _| {
        symlink("..data/haechi.yaml", path).unwrap();
    }),
    file("a device without end", "not a file", |path, _| symlink("/dev/zero", path).unwrap()),
    file("a pipe that nobody writes to", "not a file", |path, _| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }),
    file("a sparse file of 100 MB", "it is larger than 16 MiB", |path, _| {
        File::create(path).unwrap().set_len(100_000_000).unwrap();
    }),
    file("17 MB of a comment", "it is larger than 16 MiB", |path, good| {
        let mut file = File::create(path).unwrap();
        file.write_all(good.as_bytes()).unwrap();
        file.write_all("# padding\n".repeat(1_700_000).as_bytes()).unwrap();
    }),
    file(
        "a text that is not UTF-8",
        "it is not UTF-8 text (line 2, byte 15); save it as UTF-8",
        |path, _| {
            std::fs::write(path, b"node:\n  name: \xe9\n").unwrap();
        },
    ),
    file("zeros, as a crash can leave them", "HCH01", |path, _| std::fs::write(path, [0; 4096]).unwrap()),
    text("an empty file", ("HCH0102", ""), "the file is empty", |path, _| std::fs::write(path, "").unwrap()),
    text("half a file", ("HCH0101", "\"127"), "error[HCH0101]", |path, good| {
        // Cut inside of the quotes of `bind`.
        std::fs::write(path, &good[..good.find("127").unwrap() + 5]).unwrap();
    }),
    text("an unknown key", ("HCH0201", "healthCheckk"), "did you mean `healthCheck`?", |path, good| {
        replaced(path, good, "healthCheck:", "healthCheckk:");
    }),
    text("a name given twice", ("HCH0203", "web-1: \"10"), "given twice", |path, good| {
        replaced(path, good, "    healthCheck:", "      web-1: \"10.0.0.1:80\"\n    healthCheck:");
    }),
    text("a bad address", ("HCH0307", "\"999."), "not an IP address with a port", |path, good| {
        replaced(path, good, "bind: \"127.", "bind: \"999.");
    }),
    text(
        "a name for an address",
        ("HCH0308", "\"db.example:80\""),
        "getent ahosts db.example",
        |path, good| {
            replaced(path, good, "    healthCheck:", "      db: \"db.example:80\"\n    healthCheck:");
        },
    ),
    text("a pool without endpoints", ("HCH0403", "endpoints: {}"), "at least one endpoint", |path, good| {
        let endpoint = good.lines().find(|line| line.contains("web-1")).unwrap();
        replaced(path, good, &format!("endpoints:\n{endpoint}"), "endpoints: {}");
    }),
    text("a pool that is not there", ("HCH0401", "wbe"), "did you mean `web`?", |path, good| {
        replaced(path, good, "- pool: web", "- pool: wbe");
    }),
    text("a weight below 0", ("HCH0304", "-1 }"), "it takes a whole number from 0 to 256", |path, good| {
        replaced(path, good, "weight: 1", "weight: -1");
    }),
    text("a timeout above its interval", ("HCH0406", "5s"), "probes would overlap", |path, good| {
        replaced(path, good, "timeout: 1s", "timeout: 5s");
    }),
    text("a number for a duration", ("HCH0302", "2\n"), "did you mean `2s`?", |path, good| {
        replaced(path, good, "interval: 2s", "interval: 2");
    }),
];

/// Line and column of the place where `what` stands in the file.
fn place(file: &Path, what: &str) -> (usize, usize) {
    let text = std::fs::read_to_string(file).unwrap();
    let before = &text[..text.find(what).unwrap()];
    (before.matches('\n').count() + 1, before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1)
}

#[test]
fn check_and_run_say_what_is_wrong_and_where() {
    let listen = SocketAddr::new(haechi_tests::address(), 80);
    let good = good(listen, "10.0.0.1:80".parse().unwrap());
    let node = Node::prepared(BINARY, &good);
    assert_eq!(verb(&node, &["check", "-c", "haechi.yaml"]).code, 0, "what is to be spoiled is good");
    for case in CASES {
        let Case { name, says, at, .. } = case;
        case.put(&node.config(), &good);
        let place = at.map(|(code, what)| (code, place(&node.config(), what)));

        let check = verb(&node, &["check", "-c", "haechi.yaml"]);
        let shown = format!("{}{}", check.out, check.err);
        assert!(check.code == 1 && shown.contains(says), "{name}: {check:?}");
        let run = verb(&node, &["run", "-c", "haechi.yaml"]);
        assert!(run.code == 1 && run.err.contains(says) && run.out.is_empty(), "{name}: {run:?}");
        assert!(run.err.lines().last().unwrap().starts_with("error: "), "{name}: {run:?}");

        let check = json(&verb(&node, &["check", "-c", "haechi.yaml", "-o", "json"]));
        let run = verb(&node, &["run", "-c", "haechi.yaml", "-o", "json"]);
        assert_eq!(run.code, 1, "{name}");
        let run = json(&run);
        assert!(run["error"].as_str().is_some_and(|error| error.contains("haechi.yaml")), "{name}: {run}");
        if let Some((code, (line, column))) = place {
            assert!(shown.contains(&format!("error[{code}]")), "{name}: {shown}");
            assert!(shown.contains(&format!("--> haechi.yaml:{line}:{column}\n")), "{name}: {shown}");
            for diagnostics in [&check["diagnostics"], &run["diagnostics"]] {
                let one = diagnostics.as_array().unwrap().iter().find(|one| one["code"] == *code).unwrap();
                assert_eq!(
                    (&one["span"]["line"], &one["span"]["column"]),
                    (&line.into(), &column.into()),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn standard_input_is_checked_and_not_run() {
    let node = Node::prepared(BINARY, "");
    let check = |text: &str| {
        let script = format!("printf '{text}' | timeout 20 {BINARY} check -c -");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check("pools: {}\\n").0, Some(0));
    let (code, out) = check("polls: {}\\n");
    assert!(code == Some(1) && out.contains("--> -:1:1"), "{out}");
    let run = verb(&node, &["run", "-c", "-"]);
    assert!(run.code == 1 && run.err.contains("there is no such file"), "{run:?}");
}
