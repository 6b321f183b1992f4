//! Calm after too many takeovers. An address that moves back and forth serves worse than one that stays with
//! the second best node; so a node that took over often waits before it takes over from a living one again.
//! Never from a dead one: then nobody serves.

use std::time::Duration;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

/// Takeovers within this time are counted together, and it is how long must be calm before a delay halves.
const WINDOW: Duration = Duration::from_secs(60);

/// Takeovers in a window that need no excuse: an update of two nodes, one after the other, makes two, and a
/// rehearsal one more.
const FREE: usize = 3;

/// First delay: ten advertisements at the default interval.
const FIRST: Duration = Duration::from_secs(1);

/// Longest delay: as long as the window, or the delay itself would make the window calm.
const LONGEST: Duration = Duration::from_secs(60);

/// This node's latest takeovers, and what they cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Damping {
    /// The latest ones, newest first.
    latest: [Option<Moment>; FREE],
    /// As of the newest one.
    delay: Duration,
}

impl Damping {
    /// This node takes over now. Gives when the delay will have decayed, if there is one.
    pub(super) fn took_over(&mut self, now: Moment) -> Option<Moment> {
        let carried = self.delay(now);
        let one_too_many = self.latest[FREE - 1].is_some_and(|first| now.since(first) < WINDOW);
        self.delay = if one_too_many { (carried * 2).clamp(FIRST, LONGEST) } else { carried };
        self.latest.rotate_right(1);
        self.latest[0] = Some(now);
        self.over()
    }

    /// How long to wait now before taking over from a living node.
    pub(super) fn delay(&self, now: Moment) -> Duration {
        let Some(newest) = self.latest[0] else { return Duration::ZERO };
        let windows = now.since(newest).as_secs() / WINDOW.as_secs();
        let halved = u32::try_from(windows).ok().and_then(|windows| 1_u32.checked_shl(windows));
        halved.map(|by| self.delay / by).filter(|left| *left >= FIRST).unwrap_or_default()
    }

    fn over(&self) -> Option<Moment> {
        let newest = self.latest[0]?;
        let mut ends = newest;
        while !self.delay(ends).is_zero() {
            ends = ends + WINDOW;
        }
        (ends > newest).then_some(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn the_fourth_in_a_minute_costs() {
        let mut damping = Damping::default();
        assert_eq!(damping.delay(at(0)), Duration::ZERO);
        for (second, delay) in [(0, 0), (10, 0), (20, 0), (30, 1), (40, 2), (50, 4), (60, 8), (100, 8)] {
            damping.took_over(at(second));
            assert_eq!(damping.delay(at(second)).as_secs(), delay, "after {second} s");
        }
    }

    #[test]
    fn it_grows_to_a_minute_and_decays_by_half() {
        let mut damping = Damping::default();
        let mut over = None;
        for second in 0..12 {
            over = damping.took_over(at(second));
        }
        assert_eq!(damping.delay(at(11)), LONGEST);
        assert_eq!(damping.delay(at(70)), LONGEST);
        assert_eq!(damping.delay(at(71)).as_secs(), 30);
        assert_eq!(damping.delay(at(131)).as_secs(), 15);
        assert_eq!(over, Some(at(11 + 6 * 60)), "60, 30, 15, 7.5, 3.75, 1.875, none");
        assert_eq!(damping.delay(at(11 + 6 * 60)), Duration::ZERO);
        assert_eq!(damping.delay(at(10_000_000)), Duration::ZERO);
    }

    #[test]
    fn three_in_a_minute_are_free_for_ever() {
        let mut damping = Damping::default();
        for second in (0..10_000).step_by(21) {
            assert_eq!(damping.took_over(at(second)), None);
        }
    }
}
