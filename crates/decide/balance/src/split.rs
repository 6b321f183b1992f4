//! Which pool of a route gets a request, where several share its requests.
//!
//! In turns it is exact without a table: ticket t stands at t × step in a circle as long as the sum of the weights,
//! and each pool has an arc of its weight. As step and length have no common divisor, every row of that many tickets
//! meets every place once; as the step is near the golden section of the length, tickets in a row fall far apart, so
//! that a pool of weight 10 in 100 gets about each tenth request and not ten in a row (Knuth, volume 3, section 6.4).
//!
//! By a key it is rendezvous as among endpoints, but scored for each key: pools are few, and a share may be smaller
//! than a slot of [`crate::rendezvous`].

use haechi_model::PoolName;

use crate::hash::{fnv1a, mix};
use crate::log2::exponential;

/// Pools with their shares, ready to choose from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    arcs: Box<[Arc]>,
    /// The sum of the weights without their common divisor.
    length: u64,
    step: u64,
    seed: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Arc {
    id: u64,
    /// Where it ends, and the next one begins.
    end: u64,
    /// 2⁴⁰ / weight; none without a weight.
    inverse: Option<u64>,
}

impl Split {
    /// Each pool with its weight, in an order that positions are told by. `seed` is the same on every node of a
    /// cluster, so that they agree on keys.
    pub fn new<'p>(shares: impl Iterator<Item = (&'p PoolName, u32)> + Clone, seed: u64) -> Self {
        let divisor = shares.clone().fold(0, |divisor, (_, weight)| gcd(divisor, u64::from(weight))).max(1);
        let seed = mix(seed);
        let mut length = 0;
        let arcs = shares.map(|(pool, weight)| {
            length += u64::from(weight) / divisor;
            Arc {
                id: mix(fnv1a(&[pool.as_str().as_bytes()]) ^ seed),
                end: length,
                inverse: (1_u64 << 40).checked_div(u64::from(weight)),
            }
        });
        let arcs = arcs.collect();
        Self { arcs, length, step: step(length), seed }
    }

    /// Whose turn a ticket is. `None` if no pool has a weight.
    #[inline]
    pub fn turn(&self, ticket: u64) -> Option<usize> {
        let place = u128::from(ticket.checked_rem(self.length)?) * u128::from(self.step);
        let place = place.checked_rem(u128::from(self.length))?;
        self.arcs.iter().position(|arc| u128::from(arc.end) > place)
    }

    /// Where a key belongs. `None` if no pool has a weight.
    pub fn place(&self, key: u64) -> Option<usize> {
        let key = mix(key ^ self.seed);
        let score = |arc: &Arc| {
            let point = (mix(key ^ arc.id) >> 32) as u32;
            // 2³⁷·⁰⁵ × 2⁴⁰ fits.
            Some((u128::from(exponential(point)) * u128::from(arc.inverse?), arc.id))
        };
        let scores = self.arcs.iter().enumerate().filter_map(|(at, arc)| Some((score(arc)?, at)));
        // The rare tie goes to the lower id, never to the lower position, which an author may change.
        scores.min().map(|(_, at)| at)
    }
}

/// The key of a text for [`Split::place`].
pub fn text_key(text: &[u8]) -> u64 {
    mix(fnv1a(&[text]))
}

/// How many numbers around the golden section are looked at, once for each change of a config: a test shows that a good
/// one is among them for all small lengths, where it matters most.
const CANDIDATES: usize = 16;

/// A number near the golden section of `length` that has no divisor in common with it; of several, the one whose
/// continued fraction is flattest, because that bounds how unevenly its multiples lie.
fn step(length: u64) -> u64 {
    // 0.618 033 988 in 2³²
    let golden = (u128::from(length) * 2_654_435_769) >> 32;
    let golden = u64::try_from(golden).unwrap_or(1);
    let near = (0..length).flat_map(|off| [golden.saturating_sub(off), golden + 1 + off]);
    let fit = near.filter(|step| *step > 0 && *step < length && gcd(*step, length) == 1).take(CANDIDATES);
    fit.min_by_key(|step| unevenness(length, *step)).unwrap_or(1)
}

