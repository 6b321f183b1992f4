//! A connection to an endpoint that speaks HTTP/2, shared by the requests of one worker. One task reads and writes it.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use haechi_http2::{Code, Config, Connection, Event, Head, Input, Limits, Role, StreamId};
use haechi_model::{Fault, Moment, UpstreamKeepAlive};
use haechi_preface::Ends;
use haechi_trust::Verified;

use super::shared::{BACKLOG, Shared, Stream};
use super::websocket::{self, Accept};
use crate::engine;
use crate::live::{LiveEndpoint, LivePool};
use crate::scene::Scene;
use crate::timer::{NEVER, Timer};
use crate::upstream::Upstream;
use crate::worker::Worker;

/// Most requests at a time on one connection, if the endpoint allows as many: what we allow clients, and what most
/// servers do. More would share one window and one stall.
const STREAMS: u32 = 100;

/// Nothing came for so long while a request waited that then was given up: the endpoint is asked whether it lives.
/// Asking in regular intervals is what gRPC's servers take for an attack (more than two in 5 minutes).
const SILENCE: Duration = Duration::from_secs(1);

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Until the endpoint has said what it allows.
    Connecting,
    Open,
    /// It never came to that.
    Failed(Fault),
    Over,
}

/// A connection.
pub(crate) struct Link {
    pub(super) shared: Shared,
    state: Cell<State>,
    /// Requests that wait until it is open.
    waiters: RefCell<Vec<Waker>>,
    /// Requests so far.
    requests: Cell<u32>,
    keep: UpstreamKeepAlive,
    verified: Option<Arc<Verified>>,
    encrypted: bool,
    /// Whose connection it was told to be: only this one's requests go on it.
    told: Option<Ends>,
    /// It is to take no further requests.
    retired: Cell<bool>,
    /// When something came last.
    heard: Cell<Moment>,
    /// Something came since it was idle last.
    awake: Cell<bool>,
    /// It takes none until it is clear that the endpoint lives.
    doubted: Cell<bool>,
}

impl Link {
    /// One that is about to connect. Its task is [`live`].
    pub(super) fn new(pool: &LivePool, told: Option<Ends>) -> Rc<Self> {
        let core = Connection::new(Role::Client, config(pool), engine::now());
        Rc::new(Self {
            shared: Shared::new(core),
            state: Cell::new(State::Connecting),
            waiters: RefCell::default(),
            requests: Cell::new(0),
            keep: pool.config.keep_alive,
            verified: pool.verified.load_full(),
            encrypted: pool.config.tls.is_some(),
            told,
            retired: Cell::new(false),
            heard: Cell::new(engine::now()),
            awake: Cell::new(false),
            doubted: Cell::new(false),
        })
    }

    pub(super) fn state(&self) -> State {
        self.state.get()
    }

    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether requests have come on it before.
    pub(super) fn was_used(&self) -> bool {
        self.requests.get() > 0
    }

    /// It stands, and no request runs on it.
    pub(super) fn is_idle(&self) -> bool {
        self.state.get() == State::Open && !self.retired.get() && self.shared.is_idle()
    }

    /// Whether something came since it was idle last. Until then its end may only mean that it had been idle too long.
    pub(super) const fn is_awake(&self) -> bool {
        self.awake.get()
    }

    /// Whether it speaks with whom this pool trusts, in the way that the pool says.
    pub(super) fn suits(&self, pool: &LivePool) -> bool {
        self.encrypted == pool.config.tls.is_some()
            && self.verified.as_ref().map(Arc::as_ptr) == pool.verified.load().as_ref().map(Arc::as_ptr)
    }

    /// Whether requests of this client may go on it.
    pub(super) fn is_for(&self, told: Option<Ends>) -> bool {
        self.told == told
    }

    /// Whether it takes a request now.
    pub(super) fn has_room(&self) -> bool {
        let core = self.shared.core.borrow();
        let takes = self.state.get() == State::Open && !self.retired.get() && !self.doubted.get();
        takes && core.can_open().is_ok() && core.streams() < STREAMS
    }

    /// Most requests at a time, as far as that is known.
    pub(super) fn most(&self) -> u32 {
        match self.state.get() {
            State::Open => self.shared.core.borrow().most_streams().min(STREAMS),
            _ => STREAMS,
        }
    }

