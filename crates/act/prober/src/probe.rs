//! One probe of each kind. Each ends within its timeout, whatever the other side does.

mod connect;
mod exec;
mod http;
mod text;
mod tls;
mod udp;

use haechi_health::{FailureKind, ProbeOutcome};
use haechi_model::Probe;
use tokio::time::Instant;

use crate::driver::Runner;
use crate::fleet::Job;

/// Real probes.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    trust: tls::Trust,
}

impl Runner for Probes {
    async fn run(&self, job: &Job) -> ProbeOutcome {
        let deadline = Deadline { at: Instant::now() + job.check.timeout, timeout: job.check.timeout };
        let result = match &job.check.probe {
            Probe::Tcp => connect::connect(job.address, job.check.proxy_protocol, deadline)
                .await
                .map(|_| "connected".into()),
            Probe::Http { tls, method, path, host, expect, body } => {
                let ask = http::Ask {
                    method,
                    path,
                    host: host.as_deref(),
                    expect,
                    body: body.as_ref(),
                    address: job.address,
                    proxy_protocol: job.check.proxy_protocol,
                };
                http::probe(&ask, tls.as_ref(), &self.trust, deadline).await
            }
            Probe::Udp { send, answer } => udp::probe(job.address, send, answer, deadline).await,
            Probe::Exec { command } => exec::run(command, &environment(job), deadline).await,
        };
        match result {
            Ok(text) => ProbeOutcome::success(text),
            Err(Failed { kind, text }) => ProbeOutcome::failure(kind, text),
        }
    }

    fn reloaded(&self) {
        self.trust.forget_files();
    }
}

/// Runs a program that is no probe of an endpoint by the same rules: no shell, no secret of haechi's, an end with all
/// that it started. Gives its first line.
///
/// # Errors
/// It can't be run, did not end within `timeout`, or its exit code is not 0; in words.
pub async fn run_program(
    command: &[Box<str>],
    environment: &[(&str, String)],
    timeout: std::time::Duration,
) -> Result<String, String> {
    let deadline = Deadline { at: Instant::now() + timeout, timeout };
    exec::run(command, environment, deadline).await.map_err(|failed| failed.text)
}

/// What a program that probes learns of its endpoint.
fn environment(job: &Job) -> [(&'static str, String); 4] {
    [
        ("HAECHI_POOL", job.id.pool.to_string()),
        ("HAECHI_ENDPOINT", job.id.endpoint.to_string()),
        ("HAECHI_ADDRESS", job.address.ip().to_string()),
        ("HAECHI_PORT", job.address.port().to_string()),
    ]
}

/// Why a probe failed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Failed {
    kind: FailureKind,
    text: String,
}

impl Failed {
    fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// The end of a probe, one for all its phases.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Instant,
    timeout: std::time::Duration,
}

impl Deadline {
    /// Fails with `no <what> within <timeout>` when the time is over.
    async fn limit<T>(self, what: &str, phase: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        match tokio::time::timeout_at(self.at, phase).await {
            Ok(result) => result,
            Err(_) => Err(Failed::new(FailureKind::Timeout, format!("no {what} within {:?}", self.timeout))),
        }
    }
}
