//! The moves themselves: who does what in which order when the addresses come, stay or go.

use std::net::IpAddr;
use std::time::Duration;

use haechi_model::Moment;

use super::{Addresses, Election, RESIGNED, Router};
use crate::packet::Advertisement;
use crate::timing::{lease, successor_bound};
use crate::{AlarmKind, Output, Reason, State};

/// First pause after a failed claim; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Longest pause: people who mended the cause should not wait longer than it takes to look at a screen.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// How long it is shown that a hand-over found nobody: a screen or a scrape each minute sees it.
const SHOWN: Duration = Duration::from_secs(60);

impl Router {
    pub(super) fn take_over_if_due(&mut self, now: Moment, out: &mut Vec<Output>) {
        let Some(due) = self.takeover_at().filter(|due| *due <= now && !self.grouping.held_back) else {
            return;
        };
        let late = now.since(due);
        if late > self.election.learnt() {
            // In that time an advertisement must have come, and may wait to be read (keepalived's
            // `timer_expired_backup`).
            self.wake(now, late, out);
        } else {
            self.take_over_now(now, out);
        }
    }

    /// Whatever its own timer says.
    pub(crate) fn take_over_now(&mut self, now: Moment, out: &mut Vec<Output>) {
        let (reason, previous) = self.election.cause(now);
        self.take_over(now, reason, previous, out);
    }

    /// First the word, so that no other backup follows; then the addresses. The neighbours hear of it when
    /// they are here.
    pub(super) fn take_over(
        &mut self,
        now: Moment,
        reason: Reason,
        previous: Option<IpAddr>,
        out: &mut Vec<Output>,
    ) {
        let change = self.enter(now, State::Active, reason);
        self.advertise(now, out);
        out.extend(previous.map(|previous| Output::Chain { previous }));
        out.push(Output::Claim);
        self.addresses = Addresses::Claiming;
        out.push(change);
        if let Some(calm) = self.damping.took_over(now) {
            let delay = self.damping.delay(now);
            let text = || format!("too many takeovers: waits {delay:?} before the next from a living node");
            self.alarms.raise(now, AlarmKind::Flapping, None, Some(calm), text, out);
        }
    }

    /// A living peer holds the addresses from now on.
    pub(super) fn step_down(&mut self, now: Moment, to: IpAddr, reason: Reason, out: &mut Vec<Output>) {
        if self.settings.drain.is_zero() {
            self.addresses = Addresses::Away;
            out.push(Output::Release);
        } else {
            self.addresses = Addresses::Quiet { to, until: now + self.settings.drain };
            out.push(Output::Demote { to });
        }
        self.down(now, State::Backup, reason, out);
    }

    /// Nobody is known to hold the addresses from now on. With `say` the peers are told, so that they hurry.
    pub(super) fn let_go(
        &mut self,
        now: Moment,
        say: bool,
        to: State,
        reason: Reason,
        out: &mut Vec<Output>,
    ) {
        if say {
            self.say(now, RESIGNED, out);
        }
        self.addresses = Addresses::Away;
        out.push(Output::Release);
        self.down(now, to, reason, out);
    }

    fn down(&mut self, now: Moment, to: State, reason: Reason, out: &mut Vec<Output>) {
        self.announcer.stop();
        let change = self.enter(now, to, reason);
        out.push(change);
        self.alarms.end(AlarmKind::DuplicateActive, out);
        self.alarms.end(AlarmKind::SuccessorMissing, out);
        self.election = Election::unheard(now, self.own(now), self.settings.interval);
    }

    /// Another one of its group is not active any more: this one follows as gently as it can. If it did so
    /// and just now gave up waiting for a successor, it goes without.
    pub(crate) fn follow_down(&mut self, now: Moment, text: &str, out: &mut Vec<Output>) {
        let reason = Reason::Group { text: text.into() };
        let nobody_came = self.reason == Reason::SuccessorMissing && self.since == now;
        if nobody_came {
            self.let_go(now, true, State::Backup, reason, out);
        } else {
            self.yield_for(now, reason, out);
        }
    }

    /// An operator's wish.
    pub(super) fn hand_over(&mut self, now: Moment, to: Option<IpAddr>, out: &mut Vec<Output>) {
        if self.state == State::Active {
            self.yield_for(now, Reason::HandingOver { wished: to }, out);
        }
    }

