//! Deadlines, and how a connection says farewell. Each wait for a peer has an end.

use haechi_model::Moment;

use super::{Connection, Role};
use crate::Limit;
use crate::event::{Event, StreamId};
use crate::frames::{self, kind};
use crate::limits::Limits;
use crate::streams::Stall;
use crate::{Code, Why};

/// What our PING of a shutdown carries.
pub(super) const FAREWELL: &[u8; 8] = b"farewell";

/// What the one carries that asks whether the peer lives.
pub(super) const ALIVE: &[u8; 8] = b"alive ? ";

/// The highest id there is: a GOAWAY with it takes nothing back (§6.8).
const HIGHEST: u32 = 0x7fff_ffff;

/// What is waited for, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// The preface and the peer's settings.
    pub(super) start: Option<Moment>,
    /// The acknowledgement of ours.
    ack: Option<Moment>,
    /// The rest of a frame.
    pub(super) partial: Option<Moment>,
    /// The rest of a block.
    pub(super) block: Option<Moment>,
    /// The answer to our PING.
    pub(super) ping: Option<Moment>,
    /// The answer to the PING of a shutdown.
    pub(super) farewell: Option<Moment>,
    /// No stream's stall is over before this.
    pub(super) stalls: Option<Moment>,
    /// The connection's own window.
    pub(super) stall: Option<Stall>,
}

impl Times {
    pub(super) fn new(now: Moment, limits: &Limits) -> Self {
        let settings = Some(now + limits.settings_timeout);
        Self { start: settings, ack: settings, ..Self::default() }
    }

    /// Whether this acknowledgement was waited for.
    pub(super) fn acknowledged(&mut self) -> bool {
        self.ack.take().is_some()
    }

    fn first(&self, limits: &Limits) -> Option<Moment> {
        let stall = self.stall.map(|stall| stall.since + limits.stall_timeout);
        let all =
            [self.start, self.ack, self.partial, self.block, self.ping, self.farewell, self.stalls, stall];
        all.into_iter().flatten().min()
    }
}

/// How far a shutdown is (§6.8): first a GOAWAY that takes nothing back, so that requests which are under way
/// still arrive, and a round trip later the one that names the last stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Farewell {
    None,
    First,
    Last,
}

impl Farewell {
    pub(super) const fn is_last(self) -> bool {
        matches!(self, Self::Last)
    }
}

impl Connection {
    /// When [`Self::tick`] is to be called next; `None` if nothing is waited for.
    #[inline]
    pub fn deadline(&self) -> Option<Moment> {
        if self.closed.is_some() { None } else { self.times.first(&self.config.limits) }
    }

    /// Acts on deadlines that have passed, to the next event; `None` when there is none any more.
    pub fn tick(&mut self, now: Moment) -> Option<Event<'static>> {
        if self.closed.is_none() && self.deadline().is_some_and(|deadline| deadline <= now) {
            if let Some(why) = self.timed_out(now) {
                self.fail(why);
            } else if self.times.farewell.is_some_and(|deadline| deadline <= now) {
                self.last_farewell();
            }
        }
        if let Some(event) = self.untold() {
            return Some(event);
        }
        self.stalled_stream(now)
    }

    /// What ends the whole connection.
    fn timed_out(&mut self, now: Moment) -> Option<Why> {
        let passed = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        let Times { start, ack, partial, block, ping, stall, .. } = self.times;
        if passed(start) || passed(ack) {
            return Some(Why { code: Code::SETTINGS_TIMEOUT, ..Why::limit(Limit::SettingsTimeout) });
        }
        if passed(partial) || passed(block) {
            return Some(Why::limit(Limit::BlockTimeout));
        }
        if passed(ping) {
            return Some(Why::limit(Limit::PingTimeout));
        }
        if passed(stall.map(|stall| stall.since + self.limits().stall_timeout)) {
            if self.waits && self.send_window <= 0 {
                return Some(Why::limit(Limit::Stall));
            }
            self.times.stall = None;
        }
        None
    }

    /// The next stream whose window did not open in time.
    fn stalled_stream(&mut self, now: Moment) -> Option<Event<'static>> {
        if self.closed.is_some() || self.times.stalls.is_none_or(|first| first > now) {
            return None;
        }
        let timeout = self.limits().stall_timeout;
        let mut late = None;
        let mut first: Option<Moment> = None;
        for stream in self.streams.iter_mut() {
            let Some(over) = stream.stall.map(|stall| stall.since + timeout) else { continue };
            let waits = stream.waits && stream.send_window <= 0;
            if over <= now && waits {
                late = late.or(Some(stream.id));
            } else if over <= now {
                stream.stall = None;
                continue;
            }
            first = Some(first.map_or(over, |first| first.min(over)));
        }
        self.times.stalls = first;
        let id = late?;
        self.remove(id);
        self.write_reset(id, Code::ENHANCE_YOUR_CALM);
        Some(Event::Reset { stream: StreamId(id), by_peer: false, why: Why::limit(Limit::Stall) })
    }

    /// Asks whether the peer lives; the answer is [`Event::Pong`], its absence the end.
    pub fn ping(&mut self, now: Moment) {
        if self.closed.is_none() && self.times.ping.is_none() {
            frames::write(kind::PING, 0, 0, ALIVE, &mut self.out);
            self.times.ping = Some(now + self.limits().ping_timeout);
        }
    }

    /// Takes no further streams, and lets those that are open end. See [`Self::is_finished`].
    pub fn shut_down(&mut self, now: Moment) {
        if self.farewell != Farewell::None || self.closed.is_some() {
            return;
        }
        match self.role {
            Role::Client => self.last_farewell(),
            Role::Server => {
                self.farewell = Farewell::First;
                self.times.farewell = Some(now + self.limits().farewell);
                frames::write_goaway(HIGHEST, Why::new(Code::NO_ERROR, ""), &mut self.out);
                frames::write(kind::PING, 0, 0, FAREWELL, &mut self.out);
            }
        }
    }

    pub(super) fn last_farewell(&mut self) {
        self.times.farewell = None;
        self.farewell = Farewell::Last;
        frames::write_goaway(self.last_theirs, Why::new(Code::NO_ERROR, ""), &mut self.out);
    }

    /// Whether a shutdown has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.farewell != Farewell::None
    }
}
