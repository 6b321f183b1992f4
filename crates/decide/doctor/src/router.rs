//! One virtual router: its link, who else speaks there, and who answers for its addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use haechi_model::{Mover, Transport, VirtualRouter};

use crate::finding::About;
use crate::{Facts, Finding, Heard, Link, RouterFacts, owners};

/// Bytes of an advertisement besides its addresses: IPv6's header and its own.
const HEADERS: usize = 40 + 8;

/// What no keys file may let others do: read, write or run it.
const OTHERS: u32 = 0o077;

pub(crate) fn examine(config: &VirtualRouter, found: &RouterFacts, facts: &Facts) -> Vec<Finding> {
    let subject = format!("virtual router {}", config.name);
    let about = |check| About { check, subject: &subject };
    let mut all = vec![link(about("interface"), config, &found.link), socket(about("socket"), config, found)];
    if matches!(config.transport, Transport::Vrrp { .. }) {
        all.extend(heard(about("id"), config, found));
    }
    if config.mover == Mover::Netlink {
        all.extend(owners::examine(about("owner"), config, found));
        all.extend(settings(about("settings"), config, found, facts.node.interfaces_up));
    }
    all.extend(found.peers.iter().map(|peer| reachable(about("peer"), peer)));
    all.extend(found.keys.as_ref().map(|keys| keys_file(about("keys"), keys)));
    all
}

fn link(about: About<'_>, config: &VirtualRouter, found: &Result<Option<Link>, String>) -> Finding {
    let name = &config.interface;
    let link = match found {
        Err(text) => return about.unknown(text),
        Ok(None) => {
            return about.error(
                format!("there is no interface {name}"),
                "addresses can't be put on it, and nobody is heard on it",
                "`ip -br link` shows which there are",
            );
        }
        Ok(Some(link)) => link,
    };
    let bytes = HEADERS + config.addresses.len() * if is_v4(config) { 4 } else { 16 };
    if !link.usable {
        let found = format!("{name} is down, or has no carrier");
        about.error(found, "nobody is heard on it", format!("`ip link set {name} up`, or look at its cable"))
    } else if link.mtu.is_some_and(|mtu| usize::try_from(mtu).is_ok_and(|mtu| mtu < bytes)) {
        let found = format!("an advertisement with {} addresses takes {bytes} bytes", config.addresses.len());
        about.error(
            found,
            "it does not fit into one packet of the interface",
            "spread them over several routers",
        )
    } else if !link.has_mac && config.mover == Mover::Netlink {
        let found = format!("{name} has no MAC");
        about.warning(
            found,
            "neighbours can't be told that an address moved",
            "use an interface of a real network",
        )
    } else {
        about.ok(format!("{name} is up"))
    }
}

fn socket(about: About<'_>, config: &VirtualRouter, found: &RouterFacts) -> Finding {
    match &found.socket {
        Err(text) => about.unknown(text),
        Ok(Ok(())) => about.ok("advertisements can be sent and heard"),
        Ok(Err(text)) => {
            let way_out = match config.transport {
                Transport::Vrrp { .. } => "start haechi with CAP_NET_RAW, or use `transport: udp`",
                Transport::Udp { .. } => "`source` must be an address of this host with a port that is free",
            };
            about.error(text, "this node is not heard, and hears nobody", way_out)
        }
    }
}

fn heard(about: About<'_>, config: &VirtualRouter, found: &RouterFacts) -> Vec<Finding> {
    let heard = match &found.heard {
        Err(text) => return vec![about.unknown(text)],
        Ok(heard) => heard.iter().filter(|it| it.id == config.id.get()).collect::<Vec<_>>(),
    };
    if heard.is_empty() {
        let found = format!("nobody else advertises id {} ({:?} listened)", config.id, found.listened);
        return vec![about.ok(found)];
    }
    heard.iter().map(|heard| other(about, config, heard)).collect()
}

fn other(about: About<'_>, config: &VirtualRouter, heard: &Heard) -> Finding {
    let Heard { source, priority, .. } = heard;
    let ours: BTreeSet<IpAddr> = config.addresses.iter().map(|it| it.address).collect();
    let theirs: BTreeSet<IpAddr> = heard.addresses.iter().copied().collect();
    if ours.is_disjoint(&theirs) {
        return about.error(
            format!("{source} advertises id {} for {}: another virtual router", config.id, list(&theirs)),
            "each takes the other for its own active, and one of them never serves",
            "give this one another `id`, on all of its nodes",
        );
    }
    if ours != theirs {
        return about.warning(
            format!("{source} has {}, and this config {}", list(&theirs), list(&ours)),
            "an address that only one node has does not move",
            "give all nodes the same `addresses`",
        );
    }
    if *priority == config.priority.get() {
        return about.error(
            format!("{source} has priority {priority} too"),
            "nodes of one priority have no order, and neither takes over from the other",
            "give each node a `priority` of its own",
        );
    }
    about.ok(format!("{source} is active with priority {priority}; here it is {}", config.priority))
}

pub(crate) fn list(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn is_v4(config: &VirtualRouter) -> bool {
    config.addresses.iter().any(|it| it.address.is_ipv4())
}

fn settings(
    about: About<'_>,
    config: &VirtualRouter,
    found: &RouterFacts,
    interfaces_up: usize,
) -> Option<Finding> {
    let name = &config.interface;
    if found.arp_ignore == Some(8) {
        let way_out = format!("`sysctl net.ipv4.conf.{name}.arp_ignore=0`, and that of `all`");
        return Some(about.error(
            format!("arp_ignore of {name} is 8: it answers no ARP"),
            "neighbours do not find the address once their caches age",
            way_out,
        ));
    }
    // With one interface every packet comes by the way that its answer goes.
    if found.rp_filter == Some(1) && interfaces_up > 1 {
        let way_out = format!("`sysctl net.ipv4.conf.{name}.rp_filter=2`, and that of `all` not above");
        return Some(about.warning(
            format!("rp_filter of {name} is strict, and {interfaces_up} interfaces are up"),
            "packets of clients to whom the answer goes by another interface are dropped without a word",
            way_out,
        ));
    }
    found.arp_ignore.or(found.rp_filter).map(|_| about.ok("rp_filter and arp_ignore hinder nothing"))
}

fn reachable(about: About<'_>, (name, address, found): &(String, IpAddr, Result<bool, String>)) -> Finding {
    match found {
        Err(text) => Finding {
            way_out: format!("`ping {address}`"),
            ..about.unknown(format!("{name} ({address}): {text}"))
        },
        Ok(true) => about.ok(format!("{name} ({address}) is there")),
        Ok(false) => about.warning(
            format!("{name} ({address}) does not answer on this link"),
            "without it nobody takes over, and it takes this node for dead",
            "look at the address in `peers`, and whether that node runs",
        ),
    }
}

fn keys_file(about: About<'_>, keys: &Result<u32, String>) -> Finding {
    match keys {
        Err(text) => {
            about.error(text, "haechi does not start, or refuses the config", "`haechi check` tells more")
        }
        Ok(mode) if mode & OTHERS != 0 => about.warning(
            format!("others may use the keys file (mode {:o})", mode & 0o777),
            "who reads a key can make any node give its address away",
            "chmod 600, and let the user that runs haechi own it",
        ),
        Ok(_) => about.ok("the keys file is closed to others"),
    }
}
