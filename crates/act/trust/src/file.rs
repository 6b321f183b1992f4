//! Files of PEM, read whole and bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::finding::{Finding, Problem};

/// Longest file. The CA bundles of operating systems have some 250 KiB.
const MOST: u64 = 4 << 20;

/// What stands in the file that the config calls `name`.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Vec<u8>, Finding> {
    let path = folder.join(name);
    let unreadable =
        |why: &str| Finding::new(name, Problem::Unreadable, format!("can't read {}: {why}", path.display()));
    let refuse = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            unreadable("there is no such file").help("a relative name starts at the folder of the config")
        }
        io::ErrorKind::PermissionDenied => {
            unreadable("permission denied").help("give the user that haechi runs as the right to read it")
        }
        _ => unreadable(&error.to_string()),
    };
    // A pipe that nobody writes to would hold up a reload for ever.
    if !fs::metadata(&path).map_err(refuse)?.is_file() {
        return Err(unreadable("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)).map_err(refuse)?;
    if bytes.len() as u64 > MOST {
        return Err(unreadable("it has more than 4 MiB, which no file that belongs here has"));
    }
    Ok(bytes)
}

/// All certificates in it; at least one.
pub(crate) fn certificates(folder: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, Finding> {
    let pem = read(folder, name)?;
    let not_pem = |message: String| {
        Finding::new(name, Problem::NotPem, message).help(
            "it should hold `-----BEGIN CERTIFICATE-----` and so on, as `openssl x509 -in FILE` prints it",
        )
    };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(not_pem(format!("{name} holds no certificate"))),
        Ok(all) => Ok(all),
        Err(error) => Err(not_pem(format!("{name} is not PEM: {error}"))),
    }
}

/// The first key in it.
pub(crate) fn key(folder: &Path, name: &str) -> Result<PrivateKeyDer<'static>, Finding> {
    let pem = read(folder, name)?;
    let sealed = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    if sealed.iter().any(|mark| pem.windows(mark.len()).any(|part| part == *mark)) {
        let message = format!("the key in {name} has a passphrase");
        return Err(Finding::new(name, Problem::NotPem, message)
            .help("nobody is there to type it; `openssl pkey -in FILE -out NEW` writes the key without"));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        // What stands in the file is not repeated: it may be half of a secret.
        Finding::new(name, Problem::NotPem, format!("{name} holds no private key")).help(
            "it should hold `-----BEGIN PRIVATE KEY-----` and so on, as `openssl pkey -in FILE` prints it",
        )
    })
}

/// All lists of revoked certificates in it; at least one.
pub(crate) fn revoked(
    folder: &Path,
    name: &str,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Finding> {
    let pem = read(folder, name)?;
    let all: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| {
        Finding::new(name, Problem::NotPem, format!("{name} holds no list of revoked certificates"))
            .help("it should hold `-----BEGIN X509 CRL-----` and so on, as `openssl crl -in FILE` prints it")
    })
}

/// An OCSP response in DER, as `openssl ocsp -respout` writes it.
pub(crate) fn ocsp(folder: &Path, name: &str) -> Result<Vec<u8>, Finding> {
    /// A sequence, whose first element says how it went: 0 is well (RFC 6960 section 4.2.1).
    const WELL: [u8; 3] = [0x0a, 1, 0];
    let der = read(folder, name)?;
    let well =
        der.first() == Some(&0x30) && der.get(2..8).is_some_and(|it| it.windows(3).any(|it| it == WELL));
    if well && der.len() <= usize::from(u16::MAX) {
        return Ok(der);
    }
    let message = format!("{name} holds no OCSP response that says anything");
    Err(Finding::new(name, Problem::NotPem, message).help("`openssl ocsp -respout FILE` writes one"))
}
