//! Bodies are followed, not stored: each call says which bytes of the buffer go on.

use std::ops::Range;

use haechi_model::Fault;

use crate::scan::is_token;
use crate::trailers::Trailers;
use crate::{Framing, HeadError};

/// Most bytes of chunk extensions in one message. They are read and dropped; without a bound a peer could send them
/// for ever.
const MAX_DROPPED: u32 = 4 << 10;

/// Which bytes of a buffer go on: ascending ranges, adjacent ones merged.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Range<usize>>);

impl Pieces {
    /// Forgets all ranges and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Adds bytes that go on. `range` lies behind all others.
    pub fn push(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.0.push(range),
        }
    }
}

/// How far one call got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advance {
    /// Bytes of the buffer that belong to the body; the rest is the next message.
    pub consumed: usize,
    /// The body has ended.
    pub done: bool,
}

/// A body on its way through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// So many bytes are left.
    Length(u64),
    /// Chunks, checked and passed on in their framing, or unwrapped.
    Chunked(Chunks),
    /// All bytes to the end of the connection, so many at the most.
    UntilClose(u64),
}

impl Body {
    /// At the start of a body.
    pub fn new(framing: Framing, dechunk: bool) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunks::new(dechunk)),
            Framing::UntilClose => Self::UntilClose(u64::MAX),
        }
    }

    /// Whether nothing of it is left.
    pub const fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => matches!(chunks.state, State::Done),
            Self::UntilClose(_) => false,
        }
    }

    /// Takes the next bytes and adds to `pieces` those that go on.
    ///
    /// # Errors
    /// Framing that breaks RFC 9112 §7.1. What was passed on before stays passed on: both connections must
    /// be closed.
    pub fn advance(&mut self, buf: &[u8], pieces: &mut Pieces) -> Result<Advance, HeadError> {
        match self {
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= take as u64;
                pieces.push(0..take);
                Ok(Advance { consumed: take, done: *left == 0 })
            }
            Self::Chunked(chunks) => chunks.advance(buf, pieces),
            Self::UntilClose(allowed) => {
                *allowed = less(*allowed, buf.len() as u64, 0)?;
                pieces.push(0..buf.len());
                Ok(Advance { consumed: buf.len(), done: false })
            }
        }
    }

    /// Lets no more than so many bytes of data through, if its length is not known beforehand.
    pub const fn limit(&mut self, most: u64) {
        match self {
            Self::Length(_) => {}
            Self::Chunked(chunks) => chunks.allowed = most,
            Self::UntilClose(allowed) => *allowed = most,
        }
    }

    /// Lets no trailers through: whoever merges them into a head would take them for what was judged there.
    pub const fn drop_trailers(&mut self) {
        if let Self::Chunked(chunks) = self {
            chunks.bare = true;
        }
    }

    /// Whether trailers go on behind it.
    pub const fn keeps_trailers(&self) -> bool {
        match self {
            Self::Chunked(chunks) => !chunks.bare,
            Self::Length(_) | Self::UntilClose(_) => false,
        }
    }

    /// So many bytes of data came, without framing that would be read here.
    ///
    /// # Errors
    /// More than [`limit`](Self::limit) allows.
    pub fn count(&mut self, bytes: u64) -> Result<(), HeadError> {
        match self {
            Self::Chunked(chunks) => chunks.count(bytes, 0),
            Self::Length(_) | Self::UntilClose(_) => Ok(()),
        }
    }

    /// `count` bytes of a known-length body went past without being seen (splice).
    pub fn skip(&mut self, count: u64) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(count);
        }
    }

    /// The fields behind a body that is done, if there are any; afterwards there are none. They are not among its
    /// pieces, and then the empty line behind them is not either.
    pub fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        match self {
            Self::Chunked(chunks) if chunks.state == State::Done => {
                chunks.trailers.take().filter(|trailers| !trailers.lines().is_empty())
            }
            Self::Length(_) | Self::Chunked(_) | Self::UntilClose(_) => None,
        }
    }

    /// Bytes that are surely still to come, if that is known.
    pub const fn known_left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose(_) => None,
        }
    }
}

