//! All endpoints with their machines, and which probe comes next.
//!
//! This is bookkeeping without I/O: the driver asks it what to do and tells it what came back. Work is
//! bounded in two lanes, so that programs that hang can't hold up connects.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use haechi_health::{EjectionChange, Ejections, Machine, ProbeOutcome, Standing};
use haechi_model::{EndpointId, EndpointName, HealthCheck, Moment, PassiveCheck, PoolName, Probe};

use crate::deadlines::Deadlines;
use crate::{EndpointReport, Event, Target, Verdict};

/// Most probes under way at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections. When a tenth of 10,000 endpoints falls silent, an interval of 10 s and a timeout of
    /// 5 s keep 500 probes waiting; 1,024 leaves the other nine tenths room. Each costs a descriptor and
    /// about 8 KiB.
    pub network: usize,
    /// Programs. Each costs a process, and starting many at once steals time from the traffic.
    pub programs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { network: 1024, programs: 32 }
    }
}

/// What the prober is busy with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    /// Connections under way.
    pub network: usize,
    /// Programs that run.
    pub programs: usize,
    /// Probes that are due and wait for one of the [`Limits`]. When this stays above zero, probes are late.
    pub waiting: usize,
}

/// One probe to run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Tells its result from that of an older probe of the same endpoint.
    pub(crate) flight: u64,
    key: u64,
    pub(crate) lane: Lane,
    pub(crate) id: EndpointId,
    /// With the check's port.
    pub(crate) address: SocketAddr,
    pub(crate) check: Arc<HealthCheck>,
}

/// Which limit a probe counts against.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Lane {
    Network,
    Programs,
}

impl Lane {
    const ALL: [Self; 2] = [Self::Network, Self::Programs];

    fn of(check: &HealthCheck) -> Self {
        if matches!(check.probe, Probe::Exec { .. }) { Self::Programs } else { Self::Network }
    }
}

/// All endpoints.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    seed: u64,
    limits: Limits,
    /// Grows by one for each machine and each flight, so no two ever share a number.
    numbers: u64,
    keys: BTreeMap<EndpointId, u64>,
    slots: Slots,
    pools: HashMap<PoolName, Ejections>,
    due: Deadlines<u64>,
    returns: Deadlines<PoolName>,
    network: Queue,
    programs: Queue,
    void: HashSet<u64>,
}

type Slots = HashMap<u64, Slot>;

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<u64>,
    under_way: usize,
}

#[derive(Debug)]
struct Slot {
    id: EndpointId,
    address: SocketAddr,
    check: Option<Arc<HealthCheck>>,
    machine: Machine,
    queued: bool,
    flight: Option<(u64, Moment)>,
}

impl Fleet {
    pub(crate) fn new(seed: u64, limits: Limits) -> Self {
        // A limit of zero would stop all probes for good.
        let limits = Limits { network: limits.network.max(1), programs: limits.programs.max(1) };
        Self { seed, limits, ..Self::default() }
    }

    /// Watches exactly these. A known endpoint at its old address keeps its state; its check may change.
    /// Of two with the same id the first counts.
    pub(crate) fn set_targets(&mut self, targets: Vec<Target>, now: Moment) -> Vec<Verdict> {
        let mut before = std::mem::take(&mut self.keys);
        let mut pools: BTreeMap<PoolName, (Option<PassiveCheck>, Vec<EndpointName>)> = BTreeMap::new();
        let (mut verdicts, mut ejected) = (Vec::new(), Vec::new());
        for target in targets {
            if self.keys.contains_key(&target.id) {
                continue;
            }
            let pool = pools.entry(target.id.pool.clone()).or_insert_with(|| (target.passive, Vec::new()));
            pool.1.push(target.id.endpoint.clone());
            let known = before
                .get(&target.id)
                .copied()
                .filter(|key| self.slots.get(key).is_some_and(|slot| slot.address == target.address));
            match known {
                Some(key) => {
                    before.remove(&target.id);
                    self.keys.insert(target.id.clone(), key);
                    verdicts.extend(self.keep(key, target.check, now));
                }
                None => {
                    ejected.extend(target.ejection.map(|known| (target.id.clone(), known)));
                    verdicts.extend(self.add(target, now));
                }
            }
        }
        for key in before.into_values() {
            self.remove(key);
        }
        self.set_pools(pools, now, &mut verdicts);
        for (id, known) in ejected {
            let Some(pool) = self.pools.get_mut(&id.pool) else { continue };
            pool.inherit(&id.endpoint, known);
            self.returns.set(&id.pool, pool.next_deadline());
        }
        verdicts
    }

