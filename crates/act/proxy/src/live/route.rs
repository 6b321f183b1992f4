//! A route's filters, with what they know of clients. That outlives a change of anything else.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haechi_filter::{Filter, Owed, Pace};
use haechi_model::{Fault, HostMatch, Listener, ListenerKind, Moment, PathMatch, Rate, Route};

use super::crowd::{Crowd, Seat, site};
use super::guard::Guard;
use super::logins::Logins;

/// Locks of one limiter. A worker holds one for a look at 128 bytes, so with as many as this two hardly ever meet.
const SHARDS: usize = 64;

/// Most clients that one limiter knows at a time: 16 bytes each, so a MiB. With more of them the limit gets milder
/// (see [`Owed`]).
const CLIENTS: usize = 1 << 16;

/// Clients that all limiters together know, 64 MiB: with many routes each knows fewer of them,
const ALL_CLIENTS: usize = 1 << 22;

/// but so many at the least: 16 KiB, less than a route itself takes with its counters.
const LEAST_CLIENTS: usize = 1 << 10;

/// The filters of one route, at work.
#[derive(Debug)]
pub(crate) struct LiveFilter {
    pub(crate) filter: Filter,
    limiter: Option<Arc<Limiter>>,
    /// Who has requests here that run, and how many each may have.
    crowd: Option<(Arc<Crowd>, NonZeroU32)>,
    guard: Option<Arc<Guard>>,
}

/// Too much of one client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooMuch {
    pub(crate) fault: Fault,
    /// How long it must wait, where that is known.
    pub(crate) wait: Option<Duration>,
}

/// How often each client has asked.
#[derive(Debug)]
struct Limiter {
    rate: Rate,
    pace: Pace,
    seed: RandomState,
    clients: usize,
    /// Made when the first client of each comes: most routes of a large config see few.
    shards: Box<[Mutex<Option<Owed>>]>,
}

/// What a route matches, which is its identity.
type Match<'r> = (&'r HostMatch, &'r PathMatch, &'r [Box<str>], Vec<(&'r str, Option<&'r str>)>);

/// How many clients the limiter of each route may know.
pub(super) fn clients<'l>(listeners: impl Iterator<Item = &'l Listener>) -> usize {
    let limited = |route: &&Route| route.filters.as_ref().is_some_and(|filters| filters.rate.is_some());
    let limiters = listeners.flat_map(routes).filter(limited).count();
    (ALL_CLIENTS / limiters.max(1)).clamp(LEAST_CLIENTS, CLIENTS)
}

/// By route; nothing at all if no route has any. Who asked how often goes on from `old` where the limit is the same.
pub(super) fn filters(
    config: &Listener,
    clients: usize,
    logins: &Arc<Logins>,
    old: Option<(&Listener, &[Option<LiveFilter>])>,
) -> Box<[Option<LiveFilter>]> {
    let routes = routes(config);
    if routes.iter().all(|route| route.filters.is_none()) {
        return Box::default();
    }
    let known: HashMap<Match<'_>, &LiveFilter> = old
        .into_iter()
        .flat_map(|(config, filters)| self::routes(config).iter().zip(filters))
        .filter_map(|(route, live)| Some((identity(route), live.as_ref()?)))
        .collect();
    let live = |route: &Route| {
        let filter = Filter::new(route)?;
        let config = route.filters.as_ref()?;
        let known = known.get(&identity(route));
        let limiter = config.rate.map(|rate| match known.and_then(|known| known.limiter.as_ref()) {
            Some(limiter) if limiter.rate == rate => Arc::clone(limiter),
            _ => Arc::new(Limiter::new(rate, clients)),
        });
        let crowd = config.max_concurrent.map(|most| match known.and_then(|known| known.crowd.as_ref()) {
            Some((crowd, _)) => (Arc::clone(crowd), most),
            None => (Crowd::new(), most),
        });
        let guard = config.basic_auth.as_ref().map(|auth| {
            logins.start();
            match known.and_then(|known| known.guard.as_ref()) {
                Some(guard) if guard.config == *auth => Arc::clone(guard),
                _ => Arc::new(Guard::new(auth, logins)),
            }
        });
        Some(LiveFilter { filter, limiter, crowd, guard })
    };
    routes.iter().map(live).collect()
}

