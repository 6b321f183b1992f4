//! The handle by which the rest of haechi talks to the prober.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_model::{EndpointId, Moment};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::driver::{Driver, Runner};
use crate::fleet::Fleet;
use crate::probe::Probes;
use crate::{EndpointReport, Limits, Load, Target, Verdict};

/// Reports of failing traffic that may wait for the driver. The driver takes them within microseconds, so
/// this only fills when it stands still; one that finds it full is dropped, and comes again with the next
/// failures.
const SIGNALS: usize = 1024;

/// How the prober runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The moment zero of all [`Moment`]s of this process.
    pub origin: Instant,
    /// Spreads probes; nodes that probe the same endpoints should have different ones.
    pub seed: u64,
    /// Most probes under way.
    pub limits: Limits,
}

/// Watches endpoints until the last clone is dropped; that also ends all probes under way.
#[derive(Clone, Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    _driver: Arc<Stop>,
}

/// What the handle and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    fleet: Mutex<Fleet>,
    origin: Instant,
    /// Told when the driver has to look at the fleet again.
    pub(crate) changed: Notify,
    signals: mpsc::Sender<EndpointId>,
    verdicts: mpsc::UnboundedSender<Verdict>,
}

impl Prober {
    /// Starts on the runtime that calls. Verdicts come in the order in which they were reached; their rate
    /// is bounded by that of the probes, so the channel is not. Whoever drops the receiver can still ask
    /// for reports.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn start(options: Options) -> (Self, mpsc::UnboundedReceiver<Verdict>) {
        Self::start_with(options, Probes::default())
    }

    pub(crate) fn start_with<R: Runner>(
        options: Options,
        runner: R,
    ) -> (Self, mpsc::UnboundedReceiver<Verdict>) {
        let (verdicts, receiver) = mpsc::unbounded_channel();
        let (signals, signalled) = mpsc::channel(SIGNALS);
        let shared = Arc::new(Shared {
            fleet: Mutex::new(Fleet::new(options.seed, options.limits)),
            origin: options.origin,
            changed: Notify::new(),
            signals,
            verdicts,
        });
        let driver = Driver::new(Arc::clone(&shared), signalled, runner);
        let task = Handle::current().spawn(driver.run());
        (Self { shared, _driver: Arc::new(Stop(task.abort_handle())) }, receiver)
    }

    /// Watches exactly these from now on. An endpoint known by id and address keeps its state, its
    /// counters and its ejection; a changed check holds at once. Each new endpoint gets a verdict without
    /// a change, and its report is there when this returns.
    pub fn set_targets(&self, targets: Vec<Target>) {
        self.shared.update(|fleet, now| fleet.set_targets(targets, now));
        self.shared.changed.notify_one();
    }

    /// So many requests in a row to this endpoint failed that its pool's passive check is met. Never
    /// waits; may be called from any thread. Whoever counts should call again after as many further
    /// failures.
    pub fn passive_failure(&self, id: EndpointId) {
        if let Err(error) = self.shared.signals.try_send(id) {
            tracing::debug!(%error, "a report of failing requests was dropped");
        }
    }

    /// All that is known of this endpoint; `None` if it is not watched.
    pub fn report(&self, id: &EndpointId) -> Option<EndpointReport> {
        self.shared.fleet().report(id)
    }

    /// All that is known of all endpoints, ordered by id.
    pub fn reports(&self) -> Vec<(EndpointId, EndpointReport)> {
        self.shared.fleet().reports()
    }

    /// What is under way and what waits.
    pub fn load(&self) -> Load {
        self.shared.fleet().load()
    }
}

impl Shared {
    /// Changes the fleet and tells the verdicts before anybody else can change it, so that they come in
    /// order.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Fleet, Moment) -> Vec<Verdict>) {
        let mut fleet = self.fleet();
        let verdicts = change(&mut fleet, self.now());
        for verdict in verdicts {
            // Nobody listens: reports are still there.
            let _ = self.verdicts.send(verdict);
        }
    }

    /// A fleet that somebody panicked over is still consistent enough: each endpoint stands for itself.
    pub(crate) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::ORIGIN + Instant::now().saturating_duration_since(self.origin)
    }

    /// `None` for a moment that no clock will reach.
    pub(crate) fn instant(&self, moment: Moment) -> Option<Instant> {
        self.origin.checked_add(moment.since(Moment::ORIGIN))
    }
}

/// Ends the driver, and with it all probes.
#[derive(Debug)]
struct Stop(AbortHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
