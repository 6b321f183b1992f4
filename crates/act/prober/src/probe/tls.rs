//! TLS for probes: who answers is verified unless the check says otherwise.
//!
//! Each probe verifies anew: session tickets are off, because a resumed session would hide that the
//! certificate has run out or was replaced by a wrong one.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haechi_health::FailureKind;
use haechi_model::ProbeTls;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failed;
use super::text::{LONGEST, first_line, plain};

/// What probes trust; read once and kept, because the system's store has more than a hundred
/// certificates.
#[derive(Debug, Default)]
pub(super) struct Trust {
    configs: Mutex<HashMap<Store, Arc<ClientConfig>>>,
    files_changed: AtomicBool,
}

/// Where trust comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Store {
    System,
    File(Box<str>),
    Anybody,
}

impl Trust {
    /// CA files may have changed; the next probe reads them again.
    pub(super) fn forget_files(&self) {
        self.files_changed.store(true, Ordering::Relaxed);
    }

    async fn config(&self, tls: &ProbeTls) -> Result<Arc<ClientConfig>, Failed> {
        let store = match &tls.ca_file {
            _ if tls.insecure => Store::Anybody,
            Some(file) => Store::File(file.clone()),
            None => Store::System,
        };
        let mut configs = self.configs.lock().await;
        if self.files_changed.swap(false, Ordering::Relaxed) {
            configs.retain(|store, _| !matches!(store, Store::File(_)));
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
    Some(match error {
        Error::InvalidCertificate(why) => distrust(&why_not(why)),
        Error::NoCertificatesPresented => distrust("the endpoint sent none"),
        Error::InvalidMessage(_) => Failed::new(FailureKind::Tls, "the endpoint does not speak TLS"),
        Error::AlertReceived(alert) => {
            Failed::new(FailureKind::Tls, format!("the endpoint refused the TLS handshake: {alert:?}"))
        }
        other => Failed::new(FailureKind::Tls, format!("TLS failed: {other}")),
    })
}

fn distrust(why: &str) -> Failed {
    Failed::new(FailureKind::Certificate, format!("certificate not trusted: {why}"))
}

fn why_not(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "its issuer is unknown".into(),
        CertificateError::NotValidForName => "it is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            format!("it is for {}, not for {}", names.join(", "), expected.to_str())
        }
        CertificateError::Revoked => "it is revoked".into(),
        CertificateError::BadSignature => "its signature is wrong".into(),
        CertificateError::BadEncoding => "it is malformed".into(),
        other => other.to_string(),
    }
}

/// rustls presents names as `DnsName("shop.example.com")`.
fn bare(name: &str) -> String {
    first_line(name.split('"').nth(1).unwrap_or(name).as_bytes(), LONGEST)
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
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failed::new(FailureKind::Tls, format!("TLS failed: {error}")))?;
    let mut config = match store {
        Store::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(provider))),
        Store::System => builder.with_root_certificates(system()?),
        Store::File(file) => builder.with_root_certificates(from_file(file)?),
    }
    .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn system() -> Result<RootCertStore, Failed> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(distrust("this system has no CA certificates; set caFile"));
    }
    Ok(roots)
}

fn from_file(file: &str) -> Result<RootCertStore, Failed> {
    let unreadable = |error: &dyn std::fmt::Display| distrust(&format!("CA file {file}: {error}"));
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(file).map_err(|error| unreadable(&plain(&error)))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"holds no certificate"));
    }
    Ok(roots)
}

/// Accepts anybody, for checks that say `insecure`.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
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