    /// Requests that wait until it is open.
    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.waiters.borrow().len()).unwrap_or(u32::MAX)
    }

    /// Ready when it is no longer connecting.
    pub(super) fn poll_known(&self, cx: &Context<'_>) -> Poll<State> {
        if self.state.get() != State::Connecting {
            return Poll::Ready(self.state.get());
        }
        let mut waiters = self.waiters.borrow_mut();
        if !waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn set_state(&self, state: State) {
        self.state.set(state);
        self.waiters.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// One is about to be added.
    pub(super) fn note_request(&self) {
        if self.shared.is_idle() {
            self.awake.set(false);
        }
        self.requests.set(self.requests.get().saturating_add(1));
        // A pool that keeps nothing idle has a connection for each request.
        let most = if self.keep.idle == 0 { 1 } else { self.keep.max_requests };
        if self.requests.get() >= most {
            self.retire();
        }
    }

    /// A request that began at this moment was given up. If nothing came since, for nobody, the connection may be dead.
    pub(super) fn note_unanswered(&self, since: Moment) {
        if self.heard.get() < since && engine::now().since(since) >= SILENCE {
            self.doubted.set(true);
            self.shared.flush_soon();
        }
    }

    /// It takes nothing new and ends after what it has.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.shared.flush_soon();
    }
}

fn config(pool: &LivePool) -> Config {
    // An endpoint that speaks no HTTP/2 says nothing that could be its settings.
    let limits = Limits { settings_timeout: pool.config.timeouts.connect, ..Limits::default() };
    Config { limits, ..Config::default() }
}

/// The life of a connection.
pub(super) async fn live(worker: Rc<Worker>, scene: Rc<Scene>, pool: usize, member: usize, link: Rc<Link>) {
    let timer = worker.timers.timer();
    let endpoint = Arc::clone(&scene.pool(pool).endpoints[member]);
    timer.works_with(endpoint.serial);
    let connected = Upstream::connect(&worker, &timer, &endpoint, scene.pool(pool), link.told).await;
    let patience = scene.pool(pool).config.timeouts.send;
    let core = Connection::new(Role::Client, config(scene.pool(pool)), engine::now());
    drop(scene);
    match connected {
        Err(fault) => link.set_state(State::Failed(fault)),
        Ok(upstream) => {
            *link.shared.core.borrow_mut() = core;
            let mut running = Running {
                worker: &worker,
                endpoint: &endpoint,
                link: &link,
                upstream,
                timer: &timer,
                patience,
                idle_since: None,
                stuck_until: None,
            };
            std::future::poll_fn(|cx| running.poll(cx)).await;
            running.upstream.stream.say_farewell();
            link.set_state(match link.state() {
                State::Connecting => State::Failed(Fault::ConnectFailed),
                _ => State::Over,
            });
        }
    }
    worker.links.remove(endpoint.serial, &link);
    link.shared.end_all();
}

struct Running<'a> {
    worker: &'a Rc<Worker>,
    endpoint: &'a LiveEndpoint,
    link: &'a Rc<Link>,
    upstream: Upstream,
    timer: &'a Timer,
    /// How long the endpoint may take nothing.
    patience: Duration,
    /// Since when no request runs.
    idle_since: Option<Moment>,
    /// By when the endpoint must have taken some of what waits for it.
    stuck_until: Option<Moment>,
}

