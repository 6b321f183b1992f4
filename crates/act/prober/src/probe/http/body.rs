//! Takes a body out of its framing as it comes, and looks for a text in its first 64 KiB.
//!
//! Neither keeps the body: the search holds a needle's length of it, so a thousand endless bodies at once
//! cost nothing.

use super::head::Framing;

/// How much of a body is looked at.
const LONGEST: usize = 64 * 1024;

/// Longest chunk-size line: 16 digits and some extension, which nobody sends (RFC 9112 §7.1.1).
const LONGEST_LINE: usize = 256;

/// Looks for a text in pieces that come one by one.
#[derive(Debug)]
pub(super) struct Search<'a> {
    needle: &'a [u8],
    tail: Vec<u8>,
    seen: usize,
    found: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(needle: &'a str) -> Self {
        Self { needle: needle.as_bytes(), tail: Vec::new(), seen: 0, found: needle.is_empty() }
    }

    pub(super) const fn found(&self) -> bool {
        self.found
    }

    /// No more of the body is looked at.
    pub(super) const fn is_full(&self) -> bool {
        self.seen >= LONGEST
    }

    fn push(&mut self, piece: &[u8]) {
        let piece = &piece[..piece.len().min(LONGEST - self.seen)];
        self.seen += piece.len();
        self.tail.extend_from_slice(piece);
        self.found = self.found || memchr::memmem::find(&self.tail, self.needle).is_some();
        // A match may begin in this piece and end in the next.
        let keep = self.needle.len().saturating_sub(1).min(self.tail.len());
        self.tail.drain(..self.tail.len() - keep);
    }
}

/// Takes a body out of its framing.
#[derive(Debug)]
pub(super) struct Body(State);

