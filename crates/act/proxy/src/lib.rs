//! The data plane: what stands between clients and endpoints.
//!
//! The modules follow a request: a [`worker`] accepts, a `client` connection reads a head, `admit` parses it
//! and finds its pool, `select` picks an endpoint, `upstream` has a connection to it, `exchange` moves the
//! bytes and tries again where that is safe, `tunnel` takes over where only bytes are left. `udp` moves
//! datagrams. `live` is what they all read: the snapshot in force with the state that outlives it.
//!
//! One thread per core, each with an event loop, sockets (`SO_REUSEPORT`), buffers and upstream connections
//! of its own. Threads share the snapshot, the pools' views and the endpoints' atomics. It refuses to know
//! config files, Kubernetes and who decides that an endpoint is healthy.

mod admit;
mod away;
mod buffers;
mod client;
mod coder;
mod engine;
mod exchange;
mod forwarding;
mod handshake;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod live;
mod preface;
mod pressed;
mod scene;
mod select;
mod sockets;
mod stream;
mod timer;
mod tunnel;
mod udp;
mod unopened;
mod unread;
mod upstream;
mod who;
mod worker;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use haechi_model::{EndpointId, EndpointState, Moment, Pressure, Snapshot};
use haechi_trust::Credentials;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

pub use live::{
    AuthTotals, EndpointTotals, LatencyBuckets, ListenerTotals, Live, LiveEndpoint, LiveListener, LivePool,
    Ruled, ShareTotals, SplitTotals,
};
pub use sockets::{BindError, Bound, Lent, LentSockets};
pub use udp::{FlowState, LentFlow};
pub use worker::Signal;

use engine::Engine;
use live::{Logins, Make};
use sockets::Sockets;
use worker::{Command, Move, Pulse};

/// Whether this program was built with HTTP/3.
pub const SPEAKS_HTTP3: bool = cfg!(feature = "http3");

/// The running data plane.
#[derive(Debug)]
pub struct Proxy {
    workers: Vec<UnboundedSender<Command>>,
    pulses: Vec<Pulse>,
    live: Arc<ArcSwap<Live>>,
    sockets: Mutex<Sockets>,
    /// One change of what is served at a time.
    applying: tokio::sync::Mutex<()>,
    seed: u64,
    logins: Arc<Logins>,
}

impl Proxy {
    /// Starts `workers` threads that serve nothing yet. `seed` goes into hashes and starting points: nodes
    /// that must agree on `ipHash` share it.
    ///
    /// # Errors
    /// The system refuses a thread or an event loop.
    pub fn start(workers: u16, seed: u64) -> io::Result<(Self, UnboundedReceiver<Signal>)> {
        let (signals, heard) = unbounded_channel();
        let (workers, pulses): (Vec<_>, Vec<_>) = (0..usize::from(workers.max(1)))
            .map(|number| start_worker(number, seed, signals.clone()))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let sockets = Mutex::new(Sockets::new(workers.len()));
        let live = Arc::new(ArcSwap::from_pointee(Live::empty()));
        Ok((
            Self {
                workers,
                pulses,
                live,
                sockets,
                applying: tokio::sync::Mutex::default(),
                seed,
                logins: Arc::default(),
            },
            heard,
        ))
    }

    /// What is in force now.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// A handle for readers that outlive this borrow.
    pub fn watch(&self) -> Arc<ArcSwap<Live>> {
        Arc::clone(&self.live)
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// For how long the worker that was silent longest has not turned its event loop, by its number, if that is
    /// longer than a worker at work takes: it hangs, or its thread is gone.
    pub fn stalled(&self, now: Moment) -> Option<(usize, Duration)> {
        let silent = self.pulses.iter().map(|pulse| now.since(pulse.last())).enumerate();
        silent.max_by_key(|(_, silent)| *silent).filter(|(_, silent)| *silent > STALL)
    }

    /// Opens the sockets that `snapshot` needs and that are not open yet, and changes nothing else.
    ///
    /// # Errors
    /// Every address that can't be had. Those that could be are closed again.
    pub fn bind(&self, snapshot: &Snapshot) -> Result<Bound, Vec<BindError>> {
        self.sockets().bind(snapshot)
    }

    /// What is stood on, by address, for another process to stand on too. The kernel's queues are shared: whoever
    /// accepts first serves.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn lend(&self) -> io::Result<Lent> {
        self.sockets().lend()
    }

    /// Addresses of virtual routers with `mover: bind` that are this node's now, in order.
    pub fn claimed(&self) -> Vec<IpAddr> {
        self.sockets().claimed()
    }

    /// Takes what another process lends: [`bind`](Self::bind) stands on it where it is wanted. `claimed` are addresses
    /// that listeners follow and that are this node's.
    pub fn inherit(&self, lent: Lent, claimed: &[IpAddr]) {
        let mut sockets = self.sockets();
        sockets.inherit(lent);
        sockets.claim(claimed, true);
    }

