//! What went wrong between us and an endpoint, for people.

use rustls::{CertificateError, Error};

/// Why there is no TLS with an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It can't prove that it is who it should be.
    Untrusted(String),
    /// Something else.
    Failed(String),
}

impl Refusal {
    /// What rustls says, in words.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(why) => {
                Self::Untrusted(format!("certificate not trusted: {}", why_not(why)))
            }
            Error::NoCertificatesPresented => {
                Self::Untrusted("certificate not trusted: the endpoint sent none".into())
            }
            Error::InvalidMessage(_) => Self::Failed("the endpoint does not speak TLS".into()),
            Error::AlertReceived(alert) => {
                Self::Failed(format!("the endpoint refused the TLS handshake: {alert:?}"))
            }
            other => Self::Failed(format!("TLS failed: {other}")),
        }
    }
}

fn why_not(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "its issuer is unknown".into(),
        CertificateError::NotValidForName => "it is for another name".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            format!("it is for {}, not for {}", names.join(", "), expected.to_str())
        }
        CertificateError::Revoked => "it is revoked".into(),
        CertificateError::BadSignature => "its signature is wrong".into(),
        CertificateError::BadEncoding => "it is malformed".into(),
        other => other.to_string(),
    }
}

/// rustls presents names as `DnsName("shop.example.com")`. They are the endpoint's words, so they are cut and cleaned.
fn bare(name: &str) -> String {
    let name = name.split('"').nth(1).unwrap_or(name);
    name.chars().take(128).map(|c| if c.is_control() { '?' } else { c }).collect()
}
