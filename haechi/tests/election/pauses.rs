//! Nodes that stand still, lose each other and meet again: after contact two of them don't answer for an address.

use std::time::Duration;

use haechi_tests::{Ear, Observer, eventually, now, pause};

use crate::{Rig, SOON, hears};

/// Three intervals and the skew of priority 100 (RFC 9568 §6.1).
const DOWN: Duration = Duration::from_millis(361);

/// Two hosts may answer for a round trip (2 ms here, docs/failover.md); the rest is this machine, which others use.
const AFTER_CONTACT: Duration = Duration::from_millis(100);

/// Everything on the active stands still, its keeper too, so its kernel goes on answering.
fn freeze(times: u32) {
    let rig = Rig::new();
    let _better = rig.start("lb1", "priority: 150");
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    let observer = Observer::start(rig.network.host("observer"), crate::VIRTUAL);
    observer.wait_for_one(SOON);
    rig.network.host("lb1").signal_all("STOP");
    pause(DOWN * times);
    if times > 1 {
        rig.wait_for("lb2");
    }
    rig.network.host("lb1").signal_all("CONT");
    let contact = now();
    // lb1 is the better one: it may take over again, and only then speaks for the address.
    rig.wait_for_only("lb1");
    observer.wait_for_one(SOON);
    let heard = observer.since(contact);
    let last = heard.last().unwrap().mac;
    // In turns, and not both: the one that stood still is silent before it comes back.
    let other = heard.iter().rposition(|it| it.mac != last).map_or(0, |at| at + 1);
    let stale = heard[..other].iter().rev().find(|it| it.mac == last);
    let stale = stale.map_or(Duration::ZERO, |it| it.at - contact);
    assert!(stale <= AFTER_CONTACT, "both answered until {stale:?} after it went on");
}

#[test]
fn an_active_that_stands_still_for_the_down_interval() {
    freeze(1);
}

#[test]
fn an_active_that_stands_still_for_twice_the_down_interval() {
    freeze(2);
}

#[test]
fn an_active_that_stands_still_for_four_times_the_down_interval() {
    freeze(4);
}

/// One of both advertises again, and the other lets go at its first word.
#[test]
fn two_nodes_that_lost_each_other_agree_with_the_first_advertisement() {
    let rig = Rig::new();
    let better = rig.start("lb1", "priority: 150");
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    let observer = Observer::start(rig.network.host("observer"), crate::VIRTUAL);
    rig.network.cut("lb1", "lb2");
    rig.network.cut("lb2", "lb1");
    rig.wait_for("lb2");
    assert!(rig.has("lb1"), "each is alone, so each serves");
    let since = now();
    eventually(SOON, "both answer", || {
        observer.since(since).windows(2).any(|pair| pair[0].mac != pair[1].mac)
    });
    let ears = [("lb1", "10.0.0.2"), ("lb2", "10.0.0.1")];
    let ears = ears.map(|(at, of)| Ear::start(rig.network.host(at), of));
    let healing = now();
    rig.network.heal();
    rig.wait_for_only("lb1");
    observer.wait_for_one(SOON);
    let contact = ears.iter().filter_map(|ear| ear.first(healing)).min().expect("they meet");
    let contended = observer.contended(contact);
    assert!(contended <= AFTER_CONTACT, "two answered until {contended:?} after they met");
    assert_eq!(better.router("edge")["state"], "active");
    assert_eq!(worse.router("edge")["state"], "backup");
}

/// A node that nobody hears goes on as active, and lets the address go when it is heard again.
#[test]
fn a_node_that_nobody_hears_is_replaced() {
    let rig = Rig::new();
    let better = rig.start("lb1", "priority: 150, preempt: false");
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    rig.network.mute("lb1");
    rig.wait_for("lb2");
    rig.network.heal();
    let observer = Observer::start(rig.network.host("observer"), crate::VIRTUAL);
    rig.wait_for_only("lb1");
    observer.wait_for_one(SOON);
    assert_eq!(better.router("edge")["state"], "active");
    assert_eq!(worse.router("edge")["state"], "backup");
}

#[test]
fn addresses_that_a_killed_run_left_are_cleaned_by_the_next() {
    let rig = Rig::new();
    let mut better = rig.start("lb1", "priority: 150, preempt: false");
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    // The keeper too, which would have done it.
    rig.network.host("lb1").signal_all("KILL");
    better.wait_end(SOON);
    rig.wait_for("lb2");
    assert!(rig.has("lb1"), "nobody is left who could take it away");
    better.resume();
    rig.wait_for_only("lb2");
    hears(&better, 10);
    assert_eq!(better.router("edge")["state"], "backup");
    assert!(!rig.has("lb1"));
}
