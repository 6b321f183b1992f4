//! Who takes over from whom.

use std::time::Duration;

use haechi_tests::{Node, eventually, now};

use crate::{Rig, SOON, config, hears};

fn alarms(node: &Node) -> Vec<String> {
    let router = node.router("edge");
    router["alarms"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_preempt_a_better_node_waits_until_the_active_is_gone() {
    let rig = Rig::new();
    let worse = rig.start("lb2", "priority: 100");
    rig.wait_for("lb2");
    let better = rig.start("lb1", "priority: 150, preempt: false");
    hears(&better, 20);
    assert_eq!(better.router("edge")["state"], "backup");
    assert!(rig.has("lb2") && !rig.has("lb1"));
    worse.signal("KILL");
    rig.wait_for_only("lb1");
}

#[test]
fn a_better_node_takes_over_when_its_delay_is_over_and_not_before() {
    let rig = Rig::new();
    let worse = rig.start("lb2", "priority: 100");
    rig.wait_for("lb2");
    let better = rig.start("lb1", "priority: 150, preemptDelay: 2s");
    hears(&better, 1);
    let since = now();
    better.wait_state("edge", "active");
    let waited = since.elapsed();
    // It heard its first advertisement before this test saw that: some looks, on a machine that others use.
    assert!(waited > Duration::from_millis(1_500) && waited < Duration::from_secs(4), "{waited:?}");
    rig.wait_for_only("lb1");
    assert_eq!(worse.router("edge")["state"], "backup");
    // Nobody waits for a delay when the active is dead.
    drop(worse);
    let worse = rig.start("lb2", "priority: 100, preemptDelay: 60s");
    hears(&worse, 2);
    better.signal("KILL");
    let since = now();
    rig.wait_for_only("lb2");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[test]
fn equal_priorities_are_refused_with_an_alarm_until_they_differ() {
    let rig = Rig::new();
    // lb2 has the greater address, which RFC 9568 lets win: here it must not take over for that.
    let first = rig.start("lb1", "priority: 100");
    rig.wait_for("lb1");
    let second = rig.start("lb2", "priority: 100");
    hears(&second, 20);
    assert_eq!(second.router("edge")["state"], "backup");
    eventually(SOON, "it says so", || alarms(&second) == ["equalPriority"]);
    assert!(rig.has("lb1") && !rig.has("lb2"));
    second.change(&config("lb2", "priority: 150"));
    rig.wait_for_only("lb2");
    eventually(SOON, "it is over", || alarms(&second).is_empty() && alarms(&first).is_empty());
}
