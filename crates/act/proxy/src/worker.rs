//! A worker: one thread, one event loop, its own sockets, connections and buffers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haechi_http1::{Pieces, RequestHead, ResponseHead};
use haechi_http2::Head;
use haechi_model::{EndpointId, Fault, ListenerKind, ListenerName, Moment, Pressure};
use haechi_sys::datagrams::Batch;
use haechi_sys::net;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, oneshot};

use crate::away::Away;
use crate::buffers::Buffers;
use crate::coder::Coders;
use crate::engine::{self, Watched, Way};
use crate::forwarding::Names;
use crate::handshake::Handshakes;
use crate::http2::Links;
#[cfg(feature = "http3")]
use crate::http3;
use crate::live::{ListenerCounters, Live, LiveListener, Seat};
use crate::preface::Origin;
use crate::pressed::Pressed;
use crate::scene::{Local, Scene};
use crate::sockets::{Opening, Socket, Stand};
use crate::stream::{Room, Stream, room};
use crate::timer::{TICK, Timers};
use crate::udp::{Inlet, LentFlow};
use crate::upstream::{IdleConnections, out_of_descriptors};
use crate::{client, preface, tunnel, udp, unopened};

/// Connections accepted in one go before others get their turn.
const ACCEPT_BATCH: u32 = 64;

/// Ticks between two looks at idle connections: a second.
const TICKS_PER_SWEEP: u32 = 50;

/// How long a silent client of a listener that is gone may still bring a request, and then be told that it was the
/// last here. One that finds its connection closed may not dare to ask again (nginx's `keepalive_min_timeout`,
/// HAProxy's `idle-close-on-response`); one that asks less often sees the end before it asks.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What the control plane tells a worker.
pub(crate) enum Command {
    /// A new generation: sockets to stand on, sockets to leave, listeners that are gone.
    Apply {
        live: Arc<Live>,
        open: Vec<Opening>,
        close: Vec<Stand>,
        done: oneshot::Sender<()>,
    },
    /// Addresses moved.
    Moved(Arc<[IpAddr]>, Move),
    /// Gives UDP flows to another process, and takes nothing for them until it is told to keep them.
    LendFlows(oneshot::Sender<Vec<LentFlow>>),
    KeepFlows,
    /// There is so much memory left.
    Press(Pressure),
    /// Closes idle connections to this endpoint.
    Purge(u64),
    /// Cuts off connections that work with this endpoint.
    Cut(u64),
    /// Takes nothing new and says when all is finished, or gives up after `grace`. Silent clients are left after
    /// `patience`.
    /// `has_heir`: another process has the sockets too, and datagrams are its own from now on.
    Stop {
        grace: Duration,
        patience: Duration,
        has_heir: bool,
        done: oneshot::Sender<usize>,
    },
}

/// What became of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// Another node has them. Silent clients are left at this moment.
    Away(Moment),
    /// They are here again.
    Back,
    /// Nothing comes in for them any more.
    Gone,
}

/// When a worker's event loop last turned, for others to see.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    pub(crate) fn new(now: Moment) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_nanos())))
    }

    fn beat(&self, now: Moment) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Moment {
        Moment::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// What a worker tells the control plane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signal {
    /// An endpoint failed as many requests in a row as its pool's passive check allows.
    FailuresInARow(EndpointId),
    /// TLS with an endpoint fails for this reason, or for none any more.
    Distrust(EndpointId, Box<str>),
}

/// Parsers and vectors that are used anew for each head.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) request: RequestHead,
    pub(crate) response: ResponseHead,
    pub(crate) out: Vec<u8>,
    pub(crate) lines: Vec<u8>,
    pub(crate) pieces: Pieces,
}

/// What the connections of one thread share.
pub(crate) struct Worker {
    pub(crate) number: usize,
    pub(crate) buffers: Buffers,
    pub(crate) timers: Rc<Timers>,
    pub(crate) idle: IdleConnections,
    pub(crate) links: Links,
    pub(crate) away: Away,
    pub(crate) pressed: Pressed,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) coders: Coders,
    /// Buffers of connections that are encrypted.
    pub(crate) room: Rc<Room>,
    pub(crate) handshakes: Handshakes,
    pub(crate) names: Names,
    /// What a head of HTTP/2 is decoded into.
    pub(crate) http2_head: Cell<Head>,
    random: Cell<u64>,
    stopping: Cell<bool>,
    signals: UnboundedSender<Signal>,
    locals: RefCell<HashMap<ListenerName, Rc<Local>>>,
    /// Several where a former process had more workers.
    sockets: RefCell<HashMap<Stand, Leaves>>,
    /// UDP sockets that stand, or whose last flows are under way.
    pub(crate) inlets: RefCell<Vec<Rc<Inlet>>>,
    /// UDP sockets that speak QUIC.
    #[cfg(feature = "http3")]
    pub(crate) quic: RefCell<Vec<Rc<http3::Inlet>>>,
    pub(crate) datagrams: RefCell<Batch>,
}

