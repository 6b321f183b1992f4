//! Logins that were right, so that the dear question is asked once for each: a table of fixed size.

use haechi_model::Moment;

/// Logins that are found by the same part of their tag.
const WAYS: usize = 8;

/// What stands for a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub(super) u128);

impl Tag {
    /// Which of so many shards it belongs to.
    pub fn shard(self, shards: usize) -> usize {
        usize::try_from(self.0 >> 64 & 0xffff).unwrap_or(0) % shards
    }
}

/// Who stands together, and when each was used last.
type Set = [Option<(Tag, Moment)>; WAYS];

/// Which logins were right lately. The one that was not used for longest gives way.
#[derive(Clone, Debug)]
pub struct Known {
    sets: Box<[Set]>,
}

impl Known {
    /// Room for so many logins, rounded up to a power of two.
    pub fn new(logins: usize) -> Self {
        let sets = logins.div_ceil(WAYS).next_power_of_two();
        Self { sets: vec![[None; WAYS]; sets].into() }
    }

    /// Whether it was right before.
    pub fn has(&mut self, tag: Tag, now: Moment) -> bool {
        let mut known = self.set(tag).iter_mut().flatten();
        known.find(|(other, _)| *other == tag).map(|(_, used)| *used = now).is_some()
    }

    /// It was right.
    pub fn add(&mut self, tag: Tag, now: Moment) {
        let set = self.set(tag);
        let known = set.iter().position(|place| place.is_some_and(|(other, _)| other == tag));
        // No login at all sorts before any.
        let oldest = (0..WAYS).min_by_key(|at| set[*at].map(|(_, used)| used));
        if let Some(at) = known.or(oldest) {
            set[at] = Some((tag, now));
        }
    }

    fn set(&mut self, tag: Tag) -> &mut Set {
        // The length is a power of two, so the mask picks a set that is there.
        let at = usize::try_from(tag.0 & 0xffff_ffff).unwrap_or(0) & (self.sets.len() - 1);
        &mut self.sets[at]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_was_not_seen_for_longest_gives_way() {
        let at = |seconds: u64| Moment::ORIGIN + Duration::from_secs(seconds);
        let mut known = Known::new(1);
        for tag in 0..8 {
            assert!(!known.has(Tag(tag), at(1)));
            known.add(Tag(tag), at(1 + u64::try_from(tag).unwrap()));
        }
        assert!(known.has(Tag(0), at(20)), "it was used again");
        known.add(Tag(8), at(21));
        assert!(!known.has(Tag(1), at(22)), "the oldest");
        assert!([0, 2, 3, 4, 5, 6, 7, 8].into_iter().all(|tag| known.has(Tag(tag), at(23))));
        known.add(Tag(8), at(24));
        assert!(known.has(Tag(2), at(25)), "one that is there takes no second place");
    }

    #[test]
    fn a_flood_takes_no_more_room() {
        let mut known = Known::new(1000);
        let room = size_of_val(&*known.sets);
        for tag in 0..100_000 {
            known.add(Tag(tag * 0x1_0000_0001), Moment::ORIGIN);
        }
        assert_eq!(size_of_val(&*known.sets), room);
    }
}
