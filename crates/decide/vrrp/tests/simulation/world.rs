//! Nodes, network and time: one event after the other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

use haechi_model::{Announcing, Moment};
use haechi_vrrp::{Input, Output, Reason, Settings, State};

use crate::chance::Chance;
use crate::chaos::Mischief;
use crate::network::Network;
use crate::node::{Kernel, Node};
use crate::promises::Promises;

pub(crate) enum Event {
    /// A node looks at its deadline.
    Look(usize),
    Arrive(usize, Input),
    /// The kernel answers a claim.
    ClaimDone(usize, bool),
    /// And says that it took the addresses away.
    Released(usize),
    Mischief(Mischief),
    Thaw(usize),
}

pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) chance: Chance,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) takeovers: u64,
    pub(crate) recorded: bool,
    /// No claim fails any more.
    pub(crate) calm: bool,
    promises: Promises,
    events: BinaryHeap<Reverse<(Moment, u64)>>,
    bodies: Vec<Option<Event>>,
    printed: bool,
}

impl World {
    pub(crate) fn new(seed: u64, printed: bool) -> Self {
        let mut chance = Chance::new(seed);
        let count = 3 + chance.index(3);
        let interval = chance.one_of(&[20, 100, 100, 100, 1_000]);
        let mixed = chance.percent(15);
        let nopreempt = chance.percent(25);
        let equal = chance.percent(10);
        let settings: Vec<Settings> = (0..count)
            .map(|at| {
                let factor = if mixed { chance.one_of(&[1, 2, 5]) } else { 1 };
                settings(at, interval * factor, !nopreempt, equal, &mut chance)
            })
            .collect();
        let longest = settings.iter().map(|it| it.interval).max().unwrap();
        let shortest = settings.iter().map(|it| it.interval).min().unwrap();
        // A network slower than an interval can't be served by it.
        let slowest = shortest / chance.one_of(&[2, 5, 20]);
        Self {
            now: Moment::ORIGIN + Duration::from_secs(10),
            chance,
            network: Network::new(count, slowest),
            nodes: settings.into_iter().map(Node::new).collect(),
            takeovers: 0,
            recorded: printed || seed.is_multiple_of(8),
            calm: false,
            promises: Promises::new(longest),
            events: BinaryHeap::new(),
            bodies: Vec::new(),
            printed,
        }
    }

    /// Trouble for a while, then none, and then all must be well.
    pub(crate) fn play(&mut self) {
        let longest = self.nodes.iter().map(|node| node.settings.interval).max().unwrap();
        for at in 0..self.nodes.len() {
            let later = self.chance.time(longest * 5);
            self.after(later, Event::Mischief(Mischief::Boot(at)));
        }
        let trouble = longest * 100;
        for _ in 0..10 + self.chance.below(30) {
            let later = self.chance.time(trouble);
            let mischief = Mischief::draw(&mut self.chance, self.nodes.len(), longest);
            self.after(later, Event::Mischief(mischief));
        }
        self.run_until(self.now + trouble);
        self.heal();
        // A hand-over in progress, retries of claims and preempt delays all end within these.
        self.run_until(self.now + longest * 20 + Duration::from_secs(5));
        self.all_is_well();
        self.nodes.iter_mut().for_each(Node::check_record);
    }

    fn heal(&mut self) {
        self.say(|| "--- heal".to_owned());
        self.calm = true;
        self.network.heal(self.now);
        for at in 0..self.nodes.len() {
            for mischief in [Mischief::Thaw(at), Mischief::Boot(at), Mischief::Mend(at)] {
                self.mischief(mischief);
            }
        }
    }

