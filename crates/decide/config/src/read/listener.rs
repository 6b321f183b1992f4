//! Listeners: where they stand, and what belongs to which protocol.

use haechi_model::{
    ClientTimeouts, Http2Limits, HttpLimits, HttpListener, Listener, ListenerKind, Patience, PoolIndex,
    TcpListener, TlsListener, UdpListener,
};

use super::clash::Bind;
use super::{References, compression, named, not_here, origin, route, tls};
use crate::object::{Object, item, many};
use crate::report::{Report, quote};
use crate::tree::{Data, Entry};
use crate::{Code, defaults, keys, value};

/// How TLS begins.
pub(super) const NOWHERE_HELP: &str =
    "such as `tls: { certificates: [{ certificate: shop.pem, key: shop.key }] }`";

/// What a reference that could not be followed becomes; the snapshot is not given out then.
pub(super) const NOWHERE: PoolIndex = PoolIndex(0);

pub(super) fn listeners(
    root: &Object<'_, '_>,
    references: &mut References,
    report: &mut Report,
) -> (Vec<Listener>, Vec<Bind>) {
    let mut binds = Vec::new();
    let mut listeners = Vec::new();
    let entries = named(root, "listeners", "a listener", report);
    match entries {
        None if root.has("listeners") => references.lose(),
        None | Some([]) => {
            report
                .add(Code::NoListener, root.key_span("listeners"), "no listener: nothing is served")
                .help("add one under `listeners`, such as `web: { bind: \":80\", protocol: http, routes: [{ pool: web }] }`");
            references.lose();
        }
        Some(_) => {}
    }
    for Entry { key, value } in entries.unwrap_or_default() {
        match Object::open(value, &keys::LISTENER, key.span, report) {
            Some(object) => listeners.push(listener(&key.text, object, &mut binds, references, report)),
            None => references.lose(),
        }
    }
    (listeners, binds)
}

fn listener(
    name: &str,
    object: Object<'_, '_>,
    binds: &mut Vec<Bind>,
    references: &mut References,
    report: &mut Report,
) -> Listener {
    let start = binds.len();
    let protocol = object.word("protocol", report).ok();
    let over_quic = http3(&object, protocol, report);
    bind(name, &object, protocol == Some("udp"), binds, report);
    let end = binds.len();
    if over_quic {
        // It stands on the UDP ports of the same numbers too.
        let too: Vec<Bind> =
            binds[start..].iter().map(|bind| Bind { datagrams: true, ..bind.clone() }).collect();
        binds.extend(too);
    }
    let max_connections =
        object.int::<u32>("maxConnections", report).ok().and_then(std::num::NonZeroU32::new);
    let max_connections_per_client =
        object.int::<u32>("maxConnectionsPerClient", report).ok().and_then(std::num::NonZeroU32::new);
    let proxy_protocol = origin::proxy_protocol(&object, report);
    let kind = match protocol {
        Some("tcp") => ListenerKind::Tcp(tcp(&object, references, report)),
        Some("tls") => ListenerKind::Tls(unopened(&object, references, report)),
        Some("udp") => ListenerKind::Udp(udp(&object, references, report)),
        Some(protocol) => {
            let http = http(&object, protocol == "https", references, report);
            ListenerKind::Http(HttpListener { http3: over_quic, ..http })
        }
        None => {
            unknown(&object, references, report);
            ListenerKind::Tcp(TcpListener { pool: NOWHERE, patience: defaults::PATIENCE })
        }
    };
    object.done();
    Listener {
        name: name.into(),
        bind: binds[start..end].iter().map(|bind| bind.address).collect(),
        kind,
        max_connections,
        max_connections_per_client,
        proxy_protocol,
    }
}

fn bind(name: &str, object: &Object<'_, '_>, datagrams: bool, binds: &mut Vec<Bind>, report: &mut Report) {
    let Some((node, at)) = object.node("bind") else { return };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, "`bind` needs at least one address")
            .help("`:80` stands on every address of this host");
    }
    for node in many(node) {
        let addresses =
            item(node, at, "bind", "an address such as `:80` or `10.0.0.1:80`", report, |text, _| {
                value::net::bind(text)
            });
        for address in addresses.into_iter().flatten() {
            binds.push(Bind { address, datagrams, span: node.span, listener: name.to_owned() });
        }
    }
}

fn http(
    object: &Object<'_, '_>,
    over_tls: bool,
    references: &mut References,
    report: &mut Report,
) -> HttpListener {
    if let Some((node, _)) = object.node("pool") {
        let pool = if let Data::Text { text, .. } = &node.data { text } else { "NAME" };
        let help = if object.has("routes") {
            "remove it; the routes name their pools".to_owned()
        } else {
            format!("write `routes: [{{ pool: {pool} }}]`")
        };
        not_here(object, "pool", "only tcp and udp listeners have one pool", help, report);
        references.lose();
    }
    not_here(
        object,
        "idleTimeout",
        "only tcp, tls and udp listeners have it",
        "http has `timeouts: { keepAlive: … }`",
        report,
    );
    if !over_tls {
        not_here(
            object,
            "tls",
            "only https listeners have it",
            "set `protocol: https`, or remove it",
            report,
        );
    }
    no_flows(object, report);
    no_tunnels(object, report);
    HttpListener {
        routes: routes(object, Some(over_tls), references, report),
        limits: limits(object, report),
        timeouts: timeouts(object, report),
        http2: http2(object, report),
        tls: over_tls.then(|| tls::listener(object, references, report)),
        forwarded: origin::forwarded(object, report),
        http3: false,
        compression: compression::listener(object, report).map(Box::new),
    }
}

