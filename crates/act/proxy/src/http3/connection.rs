//! One connection: its handshake, what comes on its streams, and its end.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use haechi_http2::{Head, Limits};
use haechi_http3::{Broken, Code, Event, Heard, Messages, OneWay, Scope, Seen, write};
use haechi_model::{Fault, Handshake, Moment};
use haechi_preface::Ends;
use haechi_sys::clock;
use quinn_proto::{ConnectionError, ConnectionHandle, Dir, Event as Quic, StreamEvent, StreamId};
use rustls::pki_types::CertificateDer;

use super::config;
use super::gate::Gate;
use super::inlet::Inlet;
use super::read::Read;
use super::shared::{Shared, wire};
use super::stream::{Exchange, Form, answer, rest_of, say};
use crate::admit::{Admitted, Refused, Request, admit};
use crate::away::Leaving;
use crate::engine;
use crate::exchange;
use crate::forwarding;
use crate::http2::{grpc, refused_tunnel, write_head};
use crate::preface::Origin;
use crate::timer::Timer;
use crate::who::Who;
use crate::worker::{Open, Worker};

/// Pieces that are sent in one turn, before others get theirs: a megabyte.
const PIECES: usize = 64;

/// Bytes of a stream that are looked at in one go.
const CHUNK: usize = 16 << 10;

/// From the first farewell, which leaves all requests their turn, to the last one: what has been sent by then has come.
/// A round trip of a poor path; some are longer, and their clients ask again (RFC 9114 §5.2).
const FAREWELL: Duration = Duration::from_millis(500);

/// How long what was sent last may take to arrive before the connection is closed over it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// No deadline.
const NEVER: Moment = Moment::from_nanos(u64::MAX);

/// How far the end is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Farewell {
    None,
    /// The client knows since then that the end is near.
    Said(Moment),
    /// And by now up to which request it is served.
    Last(Moment),
}

/// A request whose head has not come whole.
struct Pending {
    id: StreamId,
    messages: Messages,
    /// By when it must have.
    until: Moment,
}

struct Serving<'a> {
    worker: &'a Rc<Worker>,
    inlet: &'a Rc<Inlet>,
    shared: &'a Rc<Shared>,
    handle: ConnectionHandle,
    timer: &'a Timer,
    limits: Limits,
    who: Who,
    between: Ends,
    leaving: Leaving,
    /// Our control stream, once there is one.
    control: Option<StreamId>,
    one_ways: HashMap<StreamId, OneWay>,
    seen: Seen,
    pending: Vec<Pending>,
    resets: Gate,
    /// The first request that was not looked at.
    next: u64,
    served: u64,
    farewell: Farewell,
    idle_since: Option<Moment>,
    /// When a client whose request takes long is asked whether it is there.
    asked_at: Moment,
    handshake: Option<Handshake>,
}

