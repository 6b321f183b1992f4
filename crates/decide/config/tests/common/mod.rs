//! Arbitrary snapshots, as far as a config can say them.

mod auth;
mod compression;
mod filters;
mod split;
mod virtual_router;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use haechi_config::defaults;
use haechi_model::{
    AcmeChallenge, Admin, AdminState, Algorithm, BodyMatch, CertificateFiles, ClientCertificates,
    ClientFiles, ClientTimeouts, Destination, Endpoint, ExternalAccount, Filters, Forwarded, ForwardedBy,
    HeaderMatch, HealthCheck, HostMatch, Http2Limits, HttpLimits, HttpListener, Issuer, Listener,
    ListenerCertificate, ListenerKind, ListenerTls, Network, Node, OrderedCertificates, PassiveCheck,
    PathMatch, PathRewrite, Patience, Pool, PoolIndex, PoolProtocol, PoolTls, Probe, ProbeTls, ProxyProtocol,
    ProxyVersion, Queue, RequestIds, Retry, RetryOn, Route, Snapshot, SourceMask, StatusRange, TcpListener,
    TlsListener, TlsPolicy, TlsVersion, UdpListener, UpstreamKeepAlive, UpstreamTimeouts,
};
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

const DAY: u64 = 86_400_000;

/// Names that YAML could take for something else, and plain ones.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,4}", "[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", "null|true|no|on|1|1\\.0|0x1|1e3|_|a-|x-y"]
}

/// Text with all that needs care in YAML.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,12}",
        "\\PC{1,8}",
        "[\\x00-\\x1f\\x7f\u{85}\u{a0}\u{2028}\u{feff}a:#\"'\\\\]{1,6}",
        "~|null|- a|a: b|# c|\\* x|& y|! z|%|@|\\| x|> x"
    ]
}

fn ms(least: u64) -> impl Strategy<Value = Duration> {
    prop_oneof![least.max(1)..5000_u64, least.max(1)..DAY].prop_map(Duration::from_millis)
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<[u16; 3]>().prop_map(|[a, b, c]| IpAddr::from([0x2001, 0xdb8, a, b, c, 0, 0, 1])),
    ]
}

fn endpoint(name: String) -> impl Strategy<Value = Endpoint> {
    let admin =
        prop_oneof![Just(AdminState::Enabled), Just(AdminState::Draining), Just(AdminState::Disabled)];
    (
        ip(),
        1..=u16::MAX,
        of(self::name()),
        prop_oneof![Just(1_u16), 0..=256_u16],
        prop_oneof![Just(0_u8), any::<u8>()],
        admin,
    )
        .prop_map(move |(ip, port, zone, weight, tier, admin)| Endpoint {
            name: name.as_str().into(),
            address: SocketAddr::new(ip, port),
            zone: zone.map(Into::into),
            weight,
            tier,
            admin,
        })
}

fn probe() -> impl Strategy<Value = Probe> {
    let tls = (of(text()), of(text()), any::<bool>()).prop_map(|(name, ca, insecure)| ProbeTls {
        server_name: name.map(Into::into),
        ca_file: ca.filter(|_| !insecure).map(Into::into),
        insecure,
        client: None,
    });
    let range =
        (100..=599_u16, 100..=599_u16).prop_map(|(a, b)| StatusRange { first: a.min(b), last: a.max(b) });
    let body = prop_oneof![
        text().prop_map(|text| BodyMatch::Contains(text.into())),
        text().prop_map(|text| BodyMatch::Lacks(text.into()))
    ];
    let http = (
        of(tls),
        "GET|HEAD|M-SEARCH",
        "/[a-z?=&{}|~]{0,8}",
        of("[a-z.]{1,9}(:80)?"),
        vec(range, 1..3),
        of(body),
    )
        .prop_map(|(tls, method, path, host, expect, body)| Probe::Http {
            tls,
            method: method.into(),
            path: path.into(),
            host: host.map(Into::into),
            expect,
            body,
        });
    prop_oneof![
        Just(Probe::Tcp),
        Just(defaults::http_probe()),
        http,
        (vec(any::<u8>(), 1..20), vec(any::<u8>(), 0..20))
            .prop_map(|(send, answer)| Probe::Udp { send: send.into(), answer: answer.into() }),
        (text(), text()).prop_map(|(send, answer)| Probe::Udp {
            send: send.into_bytes().into(),
            answer: answer.into_bytes().into()
        }),
        vec(text(), 1..4)
            .prop_map(|command| Probe::Exec { command: command.into_iter().map(Into::into).collect() }),
    ]
}