    /// UDP flows with their sockets, for another process that has the listening ones. Nothing of what comes in is
    /// taken from then on, until [`keep_flows`](Self::keep_flows).
    pub async fn lend_flows(&self) -> Vec<LentFlow> {
        let ask = |worker: &UnboundedSender<Command>| {
            let (done, wait) = oneshot::channel();
            worker.send(Command::LendFlows(done)).is_ok().then_some(wait)
        };
        let waits: Vec<_> = self.workers.iter().filter_map(ask).collect();
        let mut all = Vec::new();
        for wait in waits {
            all.extend(wait.await.unwrap_or_default());
        }
        all
    }

    /// The other process did not come: goes on with what was lent.
    pub fn keep_flows(&self) {
        self.tell_all(|| Command::KeepFlows);
    }

    /// Takes flows of another process, to go on with them on the sockets that [`inherit`](Self::inherit) was given.
    pub fn inherit_flows(&self, flows: Vec<LentFlow>) {
        self.sockets().inherit_flows(flows);
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `snapshot` in force; returns when every worker works by it. `initial` says what an endpoint
    /// starts with that was not there before. Endpoints that are gone finish what they have, up to their
    /// pool's drain timeout. One apply at a time: the caller sees to that. Listeners that speak TLS show what
    /// stands in `credentials`.
    pub async fn apply(
        &self,
        snapshot: Arc<Snapshot>,
        bound: Bound,
        credentials: &Credentials,
        initial: &(dyn Fn(&EndpointId) -> EndpointState + Sync),
    ) -> Arc<Live> {
        let _turn = self.applying.lock().await;
        let old = self.live.load_full();
        let make = Make { workers: self.workers.len(), seed: self.seed, logins: &self.logins, initial };
        let next = Arc::new(old.next(snapshot, &make));
        next.show(credentials);
        self.live.store(Arc::clone(&next));
        self.stand(&next, bound).await;
        // What was claimed since `bound` was made.
        match self.bind(&next.snapshot) {
            Ok(late) if late.is_empty() => {}
            Ok(late) => self.stand(&next, late).await,
            Err(errors) => errors.iter().for_each(|error| tracing::error!("{error}")),
        }
        self.drain_removed(&old, &next);
        // What another process lent and nobody wants closes here.
        self.sockets().inherit(Lent::default());
        next
    }

    /// Shows other certificates from the next handshake on.
    pub async fn renew(&self, credentials: &Credentials) {
        let _turn = self.applying.lock().await;
        self.live.load().show(credentials);
    }

    /// Says whether addresses of virtual routers with `mover: bind` are this node's, and returns when listeners
    /// stand on them, or have left them. What is open goes on.
    ///
    /// # Errors
    /// Every address that can't be had; then none of these is stood on.
    pub async fn follow(&self, addresses: &[IpAddr], here: bool) -> Result<(), Vec<BindError>> {
        let _turn = self.applying.lock().await;
        let live = self.live.load_full();
        self.sockets().claim(addresses, here);
        let bound = self.bind(&live.snapshot).inspect_err(|_| self.sockets().claim(addresses, false))?;
        self.stand(&live, bound).await;
        Ok(())
    }

    /// Another node has these addresses now, and this one serves what is open there for `drain`. Clients are told with
    /// their next answer that it was the last; who asks nothing for half of that time is left, and comes anew.
    pub fn give_away(&self, addresses: &[IpAddr], drain: Duration) {
        let leaves_at = haechi_sys::clock::now() + (drain / 2).min(LONGEST_PATIENCE);
        self.tell_move(addresses, Move::Away(leaves_at));
    }

    /// These addresses are here again: who is connected there and was not told yet may stay.
    pub fn have_back(&self, addresses: &[IpAddr]) {
        self.tell_move(addresses, Move::Back);
    }

    /// Nothing is served any more at these addresses, which another node has.
    pub fn forget(&self, addresses: &[IpAddr]) {
        self.tell_move(addresses, Move::Gone);
    }

    /// So much memory is left: with less, clients are asked to leave, and then nothing new is taken on.
    pub fn press(&self, pressure: Pressure) {
        self.tell_all(|| Command::Press(pressure));
    }

    fn tell_move(&self, addresses: &[IpAddr], what: Move) {
        let addresses: Arc<[IpAddr]> = addresses.into();
        self.tell_all(|| Command::Moved(Arc::clone(&addresses), what));
    }

    async fn stand(&self, live: &Arc<Live>, bound: Bound) {
        let waits = self.tell_apply(live, bound);
        for wait in waits {
            // A worker that is gone has nothing to apply it to.
            let _ = wait.await;
        }
    }

    fn tell_apply(&self, next: &Arc<Live>, bound: Bound) -> Vec<oneshot::Receiver<()>> {
        let mut sockets = self.sockets();
        let close = sockets.keep_only(&next.snapshot);
        let by_worker = sockets.adopt(bound);
        (self.workers.iter().zip(by_worker))
            .filter_map(|(worker, open)| {
                let (done, wait) = oneshot::channel();
                let command = Command::Apply { live: Arc::clone(next), open, close: close.clone(), done };
                worker.send(command).is_ok().then_some(wait)
            })
            .collect()
    }

    fn drain_removed(&self, old: &Live, next: &Live) {
        for pool in &old.pools {
            for endpoint in &pool.endpoints {
                let kept = next.endpoint(&endpoint.id).is_some_and(|live| live.serial == endpoint.serial);
                if !kept {
                    self.tell_all(|| Command::Purge(endpoint.serial));
                    let (workers, serial, after) =
                        (self.workers.clone(), endpoint.serial, pool.config.drain_timeout);
                    tokio::spawn(async move {
                        tokio::time::sleep(after).await;
                        cut(&workers, serial);
                    });
                }
            }
        }
    }

    /// Changes what decides whether endpoints get new work, and makes their pools' views anew once.
    pub fn set_states(&self, states: &[(EndpointId, EndpointState)]) {
        let live = self.live.load();
        let mut touched: Vec<&Arc<LivePool>> = Vec::new();
        for (id, state) in states {
            let (Some(pool), Some(endpoint)) = (live.pool(&id.pool), live.endpoint(id)) else { continue };
            if !endpoint.set_state(*state) {
                continue;
            }
            if !state.serving || state.ejected {
                self.tell_all(|| Command::Purge(endpoint.serial));
            }
            if !touched.iter().any(|known| Arc::ptr_eq(known, pool)) {
                touched.push(pool);
            }
        }
        for pool in touched {
            pool.refresh();
        }
    }

    /// Cuts off what an endpoint still does.
    pub fn cut(&self, endpoint: &LiveEndpoint) {
        cut(&self.workers, endpoint.serial);
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            let _ = worker.send(command());
        }
    }

