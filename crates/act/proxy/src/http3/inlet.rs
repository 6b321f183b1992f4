//! One UDP socket of one worker that speaks QUIC: which connection a datagram is for, and whether one more may begin.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use haechi_http3::Code;
use haechi_model::{Dropped, Handshake};
use haechi_sys::clock;
use haechi_sys::datagrams::segments::{self, SEGMENTS};
use haechi_sys::datagrams::{AT_ONCE, Unicast};
use haechi_trust::Shown;
use quinn_proto::{DatagramEvent, Endpoint, EndpointEvent, Incoming, ServerConfig, Transmit};
use tokio::sync::Notify;

use super::alarms::{Alarms, Sleep};
use super::marks::{Mail, Marker, Stray, owner_of};
use super::shared::{Shared, wire};
use super::{config, connection};
use crate::engine::{self, Watched, Way};
use crate::live::ListenerCounters;
use crate::scene::Local;
use crate::worker::{Open, Worker};

/// One socket of a listener with its connections.
pub(crate) struct Inlet {
    pub(super) local: Rc<Local>,
    socket: Watched<UdpSocket>,
    pub(super) address: SocketAddr,
    number: usize,
    /// Whose counters count it.
    worker: usize,
    state: Cell<State>,
    changed: Notify,
    endpoint: RefCell<Endpoint>,
    connections: RefCell<HashMap<usize, Rc<Shared>>>,
    alarms: Alarms,
    /// Handshakes in progress.
    shaking: Cell<usize>,
    /// What connections begin with, and what it was made of.
    made: RefCell<Option<(Arc<Shown>, Arc<ServerConfig>)>>,
    /// What the endpoint says at once is written here.
    out: RefCell<Vec<u8>>,
    /// Most datagrams that the kernel cuts of one piece: one where it does not cut.
    at_once: Cell<usize>,
    mail: RefCell<Option<Mail>>,
    peers: Arc<[tokio::sync::mpsc::Sender<Stray>]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Whoever comes is served.
    Open,
    /// Only connections that are there already.
    Leaving,
    /// Another socket has what comes in.
    Shut,
}

impl Inlet {
    pub(crate) fn new(
        local: Rc<Local>,
        socket: Watched<UdpSocket>,
        address: SocketAddr,
        (number, worker): (usize, usize),
        mail: Mail,
    ) -> Rc<Self> {
        if let Err(error) = segments::never_cut(socket.socket()) {
            tracing::debug!(%address, %error, "datagrams may be cut on their way");
        }
        let marker = Marker { number, sockets: mail.to.len() };
        let endpoint = Endpoint::new(config::endpoint(marker), None, true, None);
        Rc::new(Self {
            local,
            socket,
            address,
            number,
            worker,
            state: Cell::new(State::Open),
            changed: Notify::new(),
            endpoint: RefCell::new(endpoint),
            connections: RefCell::default(),
            alarms: Alarms::default(),
            shaking: Cell::new(0),
            made: RefCell::default(),
            out: RefCell::default(),
            at_once: Cell::new(SEGMENTS / 4),
            peers: Arc::clone(&mail.to),
            mail: RefCell::new(Some(mail)),
        })
    }

    fn change(&self, state: State) {
        self.state.set(state);
        if state == State::Shut {
            let now = clock::instant(engine::now());
            for shared in self.connections.borrow().values() {
                shared.core.borrow_mut().close(now, wire(Code::NO_ERROR), "served elsewhere".into());
                shared.wake();
            }
        }
        self.changed.notify_one();
        self.alarms.look();
    }

    fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
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
        self.refresh();
        self.counters().of(worker.number).datagrams_in.add(count as u64);
        for datagram in (0..count).filter_map(|index| batch.get(index)) {
            let (from, to) = (datagram.from, datagram.to);
            match owner_of(datagram.bytes, self.peers.len()) {
                Some(other) if other != self.number => {
                    let stray = Stray { from, to, bytes: datagram.bytes.into() };
                    if self.peers.get(other).is_none_or(|peer| peer.try_send(stray).is_err()) {
                        self.counters().of(worker.number).dropped(Dropped::Overloaded, 1);
                    }
                }
                _ => self.hear(worker, from, to, datagram.bytes),
            }
        }
        if count < AT_ONCE {
            self.socket.exhausted(Way::In);
        }
        count == AT_ONCE
    }

    /// One datagram.
    fn hear(self: &Rc<Self>, worker: &Rc<Worker>, from: SocketAddr, to: Option<Unicast>, bytes: &[u8]) {
        if from.port() == 0 {
            return;
        }
        let mut out = self.out.borrow_mut();
        out.clear();
        let own = to.map(|to| to.address);
        let now = clock::instant(engine::now());
        let event = self.endpoint.borrow_mut().handle(now, from, own, None, BytesMut::from(bytes), &mut out);
        match event {
            None => {}
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let connections = self.connections.borrow();
                if let Some(shared) = connections.get(&handle.0) {
                    shared.core.borrow_mut().handle_event(event);
                    shared.wake();
                }
            }
            Some(DatagramEvent::Response(transmit)) => self.send(&transmit, &out),
            Some(DatagramEvent::NewConnection(incoming)) => self.meet(worker, incoming, &mut out),
        }
    }

    fn counters(&self) -> Arc<ListenerCounters> {
        Arc::clone(&self.local.scene().listener().counters)
    }

    /// Looks whether the listener shows another certificate, or is configured otherwise.
    fn refresh(&self) {
        let scene = self.local.scene();
        let Some((shown, http)) = scene.listener().shown().zip(scene.http()) else { return };
        let mut made = self.made.borrow_mut();
        if made.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, &shown)) {
            return;
        }
        *made = config::server(&shown.config, http).map(|server| (shown, server));
        let server = made.as_ref().map(|(_, server)| Arc::clone(server));
        self.endpoint.borrow_mut().set_server_config(server);
    }

    /// A client that nobody knows: it is accepted, asked whether it is where it says, or refused.
    fn meet(self: &Rc<Self>, worker: &Rc<Worker>, incoming: Incoming, out: &mut Vec<u8>) {
        let scene = self.local.scene();
        let listener = scene.listener();
        let mut endpoint = self.endpoint.borrow_mut();
        let most =
            scene.http().and_then(|http| http.tls.as_ref()).map_or(0, |tls| tls.max_handshakes as usize);
        if self.state.get() != State::Open || worker.pressed.is_full() || most == 0 {
            let transmit = endpoint.refuse(incoming, out);
            return self.send(&transmit, out);
        }
        // Whoever invents addresses gets no further than a token, which costs us no memory (RFC 9000 §8.1.2).
        if self.shaking.get() >= most / 2 && incoming.may_retry() && !incoming.remote_address_validated() {
            // It may be asked, so it is.
            if let Ok(transmit) = endpoint.retry(incoming, out) {
                self.send(&transmit, out);
            }
            return;
        }
        let place = Open::take(&listener.counters, listener.config.max_connections);
        let place = place.map(|mut open| open.sit(listener, incoming.remote_address().ip()).map(|()| open));
        let open = match place {
            Some(Ok(open)) => open,
            refused => {
                if let Some(Err(fault)) = refused {
                    listener.counters.of(worker.number).fault(fault);
                }
                let transmit = endpoint.refuse(incoming, out);
                return self.send(&transmit, out);
            }
        };
        let now = clock::instant(engine::now());
        match endpoint.accept(incoming, now, out, None) {
            Ok((handle, core)) => {
                listener.counters.of(worker.number).accepted.add(1);
                let shared = Shared::new(core);
                self.connections.borrow_mut().insert(handle.0, Rc::clone(&shared));
                self.shaking.set(self.shaking.get() + 1);
                let (worker, inlet) = (Rc::clone(worker), Rc::clone(self));
                engine::spawn(connection::serve(worker, inlet, shared, handle, open));
            }
            Err(error) => {
                tracing::debug!(error = %error.cause, "QUIC handshake");
                listener.counters.of(worker.number).handshake(Handshake::Refused);
                if let Some(transmit) = error.response {
                    self.send(&transmit, out);
                }
            }
        }
    }

    /// A handshake is over.
    pub(super) fn shaken(&self) {
        self.shaking.set(self.shaking.get().saturating_sub(1));
    }

    /// Passes on what a connection says to the endpoint, and back.
    pub(super) fn pass_on(&self, handle: quinn_proto::ConnectionHandle, shared: &Shared) {
        loop {
            let event: Option<EndpointEvent> = shared.core.borrow_mut().poll_endpoint_events();
            let Some(event) = event else { break };
            let answer = self.endpoint.borrow_mut().handle_event(handle, event);
            if let Some(answer) = answer {
                shared.core.borrow_mut().handle_event(answer);
            }
        }
    }

    /// When a connection is to be looked at again.
    pub(super) fn alarm(&self, handle: quinn_proto::ConnectionHandle, at: Option<std::time::Instant>) {
        self.alarms.set(handle.0, at.map(clock::moment));
    }

    /// A connection is no more.
    pub(super) fn forget(&self, handle: quinn_proto::ConnectionHandle) {
        self.alarms.set(handle.0, None);
        self.connections.borrow_mut().remove(&handle.0);
        if self.is_empty() {
            self.changed.notify_one();
            self.alarms.look();
        }
    }

    /// Most datagrams of one piece.
    pub(super) fn at_once(&self) -> usize {
        self.at_once.get()
    }

    /// Sends what stands at the beginning of `bytes`. What the socket does not take is lost, as on any path, and sent
    /// again by QUIC.
    pub(super) fn send(&self, transmit: &Transmit, bytes: &[u8]) {
        let bytes = bytes.get(..transmit.size).unwrap_or_default();
        let (to, own) = (transmit.destination, transmit.src_ip.map(|own| source(own, transmit.destination)));
        let segment = transmit.segment_size.and_then(|size| u16::try_from(size).ok());
        let counters = self.counters();
        let counters = counters.of(self.worker);
        let datagrams = segment.map_or(1, |segment| bytes.len().div_ceil(usize::from(segment).max(1)));
        let socket = self.socket.socket();
        let Err(error) = segments::send(socket, bytes, segment, to, own) else {
            return counters.datagrams_out.add(datagrams as u64);
        };
        let Some(segment) = segment.filter(|_| cannot_cut(&error)) else {
            return tracing::trace!(%to, %error, "send");
        };
        self.at_once.set(1);
        for datagram in bytes.chunks(usize::from(segment).max(1)) {
            if let Err(error) = segments::send(socket, datagram, None, to, own) {
                tracing::trace!(%to, %error, "send");
            }
        }
    }
}

