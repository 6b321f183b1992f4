//! The words of haechi as types.
//!
//! Everything that two rooms must agree on stands here once: what a pool is, what *healthy* means, whose
//! fault a failed request was. This crate knows no file format, no runtime and no clock.

mod fault;
mod health;
mod listener;
mod moment;
mod names;
mod pool;
mod snapshot;

pub use fault::{Fault, Side};
pub use health::{AdminOrigin, AdminState, EndpointState, Health};
pub use listener::{
    ClientTimeouts, HeaderMatch, HostMatch, HttpLimits, HttpListener, Listener, ListenerKind, PathMatch,
    Route, TcpListener,
};
pub use moment::Moment;
pub use names::{EndpointId, EndpointName, ListenerName, PoolName, Zone};
pub use pool::{
    Algorithm, BodyMatch, Endpoint, HealthCheck, PassiveCheck, Pool, Probe, ProbeTls, Queue, Retry, RetryOn,
    SourceMask, StatusRange, UpstreamKeepAlive, UpstreamTimeouts,
};
pub use snapshot::{Admin, Node, PoolIndex, Snapshot};
