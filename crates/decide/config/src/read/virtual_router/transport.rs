//! How advertisements travel, and which keys belong to which transport.

use std::net::{IpAddr, SocketAddr};

use haechi_model::{Checksum, Peer, Transport};

use super::super::{named, not_here};
use super::{OWNER, Placed, idle};
use crate::object::{Object, Read, item};
use crate::report::{Report, quote};
use crate::tree::{Data, Entry};
use crate::value::{self, Complaint};
use crate::{Code, Span};

/// What stands in for a socket address that could not be read; the snapshot is not given out then.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Reads it for the node of this name, which moves these addresses.
pub(super) fn transport(
    object: &Object<'_, '_>,
    node: &str,
    addresses: &[Placed],
    report: &mut Report,
) -> Transport {
    let word = object.word("transport", report);
    if word.is_broken() {
        for key in ["peers", "source", "checksum", "keys"] {
            object.node(key);
        }
        return Transport::Vrrp { source: None, peers: Vec::new(), checksum: Checksum::Auto };
    }
    match word.or("vrrp") {
        "udp" => udp(object, node, report),
        _ => vrrp(object, node, addresses, report),
    }
}

fn vrrp(object: &Object<'_, '_>, node: &str, addresses: &[Placed], report: &mut Report) -> Transport {
    not_here(
        object,
        "keys",
        "VRRP has no authentication since version 3 (RFC 9568 section 9)",
        "set `transport: udp`, or remove it",
        report,
    );
    let source = object.parsed("source", "an IP address", report, |text, _| value::net::host(text));
    let placed = peers(object, node, "an IP address", report, value::net::host);
    let family = addresses.first().map(|(first, _)| first.address.is_ipv4());
    let others = placed.iter().map(|(peer, span)| (peer.address, *span));
    for (ip, span) in source.ok().zip(source.span()).into_iter().chain(others) {
        if family.is_some_and(|v4| v4 != ip.is_ipv4()) {
            let wanted = if ip.is_ipv4() { "IPv6" } else { "IPv4" };
            report
                .add(Code::Families, span, format!("{ip} can't carry advertisements of {wanted} addresses"))
                .help("IP protocol 112 travels in the family of its addresses; `transport: udp` in any");
        }
    }
    moving_source(object, &source, addresses, report);
    itself(source.ok().as_ref(), &placed, report);
    let checksum = checksum(object, report);
    if checksum != Checksum::Auto && family == Some(false) {
        idle(object, "checksum", "in IPv6 the pseudo-header is always covered", report);
    }
    Transport::Vrrp {
        source: source.ok(),
        peers: placed.into_iter().map(|(peer, _)| peer).collect(),
        checksum,
    }
}

/// An address that leaves with the active role can't be where a node is known from.
fn moving_source(object: &Object<'_, '_>, source: &Read<IpAddr>, addresses: &[Placed], report: &mut Report) {
    let owner = object.int::<u8>("priority", &mut Report::default()).ok() == Some(OWNER);
    if let Read::Given(ip, span) = source
        && !owner
        && addresses.iter().any(|(one, _)| one.address == *ip)
    {
        report
            .add(Code::Contradiction, *span, format!("the source {ip} is one of the addresses that move"))
            .label("it would leave with them")
            .help("name an address that stays here; only the owner of the addresses (`priority: 255`) may do this");
    }
}

fn checksum(object: &Object<'_, '_>, report: &mut Report) -> Checksum {
    match object.word("checksum", report).or("auto") {
        "pseudoHeader" => Checksum::PseudoHeader,
        "plain" => Checksum::Plain,
        _ => Checksum::Auto,
    }
}

fn udp(object: &Object<'_, '_>, node: &str, report: &mut Report) -> Transport {
    not_here(object, "checksum", "over udp an HMAC covers the whole message", "remove it", report);
    for (key, help) in [
        ("peers", "such as `peers: { lb2: \"10.0.0.2:7112\" }`: there is no multicast over udp"),
        ("source", "this node's address and port, by which its peers know it, such as `\"10.0.0.1:7112\"`"),
        ("keys", "a file with `sign: 1` and `keys: { 1: … }`; `openssl rand -hex 32` makes a key"),
    ] {
        if !object.has(key) {
            report.add(Code::MissingKey, object.at, format!("`transport: udp` needs `{key}`")).help(help);
        }
    }
    let wanted = "an IP address with a port";
    let source = object.parsed("source", wanted, report, |text, _| value::net::udp(text));
    let placed = peers(object, node, wanted, report, value::net::udp);
    for (peer, span) in &placed {
        if source.ok().is_some_and(|source| source.is_ipv4() != peer.address.is_ipv4()) {
            report
                .add(Code::Families, *span, format!("{} can't be reached from `source`", peer.address))
                .label("the other family")
                .help("source and peers are all IPv4 or all IPv6, whatever the family of the addresses that move");
        }
    }
    itself(source.ok().as_ref(), &placed, report);
    let keys = object.parsed("keys", "a file name", report, |text, _| value::text(text));
    Transport::Udp {
        bind: source.or(NOWHERE),
        peers: placed.into_iter().map(|(peer, _)| peer).collect(),
        keys: keys.or("").into(),
    }
}

/// The peers, each with the place of its address.
fn peers<A: Copy + PartialEq + std::fmt::Display>(
    object: &Object<'_, '_>,
    own: &str,
    wanted: &str,
    report: &mut Report,
    parse: impl Fn(&str) -> Result<A, Complaint>,
) -> Vec<(Peer<A>, Span)> {
    let Some(entries) = named(object, "peers", "a peer", report) else { return Vec::new() };
    if entries.is_empty() {
        report
            .add(Code::WrongType, object.key_span("peers"), "`peers` needs at least one peer")
            .help("with `transport: vrrp`, removing the key means multicast");
    }
    let mut peers: Vec<(Peer<A>, Span)> = Vec::with_capacity(entries.len());
    for Entry { key, value } in entries {
        if key.text == own {
            report
                .add(Code::Contradiction, key.span, format!("{} is this node itself", quote(own)))
                .help("peers are the other nodes");
        }
        if matches!(value.data, Data::Broken) {
            continue;
        }
        let Some(address) = item(value, key.span, &key.text, wanted, report, |text, _| parse(text)) else {
            continue;
        };
        if let Some((other, at)) = peers.iter().find(|(peer, _)| peer.address == address) {
            report
                .add(Code::Contradiction, value.span, format!("two peers have the address {address}"))
                .label(format!("also {}'s on line {}", quote(other.name.as_str()), at.line))
                .help("each node has an address of its own");
        }
        peers.push((Peer { name: key.text.as_ref().into(), address }, value.span));
    }
    peers
}

fn itself<A: PartialEq + std::fmt::Display>(
    source: Option<&A>,
    peers: &[(Peer<A>, Span)],
    report: &mut Report,
) {
    for (peer, span) in peers.iter().filter(|(peer, _)| Some(&peer.address) == source) {
        report
            .add(Code::Contradiction, *span, format!("{} is this node's own address", peer.address))
            .label("`source` says so")
            .help("peers are the other nodes");
    }
}
