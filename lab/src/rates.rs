//! Requests per second from counters that are looked at now and then.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use haechi_model::Moment;

/// A rate is taken over so long: shorter, and a request a second flickers between 0 and 1; longer, and a
/// killed endpoint seems to go on.
const WINDOW: Duration = Duration::from_secs(2);

/// Shortest span that gives a rate.
const LEAST: Duration = Duration::from_millis(500);

#[derive(Default, Debug)]
pub(crate) struct Rates {
    samples: VecDeque<(Moment, HashMap<String, u64>)>,
}

impl Rates {
    /// Takes counters as they are now.
    pub(crate) fn sample(&mut self, now: Moment, counters: HashMap<String, u64>) {
        self.samples.push_back((now, counters));
        // The oldest one kept is the first that is at least a window old.
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Per second; none as long as too little is known.
    pub(crate) fn of(&self, name: &str) -> Option<f64> {
        let (newest, now) = self.samples.back()?;
        let (oldest, then) = self.samples.front()?;
        let span = newest.since(*oldest);
        let (now, then) = (*now.get(name)?, *then.get(name)?);
        // A counter that fell belongs to a node that was started anew.
        let grown = u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        (span >= LEAST).then(|| f64::from(grown) / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(rates: &mut Rates, millis: u64, count: u64) -> Option<f64> {
        rates.sample(Moment::from_nanos(millis * 1_000_000), HashMap::from([("web-1".to_owned(), count)]));
        rates.of("web-1")
    }

    #[test]
    fn a_steady_stream_gives_its_rate_and_its_end_is_seen() {
        let mut rates = Rates::default();
        assert_eq!(feed(&mut rates, 0, 100), None);
        assert_eq!(feed(&mut rates, 200, 102), None);
        assert_eq!(feed(&mut rates, 1000, 110), Some(10.0));
        assert_eq!(feed(&mut rates, 2000, 120), Some(10.0));
        assert_eq!(feed(&mut rates, 3000, 120), Some(5.0));
        assert_eq!(feed(&mut rates, 4000, 120), Some(0.0));
        assert_eq!(feed(&mut rates, 5000, 3), Some(0.0));
        assert_eq!(rates.of("web-2"), None);
        assert!(rates.samples.len() < 5);
    }
}
