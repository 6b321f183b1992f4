//! Bytes that a client sent and nobody used yet: an incomplete head, or requests ahead of their turn.

use haechi_http1::head_end;

/// Used from the front; filled at the back only when what is there is not enough.
#[derive(Default)]
pub(crate) struct Unread {
    bytes: Vec<u8>,
    /// Where the unused bytes begin: thousands of small requests that came at once are not moved up after each.
    at: usize,
    /// How many unused bytes are known to hold no end of a head.
    scanned: usize,
}

impl Unread {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What is there.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Adds what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// So many bytes were used. Gives the memory back when none is left.
    pub(crate) fn consume(&mut self, count: usize) -> Option<Vec<u8>> {
        self.at = (self.at + count).min(self.bytes.len());
        self.scanned = 0;
        if !self.is_empty() {
            return None;
        }
        self.at = 0;
        Some(std::mem::take(&mut self.bytes))
    }

    /// What is there was parsed, and is the beginning of a head.
    pub(crate) fn note_partial(&mut self) {
        self.scanned = self.len();
    }

    /// Whether a head that began can't have ended yet, looking at each byte once. Not so when it is broken or
    /// over `limit`: then the parser says what it is.
    pub(crate) fn is_still_partial(&mut self, limit: usize) -> bool {
        let partial =
            self.scanned > 0 && self.len() < limit && head_end(self.rest(), self.scanned) == Ok(None);
        if partial {
            self.scanned = self.len();
        }
        partial
    }

    /// All of it, as a vector.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.drain(..self.at);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_gone_and_the_rest_stays() {
        let mut unread = Unread::default();
        unread.push(b"abcdef");
        assert_eq!(unread.consume(2), None);
        assert_eq!((unread.rest(), unread.len()), (&b"cdef"[..], 4));
        unread.push(b"g");
        assert_eq!(unread.rest(), b"cdefg");
        assert_eq!(unread.consume(1), None);
        assert_eq!(unread.consume(9).unwrap(), b"cdefg", "the memory, whatever is in it");
        assert!(unread.is_empty());
        unread.push(b"hi");
        assert_eq!(unread.consume(1), None);
        assert_eq!(unread.into_rest(), b"i");
    }

    #[test]
    fn a_head_is_partial_until_its_end_its_limit_or_a_break() {
        let mut unread = Unread::default();
        unread.push(b"GET");
        assert!(!unread.is_still_partial(99), "nobody has parsed it yet");
        unread.note_partial();
        unread.push(b" / HTTP/1.1\r\n\r");
        assert!(unread.is_still_partial(99));
        assert!(!unread.is_still_partial(10));
        unread.push(b"\n");
        assert!(!unread.is_still_partial(99));
        let mut unread = Unread::default();
        unread.push(b"GET");
        unread.note_partial();
        unread.push(b" /\n");
        assert!(!unread.is_still_partial(99));
    }
}
