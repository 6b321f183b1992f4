//! `leastResponseTime`: lowest cost × (in flight + 1) / weight, where the cost is a decayed peak of the response
//! time (see `ewma`).
//!
//! Left to itself such a score swings: everybody runs to the fastest, which then is the slowest. Three brakes:
//! costs have a floor, scores close to the best are as good as the best, and big pools choose between two only.

use crate::cycle::scan;
use crate::draw::{Luck, Urn};
use crate::hash::scale;
use crate::{Ask, Loads};

/// Up to so many members all are looked at; above, two choices. Lower than for `leastConnections`, as a
/// response time is old news: with many lookers-on the herd is what makes it swing.
const FULL_SCAN: usize = 8;

/// Below 1 ms, differences are those of scheduling; endpoints so fast are told apart by what is in flight
/// (linkerd's floor).
const FLOOR: u64 = 1_000_000;

/// The cost of an endpoint when none was measured yet (linkerd's 30 ms). Only its ratio to itself matters then.
const SEED: u64 = 30_000_000;

/// Scores of at most 11/10 of the best count as equal: the middle of the 5 to 20 % that are in use.
const BAND: (u128, u128) = (11, 10);

/// How this pool is looked at.
#[derive(Clone, Debug)]
pub(crate) enum ResponseTime {
    /// Few members.
    All,
    /// Many.
    Two(Urn),
}

impl ResponseTime {
    pub(crate) fn new(weights: &[u32]) -> Self {
        if weights.len() <= FULL_SCAN { Self::All } else { Self::Two(Urn::new(weights)) }
    }

    pub(crate) fn pick<L: Loads + ?Sized>(
        &self,
        ask: &Ask<'_>,
        loads: &L,
        pool: (&[u32], &[u32]),
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match self {
            Self::All => best_of_all(ask.random, loads, pool, usable),
            Self::Two(urn) => best_of_two(urn, ask.random, loads, pool, usable),
        }
    }
}

/// Cost × (in flight + 1) over weight. 2⁶⁴ × 2³² × 2²³ (the other's weight) × 11 < 2¹²⁸.
#[derive(Clone, Copy, Default)]
struct Score {
    member: usize,
    cost: Option<u64>,
    requests: u64,
    weight: u32,
}

impl Score {
    fn new<L: Loads + ?Sized>(loads: &L, member: u32, weight: u32) -> Self {
        let member = member as usize;
        let cost = loads.cost_nanos(member).map(|cost| cost.max(FLOOR));
        Self { member, cost, requests: u64::from(loads.in_flight(member)) + 1, weight }
    }

    fn product(&self, unsampled: u64) -> u128 {
        u128::from(self.cost.unwrap_or(unsampled)) * u128::from(self.requests)
    }

    fn below(&self, other: &Self, unsampled: u64) -> bool {
        self.product(unsampled) * u128::from(other.weight)
            < other.product(unsampled) * u128::from(self.weight)
    }

    fn as_good_as(&self, best: &Self, unsampled: u64) -> bool {
        self.product(unsampled) * u128::from(best.weight) * BAND.1
            <= best.product(unsampled) * u128::from(self.weight) * BAND.0
    }
}

fn best_of_all<L: Loads + ?Sized>(
    random: u64,
    loads: &L,
    (members, weights): (&[u32], &[u32]),
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut scores = [Score::default(); FULL_SCAN];
    let mut count = 0;
    let candidates = members.iter().zip(weights).filter(|(member, _)| usable(**member as usize));
    for (slot, (member, weight)) in scores.iter_mut().zip(candidates) {
        *slot = Score::new(loads, *member, *weight);
        count += 1;
    }
    let scores = &scores[..count];
    let unsampled = median(scores);
    let best = scores.iter().reduce(|best, s| if s.below(best, unsampled) { s } else { best })?;
    let good = || scores.iter().filter(|score| score.as_good_as(best, unsampled));
    good().nth(scale(random, good().count())).map(|score| score.member)
}

/// Of the measured ones; the upper one of an even number, so that a newcomer is not thought better than it is.
fn median(scores: &[Score]) -> u64 {
    let mut costs = [0_u64; FULL_SCAN];
    let mut count = 0;
    for (slot, cost) in costs.iter_mut().zip(scores.iter().filter_map(|score| score.cost)) {
        *slot = cost;
        count += 1;
    }
    let costs = &mut costs[..count];
    costs.sort_unstable();
    costs.get(count / 2).copied().unwrap_or(SEED)
}

/// Of two drawn by weight. If one of them was not measured, it is taken to cost what the other one does: the
/// median of those that were looked at, without looking at the whole pool.
fn best_of_two<L: Loads + ?Sized>(
    urn: &Urn,
    random: u64,
    loads: &L,
    (members, weights): (&[u32], &[u32]),
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut luck = Luck::new(random);
    let able = |at: usize| usable(members[at] as usize);
    let Some(first) = urn.draw(&mut luck, able) else {
        return scan(members, random, usable);
    };
    let Some(second) = urn.draw(&mut luck, |at| at != first && able(at)) else {
        return Some(members[first] as usize);
    };
    let pair = [first, second].map(|at| Score::new(loads, members[at], weights[at]));
    let unsampled = median(&pair);
    // The first draw is as random as any: it wins within the band.
    let keep = pair[0].as_good_as(&pair[1], unsampled);
    Some(pair[usize::from(!keep)].member)
}
