//! What is accepted, and where it goes.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::{
    Compression, Destination, Filters, Forwarded, ListenerName, ListenerTls, PoolIndex, ProxyProtocol,
};

/// One entry of `listeners`.
#[derive(Clone, PartialEq, Debug)]
pub struct Listener {
    /// Its key in the config.
    pub name: ListenerName,
    /// Addresses to stand on; every worker binds each with `SO_REUSEPORT`.
    pub bind: Vec<SocketAddr>,
    /// What is spoken on it.
    pub kind: ListenerKind,
    /// Most connections open at a time over all workers; further ones wait in the kernel's queue.
    pub max_connections: Option<NonZeroU32>,
    /// Most of them that one client may have: an IPv4 address, or 64 bits of an IPv6 one (connections only).
    pub max_connections_per_client: Option<NonZeroU32>,
    /// Who says in front of a connection whose it is (connections only).
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// What is spoken on a listener.
#[derive(Clone, PartialEq, Debug)]
pub enum ListenerKind {
    /// HTTP/1.0 and HTTP/1.1, in clear text or over TLS.
    Http(HttpListener),
    /// Bytes.
    Tcp(TcpListener),
    /// TLS that is passed on as it comes.
    Tls(TlsListener),
    /// Datagrams.
    Udp(UdpListener),
}

/// An `http` or `https` listener.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpListener {
    /// In the order of the config. The most specific match wins, not the first (see `haechi-route`).
    pub routes: Vec<Route>,
    /// What a request may measure.
    pub limits: HttpLimits,
    /// How long a client may take.
    pub timeouts: ClientTimeouts,
    /// Over TLS if set: `https`.
    pub tls: Option<ListenerTls>,
    /// Whose word on a request's origin counts. Nobody's if not set, and endpoints are told the least.
    pub forwarded: Option<Forwarded>,
    /// Over QUIC too, on the same addresses and ports (`https` only).
    pub http3: bool,
    /// What of its answers is coded, where a route does not say otherwise. None if not set.
    pub compression: Option<Box<Compression>>,
}

/// A `tcp` listener.
#[derive(Clone, PartialEq, Debug)]
pub struct TcpListener {
    /// Where connections go.
    pub pool: PoolIndex,
    /// How long they are kept.
    pub patience: Patience,
}

/// How long a tunnel may stand still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// With both sides open: one on which neither side sent anything for so long is closed, and one that has bytes for
    /// a side which takes none of them.
    pub idle: Duration,
    /// The same once one side has said all it has to say.
    pub half_closed: Duration,
    /// After how much silence a side is asked whether it is still there (`SO_KEEPALIVE`); never if not set.
    pub keep_alive: Option<Duration>,
}

/// A `tls` listener: it reads which name a client asks for, and nothing else.
#[derive(Clone, PartialEq, Debug)]
pub struct TlsListener {
    /// By host alone.
    pub routes: Vec<Route>,
    /// How long a client may take for its first message.
    pub hello_timeout: Duration,
    /// How long its connections are kept from then on.
    pub patience: Patience,
}

/// A `udp` listener.
#[derive(Clone, PartialEq, Debug)]
pub struct UdpListener {
    /// Where flows go.
    pub pool: PoolIndex,
    /// A flow on which neither side sent anything for so long ends.
    pub idle_timeout: Duration,
    /// Most flows at a time over all workers.
    pub max_flows: NonZeroU32,
}

/// What a request head may measure, in bytes and fields. The defaults are nginx's and Envoy's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// Longest request line.
    pub request_line: u32,
    /// Longest head, request line and final empty line included.
    pub head: u32,
    /// Most header fields.
    pub fields: u16,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { request_line: 8 << 10, head: 64 << 10, fields: 100 }
    }
}

/// How long a client may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientTimeouts {
    /// From the first byte of a head to its last: a total, so that a byte a second does not renew it.
    pub header: Duration,
    /// Longest pause in a request body.
    pub body: Duration,
    /// Longest pause in taking a response.
    pub send: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(60),
            send: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// Which requests go to which pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// By the request's host.
    pub host: HostMatch,
    /// By the request's path.
    pub path: PathMatch,
    /// By method; empty means any.
    pub methods: Vec<Box<str>>,
    /// All of these must hold.
    pub headers: Vec<HeaderMatch>,
    /// Where matching requests go.
    pub to: Destination,
    /// What is done to them and to their answers; none for nothing.
    pub filters: Option<Box<Filters>>,
}

impl Route {
    /// What it matches, as text: `shop.example.com/api GET`. In a listener it is the route's identity.
    pub fn matches(&self) -> String {
        let mut text = match &self.host {
            HostMatch::Any => "*".to_owned(),
            HostMatch::Exact(host) => host.to_string(),
            HostMatch::Wildcard(parent) => format!("*.{parent}"),
        };
        match &self.path {
            PathMatch::Prefix(path) => text.push_str(path),
            PathMatch::Exact(path) => text.push_str(&format!("{path} (exact)")),
        }
        if !self.methods.is_empty() {
            text.push_str(&format!(" {}", self.methods.join(",")));
        }
        for header in &self.headers {
            text.push_str(&match &header.value {
                Some(value) => format!(" {}={value:?}", header.name),
                None => format!(" {}", header.name),
            });
        }
        text
    }
}

/// Host without port, lower case, without a final dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum HostMatch {
    /// Every host, and requests without one.
    Any,
    /// This one.
    Exact(Box<str>),
    /// One label in front of this parent: `Wildcard("example.com")` is `*.example.com`.
    Wildcard(Box<str>),
}

/// Path without query, matched as the bytes that were sent and will be forwarded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PathMatch {
    /// Exactly this path.
    Exact(Box<str>),
    /// This path and everything below it by whole elements: `/api` takes `/api` and `/api/x`, not `/apix`.
    /// `/` takes everything.
    Prefix(Box<str>),
}

/// A header that must be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderMatch {
    /// Name in lower case.
    pub name: Box<str>,
    /// Exact value; `None` means any value.
    pub value: Option<Box<str>>,
}
