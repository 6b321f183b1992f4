//! Which clients a route serves: lists of networks as sorted ranges, so that a long list costs a few comparisons.

use std::net::IpAddr;

use haechi_model::{Addresses, Network};

/// Who is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    /// None for everybody.
    allow: Option<Ranges>,
    deny: Ranges,
}

/// Addresses as numbers, IPv4 apart from IPv6: first and last of each range, ascending, none touching another.
#[derive(Clone, Debug, Default)]
struct Ranges {
    v4: Box<[(u128, u128)]>,
    v6: Box<[(u128, u128)]>,
}

impl Served {
    pub(crate) fn new(addresses: &Addresses) -> Self {
        let allow = (!addresses.allow.is_empty()).then(|| Ranges::new(&addresses.allow));
        Self { allow, deny: Ranges::new(&addresses.deny) }
    }

    /// Whether this client is served. A mapped IPv4 address counts as the IPv4 address.
    pub(crate) fn has(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        !self.deny.have(client) && self.allow.as_ref().is_none_or(|allow| allow.have(client))
    }
}

impl Ranges {
    fn new(networks: &[Network]) -> Self {
        let of = |four: bool| {
            let one_family = networks.iter().filter(|network| network.address.is_ipv4() == four);
            joined(one_family.map(range).collect())
        };
        Self { v4: of(true), v6: of(false) }
    }

    fn have(&self, address: IpAddr) -> bool {
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let number = number(address);
        let at = ranges.partition_point(|(_, last)| *last < number);
        ranges.get(at).is_some_and(|(first, _)| *first <= number)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn range(network: &Network) -> (u128, u128) {
    let bits: u32 = if network.address.is_ipv4() { 32 } else { 128 };
    let free = bits.saturating_sub(u32::from(network.prefix));
    let behind = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    let first = number(network.address);
    (first, first | behind)
}

fn joined(mut ranges: Vec<(u128, u128)>) -> Box<[(u128, u128)]> {
    ranges.sort_unstable();
    let mut out: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, before)) if first <= before.saturating_add(1) => *before = last.max(*before),
            _ => out.push((first, last)),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(address: u32, prefix: u8) -> Network {
        Network::of(IpAddr::from(address.to_be_bytes()), prefix)
    }

    #[test]
    fn nobody_is_left_out_unless_a_list_says_so() {
        let everybody = Served::new(&Addresses::default());
        assert!(everybody.has("192.0.2.1".parse().unwrap()) && everybody.has("::1".parse().unwrap()));
        let lists = Addresses {
            allow: vec![network(0x0a00_0000, 8), Network::of("2001:db8::".parse().unwrap(), 32)],
            deny: vec![network(0x0a06_0606, 32), Network::of("::".parse().unwrap(), 1)],
        };
        let served = Served::new(&lists);
        for (client, expected) in [
            ("10.0.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("10.6.6.6", false),
            ("11.0.0.1", false),
            ("2001:db8::1", false),
            ("8000::1", false),
        ] {
            assert_eq!(served.has(client.parse().unwrap()), expected, "{client}");
        }
        let all = Addresses { deny: vec![network(0, 0)], ..Addresses::default() };
        assert!(!Served::new(&all).has("255.255.255.255".parse().unwrap()));
        assert!(Served::new(&all).has("::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn as_if_each_network_were_asked(
            allow in prop::collection::vec((0_u32..64, 26_u8..=32), 0..5),
            deny in prop::collection::vec((0_u32..64, 26_u8..=32), 0..5),
        ) {
            let list = |list: &[(u32, u8)]| list.iter().map(|(at, prefix)| network(*at, *prefix)).collect::<Vec<_>>();
            let lists = Addresses { allow: list(&allow), deny: list(&deny) };
            let served = Served::new(&lists);
            for at in 0..80_u32 {
                let client = IpAddr::from(at.to_be_bytes());
                let has = |list: &[Network]| list.iter().any(|network| network.contains(client));
                let expected = !has(&lists.deny) && (lists.allow.is_empty() || has(&lists.allow));
                prop_assert_eq!(served.has(client), expected, "{}", client);
            }
        }
    }
}
