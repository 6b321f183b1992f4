//! The exchange over a connection that stands: upload and download in one turn, one deadline for what is
//! waited for.

use std::task::{Context, Poll};
use std::time::Duration;

use haechi_model::{Fault, Moment};

use super::callee::Callee;
use super::caller::Caller;
use super::download::Download;
use super::retry::{Failure, Stage, Told};
use super::upload::Upload;
use crate::admit::Request;
use crate::client::After;
use crate::live::LivePool;
use crate::scene::Local;
use crate::select::Noise;
use crate::worker::Worker;

/// How long a client that was accepted with its request is not watched. Most answers come sooner and save the
/// two system calls; of an endpoint that hangs, a client that breaks its connection frees the place.
const UNWATCHED: Duration = Duration::from_secs(1);

/// Longest pause in a request body whose answer the client has already: enough for what is on its way, too
/// short for a client that keeps it back (nginx's `lingering_timeout`).
const AFTER_ANSWER: Duration = Duration::from_secs(5);

/// A request on its way to an endpoint and a response on its way back.
pub(super) struct Flow<'a, C, E> {
    pub(super) worker: &'a Worker,
    pub(super) client: &'a mut C,
    pub(super) upstream: &'a mut E,
    pub(super) request: &'a mut Request,
    pub(super) pool: &'a LivePool,
    local: &'a Local,
    pub(super) upload: Upload,
    pub(super) download: Download,
    /// No try is left, so any status goes through to the client.
    pub(super) last_try: bool,
    /// Whether bytes moved in this turn, which renews the deadline.
    pub(super) moved: bool,
    waiting: Option<Wait>,
    /// How long this wait may last.
    until: Moment,
}

/// A response that came to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) status: u16,
    /// When the response's head came.
    pub(super) head_at: Option<Moment>,
    /// The endpoint's connection can take another request.
    pub(super) reusable: bool,
    /// The client's connection can take another request.
    pub(super) keep_alive: bool,
    /// The client may still be sending: a body that nobody reads, or a request that it sent ahead. One
    /// that asked for `close` sends no more.
    pub(super) client_may_send: bool,
    /// Both sides speak another protocol now.
    pub(super) upgraded: bool,
}

impl End {
    /// What follows for the client's connection.
    pub(super) const fn after(&self) -> After {
        match self.keep_alive {
            // Also on a listener that is left: a client that was not told so may be sending its next request.
            true => After::Next,
            false if self.client_may_send => After::Linger,
            false => After::Close,
        }
    }
}

/// Who is being waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    ClientToTake,
    ClientToSend,
    EndpointToTake,
    EndpointToSend,
}

impl<'a, C: Caller, E: Callee> Flow<'a, C, E> {
    pub(super) fn new(
        worker: &'a Worker,
        client: &'a mut C,
        local: &'a Local,
        upstream: &'a mut E,
        request: &'a mut Request,
        pool: &'a LivePool,
        last_try: bool,
    ) -> Self {
        Self {
            worker,
            client,
            upstream,
            request,
            pool,
            local,
            upload: Upload::default(),
            download: Download::default(),
            last_try,
            moved: false,
            waiting: None,
            until: Moment::ORIGIN,
        }
    }

