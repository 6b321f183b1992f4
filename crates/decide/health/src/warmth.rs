//! Slow start: an endpoint that came back has cold caches, so its share grows over a while.

use std::time::Duration;

use haechi_model::Moment;

/// Least share in percent; with less an endpoint would get no work to warm up with (Envoy's and HAProxy's
/// floor).
pub const MIN_WARMTH: u8 = 10;

/// Share of its weight in percent, growing linearly from [`MIN_WARMTH`] to 100 as in HAProxy's `slowstart`.
///
/// `warming_from` is [`Report::warming_from`](crate::Report::warming_from): set when an endpoint came back
/// or was added at run time, and `None` for one that is there since the process started, because slowing all
/// endpoints at once slows none.
pub fn warmth(warming_from: Option<Moment>, slow_start: Duration, now: Moment) -> u8 {
    let Some(from) = warming_from else { return 100 };
    let gone = now.since(from);
    if gone >= slow_start {
        return 100;
    }
    let percent = gone.as_nanos().saturating_mul(100) / slow_start.as_nanos().max(1);
    u8::try_from(percent).unwrap_or(100).clamp(MIN_WARMTH, 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Moment {
        Moment::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn grows_linearly_from_the_floor() {
        let table =
            [(100, 10), (103, 10), (106, 10), (107, 11), (130, 50), (159, 98), (160, 100), (999, 100)];
        for (second, expected) in table {
            assert_eq!(warmth(Some(at(100)), MINUTE, at(second)), expected, "at {second}");
        }
    }

    #[test]
    fn full_without_slow_start_or_without_a_return() {
        assert_eq!(warmth(Some(at(5)), Duration::ZERO, at(5)), 100);
        assert_eq!(warmth(None, MINUTE, at(5)), 100);
    }

    #[test]
    fn a_clock_that_stands_before_the_return_gives_the_floor() {
        assert_eq!(warmth(Some(at(100)), MINUTE, at(50)), MIN_WARMTH);
    }

    proptest! {
        #[test]
        fn never_falls_and_never_leaves_its_range(from: u64, slow in any::<u64>(), steps in prop::collection::vec(any::<u32>(), 1..20)) {
            let mut now = Moment::from_nanos(from);
            let mut last = 0;
            for step in steps {
                now = now + Duration::from_nanos(u64::from(step));
                let share = warmth(Some(Moment::from_nanos(from)), Duration::from_nanos(slow), now);
                prop_assert!((MIN_WARMTH..=100).contains(&share));
                prop_assert!(share >= last);
                last = share;
            }
        }
    }
}
