//! Three nodes with two virtual routers each that move together, in a network that loses and cuts each of both sides
//! for itself, on machines that stop and start: no node is ever active for one side alone.
//!
//! `HAECHI_SEEDS=100000 cargo test -p haechi-vrrp --test groups` plays so many worlds; `HAECHI_SEED=4711` plays one
//! and prints all that happened in it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy takes for more")]
#![expect(clippy::print_stdout, reason = "one world tells its story to whoever asked for it")]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/seeds.rs"]
mod seeds;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use haechi_model::{Announcing, Moment};
use haechi_vrrp::record::{GroupRecord, replay};
use haechi_vrrp::{Effect, Group, Input, Output, Reason, Settings, State};

use chance::Chance;
use seeds::play_worlds;

const NODES: usize = 3;
const SIDES: usize = 2;
const INTERVAL: Duration = Duration::from_millis(100);

/// What the dev profile plays in a few seconds.
const SEEDS: u64 = 3_000;

enum Event {
    Look(usize),
    Arrive(usize, usize, Input),
    Mischief(Mischief),
}

#[derive(Clone, Copy, Debug)]
enum Mischief {
    Crash(usize),
    Boot(usize),
    Freeze(usize, Duration),
    Thaw(usize),
    /// One side, one direction.
    Cut(usize, usize, usize, Duration),
    Open(usize, usize, usize),
    Lose(u64),
    LinkDown(usize, usize, Duration),
    Fault(usize, Duration),
    Mend(usize),
    Yield(usize),
}

impl Mischief {
    fn draw(chance: &mut Chance) -> Self {
        let (at, side) = (chance.index(NODES), chance.index(SIDES));
        let other = (at + 1 + chance.index(NODES - 1)) % NODES;
        let time = chance.time(INTERVAL * 20);
        match chance.below(10) {
            0 => Self::Crash(at),
            1 => Self::Boot(at),
            2 | 3 => Self::Freeze(at, time / 3),
            4 | 5 => Self::Cut(at, other, side, time),
            6 => Self::Lose(chance.below(40)),
            7 => Self::LinkDown(at, side, time),
            8 => Self::Fault(at, time),
            _ => Self::Yield(at),
        }
    }
}

#[derive(Default)]
struct Node {
    /// `None`: the machine is off.
    group: Option<Group>,
    record: Option<GroupRecord>,
    frozen_since: Option<Moment>,
    inbox: VecDeque<(usize, Input)>,
}

struct World {
    now: Moment,
    chance: Chance,
    nodes: Vec<Node>,
    /// Ways that are closed, from, to and side.
    closed: Vec<(usize, usize, usize)>,
    loss: u64,
    calm: bool,
    drain: Duration,
    takeovers: u64,
    events: BTreeMap<(Moment, u64), Event>,
    count: u64,
    printed: bool,
}

impl World {
    fn new(seed: u64, printed: bool) -> Self {
        let mut chance = Chance::new(seed);
        Self {
            now: Moment::ORIGIN + Duration::from_secs(10),
            drain: Duration::from_millis(chance.one_of(&[0, 300, 30_000])),
            chance,
            nodes: (0..NODES).map(|_| Node::default()).collect(),
            closed: Vec::new(),
            loss: 0,
            calm: false,
            takeovers: 0,
            events: BTreeMap::new(),
            count: 0,
            printed,
        }
    }

    /// Trouble for a while, then none, and then one node holds everything.
    fn play(&mut self) {
        let trouble = INTERVAL * 100;
        for at in 0..NODES {
            self.after(Duration::ZERO, Event::Mischief(Mischief::Boot(at)));
        }
        for _ in 0..10 + self.chance.below(20) {
            let (later, mischief) = (self.chance.time(trouble), Mischief::draw(&mut self.chance));
            self.after(later, Event::Mischief(mischief));
        }
        self.run_until(self.now + trouble);
        self.say(|| "--- heal".to_owned());
        (self.calm, self.loss) = (true, 0);
        self.closed.clear();
        for at in 0..NODES {
            for mischief in [Mischief::Thaw(at), Mischief::Boot(at), Mischief::Mend(at)] {
                self.mischief(mischief);
            }
        }
        self.run_until(self.now + INTERVAL * 20 + Duration::from_secs(10));
        let holders = self.nodes.iter().filter(|node| states(node).contains(&State::Active)).count();
        let all: Vec<_> = self.nodes.iter().map(states).collect();
        assert_eq!(holders, 1, "after all was healed: {all:?}");
        assert!(all.iter().all(|states| states[0] == states[1]), "{all:?}");
        self.nodes.iter_mut().for_each(check_record);
    }

