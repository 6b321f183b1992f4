//! A chunked body: read the same in any pieces, and written on so that it reads the same again.

#![no_main]

use haechi_fuzz::{pieces, read_body};
use haechi_http1::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = |dechunk, bytes| read_body(Framing::Chunked, dechunk, std::iter::once(bytes));
    let (framed, unwrapped) = (whole(false, data), whole(true, data));
    assert_eq!(framed, read_body(Framing::Chunked, false, pieces(data)));
    assert_eq!(unwrapped, read_body(Framing::Chunked, true, pieces(data)));
    assert_eq!((framed.taken, framed.done), (unwrapped.taken, unwrapped.done));

    // What went on, however far it came, is a body (or the start of one) with the same content and trailers,
    // without anything left to drop.
    let again = whole(false, &framed.out);
    assert_eq!(again.out, framed.out);
    assert_eq!(whole(true, &framed.out).out, unwrapped.out);
    if framed.done == Ok(true) {
        assert_eq!((again.taken, again.done), (framed.out.len(), Ok(true)));
        assert_eq!(naive(&framed.out), Some(unwrapped.out), "{}", framed.out.escape_ascii());
    } else {
        assert_ne!(again.done, Ok(true), "an end that was not there");
    }
});

/// Chunks without extensions, as one would read them by eye.
fn naive(mut wire: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = wire.windows(2).position(|pair| pair == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&wire[..line]).ok()?, 16).ok()?;
        wire = &wire[line + 2..];
        if size == 0 {
            return wire.ends_with(b"\r\n").then_some(body);
        }
        body.extend_from_slice(wire.get(..size)?);
        wire = wire[size..].strip_prefix(b"\r\n")?;
    }
}
