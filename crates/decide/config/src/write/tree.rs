//! A snapshot as keys and values in the order of the format, each marked if it is at its default.

use std::net::SocketAddr;
use std::time::Duration;

use haechi_model::{
    AdminState, Algorithm, BodyMatch, ClientTimeouts, Endpoint, Forwarded, ForwardedBy, HealthCheck,
    HostMatch, Http2Limits, HttpLimits, Listener, ListenerKind, PathMatch, Patience, Pool, PoolIndex,
    PoolProtocol, Probe, ProxyProtocol, ProxyVersion, Queue, RequestIds, Retry, RetryOn, Route, Snapshot,
    SourceMask, StatusRange, UpstreamKeepAlive, UpstreamTimeouts,
};

use super::compression::compression;
use super::split::destination;
use super::virtual_router::virtual_router;
use super::{acme, tls};
use crate::defaults;
use crate::value::{self, duration, number};

/// A value to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Out {
    /// As it is: a number, a duration, a word of the format.
    Bare(String),
    /// Text of the author's, quoted if YAML asks for it.
    Text(String),
    Null,
    List(Vec<Out>),
    Map(Vec<Field>),
}

/// A key with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) value: Out,
    /// Whether leaving it out means the same.
    pub(crate) default: bool,
}

impl Out {
    pub(super) fn bare(value: &(impl ToString + ?Sized)) -> Self {
        Self::Bare(value.to_string())
    }

    pub(super) fn text(value: &(impl ToString + ?Sized)) -> Self {
        Self::Text(value.to_string())
    }

    pub(super) fn time(value: Duration) -> Self {
        Self::Bare(duration::format(value))
    }

    /// The same meaning in fewer words. An endpoint that has only an address becomes that address.
    pub(crate) fn without_defaults(self) -> Self {
        match self {
            Self::Map(fields) => Self::Map(
                fields
                    .into_iter()
                    .filter(|field| !field.default)
                    .map(|field| Field { value: field.value.without_defaults(), ..field })
                    .collect(),
            ),
            Self::List(items) => Self::List(items.into_iter().map(Self::without_defaults).collect()),
            other => other,
        }
    }
}

pub(super) fn must(key: &(impl ToString + ?Sized), value: Out) -> Field {
    Field { key: key.to_string(), value, default: false }
}

pub(super) fn may(key: &str, value: Out, default: bool) -> Field {
    Field { key: key.to_owned(), value, default }
}

pub(super) fn time(key: &str, value: Duration, default: Duration) -> Field {
    may(key, Out::time(value), value == default)
}

pub(super) fn count<T: ToString + PartialEq>(key: &str, value: &T, default: &T) -> Field {
    may(key, Out::bare(value), value == default)
}

/// The whole file.
pub(crate) fn root(snapshot: &Snapshot) -> Out {
    let mut fields = vec![];
    let mut node =
        vec![may("name", Out::text(&snapshot.node.name), *snapshot.node.name == *defaults::NODE_NAME)];
    node.extend(snapshot.node.zone.as_ref().map(|zone| must("zone", Out::text(zone))));
    fields.push(may("node", Out::Map(node), snapshot.node == defaults::node()));
    fields.extend(snapshot.workers.map(|workers| must("workers", Out::bare(&workers))));
    let ceiling = snapshot.memory_ceiling;
    fields.extend(ceiling.map(|bytes| must("memoryCeiling", Out::Bare(number::format_size(bytes.get())))));
    fields.extend(
        snapshot.admin.listen.map(|listen| must("admin", Out::Map(vec![must("listen", Out::text(&listen))]))),
    );
    if !snapshot.acme.is_empty() {
        let issuers = snapshot.acme.iter().map(|one| must(&one.name, acme::issuer(one)));
        fields.push(must("acme", Out::Map(issuers.collect())));
    }
    if !snapshot.listeners.is_empty() {
        let listeners = snapshot.listeners.iter().map(|one| must(&one.name, listener(one, &snapshot.pools)));
        fields.push(must("listeners", Out::Map(listeners.collect())));
    }
    let routers: Vec<Field> = snapshot
        .virtual_routers
        .iter()
        .map(|one| must(&one.name, virtual_router(one, &snapshot.pools)))
        .collect();
    // An empty file is refused, and an empty map of pools says as little as can be said.
    let empty = routers.is_empty() && fields.iter().all(|field| field.default);
    if !snapshot.pools.is_empty() || empty {
        fields.push(must(
            "pools",
            Out::Map(snapshot.pools.iter().map(|one| must(&one.name, pool(one))).collect()),
        ));
    }
    if !routers.is_empty() {
        fields.push(must("virtualRouters", Out::Map(routers)));
    }
    Out::Map(fields)
}