/// The chunked coding (RFC 9112 §7.1), a byte at a time where it is framing and a block at a time where it
/// is data. Extensions are checked and dropped, trailers are judged and kept apart: nothing that we forward is framed
/// by bytes that two readers may read differently.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunks {
    state: State,
    dechunk: bool,
    dropped: u32,
    /// No trailers go on.
    bare: bool,
    /// Bytes of data that may still come.
    allowed: u64,
    /// From the first one on; boxed, because hardly any message has one.
    trailers: Option<Box<Trailers>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Size {
        value: u64,
        digits: u8,
    },
    Extension {
        value: u64,
        quoted: bool,
        escaped: bool,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the start of a trailer line, or of the final empty line.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    FinalLf,
    Done,
}

impl Chunks {
    const fn new(dechunk: bool) -> Self {
        Self {
            state: State::Size { value: 0, digits: 0 },
            dechunk,
            dropped: 0,
            bare: false,
            allowed: u64::MAX,
            trailers: None,
        }
    }

    fn advance(&mut self, buf: &[u8], pieces: &mut Pieces) -> Result<Advance, HeadError> {
        let mut at = 0;
        while at < buf.len() && self.state != State::Done {
            if let State::Data { left } = &mut self.state {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len() - at);
                *left -= take as u64;
                pieces.push(at..at + take);
                at += take;
                if *left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let goes_on = self.step(buf[at], at)?;
            if goes_on && !self.dechunk {
                pieces.push(at..at + 1);
            }
            at += 1;
        }
        Ok(Advance { consumed: at, done: self.state == State::Done })
    }

    /// One byte of framing. Says whether it goes on to the other side.
    fn step(&mut self, byte: u8, at: usize) -> Result<bool, HeadError> {
        let bad = |rule| Err(HeadError::new(Fault::BadRequestBody, rule, at));
        let (next, goes_on) = match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                // 15 digits are an exabyte; a 16th could only overflow somebody's signed length.
                if digits == 15 {
                    return bad("chunk size too large");
                }
                (State::Size { value: value << 4 | hex(byte), digits: digits + 1 }, true)
            }
            (State::Size { digits: 0, .. }, _) => return bad("chunk size is not a hexadecimal number"),
            (State::Size { value, .. }, b'\r') => (State::SizeLf { value }, true),
            (State::Size { value, .. }, b';') => {
                (State::Extension { value, quoted: false, escaped: false }, false)
            }
            (State::Size { .. }, _) => return bad("byte not allowed after a chunk size"),
            (State::Extension { value, quoted, escaped }, _) => {
                return self.extension(byte, value, quoted, escaped, at);
            }
            (State::SizeLf { value: 0 }, b'\n') => (State::TrailerStart, true),
            (State::SizeLf { value }, b'\n') => {
                // Judged by what is announced, so that none of it goes on.
                self.count(value, at)?;
                (State::Data { left: value }, true)
            }
            (State::DataCr, b'\r') => (State::DataLf, true),
            (State::DataLf, b'\n') => (State::Size { value: 0, digits: 0 }, true),
            (State::TrailerStart, b'\r') => (State::FinalLf, self.has_no_trailers()),
            (State::FinalLf, b'\n') => (State::Done, self.has_no_trailers()),
            (State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerLf, _) => {
                return self.trailer(byte, at);
            }
            (State::DataCr | State::DataLf, _) => return bad("chunk data does not end with CRLF"),
            (State::SizeLf { .. } | State::FinalLf, _) => return bad("CR without LF after it"),
            (State::Data { .. } | State::Done, _) => (self.state, false),
        };
        self.state = next;
        if matches!(next, State::Extension { .. }) {
            self.count_dropped(at)?
        }
        Ok(goes_on)
    }

    /// Whether nothing stands between the last chunk and the empty line.
    fn has_no_trailers(&self) -> bool {
        self.trailers.as_ref().is_none_or(|trailers| trailers.lines().is_empty())
    }

    fn trailer(&mut self, byte: u8, at: usize) -> Result<bool, HeadError> {
        self.state = match (self.state, byte) {
            (State::TrailerStart, _) if is_token(byte) => State::TrailerName,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerName, _) if is_token(byte) => State::TrailerName,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, b'\t' | 0x20..=0x7e | 0x80..) => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            _ => return Err(HeadError::new(Fault::BadRequestBody, "malformed trailer", at)),
        };
        let trailers = self.trailers.get_or_insert_default();
        trailers.byte(byte, at)?;
        if self.state == State::TrailerStart {
            trailers.end_line(at)?;
            if self.bare {
                trailers.forget();
            }
        }
        Ok(false)
    }

    fn extension(
        &mut self,
        byte: u8,
        value: u64,
        quoted: bool,
        escaped: bool,
        at: usize,
    ) -> Result<bool, HeadError> {
        let bad = |rule| Err(HeadError::new(Fault::BadRequestBody, rule, at));
        self.state = match byte {
            b'\r' if quoted => return bad("chunk extension with an open quote"),
            b'\r' => State::SizeLf { value },
            b'\n' => return bad("LF without CR before it"),
            b'\t' | 0x20..=0x7e | 0x80.. => {
                let toggles = byte == b'"' && !escaped;
                let escaped = quoted && byte == b'\\' && !escaped;
                State::Extension { value, quoted: quoted != toggles, escaped }
            }
            _ => return bad("control character in a chunk extension"),
        };
        let goes_on = byte == b'\r';
        if !goes_on {
            self.count_dropped(at)?
        }
        Ok(goes_on)
    }

    fn count(&mut self, bytes: u64, at: usize) -> Result<(), HeadError> {
        self.allowed = less(self.allowed, bytes, at)?;
        Ok(())
    }

    fn count_dropped(&mut self, at: usize) -> Result<(), HeadError> {
        self.dropped += 1;
        if self.dropped > MAX_DROPPED {
            return Err(HeadError::new(Fault::BadRequestBody, "too many bytes in chunk extensions", at));
        }
        Ok(())
    }
}

