//! Advertisements of strangers: each is dropped, and counted where a scraper sees it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use haechi_tests::{Network, Node, address, eventually};
use haechi_vrrp::envelope::{Keys, Stamp, seal};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{BINARY, Rig, SOON};

/// Bytes by hand, so that nothing of haechi's own stands between (RFC 9568 §5.2), with the checksum of RFC 9568.
pub(crate) fn message(id: u8, priority: u8, addresses: u8) -> Vec<u8> {
    let mut bytes = vec![0x31, id, priority, addresses, 0, 10, 0, 0];
    (0..addresses).for_each(|last| bytes.extend([10, 0, 0, last]));
    sign(&mut bytes);
    bytes
}

fn sign(bytes: &mut [u8]) {
    bytes[6..8].fill(0);
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from(folded & 0xffff).unwrap();
    bytes[6..8].copy_from_slice(&checksum.to_be_bytes());
}

/// A message with something changed, and a checksum that fits.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = message(51, 200, 1);
    change(&mut bytes);
    sign(&mut bytes);
    bytes
}

/// Somebody on the link who sends protocol 112.
pub(crate) struct Stranger(Socket);

impl Stranger {
    pub(crate) fn on(network: &Network) -> Self {
        let own = Ipv4Addr::new(10, 0, 0, 9);
        let socket =
            network.host("observer").run(|| Socket::new(Domain::IPV4, Type::RAW, Some(112.into())).unwrap());
        socket.bind(&SockAddr::from(SocketAddr::new(own.into(), 0))).unwrap();
        socket.set_multicast_if_v4(&own).unwrap();
        Self(socket)
    }

    pub(crate) fn say(&self, hops: u32, bytes: &[u8]) {
        self.0.set_multicast_ttl_v4(hops).unwrap();
        self.0.send_to(bytes, &SocketAddr::from(([224, 0, 0, 18], 0)).into()).unwrap();
    }
}

/// What a scraper reads of this reason.
pub(crate) fn dropped(node: &Node, reason: &str) -> u64 {
    let metrics = node.metrics();
    let name = format!("haechi_virtual_router_drops_total{{virtual_router=\"edge\",reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse().unwrap()
}

#[test]
fn what_strangers_send_is_dropped_and_counted_by_reason() {
    let rig = Rig::new();
    let node = rig.start("lb1", "priority: 100");
    rig.wait_for("lb1");
    let stranger = Stranger::on(&rig.network);
    let mut broken = message(51, 200, 1);
    broken[7] ^= 1;
    let cases: [(&str, u32, Vec<u8>); 10] = [
        ("hopLimit", 254, message(51, 200, 1)),
        ("checksum", 255, broken),
        ("noAddresses", 255, message(51, 200, 0)),
        ("length", 255, changed(|bytes| bytes[3] = 255)),
        ("unknownId", 255, message(77, 200, 1)),
        ("id", 255, message(0, 200, 1)),
        ("version", 255, changed(|bytes| bytes[0] = 0x41)),
        ("type", 255, changed(|bytes| bytes[0] = 0x32)),
        ("interval", 255, changed(|bytes| bytes[5] = 0)),
        ("short", 255, vec![0x31; 7]),
    ];
    for (reason, hops, bytes) in cases {
        assert_eq!(dropped(&node, reason), 0, "{reason}");
        stranger.say(hops, &bytes);
        eventually(SOON, reason, || dropped(&node, reason) == 1);
    }
    let router = node.router("edge");
    assert_eq!((&router["state"], &router["heard"]), (&"active".into(), &0.into()), "{router}");

    // The most that there can be is no mistake by itself. Not being ours, it is one.
    stranger.say(255, &message(51, 50, 255));
    eventually(SOON, "other addresses than ours", || {
        let router = node.router("edge");
        router["alarms"].as_array().unwrap().iter().any(|alarm| alarm["kind"] == "addressMismatch")
    });
    assert_eq!(node.router("edge")["state"], "active");
}

#[test]
fn sealed_advertisements_that_are_forged_or_said_again_are_dropped_and_counted() {
    const KEY: &str = "3c1f0e5d7a9b2468ace013579bdf2468";
    let [own, peer] = [0, 1].map(|_| SocketAddr::new(address(), 7112));
    let virtual_address = address();
    let config = format!(
        "node: {{ name: lb1 }}
listeners: {{ db: {{ bind: \"{virtual_address}:8080\", protocol: tcp, pool: db }} }}
pools: {{ db: {{ endpoints: {{ e1: \"127.0.0.1:1\" }} }} }}
virtualRouters:
  edge:
    id: 51
    interface: lo
    addresses: {virtual_address}/32
    priority: 100
    transport: udp
    source: \"{own}\"
    peers: {{ other: \"{peer}\" }}
    keys: keys.yaml
    mover: bind
"
    );
    let mut node = Node::prepared(BINARY, &config);
    std::fs::write(node.folder().join("keys.yaml"), format!("sign: 1\nkeys: {{ 1: {KEY} }}\n")).unwrap();
    node.resume();
    node.wait_state("edge", "active");
    let socket = UdpSocket::bind(SocketAddr::new(peer.ip(), 0)).unwrap();
    let key: Vec<u8> =
        (0..KEY.len()).step_by(2).map(|at| u8::from_str_radix(&KEY[at..at + 2], 16).unwrap()).collect();
    let keys = Keys::new([(1, key)], 1).unwrap();
    let mut said = Vec::new();
    // One that stops being active takes nothing from an active.
    seal(&keys, Stamp { sender: "lb2", epoch: 7, sequence: 7 }, &message(51, 0, 1), &mut said).unwrap();

    let mut forged = said.clone();
    *forged.last_mut().unwrap() ^= 1;
    socket.send_to(&forged, own).unwrap();
    eventually(SOON, "forged", || dropped(&node, "envelopeForged") == 1);
    assert_eq!(node.router("edge")["heard"], 0);
    socket.send_to(&said, own).unwrap();
    eventually(SOON, "heard", || node.router("edge")["heard"] == 1);
    for times in 1..=3 {
        socket.send_to(&said, own).unwrap();
        eventually(SOON, "replayed", || dropped(&node, "replayed") == times);
    }
    let mut older = Vec::new();
    seal(&keys, Stamp { sender: "lb2", epoch: 6, sequence: 99 }, &message(51, 200, 1), &mut older).unwrap();
    socket.send_to(&older, own).unwrap();
    eventually(SOON, "of a former life", || dropped(&node, "replayed") == 4);
    let router = node.router("edge");
    assert_eq!((&router["state"], &router["heard"]), (&"active".into(), &1.into()), "{router}");
}
