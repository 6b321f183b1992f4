//! A virtual router with a MAC of its own: it moves along with the address.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use haechi_sys::Mac;
use haechi_tests::{Network, Node, Observer, eventually, now};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const VIRTUAL: &str = "10.0.0.100";

const SOON: Duration = Duration::from_secs(10);

/// Of virtual router 51 over IPv4 (RFC 9568 §7.3).
const MAC: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x01, 51];

fn node(network: &Network, host: &str, priority: u8) -> Node {
    let config = format!(
        "node: {{ name: {host} }}
workers: 1
listeners: {{ web: {{ bind: \"{VIRTUAL}:80\", protocol: http, routes: [{{ pool: web }}] }} }}
pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}
virtualRouters:
  edge: {{ id: 51, interface: eth0, addresses: {VIRTUAL}/24, priority: {priority}, virtualMac: true }}
"
    );
    Node::start_in(network.host(host), BINARY, &config)
}

/// Who answers the client's ARP for this address.
fn who_has(network: &Network, address: &str) -> Vec<Mac> {
    let (address, within): (IpAddr, _) = (address.parse().unwrap(), Duration::from_millis(300));
    let client = network.host("client");
    let own: Vec<u8> = client.mac("eth0").split(':').map(|it| u8::from_str_radix(it, 16).unwrap()).collect();
    let own = Mac::new(own.try_into().unwrap());
    let ask = || haechi_sys::neighbour::who_has(&"eth0".into(), own, None, address, within).unwrap();
    client.run(ask).iter().map(|answer| answer.mac).collect()
}

/// Whether the switch has learnt that the MAC is at this host.
fn learnt_at(network: &Network, host: &str) -> bool {
    let table = network.switch().command("bridge").args(["fdb", "show"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    table.lines().any(|line| line.starts_with("00:00:5e:00:01:33") && line.contains(&format!("to-{host} ")))
}

/// The reply to a client went out by the interface itself, which asked for the client's MAC as the virtual address, but
/// with its own MAC; so the client took that one for the address.
#[test]
fn a_client_that_is_answered_learns_no_other_mac() {
    let network = Network::new(&[
        ("lb1", &["10.0.0.1/24"]),
        ("client", &["10.0.0.9/24"]),
        ("observer", &["10.0.0.8/24"]),
    ]);
    let _node = node(&network, "lb1", 150);
    eventually(SOON, "lb1 has it", || network.host("lb1").has(VIRTUAL));
    let observer = Observer::start(network.host("observer"), VIRTUAL);
    observer.wait_for_one(SOON);
    let since = now();
    for _ in 0..3 {
        network.host("lb1").ip("neigh flush all");
        let to = (VIRTUAL.parse::<IpAddr>().unwrap(), 80).into();
        network.host("client").run(|| std::net::TcpStream::connect_timeout(&to, SOON).unwrap());
    }
    observer.wait_for_one(SOON);
    let others: Vec<_> = observer.since(since).into_iter().filter(|it| it.mac != Mac::new(MAC)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(network.host("lb1").get("ipv4/conf/eth0/arp_announce"), "2");
}

#[test]
fn the_mac_moves_with_the_address_and_nobody_else_answers() {
    let network =
        Network::new(&[("lb1", &["10.0.0.1/24"]), ("lb2", &["10.0.0.2/24"]), ("client", &["10.0.0.9/24"])]);
    let better = node(&network, "lb1", 150);
    eventually(SOON, "lb1 has it", || network.host("lb1").has(VIRTUAL));
    let worse = node(&network, "lb2", 100);
    let mac = Mac::new(MAC);
    eventually(SOON, "the switch learns from advertisements", || learnt_at(&network, "lb1"));
    assert_eq!(who_has(&network, VIRTUAL), [mac]);
    let own = who_has(&network, "10.0.0.1");
    assert!(own.len() == 1 && own[0] != mac, "its own address stays with its own MAC: {own:?}");

    better.signal("KILL");
    eventually(SOON, "lb2 has it", || network.host("lb2").has(VIRTUAL));
    eventually(SOON, "the switch learns where it went", || learnt_at(&network, "lb2"));
    assert_eq!(who_has(&network, VIRTUAL), [mac], "the same MAC, once");

    worse.signal("TERM");
    eventually(SOON, "nothing is left on lb2", || {
        let host = network.host("lb2");
        !host.ip("-o link show").contains("hv4-51")
            && host.get("ipv4/conf/eth0/arp_ignore").trim() == "0"
            && host.get("ipv4/conf/eth0/arp_announce").trim() == "0"
    });
}
