//! From a block to a list of fields (RFC 7541 §3, §6).

use crate::fields::{Bounds, Fields, Judge, Judged};
use crate::static_table::STATIC;
use crate::table::{Kept, Table};
use crate::{Error, huffman, integer};

/// Decodes the blocks of one direction of one connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What we told the peer that the table may have.
    allowed: u32,
}

/// Where a name comes from.
enum Name {
    Static(usize),
    Dynamic(usize),
    Literal,
}

impl Decoder {
    /// `allowed` is the value of our `SETTINGS_HEADER_TABLE_SIZE`.
    pub const fn new(allowed: u32) -> Self {
        Self { table: Table::new(allowed), allowed }
    }

    /// Decodes a whole block and appends its fields. A list above its bounds is decoded to the end all the
    /// same, so that the table stays the peer's, but no longer stored: see [`Fields::is_too_large`].
    ///
    /// # Errors
    /// The block breaks RFC 7541, or costs more than [`Bounds::most_work`]. Nothing can be decoded after it.
    pub fn decode<J: Judge>(
        &mut self,
        block: &[u8],
        bounds: &Bounds,
        fields: &mut Fields,
    ) -> Result<(), Error> {
        let mut at = self.size_updates(block)?;
        while let Some(first) = block.get(at) {
            if first & 0x80 != 0 {
                self.indexed::<J>(block, &mut at, bounds, fields)?;
            } else if first & 0xe0 == 0x20 {
                return Err(Error::TableSize);
            } else {
                self.literal::<J>(*first, block, &mut at, bounds, fields)?;
            }
            if fields.size() > u64::from(bounds.most_work) {
                return Err(Error::Work);
            }
        }
        Ok(())
    }

    /// Size updates stand in front of the first field; two of them tell all that there is to tell (§4.2).
    #[inline]
    fn size_updates(&mut self, block: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        let mut updates = 0;
        while block.get(at).is_some_and(|byte| byte & 0xe0 == 0x20) {
            let size = integer::read(block, &mut at, 5)?;
            updates += 1;
            if size > self.allowed || updates > 2 {
                return Err(Error::TableSize);
            }
            self.table.resize(size);
        }
        Ok(at)
    }

    #[inline]
    fn indexed<J: Judge>(
        &self,
        block: &[u8],
        at: &mut usize,
        bounds: &Bounds,
        fields: &mut Fields,
    ) -> Result<(), Error> {
        let index = integer::read(block, at, 7)? as usize;
        let kept = match index.checked_sub(1).ok_or(Error::Index)? {
            place if place < STATIC.len() => {
                let (name, value) = STATIC[place];
                let tag = J::static_name(index);
                // Not all may stand: `content-length` has an empty value there.
                Kept { name, value, tag, fit: J::value(tag, value) }
            }
            place => self.table.get(place - STATIC.len()).ok_or(Error::Index)?,
        };
        if fields.only_counts() {
            fields.count_only(kept.name.len() + kept.value.len());
            return Ok(());
        }
        let arena = fields.arena();
        let start = arena.len();
        arena.extend_from_slice(kept.name);
        arena.extend_from_slice(kept.value);
        fields.commit(start, kept.name.len(), Judged { tag: kept.tag, fit: kept.fit, never: false }, bounds);
        Ok(())
    }

    fn literal<J: Judge>(
        &mut self,
        first: u8,
        block: &[u8],
        at: &mut usize,
        bounds: &Bounds,
        fields: &mut Fields,
    ) -> Result<(), Error> {
        let (bits, index_it, never) = match first {
            byte if byte & 0x40 != 0 => (6, true, false),
            byte if byte & 0x10 != 0 => (4, false, true),
            _ => (4, false, false),
        };
        let index = integer::read(block, at, bits)? as usize;
        let from = match index {
            0 => Name::Literal,
            place if place <= STATIC.len() => Name::Static(place),
            place => Name::Dynamic(place - STATIC.len() - 1),
        };
        let start = fields.arena().len();
        let known = self.name::<J>(&from, block, at, fields.arena())?;
        let name = fields.arena().len() - start;
        string(block, at, fields.arena())?;
        let (name_bytes, value) = fields.tail(start, name);
        let tag = known.unwrap_or_else(|| J::name(name_bytes));
        let fit = J::value(tag, value);
        if index_it {
            self.table.insert(Kept { name: name_bytes, value, tag, fit });
        }
        fields.commit(start, name, Judged { tag, fit, never }, bounds);
        Ok(())
    }

    /// Appends the name, and gives what is known of it already.
    #[inline]
    fn name<J: Judge>(
        &self,
        from: &Name,
        block: &[u8],
        at: &mut usize,
        arena: &mut Vec<u8>,
    ) -> Result<Option<u8>, Error> {
        match *from {
            Name::Literal => {
                string(block, at, arena)?;
                Ok(None)
            }
            Name::Static(index) => {
                arena.extend_from_slice(STATIC[index - 1].0);
                Ok(Some(J::static_name(index)))
            }
            Name::Dynamic(age) => {
                let kept = self.table.get(age).ok_or(Error::Index)?;
                arena.extend_from_slice(kept.name);
                Ok(Some(kept.tag))
            }
        }
    }
}

/// Appends a string (§5.2).
#[inline]
fn string(block: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Result<(), Error> {
    let coded = block.get(*at).ok_or(Error::Short)? & 0x80 != 0;
    let len = integer::read(block, at, 7)? as usize;
    let end = at.checked_add(len).ok_or(Error::Short)?;
    let bytes = block.get(*at..end).ok_or(Error::Short)?;
    *at = end;
    if coded {
        huffman::decode(bytes, out)
    } else {
        out.extend_from_slice(bytes);
        Ok(())
    }
}
