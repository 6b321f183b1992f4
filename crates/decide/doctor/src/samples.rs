//! Values that tests begin with.

use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, Checksum, Mover, Track, Transport, VirtualAddress, VirtualRouter};

use crate::{Bind, Facts, Given, Link, NodeFacts, Owners, Port, Right, RouterFacts};

/// `edge`, id 51, on `eth0`, with one address, as the config's defaults have it.
pub(crate) fn router() -> VirtualRouter {
    VirtualRouter {
        name: "edge".into(),
        id: NonZeroU8::new(51).unwrap(),
        interface: "eth0".into(),
        addresses: vec![VirtualAddress { address: [10, 0, 0, 100].into(), prefix: 24 }],
        priority: NonZeroU8::new(150).unwrap(),
        advertisement_interval: Duration::from_millis(100),
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        transport: Transport::Vrrp { source: None, peers: Vec::new(), checksum: Checksum::Auto },
        mover: Mover::Netlink,
        virtual_mac: false,
        announce: Announcing::default(),
        track: Track::default(),
        group: None,
        drain: Duration::from_secs(30),
    }
}

/// Everything is well.
pub(crate) fn facts() -> Facts {
    let rights = [Right::NetAdmin, Right::NetRaw, Right::NetBindService, Right::Realtime];
    Facts {
        given: Given { rights: rights.into_iter().collect(), free_from: 1024 },
        node: NodeFacts {
            admin: Ok(None),
            state: ("/var/lib/haechi".to_owned(), Ok(())),
            open_files: Some(1_048_576),
            wall_seconds: 1_800_000_000,
            hand_over: Ok(Ok(())),
            synchronised: Ok(true),
            ruleset: Ok(String::new()),
            legacy_rules: Ok(String::new()),
            interfaces_up: 1,
        },
        ports: vec![Port {
            listener: "web".to_owned(),
            address: ([0, 0, 0, 0], 80).into(),
            found: Bind::Free,
        }],
        routers: vec![router_facts()],
    }
}

/// Everything is well with `edge`, and nobody is active.
pub(crate) fn router_facts() -> RouterFacts {
    RouterFacts {
        link: Ok(Some(Link { usable: true, mtu: Some(1500), has_mac: true })),
        socket: Ok(Ok(())),
        heard: Ok(Vec::new()),
        listened: Duration::from_millis(400),
        owners: vec![([10, 0, 0, 100].into(), Ok(Owners { here: false, macs: Vec::new() }))],
        peers: Vec::new(),
        rp_filter: Some(0),
        arp_ignore: Some(0),
        keys: None,
    }
}