fn health_check() -> impl Strategy<Value = HealthCheck> {
    (probe(), of(any::<NonZeroU16>()), ms(10), ms(10), of(ms(10)), 1..=1000_u16, 1..=1000_u16, ms(0))
        .prop_map(|(probe, port, a, b, fast, healthy_threshold, unhealthy_threshold, start_grace)| {
            let interval = a.max(b) + Duration::from_micros(10);
            HealthCheck {
                probe,
                port,
                interval: interval.min(Duration::from_millis(DAY)),
                timeout: a.min(b),
                fast_interval: fast.map(|fast| fast.min(interval)),
                healthy_threshold,
                unhealthy_threshold,
                start_grace,
                proxy_protocol: None,
            }
        })
}

fn retry() -> impl Strategy<Value = Retry> {
    (1..=10_u8, any::<bool>(), any::<bool>(), btree_set(400..=599_u16, 0..3), 0..=100_u8, any::<u16>())
        .prop_map(|(tries, error, timeout, status, budget, budget_floor)| Retry {
            tries,
            on: RetryOn { error, timeout, status: status.into_iter().collect() },
            budget,
            budget_floor,
        })
}

fn passive() -> impl Strategy<Value = PassiveCheck> {
    (1..=1000_u16, ms(1), ms(1), 0..=100_u8).prop_map(|(consecutive_failures, a, b, max_ejected)| {
        PassiveCheck {
            consecutive_failures,
            ejection_time: a.min(b),
            max_ejection_time: a.max(b),
            max_ejected,
        }
    })
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::RoundRobin),
        Just(Algorithm::WeightedRoundRobin),
        Just(Algorithm::LeastConnections),
        Just(Algorithm::IpHash),
        Just(Algorithm::LeastResponseTime),
        Just(Algorithm::Random),
    ]
}

fn pool(name: String) -> impl Strategy<Value = Pool> {
    let endpoints = btree_set(self::name(), 1..4)
        .prop_flat_map(|names| names.into_iter().map(endpoint).collect::<Vec<_>>());
    let timeouts =
        (ms(1), ms(1), ms(1)).prop_map(|(connect, read, send)| UpstreamTimeouts { connect, read, send });
    let queue = (any::<u32>(), ms(1)).prop_map(|(size, timeout)| Queue { size, timeout });
    let keep_alive =
        (any::<u32>(), ms(1), ms(1), 1..=u32::MAX).prop_map(|(idle, idle_timeout, max_age, max_requests)| {
            UpstreamKeepAlive { idle, idle_timeout, max_age, max_requests }
        });
    let mask = (1..=32_u8, 1..=128_u8, any::<bool>()).prop_map(|(v4, v6, port)| SourceMask { v4, v6, port });
    let version = prop_oneof![Just(ProxyVersion::V1), Just(ProxyVersion::V2)];
    let small = (of(any::<NonZeroU32>()), ms(0), 0..=100_u8, ms(0));
    let protocol = prop_oneof![Just(PoolProtocol::Http1), Just(PoolProtocol::Http2)];
    let sections = (
        of(health_check().boxed()),
        of(passive().boxed()),
        of(retry()),
        of(timeouts),
        of(queue),
        of(keep_alive),
        (of(mask), of(version), protocol, of(pool_tls().boxed())),
    );
    (algorithm(), endpoints.boxed(), sections.boxed(), of(small)).prop_map(
        move |(algorithm, endpoints, sections, small)| {
            let (
                health_check,
                passive,
                retry,
                timeouts,
                queue,
                keep_alive,
                (mask, proxy_protocol, protocol, tls),
            ) = sections;
            let (connection_limit, slow_start, panic_threshold, drain_timeout) =
                small.unwrap_or((None, Duration::ZERO, 0, defaults::DRAIN));
            Pool {
                algorithm,
                endpoints,
                health_check: health_check.map(|check| HealthCheck {
                    proxy_protocol: proxy_protocol.filter(|_| check.port.is_none()),
                    ..check
                }),
                passive,
                retry: retry.unwrap_or_default(),
                timeouts: timeouts.unwrap_or_default(),
                connection_limit,
                queue: queue.unwrap_or_default(),
                keep_alive: keep_alive.unwrap_or_default(),
                slow_start,
                panic_threshold,
                drain_timeout,
                source_mask: mask.unwrap_or_default(),
                protocol,
                proxy_protocol,
                tls,
                ..defaults::pool(&name)
            }
        },
    )
}

