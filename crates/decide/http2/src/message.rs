//! Which heads are messages (RFC 9113 §8). What breaks a rule here ends its stream and never goes on: in HTTP/1
//! the same bytes could be two requests.

use crate::Limit;
use crate::head::{Found, Head};
use crate::limits::Limits;
use crate::names::{Name, decimal};
use crate::{Code, Why};

/// What is wrong with a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is not a message.
    Malformed(Why),
    /// It may be one, but is larger than allowed.
    TooLarge,
}

impl From<Why> for Fault {
    fn from(why: Why) -> Self {
        Self::Malformed(why)
    }
}

/// Which fields a head must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// With extended CONNECT or without (RFC 8441 §3).
    Request {
        extended_connect: bool,
    },
    Response,
    Trailers,
}

/// Reads what came, and fills in where things stand.
pub(crate) fn check(head: &mut Head, shape: Shape, limits: &Limits) -> Result<(), Fault> {
    if head.fields.is_too_large() {
        return Err(Fault::TooLarge);
    }
    let found = find(head, shape)?;
    head.found = found;
    let others = head.fields.len() - usize::from(found.crumbs);
    if others > limits.fields as usize || u32::from(found.crumbs) > limits.cookie_crumbs {
        return Err(Fault::TooLarge);
    }
    match shape {
        Shape::Request { extended_connect } => request(head, extended_connect)?,
        Shape::Response if found.status == 0 => return Err(Why::protocol("no `:status`").into()),
        // RFC 9113 §8.6
        Shape::Response if found.status == 101 => return Err(Why::protocol("status 101").into()),
        Shape::Response | Shape::Trailers => {}
    }
    Ok(())
}

fn find(head: &Head, shape: Shape) -> Result<Found, Why> {
    let mut found = Found::default();
    let mut only_regular = false;
    for (at, field) in (0u16..).zip(head.fields.iter()) {
        let name = Name::from_tag(field.tag);
        if !field.fit {
            return Err(Why::protocol(name.rule()));
        }
        if name.is_pseudo() {
            if only_regular {
                return Err(Why::protocol("pseudo-header field after a regular one"));
            }
            pseudo(&mut found, name, at, field.value, shape)?;
            found.regular = at + 1;
            continue;
        }
        only_regular = true;
        regular(&mut found, name, at, field.value)?;
    }
    Ok(found)
}

#[inline]
fn pseudo(found: &mut Found, name: Name, at: u16, value: &[u8], shape: Shape) -> Result<(), Why> {
    let is_request = matches!(shape, Shape::Request { .. });
    let place = match name {
        Name::Method if is_request => &mut found.method,
        Name::Scheme if is_request => &mut found.scheme,
        Name::Authority if is_request => &mut found.authority,
        Name::Path if is_request => &mut found.path,
        Name::Protocol if shape == (Shape::Request { extended_connect: true }) => &mut found.protocol,
        Name::Status if shape == Shape::Response => {
            if found.status != 0 {
                return Err(Why::protocol("pseudo-header field twice"));
            }
            found.status = value.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit & 0xf));
            return Ok(());
        }
        _ => return Err(Why::protocol("pseudo-header field that has no place here")),
    };
    if place.replace(at).is_some() { Err(Why::protocol("pseudo-header field twice")) } else { Ok(()) }
}

#[inline]
fn regular(found: &mut Found, name: Name, at: u16, value: &[u8]) -> Result<(), Why> {
    match name {
        Name::Bad => return Err(Why::protocol("byte not allowed in a field name, or upper case")),
        Name::ConnectionSpecific => return Err(Why::protocol("field of a connection in HTTP/2")),
        Name::Host if found.host.replace(at).is_some() => return Err(Why::protocol("more than one `host`")),
        // A second one is refused even if it says the same, as in HTTP/1 here: recipients differ.
        Name::ContentLength if found.length.is_some() => {
            return Err(Why::protocol("more than one `content-length`"));
        }
        Name::ContentLength => found.length = decimal(value),
        Name::Cookie => found.crumbs += 1,
        _ => {}
    }
    Ok(())
}

/// RFC 9113 §8.3.1, and for CONNECT §8.5 and RFC 8441 §4.
fn request(head: &Head, extended_connect: bool) -> Result<(), Why> {
    let found = &head.found;
    if found.method.is_none() {
        return Err(Why::protocol("no `:method`"));
    }
    let connect = head.method() == b"CONNECT";
    let extended = found.protocol.is_some();
    if extended && !(connect && extended_connect) {
        return Err(Why::protocol("`:protocol` without CONNECT"));
    }
    if connect && !extended {
        if found.scheme.is_some() || found.path.is_some() {
            return Err(Why::protocol("CONNECT with `:scheme` or `:path`"));
        }
    } else if found.scheme.is_none() || found.path.is_none() {
        return Err(Why::protocol("no `:scheme` or no `:path`"));
    }
    if head.path() == Some(b"*") && head.method() != b"OPTIONS" {
        return Err(Why::protocol("`*` is a path of OPTIONS only"));
    }
    let host = found.host.and_then(|at| head.fields.get(usize::from(at)));
    match (head.authority(), host) {
        (None | Some(b""), _) => Err(Why::protocol("neither `:authority` nor `host`")),
        // Other proxies routed by the one and passed on the other.
        (Some(authority), Some(host)) if !host.value.eq_ignore_ascii_case(authority) => {
            Err(Why::protocol("`host` differs from `:authority`"))
        }
        _ => Ok(()),
    }
}

/// The reason for a head that was too large where nobody can answer it.
pub(crate) const fn too_large() -> Why {
    Why { code: Code::ENHANCE_YOUR_CALM, rule: Limit::List.text(), limit: Some(Limit::List) }
}
