//! The request target (RFC 9112 §3.2): one form for matching and for forwarding.
//!
//! Paths are matched as the bytes that go on to the endpoint, never decoded. So whatever would read
//! differently after decoding (dot segments, NUL, backslash) is refused: matching one path and serving
//! another is how path rules of other proxies were walked around.

use crate::HeadError;
use crate::edit::Span;
use crate::scan::{is_host, is_target};

/// Where the parts of a target lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// The whole target as sent.
    pub(crate) whole: Span,
    /// Path and query in origin form: what is forwarded. Empty for an absolute form without path (`/`).
    pub(crate) origin: Span,
    /// The path of it, without the query.
    pub(crate) path: Span,
    /// Authority of an absolute form.
    pub(crate) authority: Option<Span>,
}

/// Parses the target that starts at `at` and ends at a space. `None` when the space is not there yet.
#[inline]
pub(crate) fn parse(buf: &[u8], at: usize) -> Result<Option<Target>, HeadError> {
    let mut end = at;
    let mut query = None;
    loop {
        match buf.get(end) {
            None => return Ok(None),
            Some(b' ') => break,
            Some(b'?') if query.is_none() => query = Some(end),
            Some(&byte) if is_target(byte) => {}
            Some(b'#') => return Err(HeadError::bad("fragment in the request target", end)),
            Some(_) => return Err(HeadError::bad("byte not allowed in the request target", end)),
        }
        end += 1;
    }
    let whole = Span::new(at, end);
    match buf[at] {
        b' ' => Err(HeadError::bad("empty request target", at)),
        b'/' => {
            let path = Span::new(at, query.unwrap_or(end));
            check_path(path.of(buf), at)?;
            Ok(Some(Target { whole, origin: whole, path, authority: None }))
        }
        b'*' if end == at + 1 => Ok(Some(Target { whole, origin: whole, path: whole, authority: None })),
        _ => absolute(buf, at, end, query).map(Some),
    }
}

/// `http://authority/path`: the authority replaces `Host` (RFC 9112 §3.2.2).
fn absolute(buf: &[u8], at: usize, end: usize, query: Option<usize>) -> Result<Target, HeadError> {
    const SCHEME: usize = "http://".len();
    let text = &buf[at..end];
    if text.len() <= SCHEME || !text[..SCHEME].eq_ignore_ascii_case(b"http://") {
        return Err(HeadError::bad("request target is neither a path nor http://…", at));
    }
    let authority = at + SCHEME;
    let path = (authority..end).find(|&i| matches!(buf[i], b'/' | b'?')).unwrap_or(end);
    check_authority(&buf[authority..path], authority)?;
    if buf.get(path) == Some(&b'?') {
        return Err(HeadError::bad("absolute request target with a query but no path", path));
    }
    let span = Span::new(path, query.unwrap_or(end));
    check_path(span.of(buf), path)?;
    Ok(Target {
        whole: Span::new(at, end),
        origin: Span::new(path, end),
        path: span,
        authority: Some(Span::new(authority, path)),
    })
}

/// A host with an optional port: what `Host` may hold. Commas, `@` and blanks made other proxies and their
/// endpoints see two hosts (HAProxy `b743b566b`).
pub(crate) fn check_authority(host: &[u8], at: usize) -> Result<(), HeadError> {
    let bad = |rule| Err(HeadError::bad(rule, at));
    // Where the host ends that nearly all send: a registered name or an IPv4 address.
    let end = host.iter().position(|&byte| !is_host(byte)).unwrap_or(host.len());
    let (name, port) = match host.get(end) {
        Some(b'[') if end == 0 => match host.iter().position(|&byte| byte == b']') {
            Some(bracket) => host.split_at(bracket + 1),
            None => return bad("byte not allowed in the host"),
        },
        None | Some(b':') => host.split_at(end),
        Some(b']') => return bad("stray bracket in the host"),
        Some(_) => return bad("byte not allowed in the host"),
    };
    if name.is_empty() {
        return bad("empty host");
    }
    if name[0] == b'[' && !name.iter().all(|&byte| is_host(byte) || matches!(byte, b'[' | b']' | b':')) {
        return bad("byte not allowed in the host");
    }
    match port {
        [] => Ok(()),
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            let number = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            if digits.is_empty() || (1..=65535).contains(&number) {
                Ok(())
            } else {
                bad("port out of range in the host")
            }
        }
        _ => bad("port is not a number in the host"),
    }
}