impl Worker {
    fn new(number: usize, seed: u64, signals: UnboundedSender<Signal>) -> Rc<Self> {
        Rc::new(Self {
            number,
            buffers: Buffers::new(),
            timers: Timers::new(engine::now),
            idle: IdleConnections::default(),
            links: Links::default(),
            away: Away::default(),
            pressed: Pressed::default(),
            scratch: RefCell::default(),
            coders: Coders::default(),
            room: room(),
            handshakes: Handshakes::default(),
            names: Names::default(),
            http2_head: Cell::default(),
            // xorshift must not start at 0.
            random: Cell::new(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            stopping: Cell::new(false),
            signals,
            locals: RefCell::default(),
            sockets: RefCell::default(),
            inlets: RefCell::default(),
            #[cfg(feature = "http3")]
            quic: RefCell::default(),
            datagrams: RefCell::default(),
        })
    }

    /// Random enough to break ties (xorshift64*).
    #[inline]
    pub(crate) fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn tell(&self, signal: Signal) {
        // Without a control plane the process is on its way out.
        let _ = self.signals.send(signal);
    }

    fn apply(self: &Rc<Self>, live: &Arc<Live>, open: Vec<Opening>, close: Vec<Stand>) {
        {
            let mut locals = self.locals.borrow_mut();
            locals.retain(|name, local| {
                let stays = live.listeners.iter().any(|listener| listener.config.name == *name);
                if !stays {
                    local.close(haechi_sys::clock::now() + PATIENCE);
                }
                stays
            });
            for (index, listener) in live.listeners.iter().enumerate() {
                let scene = Scene::new(Arc::clone(live), index);
                match locals.get(&listener.config.name) {
                    Some(local) => local.change(scene),
                    None => drop(locals.insert(listener.config.name.clone(), Local::new(scene))),
                }
            }
        }
        for opening in open {
            self.open(opening);
        }
        for stand in close {
            let leaves = self.sockets.borrow_mut().remove(&stand);
            leaves.iter().flatten().for_each(|leave| leave.tell(self, false));
        }
        self.timers.wake_all();
    }

    fn moved(&self, addresses: &[IpAddr], what: Move) {
        match what {
            Move::Away(leaves_at) => self.away.give(addresses, leaves_at),
            Move::Back => self.away.take_back(addresses),
            Move::Gone => return self.away.forget(addresses),
        }
        self.timers.wake_all();
    }

    fn press(&self, pressure: Pressure) {
        if self.pressed.change(pressure, haechi_sys::clock::now() + PATIENCE) {
            self.idle.clear();
            self.timers.wake_all();
        }
    }

    fn open(self: &Rc<Self>, opening: Opening) {
        #[cfg(feature = "http3")]
        let mail = opening.mail;
        let Opening { stand, socket, number, flows, .. } = opening;
        let Some(local) = self.locals.borrow().get(&stand.listener).cloned() else { return };
        let address = stand.address;
        // The control plane may keep a descriptor of its own.
        let leave = match socket {
            Socket::Stream(socket) => Watched::shared(socket).map(|socket| {
                let leave = Rc::new(Notify::new());
                engine::spawn(accept_all(Rc::clone(self), local, socket, Rc::clone(&leave)));
                Leave::Stream(leave)
            }),
            #[cfg(feature = "http3")]
            Socket::Datagram(socket) if local.scene().http().is_some() => {
                Watched::shared(socket).map(|socket| {
                    http3::make_room(self, address);
                    let inlet = http3::Inlet::new(local, socket, address, (number, self.number), mail);
                    self.quic.borrow_mut().push(Rc::clone(&inlet));
                    engine::spawn(http3::serve(Rc::clone(self), Rc::clone(&inlet)));
                    Leave::Quic(inlet)
                })
            }
            Socket::Datagram(socket) => Watched::shared(socket).map(|socket| {
                udp::make_room(self, address);
                let inlet = Inlet::new(local, socket, address, number);
                flows.into_iter().for_each(|flow| inlet.adopt(self, flow));
                self.inlets.borrow_mut().push(Rc::clone(&inlet));
                engine::spawn(udp::serve(Rc::clone(self), Rc::clone(&inlet)));
                Leave::Datagram(inlet)
            }),
        };
        match leave {
            Ok(leave) => self.sockets.borrow_mut().entry(stand).or_default().push(leave),
            Err(error) => tracing::error!(%address, %error, "the event loop refuses a listening socket"),
        }
    }

    /// Serves one accepted connection in a task of its own.
    fn serve(
        self: &Rc<Self>,
        local: &Rc<Local>,
        socket: std::net::TcpStream,
        peer: SocketAddr,
        mut open: Open,
    ) {
        let (worker, local) = (Rc::clone(self), Rc::clone(local));
        let stream = Stream::accepted(socket);
        match local.scene().listener().config.kind {
            ListenerKind::Http(_) => engine::spawn(async move {
                let met = meet(&worker, &local, stream, peer, &mut open).await;
                let Some((stream, origin)) = met else { return };
                client::serve(worker, local, stream, origin).await;
                drop(open);
            }),
            ListenerKind::Tcp(_) => engine::spawn(async move {
                let met = meet(&worker, &local, stream, peer, &mut open).await;
                let Some((stream, origin)) = met else { return };
                tunnel::serve(worker, local, stream, origin).await;
                drop(open);
            }),
            ListenerKind::Tls(_) => engine::spawn(async move {
                let met = meet(&worker, &local, stream, peer, &mut open).await;
                let Some((stream, origin)) = met else { return };
                unopened::serve(worker, local, stream, origin).await;
                drop(open);
            }),
            // Nothing is accepted there.
            ListenerKind::Udp(_) => {}
        }
    }
}

/// Learns whose connection it is; `None` if it is refused.
async fn meet(
    worker: &Worker,
    local: &Local,
    mut stream: Stream,
    peer: SocketAddr,
    open: &mut Open,
) -> Option<(Stream, Origin)> {
    let scene = local.scene();
    let listener = scene.listener();
    let origin = match listener.config.proxy_protocol {
        None => Ok(Origin::of(peer)),
        // Boxed because it is rare, and every connection's memory would hold room for it.
        Some(_) => Box::pin(preface::meet(worker, &scene, &mut stream, peer)).await,
    };
    let met = origin.and_then(|origin| {
        open.sit(listener, origin.client.ip())?;
        Ok(origin)
    });
    match met {
        Ok(origin) => Some((stream, origin)),
        Err(fault) => {
            listener.counters.of(worker.number).fault(fault);
            tracing::debug!(%peer, fault = fault.name(), "connection refused");
            stream.reset_on_close();
            None
        }
    }
}

/// A connection's (or flow's) place at its listener, for as long as it lives.
pub(crate) struct Open {
    counters: Arc<ListenerCounters>,
    /// Beside other connections of its client.
    seat: Option<Seat>,
}

impl Open {
    /// Takes a place before there is a connection for it, so that no two workers take the last one. `None`
    /// when `most` are taken.
    pub(crate) fn take(counters: &Arc<ListenerCounters>, most: Option<NonZeroU32>) -> Option<Self> {
        let before = counters.opened();
        let place = Self { counters: Arc::clone(counters), seat: None };
        most.is_none_or(|most| before < u64::from(most.get())).then_some(place)
    }

