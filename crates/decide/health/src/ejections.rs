//! Takes endpoints of a pool out for a while because real requests to them failed.
//!
//! Traffic sees what probes can't, but it can be wrong in a way that hits a whole pool at once (a bad
//! deploy, a bad request that is retried everywhere). So an ejection ends by itself, only a part of the
//! pool may be out at a time, and the last endpoint that can serve is never ejected (Envoy's outlier
//! detection). An ejection says nothing about health: probes go on, and a success ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use haechi_model::{EndpointName, Moment, PassiveCheck};
use serde::{Deserialize, Serialize};

/// The ejections of one pool.
#[derive(Clone, Debug, Default)]
pub struct Ejections {
    rules: Option<PassiveCheck>,
    members: BTreeSet<EndpointName>,
    /// Only of those that were ever out: a pool has many members and few of these.
    records: BTreeMap<EndpointName, Ejection>,
}

/// An endpoint was ejected or returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EjectionChange {
    /// Which one, of this pool.
    pub endpoint: EndpointName,
    /// What happened to it.
    pub step: EjectionStep,
    /// When.
    pub at: Moment,
}

/// Out or in again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EjectionStep {
    /// Takes no work until a probe succeeds or the time is over.
    Ejected {
        /// Failed requests in a row that led here.
        failures: u16,
        /// When it ends at the latest.
        until: Moment,
        /// Which ejection in a row this is, from 1; each one is longer.
        in_a_row: u32,
    },
    /// Takes work again.
    Returned(ReturnCause),
}

/// Why an ejection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReturnCause {
    /// As long as it was meant to be.
    TimeOver,
    /// A probe that began after the ejection succeeded.
    ProbeSucceeded,
    /// Nobody else in the pool can serve any more.
    LastOne,
    /// The pool shrank or its cap was lowered.
    OverCap,
    /// The pool has no passive check any more.
    TurnedOff,
}

/// Why an endpoint was not ejected although its requests fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The pool has no passive check.
    TurnedOff,
    /// The pool has no such endpoint.
    NotAMember,
    /// It is ejected; late results of older requests.
    AlreadyEjected,
    /// It is unhealthy and takes no work anyhow.
    NotServing,
    /// As many as allowed are ejected.
    AtCap {
        /// Most endpoints of this pool that may be out.
        cap: usize,
    },
    /// Nobody else can serve.
    LastOne,
}

/// What is known of an endpoint that is or was ejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ejection {
    ejected_at: Option<Moment>,
    returned_at: Option<Moment>,
    in_a_row: u32,
}

impl Ejections {
    /// Sets the rules and the members of the pool. What is kept keeps its ejection, with the new times;
    /// what is not, or no longer fits the cap, is let go, the one that would return first first.
    pub fn reconfigure(
        &mut self,
        rules: Option<PassiveCheck>,
        members: impl IntoIterator<Item = EndpointName>,
        now: Moment,
    ) -> Vec<EjectionChange> {
        self.rules = rules;
        self.members = members.into_iter().collect();
        self.records.retain(|name, _| self.members.contains(name));
        let cause = if rules.is_some() { ReturnCause::OverCap } else { ReturnCause::TurnedOff };
        let over = self.ejected().count().saturating_sub(self.cap());
        (0..over).filter_map(|_| self.release_first(|_| true, cause, now)).collect()
    }

    /// So many requests in a row to this endpoint failed that the pool's passive check asks for its
    /// ejection. `serving` says of each member whether health lets it serve.
    ///
    /// # Errors
    /// Why it stays in.
    pub fn failures_reached(
        &mut self,
        endpoint: &EndpointName,
        serving: impl Fn(&EndpointName) -> bool,
        now: Moment,
    ) -> Result<EjectionChange, Refusal> {
        let rules = self.rules.ok_or(Refusal::TurnedOff)?;
        if !self.members.contains(endpoint) {
            return Err(Refusal::NotAMember);
        }
        if self.is_out(endpoint) {
            return Err(Refusal::AlreadyEjected);
        }
        if !serving(endpoint) {
            return Err(Refusal::NotServing);
        }
        let cap = self.cap();
        if self.ejected().count() >= cap {
            return Err(Refusal::AtCap { cap });
        }
        if !self.members.iter().any(|other| other != endpoint && !self.is_out(other) && serving(other)) {
            return Err(Refusal::LastOne);
        }
        let (until, in_a_row) = self.records.entry(endpoint.clone()).or_default().eject(rules, now);
        let step = EjectionStep::Ejected { failures: rules.consecutive_failures, until, in_a_row };
        Ok(EjectionChange { endpoint: endpoint.clone(), step, at: now })
    }

    /// A probe of this endpoint succeeded. Only one that began after the ejection ends it: an older one may
    /// have passed before things went wrong.
    pub fn probe_succeeded(
        &mut self,
        endpoint: &EndpointName,
        started: Moment,
        now: Moment,
    ) -> Option<EjectionChange> {
        let ejected_at = self.records.get(endpoint)?.ejected_at?;
        (started >= ejected_at).then(|| self.release(endpoint, ReturnCause::ProbeSucceeded, now)).flatten()
    }

