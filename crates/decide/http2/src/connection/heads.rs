//! HEADERS and CONTINUATION: from blocks to heads on streams (RFC 9113 §6.2, §6.10, §5.1).

use haechi_hpack::Bounds;
use haechi_model::Moment;

use super::receive::Step;
use super::{Connection, Role};
use crate::Limit;
use crate::code::Broken;
use crate::event::{Event, StreamId};
use crate::frames::{FrameHead, flag, kind, unpadded};
use crate::message::{self, Fault, Shape};
use crate::names::Http;
use crate::streams::{Stage, Stream, Way};
use crate::{Code, Head, Why};

/// A block that goes on in CONTINUATION frames.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// 0 if there is none.
    stream: u32,
    end: bool,
    continuations: u32,
    bytes: Vec<u8>,
}

impl Block {
    /// Nothing may stand between the frames of a block (§6.10).
    #[inline]
    pub(super) fn admits(&self, frame: FrameHead) -> Result<(), Why> {
        match (self.stream, frame.kind) {
            (0, kind::CONTINUATION) => Err(Why::protocol("CONTINUATION without HEADERS")),
            (0, _) => Ok(()),
            (stream, kind::CONTINUATION) if frame.stream == stream => Ok(()),
            _ => Err(Why::protocol("another frame within a field block")),
        }
    }
}

/// What a block is for.
enum Place {
    /// A request that opens a stream.
    New,
    /// A response.
    Response,
    /// The end of a message.
    Trailers,
    /// Nobody waits for it any more.
    Gone,
}

