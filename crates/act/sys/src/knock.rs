//! Whether a TCP port answers at a link-layer address of our choice: a SYN as a frame, the SYN-ACK as a frame, and a
//! RST that ends it.
//!
//! For who wants to see an address as other hosts on the link see it while this host's kernel has the address too: its
//! own connections would end at itself, and answers from an address of its own it drops unread. It changes no setting
//! of the kernel, so nothing is left behind, whatever becomes of the process.

mod segments;

use std::io;
use std::net::{IpAddr, SocketAddr};

use haechi_model::InterfaceName;

use crate::mac::Mac;
use crate::packet::{Frames, IPV4, IPV6};
use segments::{ACK, Ends, RST, SYN, filter, read, segment};

/// Bytes of a frame that are looked at: an answer has no data, and few options.
const LONGEST: usize = 256;

/// Knocks at one port through one interface.
#[derive(Debug)]
pub struct Knocker {
    frames: Frames,
    own: Mac,
    source: IpAddr,
    target: SocketAddr,
}

/// What a knock came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The port that it came from.
    pub port: u16,
    /// Somebody listens; `false` if nobody does.
    pub open: bool,
}

impl Knocker {
    /// Prepares it; nothing is sent yet. `own` and `source` are this host's on the interface. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `EPERM`: the right is missing. `ENODEV`: no such interface. `InvalidInput`: the addresses are of two families.
    pub fn open(interface: &InterfaceName, own: Mac, source: IpAddr, target: SocketAddr) -> io::Result<Self> {
        if source.is_ipv4() != target.is_ipv4() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "addresses of two families"));
        }
        let frames = Frames::of(interface, if source.is_ipv4() { IPV4 } else { IPV6 })?;
        frames.hear_only(&filter(target))?;
        Ok(Self { frames, own, source, target })
    }

    /// Sends a SYN from this port to whoever has this link-layer address.
    ///
    /// # Errors
    /// `ENETDOWN`: the interface is off. `WouldBlock`, `ENOBUFS`: its queue is full.
    pub fn knock(&self, to: Mac, port: u16) -> io::Result<()> {
        self.send(to, port, SYN, number(port))
    }

    /// The next answer, `None` when there is none yet. What was opened is ended at once.
    ///
    /// # Errors
    /// `ENETDOWN`: the interface was switched off.
    pub fn next_answer(&self) -> io::Result<Option<Heard>> {
        let mut buffer = [0; LONGEST];
        let ours = |frame: &[u8]| {
            let said = read(frame, self.target, self.source)?;
            let next = number(said.port).wrapping_add(1);
            (said.acknowledged == next && said.flags & ACK != 0).then_some((said, next))
        };
        let Some((said, next)) = self.frames.find(&mut buffer, ours)? else { return Ok(None) };
        let open = said.flags & SYN != 0;
        if open && said.flags & RST == 0 {
            self.send(said.from, said.port, RST, next)?;
        }
        Ok(Some(Heard { port: said.port, open }))
    }

    fn send(&self, to: Mac, port: u16, flags: u8, number: u32) -> io::Result<()> {
        let ends = Ends {
            own: self.own,
            other: to,
            source: SocketAddr::new(self.source, port),
            target: self.target,
        };
        self.frames.send(&segment(&ends, flags, number))
    }
}

/// Where the numbers of a connection from this port begin: any will do, if it is the same when the answer comes.
fn number(port: u16) -> u32 {
    u32::from(port).wrapping_mul(0x9e37_79b9)
}
