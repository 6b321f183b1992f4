//! One flow: the socket to its endpoint, and what is known of it.

use std::cell::Cell;
use std::io;
use std::net::UdpSocket;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_balance::Tried;
use haechi_model::{Dropped, Moment, UdpListener};
use haechi_sys::datagrams::{self, AT_ONCE, Batch};

use super::{Ends, Inlet};
use crate::engine::{Watched, Way};
use crate::exchange::note_outcome;
use crate::live::{EndpointCounters, LiveEndpoint};
use crate::scene::Scene;
use crate::select::{Found, Place, pick, source_of};
use crate::timer::Timer;
use crate::upstream::out_of_descriptors;
use crate::worker::{Open, PATIENCE, Worker};

/// What one client and one of our addresses say to each other, by way of one endpoint.
pub(super) struct Flow {
    pub(super) ends: Ends,
    pub(super) begun: Moment,
    pub(super) socket: Watched<UdpSocket>,
    place: Place,
    tried: Tried,
    idle_timeout: Duration,
    timer: Timer,
    last: Cell<Moment>,
    /// Whether its client has sent more than once.
    known: Cell<bool>,
    spoke: Cell<bool>,
    /// The endpoint's host said that nobody listens there, after it was heard last.
    refused: Cell<bool>,
    ended: Cell<bool>,
    open: Cell<Option<Open>>,
}

/// What became of datagrams.
pub(super) enum Sent {
    All,
    /// So many went no further.
    Part(usize, Dropped),
    /// The endpoint is not there; these are left.
    Refused(Range<usize>),
}

