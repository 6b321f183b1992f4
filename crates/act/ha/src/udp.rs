//! The `udp` transport: advertisements in sealed envelopes over a socket that needs no right.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::UNIX_EPOCH;

use haechi_sys::Family;
use haechi_sys::clock::wall;
use haechi_sys::raw::mark_as_control;
use haechi_vrrp::envelope::{Keys, Stamp, Window, open, seal};
use haechi_vrrp::packet::{Advertisement, Carrier};

use crate::counters::Dropped;
use crate::ports::Heard;

/// A socket for envelopes.
#[derive(Debug)]
pub(crate) struct UdpPort {
    socket: UdpSocket,
    /// Files whose keys are taken here.
    pub(crate) keys: BTreeSet<Box<str>>,
}

impl UdpPort {
    pub(crate) fn open(bind: SocketAddr, keys: BTreeSet<Box<str>>) -> io::Result<Self> {
        let socket = UdpSocket::bind(bind)?;
        socket.set_nonblocking(true)?;
        mark_as_control(&socket, Family::of(bind.ip()));
        Ok(Self { socket, keys })
    }

    /// Goes on with the socket of a former process.
    pub(crate) fn inherit(socket: OwnedFd, keys: BTreeSet<Box<str>>) -> Self {
        Self { socket: socket.into(), keys }
    }

    /// For a process that goes on.
    pub(crate) fn lend(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(bytes, to).map(drop)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer)
    }
}

impl AsFd for UdpPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Who this node is in envelopes, and whom it believes.
pub(crate) struct Seals {
    node: String,
    /// Which life of this node: the wall time of its start in ns, and greater than that of a process it goes on for.
    epoch: u64,
    sequence: Cell<u64>,
    keys: BTreeMap<Box<str>, Keys>,
    /// One for each socket: what one peer sends to two of them may come in any order.
    windows: BTreeMap<SocketAddr, Window>,
}

impl Seals {
    pub(crate) fn new() -> Self {
        let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Self {
            node: String::new(),
            epoch,
            sequence: Cell::new(0),
            keys: BTreeMap::new(),
            windows: BTreeMap::new(),
        }
    }

    pub(crate) fn configure(&mut self, node: String, keys: BTreeMap<Box<str>, Keys>) {
        self.node = node;
        self.keys = keys;
    }

    /// For a process that goes on.
    pub(crate) fn lend(&self) -> (u64, Vec<(SocketAddr, Window)>) {
        (self.epoch, self.windows.iter().map(|(port, window)| (*port, window.clone())).collect())
    }

    /// Goes on for a former process: with greater numbers, also where the wall clock went back, and hearing nothing
    /// twice.
    pub(crate) fn inherit(&mut self, epoch: u64, windows: Vec<(SocketAddr, Window)>) {
        self.epoch = self.epoch.max(epoch.saturating_add(1));
        self.windows = windows.into_iter().collect();
    }

    /// Seals a message with the keys of this file.
    pub(crate) fn seal(&self, keys: &str, message: &[u8]) -> io::Result<Vec<u8>> {
        let keys = self.keys.get(keys).ok_or_else(|| io::Error::other(format!("no keys from {keys}")))?;
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        let stamp = Stamp { sender: &self.node, epoch: self.epoch, sequence };
        let mut sealed = Vec::new();
        seal(keys, stamp, message, &mut sealed).map_err(io::Error::other)?;
        Ok(sealed)
    }

