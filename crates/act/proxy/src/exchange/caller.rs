//! Whoever sent a request and waits for its response: an HTTP/1 connection, or one stream of an HTTP/2 connection.
//! The exchange knows no more of it than this.

use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_http1::ResponseHead;
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;

use crate::admit::Request;
use crate::client::After;
use crate::live::LiveEndpoint;
use crate::scene::Local;
use crate::select::Applicant;
use crate::stream::Stream;
use crate::tunnel::Mouth;
use crate::worker::Worker;

/// It is gone: nothing that is sent reaches it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

/// A piece of a response, as it came from the endpoint.
pub(crate) enum Part<'a> {
    /// An interim head (RFC 9110 §15.2).
    Interim {
        /// Parsed.
        head: &'a ResponseHead,
        /// What it was parsed from.
        bytes: &'a [u8],
    },
    /// The final head, with what came with it of the body.
    Head {
        /// Parsed.
        head: &'a ResponseHead,
        /// What it was parsed from, and the bytes behind it.
        bytes: &'a [u8],
        /// Length of the head.
        len: usize,
        /// What of the bytes behind the head goes on, counted from the head's end.
        body: &'a [Range<usize>],
        /// Lines of trailers behind it; only if that is all.
        trailers: &'a [u8],
        /// Whether that is all.
        last: bool,
        /// Whole lines that the head gets besides.
        lines: &'a [u8],
    },
    /// More of the body.
    Body {
        /// What came.
        bytes: &'a [u8],
        /// What of it goes on.
        pieces: &'a [Range<usize>],
        /// Lines of trailers behind it; only if that is the rest.
        trailers: &'a [u8],
        /// Whether that is the rest.
        last: bool,
    },
    /// The body ended with the endpoint's connection.
    End,
}

/// Bytes of one exchange that its client did not take at once, from `flushed` on.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) pending: Vec<u8>,
    pub(crate) flushed: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.flushed == self.pending.len()
    }

    /// What is still to go.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.pending[self.flushed..]
    }

    /// So many bytes went.
    pub(crate) fn advance(&mut self, count: usize) {
        self.flushed += count;
        if self.is_empty() {
            self.pending.clear();
            self.flushed = 0;
        }
    }

    /// Keeps bytes behind those that wait.
    pub(crate) fn push(&mut self, worker: &Worker, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.pending.capacity() == 0 {
            self.pending = worker.buffers.take_vector();
        }
        self.pending.extend_from_slice(bytes);
    }

    /// Gives its memory back.
    pub(crate) fn give_back(self, worker: &Worker) {
        worker.buffers.give_vector(self.pending);
    }
}

/// Whoever waits for the response.
pub(crate) trait Caller: Applicant {
    /// Both ends of its connection.
    fn ends(&self) -> Ends;

    /// Whether no request more is wanted of it.
    fn is_leaving(&mut self, worker: &Worker, local: &Local) -> bool;

    /// Whether it has sent more than this request already.
    fn has_more(&self) -> bool;

    /// Whether its protocol says itself where a body ends, so that it wants no chunks.
    fn frames_itself(&self) -> bool;

    /// Whether this final head may be the answer to what it asked for.
    fn accepts(&self, _head: &ResponseHead, _bytes: &[u8]) -> bool {
        true
    }

    /// Whether it is no client, so that what fails is no client's fault to hear of.
    fn is_aside(&self) -> bool {
        false
    }

    /// Whether the event loop has yet to hear of it.
    fn is_unwatched(&self) -> bool;

    /// Takes more of the request's body and puts it behind `request.sent`.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        request: &mut Request,
    ) -> Poll<Result<(), Fault>>;

    /// The connection through which plain bytes of bodies could pass inside the kernel, if that is possible.
    fn plain(&mut self) -> Option<&mut Stream>;

    /// Most bytes of the response that are worth reading now.
    fn room(&self, now: Moment) -> usize;

    /// Sends a part of the response; what it does not take is kept in `outbox`.
    ///
    /// # Errors
    /// It is gone.
    fn put(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        out: &mut Vec<u8>,
        part: Part<'_>,
    ) -> Result<(), Gone>;

    /// Sends what waits. Ready when nothing does.
    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        moved: &mut bool,
    ) -> Poll<Result<(), Gone>>;

    /// It sends nothing until another try, or a refusal.
    fn rest(&self) {}

    /// Answers in an endpoint's place. `goes_on`: whether another request may follow.
    fn refuse(&mut self, worker: &Worker, fault: Fault, request: &Request, goes_on: bool) -> After;

    /// Both sides speak another protocol now, until one of them ends.
    async fn tunnel(
        &mut self,
        worker: &Worker,
        upstream: &mut impl Mouth,
        endpoint: &LiveEndpoint,
        idle: Duration,
    );
}