impl Flow {
    /// Picks an endpoint; not one that `old` was refused at, or has found down.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn new(
        worker: &Worker,
        scene: &Rc<Scene>,
        config: &UdpListener,
        ends: Ends,
        old: Option<&Rc<Self>>,
    ) -> Result<Self, Dropped> {
        let pool = config.pool.index();
        let source = source_of(scene.pool(pool), ends.0);
        let mut tried = old.map_or_else(Tried::new, |old| old.tried_in(scene, pool));
        loop {
            let place = match pick(worker, scene, pool, source, &tried) {
                Found::Place(place) if tried.contains(place.member) => {
                    return Err(Dropped::EndpointUnreachable);
                }
                Found::Place(place) => place,
                Found::Full => return Err(Dropped::EndpointFull),
                Found::Nobody if tried.is_empty() => return Err(Dropped::NoEndpoint),
                Found::Nobody => return Err(Dropped::EndpointUnreachable),
            };
            let endpoint = place.endpoint();
            let counters = endpoint.counters(worker.number);
            counters.requests.add(1);
            counters.retries.add(u64::from(!tried.is_empty()));
            counters.connects.add(1);
            match datagrams::connect(endpoint.address).and_then(|socket| Watched::new(socket, true)) {
                Ok(socket) => return Ok(Self::with(worker, config, ends, socket, place, tried)),
                Err(error) if is_our_lack(&error) => {
                    tracing::warn!(%error, "no socket for a flow; raise the limit of open files, or the range of ports");
                    return Err(Dropped::Exhausted);
                }
                Err(error) => {
                    tracing::debug!(endpoint = %endpoint.id, %error, "no way to the endpoint");
                    failed(worker, &place);
                    tried.insert(place.member);
                }
            }
        }
    }

    /// One that another process had.
    pub(super) fn inherited(
        worker: &Worker,
        config: &UdpListener,
        ends: Ends,
        socket: Watched<UdpSocket>,
        place: Place,
        known: bool,
    ) -> Self {
        let flow = Self::with(worker, config, ends, socket, place, Tried::new());
        flow.known.set(known);
        flow.spoke.set(true);
        flow
    }

    fn with(
        worker: &Worker,
        config: &UdpListener,
        ends: Ends,
        socket: Watched<UdpSocket>,
        place: Place,
        tried: Tried,
    ) -> Self {
        let (timer, now) = (worker.timers.timer(), worker.timers.now());
        timer.works_with(place.endpoint().serial);
        timer.set(config.idle_timeout);
        Self {
            ends,
            begun: now,
            socket,
            place,
            tried,
            idle_timeout: config.idle_timeout,
            timer,
            last: Cell::new(now),
            known: Cell::new(false),
            spoke: Cell::new(false),
            refused: Cell::new(false),
            ended: Cell::new(false),
            open: Cell::new(None),
        }
    }

    /// Who need not be asked again: members have other numbers in another generation.
    fn tried_in(&self, scene: &Scene, pool: usize) -> Tried {
        let mut tried = if self.place.is_of(scene, pool) { self.tried } else { Tried::new() };
        let same = |endpoint: &LiveEndpoint| endpoint.serial == self.endpoint().serial;
        if let Some(member) = scene.pool(pool).endpoints.iter().position(|endpoint| same(endpoint)) {
            tried.insert(member);
        }
        tried
    }

    pub(super) fn endpoint(&self) -> &LiveEndpoint {
        self.place.endpoint()
    }

    fn counters<'a>(&'a self, worker: &Worker) -> &'a EndpointCounters {
        self.endpoint().counters(worker.number)
    }

    /// Takes its place at the listener.
    pub(super) fn keeps(&self, open: Option<Open>) {
        self.open.set(open);
    }

    /// Goes on in the place of an older one.
    pub(super) fn takes_over(&self, old: &Self) {
        self.open.set(old.open.take());
        self.known.set(old.known.get());
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether its client has sent a single datagram so far.
    pub(super) fn is_young(&self) -> bool {
        !self.known.get() && !self.ended.get()
    }

    /// Whether another endpoint would be better.
    pub(super) fn should_move(&self) -> bool {
        self.refused.get() || self.endpoint().is_down()
    }

    /// Ends it: its task closes the socket at its next turn.
    pub(super) fn end(&self) {
        if !self.ended.replace(true) {
            drop(self.open.take());
            self.timer.wake();
        }
    }

    fn moved(&self, worker: &Worker) {
        self.last.set(worker.timers.now());
        self.timer.set(self.idle_timeout);
    }

    /// Sends datagrams to the endpoint.
    pub(super) fn send(&self, worker: &Worker, batch: &Batch, mut which: Range<usize>) -> Sent {
        let first = !self.spoke.replace(true);
        if !first || which.len() > 1 {
            self.known.set(true);
        }
        self.moved(worker);
        let mut too_large = 0;
        while !which.is_empty() {
            match batch.send(which.clone(), self.socket.socket()) {
                Ok(count) => {
                    let sent: usize = which.clone().take(count).map(|at| batch.bytes(at).len()).sum();
                    self.counters(worker).bytes_out.add(sent as u64);
                    which.start += count;
                }
                Err(error) if is_full(&error) => {
                    return Sent::Part(which.len() + too_large, Dropped::BufferFull);
                }
                Err(error) if is_too_large(&error) => {
                    which.start += 1;
                    too_large += 1;
                }
                // It is of an earlier datagram, or says that there is no way: this one was not sent.
                Err(error) => {
                    self.note_refused(worker, &error);
                    return Sent::Refused(which);
                }
            }
        }
        if too_large == 0 { Sent::All } else { Sent::Part(too_large, Dropped::TooLarge) }
    }

    fn note_refused(&self, worker: &Worker, error: &io::Error) {
        tracing::debug!(endpoint = %self.endpoint().id, %error, "flow refused at endpoint");
        self.refused.set(true);
        failed(worker, &self.place);
    }

    /// Brings back what has come. Ready with whether there may be more, or with `None` at the end.
    pub(super) fn poll_answers(
        &self,
        cx: &mut Context<'_>,
        worker: &Worker,
        inlet: &Inlet,
    ) -> Poll<Option<bool>> {
        if self.ended.get() {
            return Poll::Ready(None);
        }
        let mut batch = worker.datagrams.borrow_mut();
        match self.socket.poll_io(Way::In, cx, |socket| batch.receive_connected(socket)) {
            Poll::Ready(Ok(count)) => {
                if count < AT_ONCE {
                    self.socket.exhausted(Way::In);
                }
                self.answer(worker, inlet, &batch, count);
                Poll::Ready(Some(count == AT_ONCE))
            }
            Poll::Ready(Err(error)) => {
                self.note_refused(worker, &error);
                Poll::Ready(Some(false))
            }
            Poll::Pending => self.poll_end(cx, worker),
        }
    }

    fn poll_end(&self, cx: &Context<'_>, worker: &Worker) -> Poll<Option<bool>> {
        // Of datagrams nobody says that they were the last.
        let patience = if worker.is_stopping() { PATIENCE.min(self.idle_timeout) } else { self.idle_timeout };
        self.timer.set_at(self.last.get() + patience);
        if self.timer.is_cut() || self.timer.has_passed(cx) { Poll::Ready(None) } else { Poll::Pending }
    }

    fn answer(&self, worker: &Worker, inlet: &Inlet, batch: &Batch, count: usize) {
        self.moved(worker);
        if self.refused.replace(false) || self.endpoint().has_failures() {
            note_outcome(worker, self.place.pool(), self.endpoint(), false);
        }
        let bytes: usize = (0..count).map(|at| batch.bytes(at).len()).sum();
        self.counters(worker).bytes_in.add(bytes as u64);
        let (client, own) = self.ends;
        let mut sent = 0;
        while sent < count {
            match batch.send_to(sent..count, inlet.socket.socket(), client, own) {
                Ok(went) => {
                    let scene = inlet.local.scene();
                    scene.listener().counters.of(worker.number).datagrams_out.add(went as u64);
                    sent += went;
                }
                Err(error) if is_full(&error) => {
                    return inlet.dropped(worker, Dropped::BufferFull, count - sent);
                }
                Err(error) => {
                    let why =
                        if is_too_large(&error) { Dropped::TooLarge } else { Dropped::ClientUnreachable };
                    inlet.dropped(worker, why, 1);
                    sent += 1;
                }
            }
        }
    }
}

fn failed(worker: &Worker, place: &Place) {
    place.endpoint().counters(worker.number).failures.add(1);
    note_outcome(worker, place.pool(), place.endpoint(), true);
}

/// `EAGAIN`, and `ENOBUFS` from a device's queue.
fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(105)
}

/// `EMSGSIZE`.
fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(90)
}

/// Of ports the kernel says `EAGAIN`.
fn is_our_lack(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error().is_some_and(out_of_descriptors)
}