    fn after(&mut self, later: Duration, event: Event) {
        self.count += 1;
        self.events.insert((self.now + later, self.count), event);
    }

    fn run_until(&mut self, end: Moment) {
        while let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= end) {
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            match event {
                Event::Look(at) => {
                    let due = self.nodes[at].group.as_ref().and_then(Group::deadline);
                    if self.nodes[at].frozen_since.is_none() && due.is_some_and(|due| due <= self.now) {
                        self.feed(at, 0, Input::Timer);
                    }
                }
                Event::Arrive(at, side, input) if self.nodes[at].frozen_since.is_some() => {
                    self.nodes[at].inbox.push_back((side, input));
                }
                Event::Arrive(at, side, input) => self.feed(at, side, input),
                Event::Mischief(mischief) => self.mischief(mischief),
            }
        }
        self.now = end;
    }

    fn feed(&mut self, at: usize, side: usize, input: Input) {
        let Some(group) = &mut self.nodes[at].group else { return };
        let mut out = Vec::new();
        group.handle(self.now, side, &input, &mut out);
        let due = group.deadline();
        let shown = format!("{at}/{side}: {input:?}\n{:12}-> {out:?}", "");
        self.say(|| shown);
        if let Some(record) = &mut self.nodes[at].record {
            record.push(self.now, (side, input), &out);
        }
        together(&self.nodes[at]);
        for (side, output) in &out {
            self.execute(at, *side, output);
        }
        if let Some(due) = due {
            let jitter = self.chance.time(Duration::from_millis(1));
            self.after(due.since(self.now) + jitter, Event::Look(at));
        }
    }

    fn execute(&mut self, at: usize, side: usize, output: &Output) {
        match output {
            Output::Advertise { priority } => self.advertise(at, side, *priority),
            Output::Claim => {
                let good = self.calm || !self.chance.percent(2);
                let result =
                    if good { Input::Claimed } else { Input::ClaimFailed { text: "no room".into() } };
                let later = self.chance.time(Duration::from_millis(3));
                self.after(later, Event::Arrive(at, side, result));
            }
            Output::Release => self.after(Duration::ZERO, Event::Arrive(at, side, Input::Released)),
            Output::StateChanged { to: State::Active, reason, .. } if *reason != Reason::SuccessorMissing => {
                self.takeovers += 1;
            }
            _ => {}
        }
    }

    fn advertise(&mut self, at: usize, side: usize, priority: u8) {
        let router = &self.nodes[at].group.as_ref().unwrap().members()[side];
        let input = Input::Advertisement {
            source: router.settings().source,
            advertisement: router.advertisement(priority),
        };
        for to in (0..NODES).filter(|to| *to != at) {
            if !self.closed.contains(&(at, to, side)) && !self.chance.percent(self.loss) {
                let later = self.chance.time(INTERVAL / 5);
                self.after(later, Event::Arrive(to, side, input.clone()));
            }
        }
    }

    fn mischief(&mut self, mischief: Mischief) {
        self.say(|| format!("*** {mischief:?}"));
        match mischief {
            Mischief::Crash(at) => {
                check_record(&mut self.nodes[at]);
                self.nodes[at] = Node::default();
            }
            Mischief::Boot(at) => self.boot(at),
            Mischief::Freeze(at, time) => {
                if self.nodes[at].frozen_since.is_none() {
                    self.nodes[at].frozen_since = Some(self.now);
                    self.after(time, Event::Mischief(Mischief::Thaw(at)));
                }
            }
            Mischief::Thaw(at) => self.thaw(at),
            Mischief::Cut(from, to, side, time) => {
                self.closed.push((from, to, side));
                self.after(time, Event::Mischief(Mischief::Open(from, to, side)));
            }
            Mischief::Open(from, to, side) => self.closed.retain(|way| *way != (from, to, side)),
            Mischief::Lose(percent) => self.loss = percent,
            Mischief::LinkDown(at, side, time) => self.hurt(at, side, Input::LinkDown, time),
            Mischief::Fault(at, time) => self.hurt(at, 0, track(Effect::Fault), time),
            Mischief::Mend(at) => {
                (0..SIDES).for_each(|side| self.tell(at, side, Input::LinkUp));
                self.tell(at, 0, track(Effect::Clear));
            }
            Mischief::Yield(at) => self.tell(at, 0, Input::Yield { to: None }),
        }
    }

    fn hurt(&mut self, at: usize, side: usize, input: Input, time: Duration) {
        self.tell(at, side, input);
        self.after(time, Event::Mischief(Mischief::Mend(at)));
    }

    /// Whatever does not run hears of it later.
    fn tell(&mut self, at: usize, side: usize, input: Input) {
        self.after(Duration::ZERO, Event::Arrive(at, side, input));
    }

    fn boot(&mut self, at: usize) {
        if self.nodes[at].group.is_none() {
            let group = Group::new((0..SIDES).map(|side| settings(at, side, self.drain)), self.now);
            let record = GroupRecord::new(&group);
            self.nodes[at] = Node { group: Some(group), record: Some(record), ..Node::default() };
            self.feed(at, 0, Input::Start);
        }
    }

    /// Some shells notice first that they slept, some read what arrived.
    fn thaw(&mut self, at: usize) {
        let Some(since) = self.nodes[at].frozen_since.take() else { return };
        let mut inputs = std::mem::take(&mut self.nodes[at].inbox);
        match self.chance.below(3) {
            0 => inputs.push_front((0, Input::Paused { lasted: self.now.since(since) })),
            1 => inputs.push_front((0, Input::Timer)),
            _ => inputs.push_back((0, Input::Timer)),
        }
        inputs.into_iter().for_each(|(side, input)| self.feed(at, side, input));
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.printed {
            println!("{:11.3} {}", self.now.since(Moment::ORIGIN).as_secs_f64() * 1e3, text());
        }
    }
}