    /// Health of some member changed. When nobody who is in can serve, the ejected one that can and would
    /// return first is let in: a doubtful endpoint beats none.
    pub fn health_changed(
        &mut self,
        serving: impl Fn(&EndpointName) -> bool,
        now: Moment,
    ) -> Option<EjectionChange> {
        if self.ejected().next().is_none()
            || self.members.iter().any(|name| !self.is_out(name) && serving(name))
        {
            return None;
        }
        self.release_first(serving, ReturnCause::LastOne, now)
    }

    /// Lets in those whose time is over.
    pub fn tick(&mut self, now: Moment) -> Vec<EjectionChange> {
        let due: Vec<_> =
            self.ejected().filter(|(_, until)| *until <= now).map(|(name, _)| name.clone()).collect();
        due.iter().filter_map(|name| self.release(name, ReturnCause::TimeOver, now)).collect()
    }

    /// What is known of this endpoint, if it was ever out.
    pub fn known(&self, endpoint: &EndpointName) -> Option<Ejection> {
        self.records.get(endpoint).copied()
    }

    /// Goes on from what a former process knew of this member.
    pub fn inherit(&mut self, endpoint: &EndpointName, known: Ejection) {
        if self.rules.is_some() && self.members.contains(endpoint) {
            self.records.insert(endpoint.clone(), known);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.ejected().map(|(_, until)| until).min()
    }

    /// Until when this endpoint is out; `None` if it is in.
    pub fn ejected_until(&self, endpoint: &EndpointName) -> Option<Moment> {
        self.records.get(endpoint)?.until(self.rules?)
    }

    fn ejected(&self) -> impl Iterator<Item = (&EndpointName, Moment)> {
        self.records.iter().filter_map(|(name, record)| {
            // Without rules an ejection is due at once; `reconfigure` then lets everybody in.
            let until = self.rules.map_or(record.ejected_at, |rules| record.until(rules));
            until.map(|until| (name, until))
        })
    }

    fn is_out(&self, endpoint: &EndpointName) -> bool {
        self.records.get(endpoint).is_some_and(|record| record.ejected_at.is_some())
    }

    fn cap(&self) -> usize {
        let count = self.members.len();
        match self.rules {
            Some(rules) if count >= 2 => (count * usize::from(rules.max_ejected.min(100)) / 100).max(1),
            _ => 0,
        }
    }

    fn release_first(
        &mut self,
        eligible: impl Fn(&EndpointName) -> bool,
        cause: ReturnCause,
        now: Moment,
    ) -> Option<EjectionChange> {
        let first =
            self.ejected().filter(|(name, _)| eligible(name)).min_by_key(|(_, until)| *until)?.0.clone();
        self.release(&first, cause, now)
    }

    fn release(
        &mut self,
        endpoint: &EndpointName,
        cause: ReturnCause,
        now: Moment,
    ) -> Option<EjectionChange> {
        let record = self.records.get_mut(endpoint)?;
        record.ejected_at.take()?;
        record.returned_at = Some(now);
        Some(EjectionChange { endpoint: endpoint.clone(), step: EjectionStep::Returned(cause), at: now })
    }
}

impl Ejection {
    fn eject(&mut self, rules: PassiveCheck, now: Moment) -> (Moment, u32) {
        self.in_a_row = self.in_a_row.saturating_sub(self.forgiven(rules, now)).saturating_add(1);
        self.ejected_at = Some(now);
        (now + self.duration(rules), self.in_a_row)
    }

    /// Each quiet time as long as a first ejection forgives one.
    fn forgiven(&self, rules: PassiveCheck, now: Moment) -> u32 {
        let quiet = self.returned_at.map_or(Duration::MAX, |returned| now.since(returned));
        let times = quiet.as_nanos().checked_div(rules.ejection_time.as_nanos());
        times.and_then(|times| u32::try_from(times).ok()).unwrap_or(u32::MAX)
    }

    fn duration(&self, rules: PassiveCheck) -> Duration {
        rules
            .ejection_time
            .saturating_mul(self.in_a_row)
            .min(rules.max_ejection_time.max(rules.ejection_time))
    }

    fn until(&self, rules: PassiveCheck) -> Option<Moment> {
        self.ejected_at.map(|at| at + self.duration(rules))
    }
}

impl fmt::Display for EjectionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ejected { failures, in_a_row: 1, .. } => {
                write!(f, "ejected: {failures} requests in a row failed")
            }
            Self::Ejected { failures, in_a_row, .. } => {
                write!(f, "ejected for the {in_a_row}. time in a row: {failures} requests in a row failed")
            }
            Self::Returned(cause) => write!(f, "returned: {cause}"),
        }
    }
}

impl fmt::Display for ReturnCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimeOver => "its ejection is over",
            Self::ProbeSucceeded => "a probe succeeded",
            Self::LastOne => "no other endpoint can serve",
            Self::OverCap => "more than the pool may have out",
            Self::TurnedOff => "the pool has no passive check any more",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TurnedOff => f.write_str("the pool has no passive check"),
            Self::NotAMember => f.write_str("the pool has no such endpoint"),
            Self::AlreadyEjected => f.write_str("it is ejected already"),
            Self::NotServing => f.write_str("it is unhealthy already"),
            Self::AtCap { cap } => write!(f, "the pool may have only {cap} ejected at a time"),
            Self::LastOne => f.write_str("no other endpoint can serve"),
        }
    }
}

#[cfg(test)]
mod tests;
