//! Header fields: names that this core must know, and one line's grammar (RFC 9112 §5).

use crate::HeadError;
use crate::edit::{Cuts, Span};
use crate::scan::{token, value_end};

/// A field line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    /// Which name it is, if it is one that matters here.
    pub known: FieldName,
    /// As sent.
    pub name: Span,
    /// Without surrounding white space.
    pub value: Span,
    /// The whole line with its CRLF.
    pub line: Span,
}

/// Names that change how a message is framed, routed or forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FieldName {
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Expect`
    Expect,
    /// `Host`
    Host,
    /// Always taken out: `Keep-Alive`, `Proxy-Connection` (RFC 9110 §7.6.1).
    HopByHop,
    /// `TE`
    Te,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// What only a trusted proxy may say: `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `X-Client-Cert-*`, and every name with an
    /// underscore, because CGI-like endpoints read `X_Forwarded_For` and `X-Forwarded-For` as one variable
    /// (nginx drops such names too; CVE-2026-39858 is Traefik's lesson).
    Forwarding,
    /// Anything else.
    Other,
}

impl FieldName {
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let Some(first) = name.first() else { return Self::Other };
        // Length and first letter tell nearly all others apart before any name is compared.
        match (name.len(), first | 0x20) {
            (2, b't') if is(b"te") => Self::Te,
            (4, b'h') if is(b"host") => Self::Host,
            (6, b'e') if is(b"expect") => Self::Expect,
            (7, b'u') if is(b"upgrade") => Self::Upgrade,
            (9, b'f') if is(b"forwarded") => Self::Forwarding,
            (9, b'x') if is(b"x-real-ip") => Self::Forwarding,
            (10, b'c') if is(b"connection") => Self::Connection,
            (10, b'k') if is(b"keep-alive") => Self::HopByHop,
            (14, b'c') if is(b"content-length") => Self::ContentLength,
            (16, b'p') if is(b"proxy-connection") => Self::HopByHop,
            (17, b't') if is(b"transfer-encoding") => Self::TransferEncoding,
            (13.., b'x') if name[..12].eq_ignore_ascii_case(b"x-forwarded-") => Self::Forwarding,
            (15.., b'x') if name[..14].eq_ignore_ascii_case(b"x-client-cert-") => Self::Forwarding,
            _ => Self::Other,
        }
    }

    /// Fields that a `Connection` header may not take out: they carry framing, routing or rights, and a
    /// client that removes them after our checks decides in our place (CVE-2024-45410).
    pub(crate) fn protected(name: &[u8]) -> bool {
        const PROTECTED: [&[u8]; 6] =
            [b"host", b"content-length", b"transfer-encoding", b"authorization", b"cookie", b"forwarded"];
        PROTECTED.iter().any(|known| name.eq_ignore_ascii_case(known)) || Self::of(name) == Self::Forwarding
    }
}

/// Parses the field line at `at`. `None` when its end is not there yet.
#[inline]
pub(crate) fn parse_line(buf: &[u8], at: usize) -> Result<Option<Field>, HeadError> {
    let (len, underscore) = token(buf.get(at..).unwrap_or_default());
    let colon = at + len;
    match buf.get(colon) {
        Some(b':') if len > 0 => {}
        None => return Ok(None),
        Some(&byte) => return Err(no_colon(byte, len, colon)),
    }
    let Some(end) = value_end(buf, colon + 1) else { return Ok(None) };
    let Some(line_end) = crlf(buf, end)? else { return Ok(None) };
    let name = &buf[at..colon];
    let mut known = FieldName::of(name);
    if underscore && known == FieldName::Other {
        known = FieldName::Forwarding;
    }
    let (start, end) = trim(buf, colon + 1, end);
    Ok(Some(Field {
        known,
        name: Span::new(at, colon),
        value: Span::new(start, end),
        line: Span::new(at, line_end),
    }))
}

/// The end of the line whose CR must stand at `at`.
#[inline]
pub(crate) fn crlf(buf: &[u8], at: usize) -> Result<Option<usize>, HeadError> {
    match (buf.get(at), buf.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(at + 2)),
        (Some(b'\r'), None) | (None, _) => Ok(None),
        (Some(b'\r'), Some(_)) => Err(HeadError::bad("CR without LF after it", at)),
        (Some(b'\n'), _) => Err(HeadError::bad("LF without CR before it", at)),
        (Some(_), _) => Err(HeadError::bad("control character", at)),
    }
}

