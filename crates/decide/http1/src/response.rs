//! A response head: parsed in place, checked, and passed on, untouched where nothing must change.

use haechi_model::HttpLimits;

use crate::answer::{Persistence, write_id};
use crate::edit::{Cuts, Span};
use crate::fields::{Field, FieldName, count_options, crlf, cut, list, parse_line, values};
use crate::framing::{Framing, Lengths};
use crate::scan::value_end;
use crate::trailers::read_fields;
use crate::{HeadError, Parsed, Version, head_end};

/// What the response must fit: the request that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Downstream {
    /// The client's version.
    pub version: Version,
    /// Whether the client's connection may go on after this exchange, as far as we are concerned.
    pub keep_alive: bool,
    /// The request was `HEAD`: no body whatever the head says.
    pub head: bool,
    /// The request asked for an upgrade, so 101 is a valid answer.
    pub upgrade: bool,
    /// The client's protocol says itself where a body ends (HTTP/2), so chunks must be unwrapped for it.
    pub own_framing: bool,
}

/// A parsed response head. Reusable: parsing into it again keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// Three digits, 100–599.
    pub status: u16,
    /// How the body comes from the endpoint.
    pub framing: Framing,
    /// Whether the endpoint's connection can take another request after this body.
    pub reusable: bool,
    /// Whether the client's connection can take another request after this body.
    pub keep_alive: bool,
    /// Chunks must be unwrapped, because the client's protocol knows none.
    pub dechunk: bool,
    inject: &'static [u8],
    old_version: bool,
    fields: Vec<Field>,
    cuts: Cuts,
    id: Vec<u8>,
    /// Whole lines that stand behind the others.
    lines: Vec<u8>,
    len: usize,
}

impl ResponseHead {
    /// Parses the head at the start of `buf` and settles how it goes on to the client.
    ///
    /// # Errors
    /// The first rule that it breaks; the fault is the endpoint's.
    pub fn parse(&mut self, buf: &[u8], limits: &HttpLimits, to: &Downstream) -> Result<Parsed, HeadError> {
        match self.read(buf, limits, to) {
            Ok(Some(len)) if len <= limits.head as usize => Ok(Parsed::Complete(len)),
            Ok(None) if buf.len() < limits.head as usize => {
                head_end(buf, 0).map_err(HeadError::by_endpoint).map(|_| Parsed::Partial)
            }
            Ok(_) => Err(HeadError::bad("response head over its limit", buf.len()).by_endpoint()),
            Err(error) => Err(error.by_endpoint()),
        }
    }

    fn read(&mut self, buf: &[u8], limits: &HttpLimits, to: &Downstream) -> Result<Option<usize>, HeadError> {
        self.fields.clear();
        self.cuts.clear();
        self.id.clear();
        self.lines.clear();
        let Some((version, line_end)) = self.read_line(buf)? else { return Ok(None) };
        let mut at = line_end;
        let mut seen = Seen::default();
        while buf.get(at) != Some(&b'\r') {
            let Some(field) = parse_line(buf, at)? else { return Ok(None) };
            if self.fields.len() == usize::from(limits.fields) {
                return Err(HeadError::bad("more header fields than allowed", at));
            }
            if field.known != FieldName::Other {
                seen.take(&field, buf, &mut self.cuts)?;
            }
            self.fields.push(field);
            at = field.line.end as usize;
        }
        let Some(end) = crlf(buf, at)? else { return Ok(None) };
        self.len = end;
        self.finish(&seen, version, to)?;
        if seen.other_options {
            self.cut_options(buf);
        }
        Ok(Some(end))
    }

    fn read_line(&mut self, buf: &[u8]) -> Result<Option<(Version, usize)>, HeadError> {
        let (version, digits) = match buf {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', a, b, c, ..]
                if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit() =>
            {
                (if *minor == b'1' { Version::Http11 } else { Version::Http10 }, [*a, *b, *c])
            }
            _ => return odd_start(buf),
        };
        self.status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !(100..=599).contains(&self.status) {
            return Err(HeadError::bad("status outside 100-599", 9));
        }
        match buf.get(12) {
            None => return Ok(None),
            Some(b' ' | b'\r') => {}
            Some(_) => return Err(HeadError::bad("status is not three digits", 12)),
        }
        let Some(end) = value_end(buf, 12) else { return Ok(None) };
        Ok(crlf(buf, end)?.map(|line_end| (version, line_end)))
    }

