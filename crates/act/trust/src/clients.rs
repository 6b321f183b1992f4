//! Who clients must be, and how it is found out.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use haechi_model::{ClientCertificates, HostMatch};
use haechi_tls::Facts;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::finding::{Finding, Problem};
use crate::{endpoint, file};

/// What a listener asks of its clients.
pub(crate) struct Clients {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// A digest of what is asked: who was asked for less must not come by a ticket.
    pub(crate) asks: Vec<u8>,
}

impl Clients {
    pub(crate) fn read(
        folder: &Path,
        client: &ClientCertificates,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Finding> {
        let ca = file::certificates(folder, &client.ca)?;
        let mut asks = format!("{:?} {:?}", client.optional, client.names).into_bytes();
        ca.iter().for_each(|certificate| asks.extend_from_slice(certificate));
        let roots = Arc::new(endpoint::roots(&client.ca, ca)?);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        if let Some(name) = &client.crl {
            let lists = file::revoked(folder, name)?;
            lists.iter().for_each(|list| asks.extend_from_slice(list));
            // A CA whose list is not there revokes nobody: one file may serve listeners with several CAs.
            builder = builder.with_crls(lists).allow_unknown_revocation_status();
        }
        if client.optional {
            builder = builder.allow_unauthenticated();
        }
        let chains = builder.build().map_err(|error| {
            let name = client.crl.as_ref().unwrap_or(&client.ca);
            Finding::new(name, Problem::NotPem, format!("{name} can't be used: {error}"))
                .help("it should hold certificates of CAs, or the lists of what they revoked")
        })?;
        let verifier = Arc::new(Named { chains, names: client.names.clone() });
        Ok(Self { verifier, asks: digest(&SHA256, &asks).as_ref().to_vec() })
    }
}

/// Looks at the name, once the chain of signatures holds.
#[derive(Debug)]
struct Named {
    chains: Arc<dyn ClientCertVerifier>,
    /// Empty: everybody.
    names: Vec<HostMatch>,
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.chains.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chains.verify_client_cert(certificate, between, now)?;
        // Also where everybody may come: what endpoints are told of them is read in the same way.
        let facts = Facts::read(certificate).map_err(|_| CertificateError::BadEncoding)?;
        if self.names.is_empty() || self.names.iter().any(|name| facts.is_for(name)) {
            return Ok(verified);
        }
        Err(CertificateError::NotValidForName.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// SHA-256 of a certificate in lower-case digits, as `openssl x509 -fingerprint -sha256` shows it with colons.
pub fn fingerprint(certificate: &[u8]) -> String {
    let mut digits = String::with_capacity(64);
    for byte in digest(&SHA256, certificate).as_ref() {
        // Writing to a String never fails.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
