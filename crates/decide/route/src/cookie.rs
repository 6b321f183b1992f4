//! Cookies of a request.

use crate::Headers;

/// The value of the first cookie with this name, in which case counts (RFC 6265 section 5.4). Of HTTP/2, several
/// lines are one list (RFC 9113 section 8.2.3); so they are here.
pub fn cookie<'a, H: Headers + ?Sized>(headers: &'a H, name: &str) -> Option<&'a [u8]> {
    headers.values("cookie").flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (found, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        (found.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (lines, name, expected) in [
            (&["a=1"][..], "a", Some("1")),
            (&["b=2; a=1; c"], "a", Some("1")),
            (&["b=2;a=1"], "a", Some("1")),
            (&["b=2", "a=1"], "a", Some("1")),
            (&["a=1; a=2"], "a", Some("1")),
            (&["a=x=y"], "a", Some("x=y")),
            (&["a="], "a", Some("")),
            (&["a = 1 "], "a", Some("1")),
            (&["A=1; xa=2; a"], "a", None),
            (&["", ";;=;"], "a", None),
            (&[], "a", None),
        ] {
            let headers: Vec<(&[u8], &[u8])> =
                lines.iter().map(|line| (&b"Cookie"[..], line.as_bytes())).collect();
            assert_eq!(cookie(&headers[..], name), expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
