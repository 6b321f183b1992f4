//! Values that tests begin with.

use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, Checksum, Mover, Track, Transport, VirtualAddress, VirtualRouter};

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
