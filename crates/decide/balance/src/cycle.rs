//! Round robin as a cycle that is computed once and read by ticket.
//!
//! nginx's smooth order keeps a credit per endpoint and worker, so it is exact per worker only, and every pick
//! looks at all endpoints. Read from a table by one shared counter the same order is exact over all workers, in
//! every window of Σ weights, and a pick costs one load. A new view reads on at the same ticket, so a change
//! does not begin again at the first endpoint.

use crate::hash::scale;

/// Longest cycle, in picks: 4 MiB per pool. Weights of at most 256 for 4,096 endpoints stay below it. Beyond it
/// weights are scaled down to fit, each to at least 1; counts are then exact for the scaled weights, which
/// differ from the wanted shares by less than 1 in 2²⁰ of the whole per endpoint, or by what the 1 gives.
const LONGEST: u64 = 1 << 20;

/// Most steps (endpoints × picks) for nginx's own algorithm: about 5 ms. Enough for 400 endpoints of mixed
/// weights with a sum of 10,000; so long as people can read the order, it is nginx's.
const CLASSIC_STEPS: u64 = 4_000_000;

/// How far a pick walks to get around endpoints that are full or tried. So far the rest keeps its share; after
/// so many the pool is all but full, and finding anyone at all matters more.
const WALK: usize = 64;

/// Positions of members, in the order of picks.
#[derive(Clone, Debug)]
pub(crate) struct Cycle {
    order: Box<[u32]>,
}

impl Cycle {
    /// `weights` belong to `members`, are above 0 and have no common divisor.
    pub(crate) fn new(members: &[u32], weights: &[u32]) -> Self {
        let weights = fit(weights);
        let length: u64 = weights.iter().sum();
        let order: Vec<u32> = if weights.iter().all(|weight| *weight == 1) {
            members.to_vec()
        } else if length.saturating_mul(weights.len() as u64) <= CLASSIC_STEPS {
            smooth(&weights, length).map(|chosen| members[chosen]).collect()
        } else {
            spread(members, &weights, length)
        };
        Self { order: order.into() }
    }

    /// The member whose turn it is, or the next one in the cycle that is usable.
    pub(crate) fn pick(
        &self,
        ticket: u64,
        random: u64,
        members: &[u32],
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let turn = usize::try_from(ticket.checked_rem(self.order.len() as u64)?).ok()?;
        let (before, after) = self.order.split_at(turn);
        let mut walk = after.iter().chain(before).take(WALK);
        let near = walk.find(|member| usable(**member as usize));
        if near.is_some() || self.order.len() <= WALK {
            return near.map(|member| *member as usize);
        }
        scan(members, random, usable)
    }
}

/// The first usable member from a random one on: for when all else failed, O(members).
pub(crate) fn scan(members: &[u32], random: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
    let (before, after) = members.split_at(scale(random, members.len()));
    after.iter().chain(before).map(|member| *member as usize).find(|member| usable(*member))
}

fn fit(weights: &[u32]) -> Vec<u64> {
    let wide = || weights.iter().map(|weight| u64::from(*weight));
    let sum: u64 = wide().sum();
    if sum <= LONGEST {
        return wide().collect();
    }
    wide().map(|weight| (weight * LONGEST / sum).max(1)).collect()
}

/// nginx's `ngx_http_upstream_get_peer`: all gain their weight, the richest (the first of equals) pays the sum.
fn smooth(weights: &[u64], length: u64) -> impl Iterator<Item = usize> {
    let weights: Vec<i64> = weights.iter().map(|weight| i64::try_from(*weight).unwrap_or(i64::MAX)).collect();
    let sum: i64 = weights.iter().sum();
    let mut credit = vec![0_i64; weights.len()];
    (0..length).map(move |_| {
        let mut best = 0;
        for (at, weight) in weights.iter().enumerate() {
            credit[at] += weight;
            if credit[at] > credit[best] {
                best = at;
            }
        }
        credit[best] -= sum;
        best
    })
}

