//! How packets of flows that a new active does not know get to the node that does: the text of an nftables
//! ruleset. Pure, so that a table of tests says what the kernel is asked for.
//!
//! A packet to a virtual address that conntrack calls invalid belongs to a flow that began elsewhere, because
//! conntrack saw its first packet nowhere (`nf_conntrack_tcp_loose` is 0). nftables' `dup` sends it to the previous
//! active as it is, in a frame for that node, and the original is dropped. That needs no forwarding, no rule
//! before the kernel's one for local addresses, no route and no redirect switched off: a load balancer that
//! becomes a router for half a minute opens what its firewall never meant to.
//!
//! Flows that this node still serves from an earlier turn are invalid to conntrack too, so they are listed in a
//! set and left alone. Packets that nobody knows go round between nodes that are each other's previous one; each
//! hop takes one from their time to live, which is [`HOPS`] at most, and so the circle ends.
//!
//! It refuses UDP: a datagram has no flow that would be reset.

use std::fmt::Write;
use std::net::IpAddr;

use haechi_model::{InterfaceName, VirtualRouterName};
use haechi_sys::Family;
use haechi_sys::flows::Flow;

/// The table, in the families `ip` and `ip6`. Whoever lists the ruleset sees whose it is.
pub(crate) const TABLE: &str = "haechi";

/// A passed packet's time to live: one more than it can be passed on, and a cluster has at most ten nodes.
/// Also bounds what a forged packet can cost: ten frames on the link of the nodes.
const HOPS: u8 = 10;

/// Where a virtual router's open flows are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    pub(crate) router: VirtualRouterName,
    pub(crate) interface: InterfaceName,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) previous: IpAddr,
}

impl Chain {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.previous)
    }
}

/// Settings of conntrack as they were, written into the ruleset: a run that is killed leaves them to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Before {
    pub(crate) loose: i32,
    pub(crate) liberal: i32,
}

const WORDS: &str = "haechi: before it, tcp_loose ";

impl Before {
    fn comment(self) -> String {
        format!("{WORDS}{}, be_liberal {}", self.loose, self.liberal)
    }

    /// Finds them in what `nft list table` says.
    pub(crate) fn found(listed: &str) -> Option<Self> {
        let (_, rest) = listed.split_once(WORDS)?;
        let (loose, rest) = rest.split_once(", be_liberal ")?;
        let (liberal, _) = rest.split_once('"')?;
        Some(Self { loose: loose.parse().ok()?, liberal: liberal.parse().ok()? })
    }
}

/// nftables' word for a family.
pub(crate) const fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// A ruleset that takes the table away, whether or not it is there.
pub(crate) fn nothing(family: Family) -> String {
    let word = word(family);
    format!("table {word} {TABLE} {{\n}}\ndelete table {word} {TABLE}\n")
}

/// A ruleset that makes conntrack look at packets and changes nothing. Only then its settings are there, and
/// from then on it knows each flow that begins.
pub(crate) fn watching(family: Family) -> String {
    let mut text = nothing(family);
    let hook = "type filter hook prerouting priority mangle; policy accept;";
    let word = word(family);
    let _ = writeln!(
        text,
        "table {word} {TABLE} {{\n  chain prerouting {{\n    {hook}\n    ct state invalid counter\n  }}\n}}"
    );
    text
}

/// A ruleset that passes packets on, in the place of the one that is there: in one step, so that no packet
/// meets half of it. All `chains` are of this family; flows are those that this node serves itself.
pub(crate) fn passing(family: Family, chains: &[(Chain, Vec<Flow>)], before: Option<Before>) -> String {
    let mut text = nothing(family);
    let _ = writeln!(text, "table {} {TABLE} {{", word(family));
    for (number, (chain, kept)) in chains.iter().enumerate() {
        passed(&mut text, family, number, chain, kept);
    }
    text.push_str("  chain prerouting {\n    type filter hook prerouting priority mangle; policy accept;\n");
    if let Some(before) = before {
        let _ = writeln!(text, "    ct state invalid counter comment \"{}\"", before.comment());
    }
    for (number, (chain, _)) in chains.iter().enumerate() {
        entrance(&mut text, family, number, chain);
    }
    text.push_str("  }\n}\n");
    text
}

fn entrance(text: &mut String, family: Family, number: usize, chain: &Chain) {
    let (ip, ttl, kind, errors) = match family {
        Family::V4 => ("ip", "ip ttl", "icmp", "destination-unreachable"),
        Family::V6 => ("ip6", "ip6 hoplimit", "icmpv6", "{ destination-unreachable, packet-too-big }"),
    };
    let addresses: Vec<String> = chain.addresses.iter().map(ToString::to_string).collect();
    let ours =
        format!("iifname != \"lo\" {ip} daddr {{ {} }} {ttl} > 1 ct state invalid", addresses.join(", "));
    let flow = format!("{ip} saddr . tcp sport . {ip} daddr . tcp dport");
    let _ = writeln!(text, "    {ours} {flow} != @kept{number} goto pass{number}");
    // What routers say of a flow concerns the node that has it, and that may be either.
    let dup = dup(chain);
    let _ = writeln!(text, "    {ours} {kind} type {errors} {dup}");
}

fn passed(text: &mut String, family: Family, number: usize, chain: &Chain, kept: &[Flow]) {
    let (address, ttl) = match family {
        Family::V4 => ("ipv4_addr", "ip ttl"),
        Family::V6 => ("ipv6_addr", "ip6 hoplimit"),
    };
    let _ =
        writeln!(text, "  set kept{number} {{\n    type {address} . inet_service . {address} . inet_service");
    let elements: Vec<String> = kept.iter().filter_map(|flow| element(family, flow)).collect();
    if !elements.is_empty() {
        let _ = writeln!(text, "    elements = {{ {} }}", elements.join(", "));
    }
    let _ = writeln!(text, "  }}\n  chain pass{number} {{\n    {ttl} > {HOPS} {ttl} set {HOPS}");
    let dup = dup(chain);
    let _ = writeln!(text, "    counter {dup} comment \"{}\"\n    drop\n  }}", plain(chain.router.as_str()));
}

fn dup(chain: &Chain) -> String {
    format!("dup to {} device \"{}\"", chain.previous, plain(chain.interface.as_str()))
}

fn element(family: Family, flow: &Flow) -> Option<String> {
    let (from, to) = (flow.remote, flow.local);
    let same = Family::of(from.ip()) == family && Family::of(to.ip()) == family;
    same.then(|| format!("{} . {} . {} . {}", from.ip(), from.port(), to.ip(), to.port()))
}

/// Without what would end a quoted word: names come from a config, and a ruleset is run as root.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\'))
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests;
