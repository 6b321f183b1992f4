//! Upgrades that fail, and processes that die on the way: somebody serves all the time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use haechi_tests::{Load, Node, eventually, get};
use std::time::Duration;

use super::{BINARY, Plan, SOON, last_event};

/// A program of this text.
pub(crate) fn script(node: &Node, text: &str) -> PathBuf {
    let path = node.folder().join("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_new_program_that_does_not_get_ready_changes_nothing() {
    let plan = Plan::new();
    let mut node = plan.start(2);
    let load = Load::start(plan.web, "/small", 3, Duration::from_millis(5));
    let good = plan.config(2);
    let rows = [
        ("#!/bin/sh\nexit 3\n", &*good, "30s", "it ended with exit status: 3 before it was ready"),
        ("#!/bin/sh\nexec sleep 60\n", &good, "300ms", "it was not ready within 300ms"),
        ("#!/bin/sh\nkill -SEGV $$\n", &good, "30s", "signal: 11"),
        ("neither a program nor a script", &good, "30s", "can't start"),
        ("#!/bin/sh\nexec BINARY \"$@\"\n", "listeners: {", "30s", "HCH"),
        ("#!/bin/sh\nexec BINARY run -c /no/such/file\n", &good, "30s", "can't read /no/such/file"),
        ("#!/bin/sh\nexec BINARY status\n", &good, "30s", "before it was ready"),
    ];
    for (program, config, wait, why) in rows {
        node.replace(&script(&node, &program.replace("BINARY", BINARY)));
        node.write(config);
        let said = node.verb_of(BINARY, &["upgrade", "--wait", wait]);
        assert_eq!(said.code, 1, "{program}: {said:?}");
        assert!(said.err.contains(why), "{program}: {}", said.err);
        assert!(said.err.contains(&format!("process {} serves on", node.pid())), "{}", said.err);
        node.write(&good);
        node.replace(Path::new(BINARY));
        assert_eq!(node.status()["pid"], node.pid());
        assert!(last_event(&node, "upgrade").contains("serves on"));
    }
    // And then a good one.
    node.upgrade();
    load.stop().assert_all_good();
    assert_eq!(get(plan.web, "/small").unwrap().status, 200);
}

#[test]
fn an_address_that_cant_be_had_is_the_reason() {
    let plan = Plan::new();
    let node = plan.start(1);
    let taken = format!("{{ bind: \"{}\", protocol: tcp, pool: web }}\npools", plan.endpoint);
    node.write(&plan.config(1).replace("\npools", &format!("\n  taken: {taken}")));
    let said = node.verb(&["upgrade"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("listener taken can't stand on"), "{}", said.err);
    assert_eq!(node.status()["pid"], node.pid());
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = all.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The old process dies while its heir is at this point of its start.
fn dies(plan: &Plan, at: impl FnOnce(&Node, u32)) {
    let mut node = plan.start(2);
    let (old, binary) = (node.pid(), BINARY);
    // Slow enough to be met on the way.
    let slow = script(&node, &format!("#!/bin/sh\nsleep 0.3\ntouch met\nsleep 0.3\nexec {binary} \"$@\"\n"));
    node.replace(&slow);
    node.signal("USR2");
    // What it is offered waits for it by then.
    eventually(SOON, "an heir is on its way", || node.folder().join("met").exists());
    let heir = children(old)[0];
    at(&node, heir);
    node.replace(Path::new(BINARY));
    eventually(SOON, "the heir serves", || node.verb(&["status"]).code == 0 && node.status()["pid"] == heir);
    node.follow();
    assert!(node.wait_end(SOON) != 0, "the old one was killed");
    for _ in 0..20 {
        assert_eq!(get(plan.web, "/small").unwrap().status, 200);
    }
}

#[test]
fn an_heir_serves_when_the_old_process_dies_before_it_is_ready() {
    dies(&Plan::new(), |node, _| node.signal("KILL"));
}

#[test]
fn an_heir_serves_when_the_old_process_dies_before_it_passed_its_state_on() {
    dies(&Plan::new(), |node, heir| {
        // Stopped: it hears the heir, and does not answer.
        node.signal("STOP");
        eventually(SOON, "the heir has its workers", || {
            let tasks = fs::read_dir(format!("/proc/{heir}/task")).into_iter().flatten().flatten();
            let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
            names.filter(|name| name.starts_with("worker-")).count() == 2
        });
        node.signal("KILL");
    });
}

#[test]
fn nothing_is_missed_when_the_old_process_dies_as_soon_as_its_heir_serves() {
    let plan = Plan::new();
    let mut node = plan.start(2);
    let old = node.pid();
    node.upgrade();
    let status = std::process::Command::new("kill").args(["-KILL", &old.to_string()]).status();
    assert!(status.unwrap().success() || !node.is_alive(old));
    for _ in 0..50 {
        assert_eq!(get(plan.web, "/small").unwrap().status, 200);
    }
}

#[test]
fn a_stop_during_an_upgrade_stops_whoever_serves_then() {
    let plan = Plan::new();
    let mut node = plan.start(1);
    let old = node.pid();
    let hangs = script(&node, "#!/bin/sh\nexec sleep 60\n");
    node.replace(&hangs);
    let said = thread::scope(|scope| {
        let verb = scope.spawn(|| node.verb_of(BINARY, &["upgrade", "--wait", "1s"]));
        eventually(SOON, "an heir is started", || !children(old).is_empty());
        node.signal("TERM");
        verb.join().unwrap()
    });
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(node.wait_end(SOON), 0, "{}", node.log());
}
