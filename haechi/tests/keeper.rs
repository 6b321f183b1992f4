//! A node that is killed or stands still is off its virtual addresses before its peer has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use haechi_tests::{Network, Node, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// The address that moves.
const VIRTUAL: &str = "10.0.0.100";

const SOON: Duration = Duration::from_secs(10);

/// Two nodes on a switch, of which `lb1` is active.
struct Pair {
    network: Network,
    better: Node,
    worse: Node,
}

impl Pair {
    fn new() -> Self {
        let network = Network::new(&[("lb1", &["10.0.0.1/24"]), ("lb2", &["10.0.0.2/24"])]);
        let node =
            |host: &str, priority: u8| Node::start_in(network.host(host), BINARY, &config(host, priority));
        let better = node("lb1", 150);
        eventually(SOON, "lb1 is active", || network.host("lb1").has(VIRTUAL));
        let worse = node("lb2", 100);
        eventually(SOON, "lb2 hears it", || {
            let router = worse.router("edge");
            (&router["state"], &router["reason"]) == (&"backup".into(), &"takes part".into())
        });
        Self { network, better, worse }
    }
}

fn config(host: &str, priority: u8) -> String {
    format!(
        "node: {{ name: {host} }}\nworkers: 1\nlisteners: {{ web: {{ bind: \"{VIRTUAL}:80\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
         pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
         virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: {VIRTUAL}/24, priority: {priority} }} }}\n"
    )
}

#[test]
fn a_killed_process_leaves_no_address_behind_and_its_peer_need_not_wait() {
    let pair = Pair::new();
    pair.better.signal("KILL");
    eventually(SOON, "its address is gone", || !pair.network.host("lb1").has(VIRTUAL));
    eventually(SOON, "lb2 has it", || pair.network.host("lb2").has(VIRTUAL));
    // The kernel has it a moment before status tells.
    pair.worse.wait_state("edge", "active");
    // Told, and not silent: the farewell was heard.
    let reason = "10.0.0.1 died or stands still, and its keeper said so";
    assert_eq!(pair.worse.router("edge")["reason"], reason);
}

/// The keeper was told of an address only after the kernel had it: every other kill at that moment left it behind.
#[test]
fn killed_right_after_its_claim_it_leaves_no_address_behind() {
    let network = Network::new(&[("lb1", &["10.0.0.1/24"])]);
    let host = network.host("lb1");
    for _ in 0..5 {
        let node = Node::start_in(host, BINARY, &config("lb1", 150));
        eventually(SOON, "it has its address", || host.has(VIRTUAL));
        node.signal("KILL");
        eventually(SOON, "its address is gone", || !host.has(VIRTUAL));
    }
}

#[test]
fn a_process_that_stands_still_is_taken_off_its_address_and_finds_out_when_it_goes_on() {
    let pair = Pair::new();
    pair.better.signal("STOP");
    eventually(SOON, "its address is gone", || !pair.network.host("lb1").has(VIRTUAL));
    eventually(SOON, "lb2 has it", || pair.network.host("lb2").has(VIRTUAL));
    pair.better.signal("CONT");
    eventually(SOON, "lb1 finds out", || pair.better.log().contains("active to backup: did not run for"));
    pair.better.wait_state("edge", "active");
    eventually(SOON, "one node has the address", || {
        !pair.network.host("lb2").has(VIRTUAL) || pair.worse.router("edge")["state"] == "backup"
    });
    // The state comes first: the address waits until packets of open flows have their way to lb2.
    eventually(SOON, "lb1 has it", || pair.network.host("lb1").has(VIRTUAL));
}

#[test]
fn a_clean_stop_needs_no_keeper_and_leaves_none() {
    let mut pair = Pair::new();
    pair.better.signal("TERM");
    assert_eq!(pair.better.wait_end(SOON), 0);
    eventually(SOON, "lb2 has it", || pair.network.host("lb2").has(VIRTUAL));
    assert!(!pair.network.host("lb1").has(VIRTUAL));
    let namespace = pair.network.host("lb1").name();
    let left = std::process::Command::new("ip").args(["netns", "pids", namespace]).output();
    assert_eq!(String::from_utf8_lossy(&left.unwrap().stdout).trim(), "", "a process is left");
}
