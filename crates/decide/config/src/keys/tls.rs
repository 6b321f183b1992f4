//! Keys of what is shown to clients, and asked of them, before anything else is said.

use super::ANY;
use crate::shape::{Key, Kind, Shape, Text};

pub(crate) static LISTENER_TLS: Shape = Shape::new(
    "the tls section of a listener",
    &[
        Key::new(
            "certificates",
            Kind::Many(&Kind::Section(&CERTIFICATE)),
            "With their keys. The first is for clients that ask for no name, or for one that nobody has.",
        )
        .required(),
        Key::new(
            "policy",
            Kind::Word(&["intermediate", "modern"], &[]),
            "Versions and ciphers by Mozilla's names: intermediate is TLS 1.2 and 1.3, modern is TLS 1.3.",
        )
        .default("intermediate"),
        Key::new(
            "minimumVersion",
            Kind::Word(&["1.2", "1.3"], &[]),
            "Oldest version that is spoken; that of the policy if left out.",
        ),
        Key::new(
            "strictSni",
            Kind::Flag,
            "Refuse a client that asks for a name that no certificate has, instead of giving it the first.",
        )
        .default("false"),
        Key::new(
            "maxHandshakes",
            Kind::Int(16, 1 << 20),
            "Most handshakes in progress at a time on each worker; above it the oldest gives way.",
        )
        .default("1024")
        .because("each has some 20 KiB: a million of them are 20 GiB on one worker"),
        Key::new(
            "ticketKeys",
            ANY,
            "File with keys for tickets, shared by nodes; made up by each if left out.",
        ),
        Key::new("clientCertificates", Kind::Section(&CLIENT_CERTIFICATES), "What clients must show."),
    ],
);

pub(crate) static CERTIFICATE: Shape = Shape::new(
    "a certificate",
    &[
        Key::new("certificate", ANY, "PEM file: the certificate, and behind it those that lead to its CA."),
        Key::new(
            "acme",
            super::NAME,
            "In place of files: the issuer that a certificate for each of `names` is ordered from.",
        ),
        Key::new("key", ANY, "PEM file with its key; that of the certificate if left out."),
        Key::new(
            "names",
            Kind::Many(&Kind::Text(Text::Host)),
            "Names that it is shown for; those that stand in it if left out.",
        ),
        Key::new("ocsp", ANY, "DER file with an OCSP response, which clients get with it."),
    ],
);

pub(crate) static POOL_TLS: Shape = Shape::new(
    "the tls section of a pool",
    &[
        Key::new("ca", ANY, "PEM file with the CAs to trust instead of the system's."),
        Key::new("serverName", ANY, "Name to ask for and to verify; the endpoint's address if left out."),
        Key::new("certificate", ANY, "PEM file with a certificate to show to endpoints that ask for one."),
        Key::new("key", ANY, "PEM file with its key; that of the certificate if left out."),
        Key::new("verify", Kind::Flag, "Whether endpoints must prove who they are.").default("true"),
    ],
);

pub(crate) static CLIENT_CERTIFICATES: Shape = Shape::new(
    "the clientCertificates section",
    &[
        Key::new("ca", ANY, "PEM file with the CAs that clients' certificates must lead to.").required(),
        Key::new("crl", ANY, "PEM file with lists of revoked certificates."),
        Key::new("mode", Kind::Word(&["required", "optional"], &[]), "Whether who shows none is refused.")
            .default("required"),
        Key::new(
            "names",
            Kind::Many(&Kind::Text(Text::Host)),
            "Who may come: DNS names, or the common name of a certificate without any; everybody of `ca` if left out.",
        ),
    ],
);
