//! Where advertisements go out and come in. Virtual routers of one interface share a port: a hundred of them with
//! a socket each would hear every advertisement a hundred times.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use haechi_model::InterfaceName;
use haechi_sys::Family;
use haechi_sys::raw::{Advertisements, Hears, LARGEST};
use haechi_vrrp::packet::{Advertisement, Carrier, ChecksumForm, DecodeError};

/// Advertisements taken from one port in a turn: what 255 virtual routers send in one interval. A flood beyond it
/// waits while the others have their turn.
const TURN: usize = 256;

/// Which port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) interface: InterfaceName,
    pub(crate) v6: bool,
    /// By name: only peers are heard.
    pub(crate) unicast: bool,
}

impl Key {
    pub(crate) const fn family(&self) -> Family {
        if self.v6 { Family::V6 } else { Family::V4 }
    }
}

/// What came in.
pub(crate) struct Heard {
    pub(crate) source: IpAddr,
    pub(crate) form: ChecksumForm,
    pub(crate) advertisement: Advertisement,
}

/// The open sockets.
#[derive(Default)]
pub(crate) struct Ports {
    open: BTreeMap<Key, Advertisements>,
}

impl Ports {
    /// Opens what is wanted and is not there, and closes what nobody wants. `index` is the number that the
    /// interface has now: a socket of an interface that went and came back hears nothing.
    pub(crate) fn want(&mut self, wanted: &BTreeMap<Key, u32>) {
        self.open.retain(|key, port| wanted.get(key) == Some(&port.interface()));
        for key in wanted.keys() {
            if self.open.contains_key(key) {
                continue;
            }
            let hears = if key.unicast { Hears::Unicast } else { Hears::Group };
            match Advertisements::open(key.family(), &key.interface, hears) {
                Ok(port) => drop(self.open.insert(key.clone(), port)),
                Err(error) => {
                    tracing::error!(interface = %key.interface, %error, "no socket for VRRP{}", way_out(&error))
                }
            }
        }
    }

    pub(crate) fn is_open(&self, key: &Key) -> bool {
        self.open.contains_key(key)
    }

    pub(crate) fn send(&self, key: &Key, bytes: &[u8], source: IpAddr, to: IpAddr) -> io::Result<()> {
        let port = self.open.get(key).ok_or(io::ErrorKind::NotConnected)?;
        port.send(bytes, source, to)
    }

    /// Keys and descriptors, in one order for poll(2) and for [`Self::receive`].
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (&Key, BorrowedFd<'_>)> {
        self.open.iter().map(|(key, port)| (key, port.as_fd()))
    }

    /// Takes what is there.
    pub(crate) fn receive(&self, key: &Key, mut take: impl FnMut(Result<Heard, DecodeError>)) {
        let Some(port) = self.open.get(key) else { return };
        let mut buffer = [0; LARGEST];
        for _ in 0..TURN {
            match port.receive(&mut buffer) {
                Ok(it) => {
                    let carrier = Carrier::Ip {
                        source: it.source,
                        destination: it.destination,
                        hop_limit: it.hop_limit,
                    };
                    let decoded = Advertisement::decode(it.payload, carrier);
                    take(decoded.map(|(advertisement, form)| Heard {
                        source: it.source,
                        form,
                        advertisement,
                    }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(interface = %key.interface, %error, "receiving");
                    return;
                }
            }
        }
    }
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": it needs CAP_NET_RAW (AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN in the systemd unit); \
             `transport: udp` needs no right"
        }
        _ => "",
    }
}