/// Whether it speaks QUIC too.
fn http3(object: &Object<'_, '_>, protocol: Option<&str>, report: &mut Report) -> bool {
    if protocol.is_some_and(|protocol| protocol != "https") {
        let help = "QUIC is always encrypted: set `protocol: https`, or remove it";
        not_here(object, "http3", "only https listeners speak HTTP/3", help, report);
        return false;
    }
    let flag = object.flag("http3", report);
    let wanted = flag.or(false);
    if wanted && let Some((node, _)) = object.node("proxyProtocol") {
        report
            .add(Code::Contradiction, node.span, "datagrams of QUIC have no preface")
            .help("a client of HTTP/3 is who its datagrams come from: remove `proxyProtocol`, or `http3`");
    }
    wanted
}

/// `over_tls`: whether clients speak TLS; none if the protocol is not known.
fn routes(
    object: &Object<'_, '_>,
    over_tls: Option<bool>,
    references: &mut References,
    report: &mut Report,
) -> Vec<haechi_model::Route> {
    let given = object
        .node("routes")
        .filter(|(node, _)| !matches!(&node.data, Data::List(routes) if routes.is_empty()));
    if let Some((node, at)) = given {
        return route::routes(node, at, over_tls, references, report);
    }
    if over_tls.is_some() && !object.has("pool") {
        references.lose();
        report
            .add(
                Code::NoRoutes,
                if object.has("routes") { object.key_span("routes") } else { object.at },
                "an http, https or tls listener needs at least one route",
            )
            .help("`routes: [{ pool: NAME }]` sends every request to one pool");
    }
    Vec::new()
}

fn tcp(object: &Object<'_, '_>, references: &mut References, report: &mut Report) -> TcpListener {
    for key in ["routes", "limits", "timeouts", "http2", "tls", "forwarded", "compression"] {
        let help = match key {
            "routes" => "a tcp listener has `pool: NAME`; requests are only seen with `protocol: http`",
            "timeouts" => "a tcp listener has `idleTimeout`",
            "tls" => {
                "a tcp listener passes bytes on as they come, TLS too; `protocol: tls` routes it by name, `https` ends it"
            }
            _ => "remove it, or set `protocol: http`",
        };
        not_here(object, key, "only http listeners have it", help, report);
    }
    no_flows(object, report);
    let pool = one_pool(
        object,
        "a tcp listener needs `pool`",
        "the pool that gets its connections",
        references,
        report,
    );
    TcpListener { pool, patience: patience(object, report) }
}

fn patience(object: &Object<'_, '_>, report: &mut Report) -> Patience {
    Patience {
        idle: object.duration("idleTimeout", report).or(defaults::PATIENCE.idle),
        half_closed: object.duration("halfClosedTimeout", report).or(defaults::PATIENCE.half_closed),
        keep_alive: object.duration("tcpKeepAlive", report).ok(),
    }
}

fn udp(object: &Object<'_, '_>, references: &mut References, report: &mut Report) -> UdpListener {
    for (key, help) in [
        ("routes", "a udp listener has `pool: NAME`; haechi does not look into datagrams"),
        ("timeouts", "a udp listener has `idleTimeout`"),
        ("limits", "remove it, or set `protocol: http`"),
        ("http2", "remove it, or set `protocol: http`"),
        ("forwarded", "remove it, or set `protocol: http`"),
        ("compression", "remove it, or set `protocol: http`"),
    ] {
        not_here(object, key, "only http listeners have it", help, report);
    }
    not_here(object, "proxyProtocol", "only connections have it", "remove it", report);
    not_here(object, "tls", "datagrams are moved as they are", "remove it", report);
    no_tunnels(object, report);
    let more = "datagrams have no connections";
    for key in ["maxConnections", "maxConnectionsPerClient"] {
        not_here(object, key, more, "a udp listener has `maxFlows`", report);
    }
    let pool =
        one_pool(object, "a udp listener needs `pool`", "the pool that gets its flows", references, report);
    UdpListener {
        pool,
        idle_timeout: object.duration("idleTimeout", report).or(defaults::UDP_IDLE),
        max_flows: object
            .int::<u32>("maxFlows", report)
            .ok()
            .and_then(std::num::NonZeroU32::new)
            .unwrap_or(defaults::MAX_FLOWS),
    }
}

/// What only connections have whose bytes are passed on as they come.
fn no_tunnels(object: &Object<'_, '_>, report: &mut Report) {
    for key in ["halfClosedTimeout", "tcpKeepAlive"] {
        not_here(object, key, "only tcp and tls listeners have it", "remove it", report);
    }
}

