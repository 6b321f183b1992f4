//! The parts of a request that routes look at.

/// A request, borrowed from wherever its bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a, H: Headers + ?Sized> {
    /// The host as sent: with or without port, in any case, maybe with a final dot, an IPv6 address in
    /// brackets. `None` for HTTP/1.0 without `Host`.
    pub host: Option<&'a [u8]>,
    /// Without the query.
    pub path: &'a [u8],
    /// As sent: methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a [u8],
    /// Asked only when a route that fits so far wants a header.
    pub headers: &'a H,
}

/// Where header values come from.
pub trait Headers {
    /// The value of every line of this name (given in lower case), without the white space around it.
    ///
    /// Each line is an item of its own, however often the name is repeated; lines joined by commas, or only the
    /// first one, would let a client hide a value from a route (CVE-2026-26308).
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// Pairs of name and value, in order; names are compared without case.
impl Headers for [(&[u8], &[u8])] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(|line| line.0.eq_ignore_ascii_case(name.as_bytes())).map(|line| line.1)
    }
}

/// No headers at all.
impl Headers for () {
    fn values<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }
}
