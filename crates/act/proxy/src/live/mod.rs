//! What is live: the snapshot in force with the state that outlives it.
//!
//! A snapshot is a value; in-flight counts, health and counters are not. They are keyed by identity (pool
//! and endpoint name, and address) and carried from one generation to the next, so that a change of
//! anything else does not touch them.

mod auth;
mod budget;
mod coding;
mod counters;
mod crowd;
mod endpoint;
mod guard;
mod logins;
mod pool;
mod route;
mod split;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use haechi_coding::Rules;
use haechi_model::{EndpointId, Fault, Listener, ListenerKind, ListenerName, PoolName, Snapshot};
use haechi_route::Table;
use haechi_trust::{Challenges, Credentials, Reply, Shown};

pub(crate) use auth::LiveAuth;
pub use auth::{AuthTotals, Ruled};
pub(crate) use counters::{EndpointCounters, ListenerCounters};
pub use counters::{EndpointTotals, LatencyBuckets, ListenerTotals};
pub(crate) use crowd::{Crowd, Seat};
pub use endpoint::LiveEndpoint;
pub(crate) use guard::{Guard, Question};
pub(crate) use logins::Logins;
pub use pool::LivePool;
pub(crate) use pool::Make;
pub(crate) use route::{LiveFilter, TooMuch};
pub(crate) use split::LiveSplit;
pub use split::{ShareTotals, SplitTotals};

/// One generation as the workers see it.
#[derive(Debug)]
pub struct Live {
    /// Counts applied changes from 1 on.
    pub generation: u64,
    /// The config that it stands for.
    pub snapshot: Arc<Snapshot>,
    /// In the order of the snapshot.
    pub pools: Vec<Arc<LivePool>>,
    /// In the order of the snapshot.
    pub listeners: Vec<Arc<LiveListener>>,
    /// What is shown to issuers that ask whether a name is ours.
    challenges: OnceLock<Arc<Challenges>>,
    by_name: HashMap<PoolName, usize>,
    by_id: HashMap<EndpointId, (usize, usize)>,
}

/// A listener with its route table and its counters.
#[derive(Debug)]
pub struct LiveListener {
    /// As configured.
    pub config: Listener,
    pub(crate) routes: Table,
    /// By route; nothing at all if no route has any.
    filters: Box<[Option<LiveFilter>]>,
    /// How answers are coded, by route; nothing at all if none is.
    codings: Box<[Option<Arc<Rules>>]>,
    /// By route; nothing at all if no route has any.
    splits: Box<[Option<LiveSplit>]>,
    /// By route; nothing at all if no route has any.
    auths: Box<[Option<LiveAuth>]>,
    /// What endpoints get as `Host` when a client sent none: the address that it stands on, or the node's
    /// name where it stands on all of them.
    pub(crate) authority: Box<str>,
    /// The line that tells clients of HTTP/3 here; empty where it is not spoken.
    pub(crate) alternative: Box<[u8]>,
    pub(crate) counters: Arc<ListenerCounters>,
    /// Who has connections, where each client may have so many.
    crowd: Option<Arc<Crowd>>,
    /// What it shows to clients, where it speaks TLS. Files change without a new generation.
    shown: ArcSwapOption<Shown>,
}

impl Live {
    /// Nothing at all: what is live before the first apply.
    pub(crate) fn empty() -> Self {
        Self {
            generation: 0,
            snapshot: Arc::default(),
            pools: Vec::new(),
            listeners: Vec::new(),
            challenges: OnceLock::new(),
            by_name: HashMap::new(),
            by_id: HashMap::new(),
        }
    }

