//! The response's way to the client: head, body, and what the client does not take at once.

use std::task::{Context, Poll, ready};

use haechi_http1::{Body, Downstream, Framing, Parsed, head_end};
use haechi_model::{Algorithm, Fault, HttpLimits, Moment};

use super::flow::{Flow, Wait};
use super::retry::{Failure, Stage, Told};
use super::splice::{Broken, Moved, Splice};
use super::take_from_budget;
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
    body: Option<Body>,
    /// Bytes for the client that it did not take at once, from `flushed` on.
    pending: Vec<u8>,
    flushed: usize,
    splice: Splice,
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
    fn flushing(&self) -> bool {
        self.flushed < self.pending.len()
    }

    /// The client has the whole response.
    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done && !self.flushing()
    }

    /// What the client has got, and will have got when nothing more is sent.
    pub(super) fn told_whole(&self) -> Told {
        if self.flushing() { Told::Part } else { self.told }
    }

    pub(super) fn waits_for_client(&self) -> Option<Wait> {
        (self.flushing() || self.splice.holds()).then_some(Wait::ClientToTake)
    }

    /// Gives memory back to the worker.
    pub(super) fn give_back(mut self, worker: &Worker) {
        worker.buffers.give_vector(self.pending);
        self.splice.give_back(worker);
    }
}

