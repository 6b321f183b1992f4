//! Networks by their prefix, and what a preface to a connection may say.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    /// Its first address; the bits behind the prefix are zero.
    pub address: IpAddr,
    /// How many bits are the same.
    pub prefix: u8,
}

impl Network {
    /// The network of an address. A prefix that is longer than the address counts as the whole address.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::from((v4.to_bits() & mask).to_be_bytes()), prefix }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self { address: IpAddr::from((v6.to_bits() & mask).to_be_bytes()), prefix }
            }
        }
    }

    /// Whether an address is one of it. A mapped IPv4 address counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.prefix) == *self
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Version of the PROXY protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// From whom a listener takes a preface of the PROXY protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyProtocol {
    /// Who must send one.
    pub from: Vec<Network>,
    /// Whether others are served as they are; they are refused else.
    pub others: bool,
    /// From the connection's begin to the last byte of its preface.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_networks_and_in_no_other() {
        let rows = [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("10.0.0.0", 8, "::ffff:10.1.2.3", true),
            ("192.0.2.7", 32, "192.0.2.7", true),
            ("192.0.2.7", 32, "192.0.2.6", false),
            ("0.0.0.0", 0, "255.255.255.255", true),
            ("0.0.0.0", 0, "::1", false),
            ("::", 0, "2001:db8::1", true),
            ("::", 0, "10.0.0.1", false),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("::1", 128, "::1", true),
        ];
        for (network, prefix, address, inside) in rows {
            let network = Network::of(network.parse().unwrap(), prefix);
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address} in {network}");
        }
        assert_eq!(Network::of("10.1.2.3".parse().unwrap(), 8).to_string(), "10.0.0.0/8");
        assert_eq!(Network::of("10.1.2.3".parse().unwrap(), 200).to_string(), "10.1.2.3/32");
    }
}
