//! Which listening sockets are open: bound before anything changes, left after everything has.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use haechi_model::{ListenerKind, ListenerName, Mover, Snapshot};
use haechi_sys::net::{Presence, Speaks, listen, listen_alone};

type Key = (ListenerName, SocketAddr);

/// The addresses that the workers stand on.
#[derive(Debug)]
pub(crate) struct Sockets {
    workers: usize,
    /// With a second descriptor of each socket, to be passed on by [`lend`](Self::lend).
    open: HashMap<Key, Vec<TcpListener>>,
    /// What another process stood on, until this one stands on it.
    inherited: HashMap<SocketAddr, Vec<TcpListener>>,
    /// Addresses of virtual routers with `mover: bind` that are this node's now.
    claimed: HashSet<IpAddr>,
}

/// New sockets, one for each worker at least, not serving yet.
#[derive(Debug, Default)]
pub struct Bound(Vec<(Key, Vec<TcpListener>)>);

impl Bound {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An address that can't be had.
#[derive(Debug)]
pub struct BindError {
    /// Whose it would be.
    pub listener: ListenerName,
    /// Which one.
    pub address: SocketAddr,
    /// Why not.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, address, error } = self;
        write!(f, "listener {listener} can't stand on {address}: {error}")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "\n  help: another program listens there; `ss -ltnp 'sport = :{}'` shows which",
                    address.port()
                )
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "\n  help: ports below 1024 need root or CAP_NET_BIND_SERVICE; a port from 1024 on needs neither"
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(
                    f,
                    "\n  help: no interface of this machine has this address; `ip addr` lists those it has, and one \
                     that a virtual router moves must stand in its `addresses`"
                )
            }
            _ => Ok(()),
        }
    }
}

