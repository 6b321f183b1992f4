//! DATA that comes, and the windows that it comes through (RFC 9113 §6.1, §6.9).

use haechi_model::Moment;

use super::Connection;
use super::receive::{Data, Input, Reading, Step};
use crate::Limit;
use crate::code::Broken;
use crate::event::{Event, StreamId};
use crate::frames::{self, FrameHead, flag};
use crate::streams::{Stage, Stream, Way};
use crate::{Code, Why};

impl Connection {
    /// The head of a DATA frame, with the length of its padding if it has any. All that can be wrong with the
    /// frame is found here, before any of its bytes is handed on.
    #[inline]
    pub(super) fn data<'b>(
        &mut self,
        frame: FrameHead,
        first: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        let padding = match first.first() {
            Some(padding) => u32::from(*padding) + 1,
            None if frame.has(flag::PADDED) => {
                return Err(
                    Why::new(Code::FRAME_SIZE_ERROR, "padded frame without its padding's length").into()
                );
            }
            None => 0,
        };
        let len = frame.len.checked_sub(padding).ok_or(Why::protocol("padding beyond the frame"))?;
        let end = frame.has(flag::END_STREAM);
        self.receive_window -= i64::from(frame.len);
        if self.receive_window < 0 {
            return Err(Why::new(Code::FLOW_CONTROL_ERROR, "more DATA than the connection's window").into());
        }
        // Whatever becomes of the stream, the frame is to be read to its end; padding is let through at once.
        let skipped = padding.saturating_sub(u32::try_from(first.len()).unwrap_or(1));
        self.reading = Reading::Data(Data { stream: frame.stream, left: len, padding: skipped, end });
        self.give_back(padding);
        if len == 0 && !end {
            let rate = self.limits().empty_frames;
            self.gates.pass(Limit::EmptyFrames, rate, now)?;
        }
        let id = frame.stream;
        let Some(stream) = self.streams.get_mut(id) else {
            if self.passes_over(id) {
                return Ok(Step::More);
            }
            if !self.was_open(id) {
                return Err(Why::protocol("DATA on a stream that was never opened").into());
            }
            return Err(Broken::Stream(id, Why::new(Code::STREAM_CLOSED, "DATA on a closed stream")));
        };
        check(stream, frame, len).map_err(|why| Broken::Stream(id, why))?;
        self.credit(id, padding);
        Ok(Step::More)
    }

    /// Hands on what there is of the frame.
    #[inline]
    pub(super) fn data_step<'b>(&mut self, data: Data, input: &mut Input<'b>) -> Step<'b> {
        if data.left == 0 && !data.end {
            self.reading = if data.padding == 0 { Reading::Frame } else { Reading::Skip(data.padding) };
            return Step::More;
        }
        if data.left > 0 && input.rest().is_empty() {
            return Step::Wait;
        }
        let bytes = input.take(data.left as usize);
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let left = data.left - count;
        let end = data.end && left == 0;
        self.reading = if end && data.padding == 0 {
            Reading::Frame
        } else {
            Reading::Data(Data { left, end: data.end && !end, ..data })
        };
        let Some(stream) = self.streams.get_mut(data.stream) else {
            self.give_back(count);
            return Step::More;
        };
        stream.held += count;
        if end {
            self.they_ended(data.stream);
        }
        Step::Event(Event::Data { stream: StreamId(data.stream), bytes, end })
    }

    /// So many bytes of a body were taken by whoever they are for: the peer may send as many more. They need not
    /// be released once the stream is gone.
    pub fn release(&mut self, stream: StreamId, count: usize) {
        let Some(open) = self.streams.get_mut(stream.0) else { return };
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(open.held);
        open.held -= count;
        self.give_back(count);
        self.credit(stream.0, count);
    }

    /// Lets the peer send so many more on this stream, and says so once it is half of a window.
    fn credit(&mut self, id: u32, count: u32) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.theirs == Way::Ended {
            return;
        }
        stream.owed += count;
        if stream.owed >= self.config.stream_window / 2 {
            stream.receive_window += i64::from(stream.owed);
            frames::write_window(id, stream.owed, &mut self.out);
            stream.owed = 0;
        }
    }

    /// The same for the connection.
    pub(super) fn give_back(&mut self, count: u32) {
        self.owed += count;
        if self.owed >= self.config.connection_window / 2 && self.closed.is_none() {
            self.receive_window += i64::from(self.owed);
            frames::write_window(0, self.owed, &mut self.out);
            self.owed = 0;
        }
    }
}

/// Whether a frame may stand on its stream now (§5.1, §8.1.1).
fn check(stream: &mut Stream, frame: FrameHead, len: u32) -> Result<(), Why> {
    if stream.theirs == Way::Ended {
        return Err(Why::new(Code::STREAM_CLOSED, "DATA after the end of a stream"));
    }
    if stream.their_stage == Stage::Head {
        return Err(Why::protocol("DATA before a response's head"));
    }
    stream.receive_window -= i64::from(frame.len);
    if stream.receive_window < 0 {
        return Err(Why::new(Code::FLOW_CONTROL_ERROR, "more DATA than the stream's window"));
    }
    if let Some(left) = &mut stream.length_left {
        *left =
            left.checked_sub(u64::from(len)).ok_or(Why::protocol("body longer than its `content-length`"))?;
        if *left > 0 && frame.has(flag::END_STREAM) {
            return Err(Why::protocol("body shorter than its `content-length`"));
        }
    }
    Ok(())
}
