//! What a backup knows of the active, and when it may take its place.
//!
//! RFC 9568 §6.4.2 has one timer; here are two, because two questions are asked of it. `lost_at`: when is the
//! active dead? `preempt_at`: when is it alive but worse, and for long enough? Without a preempt delay the
//! earlier of both is the RFC's timer to the nanosecond.

use std::net::IpAddr;
use std::time::Duration;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::packet::{Advertisement, Version};
use crate::timing::{GONE, active_down, hearable, skew, successor_bound};

/// A backup's view of the active.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Election {
    rival: Option<Rival>,
    /// `Active_Adver_Interval`.
    learnt: Duration,
    lost_at: Moment,
    preempt_at: Option<Moment>,
    resigned: Option<Resigned>,
    /// An operator gave the addresses to this node; taking them back is not ours to decide while it lives.
    spared: Option<IpAddr>,
}

/// The active that is followed: of several the one that the others should yield to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Rival {
    source: IpAddr,
    priority: u8,
    version: Version,
    interval: Duration,
    heard: Moment,
}

/// An active said that it stops.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Resigned {
    by: IpAddr,
    at: Moment,
    /// It is dead, and somebody else said so.
    gone: bool,
}

/// What matters of this node itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// In force.
    pub(super) priority: u8,
    /// Whether a worse active is to be replaced.
    pub(super) preempt: bool,
    /// After how long.
    pub(super) delay: Duration,
    /// Whether nobody else can take over, so that nobody has to be waited for.
    pub(super) sole: bool,
}

impl Election {
    /// Nobody was heard yet: an active has this long to be.
    pub(super) fn unheard(now: Moment, own: Own, interval: Duration) -> Self {
        Self {
            rival: None,
            learnt: interval,
            lost_at: now + active_down(own.priority, interval),
            preempt_at: None,
            resigned: None,
            spared: None,
        }
    }

    /// Nobody but `source` may be active: it outranked this node, or follows it.
    pub(super) fn following(now: Moment, source: IpAddr, said: &Advertisement, own: Own) -> Self {
        let mut election = Self::unheard(now, own, hearable(said.interval));
        election.heard(now, source, said, own);
        election
    }

    /// Leaves the addresses to `source` for as long as it lives.
    pub(super) fn spare(&mut self, source: IpAddr) {
        self.spared = Some(source);
        self.preempt_at = None;
    }

    /// Does not spare a worse one any more, and takes its place now.
    pub(super) fn recall(&mut self, now: Moment, own: Own) {
        self.spared = None;
        self.preempt_at = None;
        self.judge_from(now, now, Own { preempt: true, delay: Duration::ZERO, ..own });
    }

    /// An active advertised, with a priority above 0.
    pub(super) fn heard(&mut self, now: Moment, source: IpAddr, said: &Advertisement, own: Own) {
        let interval = hearable(said.interval);
        let before = self.lost_at;
        let until = now + active_down(own.priority, interval);
        let rival = Rival { source, priority: said.priority, version: said.version, interval, heard: now };
        let other = self.rival.as_ref().filter(|known| known.source != source && !known.is_silent(now, own));
        let alone = other.is_none();
        if other.is_none_or(|known| known.rank() < rival.rank()) {
            self.spared = self.spared.filter(|spared| *spared == source);
            self.rival = Some(rival);
        }
        self.resigned = None;
        self.judge_from(now, before, own);
        if alone && self.preempt_at.is_none() {
            self.learnt = interval;
            self.lost_at = until;
        } else {
            // Of two at once, any keeps a backup quiet; and a worse one teaches nothing (RFC 9568 §6.4.2).
            self.lost_at = before.max(until);
        }
    }

    /// Somebody said that it stops being active. Believed of whom is followed only: anybody else's word would
    /// make a backup doubt an active that is alive.
    pub(super) fn resigned(&mut self, now: Moment, by: IpAddr, said: &Advertisement, own: Own) {
        if self.rival.as_ref().is_some_and(|known| known.source != by && !known.is_silent(now, own)) {
            return;
        }
        // One that hands over says it again and again, and that is no reason to wait again and again.
        if self.resigned.is_none() {
            self.lost_at = if own.sole { now } else { now + skew(own.priority, self.learnt) };
        }
        let gone = said.interval == GONE && self.learnt != GONE;
        self.resigned = Some(Resigned { by, at: now, gone });
        self.rival = None;
        self.preempt_at = None;
    }

    /// This node's own worth may have changed.
    pub(super) fn judge(&mut self, now: Moment, own: Own) {
        self.judge_from(now, self.lost_at, own);
    }

    /// Whether the living active is to be replaced, and not before `earliest`.
    fn judge_from(&mut self, now: Moment, earliest: Moment, own: Own) {
        let worse = |rival: &Rival| {
            let hears_us = rival.version == Version::V3;
            hears_us && rival.priority < own.priority && self.spared != Some(rival.source)
        };
        let replace = own.preempt && self.rival.as_ref().is_some_and(worse);
        let at = self.preempt_at.unwrap_or_else(|| earliest.max(now + own.delay));
        self.preempt_at = replace.then_some(at);
    }

    /// Nothing was heard for a while because nobody listened: all may be as before.
    pub(super) fn slept(&mut self, now: Moment, own: Own) {
        self.lost_at = self.lost_at.max(now + active_down(own.priority, self.learnt));
        self.preempt_at = None;
        self.resigned = None;
    }

    /// When to take over, as things stand.
    pub(super) fn due(&self) -> Moment {
        self.preempt_at.map_or(self.lost_at, |at| at.min(self.lost_at))
    }

    /// Why to take over now, and who served until now and is alive.
    pub(super) fn cause(&self, now: Moment) -> (Reason, Option<IpAddr>) {
        match (&self.rival, &self.resigned) {
            (Some(rival), _) if self.lost_at > now => {
                let (previous, priority) = (rival.source, rival.priority);
                (Reason::Preempted { previous, priority }, Some(previous))
            }
            (None, Some(Resigned { by, gone: true, .. })) => (Reason::ActiveGone { previous: *by }, None),
            (None, Some(resigned)) => {
                // It waits no longer than this for us, and then it is gone or active again.
                let here = now.since(resigned.at) <= successor_bound(self.learnt);
                (Reason::ActiveResigned { previous: resigned.by }, here.then_some(resigned.by))
            }
            (rival, _) => (Reason::ActiveSilent { last: rival.as_ref().map(|rival| rival.source) }, None),
        }
    }

    /// The active that is followed, unless it is silent for too long.
    pub(super) fn active(&self, now: Moment) -> Option<IpAddr> {
        self.rival.as_ref().filter(|_| now < self.lost_at).map(|rival| rival.source)
    }

    /// Whether `source` is followed, and speaks VRRPv3.
    pub(super) fn follows_v3(&self, source: IpAddr) -> bool {
        self.rival.as_ref().is_some_and(|rival| rival.source == source && rival.version == Version::V3)
    }

    pub(super) fn learnt(&self) -> Duration {
        self.learnt
    }
}

impl Rival {
    /// Who of two actives should stay; one that does not hear us can't be told to go.
    fn rank(&self) -> (bool, u8, IpAddr) {
        (self.version == Version::V2, self.priority, self.source)
    }

    fn is_silent(&self, now: Moment, own: Own) -> bool {
        self.heard + active_down(own.priority, self.interval) <= now
    }
}
