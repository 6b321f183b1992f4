//! What both differential tests write and compare.

use haechi_hpack::{Encoder, Secrecy};
use haechi_http2::Head;

/// In an order that does not depend on who read them.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// What our side read.
pub(crate) fn read_by_us(head: &Head) -> Fields {
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    sorted(head.fields().map(|(_, field)| (text(field.name), field.value.to_vec())).collect())
}

/// What h2 read.
pub(crate) fn read_by_h2(fields: &http::HeaderMap) -> Fields {
    sorted(fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect())
}

fn sorted(mut fields: Fields) -> Fields {
    fields.sort();
    fields
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

pub(crate) fn data(stream: u32, len: usize, end: bool, padding: Option<u8>) -> Vec<u8> {
    let mut payload = vec![b'd'; len];
    if let Some(padding) = padding {
        payload = [&[padding][..], &payload, &vec![0; usize::from(padding)]].concat();
    }
    frame(0, u8::from(end) | (u8::from(padding.is_some()) * 8), stream, &payload)
}

/// Writes a block with the table that the connection has so far.
pub(crate) fn block(encoder: &mut Encoder, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        encoder.field(name.as_bytes(), value.as_bytes(), Secrecy::Open, &mut out);
    }
    out
}