/// The sum of the partial quotients of a / b.
const fn unevenness(mut a: u64, mut b: u64) -> u64 {
    let mut sum = 0;
    while b != 0 {
        sum += a / b;
        (a, b) = (b, a % b);
    }
    sum
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(count: usize) -> Vec<PoolName> {
        (0..count).map(|at| format!("pool-{at}").as_str().into()).collect()
    }

    fn split(weights: &[u32]) -> Split {
        let names = names(weights.len());
        Split::new(names.iter().zip(weights.iter().copied()), 7)
    }

    fn counts(split: &Split, tickets: std::ops::Range<u64>) -> Vec<u64> {
        let mut counts = vec![0; split.arcs.len()];
        tickets.for_each(|ticket| counts[split.turn(ticket).unwrap()] += 1);
        counts
    }

    #[test]
    fn turns_as_people_expect_them() {
        for (weights, order) in [
            (&[1, 1][..], &[0, 1, 0, 1][..]),
            (&[50, 50], &[0, 1, 0, 1]),
            (&[3, 2], &[0, 1, 0, 1, 0]),
            (&[0, 4], &[1, 1, 1]),
            (&[90, 10], &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let split = split(weights);
            let found: Vec<_> = (0..order.len() as u64).map(|ticket| split.turn(ticket).unwrap()).collect();
            assert_eq!(found, order, "{weights:?}");
        }
        assert_eq!(counts(&split(&[90, 10]), 0..10), [9, 1], "no common divisor is left");
    }

    #[test]
    fn without_weights_nobody_serves() {
        for weights in [&[][..], &[0], &[0, 0, 0]] {
            let split = split(weights);
            assert_eq!((split.turn(3), split.place(3)), (None, None), "{weights:?}");
        }
    }

    #[test]
    fn the_largest_weights_keep_count() {
        let split = split(&[500_000, 1, 499_999]);
        assert_eq!(counts(&split, 5..1_000_005), [500_000, 1, 499_999]);
    }

    #[test]
    fn keys_follow_weights_and_only_those_that_must_move_do() {
        let keys = 0..20_000_u64;
        let share = |split: &Split, at| keys.clone().filter(|key| split.place(*key) == Some(at)).count();
        let (before, after) = (split(&[90, 10]), split(&[70, 30]));
        for (split, wanted) in [(&before, 2_000), (&after, 6_000), (&split(&[999_999, 1]), 0)] {
            let found = share(split, 1);
            assert!(found.abs_diff(wanted) <= 200, "{found} for {wanted}");
        }
        let back = keys.clone().filter(|key| before.place(*key) == Some(1) && after.place(*key) == Some(0));
        assert_eq!(back.count(), 0, "none moves against the change");
        let none = split(&[100, 0]);
        assert!(keys.clone().all(|key| none.place(key) == Some(0)));
    }

    #[test]
    fn keys_do_not_care_for_the_order_of_pools() {
        let names = names(3);
        let one = Split::new([(&names[0], 5), (&names[1], 3), (&names[2], 2)].into_iter(), 7);
        let other = Split::new([(&names[2], 4), (&names[0], 10), (&names[1], 6)].into_iter(), 7);
        for key in 0..1_000 {
            assert_eq!(one.place(key).unwrap(), [2, 0, 1][other.place(key).unwrap()]);
        }
    }

    #[test]
    fn places_are_these_for_ever() {
        // Other places would move clients between pools on an upgrade.
        let split = split(&[5, 3, 2]);
        let found: Vec<_> =
            ["", "a", "user-1", "user-2", "user-3", "user-4", "user-5", "user-6", "user-7", "user-8"]
                .into_iter()
                .map(|key| split.place(text_key(key.as_bytes())).unwrap())
                .collect();
        assert_eq!(found, [0, 2, 0, 1, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn steps_are_even() {
        for length in 2..3000_u64 {
            let found = unevenness(length, step(length));
            // The golden section itself has quotients of 1: log of the length to the base 1.618.
            let best = (length as f64).ln() / 1.618_f64.ln();
            assert!(found as f64 <= 2.0 * best + 3.0, "{found} for {length}, {best} at best");
        }
    }

    proptest! {
        /// Every row of tickets as long as the sum of the weights, wherever it begins; and within it nobody waits
        /// long or gets much at once.
        #[test]
        fn every_row_is_exact_and_even(weights in prop::collection::vec(0_u32..100, 1..6), start in any::<u32>()) {
            let split = split(&weights);
            prop_assume!(split.length > 0);
            let start = u64::from(start);
            let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, u64::from(*weight)));
            let found = counts(&split, start..start + split.length);
            let wanted: Vec<u64> = weights.iter().map(|weight| u64::from(*weight) / divisor).collect();
            prop_assert_eq!(&found, &wanted);
            let mut so_far = vec![0_u64; weights.len()];
            for (count, ticket) in (1..).zip(start..start + split.length) {
                so_far[split.turn(ticket).unwrap()] += 1;
                for (found, wanted) in so_far.iter().zip(&wanted) {
                    let off = (*found as f64 - count as f64 * *wanted as f64 / split.length as f64).abs();
                    prop_assert!(off < 5.0, "{} off after {}", off, count);
                }
            }
        }
    }
}