fn route(pools: u32) -> impl Strategy<Value = Route> {
    let host = prop_oneof![
        Just(HostMatch::Any),
        "[a-z0-9]{1,5}(\\.[a-z]{1,3}){0,2}".prop_map(|host| HostMatch::Exact(host.into())),
        "[a-z]{1,5}\\.[a-z]{2}".prop_map(|host| HostMatch::Wildcard(host.into())),
    ];
    let path = prop_oneof![
        Just(PathMatch::Prefix("/".into())),
        "(/[a-z0-9:@%]{1,4}){1,3}".prop_map(|path| PathMatch::Prefix(path.replace('%', "%2F").into())),
        "(/[a-z]{0,2}){1,3}".prop_map(|path| PathMatch::Exact(path.into())),
    ];
    let headers =
        proptest::collection::btree_map("[a-z!#$%&'*+.^_`|~-]{1,6}", of("[!-~]{0,6}|[!-~] [!-~]|값"), 0..3)
            .prop_map(|headers| {
                headers
                    .into_iter()
                    .map(|(name, value)| HeaderMatch { name: name.into(), value: value.map(Into::into) })
                    .collect()
            });
    let plain = (host, path, btree_set("GET|POST|PUT|X-Y", 0..3), headers, split::destination(pools))
        .prop_map(|(host, path, methods, headers, to)| Route {
            host,
            path,
            methods: methods.into_iter().map(Into::into).collect(),
            headers,
            to,
            filters: None,
        })
        // As with filters.
        .boxed();
    (plain, filters::filters(), of(auth::external_auth(pools))).prop_map(|(mut route, mut filters, auth)| {
        filters.auth = auth.filter(|_| filters.redirect.is_none());
        let exact = matches!(route.path, PathMatch::Exact(_));
        if let Some(PathRewrite::Prefix(path)) = filters.rewrite.path.clone().filter(|_| exact) {
            filters.rewrite.path = Some(PathRewrite::Full(path));
        }
        if let Some(redirect) = &mut filters.redirect {
            if let Some(PathRewrite::Prefix(path)) = redirect.path.clone().filter(|_| exact) {
                redirect.path = Some(PathRewrite::Full(path));
            }
            route.to = Destination::Nowhere;
        }
        route.filters = (filters != Filters::default()).then(|| Box::new(filters));
        route
    })
}

