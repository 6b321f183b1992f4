//! Certificates that we ordered, as they stand in the state directory: one file for each name, with chain and key, so
//! that both are replaced in one step.

use std::path::{Path, PathBuf};

use haechi_model::{CertificateFiles, HostMatch, Snapshot};
use haechi_model::{Issuer, ListenerCertificate, ListenerKind, ListenerTls};
use haechi_tls::Facts;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The folder of an issuer in the state folder; its name was checked to be one.
pub fn issuer_folder(state: &Path, issuer: &str) -> PathBuf {
    state.join("acme").join(issuer)
}

/// The file of a name in its issuer's folder.
pub fn ordered_file(state: &Path, issuer: &str, name: &str) -> PathBuf {
    issuer_folder(state, issuer).join(format!("{name}.pem"))
}

/// What is ordered, each issuer with each name once, in the order of the config.
pub fn wanted(snapshot: &Snapshot) -> Vec<(&Issuer, &str)> {
    let mut wanted: Vec<(&Issuer, &str)> = Vec::new();
    let listeners = snapshot.listeners.iter().filter_map(|listener| match &listener.kind {
        ListenerKind::Http(http) => http.tls.as_ref(),
        ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => None,
    });
    for certificate in listeners.flat_map(|tls| &tls.certificates) {
        let ListenerCertificate::Ordered(ordered) = certificate else { continue };
        let Some(issuer) = snapshot.acme.iter().find(|issuer| issuer.name == ordered.issuer) else {
            continue;
        };
        for name in &ordered.names {
            let known = |(of, at): &(&Issuer, &str)| of.name == issuer.name && **name == **at;
            if !wanted.iter().any(known) {
                wanted.push((issuer, name));
            }
        }
    }
    wanted
}

/// All certificates of a listener as files; those that are ordered stand in `state`.
pub(crate) fn as_files(tls: &ListenerTls, state: Option<&Path>) -> Vec<(CertificateFiles, bool)> {
    let mut all = Vec::new();
    for certificate in &tls.certificates {
        match (certificate, state) {
            (ListenerCertificate::Files(files), _) => all.push((files.clone(), false)),
            (ListenerCertificate::Ordered(ordered), Some(state)) => {
                for name in &ordered.names {
                    let file: Box<str> = ordered_file(state, &ordered.issuer, name).to_string_lossy().into();
                    let names = vec![HostMatch::Exact(name.clone())];
                    all.push((
                        CertificateFiles { key: file.clone(), certificate: file, names, ocsp: None },
                        true,
                    ));
                }
            }
            (ListenerCertificate::Ordered(_), None) => {}
        }
    }
    all
}

/// What an issuer gave us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// First second that it is valid, since 1970.
    pub not_before: i64,
    /// Last second that it is valid.
    pub not_after: i64,
}

/// Whether this is a certificate for `name` and the key beside it, and since when until when. `pem` holds both.
///
/// # Errors
/// In words: what is wrong with it.
pub fn given(pem: &[u8], name: &str) -> Result<Given, String> {
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("no PEM: {error}"))?;
    let first = chain.first().ok_or("no certificate in it")?;
    let facts = Facts::read(first).map_err(|_| "the first certificate is malformed")?;
    let parent = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    let fits = |held: &str| *held == *name || parent.as_deref() == Some(held);
    if !facts.names.iter().any(|held| fits(held)) {
        return Err(format!("the certificate is for {}, not for {name}", facts.title().unwrap_or("nobody")));
    }
    if facts.not_after <= facts.not_before {
        return Err("the certificate is never valid".into());
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "no key beside it")?;
    CertifiedKey::from_der(chain, key, &default_provider())
        .map_err(|error| format!("the certificate does not fit our key: {error}"))?;
    Ok(Given { not_before: facts.not_before, not_after: facts.not_after })
}
