//! Which answers are coded, and which fields of them change.

use haechi_model::Coding;

use crate::{Rules, Wish};

/// Why an answer goes as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The client takes none of the codings on offer, or likes the body better as it is.
    Unwanted,
    /// HTTP/1.0: see [`Rules::wish`].
    Version,
    /// Its status has no body, or a part of one.
    Status,
    /// It has no body.
    Empty,
    /// It is coded already.
    Coded,
    /// One of the sides forbids it (RFC 9111 §5.2.1.6, §5.2.2.6).
    NoTransform,
    /// Its type is not among those that are coded, or not told.
    Type,
    /// It is shorter than the least size.
    Small,
    /// Nobody has an encoder left for it.
    Busy,
    /// A filter of its route says of its bytes what would not be true any more.
    Filter,
}

/// What is known of an answer besides its fields.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its status. The answer to `HEAD` has the fields of that to `GET` (RFC 9110 §9.3.2), so it is judged alike.
    pub status: u16,
}

/// What becomes of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// How its body is coded, or why it is not.
    pub coding: Result<Coding, Why>,
    vary: bool,
    etag: bool,
}

impl Verdict {
    /// Whether nothing in its head changes.
    pub const fn changes_nothing(&self) -> bool {
        self.coding.is_err() && !self.vary && !self.etag
    }

    /// Whether fields of this name are taken out. What says how long a message is, is for who frames it.
    pub fn removes(&self, name: &[u8]) -> bool {
        (self.vary && name.eq_ignore_ascii_case(b"vary"))
            || (self.etag && name.eq_ignore_ascii_case(b"etag"))
            || (self.coding.is_ok() && (is_about_bytes(name) || name.eq_ignore_ascii_case(b"accept-ranges")))
    }
}

/// Whether a field of this name measures the bytes of a body as they were, in a head or in a trailer (RFC 9530, its
/// forerunners in RFC 3230 and RFC 1864).
pub fn is_about_bytes(name: &[u8]) -> bool {
    [&b"content-digest"[..], b"repr-digest", b"digest", b"content-md5"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a comma-separated list has this element, in any case of letters.
pub(crate) fn lists(value: &[u8], wanted: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|element| element.trim_ascii().eq_ignore_ascii_case(wanted))
}

/// What the fields of an answer say.
#[derive(Default)]
struct Seen<'a> {
    coded: bool,
    keeps: bool,
    range: bool,
    kinds: u8,
    kind: &'a [u8],
    length: Option<u64>,
    varies: bool,
    etag: Option<&'a [u8]>,
    /// A filter put in what would not hold.
    fixed: bool,
}

impl<'a> Seen<'a> {
    fn take(&mut self, name: &'a [u8], value: &'a [u8], filter: bool) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let Some(first) = name.first() else { return };
        // Length and first letter tell nearly all others apart before any name is compared.
        match (name.len(), first | 0x20) {
            (4, b'v') if is(b"vary") => {
                self.varies |= lists(value, b"*") || lists(value, b"accept-encoding");
            }
            (4, b'e') if is(b"etag") => {
                self.fixed |= filter && !value.starts_with(b"W/");
                self.etag = Some(value);
            }
            (12, b'c') if is(b"content-type") => {
                self.kinds = self.kinds.saturating_add(1);
                self.kind = value;
            }
            (13, b'c') if is(b"cache-control") => self.keeps |= lists(value, b"no-transform"),
            (13, b'c') if is(b"content-range") => self.range = true,
            (14, b'c') if is(b"content-length") => {
                self.length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            }
            (16, b'c') if is(b"content-encoding") => self.coded = true,
            _ => self.fixed |= filter && is_about_bytes(name),
        }
    }

    /// Why no client gets this coded, if none does.
    fn hinders(&self, rules: &Rules, answer: &Answer, insists: bool) -> Option<Why> {
        let known = |least: u64| self.length.is_some_and(|length| length < least);
        match answer.status {
            ..200 | 204..=206 | 304 => Some(Why::Status),
            _ if self.range => Some(Why::Status),
            _ if self.coded => Some(Why::Coded),
            _ if self.keeps => Some(Why::NoTransform),
            // Two types are a riddle, and no type is one too.
            _ if self.kinds != 1 || !rules.has_type(self.kind) => Some(Why::Type),
            _ if known(1) => Some(Why::Empty),
            _ if known(rules.config.minimum_size) && !insists => Some(Why::Small),
            _ if self.fixed => Some(Why::Filter),
            _ => None,
        }
    }
}

impl Rules {
    /// What becomes of an answer with these names and values of fields, and those that filters put in behind them.
    /// `lines` gets whole lines for its head, in place of those that the verdict takes out.
    pub fn decide<'a>(
        &self,
        wish: &Wish,
        answer: &Answer,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        filtered: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        lines: &mut Vec<u8>,
    ) -> Verdict {
        let mut seen = Seen::default();
        fields.clone().for_each(|(name, value)| seen.take(name, value, false));
        filtered.for_each(|(name, value)| seen.take(name, value, true));
        let hindered = seen.hinders(self, answer, wish.insists);
        // 304 stands for an answer that the client has, and updates what is kept with it (RFC 9111 §4.3.4).
        let stands_for_one = answer.status == 304
            && !seen.coded
            && !seen.keeps
            && (seen.kinds == 0 || self.has_type(seen.kind));
        let coding = match hindered {
            Some(why) => Err(why),
            None => wish.coding,
        };
        let strong = seen.etag.filter(|etag| !etag.starts_with(b"W/"));
        let weakens =
            coding.is_ok() || (stands_for_one && wish.knows_weak && wish.coding.is_ok() && !seen.fixed);
        let vary = (hindered.is_none() || stands_for_one) && !seen.varies;
        let verdict = Verdict { coding, vary, etag: weakens && strong.is_some() };
        if let Ok(coding) = coding {
            line(lines, "Content-Encoding", &[coding.name().as_bytes()]);
        }
        if let Some(etag) = strong.filter(|_| verdict.etag) {
            line(lines, "ETag", &[b"W/", etag]);
        }
        if vary {
            lines.extend_from_slice(b"Vary: ");
            for (_, value) in fields.filter(|(name, value)| is_vary(name) && !value.is_empty()) {
                lines.extend_from_slice(value);
                lines.extend_from_slice(b", ");
            }
            lines.extend_from_slice(b"Accept-Encoding\r\n");
        }
        verdict
    }
}

fn is_vary(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"vary")
}

fn line(out: &mut Vec<u8>, name: &str, value: &[&[u8]]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.iter().for_each(|part| out.extend_from_slice(part));
    out.extend_from_slice(b"\r\n");
}
