//! A request head: parsed in place, checked, and written on to the endpoint.

use haechi_model::{Fault, HttpLimits};

use crate::edit::{Cuts, Span};
use crate::fields::{Field, FieldName, count_options, crlf, cut, list, parse_line, values};
use crate::framing::{Framing, Lengths};
use crate::scan::is_token;
use crate::target::{self, Target, check_authority};
use crate::{HeadError, head_end};

/// Methods that matter for framing and retries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`: the response has no body.
    Head,
    /// `PUT`, `DELETE`, `OPTIONS`: idempotent (RFC 9110 §9.2.2).
    Idempotent,
    /// Anything else, `POST` and `PATCH` among them.
    Other,
}

impl Method {
    /// Whether sending it twice does what sending it once does (RFC 9110 §9.2.2).
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// HTTP/1 minor versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Version {
    /// No persistence unless asked for, no chunks.
    Http10,
    /// RFC 9112.
    #[default]
    Http11,
}

/// How far the head in a buffer got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// The head is the first so many bytes.
    Complete(usize),
    /// It is well-formed so far.
    Partial,
}

/// A parsed request head. Reusable: parsing into it again keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// What to do.
    pub method: Method,
    /// The method as sent.
    pub method_name: Span,
    /// The path without query, as sent and as forwarded.
    pub path: Span,
    /// `Host`, or the authority of an absolute-form target.
    pub host: Option<Span>,
    /// The client's version.
    pub version: Version,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the client wants the connection to go on.
    pub keep_alive: bool,
    /// The client asks for another protocol on this connection, and may have it after a 101.
    pub upgrade: bool,
    /// The client takes trailers (RFC 9110 §10.1.4).
    pub takes_trailers: bool,
    target: Target,
    fields: Vec<Field>,
    cuts: Cuts,
    line_end: usize,
    len: usize,
}

impl RequestHead {
    /// Parses the head at the start of `buf`, which may hold more than one.
    ///
    /// # Errors
    /// The first rule of RFC 9112 (or limit) that it breaks. A head that can still become well-formed is
    /// [`Parsed::Partial`] instead.
    pub fn parse(&mut self, buf: &[u8], limits: &HttpLimits) -> Result<Parsed, HeadError> {
        match self.read(buf, limits) {
            Ok(Some(len)) if len > limits.head as usize => Err(too_large(len)),
            Ok(Some(len)) => Ok(Parsed::Complete(len)),
            Ok(None) if buf.len() >= limits.head as usize => Err(too_large(buf.len())),
            Ok(None) => {
                let line_seen = memchr::memchr(b'\n', buf).is_some();
                if !line_seen && buf.len() >= limits.request_line as usize {
                    return Err(HeadError::new(Fault::UriTooLong, "request line over its limit", buf.len()));
                }
                head_end(buf, 0).map(|_| Parsed::Partial)
            }
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, buf: &[u8], limits: &HttpLimits) -> Result<Option<usize>, HeadError> {
        self.fields.clear();
        self.cuts.clear();
        let Some(line_end) = self.read_line(buf)? else { return Ok(None) };
        if line_end > limits.request_line as usize {
            return Err(HeadError::new(Fault::UriTooLong, "request line over its limit", line_end));
        }
        self.line_end = line_end;
        let mut at = line_end;
        let mut seen = Seen::default();
        while buf.get(at) != Some(&b'\r') {
            let Some(field) = parse_line(buf, at)? else { return Ok(None) };
            if self.fields.len() == usize::from(limits.fields) {
                return Err(HeadError::new(Fault::HeadTooLarge, "more header fields than allowed", at));
            }
            if field.known != FieldName::Other {
                seen.take(&field, buf, &mut self.cuts)?;
            }
            self.fields.push(field);
            at = field.line.end as usize;
        }
        let Some(end) = crlf(buf, at)? else { return Ok(None) };
        self.finish(buf, &seen)?;
        self.len = end;
        Ok(Some(end))
    }

    fn read_line(&mut self, buf: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut at = 0;
        while buf.get(at).copied().is_some_and(is_token) {
            at += 1;
        }
        match buf.get(at) {
            None => return Ok(None),
            Some(b' ') if at > 0 => {}
            Some(b'\r' | b'\n') if at == 0 => {
                return Err(HeadError::bad("empty line before the request line", 0));
            }
            Some(_) => return Err(HeadError::bad("byte not allowed in the method", at)),
        }
        self.method_name = Span::new(0, at);
        self.method = match &buf[..at] {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"PUT" | b"DELETE" | b"OPTIONS" => Method::Idempotent,
            // CONNECT would make us an open relay; TRACE shows cookies to scripts.
            b"CONNECT" | b"TRACE" => {
                return Err(HeadError::new(Fault::MethodRefused, "CONNECT and TRACE are not proxied", 0));
            }
            _ => Method::Other,
        };
        let Some(target) = target::parse(buf, at + 1)? else { return Ok(None) };
        self.target = target;
        self.path = target.path;
        let at = target.whole.end as usize + 1;
        let Some(version) = buf.get(at..at + 8) else {
            return partial_version(&buf[at.min(buf.len())..], at);
        };
        self.version = match version {
            b"HTTP/1.1" => Version::Http11,
            b"HTTP/1.0" => Version::Http10,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(HeadError::new(Fault::VersionUnknown, "neither HTTP/1.0 nor HTTP/1.1", at));
            }
            _ => return Err(HeadError::bad("request line does not end with an HTTP version", at)),
        };
        crlf(buf, at + 8)
    }

