//! Version 1: one line of text.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Broken, Ends, Parsed, Told};

/// Longest line with its CRLF (section 2.1): `UNKNOWN` with two IPv6 addresses.
const LONGEST: usize = 107;

const BEGIN: &[u8] = b"PROXY ";

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    let begun = bytes.len().min(BEGIN.len());
    if bytes[..begun] != BEGIN[..begun] {
        return Err(Broken("does not begin with `PROXY `"));
    }
    let line = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = line.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        let too_long = bytes.len() >= LONGEST;
        return if too_long { Err(Broken("a line of more than 107 bytes")) } else { Ok(Parsed::Partial) };
    };
    match (line[end], line.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if bytes.len() < LONGEST => return Ok(Parsed::Partial),
        (b'\r', None) => return Err(Broken("a line of more than 107 bytes")),
        _ => return Err(Broken("a line that does not end with CRLF")),
    }
    let text = line.get(BEGIN.len()..end).ok_or(Broken("does not begin with `PROXY `"))?;
    let text = std::str::from_utf8(text).map_err(|_| Broken("bytes that are no text"))?;
    Ok(Parsed::Complete(end + 2, told(text)?))
}

fn told(text: &str) -> Result<Told, Broken> {
    let mut words = text.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows must be ignored.
        return Ok(Told::Nothing);
    }
    let mut word = || words.next().ok_or(Broken("a word is missing"));
    let [client, asked, client_port, asked_port] = [word()?, word()?, word()?, word()?];
    if words.next().is_some() {
        return Err(Broken("a word too many"));
    }
    let (client, asked) = match family {
        "TCP4" => (four(client)?, four(asked)?),
        "TCP6" => (six(client)?, six(asked)?),
        _ => return Err(Broken("neither TCP4, TCP6 nor UNKNOWN")),
    };
    let client = SocketAddr::new(client, port(client_port)?);
    Ok(Told::Ends(Ends { client, asked: SocketAddr::new(asked, port(asked_port)?) }))
}

fn four(text: &str) -> Result<IpAddr, Broken> {
    text.parse::<Ipv4Addr>().map(IpAddr::from).map_err(|_| Broken("not an IPv4 address"))
}

fn six(text: &str) -> Result<IpAddr, Broken> {
    text.parse::<Ipv6Addr>().map(IpAddr::from).map_err(|_| Broken("not an IPv6 address"))
}

/// Decimal, without sign and leading zeros.
fn port(text: &str) -> Result<u16, Broken> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits).ok_or(Broken("not a port"))
}

pub(crate) fn write(ends: Option<Ends>, out: &mut Vec<u8>) {
    // Writing to a Vec can't fail.
    let _ = match ends {
        None => out.write_all(b"PROXY UNKNOWN\r\n"),
        Some(Ends { client, asked }) => {
            let family = if client.is_ipv4() { 4 } else { 6 };
            write!(
                out,
                "PROXY TCP{family} {} {} {} {}\r\n",
                client.ip(),
                asked.ip(),
                client.port(),
                asked.port()
            )
        }
    };
}
