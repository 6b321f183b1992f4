//! The retry budget: the guard against retries that bring down what is left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use haechi_model::{Moment, Retry};

/// Retries are counted over this time (Envoy and linkerd use 10 s).
const WINDOW: Duration = Duration::from_secs(10);

/// Counts retries against requests. Touched only when something is retried, so a lock is fine.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget(Mutex<Option<Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    started: Moment,
    requests_before: u64,
    retries: u64,
}

impl RetryBudget {
    /// Takes one retry out of the budget, if it holds one. `requests` counts all requests so far.
    pub(crate) fn take(&self, retry: &Retry, requests: u64, now: Moment) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After a long calm the requests of long ago earn nothing, nor does the number that counting began with.
        let mut window = held.filter(|window| now.since(window.started) < WINDOW).unwrap_or(Window {
            started: now,
            requests_before: requests,
            retries: 0,
        });
        let requests = requests.wrapping_sub(window.requests_before);
        let floor = u64::from(retry.budget_floor) * WINDOW.as_secs();
        let allowed = (requests.saturating_mul(u64::from(retry.budget)) / 100).saturating_add(floor);
        let room = window.retries < allowed;
        window.retries += u64::from(room);
        *held = Some(window);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_count_that_begins_anywhere_earns_nothing_in_a_young_process() {
        let budget = RetryBudget::default();
        let retry = Retry { budget: 20, budget_floor: 0, ..Retry::default() };
        assert!(!budget.take(&retry, 0x1234_5678_9abc_def0, at(1)));
    }

    #[test]
    fn the_floor_then_a_share_of_the_requests() {
        let budget = RetryBudget::default();
        let retry = Retry { budget: 20, budget_floor: 1, ..Retry::default() };
        let taken = |requests, now| (0..1000).filter(|_| budget.take(&retry, requests, now)).count();
        assert_eq!(taken(0, at(100)), 10, "the floor: one per second of the window");
        assert_eq!(taken(100, at(101)), 20, "and a fifth of the requests since then");
        assert_eq!(taken(100, at(101)), 0);
        assert_eq!(taken(200, at(110)), 10, "a new window starts with the floor");
    }
}
