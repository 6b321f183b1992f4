//! Who asks, by the word of proxies that are trusted, and what endpoints are told of it; names for requests.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use haechi_forwarded::{Fields, Hop, Origin, request_id, tell};
use haechi_http1::RequestHead;
use haechi_model::{Forwarded, RequestIds};

use crate::who::Who;
use crate::worker::Worker;

/// Names for requests. SipHash with a key of this thread's own over a count: nobody can tell the next one from those
/// before, and no two nodes or workers have the same order.
#[derive(Default)]
pub(crate) struct Names {
    key: RandomState,
    count: Cell<u64>,
}

impl Names {
    fn next(&self) -> u128 {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let half = |which: u8| u128::from(self.key.hash_one((count, which)));
        half(0) << 64 | half(1)
    }
}

/// What is known of a request's origin.
pub(crate) struct Told {
    /// Who asks. Port 0 if that is not known.
    pub(crate) client: SocketAddr,
    /// Whether the client asked over TLS.
    pub(crate) secure: bool,
    /// The request's name; empty if it is to have none.
    pub(crate) id: Vec<u8>,
}

/// Writes the lines for the endpoint into `lines`.
pub(crate) fn judge(
    worker: &Worker,
    who: &Who,
    rules: &Forwarded,
    head: &mut RequestHead,
    bytes: &[u8],
    authority: &[u8],
    lines: &mut Vec<u8>,
) -> Told {
    lines.clear();
    let host = head.host.map_or(authority, |host| host.of(bytes));
    let hop = Hop { peer: who.peer.ip(), secure: who.secure, port: who.port(), host };
    let fields = Values { head, bytes };
    let Origin { client, secure } = tell(&fields, &hop, rules, lines);
    // Nobody tells a client's port.
    let same = client == who.peer.ip().to_canonical();
    let client = if same { who.peer } else { SocketAddr::new(client, 0) };
    if rules.request_id == RequestIds::Untouched {
        return Told { client, secure, id: Vec::new() };
    }
    let mut id = worker.buffers.take_vector();
    request_id(&fields, rules.trusts(hop.peer), || worker.names.next(), &mut id);
    head.cut(bytes, |name| name.eq_ignore_ascii_case(b"x-request-id"));
    for piece in [&b"X-Request-ID: "[..], &*id, b"\r\n"] {
        lines.extend_from_slice(piece);
    }
    Told { client, secure, id }
}

/// A name for a request of which nothing else is known; empty if requests have none.
pub(crate) fn name(worker: &Worker, rules: Option<&Forwarded>) -> Vec<u8> {
    let mut id = Vec::new();
    if rules.is_some_and(|rules| rules.request_id != RequestIds::Untouched) {
        request_id(&Nothing, false, || worker.names.next(), &mut id);
    }
    id
}

/// A request as text for a log.
pub(crate) fn shown(id: &[u8]) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}

struct Values<'a> {
    head: &'a RequestHead,
    bytes: &'a [u8],
}

impl Fields for Values<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.values(self.bytes, name)
    }
}

struct Nothing;

impl Fields for Nothing {
    fn values<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_tell_nothing_of_each_other() {
        let (one, other) = (Names::default(), Names::default());
        let mut all: Vec<u128> = (0..10_000).flat_map(|_| [one.next(), other.next()]).collect();
        let bits: u32 = all.windows(2).map(|pair| (pair[0] ^ pair[1]).count_ones()).sum();
        let mean = f64::from(bits) / f64::from(u32::try_from(all.len() - 1).unwrap());
        assert!((63.0..65.0).contains(&mean), "half of the bits differ: {mean}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 20_000);
    }
}
