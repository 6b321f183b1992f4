//! The codec against what keepalived 2.2.7 put on a wire, against a naive checksum, and against hostile
//! bytes.

#![expect(clippy::unwrap_used, reason = "a helper of tests, which clippy takes for more")]

use std::net::IpAddr;
use std::time::Duration;

use haechi_vrrp::packet::{
    Advertisement, Carrier, ChecksumForm, Cover, DecodeError, EncodeError, HOP_LIMIT, MAX_INTERVAL, MAX_LEN,
    MULTICAST_V4, MULTICAST_V6, Version,
};
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
    pairs.collect()
}

/// From 192.0.2.1 to everybody.
fn v4() -> Carrier {
    Carrier::Ip { source: ip("192.0.2.1"), destination: MULTICAST_V4.into(), hop_limit: HOP_LIMIT }
}

/// From fe80::1 to everybody.
fn v6() -> Carrier {
    Carrier::Ip { source: ip("fe80::1"), destination: MULTICAST_V6.into(), hop_limit: HOP_LIMIT }
}

fn cover(carrier: Carrier, form: ChecksumForm) -> Cover {
    match (carrier, form) {
        (Carrier::Ip { source, destination, .. }, ChecksumForm::PseudoHeader) => {
            Cover::PseudoHeader { source, destination }
        }
        _ => Cover::Message,
    }
}

fn said(id: u8, priority: u8, millis: u64, addresses: &[&str]) -> Advertisement {
    Advertisement {
        version: Version::V3,
        id,
        priority,
        interval: Duration::from_millis(millis),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
    }
}

/// Captured from keepalived 2.2.7 (Debian 12) with `advert_int` 0.1, 1 and 0.5, and when it was stopped. The
/// plain ones are those with the checksum of RFC 9568, which 2.2.7 does not speak yet (newer ones do after
/// `v3_checksum_as_v2`), reckoned by hand.
#[test]
fn keepalived_is_read_and_written_to_the_byte() {
    use ChecksumForm::{Plain, PseudoHeader};
    let one = ["192.0.2.102"];
    let edge = ["192.0.2.100", "192.0.2.101"];
    let six = ["fe80::54", "2001:db8::54"];
    let rows = [
        (v4(), PseudoHeader, "31339602000a1161c0000264c0000265", said(51, 150, 100, &edge)),
        (v4(), PseudoHeader, "31330002000aa761c0000264c0000265", said(51, 0, 100, &edge)),
        (v4(), PseudoHeader, "3134fe0100646b6ec0000266", said(52, 254, 1000, &one)),
        (v4(), PseudoHeader, "313400010064696fc0000266", said(52, 0, 1000, &one)),
        (v4(), Plain, "3134fe0100640dffc0000266", said(52, 254, 1000, &one)),
        (v4(), Plain, "3134000100640c00c0000266", said(52, 0, 1000, &one)),
        (
            v6(),
            PseudoHeader,
            "3136c8020032db83fe80000000000000000000000000005420010db8000000000000000000000054",
            said(54, 200, 500, &six),
        ),
        (
            v6(),
            PseudoHeader,
            "313600020032a384fe80000000000000000000000000005420010db8000000000000000000000054",
            said(54, 0, 500, &six),
        ),
    ];
    for (carrier, form, wire, advertisement) in rows {
        let wire = bytes(wire);
        assert_eq!(Advertisement::decode(&wire, carrier), Ok((advertisement.clone(), form)));
        let mut out = vec![1, 2, 3];
        advertisement.encode(cover(carrier, form), &mut out).unwrap();
        assert_eq!(out, wire);
    }
}