    /// Beside the other connections of its client.
    ///
    /// # Errors
    /// There are as many as it may have.
    pub(crate) fn sit(&mut self, listener: &LiveListener, client: IpAddr) -> Result<(), Fault> {
        self.seat = listener.seat(client)?;
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.closed();
    }
}

/// To be told when the sockets of one address are to be left.
type Leaves = Vec<Leave>;

enum Leave {
    Stream(Rc<Notify>),
    Datagram(Rc<Inlet>),
    #[cfg(feature = "http3")]
    Quic(Rc<http3::Inlet>),
}

impl Leave {
    /// `has_heir`: another process has the socket too.
    fn tell(&self, worker: &Worker, has_heir: bool) {
        match self {
            Self::Stream(leave) => leave.notify_one(),
            Self::Datagram(inlet) => udp::leave(worker, inlet, has_heir),
            #[cfg(feature = "http3")]
            Self::Quic(inlet) => http3::leave(inlet, has_heir),
        }
    }
}

/// Accepts until the socket is to be left; what the kernel has accepted by then is served still.
async fn accept_all(worker: Rc<Worker>, local: Rc<Local>, socket: Watched<TcpListener>, leave: Rc<Notify>) {
    loop {
        tokio::select! {
            biased;
            () = leave.notified() => break,
            () = std::future::poll_fn(|cx| socket.poll_note(Way::In, cx)) => {
                match accept_some(&worker, &local, &socket, Bound::Kept) {
                    Accepted::Drained => {}
                    Accepted::Some => engine::yield_now().await,
                    Accepted::Full | Accepted::Exhausted => engine::sleep(TICK).await,
                }
            }
        }
    }
    while matches!(accept_some(&worker, &local, &socket, Bound::Waived), Accepted::Some) {}
}

/// Whether `maxConnections` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Kept,
    /// The socket is closed next, and would reset whoever waits in it.
    Waived,
}