impl Sockets {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, open: HashMap::new(), inherited: HashMap::new(), claimed: HashSet::new() }
    }

    pub(crate) fn bind(&self, snapshot: &Snapshot) -> Result<Bound, Vec<BindError>> {
        let mut bound = Bound::default();
        let mut errors = Vec::new();
        let routers = snapshot.virtual_routers.iter();
        let roaming: HashSet<IpAddr> =
            routers.flat_map(|router| router.addresses.iter().map(|one| one.address)).collect();
        for (key, speaks) in self.wanted(snapshot) {
            if self.open.contains_key(&key) {
                continue;
            }
            let presence = if roaming.contains(&key.1.ip()) { Presence::Anywhere } else { Presence::Here };
            match self.bind_one(key.1, speaks, presence) {
                Ok(sockets) => bound.0.push((key, sockets)),
                Err(error) => errors.push(BindError { listener: key.0, address: key.1, error }),
            }
        }
        if errors.is_empty() { Ok(bound) } else { Err(errors) }
    }

    fn bind_one(
        &self,
        address: SocketAddr,
        speaks: Speaks,
        presence: Presence,
    ) -> io::Result<Vec<TcpListener>> {
        if let Some(inherited) = self.inherited.get(&address) {
            // All of them, also for fewer workers: connections wait in each. And more for more workers.
            let more = (inherited.len()..self.workers).map(|_| listen(address, speaks, presence));
            return inherited.iter().map(TcpListener::try_clone).chain(more).collect();
        }
        // SO_REUSEPORT would let two haechi of one user share a port, each with half of the connections and
        // neither knowing: a socket without it finds out first. A listener of our own may move its name.
        // An address that listeners follow may still be stood on by the one who had it, for as long as it hands over.
        let follows = self.claimed.contains(&address.ip());
        if !follows && !self.open.keys().any(|(_, open)| *open == address) {
            drop(listen_alone(address, presence)?);
        }
        (0..self.workers).map(|_| listen(address, speaks, presence)).collect()
    }

    /// Takes new sockets over; gives them by worker.
    pub(crate) fn adopt(&mut self, bound: Bound) -> Vec<Vec<(ListenerName, SocketAddr, TcpListener)>> {
        let mut by_worker: Vec<Vec<_>> = (0..self.workers).map(|_| Vec::new()).collect();
        for ((name, address), sockets) in bound.0 {
            // It was claimed, and bound for, meanwhile.
            if self.open.contains_key(&(name.clone(), address)) {
                continue;
            }
            // Without a second descriptor it can't be passed on, which the next process mends by a socket of its own.
            let second = sockets.iter().filter_map(|socket| socket.try_clone().ok()).collect();
            for (number, socket) in sockets.into_iter().enumerate() {
                by_worker[number % self.workers].push((name.clone(), address, socket));
            }
            self.open.insert((name, address), second);
        }
        by_worker
    }

    /// What is stood on, by address, for another process to stand on too.
    pub(crate) fn lend(&self) -> io::Result<Vec<(SocketAddr, Vec<OwnedFd>)>> {
        let second = |socket: &TcpListener| socket.try_clone().map(OwnedFd::from);
        let all = self.open.iter().map(|((_, address), sockets)| {
            sockets.iter().map(second).collect::<io::Result<_>>().map(|sockets| (*address, sockets))
        });
        all.collect()
    }

    /// Addresses of virtual routers with `mover: bind` that are this node's now, in order.
    pub(crate) fn claimed(&self) -> Vec<IpAddr> {
        let mut claimed: Vec<IpAddr> = self.claimed.iter().copied().collect();
        claimed.sort_unstable();
        claimed
    }

    /// What another process lends: taken where it is wanted.
    pub(crate) fn inherit(&mut self, lent: Vec<(SocketAddr, Vec<OwnedFd>)>) {
        let sockets = |sockets: Vec<OwnedFd>| sockets.into_iter().map(TcpListener::from).collect();
        self.inherited = lent.into_iter().map(|(address, lent)| (address, sockets(lent))).collect();
    }

    /// Nothing is stood on any more: what is not held by others closes with the workers' own descriptors.
    pub(crate) fn forget_all(&mut self) {
        self.open.clear();
        self.inherited.clear();
    }

    /// Forgets what `snapshot` does not need; gives it.
    pub(crate) fn keep_only(&mut self, snapshot: &Snapshot) -> Vec<Key> {
        let wanted: HashSet<Key> = self.wanted(snapshot).map(|(key, _)| key).collect();
        self.open.extract_if(|key, _| !wanted.contains(key)).map(|(key, _)| key).collect()
    }

    /// Says whether these addresses are this node's to stand on.
    pub(crate) fn claim(&mut self, addresses: &[IpAddr], here: bool) {
        if here {
            self.claimed.extend(addresses);
        } else {
            self.claimed.retain(|address| !addresses.contains(address));
        }
    }

    /// What should be stood on now: not what a virtual router's listeners follow while another node has it.
    fn wanted(&self, snapshot: &Snapshot) -> impl Iterator<Item = (Key, Speaks)> {
        let following = snapshot.virtual_routers.iter().filter(|router| router.mover == Mover::Bind);
        let away: HashSet<IpAddr> = following
            .flat_map(|router| router.addresses.iter().map(|one| one.address))
            .filter(|address| !self.claimed.contains(address))
            .collect();
        let all = snapshot.listeners.iter().flat_map(|listener| {
            let speaks = match listener.kind {
                ListenerKind::Http(_) | ListenerKind::Tls(_) => Speaks::ClientFirst,
                ListenerKind::Tcp(_) => Speaks::Anyone,
            };
            listener.bind.iter().map(move |address| ((listener.name.clone(), *address), speaks))
        });
        all.filter(move |((_, address), _)| !away.contains(&address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;
    use std::time::Duration;

    use haechi_model::{Listener, PoolIndex, TcpListener, VirtualAddress, VirtualRouter};

    use super::*;

    /// Addresses for documentation (RFC 5737): a machine that has one is set up wrongly.
    const VIRTUAL: [u8; 4] = [203, 0, 113, 1];
    const OTHER: [u8; 4] = [203, 0, 113, 2];
    /// For the test that binds at the same time.
    const MOVING: [u8; 4] = [203, 0, 113, 3];

    fn router(address: IpAddr) -> VirtualRouter {
        let addresses = vec![VirtualAddress { address, prefix: 24 }];
        VirtualRouter { addresses, ..haechi_config::defaults::virtual_router("edge", NonZeroU8::MIN, "eth0") }
    }

    fn listener(ip: [u8; 4], port: u16) -> Listener {
        let kind = ListenerKind::Tcp(TcpListener { pool: PoolIndex(0), idle_timeout: Duration::ZERO });
        Listener { name: "db".into(), bind: vec![(ip, port).into()], kind, max_connections: None }
    }

    #[test]
    fn a_virtual_address_is_stood_on_wherever_it_is_now() {
        let sockets = Sockets::new(2);
        let mut snapshot = Snapshot { listeners: vec![listener(VIRTUAL, 8080)], ..Snapshot::default() };
        let refused = sockets.bind(&snapshot).unwrap_err();
        assert_eq!(refused[0].error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(refused[0].to_string().contains("must stand in its `addresses`"), "{}", refused[0]);

        snapshot.virtual_routers = vec![router(IpAddr::from(VIRTUAL))];
        let bound = sockets.bind(&snapshot).unwrap();
        assert_eq!(bound.0[0].1.len(), 2, "a socket for each worker");

        snapshot.listeners[0].bind.push((OTHER, 8080).into());
        drop(bound);
        let refused = sockets.bind(&snapshot).unwrap_err();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].address.ip(), IpAddr::from(OTHER), "a mistyped address is still noticed");
    }

    #[test]
    fn listeners_follow_an_address_that_is_bound_when_it_is_claimed() {
        let mut sockets = Sockets::new(1);
        let mut snapshot = Snapshot { listeners: vec![listener(MOVING, 8080)], ..Snapshot::default() };
        snapshot.virtual_routers = vec![VirtualRouter { mover: Mover::Bind, ..router(MOVING.into()) }];
        let bound = |sockets: &Sockets, snapshot: &Snapshot| sockets.bind(snapshot).unwrap().0.len();
        assert_eq!(bound(&sockets, &snapshot), 0, "another node may have it");
        sockets.claim(&[MOVING.into()], true);
        let (first, second) = (sockets.bind(&snapshot).unwrap(), sockets.bind(&snapshot).unwrap());
        assert_eq!(sockets.adopt(first)[0].len(), 1);
        assert_eq!(sockets.adopt(second)[0].len(), 0, "once is enough");
        assert_eq!(sockets.keep_only(&snapshot), []);
        sockets.claim(&[MOVING.into()], false);
        assert_eq!(sockets.keep_only(&snapshot).len(), 1, "it is left");
    }
}