    /// The next generation: `snapshot` with all state of `self` that still has an owner.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>, make: &Make<'_>) -> Self {
        let old: HashMap<&PoolName, &Arc<LivePool>> =
            self.pools.iter().map(|pool| (&pool.config.name, pool)).collect();
        let pools = snapshot
            .pools
            .iter()
            .map(|config| match old.get(&config.name) {
                Some(pool) if pool.config == *config => Arc::clone(pool),
                found => Arc::new(LivePool::new(config.clone(), found.map(|pool| &***pool), make)),
            })
            .collect::<Vec<_>>();
        let old: HashMap<&ListenerName, &Arc<LiveListener>> =
            self.listeners.iter().map(|listener| (&listener.config.name, listener)).collect();
        let clients = route::clients(snapshot.listeners.iter());
        let listeners = snapshot
            .listeners
            .iter()
            .map(|config| match old.get(&config.name) {
                Some(listener) if listener.config == *config && listener.is_of(&snapshot) => {
                    Arc::clone(listener)
                }
                found => {
                    let old = found.map(|listener| &***listener);
                    Arc::new(LiveListener::new(config, &snapshot, old, make, clients))
                }
            })
            .collect();
        let by_name =
            pools.iter().enumerate().map(|(index, pool)| (pool.config.name.clone(), index)).collect();
        let by_id = (pools.iter().enumerate())
            .flat_map(|(pool, live)| {
                live.endpoints.iter().enumerate().map(move |(at, live)| (live.id.clone(), (pool, at)))
            })
            .collect();
        let challenges = OnceLock::new();
        Self { generation: self.generation + 1, snapshot, pools, listeners, challenges, by_name, by_id }
    }

    /// Gives listeners what they show from now on, and pools whom they trust.
    pub(crate) fn show(&self, credentials: &Credentials) {
        // The process has one for its whole life.
        self.challenges.get_or_init(|| Arc::clone(&credentials.challenges));
        for listener in &self.listeners {
            listener.shown.store(credentials.listeners.get(&listener.config.name).cloned());
            for guard in listener.filters.iter().flatten().filter_map(LiveFilter::guard) {
                guard.admit(credentials.users.get(&guard.config.file));
            }
        }
        for pool in &self.pools {
            pool.verified.store(credentials.pools.get(&pool.config.name).cloned());
        }
    }

    /// What an issuer that asks `host` for `token` is told.
    pub(crate) fn challenge(&self, host: &[u8], token: &[u8]) -> Reply {
        self.challenges.get().map_or(Reply::NotOurs, |challenges| challenges.answer(host, token))
    }

    /// The pool with this name.
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<LivePool>> {
        self.pools.get(*self.by_name.get(name)?)
    }

    /// Where in `pools` and its endpoints this one is.
    pub(crate) fn position(&self, id: &EndpointId) -> Option<(usize, usize)> {
        self.by_id.get(id).copied()
    }

    /// The endpoint with this identity.
    pub fn endpoint(&self, id: &EndpointId) -> Option<&Arc<LiveEndpoint>> {
        let (pool, at) = self.by_id.get(id)?;
        self.pools.get(*pool)?.endpoints.get(*at)
    }
}

impl LiveListener {
    fn new(
        config: &Listener,
        snapshot: &Snapshot,
        old: Option<&Self>,
        make: &Make<'_>,
        clients: usize,
    ) -> Self {
        let routes = match &config.kind {
            ListenerKind::Http(http) => Table::new(&http.routes),
            ListenerKind::Tls(tls) => Table::new(&tls.routes),
            ListenerKind::Tcp(_) | ListenerKind::Udp(_) => Table::new(&[]),
        };
        let counters = old
            .map_or_else(|| Arc::new(ListenerCounters::new(make.workers)), |old| Arc::clone(&old.counters));
        let authority = match config.bind.iter().find(|address| !address.ip().is_unspecified()) {
            Some(address) => address.to_string().into(),
            None => snapshot.node.name.clone(),
        };
        let crowd = config.max_connections_per_client.map(|_| {
            let known = old.and_then(|old| old.crowd.as_ref());
            known.map_or_else(Crowd::new, Arc::clone)
        });
        let filters =
            route::filters(config, clients, make.logins, old.map(|old| (&old.config, &*old.filters)));
        let codings = coding::codings(config);
        let splits = split::splits(config, &snapshot.pools, make.seed, old.map_or(&[], |old| &old.splits));
        let auths = auth::auths(config, old.map_or(&[], |old| &old.auths));
        let (alternative, shown) = (alternative(config), ArcSwapOption::empty());
        let config = config.clone();
        Self {
            config,
            routes,
            filters,
            codings,
            splits,
            auths,
            authority,
            alternative,
            counters,
            crowd,
            shown,
        }
    }

