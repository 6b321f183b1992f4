//! Which listening sockets are open: bound before anything changes, left after everything has.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use haechi_model::{ListenerKind, ListenerName, Mover, Snapshot};
use haechi_sys::datagrams;
use haechi_sys::net::{Presence, Speaks, listen, listen_alone};

#[cfg(feature = "http3")]
use crate::http3;
use crate::udp::LentFlow;

/// Sockets of one kind by their address, for another process.
pub type LentSockets = Vec<(SocketAddr, Vec<OwnedFd>)>;

/// What another process may stand on too.
#[derive(Debug, Default)]
pub struct Lent {
    /// Listening TCP sockets.
    pub streams: LentSockets,
    /// UDP sockets.
    pub datagrams: LentSockets,
}

/// A socket to open, and what goes on through it.
pub(crate) struct Opening {
    pub(crate) stand: Stand,
    pub(crate) socket: Socket,
    /// Which one of those that stand there.
    pub(crate) number: usize,
    pub(crate) flows: Vec<LentFlow>,
    /// How those that stand there pass on what is another's.
    #[cfg(feature = "http3")]
    pub(crate) mail: http3::Mail,
}

/// Where a listener stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stand {
    pub(crate) listener: ListenerName,
    pub(crate) wire: Wire,
    pub(crate) address: SocketAddr,
}

/// What a port belongs to: TCP and UDP have ports of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Wire {
    Stream,
    Datagram,
}

/// A socket that stands.
#[derive(Debug)]
pub(crate) enum Socket {
    Stream(TcpListener),
    Datagram(UdpSocket),
}

impl Socket {
    fn new(stand: &Stand, speaks: Speaks, presence: Presence) -> io::Result<Self> {
        match stand.wire {
            Wire::Stream => listen(stand.address, speaks, presence).map(Self::Stream),
            Wire::Datagram => datagrams::stand(stand.address, presence).map(Self::Datagram),
        }
    }

    fn inherited(wire: Wire, descriptor: OwnedFd) -> Self {
        match wire {
            Wire::Stream => Self::Stream(descriptor.into()),
            Wire::Datagram => Self::Datagram(descriptor.into()),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Stream(socket) => socket.try_clone().map(Self::Stream),
            Self::Datagram(socket) => socket.try_clone().map(Self::Datagram),
        }
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::Stream(socket) => socket.into(),
            Socket::Datagram(socket) => socket.into(),
        }
    }
}

/// The addresses that the workers stand on.
#[derive(Debug)]
pub(crate) struct Sockets {
    workers: usize,
    /// With a second descriptor of each socket, to be passed on by [`lend`](Self::lend).
    open: HashMap<Stand, Vec<Socket>>,
    /// What another process stood on, until this one stands on it.
    inherited: HashMap<(Wire, SocketAddr), Vec<Socket>>,
    /// What went on through these, until then.
    flows: Vec<LentFlow>,
    /// Addresses of virtual routers with `mover: bind` that are this node's now.
    claimed: HashSet<IpAddr>,
}