/// Captured likewise, with `version 2`.
#[test]
fn an_old_router_is_seen_but_never_spoken_to_in_its_words() {
    let running = bytes("213564010001b860 c0000267 0000000000000000");
    let (read, form) = Advertisement::decode(&running, v4()).unwrap();
    let expected = Advertisement { version: Version::V2, ..said(53, 100, 1000, &["192.0.2.103"]) };
    assert_eq!((&read, form), (&expected, ChecksumForm::Plain));

    let stopped = bytes("2135000100011c61 c0000267 0000000000000000");
    assert_eq!(Advertisement::decode(&stopped, v4()).unwrap().0.priority, 0);

    let mut out = Vec::new();
    read.encode(Cover::Message, &mut out).unwrap();
    assert_eq!(out[0], 0x31, "written as version 3");

    let v6_carrier = Advertisement::decode(&running, v6());
    assert_eq!(v6_carrier, Err(DecodeError::Version(2)), "version 2 is IPv4's");
    assert_eq!(Advertisement::decode(&running, Carrier::Envelope), Err(DecodeError::Version(2)));
}

#[test]
fn each_broken_rule_has_its_name() {
    let good = bytes("31339602000a1161c0000264c0000265");
    let v2 = bytes("213564010001b860 c0000267 0000000000000000");
    let with = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        message
    };
    // With a right checksum, so that it is not what is refused.
    let summed = |at: usize, value: u8| {
        let mut message = with(at, value);
        message[6..8].fill(0);
        let sum = !naive_sum(&message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message
    };
    let hops = |hop_limit| match v4() {
        Carrier::Ip { source, destination, .. } => Carrier::Ip { source, destination, hop_limit },
        Carrier::Envelope => Carrier::Envelope,
    };
    let mut password = v2.clone();
    password[4] = 1;
    let rows = [
        (good.clone(), hops(254), DecodeError::HopLimit(254)),
        (good.clone(), hops(0), DecodeError::HopLimit(0)),
        (Vec::new(), v4(), DecodeError::Short(0)),
        (good[..7].to_vec(), v4(), DecodeError::Short(7)),
        (with(0, 0x11), v4(), DecodeError::Version(1)),
        (with(0, 0x41), v4(), DecodeError::Version(4)),
        (with(0, 0x32), v4(), DecodeError::Type(2)),
        (with(0, 0x30), v4(), DecodeError::Type(0)),
        (password, v4(), DecodeError::Authentication(1)),
        (summed(1, 0), v4(), DecodeError::Id),
        (summed(3, 0), v4(), DecodeError::NoAddresses),
        (good[..8].to_vec(), v4(), DecodeError::Length { expected: 16, found: 8 }),
        (good[..15].to_vec(), v4(), DecodeError::Length { expected: 16, found: 15 }),
        ([&good[..], &[0]].concat(), v4(), DecodeError::Length { expected: 16, found: 17 }),
        (with(3, 255), v4(), DecodeError::Length { expected: 8 + 255 * 4, found: 16 }),
        (v2[..12].to_vec(), v4(), DecodeError::Length { expected: 20, found: 12 }),
        (good.clone(), v6(), DecodeError::Length { expected: 40, found: 16 }),
        (with(2, 151), v4(), DecodeError::Checksum),
        (with(15, 0), v4(), DecodeError::Checksum),
        (good.clone(), Carrier::Envelope, DecodeError::Checksum),
        (summed(5, 0), v4(), DecodeError::Interval),
    ];
    let mut named = Vec::new();
    for (message, carrier, expected) in rows {
        assert_eq!(Advertisement::decode(&message, carrier), Err(expected), "{message:02x?}");
        assert!(!expected.to_string().is_empty());
        named.push(expected.name());
    }
    named.sort_unstable();
    named.dedup();
    let mut names = DecodeError::NAMES;
    names.sort_unstable();
    assert_eq!(named, names, "every reason is in the table");
}

#[test]
fn reserved_bits_are_not_looked_at() {
    // RFC 9568 §5.2.6: zero when sent, ignored when received.
    let mut message = bytes("31339602f00a0000c0000264c0000265");
    let sum = !naive_sum(&message);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    let (read, _) = Advertisement::decode(&message, v4()).unwrap();
    assert_eq!(read.interval, Duration::from_millis(100));
}

