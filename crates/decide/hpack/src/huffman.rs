//! The Huffman code of RFC 7541 appendix B, both ways.
//!
//! The code is canonical: shorter codes come first, and codes of one length rise with their symbols. So the
//! lengths are the whole code, and everything else is computed from them at compile time.

use crate::Error;

/// Length of each symbol's code in bits; the last one is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

/// The longest code, EOS among others.
const LONGEST: usize = 30;

/// Bits that are looked up at once: every letter, digit and common sign has a code of at most 8 bits, and ten
/// take in the next five signs too. 2 KiB of table stay in the nearest cache.
const LOOKED_UP: u32 = 10;

/// Codes, right-aligned.
static CODES: [u32; 257] = codes();

const fn codes() -> [u32; 257] {
    let mut codes = [0; 257];
    let mut code = 0u32;
    let mut length = 1;
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                codes[symbol] = code;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    codes
}

/// For the next ten bits the symbol (low octet) and the length of its code (high octet); 0 if it is longer.
static SHORT: [u16; 1 << LOOKED_UP] = {
    let codes = codes();
    let mut table = [0; 1 << LOOKED_UP];
    let mut symbol = 0;
    while symbol < 256 {
        let length = LENGTHS[symbol] as u32;
        if length <= LOOKED_UP {
            let first = (codes[symbol] as usize) << (LOOKED_UP - length);
            let mut at = first;
            while at < first + (1 << (LOOKED_UP - length)) {
                table[at] = u16::from_be_bytes([LENGTHS[symbol], symbol.to_le_bytes()[0]]);
                at += 1;
            }
        }
        symbol += 1;
    }
    table
};

/// Symbols in the order of their codes.
static SORTED: [u16; 257] = {
    let mut sorted = [0; 257];
    let mut next = 0;
    let mut length = 1;
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                let [low, high, ..] = symbol.to_le_bytes();
                sorted[next] = u16::from_le_bytes([low, high]);
                next += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    sorted
};

/// Codes of one length.
#[derive(Clone, Copy)]
struct Long {
    /// The first code that is longer, left-aligned in 32 bits.
    limit: u64,
    /// The first code of this length.
    first: u64,
    /// Symbols with shorter codes.
    before: u64,
}

/// For each length its codes.
static LONG: [Long; LONGEST + 1] = {
    let mut long = [Long { limit: 0, first: 0, before: 0 }; LONGEST + 1];
    let (mut code, mut before) = (0u64, 0u64);
    let mut length = 1;
    while length <= LONGEST {
        let first = code;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                code += 1;
            }
            symbol += 1;
        }
        long[length] = Long { limit: code << (32 - length), first, before };
        before += code - first;
        code <<= 1;
        length += 1;
    }
    long
};

/// Appends what `code` stands for.
///
/// # Errors
/// EOS, or padding that is longer than seven bits or not all ones (§5.2).
pub(crate) fn decode(code: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    // No code is shorter than five bits.
    out.resize(start + code.len() * 8 / 5, 0);
    let decoded = decode_into(code, &mut out[start..]);
    out.truncate(start + decoded.unwrap_or(0));
    decoded.map(|_| ())
}

fn decode_into(code: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let mut rest = code;
    // The next bits, left-aligned, and how many of them are true ones.
    let (mut bits, mut count) = (0u64, 0u32);
    let mut written = 0;
    loop {
        if count < 32 {
            if let Some((four, tail)) = rest.split_first_chunk::<4>() {
                bits |= u64::from(u32::from_be_bytes(*four)) << (32 - count);
                count += 32;
                rest = tail;
            } else {
                while let [byte, tail @ ..] = rest {
                    bits |= u64::from(*byte) << (56 - count);
                    count += 8;
                    rest = tail;
                }
            }
        }
        let [high, low] = SHORT[(bits >> (64 - LOOKED_UP)) as usize].to_be_bytes();
        let (symbol, length) = if high != 0 { (low, u32::from(high)) } else { decode_long(bits, count)? };
        if length > count {
            return end(bits, count).map(|()| written);
        }
        bits <<= length;
        count -= length;
        // Codes have five bits at least, so there is room for all of them.
        *out.get_mut(written).ok_or(Error::Huffman)? = symbol;
        written += 1;
        if count == 0 && rest.is_empty() {
            return Ok(written);
        }
    }
}

