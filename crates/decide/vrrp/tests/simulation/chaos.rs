//! What goes wrong.

use std::time::Duration;

use haechi_vrrp::{Effect, Input};

use crate::chance::Chance;
use crate::world::{Event, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mischief {
    /// Power goes.
    Crash(usize),
    /// Power comes, if it is not there.
    Boot(usize),
    /// The machine does not run for so long.
    Freeze(usize, Duration),
    /// It runs again now.
    Thaw(usize),
    /// One direction, or both, for so long.
    Cut(usize, usize, bool, Duration),
    /// A node hears nobody, or nobody hears it.
    Deafen(usize, bool, Duration),
    Lose(usize, usize, u64, Duration),
    Open(usize, usize),
    Reliable(usize, usize),
    Fault(usize, Duration),
    Lower(usize, u8),
    LinkDown(usize, Duration),
    /// Everything tracked is well, the link is up, and it is started.
    Mend(usize),
    Stop(usize, Duration),
    Yield(usize),
    /// Somebody takes the address from under it.
    Steal(usize),
    Reconfigure(usize, u8),
}

impl Mischief {
    pub(crate) fn draw(chance: &mut Chance, nodes: usize, longest: Duration) -> Self {
        let at = chance.index(nodes);
        let other = (at + 1 + chance.index(nodes - 1)) % nodes;
        let time = chance.time(longest * 20);
        match chance.below(17) {
            0 | 1 => Self::Crash(at),
            2 => Self::Boot(at),
            3..=5 => Self::Freeze(at, chance.time(longest * 8)),
            6 => Self::Cut(at, other, true, time),
            7 => Self::Cut(at, other, false, time),
            8 => Self::Deafen(at, chance.percent(50), time),
            9 => Self::Lose(at, other, 5 + chance.below(60), time),
            10 => Self::Fault(at, time),
            11 => Self::Lower(at, 1 + u8::try_from(chance.below(120)).unwrap()),
            12 => Self::LinkDown(at, time),
            13 => Self::Stop(at, time),
            14 => Self::Yield(at),
            15 => Self::Steal(at),
            _ => Self::Reconfigure(at, 1 + u8::try_from(chance.below(255)).unwrap()),
        }
    }
}

impl World {
    pub(crate) fn mischief(&mut self, mischief: Mischief) {
        self.say(|| format!("*** {mischief:?}"));
        match mischief {
            Mischief::Crash(at) => {
                self.nodes[at].crash();
                self.network.disturbed(self.now, at);
            }
            Mischief::Boot(at) => self.boot(at),
            Mischief::Freeze(at, time) => self.freeze(at, time),
            Mischief::Thaw(at) => self.thaw(at),
            Mischief::Cut(from, to, both, time) => {
                self.cut(from, to, time);
                if both {
                    self.cut(to, from, time);
                }
            }
            Mischief::Deafen(at, deaf, time) => {
                for other in (0..self.nodes.len()).filter(|other| *other != at) {
                    if deaf { self.cut(other, at, time) } else { self.cut(at, other, time) }
                }
            }
            Mischief::Lose(from, to, percent, time) => {
                self.network.set_loss(from, to, percent);
                self.after(time, Event::Mischief(Mischief::Reliable(from, to)));
            }
            Mischief::Open(from, to) => self.network.set_open(self.now, from, to, true),
            Mischief::Reliable(from, to) => self.network.set_loss(from, to, 0),
            Mischief::Fault(at, time) if self.nodes[at].is_running() => {
                self.nodes[at].faulty = true;
                self.track(at, Effect::Fault);
                self.after(time, Event::Mischief(Mischief::Mend(at)));
            }
            Mischief::Lower(at, by) if self.nodes[at].is_running() && !self.nodes[at].faulty => {
                self.track(at, Effect::Lower(by.try_into().unwrap()));
            }
            Mischief::LinkDown(at, time) if self.nodes[at].is_running() => {
                self.nodes[at].link_up = false;
                self.network.disturbed(self.now, at);
                self.feed(at, Input::LinkDown);
                self.after(time, Event::Mischief(Mischief::Mend(at)));
            }
            Mischief::Stop(at, time) if self.nodes[at].is_running() => {
                self.nodes[at].stopped = true;
                self.feed(at, Input::Stop);
                self.after(time, Event::Mischief(Mischief::Mend(at)));
            }
            Mischief::Mend(at) => self.mend(at),
            Mischief::Yield(at) if self.nodes[at].is_running() => {
                self.feed(at, Input::Yield { to: None });
            }
            Mischief::Steal(at) if self.nodes[at].is_running() => {
                if self.nodes[at].router.as_ref().is_some_and(haechi_vrrp::Router::holds_addresses) {
                    self.nodes[at].kernel = crate::node::Kernel::Off;
                    self.feed(at, Input::Released);
                }
            }
            Mischief::Reconfigure(at, priority) if self.nodes[at].is_running() => {
                self.nodes[at].settings.priority = priority.try_into().unwrap();
                let settings = Box::new(self.nodes[at].settings.clone());
                self.feed(at, Input::Configure(settings));
            }
            // It does not run.
            Mischief::Fault(..)
            | Mischief::Lower(..)
            | Mischief::LinkDown(..)
            | Mischief::Stop(..)
            | Mischief::Yield(_)
            | Mischief::Steal(_)
            | Mischief::Reconfigure(..) => {}
        }
    }

    fn boot(&mut self, at: usize) {
        if self.nodes[at].router.is_none() {
            let recorded = self.recorded;
            self.nodes[at].boot(self.now, recorded);
            self.nodes[at].stopped = false;
            self.network.disturbed(self.now, at);
            self.feed(at, Input::Start);
        }
    }

    fn freeze(&mut self, at: usize, time: Duration) {
        if self.nodes[at].is_running() {
            self.nodes[at].frozen_since = Some(self.now);
            self.network.disturbed(self.now, at);
            self.after(time, Event::Thaw(at));
        }
    }

    fn cut(&mut self, from: usize, to: usize, time: Duration) {
        self.network.set_open(self.now, from, to, false);
        self.after(time, Event::Mischief(Mischief::Open(from, to)));
    }

    fn mend(&mut self, at: usize) {
        if !self.nodes[at].is_running() {
            return;
        }
        if !self.nodes[at].link_up {
            self.network.disturbed(self.now, at);
            self.nodes[at].link_up = true;
            self.feed(at, Input::LinkUp);
        }
        self.nodes[at].faulty = false;
        self.track(at, Effect::Clear);
        self.nodes[at].stopped = false;
        self.feed(at, Input::Start);
    }

    fn track(&mut self, at: usize, effect: Effect) {
        self.feed(at, Input::Track { name: "disk".into(), effect, text: "broken".into() });
    }
}
