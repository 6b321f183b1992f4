//! Names that HTTP/2 gives a meaning to, and which bytes may stand where (RFC 9113 §8.2, §8.3).
//!
//! Judged once for each entry of a table, so a field that is an index on the wire costs nothing here.

use haechi_hpack::{Judge, STATIC};

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Name {
    /// A field like any other.
    Other,
    /// Not a name: empty, upper case, or a byte that is no token's.
    Bad,
    /// `connection` and its kin, which have no place in HTTP/2 (§8.2.2).
    ConnectionSpecific,
    /// `te`
    Te,
    /// `host`
    Host,
    /// `content-length`
    ContentLength,
    /// `cookie`, which may come in crumbs (§8.2.3).
    Cookie,
    /// `:method`
    Method,
    /// `:scheme`
    Scheme,
    /// `:authority`
    Authority,
    /// `:path`
    Path,
    /// `:protocol` (RFC 8441)
    Protocol,
    /// `:status`
    Status,
    /// Begins with a colon and is none of those.
    UnknownPseudo,
}

impl Name {
    const ALL: [Self; 14] = [
        Self::Other,
        Self::Bad,
        Self::ConnectionSpecific,
        Self::Te,
        Self::Host,
        Self::ContentLength,
        Self::Cookie,
        Self::Method,
        Self::Scheme,
        Self::Authority,
        Self::Path,
        Self::Protocol,
        Self::Status,
        Self::UnknownPseudo,
    ];

    /// What this name is.
    pub fn of(name: &[u8]) -> Self {
        let known = match name {
            [] => Self::Bad,
            [b':', rest @ ..] => match rest {
                b"method" => Self::Method,
                b"scheme" => Self::Scheme,
                b"authority" => Self::Authority,
                b"path" => Self::Path,
                b"protocol" => Self::Protocol,
                b"status" => Self::Status,
                _ => Self::UnknownPseudo,
            },
            b"te" => Self::Te,
            b"host" => Self::Host,
            b"cookie" => Self::Cookie,
            b"content-length" => Self::ContentLength,
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                Self::ConnectionSpecific
            }
            _ => Self::Other,
        };
        if known == Self::Other && !name.iter().all(|byte| CLASS[usize::from(*byte)] & NAME != 0) {
            return Self::Bad;
        }
        known
    }

    /// Whether it is one of those that begin with a colon.
    #[inline]
    pub const fn is_pseudo(self) -> bool {
        self as u8 >= Self::Method as u8
    }

    #[inline]
    pub(crate) fn from_tag(tag: u8) -> Self {
        Self::ALL.get(usize::from(tag)).copied().unwrap_or(Self::Bad)
    }

    /// The rule that a value behind this name broke.
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::Te => "`te` is not `trailers`",
            Self::ContentLength => "`content-length` is not a plain number",
            Self::Method => "`:method` is not a token",
            Self::Scheme => "`:scheme` is neither http nor https",
            Self::Authority | Self::Host => "byte not allowed in the host",
            Self::Path => "`:path` is not a path",
            Self::Protocol => "`:protocol` is not a token",
            Self::Status => "`:status` is not three digits",
            _ => "value with a control character, or white space at an end",
        }
    }
}

/// As `hpack` asks.
pub(crate) struct Http;

impl Judge for Http {
    #[inline]
    fn name(name: &[u8]) -> u8 {
        Name::of(name) as u8
    }

    #[inline]
    fn static_name(index: usize) -> u8 {
        OF_STATIC.get(index.wrapping_sub(1)).copied().unwrap_or(Name::Bad as u8)
    }

