//! Pools and their endpoints.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use haechi_model::{AdminState, Algorithm, Endpoint, HealthCheck, Pool, ProxyVersion};

use super::{health, named, policy, tls};
use crate::object::{Object, item};
use crate::report::Report;
use crate::tree::{Data, Entry};
use crate::{Code, Span, defaults, keys, value};

/// All pools, each with the place of its name. A broken one is there with what could be read of it.
pub(super) fn pools(root: &Object<'_, '_>, report: &mut Report) -> Vec<(Pool, Span)> {
    let entries = named(root, "pools", "a pool", report).unwrap_or_default();
    let mut pools = Vec::with_capacity(entries.len());
    for Entry { key, value } in entries {
        let pool = match Object::open(value, &keys::POOL, key.span, report) {
            Some(object) => pool(&key.text, object, report),
            None => defaults::pool(&key.text),
        };
        pools.push((pool, key.span));
    }
    pools
}

fn pool(name: &str, object: Object<'_, '_>, report: &mut Report) -> Pool {
    let algorithm = object.word("algorithm", report);
    let balanced = !algorithm.is_broken();
    let algorithm = algorithm.ok().map_or_else(Algorithm::default, self::algorithm);
    let endpoints = endpoints(&object, algorithm, balanced, report);
    let limit = object.int::<u32>("connectionLimit", report);
    if !limit.is_broken() && limit.span().is_none() {
        idle(&object, "queue", "there is no `connectionLimit`, so nothing ever waits", report);
    }
    if balanced && algorithm != Algorithm::IpHash {
        idle(&object, "sourceMask", "only `algorithm: ipHash` reads it", report);
    }
    let proxy_protocol = object.word("proxyProtocol", report).ok().map(|word| match word {
        "v1" => ProxyVersion::V1,
        _ => ProxyVersion::V2,
    });
    let pool = Pool {
        name: name.into(),
        algorithm,
        endpoints,
        health_check: health::check(&object, report).map(|check| told(check, proxy_protocol)),
        passive: policy::passive(&object, report),
        retry: policy::retry(&object, report),
        timeouts: policy::timeouts(&object, report),
        connection_limit: limit.ok().and_then(NonZeroU32::new),
        queue: policy::queue(&object, report),
        keep_alive: policy::keep_alive(&object, report),
        slow_start: object.duration("slowStart", report).or(Duration::ZERO),
        panic_threshold: object.percent("panicThreshold", report).or(0),
        drain_timeout: policy::drain(&object, report),
        source_mask: policy::source_mask(&object, report),
        proxy_protocol,
        tls: tls::pool(&object, report),
    };
    object.done();
    pool
}

/// A port of its own is another server's, of whom nobody said that it wants a preface (as HAProxy has it).
fn told(check: HealthCheck, pool: Option<ProxyVersion>) -> HealthCheck {
    HealthCheck { proxy_protocol: pool.filter(|_| check.port.is_none()), ..check }
}

fn idle(object: &Object<'_, '_>, key: &str, why: &str, report: &mut Report) {
    if object.has(key) {
        report
            .add(Code::Idle, object.key_span(key), format!("`{key}` has no effect"))
            .label(why)
            .help("remove it");
    }
}

fn algorithm(word: &'static str) -> Algorithm {
    match word {
        "weightedRoundRobin" => Algorithm::WeightedRoundRobin,
        "leastConnections" => Algorithm::LeastConnections,
        "ipHash" => Algorithm::IpHash,
        "leastResponseTime" => Algorithm::LeastResponseTime,
        "random" => Algorithm::Random,
        _ => Algorithm::RoundRobin,
    }
}

/// What the warnings about a pool's endpoints look at.
#[derive(Default)]
struct Seen {
    addresses: HashMap<SocketAddr, Span>,
    /// First weight over 1 and first tier over 0.
    weight: Option<Span>,
    tier: Option<Span>,
    /// Whether some endpoint could not be read, so that conclusions over all of them prove nothing.
    broken: bool,
}

