//! Bytes → advertisement, or the one reason why not. The order of checks is RFC 9568 §7.1's, so a counter
//! per reason reads like that list.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::checksum::is_right;
use super::{
    Advertisement, CENTISECOND, Carrier, ChecksumForm, Cover, HEADER, HOP_LIMIT, TYPE_ADVERTISEMENT, Version,
    width,
};

/// Bytes of authentication data at the end of a VRRPv2 message (RFC 3768 §5.3.10).
const V2_AUTHENTICATION: usize = 8;

/// Why some bytes are no advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeError {
    /// TTL or hop limit is not 255, so it may come from another network.
    HopLimit(u8),
    /// Shorter than a header.
    Short(usize),
    /// Neither 3 nor (over IPv4) 2.
    Version(u8),
    /// No advertisement.
    Type(u8),
    /// VRRPv2 with a password or a digest, which RFC 3768 took out and we do not check.
    Authentication(u8),
    /// Virtual router 0 does not exist.
    Id,
    /// It holds no address.
    NoAddresses,
    /// Not as long as its number of addresses says.
    Length {
        /// Bytes that there should be.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// The bytes were damaged, or another form of checksum was meant.
    Checksum,
    /// No time between advertisements: whoever learnt that could never rest.
    Interval,
}

impl DecodeError {
    /// Every name, for counters that start at zero.
    pub const NAMES: [&'static str; 10] = [
        "hopLimit",
        "short",
        "version",
        "type",
        "authentication",
        "id",
        "noAddresses",
        "length",
        "checksum",
        "interval",
    ];

    /// As a counter's label.
    pub const fn name(self) -> &'static str {
        let at = match self {
            Self::HopLimit(_) => 0,
            Self::Short(_) => 1,
            Self::Version(_) => 2,
            Self::Type(_) => 3,
            Self::Authentication(_) => 4,
            Self::Id => 5,
            Self::NoAddresses => 6,
            Self::Length { .. } => 7,
            Self::Checksum => 8,
            Self::Interval => 9,
        };
        Self::NAMES[at]
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HopLimit(found) => write!(f, "its TTL is {found} and not 255: it crossed a router"),
            Self::Short(found) => write!(f, "{found} bytes are too few for a header"),
            Self::Version(found) => write!(f, "VRRP version {found} is not spoken here"),
            Self::Type(found) => write!(f, "message type {found} does not exist"),
            Self::Authentication(found) => write!(f, "VRRPv2 authentication {found} is not supported"),
            Self::Id => f.write_str("virtual router 0 does not exist"),
            Self::NoAddresses => f.write_str("it holds no address"),
            Self::Length { expected, found } => write!(f, "{found} bytes, but its header says {expected}"),
            Self::Checksum => f.write_str("its checksum is wrong, in both forms"),
            Self::Interval => f.write_str("its interval is zero"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Advertisement {
    /// Reads `message`, all that follows the IP header (or stands in the envelope), and says which form of
    /// checksum it had.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn decode(message: &[u8], carrier: Carrier) -> Result<(Self, ChecksumForm), DecodeError> {
        let mut read = Self::empty();
        read.decode_into(message, carrier).map(|form| (read, form))
    }

    /// Like [`decode`](Self::decode), into an advertisement that is there already and whose list of addresses
    /// is used again.
    ///
    /// # Errors
    /// The first rule that the message breaks; then `self` is as it was.
    pub fn decode_into(&mut self, message: &[u8], carrier: Carrier) -> Result<ChecksumForm, DecodeError> {
        if let Carrier::Ip { hop_limit, .. } = carrier
            && hop_limit != HOP_LIMIT
        {
            return Err(DecodeError::HopLimit(hop_limit));
        }
        let Some((&[first, id, priority, count, upper, lower, _, _], rest)) = message.split_first_chunk()
        else {
            return Err(DecodeError::Short(message.len()));
        };
        let version = version(first >> 4, carrier)?;
        if first & 0x0f != TYPE_ADVERTISEMENT {
            return Err(DecodeError::Type(first & 0x0f));
        }
        if version == Version::V2 && upper != 0 {
            return Err(DecodeError::Authentication(upper));
        }
        let v4 = listed_v4(rest, count, version, carrier)?;
        let form = form(message, version, carrier).ok_or(DecodeError::Checksum)?;
        if id == 0 {
            return Err(DecodeError::Id);
        }
        let interval = match version {
            Version::V2 => Duration::from_secs(lower.into()),
            Version::V3 => CENTISECOND * (u32::from(upper & 0x0f) << 8 | u32::from(lower)),
        };
        if interval.is_zero() {
            return Err(DecodeError::Interval);
        }
        (self.version, self.id, self.priority, self.interval) = (version, id, priority, interval);
        self.addresses.clear();
        self.addresses.extend(rest.chunks_exact(width(v4)).take(count.into()).filter_map(address));
        Ok(form)
    }
}

fn version(number: u8, carrier: Carrier) -> Result<Version, DecodeError> {
    match (number, carrier) {
        (3, _) => Ok(Version::V3),
        (2, Carrier::Ip { source: IpAddr::V4(_), .. }) => Ok(Version::V2),
        _ => Err(DecodeError::Version(number)),
    }
}

/// Whether the `count` addresses are of IPv4, if `rest` is exactly as long as they must be.
fn listed_v4(rest: &[u8], count: u8, version: Version, carrier: Carrier) -> Result<bool, DecodeError> {
    if count == 0 {
        return Err(DecodeError::NoAddresses);
    }
    let listed = |v4| usize::from(count) * width(v4);
    let v4 = match carrier {
        Carrier::Ip { source, .. } => source.is_ipv4(),
        // No number of IPv4 addresses is as long as the same number of IPv6 addresses.
        Carrier::Envelope => rest.len() != listed(false),
    };
    let expected = listed(v4) + if version == Version::V2 { V2_AUTHENTICATION } else { 0 };
    if rest.len() == expected {
        Ok(v4)
    } else {
        Err(DecodeError::Length { expected: HEADER + expected, found: HEADER + rest.len() })
    }
}

/// The form in which the checksum is right.
fn form(message: &[u8], version: Version, carrier: Carrier) -> Option<ChecksumForm> {
    let plain = || is_right(message, Cover::Message).then_some(ChecksumForm::Plain);
    match carrier {
        Carrier::Ip { source, destination, .. } if version == Version::V3 => {
            let pseudo = is_right(message, Cover::PseudoHeader { source, destination });
            let pseudo = pseudo.then_some(ChecksumForm::PseudoHeader);
            if source.is_ipv4() { pseudo.or_else(plain) } else { pseudo }
        }
        Carrier::Ip { .. } | Carrier::Envelope => plain(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into());
    v4().or_else(v6)
}
