//! One connection: what comes in becomes requests and pieces of bodies, what is to go out is written once a turn.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use haechi_http1::Parts;
use haechi_http2::{Code, Config, Connection, Event, Head, Input, Limit, Limits, Name, Rate, Role, StreamId};
use haechi_model::{Fault, Moment};
use haechi_preface::Ends;

use super::grpc;
use super::shared::{BACKLOG, Shared};
use super::stream::{Asks, Exchange, answer, say};
use super::websocket::{self, Key};
use crate::admit::{Admitted, Answer, Refused, Request, admit};
use crate::client::{After, Client};
use crate::engine;
use crate::exchange;
use crate::forwarding;
use crate::scene::Local;
use crate::timer::NEVER;
use crate::worker::Worker;

/// Serves a client that speaks HTTP/2, from the first byte that it sent. Gives how the connection is to end.
pub(crate) async fn serve(worker: &Rc<Worker>, local: &Rc<Local>, client: &mut Client) -> After {
    let core = Connection::new(Role::Server, config(local), worker.timers.now());
    let shared = Rc::new(Shared::new(core));
    let between = client.who.origin.ends(&client.stream);
    let unread = std::mem::take(&mut client.unread).into_rest();
    let mut serving =
        Serving { worker, local, client, shared, between, unread, idle_since: None, stuck_until: None };
    let after = std::future::poll_fn(|cx| serving.poll(cx)).await;
    serving.shared.end_all();
    after
}

/// What holds from the connection's first byte to its last, whatever the next generation says.
fn config(local: &Local) -> Config {
    let scene = local.scene();
    let Some((http, http2)) = scene.http().and_then(|http| Some((http.limits, http.http2.as_deref()?)))
    else {
        return Config::default();
    };
    let resets = Rate { burst: http2.resets.saturating_mul(2), per_second: http2.resets };
    let default = Limits::default();
    let limits = Limits {
        streams: http2.streams,
        resets,
        own_resets: resets,
        early_resets: default.early_resets.max(http2.resets.saturating_mul(5)),
        stall_timeout: http2.stall,
        ..default.with_heads(http.head, http.fields)
    };
    Config {
        limits,
        stream_window: http2.stream_window,
        connection_window: http2.connection_window,
        extended_connect: true,
        ..Config::default()
    }
}

struct Serving<'a> {
    worker: &'a Rc<Worker>,
    local: &'a Rc<Local>,
    client: &'a mut Client,
    shared: Rc<Shared>,
    /// Its ends, asked for once and not for each request.
    between: Ends,
    /// What came and was not looked at yet: answers that are given at once may be a hundred times as long as what asks
    /// for them, so they go before more is made.
    unread: Vec<u8>,
    /// Since when no request runs.
    idle_since: Option<Moment>,
    /// By when the client must have taken some of what waits for it.
    stuck_until: Option<Moment>,
}

