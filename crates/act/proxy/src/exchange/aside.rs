//! A request of our own beside a client's: it goes the way of all requests, and somebody else than a client takes what
//! comes back. It runs in a task of its own, so that nobody waits for more of it than is wanted.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use haechi_http1::ResponseHead;
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;

use super::caller::{Caller, Gone, Outbox, Part};
use crate::admit::Request;
use crate::buffers::HOT;
use crate::client::After;
use crate::engine;
use crate::live::LiveEndpoint;
use crate::scene::Local;
use crate::select::{Applicant, Noise};
use crate::stream::Stream;
use crate::timer::Timer;
use crate::tunnel::Mouth;
use crate::worker::Worker;

/// Most bytes of a body that are taken: a page where one signs in has less, and a connection whose answer is longer is
/// closed rather than read to its end.
pub(super) const MOST: usize = 64 << 10;

/// Whoever takes what comes back.
pub(super) trait Taker {
    /// The final head. `last`: nothing follows.
    fn head(&self, head: &ResponseHead, bytes: &[u8]);

    /// A piece of the body.
    fn body(&self, bytes: &[u8]);

    /// It ended: with all of it, or before.
    fn end(&self, whole: bool);
}

/// The caller of a request of our own.
struct Aside<T> {
    timer: Timer,
    ends: Ends,
    taker: Rc<T>,
    /// Bytes of the body that are still taken.
    left: usize,
    whole: Cell<bool>,
}

/// Sends a request that came in whole, and lets `taker` have what comes back within `timeout`.
pub(super) fn send<T: Taker + 'static>(
    worker: &Rc<Worker>,
    local: &Rc<Local>,
    mut request: Request,
    ends: Ends,
    timeout: Duration,
    taker: Rc<T>,
) {
    let (worker, local) = (Rc::clone(worker), Rc::clone(local));
    engine::spawn(async move {
        let limit = worker.timers.timer();
        limit.set(timeout);
        let timer = worker.timers.timer();
        let mut aside = Aside { timer, ends, taker: Rc::clone(&taker), left: MOST, whole: Cell::new(false) };
        {
            let mut run = std::pin::pin!(super::serve(&worker, &mut aside, &local, &mut request));
            std::future::poll_fn(|cx| {
                let ended = run.as_mut().poll(cx).is_ready();
                if ended || limit.has_passed(cx) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        taker.end(aside.whole.get());
    });
}

impl<T: Taker> Aside<T> {
    fn take(&mut self, bytes: &[u8], pieces: &[Range<usize>], last: bool) -> Result<(), Gone> {
        for piece in pieces {
            let piece = bytes.get(piece.clone()).unwrap_or_default();
            self.left = self.left.checked_sub(piece.len()).ok_or(Gone)?;
            self.taker.body(piece);
        }
        self.whole.set(last);
        if last {
            self.taker.end(true);
        }
        Ok(())
    }
}

impl<T: Taker> Applicant for Aside<T> {
    fn timer(&self) -> &Timer {
        &self.timer
    }

    fn watch(&mut self) {}

    fn noise(&mut self, _: &Context<'_>) -> Noise {
        Noise::Silent
    }
}

impl<T: Taker> Caller for Aside<T> {
    fn ends(&self) -> Ends {
        self.ends
    }

    fn is_leaving(&mut self, _: &Worker, _: &Local) -> bool {
        false
    }

    fn has_more(&self) -> bool {
        false
    }

    fn frames_itself(&self) -> bool {
        true
    }

    fn is_aside(&self) -> bool {
        true
    }

    fn is_unwatched(&self) -> bool {
        false
    }

    /// All of it was there from the beginning.
    fn poll_more(&mut self, _: &mut Context<'_>, _: &Worker, _: &mut Request) -> Poll<Result<(), Fault>> {
        Poll::Ready(Err(Fault::ClientGone))
    }

    fn plain(&mut self) -> Option<&mut Stream> {
        None
    }

    fn room(&self, _: Moment) -> usize {
        HOT
    }

    fn put(&mut self, _: &Worker, _: &mut Outbox, _: &mut Vec<u8>, part: Part<'_>) -> Result<(), Gone> {
        match part {
            Part::Interim { .. } => Ok(()),
            Part::Head { head, bytes, len, body, last, .. } => {
                self.taker.head(head, bytes);
                self.take(bytes.get(len..).unwrap_or_default(), body, last)
            }
            Part::Body { bytes, pieces, last, .. } => self.take(bytes, pieces, last),
            Part::End => self.take(&[], &[], true),
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: &mut Outbox, _: &mut bool) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn refuse(&mut self, _: &Worker, _: Fault, _: &Request, _: bool) -> After {
        After::Reset
    }

    /// It never asks for another protocol.
    async fn tunnel(&mut self, _: &Worker, _: &mut impl Mouth, _: &LiveEndpoint, _: Duration) {}
}

/// Something that a task waits for and another one gives, on one thread.
pub(super) struct Awaited<T> {
    value: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Default for Awaited<T> {
    fn default() -> Self {
        Self { value: RefCell::default(), waker: RefCell::default() }
    }
}

impl<T> Awaited<T> {
    /// Gives it.
    pub(super) fn give(&self, value: T) {
        *self.value.borrow_mut() = Some(value);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Takes it when it is there.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.value.borrow_mut().take() {
            return Poll::Ready(value);
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}
