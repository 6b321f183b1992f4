//! The state machine of one virtual router on one node (RFC 9568 §6.4).
//!
//! ```text
//!                      Start, and nothing is wrong
//!   Initialize ───────────────────────────────────────────► Backup ◄──────────────────┐
//!       ▲  ▲          (an address owner: at once Active)       │                      │ outranked (Demote)
//!       │  │                                                   │ silent, resigned,    │ paused (Release)
//!       │  └──────── Stop, fault, link down ──── Active ◄──────┘ or worse for long    │ claim failed
//!       │                                         │  ▲           (Chain, Claim)       │
//!       │                                   Yield │  │ nobody came                    │
//!       └──────────────────────────────────── Yielding ───────────────────────────────┘
//!                                                         successor is heard (Demote)
//! ```
//!
//! Three things differ from the RFC, each to hold what it only hopes for. A node that did not run for longer
//! than its lease lets go *before* it says anything: others may have taken over meanwhile. A hand-over keeps
//! the addresses until the successor is heard, because in between nobody would serve. And an address owner
//! yields to another one like anybody else: the RFC has it discard what it hears (§7.1), and then two nodes
//! that both call themselves owner stay active for ever.

mod announcer;
mod damping;
mod election;
mod hearing;
mod joining;
mod moves;
mod tracking;

use std::borrow::Borrow;
use std::net::IpAddr;
use std::time::Duration;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

use crate::alarm::Alarms;
use crate::packet::{Advertisement, CENTISECOND, Version};
use crate::timing::{lease, sendable};
use crate::{Alarm, AlarmKind, Input, Output, Reason, Settings, State};
use announcer::Announcer;
use damping::Damping;
use election::{Election, Own};
use tracking::Tracking;

/// The priority of an address owner (RFC 9568 §5.2.4).
const OWNER: u8 = 255;

/// What says that a router stops being active (RFC 9568 §5.2.4).
const RESIGNED: u8 = 0;

/// One virtual router on one node. Its whole state is plain data: a recording can begin anywhere.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Router {
    settings: Settings,
    state: State,
    reason: Reason,
    since: Moment,
    started: bool,
    link_up: bool,
    tracking: Tracking,
    grouping: Grouping,
    election: Election,
    addresses: Addresses,
    announcer: Announcer,
    damping: Damping,
    alarms: Alarms,
    /// No claim before this: the start is too fresh, or the last claim failed.
    not_before: Moment,
    /// How long a failed claim keeps this node from the next.
    retry_delay: Duration,
    /// When this node advertised last, and will next while it holds the addresses.
    sent_at: Moment,
    advertise_at: Moment,
    /// While yielding: when to stop waiting.
    successor_by: Moment,
}

/// Where this node's share of the addresses is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Addresses {
    Away,
    /// The shell was asked and has not answered.
    Claiming,
    Held,
    /// Still serving open flows after `to` took over.
    Quiet {
        to: IpAddr,
        until: Moment,
    },
}

/// What its group lets it do.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Grouping {
    /// Never takes over by itself: its group says when.
    held_back: bool,
    /// Another one is at fault.
    fault: Option<Box<str>>,
}

impl Router {
    /// A router that takes no part yet. Its link counts as up until it is said to be down.
    pub fn new(settings: Settings, now: Moment) -> Self {
        let settings = normal(settings);
        let own =
            Own { priority: settings.priority.get(), preempt: false, delay: Duration::ZERO, sole: false };
        Self {
            state: State::Initialize,
            reason: Reason::NotStarted,
            since: now,
            started: false,
            link_up: true,
            tracking: Tracking::default(),
            grouping: Grouping::default(),
            election: Election::unheard(now, own, settings.interval),
            addresses: Addresses::Away,
            announcer: Announcer::default(),
            damping: Damping::default(),
            alarms: Alarms::default(),
            not_before: now,
            retry_delay: Duration::ZERO,
            sent_at: Moment::ORIGIN,
            advertise_at: now,
            successor_by: now,
            settings,
        }
    }

