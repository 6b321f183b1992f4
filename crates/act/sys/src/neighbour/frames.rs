//! The frames themselves: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861), written and read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::mac::Mac;
use crate::packet::{self, ARP, IPV6};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of an ARP frame: its header, and 28 for IPv4 over Ethernet.
const ARP_FRAME: usize = ETHERNET + 28;
/// Bytes of a neighbour message with one link-layer address: headers, 24 of ICMPv6, 8 of the option.
const ND_FRAME: usize = ETHERNET + IPV6_HEADER + ND_MESSAGE;
/// Bytes of an IPv6 header.
const IPV6_HEADER: usize = 40;
/// Bytes of a neighbour message.
const ND_MESSAGE: usize = 24 + 8;

/// Bytes of a frame that are looked at: neighbour messages with a few options more.
pub(super) const LONGEST: usize = 256;

/// Ethernet, IPv4, six octets, four octets.
const ARP_KIND: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const ARP_REQUEST: u8 = 1;
const ICMPV6: u8 = 58;
/// Neighbour messages with another hop limit came through a router (RFC 4861 §7.1).
const HOPS: u8 = 255;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// All nodes of the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Gratuitous ARP: a broadcast ARP *request* whose sender and target are both `address`.
///
/// The request form is the announcement of RFC 5227 §3 and what keepalived sends; stacks that ignore replies to
/// questions that they did not ask still take it. The target's link-layer address is `mac` too, as RFC 9568 §6.4.1
/// and §6.4.2 want (errata 7947 and 7949 only mend which *protocol* address stands in it); RFC 826 says that
/// receivers do not look at it in a request.
pub fn arp_announcement(mac: Mac, address: Ipv4Addr) -> [u8; ARP_FRAME] {
    arp(mac, address, mac, address)
}

/// A broadcast question. From 0.0.0.0 it is the probe of RFC 5227 §2.1.1.
pub(super) fn arp_request(mac: Mac, source: Ipv4Addr, address: Ipv4Addr) -> [u8; ARP_FRAME] {
    arp(mac, source, Mac::new([0; 6]), address)
}

fn arp(mac: Mac, source: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> [u8; ARP_FRAME] {
    let mut frame = Writer::new(Mac::BROADCAST, mac, ARP);
    frame.put(&ARP_KIND);
    frame.put(&[0, ARP_REQUEST]);
    frame.put(&mac.octets());
    frame.put(&source.octets());
    frame.put(&target_mac.octets());
    frame.put(&target.octets());
    frame.done()
}

/// An unsolicited neighbour advertisement (RFC 4861 §7.2.6): from `address` itself to all nodes, with the override
/// flag, so that those who know another link-layer address forget it.
///
/// `router` must be what the kernel says in its own answers, that is whether it forwards IPv6 on this interface: a
/// host that hears once yes and once no takes the address off its list of default routers (RFC 4861 §7.2.5). RFC
/// 9568 §6.4.1 sets it always, because its virtual routers do forward; keepalived follows the kernel.
pub fn unsolicited_advertisement(mac: Mac, address: Ipv6Addr, router: bool) -> [u8; ND_FRAME] {
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    neighbour(mac, address, ALL_NODES, [ADVERTISEMENT, flags, TARGET_LINK_LAYER], address)
}

/// A question to the group of those whose address ends like this one (RFC 4861 §7.2.2).
pub(super) fn solicitation(mac: Mac, source: Ipv6Addr, address: Ipv6Addr) -> [u8; ND_FRAME] {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    neighbour(mac, source, group, [SOLICITATION, 0, SOURCE_LINK_LAYER], address)
}

fn neighbour(
    mac: Mac,
    source: Ipv6Addr,
    group: Ipv6Addr,
    [kind, flags, option]: [u8; 3],
    target: Ipv6Addr,
) -> [u8; ND_FRAME] {
    let mut message = [0; ND_MESSAGE];
    message[0] = kind;
    message[4] = flags;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[option, 1]);
    message[26..].copy_from_slice(&mac.octets());
    let sum = checksum(source, group, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = Writer::new(Mac::of_group(group), mac, IPV6);
    frame.put(&[0x60, 0, 0, 0, 0, ND_MESSAGE_BYTE, ICMPV6, HOPS]);
    frame.put(&source.octets());
    frame.put(&group.octets());
    frame.put(&message);
    frame.done()
}

/// [`ND_MESSAGE`] as the byte that the header has for it.
const ND_MESSAGE_BYTE: u8 = 32;
const _: () = assert!(ND_MESSAGE_BYTE as usize == ND_MESSAGE);

/// The checksum of ICMPv6 (RFC 4443 §2.3): over the pseudo-header and the message. 0 over a message whose checksum
/// is right.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let parts = [&source.octets()[..], &destination.octets(), &length, &[0, 0, 0, ICMPV6], message];
    packet::checksum(&parts)
}

