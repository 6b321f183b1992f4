//! Which certificate a client is shown.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use haechi_model::HostMatch;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::challenges::{ACME_TLS, Challenges};

thread_local! {
    /// rustls answers every refusal of a resolver with the same alert, so the reason goes past it.
    static REFUSED_NAME: Cell<bool> = const { Cell::new(false) };
}

/// Whether the handshake that failed last on this thread did so because no certificate has the name that was asked
/// for.
pub fn take_refused_name() -> bool {
    REFUSED_NAME.take()
}

/// Certificates by name. Several may have one name, with keys of different kinds.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// In the order of the config.
    all: Vec<Arc<CertifiedKey>>,
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what stands behind `*.`.
    wildcards: HashMap<Box<str>, Vec<usize>>,
    strict: bool,
    /// What is shown to issuers that ask.
    asked: Option<Arc<Challenges>>,
}

impl Certificates {
    pub(crate) fn new(strict: bool, asked: Option<Arc<Challenges>>) -> Self {
        Self { strict, asked, ..Self::default() }
    }

    pub(crate) fn add(&mut self, key: Arc<CertifiedKey>, names: &[HostMatch]) {
        let number = self.all.len();
        self.all.push(key);
        for name in names {
            let of_name = match name {
                HostMatch::Exact(name) => self.exact.entry(name.clone()),
                HostMatch::Wildcard(parent) => self.wildcards.entry(parent.clone()),
                HostMatch::Any => continue,
            };
            of_name.or_default().push(number);
        }
    }

    /// Those that fit best by name, in the order of the config.
    fn candidates(&self, name: Option<&str>) -> Option<&[usize]> {
        let name = name?.to_ascii_lowercase();
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcards.get(parent));
        self.exact.get(&*name).or_else(parent).map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.asked.is_some() && asks_for_issuer(&hello) {
            let asked = self.asked.as_ref().and_then(|asked| asked.certificate(hello.server_name()));
            REFUSED_NAME.set(asked.is_none());
            return asked;
        }
        let schemes = hello.signature_schemes();
        let knows = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let found = match self.candidates(hello.server_name()) {
            Some(candidates) => {
                let mut of_name = candidates.iter().filter_map(|number| self.all.get(*number));
                of_name.clone().find(knows).or_else(|| of_name.next())
            }
            None if self.strict && hello.server_name().is_some() => {
                REFUSED_NAME.set(true);
                None
            }
            // Nothing at all: what is ordered has not come.
            None if self.all.is_empty() => {
                REFUSED_NAME.set(true);
                None
            }
            // All of them: the client did not name one, and may not know the key of the first.
            None => self.all.iter().find(knows).or_else(|| self.all.first()),
        };
        found.cloned()
    }
}

/// Whether a handshake is only made to see a challenge: an issuer offers this protocol alone (RFC 8737 section 3).
fn asks_for_issuer(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut all| all.next() == Some(ACME_TLS) && all.next().is_none())
}
