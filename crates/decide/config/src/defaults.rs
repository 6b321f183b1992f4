//! What a config leaves out. Most defaults stand in the model; these are the ones that it does not state,
//! and the parts that code builds on (`run --listen … --to …`, the lab, tests).

use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use haechi_model::{
    AcmeChallenge, Algorithm, Announcing, Checksum, ClientTimeouts, Endpoint, HealthCheck, HttpLimits,
    HttpListener, Listener, ListenerKind, Mover, Node, PassiveCheck, Patience, Pool, PoolIndex, Probe, Queue,
    Retry, Route, SourceMask, StatusRange, Track, Transport, UpstreamKeepAlive, UpstreamTimeouts,
    VirtualRouter,
};

/// Name of a node that was given none.
pub const NODE_NAME: &str = "haechi";

/// A quiet `tcp` connection is kept for an hour: longer than database pools keep theirs (HikariCP and pgx
/// renew after 30 to 60 minutes).
const IDLE: Duration = Duration::from_secs(3600);

/// A side that has asked and ended waits for its answer: a report or a dump that takes minutes to begin. An hour as for
/// open connections would keep those whose other side forgot them.
const HALF_CLOSED: Duration = Duration::from_secs(300);

/// Of `tcp` and `tls` listeners. Nobody is asked whether they are still there: how often makes sense depends on what
/// stands between.
pub const PATIENCE: Patience = Patience { idle: IDLE, half_closed: HALF_CLOSED, keep_alive: None };

/// Whoever stands between us and the client sends it with the first bytes.
pub const PREFACE: Duration = Duration::from_secs(5);

/// A question and its answer take a second; a conversation that pauses for longer than half a minute keeps itself
/// alive, because routers on its way forget it after that (RFC 4787 wants two minutes, many have 30 s).
pub const UDP_IDLE: Duration = Duration::from_secs(30);

/// Half of the ports that Linux has for connections out (28,232), which all flows of a host share, and a descriptor
/// each.
pub const MAX_FLOWS: NonZeroU32 = NonZeroU32::MIN.saturating_add(16_383);

/// What browsers show when they ask for a login. It says nothing, so that nothing is given away.
pub const REALM: &str = "restricted";

/// A draining endpoint has a minute, which is nginx's and our own default for a pause in a response.
pub const DRAIN: Duration = Duration::from_secs(60);

/// Ten advertisements a second: a dead active is noticed within a third of a second.
pub const ADVERTISEMENT_INTERVAL: Duration = Duration::from_millis(100);

/// Most requests and downloads end within half a minute; who needs longer says so.
pub const VIRTUAL_ROUTER_DRAIN: Duration = Duration::from_secs(30);

/// A pool that has lost more than half of its endpoints is bad.
pub const HEALTHY_SHARE: u8 = 50;

/// A program is asked every second (keepalived's `interval` of a script).
pub const PROGRAM_INTERVAL: Duration = Duration::from_secs(1);

/// Requests are judged by the last five seconds …
pub const REQUESTS_WINDOW: Duration = Duration::from_secs(5);

/// … of which at least half failed …
pub const FAILED_SHARE: u8 = 50;

/// … if there were so many: a few prove nothing.
pub const REQUESTS_MINIMUM: u32 = 20;

/// Handshakes in progress at a time on a worker: a thousand clients that connect at once within a round trip of a
/// quarter of a second are 4,000 new connections per second, more than a core can sign for; each takes some 20 KiB.
pub const MAX_HANDSHAKES: u32 = 1024;

/// Let's Encrypt: free, trusted by every client, and what most people mean.
pub const ACME_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A request first: it works behind whatever ends TLS in front of us.
pub const ACME_CHALLENGES: [AcmeChallenge; 2] = [AcmeChallenge::Http01, AcmeChallenge::TlsAlpn01];

/// A node with the default name.
pub fn node() -> Node {
    Node { name: NODE_NAME.into(), zone: None }
}

/// A pool with every setting at its default and without endpoints.
pub fn pool(name: &str) -> Pool {
    Pool {
        name: name.into(),
        algorithm: Algorithm::default(),
        endpoints: Vec::new(),
        health_check: None,
        passive: None,
        retry: Retry::default(),
        timeouts: UpstreamTimeouts::default(),
        connection_limit: None,
        queue: Queue::default(),
        keep_alive: UpstreamKeepAlive::default(),
        slow_start: Duration::ZERO,
        panic_threshold: 0,
        drain_timeout: DRAIN,
        source_mask: SourceMask::default(),
        protocol: haechi_model::PoolProtocol::default(),
        proxy_protocol: None,
        tls: None,
    }
}

