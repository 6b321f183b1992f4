//! Every key of the format: type, bounds, default and doc. Bounds refuse what can only be a mistake; each
//! says what it is measured against.

use std::time::Duration;

mod acme;
mod auth;
mod compression;
mod filter;
mod http2;
mod split;
mod tls;
mod virtual_router;

pub(crate) use acme::{EXTERNAL_ACCOUNT, ISSUER};
pub(crate) use auth::EXTERNAL_AUTH;
pub(crate) use compression::{CODINGS, COMPRESSION, LEVELS};
pub(crate) use filter::{
    ADDRESSES, BASIC_AUTH, CORS, FILTERS, HEADER_EDITS, PATH_REWRITE, RATE, REDIRECT, URL_REWRITE,
};
pub(crate) use http2::HTTP2;
pub(crate) use split::{SPLIT_BY, SPLIT_WEIGHT};
pub(crate) use tls::{CERTIFICATE, CLIENT_CERTIFICATES, LISTENER_TLS, POOL_TLS};
pub(crate) use virtual_router::{
    ANNOUNCE, KEYS_FILE, MOVER, SPREAD, TRACK, TRACK_INTERFACE, TRACK_POOL, TRACK_PROGRAM, TRACK_PROXY,
    TRACK_REQUESTS, VIRTUAL_ROUTER,
};

use crate::shape::{Key, Kind, Shape, Text};

const NAME: Kind = Kind::Text(Text::Name);
const ANY: Kind = Kind::Text(Text::Any);

const DAY: Duration = Duration::from_secs(86_400);
const WAIT: Kind = Kind::Duration(Duration::from_millis(1), DAY);
const SPAN: Kind = Kind::Duration(Duration::ZERO, DAY);
const IDLE: Kind = Kind::Duration(Duration::from_millis(1), Duration::from_secs(365 * 86_400));
const COUNT: Kind = Kind::Int(1, u32::MAX as u64);
const COUNT_OR_NONE: Kind = Kind::Int(0, u32::MAX as u64);
const STREAK: Kind = Kind::Int(1, 1000);

/// Bounds that several keys share, and why they are what they are.
pub(crate) const SHARED: [(&str, Kind, &str); 5] = [
    (
        "waits within one exchange or probe",
        WAIT,
        "under 1 ms a local connection already times out; a day is longer than any upload, long poll or night job",
    ),
    ("times that zero turns off", SPAN, "the same day"),
    ("idle times of long connections", IDLE, "a year, in which a kernel is updated"),
    ("counts of connections and requests", COUNT, "32 bits: more than one machine can hold"),
    (
        "results in a row",
        STREAK,
        "1000 at the default interval are almost three hours, and nobody waits longer for a verdict",
    ),
];

/// What `retry.on` takes besides words: an answer that is no failure is not tried again.
pub(crate) const RETRY_STATUS: (u64, u64) = (400, 599);
const PORT: Kind = Kind::Int(1, u16::MAX as u64);

pub(crate) static ROOT: Shape = Shape {
    title: "the config",
    keys: &[
        Key::new("node", Kind::Section(&NODE), "Who this node is."),
        Key::new("workers", Kind::Int(1, 1536), "Data-plane threads; one per core if left out.")
            .because("twice the hardware threads of the largest two-socket machines of 2025 (2 × 384)"),
        Key::new(
            "memoryCeiling",
            Kind::Size(64 << 20, 16 << 40),
            "Most memory that this process should take.",
        )
        .because("without traffic it takes about 15 MiB; a machine with more than 16 TiB is not known"),
        Key::new("admin", Kind::Section(&ADMIN), "The admin API besides its Unix socket."),
        Key::new(
            "acme",
            Kind::Named(&Kind::Section(&ISSUER)),
            "Where certificates are ordered from (ACME), by name; listeners say for which names.",
        ),
        Key::new("listeners", Kind::Named(&Kind::Section(&LISTENER)), "What is accepted, by name."),
        Key::new(
            "pools",
            Kind::Named(&Kind::Section(&POOL)),
            "Where it goes: groups of interchangeable endpoints, by name.",
        ),
        Key::new(
            "virtualRouters",
            Kind::Named(&Kind::Section(&VIRTUAL_ROUTER)),
            "Addresses that several nodes share, by name.",
        ),
    ],
    later: &[],
    extensible: true,
};

pub(crate) static NODE: Shape = Shape::new(
    "a node",
    &[
        Key::new("name", NAME, "As peers and people call it.").default("haechi"),
        Key::new("zone", NAME, "Its failure domain, as Kubernetes' topology.kubernetes.io/zone."),
    ],
);

