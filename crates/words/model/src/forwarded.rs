//! Whose word on a request's origin counts.

use std::net::IpAddr;

use crate::Network;

/// Proxies in front of a listener, and what endpoints are told of whom they speak for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forwarded {
    /// Who is believed: proxies of one's own.
    pub trust: Vec<Network>,
    /// In which field they write the chain of addresses. The other one is anybody's word, for they may pass it on
    /// as it came.
    pub by: ForwardedBy,
    /// What becomes of `X-Request-ID`.
    pub request_id: RequestIds,
}

impl Forwarded {
    /// Whether what comes from this address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trust.iter().any(|network| network.contains(address))
    }
}

/// The field with the chain of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, with `-Proto`, `-Host` and `-Port` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What becomes of `X-Request-ID`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RequestIds {
    /// It goes on as it came.
    #[default]
    Untouched,
    /// Every request has one: that of who is trusted, or a new one. Endpoints are told.
    Passed,
    /// Clients are told too.
    Answered,
}
