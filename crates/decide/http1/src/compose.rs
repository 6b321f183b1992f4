//! A request head from the parts that another protocol gives. It is written as a client would have, and then parsed
//! like any other: what is strict about HTTP/1 holds for every request, by the same code.

/// What a request begins with, checked by the protocol that it came in for bytes that could end a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts<'a> {
    /// A token.
    pub method: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
    /// Host, with a port if the client said one.
    pub authority: &'a [u8],
    /// Whether a body of unknown length follows, so that it must come in chunks.
    pub chunked: bool,
}

impl Parts<'_> {
    /// Appends the head. `fields` are all others, without `Host` and what says how long the body is in another way
    /// than `Content-Length`.
    pub fn write<'f>(&self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>, out: &mut Vec<u8>) {
        let mut put = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| out.extend_from_slice(piece));
        put(&[self.method, b" ", self.target, b" HTTP/1.1\r\nHost: ", self.authority, b"\r\n"]);
        for (name, value) in fields {
            put(&[name, b": ", value, b"\r\n"]);
        }
        put(&[if self.chunked { b"Transfer-Encoding: chunked\r\n\r\n" } else { b"\r\n" }]);
    }
}

/// Appends a piece of a body in a chunk of its own (RFC 9112 §7.1); nothing for an empty one, which would be the end.
pub fn write_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    // Writing to a Vec never fails.
    let _ = std::io::Write::write_fmt(out, format_args!("{:x}\r\n", bytes.len()));
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use haechi_model::HttpLimits;

    use super::*;
    use crate::{Body, Framing, Parsed, Pieces, RequestHead};

    fn parsed(parts: &Parts<'_>, fields: &[(&str, &str)]) -> Result<(RequestHead, Vec<u8>), &'static str> {
        let mut out = Vec::new();
        parts.write(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), &mut out);
        let mut head = RequestHead::default();
        match head.parse(&out, &HttpLimits::default()) {
            Ok(Parsed::Complete(len)) if len == out.len() => Ok((head, out)),
            Ok(_) => Err("another length"),
            Err(error) => Err(error.rule),
        }
    }

    const GET: Parts<'_> =
        Parts { method: b"GET", target: b"/a?b", authority: b"example.com", chunked: false };

    #[test]
    fn it_is_a_head_like_any_other() {
        let (head, bytes) = parsed(&GET, &[("accept", "*/*")]).unwrap();
        assert_eq!(bytes, b"GET /a?b HTTP/1.1\r\nHost: example.com\r\naccept: */*\r\n\r\n");
        assert_eq!((head.framing, head.keep_alive), (Framing::None, true));
        let (head, _) = parsed(&Parts { chunked: true, ..GET }, &[]).unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        let (head, _) = parsed(&GET, &[("content-length", "7")]).unwrap();
        assert_eq!(head.framing, Framing::Length(7));
    }

    #[test]
    fn what_http1_refuses_is_refused() {
        for (parts, fields, rule) in [
            (Parts { target: b"/a/../b", ..GET }, &[][..], "dot segment in the path"),
            (Parts { authority: b"a,b", ..GET }, &[], "byte not allowed in the host"),
            (
                Parts { chunked: true, ..GET },
                &[("content-length", "7")],
                "both Transfer-Encoding and Content-Length",
            ),
            (GET, &[("host", "other")], "more than one Host"),
        ] {
            assert_eq!(parsed(&parts, fields).map(|_| ()), Err(rule));
        }
    }

    #[test]
    fn chunks_are_read_back() {
        let mut out = Vec::new();
        for piece in [&b"hello"[..], b"", &[7; 300]] {
            write_chunk(piece, &mut out);
        }
        crate::write_last_chunk(b"", &mut out);
        let (mut body, mut pieces) = (Body::new(Framing::Chunked, true), Pieces::default());
        let advance = body.advance(&out, &mut pieces).unwrap();
        assert!(advance.done && advance.consumed == out.len());
        let read: Vec<u8> = pieces.ranges().iter().flat_map(|range| out[range.clone()].to_vec()).collect();
        assert_eq!(read, [&b"hello"[..], &[7; 300]].concat());
    }
}
