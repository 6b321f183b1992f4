//! How often a client may do what costs it little and us much.

use haechi_http2::Rate;
use haechi_model::Moment;

/// One rate of one connection: the moment from which on one more is within it.
#[derive(Debug)]
pub(super) struct Gate(Moment);

impl Default for Gate {
    fn default() -> Self {
        Self(Moment::ORIGIN)
    }
}

impl Gate {
    /// Counts one; false if it is one too many.
    pub(super) fn passes(&mut self, rate: Rate, now: Moment) -> bool {
        let interval = std::time::Duration::from_secs(1) / rate.per_second.max(1);
        let ahead = self.0.since(now);
        if ahead >= interval * rate.burst {
            return false;
        }
        self.0 = now + ahead + interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_and_then_a_pace() {
        let (mut gate, rate) = (Gate::default(), Rate { burst: 5, per_second: 10 });
        let start = Moment::ORIGIN + Duration::from_secs(1);
        assert_eq!((0..20).filter(|_| gate.passes(rate, start)).count(), 5);
        let later = start + Duration::from_millis(300);
        assert_eq!((0..20).filter(|_| gate.passes(rate, later)).count(), 3);
    }
}
