//! Everything at one moment, as the admin API shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use haechi_admin::api::{
    AuthStatus, CertificateStatus, CodedBytes, ConfigStatus, DatagramStatus, EndpointStatus, HandshakeCount,
    ListenerStatus, PoolStatus, RefusedConfig, ShareStatus, SplitStatus, Status,
};
use haechi_model::{AdminOrigin, Algorithm, Endpoint, Handshake, Health, ListenerKind, Moment, SplitBy};
use haechi_prober::EndpointReport;
use haechi_proxy::{
    AuthTotals, LatencyBuckets, ListenerTotals, LiveEndpoint, LiveListener, LivePool, ShareTotals,
    SplitTotals,
};
use haechi_trust::{Certificate, Sight};

use super::{Control, lock, wall_ms};

/// Bounds of the histogram that is shown, in microseconds: 1–2.5–5 steps from what a small response takes
/// here to the default read timeout.
const BOUNDS_MICROS: [u64; 19] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 60_000_000,
];

/// What became of the last changes.
#[derive(Default)]
pub(crate) struct ConfigState {
    pub(crate) applied_at_ms: u64,
    pub(crate) refused: Option<RefusedConfig>,
    /// The same for files that the config names, and that were looked at because they changed.
    pub(crate) refused_files: Option<RefusedConfig>,
    /// What those files were when they were read.
    pub(crate) files: Sight,
}

impl ConfigState {
    /// A config came into force, with all that it names.
    pub(crate) fn fine(&mut self, files: Sight) {
        self.files = files;
        self.refused = None;
        self.refused_files = None;
    }
}