/// Which rule a line breaks that has no colon where its name ends.
#[cold]
fn no_colon(byte: u8, len: usize, at: usize) -> HeadError {
    HeadError::bad(
        match (byte, len) {
            (b':', _) => "empty field name",
            (b' ' | b'\t', 0) => "folded line (obs-fold)",
            (b' ' | b'\t', _) => "white space before the colon",
            _ => "byte not allowed in a field name",
        },
        at,
    )
}

/// Without white space at either end. One blank in front and none behind is what nearly all send.
#[inline]
fn trim(buf: &[u8], start: usize, end: usize) -> (usize, usize) {
    let mut value = buf.get(start..end).unwrap_or_default();
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    let start = end - value.len();
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    (start, start + value.len())
}

/// All values of the fields with this name, in any case of letters.
pub(crate) fn values<'a>(
    fields: &'a [Field],
    buf: &'a [u8],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |field| field.name.of(buf).eq_ignore_ascii_case(name.as_bytes()))
        .map(move |field| field.value.of(buf))
}

/// Takes out fields that `goes` names, but none that says how the message is framed or where it goes.
pub(crate) fn cut(fields: &[Field], cuts: &mut Cuts, buf: &[u8], goes: impl Fn(&[u8]) -> bool) {
    for field in fields {
        let free = matches!(field.known, FieldName::Other | FieldName::Forwarding);
        if free && goes(field.name.of(buf)) {
            cuts.insert(field.line);
        }
    }
}

/// Most options in the `Connection` fields of one head: each names a field, and no more fields than this may
/// stand in a head by default. Each is searched for among all fields, so without a bound 64 KiB of them cost
/// what a hundred heads cost.
const MAX_OPTIONS: u16 = 100;

/// Counts the options of a `Connection` field.
///
/// # Errors
/// More than [`MAX_OPTIONS`].
pub(crate) fn count_options(value: &[u8], seen: &mut u16, at: usize) -> Result<(), HeadError> {
    let more = u16::try_from(list(value).take(usize::from(MAX_OPTIONS) + 1).count()).unwrap_or(u16::MAX);
    *seen = seen.saturating_add(more);
    if *seen > MAX_OPTIONS { Err(HeadError::bad("too many Connection options", at)) } else { Ok(()) }
}

/// Elements of a comma-separated list without empty ones (RFC 9110 §5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_in_any_case() {
        assert_eq!(FieldName::of(b"HOST"), FieldName::Host);
        assert_eq!(FieldName::of(b"x-Forwarded-Client-Cert"), FieldName::Forwarding);
        assert_eq!(FieldName::of(b"x-forwarded-"), FieldName::Other);
        assert_eq!(FieldName::of(b"transfer_encoding"), FieldName::Other);
        assert!(FieldName::protected(b"X-Forwarded-For"));
        assert!(!FieldName::protected(b"x-custom"));
    }

    #[test]
    fn an_underscored_name_counts_as_forwarding() {
        let field = parse_line(b"X_Forwarded_For: 1\r\n", 0).unwrap().unwrap();
        assert_eq!(field.known, FieldName::Forwarding);
    }

    #[test]
    fn lines_that_are_refused() {
        for (line, rule) in [
            (&b": x\r\n"[..], "empty field name"),
            (b" folded\r\n", "folded line (obs-fold)"),
            (b"a : x\r\n", "white space before the colon"),
            (b"a\x00: x\r\n", "byte not allowed in a field name"),
            (b"a\xc3\xa9: x\r\n", "byte not allowed in a field name"),
            (b"no colon\r\n", "white space before the colon"),
            (b"nocolon\r\n", "byte not allowed in a field name"),
            (b"a: x\x00y\r\n", "control character"),
            (b"a: x\x7fy\r\n", "control character"),
            (b"a: x\ry\r\n", "CR without LF after it"),
            (b"a: x\n", "LF without CR before it"),
        ] {
            assert_eq!(parse_line(line, 0).unwrap_err().rule, rule, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_value_keeps_inner_white_space_and_high_bytes() {
        let line = b"a: \t x\ty \xe9 \t\r\n";
        let field = parse_line(line, 0).unwrap().unwrap();
        assert_eq!(field.value.of(line), b"x\ty \xe9");
        assert_eq!(field.line.len(), line.len());
    }
}
