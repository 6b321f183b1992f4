//! Virtual routers that move together (a group of one, mostly): feeds their machine, and executes what it asks for,
//! to the end and in its order.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use haechi_model::{Moment, VirtualRouter, VirtualRouterName};
use haechi_sys::clock;
use haechi_sys::neighbour::Announcer;
use haechi_vrrp::record::Entry;
use haechi_vrrp::timing::lease;
use haechi_vrrp::{Effect, Group, Input, Output, Reason, Router, State};

use crate::deeds::{Deed, Helpers};
use crate::flight::Flight;
use crate::hands::Hands;
use crate::held::Held;
use crate::keeper::{Hold, Keeper};
use crate::legacy::{Identity, UnitLeft};
use crate::member::{Member, Passing};
use crate::mover::Mover;
use crate::parting::Parting;
use crate::ports::Ports;
use crate::status::{AlarmStatus, RouterStatus};
use crate::tracks::Tracks;
use crate::udp::Seals;
use crate::view::View;
use crate::{Drops, Listener, Told};

/// How long a claim waits for the way to the previous active: fifty times what laying it takes, and clients whose
/// packet went astray meanwhile come back after a second.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long after a target of ours became active packets for it can still come here: until it is done with its
/// own claim, and everybody has heard where the addresses are.
const SETTLED: Duration = Duration::from_secs(2);

const LEAVING: &str = "this node is stopping";

/// A group with its outside.
pub(crate) struct Unit {
    machine: Group,
    held: Held,
    leaving: bool,
    pub(crate) members: Vec<Member>,
    outputs: Vec<(usize, Output)>,
    pub(crate) flight: Flight,
}

/// What executing needs.
pub(crate) struct World {
    pub(crate) view: View,
    /// Since there was something to announce.
    pub(crate) announcer: Option<Announcer>,
    pub(crate) ports: Ports,
    pub(crate) listener: Listener,
    pub(crate) hands: Hands,
    pub(crate) helpers: Helpers,
    pub(crate) keeper: Keeper,
}

impl Unit {
    pub(crate) fn new(configs: Vec<VirtualRouter>, now: Moment) -> Self {
        let members: Vec<Member> = configs.into_iter().map(Member::new).collect();
        let machine = Group::new(members.iter().map(Member::settings), now);
        let flight = Flight::new(&machine);
        Self { machine, held: Held::default(), leaving: false, members, outputs: Vec::new(), flight }
    }

    /// For a process that goes on.
    ///
    /// # Errors
    /// What is under way and must end first, for people.
    pub(crate) fn lend(&self) -> Result<UnitLeft, String> {
        for (router, member) in self.machine.members().iter().zip(&self.members) {
            let settled = router.is_settled();
            let passing = member.passing.map(|_| "packets of open flows go on to the former active");
            let waiting = self.held.is_waiting().then_some("it waits before it claims its addresses");
            if let Some(why) = settled.err().or(passing).or(waiting) {
                return Err(format!("virtual router {}: {why}", member.config.name));
            }
        }
        let members = self.members.iter().map(Member::lend).collect();
        Ok(UnitLeft { machine: self.machine.clone(), members })
    }

    /// Goes on with a machine of a former process; nothing if it is of other virtual routers.
    pub(crate) fn inherit(configs: Vec<VirtualRouter>, left: UnitLeft) -> Option<Self> {
        let UnitLeft { machine, members: known } = left;
        let same = configs.len() == known.len()
            && configs.iter().zip(&known).all(|(config, left)| Identity::of(config) == left.identity);
        let mut members: Vec<Member> = configs.into_iter().map(Member::new).collect();
        members.iter_mut().zip(&known).for_each(|(member, left)| member.inherit(left));
        let (flight, held, outputs) = (Flight::new(&machine), Held::default(), Vec::new());
        same.then_some(Self { machine, held, leaving: false, members, outputs, flight })
    }

    /// The former process advertised until now. What its settings are here may be new.
    pub(crate) fn resume(&mut self, now: Moment, world: &mut World) {
        for member in &mut self.members {
            member.look(&world.view);
        }
        self.feed(now, 0, Input::Resumed, world);
        for at in 0..self.members.len() {
            let settings = self.members[at].settings();
            if self.machine.members().get(at).is_some_and(|router| *router.settings() != settings) {
                self.feed(now, at, Input::Configure(Box::new(settings)), world);
            }
        }
    }

