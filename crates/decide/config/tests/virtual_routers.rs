//! What virtual routers in a file mean, and what a change of them disturbs.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests fail like tests.

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_config::{Disruption, compile, defaults, diff, to_yaml};
use haechi_model::{
    Announcing, Checksum, Mover, Peer, PoolIndex, Snapshot, Track, TrackEffect, TrackedPool, Transport,
    VirtualAddress, VirtualRouter,
};

fn read(text: &str) -> Snapshot {
    let outcome = compile(text);
    outcome.snapshot.unwrap_or_else(|| panic!("{:?}\n{text}", outcome.diagnostics))
}

fn number(number: u8) -> NonZeroU8 {
    NonZeroU8::new(number).unwrap()
}

fn address(text: &str) -> VirtualAddress {
    let (address, prefix) = text.split_once('/').unwrap();
    VirtualAddress { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

#[test]
fn a_short_one_has_every_default() {
    let text =
        "virtualRouters: { edge: { id: 51, interface: eth0, addresses: 10.0.0.100/24, priority: 150 } }";
    let expected = VirtualRouter {
        name: "edge".into(),
        id: number(51),
        interface: "eth0".into(),
        addresses: vec![address("10.0.0.100/24")],
        priority: number(150),
        advertisement_interval: Duration::from_millis(100),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        transport: Transport::Vrrp { source: None, peers: vec![], checksum: Checksum::Auto },
        mover: Mover::Netlink,
        virtual_mac: false,
        announce: Announcing {
            repeat: 5,
            interval: Duration::from_millis(100),
            again: Duration::from_secs(5),
            refresh: Duration::from_secs(60),
        },
        track: Track { proxy: Some(TrackEffect::Fault), ..Track::default() },
        group: None,
        drain: Duration::from_secs(30),
    };
    assert_eq!(read(text).virtual_routers, [expected]);
}

#[test]
fn a_long_one_has_what_it_says() {
    let text = "\
virtualRouters:
  cloud:
    id: 255
    interface: ens5
    addresses: [\"2001:db8::100/64\", \"2001:db8::101/64\"]
    priority: 1
    advertisementInterval: 40s950ms
    transport: udp
    source: \"10.0.0.1:7112\"
    peers: { lb3: \"10.0.0.3:7112\", lb2: \"10.0.0.2:7112\" }
    keys: keys.yaml
    mover: { command: [/bin/move, \"\"] }
    track: { pools: { web: { healthyShare: 1%, lower: 254 } }, proxy: { fault: false } }
    drain: 0s
pools:
  api: { endpoints: { a: \"10.0.1.1:80\" } }
  web: { endpoints: { a: \"10.0.1.1:80\" }, healthCheck: {} }
";
    let peer = |name: &str, address: &str| Peer { name: name.into(), address: address.parse().unwrap() };
    let track = Track {
        pools: vec![TrackedPool {
            pool: PoolIndex(1),
            healthy_share: 1,
            effect: TrackEffect::Lower(number(254)),
        }],
        proxy: None,
        ..Track::default()
    };
    let expected = VirtualRouter {
        addresses: vec![address("2001:db8::100/64"), address("2001:db8::101/64")],
        advertisement_interval: Duration::from_millis(40_950),
        transport: Transport::Udp {
            bind: "10.0.0.1:7112".parse().unwrap(),
            peers: vec![peer("lb3", "10.0.0.3:7112"), peer("lb2", "10.0.0.2:7112")],
            keys: "keys.yaml".into(),
        },
        mover: Mover::Command(vec!["/bin/move".into(), "".into()]),
        track,
        drain: Duration::ZERO,
        ..defaults::virtual_router("cloud", number(255), "ens5")
    };
    assert_eq!(read(text).virtual_routers, [expected]);
}

#[test]
fn effects_of_tracking() {
    for (proxy, expected) in [
        ("", Some(TrackEffect::Fault)),
        ("track: {}", Some(TrackEffect::Fault)),
        ("track: { proxy: {} }", Some(TrackEffect::Fault)),
        ("track: { proxy: { fault: true } }", Some(TrackEffect::Fault)),
        ("track: { proxy: { fault: false } }", None),
        ("track: { proxy: { lower: 7 } }", Some(TrackEffect::Lower(number(7)))),
        ("track: { proxy: { lower: 7, fault: false } }", Some(TrackEffect::Lower(number(7)))),
    ] {
        let router = "id: 1, interface: eth0, addresses: 10.0.0.1/24, priority: 1";
        let snapshot = read(&format!("virtualRouters: {{ v: {{ {router}, {proxy} }} }}"));
        assert_eq!(snapshot.virtual_routers[0].track.proxy, expected, "{proxy}");
        assert_eq!(read(&to_yaml(&snapshot)), snapshot, "{proxy}");
    }
}

const SPREAD: &str = "\
node: { name: NODE }
virtualRouters:
  edge:
    spread: { nodes: [lb3, lb1, lb2], firstId: 51 }
    interface: eth0
    addresses: [10.0.0.100/24, 10.0.0.101/24, 10.0.0.102/24, 10.0.0.103/24]
    preemptDelay: 5s
";

#[test]
fn a_spread_is_a_virtual_router_for_each_address() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for node in ["lb1", "lb2", "lb3"] {
        let routers = read(&SPREAD.replace("NODE", node)).virtual_routers;
        let names: Vec<_> = routers.iter().map(|one| (one.name.as_str(), one.id.get())).collect();
        assert_eq!(names, [("edge-1", 51), ("edge-2", 52), ("edge-3", 53), ("edge-4", 54)]);
        for (router, host) in routers.iter().zip(100..) {
            assert_eq!(router.addresses, [address(&format!("10.0.0.{host}/24"))]);
            assert_eq!(router.preempt_delay, Duration::from_secs(5), "the rest is the entry's");
        }
        all.push(routers.iter().map(|one| one.priority.get()).collect());
    }
    assert_eq!(all, [[200, 180, 190, 200], [190, 200, 180, 190], [180, 190, 200, 180]]);
    for index in 0..4 {
        let priorities: BTreeSet<u8> = all.iter().map(|node| node[index]).collect();
        assert_eq!(priorities.len(), 3, "no two nodes are equal for address {index}");
    }
}

#[test]
fn a_spread_is_written_as_what_it_became() {
    let snapshot = read(&SPREAD.replace("NODE", "lb2"));
    let text = to_yaml(&snapshot);
    let second = r#"  edge-2: { id: 52, interface: eth0, addresses: ["10.0.0.101/24"], priority: 200, preemptDelay: 5s }"#;
    assert_eq!(text.lines().nth(3), Some(second));
    assert!(!text.contains("spread"), "{text}");
    assert_eq!(read(&text), snapshot);
}

#[test]
fn written_as_a_person_would() {
    let text = "\
pools:
  web:
    endpoints:
      a: \"10.0.1.1:80\"
    healthCheck: { protocol: http }
virtualRouters:
  edge: { id: 51, interface: eth0, addresses: [\"10.0.0.100/24\"], priority: 150 }
  site:
    id: 52
    interface: eth0
    addresses: [\"10.0.0.101/24\"]
    priority: 150
    peers: { lb2: \"10.0.0.2\" }
    mover: bind
    track:
      pools:
        web: { lower: 30 }
      programs:
        disk: { command: [/bin/disk], fault: true }
      proxy: { fault: false }
    group: site
";
    assert_eq!(to_yaml(&read(text)), text);
}

const BASE: &str = "\
node: { name: lb1 }
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: [10.0.0.100/24, 10.0.0.101/24]
    priority: 150
    source: 10.0.0.1
    peers: { lb2: 10.0.0.2, lb3: 10.0.0.3 }
    track: { pools: { web: { lower: 30 }, api: { lower: 10 } } }
  site: { id: 52, interface: eth1, addresses: 10.1.0.100/24, priority: 150 }
pools:
  web: { endpoints: { a: \"10.0.1.1:80\" }, healthCheck: {} }
  api: { endpoints: { a: \"10.0.1.1:80\" }, healthCheck: {} }
";

#[test]
fn one_change_one_step() {
    let udp =
        "transport: udp\n    source: \"10.0.0.1:7112\"\n    keys: k\n    peers: { lb2: \"10.0.0.2:7112\" }";
    let vrrp = "source: 10.0.0.1\n    peers: { lb2: 10.0.0.2, lb3: 10.0.0.3 }";
    for (old, new, steps) in [
        ("", "", "no changes"),
        ("id: 51", "id: 53", "virtual router edge: id 51 -> 53 (readvertises)"),
        ("interface: eth0", "interface: eth2", "virtual router edge: interface eth0 -> eth2 (readvertises)"),
        (
            vrrp,
            udp,
            "virtual router edge: transport vrrp -> udp (readvertises)\n\
             virtual router edge: peers.lb2 \"10.0.0.2\" -> \"10.0.0.2:7112\" (no disruption)\n\
             virtual router edge: peers.lb3 removed (no disruption)\n\
             virtual router edge: source \"10.0.0.1\" -> \"10.0.0.1:7112\" (rebinds)\n\
             virtual router edge: checksum removed (no disruption)\n\
             virtual router edge: keys added: k (no disruption)",
        ),
        (
            "    priority: 150\n",
            "    priority: 150\n    mover: { command: [/bin/move] }\n",
            "virtual router edge: mover netlink -> { command: [/bin/move] } (readvertises)",
        ),
        (
            "    priority: 150\n",
            "    priority: 150\n    virtualMac: true\n",
            "virtual router edge: virtualMac false -> true (readvertises)",
        ),
        (
            "source: 10.0.0.1\n",
            "source: 10.0.0.9\n",
            "virtual router edge: source \"10.0.0.1\" -> \"10.0.0.9\" (rebinds)",
        ),
        ("priority: 150", "priority: 90", "virtual router edge: priority 150 -> 90 (no disruption)"),
        (
            "    priority: 150\n",
            "    priority: 150\n    preempt: false\n    drain: 1m\n",
            "virtual router edge: preempt true -> false (no disruption)\n\
             virtual router edge: drain 30s -> 1m (no disruption)",
        ),
        (
            "web: { lower: 30 }",
            "web: { fault: true }",
            "virtual router edge: track.pools.web.lower removed (no disruption)\n\
             virtual router edge: track.pools.web.fault added: true (no disruption)",
        ),
        (
            "web: { lower: 30 }, api: { lower: 10 }",
            "api: { lower: 10 }, web: { lower: 30 }",
            "virtual router edge: order (no disruption)",
        ),
        (
            "[10.0.0.100/24, 10.0.0.101/24]",
            "[10.0.0.100/24, 10.0.0.102/24]",
            "virtual router edge: address 10.0.0.101/24 removed (drains)\n\
             virtual router edge: address 10.0.0.102/24 added (no disruption)",
        ),
        (
            "[10.0.0.100/24, 10.0.0.101/24]",
            "[10.0.0.101/24, 10.0.0.100/24]",
            "virtual router edge: order of addresses (no disruption)",
        ),
        (
            "10.0.0.101/24]",
            "10.0.0.101/32]",
            "virtual router edge: address 10.0.0.101/24 removed (drains)\n\
             virtual router edge: address 10.0.0.101/32 added (no disruption)",
        ),
        (
            "  site: { id: 52, interface: eth1, addresses: 10.1.0.100/24, priority: 150 }\n",
            "",
            "virtual router site: removed, with 10.1.0.100/24 (drains)",
        ),
        (
            "  site:",
            "  new: { id: 54, interface: eth1, addresses: [10.1.0.7/24, 10.1.0.8/24], priority: 150 }\n  site:",
            "virtual router new: added, with 2 addresses (no disruption)",
        ),
        (
            "  edge:\n",
            "  late: &late { id: 55, interface: eth1, addresses: 10.1.0.9/24, priority: 150 }\n  edge:\n",
            "virtual router late: added, with 10.1.0.9/24 (no disruption)",
        ),
    ] {
        assert!(BASE.contains(old), "{old}");
        let changed = read(&BASE.replacen(old, new, 1));
        let plan = diff(&read(BASE), &changed);
        assert_eq!(plan.to_string(), format!("{steps}\n"), "{old:?} -> {new:?}");
    }
}

#[test]
fn the_order_of_virtual_routers_is_a_step() {
    let mut turned = read(BASE);
    turned.virtual_routers.reverse();
    let plan = diff(&read(BASE), &turned);
    assert_eq!(plan.to_string(), "virtualRouters: order (no disruption)\n");
}

#[test]
fn pools_that_move_in_the_file_are_no_change_of_tracking() {
    let turned =
        BASE.replacen("pools:\n  web:", "pools:\n  new: { endpoints: { a: \"10.0.1.1:80\" } }\n  web:", 1);
    let plan = diff(&read(BASE), &read(&turned));
    assert_eq!(plan.to_string(), "pool new: added, with 1 endpoint (no disruption)\n");
}

#[test]
fn the_worst_step_counts() {
    let changed = read(&BASE.replacen("id: 51", "id: 53", 1).replacen(", 10.0.0.101/24", "", 1));
    let plan = diff(&read(BASE), &changed);
    assert_eq!(plan.disruption(), Disruption::Readvertises);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json[0]["disruption"], "readvertises");
}
