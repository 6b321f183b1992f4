//! Link-layer addresses, and the ones that belong to virtual routers.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The two families of addresses that a virtual router may have; one router has one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Everyone on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// From its six octets.
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The address of a virtual router: 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6
    /// (RFC 9568 §7.3).
    pub const fn of_virtual_router(family: Family, id: u8) -> Self {
        let kind = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Self([0x00, 0x00, 0x5e, 0x00, kind, id])
    }

    /// Where frames to an IPv6 group go: 33-33 and the last four octets of the group (RFC 2464 §7).
    pub const fn of_group(group: Ipv6Addr) -> Self {
        let octets = group.octets();
        Self([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
    }

    /// Its six octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The first six bytes of `bytes`; `None` when there are fewer.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not six pairs of hex digits with `:` or `-` between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMac;

impl fmt::Display for NoMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a MAC address: six pairs of hex digits, as in 00:00:5e:00:01:33")
    }
}

impl std::error::Error for NoMac {}

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, NoMac> {
        let mut octets = [0; 6];
        let mut pairs = text.split([':', '-']);
        for octet in &mut octets {
            let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or(NoMac)?;
            let digits = pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            *octet = digits.then(|| u8::from_str_radix(pair, 16).ok()).flatten().ok_or(NoMac)?;
        }
        if pairs.next().is_some() { Err(NoMac) } else { Ok(Self(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_routers_have_the_addresses_of_the_rfc() {
        assert_eq!(Mac::of_virtual_router(Family::V4, 51).to_string(), "00:00:5e:00:01:33");
        assert_eq!(Mac::of_virtual_router(Family::V6, 255).to_string(), "00:00:5e:00:02:ff");
        let group = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(Mac::of_group(group).to_string(), "33:33:ff:12:34:56");
    }

    #[test]
    fn text_is_read_as_it_is_written() {
        let mac = Mac::new([0x02, 0xab, 0, 1, 0xff, 9]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("02-AB-00-01-FF-09".parse(), Ok(mac));
        let wrong = ["", "02:ab:00:01:ff", "02:ab:00:01:ff:09:00", "2:ab:00:01:ff:9", "02:ab:00:01:ff:+9"];
        for text in wrong {
            assert_eq!(text.parse::<Mac>(), Err(NoMac), "{text}");
        }
    }
}
