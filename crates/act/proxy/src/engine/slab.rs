//! Values under keys that are never given out twice: what comes late for a value that is gone does not meet its
//! successor.

/// Index and generation in 64 bits, so that the kernel can keep it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(u64);

impl Key {
    fn new(index: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | index as u64 & INDEX)
    }

    #[inline]
    fn index(self) -> usize {
        usize::try_from(self.0 & INDEX).unwrap_or(usize::MAX)
    }

    pub(super) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

const INDEX: u64 = 0xffff_ffff;

/// The values.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts in what `make` gives for its key.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, value: None });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        let key = Key::new(index, slot.generation);
        slot.value = Some(make(key));
        key
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index())?;
        if Key::new(key.index(), slot.generation) == key { slot.value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        self.get_mut(key)?;
        let slot = self.slots.get_mut(key.index())?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index());
        slot.value.take()
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) -> Vec<T> {
        self.free.clear();
        self.slots.drain(..).filter_map(|slot| slot.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_reach_its_successor() {
        let mut slab = Slab::default();
        let first = slab.insert_with(|_| "first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert_with(|_| "second");
        assert_eq!(second.index(), first.index());
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(Key::from_bits(second.to_bits())), Some(&mut "second"));
        assert_eq!(slab.clear(), ["second"]);
        assert_eq!(slab.get_mut(second), None);
    }
}
