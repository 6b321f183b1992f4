//! A stream as one end of a tunnel: WebSocket over HTTP/2 (RFC 8441).

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use haechi_http2::Code;

use super::shared::{Shared, Stream};
use super::stream::LEAST_ROOM;
use crate::engine;
use crate::stream::Stream as Connection;
use crate::tunnel::Mouth;

/// Both directions of one stream.
pub(super) struct StreamMouth<'a> {
    pub(super) shared: &'a Shared,
    pub(super) stream: &'a Rc<Stream>,
}

impl Mouth for StreamMouth<'_> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stream.wait(cx);
        let mut inbox = self.stream.inbox.borrow_mut();
        let count = inbox.give_bytes(buf);
        if count > 0 {
            self.shared.core.borrow_mut().release(self.stream.id, count);
            self.shared.flush_soon();
            return Poll::Ready(Ok(count));
        }
        match inbox.ended {
            true => Poll::Ready(Ok(0)),
            false if self.stream.gone.get() => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            false => Poll::Pending,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.wait(cx);
        match self.write_now(bytes) {
            Ok(0) => Poll::Pending,
            done => Poll::Ready(done),
        }
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stream.gone.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // What the other side does not take fills no memory of ours.
        if self.shared.is_crowded(self.stream.id) {
            return Ok(0);
        }
        let count = self.shared.core.borrow_mut().send_data(self.stream.id, bytes, false, engine::now());
        self.shared.flush_soon();
        Ok(count)
    }

    fn room(&self) -> usize {
        let allowed = self.shared.core.borrow_mut().allowance(self.stream.id, engine::now());
        // What is read is what keeps a side that takes nothing from being waited for without end.
        allowed.clamp(LEAST_ROOM, crate::buffers::HOT)
    }

    fn end_writing(&mut self) {
        self.shared.core.borrow_mut().send_data(self.stream.id, &[], true, engine::now());
        self.shared.flush_soon();
    }

    /// RFC 8441 §5
    fn break_off(&mut self) {
        self.shared.core.borrow_mut().reset(self.stream.id, Code::CANCEL);
        self.shared.flush_soon();
    }

    fn plain(&mut self) -> Option<&mut Connection> {
        None
    }
}