fn endpoints(
    object: &Object<'_, '_>,
    algorithm: Algorithm,
    balanced: bool,
    report: &mut Report,
) -> Vec<Endpoint> {
    let Some(entries) = named(object, "endpoints", "an endpoint", report) else { return Vec::new() };
    let at = object.key_span("endpoints");
    if entries.is_empty() {
        report.add(Code::NoEndpoints, at, "a pool needs at least one endpoint").help(
            "add one such as `web-1: \"10.0.0.1:80\"`; to take one out of service use `admin: disabled`",
        );
    }
    let mut seen = Seen::default();
    let mut endpoints = Vec::with_capacity(entries.len());
    for entry in entries {
        let before = report.errors();
        endpoints.extend(endpoint(entry, &mut seen, report));
        seen.broken |= report.errors() != before || entry.value.is_broken();
    }
    if !endpoints.is_empty() && !seen.broken {
        doubts(&endpoints, &seen, at, (algorithm == Algorithm::RoundRobin) && balanced, report);
    }
    endpoints
}

fn endpoint(entry: &Entry<'_>, seen: &mut Seen, report: &mut Report) -> Option<Endpoint> {
    let Entry { key, value } = entry;
    if !matches!(value.data, Data::Map(_)) {
        let wanted = "an address such as `10.0.0.1:80`, or a map with `address`";
        let address = item(value, key.span, &key.text, wanted, report, |text, _| value::net::endpoint(text))?;
        same(address, value.span, seen, report);
        return Some(defaults::endpoint(&key.text, address));
    }
    let object = Object::open(value, &keys::ENDPOINT, key.span, report)?;
    let address = object
        .parsed("address", "an address such as `10.0.0.1:80`", report, |text, _| value::net::endpoint(text));
    let zone = object.name("zone", report).ok().map(Into::into);
    let weight = object.int("weight", report);
    let tier = object.int("tier", report);
    let admin = match object.word("admin", report).or("enabled") {
        "draining" => AdminState::Draining,
        "disabled" => AdminState::Disabled,
        _ => AdminState::Enabled,
    };
    object.done();
    seen.weight = seen.weight.or_else(|| weight.span().filter(|_| weight.or(1_u16) > 1));
    seen.tier = seen.tier.or_else(|| tier.span().filter(|_| tier.or(0_u8) > 0));
    if let Some((address, span)) = address.ok().zip(address.span()) {
        same(address, span, seen, report);
    }
    Some(Endpoint {
        name: key.text.as_ref().into(),
        address: address.ok()?,
        zone,
        weight: weight.or(1),
        tier: tier.or(0),
        admin,
    })
}

fn same(address: SocketAddr, span: Span, seen: &mut Seen, report: &mut Report) {
    let first = *seen.addresses.entry(address).or_insert(span);
    if first != span {
        report
            .add(Code::SameAddress, span, format!("{address} is the address of two endpoints"))
            .label(format!("also given on line {}", first.line))
            .help("use `weight` to give one endpoint a larger share");
    }
}

fn doubts(endpoints: &[Endpoint], seen: &Seen, at: Span, unweighted: bool, report: &mut Report) {
    if let Some(span) = seen.weight.filter(|_| unweighted) {
        report
            .add(Code::WeightIdle, span, "weights have no effect with `roundRobin`")
            .label("the first one over 1")
            .help("set `algorithm: weightedRoundRobin`, or remove the weights");
    }
    let tier = endpoints[0].tier;
    if let Some(span) = seen.tier.filter(|_| endpoints.iter().all(|endpoint| endpoint.tier == tier)) {
        report
            .add(Code::TierIdle, span, format!("every endpoint of the pool stands in tier {tier}"))
            .help("give those that serve first `tier: 0`, or remove the tiers");
    }
    if endpoints.iter().all(|endpoint| endpoint.weight == 0 || endpoint.admin != AdminState::Enabled) {
        report
            .add(
                Code::NothingServes,
                at,
                format!("none of the pool's {} takes new work", count(endpoints.len())),
            )
            .label("it can only answer 503")
            .help("every one is draining, disabled or of weight 0; enable one of them");
    }
}

fn count(endpoints: usize) -> String {
    if endpoints == 1 { "1 endpoint".into() } else { format!("{endpoints} endpoints") }
}