/// Serves a client from its first datagram on.
pub(super) async fn serve(
    worker: Rc<Worker>,
    inlet: Rc<Inlet>,
    shared: Rc<Shared>,
    handle: ConnectionHandle,
    open: Open,
) {
    let came_out = {
        let timer = worker.timers.timer();
        let scene = inlet.local.scene();
        let (most, patience) = scene.http().map_or((0, Duration::ZERO), |http| {
            (http.tls.as_ref().map_or(0, |tls| tls.max_handshakes as usize), http.timeouts.header)
        });
        drop(scene);
        let mut turn = Some(worker.handshakes.begin(most, &timer));
        timer.set(patience);
        let (who, between) = who(&inlet, &shared);
        let mut serving = Serving {
            worker: &worker,
            inlet: &inlet,
            shared: &shared,
            handle,
            timer: &timer,
            limits: Limits::default(),
            who,
            between,
            leaving: Leaving::new(&worker.away),
            control: None,
            one_ways: HashMap::new(),
            seen: Seen::default(),
            pending: Vec::new(),
            resets: Gate::default(),
            next: 0,
            served: 0,
            farewell: Farewell::None,
            idle_since: None,
            asked_at: NEVER,
            handshake: None,
        };
        std::future::poll_fn(|cx| {
            let done = serving.poll(cx);
            if serving.handshake.is_some() && turn.take().is_some() {
                inlet.shaken();
            }
            done
        })
        .await;
        if turn.take().is_some() {
            inlet.shaken();
        }
        serving.handshake
    };
    let scene = inlet.local.scene();
    if came_out.is_none() {
        scene.listener().counters.of(worker.number).handshake(Handshake::Left);
    }
    drop(scene);
    shared.end_all();
    drop(open);
    // What QUIC has to say after the end: that it has ended, to whoever did not hear it.
    std::future::poll_fn(|cx| {
        shared.runs(cx);
        send_all(&inlet, &shared, handle);
        if shared.core.borrow().is_drained() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    inlet.forget(handle);
}

/// Whose connection it is.
fn who(inlet: &Inlet, shared: &Shared) -> (Who, Ends) {
    let core = shared.core.borrow();
    let client = core.remote_address();
    let own = core.local_ip().map_or(inlet.address, |ip| SocketAddr::new(ip, inlet.address.port()));
    (Who::new(Origin { client, asked: Some(own) }, true), Ends { client, asked: own })
}

/// By the certificate that it has shown, if any. Its address stays that of the handshake: a datagram from another one
/// may be forged, and is read before anybody has answered there (RFC 9000 §9.3).
fn identify(who: &mut Who, shared: &Shared) {
    let shown = shared.core.borrow().crypto_session().peer_identity();
    let shown = shown.and_then(|shown| shown.downcast::<Vec<CertificateDer<'static>>>().ok());
    if let Some(certificate) = shown.as_ref().and_then(|shown| shown.first()) {
        who.identify(certificate);
    }
}

/// Lets time pass, and sends what there is to be sent. Gives whether there is more.
fn send_all(inlet: &Inlet, shared: &Shared, handle: ConnectionHandle) -> bool {
    let now = clock::instant(engine::now());
    let mut out = Vec::new();
    let mut core = shared.core.borrow_mut();
    if core.poll_timeout().is_some_and(|at| at <= now) {
        core.handle_timeout(now);
    }
    drop(core);
    inlet.pass_on(handle, shared);
    for _ in 0..PIECES {
        out.clear();
        let transmit = shared.core.borrow_mut().poll_transmit(now, inlet.at_once(), &mut out);
        match transmit {
            Some(transmit) => inlet.send(&transmit, &out),
            None => {
                let at = shared.core.borrow_mut().poll_timeout();
                inlet.alarm(handle, at);
                inlet.pass_on(handle, shared);
                return false;
            }
        }
    }
    true
}

impl Serving<'_> {
    /// One turn. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.runs(cx);
        let now = engine::now();
        let instant = clock::instant(now);
        {
            let mut core = self.shared.core.borrow_mut();
            if core.poll_timeout().is_some_and(|at| at <= instant) {
                core.handle_timeout(instant);
            }
        }
        self.inlet.pass_on(self.handle, self.shared);
        loop {
            let event = self.shared.core.borrow_mut().poll();
            let Some(event) = event else { break };
            self.hear(event, now);
        }
        if let Some(broken) = self.shared.take_broken() {
            self.fail(broken, now);
        }
        for _ in 0..self.shared.cut.take() {
            self.count_reset(now);
        }
        let until = self.look_at_time(now);
        let more = send_all(self.inlet, self.shared, self.handle);
        if self.shared.core.borrow().is_closed() {
            return Poll::Ready(());
        }
        self.timer.set_at(until);
        if self.timer.has_passed(cx) || more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn hear(&mut self, event: Quic, now: Moment) {
        match event {
            Quic::Connected => self.begin(),
            Quic::ConnectionLost { reason } => {
                tracing::debug!(peer = %self.who.peer, %reason, "connection of HTTP/3 ended");
                if self.handshake.is_none() {
                    self.shake_out(match reason {
                        ConnectionError::TimedOut => Handshake::TimedOut,
                        ConnectionError::Reset | ConnectionError::LocallyClosed => Handshake::Left,
                        _ => Handshake::Refused,
                    });
                }
                self.shared.end_all();
            }
            Quic::Stream(event) => self.hear_stream(&event, now),
            Quic::HandshakeDataReady | Quic::DatagramReceived | Quic::DatagramsUnblocked => {}
        }
    }

    fn shake_out(&mut self, how: Handshake) {
        self.inlet.local.scene().listener().counters.of(self.worker.number).handshake(how);
        self.handshake = Some(how);
    }

    /// The handshake is complete: says what we are.
    fn begin(&mut self) {
        self.shake_out(Handshake::of(true, false));
        self.timer.works_with(0);
        identify(&mut self.who, self.shared);
        let mut core = self.shared.core.borrow_mut();
        let control = core.streams().open(Dir::Uni);
        drop(core);
        let Some(control) = control else {
            let rule = "no room for our control stream";
            return self.fail(
                Broken { scope: Scope::Connection, code: Code::STREAM_CREATION_ERROR, rule },
                engine::now(),
            );
        };
        self.control = Some(control);
        let mut out = Vec::new();
        write::control(self.limits.list, &mut out);
        self.say(&out);
    }

    /// On our control stream. A few bytes, which any client has room for.
    fn say(&self, bytes: &[u8]) {
        let Some(control) = self.control else { return };
        let written = self.shared.core.borrow_mut().send_stream(control).write(bytes);
        if written.ok() != Some(bytes.len()) {
            tracing::debug!(peer = %self.who.peer, "no room on the control stream");
        }
    }

    fn hear_stream(&mut self, event: &StreamEvent, now: Moment) {
        match *event {
            StreamEvent::Opened { dir } => loop {
                let id = self.shared.core.borrow_mut().streams().accept(dir);
                let Some(id) = id else { break };
                match dir {
                    Dir::Bi => self.opened(id, now),
                    Dir::Uni => {
                        self.one_ways.insert(id, OneWay::default());
                        self.read_one_way(id, now);
                    }
                }
            },
            StreamEvent::Readable { id } => self.readable(id, now),
            StreamEvent::Writable { id } => {
                if let Some(request) = self.shared.find(id) {
                    request.wake();
                }
            }
            StreamEvent::Stopped { id, .. } if Some(id) == self.control => {
                let rule = "a stream ended that lasts as long as the connection";
                self.fail(Broken { scope: Scope::Connection, code: Code::CLOSED_CRITICAL_STREAM, rule }, now);
            }
            StreamEvent::Stopped { id, .. } => {
                if let Some(at) = self.pending.iter().position(|one| one.id == id) {
                    // Nobody would hear of it before its answer came.
                    self.pending.swap_remove(at);
                    return self.shared.give_up(id, Code::REQUEST_CANCELLED);
                }
                let _ = self.shared.core.borrow_mut().send_stream(id).reset(wire(Code::REQUEST_CANCELLED));
                if let Some(request) = self.shared.find(id) {
                    request.end();
                    self.count_reset(now);
                }
            }
            StreamEvent::Finished { .. } | StreamEvent::Available { .. } => {}
        }
    }

    /// A client opened a stream for a request.
    fn opened(&mut self, id: StreamId, now: Moment) {
        if matches!(self.farewell, Farewell::Last(_)) {
            return self.shared.give_up(id, Code::REQUEST_REJECTED);
        }
        self.next = self.next.max(u64::from(id) + 4);
        let patience = self.inlet.local.scene().http().map(|http| http.timeouts.header).unwrap_or_default();
        self.pending.push(Pending { id, messages: Messages::default(), until: now + patience });
        self.readable(id, now);
    }

    fn readable(&mut self, id: StreamId, now: Moment) {
        if let Some(at) = self.pending.iter().position(|pending| pending.id == id) {
            let mut head = self.worker.http2_head.take();
            self.read_head(at, &mut head, now);
            self.worker.http2_head.set(head);
        } else if self.one_ways.contains_key(&id) {
            self.read_one_way(id, now);
        } else if let Some(request) = self.shared.find(id) {
            let reset = self.shared.core.borrow_mut().recv_stream(id).received_reset();
            if matches!(reset, Ok(Some(_))) {
                request.end();
                self.count_reset(now);
            } else {
                request.wake();
            }
        }
    }

    /// Reads on where a head has not come whole.
    fn read_head(&mut self, at: usize, head: &mut Head, now: Moment) {
        loop {
            let Some(pending) = self.pending.get_mut(at) else { return };
            let id = pending.id;
            let outcome = match self.shared.read(id, CHUNK) {
                Read::Bytes(bytes) => {
                    let mut input = &bytes[..];
                    let event = pending.messages.receive(&mut input, head, &self.limits);
                    event.map(|event| event.map(|event| (event == Event::Head, rest_of(&bytes, input))))
                }
                Read::Blocked => return,
                Read::End => pending.messages.end().map(|()| None),
                Read::Reset => {
                    self.pending.swap_remove(at);
                    let _ =
                        self.shared.core.borrow_mut().send_stream(id).reset(wire(Code::REQUEST_CANCELLED));
                    return self.count_reset(now);
                }
            };
            match outcome {
                Ok(None) => {}
                Ok(Some((true, ahead))) => {
                    let Pending { messages, .. } = self.pending.swap_remove(at);
                    return self.request(id, head, messages, ahead);
                }
                Ok(Some(_)) => {
                    self.pending.swap_remove(at);
                    let refused = Refused::new(Fault::HeadTooLarge, "list of fields over its limit");
                    return self.refuse(id, &refused, false);
                }
                Err(broken) => {
                    self.pending.swap_remove(at);
                    return self.broken(id, broken, now);
                }
            }
        }
    }

    /// A client broke a rule on a request's stream.
    fn broken(&mut self, id: StreamId, broken: Broken, now: Moment) {
        self.inlet.local.scene().listener().counters.of(self.worker.number).fault(Fault::BadRequest);
        tracing::debug!(peer = %self.who.peer, %broken, "request refused");
        match broken.scope {
            Scope::Stream => self.shared.give_up(id, broken.code),
            Scope::Connection => self.fail(broken, now),
        }
    }

    fn read_one_way(&mut self, id: StreamId, now: Moment) {
        let Some(stream) = self.one_ways.get_mut(&id) else { return };
        let outcome = loop {
            match self.shared.read(id, CHUNK) {
                Read::Bytes(bytes) => match stream.receive(&bytes, &mut self.seen) {
                    Ok(Heard::More) => {}
                    Ok(Heard::Unknown) => {
                        let mut core = self.shared.core.borrow_mut();
                        let _ = core.recv_stream(id).stop(wire(Code::STREAM_CREATION_ERROR));
                        drop(core);
                        self.one_ways.remove(&id);
                        return;
                    }
                    Err(broken) => break Err(broken),
                },
                Read::Blocked => return,
                Read::End | Read::Reset => break stream.end(),
            }
        };
        self.one_ways.remove(&id);
        if let Err(broken) = outcome {
            self.fail(broken, now);
        }
    }

    /// A request: it is written as HTTP/1 has it, judged as there, and runs in a task of its own.
    fn request(&mut self, id: StreamId, head: &Head, mut messages: Messages, ahead: Bytes) {
        // Its end may have come with it.
        let end = ahead.is_empty() && {
            match self.shared.read(id, 0) {
                Read::End => true,
                Read::Bytes(_) | Read::Blocked | Read::Reset => false,
            }
        };
        if end && let Err(broken) = messages.end() {
            return self.broken(id, broken, engine::now());
        }
        let (worker, local) = (self.worker, &self.inlet.local);
        self.served += 1;
        if let Some(refused) = refused_tunnel(head) {
            return self.refuse(id, &refused, false);
        }
        let mut bytes = worker.buffers.take_vector();
        write_head(head, end, None, &mut bytes);
        let grpc = grpc::is_call(head);
        let admitted = admit(worker, local, &self.who, &bytes);
        let len = bytes.len();
        worker.buffers.give_vector(bytes);
        match admitted {
            Admitted::Request(request, used) if used == len => {
                let stream = self.shared.add(id, messages, ahead);
                let shared = Rc::clone(self.shared);
                let caller =
                    Exchange::new(shared, stream, self.between, worker.timers.timer(), &request, grpc);
                self.spawn(caller, request);
            }
            Admitted::Refused(refused, _) => self.refuse(id, &refused, grpc),
            Admitted::Answered(said, _) => {
                say(self.shared, id, &said);
                self.stop_reading(id);
            }
            Admitted::Request(..) | Admitted::Partial => {
                self.refuse(id, &Refused::new(Fault::BadRequest, "a head that ends early"), grpc);
            }
        }
    }

    fn spawn(&mut self, mut caller: Exchange, mut request: Request) {
        self.idle_since = None;
        let (worker, local) = (Rc::clone(self.worker), Rc::clone(&self.inlet.local));
        engine::spawn(async move {
            exchange::run(&worker, &mut caller, &local, &mut request).await;
            caller.finish();
        });
    }

    fn refuse(&self, stream: StreamId, refused: &Refused, grpc: bool) {
        let scene = self.inlet.local.scene();
        scene.listener().counters.of(self.worker.number).fault(refused.fault);
        let id = refused.id(self.worker, &scene);
        if let Some(rule) = refused.rule {
            let (fault, id) = (refused.fault.name(), forwarding::shown(&id));
            tracing::debug!(peer = %self.who.peer, fault, rule, id, "request refused");
        }
        let how = if grpc { Form::Grpc } else { Form::of(refused.head_only) };
        answer(self.shared, stream, &refused.apology(&id), how);
        self.stop_reading(stream);
    }

    /// The rest of a body, if there is one, nobody reads.
    fn stop_reading(&self, id: StreamId) {
        if !matches!(self.shared.read(id, 0), Read::End | Read::Reset) {
            let _ = self.shared.core.borrow_mut().recv_stream(id).stop(wire(Code::NO_ERROR));
        }
    }

    /// A stream ended before its time. More of them than any honest client has end the connection (CVE-2023-44487 is the
    /// same in HTTP/3).
    fn count_reset(&mut self, now: Moment) {
        if !self.resets.passes(self.limits.resets, now) {
            let rule = "too many streams that end before their time";
            self.fail(Broken { scope: Scope::Connection, code: Code::EXCESSIVE_LOAD, rule }, now);
        }
    }

    fn fail(&self, broken: Broken, now: Moment) {
        tracing::debug!(peer = %self.who.peer, %broken, "connection of HTTP/3 broken");
        self.close(broken.code, now);
        self.shared.end_all();
    }

    fn close(&self, code: Code, now: Moment) {
        let mut core = self.shared.core.borrow_mut();
        if !core.is_closed() {
            core.close(clock::instant(now), wire(code), Bytes::new());
        }
    }

    /// What is to be done by now; gives when to look again.
    fn look_at_time(&mut self, now: Moment) -> Moment {
        let scene = self.inlet.local.scene();
        let Some(http) = scene.http() else { return NEVER };
        if self.handshake.is_none() {
            let until = self.between_begin_and(http.timeouts.header, now);
            if self.timer.is_cut() || until <= now {
                let how = if self.timer.is_cut() { Handshake::Crowded } else { Handshake::TimedOut };
                self.shake_out(how);
                self.close(Code::NO_ERROR, now);
            }
            return until;
        }
        let mut until = self.late_heads(now);
        let idle = self.shared.is_idle() && self.pending.is_empty();
        if !idle {
            self.idle_since = None;
            until = until.min(self.ask(config::idle_timeout(http) / 3, now));
        }
        let since = if idle { *self.idle_since.get_or_insert(now) } else { now };
        let idle_until = since + http.timeouts.keep_alive;
        let leaving = self.is_leaving();
        match self.farewell {
            Farewell::None if leaving || idle_until <= now => {
                let mut out = Vec::new();
                write::farewell(write::NONE_YET, &mut out);
                self.say(&out);
                self.farewell = Farewell::Said(now);
                until.min(now + FAREWELL)
            }
            Farewell::None => until.min(idle_until),
            Farewell::Said(at) if at + FAREWELL <= now => {
                let mut out = Vec::new();
                write::farewell(self.next, &mut out);
                self.say(&out);
                self.farewell = Farewell::Last(now);
                until.min(now + LAST_WORDS)
            }
            Farewell::Said(at) => until.min(at + FAREWELL),
            Farewell::Last(_) if !idle => until,
            Farewell::Last(_) => self.part(now, since),
        }
    }

    /// All requests are answered: closes when the answers have come, or have had their time.
    fn part(&self, now: Moment, since: Moment) -> Moment {
        // Our control stream never ends.
        let arrived = self.shared.core.borrow_mut().streams().send_streams() <= 1;
        if arrived || since + LAST_WORDS <= now {
            self.close(Code::NO_ERROR, now);
        }
        since + LAST_WORDS
    }

    /// Requests whose heads take too long; gives when the next one would.
    fn late_heads(&mut self, now: Moment) -> Moment {
        while let Some(at) = self.pending.iter().position(|pending| pending.until <= now) {
            let Pending { id, .. } = self.pending.swap_remove(at);
            self.refuse(id, &Refused::new(Fault::HeaderTimeout, "head not complete in time"), false);
        }
        self.pending.iter().map(|pending| pending.until).min().unwrap_or(NEVER)
    }

    /// While a request runs its client may have nothing to say, and yet be there.
    fn ask(&mut self, every: Duration, now: Moment) -> Moment {
        if self.asked_at == NEVER {
            self.asked_at = now;
        } else if self.asked_at + every <= now {
            self.asked_at = now;
            self.shared.core.borrow_mut().ping();
        }
        self.asked_at + every
    }

    /// When a handshake that began when this connection did must be over.
    fn between_begin_and(&mut self, patience: Duration, now: Moment) -> Moment {
        *self.idle_since.get_or_insert(now) + patience
    }

    /// Whether no request more is wanted.
    fn is_leaving(&mut self) -> bool {
        let own: IpAddr = self.between.asked.ip();
        let moved = self.leaving.at(&self.worker.away, || Some(own));
        let pressed = self.worker.pressed.leaves_at().filter(|_| self.served > 0);
        moved.is_some() || pressed.is_some() || self.inlet.local.leaves_at().is_some()
    }
}
