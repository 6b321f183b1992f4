//! Medians and spreads. Single figures on a shared machine swing by ± 30 %, so a mean would tell of the
//! worst round; what holds is the median of ratios whose two sides were measured in the same round.

/// The middle of some figures and how far they lie apart.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    /// Half of the figures are at most this.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) low: f64,
    /// The largest.
    pub(crate) high: f64,
}

impl Spread {
    /// `None` without figures.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { median, low, high })
    }

    /// Of `figures` by `base`, round by round; both in the order of their rounds.
    pub(crate) fn of_ratios(figures: &[f64], base: &[f64]) -> Option<Self> {
        Self::of(&figures.iter().zip(base).map(|(figure, base)| figure / base).collect::<Vec<_>>())
    }
}

/// The value that `share` (0 to 1) of the sorted figures do not exceed, by nearest rank.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> Option<u32> {
    let rank = (share * sorted.len() as f64).ceil();
    // Ranks are far below 2^53, so the way through f64 is exact; the smallest rank is 1.
    let index = (0..sorted.len()).find(|index| (index + 1) as f64 >= rank)?;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        for (figures, median, low, high) in [
            (&[3.0][..], 3.0, 3.0, 3.0),
            (&[4.0, 1.0], 2.5, 1.0, 4.0),
            (&[9.0, 1.0, 2.0], 2.0, 1.0, 9.0),
            (&[4.0, 3.0, 2.0, 1.0], 2.5, 1.0, 4.0),
        ] {
            assert_eq!(Spread::of(figures), Some(Spread { median, low, high }), "{figures:?}");
        }
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_pair_rounds_so_that_a_slow_round_cancels_out() {
        let base = [10.0, 20.0, 10.0];
        let ours = [7.0, 14.0, 8.0];
        assert_eq!(Spread::of_ratios(&ours, &base), Some(Spread { median: 0.7, low: 0.7, high: 0.8 }));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50));
        assert_eq!(percentile(&hundred, 0.99), Some(99));
        assert_eq!(percentile(&hundred, 1.0), Some(100));
        assert_eq!(percentile(&[7], 0.01), Some(7));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
