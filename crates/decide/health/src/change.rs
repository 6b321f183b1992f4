//! What a verdict's change looks like to those who log, count and show it.

use std::fmt;
use std::sync::Arc;

use haechi_model::{Health, Moment};

use crate::FailureKind;

/// One endpoint's health changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What it was.
    pub from: Health,
    /// What it is.
    pub to: Health,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Moment,
}

/// Why an endpoint has the health that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The pool has no health check.
    NotChecked,
    /// Takes traffic on probation: known since the process started, not probed yet.
    Assumed,
    /// Takes no traffic yet: added while running, not probed yet.
    Unproven,
    /// What a former process or a peer last knew, in its words.
    Inherited(Arc<str>),
    /// Enough probes succeeded.
    Passed {
        /// Successes without a failure between them.
        in_a_row: u32,
        /// What the last one said.
        text: Arc<str>,
    },
    /// Enough probes failed.
    Failed {
        /// Failures without a success between them.
        in_a_row: u32,
        /// What went wrong with the last one.
        kind: FailureKind,
        /// What the last one said.
        text: Arc<str>,
    },
}

impl Reason {
    /// In words, for a process that inherits it: one that was inherited itself is not told twice.
    pub fn to_carry(&self) -> Box<str> {
        match self {
            Self::Inherited(text) => (**text).into(),
            other => other.to_string().into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChecked => f.write_str("no health check"),
            Self::Assumed => f.write_str("assumed good until its first probe"),
            Self::Unproven => f.write_str("waits for its first success"),
            Self::Inherited(text) => write!(f, "carried over: {text}"),
            Self::Passed { in_a_row: 1, text } => write!(f, "probe succeeded: {text}"),
            Self::Passed { in_a_row, text } => write!(f, "{in_a_row} probes in a row succeeded: {text}"),
            Self::Failed { in_a_row: 1, text, .. } => write!(f, "probe failed: {text}"),
            Self::Failed { in_a_row, text, .. } => write!(f, "{in_a_row} probes in a row failed: {text}"),
        }
    }
}
