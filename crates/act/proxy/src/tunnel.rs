//! Bytes both ways: `tcp` listeners, and what follows a 101. Both mouths of a tunnel are connections, or one of them (or
//! both) is a stream of HTTP/2.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_balance::Tried;
use haechi_model::{Fault, ListenerKind, Moment, Patience, Side};
use haechi_sys::pipe::Pipe;

use crate::buffers::HOT;
use crate::exchange::note_outcome;
use crate::live::LiveEndpoint;
use crate::preface::Origin;
use crate::scene::{Local, Scene};
use crate::select::{Place, select, source_of};
use crate::stream::{Spliced, Stream};
use crate::timer::Timer;
use crate::upstream::Upstream;
use crate::worker::Worker;

/// A WebSocket may be silent for long; its own pings keep it alive (the listener's keep-alive time is for
/// requests). One hour is what Kubernetes users set for ingress-nginx's read timeout on WebSockets.
pub(crate) const UPGRADED_IDLE: Duration = Duration::from_secs(3600);

/// A direction that moved more than this at a stretch goes through a pipe in the kernel.
const SPLICE_FROM: u64 = HOT as u64;

/// Serves one connection of a `tcp` listener.
pub(crate) async fn serve(worker: Rc<Worker>, local: Rc<Local>, mut stream: Stream, origin: Origin) {
    let scene = local.scene();
    let ListenerKind::Tcp(listener) = &scene.listener().config.kind else { return };
    let timer = worker.timers.timer();
    let to = To { pool: listener.pool.index(), patience: listener.patience, ahead: Vec::new() };
    pass_on(&worker, &scene, &mut stream, &timer, &origin, to).await;
}

/// Where a connection's bytes go.
pub(crate) struct To {
    /// Position of the pool in the scene.
    pub(crate) pool: usize,
    pub(crate) patience: Patience,
    /// What the client has sent already.
    pub(crate) ahead: Vec<u8>,
}

/// Passes a connection's bytes on to an endpoint, trying others while none has got any.
pub(crate) async fn pass_on(
    worker: &Worker,
    scene: &Rc<Scene>,
    stream: &mut Stream,
    timer: &Timer,
    origin: &Origin,
    to: To,
) {
    let To { pool, patience, ahead } = to;
    let peer = origin.client;
    let source = source_of(scene.pool(pool), peer);
    let mut tried = Tried::new();
    let mut tries = 0u8;
    loop {
        let mut client = (timer, &mut *stream);
        let (fault, again) = match select(worker, scene, pool, source, &tried, &mut client).await {
            Ok(place) => match connect(worker, timer, &place, origin, stream).await {
                Ok(mut upstream) => {
                    if let Some(after) = patience.keep_alive {
                        stream.keep_alive(after);
                        upstream.stream.keep_alive(after);
                    }
                    let both = Both { worker, client: stream, upstream: &mut upstream.stream, timer };
                    both.run(place.endpoint(), patience, ahead).await;
                    return;
                }
                Err(fault) => {
                    tried.insert(place.member);
                    (fault, fault.side() == Side::Endpoint)
                }
            },
            Err(fault) => (fault, false),
        };
        tries = tries.saturating_add(1);
        if !again || tries >= scene.pool(pool).config.retry.tries {
            scene.listener().counters.of(worker.number).fault(fault);
            tracing::debug!(%peer, fault = fault.name(), "connection not served");
            stream.reset_on_close();
            return;
        }
    }
}

async fn connect(
    worker: &Worker,
    timer: &Timer,
    place: &Place,
    origin: &Origin,
    client: &Stream,
) -> Result<Upstream, Fault> {
    let (pool, endpoint) = (place.pool(), place.endpoint());
    let counters = endpoint.counters(worker.number);
    counters.requests.add(1);
    timer.works_with(endpoint.serial);
    let told = pool.config.proxy_protocol.map(|_| origin.ends(client));
    let connected = Upstream::connect(worker, timer, endpoint, pool, told).await;
    let failed = connected.as_ref().is_err_and(|fault| fault.side() == Side::Endpoint);
    counters.failures.add(u64::from(failed));
    note_outcome(worker, pool, endpoint, failed);
    connected
}

