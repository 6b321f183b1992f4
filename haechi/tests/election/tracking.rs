//! What makes a node a worse one moves the address away, and back when it is well again.

use std::net::TcpListener;

use haechi_tests::{Node, Stall, eventually};

use crate::{Rig, SOON, hears};

/// Accepts for as long as the test runs.
fn endpoint(rig: &Rig) {
    for port in [80, 81] {
        let listener = rig.network.host("endpoint").run(|| TcpListener::bind(("10.0.0.8", port)).unwrap());
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }
}

/// A better node with something to track, and a worse one without.
fn pair(rig: &Rig, track: &str) -> (Node, Node) {
    endpoint(rig);
    let better = rig.start("lb1", &format!("priority: 150, track: {{ {track} }}"));
    rig.wait_for("lb1");
    let worse = rig.start("lb2", "priority: 100");
    hears(&worse, 2);
    (better, worse)
}

/// What a node's virtual router says of something tracked.
fn tracked(node: &Node, name: &str) -> (String, String) {
    let router = node.router("edge");
    let found = router["tracked"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    (found["effect"].as_str().unwrap().to_owned(), found["text"].as_str().unwrap().to_owned())
}

#[test]
fn a_pool_that_only_the_active_does_not_reach_moves_the_address_and_back() {
    let rig = Rig::new();
    let (better, worse) = pair(&rig, "pools: { web: { healthyShare: 50%, lower: 60 } }");
    for endpoint in ["a", "b"] {
        better.wait_health("web", endpoint, "healthy", SOON);
    }
    rig.network.cut("lb1", "endpoint");
    rig.wait_for_only("lb2");
    assert_eq!(better.router("edge")["priority"], 90);
    assert_eq!(
        tracked(&better, "pool web"),
        ("lower".into(), "0 of 2 endpoints can serve, 50 % are wanted".into())
    );
    rig.network.heal();
    rig.wait_for_only("lb1");
    assert_eq!(worse.router("edge")["state"], "backup");
}

#[test]
fn an_interface_that_loses_its_link_moves_the_address_and_back() {
    let rig = Rig::new();
    let host = rig.network.host("lb1");
    host.ip("link add eth1 type veth peer name far");
    ["eth1", "far"].iter().for_each(|end| drop(host.ip(&format!("link set {end} up"))));
    let (better, _worse) = pair(&rig, "interfaces: { eth1: { lower: 60 } }");
    host.ip("link set far down");
    rig.wait_for_only("lb2");
    assert_eq!(better.router("edge")["priority"], 90);
    host.ip("link set far up");
    rig.wait_for_only("lb1");
}

#[test]
fn a_program_that_fails_takes_the_node_out_and_lets_it_in_again() {
    let rig = Rig::new();
    let flag = haechi_tests::TempDir::new("flag");
    let flag = flag.path().join("good");
    std::fs::write(&flag, "").unwrap();
    let command = format!("command: [test, -e, {}], interval: 100ms, timeout: 100ms", flag.display());
    let (better, _worse) = pair(&rig, &format!("programs: {{ disk: {{ {command}, fault: true }} }}"));
    std::fs::remove_file(&flag).unwrap();
    rig.wait_for_only("lb2");
    assert_eq!(better.router("edge")["state"], "initialize");
    std::fs::write(&flag, "").unwrap();
    rig.wait_for_only("lb1");
}

#[test]
fn a_proxy_that_hangs_while_its_heartbeat_lives_loses_the_address() {
    let rig = Rig::new();
    // `track.proxy` is on by default.
    let (better, _worse) = pair(&rig, "");
    let stall = Stall::of(better.pid(), "worker-");
    rig.wait_for_only("lb2");
    let (effect, text) = tracked(&better, "proxy");
    assert!(effect == "fault" && text.starts_with("worker 0 has hung for "), "{effect}: {text}");
    drop(stall);
    rig.wait_for_only("lb1");
    eventually(SOON, "it is well again", || tracked(&better, "proxy").0 == "none");
}
