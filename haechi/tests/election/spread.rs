//! Every node is active for its share.

use std::net::SocketAddr;

use haechi_tests::{Network, Node, eventually};

use crate::{BINARY, Rig, SOON};

const HOSTS: [&str; 3] = ["lb1", "lb2", "lb3"];

fn node(network: &Network, host: &str, routers: &str) -> Node {
    let config = format!(
        "node: {{ name: {host} }}
workers: 1
listeners: {{ web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }} }}
pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}
virtualRouters: {{ {routers} }}
"
    );
    Node::start_in(network.host(host), BINARY, &config)
}

/// Who has each of these addresses; `?` where it is not exactly one.
fn owners(network: &Network, addresses: &[&str]) -> Vec<&'static str> {
    let owner = |address: &&str| {
        let mut all = HOSTS.into_iter().filter(|host| network.host(host).has_on_network(address));
        all.next().filter(|_| all.next().is_none()).unwrap_or("?")
    };
    addresses.iter().map(owner).collect()
}

#[track_caller]
fn wait(network: &Network, addresses: &[&str], wanted: &[&str]) {
    eventually(SOON, &format!("{wanted:?} have {addresses:?}"), || owners(network, addresses) == wanted);
}

#[test]
fn two_routers_with_crossed_priorities_make_both_nodes_work() {
    let Rig { network } = Rig::new();
    let routers = |first: u8, second: u8| {
        format!(
            "one: {{ id: 51, interface: eth0, addresses: 10.0.0.100/24, priority: {first} }}, \
             two: {{ id: 52, interface: eth0, addresses: 10.0.0.101/24, priority: {second} }}"
        )
    };
    let addresses = ["10.0.0.100", "10.0.0.101"];
    let mut one = node(&network, "lb1", &routers(150, 100));
    wait(&network, &addresses, &["lb1", "lb1"]);
    let two = node(&network, "lb2", &routers(100, 150));
    wait(&network, &addresses, &["lb1", "lb2"]);
    // Both are reached, and both answer (that their endpoint is away).
    for address in addresses {
        let at: SocketAddr = format!("{address}:80").parse().unwrap();
        let reply = network.host("observer").run(|| haechi_tests::get(at, "/").unwrap());
        assert_eq!(reply.status, 502, "{address}");
    }
    one.signal("KILL");
    one.wait_end(SOON);
    wait(&network, &addresses, &["lb2", "lb2"]);
    one.resume();
    wait(&network, &addresses, &["lb1", "lb2"]);
    assert_eq!(two.router("one")["state"], "backup");
}

#[test]
fn three_nodes_share_three_addresses_and_the_next_one_takes_those_of_the_dead() {
    let Rig { network } = Rig::new();
    let addresses = ["10.0.0.100", "10.0.0.101", "10.0.0.102"];
    let routers = "edge: { spread: { nodes: [lb1, lb2, lb3], firstId: 51 }, interface: eth0, \
                   addresses: [10.0.0.100/24, 10.0.0.101/24, 10.0.0.102/24] }";
    let mut nodes = HOSTS.map(|host| node(&network, host, routers));
    wait(&network, &addresses, &["lb1", "lb2", "lb3"]);
    nodes[1].signal("KILL");
    nodes[1].wait_end(SOON);
    wait(&network, &addresses, &["lb1", "lb3", "lb3"]);
    nodes[2].signal("KILL");
    nodes[2].wait_end(SOON);
    wait(&network, &addresses, &["lb1", "lb1", "lb1"]);
    nodes[1].resume();
    nodes[2].resume();
    wait(&network, &addresses, &["lb1", "lb2", "lb3"]);
}