fn pool_tls() -> impl Strategy<Value = PoolTls> {
    let client = (text(), of(text())).prop_map(|(certificate, key)| {
        let certificate: Box<str> = certificate.into();
        ClientFiles { key: key.map_or_else(|| certificate.clone(), Into::into), certificate }
    });
    let name =
        prop_oneof!["[a-z]{1,5}\\.[a-z]{2}", Just("10.0.0.1".to_owned()), Just("2001:db8::1".to_owned())];
    (of(text()), of(name), of(client), any::<bool>()).prop_map(|(ca, server_name, client, verify)| PoolTls {
        ca: ca.filter(|_| verify).map(Into::into),
        server_name: server_name.map(Into::into),
        client,
        verify,
    })
}

/// The one that listeners order from.
const ISSUER: &str = "letsencrypt";

fn issuer() -> impl Strategy<Value = Issuer> {
    let challenges = prop_oneof![
        Just(defaults::ACME_CHALLENGES.to_vec()),
        Just(vec![AcmeChallenge::TlsAlpn01, AcmeChallenge::Http01]),
        Just(vec![AcmeChallenge::TlsAlpn01]),
    ];
    let directory =
        prop_oneof![Just(defaults::ACME_DIRECTORY.to_owned()), "https://[a-z]{1,5}(:80)?/[a-z?=]{0,5}"];
    let account =
        (text(), text()).prop_map(|(id, file)| ExternalAccount { key_id: id.into(), key_file: file.into() });
    let contact = vec("[a-z]{1,5}@[a-z]{1,5}\\.[a-z]{2}".prop_map(Into::into), 0..3);
    (directory, contact, of(text()), of(account), challenges, of(text())).prop_map(
        |(directory, contact, ca, external_account, challenges, profile)| Issuer {
            name: ISSUER.into(),
            directory: directory.into(),
            contact,
            ca: ca.map(Into::into),
            external_account,
            challenges,
            profile: profile.map(Into::into),
        },
    )
}

fn listener_tls() -> impl Strategy<Value = ListenerTls> {
    let names = vec("[a-z]{1,5}\\.[a-z]{2}".prop_map(|host| HostMatch::Wildcard(host.into())), 0..3);
    let certificate = (text(), of(text()), names, of(text())).prop_map(|(certificate, key, names, ocsp)| {
        let certificate: Box<str> = certificate.into();
        let key = key.map_or_else(|| certificate.clone(), Into::into);
        ListenerCertificate::Files(CertificateFiles { key, certificate, names, ocsp: ocsp.map(Into::into) })
    });
    let ordered = btree_set("[a-z]{1,5}\\.[a-z]{2}", 1..3).prop_map(|names| {
        let names = names.into_iter().map(Into::into).collect();
        ListenerCertificate::Ordered(OrderedCertificates { issuer: ISSUER.into(), names })
    });
    let certificate = prop_oneof![3 => certificate, 1 => ordered];
    let who = vec("[a-z]{1,5}".prop_map(|host| HostMatch::Exact(host.into())), 0..3);
    let client = (text(), of(text()), any::<bool>(), who).prop_map(|(ca, crl, optional, names)| {
        ClientCertificates { ca: ca.into(), crl: crl.map(Into::into), optional, names }
    });
    let policy = prop_oneof![Just(TlsPolicy::Intermediate), Just(TlsPolicy::Modern)];
    let numbers = (any::<bool>(), any::<bool>(), 16..=1_048_576_u32);
    (vec(certificate, 1..3), policy, numbers, of(text()), of(client)).prop_map(
        |(certificates, policy, (newest, strict_sni, max_handshakes), keys, client)| ListenerTls {
            certificates,
            policy,
            minimum_version: if newest { TlsVersion::Tls13 } else { policy.minimum_version() },
            strict_sni,
            max_handshakes,
            ticket_keys: keys.map(Into::into),
            client,
        },
    )
}

fn network() -> impl Strategy<Value = Network> {
    (ip(), any::<u8>()).prop_map(|(address, prefix)| Network::of(address, prefix))
}

