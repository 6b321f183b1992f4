//! Planned moves of virtual addresses with everything open: nothing fails, nothing is reset, every byte comes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod clients;
mod idle;
mod neighbours;

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Network, Node, eventually, pause, serve_flows, speak};
use socket2::{Domain, Socket, Type};

use clients::Clients;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// The cores are shared with other tests.
const SOON: Duration = Duration::from_secs(20);

/// One family's addresses of everything.
struct Plan {
    first: &'static str,
    second: &'static str,
    third: &'static str,
    client: &'static str,
    endpoint: &'static str,
    moving: &'static str,
    prefix: u8,
}

const V4: Plan = Plan {
    first: "10.9.0.1",
    second: "10.9.0.2",
    third: "10.9.0.3",
    client: "10.9.0.9",
    endpoint: "10.9.0.8",
    moving: "10.9.0.100",
    prefix: 24,
};

const V6: Plan = Plan {
    first: "fd00:9::1",
    second: "fd00:9::2",
    third: "fd00:9::3",
    client: "fd00:9::9",
    endpoint: "fd00:9::8",
    moving: "fd00:9::100",
    prefix: 64,
};

/// Nodes, an endpoint and a client on a switch.
struct Rig {
    plan: &'static Plan,
    network: Network,
}

impl Rig {
    fn new(plan: &'static Plan) -> Self {
        let whole = |address: &str| format!("{address}/{}", plan.prefix);
        let (first, second, third) = (whole(plan.first), whole(plan.second), whole(plan.third));
        let (client, endpoint) = (whole(plan.client), whole(plan.endpoint));
        let network = Network::new(&[
            ("lb1", &[&first]),
            ("lb2", &[&second]),
            ("lb3", &[&third]),
            ("client", &[&client]),
            ("endpoint", &[&endpoint]),
        ]);
        let rig = Self { plan, network };
        let inside = rig.network.host("endpoint");
        let at = |port| SocketAddr::new(plan.endpoint.parse().unwrap(), port);
        inside.run(|| serve_flows(at(8080)));
        rig
    }

    fn config(&self, priority: u8) -> String {
        let Plan { endpoint, moving, prefix, .. } = self.plan;
        let (any, at) = if endpoint.contains(':') {
            ("[::]", format!("[{endpoint}]:8080"))
        } else {
            ("0.0.0.0", format!("{endpoint}:8080"))
        };
        format!(
            "workers: 1\nlisteners:\n  web: {{ bind: \"{any}:80\", protocol: http, routes: [{{ pool: web }}] }}\n  \
             echo: {{ bind: \"{any}:7\", protocol: tcp, pool: web }}\npools:\n  web: {{ endpoints: {{ e: \"{at}\" }} }}\n\
             virtualRouters:\n  edge: {{ id: 51, interface: eth0, addresses: [{moving}/{prefix}], priority: {priority}, drain: 20s }}\n"
        )
    }

    fn start(&self, host: &str, priority: u8) -> Node {
        Node::start_in(self.network.host(host), BINARY, &self.config(priority))
    }

    fn clients(&self) -> Clients {
        let ip = self.plan.moving.parse().unwrap();
        self.network.host("client").run(|| Clients::start(SocketAddr::new(ip, 80), SocketAddr::new(ip, 7)))
    }

    /// A TCP stream of the client that comes from this port.
    fn stream_from(&self, port: u16) -> TcpStream {
        let ip = |address: &str| address.parse::<IpAddr>().unwrap();
        let socket =
            self.network.host("client").run(|| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::new(ip(self.plan.client), port).into()).unwrap();
        socket.connect_timeout(&SocketAddr::new(ip(self.plan.moving), 7).into(), SOON).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        speak(&mut stream, "before\n").unwrap();
        stream
    }