/// A frame of a known size that is written from its beginning.
struct Writer<const N: usize> {
    frame: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    fn new(to: Mac, from: Mac, ethertype: u16) -> Self {
        let mut writer = Self { frame: [0; N], at: 0 };
        writer.put(&to.octets());
        writer.put(&from.octets());
        writer.put(&ethertype.to_be_bytes());
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        self.frame[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    const fn done(self) -> [u8; N] {
        self.frame
    }
}

/// If this frame says that `address` is at some link-layer address: that one, and the one that the frame came from.
pub(super) fn answer(frame: &[u8], address: IpAddr) -> Option<(Mac, Mac)> {
    let from = Mac::read(frame.get(6..)?)?;
    let ethertype = u16::from_be_bytes(frame.get(12..)?.first_chunk().copied()?);
    let inside = frame.get(ETHERNET..)?;
    let mac = match (ethertype, address) {
        (ARP, IpAddr::V4(address)) => arp_says(inside, address)?,
        (IPV6, IpAddr::V6(address)) => neighbour_says(inside, address)?,
        _ => return None,
    };
    Some((mac, from))
}

/// Requests too: who asks from an address says that it has it (RFC 826).
fn arp_says(packet: &[u8], address: Ipv4Addr) -> Option<Mac> {
    let about = packet.starts_with(&ARP_KIND) && packet.get(14..18)? == address.octets();
    about.then(|| Mac::read(packet.get(8..)?)).flatten()
}

fn neighbour_says(packet: &[u8], address: Ipv6Addr) -> Option<Mac> {
    let header: &[u8; IPV6_HEADER] = packet.first_chunk()?;
    let host = |at: usize| Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|index| header[at + index]));
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = packet.get(IPV6_HEADER..)?.get(..length)?;
    let valid = header[0] >> 4 == 6
        && header[6] == ICMPV6
        && header[7] == HOPS
        && message.first() == Some(&ADVERTISEMENT)
        && message.get(8..24)? == address.octets()
        && checksum(host(8), host(24), message) == 0;
    valid.then(|| target_link_layer(message.get(24..)?)).flatten()
}

