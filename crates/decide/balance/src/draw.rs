//! Random draws by weight in constant time, for choosing between two.
//!
//! Weights must decide who is drawn, not only who of two wins: drawn evenly, one endpoint of weight 256 among
//! hundreds of weight 1 would win every pair and still get only two shares of them all.

use crate::hash::{mix, scale};

/// Draws before giving up on luck. If half of a pool is unusable, 1 pick in 256 has to scan it.
const DRAWS: usize = 8;

/// Walker's alias method in Vose's form: a column per member, shared by at most one other.
#[derive(Clone, Debug)]
pub(crate) struct Urn {
    columns: Box<[Column]>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// Chance that this column stands for its own member, in 1/2³².
    own: u64,
    /// The member that it stands for otherwise.
    alias: u32,
}

impl Urn {
    /// `weights` are above 0.
    pub(crate) fn new(weights: &[u32]) -> Self {
        let mut columns = vec![Column { own: 1 << 32, alias: 0 }; weights.len()];
        let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let mut rest: Vec<u128> = weights.iter().map(|w| u128::from(*w) * weights.len() as u128).collect();
        let (mut poor, mut rich): (Vec<u32>, Vec<u32>) =
            (0_u32..).take(weights.len()).partition(|at| rest[*at as usize] < sum);
        while let (Some(low), Some(high)) = (poor.pop(), rich.last().copied()) {
            let share = rest[low as usize];
            columns[low as usize] =
                Column { own: u64::try_from((share << 32) / sum).unwrap_or(u64::MAX), alias: high };
            rest[high as usize] -= sum - share;
            if rest[high as usize] < sum {
                rich.pop();
                poor.push(high);
            }
        }
        Self { columns: columns.into() }
    }

    /// Draws until a member is usable, a few times at most. Gives a position in the weights.
    pub(crate) fn draw(&self, luck: &mut Luck, usable: impl Fn(usize) -> bool) -> Option<usize> {
        (0..DRAWS).map(|_| self.once(luck)).find(|at| usable(*at))
    }

    fn once(&self, luck: &mut Luck) -> usize {
        let at = scale(luck.next(), self.columns.len());
        match self.columns.get(at) {
            Some(column) if luck.next() >> 32 >= column.own => column.alias as usize,
            _ => at,
        }
    }
}

/// splitmix64 from the random bits of one ask.
#[derive(Debug)]
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) const fn new(random: u64) -> Self {
        Self(random)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        let bits = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(urn: &Urn, n: usize) -> Vec<f64> {
        let mut shares = vec![0.0; n];
        for (at, column) in urn.columns.iter().enumerate() {
            let own = column.own as f64 / 2_f64.powi(32);
            shares[at] += own / n as f64;
            shares[column.alias as usize] += (1.0 - own) / n as f64;
        }
        shares
    }

    proptest! {
        #[test]
        fn columns_add_up_to_the_weights(weights in prop::collection::vec(1_u32..=6_553_500, 1..200)) {
            let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
            let found = shares(&Urn::new(&weights), weights.len());
            for (share, weight) in found.iter().zip(&weights) {
                prop_assert!((share - f64::from(*weight) / sum).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn draws_follow_the_weights() {
        let urn = Urn::new(&[1, 2, 7]);
        let mut luck = Luck::new(42);
        let mut counts = [0_u32; 3];
        for _ in 0..100_000 {
            counts[urn.draw(&mut luck, |_| true).unwrap()] += 1;
        }
        // Four standard deviations of a binomial around 10, 20 and 70 %.
        for (count, wanted, band) in
            [(counts[0], 10_000, 380), (counts[1], 20_000, 506), (counts[2], 70_000, 580)]
        {
            assert!(count.abs_diff(wanted) < band, "{counts:?}");
        }
    }

    #[test]
    fn gives_up_after_a_few_draws() {
        let tries = std::cell::Cell::new(0);
        let urn = Urn::new(&[1, 1]);
        let none = urn.draw(&mut Luck::new(1), |_| {
            tries.set(tries.get() + 1);
            false
        });
        assert_eq!((none, tries.get()), (None, DRAWS));
    }
}