/// One listener; `pools` are the snapshot's.
pub(crate) fn listener(listener: &Listener, pools: &[Pool]) -> Out {
    let mut fields = vec![must("bind", Out::List(binds(&listener.bind)))];
    let limit = [
        ("maxConnections", listener.max_connections),
        ("maxConnectionsPerClient", listener.max_connections_per_client),
    ];
    let limit = limit.into_iter().filter_map(|(key, most)| most.map(|most| must(key, Out::bare(&most))));
    let preface = listener.proxy_protocol.as_ref().map(|it| must("proxyProtocol", proxy_protocol(it)));
    match &listener.kind {
        ListenerKind::Http(http) => {
            let over_tls = http.tls.as_ref();
            fields.push(must("protocol", Out::bare(if over_tls.is_some() { "https" } else { "http" })));
            fields.extend(limit);
            fields.extend(preface);
            fields.push(must("routes", Out::List(http.routes.iter().map(|one| route(one, pools)).collect())));
            fields.push(may("limits", limits(&http.limits), http.limits == HttpLimits::default()));
            fields.push(may(
                "timeouts",
                client_timeouts(&http.timeouts),
                http.timeouts == ClientTimeouts::default(),
            ));
            fields.push(may("http2", http2(http.http2.as_deref()), http.http2 == Some(Box::default())));
            fields.extend(over_tls.map(|tls| must("tls", tls::listener(tls))));
            fields.extend(over_tls.map(|_| may("http3", Out::bare(&http.http3), !http.http3)));
            fields.extend(http.forwarded.as_ref().map(|it| must("forwarded", forwarded(it))));
            fields.extend(http.compression.as_ref().map(|it| must("compression", compression(it))));
        }
        ListenerKind::Tls(tls) => {
            fields.push(must("protocol", Out::bare("tls")));
            fields.extend(limit);
            fields.extend(preface);
            let by_host = |one: &Route| {
                let mut fields: Vec<Field> =
                    host(&one.host).map(|host| must("host", host)).into_iter().collect();
                fields.extend(destination(&one.to, pools));
                Out::Map(fields)
            };
            fields.push(must("routes", Out::List(tls.routes.iter().map(by_host).collect())));
            let header = ClientTimeouts::default().header;
            let timeouts = Out::Map(vec![time("header", tls.hello_timeout, header)]);
            fields.push(may("timeouts", timeouts, tls.hello_timeout == header));
            fields.extend(patience(&tls.patience));
        }
        ListenerKind::Tcp(tcp) => {
            fields.push(must("protocol", Out::bare("tcp")));
            fields.extend(limit);
            fields.extend(preface);
            fields.push(must("pool", pool_name(tcp.pool, pools)));
            fields.extend(patience(&tcp.patience));
        }
        ListenerKind::Udp(udp) => {
            fields.push(must("protocol", Out::bare("udp")));
            fields.push(must("pool", pool_name(udp.pool, pools)));
            fields.push(time("idleTimeout", udp.idle_timeout, defaults::UDP_IDLE));
            fields.push(count("maxFlows", &udp.max_flows, &defaults::MAX_FLOWS));
        }
    }
    Out::Map(fields)
}

fn patience(patience: &Patience) -> Vec<Field> {
    let Patience { idle, half_closed, keep_alive } = *patience;
    let mut fields = vec![
        time("idleTimeout", idle, defaults::PATIENCE.idle),
        time("halfClosedTimeout", half_closed, defaults::PATIENCE.half_closed),
    ];
    fields.extend(keep_alive.map(|after| must("tcpKeepAlive", Out::time(after))));
    fields
}

fn proxy_protocol(preface: &ProxyProtocol) -> Out {
    Out::Map(vec![
        must("from", Out::List(preface.from.iter().map(Out::text).collect())),
        may("others", Out::bare(if preface.others { "serve" } else { "refuse" }), !preface.others),
        time("timeout", preface.timeout, defaults::PREFACE),
    ])
}

