//! haechi and keepalived in one virtual router: either hears, follows and replaces the other.
//!
//! Debian's keepalived (2.2.7) knows the checksum of RFC 5798 only; the newest one (2.3, from Debian's newest suite)
//! knows that of RFC 9568 too, by `v3_checksum_as_v2`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{Capture, Frame, Namespace, Network, Node, TempDir, eventually, newest};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const SOON: Duration = Duration::from_secs(15);

/// What a virtual router can be like on the wire.
struct Case {
    six: bool,
    unicast: bool,
    peer: Peer,
    /// Of haechi.
    checksum: &'static str,
}

/// Which keepalived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Debians,
    Newest { plain: bool },
}

impl Case {
    const fn new(six: bool, unicast: bool) -> Self {
        Self { six, unicast, peer: Peer::Debians, checksum: "auto" }
    }

    fn start_peer(&self, namespace: &Namespace, priority: u8, interval: &str, more: &str) -> Keepalived {
        let command = match self.peer {
            Peer::Debians => namespace.command("keepalived"),
            Peer::Newest { .. } => {
                // It wants files of its own version there; only this process sees them.
                const BEGIN: &str =
                    "mount --bind $0/root/etc/keepalived /etc/keepalived && exec $0/keepalived \"$@\"";
                let mut command = namespace.command("sh");
                command.arg("-c").arg(BEGIN).arg(newest());
                command
            }
        };
        Keepalived::start(command, &self.keepalived(priority, interval, more))
    }

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

    /// Who stands in the IP header: over IPv6 by multicast the link-local address (RFC 9568 section 5.1.2.1).
    fn speaks_as(&self, network: &Network, host: &str) -> String {
        if !self.six || self.unicast {
            return self.own(host == "haechi").to_owned();
        }
        let told = network.host(host).ip("-6 -o addr show dev eth0 scope link");
        let mut words = told.split_whitespace().filter_map(|word| word.strip_suffix("/64"));
        words.find(|word| *word != "fe80::100").unwrap().to_owned()
    }

    /// Takes away what a killed keepalived leaves.
    fn clean(&self, host: &Namespace) {
        for address in self.addresses() {
            host.ip(&format!("addr del {address} dev eth0"));
        }
    }

