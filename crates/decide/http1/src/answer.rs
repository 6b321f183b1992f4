//! Answers that haechi gives in an endpoint's place.

use haechi_model::{Fault, Side};

use crate::Version;

/// What a `Connection` field tells the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Persistence {
    /// Nothing: the version's default holds.
    Implied,
    /// `keep-alive`, which HTTP/1.0 needs to hear.
    KeepAlive,
    /// `close`
    Close,
    /// `upgrade`
    Upgrade,
}

impl Persistence {
    /// What must be said to a client of this version.
    pub const fn of(version: Version, keep_alive: bool) -> Self {
        match (version, keep_alive) {
            (_, false) => Self::Close,
            (Version::Http11, true) => Self::Implied,
            (Version::Http10, true) => Self::KeepAlive,
        }
    }

    /// The line that says it.
    pub const fn line(self) -> &'static [u8] {
        match self {
            Self::Implied => b"",
            Self::KeepAlive => b"Connection: keep-alive\r\n",
            Self::Close => b"Connection: close\r\n",
            Self::Upgrade => b"Connection: upgrade\r\n",
        }
    }
}

/// Appends a whole answer of ours that is no fault. `lines` are whole lines of its head.
pub fn write_answer(status: u16, lines: &[u8], body: &[u8], persistence: Persistence, out: &mut Vec<u8>) {
    // Writing to a Vec never fails.
    let _ = std::io::Write::write_fmt(out, format_args!("HTTP/1.1 {status} {}\r\n", reason(status)));
    out.extend_from_slice(lines);
    if status != 204 {
        // RFC 9110 §8.6: a 204 has none.
        // Writing to a Vec never fails.
        let _ = std::io::Write::write_fmt(out, format_args!("Content-Length: {}\r\n", body.len()));
    }
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// What is said in an endpoint's place.
#[derive(Clone, Copy, Debug)]
pub struct Apology<'a> {
    /// What for.
    pub fault: Fault,
    /// The request's name, if it has one: whoever is shown the answer can tell it to those who run this.
    pub id: &'a [u8],
    /// Whole lines that the head has besides.
    pub lines: &'a [u8],
}

/// Appends the whole answer. The body says what went wrong and whose fault it is, and nothing
/// of the inside; `Haechi-Fault` lets a client's log tell our answer from an endpoint's.
pub fn write_fault(apology: &Apology<'_>, persistence: Persistence, head_only: bool, out: &mut Vec<u8>) {
    let Apology { fault, id, lines } = *apology;
    let status = fault.status();
    let body = explain(fault, id);
    let body_len: usize = body.iter().map(|piece| piece.len()).sum();
    // Writing to a Vec never fails.
    let _ = std::io::Write::write_fmt(
        out,
        format_args!(
            "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\nContent-Length: {body_len}\r\nHaechi-Fault: {}\r\n",
            reason(status),
            fault.name(),
        ),
    );
    if status == 405 {
        // RFC 9110 §15.5.6 wants the field; what is allowed depends on the endpoint, so it is empty.
        out.extend_from_slice(b"Allow: \r\n");
    }
    write_id(id, out);
    out.extend_from_slice(lines);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    if !head_only {
        body.iter().for_each(|piece| out.extend_from_slice(piece));
    }
}

/// Appends the line that names a request, if it has a name.
pub(crate) fn write_id(id: &[u8], out: &mut Vec<u8>) {
    if !id.is_empty() {
        out.extend_from_slice(b"X-Request-ID: ");
        out.extend_from_slice(id);
        out.extend_from_slice(b"\r\n");
    }
}

/// The text of that answer, in pieces: what went wrong, whose fault it is, and the request's name if it has one.
pub const fn explain(fault: Fault, id: &[u8]) -> [&[u8]; 9] {
    let side = match fault.side() {
        Side::Client => "client",
        Side::Endpoint => "endpoint",
        Side::Us => "load balancer",
    };
    let [before, after]: [&[u8]; 2] = if id.is_empty() { [b"", b""] } else { [b"request ", b"\n"] };
    let [name, text, side] = [fault.name().as_bytes(), fault.text().as_bytes(), side.as_bytes()];
    [name, b": ", text, b" (", side, b")\n", before, id, after]
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_body_says_so() {
        let mut out = Vec::new();
        write_answer(308, b"location: https://h/\r\n", b"", Persistence::Implied, &mut out);
        assert_eq!(
            out,
            b"HTTP/1.1 308 Permanent Redirect\r\nlocation: https://h/\r\nContent-Length: 0\r\n\r\n"
        );
        out.clear();
        write_answer(204, b"", b"", Persistence::Close, &mut out);
        assert_eq!(out, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn every_fault_makes_a_well_formed_answer() {
        for &fault in Fault::ALL {
            let mut out = Vec::new();
            write_fault(
                &Apology { fault, id: b"", lines: b"Retry-After: 7\r\n" },
                Persistence::Close,
                false,
                &mut out,
            );
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", fault.status())), "{head}");
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
            assert!(head.ends_with("Retry-After: 7\r\nConnection: close"), "{head}");
            assert!(body.starts_with(fault.name()));
        }
    }

    #[test]
    fn who_asks_is_told_the_name_of_the_request() {
        let mut out = Vec::new();
        write_fault(
            &Apology { fault: Fault::NoRoute, id: b"a-7", lines: b"" },
            Persistence::Implied,
            false,
            &mut out,
        );
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nX-Request-ID: a-7") && body.ends_with("\nrequest a-7\n"), "{text}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
    }
}
