//! The `udp` transport: advertisements in sealed envelopes over a socket that needs no right.
//!
//! Numbers in envelopes only grow. Which life of the node it is comes from [`memory`](crate::memory), and survives a
//! restart and a clock that went back. In a life, messages are numbered in stretches, whose last number belongs to the
//! farewell that the keeper says when this process can't: it has no keys, so it gets the envelope ready-made, and that
//! must be newer than all that was said before it is needed. A process that finds out that it stood still goes on in
//! the next stretch, because the farewell may have been said.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haechi_sys::Family;
use haechi_sys::clock::wall;
use haechi_sys::raw::mark_as_control;
use haechi_vrrp::envelope::{Keys, Stamp, Window, open, seal};
use haechi_vrrp::packet::{Advertisement, Carrier};

use crate::counters::Dropped;
use crate::memory::{Remembered, next_epoch};
use crate::ports::Heard;

/// Numbers of a stretch. The keeper is told of a new one every some minutes; and who must leave a stretch without
/// noticing it is not heard for that long, so it is not more.
const STRETCH: u64 = 4096;

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

/// Messages with their envelopes.
type Sealed = BTreeMap<Vec<u8>, Vec<u8>>;

/// Who this node is in envelopes, and whom it believes.
pub(crate) struct Seals {
    node: String,
    /// Which life of this node: the wall time of its start in ns, and greater than that of every life before.
    epoch: u64,
    sequence: Cell<u64>,
    /// The number of the farewell, greater than what is said before it.
    last_word: Cell<u64>,
    /// Farewells with that number, by keys and message: the keeper is told of them with each sign of life.
    farewells: RefCell<BTreeMap<Box<str>, Sealed>>,
    /// Something was heard that [`remember`](Self::remember) did not give yet.
    news: bool,
    keys: BTreeMap<Box<str>, Keys>,
    /// One for each socket: what one peer sends to two of them may come in any order.
    windows: BTreeMap<SocketAddr, Window>,
}

impl Seals {
    pub(crate) fn new() -> Self {
        Self {
            node: String::new(),
            epoch: next_epoch(wall(), 0),
            sequence: Cell::new(0),
            last_word: Cell::new(STRETCH),
            farewells: RefCell::default(),
            news: false,
            keys: BTreeMap::new(),
            windows: BTreeMap::new(),
        }
    }

    pub(crate) fn configure(&mut self, node: String, keys: BTreeMap<Box<str>, Keys>) {
        self.node = node;
        self.keys = keys;
        self.forget_farewells();
    }

    /// Begins as the memory says.
    pub(crate) fn begin(&mut self, remembered: Remembered) {
        self.epoch = self.epoch.max(remembered.epoch);
        self.forget_farewells();
        self.windows = remembered.heard.into_iter().collect();
    }

    /// What the next life must know, if there is more than before.
    pub(crate) fn remember(&mut self) -> Option<Remembered> {
        std::mem::take(&mut self.news).then(|| self.page())
    }

    /// All that the next life must know.
    pub(crate) fn page(&self) -> Remembered {
        let (epoch, heard) = self.lend();
        Remembered { epoch, heard }
    }

    /// Takes back what [`remember`](Self::remember) gave: it was not kept.
    pub(crate) fn was_not_kept(&mut self) {
        self.news = true;
    }

    /// The farewell may have been said: what comes now is newer.
    pub(crate) fn skip(&self) {
        self.sequence.set(self.last_word.get());
        self.last_word.set(self.last_word.get().saturating_add(STRETCH));
        self.forget_farewells();
    }

    /// A process that was to go on did not, and may have spoken: another life begins.
    pub(crate) fn begin_anew(&mut self) {
        // That one's number was at least one greater.
        self.epoch = next_epoch(wall(), self.epoch.saturating_add(1));
        self.forget_farewells();
        self.news = true;
    }

    /// For a process that goes on.
    pub(crate) fn lend(&self) -> (u64, Vec<(SocketAddr, Window)>) {
        (self.epoch, self.windows.iter().map(|(port, window)| (*port, window.clone())).collect())
    }

    /// Goes on for a former process: with greater numbers, also where the wall clock went back, and hearing nothing
    /// twice.
    pub(crate) fn inherit(&mut self, epoch: u64, windows: Vec<(SocketAddr, Window)>) {
        self.epoch = self.epoch.max(epoch.saturating_add(1));
        self.forget_farewells();
        self.windows = windows.into_iter().collect();
    }

    /// Seals a message with the keys of this file.
    pub(crate) fn seal(&self, keys: &str, message: &[u8]) -> io::Result<Vec<u8>> {
        if self.sequence.get().saturating_add(1) >= self.last_word.get() {
            self.skip();
        }
        let sequence = self.sequence.get() + 1;
        let sealed = self.seal_as(sequence, keys, message)?;
        self.sequence.set(sequence);
        Ok(sealed)
    }