pub(crate) static ADMIN: Shape = Shape::new(
    "the admin section",
    &[Key::new(
        "listen",
        Kind::Text(Text::Address),
        "Loopback address for reading status and metrics over TCP.",
    )],
);

pub(crate) static LISTENER: Shape = Shape {
    title: "a listener",
    keys: &[
        Key::new(
            "bind",
            Kind::Many(&Kind::Text(Text::Bind)),
            "Addresses to stand on. `:80` means 0.0.0.0:80 and [::]:80.",
        )
        .required(),
        Key::new(
            "protocol",
            Kind::Word(&["http", "https", "tcp", "tls", "udp"], &[]),
            "What is spoken on it.",
        )
        .required(),
        Key::new(
            "maxConnections",
            COUNT,
            "Most connections open at a time over all workers; further ones wait in the kernel's queue (http, tcp).",
        ),
        Key::new(
            "maxConnectionsPerClient",
            COUNT,
            "Most connections of one client at a time: of an IPv4 address, or of 64 bits of an IPv6 one; further ones are \
             reset (http, https, tcp, tls).",
        ),
        Key::new(
            "routes",
            Kind::List(&Kind::Section(&ROUTE)),
            "Which requests go to which pool (http, https), or connections by host alone (tls). The most specific match wins, not the first.",
        ),
        Key::new("limits", Kind::Section(&LIMITS), "What a request head may measure (http, https)."),
        Key::new(
            "timeouts",
            Kind::Section(&CLIENT_TIMEOUTS),
            "How long a client may take (http, https; tls: `header` alone).",
        ),
        Key::new("http2", Kind::Section(&HTTP2), "What a connection in HTTP/2 may cost (http, https)."),
        Key::new("tls", Kind::Section(&LISTENER_TLS), "Certificates, versions and ciphers (https)."),
        Key::new(
            "http3",
            Kind::Flag,
            "HTTP/3 too, over QUIC on the UDP ports of the same numbers, and answers that tell clients so (https); no if \
             left out.",
        ),
        Key::new("pool", NAME, "Where connections or flows go (tcp, udp)."),
        Key::new(
            "idleTimeout",
            IDLE,
            "A connection or flow on which neither side sent anything for so long ends (tcp, tls: 1h if left out; udp: 30s).",
        ),
        Key::new(
            "halfClosedTimeout",
            IDLE,
            "The same once one side has ended its direction and the other one still may send (tcp, tls: 5m if left out).",
        ),
        Key::new(
            "tcpKeepAlive",
            Kind::Duration(Duration::from_secs(1), Duration::from_secs(32_767)),
            "After so much silence the kernel asks each side whether it is still there, three times, a third of this apart \
             (tcp, tls); never if left out.",
        ),
        Key::new(
            "proxyProtocol",
            Kind::Section(&PROXY_PROTOCOL),
            "Who tells in front of a connection whose it is (http, https, tcp, tls).",
        ),
        Key::new(
            "forwarded",
            Kind::Section(&FORWARDED),
            "Who is believed that a request is somebody else's, and what endpoints are told (http, https).",
        ),
        Key::new(
            "compression",
            Kind::Section(&COMPRESSION),
            "What of the answers is compressed (http, https); nothing if left out, `{}` for all defaults.",
        ),
        Key::new("maxFlows", Kind::Int(1, 1 << 20), "Most flows at a time over all workers (udp).")
            .default("16384")
            .because("each takes a descriptor, and Linux' default for these (`fs.nr_open`) ends there"),
    ],
    later: &[],
    extensible: false,
};

pub(crate) static PROXY_PROTOCOL: Shape = Shape::new(
    "the proxyProtocol section",
    &[
        Key::new("from", Kind::Many(&Kind::Text(Text::Network)), "Who sends a preface, and must.").required(),
        Key::new(
            "others",
            Kind::Word(&["refuse", "serve"], &[]),
            "What becomes of whom `from` does not name: `serve` takes them as they come, without a preface.",
        )
        .default("refuse"),
        Key::new("timeout", WAIT, "From the connection's begin to the last byte of its preface.")
            .default("5s"),
    ],
);