    fn finish(&mut self, seen: &Seen, version: Version, to: &Downstream) -> Result<(), HeadError> {
        let no_body = to.head || self.status < 200 || matches!(self.status, 204 | 304);
        if self.status == 101 && !to.upgrade {
            return Err(HeadError::bad("101 to a request that asked for no upgrade", 0));
        }
        if seen.lengths.chunked && version == Version::Http10 {
            return Err(HeadError::bad("Transfer-Encoding in HTTP/1.0", 0));
        }
        self.framing = match (no_body, seen.lengths.chunked, seen.lengths.length) {
            (true, ..) | (false, false, Some(0)) => Framing::None,
            (false, true, _) => Framing::Chunked,
            (false, false, Some(length)) => Framing::Length(length),
            (false, false, None) => Framing::UntilClose,
        };
        if self.status < 200 || self.status == 204 {
            // They can't be there (RFC 9110 §8.6, RFC 9112 §6.1); a client that believed one would take the
            // next response for the body of this one.
            for line in [seen.length_line, seen.coding_line].into_iter().flatten() {
                self.cuts.insert(line);
            }
        }
        // An offer to us, for our connection; 426 says what a client must ask for (RFC 9110 §7.8, §15.5.22).
        if seen.upgrade && !matches!(self.status, 101 | 426) {
            self.cut_named(FieldName::Upgrade);
        }
        // Both lengths at once: the chunks count, and the connection is not trusted again (RFC 9112 §6.3).
        let both = seen.lengths.chunked && seen.lengths.length.is_some();
        if both && let Some(line) = seen.length_line {
            self.cuts.insert(line);
        }
        self.reusable = !both
            && !seen.close
            && (version == Version::Http11 || seen.keep_alive)
            && self.framing != Framing::UntilClose;
        let knows_no_chunks = to.version == Version::Http10 || to.own_framing;
        self.dechunk = knows_no_chunks && self.framing == Framing::Chunked;
        if self.dechunk
            && let Some(line) = seen.coding_line
        {
            self.cuts.insert(line);
        }
        self.keep_alive = to.keep_alive && self.framing != Framing::UntilClose && !self.dechunk;
        self.settle_connection(seen, to);
        self.old_version = version == Version::Http10;
        Ok(())
    }

    /// Tells the client the name of its request, in place of what the endpoint says. `buf` is what was parsed.
    pub fn show_id(&mut self, buf: &[u8], id: &[u8]) {
        for field in
            self.fields.iter().filter(|field| field.name.of(buf).eq_ignore_ascii_case(b"x-request-id"))
        {
            self.cuts.insert(field.line);
        }
        self.id.extend_from_slice(id);
    }

    /// Adds whole lines behind the others.
    pub fn add(&mut self, lines: &[u8]) {
        self.lines.extend_from_slice(lines);
    }

