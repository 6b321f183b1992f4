//! One probe of each kind. Each ends within its timeout, whatever the other side does.

mod connect;
mod exec;
mod http;
mod text;
mod tls;

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
            Probe::Tcp => connect::connect(job.address, deadline).await.map(|_| "connected".into()),
            Probe::Http { tls, method, path, host, expect, body } => {
                let ask = http::Ask {
                    method,
                    path,
                    host: host.as_deref(),
                    expect,
                    body: body.as_ref(),
                    address: job.address,
                };
                http::probe(&ask, tls.as_ref(), &self.trust, deadline).await
            }
            Probe::Exec { command } => exec::run(command, &job.id, job.address, deadline).await,
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
