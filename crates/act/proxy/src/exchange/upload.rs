//! The request's way to the endpoint: what was written on when it was admitted, then the rest of its body
//! as it comes. All of it is kept while it is small enough to be sent again.

use std::task::{Context, Poll};

use haechi_model::Fault;

use super::callee::Callee;
use super::caller::Caller;
use super::flow::{Flow, Wait};
use super::retry::{Failure, REPLAY};
use super::splice::{Broken, Moved, Splice};

/// How far the upload is.
#[derive(Default)]
pub(super) struct Upload {
    /// How much of `request.sent` went out on this connection.
    at: usize,
    /// The endpoint does not take any more. It may have answered before.
    refused: bool,
    /// The beginning was dropped, so it can't be sent again.
    pub(super) forgotten: bool,
    pub(super) splice: Splice,
    pub(super) bytes: u64,
}

impl<C: Caller, E: Callee> Flow<'_, C, E> {
    /// Nothing more will go to the endpoint.
    pub(super) fn upload_ended(&self) -> bool {
        self.upload.refused || self.upload_complete()
    }

    /// Everything went to the endpoint.
    pub(super) fn upload_complete(&self) -> bool {
        !self.upload.refused
            && self.upload.at == self.request.sent.len()
            && self.request.body.is_done()
            && !self.upload.splice.holds()
    }

    /// Sends what can be sent. Says who is waited for, if anybody.
    ///
    /// # Errors
    /// The client broke its body off or broke the framing.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<Option<Wait>, Failure> {
        while !self.upload_ended() {
            if self.upload.at < self.request.sent.len() {
                match self.upstream.poll_write(cx, &self.request.sent[self.upload.at..]) {
                    Poll::Pending => return Ok(Some(Wait::EndpointToTake)),
                    Poll::Ready(Ok(count)) if count > 0 => {
                        self.upload.at += count;
                        self.upload.bytes += count as u64;
                        self.moved = true;
                    }
                    // An answer may be waiting behind the broken pipe: the download decides.
                    Poll::Ready(_) => self.upload.refused = true,
                }
                continue;
            }
            if self.request.sent.len() > REPLAY {
                self.request.sent.clear();
                self.upload.at = 0;
                self.upload.forgotten = true;
            }
            match self.poll_body_inside(cx)? {
                Some(Poll::Pending) if self.upload.splice.holds() => return Ok(Some(Wait::EndpointToTake)),
                Some(Poll::Pending) => return Ok(Some(Wait::ClientToSend)),
                Some(Poll::Ready(())) => continue,
                None => {}
            }
            if self.poll_body(cx)?.is_pending() {
                return Ok(Some(Wait::ClientToSend));
            }
        }
        Ok(None)
    }

    /// Moves the rest of a large body inside the kernel, if it goes that way: once it can't be sent again
    /// anyway, nobody needs to see it.
    fn poll_body_inside(&mut self, cx: &mut Context<'_>) -> Result<Option<Poll<()>>, Failure> {
        let upload = &mut self.upload;
        let Some(from) = self.client.plain().filter(|_| upload.forgotten) else { return Ok(None) };
        let Some(to) = self.upstream.plain() else { return Ok(None) };
        if !upload.splice.takes(&self.request.body, self.worker) {
            return Ok(None);
        }
        let mut moved = Moved::default();
        let done = upload.splice.poll(cx, from, to, &mut self.request.body, &mut moved);
        upload.bytes += moved.given;
        self.moved |= moved.any();
        match done {
            Poll::Pending => return Ok(Some(Poll::Pending)),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Broken::Source)) => return Err(self.failure(Fault::ClientGone)),
            // An answer may be waiting behind the broken pipe: the download decides.
            Poll::Ready(Err(Broken::Sink)) => upload.refused = true,
        }
        upload.splice.give_back(self.worker);
        Ok(Some(Poll::Ready(())))
    }

    /// Takes the next bytes of the body from the client.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Failure> {
        match self.client.poll_more(cx, self.worker, self.request) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(())) => {
                self.moved = true;
                Ok(Poll::Ready(()))
            }
            Poll::Ready(Err(fault)) => Err(self.failure(fault)),
        }
    }
}