fn routes(config: &Listener) -> &[Route] {
    match &config.kind {
        ListenerKind::Http(http) => &http.routes,
        ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => &[],
    }
}

fn identity(route: &Route) -> Match<'_> {
    let headers = route.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
    (&route.host, &route.path, &*route.methods, headers)
}

impl LiveFilter {
    /// Who asks for logins, if somebody does.
    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// A seat for a request of this client, where seats are counted.
    ///
    /// # Errors
    /// It asks too often, or has too many requests that run. Whom the route does not serve is told so elsewhere.
    pub(crate) fn admit(&self, client: IpAddr, now: Moment) -> Result<Option<Seat>, TooMuch> {
        if (self.limiter.is_none() && self.crowd.is_none()) || !self.filter.serves(client) {
            return Ok(None);
        }
        let too_often = |wait| TooMuch { fault: Fault::RateLimited, wait: Some(wait) };
        self.limiter.as_ref().map_or(Ok(()), |limiter| limiter.take(client, now)).map_err(too_often)?;
        let Some((crowd, most)) = &self.crowd else { return Ok(None) };
        let crowded = TooMuch { fault: Fault::TooManyAtOnce, wait: None };
        crowd.seat(client, *most).map(Some).ok_or(crowded)
    }
}

impl Limiter {
    fn new(rate: Rate, clients: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { rate, pace: Pace::new(&rate), seed: RandomState::new(), clients, shards }
    }

    fn take(&self, client: IpAddr, now: Moment) -> Result<(), Duration> {
        let key = self.seed.hash_one(site(client));
        let shard = usize::try_from(key).unwrap_or(0) % SHARDS;
        // Whoever panicked with the lock left numbers that are good all the same.
        let mut owed = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        owed.get_or_insert_with(|| Owed::new(self.clients / SHARDS)).take(key, self.pace, now)
    }
}

#[cfg(test)]
mod tests {
    use haechi_model::{Filters, PoolIndex};

    use super::*;

    fn listener(rate: u32, path: &str) -> Listener {
        let one = NonZeroU32::MIN;
        let rate =
            Rate { requests: NonZeroU32::new(rate).unwrap(), per: Duration::from_secs(60), burst: one };
        let route = Route {
            path: PathMatch::Prefix(path.into()),
            filters: Some(Box::new(Filters { rate: Some(rate), ..Filters::default() })),
            ..haechi_config::defaults::route(PoolIndex(0))
        };
        haechi_config::defaults::http_listener("web", Vec::new(), vec![route])
    }

    fn wait(filters: &[Option<LiveFilter>], client: &str) -> Option<u64> {
        let filter = filters[0].as_ref().unwrap();
        let refused = filter.admit(client.parse().unwrap(), Moment::ORIGIN).err()?;
        refused.wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn a_site_is_one_client_and_a_mapped_address_is_no_other() {
        let filters = filters(&listener(1, "/"), CLIENTS, &Arc::default(), None);
        for (client, expected) in [
            ("192.0.2.1", None),
            ("192.0.2.1", Some(60)),
            ("::ffff:192.0.2.1", Some(60)),
            ("192.0.2.2", None),
            ("2001:db8::1", None),
            ("2001:db8::ffff:1", Some(60)),
            ("2001:db8:0:1::1", None),
        ] {
            assert_eq!(wait(&filters, client), expected, "{client}");
        }
    }

    #[test]
    fn many_routes_share_what_all_may_take() {
        let one = listener(1, "/");
        assert_eq!(clients([].into_iter()), CLIENTS);
        assert_eq!(clients(std::iter::repeat_n(&one, 256)), ALL_CLIENTS / 256);
        assert_eq!(clients(std::iter::repeat_n(&one, 100_000)), LEAST_CLIENTS);
    }

    #[test]
    fn a_reload_forgives_only_where_the_limit_changes() {
        let before = listener(1, "/");
        let old = filters(&before, CLIENTS, &Arc::default(), None);
        assert_eq!(wait(&old, "192.0.2.1"), None);
        for (config, expected) in
            [(listener(1, "/"), Some(60)), (listener(2, "/"), None), (listener(1, "/other"), None)]
        {
            let new = filters(&config, CLIENTS, &Arc::default(), Some((&before, &old)));
            assert_eq!(wait(&new, "192.0.2.1"), expected);
        }
    }
}
