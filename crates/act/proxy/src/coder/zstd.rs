//! RFC 8878, by libzstd.

use zstd_safe::zstd_sys::ZSTD_EndDirective as Directive;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::{Broken, ROOM, Until};

/// 128 KiB, one block; RFC 9659 allows 8 MiB. Each doubling is another window of each answer on its way.
const WINDOW_BITS: u32 = 17;

pub(super) struct Zstd(CCtx<'static>);

/// From level to level it looks in larger tables.
pub(super) const fn cost(level: u8) -> usize {
    match level {
        0..=1 => 1 << 20,
        2 => 1200 << 10,
        3 => 1700 << 10,
        4 => 3000 << 10,
        _ => 3500 << 10,
    }
}

impl Zstd {
    /// # Errors
    /// Out of memory.
    pub(super) fn new(level: u8) -> Result<Self, Broken> {
        let mut context = CCtx::try_create().ok_or(Broken)?;
        for parameter in [CParameter::CompressionLevel(level.into()), CParameter::WindowLog(WINDOW_BITS)] {
            context.set_parameter(parameter).map_err(|_| Broken)?;
        }
        Ok(Self(context))
    }

    pub(super) fn code(&mut self, input: &[u8], until: Until, out: &mut Vec<u8>) -> Result<(), Broken> {
        let directive = match until {
            Until::More => Directive::ZSTD_e_continue,
            Until::Flushed => Directive::ZSTD_e_flush,
            Until::Ended => Directive::ZSTD_e_end,
        };
        let mut input = InBuffer::around(input);
        loop {
            out.reserve(ROOM);
            let at = out.len();
            let mut output = OutBuffer::around_pos(out, at);
            let left = self.0.compress_stream2(&mut output, &mut input, directive).map_err(|_| Broken)?;
            let took_all = input.pos() == input.src.len();
            if took_all && (until == Until::More || left == 0) {
                return Ok(());
            }
        }
    }

    pub(super) fn renew(&mut self) -> bool {
        self.0.reset(ResetDirective::SessionOnly).is_ok()
    }
}
