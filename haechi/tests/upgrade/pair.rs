//! The active of a pair is upgraded: its peer never takes over, and nobody on the network notices.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use haechi_tests::{Capture, Network, Node, address, eventually, get, pause, serve_flows};
use haechi_vrrp::record::{GroupRecord, replay};
use haechi_vrrp::{Input, Output};
use serde_json::Value;

use super::clients::Clients;
use super::trouble::script;
use super::{BINARY, SOON};

pub(crate) const VIRTUAL: &str = "10.9.0.100";

/// From one advertisement to the next: the default.
const INTERVAL: Duration = Duration::from_millis(100);

/// Two nodes, an endpoint and a client on a switch; `lb1` is active.
pub(crate) struct Pair {
    pub(crate) network: Network,
    pub(crate) better: Node,
    pub(crate) worse: Node,
}

impl Pair {
    pub(crate) fn new(more: &str) -> Self {
        let network = Network::new(&[
            ("lb1", &["10.9.0.1/24"]),
            ("lb2", &["10.9.0.2/24"]),
            ("client", &["10.9.0.9/24"]),
            ("endpoint", &["10.9.0.8/24"]),
        ]);
        network.host("endpoint").run(|| serve_flows("10.9.0.8:8080".parse().unwrap()));
        let better = start(&network, "lb1", &config("lb1", 150, more));
        eventually(SOON, "lb1 is active", || router(&better)["holdsAddresses"] == true);
        let worse = start(&network, "lb2", &config("lb2", 100, more));
        eventually(SOON, "lb2 hears it", || router(&worse)["active"] == "10.9.0.1");
        Self { network, better, worse }
    }

    /// Nothing has moved since the pair was made.
    #[track_caller]
    pub(crate) fn assert_unmoved(&self) {
        let (better, worse) = (router(&self.better), router(&self.worse));
        assert_eq!((&better["state"], &better["holdsAddresses"]), (&"active".into(), &true.into()));
        assert_eq!((&worse["state"], &worse["transitions"]), (&"backup".into(), &1.into()), "{worse}");
        assert!(self.network.host("lb1").has_on_network(VIRTUAL));
        assert!(!self.network.host("lb2").has(VIRTUAL));
    }

    /// New clients are answered at the virtual address.
    #[track_caller]
    pub(crate) fn assert_served(&self) {
        let web = SocketAddr::new(VIRTUAL.parse().unwrap(), 80);
        for _ in 0..10 {
            let reply = self.network.host("client").run(|| get(web, "/small"));
            assert_eq!(reply.expect("an answer").status, 200);
        }
    }
}

fn config(host: &str, priority: u8, more: &str) -> String {
    let (own, peer) = if host == "lb1" { (1, 2) } else { (2, 1) };
    let more =
        more.replace("OWN", &format!("10.9.0.{own}:7112")).replace("PEER", &format!("10.9.0.{peer}:7112"));
    let more = more.replace("PRIORITY", &priority.to_string());
    format!(
        "node: {{ name: {host} }}\nworkers: 1\nlisteners:\n  web: {{ bind: \"0.0.0.0:80\", protocol: http, routes: [{{ pool: web }}] }}\n  \
         echo: {{ bind: \"0.0.0.0:7\", protocol: tcp, pool: web }}\npools:\n  web: {{ endpoints: {{ e: \"10.9.0.8:8080\" }} }}\n\
         virtualRouters:\n  edge: {{ id: 51, interface: eth0, addresses: [{VIRTUAL}/24], priority: {priority}, drain: 20s{more} }}\n"
    )
}

fn start(network: &Network, host: &str, config: &str) -> Node {
    let mut node = Node::copied(BINARY, config);
    std::fs::write(
        node.folder().join("keys.yaml"),
        "sign: 1\nkeys: { 1: 3c1f0e5d7a9b2468ace013579bdf2468 }\n",
    )
    .unwrap();
    node.arguments = ["--grace", "60s"].map(String::from).into();
    node.enter(network.host(host));
    node.resume();
    node
}

pub(crate) fn router(node: &Node) -> Value {
    routers(node)[0].clone()
}

pub(crate) fn routers(node: &Node) -> Vec<Value> {
    // Its own program may be replaced by one that is none.
    let told = node.verb_of(BINARY, &["ha", "status", "-o", "json"]);
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str::<Value>(&told.out).unwrap()["virtualRouters"].as_array().unwrap().clone()
}

#[test]
fn three_upgrades_of_the_active_under_load_move_nothing() {
    let mut pair = Pair::new("");
    let capture = Capture::start(&pair.network, "lb2");
    let to = |port| SocketAddr::new(VIRTUAL.parse().unwrap(), port);
    let mut clients = pair.network.host("client").run(|| Clients::start(to(80), to(7)));
    let before = router(&pair.better);
    for _ in 0..3 {
        pause(Duration::from_millis(500));
        clients.open_more();
        pair.better.replace(Path::new(BINARY));
        pair.better.upgrade();
        clients.check_streams();
        pair.assert_unmoved();
    }
    let after = router(&pair.better);
    assert_eq!(after["sinceMs"].as_u64().unwrap().abs_diff(before["sinceMs"].as_u64().unwrap()) / 10, 0);
    assert!(after["sent"].as_u64() > before["sent"].as_u64(), "counters grow on");
    pause(Duration::from_millis(500));
    clients.check_streams();
    clients.finish();
    pair.assert_unmoved();

    let said = capture.of("10.9.0.1");
    assert!(said.len() > 20 && said.iter().all(|frame| frame.priority == 150), "no other priority was heard");
    let gaps = said.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at));
    let longest = gaps.max().unwrap();
    assert!(longest < INTERVAL * 2, "nothing was heard for {longest:?}");
    assert!(capture.of("10.9.0.2").is_empty(), "the backup says nothing");

    // The heir's record begins with what it was given, and can be played again.
    let record: Value = serde_json::from_str(&pair.better.verb(&["why", "edge", "-o", "json"]).out).unwrap();
    let record: GroupRecord = serde_json::from_value(record["record"].clone()).unwrap();
    assert_eq!(record.entries[0].input.1, Input::Resumed);
    let asked = record.entries.iter().flat_map(|entry| &entry.outputs).map(|(_, output)| output);
    let moves = asked.filter(|it| !matches!(it, Output::Advertise { .. } | Output::Announce));
    assert_eq!(moves.count(), 0, "nothing is claimed, told or let go");
    replay(&record).unwrap();
}

