//! Certificates, keys, CAs and users from files, as rustls and `htpasswd` take them, and what is wrong with them in words.
//!
//! It is where TLS is configured, for whoever speaks it: listeners, connections to endpoints, probes. So shells stand
//! on this one, as they do on `sys`. It reads files and nothing else of the world; the time is passed in.
//!
//! It refuses to speak TLS itself, to watch files and to decide what becomes of a finding.

mod certificates;
mod challenges;
mod clients;
mod endpoint;
mod file;
mod finding;
mod htpasswd;
mod listener;
mod ordered;
mod passwords;
mod sight;
mod tickets;
mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use haechi_model::{ListenerCertificate, ListenerKind, ListenerName, PoolName, Snapshot};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

pub use certificates::take_refused_name;
pub use challenges::{ACME_PATH, ACME_TLS, Challenges, Pending, Reply};
pub use clients::fingerprint;
pub use endpoint::{Client, Verified, Whom, client_certificate, client_config, roots_from};
pub use finding::{Finding, Problem};
pub use haechi_tls::EXPIRES_SOON;
pub use htpasswd::{Known, Login, Tag, Users};
pub use ordered::{Given, given, issuer_folder, ordered_file, wanted};
pub use sight::Sight;
pub use words::Refusal;

/// What a listener shows, and how it speaks.
#[derive(Debug)]
pub struct Shown {
    /// For each new connection.
    pub config: Arc<ServerConfig>,
    /// In the order of the config.
    pub certificates: Vec<Certificate>,
}

/// A certificate in use, for people and for metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Its file, as the config names it.
    pub file: Box<str>,
    /// Names that it is shown for.
    pub names: Vec<Box<str>>,
    /// The last second that it is valid, since 1970.
    pub not_after: i64,
    /// We ordered it.
    pub ordered: bool,
}

/// What was made of all files that a config names.
#[derive(Clone, Default, Debug)]
pub struct Credentials {
    /// By the listener's name. One that speaks TLS and is missing here can't be served.
    pub listeners: HashMap<ListenerName, Arc<Shown>>,
    /// By the pool's name, for pools whose endpoints speak TLS.
    pub pools: HashMap<PoolName, Arc<Verified>>,
    /// By the file, as the config names it.
    pub users: HashMap<Box<str>, Arc<Users>>,
    /// What the files were just before they were read.
    pub seen: Sight,
    /// What is shown to issuers that ask.
    pub challenges: Arc<Challenges>,
}

/// What was found in them.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What can be used.
    pub credentials: Credentials,
    /// What is wrong, in the order of the config.
    pub findings: Vec<Finding>,
}

/// Names of all files that a config names, as it names them.
pub(crate) fn files(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    let tls = snapshot.listeners.iter().filter_map(|listener| match &listener.kind {
        ListenerKind::Http(http) => http.tls.as_ref(),
        ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => None,
    });
    let pools = snapshot.pools.iter().filter_map(|pool| pool.tls.as_ref());
    let ours = pools.clone().filter_map(|tls| tls.client.as_ref());
    let clients = tls.clone().filter_map(|tls| tls.client.as_ref());
    let clients = clients.flat_map(|client| [Some(&*client.ca), client.crl.as_deref()]);
    let keys = tls.clone().map(|tls| tls.ticket_keys.as_deref());
    let certificates = tls.flat_map(|tls| &tls.certificates);
    let certificates = certificates
        .filter_map(|certificate| match certificate {
            ListenerCertificate::Files(files) => Some(files),
            // Nobody but us writes them.
            ListenerCertificate::Ordered(_) => None,
        })
        .flat_map(|files| [Some(&*files.certificate), Some(&*files.key), files.ocsp.as_deref()])
        .chain(clients)
        .chain(keys)
        .flatten();
    let ours = ours.flat_map(|files| [&*files.certificate, &*files.key]);
    let all = certificates.chain(ours).chain(pools.filter_map(|tls| tls.ca.as_deref()));
    all.chain(passwords::files(snapshot))
}

/// What outlives the files: keys that were made up for tickets, and what is shown to issuers that ask.
#[derive(Debug, Default)]
pub struct Trust {
    ticketers: Mutex<Ticketers>,
    challenges: Arc<Challenges>,
    /// Where ordered certificates stand; without it there are none.
    state: Option<PathBuf>,
}

/// With what their listener asks of clients.
type Ticketers = HashMap<ListenerName, (Box<[u8]>, Arc<dyn ProducesTickets>)>;

impl Trust {
    /// With the state folder, where ordered certificates stand.
    pub fn with_state(state: PathBuf) -> Self {
        Self { state: Some(state), ..Self::default() }
    }

    /// What is shown to issuers that ask.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// Reads all files that `snapshot` names; `folder` is where relative names start, `now` is in seconds since 1970.
    /// Waits for the disk.
    pub fn load(&self, folder: &Path, snapshot: &Snapshot, now: i64) -> Loaded {
        let mut loaded = Loaded::default();
        loaded.credentials.seen = Sight::of(folder, snapshot);
        loaded.credentials.challenges = Arc::clone(&self.challenges);
        let asked = (!wanted(snapshot).is_empty()).then(|| Arc::clone(&self.challenges));
        for listener in &snapshot.listeners {
            let ListenerKind::Http(http) = &listener.kind else { continue };
            let Some(tls) = &http.tls else { continue };
            let made_up = |asks: &[u8]| self.ticketer(&listener.name, asks);
            let files = ordered::as_files(tls, self.state.as_deref());
            let place = listener::Place { folder, files: &files, asked: asked.clone() };
            let named = (&listener.name, tls);
            let http2 = http.http2.is_some();
            let shown = listener::shown(&place, named, http2, made_up, now, &mut loaded.findings);
            if let Some(shown) = shown {
                loaded.credentials.listeners.insert(listener.name.clone(), Arc::new(shown));
            }
        }
        for pool in &snapshot.pools {
            let Some(tls) = &pool.tls else { continue };
            if let Some(verified) = endpoint::verified(folder, tls, pool.protocol, now, &mut loaded.findings)
            {
                loaded.credentials.pools.insert(pool.name.clone(), Arc::new(verified));
            }
        }
        for name in passwords::files(snapshot) {
            if loaded.credentials.users.contains_key(name) {
                continue;
            }
            if let Some(users) = passwords::users(folder, name, &mut loaded.findings) {
                loaded.credentials.users.insert(name.into(), Arc::new(users));
            }
        }
        self.ticketers().retain(|name, _| snapshot.listeners.iter().any(|listener| listener.name == *name));
        loaded
    }

    /// Tickets of one listener are worth nothing at another, which may ask for more (CVE-2025-23419), nor when it asks
    /// for something else than before.
    fn ticketer(&self, name: &ListenerName, asks: &[u8]) -> Option<Arc<dyn ProducesTickets>> {
        let mut ticketers = self.ticketers();
        if let Some((known, ticketer)) = ticketers.get(name)
            && **known == *asks
        {
            return Some(Arc::clone(ticketer));
        }
        // Without chance there are no keys, and without keys no tickets: every handshake is a whole one.
        let ticketer = Ticketer::new().ok()?;
        ticketers.insert(name.clone(), (asks.into(), Arc::clone(&ticketer)));
        Some(ticketer)
    }

    fn ticketers(&self) -> MutexGuard<'_, Ticketers> {
        // Each entry is put in whole.
        self.ticketers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
