//! WebSocket over HTTP/2 (RFC 8441) in words of HTTP/1 (RFC 6455), which the exchange speaks.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What is asked for with CONNECT.
pub(super) const PROTOCOL: &[u8] = b"websocket";

/// A `Sec-WebSocket-Key`: 16 bytes in base64.
pub(super) type Key = [u8; 24];

/// A `Sec-WebSocket-Accept`: 20 bytes in base64.
pub(super) type Accept = [u8; 28];

/// RFC 6455 §1.3
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Alphabet of base64 (RFC 4648 §4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The field that a key stands in.
pub(super) const KEY: &[u8] = b"sec-websocket-key";

/// The key of a head that asks for a WebSocket.
pub(super) fn key_of<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<&'a [u8]> {
    let (mut key, mut asks) = (None, false);
    for (name, value) in fields {
        asks |= name.eq_ignore_ascii_case(b"upgrade") && value.eq_ignore_ascii_case(PROTOCOL);
        if name.eq_ignore_ascii_case(KEY) {
            key = Some(value);
        }
    }
    key.filter(|_| asks)
}

/// How an endpoint of HTTP/1 would have begun to agree.
pub(super) fn write_agreement(accept: &Accept, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ",
    );
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n");
}

/// A key that nobody sent before. It keeps whoever speaks no WebSocket from agreeing by mistake, so it need not be
/// secret.
pub(super) fn key(random: [u64; 2]) -> Key {
    let [first, second] = random.map(u64::to_be_bytes);
    let mut key = [b'='; 24];
    encode(&[first, second].concat(), &mut key);
    key
}

/// What shows that an endpoint has read this key and agrees (RFC 6455 §4.2.2).
pub(super) fn accept(key: &[u8]) -> Accept {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    let mut accept = [b'='; 28];
    encode(hash.as_ref(), &mut accept);
    accept
}

/// Writes base64 over the padding that stands in `out`.
fn encode(bytes: &[u8], out: &mut [u8]) {
    for (three, four) in bytes.chunks(3).zip(out.chunks_mut(4)) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        // One digit more than there are bytes; the rest is padding.
        for (at, place) in four.iter_mut().take(three.len() + 1).enumerate() {
            let digit = bits >> (18 - 6 * at) & 63;
            *place = DIGITS[digit as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_answer_are_those_of_the_rfc() {
        // RFC 6455 §1.3
        let (first, second) = b"the sample nonce".split_at(8);
        let key = key([first, second].map(|half| u64::from_be_bytes(half.try_into().unwrap())));
        assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&accept(&key), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
