//! The whole checked config as one value: what the data plane reads.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU64};

use crate::{Issuer, Listener, Pool, PoolName, VirtualRouter, Zone};

/// A checked config. Everything in it refers to something that exists.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Who this node is.
    pub node: Node,
    /// Data-plane threads; `None` means one per core.
    pub workers: Option<NonZeroU16>,
    /// Most bytes of memory; `None` means what the control group gives, if it says.
    pub memory_ceiling: Option<NonZeroU64>,
    /// Where certificates are ordered from, in the order of the config.
    pub acme: Vec<Issuer>,
    /// In the order of the config.
    pub listeners: Vec<Listener>,
    /// In the order of the config.
    pub pools: Vec<Pool>,
    /// In the order of the config; one that spreads its addresses stands here as several.
    pub virtual_routers: Vec<VirtualRouter>,
    /// Where the admin API listens besides its Unix socket.
    pub admin: Admin,
}

/// Position of a pool in [`Snapshot::pools`]; `haechi-config` guarantees that it is in range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PoolIndex(pub u32);

impl PoolIndex {
    /// As an index into a slice.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One running haechi.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// As peers and people call it.
    pub name: Box<str>,
    /// Its failure domain.
    pub zone: Option<Zone>,
}

/// The admin API.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Admin {
    /// A TCP address for reading (status, metrics); writes go through the Unix socket.
    pub listen: Option<SocketAddr>,
}

impl Snapshot {
    /// The pool with this name.
    pub fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == *name)
    }
}