    fn haechi(&self, priority: u8, more: &str) -> String {
        let unicast = if self.unicast {
            format!(", peers: {{ other: \"{}\" }}, source: \"{}\"", self.own(false), self.own(true))
        } else {
            String::new()
        };
        let addresses: Vec<_> = self.addresses().iter().map(|address| format!("\"{address}\"")).collect();
        let checksum = self.checksum;
        format!(
            "node: {{ name: haechi }}\nworkers: 1\n\
             listeners: {{ web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
             pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
             virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: [{}], priority: {priority}, checksum: {checksum}{unicast}{more} }} }}\n",
            addresses.join(", ")
        )
    }

    fn keepalived(&self, priority: u8, interval: &str, more: &str) -> String {
        let unicast = if self.unicast {
            // Over IPv6 keepalived leaves the hop limit at 64 unless it is told otherwise (over IPv4 too it says 255).
            format!(
                "  unicast_src_ip {}\n  unicast_ttl 255\n  unicast_peer {{\n    {}\n  }}\n",
                self.own(false),
                self.own(true)
            )
        } else {
            String::new()
        };
        let plain = if self.peer == (Peer::Newest { plain: true }) { "  v3_checksum_as_v2\n" } else { "" };
        format!(
            "global_defs {{\n  router_id other\n  vrrp_version 3\n}}\n\
             vrrp_instance edge {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n  priority {priority}\n  \
             advert_int {interval}\n{plain}{more}{unicast}  virtual_ipaddress {{\n    {}\n  }}\n}}\n",
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
    fn start(mut command: Command, config: &str) -> Self {
        let folder = TempDir::new("keepalived");
        let own = |file: &str| folder.path().join(file);
        std::fs::write(own("conf"), config).unwrap();
        let log = File::create(own("log")).unwrap();
        command.args(["-n", "-l", "-D", "-P", "-f"]).arg(own("conf"));
        command.arg("-p").arg(own("pid")).arg("-r").arg(own("vrrp.pid"));
        // Its lock is the machine's otherwise, and the next one that runs would not start.
        command.arg("-b").arg(own("bfd.pid"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        Self { child: child.expect("this test needs keepalived (Debian: keepalived)"), folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its end, as it ends itself: with a farewell on the wire.
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
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

fn network() -> Network {
    Network::new(&[
        ("haechi", &["10.99.0.1/24", "fd00:99::1/64"]),
        ("other", &["10.99.0.2/24", "fd00:99::2/64"]),
    ])
}

/// Waits until one has the address and the other has not.
#[track_caller]
fn wait_owner(network: &Network, case: &Case, what: &str, owner: &str) {
    eventually(SOON, what, || {
        let has = |host| network.host(host).has_on_network(case.virtual_address());
        has("haechi") == (owner == "haechi") && has("other") == (owner == "other")
    });
}

/// haechi is better, leaves and comes back; then keepalived is better, leaves and comes back.
fn both_ways(case: &Case) {
    let network = network();
    let (here, there) = (network.host("haechi"), network.host("other"));
    let owner = |what: &str, owner: &str| wait_owner(&network, case, what, owner);
    let mut node = Node::start_in(here, BINARY, &case.haechi(150, ""));
    owner("haechi is alone", "haechi");
    let peer = case.start_peer(there, 100, "0.1", "");
    eventually(SOON, "keepalived is up", || peer.log().contains("Entering BACKUP STATE"));
    node.signal("TERM");
    assert_eq!(node.wait_end(SOON), 0);
    owner("keepalived follows a farewell", "other");
    node.resume();
    owner("haechi is better and takes over from a living keepalived", "haechi");
    assert!(!peer.log().contains("Invalid VRRPv3 checksum"), "{}", peer.log());
    if let Peer::Newest { plain } = case.peer {
        let said = Capture::start(&network, "haechi").more_of(case.own(true), 3);
        // tcpdump reckons with the pseudo-header.
        let wrong = |frame: &Frame| frame.text.contains("bad vrrp cksum");
        assert!(said.iter().all(|frame| wrong(frame) == plain), "haechi speaks in the peer's form: {said:?}");
    }
    peer.stop();

    let peer = case.start_peer(there, 200, "0.1", "");
    owner("keepalived is better and takes over from a living haechi", "other");
    let router = node.router("edge");
    assert_eq!(router["state"], "backup", "{router}");
    assert!(router["heard"].as_u64().unwrap() > 0, "{router}");
    assert_eq!(router["intervalMs"], 100, "learnt from the wire: {router}");
    peer.stop();
    owner("haechi follows a farewell", "haechi");
}

/// Whoever is better waits, on either side, when it shall not preempt.
fn without_preempt(case: &Case) {
    let network = network();
    let (here, there) = (network.host("haechi"), network.host("other"));
    let peer = case.start_peer(there, 100, "0.1", "");
    wait_owner(&network, case, "keepalived is alone", "other");
    let node = Node::start_in(here, BINARY, &case.haechi(150, ", preempt: false"));
    eventually(SOON, "haechi hears it for long", || node.router("edge")["heard"].as_u64() > Some(20));
    assert_eq!(node.router("edge")["state"], "backup");
    there.signal_all("KILL");
    drop(peer);
    eventually(SOON, "haechi is alone", || here.has_on_network(case.virtual_address()));
    drop(node);
    case.clean(there);
    eventually(SOON, "its keeper let go", || !here.has_on_network(case.virtual_address()));

    let node = Node::start_in(here, BINARY, &case.haechi(100, ""));
    wait_owner(&network, case, "haechi is alone", "haechi");
    let peer = case.start_peer(there, 150, "0.1", "  nopreempt\n");
    eventually(SOON, "keepalived is up", || peer.log().contains("Entering BACKUP STATE"));
    let sent = || node.router("edge")["sent"].as_u64().unwrap();
    let before = sent();
    eventually(SOON, "keepalived hears it for long", || sent() > before + 20);
    assert!(!peer.log().contains("Entering MASTER STATE"), "{}", peer.log());
    node.signal("KILL");
    wait_owner(&network, case, "keepalived follows a farewell of the keeper", "other");
}

/// The mean time between advertisements.
fn mean(frames: &[Frame]) -> Duration {
    let gaps = u32::try_from(frames.len() - 1).unwrap();
    (frames.last().unwrap().at - frames[0].at) / gaps
}

/// Within a tenth of what the RFC says; and a takeover is late by what a shared machine needs, and never early.
#[track_caller]
fn assert_near(what: &str, found: Duration, wanted: Duration, late: Duration) {
    let tenth = wanted / 10;
    assert!(
        found + tenth >= wanted && found <= wanted + tenth + late,
        "{what}: {found:?} and not {wanted:?}"
    );
}

/// From the last frame of one that is as wanted to the next frame of the other.
fn between(capture: &Capture, one: &str, wanted: impl Fn(&Frame) -> bool, other: &str) -> Duration {
    let from = || capture.of(one).into_iter().rfind(&wanted).map(|frame| frame.at);
    let next = || capture.of(other).into_iter().find(|frame| from().is_some_and(|from| frame.at > from));
    eventually(SOON, "the other one advertises", || next().is_some());
    next().unwrap().at - from().unwrap()
}

/// Every time that the RFC knows, as a third one on the wire sees it.
fn timers(case: &Case) {
    const LATE: Duration = Duration::from_millis(60);
    let network = network();
    let capture = Capture::start(&network, "haechi");
    let (here, there) = (case.speaks_as(&network, "haechi"), case.speaks_as(&network, "other"));
    let peer = case.start_peer(network.host("other"), 200, "0.3", "");
    wait_owner(&network, case, "keepalived is alone", "other");
    let node = Node::start_in(network.host("haechi"), BINARY, &case.haechi(100, ""));
    let said = capture.more_of(&there, 8);
    assert_near("keepalived's interval", mean(&said[2..]), Duration::from_millis(300), Duration::ZERO);
    assert_eq!(node.router("edge")["intervalMs"], 300, "learnt");
    network.host("other").signal_all("KILL");
    drop(peer);
    // Three learnt intervals and a skew of (256 - 100) / 256 of one (RFC 9568 section 6.1).
    let silence = between(&capture, &there, |_| true, &here);
    assert_near("haechi follows a dead keepalived", silence, Duration::from_micros(1_082_813), LATE);
    case.clean(network.host("other"));
    let said = capture.more_of(&here, 22);
    assert_near("haechi's interval", mean(&said[2..]), Duration::from_millis(100), Duration::ZERO);
    assert!(said[2..].iter().all(|frame| !frame.text.contains("bad vrrp cksum")), "{said:?}");

    let peer = case.start_peer(network.host("other"), 50, "0.1", "");
    eventually(SOON, "keepalived is up", || peer.log().contains("Entering BACKUP STATE"));
    capture.more_of(&here, 4);
    node.signal("TERM");
    // The first farewell: it is said again until the other one is heard. The skew of priority 50.
    let first = |frame: &Frame| frame.priority == 0;
    eventually(SOON, "it says farewell", || capture.of(&here).iter().any(first));
    let resigned = capture.of(&here).into_iter().find(first).unwrap().at;
    let skew = between(&capture, &here, |frame| frame.at == resigned, &there);
    assert_near("keepalived follows a farewell", skew, Duration::from_micros(80_469), LATE);
}

#[test]
fn by_multicast_with_the_checksum_of_rfc_5798() {
    both_ways(&Case::new(false, false));
}

/// Both forms of the newest keepalived, heard by a haechi that follows and by one that is told.
fn with_the_newest(unicast: bool, plain: bool) {
    for checksum in ["auto", if plain { "plain" } else { "pseudoHeader" }] {
        both_ways(&Case { six: false, unicast, peer: Peer::Newest { plain }, checksum });
    }
}

#[test]
fn the_newest_by_multicast_with_the_checksum_of_rfc_5798() {
    with_the_newest(false, false);
}

#[test]
fn the_newest_by_multicast_with_the_checksum_of_rfc_9568() {
    with_the_newest(false, true);
}

#[test]
fn the_newest_by_unicast_with_the_checksum_of_rfc_5798() {
    with_the_newest(true, false);
}

#[test]
fn the_newest_by_unicast_with_the_checksum_of_rfc_9568() {
    with_the_newest(true, true);
}

#[test]
fn by_unicast() {
    both_ways(&Case::new(false, true));
}

#[test]
fn by_multicast_with_ipv6() {
    both_ways(&Case::new(true, false));
}

#[test]
fn by_unicast_with_ipv6() {
    both_ways(&Case::new(true, true));
}

#[test]
fn neither_takes_over_from_a_worse_one_when_it_shall_not() {
    without_preempt(&Case::new(false, false));
}

#[test]
fn times_on_the_wire_by_multicast() {
    timers(&Case::new(false, false));
}

#[test]
fn times_on_the_wire_by_unicast() {
    timers(&Case::new(false, true));
}

#[test]
fn times_on_the_wire_with_ipv6() {
    timers(&Case::new(true, false));
}