enum Accepted {
    /// The kernel's queue is empty.
    Drained,
    /// There may be more.
    Some,
    /// The listener has as many connections as it may, or there is no memory for more; the rest waits in the kernel.
    Full,
    /// Out of descriptors: trying again at once would spin.
    Exhausted,
}

fn accept_some(
    worker: &Rc<Worker>,
    local: &Rc<Local>,
    socket: &Watched<TcpListener>,
    bound: Bound,
) -> Accepted {
    let scene = local.scene();
    let listener = scene.listener();
    let most = listener.config.max_connections.filter(|_| bound == Bound::Kept);
    if bound == Bound::Kept && worker.pressed.is_full() {
        return Accepted::Full;
    }
    for _ in 0..ACCEPT_BATCH {
        let Some(open) = Open::take(&listener.counters, most) else { return Accepted::Full };
        let accepted = match bound {
            Bound::Kept => socket.try_io(Way::In, net::accept),
            // Who came after the loop's last look is in nobody's notes yet.
            Bound::Waived => net::accept(socket.socket()),
        };
        match accepted {
            Ok((stream, peer)) => {
                listener.counters.of(worker.number).accepted.add(1);
                worker.serve(local, stream, peer, open);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Accepted::Drained,
            Err(error) if error.raw_os_error().is_some_and(out_of_descriptors) => {
                tracing::warn!(%error, "can't accept; raise the limit of open files");
                return Accepted::Exhausted;
            }
            // The client went away while it waited (ECONNABORTED and the like).
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
    Accepted::Some
}

/// The life of a worker's thread.
pub(crate) async fn run(
    number: usize,
    seed: u64,
    signals: UnboundedSender<Signal>,
    mut commands: UnboundedReceiver<Command>,
    pulse: Pulse,
) {
    let worker = Worker::new(number, seed, signals);
    engine::spawn(tick(Rc::clone(&worker), pulse));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Apply { live, open, close, done } => {
                worker.apply(&live, open, close);
                // The control plane may have stopped waiting.
                let _ = done.send(());
            }
            Command::Moved(addresses, what) => worker.moved(&addresses, what),
            Command::LendFlows(done) => {
                let inlets = worker.inlets.borrow();
                let _ = done.send(inlets.iter().flat_map(|inlet| inlet.lend()).collect());
            }
            Command::KeepFlows => worker.inlets.borrow().iter().for_each(|inlet| inlet.keep()),
            Command::Press(pressure) => worker.press(pressure),
            Command::Purge(serial) => {
                worker.idle.purge(serial);
                worker.links.purge(serial);
            }
            Command::Cut(serial) => worker.timers.cut(serial),
            Command::Stop { grace, patience, has_heir, done } => {
                let left = stop(&worker, grace, patience, has_heir).await;
                let _ = done.send(left);
                return;
            }
        }
    }
}

async fn tick(worker: Rc<Worker>, pulse: Pulse) {
    let mut count = 0u32;
    loop {
        engine::sleep(TICK).await;
        let now = engine::now();
        pulse.beat(now);
        worker.timers.tick(now);
        udp::give_room(&worker);
        count = count.wrapping_add(1);
        if count.is_multiple_of(TICKS_PER_SWEEP) {
            worker.idle.sweep(now);
            if worker.pressed.is_high() {
                worker.idle.clear();
                worker.buffers.clear();
                haechi_sys::memory::give_back();
            }
        }
    }
}

/// Finishes what runs. Gives the number of connections that did not end in time.
async fn stop(worker: &Rc<Worker>, grace: Duration, patience: Duration, has_heir: bool) -> usize {
    let leaves_at = haechi_sys::clock::now() + patience;
    worker.stopping.set(true);
    for (_, leaves) in worker.sockets.borrow_mut().drain() {
        leaves.iter().for_each(|leave| leave.tell(worker, has_heir));
    }
    for local in worker.locals.borrow().values() {
        local.close(leaves_at);
    }
    let until = haechi_sys::clock::now() + grace;
    // The accept loops end first, so that what they accept last is counted.
    engine::yield_now().await;
    while worker.timers.len() > 0 && haechi_sys::clock::now() < until {
        worker.timers.wake_all();
        engine::sleep(TICK).await;
    }
    worker.idle.clear();
    worker.timers.len()
}