/// One end of a tunnel.
pub(crate) trait Mouth {
    /// Gives what came out of it; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Takes at least one byte.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Takes what it can at once.
    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Most bytes for it that are worth reading now.
    fn room(&self) -> usize;

    /// Nothing more comes for it.
    fn end_writing(&mut self);

    /// It must notice that this is no orderly end.
    fn break_off(&mut self);

    /// The connection through which plain bytes could pass inside the kernel, if that is possible.
    fn plain(&mut self) -> Option<&mut Stream>;
}

impl Mouth for Stream {
    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_read(self, cx, buf)
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(self, cx, bytes)
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::write_now(self, bytes)
    }

    fn room(&self) -> usize {
        HOT
    }

    fn end_writing(&mut self) {
        Self::end_writing(self);
    }

    fn break_off(&mut self) {
        self.reset_on_close();
    }

    fn plain(&mut self) -> Option<&mut Stream> {
        Some(self).filter(|stream| stream.is_clear())
    }
}

/// Serves what follows a 101. `ahead`: bytes that the client sent before.
pub(crate) async fn upgraded(
    worker: &Worker,
    (client, upstream): (&mut impl Mouth, &mut impl Mouth),
    timer: &Timer,
    endpoint: &LiveEndpoint,
    idle_timeout: Duration,
    ahead: Vec<u8>,
) {
    let both = Both { worker, client, upstream, timer };
    let patience = Patience { idle: idle_timeout, half_closed: idle_timeout, keep_alive: None };
    both.run(endpoint, patience, ahead).await;
}

struct Both<'a, C, U> {
    worker: &'a Worker,
    client: &'a mut C,
    upstream: &'a mut U,
    timer: &'a Timer,
}

impl<C: Mouth, U: Mouth> Both<'_, C, U> {
    /// `ahead`: what the client sent before.
    async fn run(self, endpoint: &LiveEndpoint, patience: Patience, ahead: Vec<u8>) {
        let Self { worker, client, upstream, timer } = self;
        let mut there = Direction { pending: ahead, ..Direction::default() };
        let mut back = Direction::default();
        let mut moved_at = timer.now();
        let whole = std::future::poll_fn(|cx| {
            let mut moved = false;
            let outcome = (
                there.poll(cx, worker, client, upstream, &mut moved),
                back.poll(cx, worker, upstream, client, &mut moved),
            );
            match outcome {
                (Poll::Ready(true), Poll::Ready(true)) => return Poll::Ready(true),
                (Poll::Ready(false), _) | (_, Poll::Ready(false)) => return Poll::Ready(false),
                _ => {}
            }
            let now = timer.now();
            if moved {
                moved_at = now;
            }
            let still = if there.closed || back.closed { patience.half_closed } else { patience.idle };
            // A direction that is stuck would be kept by the other one, with all that waits in it.
            let stuck = there.stuck_since(now).into_iter().chain(back.stuck_since(now)).min();
            let until = stuck.map_or(moved_at + still, |since| (since + patience.idle).min(moved_at + still));
            timer.set_at(until);
            if timer.is_cut() || timer.has_passed(cx) { Poll::Ready(false) } else { Poll::Pending }
        })
        .await;
        if !whole {
            // Both sides must notice that this was no orderly end.
            client.break_off();
            upstream.break_off();
        }
        let counters = endpoint.counters(worker.number);
        counters.bytes_out.add(there.bytes);
        counters.bytes_in.add(back.bytes);
        there.give_back(worker);
        back.give_back(worker);
    }
}

/// One direction of a tunnel.
#[derive(Default)]
struct Direction {
    pending: Vec<u8>,
    flushed: usize,
    pipe: Option<Pipe>,
    bytes: u64,
    /// Bytes moved without a pause; a chatty connection never pays for a pipe.
    stretch: u64,
    ended: bool,
    closed: bool,
    /// What had gone out when that was looked at, and since when it is so much, while more waits.
    gone: u64,
    stuck: Option<Moment>,
}