#[test]
fn a_checksum_of_another_pair_of_addresses_is_wrong() {
    let six = bytes("3136c8020032db83fe80000000000000000000000000005420010db8000000000000000000000054");
    let other = Carrier::Ip { source: ip("fe80::2"), destination: MULTICAST_V6.into(), hop_limit: 255 };
    assert_eq!(Advertisement::decode(&six, other), Err(DecodeError::Checksum));
    let mut plain = Vec::new();
    said(54, 200, 500, &["fe80::54"]).encode(Cover::Message, &mut plain).unwrap();
    let read = Advertisement::decode(&plain, v6());
    assert_eq!(read, Err(DecodeError::Checksum), "IPv6 has one form only");
}

#[test]
fn a_refused_message_leaves_the_old_one_in_place() {
    let mut read = said(1, 2, 30, &["192.0.2.9"]);
    let before = read.clone();
    assert_eq!(read.decode_into(&[0x31; 12], v4()), Err(DecodeError::Length { expected: 204, found: 12 }));
    assert_eq!(read, before);
    let good = bytes("3134fe0100646b6ec0000266");
    assert_eq!(read.decode_into(&good, v4()), Ok(ChecksumForm::PseudoHeader));
    assert_eq!(read, said(52, 254, 1000, &["192.0.2.102"]));
}

#[test]
fn what_can_not_be_said_is_refused() {
    let good = said(1, 100, 100, &["192.0.2.9"]);
    let many = |count| Advertisement { addresses: vec![ip("192.0.2.9"); count], ..good.clone() };
    let every = |interval| Advertisement { interval, ..good.clone() };
    let pseudo = Cover::PseudoHeader { source: ip("192.0.2.1"), destination: MULTICAST_V4.into() };
    let split = Cover::PseudoHeader { source: ip("192.0.2.1"), destination: MULTICAST_V6.into() };
    let six = Cover::PseudoHeader { source: ip("fe80::1"), destination: MULTICAST_V6.into() };
    let odd = Duration::from_millis(105);
    let long = MAX_INTERVAL + Duration::from_millis(10);
    let rows = [
        (Advertisement { id: 0, ..good.clone() }, Cover::Message, EncodeError::Id),
        (every(Duration::ZERO), Cover::Message, EncodeError::Interval(Duration::ZERO)),
        (every(odd), Cover::Message, EncodeError::Interval(odd)),
        (every(long), Cover::Message, EncodeError::Interval(long)),
        (every(Duration::MAX), Cover::Message, EncodeError::Interval(Duration::MAX)),
        (many(0), Cover::Message, EncodeError::Addresses(0)),
        (many(256), Cover::Message, EncodeError::Addresses(256)),
        (said(1, 100, 100, &["192.0.2.9", "fe80::9"]), Cover::Message, EncodeError::Family(ip("fe80::9"))),
        (said(1, 100, 100, &["fe80::9"]), pseudo, EncodeError::Family(ip("fe80::9"))),
        (good.clone(), split, EncodeError::Family(MULTICAST_V6.into())),
        (good.clone(), six, EncodeError::Family(ip("192.0.2.9"))),
    ];
    for (advertisement, cover, expected) in rows {
        let mut out = vec![1];
        assert_eq!(advertisement.encode(cover, &mut out), Err(expected));
        assert!(out.is_empty());
    }
    let mut out = Vec::new();
    many(255).encode(pseudo, &mut out).unwrap();
    every(MAX_INTERVAL).encode(pseudo, &mut out).unwrap();
    assert_eq!(out[4..6], [0x0f, 0xff]);
}

/// One word after the other, as one would add them by hand.
fn naive_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for at in (0..bytes.len()).step_by(2) {
        sum += u32::from(bytes[at]) * 256 + u32::from(*bytes.get(at + 1).unwrap_or(&0));
        if sum > 0xffff {
            sum = sum - 0x1_0000 + 1;
        }
    }
    u16::try_from(sum).unwrap()
}

