//! A pool's state: its endpoints, the view that workers pick from, and who waits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use haechi_balance::{Empty, Member, Policy, View};
use haechi_model::{EndpointId, EndpointName, EndpointState, Pool};
use haechi_trust::Verified;
use tokio::sync::Notify;

use super::budget::RetryBudget;
use super::endpoint::LiveEndpoint;
use super::logins::Logins;

/// A pool of one generation. What outlives the generation is in [`Shared`] and in the endpoints.
#[derive(Debug)]
pub struct LivePool {
    /// As configured.
    pub config: Pool,
    /// In the order of the config.
    pub endpoints: Vec<Arc<LiveEndpoint>>,
    pub(crate) shared: Arc<Shared>,
    view: ArcSwap<View>,
    /// How its endpoints are spoken to, where they speak TLS.
    pub(crate) verified: ArcSwapOption<Verified>,
    seed: u64,
}

/// What making a generation needs besides its config.
pub(crate) struct Make<'a> {
    pub(crate) workers: usize,
    pub(crate) seed: u64,
    pub(crate) logins: &'a Arc<Logins>,
    /// The state that an endpoint starts with.
    pub(crate) initial: &'a (dyn Fn(&EndpointId) -> EndpointState + Sync),
}

/// What a pool keeps over changes of its config.
#[derive(Debug)]
pub(crate) struct Shared {
    /// One more with each pick, over all workers: that makes round robin exact (and counts requests).
    pub(crate) ticket: AtomicU64,
    pub(crate) gate: Gate,
    pub(crate) freed: Notify,
    pub(crate) retries: RetryBudget,
}

/// Who may pass and who waits. On a cache line of its own: it is read with each request and written with
/// hardly any, while the ticket beside it is written with each.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Gate {
    /// The connection limit in force; 0 is none. Requests of older generations keep to it too: those that
    /// wait when it is raised must not wait by the old one.
    limit: AtomicU32,
    /// Requests that wait for an endpoint below it.
    pub(crate) waiting: AtomicU32,
}

impl Gate {
    /// Whether this many requests at an endpoint leave no room for another.
    pub(crate) fn is_full(&self, in_flight: u32) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit != 0 && in_flight >= limit
    }
}

impl LivePool {
    /// A pool of the next generation: endpoints that stay keep all they have.
    pub(crate) fn new(config: Pool, old: Option<&Self>, make: &Make<'_>) -> Self {
        let known: HashMap<(&EndpointName, SocketAddr), &Arc<LiveEndpoint>> = old
            .iter()
            .flat_map(|old| &old.endpoints)
            .map(|live| ((&live.id.endpoint, live.address), live))
            .collect();
        let endpoints = config
            .endpoints
            .iter()
            .map(|endpoint| match known.get(&(&endpoint.name, endpoint.address)) {
                Some(live) => Arc::clone(live),
                None => {
                    let id = EndpointId { pool: config.name.clone(), endpoint: endpoint.name.clone() };
                    let state = (make.initial)(&id);
                    Arc::new(LiveEndpoint::new(id, endpoint.address, state, make.workers))
                }
            })
            .collect();
        let shared = old.map_or_else(
            || {
                Arc::new(Shared {
                    ticket: AtomicU64::new(make.seed),
                    gate: Gate::default(),
                    freed: Notify::new(),
                    retries: RetryBudget::default(),
                })
            },
            |old| Arc::clone(&old.shared),
        );
        let limit = config.connection_limit.map_or(0, NonZeroU32::get);
        shared.gate.limit.store(limit, Ordering::SeqCst);
        let pool = Self {
            config,
            endpoints,
            shared,
            view: ArcSwap::from_pointee(View::new(&[], &policy_none())),
            verified: ArcSwapOption::empty(),
            seed: make.seed,
        };
        pool.refresh();
        pool
    }

    /// Makes the view anew from the endpoints' states, and wakes who waits: there may be room now.
    pub(crate) fn refresh(&self) {
        let members: Vec<Member> = self
            .config
            .endpoints
            .iter()
            .zip(&self.endpoints)
            .map(|(config, live)| Member {
                hash_id: live.hash_id,
                weight: config.weight,
                tier: config.tier,
                state: live.state(),
            })
            .collect();
        let policy = Policy {
            algorithm: self.config.algorithm,
            panic_threshold: self.config.panic_threshold,
            seed: self.seed,
        };
        self.view.store(Arc::new(View::new(&members, &policy)));
        if self.shared.gate.waiting.load(Ordering::SeqCst) > 0 {
            self.shared.freed.notify_waiters();
        }
    }

    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    /// Whether the pool uses endpoints that can't serve, because too few can.
    pub fn panicking(&self) -> bool {
        self.view.load().panicking()
    }

    /// Why no endpoint gets work, if none does.
    pub fn empty(&self) -> Option<Empty> {
        self.view.load().empty()
    }

    /// Requests that wait for an endpoint below its connection limit.
    pub fn waiting(&self) -> u32 {
        self.shared.gate.waiting.load(Ordering::Relaxed)
    }
}

fn policy_none() -> Policy {
    Policy { algorithm: haechi_model::Algorithm::RoundRobin, panic_threshold: 0, seed: 0 }
}