fn forwarded() -> impl Strategy<Value = Forwarded> {
    let by = prop_oneof![Just(ForwardedBy::XForwardedFor), Just(ForwardedBy::Forwarded)];
    let ids = prop_oneof![Just(RequestIds::Untouched), Just(RequestIds::Passed), Just(RequestIds::Answered)];
    (vec(network(), 0..3), by, ids).prop_map(|(trust, by, request_id)| Forwarded { trust, by, request_id })
}

fn patience() -> impl Strategy<Value = Patience> {
    let seconds = (1..=32_767_u64).prop_map(Duration::from_secs);
    (of(ms(1)), of(ms(1)), of(seconds)).prop_map(|(idle, half, keep_alive)| Patience {
        idle: idle.unwrap_or(defaults::PATIENCE.idle),
        half_closed: half.unwrap_or(defaults::PATIENCE.half_closed),
        keep_alive,
    })
}

/// `index` keeps the addresses of listeners apart.
fn listener(name: String, index: u16, pools: u32) -> impl Strategy<Value = Listener> {
    let any_ip = prop_oneof![Just(IpAddr::from([0; 4])), Just(IpAddr::from([0_u16; 8])), ip()];
    let bind = vec(
        prop_oneof![
            any_ip.prop_map(|ip| vec![ip]),
            Just(vec![IpAddr::from([0; 4]), IpAddr::from([0_u16; 8])])
        ],
        1..3,
    )
    .prop_map(move |groups| {
        let port = |group: usize| 1000 + index * 10 + u16::try_from(group).unwrap();
        let one =
            |(at, ips): (usize, Vec<IpAddr>)| ips.into_iter().map(move |ip| SocketAddr::new(ip, port(at)));
        groups.into_iter().enumerate().flat_map(one).collect()
    });
    let limits = (128..65536_u32, 0..65536_u32, 8..=1000_u16).prop_map(|(request_line, more, fields)| {
        HttpLimits { request_line, head: request_line + more, fields }
    });
    let timeouts = (ms(1), ms(1), ms(1), ms(1)).prop_map(|(header, body, send, keep_alive)| ClientTimeouts {
        header,
        body,
        send,
        keep_alive,
    });
    let window = 1..256_u32;
    let http2 = (1..=10_000_u32, window.clone(), window, 1..=100_000_u32, 1..80_000_u64).prop_map(
        |(streams, stream, connection, resets, stall)| Http2Limits {
            streams,
            stream_window: stream << 16,
            connection_window: connection << 16,
            resets,
            stall: Duration::from_secs(stall),
        },
    );
    let http2 = prop_oneof![Just(Some(Http2Limits::default())), of(http2)];
    let tls = of((listener_tls(), any::<bool>()).boxed());
    let parts = (
        vec(route(pools).boxed(), 1..4),
        of(limits),
        of(timeouts),
        http2.boxed(),
        tls,
        of(forwarded().boxed()),
        of(compression::compression()),
    );
    let http = parts.prop_map(|(routes, limits, timeouts, http2, tls, forwarded, compression)| {
        let (tls, http3) = tls.map_or((None, false), |(tls, http3)| (Some(tls), http3));
        ListenerKind::Http(HttpListener {
            routes,
            limits: limits.unwrap_or_default(),
            timeouts: timeouts.unwrap_or_default(),
            http2: http2.map(Box::new),
            tls,
            forwarded,
            http3,
            compression: compression.map(Box::new),
        })
    });
    let tcp = (0..pools, patience())
        .prop_map(|(pool, patience)| ListenerKind::Tcp(TcpListener { pool: PoolIndex(pool), patience }));
    let host = prop_oneof![
        Just(HostMatch::Any),
        "[a-z]{1,5}\\.[a-z]{2}".prop_map(|host| HostMatch::Exact(host.into())),
    ];
    let by_host =
        (host, 0..pools).prop_map(|(host, pool)| Route { host, ..defaults::route(PoolIndex(pool)) });
    let tls = (vec(by_host, 1..3), ms(1), patience()).prop_map(|(routes, hello_timeout, patience)| {
        ListenerKind::Tls(TlsListener { routes, hello_timeout, patience })
    });
    let udp = (0..pools, of(ms(1)), of(1..=1_u32 << 20)).prop_map(|(pool, idle, flows)| {
        ListenerKind::Udp(UdpListener {
            pool: PoolIndex(pool),
            idle_timeout: idle.unwrap_or(defaults::UDP_IDLE),
            max_flows: flows.and_then(NonZeroU32::new).unwrap_or(defaults::MAX_FLOWS),
        })
    });
    let preface = (vec(network(), 1..3), any::<bool>(), ms(1))
        .prop_map(|(from, others, timeout)| ProxyProtocol { from, others, timeout });
    // As with filters.
    let kind = prop_oneof![http.boxed(), tcp.boxed(), tls.boxed(), udp.boxed()];
    (bind, kind, of(any::<NonZeroU32>()), of(preface)).prop_map(move |(bind, kind, limit, preface)| {
        let proxy_protocol =
            preface.filter(|_| !matches!(&kind, ListenerKind::Udp(_)) && !speaks_quic(&kind));
        let max_connections = limit.filter(|_| !matches!(kind, ListenerKind::Udp(_)));
        Listener {
            name: name.as_str().into(),
            bind,
            kind,
            max_connections,
            max_connections_per_client: max_connections.map(|most| most.saturating_add(1)),
            proxy_protocol,
        }
    })
}

