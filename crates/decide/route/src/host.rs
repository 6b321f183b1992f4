//! From a `Host` as sent to the name that tables are keyed by.

/// Longest host name (RFC 1035 §2.3.4 allows 253 characters, and the buffer a little more). A longer one is no
/// name that a route can have.
pub(crate) const LONGEST: usize = 255;

/// A host name in lower case, without port, final dot or brackets, on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    bytes: [u8; LONGEST],
    length: usize,
    literal: bool,
}

impl Host {
    /// `None` if this cannot be a host: empty, too long, a port that is none, brackets that do not pair, a byte
    /// that names do not have (a wildcard must not take whatever stands before its parent).
    pub(crate) fn parse(sent: &[u8]) -> Option<Self> {
        let literal = sent.first() == Some(&b'[');
        let name = if literal { literal_of(sent)? } else { name_of(sent)? };
        let allowed = if literal { is_in_address } else { is_in_name };
        if name.is_empty() || !name.iter().all(allowed) {
            return None;
        }
        let mut host = Self { bytes: [0; LONGEST], length: name.len(), literal };
        let bytes = host.bytes.get_mut(..name.len())?;
        bytes.copy_from_slice(name);
        bytes.make_ascii_lowercase();
        Some(host)
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// What is left without the first label: the key of a wildcard. An address has no labels.
    pub(crate) fn parent(&self) -> Option<&[u8]> {
        if self.literal {
            return None;
        }
        let name = self.name();
        let dot = name.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
        name.get(dot + 1..)
    }
}

/// `[::1]:80` → `::1`.
fn literal_of(sent: &[u8]) -> Option<&[u8]> {
    let end = sent.iter().position(|byte| *byte == b']')?;
    match sent.get(end + 1..)? {
        [] => {}
        [b':', port @ ..] if is_port(port) => {}
        _ => return None,
    }
    sent.get(1..end)
}

/// `example.com.:80` → `example.com`.
fn name_of(sent: &[u8]) -> Option<&[u8]> {
    let name = match sent.iter().position(|byte| *byte == b':') {
        Some(colon) if is_port(sent.get(colon + 1..)?) => sent.get(..colon)?,
        Some(_) => return None,
        None => sent,
    };
    Some(name.strip_suffix(b".").unwrap_or(name))
}

/// Letters, digits and hyphens (RFC 1123 §2.1); underscores because people use them. Other scripts come as
/// `xn--` labels.
const fn is_in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// RFC 3986 §3.2.2. No zone (`%eth0`): it means something on the client's machine only.
const fn is_in_address(byte: &u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

/// Digits up to 65535, or nothing at all (RFC 3986 §3.2.3 allows `host:`).
fn is_port(text: &[u8]) -> bool {
    text.iter()
        .try_fold(0_u16, |port, byte| {
            let digit = byte.is_ascii_digit().then(|| u16::from(*byte - b'0'))?;
            port.checked_mul(10)?.checked_add(digit)
        })
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        type Row = (&'static str, Option<(&'static str, Option<&'static str>)>);
        let rows: &[Row] = &[
            ("example.com", Some(("example.com", Some("com")))),
            ("A.Example.COM:8080", Some(("a.example.com", Some("example.com")))),
            ("example.com.", Some(("example.com", Some("com")))),
            ("example.com.:443", Some(("example.com", Some("com")))),
            ("example.com:", Some(("example.com", Some("com")))),
            ("localhost", Some(("localhost", None))),
            ("10.0.0.1:80", Some(("10.0.0.1", Some("0.0.1")))),
            ("[::1]", Some(("::1", None))),
            ("[::1]:80", Some(("::1", None))),
            ("[2001:DB8::A]:", Some(("2001:db8::a", None))),
            ("[::ffff:192.0.2.1]", Some(("::ffff:192.0.2.1", None))),
            ("a..b", Some(("a..b", Some(".b")))),
            (".b", Some((".b", None))),
            ("..", Some((".", None))),
            ("", None),
            ("*.b", None),
            (" a", None),
            ("a b", None),
            ("u@a", None),
            ("a\0", None),
            ("a/b", None),
            ("가.b", None),
            ("[fe80::1%eth0]", None),
            ("[a.example]", None),
            (".", None),
            (":", None),
            (":80", None),
            ("[]", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[::1]:x", None),
            ("[::1]:65536", None),
            ("::1", None),
            ("a:b", None),
            ("a:80:80", None),
            ("a:-1", None),
            ("a:65535", Some(("a", None))),
            ("a:65536", None),
            ("a:00000000000000000080", Some(("a", None))),
            ("a:99999999999999999999", None),
            ("a_b-c.d", Some(("a_b-c.d", Some("d")))),
        ];
        for (sent, expected) in rows {
            let found = Host::parse(sent.as_bytes());
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let found = found.map(|host| (text(host.name()), host.parent().map(text)));
            let expected = expected.map(|(name, parent)| (name.to_owned(), parent.map(str::to_owned)));
            assert_eq!(found, expected, "{sent:?}");
        }
    }

    #[test]
    fn length_is_bounded_without_the_port() {
        assert!(Host::parse(&[b'a'; 255]).is_some());
        assert!(Host::parse(&[b'a'; 256]).is_none());
        assert!(Host::parse(&[&[b'a'; 255][..], b".:8080"].concat()).is_some());
        assert!(Host::parse(&[b'.'; 100_000]).is_none());
    }
}
