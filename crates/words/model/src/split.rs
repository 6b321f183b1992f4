//! Where the requests of a route go: to one pool, or to several that share them.

use crate::PoolIndex;

/// Where the requests of a route go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// To no pool: a filter answers all of them.
    Nowhere,
    /// To this one.
    Pool(PoolIndex),
    /// To several, each with its share.
    Split(Box<Split>),
}

/// Pools that share the requests of a route, as Gateway API's `backendRefs` do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// In the order of the config, each pool once.
    pub shares: Vec<Share>,
    /// What keeps a client at one pool; without it pools take turns.
    pub by: Option<SplitBy>,
}

/// One pool's part of a split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Who gets it.
    pub pool: PoolIndex,
    /// Its part is this of the sum of all weights. 0 is nothing; if all are 0, nobody serves.
    pub weight: u32,
}

/// What of a request decides which pool of a split gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SplitBy {
    /// The client's address; of IPv6 the first 64 bits, as a customer of a provider has them.
    ClientAddress,
    /// The value of a field, by its name in lower case.
    Header(Box<str>),
    /// The value of a cookie, by its name.
    Cookie(Box<str>),
}

impl Destination {
    /// All pools that it leads to.
    pub fn pools(&self) -> impl Iterator<Item = PoolIndex> {
        let (one, several) = match self {
            Self::Nowhere => (None, &[][..]),
            Self::Pool(pool) => (Some(*pool), &[][..]),
            Self::Split(split) => (None, &split.shares[..]),
        };
        one.into_iter().chain(several.iter().map(|share| share.pool))
    }
}
