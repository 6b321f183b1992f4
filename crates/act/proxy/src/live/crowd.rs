//! How many connections or requests each client has at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_model::Network;

/// Locks, as many as a rate's limiter has: each is held for one look.
const SHARDS: usize = 64;

/// What one customer of a provider has of IPv6 (RFC 6177): as one client, or it had 2⁶⁴ limits.
const ONE_SITE: u8 = 64;

/// Room that a shard keeps after a crowd: 64 of them are 100 KiB.
const KEPT: usize = 64;

/// Who is one client: an IPv4 address, or a site of IPv6. A mapped address is the IPv4 address.
pub(super) fn site(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => Network::of(IpAddr::V6(v6), ONE_SITE).address,
    }
}

/// Who is here. It knows a client for as long as one of its seats is taken, so it is no larger than what is open.
#[derive(Debug)]
pub(crate) struct Crowd {
    seed: RandomState,
    shards: Box<[Mutex<HashMap<u64, u32>>]>,
}

impl Crowd {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { seed: RandomState::new(), shards })
    }

    /// One more seat for this client; none if it has `most` already.
    pub(crate) fn seat(self: &Arc<Self>, client: IpAddr, most: NonZeroU32) -> Option<Seat> {
        let key = self.seed.hash_one(site(client));
        match self.shard(key).entry(key) {
            Entry::Occupied(taken) if *taken.get() >= most.get() => return None,
            Entry::Occupied(mut taken) => *taken.get_mut() += 1,
            Entry::Vacant(none) => drop(none.insert(1)),
        }
        Some(Seat { crowd: Arc::clone(self), key })
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, u32>> {
        let at = usize::try_from(key).unwrap_or(0) % SHARDS;
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's or request's place beside others of the same client, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    key: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.crowd.shard(self.key);
        let Entry::Occupied(mut taken) = shard.entry(self.key) else { return };
        *taken.get_mut() -= 1;
        if *taken.get() == 0 {
            taken.remove();
            let (len, capacity) = (shard.len(), shard.capacity());
            if capacity > KEPT && len < capacity / 4 {
                shard.shrink_to(len * 2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn most(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn a_site_is_one_client_and_a_mapped_address_is_no_other() {
        let crowd = Crowd::new();
        let seats: Vec<_> = [
            ("192.0.2.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::ffff:1", false),
            ("2001:db8:0:1::1", true),
        ]
        .map(|(client, expected)| {
            let seat = crowd.seat(client.parse().unwrap(), most(1));
            assert_eq!(seat.is_some(), expected, "{client}");
            seat
        })
        .into();
        drop(seats);
        assert!(crowd.seat("192.0.2.1".parse().unwrap(), most(1)).is_some());
    }

    #[test]
    fn who_has_left_takes_no_memory() {
        let crowd = Crowd::new();
        let seats: Vec<_> =
            (0..100_000_u32).map(|at| crowd.seat(IpAddr::from(at.to_be_bytes()), most(1)).unwrap()).collect();
        let room = || crowd.shards.iter().map(|shard| shard.lock().unwrap().capacity()).sum::<usize>();
        assert!(room() >= 100_000);
        drop(seats);
        assert!(room() <= SHARDS * 4 * KEPT, "{}", room());
        assert!(crowd.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    proptest! {
        #[test]
        fn as_a_list_of_who_is_here(steps in prop::collection::vec((0_u8..4, any::<bool>()), 0..100), limit in 1_u32..5) {
            let crowd = Crowd::new();
            let mut here: Vec<(u8, Seat)> = Vec::new();
            for (client, comes) in steps {
                if comes {
                    let count = here.iter().filter(|(other, _)| *other == client).count();
                    let seat = crowd.seat(IpAddr::from([10, 0, 0, client]), most(limit));
                    prop_assert_eq!(seat.is_some(), count < usize::try_from(limit).unwrap());
                    here.extend(seat.map(|seat| (client, seat)));
                } else if let Some(at) = here.iter().position(|(other, _)| *other == client) {
                    here.remove(at);
                }
            }
        }
    }
}
