//! The response's way to the client: head, body, and what the client does not take at once.

use std::rc::Rc;
use std::task::{Context, Poll};

use haechi_filter::Filter;
use haechi_http1::{Body, Downstream, Framing, Parsed, Pieces, Trailers, Version, head_end};
use haechi_model::{Algorithm, Fault, HttpLimits, Moment};

use super::callee::Callee;
use super::caller::{Caller, Gone, Outbox, Part};
use super::coded;
use super::flow::{Flow, Wait};
use super::retry::{Failure, Stage, Told};
use super::splice::{Broken, Moved, Splice};
use super::take_from_budget;
use crate::buffers::HOT;
use crate::coder::{Coder, Until};
use crate::engine;
use crate::worker::{Scratch, Worker};

/// What a response may measure. All its interim heads together have the measure of one, or an endpoint could
/// send them for ever.
const LIMITS: HttpLimits = HttpLimits { request_line: 8 << 10, head: 64 << 10, fields: 100 };

/// How far the download is.
#[derive(Default)]
pub(super) struct Download {
    phase: Phase,
    /// A head that came in part, and how much of it is known to hold no end.
    partial: Vec<u8>,
    scanned: usize,
    /// Bytes of interim responses.
    interim: usize,
    pub(super) body: Option<Body>,
    outbox: Outbox,
    /// The client has no room for more: its own bytes wait, or those of others on its connection.
    held_up: bool,
    splice: Splice,
    /// Its body is coded on its way.
    pub(super) coder: Option<Coder>,
    pub(super) status: u16,
    pub(super) head_at: Option<Moment>,
    pub(super) reusable: bool,
    pub(super) keep_alive: bool,
    pub(super) upgraded: bool,
    pub(super) told: Told,
    /// Something came from the endpoint.
    pub(super) heard: bool,
    /// The client sent or ended something while its answer is awaited; looked at once.
    pub(super) client_spoke: bool,
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Phase {
    #[default]
    Head,
    Body,
    Done,
}

/// What one read from the endpoint gave.
enum Step {
    Wait,
    Took(Result<(), Failure>),
    End,
    Broken,
}

impl Download {
    /// The client has the whole response.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done && self.outbox.is_empty()
    }

    /// What the client has got, and will have got when nothing more is sent.
    pub(super) fn told_whole(&self) -> Told {
        if self.outbox.is_empty() { self.told } else { Told::Part }
    }

    pub(super) fn waits_for_client(&self) -> Option<Wait> {
        (self.held_up || self.splice.holds()).then_some(Wait::ClientToTake)
    }

    /// Gives memory back to the worker.
    pub(super) fn give_back(mut self, worker: &Worker) {
        self.outbox.give_back(worker);
        self.splice.give_back(worker);
        if let Some(coder) = self.coder.take() {
            worker.coders.give(coder);
        }
    }
}

