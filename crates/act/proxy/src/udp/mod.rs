//! `udp` listeners: datagrams both ways, in flows that stay with one endpoint.
//!
//! An [`Inlet`] is one socket of one worker. What comes in is taken many at a time and sent on by its flow's own socket,
//! which is connected to the endpoint; a task for each flow brings the answers back. Nothing is kept: what a socket
//! does not take at once is dropped, and counted with its reason.

mod flow;
mod lent;
mod table;

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use haechi_model::{Dropped, ListenerKind, UdpListener};
use haechi_sys::datagrams::{AT_ONCE, Batch, Datagram, Unicast};
use tokio::sync::Notify;

use self::flow::{Flow, Sent};
pub use self::lent::{FlowState, LentFlow};
use self::table::Table;
use crate::engine::{self, Watched, Way};
use crate::live::ListenerCounters;
use crate::scene::Local;
use crate::worker::{Open, Worker};

/// Flows that a worker ends for another one in a tick: 3,200 a second.
const GIVEN: usize = 64;

/// One UDP socket of a listener.
pub(crate) struct Inlet {
    local: Rc<Local>,
    socket: Watched<UdpSocket>,
    address: SocketAddr,
    /// Which one of the sockets that stand there.
    number: usize,
    state: Cell<State>,
    changed: Notify,
    flows: Table,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Whoever comes is served.
    Open,
    /// Only flows that are there already.
    Leaving,
    /// Another process may have what comes in, soon.
    Paused,
    /// Another socket has what comes in.
    Shut,
}

/// What becomes of the flows of a socket that is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flows {
    Stay,
    End,
}

/// Between whom a flow is: who asks, and which of our addresses was asked, where the socket stands on all of them.
type Ends = (SocketAddr, Option<Unicast>);

impl Inlet {
    pub(crate) fn new(
        local: Rc<Local>,
        socket: Watched<UdpSocket>,
        address: SocketAddr,
        number: usize,
    ) -> Rc<Self> {
        Rc::new(Self {
            local,
            socket,
            address,
            number,
            state: Cell::new(State::Open),
            changed: Notify::new(),
            flows: Table::default(),
        })
    }

    fn change(&self, state: State, flows: Flows) {
        self.state.set(state);
        if flows == Flows::End {
            self.flows.end_all();
        }
        self.changed.notify_one();
    }

    fn is_paused(&self) -> bool {
        self.state.get() == State::Paused
    }

    fn is_done(&self) -> bool {
        match self.state.get() {
            State::Open | State::Paused => false,
            State::Leaving => self.flows.is_empty(),
            State::Shut => true,
        }
    }

    fn dropped(&self, worker: &Worker, why: Dropped, datagrams: usize) {
        self.local.scene().listener().counters.of(worker.number).dropped(why, datagrams as u64);
    }

