//! Addresses as proxies write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a node: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, the first and the last also with a port (RFC
/// 7239 section 6; many write them so in `X-Forwarded-For` too). Nothing for `unknown`, for `_hidden` names and for
/// what is no address.
pub(crate) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port).then(|| IpAddr::from(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, _) = text.split_once(':')?;
    let port = &text[address.len()..];
    is_port(port).then(|| address.parse::<Ipv4Addr>().ok()).flatten().map(IpAddr::from)
}

/// Nothing, or a colon with a port: a number or a hidden name.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => match port.strip_prefix('_') {
            Some(name) => {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            }
            None => number(port.as_bytes()).is_some(),
        },
    }
}

/// A port as its digits say, 0 among them.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A port that can be asked.
pub(crate) fn port(value: &[u8]) -> Option<u16> {
    number(value).filter(|port| *port > 0)
}

/// The port that an authority names.
pub(crate) fn port_of(authority: &[u8]) -> Option<u16> {
    let colon = authority.iter().rposition(|byte| *byte == b':')?;
    let within_brackets = authority[colon..].contains(&b']');
    if within_brackets { None } else { port(&authority[colon + 1..]) }
}

/// A name or an address that may stand in `Host`: what has no place there could lead out of what it is written into.
pub(crate) fn is_host(value: &[u8]) -> bool {
    /// A name has at most 253 bytes (RFC 1035 section 3.1, as text), and a port six.
    const LONGEST: usize = 259;
    !value.is_empty()
        && value.len() <= LONGEST
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_as_they_are_written() {
        let rows = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            ("192.0.2.1:_secret", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", Some("192.0.2.1")),
            ("192.0.2.1:", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.1:8o", None),
            ("192.0.2.1:-1", None),
            ("192.0.2.1:_", None),
            ("192.0.2.1:1:1", None),
            ("192.0.2.256", None),
            ("192.0.2.01", None),
            ("192.0.2", None),
            ("0xc0000201", None),
            ("3221225985", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]80", None),
            ("[2001:db8::1%eth0]", None),
            ("2001:db8::1%eth0", None),
            ("[]", None),
            ("unknown", None),
            ("_hidden", None),
            ("localhost", None),
            ("192.0.2.1 ", None),
            ("", None),
        ];
        for (text, wanted) in rows {
            let wanted = wanted.map(|wanted| wanted.parse::<IpAddr>().unwrap());
            assert_eq!(address(text.as_bytes()), wanted, "{text}");
        }
        assert_eq!(address(b"192.0.2.\xff"), None);
    }

    #[test]
    fn ports_and_hosts() {
        let rows: [(&[u8], Option<u16>); 7] = [
            (b"a:81", Some(81)),
            (b"[::1]:82", Some(82)),
            (b"[::1]", None),
            (b"a", None),
            (b"a:0", None),
            (b"a:65536", None),
            (b"", None),
        ];
        for (authority, wanted) in rows {
            assert_eq!(port_of(authority), wanted, "{}", authority.escape_ascii());
        }
        assert_eq!(port(b"+80"), None);
        assert!(is_host(b"shop.example.com:8443") && is_host(b"[2001:db8::1]:80"));
        for bad in [&b""[..], b"a b", b"a,b", b"a/b", b"a\"b", b"u@h", &[b'a'; 260]] {
            assert!(!is_host(bad), "{}", bad.escape_ascii());
        }
    }
}
