//! Whether this node takes part in the election at all, and with what worth.

use haechi_model::Moment;

use super::{Addresses, Election, OWNER, Router, normal};
use crate::{Effect, Output, Reason, Settings, State};

impl Router {
    pub(super) fn start(&mut self, now: Moment, out: &mut Vec<Output>) {
        if !self.started {
            self.started = true;
            self.not_before = now + self.settings.startup_delay;
            // A former self that was killed may have left them here, and then two nodes answer for them.
            if self.addresses == Addresses::Away {
                out.push(Output::Release);
            }
            self.settle(now, out);
        }
    }

    pub(super) fn stop(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.started {
            self.started = false;
            self.settle(now, out);
            self.alarms.clear(out);
        }
    }

    pub(super) fn link(&mut self, now: Moment, up: bool, out: &mut Vec<Output>) {
        self.link_up = up;
        self.settle(now, out);
    }

    pub(super) fn track(
        &mut self,
        now: Moment,
        name: &str,
        effect: Effect,
        text: &str,
        out: &mut Vec<Output>,
    ) {
        let before = self.priority();
        self.tracking.set(name, effect, text);
        self.settle(now, out);
        self.worth_changed(now, before, out);
    }

    /// Another virtual router of the group can't take part, or all can again.
    pub(crate) fn group_fault(&mut self, now: Moment, fault: Option<&str>, out: &mut Vec<Output>) {
        if self.grouping.fault.as_deref() != fault {
            self.grouping.fault = fault.map(Into::into);
            self.settle(now, out);
        }
    }

    /// From now on its group says when it takes over.
    pub(crate) fn hold_back(&mut self) {
        self.grouping.held_back = true;
    }

    pub(crate) fn is_link_up(&self) -> bool {
        self.link_up
    }

    pub(super) fn configure(&mut self, now: Moment, settings: &Settings, out: &mut Vec<Output>) {
        let settings = normal(Settings { id: self.settings.id, ..settings.clone() });
        let before = self.priority();
        let old = std::mem::replace(&mut self.settings, settings);
        if !self.state.holds() {
            self.worth_changed(now, before, out);
            return;
        }
        if old.addresses != self.settings.addresses {
            self.addresses = Addresses::Claiming;
            self.announcer.stop();
            out.push(Output::Claim);
        } else if old.announce != self.settings.announce {
            self.speak_up(now);
            self.announce_if_due(now, out);
        }
        if old != self.settings {
            // Not only when its turn comes: a longer interval than the peers know looks like death.
            self.advertise(now, out);
        }
    }

    /// A better or worse node says so at once, and a backup thinks again about taking over.
    fn worth_changed(&mut self, now: Moment, before: u8, out: &mut Vec<Output>) {
        match self.state {
            State::Active if self.priority() != before => self.advertise_soon(now, out),
            State::Backup => {
                let own = self.own(now);
                self.election.judge(now, own);
            }
            State::Initialize | State::Active | State::Yielding => {}
        }
    }

    /// Joins when nothing is in the way any more, and leaves when something is.
    fn settle(&mut self, now: Moment, out: &mut Vec<Output>) {
        match (self.obstacle(), self.state) {
            (None, State::Initialize) => self.join(now, out),
            (Some(reason), State::Initialize) => {
                if reason == Reason::Stopped || reason == Reason::LinkDown {
                    self.end_quiet(out);
                }
                if reason != self.reason {
                    let change = self.enter(now, State::Initialize, reason);
                    out.push(change);
                }
            }
            (Some(reason), _) => self.leave(now, reason, out),
            (None, _) => {}
        }
    }

    fn obstacle(&self) -> Option<Reason> {
        if !self.started {
            return Some(if self.reason == Reason::NotStarted {
                Reason::NotStarted
            } else {
                Reason::Stopped
            });
        }
        if !self.link_up {
            return Some(Reason::LinkDown);
        }
        let of_group = || self.grouping.fault.clone().map(|text| Reason::Group { text });
        self.tracking.fault().or_else(of_group)
    }

    fn join(&mut self, now: Moment, out: &mut Vec<Output>) {
        let own = self.own(now);
        self.election = Election::unheard(now, own, self.settings.interval);
        if own.priority == OWNER && self.not_before <= now && !self.grouping.held_back {
            self.take_over(now, Reason::Owner, None, out);
        } else {
            let change = self.enter(now, State::Backup, Reason::Joined);
            out.push(change);
        }
    }

    /// Others need not wait for a node that can still tell them.
    fn leave(&mut self, now: Moment, reason: Reason, out: &mut Vec<Output>) {
        if self.state.holds() {
            self.let_go(now, self.link_up, State::Initialize, reason, out);
        } else {
            if reason == Reason::Stopped || reason == Reason::LinkDown {
                self.end_quiet(out);
            }
            let change = self.enter(now, State::Initialize, reason);
            out.push(change);
        }
    }

    /// Nobody reaches the open flows any more, or nobody serves them.
    fn end_quiet(&mut self, out: &mut Vec<Output>) {
        if matches!(self.addresses, Addresses::Quiet { .. }) {
            self.addresses = Addresses::Away;
            out.push(Output::Release);
        }
    }
}