    /// An operator's wish too: the next [`Timer`](crate::Input::Timer) is due at once.
    pub(super) fn recall(&mut self, now: Moment) {
        if self.state == State::Backup {
            let own = self.own(now);
            self.election.recall(now, own);
        }
    }

    /// Tells that it stops, and keeps serving until somebody follows.
    fn yield_for(&mut self, now: Moment, reason: Reason, out: &mut Vec<Output>) {
        let change = self.enter(now, State::Yielding, reason);
        self.advertise(now, out);
        self.successor_by = now + successor_bound(self.settings.interval);
        self.announcer.stop();
        out.push(change);
    }

    /// Whoever advertises now follows us. It may be worse than we are; if an operator wants it so, we leave it
    /// alone for as long as it lives.
    pub(super) fn handed_over(
        &mut self,
        now: Moment,
        to: IpAddr,
        said: &Advertisement,
        out: &mut Vec<Output>,
    ) {
        let wished = match self.reason {
            Reason::HandingOver { wished } => Some(wished),
            _ => None,
        };
        self.step_down(now, to, Reason::HandedOver { to, wished: wished.flatten() }, out);
        self.election = Election::following(now, to, said, self.own(now));
        if wished.is_some() {
            self.election.spare(to);
        }
    }

    /// Nobody followed.
    pub(super) fn take_back(&mut self, now: Moment, out: &mut Vec<Output>) {
        let change = self.enter(now, State::Active, Reason::SuccessorMissing);
        self.advertise(now, out);
        self.speak_up(now);
        out.push(change);
        let text = || "no node came to take over".to_owned();
        self.alarms.raise(now, AlarmKind::SuccessorMissing, None, Some(now + SHOWN), text, out);
    }

    pub(super) fn paused(&mut self, now: Moment, lasted: Duration, out: &mut Vec<Output>) {
        let bound = if self.state.holds() { lease(self.settings.interval) } else { self.election.learnt() };
        if lasted > bound {
            self.wake(now, lasted, out);
        }
    }

    /// This node did not run for long enough that somebody may have taken over. The addresses go first: a
    /// word or a packet sent before that would be a second active's.
    pub(crate) fn wake(&mut self, now: Moment, lasted: Duration, out: &mut Vec<Output>) {
        if self.state.holds() {
            self.let_go(now, false, State::Backup, Reason::Paused { lasted }, out);
        }
        let own = self.own(now);
        self.election.slept(now, own);
    }

    pub(super) fn claimed(&mut self, now: Moment, out: &mut Vec<Output>) {
        match (self.state.holds(), self.addresses) {
            (true, _) => {
                self.addresses = Addresses::Held;
                self.retry_delay = Duration::ZERO;
                self.alarms.end(AlarmKind::ClaimFailed, out);
                self.speak_up(now);
                self.announce_if_due(now, out);
            }
            // The answer to a claim that was taken back meanwhile: what it put here must not stay.
            (false, Addresses::Quiet { to, .. }) => out.push(Output::Demote { to }),
            (false, _) => out.push(Output::Release),
        }
    }

    pub(super) fn claim_failed(&mut self, now: Moment, text: &str, out: &mut Vec<Output>) {
        if !self.state.holds() {
            return;
        }
        self.let_go(now, true, State::Backup, Reason::ClaimFailed { text: text.into() }, out);
        self.retry_delay = (self.retry_delay * 2).clamp(FIRST_RETRY, LAST_RETRY);
        self.not_before = self.not_before.max(now + self.retry_delay);
        let cause = || format!("the addresses could not be claimed: {text}");
        self.alarms.raise(now, AlarmKind::ClaimFailed, None, None, cause, out);
    }

    /// Somebody took the addresses from under an active: it puts them back. While a claim is under way its
    /// result decides; an older release is answered late.
    pub(super) fn released(&mut self, out: &mut Vec<Output>) {
        match self.addresses {
            Addresses::Held if self.state.holds() => {
                self.addresses = Addresses::Claiming;
                self.announcer.stop();
                out.push(Output::Claim);
            }
            Addresses::Quiet { .. } => self.addresses = Addresses::Away,
            Addresses::Away | Addresses::Claiming | Addresses::Held => {}
        }
    }
}
