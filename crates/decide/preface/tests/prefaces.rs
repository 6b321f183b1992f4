//! All forms of both versions, what breaks each rule, and any bytes at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use haechi_model::ProxyVersion;
use haechi_preface::{Ends, LONGEST, Parsed, Told, parse, write};
use proptest::prelude::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn ends(client: &str, asked: &str) -> Told {
    Told::Ends(Ends { client: client.parse().unwrap(), asked: asked.parse().unwrap() })
}

/// Version 2 with these bytes behind the signature and this body.
fn two(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xde, 0xad, 0, 80];

fn with_values(values: &[u8]) -> Vec<u8> {
    two(0x21, 0x11, &[&FOUR[..], values].concat())
}

#[test]
fn what_is_well_formed() {
    let six = "2001:db8:1111:2222:3333:4444:5555:6666";
    let longest = format!("PROXY TCP6 {six} {six} 65535 65535\r\n");
    let unknown = format!("PROXY UNKNOWN {six} {six} 65535 {}\r\n", "6".repeat(5));
    let mut mapped = [0u8; 36];
    mapped[15] = 1;
    mapped[31] = 2;
    mapped[33] = 7;
    mapped[35] = 8;
    let sum = [&[3, 0, 4][..], &[0; 4]].concat();
    let rows: Vec<(Vec<u8>, Told)> = vec![
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.2 57005 80\r\n".into(),
            ends("192.0.2.1:57005", "198.51.100.2:80"),
        ),
        (
            b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n".into(),
            ends("255.255.255.255:65535", "255.255.255.255:0"),
        ),
        (b"PROXY TCP6 ::1 2001:db8::2 1 2\r\n".into(), ends("[::1]:1", "[2001:db8::2]:2")),
        (longest.into_bytes(), ends(&format!("[{six}]:65535"), &format!("[{six}]:65535"))),
        (b"PROXY UNKNOWN\r\n".into(), Told::Nothing),
        (b"PROXY UNKNOWN whatever it is\r\n".into(), Told::Nothing),
        (unknown.into_bytes(), Told::Nothing),
        (two(0x21, 0x11, &FOUR), ends("192.0.2.1:57005", "198.51.100.2:80")),
        (two(0x21, 0x21, &mapped), ends("[::1]:7", "[::2]:8")),
        (with_values(&[4, 0, 0]), ends("192.0.2.1:57005", "198.51.100.2:80")),
        (with_values(&[0xea, 0, 2, 1, 2, 0x20, 0, 0]), ends("192.0.2.1:57005", "198.51.100.2:80")),
        (two(0x20, 0x00, &[]), Told::Nothing),
        (two(0x20, 0x11, &[1, 2, 3]), Told::Nothing),
        (two(0x20, 0xff, &[]), Told::Nothing),
        (two(0x21, 0x00, &[]), Told::Nothing),
        (two(0x21, 0x00, &[4, 0, 1, 0]), Told::Nothing),
        (two(0x21, 0x31, &[7; 216]), Told::Nothing),
        (two(0x20, 0x00, &vec![0; LONGEST - 16]), Told::Nothing),
    ];
    assert_eq!(parse(&with_values(&sum)).unwrap_err().0, "a checksum that does not fit");
    for (bytes, told) in rows {
        let whole = bytes.len();
        assert_eq!(parse(&bytes), Ok(Parsed::Complete(whole, told)), "{}", bytes.escape_ascii());
        let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&more), Ok(Parsed::Complete(whole, told)), "what follows is not its own");
        for cut in 0..whole {
            assert_eq!(parse(&bytes[..cut]), Ok(Parsed::Partial), "{cut} of {}", bytes.escape_ascii());
        }
    }
}

#[test]
fn a_checksum_fits_or_it_does_not() {
    let mut bytes = with_values(&[3, 0, 4, 0, 0, 0, 0]);
    let (sum, at) = (crc(&bytes), bytes.len() - 4);
    bytes[at..].copy_from_slice(&sum.to_be_bytes());
    assert!(matches!(parse(&bytes), Ok(Parsed::Complete(..))));
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let whole = matches!(parse(&other), Ok(Parsed::Complete(_, Told::Ends(_))));
        // Only another type of the value itself takes its meaning away.
        assert!(!whole || bit / 8 == at - 3, "bit {bit}");
    }
}

/// By a table of remainders, another way than the code under test goes.
fn crc(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| (0..8).fold(byte, |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 }))
        .collect();
    !bytes.iter().fold(!0, |sum: u32, byte| table[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ sum >> 8)
}

