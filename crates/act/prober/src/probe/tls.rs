//! TLS for probes: who answers is verified unless the check says otherwise.
//!
//! Each probe verifies anew: session tickets are off, because a resumed session would hide that the
//! certificate has run out or was replaced by a wrong one.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haechi_health::FailureKind;
use haechi_model::{ClientFiles, ProbeTls};
use haechi_trust::{Refusal, Whom, client_certificate, client_config, roots_from};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failed;
use super::text::plain;

/// What probes trust; read once and kept, because the system's store has more than a hundred
/// certificates.
#[derive(Debug, Default)]
pub(super) struct Trust {
    configs: Mutex<HashMap<Store, Arc<ClientConfig>>>,
    files_changed: AtomicBool,
}

/// Where trust comes from, and what we show.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Store {
    whom: Known,
    client: Option<ClientFiles>,
}

/// Whom to trust.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Known {
    System,
    File(Box<str>),
    Anybody,
}

impl Store {
    fn of(tls: &ProbeTls) -> Self {
        let whom = match &tls.ca_file {
            _ if tls.insecure => Known::Anybody,
            Some(file) => Known::File(file.clone()),
            None => Known::System,
        };
        Self { whom, client: tls.client.clone() }
    }

    fn has_files(&self) -> bool {
        matches!(self.whom, Known::File(_)) || self.client.is_some()
    }
}

impl Trust {
    /// CA files may have changed; the next probe reads them again.
    pub(super) fn forget_files(&self) {
        self.files_changed.store(true, Ordering::Relaxed);
    }

    async fn config(&self, tls: &ProbeTls) -> Result<Arc<ClientConfig>, Failed> {
        let store = Store::of(tls);
        let mut configs = self.configs.lock().await;
        if self.files_changed.swap(false, Ordering::Relaxed) {
            configs.retain(|store, _| !store.has_files());
        }
        if let Some(config) = configs.get(&store) {
            return Ok(Arc::clone(config));
        }
        let wanted = store.clone();
        // Files are read: not on a thread that keeps a schedule.
        let built = tokio::task::spawn_blocking(move || build(&wanted)).await;
        let config = Arc::new(built.map_err(|error| Failed::new(FailureKind::Local, error.to_string()))??);
        configs.insert(store, Arc::clone(&config));
        Ok(config)
    }
}

/// Speaks TLS over `stream`; `name` is what the certificate must hold, the address if there is none.
pub(super) async fn handshake(
    stream: TcpStream,
    tls: &ProbeTls,
    name: Option<&str>,
    address: SocketAddr,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, Failed> {
    let config = trust.config(tls).await?;
    let name = match name.map(without_port) {
        None => ServerName::IpAddress(address.ip().into()),
        Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| {
            Failed::new(FailureKind::Tls, format!("\"{name}\" can't be the name of a TLS server"))
        })?,
    };
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        failure(&error).unwrap_or_else(|| {
            Failed::new(FailureKind::Closed, format!("{} in the TLS handshake ({address})", plain(&error)))
        })
    })
}

/// What went wrong, if TLS says so.
pub(super) fn failure(error: &io::Error) -> Option<Failed> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match Refusal::of(error) {
        Refusal::Untrusted(text) => Failed::new(FailureKind::Certificate, text),
        Refusal::Failed(text) => Failed::new(FailureKind::Tls, text),
    })
}

fn distrust(why: &str) -> Failed {
    Failed::new(FailureKind::Certificate, format!("certificate not trusted: {why}"))
}

/// `shop.example.com:8443` → `shop.example.com`; an IPv6 address loses its brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

fn build(store: &Store) -> Result<ClientConfig, Failed> {
    let here = Path::new("");
    let whom = match &store.whom {
        Known::Anybody => Whom::Anybody,
        Known::System => Whom::System,
        Known::File(file) => Whom::These(roots_from(here, file).map_err(|it| distrust(&it.message))?),
    };
    // What speaks against our own certificate is said where the pool is configured; the endpoint may take it.
    let client = store.client.as_ref().map(|files| {
        client_certificate(here, &files.certificate, &files.key, 0, &mut Vec::new())
            .map_err(|finding| Failed::new(FailureKind::Local, finding.message))
    });
    let mut config = client_config(whom, client.transpose()?).map_err(|error| distrust(&error))?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_its_port() {
        for (host, name) in [
            ("shop.example.com", "shop.example.com"),
            ("shop.example.com:8443", "shop.example.com"),
            ("10.0.1.11:443", "10.0.1.11"),
            ("[::1]:443", "::1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
