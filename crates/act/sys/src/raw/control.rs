//! What stands beside an advertisement: its IPv4 header, or the control messages of an IPv6 socket (cmsg(3)),
//! read and written as bytes, because the layout is the kernel's interface and pointers into it are not needed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Told;

/// Bytes of a control message's header: a length as wide as a pointer, a level, a type.
const HEADER: usize = size_of::<usize>() + 8;
/// Control messages begin at multiples of this.
const ALIGN: usize = size_of::<usize>();

/// Room for all that is asked for, `IPV6_PKTINFO` (20) and `IPV6_HOPLIMIT` (4), and as much again.
pub(super) const SPACE: usize = 128;

/// `struct in_pktinfo`: out of this interface, from this address.
pub(super) fn from_v4(interface: u32, source: Ipv4Addr) -> Vec<u8> {
    let value = [interface.to_ne_bytes(), source.octets(), [0; 4]].concat();
    message(libc::IPPROTO_IP, libc::IP_PKTINFO, &value)
}

/// `struct in6_pktinfo`: from this address, out of this interface.
pub(super) fn from_v6(interface: u32, source: Ipv6Addr) -> Vec<u8> {
    let value = [&source.octets()[..], &interface.to_ne_bytes()].concat();
    message(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &value)
}

fn message(level: i32, kind: i32, value: &[u8]) -> Vec<u8> {
    let mut bytes = (HEADER + value.len()).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&level.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
    bytes
}

/// Destination and hop limit, if the kernel told both.
pub(super) fn told(mut control: &[u8]) -> Option<(Ipv6Addr, u8)> {
    let (mut destination, mut hops) = (None, None);
    while let Some((kind, value, rest)) = first(control) {
        match kind {
            libc::IPV6_PKTINFO => destination = value.first_chunk::<16>().copied().map(Ipv6Addr::from),
            libc::IPV6_HOPLIMIT => {
                hops =
                    value.first_chunk().copied().and_then(|value| i32::from_ne_bytes(value).try_into().ok());
            }
            _ => {}
        }
        control = rest;
    }
    destination.zip(hops)
}

/// The first control message of IPv6: type and value, and what follows it. Others have no type here.
fn first(control: &[u8]) -> Option<(i32, &[u8], &[u8])> {
    let length = usize::from_ne_bytes(control.first_chunk().copied()?);
    let value = control.get(HEADER..length)?;
    let number = |at: usize| control.get(at..)?.first_chunk().copied().map(i32::from_ne_bytes);
    let (level, kind) = (number(ALIGN)?, number(ALIGN + 4)?);
    let rest = control.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
    Some((if level == libc::IPPROTO_IPV6 { kind } else { -1 }, value, rest))
}

/// An IPv4 packet as a raw socket gives it: with its header before it (raw(7)).
pub(super) fn before_ipv4(packet: &[u8]) -> Option<Told> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let length = usize::from(header[0] & 0x0f) * 4;
    let address = |at: usize| -> IpAddr {
        Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
    };
    let is_one = header[0] >> 4 == 4 && (header.len()..=packet.len()).contains(&length);
    is_one.then(|| Told {
        payload: length..packet.len(),
        source: address(12),
        destination: address(16),
        hop_limit: header[8],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_with_options_is_taken_off() {
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet[8] = 255;
        packet[12..20].copy_from_slice(&[10, 0, 0, 1, 224, 0, 0, 18]);
        packet.extend_from_slice(b"advert");
        let received = before_ipv4(&packet).unwrap();
        assert_eq!(&packet[received.payload.clone()], b"advert");
        assert_eq!(received.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(received.destination, IpAddr::from([224, 0, 0, 18]));
        assert_eq!(received.hop_limit, 255);
    }

    #[test]
    fn what_is_no_header_is_none() {
        let headed = |first: u8, length: usize| {
            let mut packet = vec![0; length];
            packet[0] = first;
            packet
        };
        assert_eq!(before_ipv4(&[]), None);
        assert_eq!(before_ipv4(&headed(0x45, 19)), None, "cut off");
        assert_eq!(before_ipv4(&headed(0x44, 40)), None, "a header of 16");
        assert_eq!(before_ipv4(&headed(0x65, 40)), None, "IPv6");
        assert_eq!(before_ipv4(&headed(0x4f, 40)), None, "a header beyond the end");
        assert_eq!(before_ipv4(&headed(0x45, 20)).unwrap().payload, 20..20, "nothing behind it");
    }

    #[test]
    fn control_messages_are_told_apart() {
        let address: Ipv6Addr = "fe80::1".parse().unwrap();
        let info = from_v6(3, address);
        let hops = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &255_i32.to_ne_bytes());
        let other = message(libc::SOL_SOCKET, libc::IPV6_HOPLIMIT, &7_i32.to_ne_bytes());
        assert_eq!(told(&[&info[..], &hops, &other].concat()), Some((address, 255)));
        assert_eq!(told(&[&hops[..], &info].concat()), Some((address, 255)));
        assert_eq!(told(&info), None);
        assert_eq!(told(&hops), None);
        let negative = message(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &(-1_i32).to_ne_bytes());
        assert_eq!(told(&[&info[..], &negative].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..SPACE)) {
            let _ = told(&bytes);
            let received = before_ipv4(&bytes);
            prop_assert!(received.is_none_or(|told| bytes.get(told.payload).is_some()));
        }

        #[test]
        fn lengths_that_lie_do_not_loop(length in 0_usize..200, bytes in prop::collection::vec(any::<u8>(), 0..SPACE)) {
            let _ = told(&[&length.to_ne_bytes()[..], &bytes].concat());
        }
    }
}