pub(crate) static FORWARDED: Shape = Shape::new(
    "the forwarded section",
    &[
        Key::new(
            "trust",
            Kind::Many(&Kind::Text(Text::Network)),
            "Who is believed: proxies of your own. Fields of everybody else are replaced; so are all if it is left out.",
        ),
        Key::new(
            "by",
            Kind::Word(&["xForwardedFor", "forwarded"], &[]),
            "The field in which they write the chain of addresses. `forwarded` (RFC 7239) is then sent on too.",
        )
        .default("xForwardedFor"),
        Key::new(
            "requestId",
            Kind::Word(&["untouched", "pass", "answer"], &[]),
            "`pass`: each request has an `X-Request-ID`, made here unless one came from who is trusted. `answer`: clients \
             are told it too.",
        )
        .default("untouched"),
    ],
);

pub(crate) static ROUTE: Shape = Shape::new(
    "a route",
    &[
        Key::new("host", Kind::Text(Text::Host), "`shop.example.com`, or `*.example.com` for one label in front; every host if left out."),
        Key::new(
            "path",
            Kind::Either(&[Kind::Text(Text::Path), Kind::Section(&PATH)]),
            "A prefix by whole elements: `/api` takes /api and /api/x, not /apix; a trailing slash makes no difference.",
        )
        .default("/"),
        Key::new("methods", Kind::Many(&Kind::Text(Text::Method)), "Any of these methods; all if left out."),
        Key::new("headers", Kind::Headers, "All of these must be there with this value; null takes any value."),
        Key::new(
            "pool",
            NAME,
            "Where matching requests go. Needed, but beside `pools` and where a filter answers all of them.",
        ),
        Key::new(
            "pools",
            Kind::Named(&Kind::Int(SPLIT_WEIGHT.0, SPLIT_WEIGHT.1)),
            "In place of `pool`: several, each with its weight. See [splits](#how-requests-are-split).",
        ),
        Key::new(
            "splitBy",
            Kind::Either(&[Kind::Word(&["clientAddress"], &[]), Kind::Section(&SPLIT_BY)]),
            "What keeps a client at one of `pools`; they take turns if left out.",
        ),
        Key::new("filters", Kind::Section(&FILTERS), "What is done to matching requests and to their answers."),
    ],
);

pub(crate) static PATH: Shape = Shape::new(
    "a path match",
    &[
        Key::new("exact", Kind::Text(Text::Path), "Exactly this path."),
        Key::new(
            "prefix",
            Kind::Text(Text::Path),
            "This path and everything below it; the same as a plain text.",
        ),
    ],
);

pub(crate) static LIMITS: Shape = Shape::new(
    "limits",
    &[
        Key::new("requestLine", Kind::Size(128, 1 << 20), "Longest request line.")
            .default("8KiB")
            .because("a path of one element with `HTTP/1.1` fits in 128 bytes"),
        Key::new("head", Kind::Size(128, 1 << 20), "Longest head, request line included.")
            .default("64KiB")
            .because("up to it, a slow client may fill a buffer of its own with each connection"),
        Key::new("fields", Kind::Int(8, 1000), "Most header fields.")
            .default("100")
            .because("browsers send about 20; ten times the default is the worst that Go and Node take"),
    ],
);

pub(crate) static CLIENT_TIMEOUTS: Shape = Shape::new(
    "timeouts",
    &[
        Key::new("header", WAIT, "From the first byte of a head to its last.").default("10s"),
        Key::new("body", WAIT, "Longest pause in a request body.").default("60s"),
        Key::new("send", WAIT, "Longest pause in taking a response.").default("60s"),
        Key::new("keepAlive", WAIT, "How long a connection may wait for its next request.").default("75s"),
    ],
);