impl Running<'_> {
    /// One turn. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.link.shared;
        shared.writes(cx);
        let now = self.timer.now();
        if self.timer.is_cut() {
            return Poll::Ready(());
        }
        while let Some(event) = { shared.core.borrow_mut().tick(now) } {
            self.hear(event, &Head::default());
        }
        let until = self.take_leave(now);
        loop {
            let sent =
                shared.flush(&mut self.upstream.stream, cx, &mut self.stuck_until, now + self.patience);
            let (finished, waiting) = shared.outlook();
            if sent.is_err() || (finished && waiting == 0) {
                return Poll::Ready(());
            }
            // An endpoint that makes us answer and does not read the answers is not listened to.
            if finished || waiting > BACKLOG {
                break;
            }
            match self.read(cx) {
                Some(Ok(())) => {
                    self.link.heard.set(now);
                    self.link.awake.set(true);
                }
                Some(Err(())) => return Poll::Ready(()),
                None => break,
            }
        }
        if self.stuck_until.is_some_and(|until| until <= now) {
            return Poll::Ready(());
        }
        let deadline = shared.core.borrow().deadline();
        self.timer.set_at([deadline, until, self.stuck_until].into_iter().flatten().min().unwrap_or(NEVER));
        if self.timer.has_passed(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads once. Nothing: there is no more.
    fn read(&mut self, cx: &mut Context<'_>) -> Option<Result<(), ()>> {
        let worker = self.worker;
        worker.buffers.with_hot(|hot| match self.upstream.stream.poll_read(cx, hot) {
            Poll::Pending => None,
            Poll::Ready(Err(_) | Ok(0)) => Some(Err(())),
            Poll::Ready(Ok(count)) => {
                self.take(hot.get(..count).unwrap_or_default());
                Some(Ok(()))
            }
        })
    }

    fn take(&self, bytes: &[u8]) {
        let now = engine::now();
        let (mut input, mut head) = (Input::new(bytes), self.worker.http2_head.take());
        loop {
            // Borrowed for this one step: what comes of the event may need it too.
            let event = self.link.shared.core.borrow_mut().receive(&mut input, &mut head, now);
            match event {
                Some(event) => self.hear(event, &head),
                None => break,
            }
        }
        self.worker.http2_head.set(head);
    }

    fn hear(&self, event: Event<'_>, head: &Head) {
        let shared = &self.link.shared;
        match event {
            Event::Settings => {
                if self.link.state() == State::Connecting {
                    self.link.set_state(State::Open);
                }
                shared.wake_all();
            }
            Event::Interim { stream } => self.with(stream, |stream| write_head(head, stream, Behind::Head)),
            Event::Head { stream, end } => self.with(stream, |stream| {
                let body = if stream.head_only.get() || matches!(head.status(), 204 | 304) {
                    Behind::Nothing
                } else if let Some(accept) = stream.accept.get()
                    && (200..300).contains(&head.status())
                {
                    Behind::Tunnel(accept)
                } else if head.content_length().is_some() {
                    Behind::Length
                } else {
                    Behind::Chunks
                };
                write_head(head, stream, body);
                stream.inbox.borrow_mut().ended = end;
            }),
            Event::Data { stream, bytes, end } => {
                if !shared.take_data(stream, bytes, end) {
                    shared.core.borrow_mut().release(stream, bytes.len());
                }
            }
            Event::Trailers { stream } => self.with(stream, |stream| self.hear_trailers(stream, head)),
            Event::Reset { stream, why, .. } => self.with(stream, |stream| {
                tracing::debug!(endpoint = %self.endpoint.id, stream = stream.id.number(), %why, "stream ended before its time");
                stream.refused.set(why.code == Code::REFUSED_STREAM);
                stream.gone.set(true);
            }),
            Event::Writable { stream: Some(stream) } => self.with(stream, |_| {}),
            Event::Writable { stream: None } => shared.wake_all(),
            Event::Closed(why) => {
                tracing::debug!(endpoint = %self.endpoint.id, %why, "connection of HTTP/2 broken");
                shared.end_all();
            }
            Event::GoingAway { code } => {
                tracing::debug!(endpoint = %self.endpoint.id, %code, "the endpoint goes away");
                self.link.retire();
            }
            Event::Pong => self.link.doubted.set(false),
            Event::TooLarge { .. } | Event::Refused { .. } => {}
        }
    }

    /// Does something with a stream that somebody still waits for, and wakes who it is.
    fn with(&self, stream: StreamId, what: impl FnOnce(&Stream)) {
        if let Some(open) = self.link.shared.find(stream) {
            what(&open);
            open.wake();
        }
    }

    fn hear_trailers(&self, stream: &Stream, head: &Head) {
        let mut inbox = stream.inbox.borrow_mut();
        let judged = head.fields().try_for_each(|(_, field)| inbox.trailers.add(field.name, field.value));
        if let Err(error) = judged {
            tracing::debug!(endpoint = %self.endpoint.id, rule = error.rule, "response cut off");
            self.link.shared.core.borrow_mut().reset(stream.id, Code::PROTOCOL_ERROR);
            return stream.gone.set(true);
        }
        inbox.ended = true;
    }

    /// Says farewell when no request more is wanted on it, or none has come for long. Gives when that will be.
    fn take_leave(&mut self, now: Moment) -> Option<Moment> {
        let Link { shared, keep, .. } = &**self.link;
        if self.link.state() != State::Open {
            // Until then the core knows how long it takes.
            return None;
        }
        let idle = shared.is_idle();
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
        let idle_until = self.idle_since.map(|since| since + keep.idle_timeout);
        let retires = self.link.retired.get()
            || now.since(self.upstream.born()) >= keep.max_age
            || (self.link.was_used() && !self.endpoint.keeps_connections())
            || (idle && (self.worker.is_stopping() || self.worker.pressed.is_high()))
            || idle_until.is_some_and(|until| until <= now);
        let mut core = shared.core.borrow_mut();
        if retires {
            self.link.retired.set(true);
            core.shut_down(now);
        }
        if self.link.doubted.get() {
            core.ping(now);
        }
        idle_until.filter(|_| !retires)
    }
}

/// What follows a head, in words of HTTP/1.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// The endpoint agrees: bytes of another protocol.
    Tunnel(Accept),
    /// An interim head, and another.
    Head,
    Nothing,
    Length,
    Chunks,
}

/// A response's head as an endpoint that speaks HTTP/1 would have written it: it is judged like any other.
fn write_head(head: &Head, stream: &Stream, behind: Behind) {
    let inbox = &mut *stream.inbox.borrow_mut();
    if let Behind::Tunnel(accept) = &behind {
        websocket::write_agreement(accept, &mut inbox.head);
    } else {
        // Writing to a vector never fails.
        let _ = write!(inbox.head, "HTTP/1.1 {} \r\n", head.status());
    }
    for (_, field) in head.fields() {
        for piece in [field.name, b": ", field.value, b"\r\n"] {
            inbox.head.extend_from_slice(piece);
        }
    }
    inbox.chunked = behind == Behind::Chunks;
    inbox.head.extend_from_slice(if inbox.chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" });
}
