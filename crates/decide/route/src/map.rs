//! A hash table from bytes, made once and then only read.
//!
//! std's map cannot be asked with a hash that is at hand already, and its hash cannot be read off at every `/`
//! of a path in one pass. This one can: looking up all prefixes of a path costs one pass over the path.
//!
//! The hash has no secret. Keys come from the config, so whoever sends requests chooses lookups only, and cannot
//! make the table worse than it is: at most half full, with runs of a few slots.

/// Keys of bytes with a value each.
#[derive(Clone, Debug)]
pub(crate) struct Map<V> {
    /// Upper half of the hash (so that most misses end here) and position + 1; 0 is empty. Twice as many as
    /// entries at least, a power of two.
    slots: Box<[u64]>,
    entries: Box<[(Box<[u8]>, V)]>,
    longest: usize,
}

/// The hash of the bytes so far: FNV-1a, and the finaliser of splitmix64 when it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const START: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(crate) const fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn of(bytes: &[u8]) -> Self {
        let mut hash = Self::START;
        bytes.iter().for_each(|byte| hash.push(*byte));
        hash
    }

    const fn finish(self) -> u64 {
        let z = self.0;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

const POSITION: u64 = u32::MAX as u64;

impl<V> Map<V> {
    /// Keys are taken to be different; of equal ones, one is found.
    pub(crate) fn new(entries: Vec<(Box<[u8]>, V)>) -> Self {
        let size = if entries.is_empty() { 0 } else { (entries.len() * 2).next_power_of_two() };
        let mut slots = vec![0; size];
        for (position, (key, _)) in (1_u64..).zip(&entries) {
            let hash = Hash::of(key).finish();
            let mut at = home(hash, size);
            while slots[at] != 0 {
                at = (at + 1) % size;
            }
            slots[at] = (hash & !POSITION) | position;
        }
        let longest = entries.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        Self { slots: slots.into(), entries: entries.into(), longest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the longest key: anything longer need not be asked for.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// The position of a key, and its value.
    pub(crate) fn get(&self, key: &[u8]) -> Option<(u32, &V)> {
        if key.len() > self.longest || self.is_empty() {
            return None;
        }
        self.get_hashed(Hash::of(key), key)
    }

    /// As `get`, for a key whose hash is known.
    pub(crate) fn get_hashed(&self, hash: Hash, key: &[u8]) -> Option<(u32, &V)> {
        let hash = hash.finish();
        let size = self.slots.len();
        let mut at = home(hash, size);
        // Half the slots are empty, so this ends; an empty map has none at all.
        while let Some(slot) = self.slots.get(at).copied().filter(|slot| *slot != 0) {
            if (slot ^ hash) & !POSITION == 0 {
                let position = u32::try_from((slot & POSITION) - 1).unwrap_or(u32::MAX);
                if let Some((_, value)) = self.at(position).filter(|(known, _)| **known == *key) {
                    return Some((position, value));
                }
            }
            at = (at + 1) & (size - 1);
        }
        None
    }

    /// The entry at a position that `get` gave.
    pub(crate) fn at(&self, position: u32) -> Option<&(Box<[u8]>, V)> {
        self.entries.get(position as usize)
    }
}

fn home(hash: u64, size: usize) -> usize {
    usize::try_from(hash & POSITION).unwrap_or(0) & size.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn map(keys: &[&[u8]]) -> Map<usize> {
        Map::new(keys.iter().enumerate().map(|(at, key)| ((*key).into(), at)).collect())
    }

    #[test]
    fn an_empty_map_has_nothing() {
        let map = map(&[]);
        assert!(map.get(b"").is_none() && map.get(b"a").is_none() && map.is_empty());
        assert!(map.get_hashed(Hash::START, b"").is_none());
    }

    #[test]
    fn a_hash_alone_finds_nothing() {
        let map = map(&[b"a", b"b"]);
        assert!(map.get_hashed(Hash::of(b"a"), b"x").is_none());
        assert_eq!(map.get_hashed(Hash::of(b"b"), b"b").map(|(_, at)| *at), Some(1));
    }

    #[test]
    fn runs_stay_short() {
        let keys: Vec<String> = (0..10_000).map(|n| format!("host-{n}.example.com")).collect();
        let map = map(&keys.iter().map(String::as_bytes).collect::<Vec<_>>());
        let longest = map.slots.split(|slot| *slot == 0).map(<[u64]>::len).max();
        assert!(longest < Some(40), "{longest:?}");
    }

    proptest! {
        #[test]
        fn as_a_tree(
            known in prop::collection::btree_map(prop::collection::vec(0_u8..3, 0..5), any::<u8>(), 0..200),
            asked in prop::collection::vec(0_u8..3, 0..6),
        ) {
            let map = Map::new(known.iter().map(|(k, v)| (k.clone().into(), *v)).collect());
            for key in known.keys().chain([&asked]) {
                let found = map.get(key);
                prop_assert_eq!(found.map(|(_, value)| value), known.get(key));
                if let Some((position, _)) = found {
                    prop_assert_eq!(map.at(position).map(|(known, _)| &**known), Some(&**key));
                }
            }
            let values: BTreeMap<_, _> = map.entries.iter().map(|(k, v)| (k.to_vec(), *v)).collect();
            prop_assert_eq!(values, known);
        }
    }
}