impl<C: Caller, E: Callee> Flow<'_, C, E> {
    /// Moves what can be moved towards the client; ready when it has the whole response.
    ///
    /// # Errors
    /// The response can't come to its end.
    pub(super) fn poll_download(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Failure> {
        loop {
            let flushed = self.client.poll_flush(cx, &mut self.download.outbox, &mut self.moved);
            self.download.held_up = flushed.is_pending();
            match flushed {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Gone)) => return Err(self.failure(Fault::ClientGone)),
            }
            if self.download.phase == Phase::Done {
                return Ok(Poll::Ready(()));
            }
            match self.poll_splice(cx) {
                Some(Poll::Pending) => return Ok(Poll::Pending),
                Some(Poll::Ready(Ok(()))) => continue,
                Some(Poll::Ready(Err(fault))) => return Err(self.failure(fault)),
                None => {}
            }
            let worker = self.worker;
            let most = if self.download.coder.is_some() { coded::PIECE } else { HOT };
            let room = self.client.room(worker.timers.now()).min(most);
            let step = worker.buffers.with_hot(|hot| match self.upstream.poll_read(cx, &mut hot[..room]) {
                Poll::Pending => Step::Wait,
                Poll::Ready(Ok(0)) => Step::End,
                Poll::Ready(Ok(count)) => Step::Took(self.take(&hot[..count])),
                Poll::Ready(Err(_)) => Step::Broken,
            });
            match step {
                Step::Wait if self.keeps_for_nobody() => self.release()?,
                Step::Wait => return Ok(Poll::Pending),
                Step::Took(result) => {
                    result?;
                    if self.download.coder.is_some() {
                        // Coding takes longer than moving, so others go first.
                        engine::go_on_later(cx);
                        return Ok(Poll::Pending);
                    }
                }
                Step::End => self.take_end()?,
                Step::Broken => return Err(self.failure(self.cut_short())),
            }
        }
    }

    fn cut_short(&self) -> Fault {
        if self.download.told == Told::Part { Fault::Truncated } else { Fault::Reset }
    }

    /// The endpoint ended its side.
    fn take_end(&mut self) -> Result<(), Failure> {
        if self.download.phase == Phase::Body && matches!(self.download.body, Some(Body::UntilClose(_))) {
            self.download.phase = Phase::Done;
            if self.download.coder.is_some() {
                return self.put_coded(&[], &[], &[], Until::Ended);
            }
            return self.put(&mut Vec::new(), Part::End);
        }
        Err(self.failure(self.cut_short()))
    }

    /// Bytes from the endpoint, lying in the hot buffer.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.moved = true;
        self.download.heard = true;
        self.download.bytes += bytes.len() as u64;
        let worker = self.worker;
        let mut scratch = worker.scratch.borrow_mut();
        if self.download.phase == Phase::Body {
            return self.take_body(bytes, &mut scratch);
        }
        if self.download.partial.is_empty() {
            return self.take_head(bytes, &mut scratch);
        }
        let mut whole = std::mem::take(&mut self.download.partial);
        whole.extend_from_slice(bytes);
        // A head that comes a byte at a time is looked through once and parsed once.
        if whole.len() < LIMITS.head as usize && head_end(&whole, self.download.scanned) == Ok(None) {
            self.download.scanned = whole.len();
            self.download.partial = whole;
            return Ok(());
        }
        self.take_head(&whole, &mut scratch)
    }

    fn take_head(&mut self, mut bytes: &[u8], scratch: &mut Scratch) -> Result<(), Failure> {
        loop {
            let to = self.downstream();
            let head = &mut scratch.response;
            let len = match head.parse(bytes, &LIMITS, &to) {
                Ok(Parsed::Complete(len)) => len,
                Ok(Parsed::Partial) => {
                    self.download.partial = bytes.to_vec();
                    self.download.scanned = bytes.len();
                    return Ok(());
                }
                Err(error) => {
                    tracing::debug!(rule = error.rule, "malformed response");
                    return Err(self.failure(error.fault));
                }
            };
            if !head.interim() {
                return self.take_final_head(bytes, len, scratch);
            }
            self.download.interim += len;
            if self.download.interim > LIMITS.head as usize {
                tracing::debug!("interim responses without end");
                return Err(self.failure(Fault::BadResponse));
            }
            // HTTP/1.0 knows no interim responses (RFC 9110 §15.2).
            if to.version == Version::Http11 {
                self.put(&mut scratch.out, Part::Interim { head, bytes })?;
                self.download.told = Told::Interim;
            }
            bytes = &bytes[len..];
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn downstream(&mut self) -> Downstream {
        let facts = self.request.facts;
        Downstream {
            version: facts.version,
            keep_alive: facts.keep_alive && !self.is_closing(),
            head: facts.is_head(),
            upgrade: facts.upgrade,
            own_framing: self.client.frames_itself(),
        }
    }

    fn take_final_head(&mut self, bytes: &[u8], len: usize, scratch: &mut Scratch) -> Result<(), Failure> {
        let id = self.request.shown_id();
        if !id.is_empty() {
            scratch.response.show_id(bytes, id);
        }
        if !self.client.accepts(&scratch.response, bytes) {
            tracing::debug!(status = scratch.response.status, "no answer to what was asked for");
            // An endpoint may take no notice of `Upgrade` (RFC 9110 §7.8), and does so for whoever asks it for a page.
            let agreed = scratch.response.status == 101;
            return Err(self.failure(if agreed { Fault::BadResponse } else { Fault::ProtocolUnknown }));
        }
        if self.is_worth_another_try(scratch.response.status) {
            let fault = Fault::BadResponse;
            return Err(Failure { fault, stage: Stage::Status, told: Told::Nothing, replayable: true });
        }
        if let Some(wish) = self.request.wish {
            self.choose_coding(wish, bytes, &mut scratch.response);
        }
        let head = &scratch.response;
        let most = self.request.filter().and_then(Filter::max_response);
        let download = &mut self.download;
        download.status = head.status;
        if self.pool.config.algorithm == Algorithm::LeastResponseTime {
            // Only there somebody asks; a look at the clock is a percent of a small request.
            download.head_at = Some(engine::now());
        }
        download.reusable = head.reusable;
        download.keep_alive = head.keep_alive;
        let behind = &bytes[len..];
        let pieces = &mut scratch.pieces;
        pieces.clear();
        if head.status == 101 {
            // What comes behind it is not HTTP any more, and goes on as it is.
            download.upgraded = true;
            download.phase = Phase::Done;
            pieces.push(0..behind.len());
        } else {
            if let (Some(most), Framing::Length(length)) = (most, head.framing)
                && length > most
            {
                return Err(self.failure(Fault::ResponseTooLarge));
            }
            let mut body = Body::new(head.framing, head.dechunk);
            body.limit(most.unwrap_or(u64::MAX));
            download.phase = Phase::Body;
            let used = match head.framing {
                Framing::None => Ok(0),
                _ => advance(&mut body, behind, pieces),
            };
            let used = used.map_err(|fault| self.failure(fault))?;
            self.download.body = Some(body);
            self.after_body(behind.len() - used);
        }
        let last = self.download.phase == Phase::Done;
        let trailers = self.take_trailers();
        let trailers = trailers.as_ref().map_or(&b""[..], |trailers| trailers.lines());
        // Only a route with filters pays for holding its scene.
        let scene = self.request.filter().map(|_| Rc::clone(&self.request.scene));
        let live = scene.as_ref().and_then(|scene| scene.listener().filter(self.request.route));
        let filter = live.map(|live| &live.filter).filter(|filter| filter.changes_answers());
        let mut lines = Vec::new();
        if let Some(filter) = filter {
            scratch.response.cut(bytes, |name| filter.removes(name));
            lines = self.worker.buffers.take_vector();
            filter.write_lines(&self.request.origin, &mut lines);
        }
        let alternative = &self.request.scene.listener().alternative;
        if !alternative.is_empty() {
            // Where an endpoint can be reached otherwise is nothing to its clients here.
            scratch.response.cut(bytes, |name| name.eq_ignore_ascii_case(b"alt-svc"));
            if lines.capacity() == 0 {
                lines = self.worker.buffers.take_vector();
            }
            lines.extend_from_slice(alternative);
        }
        let (head, body) = (&scratch.response, scratch.pieces.ranges());
        let part = Part::Head { head, bytes, len, body, trailers, last, lines: &lines };
        let sent = if self.download.coder.is_some() {
            self.put_coded_head(&mut scratch.out, &part)
        } else {
            self.put(&mut scratch.out, part)
        };
        self.worker.buffers.give_vector(lines);
        sent
    }

    /// Whether this status is thrown away for another try, which is paid for here: without means it goes
    /// through.
    fn is_worth_another_try(&self, status: u16) -> bool {
        self.pool.config.retry.on.status.contains(&status)
            && !self.last_try
            && self.download.told == Told::Nothing
            && self.request.facts.method.is_idempotent()
            && !self.upload.forgotten
            && take_from_budget(self.worker, self.pool)
    }

    /// The next bytes of the body.
    fn take_body(&mut self, bytes: &[u8], scratch: &mut Scratch) -> Result<(), Failure> {
        let Some(body) = &mut self.download.body else { return Ok(()) };
        scratch.pieces.clear();
        let used = advance(body, bytes, &mut scratch.pieces).map_err(|fault| self.failure(fault))?;
        self.after_body(bytes.len() - used);
        let last = self.download.phase == Phase::Done;
        let trailers = self.take_trailers();
        let trailers = trailers.as_ref().map_or(&b""[..], |trailers| trailers.lines());
        let pieces = scratch.pieces.ranges();
        if self.download.coder.is_some() {
            let until = if last { Until::Ended } else { Until::More };
            return self.put_coded(bytes, pieces, trailers, until);
        }
        self.put(&mut scratch.out, Part::Body { bytes, pieces, trailers, last })
    }

    /// What stood behind the body, for a client whose protocol has a place for it.
    fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        let knows = self.request.facts.version != Version::Http10 || self.client.frames_itself();
        self.download.body.as_mut().and_then(Body::take_trailers).filter(|_| knows)
    }

    /// Notes the end of the body. Bytes behind it belong to nothing: the connection is not trusted again.
    fn after_body(&mut self, surplus: usize) {
        if self.download.body.as_ref().is_some_and(Body::is_done) {
            self.download.phase = Phase::Done;
            self.download.reusable &= surplus == 0;
        }
    }

    /// Sends a part of the response to the client.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, part: Part<'_>) -> Result<(), Failure> {
        self.download.told = Told::Part;
        let sent = self.client.put(self.worker, &mut self.download.outbox, out, part);
        sent.map_err(|Gone| self.failure(Fault::ClientGone))
    }

    /// Moves the rest of a large body inside the kernel, if it goes that way.
    fn poll_splice(&mut self, cx: &mut Context<'_>) -> Option<Poll<Result<(), Fault>>> {
        let download = &mut self.download;
        let body =
            download.body.as_mut().filter(|_| download.phase == Phase::Body && download.coder.is_none())?;
        let to = self.client.plain()?;
        let from = self.upstream.plain()?;
        if !download.splice.takes(body, self.worker) {
            return None;
        }
        let mut moved = Moved::default();
        let done = download.splice.poll(cx, from, to, body, &mut moved);
        download.bytes += moved.taken;
        self.moved |= moved.any();
        if matches!(done, Poll::Ready(Ok(()))) {
            download.splice.give_back(self.worker);
            self.after_body(0);
        }
        Some(done.map_err(|broken| match broken {
            Broken::Source => Fault::Truncated,
            Broken::Sink => Fault::ClientGone,
        }))
    }
}

/// Follows a body over its next bytes; gives how many belong to it.
fn advance(body: &mut Body, bytes: &[u8], pieces: &mut Pieces) -> Result<usize, Fault> {
    match body.advance(bytes, pieces) {
        Ok(advance) => Ok(advance.consumed),
        Err(error) => {
            tracing::debug!(rule = error.rule, "response body refused");
            Err(if error.fault == Fault::BodyTooLarge { Fault::ResponseTooLarge } else { Fault::BadResponse })
        }
    }
}
