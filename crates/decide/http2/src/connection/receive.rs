//! From bytes in any pieces to frames: what lies whole in the input is read where it lies, DATA is handed on in
//! pieces, and only the beginning of another frame that is cut off is kept.

use haechi_model::Moment;

use super::{Connection, KEEP, PREFACE, Role};
use crate::Limit;
use crate::code::Broken;
use crate::event::Event;
use crate::frames::{FrameHead, HEAD, flag, kind};
use crate::{Head, Why};

/// Bytes that came, and how far they were read.
#[derive(Clone, Debug)]
pub struct Input<'b> {
    bytes: &'b [u8],
}

impl<'b> Input<'b> {
    /// All of them are new.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// Those that were not read yet.
    pub const fn rest(&self) -> &'b [u8] {
        self.bytes
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &'b [u8] {
        let taken;
        (taken, self.bytes) = self.bytes.split_at_checked(count).unwrap_or((self.bytes, &[]));
        taken
    }
}

/// What the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// One of the preface.
    Preface(u8),
    /// The first of a frame, or a later one if there is a partial one.
    Frame,
    /// One of a DATA frame.
    Data(Data),
    /// One that means nothing.
    Skip(u32),
}

/// What is left of a DATA frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Data {
    pub(super) stream: u32,
    pub(super) left: u32,
    pub(super) padding: u32,
    pub(super) end: bool,
}

impl Reading {
    pub(super) const fn begin(role: Role) -> Self {
        match role {
            Role::Server => Self::Preface(0),
            Role::Client => Self::Frame,
        }
    }
}

/// What a step came to.
pub(super) enum Step<'b> {
    Event(Event<'b>),
    /// Go on.
    More,
    /// All bytes are read.
    Wait,
}

impl Connection {
    /// Reads on, to the next event; `None` when all bytes are read. Events that tell of a head leave it in `head`.
    /// Once the connection is closed, bytes are read and mean nothing.
    pub fn receive<'b>(&mut self, input: &mut Input<'b>, head: &mut Head, now: Moment) -> Option<Event<'b>> {
        loop {
            if let Some(event) = self.unseen() {
                return Some(event);
            }
            if self.closed.is_some() {
                input.take(input.rest().len());
                return self.untold();
            }
            match self.step(input, head, now) {
                Ok(Step::Event(event)) => return Some(event),
                Ok(Step::More) => {}
                Ok(Step::Wait) => return None,
                Err(broken) => match self.broken(broken, now) {
                    Ok(Some(event)) => return Some(event),
                    Ok(None) => {}
                    Err(why) => self.fail(why),
                },
            }
        }
    }

    fn broken<'b>(&mut self, broken: Broken, now: Moment) -> Result<Option<Event<'b>>, Why> {
        match broken {
            Broken::Connection(why) => Err(why),
            Broken::Stream(id, why) => self.broke_rule(id, why, now),
        }
    }

    #[inline]
    fn step<'b>(&mut self, input: &mut Input<'b>, head: &mut Head, now: Moment) -> Result<Step<'b>, Broken> {
        match self.reading {
            Reading::Frame => self.frame_step(input, head, now),
            Reading::Data(data) => Ok(self.data_step(data, input)),
            Reading::Skip(left) => {
                let taken = input.take(left as usize).len();
                let left = left.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
                self.reading = if left == 0 { Reading::Frame } else { Reading::Skip(left) };
                Ok(if left == 0 { Step::More } else { Step::Wait })
            }
            Reading::Preface(seen) => self.preface_step(seen, input),
        }
    }

    fn preface_step<'b>(&mut self, seen: u8, input: &mut Input<'b>) -> Result<Step<'b>, Broken> {
        let wanted = PREFACE.get(usize::from(seen)..).unwrap_or_default();
        let came = input.take(wanted.len());
        if !wanted.starts_with(came) {
            return Err(Why::protocol("not the preface of HTTP/2").into());
        }
        if came.len() == wanted.len() {
            self.reading = Reading::Frame;
            return Ok(Step::More);
        }
        self.reading = Reading::Preface(seen.saturating_add(u8::try_from(came.len()).unwrap_or(u8::MAX)));
        Ok(Step::Wait)
    }

    #[inline]
    fn frame_step<'b>(
        &mut self,
        input: &mut Input<'b>,
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        if !self.partial.is_empty() {
            return self.partial_step(input, head, now);
        }
        if let Some((first, _)) = input.rest().split_first_chunk::<HEAD>() {
            let frame = FrameHead::read(first);
            self.admit_frame(frame)?;
            let needed = frame.needed();
            if input.rest().len() >= needed {
                let bytes = input.take(needed);
                return self.frame(frame, &bytes[HEAD..], head, now);
            }
        }
        self.keep_partial(input, now);
        Ok(Step::Wait)
    }

    /// Checks what the first nine octets tell, before any more is kept.
    #[inline]
    fn admit_frame(&self, frame: FrameHead) -> Result<(), Why> {
        if !self.peer.spoken && (frame.kind != kind::SETTINGS || frame.has(flag::ACK)) {
            return Err(Why::protocol("the first frame is not SETTINGS"));
        }
        frame.check()?;
        self.block.admits(frame)
    }

    fn keep_partial(&mut self, input: &mut Input<'_>, now: Moment) {
        if !input.rest().is_empty() {
            if self.partial.is_empty() {
                self.times.partial = Some(now + self.limits().block_timeout);
            }
            self.partial.extend_from_slice(input.take(input.rest().len()));
        }
    }

    fn partial_step<'b>(
        &mut self,
        input: &mut Input<'b>,
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        let Some(frame) = self.fill(HEAD, input).and_then(|bytes| bytes.first_chunk()).map(FrameHead::read)
        else {
            return Ok(Step::Wait);
        };
        self.admit_frame(frame)?;
        if self.fill(frame.needed(), input).is_none() {
            return Ok(Step::Wait);
        }
        let mut bytes = std::mem::take(&mut self.partial);
        self.times.partial = None;
        let step = self.frame(frame, bytes.get(HEAD..).unwrap_or_default(), head, now);
        if bytes.capacity() <= KEEP {
            bytes.clear();
            self.partial = bytes;
        }
        step
    }

    /// Fills the partial frame up to so many bytes, if they are there.
    fn fill(&mut self, wanted: usize, input: &mut Input<'_>) -> Option<&[u8]> {
        let lacking = wanted.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(input.take(lacking));
        (self.partial.len() >= wanted).then_some(&self.partial)
    }

    /// Reads a frame of which lies there what is needed of it.
    #[inline]
    fn frame<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        head: &mut Head,
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        match frame.kind {
            kind::DATA => self.data(frame, payload, now),
            kind::HEADERS => self.headers(frame, payload, head, now),
            kind::CONTINUATION => self.continuation(frame, payload, head, now),
            kind::WINDOW_UPDATE => self.window_update(frame, payload, now),
            kind::RST_STREAM => self.rst_stream(frame, payload, now),
            kind::SETTINGS => self.settings(frame, payload, now),
            kind::PING => self.pinged(frame, payload, now),
            kind::GOAWAY => self.goaway(payload, now),
            kind::PRIORITY | kind::PRIORITY_UPDATE => self.priority(frame, payload, now),
            _ => {
                let rate = self.limits().unknown_frames;
                self.gates.pass(Limit::UnknownFrames, rate, now)?;
                self.reading = Reading::Skip(frame.len);
                Ok(Step::More)
            }
        }
    }
}