    /// Takes one batch; gives whether there may be more.
    fn take(self: &Rc<Self>, worker: &Rc<Worker>) -> bool {
        let mut batch = worker.datagrams.borrow_mut();
        let count = match self.socket.try_io(Way::In, |socket| batch.receive(socket)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "receive");
                return true;
            }
        };
        self.local.scene().listener().counters.of(worker.number).datagrams_in.add(count as u64);
        let mut first = 0;
        while first < count {
            let ends = batch.get(first).and_then(|datagram| self.ends(&datagram));
            let same = |at: &usize| batch.get(*at).and_then(|datagram| self.ends(&datagram)) == ends;
            let next = (first + 1..count).find(|at| !same(at)).unwrap_or(count);
            match ends {
                Some(ends) => self.forward(worker, ends, &batch, first..next),
                None => self.dropped(worker, Dropped::NotUnicast, next - first),
            }
            first = next;
        }
        if count < AT_ONCE {
            self.socket.exhausted(Way::In);
        }
        count == AT_ONCE
    }

    /// `None` for what nobody can answer, or what would be answered to ourselves without end.
    fn ends(&self, datagram: &Datagram<'_>) -> Option<Ends> {
        let stands_on_all = self.address.ip().is_unspecified();
        let own = if stands_on_all { datagram.to?.address } else { self.address.ip() };
        let port = self.address.port();
        let from_nobody =
            datagram.from.port() == 0 || (datagram.from.ip() == own && datagram.from.port() == port);
        (!from_nobody).then_some((datagram.from, datagram.to))
    }

    /// Sends some datagrams of one flow on, to another endpoint if its own is gone.
    fn forward(self: &Rc<Self>, worker: &Rc<Worker>, ends: Ends, batch: &Batch, which: Range<usize>) {
        let count = which.len();
        let mut left = which;
        let mut flow = match self.flows.get(&ends) {
            Some(flow) => flow,
            None => match self.begin(worker, ends, None) {
                Ok(flow) => flow,
                Err(why) => return self.dropped(worker, why, count),
            },
        };
        // Each endpoint that a pool remembers as tried, and the one that stands.
        for _ in 0..=haechi_balance::Tried::CAPACITY {
            if flow.should_move() {
                flow = self.begin(worker, ends, Some(&flow)).unwrap_or(flow);
            }
            match flow.send(worker, batch, left.clone()) {
                Sent::All => return,
                Sent::Part(rest, why) => return self.dropped(worker, why, rest),
                Sent::Refused(rest) => left = rest,
            }
        }
        self.dropped(worker, Dropped::EndpointUnreachable, left.len());
    }

    /// A new flow, in the place of `old` if there is one; that one stays if there is no other endpoint.
    fn begin(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        ends: Ends,
        old: Option<&Rc<Flow>>,
    ) -> Result<Rc<Flow>, Dropped> {
        let scene = self.local.scene();
        let ListenerKind::Udp(config) = &scene.listener().config.kind else {
            return Err(Dropped::NoEndpoint);
        };
        if self.state.get() != State::Open && old.is_none() {
            return Err(Dropped::NoEndpoint);
        }
        let open = match old {
            Some(old) => {
                let flow = Rc::new(Flow::new(worker, &scene, config, ends, Some(old))?);
                flow.takes_over(old);
                old.end();
                self.start(worker, ends, &flow);
                return Ok(flow);
            }
            None => self.place(worker, config, &scene.listener().counters).ok_or(Dropped::FlowsFull)?,
        };
        let flow = Rc::new(Flow::new(worker, &scene, config, ends, None)?);
        flow.keeps(Some(open));
        scene.listener().counters.of(worker.number).accepted.add(1);
        self.start(worker, ends, &flow);
        Ok(flow)
    }

    fn start(self: &Rc<Self>, worker: &Rc<Worker>, ends: Ends, flow: &Rc<Flow>) {
        self.flows.insert(ends, flow);
        engine::spawn(answers(Rc::clone(worker), Rc::clone(self), Rc::clone(flow)));
    }

    /// The right to one flow more, that of an old one if there are as many as may be.
    fn place(&self, worker: &Worker, config: &UdpListener, counters: &Arc<ListenerCounters>) -> Option<Open> {
        let most: Option<NonZeroU32> = Some(config.max_flows);
        Open::take(counters, most).or_else(|| match self.flows.oldest_that_may_go(worker.timers.now()) {
            Some(flow) => {
                flow.end();
                Open::take(counters, most)
            }
            None => {
                counters.wants_room.store(true, Ordering::Relaxed);
                None
            }
        })
    }

    /// Ends some flows that may go, if another worker looked for one in vain.
    fn give_room(&self, worker: &Worker) {
        let scene = self.local.scene();
        let wants_room = &scene.listener().counters.wants_room;
        if !wants_room.load(Ordering::Relaxed) {
            return;
        }
        let flows = std::iter::from_fn(|| self.flows.oldest_that_may_go(worker.timers.now()));
        let given = flows.take(GIVEN).map(|flow| flow.end()).count();
        if given > 0 {
            wants_room.store(false, Ordering::Relaxed);
        }
    }
}

/// Lets flows give way that another worker wants the room of. To be called with each tick.
pub(crate) fn give_room(worker: &Worker) {
    worker.inlets.borrow().iter().for_each(|inlet| inlet.give_room(worker));
}

/// Another socket is about to stand on this address: one that is being left would take from what is its.
pub(crate) fn make_room(worker: &Worker, address: SocketAddr) {
    let inlets = worker.inlets.borrow();
    let in_the_way = |inlet: &&Rc<Inlet>| inlet.address == address && inlet.state.get() == State::Leaving;
    inlets.iter().filter(in_the_way).for_each(|inlet| inlet.change(State::Shut, Flows::End));
}

/// Takes no new flows; nothing at all if another socket stands there too, whose they are.
pub(crate) fn leave(worker: &Worker, inlet: &Rc<Inlet>, has_heir: bool) {
    let inlets = worker.inlets.borrow();
    let other = |other: &&Rc<Inlet>| {
        !Rc::ptr_eq(other, inlet) && other.address == inlet.address && other.state.get() == State::Open
    };
    if has_heir {
        // It has the flows too.
        inlet.change(State::Shut, Flows::End);
    } else if inlets.iter().any(|it| other(&it)) {
        // A flow would keep this socket open, and the kernel would go on giving it a share of what comes.
        inlet.change(State::Shut, Flows::End);
    } else {
        inlet.change(State::Leaving, Flows::Stay);
    }
}

/// Takes what comes to one socket until it is left.
pub(crate) async fn serve(worker: Rc<Worker>, inlet: Rc<Inlet>) {
    while !inlet.is_done() {
        tokio::select! {
            biased;
            () = inlet.changed.notified() => {}
            () = std::future::poll_fn(|cx| inlet.socket.poll_note(Way::In, cx)), if !inlet.is_paused() => {
                if inlet.take(&worker) {
                    engine::yield_now().await;
                }
            }
        }
    }
    worker.inlets.borrow_mut().retain(|other| !Rc::ptr_eq(other, &inlet));
}

/// Brings a flow's answers back until it ends.
async fn answers(worker: Rc<Worker>, inlet: Rc<Inlet>, flow: Rc<Flow>) {
    loop {
        let more = std::future::poll_fn(|cx| flow.poll_answers(cx, &worker, &inlet)).await;
        match more {
            Some(true) => engine::yield_now().await,
            Some(false) => {}
            None => break,
        }
    }
    flow.end();
    inlet.flows.remove(&flow);
    if inlet.state.get() == State::Leaving {
        inlet.changed.notify_one();
    }
}