fn no_flows(object: &Object<'_, '_>, report: &mut Report) {
    let help = "remove it; connections are limited by `maxConnections`";
    not_here(object, "maxFlows", "only udp listeners have flows", help, report);
}

fn one_pool(
    object: &Object<'_, '_>,
    missing: &str,
    help: &str,
    references: &mut References,
    report: &mut Report,
) -> PoolIndex {
    if object.has("routes") {
        references.lose();
    } else if !object.has("pool") {
        report.add(Code::MissingKey, object.at, missing).help(help);
    }
    references.follow(object, report).unwrap_or(NOWHERE)
}

/// TLS that is passed on as it comes.
fn unopened(object: &Object<'_, '_>, references: &mut References, report: &mut Report) -> TlsListener {
    not_here(
        object,
        "tls",
        "a tls listener passes TLS on as it comes, with the endpoint's certificate",
        "set `protocol: https` to end TLS here, or remove it",
        report,
    );
    for key in ["limits", "http2", "forwarded", "compression"] {
        not_here(object, key, "only http listeners have it", "remove it", report);
    }
    if object.node("pool").is_some() {
        let help = "write `routes: [{ pool: NAME }]`; routes may name hosts";
        not_here(object, "pool", "only tcp and udp listeners have one pool", help, report);
        references.lose();
    }
    no_flows(object, report);
    let timeouts = object.section("timeouts", report);
    for key in ["body", "send", "keepAlive"] {
        not_here(&timeouts, key, "nothing but the first message is read", "remove it", report);
    }
    let hello_timeout = timeouts.duration("header", report).or(ClientTimeouts::default().header);
    timeouts.done();
    let routes = routes(object, Some(true), references, report);
    if let Some((node, _)) = object.node("routes") {
        route::by_host_alone(node, report);
    }
    TlsListener { routes, hello_timeout, patience: patience(object, report) }
}

/// Without a protocol nobody can say which keys belong here, but their values can be checked.
fn unknown(object: &Object<'_, '_>, references: &mut References, report: &mut Report) {
    routes(object, None, references, report);
    limits(object, report);
    timeouts(object, report);
    http2(object, report);
    origin::forwarded(object, report);
    compression::listener(object, report);
    for key in ["idleTimeout", "halfClosedTimeout", "tcpKeepAlive"] {
        object.duration(key, report);
    }
    if object.has("tls") {
        tls::listener(object, references, report);
    }
    object.node("tls");
    object.int::<u32>("maxFlows", report);
    if object.has("pool") {
        references.follow(object, report);
    }
    object.node("pool");
    references.lose();
}

fn limits(object: &Object<'_, '_>, report: &mut Report) -> HttpLimits {
    let limits = object.section("limits", report);
    let default = HttpLimits::default();
    let line = limits.size("requestLine", report);
    let head = limits.size("head", report);
    let fields = limits.int("fields", report).or(default.fields);
    limits.done();
    let span = line.span().or(head.span());
    let (request_line, head) = if line.is_broken() || head.is_broken() {
        (default.request_line, default.head)
    } else {
        (line.or(default.request_line), head.or(default.head))
    };
    if let Some(span) = span.filter(|_| request_line > head) {
        let size = |bytes: u32| quote(&value::number::format_size(bytes.into()));
        report
            .add(
                Code::Contradiction,
                span,
                format!("a request line of {} does not fit in a head of {}", size(request_line), size(head)),
            )
            .help("the head includes the request line; raise `head` or lower `requestLine`");
    }
    HttpLimits { request_line, head, fields }
}

/// `None` where it is not spoken.
fn http2(object: &Object<'_, '_>, report: &mut Report) -> Option<Box<Http2Limits>> {
    let section = object.section("http2", report);
    let default = Http2Limits::default();
    let enabled = section.flag("enabled", report).or(true);
    if !enabled {
        for key in
            ["maxConcurrentStreams", "streamWindow", "connectionWindow", "resetsPerSecond", "stallTimeout"]
        {
            not_here(
                &section,
                key,
                "with `enabled: false` there are no such connections",
                "remove it",
                report,
            );
        }
    }
    let stream_window = section.size("streamWindow", report);
    let connection_window = section.size("connectionWindow", report);
    let read = Http2Limits {
        streams: section.int("maxConcurrentStreams", report).or(default.streams),
        stream_window: stream_window.or(default.stream_window),
        connection_window: connection_window.or(default.connection_window),
        resets: section.int("resetsPerSecond", report).or(default.resets),
        stall: section.duration("stallTimeout", report).or(default.stall),
    };
    section.done();
    enabled.then(|| Box::new(read))
}

fn timeouts(object: &Object<'_, '_>, report: &mut Report) -> ClientTimeouts {
    let timeouts = object.section("timeouts", report);
    let default = ClientTimeouts::default();
    let read = ClientTimeouts {
        header: timeouts.duration("header", report).or(default.header),
        body: timeouts.duration("body", report).or(default.body),
        send: timeouts.duration("send", report).or(default.send),
        keep_alive: timeouts.duration("keepAlive", report).or(default.keep_alive),
    };
    timeouts.done();
    read
}