fn naive_pseudo(source: IpAddr, destination: IpAddr, message: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(v4) => all.extend(v4.octets()),
            IpAddr::V6(v6) => all.extend(v6.octets()),
        }
    }
    all.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    all.extend([0, 0, 0, 112]);
    all.extend(message);
    all
}

fn v4_address() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 4]>().prop_map(IpAddr::from)
}

fn v6_address() -> impl Strategy<Value = IpAddr> {
    any::<[u8; 16]>().prop_map(IpAddr::from)
}

fn sayable() -> impl Strategy<Value = (Advertisement, IpAddr, IpAddr)> {
    let v4 = (prop::collection::vec(v4_address(), 1..=255), v4_address(), v4_address());
    let v6 = (prop::collection::vec(v6_address(), 1..=255), v6_address(), v6_address());
    (1_u8.., any::<u8>(), 1_u64..=4095, prop_oneof![v4, v6]).prop_map(
        |(id, priority, interval, (addresses, source, destination))| {
            let interval = Duration::from_millis(interval * 10);
            (Advertisement { version: Version::V3, id, priority, interval, addresses }, source, destination)
        },
    )
}

proptest! {
    #[test]
    fn what_is_said_is_read((said, source, destination) in sayable()) {
        let mut out = Vec::new();
        let carrier = Carrier::Ip { source, destination, hop_limit: HOP_LIMIT };
        said.encode(Cover::PseudoHeader { source, destination }, &mut out).unwrap();
        prop_assert!(out.len() <= MAX_LEN);
        prop_assert_eq!(naive_sum(&naive_pseudo(source, destination, &out)), 0xffff);
        prop_assert_eq!(Advertisement::decode(&out, carrier), Ok((said.clone(), ChecksumForm::PseudoHeader)));

        said.encode(Cover::Message, &mut out).unwrap();
        prop_assert_eq!(naive_sum(&out), 0xffff);
        let plain = Ok((said.clone(), ChecksumForm::Plain));
        prop_assert_eq!(Advertisement::decode(&out, Carrier::Envelope), plain);
        // Unless the pseudo-header happens to add nothing, its form is another one.
        let as_ip = Advertisement::decode(&out, carrier);
        if source.is_ipv4() {
            prop_assert_eq!(as_ip.map(|read| read.0), Ok(said));
        } else if naive_sum(&naive_pseudo(source, destination, &out)) != 0xffff {
            prop_assert_eq!(as_ip, Err(DecodeError::Checksum));
        }
    }

    #[test]
    fn any_one_bit_matters((said, source, destination) in sayable(), at in any::<prop::sample::Index>()) {
        let mut out = Vec::new();
        said.encode(Cover::PseudoHeader { source, destination }, &mut out).unwrap();
        let bit = at.index(out.len() * 8);
        out[bit / 8] ^= 1 << (bit % 8);
        let carrier = Carrier::Ip { source, destination, hop_limit: HOP_LIMIT };
        // A plain checksum may turn out right by chance: one flipped bit is then the whole difference.
        let read = Advertisement::decode(&out, carrier);
        prop_assert!(!matches!(read, Ok((_, ChecksumForm::PseudoHeader))));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut message in prop::collection::vec(any::<u8>(), 0..64),
        shape in any::<bool>(),
        six in any::<bool>(),
    ) {
        // Half of them with a header that gets further.
        if shape && message.len() >= 8 {
            message[0] = if message[0] < 128 { 0x31 } else { 0x21 };
            message[3] = u8::try_from(message.len() / 4 - 2).unwrap();
            message[6..8].fill(0);
            let sum = !naive_sum(&message);
            message[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        for carrier in [if six { v6() } else { v4() }, Carrier::Envelope] {
            if let Ok((read, _)) = Advertisement::decode(&message, carrier) {
                prop_assert!(read.id > 0 && !read.interval.is_zero() && !read.addresses.is_empty());
                let mut out = Vec::new();
                if read.version == Version::V3 {
                    prop_assert_eq!(read.encode(Cover::Message, &mut out), Ok(()));
                    prop_assert_eq!(out.len(), message.len());
                }
            }
        }
    }
}
