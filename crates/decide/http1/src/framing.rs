//! How long a body is (RFC 9112 §6), collected field by field.

use haechi_model::Fault;

use crate::HeadError;
use crate::fields::list;

/// How a message's body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection; responses only.
    UntilClose,
}

/// `Content-Length` and `Transfer-Encoding` as they are seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lengths {
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
}

impl Lengths {
    /// One `Content-Length` line. A second one is refused even if it says the same: nobody needs it, and
    /// recipients differ in which one they take.
    pub(crate) fn content_length(&mut self, value: &[u8], at: usize) -> Result<(), HeadError> {
        if self.length.is_some() {
            return Err(HeadError::bad("more than one Content-Length", at));
        }
        self.length = Some(decimal(value).ok_or(HeadError::bad("Content-Length is not a plain number", at))?);
        Ok(())
    }

    /// One `Transfer-Encoding` line: exactly `chunked`, once.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8], at: usize) -> Result<(), HeadError> {
        if self.chunked {
            return Err(HeadError::bad("more than one Transfer-Encoding", at));
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        // A known coding in front of `chunked` is a clear request that we can't serve; anything else is an
        // attempt to look like `chunked` to somebody.
        let honest = [&b"gzip"[..], b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity"];
        if list(value)
            .next()
            .is_some_and(|first| honest.iter().any(|coding| first.eq_ignore_ascii_case(coding)))
        {
            return Err(HeadError::new(Fault::CodingUnknown, "transfer coding other than chunked", at));
        }
        Err(HeadError::bad("Transfer-Encoding is not exactly `chunked`", at))
    }
}

/// Digits only: no sign, no blank, no list. 19 digits always fit 64 bits.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_a_length() {
        for bad in [
            &b""[..],
            b"+5",
            b"-5",
            b"0x5",
            b"1_0",
            b"5, 6",
            b"5,5",
            b" 5",
            b"5 ",
            b"99999999999999999999",
            b"\xd9\xa1",
        ] {
            assert_eq!(decimal(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"0005"), Some(5));
        assert_eq!(decimal(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
    }

    #[test]
    fn only_chunked_alone_is_a_coding() {
        let fault =
            |value: &[u8]| Lengths::default().transfer_encoding(value, 0).map_err(|error| error.fault);
        assert_eq!(fault(b"chunked"), Ok(()));
        assert_eq!(fault(b"Chunked"), Ok(()));
        for bad in [
            &b""[..],
            b",chunked",
            b"chunked,chunked",
            b"chunked, identity",
            b"\x0bchunked",
            b"xchunked",
            b"\"chunked\"",
        ] {
            assert_eq!(fault(bad), Err(Fault::BadRequest), "{}", bad.escape_ascii());
        }
        assert_eq!(fault(b"gzip, chunked"), Err(Fault::CodingUnknown));
        assert_eq!(fault(b"identity"), Err(Fault::CodingUnknown));
    }
}
