//! Byte classes, and finding the end of a value a block at a time.

use crate::HeadError;

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const HOST: u8 = 4;
const UNDERSCORE: u8 = 8;

/// Class of each byte: `TOKEN` as in RFC 9110 §5.6.2; `TARGET` what may stand in a request target (visible
/// ASCII but `#`, which would start a fragment that never belongs on the wire); `HOST` what may stand in a
/// registered name (RFC 3986 §3.2.2), but the comma that made others see two hosts.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        if byte != b'#' as usize {
            table[byte] |= TARGET;
        }
        byte += 1;
    }
    let token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut i = 0;
    while i < token.len() {
        table[token[i] as usize] |= TOKEN;
        i += 1;
    }
    let host = b"-._~%!$&'()*+;=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut i = 0;
    while i < host.len() {
        table[host[i] as usize] |= HOST;
        i += 1;
    }
    table[b'_' as usize] |= UNDERSCORE;
    table
};

#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TOKEN != 0
}

#[inline]
pub(crate) fn is_target(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TARGET != 0
}

#[inline]
pub(crate) fn is_host(byte: u8) -> bool {
    CLASS[usize::from(byte)] & HOST != 0
}

/// Length of the token at the start of `bytes`, and whether it holds an underscore.
#[inline]
pub(crate) fn token(bytes: &[u8]) -> (usize, bool) {
    let mut seen = 0;
    let mut len = 0;
    while let Some(byte) = bytes.get(len) {
        let class = CLASS[usize::from(*byte)];
        if class & TOKEN == 0 {
            break;
        }
        seen |= class;
        len += 1;
    }
    (len, seen & UNDERSCORE != 0)
}

/// Position of the first byte from `from` on that may not stand in a field value (a control character but
/// HTAB, or DEL): in a well-formed line that is its CR.
#[inline]
pub(crate) fn value_end(buf: &[u8], mut from: usize) -> Option<usize> {
    loop {
        while let Some(block) = buf.get(from..from + BLOCK).and_then(|block| block.first_chunk()) {
            match first_control(u64::from_le_bytes(*block)) {
                None => from += BLOCK,
                Some(at) if block[at] == b'\t' => from += at + 1,
                Some(at) => return Some(from + at),
            }
        }
        match *buf.get(from)? {
            b'\t' => from += 1,
            byte if byte < 0x20 || byte == 0x7f => return Some(from),
            _ => from += 1,
        }
    }
}

/// Bytes looked at together: a register's worth.
const BLOCK: usize = 8;

/// Position of the first byte below 0x20 or equal to 0x7f, the lowest byte being the first.
///
/// The tests for a byte less than n and for a zero byte (Anderson, "Bit Twiddling Hacks") may mark bytes above a
/// true one too, because of its borrow, but never one below it.
#[inline]
fn first_control(block: u64) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; BLOCK]);
    const HIGH: u64 = ONES << 7;
    let below = block.wrapping_sub(ONES * 0x20) & !block;
    let delete = block ^ (ONES * 0x7f);
    let delete = delete.wrapping_sub(ONES) & !delete;
    match (below | delete) & HIGH {
        0 => None,
        marks => Some(marks.trailing_zeros() as usize / 8),
    }
}

/// Looks for the empty line that ends a head, from `from` on (at most the length seen before, so that a
/// head that comes a byte at a time is scanned once). Refuses a bare LF at once, because it would never
/// end by the strict rule.
///
/// # Errors
/// A LF without its CR.
pub fn head_end(buf: &[u8], from: usize) -> Result<Option<usize>, HeadError> {
    let mut at = from.saturating_sub(3);
    while let Some(found) = memchr::memchr(b'\n', &buf[at..]) {
        let lf = at + found;
        if lf == 0 || buf[lf - 1] != b'\r' {
            return Err(HeadError::bad("LF without CR before it", lf));
        }
        if lf >= 3 && buf[lf - 2] == b'\n' {
            return Ok(Some(lf + 1));
        }
        at = lf + 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn value_end_agrees_with_a_plain_loop(bytes in proptest::collection::vec(any::<u8>(), 0..80), from in 0usize..80) {
            let plain = (from.min(bytes.len())..bytes.len())
                .find(|&i| (bytes[i] < 0x20 && bytes[i] != b'\t') || bytes[i] == 0x7f);
            prop_assert_eq!(value_end(&bytes, from.min(bytes.len())), plain);
        }

        #[test]
        fn head_end_is_the_same_in_one_piece_and_byte_by_byte(lines in proptest::collection::vec("[a-z]{0,5}", 0..6)) {
            let text = lines.join("\r\n").into_bytes();
            let whole = head_end(&text, 0);
            let mut seen = Ok(None);
            for len in 1..=text.len() {
                seen = head_end(&text[..len], len - 1);
                if seen != Ok(None) { break; }
            }
            prop_assert_eq!(whole, seen);
        }
    }

    #[test]
    fn a_bare_lf_is_refused_at_once() {
        assert!(head_end(b"GET / HTTP/1.1\n", 0).is_err());
        assert!(head_end(b"\n", 0).is_err());
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nrest", 0), Ok(Some(18)));
    }
}
