//! Where certificates are ordered from by ACME (RFC 8555), and which.

/// One entry of `acme`: a directory, and who we are there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issuer {
    /// Its key in the config.
    pub name: Box<str>,
    /// URL of the directory; `https` always.
    pub directory: Box<str>,
    /// Mail addresses that the directory may write to.
    pub contact: Vec<Box<str>>,
    /// PEM file with the CAs to trust for the directory's own TLS instead of the system's.
    pub ca: Option<Box<str>>,
    /// Which account of the directory's other books ours belongs to.
    pub external_account: Option<ExternalAccount>,
    /// How a name is proved, the preferred way first; never empty, none twice.
    pub challenges: Vec<AcmeChallenge>,
    /// Which of the directory's kinds of certificates; its default if not set.
    pub profile: Option<Box<str>>,
}

/// External account binding (RFC 8555 section 7.3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExternalAccount {
    /// Who we are in those books.
    pub key_id: Box<str>,
    /// File with the MAC key in base64url, as directories give it out.
    pub key_file: Box<str>,
}

/// How a name is proved to be served by us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AcmeChallenge {
    /// A request on port 80 (RFC 8555 section 8.3).
    Http01,
    /// A handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

impl AcmeChallenge {
    /// As the RFCs and the config call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// Certificates of a listener that are ordered: one for each name, so that a name that can't be proved keeps no other
/// one from its certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderedCertificates {
    /// From whom: the name of an [`Issuer`] of the snapshot.
    pub issuer: Box<str>,
    /// In lower case, without wildcards; never empty.
    pub names: Vec<Box<str>>,
}
