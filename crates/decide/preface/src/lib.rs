//! The PROXY protocol, versions 1 and 2, as a pure core: a preface to a connection that says who is connected with
//! whom, because the one who sends it stands between them.
//!
//! Strict on purpose: whoever may send a preface decides whom everything after it comes from, so what is ambiguous is
//! refused with the rule that it breaks, and nothing is guessed. It refuses to know sockets, time and whom to trust.
//!
//! Source: HAProxy's `doc/proxy-protocol.txt` (2020/03/05 and later), sections 2.1 and 2.2.

mod binary;
mod crc;
mod text;

use std::fmt;
use std::net::SocketAddr;

use haechi_model::ProxyVersion;

/// Longest preface that is read. Version 1 has at most 107 bytes. Version 2 could have 64 KiB; all that is defined, a
/// client certificate's names among it, stays below one.
pub const LONGEST: usize = 4096;

/// What a preface says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// Who is connected with whom.
    Ends(Ends),
    /// Nothing: the sender speaks for itself (a health check), or does not know, or names no IP address.
    Nothing,
}

/// Both ends of a connection, of one family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ends {
    /// Who opened it.
    pub client: SocketAddr,
    /// The address that the client asked.
    pub asked: SocketAddr,
}

/// How far the preface at the start of some bytes got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// It is the first so many bytes.
    Complete(usize, Told),
    /// It is well-formed so far.
    Partial,
}

/// The rule that is broken, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken(pub &'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Reads the preface at the start of `bytes`.
///
/// # Errors
/// The first rule that it breaks. Bytes that can still become one are [`Parsed::Partial`].
pub fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    match bytes.first() {
        None => Ok(Parsed::Partial),
        Some(b'P') => text::parse(bytes),
        Some(b'\r') => binary::parse(bytes),
        Some(_) => Err(Broken("neither version begins like this")),
    }
}

/// Appends a preface. `None` says that the sender speaks for itself.
pub fn write(version: ProxyVersion, ends: Option<Ends>, out: &mut Vec<u8>) {
    let ends = ends.map(Ends::of_one_family);
    match version {
        ProxyVersion::V1 => text::write(ends, out),
        ProxyVersion::V2 => binary::write(ends, out),
    }
}

impl Ends {
    /// A preface has one family: an IPv4 address beside an IPv6 one is written as a mapped one.
    fn of_one_family(self) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (client, asked) = (plain(self.client), plain(self.asked));
        if client.is_ipv4() == asked.is_ipv4() {
            return Self { client, asked };
        }
        let six = |end: SocketAddr| match end.ip() {
            std::net::IpAddr::V4(address) => SocketAddr::new(address.to_ipv6_mapped().into(), end.port()),
            std::net::IpAddr::V6(_) => end,
        };
        Self { client: six(client), asked: six(asked) }
    }
}
