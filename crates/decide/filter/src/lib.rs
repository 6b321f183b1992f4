//! What a route does to a request besides choosing a pool.
//!
//! ```text
//!   Route ─▶ Filter::new ─▶ Filter       once, when the config changes
//!   Asked ─▶ Filter::decide ─▶ Verdict   for each request: goes on as this, or is answered with that
//! ```
//!
//! A route without filters has no [`Filter`] at all, so it costs a look at an `Option`. What is to be written is
//! made ready beforehand, so a request costs no allocation: new paths and locations go to a buffer of the caller's.
//!
//! What it refuses: it writes no head (framing is for who knows it) and judges no name or value; those of the config
//! were checked when it was read, and those of a request when it was parsed.

mod addresses;
mod auth;
mod cors;
mod edits;
mod path;
mod rate;
mod redirect;

use std::net::IpAddr;

use addresses::Served;
use cors::Sharing;
use haechi_model::{Fault, PathMatch, Route};

pub use auth::{Check, Questioned, Ruling};
pub use edits::Edits;
use path::NewPath;
pub use rate::{Owed, Pace};
use redirect::Elsewhere;

/// The filters of one route, ready for use.
#[derive(Clone, Debug)]
pub struct Filter {
    served: Served,
    max_body: Option<u64>,
    max_response: Option<u64>,
    sharing: Option<Sharing>,
    request: Edits,
    response: Edits,
    host: Option<Box<[u8]>>,
    path: Option<NewPath>,
    redirect: Option<Elsewhere>,
    check: Option<Check>,
}

/// What is looked at in a request. All of it was checked when it was parsed: no byte could end a line.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Host, with a port if the client said one.
    pub host: &'a [u8],
    /// Path without query.
    pub path: &'a [u8],
    /// Query with its `?`, or nothing.
    pub query: &'a [u8],
    /// Whose request it is.
    pub client: IpAddr,
    /// How long its body is, if its head says so.
    pub length: Option<u64>,
    /// `Origin`, if there is one and no second.
    pub origin: Option<&'a [u8]>,
    /// Whether it only asks what an origin may do: `OPTIONS` with `Access-Control-Request-Method`.
    pub preflight: bool,
    /// Whether it came over TLS.
    pub over_tls: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'f> {
    /// It goes on to the route's pool.
    On {
        /// The host in place of the one that came.
        host: Option<&'f [u8]>,
        /// Whether the buffer holds a path and query in place of those that came.
        rewritten: bool,
    },
    /// It is refused.
    Refused(Fault),
    /// It is answered with this status, and the buffer holds whole lines of the answer's head.
    Answered(u16),
}

impl Filter {
    /// The filters of this route, if it has any.
    pub fn new(route: &Route) -> Option<Self> {
        let filters = route.filters.as_deref()?;
        let prefix = match &route.path {
            // A whole path has no rest, so what stands for its prefix stands for all of it.
            PathMatch::Exact(path) => path,
            PathMatch::Prefix(prefix) => prefix,
        };
        Some(Self {
            served: Served::new(&filters.addresses),
            max_body: filters.max_request_body,
            max_response: filters.max_response_body,
            sharing: filters.cors.as_ref().map(Sharing::new),
            request: Edits::new(&filters.request_headers),
            response: Edits::new(&filters.response_headers),
            host: filters.rewrite.host.as_ref().map(|host| host.as_bytes().into()),
            path: filters.rewrite.path.as_ref().map(|path| NewPath::new(path, prefix)),
            redirect: filters.redirect.as_ref().map(|redirect| Elsewhere::new(redirect, prefix)),
            check: filters.auth.as_ref().map(Check::new),
        })
    }

    /// Whether this client is served at all; [`decide`](Self::decide) asks it too.
    pub fn serves(&self, client: IpAddr) -> bool {
        self.served.has(client)
    }

    /// What becomes of a request. `out` is empty, and gets what the verdict says.
    pub fn decide(&self, asked: &Asked<'_>, out: &mut Vec<u8>) -> Verdict<'_> {
        if !self.served.has(asked.client) {
            return Verdict::Refused(Fault::AddressRefused);
        }
        if self.max_body.is_some_and(|most| asked.length.is_some_and(|length| length > most)) {
            return Verdict::Refused(Fault::BodyTooLarge);
        }
        if let (Some(sharing), true, Some(_)) = (&self.sharing, asked.preflight, asked.origin) {
            sharing.write(asked.origin, true, out);
            return Verdict::Answered(204);
        }
        if let Some(redirect) = &self.redirect {
            redirect.write(asked, out);
            return Verdict::Answered(redirect.status());
        }
        // `*` is no path, but all of the server (RFC 9112 §3.2.4).
        let path = self.path.as_ref().filter(|_| asked.path != b"*");
        if let Some(path) = path {
            path.write(asked.path, out);
            out.extend_from_slice(asked.query);
        }
        Verdict::On { host: self.host.as_deref(), rewritten: path.is_some() }
    }

    /// What somebody else is asked before a request goes on.
    pub const fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    /// Longest body of a request, in bytes, for whoever counts one whose length was not known.
    pub const fn max_body(&self) -> Option<u64> {
        self.max_body
    }

    /// Longest body of an endpoint's answer, in bytes.
    pub const fn max_response(&self) -> Option<u64> {
        self.max_response
    }

    /// What changes in a request's fields.
    pub const fn request(&self) -> &Edits {
        &self.request
    }

    /// Whether anything changes in an endpoint's answer.
    pub const fn changes_answers(&self) -> bool {
        self.sharing.is_some() || !self.response.is_empty()
    }

    /// Whether answers depend on the `Origin` of their request, so that it must be kept.
    pub const fn wants_origin(&self) -> bool {
        self.sharing.is_some()
    }

    /// Whether a field of an endpoint's answer is taken out.
    pub fn removes(&self, name: &[u8]) -> bool {
        self.response.removes(name) || (self.sharing.is_some() && Sharing::removes(name))
    }

    /// Appends whole lines that an endpoint's answer gets, for a request with this origin; empty for none.
    pub fn write_lines(&self, origin: &[u8], out: &mut Vec<u8>) {
        if let Some(sharing) = &self.sharing {
            sharing.write(Some(origin).filter(|origin| !origin.is_empty()), false, out);
        }
        out.extend_from_slice(self.response.lines());
    }
}

#[cfg(test)]
mod tests;