/// The option with the link-layer address, among others; an option of length 0 ends all (RFC 4861 §4.6).
fn target_link_layer(mut options: &[u8]) -> Option<Mac> {
    loop {
        let [kind, length] = *options.first_chunk()?;
        let length = usize::from(length) * 8;
        let value = options.get(2..length)?;
        if kind == TARGET_LINK_LAYER {
            return Mac::read(value);
        }
        options = options.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mac::Family;

    fn hex(frame: &[u8]) -> String {
        frame.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn gratuitous_arp_has_the_form_of_the_rfc() {
        let frame = arp_announcement(Mac::of_virtual_router(Family::V4, 51), Ipv4Addr::new(10, 0, 0, 100));
        let wanted = [
            "ffffffffffff",
            "00005e000133",
            "0806", // to all, from the virtual MAC
            "0001",
            "0800",
            "06",
            "04",
            "0001", // Ethernet, IPv4, request
            "00005e000133",
            "0a000064", // sender
            "00005e000133",
            "0a000064", // target
        ];
        assert_eq!(hex(&frame), wanted.concat());
    }

    #[test]
    fn an_unsolicited_advertisement_has_the_form_of_the_rfc() {
        let mac = Mac::of_virtual_router(Family::V6, 51);
        let frame = unsolicited_advertisement(mac, "2001:db8::100".parse().unwrap(), false);
        let wanted = [
            "333300000001",
            "00005e000233",
            "86dd", // to all nodes
            "60000000",
            "0020",
            "3a",
            "ff", // 32 bytes of ICMPv6, hop limit 255
            "20010db8000000000000000000000100",
            "ff020000000000000000000000000001",
            "88",
            "00",
            "98fa",
            "20000000", // advertisement, checksum, override
            "20010db8000000000000000000000100",
            "02",
            "01",
            "00005e000233",
        ];
        assert_eq!(hex(&frame), wanted.concat());
        let router = unsolicited_advertisement(mac, "2001:db8::100".parse().unwrap(), true);
        assert_eq!(router[ETHERNET + IPV6_HEADER + 4], 0xa0);
    }

    #[test]
    fn who_announces_an_address_says_that_it_is_theirs() {
        let mac = Mac::new([2, 0, 0, 0, 0, 7]);
        let (v4, v6): (Ipv4Addr, Ipv6Addr) = ([10, 0, 0, 1].into(), "fe80::7".parse().unwrap());
        assert_eq!(answer(&arp_announcement(mac, v4), v4.into()), Some((mac, mac)));
        assert_eq!(answer(&unsolicited_advertisement(mac, v6, true), v6.into()), Some((mac, mac)));
        assert_eq!(answer(&arp_announcement(mac, v4), [10, 0, 0, 2].into()), None, "another address");
        assert_eq!(answer(&unsolicited_advertisement(mac, v6, true), v4.into()), None, "another family");
        assert_eq!(answer(&arp_request(mac, [0; 4].into(), v4), v4.into()), None, "a question");
        assert_eq!(answer(&solicitation(mac, v6, v6), v6.into()), None, "a question");
    }

    #[test]
    fn forged_or_broken_advertisements_say_nothing() {
        let mac = Mac::new([2, 0, 0, 0, 0, 7]);
        let address: Ipv6Addr = "fe80::7".parse().unwrap();
        let good = unsolicited_advertisement(mac, address, false);
        // Places and what is wrong with them: hop limit, checksum, kind of message, length of the option.
        for (at, value) in [(21, 254), (57, 0), (54, 135), (79, 0), (79, 9)] {
            let mut frame = good;
            frame[at] = value;
            assert_eq!(answer(&frame, address.into()), None, "{at}");
        }
        // Every byte of the frame is needed.
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], address.into()), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_passed_over(
            mut bytes in prop::collection::vec(any::<u8>(), 0..LONGEST), v6 in any::<bool>(), raw in any::<u128>(),
        ) {
            let address: IpAddr =
                if v6 { Ipv6Addr::from(raw).into() } else { Ipv4Addr::from((raw >> 96) as u32).into() };
            if let Some(ethertype) = bytes.get_mut(12..14) {
                ethertype.copy_from_slice(&if v6 { IPV6 } else { ARP }.to_be_bytes());
            }
            let said = answer(&bytes, address);
            prop_assert!(said.is_none() || bytes.len() >= ARP_FRAME);
        }

        #[test]
        fn options_of_any_shape_end(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(target_link_layer(&bytes).is_none() || bytes.len() >= 8);
        }

        #[test]
        fn what_is_asked_is_answered_to_the_right_group(raw in any::<u128>()) {
            let address = Ipv6Addr::from(raw);
            let frame = solicitation(Mac::new([2, 0, 0, 0, 0, 1]), "fe80::1".parse().unwrap(), address);
            prop_assert_eq!(&frame[..3], &[0x33, 0x33, 0xff][..]);
            prop_assert_eq!(&frame[3..6], &address.octets()[13..]);
            let header = &frame[ETHERNET..];
            let group: [u8; 16] = std::array::from_fn(|index| header[24 + index]);
            let sum = checksum("fe80::1".parse().unwrap(), group.into(), &header[IPV6_HEADER..]);
            prop_assert_eq!(sum, 0);
        }
    }
}
