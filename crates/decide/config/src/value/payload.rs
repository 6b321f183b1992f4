//! What a datagram holds: a text as it stands, or bytes in hexadecimal digits after `hex:`.

use super::{Complaint, text};
use crate::Code;

/// How bytes are told from a text.
const HEX: &str = "hex:";

/// The bytes that a text stands for. Blanks between pairs of digits are for the reader.
pub(crate) fn payload(written: &str) -> Result<Box<[u8]>, Complaint> {
    let written = text(written)?;
    let Some(digits) = written.strip_prefix(HEX) else { return Ok(written.as_bytes().into()) };
    let digits: String = digits.split_whitespace().collect();
    hex(&digits).filter(|bytes| !bytes.is_empty()).ok_or_else(|| {
        Complaint::new(Code::Text, "not pairs of hexadecimal digits").help("such as `hex:0001 ff`")
    })
}

/// Bytes as [`payload`] reads them.
pub(crate) fn format_payload(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once(HEX.to_owned()).chain(digits).collect()
}

/// Pairs of hexadecimal digits.
pub(crate) fn hex(text: &str) -> Option<Box<[u8]>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes();
    let pairs = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_are_told_apart() {
        let rows: [(&str, Option<&[u8]>); 8] = [
            ("ping", Some(b"ping")),
            ("hex", Some(b"hex")),
            ("hex:0001 fF", Some(&[0, 1, 255])),
            ("hex:00 0", None),
            ("hex:", None),
            ("hex:0g", None),
            ("hex:é", None),
            ("", None),
        ];
        for (written, bytes) in rows {
            assert_eq!(payload(written).ok().as_deref(), bytes, "{written}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(payload(&format_payload(&all)).unwrap().as_ref(), all);
    }
}
