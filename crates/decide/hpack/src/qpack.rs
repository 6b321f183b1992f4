//! Field sections of HTTP/3 (QPACK, RFC 9204) by two who keep no dynamic table: what HPACK has, with another static
//! table and other patterns. A capacity of 0 is what we announce, so a reference into such a table is an error; and
//! sections then depend on nothing that came before, on no other stream, and block on nothing.

use crate::fields::{Bounds, Fields, Judge, Judged};
use crate::qpack_static::QPACK_STATIC;
use crate::{Error, huffman, integer};

/// Decodes a whole section and appends its fields. One above its bounds is decoded to the end, but no longer stored:
/// see [`Fields::is_too_large`].
///
/// # Errors
/// The section breaks RFC 9204, refers to a table that there is not, or costs more than [`Bounds::most_work`].
pub fn decode_section<J: Judge>(section: &[u8], bounds: &Bounds, fields: &mut Fields) -> Result<(), Error> {
    let mut at = prefix(section)?;
    while let Some(first) = section.get(at) {
        let start = fields.arena().len();
        let never = match first >> 4 {
            // Indexed; without the bit 0x40 it is one of the dynamic table (§4.5.2).
            0b1100.. => {
                let (name, value) = entry(section, &mut at, 6)?;
                fields.arena().extend_from_slice(name);
                fields.arena().extend_from_slice(value);
                let tag = J::name(name);
                let judged = Judged { tag, fit: J::value(tag, value), never: false };
                fields.commit(start, name.len(), judged, bounds);
                spent(fields, bounds)?;
                continue;
            }
            // A name of the static table (§4.5.4),
            0b0101 | 0b0111 => {
                let never = first & 0x20 != 0;
                let (name, _) = entry(section, &mut at, 4)?;
                fields.arena().extend_from_slice(name);
                never
            }
            // or a literal one (§4.5.6).
            0b0010 | 0b0011 => {
                string(section, &mut at, 3, fields.arena())?;
                first & 0x10 != 0
            }
            _ => return Err(Error::Index),
        };
        let name = fields.arena().len() - start;
        string(section, &mut at, 7, fields.arena())?;
        let (name_bytes, value) = fields.tail(start, name);
        let tag = J::name(name_bytes);
        let judged = Judged { tag, fit: J::value(tag, value), never };
        fields.commit(start, name, judged, bounds);
        spent(fields, bounds)?;
    }
    Ok(())
}

fn spent(fields: &Fields, bounds: &Bounds) -> Result<(), Error> {
    if fields.size() > u64::from(bounds.most_work) { Err(Error::Work) } else { Ok(()) }
}

/// What stands in front (§4.5.1): nothing of a dynamic table is needed, and so its base must not be below its start.
fn prefix(section: &[u8]) -> Result<usize, Error> {
    let mut at = 0;
    let negative = section.get(1).is_some_and(|byte| byte & 0x80 != 0);
    if integer::read(section, &mut at, 8)? != 0 || negative {
        return Err(Error::Index);
    }
    integer::read(section, &mut at, 7)?;
    Ok(at)
}

fn entry(section: &[u8], at: &mut usize, bits: u32) -> Result<(&'static [u8], &'static [u8]), Error> {
    let index = integer::read(section, at, bits)? as usize;
    QPACK_STATIC.get(index).copied().ok_or(Error::Index)
}

/// Appends a string whose length has a prefix of `bits` bits, with the mark of Huffman's code above it.
fn string(section: &[u8], at: &mut usize, bits: u32, out: &mut Vec<u8>) -> Result<(), Error> {
    let coded = section.get(*at).ok_or(Error::Short)? & (1 << bits) != 0;
    let len = integer::read(section, at, bits)? as usize;
    let end = at.checked_add(len).ok_or(Error::Short)?;
    let bytes = section.get(*at..end).ok_or(Error::Short)?;
    *at = end;
    if coded {
        huffman::decode(bytes, out)
    } else {
        out.extend_from_slice(bytes);
        Ok(())
    }
}

/// Begins a section that needs no dynamic table.
pub fn begin_section(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0]);
}