    /// Nothing of a hand-over is left on a host.
    #[track_caller]
    fn assert_clean(&self, host: &str) {
        let host = self.network.host(host);
        let listed = host.command("nft").args(["list", "ruleset"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "", "nftables");
        for (key, before) in [("nf_conntrack_tcp_loose", "1"), ("nf_conntrack_tcp_be_liberal", "0")] {
            assert_eq!(host.get(&format!("netfilter/{key}")), before, "{key}");
        }
        assert!(!host.has(self.plan.moving), "the address");
    }
}

#[track_caller]
fn wait_state(node: &Node, state: &str) {
    eventually(SOON, &format!("it is {state}"), || {
        let told = node.verb(&["ha", "status", "-o", "json"]).out;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let router = &told["virtualRouters"][0];
        router["state"] == state && router["holdsAddresses"] == (state == "active")
    });
}

#[track_caller]
fn hand_over(from: &Node, to: &Node) {
    let told = from.verb(&["ha", "handover", "--wait", "10s"]);
    assert_eq!(told.code, 0, "{told:?}");
    wait_state(to, "active");
}

/// There, back within the drain time, and there again.
fn there_and_back(plan: &'static Plan) {
    let rig = Rig::new(plan);
    let mut first = rig.start("lb1", 150);
    wait_state(&first, "active");
    let mut second = rig.start("lb2", 100);
    wait_state(&second, "backup");
    let mut clients = rig.clients();
    pause(Duration::from_secs(1));
    for (from, to) in [(&first, &second), (&second, &first), (&first, &second)] {
        clients.open_more();
        hand_over(from, to);
        pause(Duration::from_secs(1));
        clients.check_streams();
    }
    clients.finish();
    for node in [&mut second, &mut first] {
        node.signal("TERM");
        assert_eq!(node.wait_end(SOON), 0, "{}", node.log());
    }
    rig.assert_clean("lb1");
    rig.assert_clean("lb2");
}

#[test]
fn there_and_back_within_the_drain_time() {
    there_and_back(&V4);
}

#[test]
fn there_and_back_over_ipv6() {
    there_and_back(&V6);
}

#[test]
fn flows_of_the_first_of_three_nodes_are_found_by_the_last() {
    let rig = Rig::new(&V4);
    let third = rig.start("lb3", 50);
    wait_state(&third, "active");
    let mut clients = rig.clients();
    let second = rig.start("lb2", 100);
    wait_state(&second, "active");
    clients.open_more();
    clients.check_streams();
    gently_replaced(&rig, &second, clients);
}

#[test]
fn a_better_node_that_returns_takes_over_gently() {
    let rig = Rig::new(&V4);
    let second = rig.start("lb2", 100);
    wait_state(&second, "active");
    let clients = rig.clients();
    pause(Duration::from_secs(1));
    gently_replaced(&rig, &second, clients);
}

/// `lb1` comes, is better, and takes over; what is open goes on to its end.
fn gently_replaced(rig: &Rig, second: &Node, mut clients: Clients) {
    let first = rig.start("lb1", 150);
    wait_state(&first, "active");
    wait_state(second, "backup");
    pause(Duration::from_secs(1));
    clients.check_streams();
    clients.finish();
}

/// conntrack remembers flows that ended, for minutes; so a port that a client uses again was known at the other node.
#[test]
fn a_port_that_the_new_active_knew_in_an_earlier_turn_goes_on() {
    let rig = Rig::new(&V4);
    let first = rig.start("lb1", 150);
    wait_state(&first, "active");
    let second = rig.start("lb2", 100);
    wait_state(&second, "backup");
    hand_over(&first, &second);
    let ended: Vec<_> = (0..20).map(|number| rig.stream_from(40_000 + number)).collect();
    // Without waiting for a last word: the same port is free at once.
    ended.iter().for_each(|stream| socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap());
    drop(ended);
    hand_over(&second, &first);
    let mut open: Vec<_> = (0..20).map(|number| rig.stream_from(40_000 + number)).collect();
    hand_over(&first, &second);
    for (number, stream) in open.iter_mut().enumerate() {
        speak(stream, "after\n").unwrap_or_else(|error| panic!("stream {number}: {error}"));
    }
}

#[test]
fn a_stop_waits_for_what_is_open() {
    let rig = Rig::new(&V4);
    let mut first = rig.start("lb1", 150);
    wait_state(&first, "active");
    let second = rig.start("lb2", 100);
    wait_state(&second, "backup");
    let mut clients = rig.clients();
    pause(Duration::from_secs(1));
    first.signal("TERM");
    wait_state(&second, "active");
    pause(Duration::from_secs(1));
    clients.check_streams();
    clients.finish();
    assert_eq!(first.wait_end(Duration::from_secs(60)), 0, "{}", first.log());
    rig.assert_clean("lb1");
}

#[test]
fn the_former_active_may_die_and_a_killed_run_leaves_nothing() {
    let rig = Rig::new(&V4);
    let mut first = rig.start("lb1", 150);
    wait_state(&first, "active");
    let mut second = rig.start("lb2", 100);
    wait_state(&second, "backup");
    hand_over(&first, &second);
    let clients = rig.clients();
    first.signal("KILL");
    first.wait_end(SOON);
    pause(Duration::from_secs(1));
    clients.finish();
    // The table is still there: the drain time is not over. Its next run takes it away.
    second.signal("KILL");
    second.wait_end(SOON);
    let host = rig.network.host("lb2");
    assert_eq!(host.get("netfilter/nf_conntrack_tcp_loose"), "0");
    second.resume();
    eventually(SOON, "the leftovers go", || host.get("netfilter/nf_conntrack_tcp_loose") == "1");
    wait_state(&second, "active");
    second.signal("TERM");
    assert_eq!(second.wait_end(SOON), 0, "{}", second.log());
    rig.assert_clean("lb2");
}