/// Refuses what decodes to something else than it looks like.
#[inline]
fn check_path(path: &[u8], at: usize) -> Result<(), HeadError> {
    if memchr::memchr3(b'.', b'%', b'\\', path).is_none() {
        return Ok(());
    }
    check_odd_path(path, at)
}

/// Segments end at an encoded slash too: some endpoints decode it before they look for dot segments.
fn check_odd_path(path: &[u8], at: usize) -> Result<(), HeadError> {
    let mut segment = Segment::default();
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, tail),
                _ => return Err(HeadError::bad("broken percent-encoding in the path", at)),
            },
            (b'%', _) => return Err(HeadError::bad("broken percent-encoding in the path", at)),
            (byte, tail) => (*byte, tail),
        };
        match byte {
            0 => return Err(HeadError::bad("NUL in the path", at)),
            b'\\' => return Err(HeadError::bad("backslash in the path", at)),
            b'/' if segment.is_dots() => return Err(HeadError::bad("dot segment in the path", at)),
            b'/' => segment = Segment::default(),
            byte => segment.take(byte),
        }
        rest = tail;
    }
    if segment.is_dots() { Err(HeadError::bad("dot segment in the path", at)) } else { Ok(()) }
}

/// A path segment as somebody may read it who decodes it and takes its parameters off.
#[derive(Default)]
struct Segment {
    dots: u32,
    others: bool,
    parameters: bool,
}

impl Segment {
    fn take(&mut self, byte: u8) {
        match byte {
            // Matrix parameters (`..;x`) hide dot segments from proxies and not from servlet engines.
            b';' => self.parameters = true,
            _ if self.parameters => {}
            b'.' => self.dots = self.dots.saturating_add(1),
            _ => self.others = true,
        }
    }

    const fn is_dots(&self) -> bool {
        !self.others && (self.dots == 1 || self.dots == 2)
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Target, &'static str> {
        match parse(format!("{text} ").as_bytes(), 0) {
            Ok(Some(target)) => Ok(target),
            Ok(None) => Err("partial"),
            Err(error) => Err(error.rule),
        }
    }

    #[test]
    fn origin_form() {
        let target = of("/a/b?c=/../d").unwrap();
        assert_eq!(target.path.of(b"/a/b?c=/../d"), b"/a/b");
        assert_eq!(target.origin, target.whole);
        for good in [
            "/",
            "//",
            "/a//b",
            "/a.b/.c/...",
            "/%2f/x%20y",
            "/a%2f...%2f..b",
            "/a;b=c",
            "/;..",
            "/a;/b",
            "/..a",
            "/?#".trim_end_matches('#'),
        ] {
            assert!(of(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn paths_that_decode_to_something_else_are_refused() {
        for bad in [
            "/..",
            "/a/../b",
            "/.",
            "/a/./b",
            "/%2e%2e/x",
            "/.%2E/x",
            "/..;a/x",
            "/..%3Ba/x",
            "/a%2f..%2fb",
            "/a%2F%2e%2e",
            "/..%2fb",
            "/.;%2fb",
            "/%5c",
            "/a\\b",
            "/%00",
            "/%",
            "/%g0",
            "/a%2",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert_eq!(of("/a#b"), Err("fragment in the request target"));
        assert_eq!(of("/a\u{e9}"), Err("byte not allowed in the request target"));
        assert_eq!(of("/a\tb"), Err("byte not allowed in the request target"));
        assert_eq!(of(""), Err("empty request target"));
        assert_eq!(of("a/b"), Err("request target is neither a path nor http://…"));
    }

    #[test]
    fn absolute_form_yields_authority_and_path() {
        let text = b"http://Example.com:80/a?b ";
        let target = parse(text, 0).unwrap().unwrap();
        assert_eq!(target.authority.unwrap().of(text), b"Example.com:80");
        assert_eq!(target.origin.of(text), b"/a?b");
        assert_eq!(target.path.of(text), b"/a");
        let text = b"http://h ";
        assert!(parse(text, 0).unwrap().unwrap().origin.is_empty());
        for bad in [
            "http://",
            "http:///x",
            "https://x/",
            "http://a@b/",
            "http://a,b/",
            "http://a:0/",
            "http://a:65536/",
            "http://a:b/",
            "http://[::1/",
            "http://h?q",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of("http://[::1]:8080/").is_ok());
    }
}
