//! The Internet checksum over a message, with or without the pseudo-header. Two forms are in the field for
//! IPv4, so both must be known; neither is a proof of who sent it.

use std::net::IpAddr;

use super::{Cover, PROTOCOL};

/// Where the checksum stands in a message.
const AT: usize = 6;

/// What belongs into the checksum field of `message`, whatever stands there now.
pub(super) fn checksum(message: &[u8], cover: Cover) -> u16 {
    let field = message.get(AT..AT + 2).map_or(0, words);
    // Leaving a word out of a one's complement sum is subtracting it, and that is adding its complement.
    !fold(covered(message, cover) + u64::from(!fold(field)))
}

/// Whether the checksum in `message` is right: then all words together make up 0xffff (RFC 1071 §1).
pub(super) fn is_right(message: &[u8], cover: Cover) -> bool {
    fold(covered(message, cover)) == u16::MAX
}

fn covered(message: &[u8], cover: Cover) -> u64 {
    let Cover::PseudoHeader { source, destination } = cover else { return words(message) };
    // Zeroes don't change a sum, so the 16-bit length of IPv4 and the 32-bit one of IPv6 are the same.
    let len = u64::try_from(message.len()).unwrap_or(u64::MAX >> 32);
    address(source)
        + address(destination)
        + u64::from(PROTOCOL)
        + (len >> 16)
        + (len & 0xffff)
        + words(message)
}

fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => words(&v4.octets()),
        IpAddr::V6(v6) => words(&v6.octets()),
    }
}

/// The sum of the 16-bit words, an odd last byte being the upper half of one.
fn words(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

/// Carries added back in until 16 bits are left.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_1071_example() {
        // RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 add up to ddf2.
        assert_eq!(fold(words(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(fold(words(&[0x12])), 0x1200, "an odd byte is an upper half");
    }

    #[test]
    fn what_stands_in_the_field_does_not_matter() {
        let mut message = [0x31, 1, 100, 1, 0, 100, 0, 0, 10, 0, 0, 1];
        let right = checksum(&message, Cover::Message);
        for junk in [[0, 0], [0xff, 0xff], [0x12, 0x34]] {
            message[6..8].copy_from_slice(&junk);
            assert_eq!(checksum(&message, Cover::Message), right);
        }
        assert!(!is_right(&message, Cover::Message));
        message[6..8].copy_from_slice(&right.to_be_bytes());
        assert!(is_right(&message, Cover::Message));
    }
}
