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
//! set and left alone. And conntrack keeps entries of flows that ended, for minutes: a client may use its port again,
//! at the other node, and such an entry would call that flow known here. So each turn has a conntrack zone of its own,
//! in which nothing is known at first. Packets that nobody knows go round between nodes that are each other's previous one; each
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

/// A chain, laid.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) chain: Chain,
    /// Flows that this node serves itself.
    pub(crate) kept: Vec<Flow>,
    /// Where conntrack keeps what it sees in this turn.
    pub(crate) zone: u16,
}

impl Way {
    pub(crate) fn family(&self) -> Family {
        self.chain.family()
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
/// from then on it knows each flow that begins. All `ways` are of this family.
pub(crate) fn watching(family: Family, ways: &[Way]) -> String {
    table(family, ways, |text| text.push_str("    ct state invalid counter\n"))
}

/// A ruleset that passes packets on, in the place of the one that is there: in one step, so that no packet
/// meets half of it. All `ways` are of this family.
pub(crate) fn passing(family: Family, ways: &[Way], before: Option<Before>) -> String {
    table(family, ways, |text| {
        if let Some(before) = before {
            let _ = writeln!(text, "    ct state invalid counter comment \"{}\"", before.comment());
        }
        for (number, way) in ways.iter().enumerate() {
            entrance(text, family, number, &way.chain);
        }
    })
}

fn table(family: Family, ways: &[Way], rules: impl FnOnce(&mut String)) -> String {
    let mut text = nothing(family);
    let _ = writeln!(text, "table {} {TABLE} {{", word(family));
    for (number, way) in ways.iter().enumerate() {
        passed(&mut text, family, number, way);
    }
    zones(&mut text, family, ways);
    text.push_str("  chain prerouting {\n    type filter hook prerouting priority mangle; policy accept;\n");
    rules(&mut text);
    text.push_str("  }\n}\n");
    text
}

/// Both directions of a flow are known in the same zone. Those that are kept stay where they are known.
fn zones(text: &mut String, family: Family, ways: &[Way]) {
    let ip = word(family);
    for (hook, end, flow) in [
        ("prerouting", "daddr", "saddr . tcp sport . ip daddr . tcp dport"),
        ("output", "saddr", "daddr . tcp dport . ip saddr . tcp sport"),
    ] {
        let flow = flow.replace("ip ", &format!("{ip} "));
        let _ = writeln!(
            text,
            "  chain turn-{hook} {{\n    type filter hook {hook} priority raw; policy accept;"
        );
        for (number, way) in ways.iter().enumerate() {
            let (addresses, zone) = (listed(&way.chain), way.zone);
            let _ =
                writeln!(text, "    {ip} {end} {addresses} {ip} {flow} != @kept{number} ct zone set {zone}");
        }
        text.push_str("  }\n");
    }
}

/// As nftables writes a set of addresses.
fn listed(chain: &Chain) -> String {
    let addresses: Vec<String> = chain.addresses.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", addresses.join(", "))
}

fn entrance(text: &mut String, family: Family, number: usize, chain: &Chain) {
    let (ip, ttl, kind, errors) = match family {
        Family::V4 => ("ip", "ip ttl", "icmp", "destination-unreachable"),
        Family::V6 => ("ip6", "ip6 hoplimit", "icmpv6", "{ destination-unreachable, packet-too-big }"),
    };
    let ours = format!("iifname != \"lo\" {ip} daddr {} {ttl} > 1 ct state invalid", listed(chain));
    let flow = format!("{ip} saddr . tcp sport . {ip} daddr . tcp dport");
    let _ = writeln!(text, "    {ours} {flow} != @kept{number} goto pass{number}");
    // What routers say of a flow concerns the node that has it, and that may be either.
    let dup = dup(chain);
    let _ = writeln!(text, "    {ours} {kind} type {errors} {dup}");
}

fn passed(text: &mut String, family: Family, number: usize, way: &Way) {
    let (address, ttl) = match family {
        Family::V4 => ("ipv4_addr", "ip ttl"),
        Family::V6 => ("ipv6_addr", "ip6 hoplimit"),
    };
    let _ =
        writeln!(text, "  set kept{number} {{\n    type {address} . inet_service . {address} . inet_service");
    let elements: Vec<String> = way.kept.iter().filter_map(|flow| element(family, flow)).collect();
    if !elements.is_empty() {
        let _ = writeln!(text, "    elements = {{ {} }}", elements.join(", "));
    }
    let _ = writeln!(text, "  }}\n  chain pass{number} {{\n    {ttl} > {HOPS} {ttl} set {HOPS}");
    let (dup, router) = (dup(&way.chain), plain(way.chain.router.as_str()));
    let _ = writeln!(text, "    counter {dup} comment \"{router}\"\n    drop\n  }}");
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
