//! Whoever answers: an HTTP/1 connection, or one stream of an HTTP/2 connection. What is written to it and read from
//! it is HTTP/1 in both cases; the exchange knows no more of it than this.

use std::io;
use std::task::{Context, Poll};

use super::retry::Stage;
use crate::stream::Stream;
use crate::upstream::Upstream;

/// Whoever answers.
pub(crate) trait Callee {
    /// Takes at least one byte of a request.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Gives what is there of the response; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// The connection through which plain bytes of bodies could pass inside the kernel, if that is possible.
    fn plain(&mut self) -> Option<&mut Stream>;

    /// How far a try had come that broke before a byte of its response.
    fn stage_unheard(&self) -> Stage;
}

impl Callee for Upstream {
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, buf)
    }

    #[inline]
    fn plain(&mut self) -> Option<&mut Stream> {
        Some(&mut self.stream).filter(|stream| stream.is_clear())
    }

    fn stage_unheard(&self) -> Stage {
        if self.reused { Stage::Stale } else { Stage::Sent }
    }
}