    /// Opens what came at a socket where these files' keys are taken.
    pub(crate) fn open(
        &mut self,
        port: SocketAddr,
        files: &BTreeSet<Box<str>>,
        bytes: &[u8],
        from: SocketAddr,
    ) -> Result<Heard, Dropped> {
        let keys = files.iter().filter_map(|file| self.keys.get(file));
        let mut refused = None;
        let opened = keys.map(|keys| open(keys, bytes)).find_map(|opened| match opened {
            Ok(opened) => Some(opened),
            Err(error) => {
                refused = Some(error);
                None
            }
        });
        let opened = opened.ok_or_else(|| refused.map_or(Dropped::NoKeys, Dropped::Sealed))?;
        if opened.stamp.sender == self.node {
            return Err(Dropped::OwnName);
        }
        self.windows.entry(port).or_default().admit(opened.stamp).map_err(Dropped::Stale)?;
        let (advertisement, form) =
            Advertisement::decode(opened.message, Carrier::Envelope).map_err(Dropped::Broken)?;
        Ok(Heard { source: from.ip(), form, advertisement })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haechi_vrrp::envelope::{OpenError, Stale};
    use haechi_vrrp::packet::{Cover, Version};

    use super::*;

    fn seals(node: &str, key: &[u8]) -> Seals {
        let mut seals = Seals::new();
        let keys = Keys::new([(1, key)], 1).unwrap();
        seals.configure(node.into(), BTreeMap::from([("keys".into(), keys)]));
        seals
    }

    #[test]
    fn what_is_not_from_a_peer_with_the_key_and_new_is_dropped() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let files = BTreeSet::from(["keys".into()]);
        let mut message = Vec::new();
        let advertisement = Advertisement {
            version: Version::V3,
            id: 51,
            priority: 100,
            interval: Duration::from_millis(100),
            addresses: vec!["2001:db8::1".parse().unwrap()],
        };
        advertisement.encode(Cover::Message, &mut message).unwrap();
        let (lb1, mut lb2) = (seals("lb1", &[7; 32]), seals("lb2", &[7; 32]));
        let first = lb1.seal("keys", &message).unwrap();
        let second = lb1.seal("keys", &message).unwrap();
        let mut come = |bytes: &[u8]| lb2.open(address(1), &files, bytes, address(2));
        assert_eq!(come(&second).unwrap().advertisement, advertisement);
        assert_eq!(come(&second).err(), Some(Dropped::Stale(Stale::Replayed)));
        assert_eq!(come(&first).err(), Some(Dropped::Stale(Stale::Replayed)), "overtaken");
        let forged = seals("lb1", &[8; 32]).seal("keys", &message).unwrap();
        assert_eq!(come(&forged).err(), Some(Dropped::Sealed(OpenError::Forged)));
        let own = seals("lb2", &[7; 32]).seal("keys", &message).unwrap();
        assert_eq!(come(&own).err(), Some(Dropped::OwnName));
        let nonsense = lb1.seal("keys", b"hello").unwrap();
        assert!(matches!(come(&nonsense), Err(Dropped::Broken(_))));
        assert_eq!(lb2.open(address(1), &BTreeSet::new(), &first, address(2)).err(), Some(Dropped::NoKeys));
        assert!(lb1.seal("other", &message).is_err());
    }

    #[test]
    fn a_process_that_goes_on_is_heard_though_the_clock_went_back_and_hears_nothing_twice() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let files = BTreeSet::from(["keys".into()]);
        let said = |by: &Seals| by.seal("keys", b"hello").unwrap();
        let (mut before, mut peer) = (seals("lb1", &[7; 32]), seals("lb2", &[7; 32]));
        // Neither is an advertisement, which is looked at last.
        let new = |come: Result<Heard, Dropped>| matches!(come, Err(Dropped::Broken(_)));
        before.epoch = u64::MAX - 9;
        assert!(new(peer.open(address(1), &files, &said(&before), address(2))));
        let theirs = said(&peer);
        assert!(new(before.open(address(1), &files, &theirs, address(2))));

        let mut after = seals("lb1", &[7; 32]);
        let (epoch, windows) = before.lend();
        after.inherit(epoch, windows);
        assert!(new(peer.open(address(1), &files, &said(&after), address(2))), "its epoch grew");
        let stale = peer.open(address(1), &files, &said(&before), address(2));
        assert_eq!(stale.err(), Some(Dropped::Stale(Stale::Replayed)), "the former one counts no more");
        let again = after.open(address(1), &files, &theirs, address(2));
        assert_eq!(again.err(), Some(Dropped::Stale(Stale::Replayed)));
    }
}