fn forwarded(forwarded: &Forwarded) -> Out {
    let mut fields = Vec::new();
    if !forwarded.trust.is_empty() {
        fields.push(must("trust", Out::List(forwarded.trust.iter().map(Out::text).collect())));
    }
    let by = if forwarded.by == ForwardedBy::Forwarded { "forwarded" } else { "xForwardedFor" };
    fields.push(may("by", Out::bare(by), forwarded.by == ForwardedBy::default()));
    let id = match forwarded.request_id {
        RequestIds::Untouched => "untouched",
        RequestIds::Passed => "pass",
        RequestIds::Answered => "answer",
    };
    fields.push(may("requestId", Out::bare(id), forwarded.request_id == RequestIds::default()));
    Out::Map(fields)
}

pub(super) fn pool_name(index: PoolIndex, pools: &[Pool]) -> Out {
    pools.get(index.index()).map_or(Out::Null, |pool| Out::text(&pool.name))
}

/// Both families of one port in a row are `:80`.
fn binds(addresses: &[SocketAddr]) -> Vec<Out> {
    let mut out = Vec::with_capacity(addresses.len());
    let mut rest = addresses;
    while let [first, others @ ..] = rest {
        let pair = others.first().is_some_and(|second| {
            first.ip().is_unspecified()
                && first.is_ipv4()
                && second.ip().is_unspecified()
                && second.is_ipv6()
                && first.port() == second.port()
        });
        out.push(Out::Text(if pair { format!(":{}", first.port()) } else { first.to_string() }));
        rest = if pair { &others[1..] } else { others };
    }
    out
}

/// Nothing if every host matches.
pub(super) fn host(host: &HostMatch) -> Option<Out> {
    match host {
        HostMatch::Any => None,
        HostMatch::Exact(host) => Some(Out::text(host)),
        HostMatch::Wildcard(parent) => Some(Out::Text(format!("*.{parent}"))),
    }
}

/// One route; `pools` are the snapshot's.
pub(crate) fn route(route: &Route, pools: &[Pool]) -> Out {
    let mut fields = Vec::new();
    fields.extend(host(&route.host).map(|host| must("host", host)));
    fields.push(match &route.path {
        PathMatch::Exact(path) => must("path", Out::Map(vec![must("exact", Out::text(path))])),
        PathMatch::Prefix(path) => may("path", Out::text(path), **path == *"/"),
    });
    if !route.methods.is_empty() {
        fields.push(must("methods", Out::List(route.methods.iter().map(Out::text).collect())));
    }
    if !route.headers.is_empty() {
        let value = |value: &Option<Box<str>>| value.as_ref().map_or(Out::Null, Out::text);
        let headers = route.headers.iter().map(|header| must(&header.name, value(&header.value)));
        fields.push(must("headers", Out::Map(headers.collect())));
    }
    fields.extend(destination(&route.to, pools));
    fields.extend(route.filters.as_deref().map(|filters| must("filters", super::filters(filters, pools))));
    Out::Map(fields)
}

fn limits(limits: &HttpLimits) -> Out {
    let default = HttpLimits::default();
    let size = |key, value: u32, default: u32| {
        may(key, Out::Bare(number::format_size(value.into())), value == default)
    };
    Out::Map(vec![
        size("requestLine", limits.request_line, default.request_line),
        size("head", limits.head, default.head),
        count("fields", &limits.fields, &default.fields),
    ])
}

fn http2(limits: Option<&Http2Limits>) -> Out {
    let default = Http2Limits::default();
    let Some(limits) = limits else { return Out::Map(vec![must("enabled", Out::bare("false"))]) };
    let size = |key, value: u32, default: u32| {
        may(key, Out::Bare(number::format_size(value.into())), value == default)
    };
    Out::Map(vec![
        count("maxConcurrentStreams", &limits.streams, &default.streams),
        size("streamWindow", limits.stream_window, default.stream_window),
        size("connectionWindow", limits.connection_window, default.connection_window),
        count("resetsPerSecond", &limits.resets, &default.resets),
        time("stallTimeout", limits.stall, default.stall),
    ])
}

fn client_timeouts(timeouts: &ClientTimeouts) -> Out {
    let default = ClientTimeouts::default();
    Out::Map(vec![
        time("header", timeouts.header, default.header),
        time("body", timeouts.body, default.body),
        time("send", timeouts.send, default.send),
        time("keepAlive", timeouts.keep_alive, default.keep_alive),
    ])
}