/// Whether the way, and not the datagram, is the reason (udp(7)).
fn cannot_cut(error: &io::Error) -> bool {
    // EIO, EINVAL, EOPNOTSUPP
    matches!(error.raw_os_error(), Some(5 | 22 | 95))
}

/// A link-local address is nothing without its interface, which is the client's too.
fn source(own: IpAddr, to: SocketAddr) -> Unicast {
    let interface = match (own, to) {
        (IpAddr::V6(own), SocketAddr::V6(to)) if own.is_unicast_link_local() => to.scope_id(),
        _ => 0,
    };
    Unicast { address: own, interface }
}

/// Another socket is about to stand on this address: one that is being left would take from what is its.
pub(crate) fn make_room(worker: &Worker, address: SocketAddr) {
    let inlets = worker.quic.borrow();
    let in_the_way = |inlet: &&Rc<Inlet>| inlet.address == address && inlet.state.get() == State::Leaving;
    inlets.iter().filter(in_the_way).for_each(|inlet| inlet.change(State::Shut));
}

/// Takes no new connections; nothing at all if another process has the socket too.
pub(crate) fn leave(inlet: &Inlet, has_heir: bool) {
    inlet.change(if has_heir { State::Shut } else { State::Leaving });
}

/// Takes what comes to one socket until it is left.
pub(crate) async fn serve(worker: Rc<Worker>, inlet: Rc<Inlet>) {
    let Some(mut mail) = inlet.mail.borrow_mut().take() else { return };
    engine::spawn(ring(Rc::clone(&inlet)));
    loop {
        let done = match inlet.state.get() {
            State::Open => false,
            State::Leaving => inlet.is_empty(),
            State::Shut => true,
        };
        if done {
            break;
        }
        tokio::select! {
            biased;
            () = inlet.changed.notified() => {}
            Some(stray) = mail.own.recv() => {
                inlet.hear(&worker, stray.from, stray.to, &stray.bytes);
                // Another worker may send them faster than they are read here.
                engine::yield_now().await;
            }
            () = std::future::poll_fn(|cx| inlet.socket.poll_note(Way::In, cx)) => {
                if inlet.take(&worker) {
                    engine::yield_now().await;
                }
            }
        }
    }
    worker.quic.borrow_mut().retain(|other| !Rc::ptr_eq(other, &inlet));
}

/// Wakes connections when their moment has come.
async fn ring(inlet: Rc<Inlet>) {
    let mut sleep = Sleep::new();
    std::future::poll_fn(|cx| {
        while let Poll::Ready(connection) = inlet.alarms.poll_ring(cx, &mut sleep) {
            if let Some(shared) = inlet.connections.borrow().get(&connection) {
                shared.wake();
            }
        }
        let over = inlet.is_empty() && inlet.state.get() != State::Open;
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