    /// What only the whole head can tell.
    fn finish(&mut self, buf: &[u8], seen: &Seen) -> Result<(), HeadError> {
        self.framing = match (seen.lengths.chunked, seen.lengths.length) {
            (true, Some(_)) => return Err(HeadError::bad("both Transfer-Encoding and Content-Length", 0)),
            (true, None) if self.version == Version::Http10 => {
                return Err(HeadError::bad("Transfer-Encoding in HTTP/1.0", 0));
            }
            (true, None) => Framing::Chunked,
            (false, Some(0) | None) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
        };
        self.host = seen.host;
        if self.version == Version::Http11 && seen.host.is_none() {
            return Err(HeadError::bad("no Host in HTTP/1.1", 0));
        }
        if let Some(authority) = self.target.authority {
            if seen.host.is_some_and(|host| !host.of(buf).eq_ignore_ascii_case(authority.of(buf))) {
                return Err(HeadError::bad("Host differs from the request target", authority.start as usize));
            }
            self.host = Some(authority);
        }
        if self.path.of(buf) == b"*" && self.method_name.of(buf) != b"OPTIONS" {
            return Err(HeadError::bad("`*` is a target of OPTIONS only", 0));
        }
        self.keep_alive = !seen.close && (self.version == Version::Http11 || seen.keep_alive);
        let expects = seen.expect && self.version == Version::Http11 && self.framing != Framing::None;
        if seen.expect && !expects {
            // RFC 9110 §10.1.1: HTTP/1.0 knows none, and without a body there is nothing to continue with.
            self.cut_named(FieldName::Expect);
        }
        self.upgrade = seen.upgrade_option
            && seen.upgrade_field
            && !seen.h2c
            && self.version == Version::Http11
            && self.framing == Framing::None;
        if !self.upgrade {
            self.cut_named(FieldName::Upgrade);
        }
        // HTTP/1.0 knows no chunks, so nothing could stand behind them.
        self.takes_trailers = seen.trailers && self.version == Version::Http11;
        if seen.other_options {
            self.cut_options(buf);
        }
        Ok(())
    }

    fn cut_named(&mut self, known: FieldName) {
        for field in self.fields.iter().filter(|field| field.known == known) {
            self.cuts.insert(field.line);
        }
    }

    /// Takes out the fields that `Connection` lists (RFC 9110 §7.6.1), but never a protected one.
    fn cut_options(&mut self, buf: &[u8]) {
        for connection in self.fields.iter().filter(|field| field.known == FieldName::Connection) {
            for option in list(connection.value.of(buf)).filter(|option| !FieldName::protected(option)) {
                for field in
                    self.fields.iter().filter(|field| field.name.of(buf).eq_ignore_ascii_case(option))
                {
                    if field.known != FieldName::Upgrade || !self.upgrade {
                        self.cuts.insert(field.line);
                    }
                }
            }
        }
    }