    /// Something happened: adds to `out` what follows from it, in order. `now` never goes back.
    ///
    /// Takes the input by value or by reference. Advertising, and hearing the active, allocates nothing.
    pub fn handle(&mut self, now: Moment, input: impl Borrow<Input>, out: &mut Vec<Output>) {
        let input = input.borrow();
        if *input != Input::Resumed {
            self.suspect_itself(now, out);
        }
        match input {
            Input::Start => self.start(now, out),
            Input::Stop => self.stop(now, out),
            Input::Timer => self.timer(now, out),
            Input::Advertisement { source, advertisement } => self.hear(now, *source, advertisement, out),
            Input::Track { name, effect, text } => self.track(now, name, *effect, text, out),
            Input::Claimed => self.claimed(now, out),
            Input::ClaimFailed { text } => self.claim_failed(now, text, out),
            Input::Released => self.released(out),
            Input::Configure(settings) => self.configure(now, settings, out),
            Input::Yield { to } => self.hand_over(now, *to, out),
            Input::Resumed => self.resumed(now, out),
            Input::TakeBack => self.recall(now),
            Input::Paused { lasted } => self.paused(now, *lasted, out),
            Input::LinkUp => self.link(now, true, out),
            Input::LinkDown => self.link(now, false, out),
        }
    }