/// An endpoint of weight 1 in tier 0, enabled.
pub fn endpoint(name: &str, address: SocketAddr) -> Endpoint {
    Endpoint {
        name: name.into(),
        address,
        zone: None,
        weight: 1,
        tier: 0,
        admin: haechi_model::AdminState::Enabled,
    }
}

/// What a rate limit counts in, unless it says so.
pub const RATE_TIME: Duration = Duration::from_secs(1);

/// What scripts of other sites may ask with, unless a filter says so: what needs no preflight anyway.
pub(crate) fn cors_methods() -> Vec<Box<str>> {
    ["GET", "HEAD", "POST"].map(Box::from).to_vec()
}

/// How long a browser remembers what it may (Gateway API's default, and the Fetch standard's).
pub const CORS_AGE: Duration = Duration::from_secs(5);

/// Found: for now, and for any method (Gateway API's default).
pub const REDIRECT_STATUS: u16 = 302;

/// An `http` listener with these routes.
pub fn http_listener(name: &str, bind: Vec<SocketAddr>, routes: Vec<Route>) -> Listener {
    let http = HttpListener {
        routes,
        limits: HttpLimits::default(),
        timeouts: ClientTimeouts::default(),
        http2: Some(Box::default()),
        tls: None,
        forwarded: None,
        http3: false,
        compression: None,
    };
    Listener {
        name: name.into(),
        bind,
        kind: ListenerKind::Http(http),
        max_connections: None,
        max_connections_per_client: None,
        proxy_protocol: None,
    }
}

/// Long enough for somebody who asks a database, and no longer than a person waits for a page.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(5);

/// What says who a client is.
pub(crate) fn auth_headers() -> Vec<Box<str>> {
    vec!["authorization".into(), "cookie".into()]
}

/// The route that takes every request.
pub fn route(pool: PoolIndex) -> Route {
    Route {
        host: haechi_model::HostMatch::Any,
        path: haechi_model::PathMatch::Prefix("/".into()),
        methods: Vec::new(),
        headers: Vec::new(),
        to: haechi_model::Destination::Pool(pool),
        filters: None,
    }
}

/// `GET /` in clear text; 200 to 399 is a success (HAProxy, Traefik).
pub fn http_probe() -> Probe {
    Probe::Http {
        tls: None,
        method: "GET".into(),
        path: "/".into(),
        host: None,
        expect: vec![StatusRange { first: 200, last: 399 }],
        body: None,
    }
}

/// This probe every 10 s with a timeout of 5 s; 2 successes or 3 failures decide (HAProxy decides by 2 and 3 as well).
pub fn health_check(probe: Probe) -> HealthCheck {
    HealthCheck {
        probe,
        port: None,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        fast_interval: None,
        healthy_threshold: 2,
        unhealthy_threshold: 3,
        start_grace: Duration::ZERO,
        proxy_protocol: None,
    }
}

/// 5 failures in a row eject for 10 s, at most 5 minutes, at most half of the pool.
pub fn passive_check() -> PassiveCheck {
    PassiveCheck {
        consecutive_failures: 5,
        ejection_time: Duration::from_secs(10),
        max_ejection_time: Duration::from_secs(300),
        max_ejected: 50,
    }
}

/// A virtual router with every setting at its default, of the least priority and without addresses.
pub fn virtual_router(name: &str, id: NonZeroU8, interface: &str) -> VirtualRouter {
    VirtualRouter {
        name: name.into(),
        id,
        interface: interface.into(),
        addresses: Vec::new(),
        priority: NonZeroU8::MIN,
        advertisement_interval: ADVERTISEMENT_INTERVAL,
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        transport: Transport::Vrrp { source: None, peers: Vec::new(), checksum: Checksum::default() },
        mover: Mover::default(),
        virtual_mac: false,
        announce: Announcing::default(),
        track: Track::default(),
        group: None,
        drain: VIRTUAL_ROUTER_DRAIN,
    }
}
