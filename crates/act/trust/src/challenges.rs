//! What is shown to whoever asks on an issuer's behalf whether a name is ours: pending challenges, and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

/// The protocol by which a handshake asks (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Where a request asks (RFC 8555 section 8.3).
pub const ACME_PATH: &[u8] = b"/.well-known/acme-challenge/";

/// Challenges that wait for their question. Workers look, the control plane changes.
#[derive(Default)]
pub struct Challenges {
    shown: ArcSwap<Shown>,
    /// One change at a time.
    changing: Mutex<()>,
}

/// What a request gets.
type Answer = Arc<[u8]>;

#[derive(Clone, Default)]
struct Shown {
    /// Names that are ordered here and may be asked for by a request.
    names: Arc<BTreeSet<Box<str>>>,
    /// By token: whose it is, and the answer.
    tokens: HashMap<Box<str>, (Box<str>, Answer)>,
    /// By name.
    certificates: HashMap<Box<str>, Arc<CertifiedKey>>,
}

/// What a request for a token gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// This.
    Answer(Answer),
    /// The name is ordered here, and no such token is pending.
    Unknown,
    /// The name is none of ours.
    NotOurs,
}

/// A challenge that is pending until this is dropped.
#[must_use]
pub struct Pending {
    challenges: Arc<Challenges>,
    what: What,
}

enum What {
    Token(Box<str>),
    Name(Box<str>),
}

impl Challenges {
    /// These names are ordered here and may be asked for by a request.
    pub fn expect(&self, names: BTreeSet<Box<str>>) {
        if *self.shown.load().names != names {
            self.change(|shown| shown.names = Arc::new(names));
        }
    }

    /// Answers requests for `token` at `name` with `answer`.
    pub fn pend_token(self: &Arc<Self>, name: &str, token: &str, answer: &[u8]) -> Pending {
        self.change(|shown| {
            shown.tokens.insert(token.into(), (name.into(), answer.into()));
        });
        Pending { challenges: Arc::clone(self), what: What::Token(token.into()) }
    }

    /// Shows this certificate to handshakes that ask for `name` by [`ACME_TLS`].
    pub fn pend_certificate(self: &Arc<Self>, name: &str, certificate: CertifiedKey) -> Pending {
        self.change(|shown| {
            shown.certificates.insert(name.into(), Arc::new(certificate));
        });
        Pending { challenges: Arc::clone(self), what: What::Name(name.into()) }
    }

    /// What a request gets; `host` as it stands in the request, with or without a port.
    pub fn answer(&self, host: &[u8], token: &[u8]) -> Reply {
        let Ok(host) = std::str::from_utf8(host) else { return Reply::NotOurs };
        let host = host.split_once(':').map_or(host, |(name, _)| name);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let shown = self.shown.load();
        let pending = std::str::from_utf8(token).ok().and_then(|token| shown.tokens.get(token));
        match pending {
            Some((name, answer)) if **name == *host => Reply::Answer(Arc::clone(answer)),
            _ if shown.names.contains(&*host) => Reply::Unknown,
            _ => Reply::NotOurs,
        }
    }

    /// What a handshake for `name` is shown.
    pub(crate) fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.shown.load().certificates.get(&*name?.to_ascii_lowercase()).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = Shown::clone(&self.shown.load());
        change(&mut shown);
        self.shown.store(Arc::new(shown));
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").finish_non_exhaustive()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.challenges.change(|shown| match &self.what {
            What::Token(token) => drop(shown.tokens.remove(token)),
            What::Name(name) => drop(shown.certificates.remove(name)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_pending_is_told_and_only_for_its_name() {
        let challenges = Arc::new(Challenges::default());
        challenges.expect(["shop.example.com".into(), "www.example.com".into()].into());
        let answer = |host: &str, token: &str| challenges.answer(host.as_bytes(), token.as_bytes());
        assert_eq!(answer("shop.example.com", "t1"), Reply::Unknown);
        let pending = challenges.pend_token("shop.example.com", "t1", b"t1.thumb");
        let right = Reply::Answer(b"t1.thumb"[..].into());
        for (host, token, told) in [
            ("shop.example.com", "t1", &right),
            ("Shop.Example.COM:8080", "t1", &right),
            ("shop.example.com.", "t1", &right),
            ("www.example.com", "t1", &Reply::Unknown),
            ("other.example.com", "t1", &Reply::NotOurs),
            ("", "t1", &Reply::NotOurs),
            ("shop.example.com", "t", &Reply::Unknown),
            ("shop.example.com", "t1/", &Reply::Unknown),
            ("shop.example.com", "", &Reply::Unknown),
        ] {
            assert_eq!(answer(host, token), *told, "{host} {token}");
        }
        assert_eq!(challenges.answer(b"shop.example.com", b"\xff"), Reply::Unknown);
        assert_eq!(challenges.answer(b"\xff", b"t1"), Reply::NotOurs);
        drop(pending);
        assert_eq!(answer("shop.example.com", "t1"), Reply::Unknown);
    }
}
