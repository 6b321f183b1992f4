//! Integers with a prefix (RFC 7541 §5.1), bounded to 32 bits.

use crate::Error;

/// Octets after the prefix. Five carry 35 bits, more than we take; a sixth could only be padding.
const MOST_OCTETS: u32 = 5;

/// Reads an integer whose prefix has `bits` bits, from `*at` on.
#[inline]
pub(crate) fn read(block: &[u8], at: &mut usize, bits: u32) -> Result<u32, Error> {
    let first = *block.get(*at).ok_or(Error::Short)?;
    *at += 1;
    let mask = (1u32 << bits) - 1;
    let prefix = u32::from(first) & mask;
    if prefix < mask { Ok(prefix) } else { read_long(block, at, mask) }
}

fn read_long(block: &[u8], at: &mut usize, prefix: u32) -> Result<u32, Error> {
    let mut value = u64::from(prefix);
    for octet in 0..MOST_OCTETS {
        let byte = *block.get(*at).ok_or(Error::Short)?;
        *at += 1;
        value += u64::from(byte & 0x7f) << (7 * octet);
        if byte & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| Error::Integer);
        }
    }
    Err(Error::Integer)
}

/// Appends `value` after the bits of `pattern`, which stand above a prefix of `bits` bits.
#[inline]
pub(crate) fn write(value: u32, bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = (1u32 << bits) - 1;
    if value < mask {
        out.push(pattern | low(value));
        return;
    }
    out.push(pattern | low(mask));
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

/// The low octet.
#[inline]
const fn low(value: u32) -> u8 {
    value.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: u32, bits: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write(value, bits, 0, &mut out);
        out
    }

    #[test]
    fn the_examples_of_appendix_c_1() {
        assert_eq!(written(10, 5), [10]);
        assert_eq!(written(1337, 5), [31, 154, 10]);
        assert_eq!(written(42, 8), [42]);
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for bits in 4..=8 {
            for value in (0..2000).chain([1 << 14, (1 << 21) + 5, u32::MAX - 1, u32::MAX]) {
                let mut at = 0;
                let bytes = written(value, bits);
                assert_eq!(read(&bytes, &mut at, bits), Ok(value));
                assert_eq!(at, bytes.len());
                for short in 0..bytes.len() {
                    assert_eq!(read(&bytes[..short], &mut 0, bits), Err(Error::Short));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(read(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f], &mut 0, 5), Err(Error::Integer));
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], &mut 0, 5), Err(Error::Integer));
        assert_eq!(read(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00], &mut 0, 5), Ok(31));
    }
}