    /// Whether its routes lead to the pools that they were made for.
    fn is_of(&self, snapshot: &Snapshot) -> bool {
        split::are_of(&self.splits, &snapshot.pools)
    }

    /// The split of a route, if it has one.
    pub(crate) fn split(&self, route: usize) -> Option<&LiveSplit> {
        self.splits.get(route)?.as_ref()
    }

    /// Who else is asked about requests of a route, if anybody is.
    pub(crate) fn auth(&self, route: usize) -> Option<&LiveAuth> {
        self.auths.get(route)?.as_ref()
    }

    /// What came of each external auth, in the order of its routes.
    pub fn auths(&self) -> Vec<AuthTotals> {
        self.auths.iter().flatten().map(LiveAuth::totals).collect()
    }

    /// What each split of it did, in the order of its routes.
    pub fn splits(&self) -> Vec<SplitTotals> {
        self.splits.iter().flatten().map(LiveSplit::totals).collect()
    }

    /// The filters of a route, if it has any.
    #[inline]
    pub(crate) fn filter(&self, route: usize) -> Option<&LiveFilter> {
        self.filters.get(route)?.as_ref()
    }

    /// Whether any answers may be coded.
    pub fn codes(&self) -> bool {
        !self.codings.is_empty()
    }

    /// How a route's answers are coded, if any are.
    #[inline]
    pub(crate) fn coding(&self, route: usize) -> Option<&Rules> {
        self.codings.get(route)?.as_deref()
    }

    /// A seat for a connection of this client, where seats are counted.
    ///
    /// # Errors
    /// It has as many as it may.
    pub(crate) fn seat(&self, client: IpAddr) -> Result<Option<Seat>, Fault> {
        let Some((crowd, most)) = self.crowd.as_ref().zip(self.config.max_connections_per_client) else {
            return Ok(None);
        };
        crowd.seat(client, most).map(Some).ok_or(Fault::TooManyConnections)
    }

    /// What it shows to clients, where it speaks TLS.
    pub fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// Connections that this process accepted, or flows that began here.
    pub fn accepted(&self) -> u64 {
        self.counters.sum(|counters| counters.accepted.get())
    }

    /// Requests that came to this process.
    pub fn requests(&self) -> u64 {
        self.counters.sum(|counters| counters.requests.get())
    }

    /// Sums over all workers, and over processes that were before this one.
    pub fn totals(&self) -> ListenerTotals {
        self.counters.totals()
    }

    /// Counts on from what a former process counted.
    pub fn count_on_from(&self, before: ListenerTotals) {
        self.counters.count_on_from(before);
    }
}

/// For how long clients remember where HTTP/3 is spoken, from each answer on: an hour, so that a listener which does
/// so no longer is soon asked as before; until then they try both.
const REMEMBERED: u32 = 3600;

/// Says that the UDP port of the same number speaks HTTP/3 (RFC 7838 section 3).
fn alternative(config: &Listener) -> Box<[u8]> {
    match (&config.kind, config.bind.first()) {
        (ListenerKind::Http(http), Some(address)) if http.http3 && crate::SPEAKS_HTTP3 => {
            format!("Alt-Svc: h3=\":{}\"; ma={REMEMBERED}\r\n", address.port()).into_bytes().into()
        }
        _ => Box::default(),
    }
}
