//! Real nodes on a switch: who becomes active and who does not, whatever goes wrong on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod checksums;
mod hostile;
mod pauses;
mod rules;
mod spread;
mod story;
mod tracking;

use std::time::Duration;

use haechi_tests::{Network, Node, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// The address that moves.
const VIRTUAL: &str = "10.0.0.100";

/// The cores are shared with other tests.
const SOON: Duration = Duration::from_secs(20);

/// From one advertisement to the next: the default.
const INTERVAL: Duration = Duration::from_millis(100);

/// Nodes `lb1` to `lb3`, an endpoint and an observer on a switch. Nothing runs yet.
struct Rig {
    network: Network,
}

impl Rig {
    fn new() -> Self {
        let network = Network::new(&[
            ("lb1", &["10.0.0.1/24"]),
            ("lb2", &["10.0.0.2/24"]),
            ("lb3", &["10.0.0.3/24"]),
            ("endpoint", &["10.0.0.8/24"]),
            ("observer", &["10.0.0.9/24"]),
        ]);
        Self { network }
    }

    /// Starts a node; `more` are keys of its virtual router, as flow entries.
    fn start(&self, host: &str, more: &str) -> Node {
        Node::start_in(self.network.host(host), BINARY, &config(host, more))
    }

    fn has(&self, host: &str) -> bool {
        self.network.host(host).has_on_network(VIRTUAL)
    }

    #[track_caller]
    fn wait_for(&self, host: &str) {
        eventually(SOON, &format!("{host} has the address"), || self.has(host));
    }

    /// Waits until the address is there, and nowhere else.
    #[track_caller]
    fn wait_for_only(&self, host: &str) {
        eventually(SOON, &format!("{host} alone has the address"), || {
            ["lb1", "lb2", "lb3"].iter().all(|other| self.has(other) == (*other == host))
        });
    }
}

fn config(host: &str, more: &str) -> String {
    format!(
        "node: {{ name: {host} }}
workers: 1
listeners: {{ web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }} }}
pools:
  web:
    endpoints: {{ a: \"10.0.0.8:80\", b: \"10.0.0.8:81\" }}
    healthCheck: {{ protocol: tcp, interval: 100ms, timeout: 80ms, unhealthyThreshold: 2 }}
virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: {VIRTUAL}/24, {more} }} }}
"
    )
}

/// Waits until a node heard so many more advertisements: long enough for whoever wants to act.
#[track_caller]
fn hears(node: &Node, more: u64) {
    let heard = || node.router("edge")["heard"].as_u64().unwrap();
    let before = heard();
    eventually(SOON, "advertisements are heard", || heard() >= before + more);
}
