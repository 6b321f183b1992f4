//! A decoded list: places in one arena, in the order in which they came.

use crate::ENTRY_OVERHEAD;

/// What a list may measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Most bytes as RFC 9113 §10.5.1 counts them: name, value and 32 for each field.
    pub list: u32,
    /// Most fields.
    pub fields: u32,
    /// Most bytes, counted in the same way, that are decoded only to keep the table right. A list of one-byte
    /// references can stand for 4096 times its own size; beyond this nobody is waiting for an answer.
    pub most_work: u32,
}

/// Says what a name is and whether a value may stand, when a field is decoded for the first time. Fields of
/// the tables keep the answer.
pub trait Judge {
    /// Any number for a name.
    fn name(name: &[u8]) -> u8;

    /// The same for the name with this index in [`crate::STATIC`], from 1 on.
    fn static_name(index: usize) -> u8 {
        index.checked_sub(1).and_then(|at| crate::STATIC.get(at)).map_or(0, |entry| Self::name(entry.0))
    }

    /// Whether the value may stand behind a name of this kind.
    fn value(name: u8, value: &[u8]) -> bool;
}

/// Judges nothing: every name is 0, every value is fit.
#[derive(Clone, Copy, Debug)]
pub struct Unjudged;

impl Judge for Unjudged {
    fn name(_: &[u8]) -> u8 {
        0
    }

    fn value(_: u8, _: &[u8]) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    name: u32,
    value: u32,
    tag: u8,
    fit: bool,
    never: bool,
}

/// A field of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// As sent.
    pub name: &'a [u8],
    /// As sent.
    pub value: &'a [u8],
    /// What [`Judge::name`] said.
    pub tag: u8,
    /// What [`Judge::value`] said.
    pub fit: bool,
    /// It must never stand in a table, on no hop (RFC 7541 §6.2.3).
    pub never_indexed: bool,
}

/// A list of fields. Cleared and filled again, it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    places: Vec<Place>,
    size: u64,
    count: u32,
    too_large: bool,
}

impl Fields {
    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.size = 0;
        self.count = 0;
        self.too_large = false;
    }

    /// Gives back memory above so many bytes: what one large list took need not stay for ever.
    pub fn shrink(&mut self, bytes: usize) {
        if self.bytes.capacity() > bytes {
            self.bytes.shrink_to(bytes);
            self.places.shrink_to(bytes / ENTRY_OVERHEAD as usize);
        }
    }

    /// Fields that are there. If the list was too large, those before it became so.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether more came than is allowed: what is there is not the whole.
    pub const fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// Size as RFC 9113 §10.5.1 counts it, of what was decoded, stored or not.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'_>> + Clone {
        self.places.iter().map(|place| self.field(*place))
    }

    /// The field at this position.
    pub fn get(&self, at: usize) -> Option<Field<'_>> {
        self.places.get(at).map(|place| self.field(*place))
    }

    #[inline]
    fn field(&self, place: Place) -> Field<'_> {
        let start = place.start as usize;
        let middle = start + place.name as usize;
        let end = middle + place.value as usize;
        Field {
            name: self.bytes.get(start..middle).unwrap_or_default(),
            value: self.bytes.get(middle..end).unwrap_or_default(),
            tag: place.tag,
            fit: place.fit,
            never_indexed: place.never,
        }
    }

    /// The arena: a field is decoded at its end and then [`Self::commit`]ted.
    #[inline]
    pub(crate) fn arena(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Name and value of what lies at the arena's end.
    #[inline]
    pub(crate) fn tail(&self, start: usize, name: usize) -> (&[u8], &[u8]) {
        self.bytes.get(start..).unwrap_or_default().split_at_checked(name).unwrap_or_default()
    }

    /// Makes a field of what lies in the arena from `start` on, or drops it if the list is too large.
    #[inline]
    pub(crate) fn commit(&mut self, start: usize, name: usize, judged: Judged, bounds: &Bounds) {
        let value = self.bytes.len() - start - name;
        self.size += (name + value) as u64 + u64::from(ENTRY_OVERHEAD);
        self.count = self.count.saturating_add(1);
        self.too_large |= self.size > u64::from(bounds.list) || self.count > bounds.fields;
        if self.too_large {
            self.bytes.truncate(start);
            return;
        }
        // The list's bound is a u32, so all of these fit.
        let fits = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.places.push(Place {
            start: fits(start),
            name: fits(name),
            value: fits(value),
            tag: judged.tag,
            fit: judged.fit,
            never: judged.never,
        });
    }

    /// Whether the list is too large already, so that a field of the table need not be copied to be counted.
    #[inline]
    pub(crate) const fn only_counts(&self) -> bool {
        self.too_large
    }

    pub(crate) fn count_only(&mut self, bytes: usize) {
        self.size += bytes as u64 + u64::from(ENTRY_OVERHEAD);
        self.count = self.count.saturating_add(1);
    }
}

/// What goes with a field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) tag: u8,
    pub(crate) fit: bool,
    pub(crate) never: bool,
}
