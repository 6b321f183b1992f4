//! Frames that carry no message: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY (RFC 9113 §6). Each
//! is cheap to send, so each is counted.

use haechi_model::Moment;

use super::receive::Step;
use super::times::{ALIVE, FAREWELL};
use super::{Connection, Role};
use crate::Limit;
use crate::code::Broken;
use crate::event::{Event, StreamId};
use crate::frames::{self, FrameHead, flag, kind};
use crate::settings::{self, MOST_WINDOW};
use crate::{Code, Why};

impl Connection {
    pub(super) fn settings<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        if frame.has(flag::ACK) && self.times.acknowledged() {
            return Ok(Step::More);
        }
        let rate = self.limits().settings;
        self.gates.pass(Limit::Settings, rate, now)?;
        if frame.has(flag::ACK) {
            return Ok(Step::More);
        }
        let changes = self.peer.read(payload, self.role, &self.config.limits)?;
        self.times.start = None;
        if let Some((smallest, last)) = changes.table {
            self.encoder.set_allowed(smallest);
            self.encoder.set_allowed(last);
        }
        if changes.window != 0 {
            for stream in self.streams.iter_mut() {
                stream.send_window += changes.window;
                stream.waits = false;
                if stream.send_window > MOST_WINDOW {
                    return Err(Why::new(Code::FLOW_CONTROL_ERROR, "windows above 2^31-1").into());
                }
            }
        }
        settings::write_ack(&mut self.out);
        Ok(Step::Event(Event::Settings))
    }

    pub(super) fn pinged<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        if frame.has(flag::ACK) && payload == ALIVE && self.times.ping.take().is_some() {
            return Ok(Step::Event(Event::Pong));
        }
        if frame.has(flag::ACK) && payload == FAREWELL && self.times.farewell.is_some() {
            self.last_farewell();
            return Ok(Step::More);
        }
        match self.earned.pings.checked_sub(1) {
            Some(left) => self.earned.pings = left,
            None => {
                let rate = self.limits().pings;
                self.gates.pass(Limit::Pings, rate, now)?;
            }
        }
        if !frame.has(flag::ACK) {
            frames::write(kind::PING, flag::ACK, 0, payload, &mut self.out);
        }
        Ok(Step::More)
    }

    /// §6.8: streams of ours above what the peer names were not looked at.
    pub(super) fn goaway<'b>(&mut self, payload: &[u8], now: Moment) -> Result<Step<'b>, Broken> {
        if self.leaving {
            let rate = self.limits().empty_frames;
            self.gates.pass(Limit::EmptyFrames, rate, now)?;
        }
        self.leaving = true;
        self.unseen_above = Some(frames::number(payload) & 0x7fff_ffff);
        let code = Code(frames::number(payload.get(4..).unwrap_or_default()));
        Ok(Step::Event(Event::GoingAway { code }))
    }

    /// The next stream that the peer's GOAWAY leaves out.
    #[inline]
    pub(super) fn unseen<'b>(&mut self) -> Option<Event<'b>> {
        let last = self.unseen_above?;
        let unseen = self.streams.iter().map(|stream| stream.id).find(|id| self.is_ours(*id) && *id > last);
        let Some(id) = unseen else {
            self.unseen_above = None;
            return None;
        };
        self.remove(id);
        let why = Why::new(Code::REFUSED_STREAM, "the peer went away before it looked at this stream");
        Some(Event::Reset { stream: StreamId(id), by_peer: true, why })
    }

    #[inline]
    pub(super) fn window_update<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        match self.earned.windows.checked_sub(1) {
            Some(left) => self.earned.windows = left,
            None => {
                let rate = self.limits().window_updates;
                self.gates.pass(Limit::WindowUpdates, rate, now)?;
            }
        }
        let by = i64::from(frames::number(payload) & 0x7fff_ffff);
        let wrong = match by {
            0 => Some(Why::protocol("WINDOW_UPDATE by 0")),
            _ => None,
        };
        let overflow = Why::new(Code::FLOW_CONTROL_ERROR, "window above 2^31-1");
        if frame.stream == 0 {
            self.send_window += by;
            let wrong = wrong.or((self.send_window > MOST_WINDOW).then_some(overflow));
            if let Some(why) = wrong {
                return Err(why.into());
            }
            let open = self.waits && self.send_window > 0;
            self.waits &= !open;
            return Ok(if open { Step::Event(Event::Writable { stream: None }) } else { Step::More });
        }
        let Some(stream) = self.streams.get_mut(frame.stream) else { return self.on_closed(frame) };
        stream.send_window += by;
        let wrong = wrong.or((stream.send_window > MOST_WINDOW).then_some(overflow));
        if let Some(why) = wrong {
            return Err(Broken::Stream(frame.stream, why));
        }
        let open = stream.waits && stream.send_window > 0;
        stream.waits &= !open;
        let stream = Some(StreamId(frame.stream));
        Ok(if open { Step::Event(Event::Writable { stream }) } else { Step::More })
    }

    pub(super) fn rst_stream<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        let rate = self.limits().resets;
        self.count_of_client(Limit::Resets, rate, now)?;
        if self.remove(frame.stream).is_none() {
            return self.on_closed(frame);
        }
        self.reset_by_peer += 1;
        if self.role == Role::Server
            && self.reset_by_peer >= u64::from(self.limits().early_resets)
            && self.reset_by_peer * 2 > self.opened
        {
            return Err(Why::limit(Limit::EarlyResets).into());
        }
        let why = Why::new(Code(frames::number(payload)), "reset by the peer");
        Ok(Step::Event(Event::Reset { stream: StreamId(frame.stream), by_peer: true, why }))
    }

    /// A frame that crossed with a stream's end means nothing; one of a stream that never was is an error (§5.1).
    fn on_closed<'b>(&self, frame: FrameHead) -> Result<Step<'b>, Broken> {
        if self.was_open(frame.stream) || self.passes_over(frame.stream) {
            return Ok(Step::More);
        }
        Err(Why::protocol("frame on a stream that was never opened").into())
    }

    /// Priorities are checked and not used (RFC 9113 §5.3.2, RFC 9218 §7.1).
    pub(super) fn priority<'b>(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        now: Moment,
    ) -> Result<Step<'b>, Broken> {
        match self.earned.priorities.checked_sub(1) {
            Some(left) => self.earned.priorities = left,
            None => {
                let rate = self.limits().priorities;
                self.gates.pass(Limit::Priorities, rate, now)?;
            }
        }
        if frame.kind == kind::PRIORITY_UPDATE {
            if self.role == Role::Client {
                return Err(Why::protocol("PRIORITY_UPDATE of a server").into());
            }
            if frames::number(payload) & 0x7fff_ffff == 0 {
                return Err(Why::protocol("PRIORITY_UPDATE for stream 0").into());
            }
        }
        Ok(Step::More)
    }
}
