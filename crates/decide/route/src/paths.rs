//! The routes of one host, by path.

use std::collections::BTreeMap;

use haechi_model::{PathMatch, Route};

use crate::map::{Hash, Map};
use crate::rule::Rules;
use crate::{Headers, Query};

/// All paths of one host.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    exact: Map<Rules>,
    /// Without a final `/`; the prefix that takes everything stands in `root`.
    prefixes: Map<Prefix>,
    root: Option<Rules>,
    /// Places in a path where the longest prefixes can end: more need not be probed, however many slashes a
    /// client sends.
    depth: usize,
}

#[derive(Clone, Debug)]
struct Prefix {
    rules: Rules,
    /// The next shorter prefix of this one: asked when these rules do not fit.
    shorter: Option<u32>,
}

impl Paths {
    pub(crate) fn new<'a>(routes: impl Iterator<Item = (usize, &'a Route)>) -> Self {
        let mut exact: BTreeMap<&[u8], Vec<(usize, &Route)>> = BTreeMap::new();
        let mut prefixes: BTreeMap<&[u8], Vec<(usize, &Route)>> = BTreeMap::new();
        for (at, route) in routes {
            let (map, path) = match &route.path {
                PathMatch::Exact(path) => (&mut exact, path.as_bytes()),
                PathMatch::Prefix(path) => (&mut prefixes, without_final_slash(path.as_bytes())),
            };
            map.entry(path).or_default().push((at, route));
        }
        let rules = |list: Vec<(usize, &'a Route)>| Rules::new(list.into_iter());
        let root = prefixes.remove(&[][..]).map(rules);
        let depth = prefixes.keys().map(|path| ends(path).count() + 1).max().unwrap_or(0);
        Self {
            exact: Map::new(exact.into_iter().map(|(path, list)| (path.into(), rules(list))).collect()),
            prefixes: chain(prefixes.into_iter().map(|(path, list)| (path, rules(list))).collect()),
            root,
            depth,
        }
    }

    /// The rules whose path fits, the most specific first.
    pub(crate) fn fitting<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = &'a Rules> {
        let exact = self.exact.get(path).map(|(_, rules)| rules);
        let longest = self.longest_prefix(path);
        let prefixes = std::iter::successors(longest, |prefix| self.prefix(prefix.shorter?));
        exact.into_iter().chain(prefixes.map(|prefix| &prefix.rules)).chain(&self.root)
    }

    pub(crate) fn find<H: Headers + ?Sized>(&self, query: &Query<'_, H>) -> Option<usize> {
        self.fitting(query.path).find_map(|rules| rules.find(query))
    }

    /// The route that takes everything, if no other one could be more specific.
    pub(crate) fn catch_all(&self) -> Option<usize> {
        let alone = self.exact.is_empty() && self.prefixes.is_empty();
        self.root.as_ref().filter(|_| alone)?.catch_all()
    }

    /// One pass over as much of the path as prefixes are long, a probe at each end of an element. Shorter
    /// prefixes need not be remembered on the way: the longest one knows them.
    fn longest_prefix(&self, path: &[u8]) -> Option<&Prefix> {
        let reach = path.len().min(self.prefixes.longest());
        let (mut hash, mut probes, mut found) = (Hash::START, 0, None);
        for at in 0..=reach {
            let byte = path.get(at).copied();
            if at > 0 && byte.is_none_or(|byte| byte == b'/') {
                if probes == self.depth {
                    break;
                }
                probes += 1;
                found = self.prefixes.get_hashed(hash, &path[..at]).map(|(_, prefix)| prefix).or(found);
            }
            hash.push(byte.unwrap_or_default());
        }
        found
    }

    fn prefix(&self, position: u32) -> Option<&Prefix> {
        self.prefixes.at(position).map(|(_, prefix)| prefix)
    }
}

/// `/api/` takes what `/api` takes (Gateway API, `PathPrefix`); `/` takes all that the empty prefix takes.
fn without_final_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Where the elements of a path end, but for the last one.
fn ends(path: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at)
}

/// Tells each prefix its next shorter one. In the order of bytes that one came earlier.
fn chain(prefixes: Vec<(&[u8], Rules)>) -> Map<Prefix> {
    let mut positions: BTreeMap<&[u8], u32> = BTreeMap::new();
    let mut entries = Vec::with_capacity(prefixes.len());
    for (position, (path, rules)) in (0_u32..).zip(prefixes) {
        let shorter = ends(path).rev().find_map(|end| positions.get(&path[..end]).copied());
        positions.insert(path, position);
        entries.push((path.into(), Prefix { rules, shorter }));
    }
    Map::new(entries)
}
