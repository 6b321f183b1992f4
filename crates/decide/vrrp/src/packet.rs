//! The advertisement as bytes: VRRPv3 for IPv4 and IPv6, and VRRPv2 for reading only.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |version| type 1|       id      |    priority   |   addresses   |
//! +-------+-------+---------------+---------------+---------------+
//! | rsvd  | interval, centisec.   |           checksum            |   v2: auth type, interval in seconds
//! +-------+-----------------------+-------------------------------+
//! |  the addresses, 4 or 16 bytes each                            |   v2: and 8 bytes of authentication
//! ```
//!
//! Read strictly: what is not exactly one advertisement is refused, each reason by its own name, because a
//! message that two routers read differently makes two of them active. What it *means* is decided elsewhere;
//! this room only refuses what can't mean anything (RFC 9568 §7.1).

mod checksum;
mod decode;
mod encode;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use decode::DecodeError;
pub use encode::EncodeError;

/// The number of VRRP among the protocols above IP (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;

/// What the TTL or hop limit must be: a greater one does not exist, so the message crossed no router
/// (RFC 9568 §5.1.1.3).
pub const HOP_LIMIT: u8 = 255;

/// Where IPv4 advertisements go without peers (RFC 9568 §5.1.1.2).
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// Where IPv6 advertisements go without peers (RFC 9568 §5.1.2.2).
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The unit of time on the wire.
pub const CENTISECOND: Duration = Duration::from_millis(10);

/// Longest interval that 12 bits of centiseconds can say (RFC 9568 §5.2.7).
pub const MAX_INTERVAL: Duration = Duration::from_millis(40_950);

/// Longest message: a header and 255 IPv6 addresses.
pub const MAX_LEN: usize = HEADER + 255 * 16;

/// Bytes before the addresses.
const HEADER: usize = 8;

/// The only type of message there is.
const TYPE_ADVERTISEMENT: u8 = 1;

/// What an active router says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Advertisement {
    /// How it was said; always written as [`Version::V3`].
    pub version: Version,
    /// The virtual router's number (VRID), 1 to 255.
    pub id: u8,
    /// 1 to 254; 255 is the address owner's; 0 says that this router stops being active.
    pub priority: u8,
    /// The sender's time between advertisements: whole centiseconds, 1 to 4095 of them (v2: whole seconds).
    pub interval: Duration,
    /// The addresses that the virtual router holds: 1 to 255, all of one family.
    pub addresses: Vec<IpAddr>,
}

impl Advertisement {
    /// An advertisement to [decode into](Self::decode_into) again and again without allocating.
    pub const fn empty() -> Self {
        Self { version: Version::V3, id: 0, priority: 0, interval: Duration::ZERO, addresses: Vec::new() }
    }
}

/// Which of the protocol's versions a message speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768, IPv4 only. Read, so that an old router is seen, and never written.
    V2,
    /// RFC 5798 and RFC 9568.
    V3,
}

/// How a message came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// As IP protocol 112.
    Ip {
        /// Of the IP header; of the destination's family.
        source: IpAddr,
        /// Of the IP header.
        destination: IpAddr,
        /// TTL or hop limit of the IP header.
        hop_limit: u8,
    },
    /// In an [envelope](crate::envelope), which vouches for it: the checksum covers the message only, and
    /// the family follows from the length.
    Envelope,
}

/// What the checksum covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cover {
    /// The message only: RFC 9568 §5.2.8 for IPv4; VRRPv2; in an envelope.
    Message,
    /// The pseudo-header of RFC 8200 §8.1 or RFC 9293 §3.1 too: always with IPv6, and RFC 5798 §5.2.8 for
    /// IPv4 as well, which is what keepalived sends by default.
    PseudoHeader {
        /// Of the IP header.
        source: IpAddr,
        /// Of the IP header, and of the source's family.
        destination: IpAddr,
    },
}

/// Which form of checksum a received message had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// See [`Cover::Message`].
    Plain,
    /// See [`Cover::PseudoHeader`].
    PseudoHeader,
}

/// Bytes of one address of this family.
const fn width(v4: bool) -> usize {
    if v4 { 4 } else { 16 }
}
