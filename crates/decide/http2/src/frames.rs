//! Frames as bytes (RFC 9113 §4, §6): heads read and written, sizes checked. What a frame means is decided
//! elsewhere.

use crate::{Code, Why};

/// Octets of a frame's head.
pub(crate) const HEAD: usize = 9;

/// Largest payload that we take: the protocol's default, so that nothing has to be announced.
pub(crate) const MOST_PAYLOAD: u32 = 16_384;

/// Frame types.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    /// RFC 9218 §7.1.
    pub(crate) const PRIORITY_UPDATE: u8 = 16;
}

/// Flags.
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 32;
}

/// The first nine octets of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHead {
    pub(crate) len: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHead {
    #[inline]
    pub(crate) const fn read(bytes: &[u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    #[inline]
    pub(crate) const fn bytes(self) -> [u8; HEAD] {
        let [_, a, b, c] = self.len.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s0, s1, s2, s3]
    }

    #[inline]
    pub(crate) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Octets, this head included, that must lie together before the frame can be read: DATA is taken in any
    /// pieces, and what is skipped need not be there at all.
    #[inline]
    pub(crate) const fn needed(self) -> usize {
        match self.kind {
            kind::DATA if self.has(flag::PADDED) && self.len > 0 => HEAD + 1,
            kind::DATA => HEAD,
            kind::HEADERS..=kind::CONTINUATION | kind::PRIORITY_UPDATE => HEAD + self.len as usize,
            _ => HEAD,
        }
    }

    /// Whether a frame of this kind may have this size and stand on this stream, whatever else is true of it.
    #[inline]
    pub(crate) fn check(self) -> Result<(), Why> {
        if self.len > MOST_PAYLOAD {
            return Err(size("frame above the allowed size"));
        }
        let on_stream = self.stream != 0;
        match self.kind {
            kind::DATA | kind::HEADERS | kind::CONTINUATION if on_stream => Ok(()),
            kind::WINDOW_UPDATE if self.len == 4 => Ok(()),
            kind::RST_STREAM if on_stream && self.len == 4 => Ok(()),
            kind::SETTINGS if !on_stream && self.len.is_multiple_of(6) => {
                if self.has(flag::ACK) && self.len > 0 {
                    Err(size("SETTINGS with ACK and entries"))
                } else {
                    Ok(())
                }
            }
            kind::PING if !on_stream && self.len == 8 => Ok(()),
            kind::GOAWAY if !on_stream && self.len >= 8 => Ok(()),
            // RFC 9113 §6.3 makes a wrong size an error of the stream; we would reset what it is no part of.
            kind::PRIORITY if on_stream && self.len == 5 => Ok(()),
            kind::PRIORITY_UPDATE if !on_stream && self.len >= 4 => Ok(()),
            kind::DATA..=kind::CONTINUATION | kind::PRIORITY_UPDATE => Err(self.wrong()),
            _ => Ok(()),
        }
    }

    #[cold]
    fn wrong(self) -> Why {
        match (self.kind, self.stream) {
            (kind::DATA, _) => Why::protocol("DATA on stream 0"),
            (kind::HEADERS, _) => Why::protocol("HEADERS on stream 0"),
            (kind::CONTINUATION, _) => Why::protocol("CONTINUATION on stream 0"),
            (kind::PUSH_PROMISE, _) => Why::protocol("PUSH_PROMISE, which we do not allow"),
            (kind::PRIORITY | kind::RST_STREAM, 0) => Why::protocol("frame of a stream on stream 0"),
            (kind::SETTINGS | kind::PING | kind::GOAWAY | kind::PRIORITY_UPDATE, 1..) => {
                Why::protocol("frame of the connection on a stream")
            }
            _ => size("frame of a wrong size"),
        }
    }
}

const fn size(rule: &'static str) -> Why {
    Why::new(Code::FRAME_SIZE_ERROR, rule)
}

/// A payload without its padding (§6.1): gives what is left, or nothing if the padding is longer than that.
pub(crate) fn unpadded(head: FrameHead, payload: &[u8]) -> Result<&[u8], Why> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(size("padded frame without its padding's length"))?;
    let kept =
        rest.len().checked_sub(usize::from(*padding)).ok_or(Why::protocol("padding beyond the frame"))?;
    Ok(&rest[..kept])
}

