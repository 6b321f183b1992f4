//! haechi and keepalived in one virtual router: either hears, follows and replaces the other.
//!
//! Debian's keepalived knows the checksum of RFC 5798 only; that of RFC 9568 is tested by bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use haechi_tests::{Namespace, Network, Node, TempDir, can_make_namespaces, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const SOON: Duration = Duration::from_secs(15);

/// What a virtual router can be like on the wire.
struct Case {
    six: bool,
    unicast: bool,
}

impl Case {
    const fn virtual_address(&self) -> &'static str {
        if self.six { "fd00:99::100" } else { "10.99.0.100" }
    }

    const fn own(&self, first: bool) -> &'static str {
        match (self.six, first) {
            (false, true) => "10.99.0.1",
            (false, false) => "10.99.0.2",
            (true, true) => "fd00:99::1",
            (true, false) => "fd00:99::2",
        }
    }

    /// A link-local address must come first in an advertisement of IPv6 (RFC 9568 section 5.2.9), and keepalived
    /// insists on it.
    fn addresses(&self) -> Vec<String> {
        if self.six {
            vec!["fe80::100/64".into(), "fd00:99::100/64".into()]
        } else {
            vec!["10.99.0.100/24".into()]
        }
    }

    fn haechi(&self, priority: u8) -> String {
        let unicast = if self.unicast {
            format!(", peers: {{ other: \"{}\" }}, source: \"{}\"", self.own(false), self.own(true))
        } else {
            String::new()
        };
        let addresses: Vec<_> = self.addresses().iter().map(|address| format!("\"{address}\"")).collect();
        format!(
            "node: {{ name: haechi }}\nworkers: 1\n\
             listeners: {{ web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
             pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
             virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: [{}], priority: {priority}{unicast} }} }}\n",
            addresses.join(", ")
        )
    }

    fn keepalived(&self, priority: u8) -> String {
        let unicast = if self.unicast {
            format!("  unicast_src_ip {}\n  unicast_peer {{\n    {}\n  }}\n", self.own(false), self.own(true))
        } else {
            String::new()
        };
        format!(
            "global_defs {{\n  router_id other\n  vrrp_version 3\n}}\n\
             vrrp_instance edge {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n  \
             advert_int 0.1\n{unicast}  virtual_ipaddress {{\n    {}\n  }}\n}}\n",
            self.addresses().join("\n    ")
        )
    }
}

/// A running keepalived, killed when dropped.
struct Keepalived {
    child: Child,
    folder: TempDir,
}

impl Keepalived {
    fn start(namespace: &Namespace, config: &str) -> Self {
        let folder = TempDir::new("keepalived");
        let own = |file: &str| folder.path().join(file);
        std::fs::write(own("conf"), config).unwrap();
        let log = File::create(own("log")).unwrap();
        let mut command = namespace.command("keepalived");
        command.args(["-n", "-l", "-D", "-P", "-f"]).arg(own("conf"));
        command.arg("-p").arg(own("pid")).arg("-r").arg(own("vrrp.pid"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        Self { child: child.expect("this test needs keepalived (Debian: keepalived)"), folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its end, as it ends itself: with a farewell on the wire.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
        eventually(SOON, "keepalived ends", || self.child.try_wait().unwrap().is_some());
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows the peer's log")]
            {
                eprintln!("keepalived's log:\n{}", self.log());
            }
        }
    }
}

/// haechi is better, leaves and comes back; then keepalived is better, leaves and comes back.
fn both_ways(case: &Case) {
    if !can_make_namespaces() {
        return;
    }
    let network = Network::new(&[
        ("haechi", &["10.99.0.1/24", "fd00:99::1/64"]),
        ("other", &["10.99.0.2/24", "fd00:99::2/64"]),
    ]);
    let (here, there) = (network.host("haechi"), network.host("other"));
    let owner = |what: &str, first: bool| {
        eventually(SOON, what, || {
            here.has_on_network(case.virtual_address()) == first
                && there.has_on_network(case.virtual_address()) != first
        });
    };
    let mut node = Node::start_in(here, BINARY, &case.haechi(150));
    owner("haechi is alone", true);
    let peer = Keepalived::start(there, &case.keepalived(100));
    eventually(SOON, "keepalived is up", || peer.log().contains("Entering BACKUP STATE"));
    node.signal("TERM");
    assert_eq!(node.wait_end(SOON), 0);
    owner("keepalived follows a farewell", false);
    node.resume();
    owner("haechi is better and takes over from a living keepalived", true);
    peer.stop();

    let peer = Keepalived::start(there, &case.keepalived(200));
    owner("keepalived is better and takes over from a living haechi", false);
    let said = node.verb(&["ha", "status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let router = &status["virtualRouters"][0];
    assert_eq!(router["state"], "backup", "{router}");
    assert!(router["heard"].as_u64().unwrap() > 0, "{router}");
    assert_eq!(router["intervalMs"], 100, "learnt from the wire: {router}");
    peer.stop();
    owner("haechi follows a farewell", true);
}

#[test]
fn by_multicast_with_the_checksum_of_rfc_5798() {
    both_ways(&Case { six: false, unicast: false });
}

#[test]
fn by_unicast() {
    both_ways(&Case { six: false, unicast: true });
}

#[test]
fn by_multicast_with_ipv6() {
    both_ways(&Case { six: true, unicast: false });
}
