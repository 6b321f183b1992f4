//! From what prober and workers notice to what endpoints get.

use std::sync::Arc;
use std::time::Duration;

use haechi_model::{AdminState, EndpointId, EndpointState, Pool, PoolName};
use haechi_prober::{Event, Verdict};
use haechi_proxy::{Live, Signal};
use haechi_telemetry::event;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Control, lock};

/// Verdicts taken together: their pools' views are made anew once.
const BATCH: usize = 1024;

/// How often the share of an endpoint in slow start grows: a tenth of the shortest useful slow start.
const WARM_STEP: Duration = Duration::from_secs(1);

impl Control {
    /// An endpoint's state; `configured` is the admin state that its config asks for.
    pub(super) fn state_of(&self, pool: &Pool, id: &EndpointId, configured: AdminState) -> EndpointState {
        let admin = lock(&self.overrides).get(id).copied().unwrap_or(configured);
        match self.prober.report(id) {
            Some(report) => report.state(admin, pool.slow_start, haechi_sys::clock::now()),
            None => EndpointState { admin, ..EndpointState::default() },
        }
    }

    /// Brings these endpoints' states up to date, and says so where a pool's ability to serve changed.
    pub(super) fn update(&self, ids: &[EndpointId]) {
        let live = self.proxy.live();
        let mut pools: Vec<&PoolName> = ids.iter().map(|id| &id.pool).collect();
        pools.dedup();
        let before: Vec<_> = pools.iter().map(|name| condition(&live, name)).collect();
        let states: Vec<_> = ids.iter().map(|id| (id.clone(), self.state_in(&live.snapshot, id))).collect();
        self.proxy.set_states(&states);
        let mut warming = lock(&self.warming);
        for (id, _) in states.iter().filter(|(_, state)| state.warmth < 100) {
            if !warming.contains(id) {
                warming.push(id.clone());
            }
        }
        drop(warming);
        for (name, before) in pools.iter().zip(before) {
            let after = condition(&live, name);
            if after != before {
                self.events.add(event::POOL_CHANGED, format!("pool {name}"), after);
            }
        }
    }
}

/// How a pool stands, in words.
fn condition(live: &Live, name: &PoolName) -> String {
    let Some(pool) = live.pool(name) else { return "removed".to_owned() };
    match pool.empty() {
        Some(reason) => format!("answers 503: {reason}"),
        None if pool.panicking() => "too few endpoints can serve: all are used".to_owned(),
        None => "serves".to_owned(),
    }
}

/// Takes verdicts as they come, several at a time where several wait.
pub(super) async fn follow_verdicts(control: Arc<Control>, mut verdicts: UnboundedReceiver<Verdict>) {
    let mut batch = Vec::new();
    while verdicts.recv_many(&mut batch, BATCH).await > 0 {
        let ids: Vec<EndpointId> = batch.iter().map(|verdict| verdict.id.clone()).collect();
        for verdict in batch.drain(..) {
            let Some(change) = verdict.change else { continue };
            let kind = match change {
                Event::Health(_) => event::HEALTH_CHANGED,
                Event::Ejection { .. } => event::EJECTION_CHANGED,
            };
            control.events.add(kind, format!("endpoint {}", verdict.id), change.to_string());
        }
        control.update(&ids);
    }
}

/// Hands on what the workers notice.
pub(super) async fn follow_signals(control: Arc<Control>, mut signals: UnboundedReceiver<Signal>) {
    while let Some(signal) = signals.recv().await {
        match signal {
            Signal::FailuresInARow(id) => control.prober.passive_failure(id),
            Signal::Distrust(id, reason) => {
                let text = if reason.is_empty() { "TLS works again" } else { &*reason };
                control.events.add(event::DISTRUST_CHANGED, format!("endpoint {id}"), text);
            }
        }
    }
}

/// Lets the shares of warming endpoints grow.
pub(super) async fn warm_up(control: Arc<Control>) {
    let mut steps = tokio::time::interval(WARM_STEP);
    loop {
        steps.tick().await;
        let warming = std::mem::take(&mut *lock(&control.warming));
        if !warming.is_empty() {
            control.update(&warming);
        }
    }
}