    /// So many requests in a row failed that this endpoint may be ejected.
    pub(crate) fn passive_failure(&mut self, id: &EndpointId, now: Moment) -> Vec<Verdict> {
        let Some(key) = self.keys.get(id).copied() else { return Vec::new() };
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.machine.suspect(now);
        }
        self.schedule(key);
        let Some(ejections) = self.pools.get_mut(&id.pool) else { return Vec::new() };
        let serving = |name: &EndpointName| serves(&self.keys, &self.slots, &id.pool, name);
        match ejections.failures_reached(&id.endpoint, serving, now) {
            Ok(change) => self.ejections_changed(&id.pool, vec![change]),
            Err(why) => {
                tracing::debug!(endpoint = %id, %why, "requests fail, but the endpoint is not ejected");
                Vec::new()
            }
        }
    }

    /// Puts what is due in line and ends ejections whose time is over.
    pub(crate) fn wake(&mut self, now: Moment) -> Vec<Verdict> {
        while let Some(key) = self.due.pop_due(now) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            let Some(check) = &slot.check else { continue };
            slot.queued = true;
            let lane = Lane::of(check);
            self.queue(lane).ready.push_back(key);
        }
        let mut verdicts = Vec::new();
        while let Some(pool) = self.returns.pop_due(now) {
            let changes = self.pools.get_mut(&pool).map(|ejections| ejections.tick(now)).unwrap_or_default();
            verdicts.extend(self.ejections_changed(&pool, changes));
        }
        verdicts
    }

    /// The next probe to run, if there is one and its lane has room. It counts as under way until
    /// [`landed`](Self::landed).
    pub(crate) fn launch(&mut self, now: Moment) -> Option<Job> {
        Lane::ALL.into_iter().find_map(|lane| self.launch_in(lane, now))
    }

    /// A probe is no longer under way, whatever came of it.
    pub(crate) fn landed(&mut self, lane: Lane) {
        let queue = self.queue(lane);
        queue.under_way = queue.under_way.saturating_sub(1);
    }

    /// What came of a probe. The result of one whose endpoint or check is gone is ignored.
    pub(crate) fn finished(&mut self, job: &Job, outcome: ProbeOutcome, now: Moment) -> Vec<Verdict> {
        let Some(slot) = self.slots.get_mut(&job.key) else { return Vec::new() };
        let Some((_, started)) = slot.flight.take_if(|(flight, _)| *flight == job.flight) else {
            return Vec::new();
        };
        let success = outcome.standing() == Standing::Success;
        let change = slot.machine.probed(outcome, now);
        self.schedule(job.key);
        let mut verdicts = Vec::new();
        let changed = change.is_some();
        if let Some(change) = change {
            verdicts.extend(self.verdict(&job.id, Some(Event::Health(change))));
        }
        let pool = &job.id.pool;
        if success {
            let ejections = self.pools.get_mut(pool);
            let change = ejections.and_then(|pool| pool.probe_succeeded(&job.id.endpoint, started, now));
            verdicts.extend(self.ejections_changed(pool, change.into_iter().collect()));
        }
        if changed {
            verdicts.extend(self.rescue(pool, now));
        }
        verdicts
    }

    /// When [`wake`](Self::wake) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        [self.due.next(), self.returns.next()].into_iter().flatten().min()
    }

    /// Flights whose results nobody wants any more.
    pub(crate) fn take_void(&mut self) -> HashSet<u64> {
        std::mem::take(&mut self.void)
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            network: self.network.under_way,
            programs: self.programs.under_way,
            waiting: self.network.ready.len() + self.programs.ready.len(),
        }
    }

    pub(crate) fn report(&self, id: &EndpointId) -> Option<EndpointReport> {
        let slot = self.slots.get(self.keys.get(id)?)?;
        let ejected_until = self.pools.get(&id.pool).and_then(|pool| pool.ejected_until(&id.endpoint));
        let ejection = self.pools.get(&id.pool).and_then(|pool| pool.known(&id.endpoint));
        Some(EndpointReport { address: slot.address, health: slot.machine.report(), ejected_until, ejection })
    }

    /// All of them in the order of their ids.
    pub(crate) fn reports(&self) -> Vec<(EndpointId, EndpointReport)> {
        self.keys.keys().filter_map(|id| Some((id.clone(), self.report(id)?))).collect()
    }

    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(1);
        self.numbers
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Network => &mut self.network,
            Lane::Programs => &mut self.programs,
        }
    }

    fn add(&mut self, target: Target, now: Moment) -> Option<Verdict> {
        let key = self.number();
        let seed = self.seed.wrapping_add(key);
        let machine = Machine::new(target.check.as_deref(), target.start, seed, now);
        let Target { id, address, check, .. } = target;
        self.keys.insert(id.clone(), key);
        self.slots.insert(key, Slot { id: id.clone(), address, check, machine, queued: false, flight: None });
        self.schedule(key);
        self.verdict(&id, None)
    }

    fn keep(&mut self, key: u64, check: Option<Arc<HealthCheck>>, now: Moment) -> Option<Verdict> {
        let slot = self.slots.get_mut(&key)?;
        if slot.check == check {
            return None;
        }
        let served = slot.machine.serving();
        let asked =
            |check: &Option<Arc<HealthCheck>>| check.as_ref().map(|check| (check.probe.clone(), check.port));
        let same_probe = asked(&slot.check) == asked(&check);
        let change = slot.machine.reconfigure(check.as_deref(), now);
        slot.check = check;
        if !same_probe {
            slot.machine.restart(now);
            self.void.extend(slot.flight.take().map(|(flight, _)| flight));
        }
        let id = slot.id.clone();
        let told = change.is_some() || served != slot.machine.serving();
        self.schedule(key);
        told.then(|| self.verdict(&id, change.map(Event::Health))).flatten()
    }

    fn remove(&mut self, key: u64) {
        if let Some(slot) = self.slots.remove(&key) {
            self.void.extend(slot.flight.map(|(flight, _)| flight));
            self.due.set(&key, None);
        }
    }

    fn set_pools(
        &mut self,
        pools: BTreeMap<PoolName, (Option<PassiveCheck>, Vec<EndpointName>)>,
        now: Moment,
        verdicts: &mut Vec<Verdict>,
    ) {
        for gone in self.pools.keys().filter(|pool| !pools.contains_key(*pool)) {
            self.returns.set(gone, None);
        }
        self.pools.retain(|pool, _| pools.contains_key(pool));
        for (pool, (passive, members)) in pools {
            let changes = self.pools.entry(pool.clone()).or_default().reconfigure(passive, members, now);
            verdicts.extend(self.ejections_changed(&pool, changes));
            verdicts.extend(self.rescue(&pool, now));
        }
    }

    fn launch_in(&mut self, lane: Lane, now: Moment) -> Option<Job> {
        let limit = match lane {
            Lane::Network => self.limits.network,
            Lane::Programs => self.limits.programs,
        };
        while self.queue(lane).under_way < limit {
            let key = self.queue(lane).ready.pop_front()?;
            if let Some(job) = self.begin(key, lane, now) {
                self.queue(lane).under_way += 1;
                return Some(job);
            }
        }
        None
    }

    /// `None` when the check went away, or moved to the other lane, while the probe stood in line.
    fn begin(&mut self, key: u64, lane: Lane, now: Moment) -> Option<Job> {
        let flight = self.number();
        let slot = self.slots.get_mut(&key)?;
        let Some(check) = slot.check.clone() else {
            slot.queued = false;
            return None;
        };
        let wanted = Lane::of(&check);
        if wanted != lane {
            self.queue(wanted).ready.push_back(key);
            return None;
        }
        slot.queued = false;
        slot.flight = Some((flight, now));
        slot.machine.started(now);
        let mut address = slot.address;
        if let Some(port) = check.port {
            address.set_port(port.get());
        }
        Some(Job { flight, key, lane, id: slot.id.clone(), address, check })
    }

    fn schedule(&mut self, key: u64) {
        if let Some(slot) = self.slots.get(&key) {
            self.due.set(&key, slot.machine.next_probe().filter(|_| !slot.queued));
        }
    }

    fn rescue(&mut self, pool: &PoolName, now: Moment) -> Vec<Verdict> {
        let Some(ejections) = self.pools.get_mut(pool) else { return Vec::new() };
        let change = ejections.health_changed(|name| serves(&self.keys, &self.slots, pool, name), now);
        self.ejections_changed(pool, change.into_iter().collect())
    }

    fn ejections_changed(&mut self, pool: &PoolName, changes: Vec<EjectionChange>) -> Vec<Verdict> {
        self.returns.set(pool, self.pools.get(pool).and_then(Ejections::next_deadline));
        let tell = |change: EjectionChange| {
            let id = EndpointId { pool: pool.clone(), endpoint: change.endpoint };
            self.verdict(&id, Some(Event::Ejection { step: change.step, at: change.at }))
        };
        changes.into_iter().filter_map(tell).collect()
    }

    fn verdict(&self, id: &EndpointId, change: Option<Event>) -> Option<Verdict> {
        Some(Verdict { id: id.clone(), report: self.report(id)?, change })
    }
}

fn serves(keys: &BTreeMap<EndpointId, u64>, slots: &Slots, pool: &PoolName, name: &EndpointName) -> bool {
    let id = EndpointId { pool: pool.clone(), endpoint: name.clone() };
    keys.get(&id).and_then(|key| slots.get(key)).is_some_and(|slot| slot.machine.serving())
}

#[cfg(test)]
mod tests;