/// Appends a field. Its name is written in lower case; `secret` asks all hops to keep its value out of tables.
pub fn write_section_field(name: &[u8], value: &[u8], secret: bool, out: &mut Vec<u8>) {
    let named = QPACK_STATIC.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    // Entries of one name are not all neighbours.
    let whole = named.and_then(|first| {
        let same = |(known, text): &&(&[u8], &[u8])| known.eq_ignore_ascii_case(name) && *text == value;
        QPACK_STATIC.get(first..)?.iter().position(|entry| same(&entry)).map(|after| first + after)
    });
    // The table has 99 entries.
    let short = |place: usize| u32::try_from(place).unwrap_or(0);
    match (whole.filter(|_| !secret), named) {
        (Some(place), _) => return integer::write(short(place), 6, 0xc0, out),
        (None, Some(place)) => integer::write(short(place), 4, if secret { 0x70 } else { 0x50 }, out),
        (None, None) => {
            let lower = name.to_ascii_lowercase();
            write_string(&lower, 3, if secret { 0x30 } else { 0x20 }, out);
        }
    }
    write_string(value, 7, 0, out);
}

fn write_string(text: &[u8], bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    // A head is bounded far below 4 GiB.
    let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    if coded < text.len() {
        integer::write(len(coded), bits, pattern | 1 << bits, out);
        huffman::encode(text, out);
    } else {
        integer::write(len(text.len()), bits, pattern, out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Unjudged;

    const BOUNDS: Bounds = Bounds { list: 4096, fields: 20, most_work: 8192 };

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn decoded(section: &[u8]) -> Result<Pairs, Error> {
        let mut fields = Fields::default();
        decode_section::<Unjudged>(section, &BOUNDS, &mut fields)?;
        Ok(fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect())
    }

    #[test]
    fn the_literal_example_of_appendix_b_1() {
        let section = b"\x00\x00\x51\x0b\x2f\x69\x6e\x64\x65\x78\x2e\x68\x74\x6d\x6c";
        assert_eq!(decoded(section).unwrap(), [(b":path".to_vec(), b"/index.html".to_vec())]);
    }

    #[test]
    fn what_refers_to_a_dynamic_table_or_to_nothing_is_refused() {
        for (section, error) in [
            (&b""[..], Error::Short),
            (b"\x00", Error::Short),
            (b"\x01\x00", Error::Index),
            (b"\x00\x80", Error::Index),
            (b"\x00\x00\x80", Error::Index),
            (b"\x00\x00\x10", Error::Index),
            (b"\x00\x00\x40\x00", Error::Index),
            (b"\x00\x00\x00\x00", Error::Index),
            // The last entry is 98.
            (b"\x00\x00\xff\x24", Error::Index),
            (b"\x00\x00\x51\x05abc", Error::Short),
            (b"\x00\x00\x51", Error::Short),
            (b"\x00\x00\xff\xff\xff\xff\xff\x7f", Error::Integer),
            (b"\x00\x00\x51\x81\x00", Error::Huffman),
        ] {
            assert_eq!(decoded(section), Err(error), "{}", section.escape_ascii());
        }
        assert_eq!(decoded(b"\x00\x00\xff\x23").unwrap()[0].0, b"x-frame-options");
    }

    /// `content-security-policy` with its longest value is 81 bytes for two: what many of them cost has an end.
    #[test]
    fn a_bomb_ends_where_work_does() {
        let mut section = b"\x00\x00".to_vec();
        (0..100).for_each(|_| section.extend_from_slice(b"\xff\x16"));
        let mut fields = Fields::default();
        let bounds = Bounds { list: 1000, fields: 20, most_work: 5000 };
        assert_eq!(decode_section::<Unjudged>(&section, &bounds, &mut fields), Err(Error::Work));
        assert!(fields.is_too_large() && fields.len() < 20);
    }

    #[test]
    fn entries_are_written_by_their_number_and_secrets_never() {
        let mut out = Vec::new();
        write_section_field(b":status", b"200", false, &mut out);
        write_section_field(b":status", b"503", false, &mut out);
        assert_eq!(out, [0xc0 | 25, 0xc0 | 28]);
        out.clear();
        write_section_field(b"Set-Cookie", b"", true, &mut out);
        assert_eq!(out, [0x70 | 14, 0]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(
            fields in prop::collection::vec(("[a-z:-]{1,20}|content-type|:status|age", ".{0,40}|200|0", any::<bool>()), 0..12)
        ) {
            let mut section = Vec::new();
            begin_section(&mut section);
            for (name, value, secret) in &fields {
                write_section_field(name.as_bytes(), value.as_bytes(), *secret, &mut section);
            }
            let wanted: Vec<_> =
                fields.iter().map(|(name, value, _)| (name.clone().into_bytes(), value.clone().into_bytes())).collect();
            prop_assert_eq!(decoded(&section).unwrap(), wanted);
        }

        #[test]
        fn no_bytes_break_it(section in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decoded(&section);
        }
    }
}
