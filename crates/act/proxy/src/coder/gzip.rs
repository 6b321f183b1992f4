//! RFC 1952, by zlib-rs.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{Broken, ROOM, Until};

/// The same at all levels: a window of 32 KiB with its hash chains, and what waits for its block to be whole.
pub(super) const COST: usize = 384 << 10;

/// The whole window: a smaller one saves a quarter of the memory, and every decoder has room for it.
const WINDOW_BITS: u8 = 15;

pub(super) struct Gzip(Compress);

impl Gzip {
    pub(super) fn new(level: u8) -> Self {
        Self(Compress::new_gzip(Compression::new(level.into()), WINDOW_BITS))
    }

    pub(super) fn code(&mut self, input: &[u8], until: Until, out: &mut Vec<u8>) -> Result<(), Broken> {
        let flush = match until {
            Until::More => FlushCompress::None,
            Until::Flushed => FlushCompress::Sync,
            Until::Ended => FlushCompress::Finish,
        };
        let before = self.0.total_in();
        loop {
            let taken = usize::try_from(self.0.total_in() - before).map_err(|_| Broken)?;
            let rest = input.get(taken..).ok_or(Broken)?;
            out.reserve(ROOM);
            let status = self.0.compress_vec(rest, out, flush).map_err(|_| Broken)?;
            let has_room = out.len() < out.capacity();
            let took_all = self.0.total_in() - before == input.len() as u64;
            match status {
                Status::StreamEnd => return Ok(()),
                // With room to spare it has said all that it has to say.
                Status::Ok | Status::BufError if has_room && until != Until::Ended && took_all => {
                    return Ok(());
                }
                Status::BufError if has_room => return Err(Broken),
                Status::Ok | Status::BufError => {}
            }
        }
    }

    pub(super) fn renew(&mut self) -> bool {
        self.0.reset();
        true
    }
}
