//! Fewest in flight, and the better of two.
//!
//! Both compare loads by weight as fractions, by cross-multiplication in integers: every node and build decides
//! alike. Scores fit: (2³² in flight) × (2²³ weight) < 2⁶⁴.

use crate::cycle::scan;
use crate::draw::{Luck, Urn};
use crate::hash::scale;
use crate::{Ask, Loads};

/// Up to so many members all are looked at: 32 relaxed loads are about 100 ns, and small pools are where two
/// choices are clearly worse. Above, two choices (Mitzenmacher) keep the longest queue at O(log log n).
const FULL_SCAN: usize = 32;

/// `leastConnections`: lowest (in flight + 1) / weight.
#[derive(Clone, Debug)]
pub(crate) enum Least {
    /// Few members.
    All,
    /// Many.
    Two(Urn),
}

impl Least {
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
            Self::All => least_of_all(ask.random, loads, pool, usable),
            Self::Two(urn) => least_of_two(urn, ask.random, loads, pool, usable),
        }
    }
}

fn score<L: Loads + ?Sized>(loads: &L, member: usize, plus: u64) -> u64 {
    u64::from(loads.in_flight(member)) + plus
}

fn least_of_all<L: Loads + ?Sized>(
    random: u64,
    loads: &L,
    (members, weights): (&[u32], &[u32]),
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    // Ties are kept in full and drawn from evenly. The lowest index instead would send every burst on an idle
    // pool to its first endpoint.
    let mut ties = [0_u32; FULL_SCAN];
    let mut count = 0;
    let mut best = (u64::MAX, 1_u64);
    for (member, weight) in members.iter().zip(weights) {
        if !usable(*member as usize) {
            continue;
        }
        let own = (score(loads, *member as usize, 1), u64::from(*weight));
        match (own.0 * best.1).cmp(&best.0.saturating_mul(own.1)) {
            std::cmp::Ordering::Less => {
                best = own;
                ties[0] = *member;
                count = 1;
            }
            std::cmp::Ordering::Equal if count < ties.len() => {
                ties[count] = *member;
                count += 1;
            }
            _ => {}
        }
    }
    let known = &ties[..count];
    known.get(scale(random, count)).map(|member| *member as usize)
}

fn least_of_two<L: Loads + ?Sized>(
    urn: &Urn,
    random: u64,
    loads: &L,
    (members, weights): (&[u32], &[u32]),
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut luck = Luck::new(random);
    let member = |at: usize| members[at] as usize;
    let Some(first) = urn.draw(&mut luck, |at| usable(member(at))) else {
        return scan(members, random, usable);
    };
    let Some(second) = urn.draw(&mut luck, |at| at != first && usable(member(at))) else {
        return Some(member(first));
    };
    let score = |at: usize| score(loads, member(at), 1);
    let better = score(second) * u64::from(weights[first]) < score(first) * u64::from(weights[second]);
    Some(member(if better { second } else { first }))
}

/// `random`: two draws by weight, of which the one with fewer in flight by weight wins.
///
/// The second draw may hit the first one again, and the first one wins ties: an idle pool then shares exactly
/// by weight, what two different ones would not (HAProxy's `random(2)` draws so too).
pub(crate) fn random<L: Loads + ?Sized>(
    urn: &Urn,
    ask: &Ask<'_>,
    loads: &L,
    (members, weights): (&[u32], &[u32]),
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut luck = Luck::new(ask.random);
    let member = |at: usize| members[at] as usize;
    let Some(first) = urn.draw(&mut luck, |at| usable(member(at))) else {
        return scan(members, ask.random, usable);
    };
    let Some(second) = urn.draw(&mut luck, |at| usable(member(at))) else {
        return Some(member(first));
    };
    let score = |at: usize| score(loads, member(at), 0);
    let better = score(second) * u64::from(weights[first]) < score(first) * u64::from(weights[second]);
    Some(member(if better { second } else { first }))
}
