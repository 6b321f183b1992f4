//! When the next probe is due, without probes that march in step.
//!
//! Probes of many endpoints that start together stay together, and hit a host that runs several of them all
//! at once. So the first probes are spread and each later pause varies a little.

use std::time::Duration;

/// A pause varies by its tenth up and down: enough to part probes within a few rounds, too little for a
/// person who counts along.
pub const JITTER_DIVISOR: u32 = 10;

/// No pause is shorter, whatever a config says; an interval of zero would spin.
pub const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// splitmix64 (Steele, Lea, Flood 2014): eight bytes of state per endpoint, good from any seed, and its
/// sequence is the same on every machine, so a recording replays.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly from zero up to, but not including, `span`.
    pub(crate) fn within(&mut self, span: Duration) -> Duration {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(nanos) * u128::from(self.roll())) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(nanos))
    }

    /// `interval` ± its tenth.
    pub(crate) fn jittered(&mut self, interval: Duration) -> Duration {
        let interval = interval.max(MIN_INTERVAL);
        let swing = interval / JITTER_DIVISOR;
        interval - swing + self.within(swing.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        // First outputs for seed 1234567, as in the reference implementation's test vectors.
        let mut dice = Dice::new(1_234_567);
        let expected: [u64; 3] =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(expected, std::array::from_fn(|_| dice.roll()));
    }

    #[test]
    fn a_zero_interval_does_not_spin() {
        assert!(Dice::new(7).jittered(Duration::ZERO) >= MIN_INTERVAL * 9 / 10);
        assert_eq!(Dice::new(7).within(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn first_probes_cover_the_whole_span() {
        let span = Duration::from_secs(10);
        let mut seconds = [0_u32; 10];
        for seed in 0..10_000 {
            seconds[usize::try_from(Dice::new(seed).within(span).as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|count| (800..1200).contains(count)), "{seconds:?}");
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_tenth(seed: u64, millis in 10_u64..10_000_000) {
            let interval = Duration::from_millis(millis);
            let pause = Dice::new(seed).jittered(interval);
            prop_assert!(pause >= interval - interval / 10);
            prop_assert!(pause <= interval + interval / 10);
        }

        #[test]
        fn any_span_is_safe(seed: u64, secs: u64) {
            let span = Duration::from_secs(secs);
            prop_assert!(Dice::new(seed).within(span) <= span);
            Dice::new(seed).jittered(span);
        }
    }
}
