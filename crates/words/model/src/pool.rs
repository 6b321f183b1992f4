//! A pool: interchangeable endpoints, and how work is spread over them.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::{AdminState, ClientFiles, EndpointName, PoolName, PoolTls, ProxyVersion, Zone};

/// One entry of `pools`.
#[derive(Clone, PartialEq, Debug)]
pub struct Pool {
    /// Its key in the config.
    pub name: PoolName,
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// In the order of the config.
    pub endpoints: Vec<Endpoint>,
    /// Active probes; `None` means that every endpoint is taken to be able to serve.
    pub health_check: Option<HealthCheck>,
    /// Ejection by the outcome of real requests.
    pub passive: Option<PassiveCheck>,
    /// What may be tried again, and how often.
    pub retry: Retry,
    /// How long an endpoint may take.
    pub timeouts: UpstreamTimeouts,
    /// Most requests (`http`) or connections (`tcp`) at a time to one endpoint, over all workers.
    pub connection_limit: Option<NonZeroU32>,
    /// Where requests wait when every endpoint is at its limit.
    pub queue: Queue,
    /// Idle connections kept for the next request.
    pub keep_alive: UpstreamKeepAlive,
    /// How long an endpoint that came back takes to reach its full share; zero turns it off.
    pub slow_start: Duration,
    /// When fewer than this percentage of endpoints can serve, all are used (Envoy's panic mode): spreading
    /// the load over doubtful endpoints beats drowning the few good ones. 0 turns it off.
    pub panic_threshold: u8,
    /// How long a removed or draining endpoint may finish what it has.
    pub drain_timeout: Duration,
    /// Which part of a client's address `ipHash` looks at.
    pub source_mask: SourceMask,
    /// Whether and how endpoints are told in front of a connection whose it is.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Its endpoints speak TLS.
    pub tls: Option<PoolTls>,
}

/// One entry of a pool's `endpoints`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its key; the identity that hashes use, so that an address can change without moving clients.
    pub name: EndpointName,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// Share of new work among its tier; 0 means no new work. At most 256 as in HAProxy: weights are
    /// ratios, and the cycle of a pool is as long as their sum.
    pub weight: u16,
    /// Endpoints of a higher tier are used only when no endpoint of a lower one can serve.
    pub tier: u8,
    /// The state that the config asks for.
    pub admin: AdminState,
}

/// How the next endpoint is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Algorithm {
    /// Each in turn, weights ignored (but 0).
    #[default]
    RoundRobin,
    /// nginx's smooth order; exact counts in every window of Σ weights.
    WeightedRoundRobin,
    /// Fewest requests in flight by weight.
    LeastConnections,
    /// Weighted rendezvous on the client's address.
    IpHash,
    /// Peak-EWMA of the time to the response head.
    LeastResponseTime,
    /// The better of two picked at random by weight.
    Random,
}

/// When and how an endpoint is probed, and how many results change a verdict.
#[derive(Clone, PartialEq, Debug)]
pub struct HealthCheck {
    /// What one probe does.
    pub probe: Probe,
    /// Another port than the endpoint's.
    pub port: Option<NonZeroU16>,
    /// From one probe's start to the next, ± 10 % jitter.
    pub interval: Duration,
    /// The whole probe: connect, TLS, request, answer. Always shorter than `interval`.
    pub timeout: Duration,
    /// Used instead of `interval` while the verdict is in doubt (unknown, rising or falling).
    pub fast_interval: Option<Duration>,
    /// Successes in a row that make an endpoint healthy.
    pub healthy_threshold: u16,
    /// Failures in a row that make it unhealthy.
    pub unhealthy_threshold: u16,
    /// Failures within this time of the first probe do not count until one probe succeeded (Kubernetes'
    /// startup probe).
    pub start_grace: Duration,
    /// The pool's: a probe says that it is nobody's.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// What one probe does.
#[derive(Clone, PartialEq, Debug)]
pub enum Probe {
    /// A connection can be opened.
    Tcp,
    /// A request gets an expected answer. Redirects are not followed.
    Http {
        /// Over TLS if set.
        tls: Option<ProbeTls>,
        /// Usually `GET`.
        method: Box<str>,
        /// Path and query.
        path: Box<str>,
        /// `Host` header; the endpoint's address if not set.
        host: Option<Box<str>>,
        /// Status codes that are a success; never empty.
        expect: Vec<StatusRange>,
        /// What the first 64 KiB of the body must hold.
        body: Option<BodyMatch>,
    },
    /// A datagram gets an answer.
    Udp {
        /// What is sent.
        send: Box<[u8]>,
        /// What must stand somewhere in the answer; any answer will do if it is empty.
        answer: Box<[u8]>,
    },
    /// A program exits with 0. It gets `HAECHI_POOL`, `HAECHI_ENDPOINT`, `HAECHI_ADDRESS` and
    /// `HAECHI_PORT`; the first line that it prints becomes the reason.
    Exec {
        /// Program and arguments; no shell.
        command: Vec<Box<str>>,
    },
}

/// How an HTTPS probe checks who answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProbeTls {
    /// Name to ask for and to verify; the `host` or the address if not set.
    pub server_name: Option<Box<str>>,
    /// PEM file with the CA to trust instead of the system's.
    pub ca_file: Option<Box<str>>,
    /// Accept any certificate.
    pub insecure: bool,
    /// What the endpoint is shown if it asks; a pool's, because checks have no key for it.
    pub client: Option<ClientFiles>,
}

