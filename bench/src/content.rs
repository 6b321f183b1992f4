//! What the origin serves: fixed bytes that every contender has to bring through unchanged.
//!
//! The responses are made once, head and body in one piece, so that serving one costs a single `write`.

use std::rc::Rc;

/// Length of the small body and of a TCP message.
pub(crate) const SMALL: usize = 100;
/// Length of the `/4k` body.
pub(crate) const PAGE: usize = 4096;
/// Length of the `/1m` body and of one turn of the TCP source: one MiB, the unit of the bulk cases.
pub(crate) const BULK: usize = 1 << 20;

/// Every response of the origin.
pub(crate) struct Content {
    small: Rc<[u8]>,
    page: Rc<[u8]>,
    bulk: Rc<[u8]>,
    missing: Rc<[u8]>,
    refused: Rc<[u8]>,
    source: Rc<[u8]>,
}

/// What to send for a request line.
pub(crate) enum Answer {
    /// These bytes, the connection stays.
    Ready(Rc<[u8]>),
    /// The request's own head, so that the caller sees what a proxy made of it.
    Mirror,
    /// These bytes, then the connection ends.
    Last(Rc<[u8]>),
}

impl Content {
    pub(crate) fn new() -> Self {
        Self {
            small: response("200 OK", "Content-Type: text/plain\r\n", &noise(1, SMALL)),
            page: response("200 OK", PAGE_FIELDS, &noise(2, PAGE)),
            bulk: response("200 OK", "Content-Type: application/octet-stream\r\n", &noise(3, BULK)),
            missing: response("404 Not Found", "", b"no such path\n"),
            refused: response("405 Method Not Allowed", "Connection: close\r\n", b"GET only\n"),
            source: source_turn().into(),
        }
    }

    /// One turn of the TCP source.
    pub(crate) fn source(&self) -> Rc<[u8]> {
        self.source.clone()
    }

    /// By the first bytes of the head: the origin is no server for the world and looks at nothing else.
    pub(crate) fn answer(&self, head: &[u8]) -> Answer {
        let Some(rest) = head.strip_prefix(b"GET ") else { return Answer::Last(self.refused.clone()) };
        let path = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        match path {
            b"/" | b"/health" => Answer::Ready(self.small.clone()),
            b"/4k" => Answer::Ready(self.page.clone()),
            b"/1m" => Answer::Ready(self.bulk.clone()),
            b"/mirror" => Answer::Mirror,
            _ if path.starts_with(b"/r/") => Answer::Ready(self.small.clone()),
            _ => Answer::Ready(self.missing.clone()),
        }
    }
}

/// The MiB that the TCP source repeats.
pub(crate) fn source_turn() -> Vec<u8> {
    noise(4, BULK)
}

/// Bytes that look random and are the same in every process: xorshift64, so that no two pages are alike and
/// a proxy that mixes up or repeats buffers is caught.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Head and body in one piece.
pub(crate) fn response(status: &str, fields: &str, body: &[u8]) -> Rc<[u8]> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

/// With `Content-Length`, ten fields as a web application sends them.
const PAGE_FIELDS: &str = "Server: origin\r\n\
    Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\n\
    ETag: W/\"5f1c-9a8b7c6d5e4f\"\r\n\
    Vary: Accept-Encoding, Cookie\r\n\
    Set-Cookie: session=8d1f0a3c5b7e9d2f4a6c8e0b1d3f5a7c; Path=/; HttpOnly; SameSite=Lax\r\n\
    X-Frame-Options: SAMEORIGIN\r\n\
    X-Request-Id: 0d9c2f1e-7b6a-4c5d-8e3f-1a2b3c4d5e6f\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(answer: Answer) -> Vec<u8> {
        match answer {
            Answer::Ready(bytes) => bytes.to_vec(),
            Answer::Mirror | Answer::Last(_) => panic!("not a plain response"),
        }
    }

    #[test]
    fn bodies_have_the_size_they_are_measured_as() {
        let content = Content::new();
        for (head, size) in
            [("GET / HTTP/1.1", SMALL), ("GET /4k HTTP/1.1", PAGE), ("GET /1m HTTP/1.1", BULK)]
        {
            let bytes = ready(content.answer(head.as_bytes()));
            let end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
            assert_eq!(bytes.len() - end, size, "{head}");
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            assert!(head.contains(&format!("Content-Length: {size}\r\n")), "{head}");
        }
    }

    #[test]
    fn the_page_has_ten_fields() {
        let bytes = ready(Content::new().answer(b"GET /4k HTTP/1.1"));
        let end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap();
        assert_eq!(bytes[..end].split(|byte| *byte == b'\n').count() - 1, 10);
    }

    #[test]
    fn what_is_not_served_says_so() {
        let content = Content::new();
        assert!(ready(content.answer(b"GET /none HTTP/1.1")).starts_with(b"HTTP/1.1 404"));
        assert!(
            matches!(content.answer(b"POST / HTTP/1.1"), Answer::Last(bytes) if bytes.starts_with(b"HTTP/1.1 405"))
        );
        assert!(matches!(content.answer(b""), Answer::Last(_)));
    }

    #[test]
    fn noise_is_repeatable_and_differs_by_seed() {
        assert_eq!(noise(1, 1000), noise(1, 1000));
        assert_ne!(noise(1, 1000), noise(2, 1000));
        assert_eq!(noise(1, 13).len(), 13);
    }
}