    /// Takes nothing new, finishes what runs, and gives the number of connections that did not end within
    /// `grace`. Clients are told with their next answer that it was the last; who asks nothing is left soon.
    pub async fn stop(&self, grace: Duration) -> usize {
        self.leave(grace, worker::PATIENCE, false).await
    }

    /// The same where another process serves on, and nobody waits for the end of this one: it has patience with
    /// silent clients.
    pub async fn retire(&self, grace: Duration) -> usize {
        self.leave(grace, Duration::MAX, true).await
    }

    async fn leave(&self, grace: Duration, patience: Duration, has_heir: bool) -> usize {
        self.sockets().forget_all();
        // Where there is hardly any time, what is left of it is for seeing that the end has come.
        let patience = patience.min(grace / 2);
        let mut waits = Vec::new();
        for worker in &self.workers {
            let (done, wait) = oneshot::channel();
            if worker.send(Command::Stop { grace, patience, has_heir, done }).is_ok() {
                waits.push(wait);
            }
        }
        let mut left = 0;
        for wait in waits {
            left += wait.await.unwrap_or(0);
        }
        left
    }
}

fn cut(workers: &[UnboundedSender<Command>], serial: u64) {
    for worker in workers {
        // A worker that is gone has nothing to cut.
        let _ = worker.send(Command::Cut(serial));
    }
}

/// How long silent clients of an address that moved are waited for at most: half of the default `drain`. Who asks more
/// often hears that it was the last answer, and never meets the end of its connection with a request under way.
const LONGEST_PATIENCE: Duration = Duration::from_secs(15);

/// Silence of a worker that says that it hangs: fifty of its ticks, and more than a machine that is only busy keeps
/// a runnable thread waiting.
const STALL: Duration = Duration::from_secs(1);

/// Starts one worker's thread; returns when its event loop runs.
fn start_worker(
    number: usize,
    seed: u64,
    signals: UnboundedSender<Signal>,
) -> io::Result<(UnboundedSender<Command>, Pulse)> {
    let (commands, receiver) = unbounded_channel();
    let pulse = Pulse::new(haechi_sys::clock::now());
    let beats = pulse.clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let life = move || {
        // An event loop can't change threads, so it is made where it runs.
        match Engine::new() {
            Ok(engine) => {
                // Nobody hears it only if the caller is gone; then the commands end at once.
                let _ = ready.send(Ok(()));
                if let Err(error) = engine.run(worker::run(number, seed, signals, receiver, beats)) {
                    tracing::error!(number, %error, "a worker's event loop broke");
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(life)?;
    is_ready.recv().map_err(io::Error::other)??;
    Ok((commands, pulse))
}
