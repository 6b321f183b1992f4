//! Version 2: a header of 16 bytes, addresses, and more in values that say their type and length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::crc::crc32c;
use crate::{Broken, Ends, LONGEST, Parsed, Told};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const HEADER: usize = 16;

/// `PP2_TYPE_CRC32C`
const CRC: u8 = 0x03;

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    let begun = bytes.len().min(SIGNATURE.len());
    if bytes[..begun] != SIGNATURE[..begun] {
        return Err(Broken("not the signature of version 2"));
    }
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(Parsed::Partial) };
    if header[12] >> 4 != 2 {
        return Err(Broken("the signature of version 2 with another version"));
    }
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    let whole = HEADER + length;
    if whole > LONGEST {
        return Err(Broken("longer than 4096 bytes"));
    }
    let told = match header[12] & 0x0f {
        0 => None,
        1 => Some(addresses(header[13])?),
        _ => return Err(Broken("neither LOCAL nor PROXY")),
    };
    let size = told.map_or(0, Family::size);
    if length < size {
        return Err(Broken("too short for its addresses"));
    }
    let Some(preface) = bytes.get(..whole) else { return Ok(Parsed::Partial) };
    let Some(family) = told else {
        // The sender's own; what else it says must be ignored.
        return Ok(Parsed::Complete(whole, Told::Nothing));
    };
    check_values(preface, HEADER + size)?;
    Ok(Parsed::Complete(whole, family.read(&preface[HEADER..])))
}

#[derive(Clone, Copy)]
enum Family {
    Unspecified,
    Four,
    Six,
    Unix,
}

fn addresses(byte: u8) -> Result<Family, Broken> {
    match byte {
        0x00 => Ok(Family::Unspecified),
        0x11 => Ok(Family::Four),
        0x21 => Ok(Family::Six),
        0x31 => Ok(Family::Unix),
        0x12 | 0x22 | 0x32 => Err(Broken("datagrams, on a connection")),
        _ => Err(Broken("a family or protocol that is not defined")),
    }
}

impl Family {
    const fn size(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Four => 12,
            Self::Six => 36,
            Self::Unix => 216,
        }
    }

    fn read(self, bytes: &[u8]) -> Told {
        let port =
            |at: usize| bytes.get(at..).and_then(|it| it.first_chunk()).copied().map(u16::from_be_bytes);
        let four = |at: usize| -> Option<IpAddr> {
            Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?).into())
        };
        let six = |at: usize| -> Option<IpAddr> {
            Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?).into())
        };
        let (ips, ports) = match self {
            Self::Unspecified | Self::Unix => return Told::Nothing,
            Self::Four => (four(0).zip(four(4)), port(8).zip(port(10))),
            Self::Six => (six(0).zip(six(16)), port(32).zip(port(34))),
        };
        // Both are there: the length was checked.
        ips.zip(ports).map_or(Told::Nothing, |((client, asked), (from, to))| {
            Told::Ends(Ends { client: SocketAddr::new(client, from), asked: SocketAddr::new(asked, to) })
        })
    }
}

/// Goes over all values, and checks the checksum if one of them is it.
fn check_values(preface: &[u8], mut at: usize) -> Result<(), Broken> {
    while at < preface.len() {
        let Some([kind, high, low]) = preface.get(at..).and_then(|it| it.first_chunk()).copied() else {
            return Err(Broken("a value without its length"));
        };
        let start = at + 3;
        let value = preface.get(start..start + usize::from(u16::from_be_bytes([high, low])));
        let value = value.ok_or(Broken("a value that is longer than what holds it"))?;
        if kind == CRC {
            check_sum(preface, start, value)?;
        }
        at = start + value.len();
    }
    Ok(())
}

fn check_sum(preface: &[u8], at: usize, value: &[u8]) -> Result<(), Broken> {
    let sum: [u8; 4] = value.try_into().map_err(|_| Broken("a checksum that is not of 4 bytes"))?;
    // The sum is of everything, with zeros in its own place.
    let bytes =
        preface.iter().enumerate().map(|(index, byte)| if (at..at + 4).contains(&index) { 0 } else { *byte });
    if crc32c(bytes) == u32::from_be_bytes(sum) {
        Ok(())
    } else {
        Err(Broken("a checksum that does not fit"))
    }
}

pub(crate) fn write(ends: Option<Ends>, out: &mut Vec<u8>) {
    out.extend_from_slice(&SIGNATURE);
    match ends {
        None => out.extend_from_slice(&[0x20, 0, 0, 0]),
        Some(Ends { client, asked }) => {
            let (family, size) = if client.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
            out.extend_from_slice(&[0x21, family, 0, size]);
            for ip in [client.ip(), asked.ip()] {
                match ip {
                    IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
                }
            }
            for end in [client, asked] {
                out.extend_from_slice(&end.port().to_be_bytes());
            }
        }
    }
}