#[derive(Debug)]
enum State {
    Length(u64),
    UntilClose,
    /// Digits of a chunk size so far, and whether one came.
    Size {
        size: u64,
        any: bool,
        line: usize,
    },
    Extension {
        size: u64,
        line: usize,
    },
    SizeEnd {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    Complete,
}

const NEXT_CHUNK: State = State::Size { size: 0, any: false, line: 0 };

impl Body {
    pub(super) const fn new(framing: &Framing) -> Self {
        Self(match framing {
            Framing::Empty | Framing::Length(0) => State::Complete,
            Framing::Length(length) => State::Length(*length),
            Framing::Chunked => NEXT_CHUNK,
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// All of it came; trailers are not waited for.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.0, State::Complete)
    }

    /// Takes the next bytes from the connection. The error is a line for people.
    pub(super) fn feed(&mut self, mut input: &[u8], search: &mut Search<'_>) -> Result<(), &'static str> {
        while let Some(first) = input.first() {
            let used = match &mut self.0 {
                State::Complete => return Ok(()),
                State::UntilClose => {
                    search.push(input);
                    input.len()
                }
                State::Length(left) => {
                    let used = take(input, left, search);
                    if *left == 0 {
                        self.0 = State::Complete;
                    }
                    used
                }
                State::Data(left) => {
                    let used = take(input, left, search);
                    if *left == 0 {
                        self.0 = State::DataCr;
                    }
                    used
                }
                framing => {
                    *framing = chunk(framing, *first)?;
                    1
                }
            };
            input = &input[used..];
        }
        Ok(())
    }
}

fn take(input: &[u8], left: &mut u64, search: &mut Search<'_>) -> usize {
    let used = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    search.push(&input[..used]);
    *left -= used as u64;
    used
}

/// One byte between the data of two chunks.
fn chunk(state: &State, byte: u8) -> Result<State, &'static str> {
    const MALFORMED: &str = "the response has a malformed chunk";
    match (state, byte) {
        (State::Size { line: LONGEST_LINE, .. } | State::Extension { line: LONGEST_LINE, .. }, _) => {
            Err("the response has an endless chunk header")
        }
        (State::Size { size, any: true, .. }, b'\r') => Ok(State::SizeEnd { size: *size }),
        (State::Size { size, any: true, line }, b';' | b' ' | b'\t') => {
            Ok(State::Extension { size: *size, line: line + 1 })
        }
        (State::Size { size, line, .. }, digit) => {
            let digit = char::from(digit).to_digit(16).ok_or(MALFORMED)?;
            let size = size.checked_mul(16).ok_or(MALFORMED)? | u64::from(digit);
            Ok(State::Size { size, any: true, line: line + 1 })
        }
        (State::Extension { size, .. }, b'\r') => Ok(State::SizeEnd { size: *size }),
        (State::Extension { .. }, b'\n' | 0) => Err(MALFORMED),
        (State::Extension { size, line }, _) => Ok(State::Extension { size: *size, line: line + 1 }),
        (State::SizeEnd { size: 0 }, b'\n') => Ok(State::Complete),
        (State::SizeEnd { size }, b'\n') => Ok(State::Data(*size)),
        (State::DataCr, b'\r') => Ok(State::DataLf),
        (State::DataLf, b'\n') => Ok(NEXT_CHUNK),
        _ => Err(MALFORMED),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first 64 KiB of the body, found byte by byte through the search's own door.
    fn decode(framing: &Framing, raw: &[u8], cuts: usize) -> Result<(usize, bool), &'static str> {
        let mut body = Body::new(framing);
        let mut search = Search::new("\u{1}never\u{1}");
        for piece in raw.chunks(cuts.max(1)) {
            body.feed(piece, &mut search)?;
        }
        Ok((search.seen, body.is_complete()))
    }

    #[test]
    fn chunks() {
        type Row = (&'static str, Result<(usize, bool), ()>);
        let table: [Row; 16] = [
            ("2\r\nok\r\n0\r\n\r\n", Ok((2, true))),
            ("1\r\no\r\n1\r\nk\r\n0\r\nTrailer: x\r\n\r\n", Ok((2, true))),
            ("A;ext=1\r\n0123456789\r\n0\r\n", Ok((10, true))),
            ("2 \r\nok\r\n", Ok((2, false))),
            ("00000000000000002\r\nok\r\n0\r\n\r\n", Ok((2, true))),
            ("2\r\no", Ok((1, false))),
            ("0\r\n", Ok((0, true))),
            ("\r\n", Err(())),
            ("x\r\n", Err(())),
            ("-1\r\n", Err(())),
            ("0x2\r\nok\r\n", Err(())),
            ("2\nok\n", Err(())),
            ("2\r\nokk\r\n", Err(())),
            ("2\r\nok\n", Err(())),
            ("2;a\nb\r\nok", Err(())),
            ("11111111111111111\r\n", Err(())),
        ];
        for (raw, expected) in table {
            for cuts in [1, 3, 1000] {
                assert_eq!(
                    decode(&Framing::Chunked, raw.as_bytes(), cuts).map_err(|_| ()),
                    expected,
                    "{raw:?}"
                );
            }
        }
        let endless = format!("2;{}", "x".repeat(1000));
        assert_eq!(
            decode(&Framing::Chunked, endless.as_bytes(), 7),
            Err("the response has an endless chunk header")
        );
        let zeros = "0".repeat(1000);
        assert!(decode(&Framing::Chunked, zeros.as_bytes(), 7).is_err());
    }

    #[test]
    fn lengths() {
        assert_eq!(decode(&Framing::Length(3), b"abcdef", 2), Ok((3, true)));
        assert_eq!(decode(&Framing::Length(9), b"abcdef", 2), Ok((6, false)));
        assert_eq!(decode(&Framing::Length(u64::MAX), b"abcdef", 2), Ok((6, false)));
        assert_eq!(decode(&Framing::Length(0), b"x", 1), Ok((0, true)));
        assert_eq!(decode(&Framing::Empty, b"x", 1), Ok((0, true)));
        assert_eq!(decode(&Framing::UntilClose, b"abcdef", 4), Ok((6, false)));
    }

    #[test]
    fn looks_at_64_kib_only() {
        for (padding, found) in [(LONGEST - 2, true), (LONGEST - 1, false), (LONGEST, false)] {
            let mut raw = vec![b'.'; padding];
            raw.extend(b"ok");
            let mut search = Search::new("ok");
            let mut body = Body::new(&Framing::UntilClose);
            raw.chunks(1000).for_each(|piece| body.feed(piece, &mut search).unwrap());
            assert_eq!((search.found(), search.is_full()), (found, true), "{padding}");
            assert!(search.tail.len() < 2, "only what a match may begin with is kept");
        }
    }

    fn encode(body: &[u8], sizes: &[usize]) -> Vec<u8> {
        let mut raw = Vec::new();
        let mut rest = body;
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            raw.extend(format!("{:x}\r\n", chunk.len()).bytes());
            raw.extend(chunk);
            raw.extend(b"\r\n");
            rest = after;
            if chunk.is_empty() {
                return raw;
            }
        }
        raw
    }

    proptest! {
        /// However it is framed and cut, a text is found exactly when it is there.
        #[test]
        fn finds_what_is_there(
            body in "[ab]{0,60}",
            needle in "[ab]{0,5}",
            sizes in prop::collection::vec(1_usize..9, 1..4),
            cut in 1_usize..20,
        ) {
            let body = body.as_bytes();
            let expected = memchr::memmem::find(body, needle.as_bytes()).is_some();
            let framed = [
                (Framing::Chunked, encode(body, &sizes)),
                (Framing::Length(body.len() as u64), body.to_vec()),
                (Framing::UntilClose, body.to_vec()),
            ];
            for (framing, raw) in framed {
                let mut search = Search::new(&needle);
                let mut decoder = Body::new(&framing);
                for piece in raw.chunks(cut) {
                    prop_assert!(decoder.feed(piece, &mut search).is_ok());
                }
                prop_assert_eq!(search.found(), expected);
                prop_assert_eq!(decoder.is_complete(), framing != Framing::UntilClose);
            }
        }

        #[test]
        fn any_chunks_are_safe(raw: Vec<u8>, cut in 1_usize..20) {
            let _ = decode(&Framing::Chunked, &raw, cut);
        }
    }
}