impl Serving<'_> {
    /// One turn. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<After> {
        self.shared.writes(cx);
        let now = self.client.timer.now();
        while let Some(event) = self.tick(now) {
            self.hear(event, &Head::default(), now);
        }
        let idle_until = self.take_leave(now);
        loop {
            let patience = self.local.scene().http().map(|http| http.timeouts.send).unwrap_or_default();
            let stuck = &mut self.stuck_until;
            if self.shared.flush(&mut self.client.stream, cx, stuck, now + patience).is_err() {
                return Poll::Ready(After::Close);
            }
            let (finished, waiting) = self.shared.outlook();
            if finished && waiting == 0 {
                return Poll::Ready(After::Linger);
            }
            // A client that makes us answer and does not read the answers is not listened to.
            if finished || waiting > BACKLOG {
                break;
            }
            let unread = std::mem::take(&mut self.unread);
            if !unread.is_empty() {
                self.take(&unread);
                continue;
            }
            match self.read(cx) {
                Some(Ok(())) => {}
                Some(Err(())) => return Poll::Ready(After::Close),
                None => break,
            }
        }
        if self.stuck_until.is_some_and(|until| until <= now) {
            return Poll::Ready(After::Reset);
        }
        self.wait(cx, idle_until)
    }

    fn tick(&self, now: Moment) -> Option<Event<'static>> {
        self.shared.core.borrow_mut().tick(now)
    }

    /// Reads once. Nothing: there is no more.
    fn read(&mut self, cx: &mut Context<'_>) -> Option<Result<(), ()>> {
        let worker = self.worker;
        worker.buffers.with_hot(|hot| match self.client.stream.poll_read(cx, hot) {
            Poll::Pending => None,
            Poll::Ready(Err(_) | Ok(0)) => Some(Err(())),
            Poll::Ready(Ok(count)) => {
                self.take(&hot[..count]);
                Some(Ok(()))
            }
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        let now = engine::now();
        let mut input = Input::new(bytes);
        let mut head = self.worker.http2_head.take();
        let shared = Rc::clone(&self.shared);
        loop {
            // Borrowed for this one step: what comes of the event may need it too.
            let event = {
                let mut core = shared.core.borrow_mut();
                if core.output().len() > BACKLOG {
                    self.unread.extend_from_slice(input.rest());
                    break;
                }
                core.receive(&mut input, &mut head, now)
            };
            match event {
                Some(event) => self.hear(event, &head, now),
                None => break,
            }
        }
        self.worker.http2_head.set(head);
    }

    fn hear(&mut self, event: Event<'_>, head: &Head, now: Moment) {
        if let Some(limit) = limit_of(&event) {
            self.local.scene().listener().counters.of(self.worker.number).limit(limit);
        }
        match event {
            Event::Head { stream, end } => self.begin(stream, head, end, now),
            Event::TooLarge { stream, .. } => {
                self.note_request();
                let refused = Refused::new(Fault::HeadTooLarge, "list of fields over its limit");
                self.refuse(stream, &refused, Asks::Plain, now);
            }
            Event::Data { stream, bytes, end } => {
                if !self.shared.take_data(stream, bytes, end) {
                    // It has its answer; the window of the others must not shrink by what nobody reads.
                    self.shared.core.borrow_mut().release(stream, bytes.len());
                }
            }
            Event::Trailers { stream } => self.hear_trailers(stream, head),
            Event::Reset { stream, why, .. } => {
                tracing::debug!(peer = %self.peer(), stream = stream.number(), %why, "stream ended before its time");
                if let Some(open) = self.shared.find(stream) {
                    open.end();
                }
            }
            Event::Refused { why, .. } => {
                self.local.scene().listener().counters.of(self.worker.number).fault(Fault::BadRequest);
                tracing::debug!(peer = %self.peer(), %why, "request refused");
            }
            Event::Writable { stream: Some(stream) } => {
                if let Some(open) = self.shared.find(stream) {
                    open.wake();
                }
            }
            Event::Writable { stream: None } | Event::Settings => self.shared.wake_all(),
            Event::Closed(why) => {
                tracing::debug!(peer = %self.peer(), %why, "connection of HTTP/2 broken");
                self.shared.end_all();
            }
            Event::Interim { .. } | Event::Pong | Event::GoingAway { .. } => {}
        }
    }

    fn hear_trailers(&self, stream: StreamId, head: &Head) {
        let Some(open) = self.shared.find(stream) else { return };
        let mut inbox = open.inbox.borrow_mut();
        let judged = head.fields().try_for_each(|(_, field)| inbox.trailers.add(field.name, field.value));
        inbox.ended = true;
        drop(inbox);
        if let Err(error) = judged {
            self.local.scene().listener().counters.of(self.worker.number).fault(error.fault);
            tracing::debug!(peer = %self.peer(), rule = error.rule, "request cut off");
            self.shared.core.borrow_mut().reset(stream, Code::PROTOCOL_ERROR);
            return open.end();
        }
        open.wake();
    }

    fn peer(&self) -> SocketAddr {
        self.client.who.peer
    }

    /// A request: it is written as HTTP/1 has it, judged as there, and runs in a task of its own.
    fn begin(&mut self, stream: StreamId, head: &Head, end: bool, now: Moment) {
        self.note_request();
        if let Some(refused) = refused_tunnel(head) {
            return self.refuse(stream, &refused, Asks::Plain, now);
        }
        let key = head.protocol().map(|_| websocket::key([self.worker.random(), self.worker.random()]));
        let asks = match key {
            Some(key) => Asks::Tunnel(websocket::accept(&key)),
            None if grpc::is_call(head) => Asks::Grpc,
            None => Asks::Plain,
        };
        let mut bytes = self.worker.buffers.take_vector();
        write(head, end, key.as_ref(), &mut bytes);
        let admitted = admit(self.worker, self.local, &self.client.who, &bytes);
        let len = bytes.len();
        self.worker.buffers.give_vector(bytes);
        match admitted {
            Admitted::Request(request, used) if used == len => self.spawn(stream, end, request, asks),
            Admitted::Refused(refused, _) => self.refuse(stream, &refused, asks, now),
            Admitted::Answered(said, _) => self.say(stream, &said, now),
            Admitted::Request(..) | Admitted::Partial => {
                self.refuse(stream, &Refused::new(Fault::BadRequest, "a head that ends early"), asks, now);
            }
        }
    }

    fn spawn(&self, stream: StreamId, end: bool, mut request: Request, asks: Asks) {
        let (worker, local) = (Rc::clone(self.worker), Rc::clone(self.local));
        let shared = Rc::clone(&self.shared);
        let stream = shared.add(stream, end);
        let mut caller = Exchange::new(shared, stream, self.between, worker.timers.timer(), &request, asks);
        engine::spawn(async move {
            let after = exchange::run(&worker, &mut caller, &local, &mut request).await;
            caller.finish(after);
        });
    }

    /// It asks for something, whatever comes of it.
    fn note_request(&mut self) {
        self.idle_since = None;
        self.client.count_request();
    }

    fn say(&self, stream: StreamId, said: &Answer, now: Moment) {
        let mut core = self.shared.core.borrow_mut();
        say(&mut core, stream, said, now);
        // As with a refusal.
        core.reset(stream, Code::NO_ERROR);
    }

    fn refuse(&self, stream: StreamId, refused: &Refused, asks: Asks, now: Moment) {
        self.local.scene().listener().counters.of(self.worker.number).fault(refused.fault);
        let scene = self.local.scene();
        let id = refused.id(self.worker, &scene);
        if let Some(rule) = refused.rule {
            let (fault, id) = (refused.fault.name(), forwarding::shown(&id));
            tracing::debug!(peer = %self.peer(), fault, rule, id, "request refused");
        }
        let mut core = self.shared.core.borrow_mut();
        let how = asks.form(refused.head_only);
        answer(&mut core, stream, &refused.apology(&id), how, now);
        // The rest of its body, if there is one, nobody reads.
        core.reset(stream, Code::NO_ERROR);
    }

    /// Says farewell when no request more is wanted, or none has come for long. Gives when that will be.
    fn take_leave(&mut self, now: Moment) -> Option<Moment> {
        let http = self.local.scene();
        let keep_alive = http.http().map(|http| http.timeouts.keep_alive).unwrap_or_default();
        if !self.shared.is_idle() {
            self.idle_since = None;
        }
        let since = if self.shared.is_idle() { *self.idle_since.get_or_insert(now) } else { now };
        let mut core = self.shared.core.borrow_mut();
        if self.client.leaves_at(self.worker, self.local).is_some() || since + keep_alive <= now {
            core.shut_down(now);
        }
        // From then on the core knows how long it takes.
        (!core.is_shutting_down()).then_some(since + keep_alive)
    }

    /// Until something comes, is to be written, or is over.
    fn wait(&self, cx: &Context<'_>, idle_until: Option<Moment>) -> Poll<After> {
        let deadline = self.shared.core.borrow().deadline();
        let deadline = deadline.into_iter().chain(idle_until).chain(self.stuck_until).min();
        self.client.timer.set_at(deadline.unwrap_or(NEVER));
        if self.client.timer.has_passed(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// What bit.
const fn limit_of(event: &Event<'_>) -> Option<Limit> {
    match event {
        Event::TooLarge { .. } => Some(Limit::List),
        Event::Reset { why, .. } | Event::Refused { why, .. } | Event::Closed(why) => why.limit,
        _ => None,
    }
}

/// Why no tunnel is made, where one is asked for.
pub(crate) fn refused_tunnel(head: &Head) -> Option<Refused> {
    let (fault, rule) = match head.protocol() {
        None if head.method() == b"CONNECT" => (Fault::MethodRefused, "CONNECT is not proxied"),
        None => return None,
        Some(protocol) if !protocol.eq_ignore_ascii_case(websocket::PROTOCOL) => {
            (Fault::ProtocolUnknown, "CONNECT for another protocol than websocket")
        }
        // RFC 9110 §9.3.6: what follows is the tunnel's.
        Some(_) if head.content_length().is_some() => (Fault::BadRequest, "CONNECT with `content-length`"),
        Some(_) => return None,
    };
    Some(Refused::new(fault, rule))
}

/// The head as a client of HTTP/1 would have written it; with a `key` one that asks for a WebSocket.
pub(crate) fn write(head: &Head, end: bool, key: Option<&Key>, out: &mut Vec<u8>) {
    let parts = Parts {
        method: if key.is_some() { b"GET" } else { head.method() },
        target: head.path().unwrap_or_default(),
        authority: head.authority().unwrap_or_default(),
        chunked: !end && head.content_length().is_none() && key.is_none(),
    };
    let mut cookies = Vec::new();
    if head.cookie_crumbs() > 1 {
        head.write_cookie(&mut cookies);
    }
    let joined = (!cookies.is_empty()).then_some((&b"cookie"[..], &cookies[..]));
    let fields = head.fields().filter(|(name, field)| match name {
        Name::Host => false,
        Name::Cookie => cookies.is_empty(),
        _ => key.is_none() || field.name != websocket::KEY,
    });
    let asks = key.map(|key| {
        [(&b"upgrade"[..], websocket::PROTOCOL), (b"connection", b"upgrade"), (websocket::KEY, &key[..])]
    });
    let all =
        fields.map(|(_, field)| (field.name, field.value)).chain(joined).chain(asks.into_iter().flatten());
    parts.write(all, out);
}
