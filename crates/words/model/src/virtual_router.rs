//! A virtual router: addresses that several nodes share, and who of them may hold them (RFC 9568).
//!
//! What is configured only. Who is active, and why, is decided by `haechi-vrrp` and is no part of a snapshot.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{GroupName, InterfaceName, PeerName, PoolIndex, ProgramName, VirtualRouterName};

/// One entry of `virtualRouters`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualRouter {
    /// Its key in the config.
    pub name: VirtualRouterName,
    /// The virtual router's number on its network (VRID), the same on all its nodes.
    pub id: NonZeroU8,
    /// Where its addresses live.
    pub interface: InterfaceName,
    /// What moves: 1 to 255, all of one family, in the order of the config.
    pub addresses: Vec<VirtualAddress>,
    /// The greatest living one becomes active. 255 is the address owner's, who never waits (RFC 9568 §5.2.4).
    pub priority: NonZeroU8,
    /// From one advertisement to the next: 10 ms to 40.95 s in whole centiseconds, because 12 bits of them
    /// are what fits on the wire (RFC 9568 §5.2.7).
    pub advertisement_interval: Duration,
    /// Whether a better node takes over from a living one.
    pub preempt: bool,
    /// How long a better node waits before it takes over from a living one.
    pub preempt_delay: Duration,
    /// No claim before this after the start: kernel, switch ports and probes settle first.
    pub startup_delay: Duration,
    /// How advertisements travel.
    pub transport: Transport,
    /// Who puts the addresses on this node and takes them away.
    pub mover: Mover,
    /// Whether the addresses have the virtual router's MAC (RFC 9568 §7.3) and not the interface's.
    pub virtual_mac: bool,
    /// How neighbours are told where the addresses are.
    pub announce: Announcing,
    /// What makes this node a worse one.
    pub track: Track,
    /// The virtual routers that move together with this one.
    pub group: Option<GroupName>,
    /// After a move: how long the former active goes on serving its open flows.
    pub drain: Duration,
}

/// An address that moves, and the size of its network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VirtualAddress {
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length: at most 32 or 128.
    pub prefix: u8,
}

/// How advertisements travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// IP protocol 112, which every VRRPv3 router understands.
    Vrrp {
        /// Where they come from; the first address of the interface if not set (IPv6: its link-local one).
        source: Option<IpAddr>,
        /// If there are any: advertisements go to them as unicast, and only they are heard. Otherwise
        /// multicast, and everybody is heard.
        peers: Vec<Peer<IpAddr>>,
        /// How the checksum is formed.
        checksum: Checksum,
    },
    /// The same advertisement in authenticated UDP, for clouds that drop protocol 112 and for nodes without
    /// root.
    Udp {
        /// Where to listen and to send from.
        bind: SocketAddr,
        /// Never empty.
        peers: Vec<Peer<SocketAddr>>,
        /// File with the HMAC keys.
        keys: Box<str>,
    },
}

impl Transport {
    /// How many other nodes are named; none with multicast, where whoever is there takes part.
    pub const fn peers(&self) -> usize {
        match self {
            Self::Vrrp { peers, .. } => peers.len(),
            Self::Udp { peers, .. } => peers.len(),
        }
    }
}

/// Another node of the same virtual router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer<A> {
    /// Its key in the config.
    pub name: PeerName,
    /// Where it is: an IP address, or with UDP a port too.
    pub address: A,
}

/// What the checksum of an IPv4 advertisement covers. With IPv6 it always covers the pseudo-header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Checksum {
    /// Both forms are heard; sent is the form that was heard last from another node, and `PseudoHeader`
    /// until then.
    #[default]
    Auto,
    /// The pseudo-header too: RFC 5798 §5.2.8, and what keepalived sends by default.
    PseudoHeader,
    /// The message only: RFC 9568 §5.2.8, and VRRPv2.
    Plain,
}

/// Who puts the addresses on this node and takes them away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Mover {
    /// The kernel's addresses, through netlink.
    #[default]
    Netlink,
    /// Listeners bind and unbind; no kernel address is touched, so no privilege is needed.
    Bind,
    /// Program and arguments, no shell: for clouds that move an address by an API.
    Command(Vec<Box<str>>),
}

/// How neighbours are told where the addresses are: gratuitous ARP, or unsolicited neighbour advertisements.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Announcing {
    /// How many at a takeover, and again as many after [`again`](Self::again). At least 1.
    pub repeat: u8,
    /// From one of them to the next.
    pub interval: Duration,
    /// When they are repeated: a switch port that was still learning dropped the first ones. Zero: never.
    pub again: Duration,
    /// One more every so often while active, so that a switch whose table ages does not forget. Zero: never.
    pub refresh: Duration,
}

/// keepalived's five at once and five after 5 s (`garp_master_repeat`, `garp_master_delay`). Refresh is a
/// fifth of the 300 s in which most switches forget a MAC.
impl Default for Announcing {
    fn default() -> Self {
        Self {
            repeat: 5,
            interval: Duration::from_millis(100),
            again: Duration::from_secs(5),
            refresh: Duration::from_secs(60),
        }
    }
}

/// What makes this node a worse one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// Links that must be up.
    pub interfaces: Vec<TrackedInterface>,
    /// Pools that must have something to give.
    pub pools: Vec<TrackedPool>,
    /// Programs that must exit with 0.
    pub programs: Vec<TrackedProgram>,
    /// This node's own proxy must answer; `None` does not ask it.
    pub proxy: Option<TrackEffect>,
    /// Real requests must succeed.
    pub requests: Option<TrackedRequests>,
}

/// Nothing but the own proxy: a node that can't serve must not hold the address.
impl Default for Track {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            pools: Vec::new(),
            programs: Vec::new(),
            proxy: Some(TrackEffect::Fault),
            requests: None,
        }
    }
}

/// What a tracked thing does while it is bad.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TrackEffect {
    /// Lowers the priority by so much; never below 1.
    Lower(NonZeroU8),
    /// Takes this node out.
    Fault,
}

/// A link that must be up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedInterface {
    /// Which.
    pub interface: InterfaceName,
    /// While it is down.
    pub effect: TrackEffect,
}

/// A pool that must have something to give.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedPool {
    /// Which.
    pub pool: PoolIndex,
    /// It is bad while less than this percentage of its endpoints can serve.
    pub healthy_share: u8,
    /// While it is bad.
    pub effect: TrackEffect,
}

/// A program that must exit with 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedProgram {
    /// Its key in the config.
    pub name: ProgramName,
    /// Program and arguments; no shell. Never empty.
    pub command: Vec<Box<str>>,
    /// From one start to the next.
    pub interval: Duration,
    /// How long it may run; then it is ended and counts as bad.
    pub timeout: Duration,
    /// While it is bad.
    pub effect: TrackEffect,
}

/// Real requests must succeed, as far as this node is to blame for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackedRequests {
    /// How far back is looked.
    pub window: Duration,
    /// Bad while at least this percentage of them failed.
    pub failed_share: u8,
    /// With fewer requests in the window nothing is said about them.
    pub minimum: u32,
    /// While it is bad.
    pub effect: TrackEffect,
}