fn hex(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    })
}

/// What is still allowed after so many bytes.
fn less(allowed: u64, bytes: u64, at: usize) -> Result<u64, HeadError> {
    let too_large = HeadError::new(Fault::BodyTooLarge, "a body over its route's limit", at);
    allowed.checked_sub(bytes).ok_or(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `wire` in blocks of `step` bytes; gives what went on, and how many bytes were taken.
    fn run(wire: &[u8], dechunk: bool, step: usize) -> Result<(Vec<u8>, usize, bool), &'static str> {
        let mut body = Body::new(Framing::Chunked, dechunk);
        let (mut out, mut taken) = (Vec::new(), 0);
        for block in wire.chunks(step.max(1)) {
            let mut pieces = Pieces::default();
            let advance = body.advance(block, &mut pieces).map_err(|error| error.rule)?;
            for range in pieces.ranges() {
                out.extend_from_slice(&block[range.clone()]);
            }
            taken += advance.consumed;
            if advance.done {
                return Ok((out, taken, true));
            }
        }
        Ok((out, taken, false))
    }

    #[test]
    fn a_limit_is_judged_by_what_chunks_announce() {
        let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for (most, taken) in [(11, Ok(true)), (10, Err(Fault::BodyTooLarge)), (4, Err(Fault::BodyTooLarge))] {
            let mut body = Body::new(Framing::Chunked, false);
            body.limit(most);
            let advance = body.advance(wire, &mut Pieces::default());
            assert_eq!(advance.map(|advance| advance.done).map_err(|error| error.fault), taken, "{most}");
        }
        let mut body = Body::new(Framing::Chunked, false);
        body.limit(10);
        assert!(body.count(6).is_ok() && body.count(4).is_ok() && body.count(1).is_err());
        let mut open = Body::new(Framing::UntilClose, false);
        open.limit(10);
        let mut take = |count: usize| open.advance(&[0; 8][..count], &mut Pieces::default()).is_ok();
        assert!(take(8) && take(2) && !take(1));
        let mut known = Body::new(Framing::Length(7), false);
        known.limit(1);
        assert!(known.count(7).is_ok(), "what is known is judged by its head");
    }

    #[test]
    fn plain_chunks_go_on_as_they_came_or_unwrapped() {
        let wire = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nNEXT";
        let len = wire.len() - 4;
        assert_eq!(run(wire, false, 99), Ok((wire[..len].to_vec(), len, true)));
        assert_eq!(run(wire, true, 99), Ok((b"hello world".to_vec(), len, true)));
    }

    #[test]
    fn a_body_that_keeps_no_trailers_ends_without_them() {
        let wire = b"2\r\nhi\r\n0\r\nX-User: root\r\nSum: 1\r\n\r\n";
        let (mut body, mut pieces) = (Body::new(Framing::Chunked, false), Pieces::default());
        body.drop_trailers();
        assert!(body.advance(wire, &mut pieces).unwrap().done && !body.keeps_trailers());
        let went: Vec<u8> = pieces.ranges().iter().flat_map(|piece| wire[piece.clone()].to_vec()).collect();
        assert_eq!((went.as_slice(), body.take_trailers()), (&b"2\r\nhi\r\n0\r\n\r\n"[..], None));
    }

    #[test]
    fn extensions_are_dropped() {
        let wire = b"5;a=\"b;\\\"c\";d\r\nhello\r\n0;x\r\n\r\n";
        assert_eq!(run(wire, false, 99), Ok((b"5\r\nhello\r\n0\r\n\r\n".to_vec(), wire.len(), true)));
    }

    #[test]
    fn trailers_stand_apart_and_the_empty_line_with_them() {
        let wire = b"5\r\nhello\r\n0\r\nSum: 1 \r\nCookie: a\r\nOther:\r\n\r\n";
        for (dechunk, out) in [(false, &b"5\r\nhello\r\n0\r\n"[..]), (true, b"hello")] {
            for step in [1, 7, 99] {
                let mut body = Body::new(Framing::Chunked, dechunk);
                let mut went = Vec::new();
                for block in wire.chunks(step) {
                    let mut pieces = Pieces::default();
                    // Half a line that was taken let its other half through as a line of its own.
                    assert_eq!(body.take_trailers(), None);
                    body.advance(block, &mut pieces).unwrap();
                    pieces.ranges().iter().for_each(|range| went.extend_from_slice(&block[range.clone()]));
                }
                assert_eq!(went, out);
                assert_eq!(body.take_trailers().unwrap().lines(), b"Sum: 1 \r\nOther:\r\n");
                assert_eq!(body.take_trailers(), None);
            }
        }
        let wire = b"0\r\nCookie: a\r\n\r\n";
        assert_eq!(run(wire, false, 1), Ok((b"0\r\n\r\n".to_vec(), wire.len(), true)), "none is left");
    }

    #[test]
    fn framing_that_others_read_differently_is_refused() {
        for bad in [
            &b"\r\n"[..],
            b"0x5\r\n",
            b"+5\r\n",
            b"-5\r\n",
            b"5_0\r\n",
            b" 5\r\n",
            b"5 \r\n",
            b"5\n",
            b"5\r5",
            b"1000000000000000\r\n",
            b"5;a\nhello",
            b"5;a=\"\r\n",
            b"5;a\x00\r\n",
            b"5\r\nhello0\r\n",
            b"5\r\nhello\n",
            b"0\r\n\n",
            b"0\r\n: x\r\n",
            b"0\r\n x\r\n",
            b"0\r\na b\r\n",
            b"0\r\na: \x00\r\n",
            b"0\r\na: b\n",
            b"0\r\nContent-Length\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\ntransfer-encoding: chunked\r\n\r\n",
            b"0\r\nHost: other\r\n\r\n",
        ] {
            assert!(run(bad, false, 99).is_err(), "{}", bad.escape_ascii());
            assert!(run(bad, false, 1).is_err(), "{} byte by byte", bad.escape_ascii());
        }
    }

    #[test]
    fn endless_extensions_and_trailers_end() {
        let mut wire = b"1;".to_vec();
        wire.resize(5000, b'a');
        assert!(run(&wire, false, 100).is_err());
        let wire = b"0\r\n"
            .iter()
            .copied()
            .chain(b"a: b\r\n".iter().copied().cycle().take(30_000))
            .collect::<Vec<_>>();
        assert!(run(&wire, false, 100).is_err());
    }

    proptest! {
        #[test]
        fn any_chunking_of_any_body_is_read_the_same_in_any_blocks(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            step in 1usize..60,
            tail in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let len = wire.len();
            wire.extend_from_slice(&tail);
            prop_assert_eq!(run(&wire, true, step), Ok((chunks.concat(), len, true)));
            prop_assert_eq!(run(&wire, false, step), Ok((wire[..len].to_vec(), len, true)));
        }

        #[test]
        fn arbitrary_bytes_are_read_the_same_in_any_blocks(wire in "[0-9a-f;\r\n x\"]{0,40}", step in 1usize..10) {
            let whole = run(wire.as_bytes(), false, 99);
            let parts = run(wire.as_bytes(), false, step);
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn a_known_length_takes_exactly_its_bytes(length in 0u64..100, wire in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut body = Body::new(Framing::Length(length), false);
            let advance = body.advance(&wire, &mut Pieces::default()).unwrap();
            prop_assert_eq!(advance.consumed, wire.len().min(usize::try_from(length).unwrap()));
            prop_assert_eq!(advance.done, wire.len() as u64 >= length);
        }
    }
}