impl Connection {
    #[inline]
    pub(super) fn headers<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        let mut block = unpadded(frame, payload)?;
        if frame.has(flag::PRIORITY) {
            // §5.3.2: deprecated, and not used here.
            block = block.get(5..).ok_or(Why::new(Code::FRAME_SIZE_ERROR, "HEADERS without its priority"))?;
        }
        let end = frame.has(flag::END_STREAM);
        if frame.has(flag::END_HEADERS) {
            return self.block(frame.stream, end, block, head, now);
        }
        if block.is_empty() {
            let rate = self.limits().empty_frames;
            self.gates.pass(Limit::EmptyFrames, rate, now)?;
        }
        self.times.block = Some(now + self.limits().block_timeout);
        self.block.stream = frame.stream;
        self.block.end = end;
        self.block.continuations = 0;
        self.block.bytes.clear();
        self.block.bytes.extend_from_slice(block);
        Ok(Step::More)
    }

    pub(super) fn continuation<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        self.block.continuations += 1;
        if self.block.continuations > self.limits().continuations {
            return Err(Why::limit(Limit::Continuations).into());
        }
        if self.block.bytes.len() + payload.len() > self.limits().block as usize {
            return Err(Why::limit(Limit::Block).into());
        }
        self.block.bytes.extend_from_slice(payload);
        if !frame.has(flag::END_HEADERS) {
            return Ok(Step::More);
        }
        self.times.block = None;
        let block = std::mem::take(&mut self.block);
        self.block(block.stream, block.end, &block.bytes, head, now)
    }

    /// A whole block. It is decoded whatever it is for, because the table is shared by all streams.
    fn block<'b>(
        &mut self,
        id: u32,
        end: bool,
        block: &[u8],
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        let limits = self.limits();
        let bounds = Bounds {
            list: limits.list,
            fields: limits.fields + limits.cookie_crumbs,
            most_work: limits.list_work,
        };
        head.clear();
        self.decoder.decode::<Http>(block, &bounds, &mut head.fields).map_err(|error| match error {
            haechi_hpack::Error::Work => Why::limit(Limit::ListWork),
            error => Why::new(Code::COMPRESSION_ERROR, error.rule()),
        })?;
        match self.place(id)? {
            Place::New => self.request_came(id, end, head, now),
            Place::Response => self.response(id, end, head),
            Place::Trailers => self.trailers_came(id, end, head),
            Place::Gone => Ok(Step::More),
        }
    }

    /// §5.1, §5.1.1
    #[inline]
    fn place(&self, id: u32) -> Result<Place, Broken> {
        if let Some(stream) = self.streams.get(id) {
            return match (stream.theirs, stream.their_stage) {
                (Way::Ended, _) => Err(Broken::Stream(
                    id,
                    Why::new(Code::STREAM_CLOSED, "HEADERS after the end of a stream"),
                )),
                (Way::Open, Stage::Body) => Ok(Place::Trailers),
                (Way::Open, Stage::Head) => Ok(Place::Response),
            };
        }
        // After our farewell the client will try elsewhere (§6.8).
        let opens = self.role == Role::Server && !self.is_ours(id) && !self.farewell.is_last();
        if opens && id > self.last_theirs {
            return Ok(Place::New);
        }
        if self.passes_over(id) {
            return Ok(Place::Gone);
        }
        if !self.was_open(id) {
            return Err(Why::protocol("HEADERS on a stream that this side can't open").into());
        }
        Err(Why::new(Code::STREAM_CLOSED, "HEADERS on a closed stream").into())
    }

    #[inline]
    fn request_came<'b>(
        &mut self,
        id: u32,
        end: bool,
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        self.last_theirs = id;
        self.opened += 1;
        self.earned.earn(2, 0, 2);
        if self.streams.len() >= self.limits().streams {
            return self.refuse(id, now).map(Step::Event);
        }
        let shape = Shape::Request { extended_connect: self.config.extended_connect };
        let outcome = message::check(head, shape, &self.config.limits);
        let mut stream = self.new_stream(id);
        stream.their_stage = Stage::Body;
        stream.length_left = head.content_length();
        let event = match outcome {
            Ok(()) if end && head.content_length().is_some_and(|length| length > 0) => {
                return Err(Broken::Stream(id, Why::protocol("no body where `content-length` says one")));
            }
            Ok(()) => Event::Head { stream: StreamId(id), end },
            Err(Fault::Malformed(why)) => return Err(Broken::Stream(id, why)),
            Err(Fault::TooLarge) => {
                stream.length_left = None;
                Event::TooLarge { stream: StreamId(id), end }
            }
        };
        if end {
            stream.theirs = Way::Ended;
        }
        self.streams.insert(stream);
        Ok(Step::Event(event))
    }

    /// A stream that has just begun.
    pub(super) fn new_stream(&self, id: u32) -> Stream {
        Stream {
            id,
            send_window: i64::from(self.peer.window),
            receive_window: i64::from(self.config.stream_window),
            ..Stream::default()
        }
    }

    #[cold]
    fn refuse<'b>(&mut self, id: u32, now: Moment) -> Result<Event<'b>, Broken> {
        self.write_reset(id, Code::REFUSED_STREAM);
        let rate = self.limits().refused;
        self.count_of_client(Limit::Refused, rate, now)?;
        let why =
            Why { code: Code::REFUSED_STREAM, rule: Limit::Streams.text(), limit: Some(Limit::Streams) };
        Ok(Event::Refused { stream: StreamId(id), why })
    }

    fn response<'b>(&mut self, id: u32, end: bool, head: &mut Head) -> Result<Step<'b>, Broken> {
        let malformed = |why| Err(Broken::Stream(id, why));
        match message::check(head, Shape::Response, &self.config.limits) {
            Ok(()) => {}
            Err(Fault::Malformed(why)) => return malformed(why),
            Err(Fault::TooLarge) => return malformed(message::too_large()),
        }
        if head.status() < 200 {
            if end {
                return malformed(Why::protocol("status 1xx that ends the stream"));
            }
            return Ok(Step::Event(Event::Interim { stream: StreamId(id) }));
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(Step::More) };
        stream.their_stage = Stage::Body;
        stream.bodiless |= matches!(head.status(), 204 | 304);
        stream.length_left = if stream.bodiless { Some(0) } else { head.content_length() };
        if end && stream.length_left.is_some_and(|left| left > 0) {
            return malformed(Why::protocol("no body where `content-length` says one"));
        }
        if end {
            self.they_ended(id);
        }
        Ok(Step::Event(Event::Head { stream: StreamId(id), end }))
    }

    fn trailers_came<'b>(&mut self, id: u32, end: bool, head: &mut Head) -> Result<Step<'b>, Broken> {
        let malformed = |why| Err(Broken::Stream(id, why));
        if !end {
            return malformed(Why::protocol("trailers that do not end the stream"));
        }
        match message::check(head, Shape::Trailers, &self.config.limits) {
            Ok(()) => {}
            Err(Fault::Malformed(why)) => return malformed(why),
            Err(Fault::TooLarge) => return malformed(message::too_large()),
        }
        if self.streams.get(id).is_some_and(|stream| stream.length_left.is_some_and(|left| left > 0)) {
            return malformed(Why::protocol("body shorter than its `content-length`"));
        }
        self.they_ended(id);
        Ok(Step::Event(Event::Trailers { stream: StreamId(id) }))
    }

    /// Their side has ended; if ours has too, the stream is done.
    pub(super) fn they_ended(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.theirs = Way::Ended;
            if stream.ours == Way::Ended {
                self.remove(id);
            }
        }
    }
}
