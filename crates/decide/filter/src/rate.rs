//! How often one client may ask: GCRA (ITU-T I.371), the token bucket that needs one number for each client.
//!
//! That number is the moment at which the client has all of its burst again. It lies in a table of fixed size, so a
//! flood of clients that each ask once costs no memory: a place is taken over from whoever comes closest to having
//! all of its burst again, since that one loses least. Who loses its place is served as if it had never asked, so a
//! flood can only make the limit milder, never refuse somebody who asks seldom.

use std::time::Duration;

use haechi_model::{Moment, Rate};

/// Clients that are found by the same part of their key. One lookup reads 128 bytes: two lines of a processor's cache.
const WAYS: usize = 8;

/// The limit of a route, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What one request costs.
    cost: u64,
    /// What may be owed.
    most: u64,
}

/// What each client owes. It has no lock: shells keep several and choose by key.
#[derive(Clone, Debug)]
pub struct Owed {
    sets: Box<[[Place; WAYS]]>,
}

/// A client by its key, and when it owes nothing any more. The key 0 is nobody's.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    free_at: Moment,
}

impl Pace {
    /// By what a config says.
    pub fn new(rate: &Rate) -> Self {
        let per = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        let cost = (per / u64::from(rate.requests.get())).max(1);
        Self { cost, most: cost.saturating_mul(u64::from(rate.burst.get())) }
    }
}

impl Owed {
    /// Room for so many clients, rounded up to a power of two.
    pub fn new(clients: usize) -> Self {
        let sets = clients.div_ceil(WAYS).next_power_of_two();
        Self { sets: vec![[Place::default(); WAYS]; sets].into() }
    }

    /// A request of the client with this key, a hash with a secret seed.
    ///
    /// # Errors
    /// It is one too many. Gives how long until one is served; it was not counted.
    pub fn take(&mut self, key: u64, pace: Pace, now: Moment) -> Result<(), Duration> {
        let key = key.max(1);
        // The length is a power of two, so the mask picks a set that is there.
        let at = usize::try_from(key >> 32).unwrap_or(0) & (self.sets.len() - 1);
        let set = &mut self.sets[at];
        let known = set.iter().position(|place| place.key == key);
        let owed = known.map_or(0, |at| set[at].free_at.as_nanos().saturating_sub(now.as_nanos()));
        let after = owed.saturating_add(pace.cost);
        if after > pace.most {
            return Err(Duration::from_nanos(after - pace.most));
        }
        let place = match known {
            Some(at) => Some(&mut set[at]),
            None => set.iter_mut().min_by_key(|place| place.free_at),
        };
        if let Some(place) = place {
            *place = Place { key, free_at: now + Duration::from_nanos(after) };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn rate(requests: u32, per: Duration, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { requests: number(requests), per, burst: number(burst) }
    }

    fn at(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_one_each_time() {
        let pace = Pace::new(&rate(10, Duration::from_secs(1), 3));
        let mut owed = Owed::new(8);
        for (moment, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(Duration::from_millis(100))),
            (40, Err(Duration::from_millis(60))),
            (100, Ok(())),
            (100, Err(Duration::from_millis(100))),
            (10_000, Ok(())),
            (10_000, Ok(())),
            (10_000, Ok(())),
            (10_000, Err(Duration::from_millis(100))),
        ] {
            assert_eq!(owed.take(7, pace, at(moment)), expected, "at {moment}");
        }
        assert_eq!(owed.take(8, pace, at(10_000)), Ok(()), "another client");
    }

    #[test]
    fn a_flood_of_keys_makes_the_limit_milder_and_refuses_nobody() {
        let pace = Pace::new(&rate(1, Duration::from_secs(60), 1));
        let mut owed = Owed::new(64);
        let size = size_of_val(&*owed.sets);
        for key in 1..100_000_u64 {
            assert_eq!(
                owed.take(key << 32 | key, pace, at(key / 100)),
                Ok(()),
                "{key} asks for the first time"
            );
        }
        assert_eq!(size_of_val(&*owed.sets), size);
        assert!(owed.take(99_999 << 32 | 99_999, pace, at(999)).is_err(), "the last one is still known");
    }

    #[test]
    fn who_owes_most_keeps_its_place() {
        let pace = Pace::new(&rate(1, Duration::from_secs(1), 100));
        let mut owed = Owed::new(WAYS);
        for _ in 0..100 {
            assert_eq!(owed.take(1, pace, at(0)), Ok(()));
        }
        for key in 2..1000 {
            assert_eq!(owed.take(key, pace, at(0)), Ok(()));
        }
        assert!(owed.take(1, pace, at(0)).is_err());
    }

    proptest! {
        /// A bucket of tokens that is filled a drop at a time.
        #[test]
        fn as_a_bucket_of_tokens(
            requests in 1_u32..20,
            burst in 1_u32..20,
            waits in prop::collection::vec(0_u64..400, 1..60),
        ) {
            let pace = Pace::new(&rate(requests, Duration::from_secs(1), burst));
            let cost = 1_000_000_000 / u64::from(requests);
            let most = cost * u64::from(burst);
            let mut owed = Owed::new(1);
            let (mut tokens, mut moment) = (most, 0_u64);
            for wait in waits {
                moment += wait;
                tokens = (tokens + wait * 1_000_000).min(most);
                let taken = owed.take(5, pace, at(moment));
                if tokens >= cost {
                    tokens -= cost;
                    prop_assert_eq!(taken, Ok(()));
                } else {
                    prop_assert_eq!(taken, Err(Duration::from_nanos(cost - tokens)));
                }
            }
        }
    }
}
