//! The control plane: wires the rooms together. Config in, snapshots out to the data plane; verdicts in,
//! views out; every change is an event.
//!
//! It decides little: what is healthy is `health`'s to say, what a config means `config`'s, who gets a
//! request `balance`'s. What stands here is the order of things: bind before apply, apply before drain.

mod admin;
mod aftermath;
mod certificates;
mod events;
mod files;
mod ha;
mod health;
mod keys;
mod memory;
mod orders;
mod programs;
mod refusals;
mod rehearsals;
mod reload;
mod requests;
mod rights;
mod service;
mod source;
mod status;
mod tracks;
mod upgrade;
mod watch;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use haechi_admin::{Doors, Problem};
use haechi_health::Start;
use haechi_model::{AdminState, EndpointId, Pressure};
use haechi_prober::{Limits, Options, Prober};
use haechi_proxy::Proxy;
use haechi_sys::program::Program;
use haechi_telemetry::event;
use haechi_trust::Trust;
use tokio::sync::watch::Sender as Flag;
use tokio::task::AbortHandle;

pub(crate) use self::admin::Handle;
pub(crate) use self::certificates::{Severely, look};
use self::events::Log;
pub(crate) use self::files::watch_files;
use self::ha::VirtualRouters;
pub(crate) use self::keys::{Found, KeysFile, keys_files};
use self::orders::Ordering;
use self::rehearsals::Rehearsals;
pub(crate) use self::rehearsals::sentence;
use self::rights::Kept;
pub(crate) use self::rights::{Rights, given};
pub(crate) use self::service::Service;
pub(crate) use self::source::{Compiled, Source, read};
use self::status::ConfigState;
pub(crate) use self::upgrade::Heir;
use self::upgrade::{Known, Starter};
pub(crate) use self::watch::watch;

/// Spreads hashes and probes. One value for every node, so that nodes agree on `ipHash` without talking.
const CLUSTER_SEED: u64 = 0x6861_6563_6869; // "haechi"

/// The running control plane.
pub(crate) struct Control {
    proxy: Proxy,
    prober: Prober,
    source: Source,
    trust: Arc<Trust>,
    /// What takes this one's place in an upgrade, and the doors of the API that it gets.
    starter: Starter,
    doors: Doors,
    /// An heir serves; this one lets what is open end.
    passed_on: Flag<Option<u32>>,
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
    /// As the workers were told last.
    pressure: Mutex<Pressure>,
    rehearsals: Mutex<Rehearsals>,
    ordering: Mutex<Ordering>,
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

/// What a process begins with, besides its config.
pub(crate) struct Beginning<'a> {
    pub(crate) source: Source,
    pub(crate) trust: Arc<Trust>,
    pub(crate) program: Program,
    pub(crate) doors: Doors,
    /// It takes over from another one.
    pub(crate) heir: Option<&'a Heir>,
}

impl Control {
    /// Starts the data plane and the prober and puts the first config in force; as an heir, when all is ready for it.
    ///
    /// # Errors
    /// The system refuses threads, or an address of the config can't be had, or the process whose heir it is hangs.
    pub(crate) async fn start(
        beginning: Beginning<'_>,
        first: Compiled,
        rights: Rights,
    ) -> Result<Arc<Self>, StartError> {
        let Beginning { source, trust, program, doors, heir } = beginning;
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
            trust,
            starter: Starter::new(program, rights.heirs),
            doors,
            passed_on: Flag::new(None),
            events: Log::default(),
            config: Mutex::default(),
            overrides: Mutex::default(),
            cuts: Mutex::default(),
            warming: Mutex::default(),
            virtual_routers: Mutex::new(virtual_routers),
            kept: rights.kept,
            pressure: Mutex::default(),
            rehearsals: Mutex::new(Rehearsals::load(&crate::state::folder())),
            ordering: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            started_at_ms: wall_ms(),
        });
        match heir {
            None => control.begin(first).await?,
            Some(heir) => control.take_over(heir, first).await?,
        }
        tokio::spawn(health::follow_verdicts(Arc::clone(&control), verdicts));
        tokio::spawn(health::follow_signals(Arc::clone(&control), signals));
        tokio::spawn(health::warm_up(Arc::clone(&control)));
        tokio::spawn(ha::follow_stories(Arc::clone(&control), stories));
        tokio::spawn(tracks::follow(Arc::clone(&control)));
        tokio::spawn(memory::follow(Arc::clone(&control)));
        tokio::spawn(orders::follow(Arc::clone(&control)));
        control.tell_rights();
        control.events.add(event::STARTED, "node", format!("serving with {workers} workers"));
        Ok(control)
    }

    async fn begin(self: &Arc<Self>, first: Compiled) -> Result<(), StartError> {
        let snapshot = first.snapshot;
        let prepared = self.prepare(&snapshot, first.credentials).map_err(StartError::Refused)?;
        let put = self.put_in_force(snapshot, prepared, &Known::default(), &Start::Assumed).await;
        put.map(drop).map_err(StartError::Refused)
    }

    async fn take_over(self: &Arc<Self>, heir: &Heir, first: Compiled) -> Result<(), StartError> {
        let snapshot = first.snapshot;
        self.proxy.inherit(heir.sockets(), heir.claimed());
        let prepared = self.prepare(&snapshot, first.credentials).map_err(StartError::Refused)?;
        let estate = heir.ready().await.map_err(StartError::Hangs)?;
        let text = match &estate {
            Some(_) => format!("took over from {}", heir.whose()),
            None => format!("{} is no more, and what it knew is not known: began anew", heir.whose()),
        };
        let mut estate = estate.unwrap_or_default();
        lock(&self.virtual_routers).inherit(estate.routers());
        self.events.continue_from(&estate.events);
        *lock(&self.overrides) = estate.overrides();
        self.proxy.inherit_flows(estate.flows());
        let put = self.put_in_force(snapshot, prepared, &estate.known(), &Start::Assumed).await;
        put.map_err(StartError::Refused)?;
        estate.count_on(&self.proxy.live());
        self.doors.own();
        heir.serving();
        self.events.add(event::UPGRADE, "node", text);
        Ok(())
    }

    /// Waits until an heir serves; gives its process id.
    pub(crate) async fn passed_on(&self) -> u32 {
        // The sender lives as long as this does.
        let mut heirs = self.passed_on.subscribe();
        let heir = heirs.wait_for(Option::is_some).await;
        heir.ok().and_then(|heir| *heir).unwrap_or_default()
    }

    /// Waits for the end of an upgrade that may be under way, and gives the heir's process id if one serves.
    pub(crate) async fn settled(&self) -> Option<u32> {
        let _turn = self.changing.lock().await;
        *self.passed_on.borrow()
    }

    /// Lets what is open end, where an heir serves; gives the number of connections that did not.
    pub(crate) async fn retire(&self, grace: Duration) -> usize {
        self.proxy.retire(grace).await
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
    /// The process that was to pass its state on does not.
    Hangs(String),
}
