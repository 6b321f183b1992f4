//! The exchange over one stream: heads as HPACK writes them, bodies in frames, as much as the client's windows allow.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_http1::{
    Apology, Body, Framing, ResponseHead, explain, read_fields, write_chunk, write_last_chunk,
};
use haechi_http2::{Code, Connection, StreamId};
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;

use super::grpc;
use super::shared::{Shared, Stream};
use super::tunnel::StreamMouth;
use super::websocket::Accept;
use crate::admit::{Answer, Request};
use crate::client::After;
use crate::exchange::{Caller, Gone, Outbox, Part};
use crate::live::LiveEndpoint;
use crate::scene::Local;
use crate::select::{Applicant, Noise};
use crate::timer::Timer;
use crate::tunnel::{self, Mouth};
use crate::worker::Worker;

/// The least that is asked of an endpoint at a time: its head needs no window.
pub(super) const LEAST_ROOM: usize = 4 << 10;

/// What kind of answer a request wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks {
    Plain,
    /// It is a call of gRPC.
    Grpc,
    /// It wants a tunnel, and this is what shows that the endpoint agrees.
    Tunnel(Accept),
}

impl Asks {
    /// How an answer in an endpoint's place looks.
    pub(super) const fn form(self, head_only: bool) -> Form {
        match self {
            Self::Grpc => Form::Grpc,
            _ if head_only => Form::HeadOnly,
            _ => Form::Whole,
        }
    }
}

/// A request on its stream.
pub(super) struct Exchange {
    shared: Rc<Shared>,
    stream: Rc<Stream>,
    between: Ends,
    timer: Timer,
    asks: Asks,
    /// Whether the body goes on in chunks, because its length is not known.
    chunked: bool,
    /// The response is to end once the outbox is empty,
    ends: bool,
    /// with these lines of trailers.
    trailers: Vec<u8>,
    /// It has.
    ended: bool,
    /// Bytes that had gone on the connection when it last had to wait.
    sent: Cell<u64>,
}

impl Exchange {
    pub(super) fn new(
        shared: Rc<Shared>,
        stream: Rc<Stream>,
        between: Ends,
        timer: Timer,
        request: &Request,
        asks: Asks,
    ) -> Self {
        let chunked = matches!(request.body, Body::Chunked(_));
        Self {
            asks,
            shared,
            stream,
            between,
            timer,
            chunked,
            ends: false,
            trailers: Vec::new(),
            ended: false,
            sent: Cell::new(0),
        }
    }

    /// The exchange is over. What the client did not get whole, it must notice; what it has not sent yet, nobody reads.
    pub(super) fn finish(self, after: After) {
        let code = match after {
            After::Reset if !self.ended => Code::INTERNAL_ERROR,
            // RFC 9113 §8.1: a complete answer, and the rest of the body is not wanted.
            _ => Code::NO_ERROR,
        };
        self.shared.core.borrow_mut().reset(self.stream.id, code);
        self.shared.remove(self.stream.id);
        self.shared.flush_soon();
    }

    /// Sends bytes of the body, and its end if `last`; keeps what the window does not allow.
    fn send(&mut self, worker: &Worker, outbox: &mut Outbox, pieces: &[&[u8]], last: bool) {
        self.ends |= last;
        let mut core = self.shared.core.borrow_mut();
        let now = worker.timers.now();
        for (at, piece) in pieces.iter().enumerate() {
            let end = self.ends && self.trailers.is_empty() && at + 1 == pieces.len();
            let sent = if outbox.is_empty() { core.send_data(self.stream.id, piece, end, now) } else { 0 };
            outbox.push(worker, &piece[sent..]);
            self.ended |= end && sent == piece.len() && !piece.is_empty();
        }
        if self.ends && !self.ended && outbox.is_empty() {
            self.ended = true;
            end(&mut core, self.stream.id, &self.trailers, now);
        }
        drop(core);
        self.shared.flush_soon();
    }