pub(crate) static POOL: Shape = Shape {
    title: "a pool",
    keys: &[
        Key::new(
            "algorithm",
            Kind::Word(
                &[
                    "roundRobin",
                    "weightedRoundRobin",
                    "leastConnections",
                    "ipHash",
                    "leastResponseTime",
                    "random",
                ],
                &[],
            ),
            "Who gets the next request.",
        )
        .default("roundRobin"),
        Key::new(
            "endpoints",
            Kind::Named(&Kind::Either(&[Kind::Text(Text::Address), Kind::Section(&ENDPOINT)])),
            "Who does the work, by name, which is their identity; a plain address will do.",
        )
        .required(),
        Key::new(
            "healthCheck",
            Kind::Section(&HEALTH_CHECK),
            "Active probes; without them every endpoint is taken to be able to serve.",
        ),
        Key::new(
            "passive",
            Kind::Section(&PASSIVE),
            "Ejection by the outcome of real requests; off if left out.",
        ),
        Key::new("retry", Kind::Section(&RETRY), "What may be tried again."),
        Key::new("timeouts", Kind::Section(&UPSTREAM_TIMEOUTS), "How long an endpoint may take."),
        Key::new(
            "connectionLimit",
            COUNT,
            "Most requests (http) or connections (tcp) at a time to one endpoint.",
        ),
        Key::new(
            "queue",
            Kind::Section(&QUEUE),
            "Where requests wait when every endpoint is at its connectionLimit.",
        ),
        Key::new("keepAlive", Kind::Section(&KEEP_ALIVE), "Idle connections kept for the next request."),
        Key::new(
            "slowStart",
            SPAN,
            "How long an endpoint that came back takes to reach its full share; 0s turns it off.",
        )
        .default("0s"),
        Key::new(
            "panicThreshold",
            Kind::Percent,
            "When fewer than this percentage can serve, all are used; 0 turns it off.",
        )
        .default("0"),
        Key::new("drain", Kind::Section(&DRAIN), "How a removed or draining endpoint ends."),
        Key::new(
            "sourceMask",
            Kind::Section(&SOURCE_MASK),
            "Which part of a client's address ipHash looks at.",
        ),
        Key::new(
            "protocol",
            Kind::Word(&["http1", "http2"], &[]),
            "What is spoken with its endpoints behind an http or https listener.",
        )
        .default("http1"),
        Key::new(
            "proxyProtocol",
            Kind::Word(&["v1", "v2"], &[]),
            "Tells endpoints in front of each connection whose it is, in this version of the PROXY protocol.",
        ),
        Key::new("tls", Kind::Section(&POOL_TLS), "Its endpoints speak TLS."),
    ],
    later: &["affinity"],
    extensible: false,
};

pub(crate) static ENDPOINT: Shape = Shape::new(
    "an endpoint",
    &[
        Key::new("address", Kind::Text(Text::Address), "IP address and port.").required(),
        Key::new("zone", NAME, "Its failure domain."),
        Key::new("weight", Kind::Int(0, 256), "Share of new work; 0 means no new work.")
            .default("1")
            .because("HAProxy's: weights are ratios, and the cycle of a pool is as long as their sum"),
        Key::new(
            "tier",
            Kind::Int(0, u8::MAX as u64),
            "Used only when no endpoint of a lower tier can serve.",
        )
        .default("0"),
        Key::new(
            "admin",
            Kind::Word(&["enabled", "draining", "disabled"], &[]),
            "The state that the config asks for.",
        )
        .default("enabled"),
    ],
);

pub(crate) static HEALTH_CHECK: Shape = Shape::new(
    "a health check",
    &[
        Key::new(
            "protocol",
            Kind::Word(&["http", "https", "tcp", "udp", "exec"], &[]),
            "What one probe does; https where the pool has `tls`.",
        )
        .default("http"),
        Key::new("path", ANY, "Path and query to ask for (http, https).").default("/"),
        Key::new("host", ANY, "Host header; the endpoint's address if left out (http, https)."),
        Key::new("method", Kind::Text(Text::Method), "Request method (http, https).").default("GET"),
        Key::new(
            "expect",
            Kind::Many(&Kind::Text(Text::Status)),
            "Status codes that are a success: `200` or `200-299` (http, https).",
        )
        .default("200-399"),
        Key::new("body", Kind::Section(&BODY), "What the first 64 KiB of the body must hold (http, https)."),
        Key::new(
            "tls",
            Kind::Section(&PROBE_TLS),
            "How to check who answers (https); as the pool does if left out.",
        ),
        Key::new(
            "command",
            Kind::List(&ANY),
            "Program and arguments, without a shell; exit code 0 is a success (exec).",
        ),
        Key::new("send", Kind::Text(Text::Payload), "What the datagram holds (udp)."),
        Key::new(
            "answer",
            Kind::Text(Text::Payload),
            "What must stand somewhere in the answer; any answer will do if left out (udp).",
        ),
        Key::new("port", PORT, "Another port than the endpoint's."),
        Key::new(
            "interval",
            Kind::Duration(Duration::from_millis(10), DAY),
            "From one probe's start to the next, ± 10 % jitter.",
        )
        .default("10s")
        .because("10 ms is a hundred probes per second and endpoint: for tests on one host"),
        Key::new("timeout", WAIT, "The whole probe; shorter than the interval.").default("5s"),
        Key::new(
            "fastInterval",
            Kind::Duration(Duration::from_millis(10), DAY),
            "Used while the verdict is in doubt; the interval if left out.",
        ),
        Key::new("healthyThreshold", STREAK, "Successes in a row that make an endpoint healthy.")
            .default("2"),
        Key::new("unhealthyThreshold", STREAK, "Failures in a row that make it unhealthy.").default("3"),
        Key::new(
            "startGrace",
            SPAN,
            "Failures within this time of the first probe do not count until one succeeded.",
        )
        .default("0s"),
    ],
);