#[test]
fn what_breaks_a_rule() {
    let text = |line: &str| line.as_bytes().to_vec();
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (text("GET / HTTP/1.1\r\n"), "neither version begins like this"),
        (text("POST / HTTP/1.1\r\n"), "does not begin with `PROXY `"),
        (text("PROXY\r\n"), "does not begin with `PROXY `"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n"), "a line that does not end with CRLF"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1 2\rX"), "a line that does not end with CRLF"),
        (text(&format!("PROXY UNKNOWN {}", "x".repeat(100))), "a line of more than 107 bytes"),
        (text(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92))), "a line of more than 107 bytes"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"), "a word is missing"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n"), "a word too many"),
        (text("PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"), "a word too many"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"), "a word too many"),
        (text("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n"), "neither TCP4, TCP6 nor UNKNOWN"),
        (text("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n"), "neither TCP4, TCP6 nor UNKNOWN"),
        (text("PROXY TCP4 ::1 198.51.100.2 1 2\r\n"), "not an IPv4 address"),
        (text("PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n"), "not an IPv4 address"),
        (text("PROXY TCP6 192.0.2.1 ::1 1 2\r\n"), "not an IPv6 address"),
        (text("PROXY TCP6 fe80::1%3 ::1 1 2\r\n"), "not an IPv6 address"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n"), "not a port"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 +1 2\r\n"), "not a port"),
        (text("PROXY TCP4 192.0.2.1 198.51.100.2 1 02\r\n"), "not a port"),
        (b"PROXY TCP4 \xff\r\n".to_vec(), "bytes that are no text"),
        (b"\r\n\r\n\0\r\nQUIX".to_vec(), "not the signature of version 2"),
        (two(0x11, 0x11, &FOUR), "the signature of version 2 with another version"),
        (two(0x22, 0x11, &FOUR), "neither LOCAL nor PROXY"),
        (two(0x21, 0x12, &FOUR), "datagrams, on a connection"),
        (two(0x21, 0x41, &FOUR), "a family or protocol that is not defined"),
        (two(0x21, 0x13, &FOUR), "a family or protocol that is not defined"),
        (two(0x21, 0x11, &FOUR[..11]), "too short for its addresses"),
        (two(0x21, 0x21, &FOUR), "too short for its addresses"),
        (two(0x21, 0x31, &[0; 215]), "too short for its addresses"),
        // CVE-2026-47692: lengths that add up to more than there is.
        (two(0x21, 0x11, &vec![0; LONGEST]), "longer than 4096 bytes"),
        ([SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "longer than 4096 bytes"),
        (with_values(&[1]), "a value without its length"),
        (with_values(&[1, 0]), "a value without its length"),
        (with_values(&[1, 0, 1]), "a value that is longer than what holds it"),
        (with_values(&[1, 0xff, 0xff, 0]), "a value that is longer than what holds it"),
        (with_values(&[3, 0, 3, 0, 0, 0]), "a checksum that is not of 4 bytes"),
    ];
    for (bytes, rule) in rows {
        assert_eq!(parse(&bytes).map_err(|broken| broken.0), Err(rule), "{}", bytes.escape_ascii());
    }
}

fn end() -> impl Strategy<Value = SocketAddr> {
    (
        prop_oneof![
            any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
            any::<[u8; 16]>().prop_map(std::net::IpAddr::from)
        ],
        any::<u16>(),
    )
        .prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn what_is_written_is_read(client in end(), asked in end(), two: bool) {
        let version = if two { ProxyVersion::V2 } else { ProxyVersion::V1 };
        let mut bytes = Vec::new();
        write(version, Some(Ends { client, asked }), &mut bytes);
        let Ok(Parsed::Complete(whole, Told::Ends(read))) = parse(&bytes) else { panic!("{}", bytes.escape_ascii()) };
        prop_assert_eq!(whole, bytes.len());
        let plain = |end: SocketAddr| (end.ip().to_canonical(), end.port());
        prop_assert_eq!((plain(read.client), plain(read.asked)), (plain(client), plain(asked)));
        prop_assert_eq!(read.client.is_ipv4(), read.asked.is_ipv4());
        bytes.clear();
        write(version, None, &mut bytes);
        prop_assert_eq!(parse(&bytes), Ok(Parsed::Complete(bytes.len(), Told::Nothing)));
    }

    /// More bytes never change what was found, and never make a broken one whole.
    #[test]
    fn any_bytes_come_to_one_end(
        begin in prop_oneof![Just(Vec::new()), Just(b"PROXY TCP4 1.2.3.4 ".to_vec()), Just([SIGNATURE, &[0x21, 0x11, 0, 20]].concat())],
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [begin, rest].concat();
        let mut found = None;
        for cut in 0..=bytes.len() {
            let now = parse(&bytes[..cut]);
            if let Some(before) = found {
                prop_assert_eq!(now, before);
            } else if now != Ok(Parsed::Partial) {
                if let Ok(Parsed::Complete(whole, _)) = now {
                    prop_assert_eq!(whole, cut);
                }
                found = Some(now);
            }
        }
    }
}
