//! An endpoint's state: what the control plane says of it and what the workers count.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use haechi_balance::{EwmaState, member_id};
use haechi_model::{AdminState, EndpointId, EndpointState, Moment};

use super::counters::{EndpointCounters, EndpointTotals, PerWorker};

/// Numbers endpoints over the life of the process, so that a name that comes back with another address is
/// another one for idle connections and for cuts.
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

/// An endpoint of one address. The workers share its atomics and nothing else.
#[derive(Debug)]
pub struct LiveEndpoint {
    /// Its identity.
    pub id: EndpointId,
    /// Where it listens.
    pub address: SocketAddr,
    pub(crate) serial: u64,
    pub(crate) hash_id: u64,
    /// Requests or connections running at it.
    pub(crate) in_flight: AtomicU32,
    /// Failed requests in a row; the pool's passive check looks at it.
    pub(crate) failures_in_a_row: AtomicU32,
    response_time: [AtomicU64; 2],
    state: Mutex<EndpointState>,
    /// Why the last TLS handshake with it failed; empty if it did not.
    distrust: Mutex<Box<str>>,
    distrusted: AtomicBool,
    /// Whether idle connections to it are worth keeping: `state` in a form that each request may look at.
    keeps: AtomicBool,
    /// Whether health says that it can't serve, in the same form.
    down: AtomicBool,
    /// What a former process counted.
    inherited: OnceLock<EndpointTotals>,
    counters: PerWorker<EndpointCounters>,
}

impl LiveEndpoint {
    pub(crate) fn new(id: EndpointId, address: SocketAddr, state: EndpointState, workers: usize) -> Self {
        Self {
            serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed),
            hash_id: member_id(&id.pool, &id.endpoint),
            id,
            address,
            in_flight: AtomicU32::new(0),
            failures_in_a_row: AtomicU32::new(0),
            response_time: [AtomicU64::new(0), AtomicU64::new(0)],
            keeps: AtomicBool::new(worth_keeping(state)),
            down: AtomicBool::new(!state.serving),
            state: Mutex::new(state),
            distrust: Mutex::default(),
            distrusted: AtomicBool::new(false),
            inherited: OnceLock::new(),
            counters: PerWorker::new(workers),
        }
    }

    /// What decides whether it gets new work.
    pub fn state(&self) -> EndpointState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes that; the pool's view must be made anew afterwards. Says whether anything changed.
    pub(crate) fn set_state(&self, state: EndpointState) -> bool {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != state;
        *held = state;
        self.keeps.store(worth_keeping(state), Ordering::Relaxed);
        self.down.store(!state.serving, Ordering::Relaxed);
        changed
    }

    /// Whether idle connections to it are worth keeping.
    pub(crate) fn keeps_connections(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// Why the last TLS handshake with it failed; empty if it did not.
    pub fn distrust(&self) -> Box<str> {
        self.distrust.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how a TLS handshake with it came out; an empty reason is a good end. Says whether that is news.
    pub(crate) fn note_handshake(&self, reason: &str) -> bool {
        if reason.is_empty() && !self.distrusted.load(Ordering::Relaxed) {
            return false;
        }
        let mut held = self.distrust.lock().unwrap_or_else(PoisonError::into_inner);
        self.distrusted.store(!reason.is_empty(), Ordering::Relaxed);
        let news = **held != *reason;
        *held = reason.into();
        news
    }

    /// Whether the last that was heard of it was a failure.
    pub(crate) fn has_failures(&self) -> bool {
        self.failures_in_a_row.load(Ordering::Relaxed) != 0
    }

    /// Whether health says that it can't serve.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Requests, connections or flows running at it now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Sums over all workers, and over processes that were before this one.
    pub fn totals(&self) -> EndpointTotals {
        let before = self.inherited.get().cloned().unwrap_or_default();
        self.counters.iter().fold(before, |mut sum, counters| {
            counters.add_to(&mut sum);
            sum
        })
    }

    /// Counts on from what a former process counted.
    pub fn count_on_from(&self, before: EndpointTotals) {
        // Once: a second time would count twice.
        let _ = self.inherited.set(before);
    }

    pub(crate) fn counters(&self, worker: usize) -> &EndpointCounters {
        self.counters.of(worker)
    }

    /// The estimate of its response time, if one was made.
    pub(crate) fn cost_nanos(&self, now: Moment) -> Option<u64> {
        self.ewma().cost(now, 0)
    }

    /// One more response for the estimate.
    pub(crate) fn observe(&self, took: Duration, failed: bool, now: Moment) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let state = self.ewma();
        let next = if failed { state.observe_failure(nanos, now) } else { state.observe(nanos, now) };
        let (estimate, at) = next.to_raw();
        self.response_time[0].store(estimate, Ordering::Relaxed);
        self.response_time[1].store(at, Ordering::Relaxed);
    }

    fn ewma(&self) -> EwmaState {
        let [estimate, at] = &self.response_time;
        EwmaState::from_raw((estimate.load(Ordering::Relaxed), at.load(Ordering::Relaxed)))
    }
}

/// Nothing new goes to an endpoint that can't serve, is ejected or drains.
fn worth_keeping(state: EndpointState) -> bool {
    state.serving && !state.ejected && state.admin == AdminState::Enabled
}
