//! What the API asks of the process behind it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use haechi_model::{AdminState, EndpointId};

use crate::api::{
    Applied, EndpointChanged, Events, FlightRecord, HaStatus, Rehearsal, Status, Upgraded,
    VirtualRouterStatus,
};

/// The running haechi, as the API sees it. Implemented by the binary, which knows all rooms.
pub trait Control: Send + Sync + 'static {
    /// Everything at this moment.
    fn status(&self) -> Status;

    /// Events with a sequence number above `after`, at most `limit` of the newest.
    fn events(&self, after: u64, limit: usize) -> Events;

    /// The virtual routers at this moment.
    fn ha(&self) -> HaStatus;

    /// What happened to a virtual router around its last change.
    ///
    /// # Errors
    /// There is no such virtual router.
    fn record(&self, router: &str) -> impl Future<Output = Result<FlightRecord, Problem>> + Send;

    /// Lets another node take over a virtual router: `to` is its address or a peer's name. Returns at once; the
    /// state tells what comes of it.
    ///
    /// # Errors
    /// There is no such virtual router or peer, or this node is not active.
    fn hand_over(
        &self,
        router: &str,
        to: Option<&str>,
    ) -> impl Future<Output = Result<VirtualRouterStatus, Problem>> + Send;

    /// Takes a virtual router back that was handed over. Returns at once; the state tells what comes of it.
    ///
    /// # Errors
    /// There is no such virtual router.
    fn take_back(&self, router: &str) -> impl Future<Output = Result<VirtualRouterStatus, Problem>> + Send;

    /// Keeps what a rehearsal gave.
    ///
    /// # Errors
    /// There is no such virtual router, or it can't be written down.
    fn keep_rehearsal(
        &self,
        rehearsal: Rehearsal,
    ) -> impl Future<Output = Result<VirtualRouterStatus, Problem>> + Send;

    /// Waits until there is an event above `after`, or the process ends.
    fn next_event(&self, after: u64) -> impl Future<Output = ()> + Send;

    /// Reads the config again and applies it; with `dry_run` only says what would change.
    ///
    /// # Errors
    /// The config can't be read or is refused; what was in force stays in force.
    fn reload(&self, dry_run: bool) -> impl Future<Output = Result<Applied, Problem>> + Send;

    /// Lets the program that stands in this one's place take over: sockets, states and counters, within this time.
    ///
    /// # Errors
    /// It did not get ready; this process serves on as if nothing had happened.
    fn upgrade(&self, within: Duration) -> impl Future<Output = Result<Upgraded, Problem>> + Send;

    /// Sets what the operator wants of an endpoint. It holds over reloads until it is set anew.
    ///
    /// # Errors
    /// There is no such endpoint.
    fn set_admin_state(
        &self,
        id: &EndpointId,
        state: AdminState,
    ) -> impl Future<Output = Result<EndpointChanged, Problem>> + Send;
}

/// Why something asked for was not done.
#[derive(Clone, PartialEq, Debug)]
pub enum Problem {
    /// There is no such thing; the text says what there is, and may suggest a name.
    NotFound(String),
    /// It is there, but not in the state for it; the text says what to do instead.
    Conflict(String),
    /// The new config is refused.
    Refused {
        /// One sentence.
        message: String,
        /// The diagnostics as people read them, without colour; empty if there are none.
        rendered: String,
        /// The same for programs.
        diagnostics: Vec<serde_json::Value>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(message) | Self::Conflict(message) | Self::Refused { message, .. } => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for Problem {}