    /// The method's name.
    pub fn method_name<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.method_name.of(buf)
    }

    /// All values of the fields with this name, in any case of letters.
    pub fn values<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, buf, name)
    }

    /// Names and values of all fields that came, in order.
    pub fn fields<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.fields.iter().map(|field| (field.name.of(buf), field.value.of(buf)))
    }

    /// Where the values of the fields with this name lie, in any case of letters.
    pub fn spans<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = Span> {
        let named = move |field: &&Field| field.name.of(buf).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.value)
    }

    /// The query with its `?`, as sent; nothing if there is none.
    pub fn query<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        self.target.origin.of(buf).get(self.path.len()..).unwrap_or_default()
    }

    /// Takes out fields that `goes` names. What says how the message is framed or where it goes stays, whatever
    /// `goes` says.
    pub fn cut(&mut self, buf: &[u8], goes: impl Fn(&[u8]) -> bool) {
        cut(&self.fields, &mut self.cuts, buf, goes);
    }

    /// Appends the head for the endpoint: the same bytes without the cuts, what `onward` says and the final empty
    /// line. `buf` is what was parsed.
    pub fn write_upstream(&mut self, buf: &[u8], onward: &Onward<'_>, out: &mut Vec<u8>) {
        if onward.host.is_some() {
            self.cut_named(FieldName::Host);
        }
        let untouched_line = self.version == Version::Http11
            && self.target.authority.is_none()
            && onward.target.is_none()
            && onward.host.is_none();
        let from = if untouched_line {
            0
        } else {
            out.extend_from_slice(self.method_name.of(buf));
            out.push(b' ');
            let origin = onward.target.unwrap_or_else(|| self.target.origin.of(buf));
            out.extend_from_slice(if origin.is_empty() { b"/" } else { origin });
            out.extend_from_slice(b" HTTP/1.1\r\n");
            let sent = self.fields.iter().any(|field| field.known == FieldName::Host);
            if onward.host.is_some() || !sent {
                let host = onward.host.or(self.host.map(|host| host.of(buf)));
                out.extend_from_slice(b"Host: ");
                out.extend_from_slice(host.unwrap_or(onward.authority));
                out.extend_from_slice(b"\r\n");
            }
            self.line_end
        };
        for kept in self.cuts.kept(buf, from, self.len - 2) {
            out.extend_from_slice(kept);
        }
        if self.upgrade {
            out.extend_from_slice(b"Connection: upgrade\r\n");
        } else if self.takes_trailers {
            out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
        }
        out.extend_from_slice(onward.forwarding);
        out.extend_from_slice(onward.lines);
        out.extend_from_slice(b"\r\n");
    }
}

/// What a request's head goes on with, besides what came. All of it is good to be written: no byte ends a line that
/// should not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Onward<'a> {
    /// Stands in for a `Host` that nobody sent (HTTP/1.0 may lack it; RFC 9112 §3.3 makes it the server's own name).
    pub authority: &'a [u8],
    /// Whole lines, such as `X-Forwarded-For: …\r\n`.
    pub forwarding: &'a [u8],
    /// Path and query in place of those that came.
    pub target: Option<&'a [u8]>,
    /// Host in place of the one that came.
    pub host: Option<&'a [u8]>,
    /// More whole lines.
    pub lines: &'a [u8],
}

/// What the fields said.
#[derive(Default)]
struct Seen {
    lengths: Lengths,
    host: Option<Span>,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    h2c: bool,
    expect: bool,
    trailers: bool,
    other_options: bool,
    options: u16,
}

impl Seen {
    fn take(&mut self, field: &Field, buf: &[u8], cuts: &mut Cuts) -> Result<(), HeadError> {
        let value = field.value.of(buf);
        let at = field.value.start as usize;
        match field.known {
            FieldName::Host => {
                if self.host.is_some() {
                    return Err(HeadError::bad("more than one Host", at));
                }
                // An empty Host is legal (RFC 9112 §3.2) and names nobody.
                if !value.is_empty() {
                    check_authority(value, at)?;
                }
                self.host = Some(field.value);
            }
            FieldName::ContentLength => self.lengths.content_length(value, at)?,
            FieldName::TransferEncoding => self.lengths.transfer_encoding(value, at)?,
            FieldName::Connection => {
                cuts.push(field.line);
                count_options(value, &mut self.options, at)?;
                self.take_options(value);
            }
            FieldName::Upgrade => {
                self.upgrade_field |= !value.is_empty();
                // h2c would let a client speak HTTP/2 with the endpoint past our rules (h2c smuggling).
                self.h2c |= list(value).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c"));
            }
            FieldName::Expect => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(HeadError::new(
                        Fault::ExpectationFailed,
                        "expectation other than 100-continue",
                        at,
                    ));
                }
                self.expect = true;
            }
            FieldName::Te => {
                // Other codings are between the client and us; this one is also between us and the endpoint.
                self.trailers |= list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                cuts.push(field.line);
            }
            FieldName::HopByHop | FieldName::Forwarding => cuts.push(field.line),
            FieldName::Other => {}
        }
        Ok(())
    }

    fn take_options(&mut self, value: &[u8]) {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else {
                self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
                self.other_options = true;
            }
        }
    }
}

fn partial_version(rest: &[u8], at: usize) -> Result<Option<usize>, HeadError> {
    if b"HTTP/1.".starts_with(rest) || (rest.len() == 8 && rest.starts_with(b"HTTP/1.")) {
        return Ok(None);
    }
    // `HTTP/2` may still turn out to be a version that we don't speak: wait for the whole of it.
    if rest.starts_with(b"HTTP/") && rest[5..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return Ok(None);
    }
    Err(HeadError::bad("request line does not end with an HTTP version", at))
}

const fn too_large(at: usize) -> HeadError {
    HeadError::new(Fault::HeadTooLarge, "request head over its limit", at)
}
