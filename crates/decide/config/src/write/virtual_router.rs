//! A virtual router as keys and values. One that was spread is written as what it became.

use std::fmt::Display;
use std::time::Duration;

use haechi_model::{
    Announcing, Checksum, Mover, Peer, Pool, Track, TrackEffect, TrackedPool, TrackedProgram,
    TrackedRequests, Transport, VirtualAddress, VirtualRouter,
};

use super::tree::{Field, Out, count, may, must, pool_name, time};
use crate::defaults;

/// One virtual router; `pools` are the snapshot's.
pub(crate) fn virtual_router(router: &VirtualRouter, pools: &[Pool]) -> Out {
    let mut fields = vec![
        must("id", Out::bare(&router.id)),
        must("interface", Out::text(&router.interface)),
        must("addresses", Out::List(router.addresses.iter().map(|one| Out::Text(address(one))).collect())),
        must("priority", Out::bare(&router.priority)),
        time("advertisementInterval", router.advertisement_interval, defaults::ADVERTISEMENT_INTERVAL),
        count("preempt", &router.preempt, &true),
        time("preemptDelay", router.preempt_delay, Duration::ZERO),
        time("startupDelay", router.startup_delay, Duration::ZERO),
    ];
    fields.extend(transport(&router.transport));
    fields.push(may("mover", mover(&router.mover), router.mover == Mover::default()));
    fields.push(count("virtualMac", &router.virtual_mac, &false));
    fields.push(may("announce", announce(router.announce), router.announce == Announcing::default()));
    fields.push(may("track", track(&router.track, pools), router.track == Track::default()));
    fields.extend(router.group.as_ref().map(|group| must("group", Out::text(group))));
    fields.push(time("drain", router.drain, defaults::VIRTUAL_ROUTER_DRAIN));
    Out::Map(fields)
}

/// `10.0.0.100/24`.
pub(crate) fn address(address: &VirtualAddress) -> String {
    format!("{}/{}", address.address, address.prefix)
}

fn transport(transport: &Transport) -> Vec<Field> {
    match transport {
        Transport::Vrrp { source, peers: others, checksum } => {
            let mut fields = vec![may("transport", Out::bare("vrrp"), true)];
            fields.extend(peers(others));
            fields.extend(source.map(|source| must("source", Out::text(&source))));
            let word = match checksum {
                Checksum::Auto => "auto",
                Checksum::PseudoHeader => "pseudoHeader",
                Checksum::Plain => "plain",
            };
            fields.push(may("checksum", Out::bare(word), *checksum == Checksum::default()));
            fields
        }
        Transport::Udp { bind, peers: others, keys } => {
            let mut fields = vec![must("transport", Out::bare("udp"))];
            fields.extend(peers(others));
            fields.push(must("source", Out::text(bind)));
            fields.push(must("keys", Out::text(keys)));
            fields
        }
    }
}

fn peers<A: Display>(peers: &[Peer<A>]) -> Option<Field> {
    let all = peers.iter().map(|peer| must(&peer.name, Out::text(&peer.address))).collect();
    (!peers.is_empty()).then(|| must("peers", Out::Map(all)))
}

fn mover(mover: &Mover) -> Out {
    match mover {
        Mover::Netlink => Out::bare("netlink"),
        Mover::Bind => Out::bare("bind"),
        Mover::Command(command) => Out::Map(vec![must("command", words(command))]),
    }
}

fn words(command: &[Box<str>]) -> Out {
    Out::List(command.iter().map(Out::text).collect())
}

fn announce(announce: Announcing) -> Out {
    let default = Announcing::default();
    Out::Map(vec![
        count("repeat", &announce.repeat, &default.repeat),
        time("interval", announce.interval, default.interval),
        time("again", announce.again, default.again),
        time("refresh", announce.refresh, default.refresh),
    ])
}

fn track(track: &Track, pools: &[Pool]) -> Out {
    let mut fields = Vec::new();
    let mut named = |key: &str, entries: Vec<Field>| {
        if !entries.is_empty() {
            fields.push(must(key, Out::Map(entries)));
        }
    };
    named(
        "interfaces",
        track.interfaces.iter().map(|one| must(&one.interface, Out::Map(vec![effect(one.effect)]))).collect(),
    );
    named("pools", track.pools.iter().filter_map(|one| tracked_pool(one, pools)).collect());
    named("programs", track.programs.iter().map(program).collect());
    let proxy = track.proxy.map_or_else(|| must("fault", Out::bare(&false)), effect);
    fields.push(may("proxy", Out::Map(vec![proxy]), track.proxy == Track::default().proxy));
    fields.extend(track.requests.as_ref().map(|one| must("requests", requests(one))));
    Out::Map(fields)
}

fn effect(effect: TrackEffect) -> Field {
    match effect {
        TrackEffect::Lower(by) => must("lower", Out::bare(&by)),
        TrackEffect::Fault => must("fault", Out::bare(&true)),
    }
}

fn tracked_pool(tracked: &TrackedPool, pools: &[Pool]) -> Option<Field> {
    let Out::Text(name) = pool_name(tracked.pool, pools) else { return None };
    let fields =
        vec![count("healthyShare", &tracked.healthy_share, &defaults::HEALTHY_SHARE), effect(tracked.effect)];
    Some(must(&name, Out::Map(fields)))
}

fn program(program: &TrackedProgram) -> Field {
    must(
        &program.name,
        Out::Map(vec![
            must("command", words(&program.command)),
            time("interval", program.interval, defaults::PROGRAM_INTERVAL),
            time("timeout", program.timeout, program.interval),
            effect(program.effect),
        ]),
    )
}

fn requests(requests: &TrackedRequests) -> Out {
    Out::Map(vec![
        time("window", requests.window, defaults::REQUESTS_WINDOW),
        count("failedShare", &requests.failed_share, &defaults::FAILED_SHARE),
        count("minimum", &requests.minimum, &defaults::REQUESTS_MINIMUM),
        effect(requests.effect),
    ])
}
