//! A large body of known length on its way inside the kernel, from one connection to the other, in either
//! direction.

use std::task::{Context, Poll};

use haechi_http1::Body;
use haechi_sys::pipe::Pipe;

use crate::buffers::HOT;
use crate::stream::{Spliced, Stream};
use crate::worker::Worker;

/// Bodies with more than this left go through a pipe; below it copying is cheaper.
const SPLICE_FROM: u64 = HOT as u64;

/// The pipe of one body, while it has one.
#[derive(Default)]
pub(super) struct Splice {
    pipe: Option<Pipe>,
}

/// Which connection failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Broken {
    /// The body ended too early.
    Source,
    /// Nobody takes it any more.
    Sink,
}

/// Bytes that one turn moved.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Moved {
    /// Into the pipe.
    pub(super) taken: u64,
    /// Out of it.
    pub(super) given: u64,
}

impl Moved {
    pub(super) const fn any(self) -> bool {
        self.taken > 0 || self.given > 0
    }
}

impl Splice {
    /// Whether the rest of this body goes this way.
    pub(super) fn takes(&mut self, body: &Body, worker: &Worker) -> bool {
        if self.pipe.is_none() && body.known_left().is_some_and(|left| left > SPLICE_FROM) {
            self.pipe = worker.buffers.take_pipe();
        }
        self.pipe.is_some()
    }

    /// Whether bytes wait for the sink.
    pub(super) fn holds(&self) -> bool {
        self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
    }

    /// Moves what can be moved; ready at the end of the body.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        body: &mut Body,
        moved: &mut Moved,
    ) -> Poll<Result<(), Broken>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        loop {
            let left = body.known_left().unwrap_or(0);
            let mut waits = false;
            if left > 0 && pipe.has_room() {
                let limit = usize::try_from(left).unwrap_or(usize::MAX);
                match from.poll_splice_in(cx, pipe, limit) {
                    Poll::Ready(Ok(Spliced::Bytes(0)) | Err(_)) => return Poll::Ready(Err(Broken::Source)),
                    Poll::Ready(Ok(Spliced::PipeFull)) => {}
                    Poll::Ready(Ok(Spliced::Bytes(count))) => {
                        moved.taken += count as u64;
                        body.skip(count as u64);
                    }
                    Poll::Pending => waits = true,
                }
            }
            if pipe.held() > 0 {
                match std::task::ready!(to.poll_splice_out(cx, pipe, !body.is_done())) {
                    Ok(count) if count > 0 => moved.given += count as u64,
                    Ok(_) | Err(_) => return Poll::Ready(Err(Broken::Sink)),
                }
            } else if body.is_done() {
                return Poll::Ready(Ok(()));
            } else if waits {
                return Poll::Pending;
            }
        }
    }

    /// Gives the pipe back to the worker.
    pub(super) fn give_back(&mut self, worker: &Worker) {
        if let Some(pipe) = self.pipe.take() {
            worker.buffers.give_pipe(pipe);
        }
    }
}
