//! What a scrape of `/metrics` shows: the status as Prometheus samples, under the names that stand in
//! `haechi_telemetry::metric` and nowhere else.
//!
//! Refused: reasons as labels. They are free text, and each new one would be a new time series for ever.

mod auth;
mod compat;
mod endpoint;
mod split;
mod text;
mod virtual_router;

use haechi_model::{Dropped, Fault, Handshake, Limit, Pressure};
use haechi_telemetry::metric::{self as names, Family};

use crate::api::{HaStatus, HandshakeCount, ListenerStatus, MemoryStatus, PoolStatus, Status};
use text::Exposition;

/// `Content-Type` of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The status as a scrape.
pub fn render(status: &Status, ha: &HaStatus) -> String {
    let mut out = Exposition::default();
    out.family(&names::BUILD_INFO).sample(&[&status.version], 1);
    out.family(&names::CONFIG_GENERATION).sample(&[], status.generation);
    out.family(&names::CONFIG_REFUSED).sample(&[], u8::from(status.config.refused.is_some()));
    memory(&status.memory, &mut out);
    listeners(&status.listeners, &mut out);
    ordered(status, &mut out);
    coded(&status.listeners, &mut out);
    datagrams(&status.listeners, &mut out);
    auth::render(&status.listeners, &mut out);
    split::render(&status.listeners, &mut out);
    pools(&status.pools, &mut out);
    endpoint::render(&status.pools, &mut out);
    virtual_router::render(&ha.virtual_routers, &mut out);
    compat::render(status, &mut out);
    out.finish()
}

fn memory(memory: &MemoryStatus, out: &mut Exposition) {
    out.family(&names::MEMORY_TAKEN).sample(&[], memory.taken);
    let mut samples = out.family(&names::MEMORY_CEILING);
    memory.ceiling.iter().for_each(|ceiling| samples.sample(&[], *ceiling));
    let mut samples = out.family(&names::MEMORY_PRESSURE);
    for level in Pressure::ALL {
        samples.sample(&[level.name()], u8::from(level == memory.pressure));
    }
}

fn listeners(listeners: &[ListenerStatus], out: &mut Exposition) {
    let mut plain = |family: &Family, value: fn(&ListenerStatus) -> u64| {
        let mut samples = out.family(family);
        listeners.iter().for_each(|listener| samples.sample(&[&listener.name], value(listener)));
    };
    plain(&names::LISTENER_CONNECTIONS_OPEN, |listener| listener.open);
    plain(&names::LISTENER_CONNECTIONS, |listener| listener.accepted);
    plain(&names::LISTENER_REQUESTS, |listener| listener.requests);
    let mut samples = out.family(&names::LISTENER_FAULTS);
    for listener in listeners {
        // All faults, also those that did not happen: a rate needs the zero before the first one.
        for fault in Fault::ALL {
            let count = listener.faults.get(fault.name()).copied().unwrap_or(0);
            samples.sample(&[&listener.name, fault.name(), side(*fault)], count);
        }
    }
    let mut samples = out.family(&names::LISTENER_LIMITS);
    for listener in listeners.iter().filter(|listener| matches!(listener.protocol.as_str(), "http" | "https"))
    {
        for limit in Limit::ALL {
            samples.sample(
                &[&listener.name, limit.name()],
                listener.limits.get(limit.name()).copied().unwrap_or(0),
            );
        }
    }
    let encrypted = || listeners.iter().filter(|listener| !listener.certificates.is_empty());
    let mut samples = out.family(&names::LISTENER_HANDSHAKES);
    for listener in encrypted() {
        for (version, result, resumed) in Handshake::ALL.map(Handshake::labels) {
            let alike = |one: &&HandshakeCount| {
                (one.version.as_str(), one.result.as_str(), one.resumed) == (version, result, resumed)
            };
            let count = listener.handshakes.iter().find(alike).map_or(0, |one| one.count);
            let resumed = if resumed { "true" } else { "false" };
            samples.sample(&[&listener.name, version, result, resumed], count);
        }
    }
    let mut samples = out.family(&names::LISTENER_CERTIFICATE_EXPIRY);
    for listener in encrypted() {
        for certificate in &listener.certificates {
            samples.sample(&[&listener.name, &certificate.file], certificate.expires_at_ms / 1000);
        }
    }
}

fn ordered(status: &Status, out: &mut Exposition) {
    let mut samples = out.family(&names::ACME_CERTIFICATE_EXPIRY);
    for one in &status.ordered {
        one.expires_at_ms.iter().for_each(|at| samples.sample(&[&one.issuer, &one.name], at / 1000));
    }
    let mut samples = out.family(&names::ACME_CERTIFICATE_FAILURES);
    status.ordered.iter().for_each(|one| samples.sample(&[&one.issuer, &one.name], one.failures));
    let mut samples = out.family(&names::ACME_ORDERS);
    status.orders.iter().for_each(|(issuer, result, count)| samples.sample(&[issuer, result], *count));
}

fn coded(listeners: &[ListenerStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::LISTENER_CODED_BYTES);
    for listener in listeners {
        for (coding, bytes) in listener.coded.iter().flatten() {
            samples.sample(&[&listener.name, coding, "in"], bytes.before);
            samples.sample(&[&listener.name, coding, "out"], bytes.after);
        }
    }
}

fn datagrams(listeners: &[ListenerStatus], out: &mut Exposition) {
    let udp = || listeners.iter().filter_map(|it| Some((it.name.as_str(), it.datagrams.as_ref()?)));
    let mut samples = out.family(&names::LISTENER_DATAGRAMS);
    for (name, datagrams) in udp() {
        samples.sample(&[name, "in"], datagrams.received);
        samples.sample(&[name, "out"], datagrams.sent);
    }
    let mut samples = out.family(&names::LISTENER_DATAGRAMS_DROPPED);
    for (name, datagrams) in udp() {
        // All of them, as of faults.
        for why in Dropped::ALL {
            let count = datagrams.dropped.get(why.name()).copied().unwrap_or(0);
            samples.sample(&[name, why.name()], count);
        }
    }
}

fn pools(pools: &[PoolStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::POOL_WAITING);
    pools.iter().for_each(|pool| samples.sample(&[&pool.name], pool.waiting));
    let mut samples = out.family(&names::POOL_PANICKING);
    pools.iter().for_each(|pool| samples.sample(&[&pool.name], u8::from(pool.panicking)));
}

fn side(fault: Fault) -> &'static str {
    match fault.side() {
        haechi_model::Side::Client => "client",
        haechi_model::Side::Endpoint => "endpoint",
        haechi_model::Side::Us => "us",
    }
}
