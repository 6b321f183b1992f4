//! RFC 7932, by the `brotli` crate, which is all safe Rust.

use std::io::Write;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderInitParams;

use super::{Broken, ROOM, Until};

/// 64 KiB. With more it takes two and a half times the memory for a twentieth of the size.
const WINDOW_BITS: i32 = 16;

pub(super) struct Br(Option<CompressorWriter<Vec<u8>>>);

/// From level to level it looks in larger tables. Of what can't be made smaller it keeps the most.
pub(super) const fn cost(level: u8) -> usize {
    match level {
        0 | 1 => 192 << 10,
        2 | 3 => 1152 << 10,
        _ => 2304 << 10,
    }
}

impl Br {
    pub(super) fn new(level: u8) -> Self {
        let mut params = BrotliEncoderInitParams();
        params.quality = level.into();
        params.lgwin = WINDOW_BITS;
        Self(Some(CompressorWriter::with_params(Vec::new(), ROOM, &params)))
    }

    pub(super) fn code(&mut self, input: &[u8], until: Until, out: &mut Vec<u8>) -> Result<(), Broken> {
        let writer = self.0.as_mut().ok_or(Broken)?;
        std::mem::swap(writer.get_mut(), out);
        let mut done = writer.write_all(input);
        if until == Until::Flushed {
            done = done.and_then(|()| writer.flush());
        }
        std::mem::swap(writer.get_mut(), out);
        if until == Until::Ended
            && let Some(mut writer) = self.0.take()
        {
            std::mem::swap(writer.get_mut(), out);
            *out = writer.into_inner();
        }
        done.map_err(|_| Broken)
    }
}
