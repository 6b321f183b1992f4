//! The words of haechi as types.
//!
//! Everything that two rooms must agree on stands here once: what a pool is, what *healthy* means, whose
//! fault a failed request was. This crate knows no file format, no runtime and no clock.

mod acme;
mod compression;
mod dropped;
mod external_auth;
mod fault;
mod filter;
mod forwarded;
mod health;
mod limit;
mod listener;
mod moment;
mod names;
mod network;
mod pool;
mod pressure;
mod snapshot;
mod split;
mod tls;
mod virtual_router;

pub use acme::{AcmeChallenge, ExternalAccount, Issuer, OrderedCertificates};
pub use compression::{Coding, CodingLevels, Compression, RouteCompression};
pub use dropped::Dropped;
pub use external_auth::ExternalAuth;
pub use fault::{Fault, Side};
pub use filter::{
    Addresses, BasicAuth, Cors, Filters, HeaderEdits, HeaderLine, OriginMatch, PathRewrite, Rate, Redirect,
    Rewrite, Scheme,
};
pub use forwarded::{Forwarded, ForwardedBy, RequestIds};
pub use health::{AdminOrigin, AdminState, EndpointState, Health};
pub use limit::Limit;
pub use listener::{
    ClientTimeouts, HeaderMatch, HostMatch, Http2Limits, HttpLimits, HttpListener, Listener, ListenerKind,
    PathMatch, Patience, Route, TcpListener, TlsListener, UdpListener,
};
pub use moment::Moment;
pub use names::{
    EndpointId, EndpointName, GroupName, InterfaceName, ListenerName, PeerName, PoolName, ProgramName,
    VirtualRouterName, Zone,
};
pub use network::{Network, ProxyProtocol, ProxyVersion};
pub use pool::{
    Algorithm, BodyMatch, Endpoint, HealthCheck, PassiveCheck, Pool, PoolProtocol, Probe, ProbeTls, Queue,
    Retry, RetryOn, SourceMask, StatusRange, UpstreamKeepAlive, UpstreamTimeouts,
};
pub use pressure::Pressure;
pub use snapshot::{Admin, Node, PoolIndex, Snapshot};
pub use split::{Destination, Share, Split, SplitBy};
pub use tls::{
    CertificateFiles, ClientCertificates, ClientFiles, Handshake, ListenerCertificate, ListenerTls, PoolTls,
    TlsPolicy, TlsVersion,
};
pub use virtual_router::{
    Announcing, Checksum, Mover, Peer, Track, TrackEffect, TrackedInterface, TrackedPool, TrackedProgram,
    TrackedRequests, Transport, VirtualAddress, VirtualRouter,
};
