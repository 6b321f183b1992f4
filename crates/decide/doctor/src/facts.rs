//! What was looked at, and what could not be.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Given;

/// What a look gave, or why nobody could look.
pub type Look<T> = Result<T, String>;

/// All that was found on a machine, for one config.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    /// What haechi may do: the running one if there is one, else whoever looks.
    pub given: Given,
    /// The machine.
    pub node: NodeFacts,
    /// Each address of each listener.
    pub ports: Vec<Port>,
    /// In the order of the config.
    pub routers: Vec<RouterFacts>,
}

/// The machine.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeFacts {
    /// The socket of the admin API: who runs there (in words), nobody, or why it can't be had.
    pub admin: Result<Option<String>, String>,
    /// The folder for what haechi remembers, and whether it can be written to.
    pub state: (String, Result<(), String>),
    /// Most open files; `None` is unlimited.
    pub open_files: Option<u64>,
    /// Wall time in seconds since 1970.
    pub wall_seconds: u64,
    /// Whether nftables takes what a hand-over needs.
    pub hand_over: Look<Result<(), String>>,
    /// Whether the kernel's clock follows another one (NTP).
    pub synchronised: Look<bool>,
    /// What `nft list ruleset` says.
    pub ruleset: Look<String>,
    /// What `iptables-legacy-save` and `ip6tables-legacy-save` say; empty where the kernel has none of their tables.
    pub legacy_rules: Look<String>,
    /// Interfaces that are up, the loopback aside.
    pub interfaces_up: usize,
}

/// An address of a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Of which listener.
    pub listener: String,
    /// The address.
    pub address: SocketAddr,
    /// Whether it can be had.
    pub found: Bind,
}

/// Whether an address can be listened on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bind {
    /// The running haechi does.
    Ours,
    /// Nobody does.
    Free,
    /// Somebody else does, or the kernel does not let it.
    Refused(String),
}

/// One virtual router.
#[derive(Clone, PartialEq, Debug)]
pub struct RouterFacts {
    /// Its interface, if there is one of that name.
    pub link: Look<Option<Link>>,
    /// Whether its socket for advertisements can be opened.
    pub socket: Look<Result<(), String>>,
    /// Advertisements of other nodes on its interface, the newest of each.
    pub heard: Look<Vec<Heard>>,
    /// For so long it was listened.
    pub listened: Duration,
    /// Who answers for each of its addresses.
    pub owners: Vec<(IpAddr, Look<Owners>)>,
    /// Whether its peers on the link answer: name, address, found.
    pub peers: Vec<(String, IpAddr, Look<bool>)>,
    /// `rp_filter` in force and `arp_ignore` of its interface (IPv4 only).
    pub rp_filter: Option<i32>,
    /// The greater of the interface's and that of `all`.
    pub arp_ignore: Option<i32>,
    /// Its keys file: permission bits, or why it can't be used.
    pub keys: Option<Result<u32, String>>,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// It can carry packets.
    pub usable: bool,
    /// Bytes of its largest packet.
    pub mtu: Option<u32>,
    /// Whether its neighbours are found by MAC.
    pub has_mac: bool,
}

/// An advertisement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Who says that it sent it.
    pub source: IpAddr,
    /// The virtual router's number.
    pub id: u8,
    /// Its sender's priority.
    pub priority: u8,
    /// What it holds.
    pub addresses: Vec<IpAddr>,
}

/// Who has an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owners {
    /// This host.
    pub here: bool,
    /// Others that answer, by their MACs.
    pub macs: Vec<String>,
}
