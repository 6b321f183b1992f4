//! Two axes that never mix: what probes and traffic say (health), and what people say (admin state).

use serde::{Deserialize, Serialize};

/// What is known of an endpoint's ability to serve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// Nothing is known yet, or nothing checks it.
    #[default]
    Unknown,
    /// Enough probes in a row succeeded.
    Healthy,
    /// Enough probes in a row failed.
    Unhealthy,
}

impl Health {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What an operator wants of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdminState {
    /// Takes work.
    #[default]
    Enabled,
    /// Finishes what it has, takes nothing new (but affinity).
    Draining,
    /// Takes nothing at all; connections are closed.
    Disabled,
}

impl AdminState {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}

/// Who set the admin state: an override by a verb outlives a reload and is shown as drift.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdminOrigin {
    /// The config says so.
    #[default]
    Config,
    /// `haechi endpoint …` or the admin API said so.
    Operator,
}

/// All that decides whether an endpoint gets new work. `haechi-balance` turns it into a view of the pool.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EndpointState {
    /// Operator's wish.
    pub admin: AdminState,
    /// Whether health lets it serve: healthy, or unknown and assumed good (see `haechi-health`).
    pub serving: bool,
    /// Taken out by passive checks until its time is over.
    pub ejected: bool,
    /// Share of its weight while it warms up, in percent: 100 except during slow start (at least 10, so
    /// that it gets some work at all; HAProxy's and Envoy's floor).
    pub warmth: u8,
}

impl Default for EndpointState {
    fn default() -> Self {
        Self { admin: AdminState::Enabled, serving: true, ejected: false, warmth: 100 }
    }
}
