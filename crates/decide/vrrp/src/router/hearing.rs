//! What an advertisement means, in each state (RFC 9568 §6.4.2 and §6.4.3).

use std::net::IpAddr;
use std::time::Duration;

use haechi_model::Moment;

use super::{Election, RESIGNED, Router};
use crate::packet::{Advertisement, Version};
use crate::timing::{active_down, hearable};
use crate::{AlarmKind, Output, Reason, State};

/// How long our own words may echo, in a bridge that loops for a moment, before they are somebody else's.
const ECHO: Duration = Duration::from_secs(1);

impl Router {
    pub(super) fn hear(&mut self, now: Moment, source: IpAddr, said: &Advertisement, out: &mut Vec<Output>) {
        if said.id != self.settings.id.get() || self.state == State::Initialize {
            return;
        }
        let until = now + active_down(self.priority(), hearable(said.interval));
        if source == self.settings.source {
            self.hear_itself(now, until, out);
            return;
        }
        // One that says everything twice (RFC 5798 §8.4) hears us: its other words count.
        if said.version == Version::V2 && self.election.follows_v3(source) {
            return;
        }
        let same = self.has_addresses(said);
        // RFC 9568 §7.1 discards version 2 unread. A router that has our addresses too is the one that we
        // replace; any other has the same number by chance.
        if said.version == Version::V3 || same {
            self.decide(now, source, said, until, out);
            self.compare_priority(now, source, said, until, out);
        }
        self.complain(now, source, said, same, until, out);
    }

    fn decide(
        &mut self,
        now: Moment,
        source: IpAddr,
        said: &Advertisement,
        until: Moment,
        out: &mut Vec<Output>,
    ) {
        match (self.state, said.priority) {
            (State::Backup, RESIGNED) => {
                let own = self.own(now);
                self.election.resigned(now, source, said, own);
            }
            (State::Backup, _) => {
                let own = self.own(now);
                self.election.heard(now, source, said, own);
            }
            (State::Active, RESIGNED) => self.rival_stopped(now, source, out),
            (State::Active, _) if self.is_outranked(source, said) => {
                let reason = Reason::Outranked { by: source, priority: said.priority };
                self.step_down(now, source, reason, out);
                self.election = Election::following(now, source, said, self.own(now));
            }
            (State::Active, _) => self.assert_itself(now, source, said, until, out),
            (State::Yielding, RESIGNED) | (State::Initialize, _) => {}
            (State::Yielding, _) => self.handed_over(now, source, said, out),
        }
    }

    /// The greater priority stays active, then the greater address (RFC 9568 §6.4.3). One that does not hear
    /// us stays anyway, so we can only make room.
    fn is_outranked(&self, source: IpAddr, said: &Advertisement) -> bool {
        let ours = (self.priority(), self.settings.source);
        said.version == Version::V2 || (said.priority, source) > ours
    }

    /// A worse one is active too. It is told at once, and bridges learn where we are (RFC 9568 §6.4.3); the
    /// neighbours too, since it told them otherwise.
    fn assert_itself(
        &mut self,
        now: Moment,
        source: IpAddr,
        said: &Advertisement,
        until: Moment,
        out: &mut Vec<Output>,
    ) {
        self.advertise_soon(now, out);
        let text = || format!("{source} is active too, with priority {}", said.priority);
        let kind = AlarmKind::DuplicateActive;
        if self.alarms.raise(now, kind, Some(source), Some(until), text, out) {
            self.speak_up_against(now, out);
        }
    }

    /// Another one was active, and is no more.
    fn rival_stopped(&mut self, now: Moment, source: IpAddr, out: &mut Vec<Output>) {
        self.advertise_soon(now, out);
        self.alarms.end_of(AlarmKind::DuplicateActive, source, out);
        self.speak_up_against(now, out);
    }

    /// Our own words never count. If they can't be an echo, another node has our address, and the two can't
    /// tell each other apart.
    fn hear_itself(&mut self, now: Moment, until: Moment, out: &mut Vec<Output>) {
        if !self.state.holds() && now.since(self.sent_at) > ECHO {
            let source = self.settings.source;
            let text = || format!("another node sends advertisements from {source}, our own address");
            self.alarms.raise(now, AlarmKind::SourceClash, Some(source), Some(until), text, out);
        }
    }

    fn has_addresses(&self, said: &Advertisement) -> bool {
        let ours = &self.settings.addresses;
        let known = |address: &IpAddr| ours.contains(address);
        *ours == said.addresses || (ours.len() == said.addresses.len() && said.addresses.iter().all(known))
    }

    /// What is wrong with a message, whatever it does to the election.
    fn complain(
        &mut self,
        now: Moment,
        source: IpAddr,
        said: &Advertisement,
        same: bool,
        until: Moment,
        out: &mut Vec<Output>,
    ) {
        let (by, until) = (Some(source), Some(until));
        if same {
            self.alarms.end_of(AlarmKind::AddressMismatch, source, out);
        } else {
            let ours = &self.settings.addresses;
            let text = || format!("{source} advertises {:?}, and we have {ours:?}", said.addresses);
            self.alarms.raise(now, AlarmKind::AddressMismatch, by, until, text, out);
        }
        if said.version == Version::V2 {
            let text = || format!("{source} speaks VRRPv2 and can't hear us; it must speak version 3");
            self.alarms.raise(now, AlarmKind::OldVersion, by, until, text, out);
        }
    }

    fn compare_priority(
        &mut self,
        now: Moment,
        source: IpAddr,
        said: &Advertisement,
        until: Moment,
        out: &mut Vec<Output>,
    ) {
        let kind = AlarmKind::EqualPriority;
        if said.priority == self.priority() {
            let text = || {
                let priority = said.priority;
                format!("{source} has priority {priority} too; give every node another one")
            };
            self.alarms.raise(now, kind, Some(source), Some(until), text, out);
        } else if said.priority != RESIGNED {
            self.alarms.end_of(kind, source, out);
        }
    }
}
