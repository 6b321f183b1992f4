//! A certificate authority of the test's own, and a client that trusts it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Longer than any answer in a test takes; a hang fails instead of blocking.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who signs.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When the system has no chance left.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses.
    ///
    /// # Panics
    /// When one is no name.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |_| {})
    }

    /// The same, changed before it is signed.
    ///
    /// # Panics
    /// When one is no name.
    pub fn leaf_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// One whose time was over in 2021.
    pub fn expired(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |params| {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        })
    }

    /// A list of the certificates with these serial numbers, as revoked.
    ///
    /// # Panics
    /// Never.
    pub fn revoked(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2050, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// A client that trusts it and nobody else.
    ///
    /// # Panics
    /// Never.
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.client_with(None))
    }

    /// A client that shows a certificate too.
    ///
    /// # Panics
    /// When the certificate can't be used.
    pub fn client_with(&self, leaf: Option<&Leaf>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.collect::<Result<_, _>>().unwrap(), key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

impl Leaf {
    /// Writes `NAME.pem` and `NAME.key`, each in one step.
    ///
    /// # Panics
    /// When they can't be written.
    pub fn write(&self, folder: &Path, name: &str) {
        for (ending, text) in [("pem", &self.certificate), ("key", &self.key)] {
            let new = folder.join(format!("{name}.{ending}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, folder.join(format!("{name}.{ending}"))).unwrap();
        }
    }
}

/// A connection over TLS.
#[derive(Debug)]
pub struct Secure(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secure {
    /// Connects, and waits for the end of the handshake.
    ///
    /// # Errors
    /// Refused, by one side or the other.
    ///
    /// # Panics
    /// When `name` is none.
    pub fn open(to: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(BufReader::new(stream)))
    }

    /// What was agreed upon, and what the other side showed.
    pub fn connection(&self) -> &ClientConnection {
        &self.0.get_ref().conn
    }

    /// The socket below, for whoever wants to break things.
    pub fn socket(&self) -> &TcpStream {
        &self.0.get_ref().sock
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)?;
        self.0.get_mut().flush()
    }

    /// Reads to the end; an end that was not announced is an error.
    ///
    /// # Errors
    /// The connection is broken, or was cut off.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// `GET` of a path: status and body, whose length must be announced.
    ///
    /// # Errors
    /// The connection is broken, or the answer is not HTTP.
    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
        self.reply()
    }

    /// Reads one response, whose length must be announced.
    ///
    /// # Errors
    /// The connection is broken, or the answer is not HTTP.
    pub fn reply(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let not_http = || io::Error::other("not HTTP");
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|status| status.parse().ok());
            } else if let Some(rest) = line.strip_prefix("content-length:") {
                length = rest.trim().parse().map_err(|_| not_http())?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status.ok_or_else(not_http)?, body))
    }
}
