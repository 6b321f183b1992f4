//! How endpoints are spoken to, and who they must be.

use std::path::Path;
use std::sync::Arc;

use haechi_model::{PoolProtocol, PoolTls};
use haechi_tls::{Facts, judge};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::finding::{Finding, Problem};
use crate::{file, listener};

/// How the endpoints of a pool are spoken to.
#[derive(Debug)]
pub struct Verified {
    /// For each new connection.
    pub config: Arc<ClientConfig>,
    /// Who must answer; the endpoint's address if not set.
    pub name: Option<ServerName<'static>>,
}

/// What comes of a pool's files. `None` if one of them can't be used.
pub(crate) fn verified(
    folder: &Path,
    tls: &PoolTls,
    protocol: PoolProtocol,
    now: i64,
    findings: &mut Vec<Finding>,
) -> Option<Verified> {
    let whom = match &tls.ca {
        _ if !tls.verify => Ok(Whom::Anybody),
        None => Ok(Whom::System),
        Some(ca) => file::certificates(folder, ca).and_then(|all| roots(ca, all)).map(Whom::These),
    };
    let whom = whom.map_err(|finding| findings.push(finding)).ok();
    let client = tls.client.as_ref().map(|files| {
        client_certificate(folder, &files.certificate, &files.key, now, findings)
            .map_err(|finding| findings.push(finding))
            .ok()
    });
    let client = match client {
        None => None,
        Some(read) => Some(read?),
    };
    let mut config = client_config(whom?, client)
        .map_err(|error| {
            let file = tls.ca.as_ref().map_or("", |ca| &**ca);
            findings.push(Finding::new(file, Problem::NotPem, error));
        })
        .ok()?;
    if protocol == PoolProtocol::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    // The config core lets only names through that can be one.
    let name = tls.server_name.as_ref().and_then(|name| ServerName::try_from(name.to_string()).ok());
    Some(Verified { config: Arc::new(config), name })
}

/// Whom to trust.
#[derive(Debug)]
pub enum Whom {
    /// Whoever has a certificate of a CA that the system trusts.
    System,
    /// Whoever has a certificate of one of these.
    These(RootCertStore),
    /// Anybody who answers.
    Anybody,
}

/// A certificate with its key, to show to who asks.
pub type Client = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// How to connect to those who are trusted. HTTP/1.1 is spoken inside.
///
/// # Errors
/// In words: the system has no CAs, or the key is not the certificate's.
pub fn client_config(whom: Whom, client: Option<Client>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match whom {
        Whom::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(provider))),
        Whom::System => builder.with_root_certificates(system()?),
        Whom::These(roots) => builder.with_root_certificates(roots),
    };
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        Err("this system has no CA certificates; name a file of them".into())
    } else {
        Ok(roots)
    }
}

/// The CAs in this file.
///
/// # Errors
/// It can't be read, or holds none.
pub fn roots_from(folder: &Path, name: &str) -> Result<RootCertStore, Finding> {
    roots(name, file::certificates(folder, name)?)
}

pub(crate) fn roots(name: &str, all: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Finding> {
    let mut roots = RootCertStore::empty();
    for certificate in all {
        roots.add(certificate).map_err(|error| {
            Finding::new(name, Problem::NotPem, format!("a certificate in {name} can't be used: {error}"))
        })?;
    }
    Ok(roots)
}

/// A certificate and its key from their files. What speaks against it is added to `findings`.
///
/// # Errors
/// It can't be used.
pub fn client_certificate(
    folder: &Path,
    certificate: &str,
    key: &str,
    now: i64,
    findings: &mut Vec<Finding>,
) -> Result<Client, Finding> {
    let chain = file::certificates(folder, certificate)?;
    let facts = chain
        .first()
        .and_then(|first| Facts::read(first).ok())
        .ok_or_else(|| Finding::malformed(certificate))?;
    let der = file::key(folder, key)?;
    let provider = aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain.clone(), der.clone_key(), &provider)
        .map_err(|error| listener::unfit(certificate, key, &error))?;
    let title = facts.title().unwrap_or(certificate);
    findings.extend(judge(&facts, now).into_iter().map(|doubt| Finding::doubt(certificate, title, doubt)));
    Ok((chain, der))
}

/// Accepts anybody.
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
