//! How near a process is to the memory that it may take, and so how much it takes on. It refuses to know where the
//! numbers come from, and what anybody does about them.
//!
//! ```text
//!            ≥ 85 %            ≥ 95 %
//!   none ───────────▶ high ───────────▶ full
//!        ◀───────────      ◀───────────
//!            < 80 %            < 90 %
//! ```
//!
//! Each level is left a little below the point where it begins, so that memory that hovers there does not switch it on
//! and off. Between both a client that asks again finds time to leave by itself, which frees most of what connections
//! hold; Envoy's documentation of its overload manager begins at 90 and 95 % likewise.

use haechi_model::Pressure;

/// Percent of the ceiling at which a level begins, and below which it ends.
const HIGH: (u64, u64) = (85, 80);
/// The same. A look is taken ten times a second: in a tenth of one, 5 % of 2 GiB are 1 GiB/s, about what a machine can
/// fill that is not idle otherwise.
const FULL: (u64, u64) = (95, 90);

/// What was found at the last look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    level: Pressure,
}

impl Gauge {
    /// The level with this much memory taken. Without a ceiling there is none.
    pub fn look(&mut self, taken: u64, ceiling: Option<u64>) -> Pressure {
        let Some(ceiling) = ceiling.filter(|bytes| *bytes > 0) else {
            self.level = Pressure::None;
            return self.level;
        };
        let percent = taken.saturating_mul(100) / ceiling;
        let holds = |(begins, ends): (u64, u64), level: Pressure| {
            percent >= if self.level >= level { ends } else { begins }
        };
        self.level = if holds(FULL, Pressure::Full) {
            Pressure::Full
        } else if holds(HIGH, Pressure::High) {
            Pressure::High
        } else {
            Pressure::None
        };
        self.level
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CEILING: Option<u64> = Some(1000);

    #[test]
    fn each_level_begins_and_ends_where_it_says() {
        use Pressure::{Full, High, None as Calm};
        let mut gauge = Gauge::default();
        for (taken, level) in [
            (0, Calm),
            (849, Calm),
            (850, High),
            (800, High),
            (799, Calm),
            (949, High),
            (950, Full),
            (900, Full),
            (899, High),
            (5000, Full),
            (799, Calm),
            (950, Full),
            (800, High),
        ] {
            assert_eq!(gauge.look(taken, CEILING), level, "{taken}");
        }
    }

    #[test]
    fn without_a_ceiling_nothing_is_too_much() {
        let mut gauge = Gauge::default();
        gauge.look(1000, CEILING);
        for ceiling in [None, Some(0)] {
            assert_eq!(gauge.look(u64::MAX, ceiling), Pressure::None);
        }
        assert_eq!(
            gauge.look(u64::MAX, Some(u64::MAX)),
            Pressure::None,
            "no overflow that a percentage hides"
        );
    }

    proptest! {
        #[test]
        fn only_what_lies_between_depends_on_what_was_before(looks in proptest::collection::vec(0u64..1200, 1..50)) {
            let mut gauge = Gauge::default();
            for taken in looks {
                let level = gauge.look(taken, CEILING);
                let (least, most) = match taken {
                    950.. => (Pressure::Full, Pressure::Full),
                    900.. => (Pressure::High, Pressure::Full),
                    850.. => (Pressure::High, Pressure::High),
                    800.. => (Pressure::None, Pressure::High),
                    _ => (Pressure::None, Pressure::None),
                };
                prop_assert!((least..=most).contains(&level), "{}: {:?}", taken, level);
            }
        }
    }
}
