//! The streams that are open: a slab whose places are used again, found by id through a small table. Nothing is
//! allocated once as many were open as will be.

use haechi_model::Moment;

/// What the exchange on a stream allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Way {
    /// More may come.
    #[default]
    Open,
    /// The end has come.
    Ended,
}

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Stage {
    /// No head yet, but for interim ones.
    #[default]
    Head,
    /// A head, and its body.
    Body,
}

/// A wait for the peer's window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stall {
    pub(crate) since: Moment,
    pub(crate) allowed: u32,
}

/// One exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Their side.
    pub(crate) theirs: Way,
    pub(crate) their_stage: Stage,
    /// Our side.
    pub(crate) ours: Way,
    pub(crate) our_stage: Stage,
    /// What we may send; below zero after the peer made its windows smaller (§6.9.2).
    pub(crate) send_window: i64,
    /// What the peer may still send.
    pub(crate) receive_window: i64,
    /// Given to the consumer and not released.
    pub(crate) held: u32,
    /// Released and not yet told the peer.
    pub(crate) owed: u32,
    /// What is left of their `content-length`.
    pub(crate) length_left: Option<u64>,
    /// Their message has no body, whatever its `content-length` says (HEAD, 304).
    pub(crate) bodiless: bool,
    /// Somebody waits for window.
    pub(crate) waits: bool,
    pub(crate) stall: Option<Stall>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// A place whose stream has id 0 is free.
    places: Vec<Stream>,
    free: Vec<u32>,
    /// Place and one, by id; 0 is nothing. A power of two, at least twice as many as are open.
    table: Vec<u32>,
    open: u32,
}

/// Fewest places of the table.
const LEAST: usize = 16;

impl Streams {
    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        self.open
    }

    /// Ids of one side are two apart, so half of them are distinct where it matters.
    #[inline]
    const fn ideal(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.table.len() - 1)
    }

    #[inline]
    fn find(&self, id: u32) -> Option<(usize, usize)> {
        if self.table.is_empty() {
            return None;
        }
        let mut at = self.ideal(id);
        loop {
            let place = (self.table[at] as usize).checked_sub(1)?;
            if self.places[place].id == id {
                return Some((at, place));
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.find(id).map(|(_, place)| &self.places[place])
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.find(id).map(|(_, place)| &mut self.places[place])
    }

    /// Puts in a stream with a new id.
    pub(crate) fn insert(&mut self, stream: Stream) {
        if (self.open as usize + 1) * 2 > self.table.len() {
            self.grow();
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Stream::default());
            // Streams are limited to far less than a u32.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        self.places[place as usize] = stream;
        self.link(stream.id, place);
        self.open += 1;
    }

    fn link(&mut self, id: u32, place: u32) {
        let mut at = self.ideal(id);
        while self.table[at] != 0 {
            at = (at + 1) & (self.table.len() - 1);
        }
        self.table[at] = place + 1;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(LEAST);
        self.table.clear();
        self.table.resize(size, 0);
        for place in 0..self.places.len() {
            let id = self.places[place].id;
            if id != 0 {
                self.link(id, u32::try_from(place).unwrap_or(u32::MAX));
            }
        }
    }

    /// Takes a stream out.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let (mut hole, place) = self.find(id)?;
        let stream = std::mem::take(&mut self.places[place]);
        self.free.push(u32::try_from(place).unwrap_or(u32::MAX));
        self.open -= 1;
        // Entries that a search would no longer reach over the hole move into it (Knuth 6.4, algorithm R).
        let mask = self.table.len() - 1;
        let mut at = hole;
        self.table[hole] = 0;
        loop {
            at = (at + 1) & mask;
            let Some(other) = (self.table[at] as usize).checked_sub(1) else { break };
            let ideal = self.ideal(self.places[other].id);
            if (at.wrapping_sub(ideal) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.table[hole] = self.table[at];
                self.table[at] = 0;
                hole = at;
            }
        }
        Some(stream)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter(|stream| stream.id != 0)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn streams_are_a_map(steps in proptest::collection::vec((any::<bool>(), 0u32..60), 0..400)) {
            let mut streams = Streams::default();
            let mut model = BTreeMap::new();
            for (at, (put, id)) in steps.into_iter().enumerate() {
                let id = 2 * id + 1;
                let mark = at as i64;
                if put && !model.contains_key(&id) {
                    streams.insert(Stream { id, send_window: mark, ..Stream::default() });
                    model.insert(id, mark);
                } else if !put {
                    prop_assert_eq!(streams.remove(id).map(|it| it.send_window), model.remove(&id));
                }
                prop_assert_eq!(streams.len() as usize, model.len());
                for id in 0..122 {
                    prop_assert_eq!(streams.get(id).map(|it| it.send_window), model.get(&id).copied());
                }
                prop_assert!(streams.places.len() <= 60);
            }
            let mut left: Vec<_> = streams.iter().map(|it| (it.id, it.send_window)).collect();
            left.sort_unstable();
            prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        }
    }
}
