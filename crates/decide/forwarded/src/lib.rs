//! Who asked, as proxies in front of us tell it: whom to believe, and what to tell on.
//!
//! A request's fields are anybody's word. Each proxy that is trusted adds the address that it was asked from, so the
//! chain is true from its end on up to the first address that is not trusted: that is the client. What stands before
//! it was said by that client, and does not go on. It refuses to know sockets and where a request goes.
//!
//! ```text
//!   X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2        from 10.0.0.1, where 10.0.0.0/8 is trusted
//!                    invented │ client │ proxy
//!   ─▶ X-Forwarded-For: 192.0.2.1, 10.0.0.2, 10.0.0.1
//! ```

mod chain;
mod element;
mod id;
mod node;

use std::io::Write;
use std::net::IpAddr;

use haechi_model::{Forwarded, ForwardedBy};

pub use id::{LONGEST_ID, request_id};

use chain::Told;

/// The fields of a request.
pub trait Fields {
    /// All values of the fields with this name, in any case of letters, in their order.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// What is known of a request without anybody's word.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// Who is connected.
    pub peer: IpAddr,
    /// Whether over TLS.
    pub secure: bool,
    /// The port that was asked; 0 if that is not known.
    pub port: u16,
    /// `Host`, as it goes on; empty if there is none.
    pub host: &'a [u8],
}

/// Who asked, as far as somebody is trusted to say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client asked over TLS.
    pub secure: bool,
}

/// Appends the lines that tell an endpoint who asked.
///
/// From who is not trusted nothing is believed. From who is, the chain is, up to the first address that is not
/// trusted, and single values of scheme, host and port that are well-formed; the connection's own stand in for others.
pub fn tell(fields: &impl Fields, hop: &Hop<'_>, rules: &Forwarded, out: &mut Vec<u8>) -> Origin {
    let peer = hop.peer.to_canonical();
    let trusted = rules.trusts(peer);
    out.extend_from_slice(b"X-Forwarded-For: ");
    let told = match rules.by {
        _ if !trusted => Told::default(),
        ForwardedBy::XForwardedFor => chain::x_forwarded(fields, rules, out),
        ForwardedBy::Forwarded => chain::forwarded(fields, rules, out),
    };
    put(out, format_args!("{peer}\r\n"));
    let secure = told.secure.unwrap_or(hop.secure);
    let host = told.host.unwrap_or(hop.host);
    put(out, format_args!("X-Forwarded-Proto: {}\r\n", scheme(secure)));
    if !host.is_empty() {
        line(out, b"X-Forwarded-Host: ", host);
    }
    // `https` at the port of another hop's `http` would make endpoints name addresses that nobody listens on.
    let port = match (told.port, told.secure) {
        (Some(port), _) => port,
        (None, Some(secure)) => node::port_of(host).unwrap_or(if secure { 443 } else { 80 }),
        (None, None) => hop.port,
    };
    if port > 0 {
        put(out, format_args!("X-Forwarded-Port: {port}\r\n"));
    }
    if rules.by == ForwardedBy::Forwarded {
        out.extend_from_slice(b"Forwarded: ");
        if trusted {
            chain::repeat(fields, told.from, out);
        }
        own_element(hop, peer, out);
    }
    Origin { client: told.client.unwrap_or(peer), secure }
}

fn own_element(hop: &Hop<'_>, peer: IpAddr, out: &mut Vec<u8>) {
    match peer {
        IpAddr::V4(peer) => put(out, format_args!("for={peer}")),
        IpAddr::V6(peer) => put(out, format_args!("for=\"[{peer}]\"")),
    }
    // What would end the quotes is no part of an authority.
    if !hop.host.is_empty() && !hop.host.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(hop.host);
        out.push(b'"');
    }
    put(out, format_args!(";proto={}\r\n", scheme(hop.secure)));
}

const fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to a Vec never fails.
    let _ = out.write_fmt(what);
}

/// The only value of a field; nothing if there are two, because nobody knows which of them a proxy wrote.
fn only<'a>(fields: &'a impl Fields, name: &'a str) -> Option<&'a [u8]> {
    let mut values = fields.values(name);
    values.next().filter(|_| values.next().is_none())
}

/// What a scheme says of TLS. `ws` and `wss` are what some write for a WebSocket's handshake.
fn is_secure(value: &[u8]) -> Option<bool> {
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    if is(b"https") || is(b"wss") {
        Some(true)
    } else if is(b"http") || is(b"ws") {
        Some(false)
    } else {
        None
    }
}
