//! Each kind of probe against real peers on loopback, most of them hostile.

#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows it in tests, but takes their helpers for something else"
)]

mod exec;
mod http;
mod live;
mod tcp;
mod tls;
mod udp;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_health::{FailureKind, LastProbe, Start};
use haechi_model::{EndpointId, HealthCheck, Probe};
use haechi_prober::{Limits, Options, Prober, Target};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Long enough for a slow machine; a test that needs it has failed already.
const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(300);

fn check(probe: Probe, timeout: Duration) -> HealthCheck {
    HealthCheck {
        probe,
        port: None,
        interval: Duration::from_millis(20),
        timeout,
        fast_interval: None,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
        start_grace: Duration::ZERO,
        proxy_protocol: None,
    }
}

fn id() -> EndpointId {
    EndpointId { pool: "web".into(), endpoint: "web-1".into() }
}

fn target(address: SocketAddr, check: HealthCheck) -> Target {
    Target {
        id: id(),
        address,
        check: Some(Arc::new(check)),
        passive: None,
        start: Start::Assumed,
        ejection: None,
    }
}

fn options() -> Options {
    Options { origin: Instant::now(), seed: 1, limits: Limits::default() }
}

/// What the first probe says. There is no second one that could disturb a test.
async fn probe(address: SocketAddr, check: HealthCheck) -> LastProbe {
    let check =
        HealthCheck { fast_interval: Some(check.interval), interval: Duration::from_secs(3600), ..check };
    let (prober, mut verdicts) = Prober::start(options());
    prober.set_targets(vec![target(address, check)]);
    let wait = async {
        loop {
            let verdict = verdicts.recv().await.expect("the prober runs");
            if verdict.change.is_some() {
                return verdict.report.health.last_probe.expect("a probe changed it");
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("a verdict in time")
}

fn said(last: &LastProbe) -> (Option<FailureKind>, &str) {
    (last.outcome.failure, &last.outcome.text)
}

/// A server that treats each connection the same way.
async fn serve<F, Fut>(handler: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handler(stream));
        }
    });
    address
}

/// A port that nobody listens on.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()).expect("a port")
}
