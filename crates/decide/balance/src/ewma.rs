//! Peak-EWMA: how long an endpoint takes, remembered so that bad news counts at once and good news slowly.
//!
//! As Finagle, tower and linkerd do it: a sample above the estimate replaces it; one below pulls it down with a
//! time constant of [`TAU`]; and the estimate decays while nothing is measured, so that an endpoint which was
//! slow gets another chance.

use std::time::Duration;

use haechi_model::Moment;

/// Time constant: after so long without news, 37 % of an estimate are left (linkerd's default).
pub const TAU: Duration = Duration::from_secs(10);

/// What a failed response counts as at least (linkerd's default): else an endpoint that refuses everything at
/// once would be the fastest of all.
pub const FAILURE_PENALTY: Duration = Duration::from_secs(5);

/// Fractional bits of an estimate. At a million responses per second each step is a tiny part of the estimate;
/// in whole nanoseconds it would round to nothing, and the estimate would never come down.
const FRACTION: u32 = 16;

/// Largest sample, in ns: 2⁴⁷ ns are 39 hours, longer than any timeout.
const LARGEST: u64 = (1 << 47) - 1;

/// An estimate and when it was made. The default is *nothing measured*.
///
/// Plain data, so that a shell can keep it in two atomics ([`to_raw`](Self::to_raw)) with relaxed loads and
/// stores and no lock. Two workers that write at the same time can lose one sample, or pair one's estimate with
/// the other's moment: the error is the decay over their distance, which is microseconds against [`TAU`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EwmaState {
    /// In 2⁻¹⁶ ns; 0 is nothing measured.
    estimate: u64,
    at: Moment,
}

impl EwmaState {
    /// From what [`to_raw`](Self::to_raw) gave.
    pub const fn from_raw((estimate, at): (u64, u64)) -> Self {
        Self { estimate, at: Moment::from_nanos(at) }
    }

    /// Two words to store; both 0 if nothing was measured.
    pub const fn to_raw(self) -> (u64, u64) {
        (self.estimate, self.at.as_nanos())
    }

    /// With one more response, which took `nanos`.
    #[must_use]
    pub fn observe(self, nanos: u64, now: Moment) -> Self {
        let sample = nanos.clamp(1, LARGEST) << FRACTION;
        let at = self.at.max(now);
        if sample >= self.estimate {
            return Self { estimate: sample, at };
        }
        Self { estimate: sample + keep(self.estimate - sample, self.age(now)), at }
    }

    /// With one more failure, which took `nanos` and counts for [`FAILURE_PENALTY`] at least.
    #[must_use]
    pub fn observe_failure(self, nanos: u64, now: Moment) -> Self {
        let penalty = u64::try_from(FAILURE_PENALTY.as_nanos()).unwrap_or(LARGEST);
        self.observe(nanos.max(penalty), now)
    }

    /// The estimate in ns as it has decayed until `now`, towards 0; `None` if nothing was measured.
    pub fn read(self, now: Moment) -> Option<u64> {
        (self.estimate > 0).then(|| keep(self.estimate, self.age(now)) >> FRACTION)
    }

    /// What [`Loads::cost_nanos`](crate::Loads::cost_nanos) wants: the estimate, or the average age of the
    /// requests in flight if that is more. An endpoint that hangs is slow before it has answered.
    pub fn cost(self, now: Moment, age_in_flight: u64) -> Option<u64> {
        self.read(now).map(|estimate| estimate.max(age_in_flight))
    }

    fn age(self, now: Moment) -> u64 {
        now.as_nanos().saturating_sub(self.at.as_nanos())
    }
}

/// `amount` × e^(−`age` / τ).
fn keep(amount: u64, age: u64) -> u64 {
    // log₂(e) / τ, in 2⁻⁶⁴ per ns: the age becomes a number of halvings with 64 fractional bits.
    const HALVINGS_PER_NANO: u128 = 2_661_302_620;
    let halvings = u128::from(age) * HALVINGS_PER_NANO;
    let Ok(whole) = u32::try_from(halvings >> 64) else { return 0 };
    let step = ((halvings >> 58) % 64) as usize;
    let rest = halvings & ((1 << 58) - 1);
    let (here, next) = (POWERS[step], POWERS[step + 1]);
    let power = here - (((here - next) * rest) >> 58);
    let kept = ((u128::from(amount) * power) >> 63).checked_shr(whole).unwrap_or(0);
    u64::try_from(kept).unwrap_or(amount)
}

