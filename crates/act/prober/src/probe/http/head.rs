//! The head of a response (RFC 9112 §4–6), strictly.

/// What a probe needs to know of a head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
}

/// How the end of the body is known (RFC 9112 §6.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// As the chunks say.
    Chunked,
    /// When the connection ends.
    UntilClose,
}

impl Head {
    /// Another head follows: 1xx but 101, after which no HTTP comes any more.
    pub(super) const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// False as soon as the first bytes can't be those of an HTTP/1 response, so that a probe does not wait
/// for the rest of an SSH banner.
pub(super) fn may_be_http(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let common = bytes.len().min(START.len());
    bytes[..common] == START[..common]
}

/// Where the head ends, if all of it is here.
pub(super) fn end_of(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// Parses a complete head. The error is a line for people.
pub(super) fn parse(head: &[u8], method: &str) -> Result<Head, String> {
    let head = head.strip_suffix(b"\r\n\r\n").ok_or("the response head is not complete")?;
    let mut lines = Lines(Some(head));
    let status = status(lines.next().unwrap_or_default())?;
    let mut length = None;
    let mut chunked = false;
    for line in lines {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = digits(value).ok_or("the response has a malformed Content-Length")?;
            if length.is_some_and(|before| before != value) {
                return Err("the response has two different Content-Lengths".into());
            }
            length = Some(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("the response has a transfer coding other than chunked".into());
            }
            chunked = true;
        }
    }
    if chunked && length.is_some() {
        return Err("the response has both a Content-Length and a Transfer-Encoding".into());
    }
    let empty = method == "HEAD" || status < 200 || status == 204 || status == 304;
    let framing = match length {
        _ if empty => Framing::Empty,
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    Ok(Head { status, framing })
}

fn status(line: &[u8]) -> Result<u16, String> {
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let code = rest.and_then(|rest| match rest {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => Some((a, b, c)),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', reason @ ..] if is_text(reason) => {
            Some((a, b, c))
        }
        _ => None,
    });
    let (a, b, c) = code.ok_or("the response has a malformed status line")?;
    Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
}

fn field(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let colon = memchr::memchr(b':', line).ok_or("the response has a header line without a colon")?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err("the response has a malformed header name".into());
    }
    if !is_text(value) {
        return Err("the response has a control character in a header".into());
    }
    Ok((name, value))
}

fn digits(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

/// Splits at CRLF only; a lone CR or LF stays in its line, where it is refused.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        match memchr::memmem::find(rest, b"\r\n") {
            Some(at) => {
                self.0 = Some(&rest[at + 2..]);
                Some(&rest[..at])
            }
            None => self.0.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framing(fields: &str) -> Result<Framing, String> {
        parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), "GET").map(|head| head.framing)
    }

    #[test]
    fn status_lines() {
        let table = [
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.0 404 Not Found", Some(404)),
            ("HTTP/1.1 503 ", Some(503)),
            ("HTTP/1.1 204", Some(204)),
            ("HTTP/1.1 999 odd", Some(999)),
            ("HTTP/1.1 099 no", None),
            ("HTTP/1.1  200 OK", None),
            ("HTTP/1.1 20 OK", None),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1 +20 OK", None),
            ("HTTP/1.1 200 O\u{7}K", None),
            ("HTTP/1.1 200 O\nK", None),
            ("HTTP/1.1 200 O\rK", None),
            ("HTTP/1.2 200 OK", None),
            ("HTTP/2 200 OK", None),
            ("http/1.1 200 OK", None),
            ("ICY 200 OK", None),
            ("", None),
        ];
        for (line, expected) in table {
            let head = parse(format!("{line}\r\n\r\n").as_bytes(), "GET");
            assert_eq!(head.ok().map(|head| head.status), expected, "{line:?}");
        }
    }

    #[test]
    fn framing_follows_the_rfc() {
        assert_eq!(framing(""), Ok(Framing::UntilClose));
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("content-length:\t5 \r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for head in [
            "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 304 No\r\n\r\n",
            "HTTP/1.1 100 C\r\n\r\n",
        ] {
            assert_eq!(parse(head.as_bytes(), "GET").unwrap().framing, Framing::Empty);
        }
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD").unwrap();
        assert_eq!(head.framing, Framing::Empty);
    }

    #[test]
    fn what_the_proxy_would_refuse_is_refused() {
        for fields in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "No-Colon\r\n",
            ": no name\r\n",
            "Space : x\r\n",
            " folded: x\r\n",
            "A: 1\r\n folded\r\n",
            "A: \0\r\n",
            "A: 1\nB: 2\r\n",
            "A: 1\rB: 2\r\n",
        ] {
            assert!(framing(fields).is_err(), "{fields:?}");
        }
    }

    #[test]
    fn a_banner_is_noticed_at_once() {
        for (bytes, may) in
            [("", true), ("H", true), ("HTTP/1.1 2", true), ("SSH-2.0", false), ("HTTP/2", false)]
        {
            assert_eq!(may_be_http(bytes.as_bytes()), may, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            head.extend(&bytes);
            head.extend(b"\r\n\r\n");
            let _ = parse(&head, "GET");
            let _ = parse(&bytes, "GET");
        }
    }
}
