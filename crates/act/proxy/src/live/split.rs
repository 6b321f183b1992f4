//! Routes with several pools, with the turns that were taken and what each pool got. That outlives a change of
//! anything else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use haechi_balance::{Split, source_key, text_key};
use haechi_model::{Destination, Listener, ListenerKind, Pool, PoolName, Route, SourceMask, SplitBy};
use haechi_route::{Headers, cookie};

/// As `ipHash` has it: of IPv6 what a customer of a provider has, and no port.
const BY_ADDRESS: SourceMask = SourceMask { v4: 32, v6: 64, port: false };

/// The split of one route, at work.
#[derive(Debug)]
pub(crate) struct LiveSplit {
    split: Split,
    by: Option<SplitBy>,
    shares: Box<[(usize, u32)]>,
    shared: Arc<Shared>,
}

/// What a split keeps over changes of its weights.
#[derive(Debug)]
struct Shared {
    /// What its route matches, and its pools: its identity.
    route: Box<str>,
    pools: Box<[PoolName]>,
    /// One more with each turn, over all workers: that makes the shares exact.
    ticket: AtomicU64,
    /// By pool. Over all workers too: who takes turns meets at the ticket anyway.
    counts: Box<[Counts]>,
}

#[derive(Debug, Default)]
struct Counts {
    turns: AtomicU64,
    keyed: AtomicU64,
}

/// What a split did since it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SplitTotals {
    /// What its route matches.
    pub route: String,
    /// What keeps a client at one pool.
    pub by: Option<SplitBy>,
    /// In the order of the config.
    pub shares: Vec<ShareTotals>,
}

/// What one pool of a split got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareTotals {
    /// Which.
    pub pool: PoolName,
    /// Its weight.
    pub weight: u32,
    /// Requests (or connections) whose turn was this pool's.
    pub turns: u64,
    /// Those that a key led here.
    pub keyed: u64,
}

/// By route; nothing at all if no route has a split. What was counted goes on from `old`.
pub(super) fn splits(
    config: &Listener,
    pools: &[Pool],
    seed: u64,
    old: &[Option<LiveSplit>],
) -> Box<[Option<LiveSplit>]> {
    let routes = routes(config);
    if !routes.iter().any(|route| matches!(route.to, Destination::Split(_))) {
        return Box::default();
    }
    let known: HashMap<(&str, &[PoolName]), &Arc<Shared>> =
        old.iter().flatten().map(|live| ((&*live.shared.route, &*live.shared.pools), &live.shared)).collect();
    let live = |route: &Route| {
        let Destination::Split(split) = &route.to else { return None };
        let shares = split.shares.iter().filter_map(|share| {
            let name = pools.get(share.pool.index())?.name.clone();
            Some((name, share.pool.index(), share.weight))
        });
        let shares: Vec<(PoolName, usize, u32)> = shares.collect();
        let names: Box<[PoolName]> = shares.iter().map(|(name, ..)| name.clone()).collect();
        let matches = route.matches();
        let shared = match known.get(&(&*matches, &*names)) {
            Some(shared) => Arc::clone(shared),
            None => Arc::new(Shared {
                route: matches.into(),
                counts: names.iter().map(|_| Counts::default()).collect(),
                pools: names,
                ticket: AtomicU64::new(seed),
            }),
        };
        Some(LiveSplit {
            split: Split::new(shares.iter().map(|(name, _, weight)| (name, *weight)), seed),
            by: split.by.clone(),
            shares: shares.iter().map(|(_, pool, weight)| (*pool, *weight)).collect(),
            shared,
        })
    };
    routes.iter().map(live).collect()
}

/// Whether these are the pools that the splits were made for: a listener whose config is the same may lead to others
/// when pools change their names or order.
pub(super) fn are_of(splits: &[Option<LiveSplit>], pools: &[Pool]) -> bool {
    splits.iter().flatten().all(|live| {
        let same = |((at, _), name): (&(usize, u32), &PoolName)| {
            pools.get(*at).is_some_and(|pool| pool.name == *name)
        };
        live.shares.iter().zip(&live.shared.pools).all(same)
    })
}

fn routes(config: &Listener) -> &[Route] {
    match &config.kind {
        ListenerKind::Http(http) => &http.routes,
        ListenerKind::Tls(tls) => &tls.routes,
        ListenerKind::Tcp(_) | ListenerKind::Udp(_) => &[],
    }
}

impl LiveSplit {
    /// The position of the pool that gets this request. `None` if no pool of the split has a weight.
    pub(crate) fn choose(&self, headers: &impl Headers, client: IpAddr) -> Option<usize> {
        let key = self.by.as_ref().and_then(|by| key(by, headers, client));
        let at = match key {
            Some(key) => self.split.place(key)?,
            None => self.split.turn(self.shared.ticket.fetch_add(1, Ordering::Relaxed))?,
        };
        let counts = self.shared.counts.get(at)?;
        let count = if key.is_some() { &counts.keyed } else { &counts.turns };
        count.fetch_add(1, Ordering::Relaxed);
        self.shares.get(at).map(|(pool, _)| *pool)
    }

    pub(super) fn totals(&self) -> SplitTotals {
        let parts = self.shares.iter().zip(&self.shared.pools).zip(&self.shared.counts);
        let share = |(((_, weight), pool), counts): ((&(usize, u32), &PoolName), &Counts)| ShareTotals {
            pool: pool.clone(),
            weight: *weight,
            turns: counts.turns.load(Ordering::Relaxed),
            keyed: counts.keyed.load(Ordering::Relaxed),
        };
        SplitTotals {
            route: self.shared.route.to_string(),
            by: self.by.clone(),
            shares: parts.map(share).collect(),
        }
    }
}

/// None if the request has no such thing: then it takes a turn.
fn key(by: &SplitBy, headers: &impl Headers, client: IpAddr) -> Option<u64> {
    let text = match by {
        SplitBy::ClientAddress => return Some(source_key(SocketAddr::new(client, 0), BY_ADDRESS)),
        SplitBy::Header(name) => headers.values(name).next(),
        SplitBy::Cookie(name) => cookie(headers, name),
    };
    text.filter(|text| !text.is_empty()).map(text_key)
}