/// New sockets, one for each worker at least, not serving yet.
#[derive(Debug, Default)]
pub struct Bound(Vec<(Stand, Vec<Socket>)>);

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
    pub(crate) wire: Wire,
    /// Which one.
    pub address: SocketAddr,
    /// Why not.
    pub error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, wire, address, error } = self;
        write!(f, "listener {listener} can't stand on {address}: {error}")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "\n  help: another program listens there; `ss -l{}np 'sport = :{}'` shows which",
                    if *wire == Wire::Stream { 't' } else { 'u' },
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
        Self {
            workers,
            open: HashMap::new(),
            inherited: HashMap::new(),
            flows: Vec::new(),
            claimed: HashSet::new(),
        }
    }

    pub(crate) fn bind(&self, snapshot: &Snapshot) -> Result<Bound, Vec<BindError>> {
        let mut bound = Bound::default();
        let mut errors = Vec::new();
        let routers = snapshot.virtual_routers.iter();
        let roaming: HashSet<IpAddr> =
            routers.flat_map(|router| router.addresses.iter().map(|one| one.address)).collect();
        for (stand, speaks) in self.wanted(snapshot) {
            if self.open.contains_key(&stand) {
                continue;
            }
            let (address, wire) = (stand.address, stand.wire);
            let presence = if roaming.contains(&address.ip()) { Presence::Anywhere } else { Presence::Here };
            match self.bind_one(&stand, &bound, speaks, presence) {
                Ok(sockets) => bound.0.push((stand, sockets)),
                Err(error) => errors.push(BindError { listener: stand.listener, wire, address, error }),
            }
        }
        if errors.is_empty() { Ok(bound) } else { Err(errors) }
    }

    fn bind_one(
        &self,
        stand: &Stand,
        bound: &Bound,
        speaks: Speaks,
        presence: Presence,
    ) -> io::Result<Vec<Socket>> {
        let address = stand.address;
        let new = |_| Socket::new(stand, speaks, presence);
        if let Some(inherited) = self.inherited.get(&(stand.wire, address)) {
            // All of them, also for fewer workers: connections wait in each. And more for more workers, but not of
            // UDP: the kernel would give flows that are under way to other sockets.
            let wanted = if stand.wire == Wire::Stream { self.workers } else { 0 };
            let more = (inherited.len()..wanted).map(new);
            return inherited.iter().map(Socket::try_clone).chain(more).collect();
        }
        // SO_REUSEPORT would let two haechi of one user share a port, each with half of the connections and
        // neither knowing: a socket without it finds out first. A listener of our own may move its name.
        // An address that listeners follow may still be stood on by the one who had it, for as long as it hands over.
        let follows = self.claimed.contains(&address.ip());
        let mut ours = self.open.keys().chain(bound.0.iter().map(|(stand, _)| stand));
        match stand.wire {
            Wire::Stream if !follows && !self.open.keys().any(|open| is_at(open, stand)) => {
                drop(listen_alone(address, presence)?);
            }
            // Of UDP one address beside all addresses is in its way too.
            Wire::Datagram
                if !follows
                    && !ours.any(|our| our.wire == stand.wire && our.address.port() == address.port()) =>
            {
                drop(datagrams::stand_alone(address, presence)?);
            }
            _ => {}
        }
        (0..self.workers).map(new).collect()
    }

    /// Takes new sockets over; gives them by worker.
    pub(crate) fn adopt(&mut self, bound: Bound) -> Vec<Vec<Opening>> {
        let mut by_worker: Vec<Vec<_>> = (0..self.workers).map(|_| Vec::new()).collect();
        for (stand, sockets) in bound.0 {
            // It was claimed, and bound for, meanwhile.
            if self.open.contains_key(&stand) {
                continue;
            }
            // Without a second descriptor it can't be passed on, which the next process mends by a socket of its own.
            let second = sockets.iter().filter_map(|socket| socket.try_clone().ok()).collect();
            #[cfg(feature = "http3")]
            let mut mail = http3::mail(sockets.len()).into_iter();
            for (number, socket) in sockets.into_iter().enumerate() {
                #[cfg(feature = "http3")]
                let Some(mail) = mail.next() else { break };
                let mut is_its = |flow: &mut LentFlow| {
                    let state = &flow.state;
                    stand.wire == Wire::Datagram && (state.stand, state.number) == (stand.address, number)
                };
                let flows = self.flows.extract_if(.., &mut is_its).collect();
                by_worker[number % self.workers].push(Opening {
                    stand: stand.clone(),
                    socket,
                    number,
                    flows,
                    #[cfg(feature = "http3")]
                    mail,
                });
            }
            self.open.insert(stand, second);
        }
        by_worker
    }

    /// What is stood on, by address, for another process to stand on too.
    pub(crate) fn lend(&self) -> io::Result<Lent> {
        let second = |socket: &Socket| socket.try_clone().map(OwnedFd::from);
        let all = |wire: Wire| {
            let stands = self.open.iter().filter(|(stand, _)| stand.wire == wire);
            let lent = stands.map(|(stand, sockets)| {
                sockets.iter().map(second).collect::<io::Result<_>>().map(|sockets| (stand.address, sockets))
            });
            lent.collect::<io::Result<LentSockets>>()
        };
        Ok(Lent { streams: all(Wire::Stream)?, datagrams: all(Wire::Datagram)? })
    }

    /// Addresses of virtual routers with `mover: bind` that are this node's now, in order.
    pub(crate) fn claimed(&self) -> Vec<IpAddr> {
        let mut claimed: Vec<IpAddr> = self.claimed.iter().copied().collect();
        claimed.sort_unstable();
        claimed
    }

    /// What another process lends: taken where it is wanted.
    pub(crate) fn inherit(&mut self, lent: Lent) {
        let all = |wire, lent: LentSockets| {
            lent.into_iter().map(move |(address, sockets)| {
                let sockets = sockets.into_iter().map(|socket| Socket::inherited(wire, socket)).collect();
                ((wire, address), sockets)
            })
        };
        self.inherited = all(Wire::Stream, lent.streams).chain(all(Wire::Datagram, lent.datagrams)).collect();
        self.flows.clear();
    }

    /// What goes on through inherited sockets.
    pub(crate) fn inherit_flows(&mut self, flows: Vec<LentFlow>) {
        self.flows = flows;
    }

    /// Nothing is stood on any more: what is not held by others closes with the workers' own descriptors.
    pub(crate) fn forget_all(&mut self) {
        self.open.clear();
        self.inherited.clear();
    }

    /// Forgets what `snapshot` does not need; gives it.
    pub(crate) fn keep_only(&mut self, snapshot: &Snapshot) -> Vec<Stand> {
        let wanted: HashSet<Stand> = self.wanted(snapshot).map(|(stand, _)| stand).collect();
        self.open.extract_if(|stand, _| !wanted.contains(stand)).map(|(stand, _)| stand).collect()
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
    fn wanted(&self, snapshot: &Snapshot) -> impl Iterator<Item = (Stand, Speaks)> {
        let following = snapshot.virtual_routers.iter().filter(|router| router.mover == Mover::Bind);
        let away: HashSet<IpAddr> = following
            .flat_map(|router| router.addresses.iter().map(|one| one.address))
            .filter(|address| !self.claimed.contains(address))
            .collect();
        let all = snapshot.listeners.iter().flat_map(|listener| {
            let (wire, speaks) = match listener.kind {
                ListenerKind::Http(_) | ListenerKind::Tls(_) => (Wire::Stream, Speaks::ClientFirst),
                ListenerKind::Tcp(_) => (Wire::Stream, Speaks::Anyone),
                ListenerKind::Udp(_) => (Wire::Datagram, Speaks::Anyone),
            };
            let too = matches!(&listener.kind, ListenerKind::Http(http) if http.http3);
            let wires = std::iter::once(wire).chain((too && crate::SPEAKS_HTTP3).then_some(Wire::Datagram));
            let stand = move |wire, address: &SocketAddr| Stand {
                listener: listener.name.clone(),
                wire,
                address: *address,
            };
            wires
                .flat_map(move |wire| listener.bind.iter().map(move |address| (stand(wire, address), speaks)))
        });
        all.filter(move |(stand, _)| !away.contains(&stand.address.ip()))
    }
}

fn is_at(one: &Stand, other: &Stand) -> bool {
    (one.wire, one.address) == (other.wire, other.address)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

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
        let kind = ListenerKind::Tcp(TcpListener {
            pool: PoolIndex(0),
            patience: haechi_config::defaults::PATIENCE,
        });
        Listener {
            name: "db".into(),
            bind: vec![(ip, port).into()],
            kind,
            max_connections: None,
            max_connections_per_client: None,
            proxy_protocol: None,
        }
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
