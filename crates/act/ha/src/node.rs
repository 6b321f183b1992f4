//! The thread: waits for whatever comes first, and hands it to the virtual routers that it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::Sender;
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
use crate::legacy::{Left, UnitLeft, believed_until};
use crate::mailbox::{Command, Inbox};
use crate::member::Member;
use crate::memory::{Memory, REST, Remembered};
use crate::ports::{Heard, Key, Ports, Wanted};
use crate::rights::pass_on_rights;
use crate::tracks::Tracks;
use crate::unit::{Unit, World};
use crate::view::View;
use crate::virtual_mac::Quiet;
use crate::waiting::wait;
use crate::{Drops, FlightRecord, Legacy, Listener, RIGHTS, Setup, Shared, Tracked};

/// Longest wait when nothing is due: the kernel's addresses are looked at this often even if it says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Most descriptors of one wait: the inbox, the view and two ports for each of 64 interfaces.
const DESCRIPTORS: usize = 2 + 128;

/// Why machines of a former process can't be taken up.
const OTHERS: &str =
    "the config on disk has other virtual routers than those that run: reload first, then upgrade";

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
    memory: Arc<Memory>,
    /// When the memory was last told.
    remembered: Moment,
    /// When the keeper was.
    signed: Moment,
    passing_on: PassingOn,
    stopping: bool,
}

/// Where this node stands in an upgrade.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PassingOn {
    No,
    /// Another process has all it needs: this one advertises, and does nothing else.
    Offered,
    /// That one does all.
    Done,
}

impl Node {
    pub(crate) fn new(
        inbox: Inbox,
        shared: Arc<Shared>,
        keeper: Keeper,
        listener: Listener,
        helpers: Helpers,
        (hands, memory): (Hands, Arc<Memory>),
    ) -> io::Result<Self> {
        Ok(Self {
            inbox,
            shared,
            world: World {
                view: View::open()?,
                announcer: None,
                ports: Ports::new(),
                listener,
                helpers,
                hands,
                keeper,
            },
            retired: Vec::new(),
            quiet: Quiet::default(),
            units: Vec::new(),
            drops: BTreeMap::new(),
            tracks: Tracks::default(),
            memory,
            remembered: now(),
            signed: now(),
            passing_on: PassingOn::No,
            stopping: false,
        })
    }

    pub(crate) fn run(mut self, setup: Setup, remembered: Option<Remembered>) {
        // To the keeper, and to movers, whose threads this one starts.
        pass_on_rights(&RIGHTS);
        self.remember(remembered);
        self.configure(setup);
        self.live();
    }

    /// The same with what a former process left; says whether that worked.
    pub(crate) fn resume(
        mut self,
        (setup, remembered): (Setup, Option<Remembered>),
        legacy: Legacy,
        answer: &Sender<Result<(), String>>,
    ) {
        pass_on_rights(&RIGHTS);
        self.remember(remembered);
        let resumed = self.inherit(setup, legacy);
        let good = resumed.is_ok();
        // Whoever waits no more has ended this process.
        let _ = answer.send(resumed);
        if good {
            self.look();
            self.live();
        } else {
            self.world.keeper.leave();
        }
    }

    /// Takes up machines, sockets and keeper, and advertises where this node is active.
    fn inherit(&mut self, setup: Setup, legacy: Legacy) -> Result<(), String> {
        let Setup { routers, node, keys, .. } = setup;
        let mut descriptors = legacy.descriptors.into_iter();
        let left: Left = serde_json::from_value(legacy.state).map_err(|error| error.to_string())?;
        self.world.ports.seals.configure(node, keys);
        self.world.ports.seals.inherit(left.epoch, left.windows);
        self.world.ports.inherit(left.ports.into_iter().zip(descriptors.by_ref()));
        self.tracks.inherit(left.tracks, believed_until(now()));
        let wanted = together(routers);
        if wanted.len() != left.units.len() {
            return Err(OTHERS.to_owned());
        }
        let units = wanted.into_iter().zip(left.units).map(|(configs, left)| Unit::inherit(configs, left));
        self.units = units.collect::<Option<_>>().ok_or(OTHERS)?;
        self.share_memory();
        self.world.view.list();
        self.put_on_faces();
        self.open_ports();
        let members = self.units.iter().flat_map(|unit| &unit.members);
        if let Some(mute) = members.filter(|it| it.link_up).find(|it| !self.world.ports.is_open(&it.port())) {
            return Err(format!("virtual router {} has no socket for advertisements", mute.config.name));
        }
        if let Some((keeper, pipe)) = left.keeper.zip(descriptors.next()) {
            self.world.keeper.inherit(keeper, pipe);
        }
        self.each(|unit, world| unit.resume(now(), world));
        Ok(())
    }