fn states(node: &Node) -> Vec<State> {
    let group = node.group.as_ref();
    group.map(|group| group.members().iter().map(haechi_vrrp::Router::state).collect()).unwrap_or_default()
}

/// Both sides or none: one that goes along keeps its addresses until its successor is heard, but says that it stops.
fn together(node: &Node) {
    let states = states(node);
    let gone = states.iter().any(|state| !state.holds());
    assert!(!(gone && states.contains(&State::Active)), "active for one side alone: {states:?}");
}

fn check_record(node: &mut Node) {
    if let Some(record) = node.record.take() {
        let end = replay(&record).unwrap_or_else(|difference| panic!("{difference}"));
        assert_eq!(Some(end), node.group);
    }
}

fn track(effect: Effect) -> Input {
    Input::Track { name: "disk".into(), effect, text: "broken".into() }
}

fn settings(at: usize, side: usize, drain: Duration) -> Settings {
    let (last, side) = (u8::try_from(at + 1).unwrap(), u8::try_from(side).unwrap());
    Settings {
        id: (51 + side).try_into().unwrap(),
        source: IpAddr::from([10, side, 0, last]),
        addresses: vec![IpAddr::from([10, side, 0, 100])],
        sole_peer: false,
        priority: (50 + 50 * last).try_into().unwrap(),
        interval: INTERVAL,
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        announce: Announcing::default(),
        drain,
    }
}

#[test]
fn both_sides_move_together_in_every_world() {
    play_worlds(SEEDS, |seed, aloud| {
        let mut world = World::new(seed, aloud);
        world.play();
        world.takeovers
    });
}
