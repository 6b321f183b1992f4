//! From fields to a block, straight into the output (RFC 7541 §6).
//!
//! What pays is decided by what comes: a field is put in the table when it comes for the second time, so values
//! that are never repeated (an entity tag, a request's id) cost neither a place nor an eviction. Repeated ones,
//! which is nearly all of a response head, are an octet each.

use crate::static_table::{static_name, static_value};
use crate::table::{Kept, Table};
use crate::{DEFAULT_TABLE, ENTRY_OVERHEAD, huffman, integer};

/// Whether a field may stand in tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    /// It may, if that pays.
    Open,
    /// Never, on no hop (§6.2.3). Credentials and cookies are so by themselves: what stands in a table can be
    /// guessed at by lengths (§7.1).
    Secret,
}

/// Places for what stands in the table, by hash; as many as a table of the default size can have entries.
const FOUND: usize = 128;

/// Places for what was seen once.
const SEEN: usize = 128;

/// Places that one hash may take, the newest first: with one only, two fields of a head that share it would push each
/// other out for ever, and neither would be an index.
const WAYS: usize = 4;

/// Fields above this part of the table are not put in: one of them would push out what all others use.
const LARGEST_PART: u32 = 4;

/// Static names whose values are secrets: authorization, cookie, proxy-authorization, set-cookie.
const SECRETS: [usize; 4] = [23, 32, 49, 55];

/// Encodes the blocks of one direction of one connection.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// Hashes, and the number of the entry that had it. It may be gone or another: it is compared.
    found: Vec<(u32, u32)>,
    /// Hashes that were seen.
    seen: Vec<u32>,
    /// What the next block must begin with: the smallest size since the last one, if it changed (§4.2).
    smallest: Option<u32>,
    huffman: bool,
}

impl Encoder {
    /// With `huffman` strings are shortened where that helps: a fifth of the bytes for some cycles. Worth it
    /// towards clients; within a data centre it is not.
    pub const fn new(huffman: bool) -> Self {
        Self {
            table: Table::new(DEFAULT_TABLE),
            found: Vec::new(),
            seen: Vec::new(),
            smallest: None,
            huffman,
        }
    }

    /// The peer's `SETTINGS_HEADER_TABLE_SIZE`. More than the default is not used: it would be memory for
    /// fields that come seldom.
    pub fn set_allowed(&mut self, allowed: u32) {
        let size = allowed.min(DEFAULT_TABLE);
        if size != self.table.max() {
            self.smallest = Some(self.smallest.map_or(size, |smallest| smallest.min(size)));
            self.table.resize(size);
        }
    }

    /// Begins a block.
    #[inline]
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(smallest) = self.smallest.take() else { return };
        integer::write(smallest, 5, 0x20, out);
        if smallest != self.table.max() {
            integer::write(self.table.max(), 5, 0x20, out);
        }
    }

    /// Appends a field; the name must be in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8], secrecy: Secrecy, out: &mut Vec<u8>) {
        let named = static_name(name);
        // What came never indexed goes on so, even if a table has it (§6.2.3).
        if secrecy == Secrecy::Secret || named.is_some_and(|index| SECRETS.contains(&index)) {
            self.literal(0x10, 4, named, name, value, out);
            return;
        }
        if let Some(index) = named.and_then(|first| static_value(first, value)) {
            integer::write(as_u32(index), 7, 0x80, out);
            return;
        }
        let hash = hash(name, value);
        if let Some(index) = self.find(hash, name, value) {
            integer::write(index, 7, 0x80, out);
        } else if self.pays(hash, name, value) {
            self.literal(0x40, 6, named, name, value, out);
            self.insert(hash, name, value);
        } else {
            self.literal(0, 4, named, name, value, out);
        }
    }

    /// The index of the field if it stands in the dynamic table.
    #[inline]
    fn find(&self, hash: u32, name: &[u8], value: &[u8]) -> Option<u32> {
        let places = self.found.get(ways(hash, FOUND))?;
        places.iter().filter(|place| place.0 == hash).find_map(|(_, number)| {
            let age = self.table.newest().wrapping_sub(*number);
            let entry = self.table.get(age as usize)?;
            (entry.value == value && entry.name == name).then_some(age + FIRST_DYNAMIC)
        })
    }

    /// Whether it was seen before, and not too large.
    #[inline]
    fn pays(&mut self, hash: u32, name: &[u8], value: &[u8]) -> bool {
        let size = name.len() + value.len() + ENTRY_OVERHEAD as usize;
        if size > (self.table.max() / LARGEST_PART) as usize {
            return false;
        }
        if self.seen.is_empty() {
            self.seen.resize(SEEN, 0);
        }
        let places = &mut self.seen[ways(hash, SEEN)];
        if places.contains(&hash) {
            return true;
        }
        places.rotate_right(1);
        places[0] = hash;
        false
    }

    fn insert(&mut self, hash: u32, name: &[u8], value: &[u8]) {
        if self.found.is_empty() {
            self.found.resize(FOUND, (0, 0));
        }
        if self.table.insert(Kept { name, value, tag: 0, fit: true }) {
            let places = &mut self.found[ways(hash, FOUND)];
            places.rotate_right(1);
            places[0] = (hash, self.table.newest());
        }
    }

    #[inline]
    fn literal(
        &self,
        pattern: u8,
        bits: u32,
        named: Option<usize>,
        name: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        integer::write(named.map_or(0, as_u32), bits, pattern, out);
        if named.is_none() {
            self.string(name, out);
        }
        self.string(value, out);
    }

    #[inline]
    fn string(&self, text: &[u8], out: &mut Vec<u8>) {
        let coded = if self.huffman { huffman::encoded_len(text) } else { text.len() };
        if coded < text.len() {
            integer::write(as_u32(coded), 7, 0x80, out);
            huffman::encode(text, out);
        } else {
            integer::write(as_u32(text.len()), 7, 0, out);
            out.extend_from_slice(text);
        }
    }
}

/// The index of the newest entry (§2.3.3).
const FIRST_DYNAMIC: u32 = 62;

/// Indices and lengths of what lies in memory for one head: far below the bound.
#[inline]
fn as_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The places of a hash among so many.
#[inline]
const fn ways(hash: u32, places: usize) -> std::ops::Range<usize> {
    let first = hash as usize % (places / WAYS) * WAYS;
    first..first + WAYS
}

/// Of name and value, eight bytes at a time; multiplying by the golden ratio spreads them (Knuth 6.4). It only
/// chooses a place: whoever makes two fields collide makes their own responses longer.
#[inline]
fn hash(name: &[u8], value: &[u8]) -> u32 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = (name.len() as u64) << 32 | value.len() as u64;
    for text in [name, value] {
        let mut rest = text;
        while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*eight)).wrapping_mul(GOLDEN);
            rest = tail;
        }
        let last = rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
        hash = (hash.rotate_left(5) ^ last).wrapping_mul(GOLDEN);
    }
    // The high half is where multiplying has mixed most.
    u32::try_from(hash >> 32).unwrap_or(0) | 1
}
