//! The task that keeps the schedule: sleeps until a probe is due, runs it, brings its result home.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::Arc;

use haechi_health::{FailureKind, ProbeOutcome};
use haechi_model::EndpointId;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::fleet::Job;
use crate::prober::Shared;

/// Runs one probe. A seam, so that the schedule can be tested without sockets.
pub(crate) trait Runner: Send + Sync + 'static {
    /// Must end within the check's timeout.
    fn run(&self, job: &Job) -> impl Future<Output = ProbeOutcome> + Send;

    /// The config was loaded anew: files that probes use may have changed.
    fn reloaded(&self);
}

pub(crate) struct Driver<R> {
    shared: Arc<Shared>,
    signals: mpsc::Receiver<EndpointId>,
    runner: Arc<R>,
    tasks: JoinSet<ProbeOutcome>,
    flights: HashMap<Id, (Job, AbortHandle)>,
}

impl<R: Runner> Driver<R> {
    pub(crate) fn new(shared: Arc<Shared>, signals: mpsc::Receiver<EndpointId>, runner: R) -> Self {
        Self { shared, signals, runner: Arc::new(runner), tasks: JoinSet::new(), flights: HashMap::new() }
    }

    /// Until it is aborted.
    pub(crate) async fn run(mut self) {
        loop {
            let next = self.turn();
            tokio::select! {
                () = until(next) => {}
                () = self.shared.changed.notified() => self.runner.reloaded(),
                Some(id) = self.signals.recv() => {
                    self.shared.update(|fleet, now| fleet.passive_failure(&id, now));
                }
                Some(ended) = self.tasks.join_next_with_id() => self.landed(ended),
            }
        }
    }

    fn turn(&mut self) -> Option<Instant> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.landed(ended);
        }
        self.shared.update(|fleet, now| fleet.wake(now));
        self.cancel_void();
        self.launch();
        let next = self.shared.fleet().next_deadline();
        next.and_then(|moment| self.shared.instant(moment))
    }

    fn cancel_void(&self) {
        let void = self.shared.fleet().take_void();
        if !void.is_empty() {
            self.flights
                .values()
                .filter(|(job, _)| void.contains(&job.flight))
                .for_each(|(_, task)| task.abort());
        }
    }

    fn launch(&mut self) {
        let now = self.shared.now();
        loop {
            let Some(job) = self.shared.fleet().launch(now) else { return };
            let runner = Arc::clone(&self.runner);
            let errand = job.clone();
            let task = self.tasks.spawn(async move { runner.run(&errand).await });
            self.flights.insert(task.id(), (job, task));
        }
    }

    fn landed(&mut self, ended: Result<(Id, ProbeOutcome), JoinError>) {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            // Cancelled: the fleet knows that nobody waits. Panicked: our bug, not the endpoint's.
            Err(error) => {
                (error.id(), ProbeOutcome::failure(FailureKind::Local, format!("the probe broke: {error}")))
            }
        };
        if let Some((job, _)) = self.flights.remove(&task) {
            self.shared.update(|fleet, now| {
                fleet.landed(job.lane);
                fleet.finished(&job, outcome, now)
            });
        }
    }
}

async fn until(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