/// The number in the first four octets.
#[inline]
pub(crate) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

/// Appends a frame.
pub(crate) fn write(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(payload.len()).unwrap_or(MOST_PAYLOAD);
    out.extend_from_slice(&FrameHead { len, kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

/// Appends an RST_STREAM.
pub(crate) fn write_reset(stream: u32, code: Code, out: &mut Vec<u8>) {
    write(kind::RST_STREAM, 0, stream, &code.0.to_be_bytes(), out);
}

/// Appends a WINDOW_UPDATE.
pub(crate) fn write_window(stream: u32, by: u32, out: &mut Vec<u8>) {
    write(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes(), out);
}

/// Appends a GOAWAY with the reason in words, for who reads a capture.
pub(crate) fn write_goaway(last: u32, why: Why, out: &mut Vec<u8>) {
    let text = why.rule.as_bytes();
    let len = u32::try_from(8 + text.len()).unwrap_or(MOST_PAYLOAD);
    out.extend_from_slice(&FrameHead { len, kind: kind::GOAWAY, flags: 0, stream: 0 }.bytes());
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&why.code.0.to_be_bytes());
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_as_they_are_written() {
        let head = FrameHead { len: 0x01_0203, kind: 9, flags: 0xa5, stream: 0x7fff_fffe };
        assert_eq!(FrameHead::read(&head.bytes()), head);
        let mut reserved = head.bytes();
        reserved[5] |= 0x80;
        assert_eq!(FrameHead::read(&reserved), head, "the reserved bit is ignored (§4.1)");
    }

    #[test]
    fn sizes_and_streams_by_kind() {
        // Kind, sizes that are right, whether it stands on a stream (None: either).
        type Row = (u8, fn(u32) -> bool, Option<bool>);
        let rows: [Row; 11] = [
            (kind::DATA, |_| true, Some(true)),
            (kind::HEADERS, |_| true, Some(true)),
            (kind::PRIORITY, |len| len == 5, Some(true)),
            (kind::RST_STREAM, |len| len == 4, Some(true)),
            (kind::SETTINGS, |len| len % 6 == 0, Some(false)),
            (kind::PUSH_PROMISE, |_| false, None),
            (kind::PING, |len| len == 8, Some(false)),
            (kind::GOAWAY, |len| len >= 8, Some(false)),
            (kind::WINDOW_UPDATE, |len| len == 4, None),
            (kind::CONTINUATION, |_| true, Some(true)),
            (kind::PRIORITY_UPDATE, |len| len >= 4, Some(false)),
        ];
        for (kind, size, on_stream) in rows {
            for len in 0..20 {
                for stream in [0, 1] {
                    let right = size(len) && on_stream.is_none_or(|wanted| wanted == (stream != 0));
                    let head = FrameHead { len, kind, flags: 0, stream };
                    assert_eq!(head.check().is_ok(), right, "{head:?}");
                }
            }
            let large = FrameHead { len: MOST_PAYLOAD + 1, kind, flags: 0, stream: 1 };
            assert_eq!(large.check().unwrap_err().code, Code::FRAME_SIZE_ERROR);
        }
        for kind in (10..16).chain(17..=255) {
            assert_eq!(
                FrameHead { len: 3, kind, flags: 0xff, stream: 8 }.check(),
                Ok(()),
                "unknown: ignored"
            );
        }
    }

    #[test]
    fn padding_is_taken_off_or_refused() {
        let padded = |payload: &[u8]| {
            let head = FrameHead { len: 0, kind: kind::HEADERS, flags: flag::PADDED, stream: 1 };
            unpadded(head, payload).map(<[u8]>::to_vec).map_err(|why| why.code)
        };
        assert_eq!(padded(&[2, b'x', 0, 0]), Ok(b"x".to_vec()));
        assert_eq!(padded(&[0]), Ok(vec![]));
        assert_eq!(padded(&[3, 0, 0]), Err(Code::PROTOCOL_ERROR));
        assert_eq!(padded(&[]), Err(Code::FRAME_SIZE_ERROR));
    }
}