    /// Whether one of them is active.
    pub(crate) fn is_active(&self) -> bool {
        self.machine.members().iter().any(|router| router.state().holds())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &VirtualRouterName> {
        self.members.iter().map(|member| &member.config.name)
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        let passing = self.members.iter().filter_map(|member| member.passing).map(|it| it.until);
        let parting = self.partings().map(Parting::deadline);
        self.machine.deadline().into_iter().chain(self.held.deadline()).chain(passing).chain(parting).min()
    }

    /// What is listened to while addresses are handed over.
    pub(crate) fn partings(&self) -> impl Iterator<Item = &Parting> {
        self.members.iter().filter_map(Member::parting)
    }

    /// Successors may answer by now.
    pub(crate) fn finish_partings(&mut self, now: Moment, world: &mut World) {
        self.members.iter_mut().for_each(|member| member.finish_parting(now, &mut world.view));
    }

    /// A deadline is there.
    pub(crate) fn tick(&mut self, now: Moment, world: &mut World) {
        self.feed(now, 0, Input::Timer, world);
        if self.held.deadline().is_some_and(|until| until <= now) {
            let text = format!("it was not ready within {PATIENCE:?}");
            self.go_on(now, Err(&text), world);
        }
        for member in &mut self.members {
            if member.passing.is_some_and(|it| it.until <= now) {
                unchain(now, member, world);
            }
        }
    }

    /// The hands are done with what this unit may wait for.
    pub(crate) fn chained(&mut self, now: Moment, ticket: u64, result: Result<(), &str>, world: &mut World) {
        if self.held.waits_for(ticket) {
            self.go_on(now, result, world);
        }
    }

    /// Others are to take over, and this unit takes no part any more.
    pub(crate) fn leave(&mut self, now: Moment, world: &mut World) {
        self.leaving = true;
        for at in 0..self.members.len() {
            self.feed(now, at, Input::Yield { to: None }, world);
        }
    }

    /// Something happened to one member.
    pub(crate) fn feed(&mut self, now: Moment, at: usize, input: Input, world: &mut World) {
        self.feed_all(now, VecDeque::from([(at, input)]), world);
        let handed_over = self.machine.members().iter().all(|router| router.state() == State::Backup);
        if self.leaving && handed_over {
            // It serves what is open, but must not take over again: nothing listens here any more.
            let track = Input::Track { name: "stop".into(), effect: Effect::Fault, text: LEAVING.into() };
            let tracks = (0..self.members.len()).map(|at| (at, track.clone()));
            self.feed_all(now, tracks.collect(), world);
        }
    }

    /// Results come back as inputs, and each may ask for more; the machine bounds that by its states.
    fn feed_all(&mut self, mut now: Moment, mut inputs: VecDeque<(usize, Input)>, world: &mut World) {
        while let Some((at, input)) = inputs.pop_front() {
            self.flight.before(&self.machine);
            self.machine.handle(now, at, &input, &mut self.outputs);
            let outputs = std::mem::take(&mut self.outputs);
            self.flight.push(Entry { at: now, input: (at, input.clone()), outputs: outputs.clone() });
            self.run(now, outputs.into(), &mut inputs, world);
            // The deeds took their time.
            now = clock::now();
            if input == Input::Claimed {
                self.tell_claimed(now, at, world);
            }
        }
        for (router, member) in self.machine.members().iter().zip(&mut self.members) {
            // Its target answers for the addresses itself: soon only what nobody knows would come here.
            if let Some(passing) = &mut member.passing
                && router.state() == State::Backup
                && router.active(now) == Some(passing.previous)
            {
                passing.until = passing.until.min(now + SETTLED);
            }
        }
    }

    /// Executes outputs, or lets them wait behind a way that is being laid.
    fn run(
        &mut self,
        now: Moment,
        mut outputs: VecDeque<(usize, Output)>,
        inputs: &mut VecDeque<(usize, Input)>,
        world: &mut World,
    ) {
        while let Some((at, output)) = outputs.pop_front() {
            match output {
                Output::Chain { .. } if !self.held.is_waiting() => {
                    outputs.push_front((at, output));
                    self.chain(now, &mut outputs, world);
                }
                output if self.held.keeps(at, &output) => self.held.push(at, output),
                output => {
                    if let Some(result) = self.execute(now, at, output, world) {
                        inputs.push_back((at, result));
                    }
                }
            }
        }
    }

    /// All members of a group in one go: what is laid is laid whole.
    fn chain(&mut self, now: Moment, outputs: &mut VecDeque<(usize, Output)>, world: &mut World) {
        let mut chains = Vec::new();
        for (at, output) in outputs.iter() {
            if let (Output::Chain { previous }, Some(member)) = (output, self.members.get_mut(*at)) {
                chains.extend(member.pass_to(now, *previous));
            }
        }
        outputs.retain(|(_, output)| !matches!(output, Output::Chain { .. }));
        if !chains.is_empty() {
            self.held.wait(world.hands.chain(chains), now + PATIENCE);
        }
    }

    /// The way is laid or not: what waited for it is done.
    fn go_on(&mut self, now: Moment, result: Result<(), &str>, world: &mut World) {
        for member in &mut self.members {
            let Some(Passing { previous, longest, .. }) = member.passing else { continue };
            let told = match result {
                Ok(()) => Told::Chained { previous, longest: longest.since(now) },
                Err(text) => Told::NotChained { text: text.into() },
            };
            (world.listener)(&member.config.name, now, told);
        }
        let mut inputs = VecDeque::new();
        let outputs = self.held.take();
        self.run(now, outputs, &mut inputs, world);
        self.feed_all(now, inputs, world);
    }

    fn execute(&mut self, now: Moment, at: usize, output: Output, world: &mut World) -> Option<Input> {
        let router = self.machine.members().get(at)?;
        let member = self.members.get_mut(at)?;
        let name = &member.config.name;
        match output {
            Output::Advertise { priority } => member.advertise(router, priority, &world.ports),
            Output::Claim => return claim(router, member, world),
            Output::Announce => announce(member, world),
            Output::Demote { to } => demote(now, router, member, to, world),
            Output::Release => return release(now, member, world),
            Output::Chain { .. } => {}
            Output::StateChanged { from, to, reason } => {
                member.transitions += u64::from(from != to);
                (world.listener)(name, now, Told::State { from, to, reason });
            }
            Output::Alarm { kind, text } => (world.listener)(name, now, Told::Alarm { kind, text }),
            Output::AlarmOver { kind } => (world.listener)(name, now, Told::AlarmOver { kind }),
        }
        None
    }

    fn tell_claimed(&self, now: Moment, at: usize, world: &World) {
        let pair = self.machine.members().get(at).zip(self.members.get(at));
        if let Some((router, member)) = pair
            && router.holds_addresses()
        {
            let addresses = member.addresses.clone();
            (world.listener)(&member.config.name, now, Told::Claimed { addresses });
        }
    }

    /// Compares what the kernel has with what this node should have.
    pub(crate) fn reconcile(&mut self, now: Moment, world: &mut World) {
        for at in 0..self.members.len() {
            if self.members[at].look(&world.view) {
                let settings = Box::new(self.members[at].settings());
                self.feed(now, at, Input::Configure(settings), world);
            }
            let up = self.members[at].can_speak(&world.view, &world.ports);
            if up != self.members[at].link_up {
                self.members[at].link_up = up;
                self.feed(now, at, if up { Input::LinkUp } else { Input::LinkDown }, world);
            }
            self.reconcile_addresses(now, at, world);
        }
    }

    fn reconcile_addresses(&mut self, now: Moment, at: usize, world: &mut World) {
        let (Some(router), Some(member)) = (self.machine.members().get(at), self.members.get_mut(at)) else {
            return;
        };
        if !member.moves_kernel_addresses() {
            return;
        }
        let Some(index) = world.view.interface(member.interface()).map(|it| it.index) else { return };
        let here = |address: &IpAddr| world.view.has(index, *address);
        if router.holds_addresses() && !member.addresses.iter().all(here) {
            tracing::warn!(router = %member.config.name, "somebody took its addresses away: claiming them again");
            // The keeper maybe, who then said so.
            world.ports.seals.skip();
            world.keeper.tell_anew();
            self.feed(now, at, Input::Released, world);
        } else if !router.state().holds() && member.parting().is_none() && member.addresses.iter().any(here) {
            // What an earlier run left, or somebody put there: two nodes must not answer for it.
            tracing::warn!(router = %member.config.name, "takes away addresses that are not this node's now");
            member.release(&mut world.view);
        }
    }

    /// Puts other configs of the same virtual routers in force.
    pub(crate) fn configure(&mut self, now: Moment, configs: Vec<VirtualRouter>, world: &mut World) {
        for (at, config) in configs.into_iter().enumerate() {
            let Some(member) = self.members.get_mut(at) else { return };
            if member.config == config {
                continue;
            }
            let gone: Vec<_> =
                member.config.addresses.iter().filter(|it| !config.addresses.contains(it)).copied().collect();
            if member.moves_kernel_addresses() && !gone.is_empty() {
                member.release_some(&mut world.view, &gone);
            } else if !gone.is_empty() {
                let gone = gone.iter().map(|it| it.address).collect();
                tell_refused(member.ask(Deed::Demote, gone, &world.helpers));
            }
            member.addresses = config.addresses.iter().map(|it| it.address).collect();
            member.config = config;
            member.look(&world.view);
            let settings = Box::new(member.settings());
            self.feed(now, at, Input::Configure(settings), world);
        }
    }

    /// What is on this node now, for the keeper.
    pub(crate) fn holds(&self, seals: &Seals) -> impl Iterator<Item = Hold> {
        let pairs = self.machine.members().iter().zip(&self.members);
        pairs
            .filter(|(router, member)| is_here(router, member))
            .map(|(router, member)| member.hold(router, seals))
    }

    /// The shortest time between advertisements of those that hold something.
    pub(crate) fn shortest_interval(&self) -> Option<Duration> {
        let pairs = self.machine.members().iter().zip(&self.members);
        let holding = pairs.filter(|(router, member)| is_here(router, member));
        holding.map(|(router, _)| router.settings().interval).min()
    }

    pub(crate) fn status(&self, now: Moment, drops: &Drops, tracks: &Tracks) -> Vec<RouterStatus> {
        let pairs = self.machine.members().iter().zip(&self.members);
        pairs
            .map(|(router, member)| RouterStatus {
                name: member.config.name.clone(),
                id: member.config.id.get(),
                state: router.state(),
                reason: router.reason().clone(),
                since: router.since(),
                priority: router.priority(),
                configured_priority: member.config.priority.get(),
                active: router.active(now),
                source: router.settings().source,
                addresses: member.addresses.clone(),
                holds: router.holds_addresses(),
                interval: router.learnt_interval(),
                transitions: member.transitions,
                tracked: tracks.of(&member.config.name),
                alarms: router
                    .alarms()
                    .map(|(kind, alarm)| AlarmStatus { kind, text: alarm.text.clone(), since: alarm.since })
                    .collect(),
                sent: member.sent,
                heard: member.heard,
                send_failures: member.send_failures,
                drops: drops.clone(),
            })
            .collect()
    }
}

/// Whether this node answers for its addresses: also in the last moments of a hand-over.
fn is_here(router: &Router, member: &Member) -> bool {
    router.holds_addresses() || member.parting().is_some()
}

/// The result, unless it comes later.
fn claim(router: &Router, member: &mut Member, world: &mut World) -> Option<Input> {
    if !member.moves_kernel_addresses() {
        let asked = member.ask(Deed::Claim, member.addresses.clone(), &world.helpers);
        let failed = |error: std::io::Error| Input::ClaimFailed { text: error.to_string().into() };
        return asked.map_err(failed).err();
    }
    world.keeper.expect(member.hold(router, &world.ports.seals), lease(router.settings().interval));
    match member.claim(&mut world.view) {
        Ok(()) => Some(Input::Claimed),
        Err(text) => Some(Input::ClaimFailed { text: text.into() }),
    }
}

/// New flows go to another node; what is open here goes on for a while.
fn demote(now: Moment, router: &Router, member: &mut Member, to: IpAddr, world: &mut World) {
    if member.moves_kernel_addresses() {
        // One that follows the word of this node has yet to claim them; any other may have them.
        match router.reason() {
            Reason::HandedOver { .. } => member.part(now, &mut world.view),
            _ => member.demote(&mut world.view),
        }
        member.say_that_it_serves(router, to, &world.ports);
    } else {
        ask(member, Deed::Demote, world);
    }
    let (addresses, drain) = (member.addresses.clone(), member.config.drain);
    (world.listener)(&member.config.name, now, Told::GivenAway { addresses, drain });
}

/// The result, unless it comes later.
fn release(now: Moment, member: &mut Member, world: &mut World) -> Option<Input> {
    let addresses = member.addresses.clone();
    (world.listener)(&member.config.name, now, Told::Released { addresses });
    if !member.moves_kernel_addresses() {
        ask(member, Deed::Release, world);
        return None;
    }
    member.release(&mut world.view);
    unchain(now, member, world);
    Some(Input::Released)
}

fn ask(member: &mut Member, deed: Deed, world: &World) {
    tell_refused(member.ask(deed, member.addresses.clone(), &world.helpers));
}

fn tell_refused(asked: std::io::Result<()>) {
    if let Err(error) = asked {
        tracing::error!(%error, "no thread for who moves the addresses");
    }
}

fn unchain(now: Moment, member: &mut Member, world: &World) {
    let Some(Passing { previous, confirmed, .. }) = member.passing.take() else { return };
    world.hands.unchain(member.config.name.clone());
    let told = if confirmed {
        Told::Unchained { previous }
    } else {
        Told::NotChained { text: format!("{previous} did not say that it still serves them").into() }
    };
    (world.listener)(&member.config.name, now, told);
}

fn announce(member: &Member, world: &mut World) {
    if member.moves_kernel_addresses()
        && let Err(error) = tell_neighbours(member, world)
    {
        tracing::warn!(router = %member.config.name, %error, "the neighbours could not be told");
    }
}

fn tell_neighbours(member: &Member, world: &mut World) -> std::io::Result<()> {
    let announcer = match &mut world.announcer {
        Some(open) => open,
        closed => closed.insert(Announcer::open()?),
    };
    Mover::announce(&world.view, announcer, member.interface(), &member.addresses)
}