impl Flow<'_> {
    /// Moves what can be moved towards the client; ready when it has the whole response.
    ///
    /// # Errors
    /// The response can't come to its end.
    pub(super) fn poll_download(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Failure> {
        loop {
            match self.poll_flush(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Err(self.failure(Fault::ClientGone)),
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
            let step = worker.buffers.with_hot(|hot| match self.upstream.stream.poll_read(cx, hot) {
                Poll::Pending => Step::Wait,
                Poll::Ready(Ok(0)) => Step::End,
                Poll::Ready(Ok(count)) => Step::Took(self.take(&hot[..count])),
                Poll::Ready(Err(_)) => Step::Broken,
            });
            match step {
                Step::Wait => return Ok(Poll::Pending),
                Step::Took(result) => result?,
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
        if self.download.phase == Phase::Body && self.download.body == Some(Body::UntilClose) {
            self.download.phase = Phase::Done;
            return Ok(());
        }
        Err(self.failure(self.cut_short()))
    }

    /// Sends what the client did not take before. False if it is gone.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let download = &mut self.download;
        while download.flushing() {
            match ready!(self.client.stream.poll_write(cx, &download.pending[download.flushed..])) {
                Ok(count) if count > 0 => {
                    download.flushed += count;
                    self.moved = true;
                }
                Ok(_) | Err(_) => return Poll::Ready(false),
            }
        }
        download.pending.clear();
        download.flushed = 0;
        Poll::Ready(true)
    }

    /// Bytes from the endpoint, lying in the hot buffer.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.moved = true;
        self.download.heard = true;
        self.download.bytes += bytes.len() as u64;
        let worker = self.worker;
        let mut scratch = worker.scratch.borrow_mut();
        if self.download.phase == Phase::Body {
            return self.take_body(bytes, &mut scratch, false);
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
            if to.version == haechi_http1::Version::Http11 {
                scratch.out.clear();
                head.write_downstream(bytes, &mut scratch.out);
                self.put(&scratch.out, &[])?;
                self.download.told = Told::Interim;
            }
            bytes = &bytes[len..];
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn downstream(&self) -> Downstream {
        let facts = self.request.facts;
        Downstream {
            version: facts.version,
            keep_alive: facts.keep_alive && !self.is_closing(),
            head: facts.is_head(),
            upgrade: facts.upgrade,
        }
    }

    fn take_final_head(&mut self, bytes: &[u8], len: usize, scratch: &mut Scratch) -> Result<(), Failure> {
        let head = &scratch.response;
        if self.is_worth_another_try(head.status) {
            let fault = Fault::BadResponse;
            return Err(Failure { fault, stage: Stage::Status, told: Told::Nothing, replayable: true });
        }
        let download = &mut self.download;
        download.status = head.status;
        if self.pool.config.algorithm == Algorithm::LeastResponseTime {
            // Only there somebody asks; a look at the clock is a percent of a small request.
            download.head_at = Some(engine::now());
        }
        download.reusable = head.reusable;
        download.keep_alive = head.keep_alive;
        if head.status == 101 {
            download.upgraded = true;
            download.phase = Phase::Done;
            scratch.out.clear();
            head.write_downstream(bytes, &mut scratch.out);
            return self.put(&scratch.out, &bytes[len..]);
        }
        download.body = Some(Body::new(head.framing, head.dechunk));
        download.phase = Phase::Body;
        if head.framing == Framing::None {
            download.phase = Phase::Done;
        }
        if head.untouched() {
            return self.take_body_behind(bytes, len, scratch);
        }
        scratch.out.clear();
        head.write_downstream(bytes, &mut scratch.out);
        self.take_body(&bytes[len..], scratch, true)
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

    /// A head that goes on as it came, with the part of the body that came with it: one write.
    fn take_body_behind(&mut self, bytes: &[u8], len: usize, scratch: &mut Scratch) -> Result<(), Failure> {
        let used = match &mut self.download.body {
            Some(body @ (Body::Length(_) | Body::UntilClose)) => {
                scratch.pieces.clear();
                // These two can't fail and take one piece from the start.
                body.advance(&bytes[len..], &mut scratch.pieces).map_or(0, |advance| advance.consumed)
            }
            Some(Body::Chunked(_)) | None => {
                scratch.out.clear();
                scratch.out.extend_from_slice(&bytes[..len]);
                return self.take_body(&bytes[len..], scratch, true);
            }
        };
        self.after_body(bytes.len() - len - used);
        self.put(&bytes[..len + used], &[])
    }

    /// The next bytes of the body, behind what stands in `scratch.out` if `with_head`.
    fn take_body(&mut self, bytes: &[u8], scratch: &mut Scratch, with_head: bool) -> Result<(), Failure> {
        if !with_head {
            scratch.out.clear();
        }
        let Some(body) = &mut self.download.body else { return Ok(()) };
        scratch.pieces.clear();
        let used = match body.advance(bytes, &mut scratch.pieces) {
            Ok(advance) => advance.consumed,
            Err(error) => {
                tracing::debug!(rule = error.rule, "malformed response body");
                return Err(self.failure(Fault::BadResponse));
            }
        };
        self.after_body(bytes.len() - used);
        match scratch.pieces.ranges() {
            [] => self.put(&scratch.out, &[]),
            [only] => self.put(&scratch.out, &bytes[only.clone()]),
            several => {
                for range in several {
                    scratch.out.extend_from_slice(&bytes[range.clone()]);
                }
                self.put(&scratch.out, &[])
            }
        }
    }

    /// Notes the end of the body. Bytes behind it belong to nothing: the connection is not trusted again.
    fn after_body(&mut self, surplus: usize) {
        if self.download.body.as_ref().is_some_and(Body::is_done) {
            self.download.phase = Phase::Done;
            self.download.reusable &= surplus == 0;
        }
    }

    /// Sends two pieces in a row; keeps what the client does not take.
    fn put(&mut self, first: &[u8], second: &[u8]) -> Result<(), Failure> {
        if first.is_empty() && second.is_empty() {
            return Ok(());
        }
        self.download.told = Told::Part;
        let written = if self.download.flushing() {
            Ok(0)
        } else if second.is_empty() {
            self.client.stream.write_now(first)
        } else {
            self.client.stream.write_two_now(first, second)
        };
        let Ok(written) = written else { return Err(self.failure(Fault::ClientGone)) };
        let in_first = written.min(first.len());
        if written < first.len() + second.len() {
            if self.download.pending.capacity() == 0 {
                self.download.pending = self.worker.buffers.take_vector();
            }
            self.download.pending.extend_from_slice(&first[in_first..]);
            self.download.pending.extend_from_slice(&second[written - in_first..]);
        }
        Ok(())
    }

    /// Moves the rest of a large body inside the kernel, if it goes that way.
    fn poll_splice(&mut self, cx: &mut Context<'_>) -> Option<Poll<Result<(), Fault>>> {
        let download = &mut self.download;
        let body = download.body.as_mut().filter(|_| download.phase == Phase::Body)?;
        let clear = self.upstream.stream.is_clear() && self.client.stream.is_clear();
        if !clear || !download.splice.takes(body, self.worker) {
            return None;
        }
        let mut moved = Moved::default();
        let (from, to) = (&mut self.upstream.stream, &mut self.client.stream);
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