#[test]
fn an_active_whose_heir_fails_goes_on_and_so_does_its_keeper() {
    let mut pair = Pair::new("");
    for program in ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexec sleep 60\n"] {
        pair.better.replace(&script(&pair.better, program));
        let said = pair.better.verb_of(BINARY, &["upgrade", "--wait", "1s"]);
        assert_eq!(said.code, 1, "{said:?}");
        pair.assert_unmoved();
    }
    pair.better.replace(Path::new(BINARY));
    // Other virtual routers are no matter of an upgrade: the heir finds out late, and nothing has happened.
    let other = config("lb1", 150, "").replace("id: 51", "id: 52");
    pair.better.write(&other);
    let said = pair.better.verb(&["upgrade"]);
    assert!(said.code == 1 && said.err.contains("reload first, then upgrade"), "{said:?}");
    pair.assert_unmoved();
    pair.better.write(&config("lb1", 150, ""));
    pair.better.upgrade();
    pair.assert_unmoved();
}

#[test]
fn the_keeper_goes_along_whoever_dies() {
    let mut pair = Pair::new("");
    let old = pair.better.pid();
    pair.better.upgrade();
    // The one that passed on dies at once: its keeper is the heir's now.
    let _ = std::process::Command::new("kill").args(["-KILL", &old.to_string()]).status();
    eventually(SOON, "the old one is gone", || !pair.better.is_alive(old));
    pause(INTERVAL * 5);
    pair.assert_unmoved();
    // And then the heir.
    pair.better.signal("KILL");
    eventually(SOON, "its address is gone", || !pair.network.host("lb1").has(VIRTUAL));
    eventually(SOON, "lb2 has it", || router(&pair.worse)["holdsAddresses"] == true);
    assert_eq!(
        router(&pair.worse)["reason"],
        "10.9.0.1 died or stands still, and its keeper said so",
        "it was told"
    );
}

#[test]
fn a_backup_is_upgraded_and_then_takes_over_as_any() {
    let mut pair = Pair::new("");
    pair.worse.upgrade();
    pair.assert_unmoved();
    pair.better.signal("KILL");
    eventually(SOON, "lb2 has it", || router(&pair.worse)["holdsAddresses"] == true);
    assert!(pair.network.host("lb2").has_on_network(VIRTUAL));
}

#[test]
fn a_sealed_pair_hears_the_heir() {
    let mut pair =
        Pair::new(", transport: udp, source: \"OWN\", peers: { other: \"PEER\" }, keys: keys.yaml");
    for _ in 0..2 {
        pair.better.upgrade();
        let heard = router(&pair.worse)["heard"].as_u64().unwrap();
        eventually(SOON, "lb2 hears the heir", || router(&pair.worse)["heard"].as_u64().unwrap() > heard + 5);
        pair.assert_unmoved();
    }
    pair.worse.upgrade();
    pause(INTERVAL * 5);
    pair.assert_unmoved();
}

#[test]
fn listeners_go_on_following_their_address() {
    let (shared, own, nobody) = (SocketAddr::new(address(), 8080), address(), address());
    let endpoint = SocketAddr::new(address(), 8080);
    serve_flows(endpoint);
    let mut node = Node::copied(
        BINARY,
        &format!(
            "node: {{ name: lb1 }}\nlisteners:\n  web: {{ bind: \"{shared}\", protocol: http, routes: [{{ pool: web }}] }}\n\
             pools: {{ web: {{ endpoints: {{ e: \"{endpoint}\" }} }} }}\nvirtualRouters:\n  edge:\n    id: 51\n    interface: lo\n    priority: 150\n    \
             addresses: [\"{}/32\"]\n    transport: udp\n    source: \"{own}:7112\"\n    peers: {{ other: \"{nobody}:7112\" }}\n    \
             keys: keys.yaml\n    mover: bind\n",
            shared.ip()
        ),
    );
    std::fs::write(
        node.folder().join("keys.yaml"),
        "sign: 1\nkeys: { 1: 3c1f0e5d7a9b2468ace013579bdf2468 }\n",
    )
    .unwrap();
    node.resume();
    eventually(SOON, "it is active", || router(&node)["holdsAddresses"] == true);
    node.wait_open(shared);
    let since = router(&node)["sinceMs"].as_u64().unwrap();
    for _ in 0..2 {
        node.upgrade();
        for _ in 0..20 {
            assert_eq!(get(shared, "/small").unwrap().status, 200);
        }
        assert!(router(&node)["sinceMs"].as_u64().unwrap().abs_diff(since) < 10);
    }
}