/// A code of more than ten bits, or the padding at the end.
#[cold]
fn decode_long(bits: u64, count: u32) -> Result<(u8, u32), Error> {
    let window = bits >> 32;
    let long = (0u32..).zip(&LONG).skip(LOOKED_UP as usize + 1);
    let Some((length, long)) = long.into_iter().find(|(_, long)| window < long.limit) else {
        return if count < 32 { Ok((0, u32::MAX)) } else { Err(Error::Huffman) };
    };
    let position = long.before + (window >> (32 - length)) - long.first;
    let symbol = usize::try_from(position).ok().and_then(|at| SORTED.get(at)).copied();
    match symbol.map(u8::try_from) {
        Some(Ok(symbol)) => Ok((symbol, length)),
        // What is cut off by the end of the string is padding, or nothing.
        _ if length > count => Ok((0, length)),
        _ => Err(Error::Huffman),
    }
}

/// What is left must be the beginning of EOS: less than an octet of ones.
fn end(bits: u64, count: u32) -> Result<(), Error> {
    let ones = count == 0 || bits >> (64 - count) == (1 << count) - 1;
    if count < 8 && ones { Ok(()) } else { Err(Error::Huffman) }
}

/// Octets that the code of `text` has.
#[inline]
pub(crate) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the code of `text`.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u64, 0u32);
    for byte in text {
        let symbol = usize::from(*byte);
        let length = u32::from(LENGTHS[symbol]);
        bits = bits << length | u64::from(CODES[symbol]);
        count += length;
        if count >= 32 {
            count -= 32;
            let [_, _, _, _, four @ ..] = (bits >> count).to_be_bytes();
            out.extend_from_slice(&four);
        }
    }
    let padded = count.div_ceil(8) * 8;
    // EOS begins with ones, and so does padding.
    let bits = bits << (padded - count) | ((1 << (padded - count)) - 1);
    let [_, _, _, _, tail @ ..] = (bits << (32 - padded)).to_be_bytes();
    out.extend_from_slice(tail.get(..padded as usize / 8).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(code: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = b"before".to_vec();
        decode(code, &mut out).map(|()| out.split_off(6))
    }

    #[test]
    fn codes_of_appendix_b() {
        for (symbol, code) in
            [(b'0', 0x0), (b'a', 0x3), (b'%', 0x15), (b':', 0x5c), (b'&', 0xf8), (b'Z', 0xfd), (b'!', 0x3f8)]
        {
            assert_eq!(CODES[usize::from(symbol)], code, "{symbol}");
        }
        assert_eq!(
            (CODES[0], CODES[10], CODES[249], CODES[256]),
            (0x1ff8, 0x3fff_fffc, 0xfff_fffe, 0x3fff_ffff)
        );
    }

    #[test]
    fn every_symbol_and_every_pair() {
        for one in 0..=255 {
            for other in 0..=255 {
                let mut code = Vec::new();
                encode(&[one, other], &mut code);
                assert_eq!(code.len(), encoded_len(&[one, other]));
                assert_eq!(decoded(&code).unwrap(), [one, other]);
            }
        }
    }

    #[test]
    fn padding_is_less_than_an_octet_of_ones() {
        assert_eq!(decoded(&[]), Ok(vec![]));
        assert_eq!(decoded(&[0x07]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0x06]), Err(Error::Huffman), "a zero in the padding");
        assert_eq!(decoded(&[0x07, 0xff]), Err(Error::Huffman), "an octet of padding");
        assert_eq!(decoded(&[0xff]), Err(Error::Huffman));
        assert_eq!(decoded(&[0x00]), Err(Error::Huffman), "three zeros left");
        assert_eq!(decoded(&[0xff; 4]), Err(Error::Huffman), "EOS and two ones");
        assert_eq!(decoded(&[0xff; 9]), Err(Error::Huffman));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xf0]), Err(Error::Huffman), "an end inside a code");
    }

    /// The code read a bit at a time, from appendix B's own words.
    fn model(code: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut value, mut length) = (0u32, 0u8);
        for bit in code.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1))) {
            (value, length) = (value << 1 | bit, length + 1);
            if let Some(symbol) = (0..257).find(|at| LENGTHS[*at] == length && CODES[*at] == value) {
                out.push(u8::try_from(symbol).ok()?);
                (value, length) = (0, 0);
            }
            if length > 30 {
                return None;
            }
        }
        (length < 8 && value == (1 << length) - 1).then_some(out)
    }

    proptest! {
        #[test]
        fn any_bytes_mean_what_they_mean_a_bit_at_a_time(code in proptest::collection::vec(
            prop_oneof![Just(0xffu8), any::<u8>()], 0..24,
        )) {
            prop_assert_eq!(decoded(&code).ok(), model(&code));
        }

        #[test]
        fn any_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut code = Vec::new();
            encode(&text, &mut code);
            prop_assert_eq!(code.len(), encoded_len(&text));
            prop_assert_eq!(decoded(&code).unwrap(), text);
        }
    }
}