    /// Seals what the keeper says when this process can't any more: newer than all that is said until then. The same
    /// bytes for the same message, for as long as nothing is [skipped](Self::skip).
    pub(crate) fn seal_farewell(&self, keys: &str, message: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(sealed) = self.farewells.borrow().get(keys).and_then(|known| known.get(message)) {
            return Ok(sealed.clone());
        }
        let sealed = self.seal_as(self.last_word.get(), keys, message)?;
        let mut farewells = self.farewells.borrow_mut();
        farewells.entry(keys.into()).or_default().insert(message.to_vec(), sealed.clone());
        Ok(sealed)
    }

    /// They would have another stamp now.
    fn forget_farewells(&self) {
        self.farewells.borrow_mut().clear();
    }

    fn seal_as(&self, sequence: u64, keys: &str, message: &[u8]) -> io::Result<Vec<u8>> {
        let keys = self.keys.get(keys).ok_or_else(|| io::Error::other(format!("no keys from {keys}")))?;
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
        self.news = true;
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

    /// Neither word is an advertisement, which is looked at last.
    fn new(come: Result<Heard, Dropped>) -> bool {
        match come {
            Err(Dropped::Stale(Stale::Replayed)) => false,
            Err(Dropped::Broken(_)) => true,
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn the_keepers_farewell_is_newer_than_all_before_and_older_than_what_a_survivor_says() {
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let files = BTreeSet::from(["keys".into()]);
        let (lb1, mut lb2) = (seals("lb1", &[7; 32]), seals("lb2", &[7; 32]));
        let mut hears = |bytes: &[u8]| new(lb2.open(at, &files, bytes, at));
        let farewell = || lb1.seal_farewell("keys", b"bye").unwrap();
        let mut kept = farewell();
        let mut told = 1;
        for _ in 0..STRETCH * 3 {
            assert!(hears(&lb1.seal("keys", b"hello").unwrap()));
            if farewell() != kept {
                (kept, told) = (farewell(), told + 1);
            }
        }
        assert_eq!(told, 4, "the keeper is told once for each stretch");
        assert!(hears(&kept), "newer than all that was said");
        assert!(!hears(&kept), "and only once");
        assert!(!hears(&lb1.seal("keys", b"hello").unwrap()), "it does not know that its keeper spoke");
        lb1.skip();
        assert!(hears(&lb1.seal("keys", b"hello").unwrap()), "it found out");
        assert!(hears(&farewell()));
    }

    #[test]
    fn a_restart_with_a_lower_clock_is_heard_and_hears_no_recording() {
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let files = BTreeSet::from(["keys".into()]);
        let (mut lb1, mut lb2) = (seals("lb1", &[7; 32]), seals("lb2", &[7; 32]));
        // Its clock was a year ahead.
        lb1.begin(Remembered { epoch: lb1.epoch + 31_557_600_000_000_000, heard: Vec::new() });
        let recording = lb1.seal("keys", b"hello").unwrap();
        assert!(new(lb2.open(at, &files, &recording, at)));
        let theirs = lb2.seal("keys", b"hello").unwrap();
        assert!(new(lb1.open(at, &files, &theirs, at)));
        let page = lb1.remember().unwrap();
        assert_eq!(lb1.remember(), None, "nothing new");
        lb1.was_not_kept();
        assert_eq!(lb1.remember().as_ref(), Some(&page));

        let mut again = seals("lb1", &[7; 32]);
        assert!(again.epoch < page.epoch, "the clock is right now");
        again.begin(Remembered { epoch: next_epoch(wall(), page.epoch), ..page });
        assert!(new(lb2.open(at, &files, &again.seal("keys", b"hello").unwrap(), at)), "not locked out");
        assert!(!new(lb2.open(at, &files, &recording, at)), "its former life is over");
        assert!(!new(again.open(at, &files, &theirs, at)), "heard before the restart");
    }

    #[test]
    fn who_goes_on_after_all_is_heard_though_its_heir_spoke() {
        let at = SocketAddr::from(([127, 0, 0, 1], 1));
        let files = BTreeSet::from(["keys".into()]);
        let said = |by: &Seals| by.seal("keys", b"hello").unwrap();
        for ahead in [0, 31_557_600_000_000_000] {
            let (mut lb1, mut heir) = (seals("lb1", &[7; 32]), seals("lb1", &[7; 32]));
            let mut lb2 = seals("lb2", &[7; 32]);
            lb1.epoch += ahead;
            assert!(new(lb2.open(at, &files, &said(&lb1), at)));
            let (epoch, windows) = lb1.lend();
            heir.inherit(epoch, windows);
            assert!(new(lb2.open(at, &files, &said(&heir), at)));
            assert!(!new(lb2.open(at, &files, &said(&lb1), at)));
            lb1.begin_anew();
            assert!(new(lb2.open(at, &files, &said(&lb1), at)), "{ahead}");
        }
    }

    #[test]
    fn a_process_that_goes_on_is_heard_though_the_clock_went_back_and_hears_nothing_twice() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let files = BTreeSet::from(["keys".into()]);
        let said = |by: &Seals| by.seal("keys", b"hello").unwrap();
        let (mut before, mut peer) = (seals("lb1", &[7; 32]), seals("lb2", &[7; 32]));
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
