//! The exchange over an HTTP/1 connection: what goes on mostly goes on as it came.

use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use haechi_http1::{Persistence, ResponseHead};
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;

use super::caller::{Caller, Gone, Outbox, Part};
use crate::admit::{Request, take_body};
use crate::buffers::HOT;
use crate::client::{After, Client};
use crate::live::LiveEndpoint;
use crate::scene::Local;
use crate::select::{Applicant, Noise, noise_of};
use crate::stream::Stream;
use crate::timer::Timer;
use crate::tunnel::{self, Mouth};
use crate::worker::Worker;

impl Applicant for Client {
    fn timer(&self) -> &Timer {
        &self.timer
    }

    fn watch(&mut self) {
        self.stream.watch();
    }

    fn noise(&mut self, cx: &Context<'_>) -> Noise {
        noise_of(&self.stream, cx)
    }
}

impl Caller for Client {
    fn ends(&self) -> Ends {
        self.who.origin.ends(&self.stream)
    }

    fn is_leaving(&mut self, worker: &Worker, local: &Local) -> bool {
        Self::is_leaving(self, worker, local)
    }

    fn has_more(&self) -> bool {
        !self.unread.is_empty()
    }

    fn frames_itself(&self) -> bool {
        false
    }

    fn is_unwatched(&self) -> bool {
        self.stream.is_unwatched()
    }

    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        request: &mut Request,
    ) -> Poll<Result<(), Fault>> {
        worker.buffers.with_hot(|hot| match ready!(self.stream.poll_read(cx, hot)) {
            Err(_) | Ok(0) => Poll::Ready(Err(Fault::ClientGone)),
            Ok(count) => {
                let bytes = &hot[..count];
                let mut scratch = worker.scratch.borrow_mut();
                let used = take_body(&mut request.body, bytes, &mut scratch.pieces, &mut request.sent)
                    .map_err(|error| error.fault)?;
                self.unread.push(&bytes[used..]);
                Poll::Ready(Ok(()))
            }
        })
    }

    fn plain(&mut self) -> Option<&mut Stream> {
        Some(&mut self.stream).filter(|stream| stream.is_clear())
    }

    /// What the socket does not take is kept, a hot buffer's worth at the most.
    fn room(&self, _: Moment) -> usize {
        HOT
    }

    fn put(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        out: &mut Vec<u8>,
        part: Part<'_>,
    ) -> Result<(), Gone> {
        out.clear();
        match part {
            Part::Interim { head, bytes } => {
                head.write_downstream(bytes, &[], out);
                self.send(worker, outbox, out, &[])
            }
            Part::Head { head, bytes, len, body, trailers, lines, .. } => {
                match untouched(head, len, body, lines) {
                    Some(whole) => self.send(worker, outbox, &bytes[..whole], &[])?,
                    None => {
                        head.write_downstream(bytes, lines, out);
                        self.send_pieces(worker, outbox, out, &bytes[len..], body)?;
                    }
                }
                self.send_trailers(worker, outbox, trailers)
            }
            Part::Body { bytes, pieces, trailers, .. } => {
                self.send_pieces(worker, outbox, out, bytes, pieces)?;
                self.send_trailers(worker, outbox, trailers)
            }
            Part::End => Ok(()),
        }
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        moved: &mut bool,
    ) -> Poll<Result<(), Gone>> {
        while !outbox.is_empty() {
            match ready!(self.stream.poll_write(cx, outbox.rest())) {
                Ok(count) if count > 0 => {
                    outbox.advance(count);
                    *moved = true;
                }
                Ok(_) | Err(_) => return Poll::Ready(Err(Gone)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn refuse(&mut self, worker: &Worker, fault: Fault, request: &Request, goes_on: bool) -> After {
        let facts = request.facts;
        let persistence = Persistence::of(facts.version, facts.keep_alive && goes_on);
        self.answer(worker, &request.apology(fault), persistence, facts.is_head())
    }

    async fn tunnel(
        &mut self,
        worker: &Worker,
        upstream: &mut impl Mouth,
        endpoint: &LiveEndpoint,
        idle: Duration,
    ) {
        let ahead = std::mem::take(&mut self.unread).into_rest();
        let both = (&mut self.stream, upstream);
        tunnel::upgraded(worker, both, &self.timer, endpoint, idle, ahead).await;
    }
}

/// How many bytes go on as they came: a head without edits, and a body that follows it without a gap.
fn untouched(head: &ResponseHead, len: usize, body: &[Range<usize>], lines: &[u8]) -> Option<usize> {
    match body {
        _ if !(lines.is_empty() && head.untouched()) => None,
        [] => Some(len),
        [only] if only.start == 0 => Some(len + only.end),
        _ => None,
    }
}

impl Client {
    /// Sends what stands in `out`, and pieces behind it.
    fn send_pieces(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        out: &mut Vec<u8>,
        bytes: &[u8],
        pieces: &[Range<usize>],
    ) -> Result<(), Gone> {
        match pieces {
            [] => self.send(worker, outbox, out, &[]),
            [only] => self.send(worker, outbox, out, &bytes[only.clone()]),
            several => {
                for range in several {
                    out.extend_from_slice(&bytes[range.clone()]);
                }
                self.send(worker, outbox, out, &[])
            }
        }
    }

    /// Sends what stands behind the last chunk, with the empty line that ends it.
    fn send_trailers(&mut self, worker: &Worker, outbox: &mut Outbox, lines: &[u8]) -> Result<(), Gone> {
        if lines.is_empty() { Ok(()) } else { self.send(worker, outbox, lines, b"\r\n") }
    }

    /// Sends two pieces in a row; keeps what the client does not take.
    fn send(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        first: &[u8],
        second: &[u8],
    ) -> Result<(), Gone> {
        let written = if !outbox.is_empty() || (first.is_empty() && second.is_empty()) {
            Ok(0)
        } else if second.is_empty() {
            self.stream.write_now(first)
        } else {
            self.stream.write_two_now(first, second)
        };
        let written = written.map_err(|_| Gone)?;
        let in_first = written.min(first.len());
        outbox.push(worker, &first[in_first..]);
        outbox.push(worker, &second[written - in_first..]);
        Ok(())
    }
}
