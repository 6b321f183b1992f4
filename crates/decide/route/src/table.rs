//! All routes of a listener.

use std::collections::BTreeMap;
use std::fmt;

use haechi_model::{HostMatch, Route};

use crate::host::Host;
use crate::map::Map;
use crate::paths::Paths;
use crate::rule::Fit;
use crate::{Headers, Query};

/// Routes, sorted for looking up. Made when the config changes, then only read.
#[derive(Clone, Debug)]
pub struct Table {
    /// The route for every request, when there is nothing to decide: the commonest table.
    always: Option<usize>,
    exact: Map<Paths>,
    wildcard: Map<Paths>,
    any: Option<Paths>,
}

/// Why no route takes a request. Of several reasons the one that came closest to a match: a request that fails
/// by its headers was better than one that fails by its path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// No route is for this host.
    Host,
    /// None of this host is for this path.
    Path,
    /// The host and the path fit, the method does not: what other servers answer with 405.
    Method {
        /// Position of the most specific such route.
        route: usize,
    },
    /// Only the headers do not fit.
    Headers {
        /// Position of the most specific such route.
        route: usize,
    },
}

impl Table {
    /// From routes in the order of the config; positions in this slice are what [`find`](Self::find) gives.
    pub fn new(routes: &[Route]) -> Self {
        let mut exact: BTreeMap<Box<[u8]>, Vec<(usize, &Route)>> = BTreeMap::new();
        let mut wildcard: BTreeMap<Box<[u8]>, Vec<(usize, &Route)>> = BTreeMap::new();
        let mut any = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            match &route.host {
                HostMatch::Any => any.push((at, route)),
                HostMatch::Exact(name) => exact.entry(key(name)).or_default().push((at, route)),
                HostMatch::Wildcard(name) => wildcard.entry(key(name)).or_default().push((at, route)),
            }
        }
        let map = |hosts: BTreeMap<Box<[u8]>, Vec<(usize, &Route)>>| {
            Map::new(hosts.into_iter().map(|(name, list)| (name, Paths::new(list.into_iter()))).collect())
        };
        let (exact, wildcard) = (map(exact), map(wildcard));
        let any = (!any.is_empty()).then(|| Paths::new(any.into_iter()));
        let alone = exact.is_empty() && wildcard.is_empty();
        let always = any.as_ref().filter(|_| alone).and_then(Paths::catch_all);
        Self { always, exact, wildcard, any }
    }

    /// The position of the most specific route that takes this request.
    pub fn find<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<usize> {
        if self.always.is_some() {
            return self.always;
        }
        let host = self.host(query);
        self.hosts(host.as_ref()).find_map(|paths| paths.find(query))
    }

    /// Why [`find`](Self::find) gives nothing; `None` if it gives something.
    pub fn why<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<Reason> {
        if self.find(query).is_some() {
            return None;
        }
        let host = self.host(query);
        let mut reason = Reason::Host;
        for paths in self.hosts(host.as_ref()) {
            reason = reason.max_first(Reason::Path);
            for rules in paths.fitting(query.path) {
                reason = reason.max_first(match rules.closest(query) {
                    Some(Fit::Headers(route)) => Reason::Headers { route },
                    Some(Fit::Method(route)) => Reason::Method { route },
                    None => Reason::Path,
                });
            }
        }
        Some(reason)
    }

    /// Parsed only if a route asks for hosts at all.
    fn host<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<Host> {
        let wanted = !(self.exact.is_empty() && self.wildcard.is_empty());
        query.host.filter(|_| wanted).and_then(Host::parse)
    }

    /// The most specific first.
    fn hosts<'a>(&'a self, host: Option<&'a Host>) -> impl Iterator<Item = &'a Paths> {
        let exact = host.and_then(|host| self.exact.get(host.name()));
        let wildcard = std::iter::once_with(move || self.wildcard.get(host?.parent()?)).flatten();
        exact.into_iter().chain(wildcard).map(|(_, paths)| paths).chain(&self.any)
    }
}

/// The model promises lower case and no final dot; an address may stand there with or without its brackets.
fn key(name: &str) -> Box<[u8]> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.as_bytes().into()
}

impl Reason {
    const fn rank(self) -> u8 {
        match self {
            Self::Host => 0,
            Self::Path => 1,
            Self::Method { .. } => 2,
            Self::Headers { .. } => 3,
        }
    }

    /// The closer one; of equals, the one that was there.
    const fn max_first(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "no route is for this host",
            Self::Path => "no route of this host is for this path",
            Self::Method { .. } => "no route of this host and path takes this method",
            Self::Headers { .. } => "no route of this host, path and method takes these headers",
        })
    }
}