    fn live(mut self) {
        while !self.stopping {
            self.publish();
            self.keep();
            let ready = self.wait();
            self.suspect();
            // What has arrived comes before what is due: an advertisement that waited to be read is no silence.
            for key in &ready {
                self.receive(key);
            }
            self.tick();
            self.take();
        }
        if self.passing_on == PassingOn::Done {
            // Addresses, interfaces and the keeper stay as they are.
            self.world.keeper.leave();
            self.quiet.leave();
            return;
        }
        self.memory.end(&self.world.ports.seals.page());
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
        let offered = self.passing_on == PassingOn::Offered;
        let units = self.units.iter().filter(|unit| !offered || unit.is_active());
        let deadline = units.filter_map(Unit::deadline).min().unwrap_or(at + LOOK);
        let timeout = deadline.since(at).min(LOOK);
        let mut keys = Vec::new();
        let mut descriptors = vec![PollFd::new(&self.inbox, PollFlags::IN)];
        // Offered to another process: what comes in is that one's to hear.
        let most = if offered { 0 } else { DESCRIPTORS };
        if !offered {
            descriptors.push(PollFd::new(&self.world.view, PollFlags::IN));
            let partings = self.units.iter().flat_map(Unit::partings);
            descriptors.extend(partings.map(|it| PollFd::new(it, PollFlags::IN)));
        }
        for (key, descriptor) in self.world.ports.descriptors().take(most) {
            keys.push(key.clone());
            descriptors.push(PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        }
        // Interrupted or out of memory: what is due is done, and it waits again.
        if wait(&mut descriptors, Some(timeout)).is_err() {
            return Vec::new();
        }
        let before = descriptors.len() - keys.len();
        let ready = descriptors.iter().skip(before).map(|descriptor| !descriptor.revents().is_empty());
        keys.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(key, _)| key).collect()
    }

    fn tick(&mut self) {
        let offered = self.passing_on == PassingOn::Offered;
        self.each(|unit, world| {
            let at = now();
            // A backup that hears nothing now must not take over for that.
            if offered && !unit.is_active() {
                return;
            }
            unit.finish_partings(at, world);
            if unit.deadline().is_some_and(|deadline| deadline <= at) {
                unit.tick(at, world);
            }
        });
    }

    fn each(&mut self, mut body: impl FnMut(&mut Unit, &mut World)) {
        self.units.iter_mut().for_each(|unit| body(unit, &mut self.world));
    }

    fn take(&mut self) {
        if self.passing_on == PassingOn::No && self.world.view.changed() {
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
        match (self.passing_on, command) {
            (PassingOn::No, Command::PassOn { answer }) => {
                let legacy = self.lend();
                if legacy.is_ok() {
                    self.passing_on = PassingOn::Offered;
                }
                // Whoever does not wait any more takes it back.
                let _ = answer.send(legacy);
            }
            (PassingOn::Offered, Command::KeepOn) => {
                self.passing_on = PassingOn::No;
                self.world.ports.seals.begin_anew();
                self.look();
            }
            (PassingOn::Offered, Command::PassedOn) => {
                (self.passing_on, self.stopping) = (PassingOn::Done, true);
            }
            // What is tracked comes again; nothing else comes while an upgrade is under way.
            (PassingOn::Offered, command) if !matches!(command, Command::Stop) => {}
            (PassingOn::Done, _) => {}
            (PassingOn::No | PassingOn::Offered, command) => self.do_it(command),
        }
    }

    fn lend(&self) -> Result<Legacy, String> {
        let units: Vec<UnitLeft> = self.units.iter().map(Unit::lend).collect::<Result<_, _>>()?;
        let out = |error: io::Error| format!("virtual routers can't be passed on: {error}");
        let (ports, mut descriptors): (Vec<_>, Vec<_>) =
            self.world.ports.lend().map_err(out)?.into_iter().unzip();
        let (epoch, windows) = self.world.ports.seals.lend();
        let keeper = self.world.keeper.lend().map_err(out)?.map(|(keeper, pipe)| {
            descriptors.push(pipe);
            keeper
        });
        let left = Left { units, tracks: self.tracks.lend(), epoch, windows, ports, keeper };
        let state = serde_json::to_value(left).map_err(|error| error.to_string())?;
        Ok(Legacy { state, descriptors })
    }

    fn do_it(&mut self, command: Command) {
        match command {
            Command::Configure(setup, remembered) => {
                self.remember(remembered);
                self.configure(setup);
            }
            Command::Done { router, number, result } => self.done(&router, number, result),
            Command::Track { router, tracked } => {
                for input in self.tracks.told(now(), &router, tracked) {
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
            Command::PassOn { .. } | Command::KeepOn | Command::PassedOn => {}
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
            let input = self.tracks.together(self.units[number].names(), input);
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
        let Setup { routers, node, keys, .. } = setup;
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
        self.share_memory();
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

    fn share_memory(&mut self) {
        let records = self.units.len();
        self.units.iter_mut().for_each(|unit| unit.flight.share(records));
    }

    /// Tells the keeper what this node holds, and that it runs; and the memory what was heard.
    fn keep(&mut self) {
        let seals = &self.world.ports.seals;
        let holds: Vec<Hold> = self.units.iter().flat_map(|unit| unit.holds(seals)).collect();
        self.world.keeper.tell(Holdings { lease_ms: millis(self.lease()), holds });
        self.signed = now();
        if self.passing_on == PassingOn::No && self.signed.since(self.remembered) >= REST {
            self.remembered = self.signed;
            let page = self.world.ports.seals.remember();
            if page.is_some_and(|page| !self.memory.keep(page)) {
                self.world.ports.seals.was_not_kept();
            }
        }
    }

    /// The keeper's patience.
    fn lease(&self) -> Duration {
        lease(self.units.iter().filter_map(Unit::shortest_interval).min().unwrap_or(LOOK))
    }

    /// The keeper may have let go and said so, if it was not told for half its patience: its clock and this one are
    /// read at other times.
    fn suspect(&mut self) {
        if now().since(self.signed) > self.lease() / 2 && self.units.iter().any(Unit::is_active) {
            self.world.ports.seals.skip();
            self.world.keeper.tell_anew();
        }
    }

    fn remember(&mut self, remembered: Option<Remembered>) {
        remembered.into_iter().for_each(|remembered| self.world.ports.seals.begin(remembered));
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
