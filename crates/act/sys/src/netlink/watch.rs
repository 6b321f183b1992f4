//! What changes in the network, as it changes: links that go up and down, addresses that come and go.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haechi_model::InterfaceName;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

use super::connection::{receive, socket};
use super::wire::{Message, messages};
use super::{Interface, InterfaceAddress};

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Bytes that the kernel holds for us while we do something else: about a thousand link events, of a host with
/// hundreds of interfaces that all flap. Beyond it, [`Event::Lost`] says so.
const HELD: usize = 1 << 20;

/// Most bytes of one datagram of events.
const BUFFER: usize = 64 << 10;

/// Something that changed, or was at least said again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An interface is so now: new, renamed, up, down, another MAC.
    Interface(Interface),
    /// An interface is no more.
    InterfaceGone {
        /// The number that it had.
        index: u32,
        /// The name that it had.
        name: InterfaceName,
    },
    /// An interface has this address now, or the address changed its state.
    Address(InterfaceAddress),
    /// An interface has this address no more.
    AddressGone(InterfaceAddress),
    /// The kernel had to drop events: whoever keeps an image must list everything again.
    Lost,
}

/// A subscription; readable (poll(2)) when there is something. Needs no right.
#[derive(Debug)]
pub struct Watch {
    socket: OwnedFd,
    buffer: Vec<u8>,
    events: VecDeque<Event>,
}

impl Watch {
    /// Begins. What was before is not told: list after this, and nothing is missed.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn open() -> io::Result<Self> {
        let socket = socket(None, GROUPS, SocketFlags::NONBLOCK)?;
        // Without CAP_NET_ADMIN up to net.core.rmem_max, which is enough for most hosts.
        if set_socket_recv_buffer_size_force(&socket, HELD).is_err() {
            set_socket_recv_buffer_size(&socket, HELD)?;
        }
        Ok(Self { socket, buffer: vec![0; BUFFER], events: VecDeque::new() })
    }

    /// The next event; `None` when there is none yet. To be called until then each time that it is readable.
    ///
    /// # Errors
    /// The socket is broken, which the kernel has no way to say.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        while self.events.is_empty() {
            match receive(&self.socket, &mut self.buffer) {
                Ok(Some(bytes)) => self.events.extend(messages(bytes).filter_map(|message| read(&message))),
                Ok(None) => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => return Ok(None),
                    Some(Errno::INTR) => {}
                    Some(Errno::NOBUFS) => return Ok(Some(Event::Lost)),
                    // A datagram that did not fit is one that we have not seen.
                    None => return Ok(Some(Event::Lost)),
                    Some(_) => return Err(error),
                },
            }
        }
        Ok(self.events.pop_front())
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn read(message: &Message<'_>) -> Option<Event> {
    match message.kind {
        libc::RTM_NEWLINK => Interface::read(message).map(Event::Interface),
        libc::RTM_DELLINK => Interface::read(message)
            .map(|interface| Event::InterfaceGone { index: interface.index, name: interface.name }),
        libc::RTM_NEWADDR => InterfaceAddress::read(message).map(Event::Address),
        libc::RTM_DELADDR => InterfaceAddress::read(message).map(Event::AddressGone),
        _ => None,
    }
}
