//! What each section is for, in the order in which a reader meets them, and an example that compiles.

use crate::keys;
use crate::shape::Shape;

/// One shape of the format on the page.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    /// Where it stands in a file; capitals are names that the author gives.
    pub(crate) path: &'static str,
    pub(crate) shape: &'static Shape,
    pub(crate) intro: &'static str,
    /// Part of a file. Pools that it only names may be missing.
    pub(crate) example: &'static str,
}

pub(crate) static SECTIONS: &[Section] = &[
    Section {
        heading: "File",
        path: "",
        shape: &keys::ROOT,
        intro: "Keys that start with `x-` are yours, for anchors and notes. `workers` and `admin` take effect at \
                the next start or upgrade; everything else at a reload.",
        example: "\
node: { name: lb1, zone: kr1-a }
x-quick: &quick { interval: 2s, timeout: 1s }
listeners:
  web: { bind: \":80\", protocol: http, routes: [{ pool: web }] }
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\", web-2: \"10.0.1.12:80\" }
    healthCheck: { <<: *quick, path: /health }
",
    },
    Section {
        heading: "Node",
        path: "node",
        shape: &keys::NODE,
        intro: "The name stands in `status`; on a listener that stands on all addresses it is also the `Host` that an \
                endpoint gets when a client sent none.",
        example: "node: { name: lb1, zone: kr1-a }\n",
    },
    Section {
        heading: "Admin",
        path: "admin",
        shape: &keys::ADMIN,
        intro: "The Unix socket is always there (`--admin-socket`) and is the only way to change anything. This adds \
                reading over TCP: `GET /metrics`, `/v1/status`, `/v1/events`.",
        example: "admin: { listen: \"127.0.0.1:7070\" }\n",
    },
    Section {
        heading: "Listener",
        path: "listeners.NAME",
        shape: &keys::LISTENER,
        intro: "An `http` or `https` listener has `routes`, `limits` and `timeouts`, and `https` has `tls`; a `tls` listener has \
                `routes` by host and `idleTimeout`; a `tcp` or `udp` listener has `pool` and `idleTimeout`, and a `udp` one \
                `maxFlows`. Each is refused where it means nothing. See [TLS](#tls) and [UDP](#udp).",
        example: "\
listeners:
  web:
    bind: [\":80\", \"[2001:db8::1]:8080\"]
    protocol: http
    maxConnections: 20000
    routes: [{ pool: web }]
  db: { bind: \"10.0.0.100:5432\", protocol: tcp, pool: pg, idleTimeout: 2h }
  unopened: { bind: \":8443\", protocol: tls, routes: [{ host: api.example.com, pool: api }] }
  api: { bind: \":53\", protocol: udp, pool: api, idleTimeout: 10s, maxFlows: 20000 }
",
    },
    Section {
        heading: "Forwarded",
        path: "listeners.NAME.forwarded",
        shape: &keys::FORWARDED,
        intro: "For an http listener behind other proxies: see [who the client is](#who-the-client-is).",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    forwarded: { trust: [10.0.0.0/24], requestId: answer }
    routes: [{ pool: web }]
",
    },
    Section {
        heading: "Proxy protocol",
        path: "listeners.NAME.proxyProtocol",
        shape: &keys::PROXY_PROTOCOL,
        intro: "For a listener behind another load balancer: see [PROXY protocol](#the-proxy-protocol).",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    proxyProtocol: { from: [10.0.0.0/24, \"2001:db8::7\"], timeout: 2s }
    routes: [{ pool: web }]
",
    },
    Section {
        heading: "Route",
        path: "listeners.NAME.routes[]",
        shape: &keys::ROUTE,
        intro: "The order of the list does not matter; see [which route takes a request](#which-route-takes-a-request).",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { host: shop.example.com, path: /api, pool: api }
      - { host: \"*.example.com\", methods: [GET, HEAD], pool: web }
      - { path: { exact: /ping }, headers: { X-Canary: \"1\" }, pool: web }
      - { pool: web }
",
    },
    Section {
        heading: "Path match",
        path: "listeners.NAME.routes[].path",
        shape: &keys::PATH,
        intro: "One of the two. Paths are compared as the bytes that a client sends: `/%61` is not `/a`.",
        example: "\
listeners:
  web: { bind: \":80\", protocol: http, routes: [{ path: { exact: /ping }, pool: web }] }
",
    },
    Section {
        heading: "Limits",
        path: "listeners.NAME.limits",
        shape: &keys::LIMITS,
        intro: "A longer request line is answered with 414, a larger head or more fields with 431. For an endpoint's \
                response the defaults hold, whatever stands here.",
        example: "\
listeners:
  web: { bind: \":80\", protocol: http, routes: [{ pool: web }], limits: { requestLine: 16KiB, fields: 200 } }
",
    },
    Section {
        heading: "Client timeouts",
        path: "listeners.NAME.timeouts",
        shape: &keys::CLIENT_TIMEOUTS,
        intro: "`header` is a total, so a byte a second does not renew it; the others are pauses. A new connection has \
                the time of a head for its first request.",
        example: "\
listeners:
  web: { bind: \":80\", protocol: http, routes: [{ pool: web }], timeouts: { header: 5s, keepAlive: 30s } }
",
    },
    Section {
        heading: "Listener HTTP2",
        path: "listeners.NAME.http2",
        shape: &keys::HTTP2,
        intro: "What a head may measure stands in `limits` and holds for HTTP/2 too. See [HTTP/2](#http2).",
        example: "\
listeners:
  web: { bind: \":80\", protocol: http, routes: [{ pool: web }], http2: { maxConcurrentStreams: 250, streamWindow: 1MiB } }
  old: { bind: \":81\", protocol: http, routes: [{ pool: web }], http2: { enabled: false } }
",
    },
    Section {
        heading: "Listener TLS",
        path: "listeners.NAME.tls",
        shape: &keys::LISTENER_TLS,
        intro: "A client gets the first certificate that has the name it asks for (SNI) and a key of a kind that it \
                knows; an exact name wins over a wildcard. HTTP/1.1 is spoken inside. See [TLS](#tls).",
        example: "\
listeners:
  web:
    bind: \":443\"
    protocol: https
    routes: [{ pool: web }]
    tls:
      policy: modern
      certificates:
        - { certificate: shop.pem, key: shop.key }
        - { certificate: wildcard.pem, key: wildcard.key, names: [\"*.example.com\", example.com] }
",
    },
    Section {
        heading: "Client certificates",
        path: "listeners.NAME.tls.clientCertificates",
        shape: &keys::CLIENT_CERTIFICATES,
        intro: "Asked of every client of the listener. One that is revoked, expired or of another CA is refused in the \
                handshake, with `mode: optional` too.",
        example: "\
listeners:
  web:
    bind: \":443\"
    protocol: https
    routes: [{ pool: web }]
    tls: { certificates: [{ certificate: shop.pem }], clientCertificates: { ca: clients-ca.pem, mode: optional } }
",
    },
    Section {
        heading: "Certificate",
        path: "listeners.NAME.tls.certificates[]",
        shape: &keys::CERTIFICATE,
        intro: "`haechi check` looks into the files. They are watched: new ones are taken as soon as they are good, and \
                nobody is disturbed.",
        example: "\
listeners:
  web: { bind: \":443\", protocol: https, routes: [{ pool: web }], tls: { certificates: [{ certificate: shop.pem }] } }
",
    },
    Section {
        heading: "Pool",
        path: "pools.NAME",
        shape: &keys::POOL,
        intro: "`weightedRoundRobin`, `leastConnections`, `ipHash`, `leastResponseTime` and `random` follow weights; \
                `roundRobin` only leaves out weight 0. Round robin is exact over all workers. With `protocol: http2` \
                many requests share a connection (HTTP/2, below).",
        example: "\
pools:
  web:
    algorithm: leastConnections
    endpoints: { web-1: \"10.0.1.11:80\", web-2: \"10.0.1.12:80\" }
    healthCheck: { path: /health }
    connectionLimit: 200
    queue: { size: 500, timeout: 2s }
    slowStart: 30s
    panicThreshold: 50
",
    },
    Section {
        heading: "Pool TLS",
        path: "pools.NAME.tls",
        shape: &keys::POOL_TLS,
        intro: "`tls: {}` is enough where the system's CAs know the endpoints by their addresses. An endpoint that can't \
                prove who it is fails its requests, with the reason in `status`.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:443\" }
    tls: { ca: internal-ca.pem, serverName: web.internal.example.com }
    healthCheck: { path: /health }
",
    },
    Section {
        heading: "Endpoint",
        path: "pools.NAME.endpoints.NAME",
        shape: &keys::ENDPOINT,
        intro: "Its name is its identity: health, counters and hashes hang on it. The same name at another address \
                starts anew as an added endpoint.",
        example: "\
pools:
  web:
    algorithm: weightedRoundRobin
    endpoints:
      web-1: { address: \"10.0.1.11:80\", zone: kr1-a, weight: 3 }
      web-2: \"10.0.1.12:80\"
      sorry: { address: \"10.0.9.1:80\", tier: 1 }
",
    },
    Section {
        heading: "Health check",
        path: "pools.NAME.healthCheck",
        shape: &keys::HEALTH_CHECK,
        intro: "See [health](#health). A program gets `HAECHI_POOL`, `HAECHI_ENDPOINT`, `HAECHI_ADDRESS` and \
                `HAECHI_PORT`; the first line that it prints becomes the reason. Redirects are not followed.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    healthCheck: { path: /health, expect: [200-299, 404], interval: 5s, timeout: 2s, fastInterval: 1s }
  pg:
    endpoints: { pg-1: \"10.0.3.1:5432\" }
    healthCheck: { protocol: exec, command: [/usr/local/bin/pg-check, --fast] }
  dns:
    endpoints: { ns-1: \"10.0.4.1:53\" }
    healthCheck: { protocol: udp, send: \"hex:0001 0100 0001 0000 0000 0000 00 0002 0001\", answer: \"hex:0001 80\" }
",
    },
    Section {
        heading: "Body match",
        path: "pools.NAME.healthCheck.body",
        shape: &keys::BODY,
        intro: "One of the two; case counts.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    healthCheck: { path: /health, body: { contains: ready } }
",
    },
    Section {
        heading: "Probe TLS",
        path: "pools.NAME.healthCheck.tls",
        shape: &keys::PROBE_TLS,
        intro: "For `protocol: https`. Without it the certificate must be valid for `host`, or for the address, by the \
                system's CAs.",
        example: "\
pools:
  api:
    endpoints: { api-1: \"10.0.2.11:443\" }
    healthCheck: { protocol: https, tls: { serverName: api.example.com, caFile: /etc/haechi/ca.pem } }
",
    },
    Section {
        heading: "Passive",
        path: "pools.NAME.passive",
        shape: &keys::PASSIVE,
        intro: "`passive: {}` turns it on with these defaults; see [ejection](#ejection).",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\", web-2: \"10.0.1.12:80\" }
    passive: { consecutiveFailures: 3, ejectionTime: 5s }
",
    },
    Section {
        heading: "Retry",
        path: "pools.NAME.retry",
        shape: &keys::RETRY,
        intro: "On by default; see [retries](#retries). A `tcp` listener reads only `tries`, for connections that \
                fail.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\", web-2: \"10.0.1.12:80\" }
    retry: { tries: 2, on: [error, timeout, 503] }
",
    },
    Section {
        heading: "Upstream timeouts",
        path: "pools.NAME.timeouts",
        shape: &keys::UPSTREAM_TIMEOUTS,
        intro: "`read` and `send` are pauses: each byte that moves renews them. After a 101 (WebSockets) a connection \
                may be silent for an hour.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    timeouts: { connect: 1s, read: 30s }
",
    },
    Section {
        heading: "Queue",
        path: "pools.NAME.queue",
        shape: &keys::QUEUE,
        intro: "One for the pool, beside a `connectionLimit`: who waits gets whichever endpoint is free first. A full \
                queue answers 503 `queueFull`, a wait that is too long 503 `queueTimeout`.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    connectionLimit: 100
    queue: { size: 200, timeout: 1s }
",
    },
    Section {
        heading: "Keep alive",
        path: "pools.NAME.keepAlive",
        shape: &keys::KEEP_ALIVE,
        intro: "`idleTimeout` should be shorter than the endpoint's own, so that it is haechi that closes.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    keepAlive: { idle: 64, idleTimeout: 30s }
",
    },
    Section {
        heading: "Drain",
        path: "pools.NAME.drain",
        shape: &keys::DRAIN,
        intro: "What still runs when it is over is cut off.",
        example: "\
pools:
  web:
    endpoints: { web-1: \"10.0.1.11:80\" }
    drain: { timeout: 5m }
",
    },
    Section {
        heading: "Source mask",
        path: "pools.NAME.sourceMask",
        shape: &keys::SOURCE_MASK,
        intro: "Clients that share this part of their address go to one endpoint.",
        example: "\
pools:
  web:
    algorithm: ipHash
    endpoints: { web-1: \"10.0.1.11:80\", web-2: \"10.0.1.12:80\" }
    sourceMask: { v4: 24, v6: 56 }
",
    },
    Section {
        heading: "Virtual router",
        path: "virtualRouters.NAME",
        shape: &keys::VIRTUAL_ROUTER,
        intro: "See [virtual addresses](#virtual-addresses). The same `id`, `addresses` and `advertisementInterval` on \
                all nodes, another `priority` on each.",
        example: "\
node: { name: lb1 }
virtualRouters:
  edge: { id: 51, interface: eth0, addresses: 10.0.0.100/24, priority: 150 }
  edge6:
    id: 51
    interface: eth0
    addresses: [\"fe80::100/64\", \"2001:db8::100/64\"]
    priority: 150
  cloud:
    id: 52
    interface: eth0
    addresses: 10.0.0.101/24
    priority: 150
    transport: udp
    source: \"10.0.0.1:7112\"
    peers: { lb2: \"10.0.0.2:7112\", lb3: \"10.0.0.3:7112\" }
    keys: keys.yaml
    mover: { command: [/usr/local/bin/move-address] }
",
    },
    Section {
        heading: "Spread",
        path: "virtualRouters.NAME.spread",
        shape: &keys::SPREAD,
        intro: "Instead of `id`, `priority` and `group`. Here `edge-1` is first on lb1 (priority 200), then on lb2 (190) \
                and lb3 (180); `edge-2` is first on lb2, then on lb3 and lb1; and so on, whatever the order of the list.",
        example: "\
node: { name: lb1 }
virtualRouters:
  edge:
    spread: { nodes: [lb1, lb2, lb3], firstId: 51 }
    interface: eth0
    addresses: [10.0.0.100/24, 10.0.0.101/24, 10.0.0.102/24]
",
    },
    Section {
        heading: "Mover",
        path: "virtualRouters.NAME.mover",
        shape: &keys::MOVER,
        intro: "A map, where neither `netlink` nor `bind` will do. The program gets one more word, `claim`, `release` or \
                `demote` (another node has them, but what is open goes on), and then the addresses. Exit code 0 says \
                that it is done; anything else, or more than 20 s, that it is not, with its standard error as the \
                reason. It knows `HAECHI_VIRTUAL_ROUTER`, `HAECHI_INTERFACE` and `PATH`, and no other variable.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    mover: { command: [/usr/local/bin/move-address, --region, kr1] }
",
    },
    Section {
        heading: "Announce",
        path: "virtualRouters.NAME.announce",
        shape: &keys::ANNOUNCE,
        intro: "Five at once, five more after 5 s, then one a minute.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    announce: { repeat: 3, interval: 50ms, again: 2s, refresh: 0s }
",
    },
    Section {
        heading: "Track",
        path: "virtualRouters.NAME.track",
        shape: &keys::TRACK,
        intro: "Each says what it does while it is bad: `lower` makes this node a worse one, `fault: true` takes it out. \
                What is bad for all nodes at once, as a pool may be, should lower: if it took them out, nobody would be \
                left.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track:
      interfaces: { eth1: { lower: 50 } }
      pools: { web: { healthyShare: 50%, lower: 30 } }
      programs: { disk: { command: [/usr/local/bin/disk-check], interval: 5s, lower: 20 } }
      proxy: { fault: true }
      requests: { window: 5s, failedShare: 50%, minimum: 20, lower: 60 }
pools:
  web: { endpoints: { web-1: \"10.0.1.11:80\" }, healthCheck: { path: /health } }
",
    },
    Section {
        heading: "Tracked interface",
        path: "virtualRouters.NAME.track.interfaces.NAME",
        shape: &keys::TRACK_INTERFACE,
        intro: "One of the two. The virtual router's own interface is always tracked.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track: { interfaces: { eth1: { lower: 50 }, eth2: { fault: true } } }
",
    },
    Section {
        heading: "Tracked pool",
        path: "virtualRouters.NAME.track.pools.NAME",
        shape: &keys::TRACK_POOL,
        intro: "`lower` or `fault: true` as well.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track: { pools: { web: { healthyShare: 50%, lower: 30 } } }
pools:
  web: { endpoints: { web-1: \"10.0.1.11:80\" }, healthCheck: { path: /health } }
",
    },
    Section {
        heading: "Tracked program",
        path: "virtualRouters.NAME.track.programs.NAME",
        shape: &keys::TRACK_PROGRAM,
        intro: "`lower` or `fault: true` as well.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track: { programs: { disk: { command: [/usr/local/bin/disk-check], timeout: 500ms, lower: 20 } } }
",
    },
    Section {
        heading: "Tracked proxy",
        path: "virtualRouters.NAME.track.proxy",
        shape: &keys::TRACK_PROXY,
        intro: "On by default: a node that can't serve must not hold the address.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track: { proxy: { lower: 100 } }
",
    },
    Section {
        heading: "Tracked requests",
        path: "virtualRouters.NAME.track.requests",
        shape: &keys::TRACK_REQUESTS,
        intro: "Off if left out. `lower` or `fault: true` as well.",
        example: "\
virtualRouters:
  edge:
    id: 51
    interface: eth0
    addresses: 10.0.0.100/24
    priority: 150
    track: { requests: { window: 10s, failedShare: 30%, lower: 60 } }
",
    },
];
