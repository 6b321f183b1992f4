//! How a listener speaks TLS.

use std::path::Path;
use std::sync::Arc;

use haechi_model::{CertificateFiles, HostMatch, ListenerCertificate, ListenerName, ListenerTls, TlsVersion};
use haechi_tls::{Facts, judge};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::certificates::Certificates;
use crate::challenges::{ACME_TLS, Challenges};
use crate::clients::Clients;
use crate::finding::{Finding, Problem};
use crate::tickets::Tickets;
use crate::{Certificate, Shown, file};

/// Where its files are.
pub(crate) struct Place<'a> {
    /// Where relative names start.
    pub(crate) folder: &'a Path,
    /// Its certificates, and whether we ordered them.
    pub(crate) files: &'a [(CertificateFiles, bool)],
    /// Who is asked by issuers, where something is ordered.
    pub(crate) asked: Option<Arc<Challenges>>,
}

/// What comes of a listener's files. `http2`: whether it is offered. `None` if one of them can't be used.
pub(crate) fn shown(
    Place { folder, files, asked }: &Place<'_>,
    (name, tls): (&ListenerName, &ListenerTls),
    http2: bool,
    made_up: impl FnOnce(&[u8]) -> Option<Arc<dyn ProducesTickets>>,
    now: i64,
    findings: &mut Vec<Finding>,
) -> Option<Shown> {
    let provider = Arc::new(default_provider());
    let mut certificates = Certificates::new(tls.strict_sni, asked.clone());
    let mut shown = Vec::new();
    let mut whole = true;
    for (files, ordered) in *files {
        match certificate(folder, files, &provider, now) {
            // It is not there yet, or is ordered again: whoever orders says so.
            Err(_) if *ordered => {}
            Ok(Read { key, names, certificate, doubts }) => {
                // Nor need people be told that what is renewed here will expire.
                findings.extend(doubts.into_iter().filter(|_| !ordered));
                certificates.add(Arc::new(key), &names);
                shown.push(Certificate { ordered: *ordered, ..certificate });
            }
            Err(finding) => {
                whole = false;
                findings.push(finding);
            }
        }
    }
    let clients = tls.client.as_ref().map(|client| Clients::read(folder, client, &provider));
    let clients = clients.transpose().map_err(|finding| findings.push(finding)).ok()?;
    let (verifier, asks) = clients.map_or((None, Vec::new()), |it| (Some(it.verifier), it.asks));
    let ticketer: Option<Arc<dyn ProducesTickets>> = match &tls.ticket_keys {
        None => made_up(&asks),
        Some(file) => {
            let tickets = Tickets::read(folder, file, name, &asks);
            Some(Arc::new(tickets.map_err(|finding| findings.push(finding)).ok()?))
        }
    };
    let waits = tls.certificates.iter().any(|one| matches!(one, ListenerCertificate::Ordered(_)));
    if !whole || (shown.is_empty() && !waits) {
        return None;
    }
    let versions: &[_] = match tls.minimum_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    // Both versions have cipher suites in this provider.
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).ok()?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = match http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    if asked.is_some() {
        // Last: whoever can speak something else does.
        config.alpn_protocols.push(ACME_TLS.to_vec());
    }
    // Tickets carry the state, so nothing grows here with the number of clients.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if let Some(ticketer) = ticketer {
        config.ticketer = ticketer;
    }
    Some(Shown { config: Arc::new(config), certificates: shown })
}

/// A certificate that can be used, and what speaks against it.
struct Read {
    key: CertifiedKey,
    names: Vec<HostMatch>,
    certificate: Certificate,
    doubts: Vec<Finding>,
}

fn certificate(
    folder: &Path,
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now: i64,
) -> Result<Read, Finding> {
    let name = &*files.certificate;
    let chain = file::certificates(folder, name)?;
    let facts =
        chain.first().and_then(|first| Facts::read(first).ok()).ok_or_else(|| Finding::malformed(name))?;
    let title = facts.title().unwrap_or(name);
    let mut doubts: Vec<_> =
        judge(&facts, now).into_iter().map(|doubt| Finding::doubt(name, title, doubt)).collect();
    // A key that is too short to be loaded is better said to be short.
    if let Some(weak) = doubts.iter().position(|doubt| !doubt.problem.is_usable()) {
        return Err(doubts.swap_remove(weak));
    }
    let key = file::key(folder, &files.key)?;
    let mut key =
        CertifiedKey::from_der(chain, key, provider).map_err(|error| unfit(name, &files.key, &error))?;
    let names = if files.names.is_empty() { own_names(&facts) } else { files.names.clone() };
    if let Some(ocsp) = &files.ocsp {
        key.ocsp = Some(file::ocsp(folder, ocsp)?);
    }
    let certificate = Certificate {
        file: name.into(),
        names: names.iter().map(text).collect(),
        not_after: facts.not_after,
        ordered: false,
    };
    Ok(Read { key, names, certificate, doubts })
}

/// Why a certificate and a key don't fit.
pub(crate) fn unfit(certificate: &str, key: &str, error: &Error) -> Finding {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let message = format!("the key in {key} is not that of the first certificate in {certificate}");
            Finding::new(key, Problem::KeyMismatch, message)
                .help("renew both together; in a chain the server's own certificate comes first")
        }
        Error::InvalidCertificate(_) => Finding::malformed(certificate),
        error => Finding::new(key, Problem::NotPem, format!("the key in {key} can't be used: {error}")),
    }
}

fn own_names(facts: &Facts) -> Vec<HostMatch> {
    let name = |name: &str| match name.strip_prefix("*.") {
        Some(parent) => HostMatch::Wildcard(parent.into()),
        None => HostMatch::Exact(name.into()),
    };
    facts.names.iter().map(|it| name(it)).collect()
}

fn text(name: &HostMatch) -> Box<str> {
    match name {
        HostMatch::Any => "*".into(),
        HostMatch::Exact(name) => name.clone(),
        HostMatch::Wildcard(parent) => format!("*.{parent}").into(),
    }
}