/// One pool.
pub(crate) fn pool(pool: &Pool) -> Out {
    let endpoints = pool.endpoints.iter().map(|one| must(&one.name, endpoint(one))).collect();
    let mut fields = vec![
        may("algorithm", Out::bare(algorithm(pool.algorithm)), pool.algorithm == Algorithm::default()),
        must("endpoints", Out::Map(endpoints)),
    ];
    fields.extend(pool.health_check.as_ref().map(|check| must("healthCheck", health_check(check))));
    fields.extend(pool.passive.as_ref().map(|check| must("passive", passive(check))));
    fields.push(may("retry", retry(&pool.retry), pool.retry == Retry::default()));
    fields.push(may("timeouts", timeouts(&pool.timeouts), pool.timeouts == UpstreamTimeouts::default()));
    fields.extend(pool.connection_limit.map(|limit| must("connectionLimit", Out::bare(&limit))));
    fields.push(may("queue", queue(&pool.queue), pool.queue == Queue::default()));
    fields.push(may(
        "keepAlive",
        keep_alive(&pool.keep_alive),
        pool.keep_alive == UpstreamKeepAlive::default(),
    ));
    fields.push(time("slowStart", pool.slow_start, Duration::ZERO));
    fields.push(count("panicThreshold", &pool.panic_threshold, &0));
    let drain = Out::Map(vec![time("timeout", pool.drain_timeout, defaults::DRAIN)]);
    fields.push(may("drain", drain, pool.drain_timeout == defaults::DRAIN));
    fields.extend(pool.proxy_protocol.map(|version| {
        must("proxyProtocol", Out::bare(if version == ProxyVersion::V1 { "v1" } else { "v2" }))
    }));
    fields.push(may("sourceMask", source_mask(pool.source_mask), pool.source_mask == SourceMask::default()));
    let protocol = if pool.protocol == PoolProtocol::Http2 { "http2" } else { "http1" };
    fields.push(may("protocol", Out::bare(protocol), pool.protocol == PoolProtocol::default()));
    fields.extend(pool.tls.as_ref().map(|tls| must("tls", tls::pool(tls))));
    Out::Map(fields)
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin => "roundRobin",
        Algorithm::WeightedRoundRobin => "weightedRoundRobin",
        Algorithm::LeastConnections => "leastConnections",
        Algorithm::IpHash => "ipHash",
        Algorithm::LeastResponseTime => "leastResponseTime",
        Algorithm::Random => "random",
    }
}

fn endpoint(endpoint: &Endpoint) -> Out {
    let mut fields = vec![must("address", Out::text(&endpoint.address))];
    fields.extend(endpoint.zone.as_ref().map(|zone| must("zone", Out::text(zone))));
    fields.push(count("weight", &endpoint.weight, &1));
    fields.push(count("tier", &endpoint.tier, &0));
    let admin = match endpoint.admin {
        AdminState::Enabled => "enabled",
        AdminState::Draining => "draining",
        AdminState::Disabled => "disabled",
    };
    fields.push(may("admin", Out::bare(admin), endpoint.admin == AdminState::Enabled));
    Out::Map(fields)
}

fn health_check(check: &HealthCheck) -> Out {
    let default = defaults::health_check(Probe::Tcp);
    let mut fields = probe(&check.probe);
    fields.extend(check.port.map(|port| must("port", Out::bare(&port))));
    fields.push(time("interval", check.interval, default.interval));
    fields.push(time("timeout", check.timeout, default.timeout));
    fields.extend(check.fast_interval.map(|fast| must("fastInterval", Out::time(fast))));
    fields.push(count("healthyThreshold", &check.healthy_threshold, &default.healthy_threshold));
    fields.push(count("unhealthyThreshold", &check.unhealthy_threshold, &default.unhealthy_threshold));
    fields.push(time("startGrace", check.start_grace, default.start_grace));
    Out::Map(fields)
}

