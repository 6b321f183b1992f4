//! Keys of where certificates are ordered from.

use super::ANY;
use crate::shape::{Key, Kind, Shape};

pub(crate) static ISSUER: Shape = Shape::new(
    "an issuer",
    &[
        Key::new("directory", ANY, "URL of its ACME directory (`https`).")
            .default("https://acme-v02.api.letsencrypt.org/directory"),
        Key::new(
            "contact",
            Kind::Many(&ANY),
            "Mail addresses that it may write to; none if left out.",
        ),
        Key::new(
            "termsOfServiceAgreed",
            Kind::Flag,
            "`true` if you agree to its terms of service, which its directory names; nothing is ordered without.",
        )
        .required(),
        Key::new("ca", ANY, "PEM file with the CAs to trust for the directory itself instead of the system's."),
        Key::new("externalAccount", Kind::Section(&EXTERNAL_ACCOUNT), "Whose customer we are there."),
        Key::new(
            "challenges",
            Kind::Many(&Kind::Word(&["http-01", "tls-alpn-01"], &[])),
            "How names are proved, the preferred way first. The next one is tried after a failure.",
        )
        .default("[http-01, tls-alpn-01]"),
        Key::new("profile", ANY, "Which of its kinds of certificates, such as `shortlived`; its default if left out."),
    ],
);

pub(crate) static EXTERNAL_ACCOUNT: Shape = Shape::new(
    "the externalAccount section",
    &[
        Key::new("keyId", ANY, "The key's id, as the issuer gave it out.").required(),
        Key::new("keyFile", ANY, "File with the key in base64url, as the issuer gave it out.").required(),
    ],
);
