//! Somebody else who is asked whether a request may go on.

use std::time::Duration;

use crate::PoolIndex;

/// A question to another pool before a request goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalAuth {
    /// Who is asked.
    pub pool: PoolIndex,
    /// Path and query that are asked for, always with `GET`.
    pub path: Box<str>,
    /// The host that is asked; none for that of the request.
    pub host: Option<Box<str>>,
    /// Fields of the request that the question has, by name in lower case.
    pub request_headers: Vec<Box<str>>,
    /// Fields of a good answer that the request goes on with, by name in lower case. Those that the client sent are
    /// taken out.
    pub response_headers: Vec<Box<str>>,
    /// The whole question, with all tries.
    pub timeout: Duration,
    /// Whether requests go on that nobody could judge.
    pub allow_on_failure: bool,
}