    fn send_head(&self, head: &ResponseHead, bytes: &[u8], lines: &[u8], end: bool) -> Result<(), Gone> {
        let mut core = self.shared.core.borrow_mut();
        // RFC 8441 §5: the tunnel stands.
        let status = if head.status == 101 { 200 } else { head.status };
        let mut writer = core.respond(self.stream.id, status).ok_or(Gone)?;
        for (name, value) in head.fields(bytes) {
            if head.status != 101 || !name.eq_ignore_ascii_case(b"sec-websocket-accept") {
                writer.field(name, value);
            }
        }
        read_fields(lines).for_each(|(name, value)| writer.field(name, value));
        writer.finish(end);
        drop(core);
        self.shared.flush_soon();
        Ok(())
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

    /// Whoever asks for a tunnel takes any success for one, and can't look whether the endpoint agreed.
    fn accepts(&self, head: &ResponseHead, bytes: &[u8]) -> bool {
        let Asks::Tunnel(accept) = self.asks else { return head.status != 101 };
        match head.status {
            101 => head.values(bytes, "sec-websocket-accept").eq([&accept[..]]),
            status => !(200..300).contains(&status),
        }
    }

    fn frames_itself(&self) -> bool {
        true
    }

    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        _: &Worker,
        request: &mut Request,
    ) -> Poll<Result<(), Fault>> {
        self.stream.wait(cx);
        if self.stream.gone.get() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        let mut inbox = self.stream.inbox.borrow_mut();
        if inbox.bytes.is_empty() && !inbox.ended {
            return Poll::Pending;
        }
        if self.chunked {
            let counted = request.body.count(inbox.bytes.len() as u64);
            if let Err(error) = counted {
                return Poll::Ready(Err(error.fault));
            }
            write_chunk(&inbox.bytes, &mut request.sent);
            if inbox.ended {
                let trailers = if request.body.keeps_trailers() { inbox.trailers.lines() } else { b"" };
                write_last_chunk(trailers, &mut request.sent);
                request.body = Body::new(Framing::None, false);
            }
        } else {
            request.sent.extend_from_slice(&inbox.bytes);
            request.body.skip(inbox.bytes.len() as u64);
        }
        self.shared.core.borrow_mut().release(self.stream.id, inbox.bytes.len());
        inbox.bytes.clear();
        self.shared.flush_soon();
        Poll::Ready(Ok(()))
    }

    /// Frames stand between the pieces.
    fn plain(&mut self) -> Option<&mut crate::stream::Stream> {
        None
    }

    fn room(&self, now: Moment) -> usize {
        self.shared.core.borrow_mut().allowance(self.stream.id, now).max(LEAST_ROOM)
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
            Part::Interim { head, bytes } => self.send_head(head, bytes, &[], false)?,
            Part::Head { head, bytes, len, body, lines, .. } if head.status == 101 => {
                self.send_head(head, bytes, lines, false)?;
                self.send_ranges(worker, outbox, &bytes[len..], body, false);
            }
            Part::Head { head, bytes, len, body, trailers, last, lines } => {
                let whole = last && body.is_empty() && trailers.is_empty();
                self.send_head(head, bytes, lines, whole)?;
                self.ended = whole;
                if !whole {
                    self.trailers.extend_from_slice(trailers);
                    self.send_ranges(worker, outbox, &bytes[len..], body, last);
                }
            }
            Part::Body { bytes, pieces, trailers, last } => {
                self.trailers.extend_from_slice(trailers);
                self.send_ranges(worker, outbox, bytes, pieces, last);
            }
            Part::End => self.send(worker, outbox, &[], true),
        }
        Ok(())
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
            let mut core = self.shared.core.borrow_mut();
            let (last, now) = (self.ends && self.trailers.is_empty(), self.timer.now());
            let sent = core.send_data(self.stream.id, outbox.rest(), last, now);
            outbox.advance(sent);
            *moved |= sent > 0;
            if self.ends && outbox.is_empty() {
                self.ended = true;
                if !last {
                    end(&mut core, self.stream.id, &self.trailers, now);
                }
            }
            drop(core);
            self.shared.flush_soon();
        }
        // More may be read when what is there has gone, or else a client that reads nothing fills our memory.
        if outbox.is_empty() && (self.ended || !self.shared.is_crowded(self.stream.id)) {
            return Poll::Ready(Ok(()));
        }
        // It waits for others, and the client takes what is theirs.
        *moved |= self.sent.replace(self.shared.sent()) != self.shared.sent() && outbox.is_empty();
        Poll::Pending
    }

    fn rest(&self) {
        self.shared.leave_queue(self.stream.id);
    }

    fn refuse(&mut self, _: &Worker, fault: Fault, request: &Request, _goes_on: bool) -> After {
        self.ended = true;
        let how = self.asks.form(request.facts.is_head());
        let mut core = self.shared.core.borrow_mut();
        answer(&mut core, self.stream.id, &request.apology(fault), how, self.timer.now());
        drop(core);
        self.shared.flush_soon();
        After::Next
    }

    async fn tunnel(
        &mut self,
        worker: &Worker,
        upstream: &mut impl Mouth,
        endpoint: &LiveEndpoint,
        idle: Duration,
    ) {
        let client = &mut StreamMouth { shared: &self.shared, stream: &self.stream };
        tunnel::upgraded(worker, (client, upstream), &self.timer, endpoint, idle, Vec::new()).await;
    }
}

