//! The thread: waits for whatever comes first, and hands it to the virtual routers that it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_model::{GroupName, Moment, TrackedInterface, VirtualRouter, VirtualRouterName};
use haechi_sys::clock::now;
use haechi_vrrp::timing::lease;
use haechi_vrrp::{Effect, Input};
use rustix::event::{PollFd, PollFlags};

use crate::counters::Dropped;
use crate::deeds::Helpers;
use crate::hands::Hands;
use crate::keeper::{Hold, Holdings, Keeper, millis};
use crate::mailbox::{Command, Inbox};
use crate::member::Member;
use crate::ports::{Heard, Key, Ports, Wanted};
use crate::rights::pass_on_rights;
use crate::tracks::Tracks;
use crate::unit::{Unit, World};
use crate::view::View;
use crate::virtual_mac::Quiet;
use crate::waiting::wait;
use crate::{Drops, FlightRecord, Listener, RIGHTS, Setup, Shared, Tracked};

/// Longest wait when nothing is due: the kernel's addresses are looked at this often even if it says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Most descriptors of one wait: the inbox, the view and two ports for each of 64 interfaces.
const DESCRIPTORS: usize = 2 + 128;

/// All virtual routers of this host.
pub(crate) struct Node {
    inbox: Inbox,
    shared: Arc<Shared>,
    world: World,
    /// Threads of movers that end when all is done.
    retired: Vec<JoinHandle<()>>,
    quiet: Quiet,
    units: Vec<Unit>,
    drops: BTreeMap<Key, Drops>,
    tracks: Tracks,
    stopping: bool,
}

impl Node {
    pub(crate) fn new(
        inbox: Inbox,
        shared: Arc<Shared>,
        keeper: Keeper,
        listener: Listener,
        helpers: Helpers,
        hands: Hands,
    ) -> io::Result<Self> {
        Ok(Self {
            inbox,
            shared,
            world: World { view: View::open()?, ports: Ports::new(), listener, helpers, hands, keeper },
            retired: Vec::new(),
            quiet: Quiet::default(),
            units: Vec::new(),
            drops: BTreeMap::new(),
            tracks: Tracks::default(),
            stopping: false,
        })
    }

    pub(crate) fn run(mut self, setup: Setup) {
        // To the keeper, and to movers, whose threads this one starts.
        pass_on_rights(&RIGHTS);
        self.configure(setup);
        while !self.stopping {
            self.publish();
            self.keep();
            let ready = self.wait();
            // What has arrived comes before what is due: an advertisement that waited to be read is no silence.
            for key in &ready {
                self.receive(key);
            }
            self.tick();
            self.take();
        }
        self.publish();
        for member in self.units.iter_mut().flat_map(|unit| &mut unit.members) {
            member.take_off_face(&mut self.world.view);
        }
        let threads = self.units.iter_mut().flat_map(|unit| &mut unit.members).filter_map(Member::retire);
        for thread in threads.chain(self.retired) {
            // Its own panic was printed.
            let _ = thread.join();
        }
    }

    /// Waits for a descriptor or a deadline. Gives the ports that have something.
    fn wait(&self) -> Vec<Key> {
        let at = now();
        let deadline = self.units.iter().filter_map(Unit::deadline).min().unwrap_or(at + LOOK);
        let timeout = deadline.since(at).min(LOOK);
        let mut keys = Vec::new();
        let mut descriptors =
            vec![PollFd::new(&self.inbox, PollFlags::IN), PollFd::new(&self.world.view, PollFlags::IN)];
        for (key, descriptor) in self.world.ports.descriptors().take(DESCRIPTORS) {
            keys.push(key.clone());
            descriptors.push(PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        }
        // Interrupted or out of memory: what is due is done, and it waits again.
        if wait(&mut descriptors, Some(timeout)).is_err() {
            return Vec::new();
        }
        let ready = descriptors.iter().skip(2).map(|descriptor| !descriptor.revents().is_empty());
        keys.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(key, _)| key).collect()
    }

    fn tick(&mut self) {
        self.each(|unit, world| {
            let at = now();
            if unit.deadline().is_some_and(|deadline| deadline <= at) {
                unit.tick(at, world);
            }
        });
    }

    fn each(&mut self, mut body: impl FnMut(&mut Unit, &mut World)) {
        self.units.iter_mut().for_each(|unit| body(unit, &mut self.world));
    }

    fn take(&mut self) {
        if self.world.view.changed() {
            self.look();
        }
        let commands: Vec<Command> = self.inbox.take().collect();
        for command in commands {
            self.obey(command);
        }
    }

