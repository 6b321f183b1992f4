//! Telling the link where an address is now, and asking who has one: ARP and neighbour discovery as frames.
//!
//! Frames and not the kernel's own announcements, because they must also come from a virtual MAC, be repeated,
//! and be sent for an address that the kernel has had for a long time.

mod frames;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use haechi_model::InterfaceName;
use rustix::event::PollFlags;

use crate::clock;
use crate::mac::{Family, Mac};
use crate::packet::{self, Frames};
use crate::waiting::wait;

pub use frames::{arp_announcement, unsolicited_advertisement};

/// Sends announcements, without ever waiting. It is kept for long: while such a socket closes, the kernel waits for all
/// its processors (`packet_release`), 10 ms and more.
#[derive(Debug)]
pub struct Announcer(Frames);

impl Announcer {
    /// Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `EPERM`: the right is missing.
    pub fn open() -> io::Result<Self> {
        Frames::to_any().map(Self)
    }

    /// Says once for each address, through the interface with this number, that it is at `mac`: gratuitous ARP, or an
    /// unsolicited neighbour advertisement, in which `router` tells whether this host forwards IPv6. Gives how many
    /// were sent: fewer than all when the interface's queue is full, and then the rest may be tried again. Needs no
    /// right any more.
    ///
    /// # Errors
    /// `ENETDOWN`: the interface is off. `ENXIO`, `ENODEV`: there is none.
    pub fn announce(
        &self,
        interface: u32,
        mac: Mac,
        addresses: &[IpAddr],
        router: bool,
    ) -> io::Result<usize> {
        for (sent, address) in addresses.iter().enumerate() {
            let said = match address {
                IpAddr::V4(address) => self.0.send_through(interface, &arp_announcement(mac, *address)),
                IpAddr::V6(address) => {
                    self.0.send_through(interface, &unsolicited_advertisement(mac, *address, router))
                }
            };
            match said {
                Ok(()) => {}
                Err(error) if is_full(&error) => return Ok(sent),
                Err(error) => return Err(error),
            }
        }
        Ok(addresses.len())
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Somebody who says that an address is theirs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Answer {
    /// The link-layer address that the answer gives.
    pub mac: Mac,
    /// That which the frame came from; a proxy's or an attacker's differs.
    pub sender: Mac,
}

/// Who has an address? Asked through one interface, as often as wanted; answers come when they come. Readable
/// (poll(2)) when there may be one. What this host itself would answer is not heard.
#[derive(Debug)]
pub struct Question {
    frames: Frames,
    address: IpAddr,
    request: Vec<u8>,
}

impl Question {
    /// Prepares it; nothing is sent yet. Needs `CAP_NET_RAW`.
    ///
    /// `mac` is where answers go, usually the interface's own. `source` is the address that asks: for IPv6 one of
    /// this interface (its link-local one), because a question from nowhere would break off the address detection
    /// of whoever is about to take it (RFC 4862 §5.4.3). For IPv4 `None` is best: the probe of RFC 5227 §2.1.1
    /// changes nobody's cache. Hosts with `arp_ignore` 2 answer only to a source of their network.
    ///
    /// # Errors
    /// `EPERM`: the right is missing. `ENODEV`: no such interface. `InvalidInput`: no name of one, a source of
    /// another family, or none for IPv6.
    pub fn open(
        interface: &InterfaceName,
        mac: Mac,
        source: Option<IpAddr>,
        address: IpAddr,
    ) -> io::Result<Self> {
        let (ethertype, request) = match (address, source) {
            (IpAddr::V4(address), None) => {
                (packet::ARP, frames::arp_request(mac, [0; 4].into(), address).to_vec())
            }
            (IpAddr::V4(address), Some(IpAddr::V4(source))) => {
                (packet::ARP, frames::arp_request(mac, source, address).to_vec())
            }
            (IpAddr::V6(address), Some(IpAddr::V6(source))) => {
                (packet::IPV6, frames::solicitation(mac, source, address).to_vec())
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "no source that can ask for this address",
                ));
            }
        };
        Ok(Self { frames: Frames::of(interface, ethertype)?, address, request })
    }

    /// Asks once.
    ///
    /// # Errors
    /// `ENETDOWN`: the interface is off. `WouldBlock`, `ENOBUFS`: its queue is full.
    pub fn ask(&self) -> io::Result<()> {
        self.frames.send(&self.request)
    }

    /// The next answer; `None` when there is none yet, or none among many frames. Announcements for the address count too: who says unasked
    /// that it is theirs says it all the same.
    ///
    /// # Errors
    /// `ENETDOWN`: the interface was switched off.
    pub fn next_answer(&self) -> io::Result<Option<Answer>> {
        let mut buffer = [0; frames::LONGEST];
        for _ in 0..MOST_FRAMES {
            let answer = match self.frames.receive(&mut buffer) {
                Ok(frame) => frames::answer(frame, self.address),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                Err(error) => return Err(error),
            };
            if let Some((mac, sender)) = answer {
                return Ok(Some(Answer { mac, sender }));
            }
        }
        Ok(None)
    }

    /// The family that it asks in.
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl AsFd for Question {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}

/// Most frames that are looked at in one go: IPv6's are all that the host gets, and whoever asks has other things to do.
const MOST_FRAMES: u32 = 256;

/// Most different answers that are kept: two are one too many already, and a flood of forged ones must end.
const MOST_ANSWERS: usize = 16;

/// Asks once and collects who answers until `within` has passed, each only once. Waits for all of that time, since
/// it is the second answer that matters; so it is for tools, not for the thread of a virtual router.
///
/// # Errors
/// As [`Question::open`] and [`Question::ask`].
pub fn who_has(
    interface: &InterfaceName,
    mac: Mac,
    source: Option<IpAddr>,
    address: IpAddr,
    within: Duration,
) -> io::Result<Vec<Answer>> {
    let deadline = clock::now() + within;
    let question = Question::open(interface, mac, source, address)?;
    question.ask()?;
    let mut answers = Vec::new();
    loop {
        // A flood that never lets it run dry must not keep it beyond its deadline.
        while clock::now() < deadline && answers.len() < MOST_ANSWERS {
            let Some(answer) = question.next_answer()? else { break };
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        if answers.len() == MOST_ANSWERS {
            return Ok(answers);
        }
        match wait(question.as_fd(), PollFlags::IN, deadline) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(answers),
            Err(error) => return Err(error),
        }
    }
}