pub(crate) static BODY: Shape = Shape::new(
    "a body match",
    &[Key::new("contains", ANY, "This text somewhere."), Key::new("lacks", ANY, "This text nowhere.")],
);

pub(crate) static PROBE_TLS: Shape = Shape::new(
    "the tls section",
    &[
        Key::new("serverName", ANY, "Name to ask for and to verify; the host or the address if left out."),
        Key::new("caFile", ANY, "PEM file with the CA to trust instead of the system's."),
        Key::new("insecure", Kind::Flag, "Accept any certificate.").default("false"),
    ],
);

pub(crate) static PASSIVE: Shape = Shape::new(
    "the passive section",
    &[
        Key::new("consecutiveFailures", STREAK, "Failed requests in a row that eject.").default("5"),
        Key::new("ejectionTime", WAIT, "First ejection; each further one in a row is longer by this much.")
            .default("10s"),
        Key::new("maxEjectionTime", WAIT, "Longest ejection.").default("5m"),
        Key::new("maxEjected", Kind::Percent, "Most of the pool that may be ejected at a time, in percent.")
            .default("50"),
    ],
);

pub(crate) static RETRY: Shape = Shape::new(
    "the retry section",
    &[
        Key::new("tries", Kind::Int(1, 10), "Tries in all, the first included; 1 turns retries off.")
            .default("3")
            .because("each try can cost the client a timeout; after ten it has gone"),
        Key::new(
            "on",
            Kind::List(&Kind::Either(&[Kind::Word(&["error", "timeout"], &[]), Kind::Int(RETRY_STATUS.0, RETRY_STATUS.1)])),
            "Conditions worth another try: `error`, `timeout` and status codes from 400. A failed connect always is.",
        )
        .default("[error, timeout]"),
        Key::new("budget", Kind::Percent, "Retries allowed per 100 requests.").default("20"),
        Key::new("budgetFloor", Kind::Int(0, u16::MAX as u64), "Retries per second allowed even when the budget is empty.").default("3"),
    ],
);

pub(crate) static UPSTREAM_TIMEOUTS: Shape = Shape::new(
    "timeouts",
    &[
        Key::new("connect", WAIT, "Until a connection stands.").default("5s"),
        Key::new("read", WAIT, "Longest pause in a response; also the time to its first byte.")
            .default("60s"),
        Key::new("send", WAIT, "Longest pause in taking a request.").default("60s"),
    ],
);

pub(crate) static QUEUE: Shape = Shape::new(
    "the queue section",
    &[
        Key::new("size", COUNT_OR_NONE, "Most waiters; the next one is refused at once. 0 means no waiting.")
            .default("1024"),
        Key::new("timeout", WAIT, "Longest wait.").default("5s"),
    ],
);

pub(crate) static KEEP_ALIVE: Shape = Shape::new(
    "the keepAlive section",
    &[
        Key::new(
            "idle",
            COUNT_OR_NONE,
            "Most idle connections to one endpoint per worker; 0 turns reuse off.",
        )
        .default("512"),
        Key::new("idleTimeout", IDLE, "An idle connection older than this is closed.").default("60s"),
        Key::new("maxAge", IDLE, "A connection older than this is not used again.").default("1h"),
        Key::new("maxRequests", COUNT, "Nor after this many requests.").default("100000"),
    ],
);

pub(crate) static DRAIN: Shape = Shape::new(
    "the drain section",
    &[Key::new("timeout", SPAN, "How long it may finish what it has; 0s ends it at once.").default("60s")],
);

pub(crate) static SOURCE_MASK: Shape = Shape::new(
    "the sourceMask section",
    &[
        Key::new("v4", Kind::Int(1, 32), "Prefix length of IPv4 addresses; 24 is nginx's ip_hash.")
            .default("32"),
        Key::new("v6", Kind::Int(1, 128), "Prefix length of IPv6 addresses; 64 is one customer's network.")
            .default("64"),
        Key::new(
            "port",
            Kind::Flag,
            "Whether the client's port counts too: connections and flows of one client spread.",
        )
        .default("false"),
    ],
);
