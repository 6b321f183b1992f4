//! DATA that we send, as much as the peer's windows allow (RFC 9113 §6.9).

use haechi_model::Moment;

use super::Connection;
use super::send::LONGEST;
use crate::Limit;
use crate::event::StreamId;
use crate::frames::{FrameHead, flag, kind};
use crate::limits::TINY;
use crate::streams::{Stage, Stall, Way};
use crate::{Code, Why};

impl Connection {
    /// How many bytes of body may go on this stream now. If none may, the stream waits from now on, and
    /// [`crate::Event::Writable`] or [`crate::Event::Settings`] tells when to ask again.
    #[inline]
    pub fn allowance(&mut self, stream: StreamId, now: Moment) -> usize {
        let Some(open) = self.streams.get_mut(stream.0).filter(|open| open.ours == Way::Open) else {
            return 0;
        };
        let window = self.send_window.min(open.send_window);
        if let Ok(allowed @ 1..) = usize::try_from(window) {
            return allowed;
        }
        let begin = Stall { since: now, allowed: 0 };
        if open.send_window <= 0 {
            open.waits = true;
            let over = open.stall.get_or_insert(begin).since + self.config.limits.stall_timeout;
            self.times.stalls = Some(self.times.stalls.map_or(over, |first| first.min(over)));
        }
        if self.send_window <= 0 {
            self.waits = true;
            self.times.stall.get_or_insert(begin);
        }
        0
    }

    /// Sends bytes of a body by copying them into the output; gives how many were taken. If not all were, the
    /// stream waits as after [`Self::allowance`]. `end` holds once all are taken. Nothing is taken for a stream
    /// that is gone, has ended on our side, or has no head yet. If a limit bites here, the next call of
    /// [`Self::receive`] or [`Self::tick`] tells.
    pub fn send_data(&mut self, stream: StreamId, bytes: &[u8], end: bool, now: Moment) -> usize {
        let mut taken = 0;
        while let Some(part) = self.data_head(stream.0, bytes.len() - taken, end, now) {
            self.out.extend_from_slice(bytes.get(taken..taken + part.len).unwrap_or_default());
            taken += part.len;
            if part.last {
                self.we_ended(stream.0);
            }
            if taken == bytes.len() {
                break;
            }
        }
        taken
    }

    /// Sends bytes of a body by reference: the frame's head is put in the output, and the bytes are to follow it.
    /// `None` where [`Self::send_data`] would take none.
    pub fn gather_data(
        &mut self,
        stream: StreamId,
        len: usize,
        end: bool,
        now: Moment,
    ) -> Option<Gather<'_>> {
        let part = self.data_head(stream.0, len, end, now)?;
        Some(Gather { connection: self, id: stream.0, part, used: false })
    }

    /// Puts the head of a DATA frame in the output, and gives what must follow it before anything else is put there.
    #[inline]
    fn data_head(&mut self, id: u32, len: usize, end: bool, now: Moment) -> Option<Part> {
        if self.closed.is_some() {
            return None;
        }
        let open = self.streams.get(id)?;
        if open.ours == Way::Ended || open.our_stage == Stage::Head || (len == 0 && !end) {
            return None;
        }
        let allowed = if len == 0 { 0 } else { self.allowance(StreamId(id), now) };
        if allowed == 0 && len > 0 {
            return None;
        }
        let most = self.peer.frame.min(LONGEST) as usize;
        let count = len.min(allowed).min(most);
        if count < TINY && allowed < len {
            let rate = self.limits().tiny_windows;
            if let Err(why) = self.count_of_client(Limit::TinyWindows, rate, now) {
                self.fail(why);
                return None;
            }
        }
        let last = end && count == len;
        let size = u32::try_from(count).unwrap_or(LONGEST);
        let flags = if last { flag::END_STREAM } else { 0 };
        self.out.extend_from_slice(&FrameHead { len: size, kind: kind::DATA, flags, stream: id }.bytes());
        self.charge(id, size);
        Some(Part { len: count, last })
    }

    /// Takes so many bytes from both windows.
    #[inline]
    fn charge(&mut self, id: u32, count: u32) {
        self.earned.earn(3, 1, 0);
        self.send_window -= i64::from(count);
        let enough = self.config.limits.stall_bytes;
        progress(&mut self.times.stall, count, enough);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.send_window -= i64::from(count);
            progress(&mut stream.stall, count, enough);
        }
    }
}

/// The payload of a DATA frame.
#[derive(Clone, Copy, Debug)]
struct Part {
    len: usize,
    /// It ends our side of the stream.
    last: bool,
}

/// A stall is over once the peer has allowed enough.
#[inline]
fn progress(stall: &mut Option<Stall>, count: u32, enough: u32) {
    if let Some(open) = stall {
        open.allowed = open.allowed.saturating_add(count);
        if open.allowed >= enough {
            *stall = None;
        }
    }
}

/// A DATA frame whose head is in the output and whose payload is the caller's. Either [`Self::copy`] it, or write
/// [`Self::output`] and the payload in one vectored write and say with [`Self::sent`] how far that got.
#[derive(Debug)]
#[must_use = "the frame's payload must follow its head, or the connection breaks"]
pub struct Gather<'c> {
    connection: &'c mut Connection,
    id: u32,
    part: Part,
    used: bool,
}

impl Gather<'_> {
    /// Length of the payload that must follow: the first bytes of what was offered.
    pub const fn len(&self) -> usize {
        self.part.len
    }

    /// Whether none must follow: the frame only ends the stream.
    pub const fn is_empty(&self) -> bool {
        self.part.len == 0
    }

    /// All that is to be written before the payload.
    pub fn output(&self) -> &[u8] {
        self.connection.output()
    }

    /// Copies the payload into the output after all.
    pub fn copy(mut self, payload: &[u8]) {
        self.used = payload.len() >= self.part.len;
        self.connection.out.extend_from_slice(payload.get(..self.part.len).unwrap_or_default());
    }

    /// So many bytes of the output and then of the payload were written; what is left of the payload is copied.
    pub fn sent(mut self, written: usize, payload: &[u8]) {
        self.used = payload.len() >= self.part.len;
        let of_payload = written.saturating_sub(self.connection.output().len()).min(self.part.len);
        self.connection.sent(written);
        self.connection.out.extend_from_slice(payload.get(of_payload..self.part.len).unwrap_or_default());
    }
}

impl Drop for Gather<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.connection.fail(Why::new(Code::INTERNAL_ERROR, "payload of a frame is missing"));
        } else if self.part.last {
            self.connection.we_ended(self.id);
        }
    }
}
