//! The exchange over one stream: heads as QPACK writes them, bodies in frames, as much as QUIC takes.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use haechi_http1::{
    Apology, Body, Framing, ResponseHead, Trailers, explain, read_fields, write_chunk, write_last_chunk,
};
use haechi_http2::Limits;
use haechi_http3::{Broken, Code, Event, Scope, write};
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;
use quinn_proto::{StreamId, WriteError};

use super::read::Read;
use super::shared::{Request as Stream, Shared, wire};
use crate::admit::{Answer, Request};
use crate::buffers::HOT;
use crate::client::After;
use crate::exchange::{Caller, Gone, Outbox, Part};
use crate::http2::{fault_fields, grpc};
use crate::live::LiveEndpoint;
use crate::scene::Local;
use crate::select::{Applicant, Noise};
use crate::timer::Timer;
use crate::tunnel::Mouth;
use crate::worker::Worker;

/// The least that is asked of an endpoint at a time.
const LEAST_ROOM: usize = 4 << 10;

/// Bytes of a body that are taken in one go, before others get their turn.
const IN_ONE_GO: usize = 64 << 10;

/// Why a body does not go on.
#[derive(Clone, Copy)]
enum Cut {
    /// Its client broke a rule.
    Broken(Broken),
    /// It is answered so.
    Fault(Fault),
}

/// A request on its stream.
pub(super) struct Exchange {
    shared: Rc<Shared>,
    stream: Rc<Stream>,
    between: Ends,
    timer: Timer,
    limits: Limits,
    /// Whether it is a call of gRPC.
    grpc: bool,
    /// Whether the body goes on in chunks, because its length is not known.
    chunked: bool,
    trailers: Trailers,
    /// What QUIC took of late without a wait.
    room: Cell<usize>,
    /// The response is to end once the outbox is empty.
    ends: bool,
    /// It has.
    ended: bool,
}

impl Exchange {
    pub(super) fn new(
        shared: Rc<Shared>,
        stream: Rc<Stream>,
        between: Ends,
        timer: Timer,
        request: &Request,
        grpc: bool,
    ) -> Self {
        let chunked = matches!(request.body, Body::Chunked(_));
        Self {
            shared,
            stream,
            between,
            timer,
            limits: Limits::default(),
            grpc,
            chunked,
            trailers: Trailers::default(),
            room: Cell::new(HOT),
            ends: false,
            ended: false,
        }
    }

    /// The exchange is over. What the client did not get whole, it must notice; what it has not sent yet, nobody reads.
    pub(super) fn finish(self) {
        let id = self.stream.id;
        // Its end may lie there already.
        let read = matches!(self.shared.read(id, 0), Read::End | Read::Reset);
        let mut core = self.shared.core.borrow_mut();
        if !self.ended {
            let _ = core.send_stream(id).reset(wire(Code::INTERNAL_ERROR));
        }
        if !read {
            // RFC 9114 §4.1: a complete answer, and the rest of the body is not wanted.
            let _ = core.recv_stream(id).stop(wire(Code::NO_ERROR));
        }
        drop(core);
        self.shared.remove(id);
        self.shared.wake();
    }

    /// Sends bytes; keeps what QUIC does not take.
    fn write(&self, worker: &Worker, outbox: &mut Outbox, bytes: &[u8]) -> Result<(), Gone> {
        let taken = if outbox.is_empty() { self.write_now(bytes)? } else { 0 };
        outbox.push(worker, &bytes[taken..]);
        Ok(())
    }

