//! The flight record of a unit: what happened and what was asked for, from a point at which the whole machine is
//! known, so that it can be played again.

use haechi_vrrp::record::{Entry, GroupRecord, Record};
use haechi_vrrp::{Group, Input, Output};

/// What one half weighs at most, with one entry as the unit: three minutes of a backup that hears an advertisement each
/// 100 ms.
const HALF: usize = 2048;

/// The same for all records of a node: sixteen at their full length. With more of them each is shorter, so that
/// hundreds of virtual routers take no more than some 50 MiB.
const ALL: usize = 16 * HALF;

/// However many there are: ten seconds, in which a failover begins and ends.
const LEAST: usize = 128;

/// Addresses that weigh as much as an entry.
const ADDRESSES: usize = 8;

/// Two halves, of which the older goes when the newer is full, and the last one in which a state changed.
#[derive(Debug)]
pub(crate) struct Flight {
    newer: GroupRecord,
    older: Option<GroupRecord>,
    /// Set aside when quiet ones took its place: the last failover may be weeks ago.
    eventful: Option<GroupRecord>,
    /// Of `newer`.
    weight: usize,
    /// When `newer` is full.
    half: usize,
}

impl Flight {
    pub(crate) fn new(machine: &Group) -> Self {
        Self { newer: Record::new(machine), older: None, eventful: None, weight: 0, half: HALF }
    }

    /// Shares the memory with the others of this node.
    pub(crate) fn share(&mut self, records: usize) {
        self.half = (ALL / records.max(1)).clamp(LEAST, HALF);
    }

    /// Before `machine` is fed.
    pub(crate) fn before(&mut self, machine: &Group) {
        if self.weight < self.half {
            return;
        }
        self.weight = 0;
        let full = std::mem::replace(&mut self.newer, Record::new(machine));
        let gone = self.older.replace(full);
        if let Some(gone) = gone.filter(is_eventful) {
            self.eventful = Some(gone);
        }
    }

    /// What `machine` made of an input.
    pub(crate) fn push(&mut self, entry: Entry<(usize, Input), (usize, Output)>) {
        let addresses = match &entry.input.1 {
            Input::Advertisement { advertisement, .. } => advertisement.addresses.len(),
            Input::Configure(settings) => settings.addresses.len(),
            _ => 0,
        };
        self.weight += 1 + addresses / ADDRESSES + entry.outputs.len();
        self.newer.entries.push(entry);
    }

    /// The newest stretch in which a state changed; all that there is if none did.
    pub(crate) fn record(&self) -> GroupRecord {
        let recent = self.older.iter().chain([&self.newer]);
        match &self.eventful {
            Some(eventful) if !recent.clone().any(is_eventful) => eventful.clone(),
            _ => {
                let start = self.older.as_ref().unwrap_or(&self.newer).start.clone();
                Record { start, entries: recent.flat_map(|half| half.entries.iter().cloned()).collect() }
            }
        }
    }
}

fn is_eventful(record: &GroupRecord) -> bool {
    let changes =
        |(_, output): &(usize, Output)| matches!(output, Output::StateChanged { from, to, .. } if from != to);
    record.entries.iter().any(|entry| entry.outputs.iter().any(changes))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU8;
    use std::time::Duration;

    use haechi_model::{Announcing, Moment};
    use haechi_vrrp::Settings;
    use haechi_vrrp::packet::{Advertisement, Version};
    use haechi_vrrp::record::replay;

    use super::*;

    fn settings() -> Settings {
        Settings {
            id: NonZeroU8::MIN,
            source: IpAddr::from([10, 0, 0, 1]),
            addresses: vec![IpAddr::from([10, 0, 0, 100])],
            sole_peer: false,
            priority: NonZeroU8::MIN,
            interval: Duration::from_millis(100),
            preempt: true,
            preempt_delay: Duration::ZERO,
            startup_delay: Duration::ZERO,
            announce: Announcing::default(),
            drain: Duration::ZERO,
        }
    }

    fn feed(flight: &mut Flight, machine: &mut Group, at: Moment, input: Input) {
        flight.before(machine);
        let mut outputs = Vec::new();
        machine.handle(at, 0, &input, &mut outputs);
        flight.push(Entry { at, input: (0, input), outputs });
    }

    /// What its entries take, roughly: themselves and their lists.
    fn bytes(flight: &Flight) -> usize {
        let all = [Some(&flight.newer), flight.older.as_ref(), flight.eventful.as_ref()];
        let entries = all.into_iter().flatten().flat_map(|record| &record.entries);
        let of = |entry: &Entry<(usize, Input), (usize, Output)>| {
            let Input::Advertisement { advertisement, .. } = &entry.input.1 else { return 0 };
            size_of_val(&*advertisement.addresses)
        };
        entries.map(|it| size_of_val(it) + size_of_val(&*it.outputs) + of(it)).sum()
    }

    #[test]
    fn hundreds_of_groups_with_hundreds_of_addresses_take_bounded_memory() {
        for (records, addresses) in [(1, 1), (1, 255), (255, 1), (255, 255)] {
            let mut machine = Group::new([settings()], Moment::ORIGIN);
            let mut flight = Flight::new(&machine);
            flight.share(records);
            feed(&mut flight, &mut machine, Moment::ORIGIN, Input::Start);
            let advertisement = Advertisement {
                version: Version::V3,
                id: 1,
                priority: 200,
                interval: Duration::from_millis(100),
                addresses: vec![IpAddr::from([10, 0, 0, 100]); addresses],
            };
            let mut most = 0;
            for step in 1..u32::try_from(HALF * 4).unwrap() {
                let at = Moment::ORIGIN + Duration::from_millis(100) * step;
                let source = IpAddr::from([10, 0, 0, 2]);
                let heard = Input::Advertisement { source, advertisement: advertisement.clone() };
                feed(&mut flight, &mut machine, at, heard);
                most = most.max(bytes(&flight));
            }
            assert!(most * records < 64 << 20, "{records} with {addresses} addresses: {most} bytes each");
            replay(&flight.record()).unwrap();
        }
    }

    #[test]
    fn it_is_bounded_replays_at_any_time_and_keeps_the_last_change() {
        let mut machine = Group::new([settings()], Moment::ORIGIN);
        let mut flight = Flight::new(&machine);
        feed(&mut flight, &mut machine, Moment::ORIGIN, Input::Start);
        for step in 1..HALF * 7 {
            let at = Moment::ORIGIN + Duration::from_millis(10) * u32::try_from(step).unwrap();
            let input = if step == 300 { Input::Claimed } else { Input::Timer };
            feed(&mut flight, &mut machine, at, input);
            if step % 500 == 0 {
                let record = flight.record();
                assert!(record.entries.len() <= 2 * HALF);
                assert!(is_eventful(&record), "step {step}: the takeover is kept");
                replay(&record).unwrap();
            }
        }
    }
}