/// Entries per halving; between them the line is off by less than 1 in 65,000.
const STEPS: usize = 64;

/// 2^(−i / STEPS), with 63 fractional bits.
static POWERS: [u128; STEPS + 1] = powers();

const fn powers() -> [u128; STEPS + 1] {
    // 2^(−1/64), with 63 fractional bits.
    const RATIO: u128 = 9_124_017_994_966_720_698;
    let mut powers = [1 << 63; STEPS + 1];
    let mut step = 1;
    while step <= STEPS {
        powers[step] = (powers[step - 1] * RATIO) >> 63;
        step += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn nothing_measured_is_none() {
        let state = EwmaState::default();
        assert_eq!((state.read(at(7)), state.cost(at(7), SECOND)), (None, None));
        assert_eq!(state.to_raw(), (0, 0));
        assert_eq!(state.observe(0, at(0)).read(at(0)), Some(1));
    }

    #[test]
    fn bad_news_at_once_and_good_news_slowly() {
        let state = EwmaState::default().observe(1000, at(0)).observe(9_000_000, at(1));
        assert_eq!(state.read(at(1)), Some(9_000_000));
        // One time constant later a sample of 0 leaves e⁻¹.
        let later = state.observe(0, at(1 + 10 * SECOND)).read(at(1 + 10 * SECOND)).unwrap();
        assert!(later.abs_diff(3_310_915) < 100, "{later}");
        // Read alone decays the same.
        assert!(state.read(at(1 + 10 * SECOND)).unwrap().abs_diff(3_310_915) < 100);
        assert_eq!(state.read(at(u64::MAX)), Some(0));
    }

    #[test]
    fn a_million_samples_a_second_still_pull_it_down() {
        let mut state = EwmaState::default().observe(5_000_000, at(0));
        for step in 1..=1_000_000 {
            state = state.observe(1_000_000, at(step * 1000));
        }
        // 1 ms + 4 ms × e^(−0.1), within the 0.5 % of a line through 1/64 of a halving.
        let found = state.read(at(SECOND)).unwrap();
        assert!(found.abs_diff(4_619_350) < 20_000, "{found}");
    }

    #[test]
    fn failures_are_never_fast() {
        let failed = EwmaState::default().observe_failure(10, at(0));
        assert_eq!(failed.read(at(0)), Some(5 * SECOND));
        let slow = EwmaState::default().observe_failure(7 * SECOND, at(0));
        assert_eq!(slow.read(at(0)), Some(7 * SECOND));
    }

    #[test]
    fn age_in_flight_counts_when_it_is_more() {
        let state = EwmaState::default().observe(1000, at(0));
        assert_eq!(state.cost(at(0), 5), Some(1000));
        assert_eq!(state.cost(at(0), 5000), Some(5000));
    }

    proptest! {
        #[test]
        fn as_the_floating_point_model(
            samples in prop::collection::vec((0_u64..20 * SECOND, 1_u64..100 * SECOND), 1..50),
        ) {
            let (mut state, mut now, mut model) = (EwmaState::default(), 0, (0.0_f64, 0_u64));
            for (wait, sample) in samples {
                now += wait;
                state = state.observe(sample, at(now));
                let kept = (-((now - model.1) as f64) / 1e10).exp();
                let sample = sample as f64;
                model = (if sample >= model.0 { sample } else { sample + (model.0 - sample) * kept }, now);
                let found = state.read(at(now)).unwrap() as f64;
                prop_assert!((found - model.0).abs() <= model.0 * 1e-3 + 1.0, "{found} for {}", model.0);
                prop_assert_eq!(EwmaState::from_raw(state.to_raw()), state);
            }
        }

        #[test]
        fn any_words_and_any_clock_are_survived(raw: (u64, u64), sample: u64, now: u64, age: u64) {
            let state = EwmaState::from_raw(raw).observe(sample, at(now));
            prop_assert!(state.read(at(now)).is_some());
            prop_assert!(state.cost(at(0), age) >= Some(age));
            prop_assert!(state.observe_failure(sample, at(0)).to_raw().1 >= now);
        }
    }
}
