//! One of both dies between the estate and the word that the heir serves: the other one goes on, and nobody on the
//! network notices.
//!
//! The window is a few milliseconds wide. A go-between in the heir's place holds it open: it speaks with the old
//! process as an heir does, and with an heir as the old process does.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, process};

use haechi_sys::handoff::{self, Handoff, Limits};
use haechi_tests::{Node, eventually, pause};

use super::pair::{Pair, VIRTUAL, router};
use super::trouble::{children, script};
use super::{BINARY, SOON, last_event};

/// Tells the go-between what it should do.
const ROLE: &str = "HAECHI_TEST_BETWEEN";

const LIMITS: Limits = Limits { descriptors: 4096, blob: 64 << 20 };

fn hear(line: &UnixStream) -> Handoff {
    handoff::receive(line, LIMITS, SOON).unwrap()
}

fn say(line: &UnixStream, what: &Handoff) {
    let descriptors: Vec<_> = what.descriptors.iter().map(AsFd::as_fd).collect();
    handoff::send(line, &descriptors, &what.blob, SOON).unwrap();
}

/// Started as a program by the tests below, in the folder of their node; on its own it has nothing to do.
#[test]
fn between() {
    let (Ok(role), Ok(of)) = (env::var(ROLE), env::var("HAECHI_HEIR_OF")) else { return };
    let old = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    match &*role {
        "heir" => be_an_heir(&old),
        _ => pass_on(&old, of.split(':').nth(1).unwrap()),
    }
}

/// Takes the estate, and waits to be killed.
fn be_an_heir(old: &UnixStream) {
    let offer = hear(old);
    let ready = Handoff { descriptors: Vec::new(), blob: br#"{"ready":{"version":"9"}}"#.to_vec() };
    say(old, &ready);
    let estate = hear(old);
    fs::write("met", process::id().to_string()).unwrap();
    // Nothing more is said.
    let end = handoff::receive(old, LIMITS, Duration::from_secs(60));
    drop((offer, estate, end));
}

/// Passes on what both say, the estate when it is told to, and nothing to the old process from then on.
#[expect(clippy::zombie_processes, reason = "the heir outlives this process, which ends at once")]
fn pass_on(old: &UnixStream, origin: &str) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let heir = Command::new(BINARY)
        .args(env::var("ARGUMENTS").unwrap().split_whitespace())
        .env("HAECHI_HEIR_OF", format!("{}:{origin}", process::id()))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    say(&ours, &hear(old));
    say(old, &hear(&ours));
    let estate = hear(old);
    fs::write("met", heir.id().to_string()).unwrap();
    eventually(SOON, "the old one is gone", || Path::new("go").exists());
    say(&ours, &estate);
    drop(estate);
    drop(hear(&ours));
    fs::write("serves", "").unwrap();
}

/// An upgrade of the active up to the point where the estate is on its way. Gives the heir's process id.
fn meet(node: &Node, role: &str) -> u32 {
    let test = env::current_exe().unwrap();
    let text = format!(
        "#!/bin/sh\nARGUMENTS=\"$*\" {ROLE}={role} exec {} --exact window::between --nocapture\n",
        test.display()
    );
    node.replace(&script(node, &text));
    node.signal("USR2");
    let met = node.folder().join("met");
    eventually(SOON, "the estate is on its way", || fs::read_to_string(&met).is_ok_and(|it| !it.is_empty()));
    fs::read_to_string(&met).unwrap().parse().unwrap()
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

#[test]
fn the_old_process_goes_on_when_its_heir_dies_with_the_estate() {
    let mut pair = Pair::new("");
    let (old, before) = (pair.better.pid(), children(pair.better.pid()));
    kill(meet(&pair.better, "heir"));
    pair.better.replace(Path::new(BINARY));
    eventually(SOON, "it serves on, and says why", || {
        last_event(&pair.better, "upgrade").contains("signal: 9")
    });
    pair.assert_served();
    pair.assert_unmoved();
    assert_eq!(pair.better.pid(), old);
    assert_eq!(children(old), before, "its keeper, and nothing else");
    // As good as before: it can be upgraded, and its keeper is awake.
    pair.better.upgrade();
    pair.assert_served();
    pair.assert_unmoved();
    pair.better.signal("KILL");
    eventually(SOON, "lb2 has it", || router(&pair.worse)["holdsAddresses"] == true);
    assert!(!pair.network.host("lb1").has(VIRTUAL), "and lb1 has not");
}

#[test]
fn an_heir_goes_on_when_the_old_process_dies_before_it_hears_that_it_serves() {
    let mut pair = Pair::new("");
    let (old, keeper) = (pair.better.pid(), children(pair.better.pid()));
    let heir = meet(&pair.better, "old");
    kill(old);
    fs::write(pair.better.folder().join("go"), "").unwrap();
    eventually(SOON, "the heir serves", || pair.better.folder().join("serves").exists());
    pair.better.replace(Path::new(BINARY));
    eventually(SOON, "it answers", || pair.better.verb(&["status"]).code == 0);
    assert_eq!(pair.better.status()["pid"], heir);
    pair.better.follow();
    pair.assert_served();
    pair.assert_unmoved();
    // Longer than the lease of a keeper that nobody talks to.
    pause(Duration::from_secs(1));
    pair.assert_unmoved();
    assert!(keeper.iter().all(|keeper| pair.better.is_alive(*keeper)), "its keeper is the heir's");
    // Nothing is left of the upgrade, and the next one works.
    pair.better.upgrade();
    pair.assert_served();
    pair.better.signal("KILL");
    eventually(SOON, "lb2 has it", || router(&pair.worse)["holdsAddresses"] == true);
    assert!(!pair.network.host("lb1").has(VIRTUAL), "and lb1 has not");
}
