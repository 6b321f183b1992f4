//! A decoded head: a flat list of fields and the places of those that HTTP/2 gives a meaning to. It belongs to
//! the consumer, one for each thread, and is good until it is lent to the next call.

use haechi_hpack::{Field, Fields};

use crate::names::Name;

/// Capacity that is kept: nearly all heads are below it, and one large head need not stay for ever.
const KEEP: usize = 16 << 10;

/// The head or trailers that the last event told of.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub(crate) fields: Fields,
    pub(crate) found: Found,
}

/// Where the fields with a meaning stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    pub(crate) method: Option<u16>,
    pub(crate) scheme: Option<u16>,
    pub(crate) authority: Option<u16>,
    pub(crate) path: Option<u16>,
    pub(crate) protocol: Option<u16>,
    pub(crate) host: Option<u16>,
    pub(crate) status: u16,
    /// Position of the first field that is not a pseudo-header field.
    pub(crate) regular: u16,
    pub(crate) crumbs: u16,
    pub(crate) length: Option<u64>,
}

impl Head {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.fields.shrink(KEEP);
        self.found = Found::default();
    }

    fn value(&self, at: Option<u16>) -> Option<&[u8]> {
        Some(self.fields.get(usize::from(at?))?.value)
    }

    /// `:method`; empty in responses and trailers.
    pub fn method(&self) -> &[u8] {
        self.value(self.found.method).unwrap_or_default()
    }

    /// `:scheme`; none in a plain CONNECT.
    pub fn scheme(&self) -> Option<&[u8]> {
        self.value(self.found.scheme)
    }

    /// `:authority`, or `host` if that is what the client sent (§8.3.1). Both together are the same.
    pub fn authority(&self) -> Option<&[u8]> {
        self.value(self.found.authority.or(self.found.host))
    }

    /// `:path`, with the query; none in a plain CONNECT.
    pub fn path(&self) -> Option<&[u8]> {
        self.value(self.found.path)
    }

    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.value(self.found.protocol)
    }

    /// `:status`; 0 in requests and trailers.
    pub const fn status(&self) -> u16 {
        self.found.status
    }

    /// `content-length`
    pub const fn content_length(&self) -> Option<u64> {
        self.found.length
    }

    /// All fields but those that begin with a colon, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Name, Field<'_>)> + Clone {
        let regular = self.fields.iter().skip(usize::from(self.found.regular));
        regular.map(|field| (Name::from_tag(field.tag), field))
    }

    /// Fields named `cookie`.
    pub const fn cookie_crumbs(&self) -> u16 {
        self.found.crumbs
    }

    /// Appends the value of one `cookie` field made of all crumbs, as HTTP/1 needs it (§8.2.3).
    pub fn write_cookie(&self, out: &mut Vec<u8>) {
        let mut first = true;
        for (_, crumb) in self.fields().filter(|(name, _)| *name == Name::Cookie) {
            if !first {
                out.extend_from_slice(b"; ");
            }
            first = false;
            out.extend_from_slice(crumb.value);
        }
    }
}
