//! Where advertisements go out and come in. Virtual routers of one interface share a port: a hundred of them with
//! a socket each would hear every advertisement a hundred times.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haechi_model::InterfaceName;
use haechi_sys::Family;
use haechi_sys::raw::{Advertisements, Hears, LARGEST, Received};
use haechi_vrrp::envelope::MAX_LEN;
use haechi_vrrp::packet::{Advertisement, Carrier, ChecksumForm};

use crate::counters::Dropped;
use crate::udp::{Seals, UdpPort};

/// Advertisements taken from one port in a turn: what 255 virtual routers send in one interval. A flood beyond it
/// waits while the others have their turn.
const TURN: usize = 256;

/// Room for either message. An envelope that is longer is cut off, and then does not open.
const BUFFER: usize = if MAX_LEN > LARGEST { MAX_LEN } else { LARGEST };

/// Which port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    /// Protocol 112 on an interface. With `unicast` only what is sent to this host itself is heard.
    Vrrp { interface: InterfaceName, v6: bool, unicast: bool },
    /// Envelopes at this address.
    Udp(SocketAddr),
}

/// What must be known to open one.
pub(crate) struct Wanted {
    /// The number that its interface has now: a socket of an interface that went and came back hears nothing.
    pub(crate) index: u32,
    /// Files of keys that are taken there.
    pub(crate) keys: BTreeSet<Box<str>>,
}

enum Port {
    Vrrp(Advertisements),
    Udp(UdpPort),
}

impl Port {
    fn open(key: &Key, wanted: &Wanted) -> io::Result<Self> {
        match key {
            Key::Vrrp { interface, v6, unicast } => {
                let family = if *v6 { Family::V6 } else { Family::V4 };
                let hears = if *unicast { Hears::Unicast } else { Hears::Group };
                Advertisements::open(family, interface, hears).map(Self::Vrrp)
            }
            Key::Udp(bind) => UdpPort::open(*bind, wanted.keys.clone()).map(Self::Udp),
        }
    }

    fn serves(&self, wanted: &Wanted) -> bool {
        match self {
            Self::Vrrp(port) => port.interface() == wanted.index,
            Self::Udp(port) => port.keys == wanted.keys,
        }
    }
}

/// What came in.
pub(crate) struct Heard {
    pub(crate) source: IpAddr,
    pub(crate) form: ChecksumForm,
    pub(crate) advertisement: Advertisement,
}

/// The open sockets.
pub(crate) struct Ports {
    open: BTreeMap<Key, Port>,
    /// Of a former process, until they are wanted.
    inherited: BTreeMap<SocketAddr, OwnedFd>,
    pub(crate) seals: Seals,
}

impl Ports {
    pub(crate) fn new() -> Self {
        Self { open: BTreeMap::new(), inherited: BTreeMap::new(), seals: Seals::new() }
    }

    /// Sockets that a process which goes on must not have to bind.
    pub(crate) fn lend(&self) -> io::Result<Vec<(SocketAddr, OwnedFd)>> {
        let udp = self.open.iter().filter_map(|(key, port)| match (key, port) {
            (Key::Udp(bind), Port::Udp(port)) => Some(port.lend().map(|socket| (*bind, socket))),
            _ => None,
        });
        udp.collect()
    }

    /// Goes on with sockets of a former process.
    pub(crate) fn inherit(&mut self, sockets: impl IntoIterator<Item = (SocketAddr, OwnedFd)>) {
        self.inherited = sockets.into_iter().collect();
    }

    /// Opens what is wanted and is not there, and closes what nobody wants.
    pub(crate) fn want(&mut self, wanted: &BTreeMap<Key, Wanted>) {
        self.open.retain(|key, port| wanted.get(key).is_some_and(|wanted| port.serves(wanted)));
        for (key, wanted) in wanted {
            if self.open.contains_key(key) {
                continue;
            }
            let inherited = match key {
                Key::Udp(bind) => self.inherited.remove(bind),
                Key::Vrrp { .. } => None,
            };
            let port = match inherited {
                Some(socket) => Ok(Port::Udp(UdpPort::inherit(socket, wanted.keys.clone()))),
                None => Port::open(key, wanted),
            };
            match port {
                Ok(port) => drop(self.open.insert(key.clone(), port)),
                Err(error) => {
                    tracing::error!(?key, %error, "no socket for advertisements{}", way_out(key, &error));
                }
            }
        }
    }

    pub(crate) fn is_open(&self, key: &Key) -> bool {
        self.open.contains_key(key)
    }

    pub(crate) fn send(&self, key: &Key, bytes: &[u8], source: IpAddr, to: IpAddr) -> io::Result<()> {
        match self.open.get(key) {
            Some(Port::Vrrp(port)) => port.send(bytes, source, to),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Seals a message with the keys of a file, and sends it.
    pub(crate) fn send_sealed(
        &self,
        bind: SocketAddr,
        keys: &str,
        bytes: &[u8],
        to: SocketAddr,
    ) -> io::Result<()> {
        match self.open.get(&Key::Udp(bind)) {
            Some(Port::Udp(port)) => port.send(&self.seals.seal(keys, bytes)?, to),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Keys and descriptors, in one order for poll(2) and for [`Self::receive`].
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (&Key, BorrowedFd<'_>)> {
        self.open.iter().map(|(key, port)| match port {
            Port::Vrrp(port) => (key, port.as_fd()),
            Port::Udp(port) => (key, port.as_fd()),
        })
    }

    /// Takes what is there.
    pub(crate) fn receive(&mut self, key: &Key, mut take: impl FnMut(Result<Heard, Dropped>)) {
        let Some(port) = self.open.get(key) else { return };
        let mut buffer = [0; BUFFER];
        for _ in 0..TURN {
            let came = match port {
                Port::Vrrp(port) => port.receive(&mut buffer[..LARGEST]).map(decode),
                Port::Udp(port) => port.receive(&mut buffer).map(|(length, from)| {
                    let Key::Udp(bind) = key else { return Err(Dropped::NoKeys) };
                    self.seals.open(*bind, &port.keys, buffer.get(..length).unwrap_or_default(), from)
                }),
            };
            match came {
                Ok(came) => take(came),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Of UDP: an ICMP message for what was sent before. What waits behind it is heard.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => {
                    tracing::debug!(?key, %error, "receiving");
                    return;
                }
            }
        }
    }
}

fn decode(it: Received<'_>) -> Result<Heard, Dropped> {
    let carrier = Carrier::Ip { source: it.source, destination: it.destination, hop_limit: it.hop_limit };
    let (advertisement, form) = Advertisement::decode(it.payload, carrier).map_err(Dropped::Broken)?;
    Ok(Heard { source: it.source, form, advertisement })
}

fn way_out(key: &Key, error: &io::Error) -> &'static str {
    match (error.kind(), key) {
        (io::ErrorKind::PermissionDenied, Key::Vrrp { .. }) => {
            ": it needs CAP_NET_RAW (AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN in the systemd unit); \
             `transport: udp` needs no right"
        }
        (io::ErrorKind::AddrInUse, Key::Udp(_)) => ": another program has this port; `ss -lunp` shows which",
        _ => "",
    }
}