/// Status codes from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusRange {
    /// At least 100.
    pub first: u16,
    /// At most 599.
    pub last: u16,
}

/// What a probe's body must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyMatch {
    /// This text somewhere.
    Contains(Box<str>),
    /// This text nowhere.
    Lacks(Box<str>),
}

/// Ejection by the outcome of real requests (nginx's `max_fails`, Envoy's outlier detection).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PassiveCheck {
    /// Failed requests in a row that eject.
    pub consecutive_failures: u16,
    /// First ejection; each further one in a row is longer by this much.
    pub ejection_time: Duration,
    /// Longest ejection.
    pub max_ejection_time: Duration,
    /// Most of the pool that may be ejected at a time, in percent (at least one endpoint may, if the pool
    /// has two or more).
    pub max_ejected: u8,
}

/// What may be tried again.
#[derive(Clone, PartialEq, Debug)]
pub struct Retry {
    /// Tries in all, the first included; 1 turns retries off.
    pub tries: u8,
    /// What counts as worth another try.
    pub on: RetryOn,
    /// Retries allowed per 100 requests; the guard against a storm (linkerd's and Envoy's 20 %).
    pub budget: u8,
    /// Retries per second allowed even when the budget is empty, so that low traffic can retry at all.
    pub budget_floor: u16,
}

/// Conditions worth another try. A failed connect is always one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryOn {
    /// The connection broke, or the endpoint sent something that is not HTTP.
    pub error: bool,
    /// No connection or no response head in time.
    pub timeout: bool,
    /// These status codes.
    pub status: Vec<u16>,
}

/// How long an endpoint may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpstreamTimeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Longest pause in a response; also the time to its first byte.
    pub read: Duration,
    /// Longest pause in taking a request.
    pub send: Duration,
}

/// Where requests wait when every endpoint is at its connection limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Queue {
    /// Most waiters; the next one is refused at once. 0 means no waiting.
    pub size: u32,
    /// Longest wait.
    pub timeout: Duration,
}

/// Idle connections to endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UpstreamKeepAlive {
    /// Most idle connections to one endpoint per worker; 0 turns reuse off.
    pub idle: u32,
    /// An idle connection older than this is closed.
    pub idle_timeout: Duration,
    /// A connection older than this is not used again.
    pub max_age: Duration,
    /// Nor after this many requests.
    pub max_requests: u32,
}

/// What `ipHash` looks at: prefix lengths of a client's address, and its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceMask {
    /// Of an IPv4 address; 24 is nginx's `ip_hash`.
    pub v4: u8,
    /// Of an IPv6 address; 64 is one customer's network.
    pub v6: u8,
    /// Whether the client's port counts too: then connections (or flows) of one client spread.
    pub port: bool,
}

impl Default for SourceMask {
    fn default() -> Self {
        Self { v4: 32, v6: 64, port: false }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries: 3, on: RetryOn::default(), budget: 20, budget_floor: 3 }
    }
}

impl Default for RetryOn {
    fn default() -> Self {
        Self { error: true, timeout: true, status: Vec::new() }
    }
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), read: Duration::from_secs(60), send: Duration::from_secs(60) }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { size: 1024, timeout: Duration::from_secs(5) }
    }
}

impl Default for UpstreamKeepAlive {
    fn default() -> Self {
        Self {
            idle: 512,
            idle_timeout: Duration::from_secs(60),
            max_age: Duration::from_secs(3600),
            max_requests: 100_000,
        }
    }
}