    fn receive(&mut self, key: &Key) {
        let mut came: Vec<Result<Heard, Dropped>> = Vec::new();
        self.world.ports.receive(key, |it| came.push(it));
        for it in came {
            match it {
                Ok(heard) => self.hear(key, heard),
                Err(dropped) => self.drops.entry(key.clone()).or_default().count(dropped),
            }
        }
    }

    fn hear(&mut self, key: &Key, heard: Heard) {
        let mut dropped = Dropped::UnknownId;
        for number in 0..self.units.len() {
            for at in 0..self.units[number].members.len() {
                let member = &mut self.units[number].members[at];
                if member.port() != *key {
                    continue;
                }
                match member.judge(&heard) {
                    Err(Dropped::UnknownId) => {}
                    Err(other) => dropped = other,
                    Ok(()) => {
                        member.note(&heard);
                        let Heard { source, advertisement, .. } = heard;
                        self.feed(number, at, Input::Advertisement { source, advertisement });
                        return;
                    }
                }
            }
        }
        self.drops.entry(key.clone()).or_default().count(dropped);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Configure(setup) => self.configure(setup),
            Command::Done { router, number, result } => self.done(&router, number, result),
            Command::Track { router, tracked } => {
                for input in self.tracks.told(&router, tracked) {
                    self.feed_named(&router, input);
                }
            }
            Command::HandOver { router, to } => self.feed_named(&router, Input::Yield { to }),
            Command::TakeBack(router) => self.feed_named(&router, Input::TakeBack),
            Command::Record { router, answer } => {
                if let Some((number, _)) = self.place(&router) {
                    let unit = &self.units[number];
                    let routers = unit.names().cloned().collect();
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(FlightRecord { routers, record: unit.flight.record() });
                }
            }
            Command::Chained { ticket, result } => {
                let result = result.as_ref().copied().map_err(String::as_str);
                self.each(|unit, world| unit.chained(now(), ticket, result, world));
            }
            Command::Leave => self.each(|unit, world| unit.leave(now(), world)),
            Command::Stop => {
                for number in 0..self.units.len() {
                    self.feed(number, 0, Input::Stop);
                }
                self.stopping = true;
            }
        }
    }

    fn feed_named(&mut self, router: &VirtualRouterName, input: Input) {
        if let Some((number, at)) = self.place(router) {
            self.feed(number, at, input);
        }
    }

    fn place(&self, router: &VirtualRouterName) -> Option<(usize, usize)> {
        self.units
            .iter()
            .enumerate()
            .find_map(|(number, unit)| unit.names().position(|name| name == router).map(|at| (number, at)))
    }

    /// A deed ended. What was asked for before the newest one is history.
    fn done(&mut self, router: &VirtualRouterName, job: u64, result: Input) {
        if let Some((number, at)) = self.place(router)
            && self.units[number].members[at].awaits(job)
        {
            self.feed(number, at, result);
        }
    }

    fn feed(&mut self, number: usize, at: usize, input: Input) {
        self.units[number].feed(now(), at, input, &mut self.world);
    }

    /// Looks at the network anew, and at what follows for each virtual router.
    fn look(&mut self) {
        self.world.view.list();
        self.put_on_faces();
        self.open_ports();
        for unit in &mut self.units {
            unit.reconcile(now(), &mut self.world);
        }
        self.look_at_links();
    }

    /// Interfaces that are tracked, as this host sees them.
    fn look_at_links(&mut self) {
        let members = self.units.iter().flat_map(|unit| &unit.members);
        let links: Vec<_> = members
            .filter(|member| {
                !member.config.track.interfaces.is_empty() || self.tracks.has_links(&member.config.name)
            })
            .map(|member| (member.config.name.clone(), links(&member.config, &self.world.view)))
            .collect();
        for (router, links) in links {
            for input in self.tracks.links(&router, links) {
                self.feed_named(&router, input);
            }
        }
    }

    /// Interfaces with MACs of virtual routers.
    fn put_on_faces(&mut self) {
        let mut made = false;
        for member in self.units.iter_mut().flat_map(|unit| &mut unit.members) {
            made |= member.put_on_face(&mut self.world.view);
        }
        let parents = self.units.iter().flat_map(|unit| &unit.members).filter_map(Member::quiet_parent);
        self.quiet.want(&parents.collect());
        if made {
            self.world.view.list();
        }
    }

    fn open_ports(&mut self) {
        let mut wanted: BTreeMap<Key, Wanted> = BTreeMap::new();
        for member in self.units.iter().flat_map(|unit| &unit.members) {
            let key = member.port();
            let interface = match &key {
                Key::Vrrp { interface, .. } => interface,
                Key::Udp(_) => &member.config.interface,
            };
            let Some(index) = self.world.view.interface(interface).map(|it| it.index) else { continue };
            let port = wanted.entry(key).or_insert(Wanted { index, keys: BTreeSet::new() });
            port.keys.extend(member.keys().map(Box::from));
        }
        self.world.ports.want(&wanted);
    }

    /// Units that stay keep their state; others leave cleanly, and new ones begin.
    fn configure(&mut self, setup: Setup) {
        let Setup { routers, node, keys } = setup;
        self.world.ports.seals.configure(node, keys);
        let wanted = together(routers);
        let same = |unit: &Unit, configs: &[VirtualRouter]| {
            unit.members.len() == configs.len()
                && unit.members.iter().zip(configs).all(|(member, config)| {
                    member.config.name == config.name
                        && member.config.id == config.id
                        && member.config.interface == config.interface
                        && member.config.mover == config.mover
                        && member.config.virtual_mac == config.virtual_mac
                })
        };
        let mut old = std::mem::take(&mut self.units);
        let mut fresh = Vec::new();
        let mut next: Vec<Unit> = Vec::new();
        for configs in wanted {
            let at = now();
            match old.iter().position(|unit| same(unit, &configs)) {
                Some(found) => {
                    let mut unit = old.remove(found);
                    unit.configure(at, configs, &mut self.world);
                    next.push(unit);
                }
                None => {
                    fresh.push(next.len());
                    next.push(Unit::new(configs, at));
                }
            }
        }
        for mut unit in old {
            unit.feed(now(), 0, Input::Stop, &mut self.world);
            self.retired.extend(unit.members.iter_mut().filter_map(Member::retire));
            unit.members.iter_mut().for_each(|member| member.take_off_face(&mut self.world.view));
        }
        self.retired.retain(|thread| !thread.is_finished());
        self.units = next;
        let names: BTreeSet<&VirtualRouterName> = self.units.iter().flat_map(Unit::names).collect();
        self.tracks.keep_only(&names);
        self.look();
        for number in fresh {
            // A new machine knows nothing of what was told before it began.
            let known: Vec<_> =
                self.units[number].names().map(|name| (name.clone(), self.tracks.inputs(name))).collect();
            for (router, inputs) in known {
                inputs.into_iter().for_each(|input| self.feed_named(&router, input));
            }
            self.feed(number, 0, Input::Start);
        }
    }

    /// Tells the keeper what this node holds, and that it runs.
    fn keep(&mut self) {
        let holds: Vec<Hold> = self.units.iter().flat_map(Unit::holds).collect();
        let interval = self.units.iter().filter_map(Unit::shortest_interval).min().unwrap_or(LOOK);
        self.world.keeper.tell(Holdings { lease_ms: millis(lease(interval)), holds });
    }

    fn publish(&self) {
        let at: Moment = now();
        let none = Drops::default();
        let status = self.units.iter().flat_map(|unit| {
            let key = unit.members.first().map(Member::port);
            let drops = key.and_then(|key| self.drops.get(&key)).unwrap_or(&none);
            unit.status(at, drops, &self.tracks)
        });
        *self.shared.routers.lock().unwrap_or_else(PoisonError::into_inner) = status.collect();
    }
}

fn links(config: &VirtualRouter, view: &View) -> Vec<Tracked> {
    let of = |tracked: &TrackedInterface| {
        let up = view.is_usable(&tracked.interface);
        Tracked {
            name: format!("interface {}", tracked.interface).into(),
            effect: if up { Effect::Clear } else { tracked.effect.into() },
            text: if up { "it is up".into() } else { "it is down or not there".into() },
        }
    };
    config.track.interfaces.iter().map(of).collect()
}

/// Virtual routers by group, in the order of the config; one without a group is a group of its own.
fn together(routers: Vec<VirtualRouter>) -> Vec<Vec<VirtualRouter>> {
    let mut groups: Vec<Vec<VirtualRouter>> = Vec::new();
    let mut places: BTreeMap<GroupName, usize> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for router in routers {
        if !names.insert(router.name.clone()) {
            continue;
        }
        match router.group.clone() {
            None => groups.push(vec![router]),
            Some(group) => {
                let place = *places.entry(group).or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Vec::new());
                }
                groups[place].push(router);
            }
        }
    }
    groups
}