    /// Whether another process can go on with it: nothing is under way between this machine and its shell.
    ///
    /// # Errors
    /// What is, for people.
    pub fn is_settled(&self) -> Result<(), &'static str> {
        match (self.state, self.addresses) {
            (State::Yielding, _) => Err("it hands over"),
            (_, Addresses::Claiming) => Err("it claims its addresses"),
            (_, Addresses::Quiet { .. }) => {
                Err("it still serves open flows of addresses that it handed over")
            }
            (State::Initialize | State::Backup | State::Active, Addresses::Away | Addresses::Held) => Ok(()),
        }
    }

    /// When the next [`Input::Timer`] is due.
    pub fn deadline(&self) -> Option<Moment> {
        [self.other_deadline(), self.takeover_at()].into_iter().flatten().min()
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Since when.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// As in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What [`Output::Advertise`] is to say. Only its priority changes from one to the next, until
    /// [`Input::Configure`]: who keeps it need not make it anew.
    pub fn advertisement(&self, priority: u8) -> Advertisement {
        Advertisement {
            version: Version::V3,
            id: self.settings.id.get(),
            priority,
            interval: self.settings.interval,
            addresses: self.settings.addresses.clone(),
        }
    }

    /// The priority in force: as configured, less what is tracked and not well.
    pub fn priority(&self) -> u8 {
        self.tracking.lowered(self.settings.priority)
    }

    /// Who is active, as far as this node knows: itself, or whom it hears.
    pub fn active(&self, now: Moment) -> Option<IpAddr> {
        match self.state {
            State::Active | State::Yielding => Some(self.settings.source),
            State::Backup => self.election.active(now),
            State::Initialize => None,
        }
    }

    /// The active's interval, which a backup reckons with: learnt from its advertisements, or its own.
    pub fn learnt_interval(&self) -> Duration {
        match self.state {
            State::Backup => self.election.learnt(),
            State::Initialize | State::Active | State::Yielding => self.settings.interval,
        }
    }

    /// How long it would wait now before it takes over from a living active of lower priority.
    pub fn preempt_delay(&self, now: Moment) -> Duration {
        self.settings.preempt_delay.max(self.damping.delay(now))
    }

    /// What is wrong now.
    pub fn alarms(&self) -> impl Iterator<Item = (AlarmKind, &Alarm)> {
        self.alarms.iter()
    }

    /// Whether the shell has said that the addresses are here, and nobody took them since.
    pub fn holds_addresses(&self) -> bool {
        self.addresses == Addresses::Held
    }

    fn own(&self, now: Moment) -> Own {
        let priority = self.priority();
        let owner = priority == OWNER;
        // An owner preempts whatever its settings say (RFC 9568 §6.1).
        Own {
            priority,
            preempt: self.settings.preempt || owner,
            delay: if owner { Duration::ZERO } else { self.preempt_delay(now) },
            sole: self.settings.sole_peer,
        }
    }

    /// When it takes over unless something happens.
    pub(crate) fn takeover_at(&self) -> Option<Moment> {
        (self.state == State::Backup).then(|| self.election.due().max(self.not_before))
    }

    /// Every deadline but a takeover.
    pub(crate) fn other_deadline(&self) -> Option<Moment> {
        let quiet = match self.addresses {
            Addresses::Quiet { until, .. } => Some(until),
            Addresses::Away | Addresses::Claiming | Addresses::Held => None,
        };
        let advertise = self.state.holds().then_some(self.advertise_at);
        let successor = (self.state == State::Yielding).then_some(self.successor_by);
        let all = [quiet, advertise, successor, self.announcer.deadline(), self.alarms.deadline()];
        all.into_iter().flatten().min()
    }

    fn timer(&mut self, now: Moment, out: &mut Vec<Output>) {
        if let Addresses::Quiet { until, .. } = self.addresses
            && until <= now
        {
            self.addresses = Addresses::Away;
            out.push(Output::Release);
        }
        match self.state {
            State::Initialize => {}
            State::Backup => self.take_over_if_due(now, out),
            State::Active => self.advertise_if_due(now, out),
            State::Yielding if self.successor_by <= now => self.take_back(now, out),
            State::Yielding => self.advertise_if_due(now, out),
        }
        if self.alarms.expire(now, out) {
            self.speak_up(now);
        }
        self.announce_if_due(now, out);
    }

    /// Kept in step with the clock: what is late by a little does not make the next one late.
    fn advertise_if_due(&mut self, now: Moment, out: &mut Vec<Output>) {
        let due = self.advertise_at;
        if due <= now {
            self.advertise(now, out);
            if due + self.settings.interval > now {
                self.advertise_at = due + self.settings.interval;
            }
        }
    }

    fn advertise(&mut self, now: Moment, out: &mut Vec<Output>) {
        let priority = if self.state == State::Active { self.priority() } else { RESIGNED };
        self.say(now, priority, out);
    }

    fn say(&mut self, now: Moment, priority: u8, out: &mut Vec<Output>) {
        out.push(Output::Advertise { priority });
        self.sent_at = now;
        self.advertise_at = now + self.settings.interval;
    }

    /// Out of turn, and at most once in the smallest interval there is: a flood is not answered by a flood.
    fn advertise_soon(&mut self, now: Moment, out: &mut Vec<Output>) {
        let free = self.sent_at + CENTISECOND;
        if free <= now {
            self.advertise(now, out);
        } else {
            self.advertise_at = self.advertise_at.min(free);
        }
    }

    /// The neighbours may have been told otherwise: tell them from the start again.
    fn speak_up(&mut self, now: Moment) {
        if self.state == State::Active && self.addresses == Addresses::Held {
            self.announcer.start(now, &self.settings.announce);
        }
    }

    /// The same because of what somebody sent, who must not be able to make us send more than a burst has.
    fn speak_up_against(&mut self, now: Moment, out: &mut Vec<Output>) {
        if !self.announcer.is_bursting() {
            self.speak_up(now);
            self.announce_if_due(now, out);
        }
    }

    fn announce_if_due(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.announcer.is_due(now, &self.settings.announce) {
            out.push(Output::Announce);
        }
    }

    /// Changes the state, and gives the word about it: to be told when the deeds are done.
    fn enter(&mut self, now: Moment, to: State, reason: Reason) -> Output {
        let from = std::mem::replace(&mut self.state, to);
        self.reason = reason.clone();
        self.since = now;
        Output::StateChanged { from, to, reason }
    }

    /// The former process advertised until now, and this one goes on: peers hear it at once.
    fn resumed(&mut self, now: Moment, out: &mut Vec<Output>) {
        if self.state.holds() {
            self.advertise(now, out);
        }
    }

    /// A shell that is late by a lease was not running: as good as being told so.
    fn suspect_itself(&mut self, now: Moment, out: &mut Vec<Output>) {
        let silent = now.since(self.sent_at);
        if self.state.holds() && silent > lease(self.settings.interval) {
            self.wake(now, silent, out);
        }
    }
}

/// With numbers that the wire can carry.
fn normal(settings: Settings) -> Settings {
    Settings { interval: sendable(settings.interval), ..settings }
}
