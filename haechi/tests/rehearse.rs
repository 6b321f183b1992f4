//! Rehearsals: a move and back under load, a refusal, and what is left when one is interrupted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{Load, Network, Node, Output, Scripted, eventually, pause};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const VIRTUAL: &str = "10.5.0.100";

/// The cores are shared with other tests.
const SOON: Duration = Duration::from_secs(20);

/// Two nodes on a switch with an endpoint and a client; `lb1` is active.
struct Pair {
    network: Network,
    first: Node,
    second: Node,
    _endpoint: Scripted,
}

fn config(host: &str, priority: u8) -> String {
    format!(
        "node: {{ name: {host} }}\nworkers: 1\nlisteners: {{ web: {{ bind: \"0.0.0.0:80\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
         pools:\n  web:\n    endpoints: {{ e: \"10.5.0.8:8080\" }}\n    healthCheck: {{ path: /, interval: 200ms, timeout: 100ms }}\n\
         virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: [{VIRTUAL}/24], priority: {priority} }} }}\n"
    )
}

impl Pair {
    fn new() -> Self {
        Self::with(VIRTUAL, |config| config)
    }

    /// With another virtual address, and another config.
    fn with(address: &str, change: fn(String) -> String) -> Self {
        let network = Network::new(&[
            ("lb1", &["10.5.0.1/24", "fd00:5::1/64"]),
            ("lb2", &["10.5.0.2/24", "fd00:5::2/64"]),
            ("endpoint", &["10.5.0.8/24"]),
            ("client", &["10.5.0.9/24"]),
        ]);
        let endpoint = network.host("endpoint").run(|| {
            Scripted::start(
                "10.5.0.8".parse().unwrap(),
                |_, peer| while peer.head().is_some() && peer.answer("ok") {},
            )
        });
        let first = Node::start_in(network.host("lb1"), BINARY, &change(config("lb1", 150)));
        eventually(SOON, "lb1 is active", || network.host("lb1").has(address));
        let second = Node::start_in(network.host("lb2"), BINARY, &change(config("lb2", 100)));
        let pair = Self { network, first, second, _endpoint: endpoint };
        for node in [&pair.first, &pair.second] {
            node.wait_health("web", "e", "healthy", SOON);
        }
        eventually(SOON, "lb2 is backup", || router(&pair.second)["state"] == "backup");
        pair
    }

    /// What runs haechi on the other node.
    fn ask(&self) -> String {
        let (namespace, socket) = (self.network.host("lb2").name(), self.second.folder().join("admin.sock"));
        format!("ip netns exec {namespace} env HAECHI_ADMIN_SOCKET={} {BINARY}", socket.display())
    }

    /// Exactly one node serves the address on the network, and it calls itself active.
    fn assert_one_active(&self, node: &Node, host: &str, other: &str) {
        eventually(SOON, &format!("{host} is active alone"), || {
            router(node)["state"] == "active"
                && self.network.host(host).has_on_network(VIRTUAL)
                && !self.network.host(other).has_on_network(VIRTUAL)
        });
    }
}

fn router(node: &Node) -> Value {
    let told = node.verb(&["ha", "status", "-o", "json"]);
    serde_json::from_str::<Value>(&told.out).expect(&told.err)["virtualRouters"][0].clone()
}

fn rehearse(node: &Node, more: &[&str]) -> Output {
    let mut arguments = vec!["ha", "rehearse", "--wait", "10s", "-o", "json"];
    arguments.extend(more);
    node.verb(&arguments)
}

/// One that runs on its own, to be disturbed.
fn start(pair: &Pair) -> Child {
    let mut command: Command = pair.network.host("lb1").command(BINARY);
    command
        .args(["ha", "rehearse", "--force", "--wait", "10s", "-o", "json"])
        .env("HAECHI_ADMIN_SOCKET", pair.first.folder().join("admin.sock"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn result(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn there_and_back_under_load_nothing_fails_and_the_result_is_kept() {
    let mut pair = Pair::new();
    let target: SocketAddr = format!("{VIRTUAL}:80").parse().unwrap();
    let load = pair.network.host("client").run(|| Load::start(target, "/", 4, Duration::from_millis(5)));
    pause(Duration::from_millis(300));
    let told = rehearse(&pair.first, &["--ask", &pair.ask(), "--to", "10.5.0.2"]);
    let tally = load.stop();
    tally.assert_all_good();
    assert_eq!(told.code, 0, "{told:?}");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        (&told["outcome"], &told["to"], &told["failed"]),
        (&"there and back".into(), &"10.5.0.2".into(), &0.into())
    );
    assert!(told["attempts"].as_u64().unwrap() > 200 && told["gapMs"].as_f64().unwrap() > 0.0, "{told}");
    pair.assert_one_active(&pair.first, "lb1", "lb2");
    // Also after a restart.
    pair.first.signal("TERM");
    pair.first.wait_end(SOON);
    pair.first.resume();
    assert_eq!(router(&pair.first)["lastRehearsal"], told);
    let shown = pair.first.verb(&["ha", "status"]).out;
    assert!(shown.contains("ago, rehearsed: there and back; longest wait "), "{shown}");
}

/// Good where all is well, and bad where the other node is active but serves nobody: so it is measured there.
#[track_caller]
fn measured(pair: &Pair) {
    let told: Value = serde_json::from_str(&rehearse(&pair.first, &["--force"]).out).unwrap();
    assert_eq!(told["outcome"], "there and back", "{told}");
    // A knock is not repeated. Over IPv6, one of 350 went unanswered in some runs beside other tests; why is not known.
    assert!(told["failed"].as_u64().unwrap() <= 2, "{told}");
    assert!(told["attempts"].as_u64().unwrap() > 200, "{told}");
    let gap = told["gapMs"].as_f64().unwrap();
    assert!(gap > 0.0 && gap < 900.0, "{told}");
    let blocked =
        "table inet test {\n chain in {\n type filter hook input priority 0\n tcp dport 80 drop\n }\n}\n";
    pair.network.host("lb2").nft(blocked);
    let told = rehearse(&pair.first, &["--force"]);
    assert_eq!(told.code, 1, "{told:?}");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert!(told["failed"].as_u64().unwrap() > 50 && told["gapMs"].as_f64().unwrap() > 900.0, "{told}");
}

#[test]
fn an_address_is_measured_where_it_is() {
    measured(&Pair::new());
}

#[test]
fn over_ipv6_too() {
    let of_ipv6 = |config: String| {
        config.replace("0.0.0.0:80", "[::]:80").replace("10.5.0.100/24", "\"fd00:5::100/64\"")
    };
    measured(&Pair::with("fd00:5::100", of_ipv6));
}

#[test]
fn with_a_virtual_mac_too() {
    measured(&Pair::with(VIRTUAL, |config| config.replace("eth0,", "eth0, virtualMac: true,")));
}

#[test]
fn it_may_stay_there() {
    let pair = Pair::new();
    let told = rehearse(&pair.first, &["--ask", &pair.ask(), "--stay"]);
    assert_eq!(told.code, 0, "{told:?}");
    pair.assert_one_active(&pair.second, "lb2", "lb1");
}

#[test]
fn a_node_that_could_not_carry_the_load_gets_nothing() {
    let pair = Pair::new();
    let refused = rehearse(&pair.first, &[]);
    assert!(refused.code == 1 && refused.out.contains("is not known: backups are silent"), "{refused:?}");
    pair.network.cut("lb2", "endpoint");
    pair.second.wait_health("web", "e", "unhealthy", SOON);
    let refused = rehearse(&pair.first, &["--ask", &pair.ask()]);
    assert!(refused.code == 1, "{refused:?}");
    assert!(refused.out.contains("lb2 reaches 0 endpoints of pool web, and this node 1"), "{refused:?}");
    let refused = rehearse(&pair.second, &["--force"]);
    assert!(refused.code == 1 && refused.out.contains("rehearse on the active one"), "{refused:?}");
    pair.assert_one_active(&pair.first, "lb1", "lb2");
    assert_eq!(router(&pair.first)["transitions"], 2, "it never moved");
}

#[test]
fn one_that_is_interrupted_moves_back() {
    let pair = Pair::new();
    let child = start(&pair);
    eventually(SOON, "lb2 is active", || router(&pair.second)["state"] == "active");
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let told = result(child);
    assert_eq!(told["outcome"], "interrupted: there and back");
    pair.assert_one_active(&pair.first, "lb1", "lb2");
}

#[test]
fn one_that_is_killed_leaves_the_other_node_active() {
    let pair = Pair::new();
    let mut child = start(&pair);
    eventually(SOON, "lb2 is active", || router(&pair.second)["state"] == "active");
    let sysctl = || pair.network.host("lb1").get("ipv4/conf/eth0/accept_local");
    assert_eq!(sysctl(), "0", "measuring changes nothing on this host");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sysctl(), "0");
    pair.assert_one_active(&pair.second, "lb2", "lb1");
}

#[test]
fn when_the_other_node_dies_meanwhile_this_one_has_it_again() {
    let pair = Pair::new();
    let child = start(&pair);
    eventually(SOON, "lb2 is active", || router(&pair.second)["holdsAddresses"] == true);
    // Its keeper needs a moment to start; the rehearsal gives it a second and a half.
    pause(Duration::from_millis(300));
    pair.second.signal("KILL");
    let told = result(child);
    let outcome = told["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("there, and back before its time: 10.5.0.2 "), "{told}");
    pair.assert_one_active(&pair.first, "lb1", "lb2");
}