    /// One turn: everything that can move, moves.
    ///
    /// # Errors
    /// What ended the exchange before its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, Failure>> {
        self.moved = false;
        let upload = match self.poll_upload(cx) {
            Ok(upload) => upload,
            // The client has its whole answer: how the rest of its request fails changes nothing for it.
            Err(_) if self.download.is_done() => return Poll::Ready(Ok(self.end())),
            Err(failure) => return Poll::Ready(Err(failure)),
        };
        match self.poll_download(cx)? {
            Poll::Ready(()) if self.upload_ended() => return Poll::Ready(Ok(self.end())),
            Poll::Ready(()) | Poll::Pending => {}
        }
        let wait = self.download.waits_for_client().or(upload).unwrap_or(Wait::EndpointToSend);
        self.poll_deadline(cx, wait)
    }

    fn end(&self) -> End {
        let complete = self.upload_complete();
        End {
            status: self.download.status,
            head_at: self.download.head_at,
            reusable: complete && self.download.reusable,
            keep_alive: complete && self.download.keep_alive,
            client_may_send: !complete || self.client.has_more() || self.request.facts.keep_alive,
            upgraded: self.download.upgraded,
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, wait: Wait) -> Poll<Result<End, Failure>> {
        if self.moved || self.waiting != Some(wait) {
            self.waiting = Some(wait);
            self.begin_wait(wait);
        }
        if self.client.timer().is_cut() {
            return Poll::Ready(self.give_up_waiting(Fault::Reset));
        }
        if wait == Wait::EndpointToSend && self.client_is_gone(cx) {
            return Poll::Ready(Err(self.failure(Fault::ClientGone)));
        }
        if !self.client.timer().has_passed(cx) {
            return Poll::Pending;
        }
        if self.client.is_unwatched() && self.until > self.client.timer().now() {
            self.client.watch();
            self.client.timer().set_at(self.until);
            return self.poll_deadline(cx, wait);
        }
        Poll::Ready(self.give_up_waiting(match wait {
            Wait::ClientToTake => Fault::ClientGone,
            Wait::ClientToSend => Fault::BodyTimeout,
            Wait::EndpointToTake => Fault::SendTimeout,
            Wait::EndpointToSend if self.download.told == Told::Part => Fault::Truncated,
            Wait::EndpointToSend => Fault::ResponseTimeout,
        }))
    }

    fn begin_wait(&mut self, wait: Wait) {
        let timer = self.client.timer();
        self.until = timer.now() + self.patience(wait);
        let unheard = wait == Wait::EndpointToSend && self.client.is_unwatched();
        timer.set_at(if unheard { self.until.min(timer.now() + UNWATCHED) } else { self.until });
    }

    /// A wait that was too long: a failure, or an end where the client has its whole answer.
    fn give_up_waiting(&self, fault: Fault) -> Result<End, Failure> {
        if self.download.is_done() { Ok(self.end()) } else { Err(self.failure(fault)) }
    }

    fn patience(&self, wait: Wait) -> Duration {
        let client = self.request.scene.http().map(|http| http.timeouts).unwrap_or_default();
        let endpoint = &self.pool.config.timeouts;
        let patience = match wait {
            Wait::ClientToTake => client.send,
            Wait::ClientToSend => client.body,
            Wait::EndpointToTake => endpoint.send,
            Wait::EndpointToSend => endpoint.read,
        };
        if self.download.is_done() { patience.min(AFTER_ANSWER) } else { patience }
    }

    /// Whether the client broke off while its answer is awaited.
    fn client_is_gone(&mut self, cx: &Context<'_>) -> bool {
        let noise = if self.download.client_spoke { Noise::Silent } else { self.client.noise(cx) };
        self.download.client_spoke |= noise != Noise::Silent;
        noise == Noise::Gone
    }

    /// A failure at this point of the exchange.
    pub(super) fn failure(&self, fault: Fault) -> Failure {
        let unheard = !self.download.heard && fault == Fault::Reset && !self.client.timer().is_cut();
        let stage = if unheard { self.upstream.stage_unheard() } else { Stage::Sent };
        Failure { fault, stage, told: self.download.told_whole(), replayable: !self.upload.forgotten }
    }

    /// Whether no request can follow on the client's connection, as far as we are concerned.
    pub(super) fn is_closing(&mut self) -> bool {
        self.client.is_leaving(self.worker, self.local)
    }

    /// Bytes that went to the endpoint, and that came from it.
    pub(super) const fn bytes(&self) -> (u64, u64) {
        (self.upload.bytes, self.download.bytes)
    }

    /// Gives memory back to the worker.
    pub(super) fn give_back(mut self) {
        self.upload.splice.give_back(self.worker);
        self.download.give_back(self.worker);
    }
}
