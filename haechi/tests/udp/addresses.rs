//! Answers come from the address that was asked.

use std::net::SocketAddr;

use haechi_tests::{Network, Node, address};

use crate::rig::{BINARY, Client, Echo};

#[test]
fn a_listener_on_all_addresses_answers_from_the_one_that_was_asked() {
    let echo = Echo::new(b'a');
    // A port of its own, because it stands on every address of this machine.
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  udp: {{ bind: \":25311\", protocol: udp, pool: udp }}\npools:\n  udp: {{ endpoints: {{ e: \"{}\" }} }}\n",
            echo.at
        ),
    );
    // A connected client hears nobody else.
    for ip in [address(), address(), "127.0.0.1".parse().unwrap(), "::1".parse().unwrap()] {
        let to = SocketAddr::new(ip, 25_311);
        let client = Client::new(to);
        assert_eq!(client.ask(b"x"), b'a', "{ip}");
        assert_eq!(client.ask(b"y"), b'a', "{ip}");
    }
    assert_eq!(node.status()["listeners"][0]["open"], 4);
}

/// One client socket that asks two addresses has two flows.
#[test]
fn flows_are_told_apart_by_the_address_that_was_asked() {
    let echoes = [Echo::new(b'a'), Echo::new(b'b')];
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  udp: {{ bind: \"0.0.0.0:25312\", protocol: udp, pool: udp }}\n\
             pools:\n  udp: {{ endpoints: {{ a: \"{}\", b: \"{}\" }} }}\n",
            echoes[0].at, echoes[1].at
        ),
    );
    let own = SocketAddr::new(address(), 4000);
    let ask = |ip: std::net::IpAddr| Client::from(SocketAddr::new(ip, 25_312), own).ask(b"x");
    let ips = [address(), address()];
    let letters = ips.map(ask);
    assert_ne!(letters[0], letters[1]);
    assert_eq!(ips.map(ask), letters, "each is still there");
    assert_eq!(node.status()["listeners"][0]["open"], 2);
}

/// The kernel would answer from the first address of the interface.
#[test]
fn a_virtual_address_answers_as_itself() {
    let network = Network::new(&[("lb1", &["10.77.0.1/24"]), ("client", &["10.77.0.9/24"])]);
    let (host, client) = (network.host("lb1"), network.host("client"));
    let config = "node: { name: lb1 }\nlisteners:\n  all: { bind: \":5300\", protocol: udp, pool: udp }\n  \
                  one: { bind: \"10.77.0.101:5301\", protocol: udp, pool: udp }\n\
                  pools:\n  udp: { endpoints: { e: \"10.77.0.1:5310\" } }\n\
                  virtualRouters:\n  edge: { id: 1, interface: eth0, addresses: [10.77.0.100/24, 10.77.0.101/24], \
                  priority: 200, transport: udp, source: \"10.77.0.1:7112\", peers: { lb2: \"10.77.0.2:7112\" }, \
                  keys: keys.yaml }\n";
    let mut node = Node::prepared_in(host, BINARY, config);
    let keys = "sign: 1\nkeys: { 1: 00112233445566778899aabbccddeeff }\n";
    std::fs::write(node.folder().join("keys.yaml"), keys).unwrap();
    node.resume();
    node.wait_state("edge", "active");
    let _echo = host.run(|| Echo::at("10.77.0.1:5310".parse().unwrap(), b'v'));
    client.run(|| {
        for to in ["10.77.0.100:5300", "10.77.0.101:5300", "10.77.0.101:5301", "10.77.0.1:5300"] {
            let client = Client::new(to.parse().unwrap());
            assert_eq!(client.ask_until_answered(b"x"), b'v', "{to}");
        }
    });
}