    /// Its body goes on in other bytes than those that came: what told its length goes, chunks that came are to be
    /// unwrapped, and with `chunks` new ones are told.
    pub fn recode(&mut self, chunks: bool) {
        self.cut_named(FieldName::ContentLength);
        match self.framing {
            // What answers `HEAD`, and has no body to frame.
            Framing::None => {}
            Framing::Chunked => self.dechunk = true,
            Framing::Length(_) | Framing::UntilClose if chunks => {
                self.lines.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            Framing::Length(_) | Framing::UntilClose => {}
        }
    }

    fn cut_named(&mut self, known: FieldName) {
        for field in self.fields.iter().filter(|field| field.known == known) {
            self.cuts.insert(field.line);
        }
    }

    /// What the client is told of its connection. The endpoint's own word stays if it says the same, so
    /// that the commonest head needs no edit at all.
    fn settle_connection(&mut self, seen: &Seen, to: &Downstream) {
        let wanted = match self.status {
            101 => Persistence::Upgrade,
            100..200 => Persistence::Implied,
            _ => Persistence::of(to.version, self.keep_alive),
        };
        self.inject = match (seen.said, wanted) {
            (Said::Nothing, Persistence::Implied)
            | (Said::KeepAlive(_), Persistence::Implied | Persistence::KeepAlive)
            | (Said::Close(_), Persistence::Close) => b"",
            (said, wanted) => {
                if let Said::KeepAlive(line) | Said::Close(line) | Said::Other(line) = said {
                    self.cuts.insert(line);
                }
                wanted.line()
            }
        };
    }

    /// Takes out what `Connection` lists (RFC 9110 §7.6.1), but never a protected field.
    fn cut_options(&mut self, buf: &[u8]) {
        for connection in self.fields.iter().filter(|field| field.known == FieldName::Connection) {
            for option in list(connection.value.of(buf)).filter(|option| !FieldName::protected(option)) {
                for field in
                    self.fields.iter().filter(|field| field.name.of(buf).eq_ignore_ascii_case(option))
                {
                    if field.known != FieldName::Upgrade && field.known != FieldName::Connection {
                        self.cuts.insert(field.line);
                    }
                }
            }
        }
    }

    /// Takes out fields that `goes` names; what says how the message is framed stays, whatever `goes` says.
    pub fn cut(&mut self, buf: &[u8], goes: impl Fn(&[u8]) -> bool) {
        cut(&self.fields, &mut self.cuts, buf, goes);
    }

    /// Whether the bytes that came can go on as they are.
    pub const fn untouched(&self) -> bool {
        self.cuts.is_empty()
            && self.inject.is_empty()
            && self.id.is_empty()
            && self.lines.is_empty()
            && !self.old_version
    }

    /// Whether this is an interim response (RFC 9110 §15.2) after which another head follows. 101 is final:
    /// after it there is no HTTP.
    pub const fn interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// All values of the fields with this name, in any case of letters.
    pub fn values<'a>(&'a self, buf: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.fields, buf, name)
    }

    /// Names and values of all fields that go on, in order: for a client whose protocol writes heads in another way.
    /// `buf` is what was parsed.
    pub fn fields<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let mut cuts = self.cuts.iter().peekable();
        let stays = move |field: &&Field| {
            while cuts.next_if(|cut| cut.end <= field.line.start).is_some() {}
            cuts.peek().is_none_or(|cut| field.line.end <= cut.start)
        };
        let id = (!self.id.is_empty()).then_some((&b"x-request-id"[..], &*self.id));
        self.fields
            .iter()
            .filter(stays)
            .map(|field| (field.name.of(buf), field.value.of(buf)))
            .chain(read_fields(&self.lines))
            .chain(id)
    }

    /// Appends the head for the client, with these whole lines behind the others. `buf` is what was parsed.
    pub fn write_downstream(&self, buf: &[u8], lines: &[u8], out: &mut Vec<u8>) {
        const VERSION: usize = "HTTP/1.1".len();
        let from = if self.old_version {
            out.extend_from_slice(b"HTTP/1.1");
            VERSION
        } else {
            0
        };
        for kept in self.cuts.kept(buf, from, self.len - 2) {
            out.extend_from_slice(kept);
        }
        out.extend_from_slice(self.inject);
        out.extend_from_slice(&self.lines);
        out.extend_from_slice(lines);
        write_id(&self.id, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// What the endpoint's `Connection` field said, and in which line.
#[derive(Clone, Copy, Default)]
enum Said {
    #[default]
    Nothing,
    KeepAlive(Span),
    Close(Span),
    Other(Span),
}

/// The start of a status line that is incomplete (`None`) or none.
#[cold]
fn odd_start<T>(buf: &[u8]) -> Result<Option<T>, HeadError> {
    let template = b"HTTP/1.x ddd";
    for (at, (byte, want)) in buf.iter().zip(template).enumerate() {
        let fits = match want {
            b'x' => matches!(byte, b'0' | b'1'),
            b'd' => byte.is_ascii_digit(),
            want => byte == want,
        };
        if !fits {
            return Err(HeadError::bad("not an HTTP/1 status line", at));
        }
    }
    Ok(None)
}

/// What the fields said.
#[derive(Default)]
struct Seen {
    lengths: Lengths,
    length_line: Option<Span>,
    coding_line: Option<Span>,
    said: Said,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    other_options: bool,
    options: u16,
}

impl Seen {
    fn take(&mut self, field: &Field, buf: &[u8], cuts: &mut Cuts) -> Result<(), HeadError> {
        let value = field.value.of(buf);
        let at = field.value.start as usize;
        match field.known {
            FieldName::ContentLength => {
                self.length_line = Some(field.line);
                self.lengths.content_length(value, at)?;
            }
            FieldName::TransferEncoding => {
                self.coding_line = Some(field.line);
                self.lengths.transfer_encoding(value, at)?;
            }
            FieldName::Connection => {
                count_options(value, &mut self.options, at)?;
                self.connection(field, value, cuts);
            }
            FieldName::HopByHop | FieldName::Te => cuts.push(field.line),
            FieldName::Upgrade => self.upgrade = true,
            FieldName::Host | FieldName::Expect | FieldName::Forwarding | FieldName::Other => {}
        }
        Ok(())
    }

    fn connection(&mut self, field: &Field, value: &[u8], cuts: &mut Cuts) {
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else {
                self.other_options = true;
            }
        }
        if !matches!(self.said, Said::Nothing) {
            cuts.push(field.line);
            return;
        }
        self.said = if value.eq_ignore_ascii_case(b"keep-alive") {
            Said::KeepAlive(field.line)
        } else if value.eq_ignore_ascii_case(b"close") {
            Said::Close(field.line)
        } else {
            Said::Other(field.line)
        };
    }
}
