//! What is live: the snapshot in force with the state that outlives it.
//!
//! A snapshot is a value; in-flight counts, health and counters are not. They are keyed by identity (pool
//! and endpoint name, and address) and carried from one generation to the next, so that a change of
//! anything else does not touch them.

mod budget;
mod counters;
mod endpoint;
mod pool;

use std::collections::HashMap;
use std::sync::Arc;

use haechi_model::{EndpointId, Listener, ListenerKind, ListenerName, PoolName, Snapshot};
use haechi_route::Table;

pub use counters::{EndpointTotals, LatencyBuckets, ListenerTotals};
pub(crate) use counters::ListenerCounters;
pub use endpoint::LiveEndpoint;
pub use pool::LivePool;

/// One generation as the workers see it.
#[derive(Debug)]
pub struct Live {
    /// Counts applied changes from 1 on.
    pub generation: u64,
    /// The config that it stands for.
    pub snapshot: Arc<Snapshot>,
    /// In the order of the snapshot.
    pub pools: Vec<Arc<LivePool>>,
    /// In the order of the snapshot.
    pub listeners: Vec<Arc<LiveListener>>,
}

/// A listener with its route table and its counters.
#[derive(Debug)]
pub struct LiveListener {
    /// As configured.
    pub config: Listener,
    pub(crate) routes: Table,
    pub(crate) counters: Arc<ListenerCounters>,
}

impl Live {
    /// Nothing at all: what is live before the first apply.
    pub(crate) fn empty() -> Self {
        Self { generation: 0, snapshot: Arc::default(), pools: Vec::new(), listeners: Vec::new() }
    }

    /// The next generation: `snapshot` with all state of `self` that still has an owner.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>, workers: usize, seed: u64) -> Self {
        let old: HashMap<&PoolName, &Arc<LivePool>> =
            self.pools.iter().map(|pool| (&pool.config.name, pool)).collect();
        let pools = snapshot
            .pools
            .iter()
            .map(|config| match old.get(&config.name) {
                Some(pool) if pool.config == *config => Arc::clone(pool),
                found => Arc::new(LivePool::new(config.clone(), found.map(|pool| &***pool), workers, seed)),
            })
            .collect();
        let old: HashMap<&ListenerName, &Arc<LiveListener>> =
            self.listeners.iter().map(|listener| (&listener.config.name, listener)).collect();
        let listeners = snapshot
            .listeners
            .iter()
            .map(|config| match old.get(&config.name) {
                Some(listener) if listener.config == *config => Arc::clone(listener),
                found => Arc::new(LiveListener::new(config, found.map(|listener| &***listener), workers)),
            })
            .collect();
        Self { generation: self.generation + 1, snapshot, pools, listeners }
    }

    /// The pool with this name.
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<LivePool>> {
        self.pools.iter().find(|pool| pool.config.name == *name)
    }

    /// The endpoint with this identity.
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Arc<LiveEndpoint>> {
        self.pool(&id.pool)?.endpoints.iter().find(|endpoint| endpoint.id.endpoint == id.endpoint)
    }
}

impl LiveListener {
    fn new(config: &Listener, old: Option<&Self>, workers: usize) -> Self {
        let routes = match &config.kind {
            ListenerKind::Http(http) => Table::new(&http.routes),
            ListenerKind::Tcp(_) => Table::new(&[]),
        };
        let counters = old.map_or_else(|| Arc::new(ListenerCounters::new(workers)), |old| Arc::clone(&old.counters));
        Self { config: config.clone(), routes, counters }
    }

    /// Sums over all workers.
    pub fn totals(&self) -> ListenerTotals {
        self.counters.totals()
    }
}
