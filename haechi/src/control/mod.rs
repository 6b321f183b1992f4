//! The control plane: wires the rooms together. Config in, snapshots out to the data plane; verdicts in,
//! views out; every change is an event.
//!
//! It decides little: what is healthy is `health`'s to say, what a config means `config`'s, who gets a
//! request `balance`'s. What stands here is the order of things: bind before apply, apply before drain.

mod admin;
mod events;
mod ha;
mod health;
mod keys;
mod programs;
mod rehearsals;
mod reload;
mod requests;
mod rights;
mod source;
mod status;
mod tracks;
mod watch;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haechi_admin::Problem;
use haechi_model::{AdminState, EndpointId};
use haechi_prober::{Limits, Options, Prober};
use haechi_proxy::Proxy;
use haechi_telemetry::event;
use tokio::task::AbortHandle;

pub(crate) use self::admin::Handle;
use self::events::Log;
use self::ha::VirtualRouters;
pub(crate) use self::keys::{Found, KeysFile, keys_files};
use self::rehearsals::Rehearsals;
pub(crate) use self::rehearsals::sentence;
use self::rights::Kept;
pub(crate) use self::rights::{Rights, given};
pub(crate) use self::source::{Compiled, Source, read};
use self::status::ConfigState;
pub(crate) use self::watch::watch;

/// Spreads hashes and probes. One value for every node, so that nodes agree on `ipHash` without talking.
const CLUSTER_SEED: u64 = 0x6861_6563_6869; // "haechi"

/// The running control plane.
pub(crate) struct Control {
    proxy: Proxy,
    prober: Prober,
    source: Source,
    events: Log,
    config: Mutex<ConfigState>,
    /// What operators said, beside what the config says.
    overrides: Mutex<HashMap<EndpointId, AdminState>>,
    /// Cuts that wait for a drain to end.
    cuts: Mutex<HashMap<EndpointId, AbortHandle>>,
    /// Endpoints that warm up: their share grows every second.
    warming: Mutex<Vec<EndpointId>>,
    virtual_routers: Mutex<VirtualRouters>,
    kept: Kept,
    rehearsals: Mutex<Rehearsals>,
    /// One change of config at a time.
    changing: tokio::sync::Mutex<()>,
    started_at_ms: u64,
}

/// A lock whose holder panicked still guards whole values: each is replaced in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wall time in milliseconds since 1970.
fn wall_ms() -> u64 {
    let since = haechi_sys::clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Control {
    /// Starts the data plane and the prober and puts the first config in force.
    ///
    /// # Errors
    /// The system refuses threads, or an address of the config can't be had.
    pub(crate) async fn start(
        source: Source,
        first: Compiled,
        rights: Rights,
    ) -> Result<Arc<Self>, StartError> {
        let workers = first.snapshot.workers.map_or_else(haechi_sys::limits::cores, std::num::NonZero::get);
        let (proxy, signals) = Proxy::start(workers, CLUSTER_SEED).map_err(StartError::System)?;
        let options = Options {
            origin: tokio::time::Instant::from_std(haechi_sys::clock::origin()),
            seed: u64::from(haechi_sys::limits::process_id()),
            limits: Limits::default(),
        };
        let (prober, verdicts) = Prober::start(options);
        let (virtual_routers, stories) = VirtualRouters::new(rights.virtual_routers);
        let control = Arc::new(Self {
            proxy,
            prober,
            source,
            events: Log::default(),
            config: Mutex::default(),
            overrides: Mutex::default(),
            cuts: Mutex::default(),
            warming: Mutex::default(),
            virtual_routers: Mutex::new(virtual_routers),
            kept: rights.kept,
            rehearsals: Mutex::new(Rehearsals::load(&crate::state::folder())),
            changing: tokio::sync::Mutex::default(),
            started_at_ms: wall_ms(),
        });
        control.put_in_force(first.snapshot, true).await.map_err(StartError::Refused)?;
        tokio::spawn(health::follow_verdicts(Arc::clone(&control), verdicts));
        tokio::spawn(health::follow_signals(Arc::clone(&control), signals));
        tokio::spawn(health::warm_up(Arc::clone(&control)));
        tokio::spawn(ha::follow_stories(Arc::clone(&control), stories));
        tokio::spawn(tracks::follow(Arc::clone(&control)));
        control.tell_rights();
        control.events.add(event::STARTED, "node", format!("serving with {workers} workers"));
        Ok(control)
    }

    /// Takes nothing new, lets running work finish for at most `grace`, and gives the number of connections
    /// that did not.
    pub(crate) async fn stop(&self, grace: Duration) -> usize {
        self.events.add(
            event::STOPPING,
            "node",
            format!("finishing what runs, for at most {} s", grace.as_secs()),
        );
        // Peers take over first; what is open here comes to its end on addresses that are still here.
        ha::leave(self).await;
        let left = self.proxy.stop(grace).await;
        lock(&self.virtual_routers).stop();
        left
    }
}

/// Why nothing was started.
#[derive(Debug)]
pub(crate) enum StartError {
    System(io::Error),
    Refused(Problem),
}