impl Exchange {
    fn send_ranges(
        &mut self,
        worker: &Worker,
        outbox: &mut Outbox,
        bytes: &[u8],
        ranges: &[Range<usize>],
        last: bool,
    ) {
        match ranges {
            [only] => self.send(worker, outbox, &[&bytes[only.clone()]], last),
            several => {
                let pieces: Vec<&[u8]> = several.iter().map(|range| &bytes[range.clone()]).collect();
                self.send(worker, outbox, &pieces, last);
            }
        }
    }
}

/// Answers at once, because a filter says so.
pub(super) fn say(core: &mut Connection, stream: StreamId, answer: &Answer, now: Moment) {
    let Some(mut head) = core.respond(stream, answer.status) else { return };
    read_fields(&answer.lines).for_each(|(name, value)| head.field(name, value));
    if answer.status != 204 {
        head.field(b"content-length", answer.body.len().to_string().as_bytes());
    }
    head.finish(answer.body.is_empty());
    if !answer.body.is_empty() {
        core.send_data(stream, &answer.body, true, now);
    }
}

/// Ends our side of a stream, with these lines of trailers.
fn end(core: &mut Connection, stream: StreamId, trailers: &[u8], now: Moment) {
    if trailers.is_empty() {
        core.send_data(stream, &[], true, now);
        return;
    }
    let Some(mut head) = core.trailers(stream) else { return };
    read_fields(trailers).for_each(|(name, value)| head.field(name, value));
    head.finish(true);
}

/// How an answer in an endpoint's place looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Whole,
    HeadOnly,
    /// As clients of gRPC look for it.
    Grpc,
}

/// Answers in an endpoint's place. It is small; what the windows do not allow at once is not sent at all.
pub(super) fn answer(core: &mut Connection, stream: StreamId, apology: &Apology<'_>, how: Form, now: Moment) {
    if how == Form::Grpc {
        return grpc::answer(core, stream, apology);
    }
    let Apology { fault, id, .. } = *apology;
    let head_only = how == Form::HeadOnly;
    let Some(mut head) = core.respond(stream, fault.status()) else { return };
    let body = explain(fault, id).concat();
    fault_fields(apology, body.len(), |name, value| head.field(name, value));
    head.finish(head_only);
    if !head_only && core.send_data(stream, &body, true, now) < body.len() {
        core.reset(stream, Code::ENHANCE_YOUR_CALM);
    }
}

/// What the head of such an answer says.
pub(crate) fn fault_fields(apology: &Apology<'_>, body: usize, mut field: impl FnMut(&[u8], &[u8])) {
    let Apology { fault, id, lines } = *apology;
    field(b"content-type", b"text/plain");
    field(b"content-length", body.to_string().as_bytes());
    field(b"haechi-fault", fault.name().as_bytes());
    if !id.is_empty() {
        field(b"x-request-id", id);
    }
    read_fields(lines).for_each(|(name, value)| field(&name.to_ascii_lowercase(), value));
    if fault.status() == 405 {
        // As in HTTP/1: what is allowed depends on the endpoint.
        field(b"allow", b"");
    }
}