impl Control {
    pub(crate) fn status(&self) -> Status {
        let live = self.proxy.live();
        let config = lock(&self.config);
        let clock = Clock { now: haechi_sys::clock::now(), wall_ms: wall_ms() };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: haechi_sys::limits::process_id(),
            node: live.snapshot.node.name.to_string(),
            zone: live.snapshot.node.zone.as_ref().map(ToString::to_string),
            started_at_ms: self.started_at_ms,
            workers: self.proxy.workers(),
            generation: live.generation,
            rights: self.rights_status(),
            memory: self.memory_status(),
            config: ConfigStatus {
                source: self.source.name(),
                applied_at_ms: config.applied_at_ms,
                refused: config.refused.clone().or_else(|| config.refused_files.clone()),
            },
            listeners: live.listeners.iter().map(|listener| listener_status(listener)).collect(),
            pools: live.pools.iter().map(|pool| self.pool_status(pool, clock)).collect(),
            ordered: self.ordered_status(),
            orders: self.order_counts(),
        }
    }

    fn pool_status(&self, pool: &LivePool, clock: Clock) -> PoolStatus {
        PoolStatus {
            name: pool.config.name.to_string(),
            algorithm: algorithm_name(pool.config.algorithm).to_owned(),
            panicking: pool.panicking(),
            empty: pool.empty().map(|reason| reason.to_string()),
            waiting: pool.waiting(),
            endpoints: (pool.config.endpoints.iter().zip(&pool.endpoints))
                .map(|(config, live)| self.endpoint_status(config, live, clock))
                .collect(),
        }
    }

    fn endpoint_status(&self, config: &Endpoint, live: &LiveEndpoint, clock: Clock) -> EndpointStatus {
        let report = self.prober.report(&live.id);
        let state = live.state();
        let totals = live.totals();
        let overridden = lock(&self.overrides).contains_key(&live.id);
        EndpointStatus {
            name: config.name.to_string(),
            address: config.address,
            zone: config.zone.as_ref().map(ToString::to_string),
            weight: config.weight,
            tier: config.tier,
            admin: state.admin,
            admin_origin: if overridden { AdminOrigin::Operator } else { AdminOrigin::Config },
            health: report.as_ref().map_or(Health::Unknown, |report| report.health.health),
            serving: state.serving,
            ejected: state.ejected,
            warmth: state.warmth,
            reason: report.as_ref().map(|report| reason(report, clock.now)).unwrap_or_default(),
            since_ms: clock.at(report.as_ref().map_or(Moment::ORIGIN, |report| report.health.since)),
            last_probe: report
                .and_then(|report| report.health.last_probe)
                .map(|probe| probe.outcome.text.to_string()),
            distrust: live.distrust().into(),
            in_flight: live.in_flight(),
            requests: totals.requests,
            statuses: totals.statuses,
            failures: totals.failures,
            retries: totals.retries,
            connects: totals.connects,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            p50_ms: totals.latency.quantile(0.5).map(millis),
            p99_ms: totals.latency.quantile(0.99).map(millis),
            latency: histogram(&totals.latency),
            latency_sum_seconds: totals.latency.sum().as_secs_f64(),
        }
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Clock {
    now: Moment,
    wall_ms: u64,
}

impl Clock {
    fn at(self, moment: Moment) -> u64 {
        let ago = u64::try_from(self.now.since(moment).as_millis()).unwrap_or(u64::MAX);
        self.wall_ms.saturating_sub(ago)
    }
}

fn reason(report: &EndpointReport, now: Moment) -> String {
    match report.ejected_until {
        Some(until) => {
            format!("ejected for {:.1} s more; {}", until.since(now).as_secs_f64(), report.health.reason)
        }
        None => report.health.reason.to_string(),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn histogram(latency: &LatencyBuckets) -> Vec<(f64, u64)> {
    BOUNDS_MICROS
        .iter()
        .map(|micros| Duration::from_micros(*micros))
        .map(|bound| (bound.as_secs_f64(), latency.at_most(bound)))
        .collect()
}

fn listener_status(listener: &LiveListener) -> ListenerStatus {
    let totals = listener.totals();
    let (protocol, routes) = match &listener.config.kind {
        ListenerKind::Http(http) if http.tls.is_some() => ("https", http.routes.len()),
        ListenerKind::Http(http) => ("http", http.routes.len()),
        ListenerKind::Tcp(_) => ("tcp", 0),
        ListenerKind::Tls(tls) => ("tls", tls.routes.len()),
        ListenerKind::Udp(_) => ("udp", 0),
    };
    let faults: BTreeMap<String, u64> = (totals.faults.iter())
        .filter(|(_, count)| *count > 0)
        .map(|(fault, count)| (fault.name().to_owned(), *count))
        .collect();
    ListenerStatus {
        name: listener.config.name.to_string(),
        protocol: protocol.to_owned(),
        bind: listener.config.bind.clone(),
        routes,
        open: totals.open,
        accepted: totals.accepted,
        requests: totals.requests,
        faults,
        limits: (totals.limits.iter().filter(|(_, count)| *count > 0))
            .map(|(limit, count)| (limit.name().to_owned(), *count))
            .collect(),
        certificates: certificates(listener),
        handshakes: handshakes(&totals),
        auths: listener.auths().into_iter().map(auth_status).collect(),
        splits: listener.splits().into_iter().map(split_status).collect(),
        datagrams: matches!(listener.config.kind, ListenerKind::Udp(_)).then(|| datagrams(&totals)),
        coded: listener.codes().then(|| coded(&totals)),
    }
}

/// Also results that did not occur: a rate needs the zero before the first one.
fn auth_status(totals: AuthTotals) -> AuthStatus {
    let results = totals.counts.into_iter().map(|(how, count)| (how.name().to_owned(), count));
    AuthStatus { route: totals.route, results: results.collect() }
}

fn coded(totals: &ListenerTotals) -> BTreeMap<String, CodedBytes> {
    let bytes = |[before, after]: [u64; 2]| CodedBytes { before, after };
    totals.coded.iter().map(|(coding, both)| (coding.name().to_owned(), bytes(*both))).collect()
}

fn split_status(totals: SplitTotals) -> SplitStatus {
    let by = totals.by.map(|by| match by {
        SplitBy::ClientAddress => "clientAddress".to_owned(),
        SplitBy::Header(name) => format!("header {name}"),
        SplitBy::Cookie(name) => format!("cookie {name}"),
    });
    let share = |share: ShareTotals| ShareStatus {
        pool: share.pool.to_string(),
        weight: share.weight,
        turns: share.turns,
        keyed: share.keyed,
    };
    SplitStatus { route: totals.route, by, pools: totals.shares.into_iter().map(share).collect() }
}

fn datagrams(totals: &ListenerTotals) -> DatagramStatus {
    let dropped = totals.dropped.iter().filter(|(_, count)| *count > 0);
    DatagramStatus {
        received: totals.datagrams_in,
        sent: totals.datagrams_out,
        dropped: dropped.map(|(why, count)| (why.name().to_owned(), *count)).collect(),
    }
}

fn certificates(listener: &LiveListener) -> Vec<CertificateStatus> {
    let shown = listener.shown();
    let status = |certificate: &Certificate| CertificateStatus {
        file: certificate.file.to_string(),
        names: certificate.names.iter().map(ToString::to_string).collect(),
        expires_at_ms: certificate.not_after.saturating_mul(1000),
    };
    shown.iter().flat_map(|shown| &shown.certificates).map(status).collect()
}

/// Those that happened.
fn handshakes(totals: &ListenerTotals) -> Vec<HandshakeCount> {
    let count = |(how, count): &(Handshake, u64)| {
        let (version, result, resumed) = how.labels();
        HandshakeCount { version: version.to_owned(), result: result.to_owned(), resumed, count: *count }
    };
    totals.handshakes.iter().filter(|(_, count)| *count > 0).map(count).collect()
}

/// As it is written in the config.
const fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin => "roundRobin",
        Algorithm::WeightedRoundRobin => "weightedRoundRobin",
        Algorithm::LeastConnections => "leastConnections",
        Algorithm::IpHash => "ipHash",
        Algorithm::LeastResponseTime => "leastResponseTime",
        Algorithm::Random => "random",
    }
}
