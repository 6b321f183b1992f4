//! When neighbours are told where the addresses are: a burst at a takeover, because one frame may be lost;
//! another after a while, because a switch port that was still learning lost the first one; and one every so
//! often, because switches forget (keepalived's `garp_master_repeat`, `garp_master_delay` and
//! `garp_master_refresh`).

use std::time::Duration;

use haechi_model::{Announcing, Moment};
use serde::{Deserialize, Serialize};

/// What is still to be said. Empty while the addresses are not here.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Announcer {
    /// In this burst.
    left: u8,
    next: Option<Moment>,
    again: Option<Moment>,
    refresh: Option<Moment>,
}

impl Announcer {
    /// Begins anew. The first one is due at once.
    pub(super) fn start(&mut self, now: Moment, rules: &Announcing) {
        self.left = rules.repeat.max(1);
        self.next = Some(now);
        self.again = after(now, rules.again);
        self.refresh = after(now, rules.refresh);
    }

    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Whether to announce once now.
    pub(super) fn is_due(&mut self, now: Moment, rules: &Announcing) -> bool {
        if due(self.again, now) {
            self.again = None;
            self.left = rules.repeat.max(1);
            self.next = Some(now);
        }
        let refresh = due(self.refresh, now);
        if refresh {
            self.refresh = after(now, rules.refresh);
        }
        let burst = due(self.next, now);
        if burst {
            self.left = self.left.saturating_sub(1);
            self.next = (self.left > 0).then_some(now + rules.interval);
        }
        refresh || burst
    }

    /// Whether more of this burst is to come.
    pub(super) fn is_bursting(&self) -> bool {
        self.left > 0
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        [self.next, self.again, self.refresh].into_iter().flatten().min()
    }
}

fn due(at: Option<Moment>, now: Moment) -> bool {
    at.is_some_and(|at| at <= now)
}

/// Zero turns it off.
fn after(now: Moment, delay: Duration) -> Option<Moment> {
    (!delay.is_zero()).then_some(now + delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(rules: &Announcing, until: Duration) -> Vec<u128> {
        let mut announcer = Announcer::default();
        announcer.start(Moment::ORIGIN, rules);
        let mut said = Vec::new();
        while let Some(at) = announcer.deadline().filter(|at| *at <= Moment::ORIGIN + until) {
            assert!(announcer.is_due(at, rules), "a deadline has a deed");
            said.push(at.since(Moment::ORIGIN).as_millis());
        }
        said
    }

    #[test]
    fn bursts_and_refresh() {
        let rules = Announcing::default();
        let bursts = [0, 100, 200, 300, 400, 5_000, 5_100, 5_200, 5_300, 5_400];
        let all: Vec<_> = bursts.into_iter().chain([60_000, 120_000]).collect();
        assert_eq!(said(&rules, Duration::from_secs(150)), all);

        let once = Announcing { repeat: 1, again: Duration::ZERO, refresh: Duration::ZERO, ..rules };
        assert_eq!(said(&once, Duration::from_secs(1_000)), [0]);
        let none = Announcing { repeat: 0, ..once };
        assert_eq!(said(&none, Duration::from_secs(1_000)), [0], "at least once, or nobody ever knows");
    }

    #[test]
    fn stopped_says_nothing() {
        let rules = Announcing::default();
        let mut announcer = Announcer::default();
        announcer.start(Moment::ORIGIN, &rules);
        announcer.stop();
        assert_eq!(announcer.deadline(), None);
        assert!(!announcer.is_due(Moment::ORIGIN + Duration::from_secs(99), &rules));
    }
}
