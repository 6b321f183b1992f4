//! Which rule a head broke, and where.

use std::fmt;

use haechi_model::{Fault, Limit};

/// A refused head or body: the rule, the place and the fault that a client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadError {
    /// What it means for the exchange.
    pub fault: Fault,
    /// The rule that was broken, in words for a log line.
    pub rule: &'static str,
    /// Offset of the offending byte from the start of the head.
    pub at: usize,
    /// The limit that bit, for a counter.
    pub limit: Option<Limit>,
}

impl HeadError {
    pub(crate) const fn bad(rule: &'static str, at: usize) -> Self {
        Self::new(Fault::BadRequest, rule, at)
    }

    pub(crate) const fn new(fault: Fault, rule: &'static str, at: usize) -> Self {
        Self { fault, rule, at, limit: None }
    }

    pub(crate) const fn over(limit: Limit, fault: Fault, at: usize) -> Self {
        Self { fault, rule: limit.text(), at, limit: Some(limit) }
    }

    /// The same rule broken by an endpoint.
    pub(crate) const fn by_endpoint(self) -> Self {
        Self { fault: Fault::BadResponse, ..self }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.rule, self.at)
    }
}

impl std::error::Error for HeadError {}