    fn write_now(&self, bytes: &[u8]) -> Result<usize, Gone> {
        let mut core = self.shared.core.borrow_mut();
        let mut stream = core.send_stream(self.stream.id);
        let mut taken = 0;
        while taken < bytes.len() {
            match stream.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(WriteError::Blocked) => break,
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => return Err(Gone),
            }
        }
        let room = if taken < bytes.len() { taken } else { self.room.get().saturating_mul(2) };
        self.room.set(room.clamp(LEAST_ROOM, HOT));
        Ok(taken)
    }

    /// Sends pieces of the body in one frame, and its end if `last`.
    fn send(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        pieces: &[&[u8]],
        trailers: &[u8],
        last: bool,
    ) -> Result<(), Gone> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        if len > 0 {
            let mut frame = Vec::with_capacity(16);
            write::data(len, &mut frame);
            self.write(worker, outbox, &frame)?;
            for piece in pieces {
                self.write(worker, outbox, piece)?;
            }
        }
        if !trailers.is_empty() {
            let mut frame = Vec::new();
            let mut section = write::trailers(&mut frame);
            read_fields(trailers).for_each(|(name, value)| section.field(name, value));
            section.finish();
            self.write(worker, outbox, &frame)?;
        }
        self.ends |= last;
        self.end_if_all_went(outbox);
        self.shared.wake();
        Ok(())
    }

    fn end_if_all_went(&mut self, outbox: &Outbox) {
        if self.ends && !self.ended && outbox.is_empty() {
            self.ended = true;
            // It fails only for a stream that is gone.
            let _ = self.shared.core.borrow_mut().send_stream(self.stream.id).finish();
        }
    }

    fn send_head(
        &self,
        worker: &Worker,
        outbox: &mut Outbox,
        head: &ResponseHead,
        bytes: &[u8],
        lines: &[u8],
    ) -> Result<(), Gone> {
        let mut frame = worker.buffers.take_vector();
        let mut section = write::head(head.status, &mut frame);
        for (name, value) in head.fields(bytes) {
            section.field(name, value);
        }
        read_fields(lines).for_each(|(name, value)| section.field(name, value));
        section.finish();
        let sent = self.write(worker, outbox, &frame);
        worker.buffers.give_vector(frame);
        self.shared.wake();
        sent
    }

    /// Takes a piece of the stream for the endpoint; gives how many bytes of a body it had.
    fn take(
        &mut self,
        worker: &Worker,
        bytes: &[u8],
        sent: &mut Vec<u8>,
        body: &mut Body,
    ) -> Result<usize, Cut> {
        let mut head = worker.http2_head.take();
        let mut messages = self.stream.messages.borrow_mut();
        let mut input = bytes;
        let mut took = 0;
        let outcome = loop {
            match messages.receive(&mut input, &mut head, &self.limits) {
                Ok(Some(Event::Data(piece))) => {
                    took += piece.len();
                    if self.chunked {
                        if let Err(error) = body.count(piece.len() as u64) {
                            break Err(Cut::Fault(error.fault));
                        }
                        write_chunk(piece, sent);
                    } else {
                        sent.extend_from_slice(piece);
                        body.skip(piece.len() as u64);
                    }
                }
                Ok(Some(Event::Trailers)) => {
                    let trailers = &mut self.trailers;
                    let judged =
                        head.fields().try_for_each(|(_, field)| trailers.add(field.name, field.value));
                    if let Err(error) = judged {
                        let (scope, code) = (Scope::Stream, Code::MESSAGE_ERROR);
                        break Err(Cut::Broken(Broken { scope, code, rule: error.rule }));
                    }
                }
                Ok(Some(Event::Head | Event::TooLarge) | None) => break Ok(took),
                Err(broken) => break Err(Cut::Broken(broken)),
            }
        };
        worker.http2_head.set(head);
        outcome
    }

    /// The client broke a rule.
    fn break_off(&self, cut: Cut) -> Fault {
        let broken = match cut {
            Cut::Broken(broken) => broken,
            Cut::Fault(fault) => return fault,
        };
        tracing::debug!(peer = %self.between.client, %broken, "request cut off");
        match broken.scope {
            Scope::Stream => self.shared.give_up(self.stream.id, broken.code),
            Scope::Connection => self.shared.fail(broken),
        }
        self.stream.gone.set(true);
        Fault::ClientGone
    }
}

impl Applicant for Exchange {
    fn timer(&self) -> &Timer {
        &self.timer
    }

    /// The connection is always heard.
    fn watch(&mut self) {}

    fn noise(&mut self, cx: &Context<'_>) -> Noise {
        self.stream.wait(cx);
        if self.stream.gone.get() { Noise::Gone } else { Noise::Silent }
    }
}

impl Caller for Exchange {
    fn ends(&self) -> Ends {
        self.between
    }

    /// The connection says it for all of its requests.
    fn is_leaving(&mut self, _worker: &Worker, _local: &Local) -> bool {
        false
    }

    fn has_more(&self) -> bool {
        false
    }

    fn is_unwatched(&self) -> bool {
        false
    }

