//! What the prober is told to watch, and what it tells back.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_health::{Change, Ejection, EjectionStep, Report, Start, warmth};
use haechi_model::{AdminState, EndpointId, EndpointState, HealthCheck, Moment, PassiveCheck};

/// One endpoint to watch.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who it is; with `address` what decides whether its state is kept over a change.
    pub id: EndpointId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its pool's health check; share one `Arc` in a pool.
    pub check: Option<Arc<HealthCheck>>,
    /// Its pool's passive check; that of a pool's first target holds for the pool.
    pub passive: Option<PassiveCheck>,
    /// What is known of it if it is new here.
    pub start: Start,
    /// The same of its ejection.
    pub ejection: Option<Ejection>,
}

/// Something changed for an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Which one.
    pub id: EndpointId,
    /// Its state after the change.
    pub report: EndpointReport,
    /// What changed; `None` when it was just added, or serves for another reason than its health.
    pub change: Option<Event>,
}

/// What changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Its health.
    Health(Change),
    /// Whether it is ejected.
    Ejection {
        /// Out or in again.
        step: EjectionStep,
        /// When.
        at: Moment,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health(change) => {
                write!(f, "{} to {}: {}", change.from.name(), change.to.name(), change.reason)
            }
            Self::Ejection { step, .. } => step.fmt(f),
        }
    }
}

/// All that is known of one endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointReport {
    /// Where it listens.
    pub address: SocketAddr,
    /// What probes say.
    pub health: Report,
    /// Until when failed requests keep it out.
    pub ejected_until: Option<Moment>,
    /// All that is known of its being out, now or before.
    pub ejection: Option<Ejection>,
}

impl EndpointReport {
    /// The state that decides about new work, with what the operator wants and how far it has warmed up.
    pub fn state(&self, admin: AdminState, slow_start: Duration, now: Moment) -> EndpointState {
        EndpointState {
            admin,
            serving: self.health.serving,
            ejected: self.ejected_until.is_some(),
            warmth: warmth(self.health.warming_from, slow_start, now),
        }
    }
}
