//! A timer queue in which each key has at most one deadline, so a config change leaves no stale entry.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use haechi_model::Moment;

/// Keys by the time at which they are due.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    queue: BTreeSet<(Moment, K)>,
    of: HashMap<K, Moment>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), of: HashMap::new() }
    }
}

impl<K: Clone + Ord + Hash> Deadlines<K> {
    /// Replaces the deadline of `key`.
    pub(crate) fn set(&mut self, key: &K, at: Option<Moment>) {
        if let Some(before) = self.of.remove(key) {
            self.queue.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.of.insert(key.clone(), at);
            self.queue.insert((at, key.clone()));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out the key that is due first, if one is due.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        self.of.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(steps in prop::collection::vec((0_u8..8, prop::option::of(0_u64..20), any::<bool>()), 0..60)) {
            let mut deadlines = Deadlines::default();
            let mut plain: BTreeMap<u8, u64> = BTreeMap::new();
            for (key, at, pop) in steps {
                if pop {
                    let now = at.unwrap_or(10);
                    let first = plain.iter().map(|(key, at)| (*at, *key)).min().filter(|(at, _)| *at <= now);
                    if let Some((_, key)) = first {
                        plain.remove(&key);
                    }
                    prop_assert_eq!(deadlines.pop_due(Moment::from_nanos(now)), first.map(|(_, key)| key));
                } else {
                    deadlines.set(&key, at.map(Moment::from_nanos));
                    match at {
                        Some(at) => plain.insert(key, at),
                        None => plain.remove(&key),
                    };
                }
                prop_assert_eq!(deadlines.next().map(Moment::as_nanos), plain.values().min().copied());
                prop_assert_eq!(deadlines.queue.len(), plain.len());
            }
        }
    }
}
