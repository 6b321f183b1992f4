//! The dynamic table (RFC 7541 §2.3.2): entries come in at one end and go out at the other, their bytes lie in
//! one arena, and neither is allocated again once it has grown.

use std::collections::VecDeque;

use crate::ENTRY_OVERHEAD;

/// What is kept of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    /// What the [`crate::Judge`] said of it.
    pub(crate) tag: u8,
    pub(crate) fit: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    name: u32,
    value: u32,
    tag: u8,
    fit: bool,
}

impl Entry {
    const fn size(self) -> u32 {
        self.name + self.value + ENTRY_OVERHEAD
    }

    fn of(self, arena: &[u8]) -> Kept<'_> {
        let start = self.start as usize;
        let middle = start + self.name as usize;
        let end = middle + self.value as usize;
        Kept {
            name: arena.get(start..middle).unwrap_or_default(),
            value: arena.get(middle..end).unwrap_or_default(),
            tag: self.tag,
            fit: self.fit,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    /// Bytes of all entries in order. Those of entries that went out are dropped when it would grow over twice
    /// the table's size, so that moving costs less than what was inserted since.
    arena: Vec<u8>,
    /// Oldest first.
    entries: VecDeque<Entry>,
    size: u32,
    max: u32,
    /// Entries that ever came in, modulo 2³².
    inserted: u32,
}

impl Table {
    pub(crate) const fn new(max: u32) -> Self {
        Self { arena: Vec::new(), entries: VecDeque::new(), size: 0, max, inserted: 0 }
    }

    pub(crate) const fn max(&self) -> u32 {
        self.max
    }

    /// The number of the newest entry; numbers rise by one with each entry.
    pub(crate) const fn newest(&self) -> u32 {
        self.inserted
    }

    /// The entry that came in `age` entries before the newest one.
    #[inline]
    pub(crate) fn get(&self, age: usize) -> Option<Kept<'_>> {
        let at = self.entries.len().checked_sub(age + 1)?;
        self.entries.get(at).map(|entry| entry.of(&self.arena))
    }

    /// Changes the size that it may have (§4.3).
    pub(crate) fn resize(&mut self, max: u32) {
        self.max = max;
        self.evict(max);
    }

    /// Puts a field in front. One that is larger than the whole table empties it (§4.4). Gives whether it is in.
    pub(crate) fn insert(&mut self, field: Kept<'_>) -> bool {
        let (Ok(name), Ok(value)) = (u32::try_from(field.name.len()), u32::try_from(field.value.len()))
        else {
            return false;
        };
        let size = u64::from(name) + u64::from(value) + u64::from(ENTRY_OVERHEAD);
        let Some(room) = u32::try_from(size).ok().and_then(|size| self.max.checked_sub(size)) else {
            self.evict(0);
            return false;
        };
        self.evict(room);
        let bytes = field.name.len() + field.value.len();
        if self.arena.len() + bytes > 2 * self.max as usize {
            self.move_to_front();
        }
        // The arena is at most twice a table, whose size is a u32 far below its bound.
        let start = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        self.arena.extend_from_slice(field.name);
        self.arena.extend_from_slice(field.value);
        let entry = Entry { start, name, value, tag: field.tag, fit: field.fit };
        self.entries.push_back(entry);
        self.size += entry.size();
        self.inserted = self.inserted.wrapping_add(1);
        true
    }

    /// Lets the oldest go until no more than `most` is left.
    fn evict(&mut self, most: u32) {
        while self.size > most {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.size -= oldest.size();
        }
        if self.entries.is_empty() {
            self.arena.clear();
        }
    }

    fn move_to_front(&mut self) {
        let Some(gone) = self.entries.front().map(|oldest| oldest.start) else { return };
        self.arena.copy_within(gone as usize.., 0);
        self.arena.truncate(self.arena.len() - gone as usize);
        for entry in &mut self.entries {
            entry.start -= gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept<'a>(name: &'a [u8], value: &'a [u8]) -> Kept<'a> {
        Kept { name, value, tag: 7, fit: true }
    }

    #[test]
    fn the_oldest_go_out_and_numbers_stay() {
        let mut table = Table::new(3 * (ENTRY_OVERHEAD + 4));
        for value in [b"aaa", b"bbb", b"ccc", b"ddd"] {
            assert!(table.insert(kept(b"n", value)));
        }
        let values: Vec<_> = (0..4).map(|age| table.get(age).map(|entry| entry.value)).collect();
        assert_eq!(values, [Some(&b"ddd"[..]), Some(b"ccc"), Some(b"bbb"), None]);
        assert_eq!(table.newest(), 4);
        table.resize(ENTRY_OVERHEAD + 4);
        assert_eq!((table.get(0).unwrap().value, table.get(1)), (&b"ddd"[..], None));
    }

    #[test]
    fn a_field_larger_than_the_table_empties_it() {
        let mut table = Table::new(64);
        assert!(table.insert(kept(b"n", b"v")));
        assert!(!table.insert(kept(b"name", &[b'x'; 29])));
        assert_eq!(table.get(0), None);
        assert!(table.insert(kept(b"name", &[b'x'; 28])));
    }

    #[test]
    fn the_arena_stays_within_twice_the_table() {
        let mut table = Table::new(200);
        for round in 0..1000u32 {
            let value = vec![b'v'; (round % 60) as usize];
            table.insert(kept(b"name", &value));
            assert!(table.arena.len() <= 400, "{}", table.arena.len());
            assert_eq!(table.get(0).unwrap().value, value);
        }
    }
}
