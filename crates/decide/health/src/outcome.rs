//! What one probe says: the input of [`Machine`](crate::Machine).
//!
//! A result is a success, a failure, or nothing at all: when haechi itself could not probe (no file
//! descriptor left), counting that against the endpoints would turn our shortage into an outage of the
//! whole pool. Kubelet likewise throws a result away when the prober itself failed.

use std::sync::Arc;

/// The result of one probe, with the words that a person reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeOutcome {
    /// `None` is a success.
    pub failure: Option<FailureKind>,
    /// One line, such as `status 503, expected 200-399`.
    pub text: Arc<str>,
}

impl ProbeOutcome {
    /// The endpoint did what the check asks for.
    pub fn success(text: impl Into<Arc<str>>) -> Self {
        Self { failure: None, text: text.into() }
    }

    /// It did not.
    pub fn failure(kind: FailureKind, text: impl Into<Arc<str>>) -> Self {
        Self { failure: Some(kind), text: text.into() }
    }

    /// What this result says about the endpoint.
    pub const fn standing(&self) -> Standing {
        match self.failure {
            None => Standing::Success,
            Some(FailureKind::Local) => Standing::Inconclusive,
            Some(_) => Standing::Failure,
        }
    }
}

/// How a result counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// For the endpoint.
    Success,
    /// Against it.
    Failure,
    /// Not at all: the probe did not get as far as the endpoint.
    Inconclusive,
}

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident: $name:literal, )*) => {
        /// Why a probe failed.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum FailureKind {
            $( $(#[$doc])* $kind, )*
        }

        impl FailureKind {
            /// All of them, for tables and metrics.
            pub const ALL: &'static [Self] = &[$( Self::$kind, )*];

            /// Short stable name for metrics and JSON.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )* }
            }
        }
    };
}

kinds! {
    /// Nobody listens on the port.
    Refused: "refused",
    /// No way to the address.
    Unreachable: "unreachable",
    /// Not done within the check's timeout.
    Timeout: "timeout",
    /// The connection ended or broke before the answer was complete.
    Closed: "closed",
    /// What came is not an HTTP/1 response, or is larger than a probe reads.
    Protocol: "protocol",
    /// An unexpected status code.
    Status: "status",
    /// The body does not hold what it must.
    Body: "body",
    /// The TLS handshake failed for another reason than the certificate.
    Tls: "tls",
    /// Somebody answered who can't prove that they are the endpoint.
    Certificate: "certificate",
    /// The program said no, or can't be run.
    Exec: "exec",
    /// haechi is short of a resource; says nothing about the endpoint.
    Local: "local",
}
