//! Which endpoint gets the request: the pool's view asked with this moment's loads, within the connection
//! limit, or a place in the queue.

use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll};

use haechi_balance::{Ask, Loads, Pick, Tried};
use haechi_model::{Algorithm, Fault, Moment};
use haechi_sys::net::Waiting;

use crate::live::{LiveEndpoint, LivePool};
use crate::scene::Scene;
use crate::stream::Stream;
use crate::timer::Timer;
use crate::worker::Worker;

/// What a client does while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noise {
    /// Nothing.
    Silent,
    /// It sent something, or ended its sending side: clients may close that and still read.
    Spoke,
    /// It broke off.
    Gone,
}

/// Whoever wants a place at an endpoint.
pub(crate) trait Applicant {
    /// Its deadline.
    fn timer(&self) -> &Timer;

    /// Lets the event loop hear of it, so that [`noise`](Self::noise) finds something.
    fn watch(&mut self);

    /// What it did meanwhile; the task is woken when that changes.
    fn noise(&mut self, cx: &Context<'_>) -> Noise;
}

/// A connection that carries no requests.
impl Applicant for (&Timer, &mut Stream) {
    fn timer(&self) -> &Timer {
        self.0
    }

    fn watch(&mut self) {
        self.1.watch();
    }

    fn noise(&mut self, cx: &Context<'_>) -> Noise {
        noise_of(self.1, cx)
    }
}

/// What stands on a connection whose requests are read one after the other.
pub(crate) fn noise_of(stream: &Stream, cx: &Context<'_>) -> Noise {
    match stream.poll_noise(cx) {
        Poll::Pending => Noise::Silent,
        Poll::Ready(()) if stream.peek() == Waiting::Broken => Noise::Gone,
        Poll::Ready(()) => Noise::Spoke,
    }
}

/// The right to one request at an endpoint: counted as in flight until dropped.
pub(crate) struct Place {
    scene: Rc<Scene>,
    pool: usize,
    pub(crate) member: usize,
}

impl Place {
    pub(crate) fn pool(&self) -> &LivePool {
        self.scene.pool(self.pool)
    }

    /// A place that another process had, at whatever endpoint.
    pub(crate) fn inherited(scene: &Rc<Scene>, pool: usize, member: usize) -> Self {
        scene.pool(pool).endpoints[member].in_flight.fetch_add(1, Ordering::SeqCst);
        Self { scene: Rc::clone(scene), pool, member }
    }

    /// Whether it is one of this pool in this generation.
    pub(crate) fn is_of(&self, scene: &Scene, pool: usize) -> bool {
        self.pool == pool && self.scene.live.generation == scene.live.generation
    }

    pub(crate) fn endpoint(&self) -> &LiveEndpoint {
        &self.pool().endpoints[self.member]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let pool = self.pool();
        self.endpoint().in_flight.fetch_sub(1, Ordering::SeqCst);
        if pool.shared.gate.waiting.load(Ordering::SeqCst) > 0 {
            pool.shared.freed.notify_one();
        }
    }
}

/// Loads of a pool at this moment.
struct Now<'a> {
    pool: &'a LivePool,
    now: Moment,
}

impl Loads for Now<'_> {
    #[inline]
    fn in_flight(&self, member: usize) -> u32 {
        self.pool.endpoints[member].in_flight()
    }

    fn cost_nanos(&self, member: usize) -> Option<u64> {
        self.pool.endpoints[member].cost_nanos(self.now)
    }

    #[inline]
    fn full(&self, member: usize) -> bool {
        self.pool.shared.gate.is_full(self.in_flight(member))
    }
}

pub(crate) enum Found {
    Place(Place),
    Full,
    Nobody,
}

/// Picks without waiting.
pub(crate) fn pick(
    worker: &Worker,
    scene: &Rc<Scene>,
    pool_index: usize,
    source: u64,
    tried: &Tried,
) -> Found {
    let pool = scene.pool(pool_index);
    let view = pool.view();
    loop {
        let ask = Ask {
            ticket: pool.shared.ticket.fetch_add(1, Ordering::Relaxed),
            source,
            random: worker.random(),
            tried,
        };
        let loads = Now { pool, now: worker.timers.now() };
        let member = match view.pick(&ask, &loads) {
            Pick::Member(member) => member,
            Pick::AllFull => return Found::Full,
            Pick::Nobody => return Found::Nobody,
        };
        let before = pool.endpoints[member].in_flight.fetch_add(1, Ordering::SeqCst);
        let place = Place { scene: Rc::clone(scene), pool: pool_index, member };
        // Another worker may have taken the last place since the view looked.
        if !pool.shared.gate.is_full(before) {
            return Found::Place(place);
        }
    }
}

/// Picks, and waits in the pool's queue where every endpoint is at its limit.
///
/// # Errors
/// No endpoint can serve, the queue is full, the wait was too long, or the client broke its connection.
pub(crate) async fn select(
    worker: &Worker,
    scene: &Rc<Scene>,
    pool: usize,
    source: u64,
    tried: &Tried,
    client: &mut impl Applicant,
) -> Result<Place, Fault> {
    match pick(worker, scene, pool, source, tried) {
        Found::Place(place) => Ok(place),
        Found::Nobody => Err(Fault::NoEndpoint),
        // Boxed because it is rare, and every connection's memory would hold room for it.
        Found::Full => Box::pin(queue(worker, scene, pool, source, tried, client)).await,
    }
}

/// Counts a waiter for as long as it lives.
struct Waiter<'a>(&'a LivePool);

impl<'a> Waiter<'a> {
    fn take(pool: &'a LivePool) -> Option<Self> {
        let waiting = &pool.shared.gate.waiting;
        let waiter = Self(pool);
        (waiting.fetch_add(1, Ordering::SeqCst) < pool.config.queue.size).then_some(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.shared.gate.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn queue(
    worker: &Worker,
    scene: &Rc<Scene>,
    pool_index: usize,
    source: u64,
    tried: &Tried,
    client: &mut impl Applicant,
) -> Result<Place, Fault> {
    let pool = scene.pool(pool_index);
    let Some(_place) = Waiter::take(pool) else { return Err(Fault::QueueFull) };
    client.timer().set(pool.config.queue.timeout);
    client.watch();
    loop {
        let mut freed = pin!(pool.shared.freed.notified());
        // Registered before the look, so that what is freed in between is not missed.
        freed.as_mut().enable();
        // Orders our place in the queue before the look at the loads, as `Place::drop` orders the reverse: one
        // of the two sees the other.
        fence(Ordering::SeqCst);
        match pick(worker, scene, pool_index, source, tried) {
            Found::Place(place) => return Ok(place),
            Found::Nobody => return Err(Fault::NoEndpoint),
            Found::Full => {}
        }
        let woken = std::future::poll_fn(|cx| {
            if freed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if client.noise(cx) == Noise::Gone {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            if client.timer().has_passed(cx) { Poll::Ready(Err(Fault::QueueTimeout)) } else { Poll::Pending }
        });
        woken.await?;
    }
}

/// The key that `ipHash` looks at; 0 where nobody looks.
pub(crate) fn source_of(pool: &LivePool, peer: std::net::SocketAddr) -> u64 {
    match pool.config.algorithm {
        Algorithm::IpHash => haechi_balance::source_key(peer, pool.config.source_mask),
        _ => 0,
    }
}
