//! What goes out, appended to a vector.

use haechi_hpack::{begin_section, write_section_field};

use haechi_http2::Name;

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
    name: Vec<u8>,
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
    Section { section, name: Vec::new(), out }
}

impl Section<'_> {
    /// Appends a field, with its name in lower case; what concerns a connection of HTTP/1 is left out (RFC 9114 §4.2).
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.name.clear();
        self.name.extend(name.iter().map(u8::to_ascii_lowercase));
        if Name::of(&self.name) != Name::ConnectionSpecific {
            let secret = self.name == b"set-cookie";
            write_section_field(&self.name, value, secret, &mut self.section);
        }
    }

    /// Ends it.
    pub fn finish(self) {
        frame(HEADERS, &self.section, self.out);
    }
}

#[cfg(test)]
mod tests {
    use haechi_http2::{Head, Limits, SectionKind};

    use super::*;

    /// nginx answers with `Connection: keep-alive`, for which aioquic closed the connection.
    #[test]
    fn what_concerns_a_connection_of_http1_stays_there() {
        let mut out = Vec::new();
        let mut section = trailers(&mut out);
        for (name, value) in
            [("Connection", "keep-alive"), ("Keep-Alive", "5"), ("Upgrade", "h2c"), ("X-Sum", "1")]
        {
            section.field(name.as_bytes(), value.as_bytes());
        }
        section.finish();
        let mut head = Head::default();
        head.read_section(&out[2..], SectionKind::Trailers, &Limits::default()).unwrap();
        let names: Vec<_> =
            head.fields().map(|(_, field)| (field.name.to_vec(), field.value.to_vec())).collect();
        assert_eq!(names, [(b"x-sum".to_vec(), b"1".to_vec())]);
    }

    #[test]
    fn our_first_words_are_the_control_stream_with_its_settings() {
        let mut out = Vec::new();
        control(65_536, &mut out);
        assert_eq!(out, [0, 4, 5, 6, 0x80, 1, 0, 0]);
        out.clear();
        farewell(8, &mut out);
        data(300, &mut out);
        assert_eq!(out, [7, 1, 8, 0, 0x41, 0x2c]);
    }
}