/// Earliest deadline first, for cycles where `smooth` would take too long: visit k of a member with weight w is
/// due at (k + ½) × length / w, and visits due in the same slot stand in the order of members. As due dates are
/// whole slots, a counting sort does it in O(length) where a heap of endpoints needs O(length × log members).
/// Members of equal weight are due in the same slots, so none repeats while another one waits.
fn spread(members: &[u32], weights: &[u64], length: u64) -> Vec<u32> {
    let slots = usize::try_from(length).unwrap_or(0);
    let due = |weight: u64| {
        (0..weight).map(move |k| usize::try_from((2 * k + 1) * length / (2 * weight)).unwrap_or(0))
    };
    let mut place = vec![0_u32; slots + 1];
    for slot in weights.iter().flat_map(|weight| due(*weight)) {
        place[slot + 1] += 1;
    }
    for slot in 0..slots {
        place[slot + 1] += place[slot];
    }
    let mut order = vec![0; slots];
    for (member, weight) in members.iter().zip(weights) {
        for slot in due(*weight) {
            order[place[slot] as usize] = *member;
            place[slot] += 1;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(order: &[u32], members: usize) -> Vec<u64> {
        let mut counts = vec![0; members];
        order.iter().for_each(|member| counts[*member as usize] += 1);
        counts
    }

    #[test]
    fn the_order_is_that_of_nginx() {
        // The first is the example in nginx's commit message; the others were worked out by hand.
        let rows: &[(&[u32], &[u32])] = &[
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[1, 1, 1], &[0, 1, 2]),
            (&[1, 2], &[1, 0, 1]),
            (&[3, 2], &[0, 1, 0, 1, 0]),
            (&[4, 2, 1], &[0, 1, 0, 2, 0, 1, 0]),
            (&[7], &[0, 0, 0, 0, 0, 0, 0]),
        ];
        for (weights, order) in rows {
            let members: Vec<u32> = (0..).take(weights.len()).collect();
            assert_eq!(&*Cycle::new(&members, weights).order, *order, "{weights:?}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_weights() {
        let members: Vec<u32> = (0..5000).collect();
        let weights: Vec<u32> = members.iter().map(|m| if *m == 7 { 1 } else { 6_553_500 - m }).collect();
        let cycle = Cycle::new(&members, &weights);
        assert!(cycle.order.len() as u64 <= LONGEST + 5000);
        let counts = counts(&cycle.order, members.len());
        assert_eq!(counts[7], 1);
        assert!((0..5000).filter(|m| *m != 7).all(|m| (207..=210).contains(&counts[m])));
    }

    #[test]
    fn walks_past_the_unusable_and_gives_up_in_the_end() {
        let members: Vec<u32> = (0..3).collect();
        let cycle = Cycle::new(&members, &[1_000_000, 1, 1]);
        for ticket in [0, 1, 500_000, 1_000_001, u64::MAX] {
            for random in [0, u64::MAX] {
                let pick = |usable: &dyn Fn(usize) -> bool| cycle.pick(ticket, random, &members, usable);
                assert_eq!(pick(&|member| member == 2), Some(2));
                assert_eq!(pick(&|_| false), None);
                assert_ne!(pick(&|member| member != 0), Some(0));
            }
        }
        assert_eq!(Cycle::new(&[], &[]).pick(3, 0, &[], |_| true), None);
    }

    proptest! {
        #[test]
        fn both_ways_keep_count_and_spread(weights in prop::collection::vec(1_u64..300, 1..40)) {
            let length: u64 = weights.iter().sum();
            let members: Vec<u32> = (0..).take(weights.len()).collect();
            let classic: Vec<u32> = smooth(&weights, length).map(|at| members[at]).collect();
            let spread = spread(&members, &weights, length);
            for order in [&classic, &spread] {
                prop_assert_eq!(&counts(order, weights.len()), &weights);
                for (member, weight) in members.iter().zip(&weights) {
                    let visits: Vec<usize> = (0..2 * order.len())
                        .filter(|at| order[at % order.len()] == *member)
                        .collect();
                    let ideal = length / weight;
                    let gap = visits.windows(2).map(|pair| (pair[1] - pair[0]) as u64).max().unwrap_or(0);
                    prop_assert!(gap <= 2 * ideal + weights.len() as u64, "gap {} for 1 in {}", gap, ideal);
                }
            }
        }

        #[test]
        fn none_repeats_while_an_equal_waits(
            groups in prop::collection::vec((1_u64..50, 2_usize..5), 1..5),
        ) {
            let weights: Vec<u64> = groups.iter().flat_map(|(w, times)| vec![*w; *times]).collect();
            let length: u64 = weights.iter().sum();
            let members: Vec<u32> = (0..).take(weights.len()).collect();
            let order = spread(&members, &weights, length);
            for weight in groups.iter().map(|(w, _)| *w) {
                let equals: Vec<u32> = members.iter().copied().filter(|m| weights[*m as usize] == weight).collect();
                let seen: Vec<u32> = order.iter().copied().filter(|m| equals.contains(m)).collect();
                for round in seen.chunks(equals.len()) {
                    prop_assert_eq!(round, &*equals);
                }
            }
        }
    }
}