impl Direction {
    /// Since when the side that it goes to takes nothing of what waits for it.
    fn stuck_since(&mut self, now: Moment) -> Option<Moment> {
        let in_pipe = self.pipe.as_ref().map_or(0, Pipe::held);
        let waits = (self.pending.len() - self.flushed + in_pipe) as u64;
        // What came ahead is not counted in `bytes`, so this may wrap; only whether it changes matters.
        let gone = self.bytes.wrapping_sub(waits);
        if waits == 0 {
            self.stuck = None;
        } else if gone != self.gone || self.stuck.is_none() {
            self.stuck = Some(now);
        }
        self.gone = gone;
        self.stuck
    }

    /// Moves what can be moved. Ready with true at an orderly end, with false when a side broke.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut impl Mouth,
        to: &mut impl Mouth,
        moved: &mut bool,
    ) -> Poll<bool> {
        loop {
            if self.closed {
                return Poll::Ready(true);
            }
            let step = match (&mut self.pipe, from.plain(), to.plain()) {
                (Some(pipe), Some(from), Some(to)) => poll_pipe(cx, pipe, from, to, &mut self.ended),
                _ => self.poll_copy(cx, worker, from, to),
            };
            match step {
                Poll::Ready(Ok(count)) => {
                    *moved = true;
                    self.bytes += count;
                    self.stretch += count;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {
                    self.stretch = 0;
                    return Poll::Pending;
                }
            }
            let empty = self.pending.is_empty() && self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0);
            if self.ended && empty {
                to.end_writing();
                self.closed = true;
            } else if self.pipe.is_none()
                && empty
                && self.stretch >= SPLICE_FROM
                && from.plain().is_some()
                && to.plain().is_some()
            {
                self.pipe = worker.buffers.take_pipe();
            }
        }
    }

    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        from: &mut impl Mouth,
        to: &mut impl Mouth,
    ) -> Poll<io::Result<u64>> {
        if self.flushed < self.pending.len() {
            let count = std::task::ready!(to.poll_write(cx, &self.pending[self.flushed..]))?;
            self.flushed += count;
            if self.flushed == self.pending.len() {
                worker.buffers.give_vector(std::mem::take(&mut self.pending));
                self.flushed = 0;
            }
            return Poll::Ready(Ok(0));
        }
        let room = to.room();
        worker.buffers.with_hot(|hot| {
            let count = std::task::ready!(from.poll_read(cx, hot.get_mut(..room).unwrap_or_default()))?;
            self.ended = count == 0;
            let written = if count == 0 { 0 } else { to.write_now(&hot[..count])? };
            if written < count {
                self.pending = worker.buffers.take_vector();
                self.pending.extend_from_slice(&hot[written..count]);
            }
            Poll::Ready(Ok(count as u64))
        })
    }

    fn give_back(self, worker: &Worker) {
        worker.buffers.give_vector(self.pending);
        if let Some(pipe) = self.pipe {
            worker.buffers.give_pipe(pipe);
        }
    }
}

/// Fills and empties the pipe once each. Ready with the bytes that came in.
fn poll_pipe(
    cx: &mut Context<'_>,
    pipe: &mut Pipe,
    from: &mut Stream,
    to: &mut Stream,
    ended: &mut bool,
) -> Poll<io::Result<u64>> {
    let mut came = None;
    if !*ended && pipe.has_room() {
        match from.poll_splice_in(cx, pipe, usize::MAX) {
            Poll::Ready(Ok(Spliced::Bytes(0))) => *ended = true,
            Poll::Ready(Ok(Spliced::Bytes(count))) => came = Some(count as u64),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(Spliced::PipeFull)) | Poll::Pending => {}
        }
    }
    if pipe.held() > 0 {
        match to.poll_splice_out(cx, pipe, false) {
            Poll::Ready(Ok(_)) => return Poll::Ready(Ok(came.unwrap_or(0))),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
    }
    match came {
        Some(count) => Poll::Ready(Ok(count)),
        None if *ended && pipe.held() == 0 => Poll::Ready(Ok(0)),
        None => Poll::Pending,
    }
}