fn probe(probe: &Probe) -> Vec<Field> {
    match probe {
        Probe::Tcp => vec![must("protocol", Out::bare("tcp"))],
        Probe::Udp { send, answer } => {
            let mut fields = vec![must("protocol", Out::bare("udp")), must("send", payload(send))];
            fields.extend((!answer.is_empty()).then(|| must("answer", payload(answer))));
            fields
        }
        Probe::Exec { command } => {
            let command = Out::List(command.iter().map(Out::text).collect());
            vec![must("protocol", Out::bare("exec")), must("command", command)]
        }
        Probe::Http { tls, method, path, host, expect, body } => {
            // The protocol has a default, but a check that does not name it puzzles its reader.
            let mut fields = vec![must("protocol", Out::bare(if tls.is_some() { "https" } else { "http" }))];
            fields.push(may("path", Out::text(path), **path == *"/"));
            fields.extend(host.as_ref().map(|host| must("host", Out::text(host))));
            fields.push(may("method", Out::text(method), **method == *"GET"));
            let usual = **expect == [StatusRange { first: 200, last: 399 }];
            let ranges = expect.iter().map(|range| Out::Bare(number::format_status(*range))).collect();
            fields.push(may("expect", Out::List(ranges), usual));
            fields.extend(body.as_ref().map(|body| must("body", body_match(body))));
            fields.extend(tls.as_ref().map(|tls| {
                let texts = [("serverName", &tls.server_name), ("caFile", &tls.ca_file)];
                let mut fields: Vec<Field> = texts
                    .into_iter()
                    .filter_map(|(key, text)| Some(must(key, Out::text(text.as_ref()?))))
                    .collect();
                fields.push(count("insecure", &tls.insecure, &false));
                may("tls", Out::Map(fields), *tls == haechi_model::ProbeTls::default())
            }));
            fields
        }
    }
}

/// As text where a text says it.
fn payload(bytes: &[u8]) -> Out {
    let text =
        std::str::from_utf8(bytes).ok().filter(|text| value::payload(text).is_ok_and(|it| *it == *bytes));
    text.map_or_else(|| Out::Text(value::format_payload(bytes)), Out::text)
}

fn body_match(body: &BodyMatch) -> Out {
    Out::Map(vec![match body {
        BodyMatch::Contains(text) => must("contains", Out::text(text)),
        BodyMatch::Lacks(text) => must("lacks", Out::text(text)),
    }])
}

fn passive(check: &haechi_model::PassiveCheck) -> Out {
    let default = defaults::passive_check();
    Out::Map(vec![
        count("consecutiveFailures", &check.consecutive_failures, &default.consecutive_failures),
        time("ejectionTime", check.ejection_time, default.ejection_time),
        time("maxEjectionTime", check.max_ejection_time, default.max_ejection_time),
        count("maxEjected", &check.max_ejected, &default.max_ejected),
    ])
}

fn retry(retry: &Retry) -> Out {
    let default = Retry::default();
    let mut on = Vec::new();
    on.extend(retry.on.error.then(|| Out::bare("error")));
    on.extend(retry.on.timeout.then(|| Out::bare("timeout")));
    on.extend(retry.on.status.iter().map(Out::bare));
    Out::Map(vec![
        count("tries", &retry.tries, &default.tries),
        may("on", Out::List(on), retry.on == RetryOn::default()),
        count("budget", &retry.budget, &default.budget),
        count("budgetFloor", &retry.budget_floor, &default.budget_floor),
    ])
}

fn timeouts(timeouts: &UpstreamTimeouts) -> Out {
    let default = UpstreamTimeouts::default();
    Out::Map(vec![
        time("connect", timeouts.connect, default.connect),
        time("read", timeouts.read, default.read),
        time("send", timeouts.send, default.send),
    ])
}

fn queue(queue: &Queue) -> Out {
    let default = Queue::default();
    Out::Map(vec![count("size", &queue.size, &default.size), time("timeout", queue.timeout, default.timeout)])
}

fn keep_alive(keep_alive: &UpstreamKeepAlive) -> Out {
    let default = UpstreamKeepAlive::default();
    Out::Map(vec![
        count("idle", &keep_alive.idle, &default.idle),
        time("idleTimeout", keep_alive.idle_timeout, default.idle_timeout),
        time("maxAge", keep_alive.max_age, default.max_age),
        count("maxRequests", &keep_alive.max_requests, &default.max_requests),
    ])
}

fn source_mask(mask: SourceMask) -> Out {
    let default = SourceMask::default();
    Out::Map(vec![
        count("v4", &mask.v4, &default.v4),
        count("v6", &mask.v6, &default.v6),
        count("port", &mask.port, &default.port),
    ])
}