    fn value(name: u8, value: &[u8]) -> bool {
        match Name::from_tag(name) {
            Name::Bad | Name::ConnectionSpecific | Name::UnknownPseudo => true,
            Name::Te => value.eq_ignore_ascii_case(b"trailers"),
            Name::ContentLength => decimal(value).is_some(),
            Name::Method | Name::Protocol => !value.is_empty() && all(value, TOKEN),
            Name::Scheme => value.eq_ignore_ascii_case(b"http") || value.eq_ignore_ascii_case(b"https"),
            Name::Authority | Name::Host => all(value, HOST),
            Name::Path => value == b"*" || (value.first() == Some(&b'/') && all(value, PATH)),
            Name::Status => matches!(value, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']),
            Name::Other | Name::Cookie => is_value(value),
        }
    }
}

/// Digits only: no sign, no blank, no list. 19 digits always fit 64 bits.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// What [`Name::of`] says of the static table; a test compares them.
static OF_STATIC: [u8; STATIC.len()] = {
    let mut names = [Name::Other as u8; STATIC.len()];
    names[0] = Name::Authority as u8;
    names[1] = Name::Method as u8;
    names[2] = Name::Method as u8;
    names[3] = Name::Path as u8;
    names[4] = Name::Path as u8;
    names[5] = Name::Scheme as u8;
    names[6] = Name::Scheme as u8;
    let mut status = 7;
    while status < 14 {
        names[status] = Name::Status as u8;
        status += 1;
    }
    names[27] = Name::ContentLength as u8;
    names[31] = Name::Cookie as u8;
    names[37] = Name::Host as u8;
    names[56] = Name::ConnectionSpecific as u8;
    names
};

const NAME: u8 = 1;
const TOKEN: u8 = 2;
const PATH: u8 = 4;
const HOST: u8 = 8;

/// Class of each byte: `TOKEN` as in RFC 9110 §5.6.2, `NAME` the same without upper case; `PATH` visible ASCII
/// but `#`, which would start a fragment; `HOST` what may stand in a host with a port (RFC 3986 §3.2.2), but the
/// comma that made others see two, and `@`, which §8.3.1 forbids.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        if byte != b'#' as usize {
            table[byte] |= PATH;
        }
        byte += 1;
    }
    let signs = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < signs.len() {
        table[signs[at] as usize] |= TOKEN | NAME;
        at += 1;
    }
    let host = b"-._~%!$&'()*+;=:[]";
    let mut at = 0;
    while at < host.len() {
        table[host[at] as usize] |= HOST;
        at += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        let small = byte >= b'a' as usize && byte <= b'z' as usize;
        let digit = byte >= b'0' as usize && byte <= b'9' as usize;
        if small || digit {
            table[byte] |= NAME;
        }
        if small || digit || (byte >= b'A' as usize && byte <= b'Z' as usize) {
            table[byte] |= TOKEN | HOST;
        }
        byte += 1;
    }
    table
};

#[inline]
fn all(text: &[u8], class: u8) -> bool {
    text.iter().all(|byte| CLASS[usize::from(*byte)] & class != 0)
}

/// Whether a value has no control character but HTAB, and no white space at its ends (§8.2.1). That section asks
/// for NUL, CR and LF only; but what goes on to HTTP/1 must be a value there too (RFC 9110 §5.5).
fn is_value(value: &[u8]) -> bool {
    if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value {
        return false;
    }
    let (blocks, rest) = value.as_chunks::<8>();
    let fit = |bytes: &[u8]| bytes.iter().all(|byte| (*byte >= 0x20 && *byte != 0x7f) || *byte == b'\t');
    blocks.iter().all(|block| no_control(u64::from_le_bytes(*block)) || fit(block)) && fit(rest)
}

/// Whether none of eight bytes is below 0x20 or 0x7f. May say no where it is yes, never the reverse
/// (Anderson, "Bit Twiddling Hacks").
#[inline]
const fn no_control(block: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let below = block.wrapping_sub(ONES * 0x20) & !block;
    let other = block ^ (ONES * 0x7f);
    let delete = other.wrapping_sub(ONES) & !other;
    (below | delete) & (ONES << 7) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_static_table_are_what_their_letters_say() {
        for (at, (name, value)) in STATIC.iter().enumerate() {
            assert_eq!(OF_STATIC[at], Name::of(name) as u8, "{}", name.escape_ascii());
            assert!(value.is_empty() || Http::value(OF_STATIC[at], value), "{}", name.escape_ascii());
        }
        for (at, name) in Name::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, at);
        }
    }

    #[test]
    fn names_and_values_that_may_not_stand() {
        for bad in [&b""[..], b"Upper", b"a b", b"a\0", b"a:", b"\xc3\xa9", b"a\r\nb", b"a(b"] {
            assert_eq!(Name::of(bad), Name::Bad, "{}", bad.escape_ascii());
        }
        assert_eq!(Name::of(b":unknown"), Name::UnknownPseudo);
        assert_eq!(Name::of(b":"), Name::UnknownPseudo);
        let rows: [(&str, &[&str], &[&str]); 8] = [
            (
                "x",
                &["", "a", "a b", "a\tb", "\u{e9}", "12345678\t0"],
                &[" a", "a ", "\ta", "a\0", "12345678\r", "\n", "\x7f", "1234567\x01"],
            ),
            ("te", &["trailers", "Trailers"], &["", "gzip", "trailers, gzip"]),
            ("content-length", &["0", "10"], &["", "+1", "1,1", "1 ", "0x1", "99999999999999999999"]),
            (":method", &["GET", "x-y"], &["", "G T", "GET\r"]),
            (":scheme", &["http", "https"], &["", "ftp", "http:"]),
            (
                ":authority",
                &["a", "a:80", "[::1]:8080", ""],
                &["a b", "a@b", "a,b", "a/b", "a#", "a\\b", "\u{e9}"],
            ),
            (":path", &["/", "/a?b=c", "*"], &["", "a", "/a b", "/#a", "/\u{e9}", "/\0", "**"]),
            (":status", &["100", "200", "999"], &["", "20", "2000", "099", "20x"]),
        ];
        for (name, good, bad) in rows {
            let tag = Name::of(name.as_bytes()) as u8;
            for value in good {
                assert!(Http::value(tag, value.as_bytes()), "{name}: {value:?}");
            }
            for value in bad {
                assert!(!Http::value(tag, value.as_bytes()), "{name}: {value:?}");
            }
        }
    }
}