    fn frames_itself(&self) -> bool {
        true
    }

    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        request: &mut Request,
    ) -> Poll<Result<(), Fault>> {
        self.stream.wait(cx);
        let (mut took, mut came) = (0, false);
        while took < IN_ONE_GO && !self.stream.gone.get() {
            let ahead = std::mem::take(&mut *self.stream.ahead.borrow_mut());
            let read = match ahead {
                ahead if ahead.is_empty() => self.shared.read(self.stream.id, IN_ONE_GO),
                ahead => Read::Bytes(ahead),
            };
            let taken = match read {
                Read::Bytes(bytes) => self.take(worker, &bytes, &mut request.sent, &mut request.body),
                Read::Blocked if took > 0 => return Poll::Ready(Ok(())),
                Read::Blocked => return Poll::Pending,
                Read::End => {
                    came = true;
                    self.stream.messages.borrow_mut().end().map(|()| 0).map_err(Cut::Broken)
                }
                Read::Reset => {
                    self.stream.gone.set(true);
                    return Poll::Ready(Err(Fault::ClientGone));
                }
            };
            took += taken.map_err(|cut| self.break_off(cut))?;
            if came {
                if self.chunked {
                    let trailers = if request.body.keeps_trailers() { self.trailers.lines() } else { b"" };
                    write_last_chunk(trailers, &mut request.sent);
                }
                request.body = Body::new(Framing::None, false);
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(if self.stream.gone.get() { Err(Fault::ClientGone) } else { Ok(()) })
    }

    /// Frames stand between the pieces.
    fn plain(&mut self) -> Option<&mut crate::stream::Stream> {
        None
    }

    fn room(&self, _: Moment) -> usize {
        self.room.get()
    }

    fn put(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        _: &mut Vec<u8>,
        part: Part<'_>,
    ) -> Result<(), Gone> {
        if self.stream.gone.get() {
            return Err(Gone);
        }
        match part {
            Part::Interim { head, bytes } => self.send_head(worker, outbox, head, bytes, &[]),
            Part::Head { head, bytes, len, body, trailers, last, lines } => {
                self.send_head(worker, outbox, head, bytes, lines)?;
                self.send_ranges(worker, outbox, &bytes[len..], body, trailers, last)
            }
            Part::Body { bytes, pieces, trailers, last } => {
                self.send_ranges(worker, outbox, bytes, pieces, trailers, last)
            }
            Part::End => self.send(worker, outbox, &[], &[], true),
        }
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        moved: &mut bool,
    ) -> Poll<Result<(), Gone>> {
        self.stream.wait(cx);
        if self.stream.gone.get() {
            return Poll::Ready(Err(Gone));
        }
        if !outbox.is_empty() {
            let taken = self.write_now(outbox.rest())?;
            outbox.advance(taken);
            *moved |= taken > 0;
            self.end_if_all_went(outbox);
            self.shared.wake();
        }
        if outbox.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn refuse(&mut self, _: &Worker, fault: Fault, request: &Request, _goes_on: bool) -> After {
        self.ended = true;
        let how = if self.grpc { Form::Grpc } else { Form::of(request.facts.is_head()) };
        answer(&self.shared, self.stream.id, &request.apology(fault), how);
        After::Next
    }

    /// Requests in HTTP/3 can't ask for another protocol, so no endpoint's 101 comes this far.
    async fn tunnel(&mut self, _: &Worker, _: &mut impl Mouth, _: &LiveEndpoint, _: Duration) {}
}

impl Exchange {
    fn send_ranges(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        bytes: &[u8],
        ranges: &[Range<usize>],
        trailers: &[u8],
        last: bool,
    ) -> Result<(), Gone> {
        match ranges {
            [only] => self.send(worker, outbox, &[&bytes[only.clone()]], trailers, last),
            several => {
                let pieces: Vec<&[u8]> = several.iter().map(|range| &bytes[range.clone()]).collect();
                self.send(worker, outbox, &pieces, trailers, last)
            }
        }
    }
}

/// How an answer in an endpoint's place looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Whole,
    HeadOnly,
    /// As clients of gRPC look for it.
    Grpc,
}

impl Form {
    pub(super) const fn of(head_only: bool) -> Self {
        if head_only { Self::HeadOnly } else { Self::Whole }
    }
}

/// Answers at once, because a filter says so.
pub(super) fn say(shared: &Shared, stream: StreamId, answer: &Answer) {
    let mut out = Vec::new();
    let mut head = write::head(answer.status, &mut out);
    read_fields(&answer.lines).for_each(|(name, value)| head.field(name, value));
    if answer.status != 204 {
        head.field(b"content-length", answer.body.len().to_string().as_bytes());
    }
    head.finish();
    if !answer.body.is_empty() {
        write::data(answer.body.len(), &mut out);
        out.extend_from_slice(&answer.body);
    }
    send_whole(shared, stream, &out);
}

/// Answers in an endpoint's place.
pub(super) fn answer(shared: &Shared, stream: StreamId, apology: &Apology<'_>, how: Form) {
    let mut out = Vec::new();
    if how == Form::Grpc {
        let mut head = write::head(200, &mut out);
        grpc::fields(apology, |name, value| head.field(name, value));
        head.finish();
        return send_whole(shared, stream, &out);
    }
    let body = explain(apology.fault, apology.id).concat();
    let mut head = write::head(apology.fault.status(), &mut out);
    fault_fields(apology, body.len(), |name, value| head.field(name, value));
    head.finish();
    if how == Form::Whole {
        write::data(body.len(), &mut out);
        out.extend_from_slice(&body);
    }
    send_whole(shared, stream, &out);
}

/// It is small: what QUIC does not take at once is not sent at all.
fn send_whole(shared: &Shared, stream: StreamId, out: &[u8]) {
    let mut core = shared.core.borrow_mut();
    let mut to = core.send_stream(stream);
    if to.write(out).is_ok_and(|count| count == out.len()) {
        let _ = to.finish();
    } else {
        let _ = to.reset(wire(Code::EXCESSIVE_LOAD));
    }
    drop(core);
    shared.wake();
}

/// What has come behind a head already.
pub(super) fn rest_of(bytes: &Bytes, rest: &[u8]) -> Bytes {
    bytes.slice(bytes.len() - rest.len().min(bytes.len())..)
}
