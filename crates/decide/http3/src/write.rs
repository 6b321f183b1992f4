//! What goes out, appended to a vector.

use haechi_hpack::{begin_section, write_section_field};

use crate::varint;

/// Frame types (RFC 9114 §7.2).
pub(crate) const DATA: u64 = 0x0;
pub(crate) const HEADERS: u64 = 0x1;
pub(crate) const SETTINGS: u64 = 0x4;
const GOAWAY: u64 = 0x7;

/// Type of the control stream (§6.2.1).
pub(crate) const CONTROL: u64 = 0x0;

/// `SETTINGS_MAX_FIELD_SECTION_SIZE` (§7.2.4.1).
const FIELD_SECTION: u64 = 0x6;

/// In a farewell that leaves all requests their turn: the largest number of a client's stream (§5.2).
pub const NONE_YET: u64 = varint::LARGEST - 3;

/// The beginning of our control stream: that a decoded head may have so many bytes, and nothing of a dynamic table.
pub fn control(list: u32, out: &mut Vec<u8>) {
    varint::write(CONTROL, out);
    let mut settings = Vec::new();
    varint::write(FIELD_SECTION, &mut settings);
    varint::write(list.into(), &mut settings);
    frame(SETTINGS, &settings, out);
}

/// Requests from this stream on are not looked at (§5.2).
pub fn farewell(stream: u64, out: &mut Vec<u8>) {
    let mut number = Vec::new();
    varint::write(stream, &mut number);
    frame(GOAWAY, &number, out);
}

fn frame(kind: u64, payload: &[u8], out: &mut Vec<u8>) {
    varint::write(kind, out);
    varint::write(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// The beginning of a frame with so many bytes of a body.
pub fn data(len: usize, out: &mut Vec<u8>) {
    varint::write(DATA, out);
    varint::write(len as u64, out);
}

/// A head or trailers, field by field.
#[derive(Debug)]
pub struct Section<'a> {
    section: Vec<u8>,
    out: &'a mut Vec<u8>,
}

/// Begins a response's head.
pub fn head(status: u16, out: &mut Vec<u8>) -> Section<'_> {
    let mut section = trailers(out);
    section.field(b":status", status.to_string().as_bytes());
    section
}

/// Begins trailers.
pub fn trailers(out: &mut Vec<u8>) -> Section<'_> {
    // The frame says how long it is before it is known.
    let mut section = Vec::with_capacity(256);
    begin_section(&mut section);
    Section { section, out }
}

impl Section<'_> {
    /// Appends a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        let secret = name.eq_ignore_ascii_case(b"set-cookie");
        write_section_field(name, value, secret, &mut self.section);
    }

    /// Ends it.
    pub fn finish(self) {
        frame(HEADERS, &self.section, self.out);
    }
}