    /// One is active, and all others know which.
    fn all_is_well(&self) {
        let holders: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes[*at].holds()).collect();
        assert_eq!(holders.len(), 1, "after all was healed");
        let source = self.nodes[holders[0]].settings.source;
        for node in &self.nodes {
            let router = node.router.as_ref().unwrap();
            assert_eq!(router.active(self.now), Some(source), "{:?} follows another", node.settings.source);
        }
    }

    pub(crate) fn after(&mut self, later: Duration, event: Event) {
        let number = u64::try_from(self.bodies.len()).unwrap();
        self.bodies.push(Some(event));
        self.events.push(Reverse((self.now + later, number)));
    }

    fn run_until(&mut self, end: Moment) {
        while let Some(Reverse((at, number))) = self.events.peek().copied().filter(|next| next.0.0 <= end) {
            self.events.pop();
            self.now = at;
            let event = self.bodies[usize::try_from(number).unwrap()].take().unwrap();
            self.happen(event);
            self.note_eligible();
            self.promises.check(self.now, &self.nodes, &self.network);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Look(at) => {
                let due = self.nodes[at].router.as_ref().and_then(haechi_vrrp::Router::deadline);
                if self.nodes[at].is_running() && due.is_some_and(|due| due <= self.now) {
                    self.feed(at, Input::Timer);
                }
            }
            Event::Arrive(at, input) if self.nodes[at].is_running() => {
                if self.nodes[at].link_up {
                    self.feed(at, input);
                }
            }
            Event::Arrive(at, input) => self.nodes[at].inbox.push_back(input),
            Event::ClaimDone(at, good) => self.claim_done(at, good),
            Event::Released(at) if self.nodes[at].is_running() => {
                self.feed(at, Input::Released);
            }
            Event::Released(at) => self.nodes[at].inbox.push_back(Input::Released),
            Event::Mischief(mischief) => self.mischief(mischief),
            Event::Thaw(at) => self.thaw(at),
        }
    }

    /// The kernel answers in order; what was released meanwhile is there again.
    fn claim_done(&mut self, at: usize, good: bool) {
        let node = &mut self.nodes[at];
        if node.router.is_none() || node.claims_pending == 0 {
            return;
        }
        if !node.is_running() {
            let later = Duration::from_millis(1);
            self.after(later, Event::ClaimDone(at, good));
            return;
        }
        node.claims_pending -= 1;
        node.claim_failed = !good;
        if good {
            node.kernel = Kernel::On;
            self.feed(at, Input::Claimed);
        } else {
            self.feed(at, Input::ClaimFailed { text: "no room".into() });
        }
    }

    /// Runs again. Some shells notice first that they slept, some read what arrived.
    pub(crate) fn thaw(&mut self, at: usize) {
        let Some(since) = self.nodes[at].frozen_since.take() else { return };
        self.say(|| format!("{at} runs again"));
        self.network.disturbed(self.now, at);
        let held = self.nodes[at].holds();
        let mut inputs: Vec<Input> = self.nodes[at].inbox.drain(..).collect();
        match self.chance.below(3) {
            0 => inputs.insert(0, Input::Paused { lasted: self.now.since(since) }),
            1 => inputs.insert(0, Input::Timer),
            _ => inputs.push(Input::Timer),
        }
        for (number, input) in inputs.into_iter().enumerate() {
            let silent = self.nodes[at].last_said;
            let out = self.feed(at, input);
            if number == 0 {
                // As it was before it spoke.
                let said = std::mem::replace(&mut self.nodes[at].last_said, silent);
                Promises::after_a_pause(self.now, &self.nodes[at], held, &out);
                self.nodes[at].last_said = said;
            }
        }
    }

    pub(crate) fn feed(&mut self, at: usize, input: Input) -> Vec<Output> {
        let shown = if self.printed { format!("{input:?}") } else { String::new() };
        let out = self.nodes[at].feed(self.now, input, Duration::ZERO);
        for output in &out {
            self.execute(at, output);
        }
        if !out.is_empty() {
            self.say(|| format!("{at}: {shown}\n{:12}-> {out:?}", ""));
        }
        if let Some(due) = self.nodes[at].router.as_ref().and_then(haechi_vrrp::Router::deadline) {
            // A shell is never early, and a little late.
            let jitter = self.chance.time(Duration::from_millis(1));
            self.after(due.since(self.now) + jitter, Event::Look(at));
        }
        out
    }

    fn execute(&mut self, at: usize, output: &Output) {
        match output {
            Output::Advertise { priority } if self.nodes[at].link_up => {
                if *priority > 0 {
                    self.promises.somebody_said();
                }
                let router = self.nodes[at].router.as_ref().unwrap();
                let source = router.settings().source;
                let input = Input::Advertisement { source, advertisement: router.advertisement(*priority) };
                for other in (0..self.nodes.len()).filter(|other| *other != at) {
                    for arrival in self.network.carry(self.now, at, other, &mut self.chance) {
                        let later = arrival.since(self.now);
                        self.after(later, Event::Arrive(other, input.clone()));
                    }
                }
            }
            Output::Claim => {
                let good = self.calm || !self.chance.percent(2);
                let later = self.chance.time(Duration::from_millis(3));
                self.after(later, Event::ClaimDone(at, good));
            }
            Output::Release => self.after(Duration::ZERO, Event::Released(at)),
            Output::Announce => assert_eq!(self.nodes[at].kernel, Kernel::On, "announced, but not there"),
            Output::StateChanged { to: State::Active, reason, .. } if *reason != Reason::SuccessorMissing => {
                self.takeovers += 1;
            }
            _ => {}
        }
    }

    fn note_eligible(&mut self) {
        for node in &mut self.nodes {
            if node.could_serve() {
                node.eligible_since.get_or_insert(self.now);
            } else {
                node.eligible_since = None;
            }
        }
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.printed {
            println!("{:11.3} {}", self.now.since(Moment::ORIGIN).as_secs_f64() * 1e3, text());
        }
    }
}

fn settings(at: usize, interval: u32, preempt: bool, equal: bool, chance: &mut Chance) -> Settings {
    let last = u8::try_from(at + 1).unwrap();
    let priority = if equal { 100 } else { 50 + 50 * last.min(4) };
    Settings {
        id: 51.try_into().unwrap(),
        source: IpAddr::from([10, 0, 0, last]),
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
        sole_peer: false,
        priority: (priority - u8::from(at == 4)).try_into().unwrap(),
        interval: Duration::from_millis(interval.into()),
        preempt,
        preempt_delay: Duration::from_millis(chance.one_of(&[0, 0, 0, 50, 500])),
        startup_delay: Duration::ZERO,
        announce: Announcing::default(),
        drain: Duration::from_millis(chance.one_of(&[0, 300, 30_000])),
    }
}
