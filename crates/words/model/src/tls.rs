//! What a listener shows to clients, and asks of them, before anything else is said.

use crate::{HostMatch, OrderedCertificates};

/// The `tls` section of a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerTls {
    /// In the order of the config; never empty. The first is for clients that ask for no name, or for one that
    /// nobody has.
    pub certificates: Vec<ListenerCertificate>,
    /// Which versions and ciphers.
    pub policy: TlsPolicy,
    /// The oldest version that is spoken; never older than the policy's.
    pub minimum_version: TlsVersion,
    /// A client that asks for a name that no certificate has is refused, instead of getting the first one.
    pub strict_sni: bool,
    /// Most handshakes in progress at a time on each worker; above it the oldest gives way.
    pub max_handshakes: u32,
    /// File with the keys that seal tickets, for nodes that share them; made up by each node if not set.
    pub ticket_keys: Option<Box<str>>,
    /// What clients are asked to show.
    pub client: Option<ClientCertificates>,
}

/// Who a client must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificates {
    /// PEM file with the CAs that clients' certificates must lead to.
    pub ca: Box<str>,
    /// PEM file with lists of revoked certificates; a CA of the chain that has none there revokes nobody.
    pub crl: Option<Box<str>>,
    /// Whether a client without a certificate is served.
    pub optional: bool,
    /// Who may come: a certificate must be for one of these. All if empty.
    pub names: Vec<HostMatch>,
}

/// Where a certificate comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenerCertificate {
    /// Files that somebody else renews.
    Files(CertificateFiles),
    /// We order it.
    Ordered(OrderedCertificates),
}

/// A certificate with its key, by the names of their files. A relative one starts at the config's folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// PEM file with the certificate, and those that lead to its CA behind it.
    pub certificate: Box<str>,
    /// PEM file with the key; may be the same.
    pub key: Box<str>,
    /// Which names it is for; those that stand in it if empty.
    pub names: Vec<HostMatch>,
    /// DER file with an OCSP response, which clients get with it.
    pub ocsp: Option<Box<str>>,
}

/// Which versions and ciphers are spoken. Named as Mozilla's recommendations are, and meaning the same: ciphers
/// with forward secrecy and authenticated encryption only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum TlsPolicy {
    /// TLS 1.2 and TLS 1.3: every client of the last ten years.
    #[default]
    Intermediate,
    /// TLS 1.3 only: browsers since 2018.
    Modern,
}

impl TlsPolicy {
    /// The oldest version that it knows.
    pub const fn minimum_version(self) -> TlsVersion {
        match self {
            Self::Intermediate => TlsVersion::Tls12,
            Self::Modern => TlsVersion::Tls13,
        }
    }
}

/// A version of TLS that is spoken. Older ones are broken, and nobody's clients need them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// How a TLS handshake with a client came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Handshake {
    /// TLS 1.2, with all signatures.
    Whole12,
    /// TLS 1.2, by a ticket.
    Resumed12,
    /// TLS 1.3, with all signatures.
    Whole13,
    /// TLS 1.3, by a ticket.
    Resumed13,
    /// Refused by one of the sides: no common version or cipher, an unknown name.
    Refused,
    /// What came is no TLS.
    NotTls,
    /// The client went away.
    Left,
    /// It took too long.
    TimedOut,
    /// Too many at a time, and this was the oldest.
    Crowded,
    /// The client's certificate was refused, or it had none and needs one.
    ClientCertificate,
    /// The client refused ours.
    Distrusted,
}

impl Handshake {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 11] = [
        Self::Whole12,
        Self::Resumed12,
        Self::Whole13,
        Self::Resumed13,
        Self::Refused,
        Self::NotTls,
        Self::Left,
        Self::TimedOut,
        Self::Crowded,
        Self::ClientCertificate,
        Self::Distrusted,
    ];

    /// One that came to its end; `newest` is TLS 1.3.
    pub const fn of(newest: bool, resumed: bool) -> Self {
        match (newest, resumed) {
            (false, false) => Self::Whole12,
            (false, true) => Self::Resumed12,
            (true, false) => Self::Whole13,
            (true, true) => Self::Resumed13,
        }
    }

    /// Whether it came to its end.
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Whole12 | Self::Resumed12 | Self::Whole13 | Self::Resumed13)
    }

    /// Version, result and whether a ticket was taken, as metrics name them. A handshake without end has no version.
    pub const fn labels(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Whole12 => ("1.2", "complete", false),
            Self::Resumed12 => ("1.2", "complete", true),
            Self::Whole13 => ("1.3", "complete", false),
            Self::Resumed13 => ("1.3", "complete", true),
            Self::Refused => ("", "refused", false),
            Self::NotTls => ("", "notTls", false),
            Self::Left => ("", "left", false),
            Self::TimedOut => ("", "timedOut", false),
            Self::Crowded => ("", "crowded", false),
            Self::ClientCertificate => ("", "clientCertificate", false),
            Self::Distrusted => ("", "distrusted", false),
        }
    }
}

/// The `tls` section of a pool: how its endpoints are spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolTls {
    /// PEM file with the CAs to trust instead of the system's.
    pub ca: Option<Box<str>>,
    /// Name to ask for and to verify; the endpoint's address if not set.
    pub server_name: Option<Box<str>>,
    /// What endpoints are shown if they ask.
    pub client: Option<ClientFiles>,
    /// Whether endpoints must prove who they are.
    pub verify: bool,
}

/// A certificate to show to endpoints, with its key, by the names of their files.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientFiles {
    /// PEM file with the certificate, and those that lead to its CA behind it.
    pub certificate: Box<str>,
    /// PEM file with the key; may be the same.
    pub key: Box<str>,
}
