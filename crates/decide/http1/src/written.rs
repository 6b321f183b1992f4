//! A head that was written for an endpoint, taken apart again for one that speaks another protocol.

use crate::Framing;
use crate::framing::decimal;
use crate::trailers::read_fields;

/// What [`crate::RequestHead::write_upstream`] wrote. It was judged then.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// A token.
    pub method: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
    /// Of `Host`.
    pub authority: &'a [u8],
    /// How the body ends.
    pub framing: Framing,
    /// Length of the head.
    pub len: usize,
    lines: &'a [u8],
}

impl<'a> Written<'a> {
    /// Reads the head at the start of `bytes`, which is whole. `None` if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
        let (line, lines) = bytes.get(..end + 2)?.split_at_checked(memchr::memchr(b'\n', bytes)? + 1)?;
        let line = line.strip_suffix(b" HTTP/1.1\r\n")?;
        let (method, target) = line.split_at_checked(memchr::memchr(b' ', line)?)?;
        let (mut authority, mut framing) = (&b""[..], Framing::None);
        for (name, value) in read_fields(lines) {
            if name.eq_ignore_ascii_case(b"host") {
                authority = value;
            } else if name.eq_ignore_ascii_case(b"content-length") {
                framing = decimal(value).filter(|length| *length > 0).map_or(Framing::None, Framing::Length);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                framing = Framing::Chunked;
            }
        }
        Some(Self { method, target: target.get(1..)?, authority, framing, len: end + 4, lines })
    }

    /// All fields, in order; those of the connection and the host are among them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        read_fields(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use haechi_model::HttpLimits;

    use super::*;
    use crate::{Onward, RequestHead};

    #[test]
    fn what_was_written_is_read_back() {
        for (text, framing) in [
            (
                "POST /a?b HTTP/1.1\r\nHost: h:8\r\nContent-Length: 5\r\nA:  b \r\n\r\nhello",
                Framing::Length(5),
            ),
            (
                "PUT /a?b HTTP/1.1\r\nHost: h:8\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n",
                Framing::Chunked,
            ),
            ("GET http://h:8/a?b HTTP/1.0\r\nA: b\r\n\r\n", Framing::None),
            ("POST /a?b HTTP/1.1\r\nHost: h:8\r\nContent-Length: 0\r\nA: b\r\n\r\n", Framing::None),
        ] {
            let (mut head, mut out) = (RequestHead::default(), Vec::new());
            head.parse(text.as_bytes(), &HttpLimits::default()).unwrap();
            let onward = Onward { forwarding: b"X-Forwarded-For: 192.0.2.1\r\n", ..Onward::default() };
            head.write_upstream(text.as_bytes(), &onward, &mut out);
            let len = out.len();
            out.extend_from_slice(b"body");
            let written = Written::read(&out).unwrap();
            assert_eq!((written.method, written.target), (head.method_name(text.as_bytes()), &b"/a?b"[..]));
            assert_eq!((written.authority, written.framing, written.len), (&b"h:8"[..], framing, len));
            let own: Vec<_> =
                written.fields().filter(|(name, _)| [&b"A"[..], b"X-Forwarded-For"].contains(name)).collect();
            assert_eq!(own, [(&b"A"[..], &b"b"[..]), (b"X-Forwarded-For", b"192.0.2.1")]);
        }
        for none in [&b""[..], b"GET / HTTP/1.1\r\nHost: h\r\n", b"GET /\r\n\r\n", b"\r\n\r\n"] {
            assert!(Written::read(none).is_none());
        }
    }
}
