//! Arbitrary virtual routers.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_config::defaults;
use haechi_model::{
    Announcing, Checksum, Mover, Peer, PoolIndex, Track, TrackEffect, TrackedInterface, TrackedPool,
    TrackedProgram, TrackedRequests, Transport, VirtualAddress, VirtualRouter,
};
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::{ms, name, text};

const HOUR: u64 = 3_600_000;

/// An address whose last two parts keep all addresses of a snapshot apart.
fn address(v4: bool, index: u8, host: u8) -> IpAddr {
    if v4 {
        IpAddr::from([10, 0, index, host])
    } else {
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, index.into(), host.into()])
    }
}

fn up_to_an_hour() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), (0..=HOUR).prop_map(Duration::from_millis)]
}

fn effect() -> impl Strategy<Value = TrackEffect> {
    let lower = (1..=254_u8).prop_map(|by| TrackEffect::Lower(NonZeroU8::new(by).unwrap()));
    prop_oneof![Just(TrackEffect::Fault), lower]
}

fn command() -> impl Strategy<Value = Vec<Box<str>>> {
    vec(text(), 1..3).prop_map(|words| words.into_iter().map(Into::into).collect())
}

fn program(name: String) -> impl Strategy<Value = TrackedProgram> {
    let times = prop_oneof![Just((1000, 1000)), (100..5000_u64, 1..5000_u64)];
    (command(), times, effect()).prop_map(move |(command, (interval, timeout), effect)| TrackedProgram {
        name: name.as_str().into(),
        command,
        interval: Duration::from_millis(interval),
        timeout: Duration::from_millis(timeout.min(interval)),
        effect,
    })
}

fn requests() -> impl Strategy<Value = TrackedRequests> {
    let usual = (Just(Duration::from_secs(5)), Just(50), Just(20), effect());
    let any = ((1000..HOUR).prop_map(Duration::from_millis), 1..=100_u8, 1..=u32::MAX, effect());
    prop_oneof![usual, any].prop_map(|(window, failed_share, minimum, effect)| TrackedRequests {
        window,
        failed_share,
        minimum,
        effect,
    })
}

fn track(pools: u32) -> impl Strategy<Value = Track> {
    let interfaces = btree_set("[a-z][a-z0-9._-]{0,14}|한국|\\{x\\}", 0..3).prop_flat_map(|names| {
        let one = |name: String| {
            effect().prop_map(move |effect| TrackedInterface { interface: name.as_str().into(), effect })
        };
        names.into_iter().map(one).collect::<Vec<_>>()
    });
    let pools = btree_set(0..pools.max(1), 0..if pools == 0 { 1 } else { 3 }).prop_flat_map(|pools| {
        let one = |pool| {
            (prop_oneof![Just(50_u8), 1..=100_u8], effect()).prop_map(move |(healthy_share, effect)| {
                TrackedPool { pool: PoolIndex(pool), healthy_share, effect }
            })
        };
        pools.into_iter().map(one).collect::<Vec<_>>()
    });
    let programs =
        btree_set(name(), 0..3).prop_flat_map(|names| names.into_iter().map(program).collect::<Vec<_>>());
    (interfaces, pools, programs, of(effect()), of(requests())).prop_map(
        |(interfaces, pools, programs, proxy, requests)| Track {
            interfaces,
            pools,
            programs,
            proxy,
            requests,
        },
    )
}

/// Of the node `own`, which is no peer of its own.
fn transport(own: String, v4: bool, index: u8) -> impl Strategy<Value = Transport> {
    let names = move |own: String, least: usize| {
        btree_set(name(), least..4).prop_filter("peers are others", move |names| !names.contains(&own))
    };
    let checksum = prop_oneof![Just(Checksum::Auto), Just(Checksum::PseudoHeader), Just(Checksum::Plain)];
    let vrrp = (any::<bool>(), names(own.clone(), 0), checksum).prop_map(move |(source, names, checksum)| {
        let peer = |(name, host): (String, u8)| Peer {
            name: name.as_str().into(),
            address: address(v4, index, host),
        };
        Transport::Vrrp {
            source: source.then(|| address(v4, index, 101)),
            peers: names.into_iter().zip(102..).map(peer).collect(),
            checksum,
        }
    });
    let udp =
        (any::<bool>(), 1..=u16::MAX, names(own, 1), text()).prop_map(move |(v4, port, names, keys)| {
            let at = |host| SocketAddr::new(address(v4, index, host), port);
            let peer = |(name, host): (String, u8)| Peer { name: name.as_str().into(), address: at(host) };
            Transport::Udp {
                bind: at(101),
                peers: names.into_iter().zip(102..).map(peer).collect(),
                keys: keys.into(),
            }
        });
    prop_oneof![vrrp, udp]
}

fn announce() -> impl Strategy<Value = Announcing> {
    (1..=100_u8, 1..=1000_u64, up_to_an_hour(), up_to_an_hour()).prop_map(
        |(repeat, interval, again, refresh)| Announcing {
            repeat,
            interval: Duration::from_millis(interval),
            again,
            refresh,
        },
    )
}

fn mover() -> impl Strategy<Value = Mover> {
    prop_oneof![Just(Mover::Netlink), Just(Mover::Bind), command().prop_map(Mover::Command)]
}

/// Interface, prefix lengths and priority. Two addresses fit into any network without being its first or
/// last.
fn head() -> impl Strategy<Value = (String, Vec<u8>, u8)> {
    ("[a-z][a-z0-9._-]{0,14}", vec(1..=32_u8, 1..3), 1..=255_u8)
}

/// Any that a config can say on the node `own` with so many pools. `index` is its id, and keeps its addresses
/// apart.
pub(super) fn virtual_router(
    name: String,
    index: u8,
    own: String,
    pools: u32,
) -> impl Strategy<Value = VirtualRouter> {
    let id = NonZeroU8::new(index).unwrap();
    any::<bool>().prop_flat_map(move |v4| {
        let name = name.clone();
        let parts = (transport(own.clone(), v4, index), mover(), of(announce()), of(track(pools)));
        let times = (1..=4095_u32, up_to_an_hour(), up_to_an_hour(), ms(1));
        let flags = (any::<bool>(), any::<bool>(), of(super::name()));
        (head(), times, flags, parts).prop_map(move |(head, times, flags, parts)| {
            let ((interface, prefixes, priority), (interval, preempt_delay, startup_delay, drain)) =
                (head, times);
            let ((preempt, virtual_mac, group), (transport, mover, announce, track)) = (flags, parts);
            VirtualRouter {
                addresses: prefixes
                    .into_iter()
                    .zip(1..)
                    .map(|(prefix, host)| VirtualAddress { address: address(v4, index, host), prefix })
                    .collect(),
                priority: NonZeroU8::new(priority).unwrap(),
                advertisement_interval: Duration::from_millis(10) * interval,
                preempt,
                preempt_delay,
                startup_delay,
                transport,
                mover,
                virtual_mac,
                announce: announce.unwrap_or_default(),
                track: track.unwrap_or_default(),
                group: group.map(Into::into),
                drain,
                ..defaults::virtual_router(&name, id, &interface)
            }
        })
    })
}