/// It has no prefaces.
fn speaks_quic(kind: &ListenerKind) -> bool {
    matches!(kind, ListenerKind::Http(http) if http.http3)
}

/// Any snapshot that a config can say.
pub(crate) fn snapshot() -> impl Strategy<Value = Snapshot> {
    let pools = btree_set(name(), 0..4)
        .prop_shuffle_names()
        .prop_flat_map(|names| names.into_iter().map(|name| pool(name).boxed()).collect::<Vec<_>>());
    let names = (btree_set(name(), 0..3), btree_set(name(), 0..4));
    let numbers = (of(1..=1536_u16), of(64 << 20..=16_u64 << 40));
    (pools, names, name(), of(name()), numbers, any::<bool>())
        .prop_flat_map(|(pools, (listeners, routers), node, zone, (workers, memory), admin)| {
            let count = u32::try_from(pools.len()).unwrap();
            let listeners: Vec<_> = if count == 0 {
                Vec::new()
            } else {
                listeners
                    .into_iter()
                    .zip(0..)
                    .map(|(name, index)| listener(name, index, count).boxed())
                    .collect()
            };
            let routers: Vec<_> = routers
                .into_iter()
                .zip(1..)
                .map(|(name, index)| virtual_router::virtual_router(name, index, node.clone(), count).boxed())
                .collect();
            (listeners, routers, issuer().boxed()).prop_map(move |(listeners, virtual_routers, issuer)| {
                Snapshot {
                    node: Node { name: node.as_str().into(), zone: zone.clone().map(Into::into) },
                    workers: workers.and_then(NonZeroU16::new),
                    memory_ceiling: memory.and_then(NonZeroU64::new),
                    acme: vec![issuer],
                    listeners,
                    pools: pools.clone(),
                    virtual_routers,
                    admin: Admin { listen: admin.then(|| SocketAddr::from(([127, 0, 0, 1], 7070))) },
                }
            })
        })
        .boxed()
}

/// Names in any order, so that the order of the file is seen to be kept.
trait Shuffle {
    fn prop_shuffle_names(self) -> BoxedStrategy<Vec<String>>;
}

impl<S: Strategy<Value = std::collections::BTreeSet<String>> + 'static> Shuffle for S {
    fn prop_shuffle_names(self) -> BoxedStrategy<Vec<String>> {
        self.prop_map(|names| names.into_iter().collect::<Vec<_>>()).prop_shuffle().boxed()
    }
}
